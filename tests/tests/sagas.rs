//! Whatever happens in the middle of a saga, it ends wholly done or wholly undone: every point of the bounty board's sagas at which the
//! process can die, a commit's or a call's answer can get lost, or an event can come twice.

use std::cell::RefCell;
use std::rc::Rc;

use patternc_interpreter::engine::{CallAnswer, Happened, RetryError, Stage, Status};
use patternc_interpreter::simulate::{Fault, memory_disk, sqlite_disk};
use patternc_interpreter::value::{RecordRef, Value};
use patternc_tests::bounty::{Case, Mishap, at_every_point, board, claimed_and_settled};
use patternc_tests::world::{World, compile, limits};

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
    for (stores, refuses) in [(1, true), (1, false), (2, true), (2, false)] {
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
  internal handler add_and_close() { self.n += 1  self.open = false }
  handler set_open(open: Bool) { self.open = open }
}
record Near in home {
  cell n: Int = 0
  cell said: Text = ""
  internal handler add() { self.n += 1 }
  internal handler take() { self.n -= 1 }
  internal handler must(fine: Bool) { require fine else "not this time" }
  saga forward(far: Far) { pivot self.add()  step m = far.add() }
  saga back(far: Far) { step m = far.add() undo far.take()  step self.must(far.n < 0) }
  saga paid(far: Far) { step m = far.add() undo far.take()  pivot p = pay.once(m) }
  saga three(far: Far) {
    step self.add() undo self.take()
    step far.add_and_close() undo far.take()
    step self.must(false)
  }
  handler go_three(far: Far) { send self.three(far) then { ok(_r) => { self.said = "done" } err(e) => { self.said = e.message } } }
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
fn past_the_pivot_a_step_that_is_rejected_too_often_parks_and_goes_on_when_it_is_retried() {
    for done_by_hand in [false, true] {
        let (mut world, near, far) = stubborn();
        let open = |world: &mut World, open| world.call(&far, "set_open", vec![Value::Bool(open)]);
        open(&mut world, false);
        world.call(&near, "go_forward", vec![Value::Ref(far.clone())]);
        world.advance(12_000);
        assert_eq!(world.engine().parked(), []);
        world.advance(60_000);
        world.crash();
        world.advance(60_000);
        let before = world.engine().parked();
        let [parked] = &before[..] else { panic!("{:?}", world.engine().status()) };
        let status = world.engine().status();
        let trouble = status.flights.iter().find_map(|flight| flight.trouble.clone()).unwrap_or_default();
        assert!(trouble.contains("`m`, which has to be done, was rejected 8 times") && trouble.contains("closed"), "{trouble}");
        // Too early: it is tried once, under a new id, and the saga that it is of says which.
        world.engine_mut().retry(parked).expect("it is parked");
        world.end(Vec::new());
        let after = world.engine().parked();
        let [again] = &after[..] else { panic!("{:?}", world.engine().status()) };
        assert_ne!(again, parked);
        let known_as = |status: &Status| status.flights.iter().find(|flight| flight.saga.is_some()).map(|flight| flight.known_as.clone());
        let saga = known_as(&status).expect("its step is parked");
        assert_eq!(known_as(&world.engine().status()).as_ref(), Some(&saga));
        assert_eq!(world.engine().under_way_for(&saga), *again);
        if done_by_hand {
            world.engine_mut().resolve(again, Happened::Done(Value::Int(1))).expect("it is parked");
        } else {
            open(&mut world, true);
            world.engine_mut().retry(again).expect("it is parked");
        }
        world.end(Vec::new());
        let n = i64::from(!done_by_hand);
        assert_eq!((said(&world, &near).as_str(), world.cell(&far, "n"), world.cell(&near, "n")), ("done 1", Value::Int(n), Value::Int(1)));
        assert_eq!(world.engine().status().flights, []);
    }
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
    assert!(matches!(world.engine_mut().retry(&parked[0]), Err(RetryError::Unsure { .. })));
    world.engine_mut().resolve(&parked[0], Happened::NotDone).expect("it is parked");
    world.end(Vec::new());
    assert_eq!((said(&world, &near).as_str(), world.cell(&far, "n"), *calls.borrow()), ("paid 7", Value::Int(1), 2));
}

/// A saga of three steps whose second cannot be undone until someone opens what it closed: it dies after `first` things have happened, and
/// again `second` things after it was taken up again. Whether there were so many.
fn three_steps(first: usize, second: usize, mishap: Option<Fault>) -> (bool, bool) {
    let context = || format!("{first}, {second}, {mishap:?}");
    let program = compile(STUBBORN).program;
    let disk = memory_disk(&program, &limits(), program.spaces.len());
    let faults = disk.clone();
    let mut world = World::on(&program, 1, Box::new(disk), (0..program.spaces.len()).collect()).expect("an empty store opens");
    let disturb = |world: &mut World| match mishap {
        None => world.crash(),
        Some(fault) => (0..2).for_each(|store| faults.inject(store, fault)),
    };
    let far = world.create("Far", world.space("away"), &[]);
    let near = world.create("Near", world.space("home"), &[]);
    let go = world.action(&near, "go_three", vec![Value::Ref(far.clone())]);
    let requests = world.begin(vec![go]);
    let reached = (0..first).all(|_| world.step());
    disturb(&mut world);
    world.end(requests);
    let numbers = |world: &World| (world.cell(&near, "n"), world.cell(&far, "n"), said(world, &near));
    // The first step is undone after the second, which waits.
    assert_eq!(numbers(&world), (Value::Int(1), Value::Int(1), String::new()), "{}", context());
    let parked = world.engine().parked();
    let [event] = &parked[..] else { panic!("{}: {:?}", context(), world.engine().status()) };
    world.call(&far, "set_open", vec![Value::Bool(true)]);
    world.engine_mut().retry(event).expect("it is parked");
    let again = (0..second).all(|_| world.step());
    disturb(&mut world);
    world.end(Vec::new());
    // Taking it up is no commit: who dies before it is one does it again.
    if let [event] = &world.engine().parked()[..] {
        world.engine_mut().retry(event).expect("it is parked");
        world.end(Vec::new());
    }
    assert_eq!(numbers(&world), (Value::Int(0), Value::Int(0), "not this time".to_owned()), "{}", context());
    assert_eq!(world.engine().status().flights, [], "{}", context());
    (reached, again)
}

#[test]
fn three_steps_are_undone_once_each_whatever_happens_before_and_after_one_of_them_is_parked() {
    for mishap in [None, Some(Fault::AnswerLost), Some(Fault::Refused)] {
        let before = (0..).take_while(|point| three_steps(*point, 0, mishap).0).count();
        let after = (0..).take_while(|point| three_steps(1, *point, mishap).1).count();
        assert!(before > 10 && after > 3, "{before} {after}");
    }
}

#[test]
fn what_someone_has_undone_by_hand_counts_as_undone() {
    let (mut world, near, far) = stubborn();
    world.call(&near, "go_three", vec![Value::Ref(far.clone())]);
    let parked = world.engine().parked();
    world.engine_mut().resolve(&parked[0], Happened::Done(Value::None)).expect("it is parked");
    world.end(Vec::new());
    // The step before it is undone by the saga.
    assert_eq!(
        (world.cell(&near, "n"), world.cell(&far, "n"), said(&world, &near).as_str()),
        (Value::Int(0), Value::Int(1), "not this time")
    );
    assert_eq!(world.engine().status().flights, []);
}
