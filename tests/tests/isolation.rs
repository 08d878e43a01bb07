//! The classic isolation cases, on each store.

use std::path::Path;

use patternc_interpreter::simulate::{Options, TestReport, run_test, sqlite_disk};
use patternc_tests::world::{Compiled, compile};

fn cases(file: &str) -> Compiled {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("isolation").join(file);
    let compiled = compile(&std::fs::read_to_string(path).expect("the cases are there"));
    assert_eq!(compiled.errors().count(), 0, "{:?}", compiled.findings);
    compiled
}

fn passes(report: &TestReport) {
    assert!(report.passed(), "{}, seed {}: {:?}", report.name, report.seed, report.failure);
}

/// Cases in which what one transaction read is changed by the other before it commits.
const OVERTAKEN: usize = 7;

#[test]
fn no_anomaly_in_memory() {
    let program = cases("hermitage.pattern").program;
    assert_eq!(program.tests.len(), 10);
    for seed in 1..=20 {
        let reports: Vec<TestReport> = program.tests.iter().map(|test| run_test(&program, test, Options::seeded(seed))).collect();
        reports.iter().for_each(passes);
        let overtaken = reports.iter().filter(|report| report.counters.conflicts > 0).count();
        assert!(overtaken >= OVERTAKEN, "the orders bring {overtaken} conflicts about");
    }
}

#[test]
fn no_anomaly_on_sqlite() {
    let program = cases("hermitage.pattern").program;
    for test in &program.tests {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut options = Options::seeded(1);
        options.disk = Some(Box::new(sqlite_disk(&program, &options.limits, folder.path(), 1)));
        passes(&run_test(&program, test, options));
    }
}

#[test]
fn no_invariant_that_comes_to_read_what_is_written_is_broken() {
    let program = cases("invariants.pattern").program;
    assert_eq!(program.tests.len(), 3);
    for test in &program.tests {
        let mut conflicts = 0;
        for seed in 1..=40 {
            let folder = tempfile::tempdir().expect("there is room for a folder");
            let mut options = Options::seeded(seed);
            if seed % 8 == 0 {
                options.disk = Some(Box::new(sqlite_disk(&program, &options.limits, folder.path(), 1)));
            }
            let report = run_test(&program, test, options);
            passes(&report);
            conflicts += report.counters.conflicts;
        }
        assert!(conflicts > 0, "{}: the orders bring a conflict about", test.name);
    }
}
