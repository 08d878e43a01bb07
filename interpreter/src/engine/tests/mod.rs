//! What must hold whatever dies, is lost, doubled or overtaken: on one store and on two.

mod crashes;
mod delays;
mod faults;
mod outside;
pub(crate) mod program;
mod workload;

use std::collections::BTreeMap;
use std::sync::Arc;

use patternc_program::{CellIndex, Program};

use self::program::{LOG, NODE, TOTAL, handler, node, program, space};
use crate::engine::{CallAnswer, Engine, ExternCall, Session};
use crate::event::{Action, Outcome};
use crate::limits::Limits;
use crate::simulate::{Disk as _, MemoryDisk, Mishaps, Outside, Request, World, memory_disk};
use crate::value::{RecordRef, Value};

/// A scripted outside: keeps what took effect, by idempotency key.
#[derive(Default)]
struct Bank {
    /// The keys that took effect, and how often they were asked.
    effects: BTreeMap<Arc<str>, u32>,
    /// What the next calls are answered instead.
    script: Vec<CallAnswer>,
}

impl Outside for Bank {
    fn call(&mut self, _engine: &mut Engine, call: &ExternCall) -> Result<CallAnswer, String> {
        if !self.script.is_empty() {
            return Ok(self.script.remove(0));
        }
        *self.effects.entry(call.event.0.clone()).or_default() += 1;
        Ok(CallAnswer::Value(call.args[0].clone()))
    }
}

/// A world of nodes: `a0`, `a1`, … in the space `a`, `b0`, `b1`, … in `b`.
struct Nodes {
    program: Arc<Program>,
    world: World,
    bank: Bank,
    disk: MemoryDisk,
}

impl Nodes {
    fn new(stores: usize, seed: u64) -> Self {
        Nodes::limited(stores, seed, Limits::default())
    }

    fn limited(stores: usize, seed: u64, limits: Limits) -> Self {
        let program = Arc::new(program());
        let places = if stores == 2 { vec![0, 1] } else { Vec::new() };
        let disk = memory_disk(&program, &limits, stores);
        let world = World::new(program.clone(), Box::new(disk.clone()), places, limits, seed).expect("an empty disk opens");
        let mut nodes = Nodes { program, world, bank: Bank::default(), disk };
        for id in ["a0", "a1", "a2", "b0", "b1", "b2"] {
            let to = reference(id);
            let action = Action::Create { record: NODE, space: to.space().clone(), id: Some(id.into()), cells: Vec::new() };
            let created = nodes.ask(action);
            assert_eq!(created, Outcome::Committed(Value::Ref(to)));
        }
        nodes
    }

    fn action(&self, to: &str, name: &str, args: Vec<Value>) -> Action {
        Action::Handler { to: reference(to), handler: handler(&self.program, name), args }
    }

    fn send(&mut self, session: u64, to: &str, name: &str, args: Vec<Value>) -> Request {
        let action = self.action(to, name, args);
        self.world.send(Session(session), None, action)
    }

    fn settle(&mut self) {
        self.world.run_until_idle(&mut self.bank);
        assert_eq!(self.world.take_trouble(), None);
    }

    /// Sends an event and lets everything happen.
    fn ask(&mut self, action: Action) -> Outcome {
        let request = self.world.send(Session(0), None, action);
        self.settle();
        self.world.take_outcome(request).expect("it is answered")
    }

    fn call(&mut self, to: &str, name: &str, args: Vec<Value>) -> Outcome {
        let action = self.action(to, name, args);
        self.ask(action)
    }

    fn cell(&self, id: &str, cell: CellIndex) -> Value {
        let to = reference(id);
        let store = self.world.engine().stores().of(to.space());
        store.cell(&to, cell).expect("the store is read").expect("the node is there")
    }

    fn int(&self, id: &str, cell: CellIndex) -> i64 {
        match self.cell(id, cell) {
            Value::Int(n) => n,
            other => panic!("{other:?} is no Int"),
        }
    }

    fn log(&self, id: &str) -> Vec<i64> {
        let Value::List(items) = self.cell(id, LOG) else { panic!("the log is a list") };
        items.iter().map(|item| if let Value::Int(n) = item { *n } else { panic!("{item:?} is no Int") }).collect()
    }

    /// Nothing is on its way.
    fn assert_clean(&self) {
        let flights = self.world.engine().status().flights;
        assert!(flights.is_empty(), "{flights:#?}");
    }

    /// Events from inside that receivers still remember.
    fn remembered(&self) -> usize {
        let stores = 0..self.disk.stores();
        stores.map(|store| self.disk.live(store).state().inbox().filter(|(_, event)| event.keep_until.is_none()).count()).sum()
    }
}

fn reference(id: &str) -> RecordRef {
    node(u32::from(id.starts_with('b')), id)
}

fn to(id: &str) -> Value {
    Value::Ref(reference(id))
}

fn committed(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Committed(value) => value,
        Outcome::Failed(failure) => panic!("{failure}"),
    }
}

/// Everything that can go wrong, often.
const MISHAPS: Mishaps = Mishaps { crash: 40, duplicate: 60, lost_answer: 200 };

#[test]
fn the_spaces_of_the_nodes_are_where_their_names_say() {
    assert_eq!(*reference("a1").space(), space(0));
    assert_eq!(*reference("b1").space(), space(1));
}
