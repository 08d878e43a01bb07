//! What the analysis of chains says, against every schedule of generated chains: what it calls safe is never broken.
//!
//! `CHAINS=5000 cargo test --release -p patternc-tests --test chains_differential -- --nocapture` tries more, and says how many of the warnings no
//! schedule confirms.

use patternc_interpreter::explore::{Bounds, Explorer};
use patternc_tests::chains::system;
use patternc_tests::world::compile;

#[test]
fn what_is_called_safe_is_never_broken() {
    let systems: u64 = std::env::var("CHAINS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let (mut safe, mut warned, mut confirmed, mut schedules) = (0u64, 0u64, 0u64, 0u64);
    let mut unconfirmed = Vec::new();
    for seed in 0..systems {
        let system = system(seed);
        let compiled = compile(&system.with_tests());
        let errors: Vec<_> = compiled.errors().collect();
        assert!(errors.is_empty(), "seed {seed}: {errors:?}\n{}", system.text);
        let warns = compiled.findings.iter().any(|finding| finding.rule == "unserializable-chain");
        let explorer = Explorer::new(compiled.program.clone(), vec![0, 1], Bounds { states: 100_000, ..Bounds::default() });
        let mut broken = false;
        for (test, meeting) in compiled.program.tests.iter().zip(&system.meetings) {
            let comparison = explorer.compare(test, &mut |_| {}).expect("stores in memory open");
            schedules += 1;
            if let Some(story) = comparison.anomaly {
                broken = true;
                let steps: Vec<&str> = story.steps.iter().map(|step| step.what.as_str()).collect();
                assert!(warns, "seed {seed}: called safe, and broken by\n    {meeting}\n{steps:#?}\n{}", system.text);
                break;
            }
            assert!(comparison.complete, "seed {seed}: {meeting} has more than 100,000 states");
        }
        match (warns, broken) {
            (false, _) => safe += 1,
            (true, true) => confirmed += 1,
            (true, false) => unconfirmed.push(seed),
        }
        warned += u64::from(warns);
    }
    let share = 100.0 * unconfirmed.len() as f64 / warned.max(1) as f64;
    println!("{systems} systems, {schedules} meetings: {safe} safe, {warned} warned of, {confirmed} confirmed, {share:.1} % not");
    println!("not confirmed: {:?}", &unconfirmed[..unconfirmed.len().min(40)]);
    assert!(safe * 10 >= systems && confirmed * 20 >= systems, "{safe} safe and {confirmed} confirmed of {systems}: it says little");
}
