//! What the outside answers because someone said so, with `given`: in a test, or at the prompt.

use std::sync::Arc;

use patternc_program::{Expr, ExternId, Slot};

use crate::engine::{CallAnswer, Engine, ExternCall};
use crate::failure::Failure;
use crate::value::Value;

/// What one operation answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    pub of: ExternId,
    pub operation: u32,
    pub answer: GivenAnswer,
}

/// See [`Given`].
#[derive(Clone, Debug, PartialEq)]
pub enum GivenAnswer {
    /// Evaluated in the frame as it was when it was given, with the arguments in `params`.
    Value { params: Arc<[Slot]>, value: Arc<Expr>, frame: Vec<Value> },
    /// The outside refuses, so many times; `None`: always.
    Fails { message: String, left: Option<u64> },
}

/// All that was given, the most recent last: that one answers first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Givens(Vec<Given>);

impl Given {
    /// Whether it still answers calls of this operation.
    fn answers(&self, of: ExternId, operation: u32) -> bool {
        let over = matches!(self.answer, GivenAnswer::Fails { left: Some(0), .. });
        self.of == of && self.operation == operation && !over
    }
}

impl Givens {
    pub fn push(&mut self, given: Given) {
        self.0.push(given);
    }

    /// In the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Given> {
        self.0.iter()
    }

    /// How often each is still to answer; `None`: always.
    pub fn left_each(&self) -> impl Iterator<Item = Option<u64>> {
        self.0.iter().map(|given| match given.answer {
            GivenAnswer::Fails { left, .. } => left,
            GivenAnswer::Value { .. } => None,
        })
    }

    /// Says how often one is still to answer.
    pub fn set_left(&mut self, at: usize, times: Option<u64>) {
        if let Some(Given { answer: GivenAnswer::Fails { left, .. }, .. }) = self.0.get_mut(at) {
            *left = times;
        }
    }

    /// Says how many times each refusal is still to come.
    pub fn left(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|given| match given.answer {
            GivenAnswer::Fails { left: Some(left), .. } => left,
            GivenAnswer::Fails { left: None, .. } | GivenAnswer::Value { .. } => 0,
        })
    }

    /// Whether it is said what this operation answers.
    pub fn answer_to(&self, of: ExternId, operation: u32) -> bool {
        self.0.iter().any(|given| given.answers(of, operation))
    }

    /// The answer to a call; `None` if nothing says it.
    ///
    /// # Errors
    /// If what was given has no value.
    pub fn answer(&mut self, engine: &mut Engine, call: &ExternCall) -> Option<Result<CallAnswer, Failure>> {
        let given = self.0.iter_mut().rfind(|given| given.answers(call.of, call.operation))?;
        Some(match &mut given.answer {
            GivenAnswer::Fails { message, left } => {
                if let Some(left) = left {
                    *left -= 1;
                }
                Ok(CallAnswer::Rejected(message.clone()))
            }
            GivenAnswer::Value { params, value, frame } => {
                let mut frame = frame.clone();
                for (slot, arg) in params.iter().zip(&call.args) {
                    frame[slot.index()] = arg.clone();
                }
                engine.evaluate(value, &mut frame, None).map(CallAnswer::Value)
            }
        })
    }
}
