//! A pattern compiled and running in a simulated world.

use std::path::Path;
use std::sync::Arc;

use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::{Diagnostic, Level};
use patternc_compiler::lower;
use patternc_interpreter::engine::{CallAnswer, Engine, Entry, ExternCall, Session};
use patternc_interpreter::event::{Action, Event, EventId, Outcome};
use patternc_interpreter::failure::FailureKind;
use patternc_interpreter::limits::Limits;
use patternc_interpreter::simulate::{self, Disk, Mishaps, Outside, Request};
use patternc_interpreter::store::StoreError;
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{CellIndex, Home, Place, Program, RecordId, SpaceId, Type};

/// What the compiler makes of a project.
pub struct Compiled {
    pub findings: Vec<Diagnostic>,
    /// Lowered also where there are errors: then running it is forced.
    pub program: Arc<Program>,
}

/// Compiles one file.
pub fn compile(text: &str) -> Compiled {
    compile_project(&[("main.pattern", text)])
}

/// Compiles a project of several files, as (path, text).
pub fn compile_project(files: &[(&str, &str)]) -> Compiled {
    let mut db = Database::default();
    db.set_project(files, None);
    Compiled { findings: check::check(&db, &CheckOptions::default()), program: Arc::new(lower::lower(&db)) }
}

impl Compiled {
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter().filter(|f| f.level == Level::Error)
    }
}

/// What all worlds run under.
pub fn limits() -> Limits {
    Limits { steps: 200_000, ..Limits::default() }
}

/// What the outside answers.
struct Answers(Box<dyn FnMut(&ExternCall) -> CallAnswer>);

impl Outside for Answers {
    fn call(&mut self, _engine: &mut Engine, call: &ExternCall) -> Result<CallAnswer, String> {
        Ok((self.0)(call))
    }
}

/// A running program.
pub struct World {
    pub program: Arc<Program>,
    simulated: simulate::World,
    outside: Answers,
    sessions: u64,
}

impl World {
    /// Nothing but the program, all spaces in one store. The seed decides ids and, among concurrent events, who comes first.
    pub fn new(program: &Arc<Program>, seed: u64) -> Self {
        Self::over(program, seed, 1)
    }

    /// The same with a store for every declared space.
    pub fn with_store_for_each_space(program: &Arc<Program>, seed: u64) -> Self {
        Self::over(program, seed, program.spaces.len())
    }

    /// The same with all spaces in an SQLite file of the folder.
    pub fn on_sqlite(program: &Arc<Program>, seed: u64, folder: &Path) -> Self {
        let disk = simulate::sqlite_disk(program, &limits(), folder, 1);
        Self::on(program, seed, Box::new(disk), vec![0; program.spaces.len()]).expect("a new file opens")
    }

    fn over(program: &Arc<Program>, seed: u64, stores: usize) -> Self {
        let disk = simulate::memory_disk(program, &limits(), stores);
        Self::on(program, seed, Box::new(disk), (0..stores).collect()).expect("an empty store in memory opens")
    }

    /// Going on with what is on a disk. `places`: for each declared space, the store that keeps it.
    pub fn on(program: &Arc<Program>, seed: u64, disk: Box<dyn Disk>, places: Vec<usize>) -> Result<Self, StoreError> {
        let mut simulated = simulate::World::new(program.clone(), disk, places, limits(), seed)?;
        simulated.record_history();
        let outside = Answers(Box::new(|_| CallAnswer::Rejected("nobody answers".into())));
        Ok(World { program: program.clone(), simulated, outside, sessions: 0 })
    }

    /// Brings about mishaps from now on.
    pub fn set_mishaps(&mut self, mishaps: Mishaps) {
        self.simulated.set_mishaps(mishaps);
    }

    /// What the outside answers from now on.
    pub fn outside(&mut self, answer: impl FnMut(&ExternCall) -> CallAnswer + 'static) {
        self.outside = Answers(Box::new(answer));
    }

    /// The engine that runs.
    pub fn engine(&self) -> &Engine {
        self.simulated.engine()
    }

    /// The same, to be changed.
    pub fn engine_mut(&mut self) -> &mut Engine {
        self.simulated.engine_mut()
    }

    /// How often the process has died.
    pub fn crashes(&self) -> u64 {
        self.simulated.crashes()
    }

    /// Sends an event of a session of its own.
    pub fn send(&mut self, to: &RecordRef, handler: &str, args: Vec<Value>) -> Request {
        let action = self.action(to, handler, args);
        self.sessions += 1;
        self.simulated.send(Session(self.sessions), None, action)
    }

    /// Sends an event once more, with its id.
    pub fn send_again(&mut self, id: EventId, action: Action) -> Request {
        self.sessions += 1;
        self.simulated.send_event(Session(self.sessions), Event { id, caller: None, action })
    }

    /// Lets one thing happen; `false` if nothing more can.
    pub fn step(&mut self) -> bool {
        self.simulated.happen(&mut self.outside)
    }

    /// The id of an event that was sent and has no outcome yet.
    pub fn event_id(&self, request: Request) -> Option<EventId> {
        self.simulated.event_id(request).cloned()
    }

    /// The outcome of an event that was sent, once.
    pub fn outcome(&mut self, request: Request) -> Option<Outcome> {
        self.simulated.take_outcome(request)
    }

    /// What happened since the last call.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        self.simulated.take_entries()
    }

    /// Runs these events as sessions of their own, interleaved by the seed, and everything they send. The outcomes, in order; none for an
    /// event whose answer depends on something that is parked.
    ///
    /// # Panics
    /// If the world cannot go on ([`World::try_together`]).
    pub fn together(&mut self, actions: Vec<Action>) -> Vec<Option<Outcome>> {
        let requests = self.begin(actions);
        self.end(requests)
    }

    /// As [`World::together`].
    ///
    /// # Errors
    /// Why the world cannot go on: a store fails, nothing answers a call, or events set off one another without end.
    pub fn try_together(&mut self, actions: Vec<Action>) -> Result<Vec<Option<Outcome>>, String> {
        let requests = self.begin(actions);
        self.try_end(requests)
    }

    /// Sends these events as sessions of their own; what comes of them is up to [`World::step`] and [`World::end`].
    pub fn begin(&mut self, actions: Vec<Action>) -> Vec<Request> {
        let send = |action| {
            self.sessions += 1;
            self.simulated.send(Session(self.sessions), None, action)
        };
        actions.into_iter().map(send).collect()
    }

    /// Lets everything happen that can. The outcomes of these events.
    ///
    /// # Panics
    /// As [`World::together`].
    pub fn end(&mut self, requests: Vec<Request>) -> Vec<Option<Outcome>> {
        self.try_end(requests).unwrap_or_else(|trouble| panic!("{trouble}"))
    }

    fn try_end(&mut self, requests: Vec<Request>) -> Result<Vec<Option<Outcome>>, String> {
        self.simulated.run_until_idle(&mut self.outside);
        if let Some(trouble) = self.simulated.take_trouble() {
            return Err(trouble);
        }
        Ok(requests.into_iter().map(|request| self.simulated.take_outcome(request)).collect())
    }

    /// The process dies, and another goes on with what was durable.
    pub fn crash(&mut self) {
        self.simulated.crash();
    }

    /// Moves the clock on.
    pub fn advance(&mut self, milliseconds: i64) {
        self.simulated.advance(milliseconds, &mut self.outside);
    }

    /// One event and everything it sends.
    pub fn event(&mut self, action: Action) -> Outcome {
        self.together(vec![action]).pop().flatten().expect("an event is answered, unless its answer was deferred to something parked")
    }

    /// Calls a handler by name.
    pub fn call(&mut self, to: &RecordRef, handler: &str, args: Vec<Value>) -> Outcome {
        self.event(self.action(to, handler, args))
    }

    /// A call of a handler or saga by name.
    pub fn action(&self, to: &RecordRef, name: &str, args: Vec<Value>) -> Action {
        let (record, to) = (self.program.record(to.record()), to.clone());
        if let Some(&handler) = record.handlers.iter().find(|h| self.program.handler(**h).name == name) {
            return Action::Handler { to, handler, args };
        }
        let saga = record.sagas.iter().copied().find(|saga| self.program.sagas[saga.index()].name == name);
        Action::Saga { to, saga: saga.unwrap_or_else(|| panic!("{} has no handler or saga {name}", record.name)), args }
    }

    /// Creates a record with these cells in this space, which must work.
    pub fn create(&mut self, record: &str, space: SpaceRef, cells: &[(&str, Value)]) -> RecordRef {
        match self.try_create(record, space, cells) {
            Outcome::Committed(Value::Ref(created)) => created,
            other => panic!("creating a {record}: {other:?}"),
        }
    }

    /// Creates a record.
    pub fn try_create(&mut self, record: &str, space: SpaceRef, cells: &[(&str, Value)]) -> Outcome {
        let id = self.program.record_named(record).unwrap_or_else(|| panic!("there is a record {record}"));
        let declared = self.program.record(id);
        let cells = cells
            .iter()
            .map(|(name, value)| (declared.cell_named(name).unwrap_or_else(|| panic!("{record} has a cell {name}")), value.clone()));
        let cells = cells.collect();
        self.event(Action::Create { record: id, space, id: None, cells })
    }

    /// A plain space by name.
    pub fn space(&self, name: &str) -> SpaceRef {
        SpaceRef { space: self.program.space_named(name).unwrap_or_else(|| panic!("there is a space {name}")), key: None }
    }

    /// The value of a stored cell; `none` of a record that is not there.
    pub fn cell(&self, record: &RecordRef, name: &str) -> Value {
        let cell = self.program.record(record.record()).cell_named(name).unwrap_or_else(|| panic!("there is a cell {name}"));
        self.stored(record, cell).unwrap_or(Value::None)
    }

    fn stored(&self, record: &RecordRef, cell: CellIndex) -> Option<Value> {
        self.engine().stores().of(record.space()).cell(record, cell).expect("a store in memory can be read")
    }

    /// Every record, in every space.
    pub fn records(&self) -> Vec<RecordRef> {
        let types = (0..self.program.records.len() as u32).map(RecordId);
        types.flat_map(|record| self.simulated.records(record).expect("a store in memory can be read")).collect()
    }

    /// The `eventually` invariants that do not hold now.
    pub fn not_yet(&mut self) -> Vec<String> {
        let program = self.program.clone();
        let mut broken = Vec::new();
        for invariant in program.invariants.iter().filter(|invariant| invariant.eventually) {
            for record in self.simulated.records(invariant.record).expect("the store can be read") {
                let held = self.engine_mut().evaluate_body(invariant.body, &record);
                if held != Ok(Value::Bool(true)) {
                    broken.push(format!("{} does not hold for {record:?}: {held:?}", invariant.name));
                }
            }
        }
        broken
    }

    /// What must hold of any state, whatever the program: every reference points where its cell's type says, every record is where its type
    /// may be, and both ends of a link agree.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for record in self.records() {
            let declared = self.program.record(record.record());
            if !may_be_in(declared.home, record.space()) {
                broken.push(format!("{record:?} is in a space where no {} may be", declared.name));
            }
            for (index, cell) in declared.cells.iter().enumerate() {
                let value = self.stored(&record, CellIndex(index as u32)).unwrap_or(Value::None);
                if !fits(&self.program, &value, &cell.ty, Some(record.space())) {
                    broken.push(format!(
                        "{record:?}.{} holds {value:?}, which is not where {} must be",
                        cell.name,
                        self.program.ty(&cell.ty)
                    ));
                }
                let Some(inverse) = cell.inverse else { continue };
                for other in references(&value) {
                    let back = self.stored(&other, inverse.cell).map(|value| references(&value));
                    if !back.is_some_and(|back| back.contains(&record)) {
                        broken.push(format!("{record:?}.{} links to {other:?}, which does not link back", cell.name));
                    }
                }
            }
        }
        broken
    }
}

/// Whether a record with this home may be in the space.
pub fn may_be_in(home: Home, space: &SpaceRef) -> bool {
    match home {
        Home::Plain(id) => space.space == id && space.key.is_none(),
        Home::Family(id) => space.space == id && space.key.is_some(),
        Home::Floating => true,
    }
}

fn references(value: &Value) -> Vec<RecordRef> {
    match value {
        Value::Ref(record) => vec![record.clone()],
        Value::List(items) => items.iter().flat_map(references).collect(),
        Value::Set(items) => items.iter().flat_map(references).collect(),
        Value::Map(entries) => entries.iter().flat_map(|(k, v)| [references(k), references(v)].concat()).collect(),
        Value::Struct(fields) | Value::Variant(_, fields) => fields.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Whether every reference in the value points where the type says. `here` is the space of the record that holds or receives it; `None`: any.
pub fn fits(program: &Program, value: &Value, ty: &Type, here: Option<&SpaceRef>) -> bool {
    let plain = |id: SpaceId| SpaceRef { space: id, key: None };
    match (ty, value) {
        (Type::Record(_, place), Value::Ref(record)) => match place {
            Place::Here => here.is_none_or(|here| here == record.space()),
            Place::Plain(id) => *record.space() == plain(*id),
            Place::Any => true,
        },
        (Type::Optional(of), value) => *value == Value::None || fits(program, value, of, here),
        (Type::List(of), Value::List(items)) => items.iter().all(|item| fits(program, item, of, here)),
        (Type::Set(of), Value::Set(items)) => items.iter().all(|item| fits(program, item, of, here)),
        (Type::Map(key, of), Value::Map(entries)) => entries.iter().all(|(k, v)| fits(program, k, key, here) && fits(program, v, of, here)),
        (Type::Struct(id, place), Value::Struct(values)) => {
            inside(*place, here, |here| fields_fit(program, values, &program.structs[id.index()].fields, here))
        }
        (Type::Enum(id, place), Value::Variant(variant, values)) => {
            let fields = &program.enums[id.index()].variants[*variant as usize].fields;
            inside(*place, here, |here| fields_fit(program, values, fields, here))
        }
        _ => true,
    }
}

fn fields_fit(program: &Program, values: &[Value], fields: &[patternc_program::Field], here: Option<&SpaceRef>) -> bool {
    values.iter().zip(fields).all(|(value, field)| fits(program, value, &field.ty, here))
}

/// What a plain reference inside something at this place means.
fn inside(place: Place, here: Option<&SpaceRef>, test: impl FnOnce(Option<&SpaceRef>) -> bool) -> bool {
    match place {
        Place::Here => test(here),
        Place::Plain(id) => test(Some(&SpaceRef { space: id, key: None })),
        Place::Any => test(None),
    }
}

/// Whether an outcome is a failure of this kind.
pub fn failed_with(outcome: &Outcome, kind: FailureKind) -> bool {
    matches!(outcome, Outcome::Failed(failure) if failure.kind == kind)
}
