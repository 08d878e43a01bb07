//! What happened on a way, for people: each step with its place, what it changed and sent, and the order that has it happen again.

use std::sync::Arc;

use patternc_program::{Program, Source, Test, Type};

use super::point::{Move, Point, Reply};
use super::stage::Exploring;
use super::{Bounds, Kind, Violation};
use crate::engine::{Doing, Entry, What};
use crate::event::{Action, EventId, Outcome};
use crate::machine::text;
use crate::simulate::order::Item;
use crate::simulate::stage::Stage;
use crate::store::Write;
use crate::value::{RecordRef, SpaceRef, Value};

/// A way, step by step.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Story {
    /// From the first step at which there was a choice.
    pub steps: Vec<Step>,
    /// By statement of the test, where it begins: the order in which what it causes happens. Only where there was a choice.
    pub orders: Vec<(Source, String)>,
}

/// A step of a story.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// As in an `order`: "1.1", "2.reads", "crash".
    pub name: String,
    /// The space it happens in: "home", "user[\"ann\"]"; none for what happens to the whole process or outside.
    pub space: Option<String>,
    /// "ada.link(bob)", "the process dies".
    pub what: String,
    /// What it wrote: "ada.members += bob".
    pub changes: Vec<String>,
    /// What it sent: "bob.linked(ada)".
    pub sends: Vec<String>,
    /// What it answered, if it failed or gave a value: "rejected: too late", "gives 3".
    pub outcome: Option<String>,
}

/// Tells the way.
pub(super) struct Teller<'p> {
    program: Arc<Program>,
    test: &'p Test,
    point: Point<'p>,
    bounds: Bounds,
    /// By id: what a record is called.
    names: Vec<(String, String)>,
    story: Story,
    /// Per step: the statement it belongs to, and whether there was a choice.
    statements: Vec<(Option<Source>, bool)>,
    items: Vec<Option<Item>>,
}

impl<'p> Teller<'p> {
    /// Goes the way again; it is as it was the first time.
    /// With `compares` nothing is judged.
    pub fn tell(mut world: Exploring, test: &'p Test, bounds: Bounds, compares: bool, way: &[Move]) -> (Story, Option<Violation>) {
        world.tell();
        let program = world.engine().program().clone();
        let mut point = Point::new(world, test);
        point.answers = compares.then_some(0);
        let mut teller =
            Teller { program, test, point, bounds, names: Vec::new(), story: Story::default(), statements: Vec::new(), items: Vec::new() };
        let mut violation = teller.point.settle().err();
        teller.point.script.world.take_history();
        for &chosen in way {
            if violation.is_some() {
                break;
            }
            violation = teller.step(chosen);
        }
        teller.name_records();
        let violation = violation.map(|mut violation| {
            violation.failure.message = teller.named(&violation.failure.message);
            violation.failure.notes.iter_mut().for_each(|note| *note = teller.named(note));
            *violation
        });
        (teller.finish(), violation)
    }

    fn step(&mut self, chosen: Move) -> Option<Box<Violation>> {
        let choice = self.point.moves(&self.bounds).iter().filter(|other| !matches!(other, Move::Crash | Move::Again(_))).count() > 1
            || matches!(chosen, Move::Crash);
        let world = &self.point.script.world;
        let statement = world.told().and_then(|told| told.statement);
        let (item, mut step) = self.describe(chosen);
        let violation = self.point.take(chosen).err();
        let entries = self.point.script.world.take_history();
        self.add_entries(&mut step, &entries);
        self.name_records();
        self.statements.push((statement, choice));
        self.items.push(item);
        self.story.steps.push(step);
        violation
    }

    /// What is about to happen.
    fn describe(&self, chosen: Move) -> (Option<Item>, Step) {
        let world = &self.point.script.world;
        let engine = world.engine();
        let told = world.told().expect("a way that is told has names");
        let mut step =
            Step { name: String::new(), space: None, what: String::new(), changes: Vec::new(), sends: Vec::new(), outcome: None };
        let item = match chosen {
            Move::Step(at) => {
                let next = engine.next_steps().nth(usize::from(at)).expect("the step was offered");
                let event = next.event.expect("steps that are offered have an event");
                let action = self.action_of(event);
                let from = world.in_flight().into_iter().find(|flight| flight.outgoing.event.id == *event).map(|f| f.outgoing.from.clone());
                let name = told.names.of_step(event, next.doing);
                let text = action.as_ref().map_or_else(String::new, |action| self.action(action));
                (step.what, step.space) = match next.doing {
                    Doing::Settle => {
                        let space = from.map(|from| self.space(from.space()));
                        (format!("the outcome of {text} is back"), space)
                    }
                    Doing::MarkTried => (format!("{text} is noted as begun"), from.map(|from| self.space(from.space()))),
                    _ => (text, action.as_ref().and_then(receiver).map(|space| self.space(&space))),
                };
                let apart = !next.commit && self.reads_apart(chosen);
                if apart {
                    step.what = format!("{} reads", step.what);
                } else if next.commit {
                    step.what = format!("{} commits", step.what);
                }
                name.map(|name| match next.doing {
                    Doing::MarkTried => Item::Tried(name),
                    _ if apart => Item::Reads(name),
                    _ => Item::Done(name),
                })
            }
            Move::Session(at) => {
                let number = self.point.groups.last().map_or(0, |group| group.players[usize::from(at)].thread.number);
                step.what = format!("session {number} goes on");
                Some(Item::Next(number))
            }
            Move::Answer(at, reply) => {
                let call = &world.calls()[usize::from(at)];
                let name = told.names.of(&call.event).map(str::to_owned);
                let action = Action::Extern { of: call.of, operation: call.operation, args: call.args.clone() };
                let text = self.action(&action);
                let (what, item): (String, fn(String) -> Item) = match reply {
                    Reply::Given => (format!("the outside answers {text}"), Item::Done),
                    Reply::Refuses => (format!("the outside refuses {text}"), Item::Refuses),
                    Reply::Lost => (format!("the answer to {text} is lost"), Item::Lost),
                };
                step.what = what;
                name.map(item)
            }
            Move::Again(_) => {
                step.what = "an event is delivered once more".to_owned();
                None
            }
            Move::Crash => {
                step.what = "the process dies, and starts again".to_owned();
                Some(Item::Crash)
            }
        };
        step.name = item.as_ref().map_or_else(|| "·".to_owned(), Item::to_string);
        (item, step)
    }

    /// Whether the attempt is committed by another step.
    fn reads_apart(&self, chosen: Move) -> bool {
        let mut ahead = self.point.fork();
        let before = ahead.script.world.engine().counters().commits;
        ahead.take(chosen).is_ok() && ahead.script.world.engine().counters().commits == before && ahead.has_prepared()
    }

    fn action_of(&self, event: &EventId) -> Option<Action> {
        let world = &self.point.script.world;
        let outside = world.engine().waiting().find(|waiting| waiting.event.id == *event).map(|waiting| waiting.event.action.clone());
        outside.or_else(|| {
            world.in_flight().into_iter().find(|flight| flight.outgoing.event.id == *event).map(|f| f.outgoing.event.action.clone())
        })
    }

    fn add_entries(&self, step: &mut Step, entries: &[Entry]) {
        for entry in entries {
            match &entry.what {
                What::Wrote(writes) => step.changes.extend(writes.iter().map(|write| self.write(write))),
                What::Sent { .. } => {
                    if let Some(action) = self.action_of(&entry.event) {
                        step.sends.push(self.action(&action));
                    }
                }
                What::Outcome(Outcome::Failed(failure)) => step.outcome = Some(failure.to_string()),
                What::Outcome(Outcome::Committed(value)) if *value != Value::None && step.outcome.is_none() => {
                    step.outcome = Some(format!("gives {}", text::quoted(&self.program, value, &Type::Unknown)));
                }
                What::Parked(reason) => step.outcome = Some(format!("parked: {reason}")),
                _ => {}
            }
        }
    }

    /// Records are called as the test calls them, the others by their type and a number.
    fn name_records(&mut self) {
        let frame = &self.point.groups[0].players[0].thread.frame;
        let mut found: Vec<(String, String)> = Vec::new();
        for (slot, name) in &self.test.names {
            if let Some(Value::Ref(record)) = frame.get(slot.index()) {
                found.push((record.id().to_owned(), name.to_string()));
            }
        }
        let stores = self.point.script.world.engine().stores();
        for store in 0..stores.len() {
            let state = stores.get(store).in_memory().expect("explored stores are in memory");
            let mut numbers = vec![0; self.program.records.len()];
            for stored in state.records() {
                let of = stored.record.record();
                numbers[of.index()] += 1;
                let name = format!("{} {}", self.program.record(of).name, numbers[of.index()]);
                found.push((stored.record.id().to_owned(), name));
            }
        }
        for (id, name) in found {
            if !self.names.iter().any(|(known, _)| *known == id) {
                self.names.push((id, name));
            }
        }
    }

    /// The text with the names of records for their ids.
    fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (id, name) in &self.names {
            if text.contains(id.as_str()) {
                for record in &self.program.records {
                    text = text.replace(&format!("{}/{id}", record.name), name);
                    text = text.replace(&format!("{} \"{id}\"", record.name), name);
                }
                text = text.replace(id.as_str(), name);
            }
        }
        text
    }

    fn finish(self) -> Story {
        let mut orders: Vec<(Source, String, bool)> = Vec::new();
        for (item, (statement, choice)) in self.items.iter().zip(&self.statements) {
            let (Some(statement), Some(item)) = (statement, item) else { continue };
            match orders.last_mut().filter(|(at, ..)| at == statement) {
                Some((_, order, chosen)) => {
                    order.push(' ');
                    order.push_str(&item.to_string());
                    *chosen |= choice;
                }
                None => orders.push((*statement, item.to_string(), *choice)),
            }
        }
        let first = orders.iter().find(|(.., chosen)| *chosen).map(|(at, ..)| *at);
        let from = first.and_then(|at| self.statements.iter().position(|(statement, _)| *statement == Some(at))).unwrap_or(0);
        let named = |text: &String| self.named(text);
        let steps = self.story.steps[from..].iter().map(|step| Step {
            name: step.name.clone(),
            space: step.space.clone(),
            what: named(&step.what),
            changes: step.changes.iter().map(named).collect(),
            sends: step.sends.iter().map(named).collect(),
            outcome: step.outcome.as_ref().map(named),
        });
        Story {
            steps: steps.collect(),
            orders: orders.into_iter().filter(|(.., chosen)| *chosen).map(|(at, order, _)| (at, order)).collect(),
        }
    }

    fn space(&self, space: &SpaceRef) -> String {
        text::space(&self.program, space)
    }

    fn action(&self, action: &Action) -> String {
        let program = &self.program;
        let args = |args: &[Value], params: &[patternc_program::Field]| {
            let shown = args.iter().zip(params).map(|(arg, param)| text::quoted(program, arg, &param.ty));
            shown.collect::<Vec<_>>().join(", ")
        };
        match action {
            Action::Handler { to, handler, args: given } => {
                let handler = program.handler(*handler);
                format!("{}.{}({})", to.id(), handler.name, args(given, &handler.params))
            }
            Action::Saga { to, saga, args: given } => {
                let saga = &program.sagas[saga.index()];
                format!("{}.{}({})", to.id(), saga.name, args(given, &saga.params))
            }
            Action::Create { record, space, .. } => format!("create {} in {}", program.record(*record).name, self.space(space)),
            Action::Extern { of, operation, args: given } => {
                let of = &program.externs[of.index()];
                let operation = &of.operations[*operation as usize];
                format!("{}.{}({})", of.name, operation.name, args(given, &operation.params))
            }
        }
    }

    fn write(&self, write: &Write) -> String {
        let cell = |record: &RecordRef, cell: patternc_program::CellIndex| {
            let declared = &self.program.record(record.record()).cells[cell.index()];
            (format!("{}.{}", record.id(), declared.name), declared.ty.clone())
        };
        let value = |value: &Value, ty: &Type| text::quoted(&self.program, value, ty);
        let element = |ty: &Type| match ty {
            Type::List(of) | Type::Set(of) => (**of).clone(),
            Type::Map(_, of) => (**of).clone(),
            _ => Type::Unknown,
        };
        match write {
            Write::Create { record, .. } => format!("{} is created", record.id()),
            Write::Delete { record } => format!("{} is deleted", record.id()),
            Write::Set { record, cell: at, value: set } => {
                let (name, ty) = cell(record, *at);
                format!("{name} = {}", value(set, &ty))
            }
            Write::AddInt { record, cell: at, by } => {
                let (name, _) = cell(record, *at);
                if *by < 0 { format!("{name} -= {}", by.unsigned_abs()) } else { format!("{name} += {by}") }
            }
            Write::Append { record, cell: at, value: added } | Write::Insert { record, cell: at, value: added } => {
                let (name, ty) = cell(record, *at);
                format!("{name} += {}", value(added, &element(&ty)))
            }
            Write::RemoveFirst { record, cell: at, value: gone } | Write::Remove { record, cell: at, value: gone } => {
                let (name, ty) = cell(record, *at);
                format!("{name} -= {}", value(gone, &element(&ty)))
            }
            Write::SetEntry { record, cell: at, key, value: set } => {
                let (name, ty) = cell(record, *at);
                format!("{name}[{}] = {}", value(key, &Type::Unknown), value(set, &element(&ty)))
            }
            Write::RemoveEntry { record, cell: at, key } => {
                let (name, _) = cell(record, *at);
                format!("delete {name}[{}]", value(key, &Type::Unknown))
            }
        }
    }
}

fn receiver(action: &Action) -> Option<SpaceRef> {
    match action {
        Action::Handler { to, .. } | Action::Saga { to, .. } => Some(to.space().clone()),
        Action::Create { space, .. } => Some(space.clone()),
        Action::Extern { .. } => None,
    }
}

/// For those who ask in words.
impl Kind {
    /// "an expectation does not hold".
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Expectation => "something expected does not hold",
            Kind::Eventually => "nothing is on its way, and an invariant does not hold",
            Kind::Parked => "an event is parked: nobody takes it",
            Kind::Isolation => "a transaction leaves its space",
        }
    }

    /// The word for it in data.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Expectation => "expectation",
            Kind::Eventually => "eventually",
            Kind::Parked => "parked",
            Kind::Isolation => "isolation",
        }
    }
}
