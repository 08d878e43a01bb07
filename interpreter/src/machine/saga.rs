//! Sagas: a prelude that runs once, and steps that are evaluated one at a time, over a frame kept between them.

use std::sync::Arc;

use patternc_program::{Code, SagaId, Stmt};

use super::{Execution, Machine};
use crate::attempt::{Attempt, Env};
use crate::event::{Event, EventId, Outgoing, OutgoingState, SagaProgress};
use crate::failure::FailureKind;
use crate::store::StoreError;
use crate::transaction::{Run, fail};
use crate::value::{RecordRef, Value};

impl Execution {
    /// A saga arrives at its record: runs the prelude and sends the first step, whose event decides what the saga answers.
    pub(super) fn begin_saga(
        &mut self,
        env: &Env<'_>,
        to: &RecordRef,
        saga: SagaId,
        args: &[Value],
        outside: bool,
    ) -> Result<Attempt, StoreError> {
        let declaration = &env.program.sagas[saga.index()];
        self.attempt(env, to.space().clone(), &[], |machine| {
            if outside {
                machine.admit_call(to, (declaration.record, declaration.name), &declaration.params, args)?;
            }
            machine.tx.require_live(to)?;
            let mut frame = Vec::with_capacity(declaration.slots as usize);
            frame.push(Value::Ref(to.clone()));
            frame.extend_from_slice(args);
            let prelude = env.program.body(declaration.prelude);
            let Code::Block(stmts) = &prelude.code else {
                return fail(FailureKind::Rejected, format!("{} has no steps", prelude.name));
            };
            let ((), mut frame) = machine.in_frame(frame, declaration.slots, |machine| machine.exec(stmts).map(|_| ()))?;
            // What else was in use while it ran is not kept.
            for (slot, value) in frame.iter_mut().enumerate().skip(1) {
                if !declaration.kept.iter().any(|kept| kept.slot.index() == slot) {
                    *value = Value::None;
                }
            }
            machine.send_step(&SagaProgress::begin(saga, frame))
        })
    }

    /// Evaluates a step of a saga, or what undoes it, and sends it.
    pub(super) fn run_step(&mut self, env: &Env<'_>, record: &RecordRef, progress: &SagaProgress) -> Result<Attempt, StoreError> {
        self.attempt(env, record.space().clone(), &[], |machine| machine.send_step(progress))
    }
}

impl<'a> Machine<'a> {
    fn send_step(&mut self, progress: &SagaProgress) -> Run<Value> {
        let program = self.env.program;
        let Some(Value::Ref(from)) = progress.frame.first().cloned() else {
            return self.mistyped("the record of a saga", &Value::None);
        };
        let Some(call) = progress.call(program) else {
            return fail(FailureKind::Rejected, format!("the saga {} has no such step", progress.of(program).name));
        };
        let Code::Block(stmts) = &program.body(call.body).code else {
            return fail(FailureKind::Rejected, format!("{} sends nothing", program.body(call.body).name));
        };
        // The frame is as wide as the program has it now.
        let (action, _) = self.in_frame(progress.frame.clone(), progress.of(program).slots, |machine| {
            for stmt in stmts {
                if let Stmt::Send(send) = stmt {
                    return machine.sent_action(&send.event);
                }
                machine.exec_one(stmt)?;
            }
            fail(FailureKind::Rejected, "a step of a saga sends nothing")
        })?;
        progress.frame.iter().try_for_each(|value| self.weigh(value))?;
        let id = EventId(Arc::from(self.next_id()));
        let outgoing = Outgoing {
            event: Event { id, caller: self.env.caller.cloned(), action },
            from,
            at: self.env.now,
            due: None,
            ok: None,
            err: None,
            answers: self.env.answers.cloned(),
            saga: Some(Box::new(progress.clone())),
            state: OutgoingState::Pending,
        };
        self.tx.send(outgoing, true);
        Ok(Value::None)
    }

    /// Runs in a frame that is given, and gives it back.
    fn in_frame<T>(&mut self, frame: Vec<Value>, size: u32, run: impl FnOnce(&mut Self) -> Run<T>) -> Run<(T, Vec<Value>)> {
        self.step()?;
        let base = self.slots.len();
        self.slots.extend(frame);
        self.slots.resize(base + size as usize, Value::None);
        let outer = std::mem::replace(&mut self.base, base);
        let result = run(self);
        self.base = outer;
        let frame = self.slots.split_off(base);
        Ok((result?, frame))
    }
}
