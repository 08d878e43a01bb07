//! The promise of the language as a property: what `check` accepts never raises an isolation failure from its own code, and leaves every
//! reference where its type says.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use patternc_interpreter::engine::{Entry, What};
use patternc_interpreter::event::{Action, EventId, Outcome};
use patternc_interpreter::failure::FailureKind;
use patternc_interpreter::host::Random;
use patternc_interpreter::simulate::Mishaps;
use patternc_interpreter::value::Value;
use patternc_program::Program;
use patternc_tests::generate::{Tape, pattern};
use patternc_tests::workload::{call, populate};
use patternc_tests::world::{World, compile, failed_with};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Isolation failures of events that handlers sent, and of arms. `sent` has the events known to be sent by handlers.
fn isolation_inside(history: Vec<Entry>, sent: &mut HashSet<EventId>) -> Vec<String> {
    let mut found = Vec::new();
    for entry in history {
        let wrong = match &entry.what {
            What::Sent { .. } => {
                sent.insert(entry.event.clone());
                false
            }
            What::Outcome(outcome) => failed_with(outcome, FailureKind::Isolation) && sent.contains(&entry.event),
            What::Parked(reason) => reason.contains(FailureKind::Isolation.name()),
            _ => false,
        };
        if wrong {
            found.push(entry.to_string());
        }
    }
    found
}

/// Events are sent until there were so many: in some patterns each makes several more.
const ENOUGH: usize = 3000;

/// Runs events by chance. What goes against the promise.
fn violations(program: &Arc<Program>, numbers: &[u16]) -> Vec<String> {
    let mut tape = Tape::new(numbers);
    let mut world = World::new(program, numbers.first().copied().unwrap_or(0).into());
    let refs = populate(&mut world, &mut tape);
    let mut violations = Vec::new();
    let mut sent = HashSet::new();
    world.set_mishaps(Mishaps { crash: 4, duplicate: 10, lost_answer: 0 });
    while !tape.ended() && sent.len() < ENOUGH {
        let calls: Vec<(Action, bool)> = (0..tape.between(1, 3)).filter_map(|_| call(program, &refs, &mut tape)).collect();
        let (actions, fit): (Vec<Action>, Vec<bool>) = calls.into_iter().unzip();
        let outcomes = world.together(actions.clone());
        let outcomes = outcomes.into_iter().map(|outcome| outcome.expect("every handler of a generated pattern answers in the end"));
        let outcomes: Vec<Outcome> = outcomes.collect();
        for ((action, outcome), fit) in actions.iter().zip(&outcomes).zip(fit) {
            match (fit, failed_with(outcome, FailureKind::Isolation)) {
                (true, true) => violations.push(format!("{}: {outcome:?}", world.engine().describe(action))),
                (false, false) if !failed_with(outcome, FailureKind::Missing) => {
                    violations.push(format!("{} was let in with references from elsewhere: {outcome:?}", world.engine().describe(action)));
                }
                _ => {}
            }
        }
        violations.extend(isolation_inside(world.take_entries(), &mut sent));
        violations.extend(world.broken());
        if !violations.is_empty() {
            break;
        }
    }
    violations
}

/// A tape of choices; what they came to is said elsewhere.
#[derive(Clone)]
struct Choices(Vec<u16>);

impl std::fmt::Debug for Choices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} choices", self.0.len())
    }
}

fn choices(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Choices> {
    prop::collection::vec(any::<u16>(), lengths).prop_map(Choices)
}

#[test]
fn what_check_accepts_never_leaves_its_space() {
    let accepted = AtomicUsize::new(0);
    let tried = AtomicUsize::new(0);
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 600, ..Config::default() });
    let result = runner.run(&(choices(100..2500), choices(60..300)), |(declared, happening)| {
        let text = pattern(&mut Tape::new(&declared.0));
        let compiled = compile(&text);
        tried.fetch_add(1, Ordering::Relaxed);
        if compiled.errors().next().is_some() {
            return Ok(());
        }
        accepted.fetch_add(1, Ordering::Relaxed);
        let violations = violations(&compiled.program, &happening.0);
        prop_assert!(violations.is_empty(), "{}\n{text}", violations.join("\n"));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let (accepted, tried) = (accepted.into_inner(), tried.into_inner());
    assert!(accepted * 4 >= tried, "only {accepted} of {tried} generated patterns were accepted: the property says little");
}

/// The property above would notice a checker that lets too much through: patterns refused for where they write, or for where they keep
/// references, do leave their space when they are run.
#[test]
fn what_check_refuses_leaves_its_space() {
    for rule in ["cross-space-write", "space-escape"] {
        let mut random = Random::seeded(7);
        let mut left = 0;
        for _ in 0..300 {
            let mut draw = |count: usize| (0..count).map(|_| random.draw() as u16).collect::<Vec<u16>>();
            let (declared, happening) = (draw(1200), draw(300));
            let compiled = compile(&pattern(&mut Tape::new(&declared)));
            let rules: Vec<&str> = compiled.errors().map(|e| e.rule).collect();
            if !rules.is_empty() && rules.iter().all(|found| *found == rule) {
                left += usize::from(!violations(&compiled.program, &happening).is_empty());
            }
        }
        assert!(left > 0, "of 300 patterns, {left} refused for `{rule}` went wrong");
    }
}

/// What handlers send and what their arms do is looked at as well.
#[test]
fn failures_inside_are_noticed() {
    let text = "space home
        space away
        record Far in away { cell n: Int = 0  handler back(to: Near) writes Near.n { to.n += 1 } }
        record Near in home {
          cell n: Int = 0
          cell far: Far
          handler there() { send self.far.back(self) }
          handler here() writes Far.n { send self.answer() then { ok() => { self.far.n += 1 } } }
          handler answer() { }
        }";
    for handler in ["there", "here"] {
        let mut world = World::new(&compile(text).program, 1);
        let far = world.create("Far", world.space("away"), &[]);
        let near = world.create("Near", world.space("home"), &[("far", Value::Ref(far))]);
        assert!(matches!(world.call(&near, handler, vec![]), Outcome::Committed(_)));
        assert_ne!(isolation_inside(world.take_entries(), &mut HashSet::new()), Vec::<String>::new(), "{handler}");
    }
}

/// What an attempt reads in another store may be undone by a crash until it is durable there: nothing that follows from it is committed before.
#[test]
fn what_was_read_in_another_store_outlives_a_crash() {
    let text = "space east
        space west
        record Source in east { cell n: Int = 0  handler bump() { self.n += 1 } }
        record Copy in west { cell n: Int = 0  cell of: Source@east  handler take() { self.n = self.of.n } }";
    let program = compile(text).program;
    for seed in 0..200 {
        let mut world = World::with_store_for_each_space(&program, seed);
        let source = world.create("Source", world.space("east"), &[]);
        let copy = world.create("Copy", world.space("west"), &[("of", Value::Ref(source.clone()))]);
        world.set_mishaps(Mishaps { crash: 60, duplicate: 0, lost_answer: 0 });
        for _ in 0..3 {
            world.send(&source, "bump", vec![]);
            world.send(&copy, "take", vec![]);
        }
        while world.step() {
            let (Value::Int(n), Value::Int(taken)) = (world.cell(&source, "n"), world.cell(&copy, "n")) else { panic!("both are Ints") };
            assert!(taken <= n, "seed {seed}: {taken} was copied of {n}");
        }
    }
}
