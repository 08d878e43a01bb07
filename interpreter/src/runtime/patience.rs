//! Waiting, for as long as whoever waits wants to.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::snippet::{SnippetError, Unanswered};
use super::{Runtime, Taken};
use crate::engine::Mark;
use crate::event::{Action, EventId, Outcome};

/// How long between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// How long someone waits, who may tell a person what for meanwhile.
pub trait Patience {
    /// Asked now and then: whether it is waited for any longer.
    fn lasts(&mut self, waited: Duration, runtime: &Runtime) -> bool;
}

impl Patience for Duration {
    fn lasts(&mut self, waited: Duration, _runtime: &Runtime) -> bool {
        waited < *self
    }
}

impl Runtime {
    /// Stands for what is known so far, for [`Runtime::settle`].
    pub fn mark(&self) -> Mark {
        self.shared.lock().engine().mark()
    }

    /// Waits until nothing is left to do but what is delayed, parked or held, what nobody answers, and calls that were being made or
    /// repeated before the mark; `false` if patience ended first.
    pub fn settle(&self, since: Mark, patience: &mut dyn Patience) -> bool {
        let began = Instant::now();
        let mut core = self.shared.lock();
        core.idlers += 1;
        let settled = loop {
            if core.engine().is_idle_since(since) {
                break true;
            }
            self.shared.bell.ring();
            core = self.shared.idle.wait_timeout(core, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            if core.engine().is_idle_since(since) {
                break true;
            }
            drop(core);
            let lasts = patience.lasts(began.elapsed(), self);
            core = self.shared.lock();
            if !lasts {
                break false;
            }
        };
        core.idlers -= 1;
        settled
    }

    /// Waits for the outcome of an event, and for what it causes, as far as that can happen by itself.
    pub fn answer(
        &self,
        taken: Taken,
        action: &Action,
        since: Mark,
        patience: &mut dyn Patience,
    ) -> Result<(EventId, Outcome), SnippetError> {
        let began = Instant::now();
        let mut taken = taken;
        loop {
            match taken.wait_timeout(LOOK) {
                Ok(answered) => {
                    // What it caused is shown with it.
                    self.settle(since, patience);
                    return Ok(answered);
                }
                Err(waits) => taken = waits,
            }
            let (follows, hangs) = (self.shared.forwards(), self.shared.hangs_on(taken.id()));
            let mut core = self.shared.lock();
            let engine = core.engine();
            let stands = !follows && engine.is_idle() && !engine.has_finished() && !engine.is_elsewhere();
            let why = if taken.is_answered() {
                None
            } else if let Some((_, why)) = hangs {
                Some(Unanswered::Parked(why))
            } else if !stands {
                None
            } else if engine.is_held() {
                Some(Unanswered::Held)
            } else if !engine.unanswered_calls().is_empty() {
                Some(Unanswered::Nobody)
            } else {
                Some(Unanswered::Later)
            };
            let what = engine.describe(action);
            drop(core);
            let why = match why {
                Some(why) => why,
                None if patience.lasts(began.elapsed(), self) => continue,
                None => Unanswered::Slow(began.elapsed()),
            };
            return Err(SnippetError::NoAnswer { what, why });
        }
    }
}
