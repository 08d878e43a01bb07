//! Calls to the outside, each on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use patternc_program::{ExternId, Program};

use super::Shared;
use crate::engine::{CallAnswer, Engine, ExternCall};
use crate::given::Givens;

/// What an extern is bound to.
pub trait Callee: Send + Sync {
    /// Makes the call. It may block, but not much longer than the call's time-out.
    fn call(&self, program: &Program, call: &ExternCall) -> CallAnswer;

    /// How long a call may take; `None`: as long as the limit `extern-timeout` says.
    fn timeout(&self) -> Option<Duration> {
        None
    }
}

/// Every operation of every extern.
pub(super) fn operations(program: &Program) -> impl Iterator<Item = (ExternId, u32)> {
    let externs = program.externs.iter().enumerate();
    externs.flat_map(|(of, declared)| (0..declared.operations.len()).map(move |operation| (ExternId(of as u32), operation as u32)))
}

/// Has the call made, and answered to the engine; at once where it was given what the outside answers.
pub(super) fn call(shared: &Arc<Shared>, engine: &mut Engine, givens: &mut Givens, call: ExternCall) {
    let (event, attempt) = (call.event.clone(), call.attempt);
    let callee = shared.externs.get(&call.of).cloned();
    let given = givens.answer(engine, &call);
    engine.set_answered(call.of, call.operation, callee.is_some() || givens.answer_to(call.of, call.operation));
    if let Some(answer) = given {
        let answer = answer.unwrap_or_else(|why| CallAnswer::NotSent(format!("what a `given` answers has no value: {why}")));
        return engine.answer(&event, attempt, answer);
    }
    let Some(callee) = callee else {
        return engine.answer(&event, attempt, CallAnswer::NotSent("nothing answers it any more".to_owned()));
    };
    let on_thread = shared.clone();
    let spawned = std::thread::Builder::new().name("patternc-extern".to_owned()).spawn(move || {
        let answer = ask(&on_thread, &*callee, &call);
        let mut core = on_thread.lock();
        if let Some(engine) = &mut core.engine {
            engine.answer(&call.event, call.attempt, answer);
        }
        drop(core);
        on_thread.bell.ring();
    });
    if let Err(error) = spawned {
        engine.answer(&event, attempt, CallAnswer::NotSent(format!("no thread for the call: {error}")));
    }
}

fn ask(shared: &Shared, callee: &dyn Callee, call: &ExternCall) -> CallAnswer {
    let answer = catch_unwind(AssertUnwindSafe(|| callee.call(&shared.program, call)));
    answer.unwrap_or_else(|panic| {
        let message = crate::engine::panic_message(&*panic);
        CallAnswer::Unavailable(format!("internal error in the adapter: {message}"))
    })
}
