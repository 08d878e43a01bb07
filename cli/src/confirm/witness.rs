//! Findings with a witness: its records are made, its events sent, and every schedule compared with orders of whole events.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use patternc_compiler::chains::witness::{Event, Given, Held, Open, Record, What, Witness};
use patternc_compiler::check::{self, CheckOptions, Deployments};
use patternc_compiler::db::{Database, Project};
use patternc_compiler::diagnostic::Level;
use patternc_compiler::effects::describe::{body_name, cell_name, record_name};
use patternc_compiler::effects::known::Const;
use patternc_compiler::hir::BodyOwner;
use patternc_compiler::lower;
use patternc_interpreter::explore::{Bounds, Explorer};
use patternc_interpreter::host::Random;
use patternc_program::{CellIndex, Program, RecordId, Type};

use super::drawn::{self, Drawn, Seen};
use super::made::Makes;
use super::{Confirmed, STATES, UNEXPLAINED};
use crate::project::Loaded;
use crate::render::count;
use crate::scene::Scene;

/// The file of the tests that are made, and how their names begin; no pattern file can have that name.
const FILE: &str = "confirm";

/// From how many starts a run is tried where it is not known what all cells must hold, or which records must be there.
const STARTS: u64 = 60;

/// Runs what the witness of a finding says, then its events in other ways.
pub fn confirm<'m>(project: &Loaded, witness: &Witness, makes: &dyn Fn() -> &'m Makes<'m>) -> Confirmed {
    let program = lower::lower(&project.db);
    let mut seen = Seen::new(&project.db, witness);
    let apart = run(project, &Writer { project, program: &program, witness, together: false }, &mut seen);
    let families = program.spaces.iter().any(|space| space.key.is_some());
    let told = match apart {
        // Its records may have to share a space.
        Confirmed::Possible(why) if families => {
            match run(project, &Writer { project, program: &program, witness, together: true }, &mut seen) {
                Confirmed::Possible(_) => Confirmed::Possible(why),
                other => other,
            }
        }
        other => other,
    };
    if matches!(told, Confirmed::Shown { .. }) {
        return told;
    }
    let drawn = drawn::meet(project, makes(), witness, &mut seen);
    match (drawn, told) {
        (Some(Drawn { shown: Some(shown), .. }), _) => shown,
        (drawn, Confirmed::NotFound(tried)) => {
            let more =
                drawn.map(|drawn| format!(", and {} of {} drawn by chance", count(drawn.states, "state"), count(drawn.tests, "test")));
            let tried = format!("{tried}{}", more.unwrap_or_default());
            match seen.missing() {
                Some(missing) => Confirmed::Possible(format!("in no run that was tried does its story come about: {missing} ({tried})")),
                None => Confirmed::NotFound(tried),
            }
        }
        (_, told) => told,
    }
}

/// Lists of which somebody looks what comes first.
pub fn ordered(project: &Loaded, witness: &Witness, program: &Program) -> Vec<(RecordId, CellIndex)> {
    let cells = witness.ordered.iter().filter_map(|cell| {
        let record = program.record_named(&record_name(&project.db, cell.record))?;
        Some((record, program.record(record).cell_named(&cell_name(&project.db, *cell))?))
    });
    cells.collect()
}

/// Runs a witness from each start.
fn run(project: &Loaded, writer: &Writer<'_>, seen: &mut Seen) -> Confirmed {
    let witness = writer.witness;
    let starts = if witness.open.is_empty() && witness.asked.is_empty() { 1 } else { STARTS };
    let program = match tests(project, writer, starts) {
        Ok(program) => Arc::new(program),
        Err(why) => return Confirmed::Possible(why),
    };
    let ordered = ordered(project, witness, &program);
    let mut states = 0;
    for (start, test) in program.tests.iter().filter(|test| test.name.starts_with(FILE)).enumerate() {
        // Where every space has a store of its own, nothing is validated that need not be.
        let places = (0..program.spaces.len()).collect();
        let bounds = Bounds { states: STATES.saturating_sub(states).max(1), ..Bounds::default() };
        let explorer = Explorer::new(program.clone(), places, bounds).ordering(ordered.clone());
        let comparison = match explorer.compare(test, &mut |_| {}) {
            Ok(comparison) => comparison,
            Err(error) => return Confirmed::Possible(error.message),
        };
        seen.note(&program, &comparison, 0, 0);
        if let Some(story) = comparison.anomaly {
            return Confirmed::Shown { story, end: UNEXPLAINED.to_owned() };
        }
        states += comparison.states;
        match (comparison.states, start) {
            (0, 0) => return Confirmed::Possible("its records cannot be made".to_owned()),
            // What an invariant does not allow is no start.
            (0, _) => {}
            _ if comparison.complete => {}
            _ => return Confirmed::Possible(format!("more than {STATES} states, and it was not among those tried")),
        }
    }
    let from = if starts == 1 { String::new() } else { format!(" from {starts} starts") };
    Confirmed::NotFound(format!("all {states} states of its story{from}"))
}

/// The project with tests of a witness, one for each start; or why there are none.
fn tests(project: &Loaded, writer: &Writer<'_>, starts: u64) -> Result<Program, String> {
    let written = (0..starts).map(|start| writer.test(start)).collect::<Result<String, String>>()?;
    let text = format!("{}\n{written}", writer.scene().imports(&written));
    let files = Project::get(&project.db).files(&project.db);
    let mut texts: Vec<(String, String)> =
        files.iter().map(|file| (file.path(&project.db).to_string(), file.text(&project.db).to_string())).collect();
    texts.push((format!("{FILE}.pattern"), text));
    let mut db = Database::default();
    db.set_project(&texts, None);
    let options = CheckOptions { deployments: Deployments::None, ..CheckOptions::default() };
    match check::check(&db, &options).into_iter().find(|finding| finding.level == Level::Error) {
        Some(error) => Err(format!("a test of it does not check: {}", error.message)),
        None => Ok(lower::lower(&db)),
    }
}

/// Writes the test of a witness.
struct Writer<'a> {
    project: &'a Loaded,
    program: &'a Program,
    witness: &'a Witness,
    /// Records of a family of spaces are all in one of them, instead of each in its own.
    together: bool,
}

impl Writer<'_> {
    /// The test from a start of this number: the first has nothing that the witness does not say.
    fn test(&self, start: u64) -> Result<String, String> {
        let mut random = Random::seeded(start);
        let mut any = (start > 0).then_some(&mut random);
        let mut text = format!("test \"{FILE} {start}\" {{\n");
        let mut made = BTreeSet::new();
        let mut keys = Vec::new();
        while made.len() < self.witness.records.len() {
            let rest = || (0..self.witness.records.len()).filter(|at| !made.contains(at));
            let linked = |at: &usize| self.witness.records[*at].links.iter().all(|(_, other)| made.contains(other));
            let next = rest().find(|at| linked(at) && held(&self.witness.records[*at]).all(|other| made.contains(&other)));
            // Of records that hold one another the first begins without.
            let at = next.or_else(|| rest().find(linked)).ok_or("its records link to one another in a circle")?;
            let mut record = self.witness.records[at].clone();
            if let Some(random) = any.as_deref_mut() {
                record.holds.retain(|held| keeps(held, start, random));
            }
            let _ = writeln!(text, "  let {} = {}", variable(at), self.create(at, &record, &made, any.as_deref_mut(), &mut keys)?);
            made.insert(at);
        }
        for created in any.map(|random| self.beside(random, &mut keys)).unwrap_or_default() {
            let _ = writeln!(text, "  {created}");
        }
        text.push_str("  concurrently {\n");
        for event in &self.witness.events {
            let _ = writeln!(text, "    {}", self.event(event)?);
        }
        text.push_str("  }\n  expect true\n}\n");
        Ok(text)
    }

    fn scene(&self) -> Scene<'_> {
        Scene { db: &self.project.db, program: self.program }
    }

    fn record(&self, record: &Record) -> Result<RecordId, String> {
        let name = record_name(&self.project.db, record.of);
        self.program.record_named(&name).ok_or_else(|| format!("there is no record {name}"))
    }

    /// Creations of records that are asked for and that no event names, as it comes. `keys`: those that are there.
    fn beside(&self, random: &mut Random, keys: &mut Vec<(RecordId, String)>) -> Vec<String> {
        let mut all = Vec::new();
        for of in &self.witness.asked {
            let Some(id) = self.program.record_named(&record_name(&self.project.db, *of)) else { continue };
            for _ in 0..random.below(3) {
                all.extend(self.one_beside(id, random, keys));
            }
        }
        all
    }

    /// `None`: what its cells are likely to hold is not known, or there is one under its key.
    fn one_beside(&self, id: RecordId, random: &mut Random, keys: &mut Vec<(RecordId, String)>) -> Option<String> {
        let declared = self.program.record(id);
        let mut cells = Vec::new();
        for (index, cell) in declared.cells.iter().enumerate() {
            let is_key = declared.key.is_some_and(|key| key.index() == index);
            let optional = cell.default.is_some() || matches!(cell.ty, Type::Optional(_));
            if optional && !is_key && !matches!(cell.ty, Type::Int | Type::Bool) {
                continue;
            }
            let value = self.likely(&cell.ty, random)?;
            if is_key || cell.unique {
                let key = (id, value.clone());
                if keys.contains(&key) {
                    return None;
                }
                keys.push(key);
            }
            cells.push(format!("{}: {value}", cell.name));
        }
        let space = self.scene().space(id, random.below(self.witness.records.len().max(1))).ok()?;
        Some(format!("create {} in {space} {{ {} }}", declared.name, cells.join(", ")))
    }

    /// A value that may be compared with what else there is.
    fn likely(&self, ty: &Type, random: &mut Random) -> Option<String> {
        let constants = |of: &dyn Fn(&str) -> bool| -> Vec<&str> {
            self.witness.constants.iter().map(|text| &**text).filter(|text| of(text)).collect()
        };
        match ty {
            Type::Int => {
                let known: Vec<i64> = constants(&|_| true).iter().filter_map(|text| text.parse().ok()).collect();
                Some(match random.below(2) {
                    0 if !known.is_empty() => known[random.below(known.len())].saturating_add(random.below(4) as i64 - 1),
                    _ => random.below(SMALL + 2) as i64 - 2,
                })
                .map(|number| number.to_string())
            }
            Type::Bool => Some(random.below(2).is_multiple_of(2).to_string()),
            Type::Text => {
                let known = constants(&|text| text.starts_with('"'));
                match random.below(3) {
                    0 if !known.is_empty() => Some(known[random.below(known.len())].to_owned()),
                    // As it is put together of numbers.
                    _ => Some(format!("\"{}\"", self.likely(&Type::Int, random)?)),
                }
            }
            Type::Record(of, _) => {
                let is_it = |at: &usize| self.record(&self.witness.records[*at]).is_ok_and(|id| id == *of);
                let all: Vec<usize> = (0..self.witness.records.len()).filter(is_it).collect();
                (!all.is_empty()).then(|| variable(all[random.below(all.len())]).to_owned())
            }
            _ => self.value(ty, OTHER).ok(),
        }
    }

    /// The creation of a record. `any` gives what cells hold of which it is not known what they must hold.
    fn create(
        &self,
        at: usize,
        record: &Record,
        made: &BTreeSet<usize>,
        mut any: Option<&mut Random>,
        keys: &mut Vec<(RecordId, String)>,
    ) -> Result<String, String> {
        let id = self.record(record)?;
        let declared = self.program.record(id);
        let space = self.scene().space(id, if self.together { 0 } else { at })?;
        let mut cells = Vec::new();
        for (index, cell) in declared.cells.iter().enumerate() {
            let alone = declared.key.is_some_and(|key| key.index() == index) || cell.unique;
            let linked: Vec<&str> = record
                .links
                .iter()
                .filter(|(linked, _)| cell_name(&self.project.db, *linked) == cell.name.as_str())
                .map(|(_, other)| variable(*other))
                .collect();
            if let (Some(value), []) = (self.held(record, &cell.name, &cell.ty, made), &linked[..]) {
                if alone {
                    keys.push((id, value.clone()));
                }
                cells.push(format!("{}: {value}", cell.name));
                continue;
            }
            if let (Some(random), [], false) = (any.as_deref_mut(), &linked[..], alone)
                && let Some(value) = self.any(at, &cell.name, &cell.ty, random)
            {
                cells.push(format!("{}: {value}", cell.name));
                continue;
            }
            let value = match (&cell.ty, &linked[..]) {
                (Type::Set(_), [_, ..]) => format!("Set[{}]", linked.join(", ")),
                (Type::List(_), [_, ..]) => format!("[{}]", linked.join(", ")),
                (_, [one, ..]) => (*one).to_owned(),
                (_, []) if alone => match (&record.key, &cell.ty) {
                    (Some(key), Type::Text) => format!("{key:?}"),
                    _ => self.value(&cell.ty, at)?,
                },
                (_, []) if cell.default.is_some() || matches!(cell.ty, Type::Optional(_)) => continue,
                (_, []) => self.value(&cell.ty, at)?,
            };
            if alone {
                keys.push((id, value.clone()));
            }
            cells.push(format!("{}: {value}", cell.name));
        }
        Ok(format!("create {} in {space} {{ {} }}", declared.name, cells.join(", ")))
    }

    /// What a cell must hold at the start, as far as it can be written.
    fn held(&self, record: &Record, cell: &str, ty: &Type, made: &BTreeSet<usize>) -> Option<String> {
        let db = &self.project.db;
        let of_cell = || record.holds.iter().filter(|held| cell_name(db, held.cell) == cell);
        if let Type::Set(_) = ty {
            let elements = of_cell().filter(|held| held.is).filter_map(|held| match &held.what {
                What::Element(Given::Record(record)) => made.contains(record).then(|| variable(*record).to_owned()),
                What::Element(Given::Literal(text)) => Some(text.to_string()),
                What::Element(Given::Value(_)) | What::Value(_) => None,
            });
            let elements: Vec<String> = elements.collect();
            return (!elements.is_empty()).then(|| format!("Set[{}]", elements.join(", ")));
        }
        of_cell().find_map(|held| {
            let What::Value(value) = &held.what else { return None };
            match (value, ty, held.is) {
                (Const::Bool(value), ..) => Some((*value == held.is).to_string()),
                (Const::Literal(text), _, true) => Some(text.to_string()),
                (Const::Below(bound), _, is) | (Const::AtLeast(bound), _, is) => {
                    let below = matches!(value, Const::Below(_)) == is;
                    Some(bound.saturating_sub(i64::from(below)).to_string())
                }
                (Const::Absent, _, true) => Some("none".to_owned()),
                (Const::Absent, Type::Optional(ty), false) | (Const::Present, Type::Optional(ty), true) => self.value(ty, OTHER).ok(),
                (Const::Literal(_), ty, false) => self.value(ty, OTHER).ok(),
                (Const::Variant(_, variant), Type::Enum(of, _), true) => {
                    let declared = &self.program.enums[of.index()];
                    let variant = declared.variants.get(*variant as usize)?;
                    let fields = variant.fields.iter().map(|field| self.value(&field.ty, OTHER)).collect::<Result<Vec<_>, _>>().ok()?;
                    Some(self.scene().variant(&declared.name, variant, &fields.join(", ")))
                }
                _ => None,
            }
        })
    }

    /// What a cell may hold by which something is decided; `None`: what it holds anyway.
    fn any(&self, at: usize, cell: &str, ty: &Type, random: &mut Random) -> Option<String> {
        let is_it = |open: &&Open| open.record == at && cell_name(&self.project.db, open.cell) == cell;
        let mut open = self.witness.open.iter().filter(is_it).peekable();
        open.peek()?;
        let number = random.below(SMALL);
        match ty {
            Type::Bool => self.likely(ty, random),
            Type::Int => self.likely(ty, random).filter(|_| !number.is_multiple_of(3)),
            Type::Optional(ty) if number.is_multiple_of(2) => self.value(ty, OTHER).ok(),
            Type::Map(_, ty) => {
                let keys = open.filter_map(|open| match &open.element {
                    Some(Given::Literal(key)) => Some(key),
                    _ => None,
                });
                let mut entries = Vec::new();
                for key in keys {
                    let value = self.likely(ty, random)?;
                    entries.extend((random.below(3) > 0).then(|| format!("{key}: {value}")));
                }
                (!entries.is_empty()).then(|| format!("Map[{}]", entries.join(", ")))
            }
            Type::Enum(of, _) => {
                let declared = &self.program.enums[of.index()];
                let plain: Vec<_> = declared.variants.iter().filter(|variant| variant.fields.is_empty()).collect();
                let variant = plain.get(number % plain.len().max(1))?;
                Some(self.scene().variant(&declared.name, variant, ""))
            }
            _ => None,
        }
    }

    fn event(&self, event: &Event) -> Result<String, String> {
        let name = body_name(&self.project.db, event.starts);
        let (BodyOwner::Handler(_) | BodyOwner::Saga(_)) = event.starts else {
            return Err(format!("{name} is no event that a test can send"));
        };
        let record = self.witness.records.get(event.on).ok_or("its record is not known")?;
        let declared = self.program.record(self.record(record)?);
        let short = name.rsplit('.').next().unwrap_or(&name);
        let handler = declared.handlers.iter().map(|h| self.program.handler(*h)).find(|h| h.name == short);
        let saga = declared.sagas.iter().map(|s| &self.program.sagas[s.index()]).find(|s| s.name == short);
        let params = match (handler, saga) {
            (Some(handler), _) if handler.internal => return Err(format!("{name} is not reached from outside")),
            (Some(handler), _) => &handler.params,
            (None, Some(saga)) => &saga.params,
            (None, None) => return Err(format!("there is no {name}")),
        };
        let mut args = Vec::new();
        for (at, param) in params.iter().enumerate() {
            args.push(match event.args.get(at) {
                Some(Given::Record(record)) => variable(*record).to_owned(),
                Some(Given::Literal(text)) => text.to_string(),
                // Not what cells hold by default, mostly.
                Some(Given::Value(number)) => self.value(&param.ty, number + 1)?,
                None => self.value(&param.ty, at)?,
            });
        }
        Ok(format!("{}.{short}({})", variable(event.on), args.join(", ")))
    }

    fn value(&self, ty: &Type, at: usize) -> Result<String, String> {
        let called = |of: RecordId| {
            let found = self.witness.records.iter().position(|record| self.record(record).is_ok_and(|id| id == of));
            found.map(|found| variable(found).to_owned())
        };
        self.scene().value(ty, at, &called)
    }
}

/// Whether a start has what the witness says. Other schedules than that of the witness may need other starts.
fn keeps(held: &Held, start: u64, random: &mut Random) -> bool {
    (held.needed && start % 2 == 1) || random.below(if held.needed { 5 } else { 2 }) > 0
}

/// The records that a record holds when the run starts.
fn held(record: &Record) -> impl Iterator<Item = usize> {
    record.holds.iter().filter_map(|held| match held.what {
        What::Element(Given::Record(other)) if held.is => Some(other),
        _ => None,
    })
}

/// The number of a value that is none of those that parameters are given.
const OTHER: usize = 90;

/// Numbers that cells hold are smaller: what is compared with them is mostly small as well.
const SMALL: usize = 8;

/// Names of the test's own, so that they shadow nothing.
fn variable(at: usize) -> &'static str {
    const NAMES: [&str; 10] = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10"];
    NAMES.get(at).copied().unwrap_or("r10")
}
