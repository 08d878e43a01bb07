//! Sagas: what follows on the outcome of a step.
//!
//! A saga is a state machine over its steps. On the way forward the outcome of a step starts the next one; a failure, up to the pivot, turns
//! it round: what was done is undone, last first. Past the pivot there is only forward: a rejected step is sent again, as a new event, until it
//! commits; what is rejected too often waits for someone. Nothing of the program's code is replayed: the frame holds what was bound, and each
//! step is evaluated when it starts.

use std::sync::Arc;

use patternc_program::{Program, Saga, SagaCall, SagaId};

use crate::event::{Outcome, Rejections, SagaProgress};
use crate::failure::{Failure, FailureKind};
use crate::machine::{Here, fits};
use crate::value::Value;

/// The first pause before a step that was rejected past the pivot is sent again, in milliseconds: each is twice as long as the one before.
const PAUSE: i64 = 100;
/// At which rejection such a step is parked, after about 13 s: what has not passed by then does not pass by itself.
const PATIENCE: u32 = 8;

/// What a saga does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Evaluates a step, or what undoes it, and sends it.
    Start(SagaProgress),
    /// Sends the same again as a new event, after so many milliseconds.
    Again(SagaProgress, i64),
    /// It is over, with this outcome: every step is done, or every step that was is undone.
    Over(Outcome),
    /// Someone has to look at it.
    Park(Arc<str>),
}

impl SagaProgress {
    /// A saga whose prelude has left this frame: its first step is to be started.
    pub fn begin(saga: SagaId, frame: Vec<Value>) -> Self {
        SagaProgress { saga, step: 0, undoing: None, frame, unbound: Vec::new(), rejected: None }
    }

    /// The saga it is of.
    pub fn of<'p>(&self, program: &'p Program) -> &'p Saga {
        &program.sagas[self.saga.index()]
    }

    /// What is sent for the current step.
    pub fn call<'p>(&self, program: &'p Program) -> Option<&'p SagaCall> {
        let step = self.of(program).steps.get(self.step as usize)?;
        if self.undoing.is_some() { step.undo.as_ref() } else { Some(&step.action) }
    }

    /// Whether there is no way back from the current step.
    fn is_past_pivot(&self, saga: &Saga) -> bool {
        self.undoing.is_none() && self.step as usize > saga.pivot()
    }

    /// What follows on the outcome of the current step.
    pub fn after(&self, program: &Program, outcome: &Outcome) -> Next {
        let saga = self.of(program);
        match outcome {
            Outcome::Committed(value) => match &self.undoing {
                None => self.done(program, saga, value),
                Some(failure) => self.undo(saga, failure),
            },
            Outcome::Failed(failure) if failure.kind == FailureKind::Unknown => {
                let way_out = "find out what happened, then retry it with `--done [RESULT]` or `--not-done`";
                Next::Park(format!("whether it took effect is not known ({failure}): {way_out}").into())
            }
            Outcome::Failed(failure) if self.undoing.is_some() => {
                Next::Park(format!("what was done cannot be undone: {failure}. Remove what stands in its way, and retry it").into())
            }
            Outcome::Failed(failure) if self.is_past_pivot(saga) => self.again(saga, failure),
            Outcome::Failed(failure) => self.undo(saga, failure),
        }
    }

    /// What follows when the current step cannot be evaluated, so that nothing of it was sent.
    pub fn not_started(&self, program: &Program, failure: &Failure) -> Next {
        let saga = self.of(program);
        let what = saga.step_name(self.step as usize);
        if self.undoing.is_some() {
            Next::Park(format!("what undoes `{what}` cannot be sent: {failure}").into())
        } else if self.is_past_pivot(saga) {
            Next::Park(format!("`{what}`, which follows, cannot be sent: {failure}").into())
        } else {
            self.undo(saga, failure)
        }
    }

    /// Sends the current step once more.
    pub fn retried(&self) -> Next {
        Next::Again(self.clone(), 0)
    }

    fn done(&self, program: &Program, saga: &Saga, value: &Value) -> Next {
        let mut frame = self.frame.clone();
        if let Some((slot, ty)) = saga.steps.get(self.step as usize).and_then(|step| step.result.as_ref()) {
            // Whoever answered may have been another version of the program.
            if let Some(Value::Ref(me)) = frame.first()
                && let Err(why) = fits(program, value, ty, Here::Space(me.space()), &"the answer")
            {
                return Next::Park(format!("what `{}` was answered does not fit: {why}", saga.step_name(self.step as usize)).into());
            }
            frame[slot.index()] = value.clone();
        }
        let step = self.step + 1;
        if (step as usize) < saga.steps.len() {
            return Next::Start(SagaProgress { step, frame, rejected: None, ..self.clone() });
        }
        let results = saga.steps.iter().filter_map(|step| step.result.as_ref()).map(|(slot, _)| frame[slot.index()].clone());
        Next::Over(Outcome::Committed(Value::Struct(results.collect())))
    }

    /// Undoes the last step that was done before this one and has an `undo`.
    fn undo(&self, saga: &Saga, failure: &Failure) -> Next {
        let before = self.step as usize;
        match saga.steps[..before.min(saga.steps.len())].iter().rposition(|step| step.undo.is_some()) {
            Some(step) => Next::Start(SagaProgress { step: step as u32, undoing: Some(failure.clone()), rejected: None, ..self.clone() }),
            None => Next::Over(Outcome::Failed(failure.clone())),
        }
    }

    fn again(&self, saga: &Saga, failure: &Failure) -> Next {
        let times = self.rejected.as_ref().map_or(0, |rejected| rejected.times) + 1;
        // Once it is taken up, what is stored still says how often it was rejected: it is tried once, and parked again.
        if times >= PATIENCE {
            let what = saga.step_name(self.step as usize);
            return Next::Park(
                format!("`{what}`, which has to be done, was rejected {times} times, last: {failure}. Mend what rejects it, and retry it")
                    .into(),
            );
        }
        let pause = PAUSE << (times - 1);
        let rejected = Some(Rejections { times, last: failure.clone() });
        Next::Again(SagaProgress { rejected, ..self.clone() }, pause)
    }

    /// Where it stands, in words: "step `mark` of the saga Claim.take", "undoes …".
    pub fn describe(&self, program: &Program) -> String {
        let saga = self.of(program);
        let (name, step) = (format!("{}.{}", program.record_name(saga.record), saga.name), saga.step_name(self.step as usize));
        match (&self.undoing, &self.rejected) {
            (Some(failure), _) => format!("undoes `{step}` of the saga {name}, which failed ({failure})"),
            (None, Some(Rejections { times, last })) => {
                format!("`{step}` of the saga {name}, which has to be done, but was rejected {times} times ({last})")
            }
            (None, None) => format!("`{step}` of the saga {name}"),
        }
    }
}
