//! Calls to the outside, each on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use patternc_program::Program;

use super::Shared;
use crate::engine::{CallAnswer, Engine, ExternCall};

/// What an extern is bound to.
pub trait Callee: Send + Sync {
    /// Makes the call. It may block, but not much longer than the call's time-out.
    fn call(&self, program: &Program, call: &ExternCall) -> CallAnswer;

    /// How long a call may take; `None`: as long as the limit `extern-timeout` says.
    fn timeout(&self) -> Option<Duration> {
        None
    }
}

/// Has the call made, and answered to the engine.
pub(super) fn call(shared: &Arc<Shared>, engine: &mut Engine, call: ExternCall) {
    let (event, attempt) = (call.event.clone(), call.attempt);
    let on_thread = shared.clone();
    let spawned = std::thread::Builder::new().name("patternc-extern".to_owned()).spawn(move || {
        let answer = ask(&on_thread, &call);
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

fn ask(shared: &Shared, call: &ExternCall) -> CallAnswer {
    let Some(callee) = shared.externs.get(&call.of) else {
        let name = shared.program.externs[call.of.index()].name;
        return CallAnswer::NotSent(format!("no adapter is bound to the extern {name}: name one under `externs` of the deployment"));
    };
    let answer = catch_unwind(AssertUnwindSafe(|| callee.call(&shared.program, call)));
    answer.unwrap_or_else(|panic| {
        let message = crate::engine::panic_message(&*panic);
        CallAnswer::Unavailable(format!("internal error in the adapter: {message}"))
    })
}
