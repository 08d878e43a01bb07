//! What the outside of a test answers: as given, and to a call that comes again what it answered first.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::world::Outside;
use crate::engine::{CallAnswer, Engine, ExternCall};
use crate::event::EventId;
use crate::given::Givens;

/// See the module's documentation. A call that comes again has the idempotency key of the first: it is the same call, and counts once of what
/// is given so many times.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    pub givens: Givens,
    /// By idempotency key. Shared by the points of a search.
    told: Arc<FxHashMap<EventId, CallAnswer>>,
}

impl Answers {
    /// What the call of this key was answered.
    pub fn told(&self, key: &EventId) -> Option<&CallAnswer> {
        self.told.get(key)
    }
}

impl Outside for Answers {
    fn call(&mut self, engine: &mut Engine, call: &ExternCall) -> Result<CallAnswer, String> {
        if let Some(answer) = self.told(&call.event) {
            return Ok(answer.clone());
        }
        let answer = self.givens.answer(engine, call).ok_or_else(|| {
            let of = &engine.program().externs[call.of.index()];
            let (name, operation) = (of.name, of.operations[call.operation as usize].name);
            format!("{name}.{operation} was called, and the test does not say what it answers: add `given {name}.{operation}(…) => …`")
        })?;
        let answer = answer.map_err(|why| format!("what a `given` answers has no value: {why}"))?;
        self.answered(call, &answer);
        Ok(answer)
    }

    fn answered(&mut self, call: &ExternCall, answer: &CallAnswer) {
        Arc::make_mut(&mut self.told).insert(call.event.clone(), answer.clone());
    }
}
