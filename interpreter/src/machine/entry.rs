//! How an attempt begins and ends: outside events are tested, the body runs, invariants are checked, the request is made.

use patternc_program::{CellIndex, Field, HandlerId, Name, RecordId, SpaceId};

use super::{Execution, Here, Machine, fits, record_space, text};
use crate::attempt::{Attempt, Env, Success};
use crate::event::{Action, PendingArm};
use crate::failure::{Failure, FailureKind};
use crate::store::StoreError;
use crate::transaction::{Run, Stop, Transaction, fail};
use crate::value::{RecordRef, SpaceRef, Value};

impl Execution {
    pub(super) fn run_event(&mut self, env: &Env<'_>, action: &Action, outside: bool) -> Result<Attempt, StoreError> {
        match action {
            Action::Handler { to, handler, args } => {
                let declaration = env.program.handler(*handler);
                self.attempt(env, to.space().clone(), &declaration.across, |machine| {
                    if outside {
                        machine.admit(to, *handler, args)?;
                    }
                    machine.tx.require_live(to)?;
                    machine.call(declaration.body, |slots| {
                        slots.push(Value::Ref(to.clone()));
                        slots.extend_from_slice(args);
                    })
                })
            }
            Action::Create { record, space, id, cells } => self.attempt(env, space.clone(), &[], |machine| {
                if outside {
                    machine.admit_create(*record, space, cells)?;
                }
                let id = match id {
                    Some(id) => id.to_string(),
                    None => machine.next_id(),
                };
                machine.create(*record, space.clone(), id, cells.clone()).map(Value::Ref)
            }),
            Action::Saga { to, saga, args } => self.begin_saga(env, to, *saga, args, outside),
            Action::Extern { .. } => {
                let message = "an operation of the outside is no transaction: the engine calls it";
                Ok(Attempt::Failed { failure: Failure::new(FailureKind::Rejected, message), reads: Vec::new() })
            }
        }
    }

    pub(super) fn run_arm(&mut self, env: &Env<'_>, record: &RecordRef, arm: &PendingArm, value: &Value) -> Result<Attempt, StoreError> {
        let declaration = &env.program.arms[arm.arm.index()];
        self.attempt(env, record.space().clone(), &[], |machine| {
            machine.tx.require_live(record)?;
            if let Some(ty) = &declaration.binds {
                // Whoever answered may have been another version of the program.
                fits(env.program, value, ty, Here::Space(record.space()), &"the answer")?;
            }
            machine.call(declaration.body, |slots| {
                slots.push(Value::Ref(record.clone()));
                slots.extend_from_slice(&arm.captures);
                if declaration.binds.is_some() {
                    slots.push(value.clone());
                }
            })
        })
    }

    pub(super) fn attempt<'a>(
        &mut self,
        env: &Env<'a>,
        space: SpaceRef,
        across: &'a [SpaceId],
        run: impl FnOnce(&mut Machine<'a>) -> Run<Value>,
    ) -> Result<Attempt, StoreError> {
        let tx = Transaction::new(env, Some(space), across, self.take_nursery());
        let mut machine = Machine::new(*env, tx, std::mem::take(&mut self.slots));
        machine.interrupt = self.interrupt.clone();
        let result = run(&mut machine).and_then(|value| {
            machine.weigh(&value)?;
            machine.mirror_changes()?;
            machine.check_invariants()?;
            Ok(value)
        });
        machine.slots.clear();
        self.slots = machine.slots;
        match result {
            Ok(result) => {
                let (request, deferred, nursery) = machine.tx.finish();
                self.nursery = Some(nursery);
                Ok(Attempt::Commit(Box::new(Success { request, result, deferred })))
            }
            Err(stop) => {
                let (reads, nursery) = machine.tx.abandon();
                self.nursery = Some(nursery);
                match *stop {
                    Stop::Failure(failure) => Ok(Attempt::Failed { failure, reads }),
                    Stop::Store(error) => Err(error),
                }
            }
        }
    }
}

impl<'a> Machine<'a> {
    /// Tests an event from outside: it may reach the handler, and its arguments fit and point where they may.
    fn admit(&mut self, to: &RecordRef, handler: HandlerId, args: &[Value]) -> Run<()> {
        let declaration = self.env.program.handler(handler);
        if declaration.internal && to.record() == declaration.record {
            let record = self.env.program.record(declaration.record).name;
            return fail(FailureKind::Rejected, format!("{record}.{} is internal: events from outside do not reach it", declaration.name));
        }
        self.admit_call(to, (declaration.record, declaration.name), &declaration.params, args)
    }

    /// The same for any member of a record that takes arguments.
    pub(super) fn admit_call(&mut self, to: &RecordRef, (of, name): (RecordId, Name), params: &[Field], args: &[Value]) -> Run<()> {
        let program = self.env.program;
        let record = program.record(of);
        if to.record() != of {
            let message = format!("{} \"{}\" has no handler {}.{name}", program.record(to.record()).name, to.id(), record.name);
            return fail(FailureKind::Rejected, message);
        }
        if let Err(why) = record_space(program, to.record(), to.space()) {
            let message = format!("there is no {} in {}: {why}", record.name, text::space(program, to.space()));
            return fail(FailureKind::Rejected, message);
        }
        if args.len() != params.len() {
            let (wanted, given) = (params.len(), args.len());
            let message = format!("{}.{name} takes {wanted} arguments, {given} are given", record.name);
            return fail(FailureKind::Rejected, message);
        }
        for (param, value) in params.iter().zip(args) {
            let what = format_args!("the argument `{}` of {}.{name}", param.name, record.name);
            fits(program, value, &param.ty, Here::Space(to.space()), &what)?;
            self.admit_size(value, &what)?;
        }
        Ok(())
    }

    /// Tests the creation of a record from outside.
    fn admit_create(&mut self, record: RecordId, space: &SpaceRef, cells: &[(CellIndex, Value)]) -> Run<()> {
        let program = self.env.program;
        let declaration = program.record(record);
        if let Some(mirror) = program.mirror_kept_by(record) {
            let (mirror, of) = (program.mirrors[mirror as usize].name, program.record(program.mirrors[mirror as usize].record).name);
            let message = format!("the facts of the mirror {mirror} are kept by the runtime: change a {of}");
            return fail(FailureKind::Rejected, message);
        }
        if let Err(why) = record_space(program, record, space) {
            return fail(
                FailureKind::Rejected,
                format!("a {} cannot be created in {}: {why}", declaration.name, text::space(program, space)),
            );
        }
        for (at, (cell, value)) in cells.iter().enumerate() {
            let Some(of) = declaration.cells.get(cell.index()) else {
                return fail(FailureKind::Rejected, format!("{} has no cell {}", declaration.name, cell.0));
            };
            if cells[..at].iter().any(|(other, _)| other == cell) {
                return fail(FailureKind::Rejected, format!("the cell {}.{} is given twice", declaration.name, of.name));
            }
            let what = format_args!("the cell {}.{}", declaration.name, of.name);
            fits(program, value, &of.ty, Here::Space(space), &what)?;
            self.admit_size(value, &what)?;
        }
        Ok(())
    }

    /// Values from outside obey the limits that values made here do.
    fn admit_size(&self, value: &Value, what: &dyn std::fmt::Display) -> Run<()> {
        let limits = self.env.limits;
        // It is no larger than the event that brought it.
        let mut unlimited = usize::MAX;
        if value.weigh(&mut unlimited, limits.value_nesting).is_err() {
            let message = format!("{what} is nested deeper than {} (setting `value-nesting`)", limits.value_nesting);
            return fail(FailureKind::Overflow, message);
        }
        match value {
            Value::Text(text) if text.len() > limits.text_length => {
                fail(FailureKind::Overflow, format!("{what} is longer than {} bytes (setting `text-length`)", limits.text_length))
            }
            value if value.element_count() > limits.collection_length => {
                let message = format!("{what} has more than {} elements (setting `collection-length`)", limits.collection_length);
                fail(FailureKind::Overflow, message)
            }
            _ => Ok(()),
        }
    }
}
