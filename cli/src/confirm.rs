//! Whether a finding about how events get in each other's way happens when its chains are run: every schedule of them is tried.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use patternc_compiler::chains::witness::{Event, Given, Record, Witness};
use patternc_compiler::check::{self, CheckOptions, Deployments};
use patternc_compiler::db::{Database, Project};
use patternc_compiler::diagnostic::{Diagnostic, Level};
use patternc_compiler::effects::describe::{body_name, cell_name, record_name};
use patternc_compiler::hir::BodyOwner;
use patternc_compiler::lower;
use patternc_grammar::syntax::ItemKind;
use patternc_interpreter::explore::{Bounds, Explorer, Story};
use patternc_program::{Home, Program, RecordId, SpaceId, Type};

use crate::project::Loaded;

/// The file of the tests that are made; no pattern file can have that name.
const FILE: &str = "confirm";

/// How far each finding is followed.
const STATES: usize = 50_000;

/// What running a finding showed.
enum Confirmed {
    /// It happens, in this way.
    Shown(Story),
    /// Every schedule of its chains was tried, so many states, and it does not happen.
    NotFound(usize),
    /// It could not be run, or not to the end.
    Possible(String),
}

impl Confirmed {
    /// The notes that a finding gets.
    fn notes(&self) -> Vec<String> {
        match self {
            Confirmed::Shown(story) => {
                let mut notes = vec!["shown by running it:".to_owned()];
                for (number, step) in story.steps.iter().enumerate() {
                    let mut line = format!("  {}. {}", number + 1, step.what);
                    if let Some(space) = &step.space {
                        let _ = write!(line, " in {space}");
                    }
                    if !step.changes.is_empty() {
                        let _ = write!(line, ": {}", step.changes.join(", "));
                    }
                    if let Some(outcome) = &step.outcome {
                        let _ = write!(line, " ({outcome})");
                    }
                    notes.push(line);
                }
                notes.push("no order of whole events, each with all that it causes, ends so".to_owned());
                notes
            }
            Confirmed::NotFound(states) => vec![format!("not found by running it: all {states} states of the events involved were tried")],
            Confirmed::Possible(why) => vec![format!("possible, not shown: {why}")],
        }
    }
}

/// Notes with a finding that has a witness what running it showed.
pub fn note(project: &Loaded, finding: &mut Diagnostic) {
    if let Some(witness) = finding.witness.clone() {
        finding.notes.extend(confirm(project, &witness).notes());
    }
}

/// Runs what the witness of a finding says.
fn confirm(project: &Loaded, witness: &Witness) -> Confirmed {
    let program = lower::lower(&project.db);
    let test = match (Writer { project, program: &program, witness }).test() {
        Ok(test) => test,
        Err(why) => return Confirmed::Possible(why),
    };
    let files = Project::get(&project.db).files(&project.db);
    let mut texts: Vec<(String, String)> =
        files.iter().map(|file| (file.path(&project.db).to_string(), file.text(&project.db).to_string())).collect();
    texts.push((format!("{FILE}.pattern"), test));
    let mut db = Database::default();
    db.set_project(&texts, None);
    let options = CheckOptions { deployments: Deployments::None, ..CheckOptions::default() };
    if let Some(error) = check::check(&db, &options).into_iter().find(|finding| finding.level == Level::Error) {
        return Confirmed::Possible(format!("a test of it does not check: {}", error.message));
    }
    let program = Arc::new(lower::lower(&db));
    let Some(test) = program.tests.iter().find(|test| &*test.name == FILE) else {
        return Confirmed::Possible("a test of it is not found".to_owned());
    };
    // Where every space has a store of its own, nothing is validated that need not be.
    let places = (0..program.spaces.len()).collect();
    let explorer = Explorer::new(program.clone(), places, Bounds { states: STATES, ..Bounds::default() });
    match explorer.compare(test, &mut |_| {}) {
        Ok(comparison) => match comparison.anomaly {
            Some(story) => Confirmed::Shown(story),
            None if comparison.complete => Confirmed::NotFound(comparison.states),
            None => Confirmed::Possible(format!("more than {STATES} states, and it was not among those tried")),
        },
        Err(error) => Confirmed::Possible(error.message),
    }
}

/// Writes the test of a witness.
struct Writer<'a> {
    project: &'a Loaded,
    program: &'a Program,
    witness: &'a Witness,
}

impl Writer<'_> {
    fn test(&self) -> Result<String, String> {
        let mut text = self.imports();
        let _ = writeln!(text, "\ntest \"{FILE}\" {{");
        let mut made = BTreeSet::new();
        while made.len() < self.witness.records.len() {
            let next = (0..self.witness.records.len())
                .find(|at| !made.contains(at) && self.witness.records[*at].links.iter().all(|(_, other)| made.contains(other)));
            let at = next.ok_or("its records link to one another in a circle")?;
            let _ = writeln!(text, "  let {} = {}", variable(at), self.create(at, &self.witness.records[at])?);
            made.insert(at);
        }
        text.push_str("  concurrently {\n");
        for event in &self.witness.events {
            let _ = writeln!(text, "    {}", self.event(event)?);
        }
        text.push_str("  }\n  expect true\n}\n");
        Ok(text)
    }

    /// Everything that the files of the project declare.
    fn imports(&self) -> String {
        let mut imports = String::new();
        for file in Project::get(&self.project.db).files(&self.project.db) {
            let items = patternc_grammar::parse(file.text(&self.project.db)).file.items;
            let names = items.iter().filter_map(|item| match &item.kind {
                ItemKind::Space(it) => Some(it.name.name),
                ItemKind::Struct(it) => Some(it.name.name),
                ItemKind::Enum(it) => Some(it.name.name),
                ItemKind::Record(it) => Some(it.name.name),
                _ => None,
            });
            let names: Vec<String> = names.map(|name| name.to_string()).collect();
            if !names.is_empty() {
                let _ = writeln!(imports, "use \"{}\" {{ {} }}", file.path(&self.project.db), names.join(", "));
            }
        }
        imports
    }

    fn record(&self, record: &Record) -> Result<RecordId, String> {
        let name = record_name(&self.project.db, record.of);
        self.program.record_named(&name).ok_or_else(|| format!("there is no record {name}"))
    }

    fn create(&self, at: usize, record: &Record) -> Result<String, String> {
        let id = self.record(record)?;
        let declared = self.program.record(id);
        let space = match declared.home {
            Home::Plain(space) => self.program.spaces[space.index()].name.to_string(),
            Home::Family(space) => self.family(space, at)?,
            Home::Floating => self.floating(at)?,
        };
        let mut cells = Vec::new();
        for (index, cell) in declared.cells.iter().enumerate() {
            let linked: Vec<&str> = record
                .links
                .iter()
                .filter(|(linked, _)| cell_name(&self.project.db, *linked) == cell.name.as_str())
                .map(|(_, other)| variable(*other))
                .collect();
            let value = match (&cell.ty, &linked[..]) {
                (Type::Set(_), [_, ..]) => format!("Set[{}]", linked.join(", ")),
                (Type::List(_), [_, ..]) => format!("[{}]", linked.join(", ")),
                (_, [one, ..]) => (*one).to_owned(),
                (_, []) if declared.key.is_some_and(|key| key.index() == index) || cell.unique => match (&record.key, &cell.ty) {
                    (Some(key), Type::Text) => format!("{key:?}"),
                    _ => self.value(&cell.ty, at)?,
                },
                (_, []) if cell.default.is_some() || matches!(cell.ty, Type::Optional(_)) => continue,
                (_, []) => self.value(&cell.ty, at)?,
            };
            cells.push(format!("{}: {value}", cell.name));
        }
        Ok(format!("create {} in {space} {{ {} }}", declared.name, cells.join(", ")))
    }

    fn family(&self, space: SpaceId, at: usize) -> Result<String, String> {
        let declared = &self.program.spaces[space.index()];
        let key = declared.key.as_ref().ok_or("a space without keys is no family")?;
        Ok(format!("{}[{}]", declared.name, self.value(key, at)?))
    }

    fn floating(&self, at: usize) -> Result<String, String> {
        let count = self.program.spaces.len().max(1);
        let space = SpaceId((at % count) as u32);
        match self.program.spaces.get(space.index()) {
            Some(declared) if declared.key.is_none() => Ok(declared.name.to_string()),
            Some(_) => self.family(space, at),
            None => Err("there is no space for it".to_owned()),
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
                Some(Given::Any) | None => self.value(&param.ty, at)?,
            });
        }
        Ok(format!("{}.{short}({})", variable(event.on), args.join(", ")))
    }

    /// A value of the type; those of different records differ.
    fn value(&self, ty: &Type, at: usize) -> Result<String, String> {
        Ok(match ty {
            Type::Bool => "true".to_owned(),
            Type::Int => (at + 1).to_string(),
            Type::Float => format!("{at}.5"),
            Type::Text => format!("\"{}\"", variable(at)),
            Type::Duration => "1m".to_owned(),
            Type::Optional(_) => "none".to_owned(),
            Type::List(_) => "[]".to_owned(),
            Type::Set(_) => "Set[]".to_owned(),
            Type::Map(..) => "Map[]".to_owned(),
            Type::Struct(of, _) => {
                let declared = &self.program.structs[of.index()];
                let fields: Result<Vec<String>, String> =
                    declared.fields.iter().map(|field| Ok(format!("{}: {}", field.name, self.value(&field.ty, at)?))).collect();
                format!("{} {{ {} }}", declared.name, fields?.join(", "))
            }
            Type::Enum(of, _) => {
                let declared = &self.program.enums[of.index()];
                let variant = declared.variants.first().ok_or("an enum without variants has no value")?;
                let fields: Result<Vec<String>, String> =
                    variant.fields.iter().map(|field| Ok(format!("{}: {}", field.name, self.value(&field.ty, at)?))).collect();
                let fields = fields?;
                let args = if fields.is_empty() { String::new() } else { format!("({})", fields.join(", ")) };
                format!("{}.{}{args}", declared.name, variant.name)
            }
            Type::Record(of, _) => {
                let found = self.witness.records.iter().position(|record| self.record(record).is_ok_and(|id| id == *of));
                let found = found.ok_or_else(|| format!("it needs a {} that it does not say", self.program.record(*of).name))?;
                variable(found).to_owned()
            }
            _ => return Err("it needs a value that cannot be made up".to_owned()),
        })
    }
}

/// Names of the test's own, so that they shadow nothing.
fn variable(at: usize) -> &'static str {
    const NAMES: [&str; 10] = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10"];
    NAMES.get(at).copied().unwrap_or("r10")
}
