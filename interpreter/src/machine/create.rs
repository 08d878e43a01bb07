//! Creating records: defaults in the order of the declaration, then the links, then the `create` block.

use patternc_program::{CellIndex, Create, RecordId, TestEvent, Type};

use super::{Machine, record_space, text};
use crate::event::Action;
use crate::failure::FailureKind;
use crate::transaction::{Run, fail};
use crate::value::{RecordRef, SpaceRef, Value};

impl<'a> Machine<'a> {
    /// `create R in s { … }`: the reference of the new record.
    pub(super) fn eval_create(&mut self, create: &'a Create) -> Run<RecordRef> {
        let (space, cells) = self.create_parts(create)?;
        let id = self.next_id();
        self.create(create.record, space, id, cells)
    }

    /// Space and given cells of a `create`, evaluated.
    pub(super) fn create_parts(&mut self, create: &'a Create) -> Run<(SpaceRef, Vec<(CellIndex, Value)>)> {
        let space = self.space(&create.space)?;
        if let Err(why) = record_space(self.env.program, create.record, &space) {
            let name = self.env.program.record(create.record).name;
            return fail(FailureKind::Rejected, format!("a {name} cannot be created in {}: {why}", text::space(self.env.program, &space)));
        }
        let mut cells = Vec::with_capacity(create.cells.len());
        for (cell, value) in &create.cells {
            cells.push((*cell, self.eval(value)?));
        }
        Ok((space, cells))
    }

    /// Creates a record of this id with these cells, the others by their defaults.
    ///
    /// # Errors
    /// `rejected` if the id was used before, a cell has neither value nor default, or a unique value is taken.
    pub(super) fn create(&mut self, of: RecordId, space: SpaceRef, id: String, mut cells: Vec<(CellIndex, Value)>) -> Run<RecordRef> {
        self.step()?;
        let declaration = self.env.program.record(of);
        let record = RecordRef::new(of, space, id);
        self.tx.begin_create(&record)?;
        for (at, cell) in declaration.cells.iter().enumerate() {
            let index = CellIndex(at as u32);
            let given = cells.iter_mut().find(|(given, _)| *given == index);
            let value = match (given, cell.default) {
                (Some((_, value)), _) => std::mem::replace(value, Value::None),
                (None, Some(default)) => self.call(default, |slots| slots.push(Value::Ref(record.clone())))?,
                (None, None) if matches!(cell.ty, Type::Optional(_)) => Value::None,
                (None, None) => {
                    let message = format!("{} \"{}\" needs a value for `{}`: it has no default", declaration.name, record.id(), cell.name);
                    return fail(FailureKind::Rejected, message);
                }
            };
            self.weigh(&value)?;
            self.tx.init_cell(&record, index, value)?;
        }
        self.tx.end_create(&record)?;
        if let Some(body) = declaration.create {
            self.call(body, |slots| slots.push(Value::Ref(record.clone())))?;
        }
        Ok(record)
    }

    /// What an event of a test does.
    pub(super) fn test_action(&mut self, event: &'a TestEvent) -> Run<Action> {
        Ok(match event {
            TestEvent::Handler { target, handler, args } => {
                Action::Handler { to: self.eval_ref(target)?, handler: *handler, args: self.eval_all(args)? }
            }
            TestEvent::Saga { target, saga, args } => Action::Saga { to: self.eval_ref(target)?, saga: *saga, args: self.eval_all(args)? },
            TestEvent::Create(create) => {
                let (space, cells) = self.create_parts(create)?;
                Action::Create { record: create.record, space, id: None, cells }
            }
        })
    }
}
