//! A new program on old data: refused where anything would be lost or mistyped.

use patternc_program::{CellIndex, Program, RecordId, Type};
use rustc_hash::FxHashMap;

use super::Opening;
use super::changes::{Changes, CollectionChange};
use super::load::{LoadError, Rows};
use super::native::{self, Native, write_column, write_key};
use super::positions::Positions;
use super::schema::{CellLayout, Kind, Layout, StoredSchema, StoredType};
use super::{constant, links, places};
use crate::store::memory::Memory;
use crate::store::state::State;
use crate::store::{CommitRequest, Refused, Stores, Write};
use crate::value::{RecordRef, Value};

/// What brings stored data to the schema of another program.
pub(in crate::store) struct Migration<'a> {
    pub(in crate::store) rows: &'a dyn Rows,
    pub(in crate::store) stored: &'a StoredSchema,
    pub(in crate::store) schema: &'a StoredSchema,
}

/// What has to be done to the rows.
pub(in crate::store) struct Steps<'a> {
    /// Types that the program has no more: their rows go, the ids of their records stay taken.
    pub(in crate::store) gone_types: Vec<&'a StoredType>,
    /// The type as it was, and the index of a cell of it that the program has no more, or keeps otherwise now.
    pub(in crate::store) gone_cells: Vec<(&'a StoredType, usize)>,
    pub(in crate::store) new_types: Vec<&'a StoredType>,
    /// The type as it becomes, and the index of a cell that is new or kept otherwise.
    pub(in crate::store) new_cells: Vec<(&'a StoredType, usize)>,
    /// What these cells hold.
    pub(in crate::store) filled: Changes,
}

impl<'a> Migration<'a> {
    /// Refuses what would lose anything; changes the state, and says what is to be done to the rows.
    /// `missing`: the cells that the stored records do not have. `positions`: of the lists in the rows, as they become.
    pub(in crate::store) fn plan(
        &self,
        state: &mut State,
        missing: &[(RecordId, CellIndex)],
        positions: &mut FxHashMap<(u64, u32), Positions>,
        opening: &mut Opening<'_>,
    ) -> Result<Steps<'a>, LoadError> {
        let present = || self.stored.types.iter().filter(|ty| ty.present);
        present().try_for_each(|old| self.check_removed(old, &opening.discard))?;
        self.add_defaults(state, missing, opening)?;
        let linked = links::complete(&opening.program, state, &self.new_links(&opening.program))?;
        let mut steps = Steps {
            gone_types: Vec::new(),
            gone_cells: Vec::new(),
            new_types: Vec::new(),
            new_cells: Vec::new(),
            filled: Changes::default(),
        };
        for old in present() {
            match self.schema.types.iter().find(|ty| ty.id == old.id && ty.present) {
                None => steps.gone_types.push(old),
                Some(new) => {
                    let gone = (0..old.cells.len()).filter(|&i| !new.cells.iter().any(|kept| kept.id == old.cells[i].id));
                    steps.gone_cells.extend(gone.map(|cell| (old, cell)));
                }
            }
        }
        let layout = Layout::new(self.schema, &opening.program);
        for (index, new) in self.schema.types.iter().enumerate().filter(|(_, ty)| ty.present) {
            match present().find(|ty| ty.id == new.id) {
                None => steps.new_types.push(new),
                Some(old) => {
                    let fresh = (0..new.cells.len()).filter(|&i| !old.cells.iter().any(|kept| kept.id == new.cells[i].id));
                    let fresh: Vec<usize> = fresh.collect();
                    let record = RecordId(index as u32);
                    fill(&mut steps.filled, &opening.program, &layout, state, record, &fresh, false)?;
                    let linked = linked.iter().filter(|(of, cell)| *of == record && !fresh.contains(&cell.index()));
                    let linked: Vec<usize> = linked.map(|(_, cell)| cell.index()).collect();
                    fill(&mut steps.filled, &opening.program, &layout, state, record, &linked, true)?;
                    // The rows of a list that is written anew stand at their indexes.
                    positions.retain(|(_, cell), _| linked.iter().all(|&linked| new.cells[linked].id != *cell));
                    steps.new_cells.extend(fresh.into_iter().map(|cell| (new, cell)));
                }
            }
        }
        Ok(steps)
    }

    /// Refuses that a cell or type with data is no longer there, unless it may be discarded.
    fn check_removed(&self, old: &StoredType, discard: &[String]) -> Result<(), LoadError> {
        let may_go = |name: &str| discard.iter().any(|discarded| discarded == name);
        let Some(new) = self.schema.types.iter().find(|ty| ty.id == old.id && ty.present) else {
            let name = &old.name;
            // A mirror that is gone goes with all that it kept.
            let mirror = self.gone_mirror(old);
            let records = self.rows.count(old)?;
            if records == 0 || may_go(name) || mirror.is_some_and(may_go) {
                return Ok(());
            }
            return Err(LoadError::Unfit(match (mirror, &old.tells) {
                (Some(mirror), Some(tells)) => format!(
                    "the mirror `{mirror}` has told `{tells}` of {records} facts, and the program no longer has it. Declare it again, or run with \
                     `--discard {mirror}`: what `{tells}` has stays there"
                ),
                (mirror, _) => format!(
                    "there are {records} records of the type {name}, which the program no longer has. Declare it again, delete them first, or \
                     run with `--discard {}` to lose them",
                    mirror.unwrap_or(name)
                ),
            }));
        };
        // A new extern would be told only of what changes from now on.
        if let (Some(told), Some(tells)) = (&old.tells, &new.tells)
            && told != tells
            && let facts @ 1.. = self.rows.count(old)?
        {
            let mirror = mirror_of(old).unwrap_or(&old.name);
            return Err(LoadError::Unfit(format!(
                "the mirror `{mirror}` has told `{told}` of {facts} facts, and is to tell `{tells}` now, which knows none of them. Name the extern \
                 as before if it is the same system; or run once without the mirror and with `--discard {mirror}` (what `{told}` has stays there), and \
                 then with it: it is new then, and tells all"
            )));
        }
        for cell in old.cells.iter().filter(|cell| new.cell(&cell.name).is_none()) {
            let filled = self.rows.count_filled(old, cell)?;
            let name = format!("{}.{}", old.name, cell.name);
            if filled > 0 && !may_go(&name) {
                return Err(LoadError::Unfit(format!(
                    "{filled} records have a value in the cell `{name}`, which the program no longer has. Declare it again, empty it first, or \
                     run with `--discard {name}` to lose them"
                )));
            }
        }
        Ok(())
    }

    /// The mirror that kept these records, if the program has it no more.
    fn gone_mirror<'t>(&self, old: &'t StoredType) -> Option<&'t str> {
        let mirror = mirror_of(old)?;
        let is_there = self.schema.types.iter().any(|ty| ty.present && mirror_of(ty) == Some(mirror));
        (!is_there).then_some(mirror)
    }

    /// The cells that have an `inverse` which what is stored does not know of.
    fn new_links(&self, program: &Program) -> Vec<(RecordId, CellIndex)> {
        let types = program.records.iter().zip(&self.schema.types).enumerate();
        let cells =
            types.flat_map(|(index, (_, new))| new.cells.iter().enumerate().map(move |(cell, new_cell)| (index, new, cell, new_cell)));
        let changed = cells.filter(|(_, new, _, cell)| {
            let old = self.stored.types.iter().find(|old| old.id == new.id && old.present).and_then(|old| old.cell(&cell.name));
            cell.inverse.is_some() && old.is_none_or(|old| old.inverse != cell.inverse)
        });
        changed.map(|(record, _, cell, _)| (RecordId(record as u32), CellIndex(cell as u32))).collect()
    }

    /// Gives the stored records the cells that are new.
    fn add_defaults(&self, state: &mut State, missing: &[(RecordId, CellIndex)], opening: &mut Opening<'_>) -> Result<(), LoadError> {
        let program = opening.program.clone();
        let mut computed = Vec::new();
        for &(record, cell) in missing {
            let of = program.record(record);
            let declared = &of.cells[cell.index()];
            let records: Vec<RecordRef> = state
                .records()
                .filter(|stored| stored.cells.is_some() && stored.record.record() == record)
                .map(|s| s.record.clone())
                .collect();
            if records.is_empty() {
                continue;
            }
            let value = match declared.default {
                None if matches!(declared.ty, Type::Optional(_)) => Some(Value::None),
                None => {
                    return Err(LoadError::Unfit(format!(
                        "the new cell `{}.{}` has no default, and there are {} records that need one: give it a default",
                        of.name,
                        declared.name,
                        records.len()
                    )));
                }
                Some(body) => constant::of_body(program.body(body)),
            };
            match value {
                Some(value) => set_all(state, &program, records.into_iter().map(|record| (record, cell, value.clone())))?,
                None => computed.extend(records.into_iter().map(|record| (record, cell))),
            }
        }
        if computed.is_empty() {
            return Ok(());
        }
        let Some(default) = &mut opening.defaults else {
            let (record, cell) = &computed[0];
            let of = program.record(record.record());
            return Err(LoadError::Unfit(format!(
                "the default of the new cell `{}.{}` has to be computed, which cannot be done here: make it a constant",
                of.name,
                of.cells[cell.index()].name
            )));
        };
        let stores = Stores::single(Box::new(Memory::with_state(state.clone())));
        let mut values = Vec::with_capacity(computed.len());
        for (record, cell) in computed {
            let value = default(&stores, &record, cell).map_err(|failure| {
                let of = program.record(record.record());
                let name = of.cells[cell.index()].name;
                LoadError::Unfit(format!(
                    "the default of the new cell `{0}.{name}` fails for the {0} {1:?}: {failure}",
                    of.name,
                    record.id()
                ))
            })?;
            values.push((record, cell, value));
        }
        set_all(state, &program, values.into_iter())
    }
}

/// The mirror that keeps records of this type: it is called `readers.facts`, or `readers.tokens`.
fn mirror_of(ty: &StoredType) -> Option<&str> {
    ty.name.split_once('.').map(|(mirror, _)| mirror)
}

fn set_all(state: &mut State, program: &Program, values: impl Iterator<Item = (RecordRef, CellIndex, Value)>) -> Result<(), LoadError> {
    let mut writes = Vec::new();
    for (record, cell, value) in values {
        let declared = &program.record(record.record()).cells[cell.index()];
        if !places::fit(program, &value, &declared.ty, record.space()) {
            return Err(LoadError::Unfit(format!(
                "the default of the new cell `{}` points to another space than its type allows",
                declared.name
            )));
        }
        writes.push(Write::Set { record, cell, value });
    }
    match state.apply(&CommitRequest { writes, ..CommitRequest::default() }, i64::MIN) {
        Ok(_) => Ok(()),
        Err(Refused::Failed(failure)) => Err(LoadError::Unfit(format!("the defaults of new cells: {failure}"))),
        Err(other) => Err(LoadError::Unfit(format!("the defaults of new cells: {other}"))),
    }
}

/// What some cells of all records of a type hold, as changes of their rows. `anew`: in place of those that are there.
fn fill(
    changes: &mut Changes,
    program: &Program,
    layout: &Layout,
    state: &State,
    record: RecordId,
    cells: &[usize],
    anew: bool,
) -> Result<(), LoadError> {
    if cells.is_empty() {
        return Ok(());
    }
    for live in state.records().filter(|live| live.record.record() == record) {
        let Some(values) = live.cells else { continue };
        let values: Vec<&Value> = values.collect();
        for &index in cells {
            let cell = &layout.ty(record).cells[index];
            let row = changes.records.entry(live.order).or_default();
            let element = |key: Native, value: Native| (key, Some(value));
            let elements = match (cell.kind, values[index]) {
                (Kind::List, Value::List(items)) => items
                    .iter()
                    .enumerate()
                    .map(|(position, item)| Ok(element(Native::Integer(position as i64), native(program, cell, item, false)?)))
                    .collect::<Result<_, LoadError>>()?,
                (Kind::Set, Value::Set(items)) => {
                    let elements = items.iter().map(|item| Ok(element(native(program, cell, item, true)?, Native::Null)));
                    elements.collect::<Result<_, LoadError>>()?
                }
                (Kind::Map, Value::Map(entries)) => {
                    let entries = entries
                        .iter()
                        .map(|(key, value)| Ok(element(native(program, cell, key, true)?, native(program, cell, value, false)?)));
                    entries.collect::<Result<_, LoadError>>()?
                }
                (_, value) => {
                    row.columns.insert(cell.id, native(program, cell, value, false)?);
                    continue;
                }
            };
            row.collections.insert(cell.id, CollectionChange { cleared: anew, elements });
        }
    }
    Ok(())
}

/// A value as a column has it.
fn native(program: &Program, cell: &CellLayout, value: &Value, key: bool) -> Result<Native, LoadError> {
    let mut json = String::new();
    let written = if key { write_key(&mut json, program, value, &cell.key) } else { write_column(&mut json, program, value, &cell.value) };
    let json = written.and_then(|()| native::parse(&json));
    json.map(Native::from_json).map_err(|error| LoadError::Unfit(error.to_string()))
}
