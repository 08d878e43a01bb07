//! What the analysis of chains says, against every schedule of generated chains: what it calls safe is never broken.
//!
//! `CHAINS=5000 cargo test --release -p patternc-tests --test chains_differential -- --nocapture` tries more, `FIRST=400` others, and says how
//! many of the warnings no schedule confirms: for each warning, every schedule of the events that it tells of is tried, from the start that it
//! tells of and from others near it. Every warning counts for itself, also where two are about one system.

use std::sync::Arc;

use patternc_interpreter::explore::{Bounds, Explorer};
use patternc_program::{Program, RecordId};
use patternc_tests::chains::{System, guarded, making, of_text, system, wide, with_tests};
use patternc_tests::verdicts::{Verdict, is_stale_on_two_stores, verdicts};
use patternc_tests::world::compile;

/// What trying every schedule came to.
enum Tried {
    /// This meeting can end as no order of whole events does, in this way.
    Broken(usize, Vec<String>),
    Never,
    /// It is too much to try.
    TooMuch,
}

/// Where the spaces are kept. One store validates what is read, so that what readers of both sides see is a matter of the chains alone.
const ONE_STORE: [usize; 2] = [0, 0];
const TWO_STORES: [usize; 2] = [0, 1];

/// Whether some schedule of each meeting ends as no order of whole events does, until one does. `None`: the patterns do not pass the rules.
fn broken<'a>(text: &str, meetings: impl IntoIterator<Item = &'a String>, places: [usize; 2]) -> Option<Tried> {
    let compiled = compile(&with_tests(text, meetings));
    if compiled.errors().next().is_some() {
        return None;
    }
    let program: Arc<Program> = compiled.program.clone();
    // It counts what comes first in a list where somebody looks.
    let looks = text.contains("self.l.last()");
    let lists = (0..program.records.len() as u32).map(RecordId).filter_map(|of| Some((of, program.record(of).cell_named("l")?)));
    let bounds = Bounds { states: 100_000, ..Bounds::default() };
    let explorer = Explorer::new(program.clone(), places.to_vec(), bounds).ordering(lists.filter(|_| looks).collect());
    let mut tried = Tried::Never;
    for (number, test) in program.tests.iter().enumerate() {
        let comparison = explorer.compare(test, &mut |_| {}).expect("stores in memory open");
        if let Some(story) = comparison.anomaly {
            let steps = story.steps.iter().map(|step| format!("{} {:?} {:?}", step.what, step.changes, step.outcome));
            return Some(Tried::Broken(number, steps.collect()));
        }
        if !comparison.complete {
            tried = Tried::TooMuch;
        }
    }
    Some(tried)
}

/// What the systems of a kind came to.
#[derive(Default)]
struct Tally {
    /// That pass the rules.
    tried: u64,
    safe: u64,
    warnings: u64,
    confirmed: u64,
    /// Chains of which the analysis says nothing: not decided within its bounds, or too long.
    unsettled: u64,
    too_much: u64,
    open: Vec<String>,
    wrong: Vec<String>,
}

/// Asks of a system that is called safe whether it is.
fn check_safe(name: &str, system: &System, places: [usize; 2], tally: &mut Tally) {
    // What only looks is not promised to see one moment of two stores.
    let looks = |meeting: &&String| places == TWO_STORES && (meeting.contains(".look") || system.text.contains("-> Int { return self."));
    let meetings: Vec<&String> = system.meetings.iter().filter(|meeting| !looks(meeting)).collect();
    match broken(&system.text, meetings.iter().copied(), places) {
        Some(Tried::Broken(meeting, steps)) => {
            let places = if places == ONE_STORE { "one store" } else { "two stores" };
            tally.wrong.push(format!("{name}: called safe, and broken on {places} by\n{}\n{steps:#?}\n{}", meetings[meeting], system.text));
        }
        Some(Tried::TooMuch) => tally.too_much += 1,
        Some(Tried::Never) | None => {}
    }
}

fn tally(kind: &str, systems: u64, make: fn(u64) -> System) -> Tally {
    let mut tally = Tally::default();
    let first = number("FIRST").unwrap_or(0);
    for seed in first..first + systems {
        let system = make(seed);
        let name = format!("{kind} {seed}");
        if compile(&with_tests(&system.text, &[])).errors().next().is_some() {
            continue;
        }
        tally.tried += 1;
        let verdicts = verdicts(&system.text);
        let open = |verdict: &&Verdict| verdict.unfinished || verdict.incomplete;
        let unsettled = verdicts.iter().filter(open).count() as u64;
        tally.unsettled += unsettled;
        let warned: Vec<_> = verdicts.iter().filter(|verdict| verdict.broken.is_some()).collect();
        if warned.is_empty() && unsettled == 0 {
            tally.safe += 1;
            check_safe(&name, &system, ONE_STORE, &mut tally);
            if !is_stale_on_two_stores(&system.text) {
                check_safe(&name, &system, TWO_STORES, &mut tally);
            }
        }
        for Verdict { chain, meetings, order, .. } in warned {
            tally.warnings += 1;
            match broken(&system.text, meetings, ONE_STORE) {
                Some(Tried::Broken(..)) => tally.confirmed += 1,
                Some(Tried::TooMuch) => tally.too_much += 1,
                Some(Tried::Never) => tally.open.push(format!("{name} {chain}\n{}\n{}{}\n", system.text, meetings[0], order.join("\n"))),
                None => tally.open.push(format!("{name} {chain}, which cannot be run\n{}", meetings[0])),
            }
        }
    }
    let Tally { tried, safe, warnings, confirmed, unsettled, too_much, open, wrong } = &tally;
    let share = 100.0 * open.len() as f64 / (*warnings).max(1) as f64;
    println!(
        "{kind}: {tried} systems, {safe} safe, {unsettled} chains not settled; {warnings} warnings, {confirmed} confirmed, {share:.1} % not, \
         {too_much} too much to try, {} wrong",
        wrong.len()
    );
    if std::env::var("SHOW").is_ok() {
        println!("not confirmed:\n{}", open[..open.len().min(60)].join("\n"));
    }
    println!("{}", wrong.join("\n\n"));
    assert!(wrong.is_empty(), "{} wrong", wrong.len());
    tally
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

/// How many systems of each kind are tried.
fn systems(few: u64) -> u64 {
    number("CHAINS").unwrap_or(few)
}

#[track_caller]
fn says_something(tally: &Tally) {
    assert!(tally.safe * 10 >= tally.tried && tally.confirmed * 20 >= tally.tried, "it says little");
}

#[test]
fn what_is_called_safe_is_never_broken() {
    says_something(&tally("plain", systems(40), system));
}

#[test]
fn what_is_called_safe_is_never_broken_with_conditions_and_arms() {
    says_something(&tally("guarded", systems(40), guarded));
}

#[test]
fn what_is_called_safe_is_never_broken_with_creations_and_who_looks_for_them() {
    says_something(&tally("making", systems(40), making));
}

#[test]
fn what_is_called_safe_is_never_broken_with_everything_that_chains_can_have() {
    says_something(&tally("wide", systems(25), wide));
}

/// An arm that overwrites what came later, because of what its receiver had read before.
#[test]
fn an_arm_rests_on_what_its_receiver_was_rejected_by() {
    let system = guarded(155);
    assert!(system.text.contains("err(_e)"), "{}", system.text);
    assert!(verdicts(&system.text).iter().any(|verdict| verdict.broken.is_some()), "{}", system.text);
    let text = r#"
space left
space right
record Left in left {
  cell n: Int = 1
  handler go0(other: Right) {
    send other.take0(self) then { err(_e) => { self.n = 5 } }
  }
}
record Right in right {
  cell open: Bool = true
  internal handler take0(_other: Left) { require !self.open else "open" }
  handler do0(other: Left) {
    self.open = false
    send other.take1(self)
  }
}
"#;
    let text = text.replace("  handler go0", "  internal handler take1(_other: Right) { self.n = 7 }\n  handler go0");
    let system = of_text(text);
    assert!(verdicts(&system.text).iter().any(|verdict| verdict.broken.is_some()));
    assert!(matches!(broken(&system.text, &system.meetings, ONE_STORE), Some(Tried::Broken(..))));
}

/// A reader that tells by a flag, which a saga sets and clears again, how far that is.
#[test]
fn a_flag_that_a_saga_sets_and_clears_shows_it_half_way() {
    let text = r#"
space left
space right
record Left in left {
  cell n: Int = 1
  cell open: Bool = true
  saga go0(other: Right) {
    step a = self.lock()  undo self.unlock()
    pivot b = other.take0(self)
    step c = self.unlock()
  }
  handler look0(other: Right) -> Int { return if self.open { other.n } else { 0 } }
  internal handler lock() {
    require self.open else "locked"
    self.open = false
  }
  internal handler unlock() { self.open = true }
}
record Right in right {
  cell n: Int = 1
  internal handler take0(_other: Left) { }
}
"#;
    let system = of_text(text.to_owned());
    assert!(verdicts(&system.text).iter().any(|verdict| verdict.broken.is_some()));
    assert!(matches!(broken(&system.text, &system.meetings, ONE_STORE), Some(Tried::Broken(..))));
}
