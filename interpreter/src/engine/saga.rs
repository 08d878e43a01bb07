//! Sagas under way: the outcome of a step is dealt with by the commit that sends the next one.

use std::sync::Arc;

use super::Engine;
use super::flight::Flight;
use super::job::{Prepared, Run, reading};
use crate::attempt::Task;
use crate::event::{Event, EventId, Outcome, Outgoing, OutgoingState, Received};
use crate::failure::FailureKind;
use crate::machine::{Execution, id_text};
use crate::saga::Next;
use crate::store::{CommitRequest, OutboxChange, Read, StoreError};

impl Engine {
    /// What is committed for the outcome of a step: the next step, the answer of the saga, or that it is parked.
    pub(super) fn go_on(
        &self,
        execution: &mut Execution,
        flight: &Flight,
        outcome: &Outcome,
        now: i64,
        ids: u128,
    ) -> Result<Prepared, StoreError> {
        let outgoing = &flight.outgoing;
        let progress = outgoing.saga.as_deref().expect("only a step of a saga has what follows on it");
        let ty = || crate::event::saga_result(&self.program, progress.saga);
        if let Some(question) = self.open_question(flight, outcome) {
            return Ok(self.park(flight, outcome.clone(), question.into(), CommitRequest::default()));
        }
        let retried = matches!(flight.state, OutgoingState::Parked { .. });
        let mut next = match outcome {
            // Whoever retries a step that is known not to have happened wants it to be tried anew.
            Outcome::Failed(failure) if retried && failure.kind != FailureKind::Unknown => progress.retried(),
            outcome => progress.after(&self.program, outcome),
        };
        let mut reads: Vec<Read> = Vec::new();
        loop {
            match next {
                Next::Start(progress) => {
                    let env = self.env(outgoing.answers.as_ref(), outgoing.event.caller.as_ref(), now, ids);
                    let task = Task::Step { record: &outgoing.from, progress: &progress };
                    match self.execute(execution, &env, task)? {
                        Ok(Run { mut request, received }) => {
                            request.reads.append(&mut reads);
                            return Ok(self.land(flight, request, Some((received, ty())), now));
                        }
                        Err((failure, read)) => {
                            reads.extend(read);
                            next = progress.not_started(&self.program, &failure);
                        }
                    }
                }
                Next::Again(progress, pause) => {
                    let id = EventId(Arc::from(id_text(ids)));
                    let again = Outgoing {
                        event: Event { id: id.clone(), ..outgoing.event.clone() },
                        due: (pause > 0).then(|| now.saturating_add(pause)),
                        saga: Some(Box::new(progress)),
                        state: OutgoingState::Pending,
                        ..Outgoing::clone(outgoing)
                    };
                    let request = CommitRequest { outbox: vec![OutboxChange::Add(Arc::new(again))], ..reading(reads) };
                    return Ok(self.land(flight, request, Some((Received::Deferred(id), ty())), now));
                }
                Next::Over(outcome) => return Ok(self.land(flight, reading(reads), Some((Received::Done(outcome), ty())), now)),
                Next::Park(reason) => return Ok(self.park(flight, outcome.clone(), reason, reading(reads))),
            }
        }
    }
}
