//! Threads, real time and real files around the engine.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::json;

use super::*;
use crate::engine::tests::program::{ACKS, LAST, NODE, PAY, REFUSED, TOTAL, handler, node, program, space};
use crate::engine::{CallAnswer, ExternCall};
use crate::event::Outcome;
use crate::given::GivenAnswer;
use crate::json::CellName;
use crate::store::format::events::write_action;
use crate::store::memory::Memory;
use crate::store::sqlite::{Opening, Sqlite};
use crate::store::state::Schema;
use crate::value::Value;

const SECONDS: Duration = Duration::from_secs(30);

fn memory(program: &Program) -> Box<dyn Store> {
    Box::new(Memory::new(Arc::new(Schema::new(program)), &Limits::default()))
}

fn open(store: Box<dyn Store>, callee: Option<Arc<dyn Callee>>) -> Runtime {
    let mut config = Config::single(store);
    config.externs.extend(callee.map(|callee| (PAY, callee)));
    Runtime::open(Arc::new(program()), config).expect("the store is new")
}

fn create(runtime: &Runtime, id: &str) {
    let action = Action::Create { record: NODE, space: space(0), id: Some(id.into()), cells: Vec::new() };
    let outcome = runtime.submit(runtime.session(), Some(EventId(format!("create-{id}").into())), None, action).wait().1;
    assert_eq!(outcome, Outcome::Committed(Value::Ref(node(0, id))));
}

fn action(to: &str, name: &str, args: Vec<Value>) -> Action {
    Action::Handler { to: node(0, to), handler: handler(&program(), name), args }
}

fn cell(runtime: &Runtime, id: &str, cell: patternc_program::CellIndex) -> i64 {
    let read = runtime.read(|engine| engine.read_cell(&node(0, id), CellName::Stored(cell)));
    match read.expect("the store works").expect("the node is there") {
        Value::Int(n) => n,
        other => panic!("{other:?} is no Int"),
    }
}

#[test]
fn many_threads_at_once_lose_and_double_nothing() {
    let runtime = open(memory(&program()), None);
    for id in ["x", "y"] {
        create(&runtime, id);
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let session = runtime.session();
                for _ in 0..200 {
                    let give = action("x", "give_ack", vec![Value::Ref(node(0, "y")), Value::Int(1)]);
                    assert_eq!(runtime.submit(session, None, None, give).wait().1, Outcome::Committed(Value::None));
                }
            });
        }
    });
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!((cell(&runtime, "x", TOTAL), cell(&runtime, "y", TOTAL), cell(&runtime, "x", ACKS)), (-800, 800, 800));
    assert!(!runtime.close(SECONDS));
}

/// Panics, then answers.
struct Shaky(AtomicU32);

impl Callee for Shaky {
    fn call(&self, _program: &Program, call: &ExternCall) -> CallAnswer {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            panic!("the adapter is broken");
        }
        CallAnswer::Value(call.args[0].clone())
    }
}

#[test]
fn a_panic_in_an_adapter_is_an_answer_that_was_lost() {
    let runtime = open(memory(&program()), Some(Arc::new(Shaky(AtomicU32::new(0)))));
    create(&runtime, "x");
    // Not safe to repeat: whether it took effect is unknown.
    let _ = runtime.submit(runtime.session(), None, None, action("x", "take", vec![Value::Int(4)])).wait();
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!((cell(&runtime, "x", ACKS), cell(&runtime, "x", REFUSED)), (0, 1));
    let repeated = open(memory(&program()), Some(Arc::new(Shaky(AtomicU32::new(0)))));
    create(&repeated, "x");
    let _ = repeated.submit(repeated.session(), None, None, action("x", "charge", vec![Value::Int(4)])).wait();
    assert!(repeated.wait_idle(SECONDS));
    assert_eq!((cell(&repeated, "x", ACKS), cell(&repeated, "x", LAST)), (1, 4));
    let asked = repeated.submit(repeated.session(), None, None, action("x", "quote", vec![Value::Int(9)])).wait().1;
    assert_eq!(asked, Outcome::Committed(Value::Int(9)));
}

/// Answers only when it may.
struct Gate(AtomicBool);

impl Callee for Gate {
    fn call(&self, _program: &Program, call: &ExternCall) -> CallAnswer {
        while !self.0.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        CallAnswer::Value(call.args[0].clone())
    }
}

#[test]
fn a_deferred_answer_is_waited_for_and_what_is_left_at_the_end_is_found_again() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("store.db");
    let sqlite = || -> Box<dyn Store> {
        Box::new(Sqlite::open(&file, Opening::new(Arc::new(program()), Limits::default())).expect("the store opens"))
    };
    let id = EventId("asked".into());
    let gate = Arc::new(Gate(AtomicBool::new(false)));
    let runtime = open(sqlite(), Some(gate.clone()));
    create(&runtime, "x");
    let mut taken = runtime.submit(runtime.session(), Some(id.clone()), None, action("x", "quote", vec![Value::Int(7)]));
    assert_eq!(taken.poll(), None);
    let taken = taken.wait_timeout(Duration::from_millis(30)).expect_err("the gate is shut");
    // The answer to a call that outlives the runtime is not waited for.
    assert!(runtime.close(Duration::from_millis(30)));
    assert!(matches!(taken.wait().1, Outcome::Failed(failure) if failure.kind == FailureKind::Unavailable));
    let runtime = open(sqlite(), Some(gate.clone()));
    let taken = runtime.submit(runtime.session(), Some(id.clone()), None, action("x", "quote", vec![Value::Int(7)]));
    gate.0.store(true, Ordering::SeqCst);
    assert_eq!(taken.wait(), (id, Outcome::Committed(Value::Int(7))));
    assert!(!runtime.close(SECONDS));
}

#[test]
fn what_comes_after_the_end_is_not_taken() {
    let runtime = open(memory(&program()), None);
    create(&runtime, "x");
    let caretaker = runtime.caretaker();
    // An outcome that is not fetched keeps what it needs to be fetched.
    let taken = runtime.submit(runtime.session(), None, None, action("x", "ready", vec![]));
    assert!(!runtime.close(SECONDS));
    let mut event = String::from("{");
    write_action(&mut event, &program(), &action("x", "ready", vec![])).expect("it can be written");
    let sent = json!({ "session": 1, "id": "late", "event": event + "}" });
    let request = json!({ "from": "another", "begins": true, "events": [sent] });
    assert_eq!(Desk::default().answer(&caretaker, &request), None);
    assert!(caretaker.health().is_none() && caretaker.program().is_none());
    assert_eq!(taken.wait().1, Outcome::Committed(Value::None));
}

#[test]
fn many_in_flight_share_commits_and_all_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("store.db");
    let sqlite = || -> Box<dyn Store> {
        Box::new(Sqlite::open(&file, Opening::new(Arc::new(program()), Limits::default())).expect("the store opens"))
    };
    for round in 0..2 {
        let runtime = open(sqlite(), None);
        for id in ["x", "y"] {
            create(&runtime, id);
        }
        let session = runtime.session();
        let taken: Vec<Taken> = (0..300)
            .map(|n| {
                let give = action("x", "give", vec![Value::Ref(node(0, "y")), Value::Int(n)]);
                runtime.submit(session, Some(EventId(format!("give-{n}").into())), None, give)
            })
            .collect();
        for taken in taken {
            assert_eq!(taken.wait().1, Outcome::Committed(Value::None));
        }
        if round == 1 {
            assert!(runtime.wait_idle(SECONDS));
            assert_eq!((cell(&runtime, "x", TOTAL), cell(&runtime, "y", TOTAL)), (-44_850, 44_850));
        }
    }
}

#[test]
fn what_is_parked_is_taken_up_again_together() {
    let runtime = open(memory(&program()), None);
    for id in ["x", "y"] {
        create(&runtime, id);
    }
    let parked = action("x", "give_parked_arm", vec![Value::Ref(node(0, "y")), Value::Int(1)]);
    let _ = runtime.submit(runtime.session(), None, None, parked).wait();
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!((runtime.status().flights.len(), cell(&runtime, "x", ACKS)), (1, 0));
    let _ = runtime.submit(runtime.session(), None, None, action("x", "ready", vec![])).wait();
    let resumed = runtime.caretaker().resume(None, None, SECONDS).expect("it runs").expect("all are asked for");
    assert_eq!(resumed.len(), 1);
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!((runtime.status().flights.len(), cell(&runtime, "x", ACKS)), (0, 1));
}

#[test]
fn held_deliveries_wait_and_go_one_by_one() {
    let runtime = open(memory(&program()), None);
    for id in ["x", "y"] {
        create(&runtime, id);
    }
    runtime.hold();
    for _ in 0..2 {
        let give = action("x", "give_ack", vec![Value::Ref(node(0, "y")), Value::Int(1)]);
        assert_eq!(runtime.submit(runtime.session(), None, None, give).wait().1, Outcome::Committed(Value::None));
    }
    // What is held is nothing to wait for.
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!((cell(&runtime, "y", TOTAL), runtime.waiting_deliveries().len()), (0, 1));
    assert!(runtime.deliver_next().is_some());
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!(cell(&runtime, "y", TOTAL), 1);
    runtime.release();
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!((cell(&runtime, "y", TOTAL), cell(&runtime, "x", ACKS)), (2, 2));
    assert_eq!(runtime.deliver_next(), None);
}

#[test]
fn a_call_that_may_not_be_repeated_is_not_begun_while_it_is_held() {
    let callee = Arc::new(Shaky(AtomicU32::new(1)));
    let runtime = open(memory(&program()), Some(callee.clone()));
    create(&runtime, "x");
    runtime.hold();
    let _ = runtime.submit(runtime.session(), None, None, action("x", "take", vec![Value::Int(3)]));
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!((callee.0.load(Ordering::SeqCst), runtime.waiting_deliveries().len()), (1, 1));
    while runtime.deliver_next().is_some() {
        assert!(runtime.wait_idle(SECONDS));
    }
    assert_eq!(callee.0.load(Ordering::SeqCst), 2);
}

#[test]
fn a_runtime_that_begins_held_makes_no_call_that_was_on_its_way() {
    let callee = Arc::new(Shaky(AtomicU32::new(1)));
    let runtime = open(memory(&program()), Some(callee.clone()));
    for id in ["x", "y"] {
        create(&runtime, id);
    }
    runtime.hold();
    for (id, name) in [("x", "take"), ("y", "charge")] {
        let _ = runtime.submit(runtime.session(), None, None, action(id, name, vec![Value::Int(3)]));
    }
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!(runtime.waiting_deliveries().len(), 2);
    let states = runtime.snapshot().expect("the store works").expect("it is in memory");
    let [state] = <[_; 1]>::try_from(states).expect("one store was given");
    let mut config = Config { held: true, ..Config::single(Box::new(Memory::with_state(state))) };
    config.externs.insert(PAY, callee.clone());
    let runtime = Runtime::open(Arc::new(program()), config).expect("the store can be read");
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!((callee.0.load(Ordering::SeqCst), runtime.waiting_deliveries().len()), (1, 2));
    while runtime.deliver_next().is_some() {
        assert!(runtime.wait_idle(SECONDS));
    }
    assert_eq!((callee.0.load(Ordering::SeqCst), ["x", "y"].map(|id| cell(&runtime, id, ACKS))), (3, [1, 1]));
}

#[test]
fn an_open_transaction_runs_again_if_what_it_read_has_changed() {
    let runtime = open(memory(&program()), None);
    create(&runtime, "x");
    let (one, other) = (runtime.session(), runtime.session());
    let put = || action("x", "put", vec![Value::Int(1)]);
    let Begun::Open(open) = runtime.begin(one, None, put()) else { panic!("the store answers") };
    assert!(!open.writes.is_empty() && open.failure.is_none());
    assert_eq!(cell(&runtime, "x", TOTAL), 0, "nobody sees what is not committed");
    assert!(matches!(runtime.submit(other, None, None, put()).wait().1, Outcome::Committed(_)));
    assert!(matches!(runtime.commit(*open).wait().1, Outcome::Committed(_)));
    assert_eq!((runtime.counters().conflicts, cell(&runtime, "x", TOTAL)), (1, 2));
    let Begun::Open(open) = runtime.begin(one, None, put()) else { panic!("the store answers") };
    runtime.roll_back(open.ticket);
    assert_eq!(cell(&runtime, "x", TOTAL), 2);
    assert!(runtime.wait_idle(SECONDS));
}

#[test]
fn calls_that_nobody_answers_wait_until_it_is_given_what_they_answer() {
    let runtime = open(memory(&program()), None);
    create(&runtime, "x");
    let taken = runtime.submit(runtime.session(), None, None, action("x", "quote", vec![Value::Int(7)]));
    // There is nothing to wait for, and the call was not tried.
    assert!(runtime.wait_idle(SECONDS));
    let waiting = runtime.unanswered_calls();
    let [Action::Extern { of, operation, .. }] = waiting.as_slice() else { panic!("one call waits: {waiting:?}") };
    let (of, operation) = (*of, *operation);
    let refuses = GivenAnswer::Fails { message: "shut".to_owned(), left: Some(0) };
    runtime.give(Given { of, operation, answer: refuses });
    assert!(runtime.wait_idle(SECONDS));
    assert_eq!(runtime.unanswered_calls().len(), 1, "one that refuses no more answers nothing");
    let value = Arc::new(patternc_program::Expr::Int(42));
    runtime.give(Given { of, operation, answer: GivenAnswer::Value { params: Arc::new([]), value, frame: Vec::new() } });
    assert_eq!(taken.wait().1, Outcome::Committed(Value::Int(42)));
}

#[test]
fn what_is_interrupted_leaves_nothing_and_what_is_delivered_runs_again() {
    let interrupt = Interrupt::default();
    let config = Config { interrupt: Some(interrupt.clone()), ..Config::single(memory(&program())) };
    let runtime = Runtime::open(Arc::new(program()), config).expect("the store can be read");
    create(&runtime, "x");
    interrupt.raise();
    let long = patternc_program::Expr::Range(Box::new(patternc_program::Expr::Int(5_000)));
    let value = runtime.read(|engine| engine.evaluate(&long, &mut Vec::new(), None)).expect("the store can be read");
    assert!(matches!(&value, Err(failure) if failure.kind == FailureKind::Unavailable), "{value:?}");
    interrupt.lower();
    // Several evaluations share one budget. Each takes its elements to make, and once more to give away.
    let mut budget = 24_000;
    let mut length =
        || runtime.read(|engine| engine.with_budget(&mut budget, |engine| engine.evaluate(&long, &mut Vec::new(), None).map(|_| ())));
    assert_eq!(length().expect("the store can be read"), Ok(()));
    assert_eq!(length().expect("the store can be read"), Ok(()));
    assert!(matches!(length().expect("the store can be read"), Err(failure) if failure.kind == FailureKind::Budget));
}
