//! What the analysis of chains says, against every schedule of generated chains: what it calls safe is never broken.
//!
//! `CHAINS=5000 cargo test --release -p patternc-tests --test chains_differential -- --nocapture` tries more, and says how many of the warnings no
//! schedule confirms: for each warning, every schedule of the events that it tells of is tried.

use std::sync::Arc;

use patternc_interpreter::explore::{Bounds, Explorer};
use patternc_program::Program;
use patternc_tests::chains::{System, guarded, system, with_tests};
use patternc_tests::verdicts::verdicts;
use patternc_tests::world::compile;

/// Whether some schedule of each meeting ends as no order of whole events does, until one does.
fn broken<'a>(name: &str, text: &str, meetings: impl IntoIterator<Item = &'a String>) -> Option<(usize, Vec<String>)> {
    let compiled = compile(&with_tests(text, meetings));
    let errors: Vec<_> = compiled.errors().collect();
    assert!(errors.is_empty(), "{name}: {errors:?}\n{text}");
    let program: Arc<Program> = compiled.program.clone();
    // One store validates what is read: what readers of both sides see is a matter of the chains alone.
    let explorer = Explorer::new(program.clone(), vec![0, 0], Bounds { states: 100_000, ..Bounds::default() });
    program.tests.iter().enumerate().find_map(|(number, test)| {
        let comparison = explorer.compare(test, &mut |_| {}).expect("stores in memory open");
        if let Some(story) = comparison.anomaly {
            return Some((number, story.steps.iter().map(|step| format!("{} {:?} {:?}", step.what, step.changes, step.outcome)).collect()));
        }
        assert!(comparison.complete, "{name}: meeting {number} has more than 100,000 states\n{text}");
        None
    })
}

/// What the systems of a kind came to.
#[derive(Default)]
struct Tally {
    safe: u64,
    warnings: u64,
    confirmed: u64,
    unfinished: u64,
    open: Vec<String>,
}

fn tally(kind: &str, systems: u64, make: fn(u64) -> System) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..systems {
        let system = make(seed);
        let name = format!("{kind} {seed}");
        let verdicts = verdicts(&system.text);
        tally.unfinished += verdicts.iter().filter(|verdict| verdict.unfinished).count() as u64;
        let warned: Vec<_> = verdicts.iter().filter_map(|verdict| Some((&verdict.chain, verdict.meeting.as_ref()?))).collect();
        if warned.is_empty() && verdicts.iter().all(|verdict| !verdict.unfinished) {
            tally.safe += 1;
            if let Some((meeting, steps)) = broken(&name, &system.text, &system.meetings) {
                panic!("{name}: called safe, and broken by\n{}\n{steps:#?}\n{}", system.meetings[meeting], system.text);
            }
        }
        for (chain, meeting) in warned {
            tally.warnings += 1;
            match broken(&name, &system.text, [meeting]) {
                Some(_) => tally.confirmed += 1,
                None => tally.open.push(format!("{name} {chain}")),
            }
        }
    }
    let Tally { safe, warnings, confirmed, unfinished, open } = &tally;
    let share = 100.0 * (warnings - confirmed) as f64 / (*warnings).max(1) as f64;
    println!(
        "{kind}: {systems} systems, {safe} safe, {unfinished} chains not settled; {warnings} warnings, {confirmed} confirmed, {share:.1} % not"
    );
    println!("not confirmed: {:?}", &open[..open.len().min(40)]);
    tally
}

fn systems() -> u64 {
    std::env::var("CHAINS").ok().and_then(|n| n.parse().ok()).unwrap_or(40)
}

#[test]
fn what_is_called_safe_is_never_broken() {
    let tally = tally("plain", systems(), system);
    assert!(tally.safe * 10 >= systems() && tally.confirmed * 20 >= systems(), "it says little");
}

#[test]
fn what_is_called_safe_is_never_broken_with_conditions_and_arms() {
    let tally = tally("guarded", systems(), guarded);
    assert!(tally.safe * 10 >= systems() && tally.confirmed * 20 >= systems(), "it says little");
}
