//! The bounty board, disturbed: two agents claim one bounty, whoever has it settles, and something goes wrong at a point. Whatever it is, on
//! whatever store, each saga ends all done or all undone, nothing is paid twice, and no claim dangles.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use patternc_interpreter::engine::{CallAnswer, ExternCall};
use patternc_interpreter::event::{Action, Outcome};
use patternc_interpreter::failure::FailureKind;
use patternc_interpreter::simulate::{Disk, Fault};
use patternc_interpreter::value::{RecordRef, Value};
use patternc_program::Program;

use crate::world::{World, compile, failed_with};

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
pub enum Mishap {
    Nothing,
    Crash,
    /// It dies again when so many more things have happened.
    Crashes(usize),
    Duplicate,
    /// A commit of a store fails, or works and its success is not told.
    Store(usize, Fault),
}

/// What goes wrong, and how the world is.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub seed: u64,
    /// One, or two: then bounties have one of their own.
    pub stores: usize,
    /// The payment service refuses everything.
    pub refuses: bool,
    /// It pays, and the answer to the first call of each key is lost.
    pub loses_first_answers: bool,
    pub mishap: Mishap,
}

/// The program of the example.
///
/// # Panics
/// If it has errors.
pub fn board() -> Arc<Program> {
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
///
/// `disk`: empty, with as many stores as the case says. `faults`: brings about a fault of one of its stores.
///
/// # Panics
/// If anything is half done.
pub fn claimed_and_settled(program: &Arc<Program>, case: Case, point: usize, disk: Box<dyn Disk>, faults: &dyn Fn(usize, Fault)) -> bool {
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

/// The outcomes of these actions, and whether as much happened as comes before the mishap.
fn disturbed(
    world: &mut World,
    actions: Vec<Action>,
    mishap: Mishap,
    point: usize,
    faults: &dyn Fn(usize, Fault),
) -> (Vec<Option<Outcome>>, bool) {
    let requests = world.begin(actions.clone());
    let ids: Vec<_> = requests.iter().map(|request| world.event_id(*request)).collect();
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
    let mut outcomes = world.end(requests);
    if matches!(mishap, Mishap::Store(..)) {
        // What failed for good works again for the next process.
        world.crash();
        world.end(Vec::new());
    }
    for ((outcome, id), action) in outcomes.iter_mut().zip(ids).zip(actions) {
        // Whoever is not told what became of it asks again.
        if outcome.as_ref().is_none_or(|outcome| failed_with(outcome, FailureKind::Unavailable)) {
            let again = world.send_again(id.expect("it had no outcome yet"), action);
            *outcome = world.end(vec![again]).remove(0);
        }
    }
    (outcomes, reached)
}

/// Every point at which the mishap can come.
///
/// # Panics
/// If there were suspiciously few.
pub fn at_every_point(case: Case, mut run: impl FnMut(usize) -> bool) {
    let points = (0..).take_while(|point| run(*point)).count();
    assert!(points > 20, "{case:?}: only {points} points");
}
