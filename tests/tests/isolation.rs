//! The classic isolation cases, on each store.

use std::path::Path;

use patternc_interpreter::simulate::{Options, TestReport, run_test, sqlite_disk};
use patternc_tests::world::{Compiled, compile};

fn cases() -> Compiled {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("isolation/hermitage.pattern");
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
    let program = cases().program;
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
    let program = cases().program;
    for test in &program.tests {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut options = Options::seeded(1);
        options.disk = Some(Box::new(sqlite_disk(&program, &options.limits, folder.path(), 1)));
        passes(&run_test(&program, test, options));
    }
}
