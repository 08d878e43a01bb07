//! Events that were taken, and waiting for their outcomes.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Shared, lock};
use crate::engine::{Receipt, Ticket, Unopened};
use crate::event::{EventId, Outcome};
use crate::failure::{Failure, FailureKind};

/// How often who waits for an outcome looks whether it hangs on something that is parked.
const HANGING_POLL: Duration = Duration::from_millis(200);

/// Where the receipt of an event is put that was not decided at once.
#[derive(Default)]
pub(super) struct Slot {
    receipt: Mutex<Option<Receipt>>,
    filled: Condvar,
}

/// An event whose answer waits for someone who takes up what is parked. Sent again with the same id, it gives the answer once there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hanging {
    pub event: EventId,
    /// What is parked, and why.
    pub on: EventId,
    pub why: String,
}

/// An event that was taken: its outcome comes, once it is durable.
#[must_use]
pub struct Taken {
    pub(super) id: EventId,
    pub(super) answer: Answer,
    pub(super) shared: Arc<Shared>,
}

pub(super) enum Answer {
    Receipt(Receipt),
    Slot(Arc<Slot>),
    /// [`Taken::poll`] has given it.
    Told,
}

impl Slot {
    pub(super) fn fill(&self, receipt: Receipt) {
        *lock(&self.receipt) = Some(receipt);
        self.filled.notify_all();
    }
}

impl Taken {
    /// The id of the event.
    pub fn id(&self) -> &EventId {
        &self.id
    }

    /// Waits for the outcome, until it is durable.
    pub fn wait(mut self) -> (EventId, Outcome) {
        loop {
            let receipt = match self.answer {
                Answer::Receipt(receipt) => receipt,
                Answer::Slot(slot) => {
                    let mut filled = lock(&slot.receipt);
                    loop {
                        if let Some(receipt) = filled.take() {
                            break receipt;
                        }
                        filled = slot.filled.wait(filled).unwrap_or_else(PoisonError::into_inner);
                    }
                }
                Answer::Told => Receipt::refused(Failure::new(FailureKind::Unknown, "the outcome was told already")),
            };
            self.shared.let_in();
            match receipt.wait(&self.shared.durability) {
                Ok(outcome) => return (self.id, outcome),
                Err(ticket) => self.answer = self.shared.again(ticket),
            }
        }
    }

    /// Waits for the outcome, at most for so long.
    pub fn wait_timeout(mut self, patience: Duration) -> Result<(EventId, Outcome), Taken> {
        let deadline = Instant::now() + patience;
        if let Answer::Slot(slot) = &self.answer {
            let mut filled = lock(&slot.receipt);
            while filled.is_none() {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    drop(filled);
                    return Err(self);
                }
                filled = slot.filled.wait_timeout(filled, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            let receipt = filled.take().expect("the loop ends when it is filled");
            drop(filled);
            self.answer = Answer::Receipt(receipt);
        }
        Ok(self.wait())
    }

    /// Waits for the outcome, or until that hangs on something that is parked.
    pub fn wait_unless_parked(self) -> Result<(EventId, Outcome), Hanging> {
        let mut taken = self;
        loop {
            taken = match taken.wait_timeout(HANGING_POLL) {
                Ok(decided) => return Ok(decided),
                Err(taken) => taken,
            };
            let hangs = taken.shared.hangs_on(&taken.id);
            if let Some((on, why)) = hangs {
                return Err(Hanging { event: taken.id, on, why });
            }
        }
    }

    /// Whether its outcome is there, durable or not.
    pub(super) fn is_answered(&self) -> bool {
        match &self.answer {
            Answer::Receipt(_) | Answer::Told => true,
            Answer::Slot(slot) => lock(&slot.receipt).is_some(),
        }
    }

    /// The outcome, if it is there and durable. It is given once.
    pub fn poll(&mut self) -> Option<Outcome> {
        if let Answer::Slot(slot) = &self.answer {
            let receipt = lock(&slot.receipt).take()?;
            self.answer = Answer::Receipt(receipt);
        }
        match std::mem::replace(&mut self.answer, Answer::Told) {
            Answer::Receipt(receipt) => match receipt.poll(&self.shared.durability) {
                Ok(outcome) => Some(outcome),
                Err(Unopened::NotYet(receipt)) => {
                    self.answer = Answer::Receipt(receipt);
                    None
                }
                Err(Unopened::Again(ticket)) => {
                    self.answer = self.shared.again(ticket);
                    None
                }
            },
            other => {
                self.answer = other;
                None
            }
        }
    }
}

impl Shared {
    /// The event's commit is lost, or may be: its outcome comes again.
    fn again(&self, ticket: Ticket) -> Answer {
        let mut core = self.lock();
        let answer = match core.again.remove(&ticket) {
            Some(receipt) => Answer::Receipt(receipt),
            None if core.engine.is_none() => Answer::Receipt(Receipt::shut_down()),
            None => {
                let slot = Arc::new(Slot::default());
                core.pending.insert(ticket, slot.clone());
                Answer::Slot(slot)
            }
        };
        drop(core);
        self.bell.ring();
        answer
    }
}
