//! Whatever happens in the middle of a saga, it ends wholly done or wholly undone: every point of the bounty board's sagas at which the
//! process can die, a commit's or a call's answer can get lost, or an event can come twice.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use patternc_interpreter::engine::{CallAnswer, ExternCall, Stage};
use patternc_interpreter::event::Outcome;
use patternc_interpreter::failure::FailureKind;
use patternc_interpreter::simulate::{Disk, Fault, memory_disk, sqlite_disk};
use patternc_interpreter::value::{RecordRef, Value};
use patternc_program::Program;
use patternc_tests::world::{World, compile, failed_with, limits};

/// A payment service: it pays once for a key, and can lose the answer to the first call of each.
#[derive(Default)]
struct Payments {
    paid: BTreeMap<Arc<str>, i64>,
    refuses: bool,
    loses_first_answers: bool,
}

impl Payments {
    fn answer(&mut self, call: &ExternCall) -> CallAnswer {
        let [Value::Text(to), Value::Int(amount)] = &call.args[..] else { panic!("{call:?}") };
        if self.refuses {
            return CallAnswer::Rejected("no money".into());
        }
        let first = self.paid.insert(call.event.0.clone(), *amount).is_none();
        if first && self.loses_first_answers {
            return CallAnswer::Unavailable("the line went dead".into());
        }
        CallAnswer::Value(Value::Text(format!("{to} got {amount}").into()))
    }
}

/// What happens at a point, besides what would have happened.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mishap {
    Nothing,
    Crash,
    /// It dies again when so many more things have happened.
    Crashes(usize),
    Duplicate,
    /// A commit of a store fails, or works and its success is not told.
    Store(usize, Fault),
}

#[derive(Clone, Copy, Debug)]
struct Case {
    seed: u64,
    stores: usize,
    refuses: bool,
    loses_first_answers: bool,
    mishap: Mishap,
}

fn board() -> Arc<Program> {
    let compiled = compile(include_str!("../../patterns/bounty_board/board.pattern"));
    assert_eq!(compiled.errors().count(), 0, "{:?}", compiled.findings);
    compiled.program
}

/// Bounties in a store of their own, if there are two.
fn places(program: &Program, stores: usize) -> Vec<usize> {
    program.spaces.iter().map(|space| usize::from(stores > 1 && space.name == "bounties")).collect()
}

/// Two agents claim one bounty at once, and whoever has it settles; the mishap comes after `point` things have happened in each part. Whether
/// the parts had so many.
fn claimed_and_settled(program: &Arc<Program>, case: Case, point: usize, disk: Box<dyn Disk>, faults: &dyn Fn(usize, Fault)) -> bool {
    let context = || format!("{case:?} at {point}");
    let payments =
        Rc::new(RefCell::new(Payments { refuses: case.refuses, loses_first_answers: case.loses_first_answers, ..Payments::default() }));
    let mut world = World::on(program, case.seed, disk, places(program, case.stores)).expect("an empty store opens");
    let service = payments.clone();
    world.outside(move |call| service.borrow_mut().answer(call));
    let text = |text: &str| Value::Text(text.into());
    let tea = world.create("Bounty", world.space("bounties"), &[("id", text("tea")), ("reward", Value::Int(5))]);
    let agents = ["ann", "bob"].map(|name| world.create("Agent", world.space("claims"), &[("name", text(name))]));
    let claims = agents.iter().map(|agent| world.action(agent, "claim", vec![Value::Ref(tea.clone())])).collect();
    let (outcomes, first) = disturbed(&mut world, claims, case.mishap, point, faults);
    let got: Vec<RecordRef> =
        outcomes.iter().filter_map(|outcome| result(outcome.as_ref().unwrap_or_else(|| panic!("{}", context())))).collect();
    let [claim] = &got[..] else { panic!("{}: {outcomes:?}", context()) };
    assert!(outcomes.iter().flatten().any(|outcome| failed_with(outcome, FailureKind::Rejected)), "{}", context());
    assert_eq!(world.cell(&tea, "holder"), Value::Ref(claim.clone()), "{}", context());
    assert_eq!(world.not_yet(), Vec::<String>::new(), "{}", context());

    let settle = vec![world.action(claim, "settle", Vec::new())];
    let (outcomes, second) = disturbed(&mut world, settle, case.mishap, point, faults);
    let settled = matches!(outcomes[..], [Some(Outcome::Committed(_))]);
    assert_eq!(settled, !case.refuses, "{}: {outcomes:?}", context());
    assert_eq!(payments.borrow().paid.values().sum::<i64>(), if settled { 5 } else { 0 }, "{}", context());
    assert_eq!(world.cell(&tea, "settled"), Value::Bool(settled), "{}", context());
    assert_eq!(world.not_yet(), Vec::<String>::new(), "{}", context());

    // The lease ends, unless it was settled: nothing is on its way any more.
    world.advance(31 * 60 * 1000);
    let holder = if settled { Value::Ref(claim.clone()) } else { Value::None };
    assert_eq!(world.cell(&tea, "holder"), holder, "{}", context());
    assert_eq!(world.not_yet(), Vec::<String>::new(), "{}", context());
    let status = world.engine().status();
    assert_eq!(status.flights, [], "{}", context());
    first || second
}

/// The claim that a saga ended with.
fn result(outcome: &Outcome) -> Option<RecordRef> {
    match outcome {
        Outcome::Committed(Value::Struct(results)) => match &results[..] {
            [Value::Ref(claim)] => Some(claim.clone()),
            other => panic!("{other:?}"),
        },
        _ => None,
    }
}

fn disturbed(
    world: &mut World,
    actions: Vec<patternc_interpreter::event::Action>,
    mishap: Mishap,
    point: usize,
    faults: &dyn Fn(usize, Fault),
) -> (Vec<Option<Outcome>>, bool) {
    let requests = world.begin(actions);
    let reached = (0..point).all(|_| world.step());
    if reached {
        match mishap {
            Mishap::Nothing => {}
            Mishap::Crash => world.crash(),
            Mishap::Crashes(later) => {
                world.crash();
                let _ = (0..later).all(|_| world.step());
                world.crash();
            }
            Mishap::Duplicate => world.engine_mut().deliver_again(point as u64),
            Mishap::Store(store, fault) => faults(store, fault),
        }
    }
    (world.end(requests), reached)
}

/// Every point at which the mishap can come.
fn at_every_point(case: Case, mut run: impl FnMut(usize) -> bool) {
    let points = (0..).take_while(|point| run(*point)).count();
    assert!(points > 20, "{case:?}: only {points} points");
}

#[test]
fn sagas_end_all_done_or_all_undone_whatever_happens_at_any_point() {
    let program = board();
    let mut cases = Vec::new();
    for stores in [1, 2] {
        for (refuses, loses_first_answers) in [(false, false), (true, false), (false, true)] {
            let mut mishaps = vec![Mishap::Crash, Mishap::Crashes(3), Mishap::Duplicate];
            for store in 0..stores {
                mishaps.extend([Fault::AnswerLost, Fault::Refused].map(|fault| Mishap::Store(store, fault)));
            }
            cases.extend(mishaps.into_iter().map(|mishap| Case { seed: 1, stores, refuses, loses_first_answers, mishap }));
        }
    }
    for case in cases {
        at_every_point(case, |point| {
            let disk = memory_disk(&program, &limits(), case.stores);
            let faults = disk.clone();
            claimed_and_settled(&program, case, point, Box::new(disk), &|store, fault| faults.inject(store, fault))
        });
    }
}

#[test]
fn sagas_end_all_done_or_all_undone_in_any_order() {
    let program = board();
    for seed in 0..200 {
        let stores = 1 + seed as usize % 2;
        let case = Case { seed, stores, refuses: seed % 3 == 0, loses_first_answers: seed % 5 == 0, mishap: Mishap::Nothing };
        claimed_and_settled(&program, case, 0, Box::new(memory_disk(&program, &limits(), stores)), &|_, _| {});
        let case = Case { mishap: Mishap::Crash, ..case };
        claimed_and_settled(&program, case, seed as usize % 60, Box::new(memory_disk(&program, &limits(), stores)), &|_, _| {});
    }
}

#[test]
fn sagas_end_all_done_or_all_undone_after_a_crash_at_any_point_on_sqlite() {
    let program = board();
    for (stores, refuses) in [(1, true), (2, false)] {
        let case = Case { seed: 2, stores, refuses, loses_first_answers: true, mishap: Mishap::Crash };
        at_every_point(case, |point| {
            let folder = tempfile::tempdir().expect("there is room for a folder");
            let disk = sqlite_disk(&program, &limits(), folder.path(), stores);
            claimed_and_settled(&program, case, point, Box::new(disk), &|_, _| {})
        });
    }
}

/// A saga whose steps can be made to reject, run by force where `check` would refuse it.
const STUBBORN: &str = r#"
space home
space away
extern pay { once(n: Int) -> Int }
record Far in away {
  cell open: Bool = true
  cell n: Int = 0
  internal handler add() -> Int { require self.open else "closed"  self.n += 1  return self.n }
  internal handler take() { require self.open else "closed"  self.n -= 1 }
  handler set_open(open: Bool) { self.open = open }
}
record Near in home {
  cell n: Int = 0
  cell said: Text = ""
  internal handler add() { self.n += 1 }
  internal handler must(fine: Bool) { require fine else "not this time" }
  saga forward(far: Far) { pivot self.add()  step m = far.add() }
  saga back(far: Far) { step m = far.add() undo far.take()  step self.must(far.n < 0) }
  saga paid(far: Far) { step m = far.add() undo far.take()  pivot p = pay.once(m) }
  handler go_forward(far: Far) { send self.forward(far) then { ok(r) => { self.said = "done {r.m}" } err(e) => { self.said = e.message } } }
  handler go_back(far: Far) { send self.back(far) then { ok(r) => { self.said = "done {r.m}" } err(e) => { self.said = e.message } } }
  handler pay_once(far: Far) { send self.paid(far) then { ok(r) => { self.said = "paid {r.p}" } err(e) => { self.said = e.message } } }
}
"#;

fn stubborn() -> (World, RecordRef, RecordRef) {
    let mut world = World::with_store_for_each_space(&compile(STUBBORN).program, 1);
    let far = world.create("Far", world.space("away"), &[]);
    let near = world.create("Near", world.space("home"), &[]);
    (world, near, far)
}

fn said(world: &World, near: &RecordRef) -> String {
    match world.cell(near, "said") {
        Value::Text(said) => said.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn past_the_pivot_a_rejected_step_is_tried_again_until_it_commits() {
    let (mut world, near, far) = stubborn();
    let open = |world: &mut World, open| world.call(&far, "set_open", vec![Value::Bool(open)]);
    open(&mut world, false);
    world.call(&near, "go_forward", vec![Value::Ref(far.clone())]);
    // Each pause is longer than the one before; a crash does not forget them.
    world.advance(1_000);
    world.crash();
    world.advance(0);
    let status = world.engine().status();
    let flight = status.flights.iter().find(|flight| flight.saga.is_some()).unwrap_or_else(|| panic!("{status:?}"));
    assert_eq!(flight.stage, Stage::Timer);
    assert!(
        flight.trouble.as_ref().is_some_and(|trouble| trouble.contains("rejected 4 times") && trouble.contains("closed")),
        "{flight:?}"
    );
    assert!(flight.saga.as_ref().is_some_and(|saga| saga.contains("`m` of the saga Near.forward")), "{flight:?}");
    open(&mut world, true);
    world.advance(60_000);
    assert_eq!((said(&world, &near).as_str(), world.cell(&far, "n"), world.cell(&near, "n")), ("done 1", Value::Int(1), Value::Int(1)));
    assert_eq!(world.engine().status().flights, []);
}

#[test]
fn an_undo_that_is_rejected_parks_and_goes_on_when_it_is_retried() {
    let (mut world, near, far) = stubborn();
    world.call(&near, "go_back", vec![Value::Ref(far.clone())]);
    assert_eq!((said(&world, &near).as_str(), world.cell(&far, "n")), ("not this time", Value::Int(0)));
    // Between the step and its undo, somebody closes the other side.
    let go = world.action(&near, "go_back", vec![Value::Ref(far.clone())]);
    let requests = world.begin(vec![go]);
    while world.cell(&far, "n") != Value::Int(1) {
        assert!(world.step());
    }
    let close = world.action(&far, "set_open", vec![Value::Bool(false)]);
    let closing = world.begin(vec![close]);
    world.end(requests.into_iter().chain(closing).collect());
    assert_eq!((world.engine().parked().len(), world.cell(&far, "n")), (1, Value::Int(1)));
    world.crash();
    world.end(Vec::new());
    let parked = world.engine().parked();
    let [event] = &parked[..] else { panic!("{:?}", world.engine().status()) };
    // Too early: it is parked again, under a new id.
    world.engine_mut().retry(event).expect("it is parked");
    world.end(Vec::new());
    let parked = world.engine().parked();
    assert_eq!(parked.len(), 1);
    world.call(&far, "set_open", vec![Value::Bool(true)]);
    world.engine_mut().retry(&parked[0]).expect("it is parked");
    world.end(Vec::new());
    assert_eq!((said(&world, &near).as_str(), world.cell(&far, "n")), ("not this time", Value::Int(0)));
    assert_eq!(world.engine().status().flights, []);
}

#[test]
fn a_pivot_that_must_not_be_repeated_parks_when_nobody_knows_whether_it_happened() {
    let (mut world, near, far) = stubborn();
    let calls = Rc::new(RefCell::new(0));
    let counted = calls.clone();
    world.outside(move |_| {
        *counted.borrow_mut() += 1;
        if *counted.borrow() == 1 { CallAnswer::Unavailable("the line went dead".into()) } else { CallAnswer::Value(Value::Int(7)) }
    });
    world.call(&near, "pay_once", vec![Value::Ref(far.clone())]);
    world.crash();
    world.end(Vec::new());
    // Neither done nor undone, and not asked again by itself.
    assert_eq!((said(&world, &near).as_str(), world.cell(&far, "n"), *calls.borrow()), ("", Value::Int(1), 1));
    let parked = world.engine().parked();
    assert_eq!(parked.len(), 1);
    world.engine_mut().retry(&parked[0]).expect("it is parked");
    world.end(Vec::new());
    assert_eq!((said(&world, &near).as_str(), world.cell(&far, "n"), *calls.borrow()), ("paid 7", Value::Int(1), 2));
}
