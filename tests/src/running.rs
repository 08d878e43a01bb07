//! Runs the `test` blocks of suites as Markdown (see [`crate::markdown`]): in memory over several schedules, and once on SQLite.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use patternc_compiler::diagnostic::Location;
use patternc_compiler::lower::lower;
use patternc_interpreter::limits::Limits;
use patternc_interpreter::simulate::{Options, TestReport, run_test, sqlite_disk};
use patternc_program::{Program, Test};

use crate::markdown::{Case, selected};

/// Schedules that each test runs over.
const SEEDS: u64 = 10;

/// Runs every test of every Markdown file of a folder, and says of all which fail.
///
/// # Panics
/// If a project has errors, a test fails, or the folder holds no test.
pub fn run(folder: &Path) {
    let (mut ran, mut failed, mut report) = (0, 0, String::new());
    for (name, case) in selected(folder) {
        let (db, findings) = case.findings();
        for finding in findings.iter().filter(|finding| finding.level.name() == "error") {
            let Location::Span(file, span) = finding.primary.at else { panic!("a finding of `check` has a span: {finding:?}") };
            let line = file.text(&db)[..span.start as usize].matches('\n').count() + 1;
            let place = case.place(file.path(&db), line);
            failed += 1;
            let _ = writeln!(report, "{name}: {}: {place}: [{}] {}", case.title, finding.rule, finding.message);
        }
        let program = Arc::new(lower(&db));
        for test in &program.tests {
            ran += 1;
            let schedules = (0..SEEDS).map(|seed| ("memory", in_memory(&program, test, seed)));
            let runs = schedules.chain(std::iter::once_with(|| ("SQLite", on_sqlite(&program, test))));
            if let Some((store, failure)) = runs.filter_map(|(store, run)| Some((store, told(&program, &case, &run)?))).next() {
                failed += 1;
                let _ = writeln!(report, "{name}: {} / {} on {store} {failure}", case.title, test.name);
            }
        }
    }
    assert!(ran > 0, "no test in {}", folder.display());
    assert!(failed == 0, "{failed} failures in {ran} tests\n\n{report}");
}

/// What runs out of steps or room should not take long.
fn limits() -> Limits {
    Limits { steps: 1_000_000, text_length: 1 << 20, collection_length: 1 << 20, ..Limits::default() }
}

fn in_memory(program: &Arc<Program>, test: &Test, seed: u64) -> TestReport {
    run_test(program, test, Options { limits: limits(), ..Options::seeded(seed) })
}

fn on_sqlite(program: &Arc<Program>, test: &Test) -> TestReport {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let disk = sqlite_disk(program, &limits(), folder.path(), 1);
    run_test(program, test, Options { limits: limits(), disk: Some(Box::new(disk)), ..Options::seeded(0) })
}

/// Where and why it failed, if it did.
fn told(program: &Program, case: &Case, run: &TestReport) -> Option<String> {
    let failure = run.failure.as_ref()?;
    let path = &*program.files[failure.at.file.index()];
    let text = case.files.iter().find(|block| block.path == path).map_or("", |block| &block.text);
    let line = text.get(..failure.at.start as usize).map_or(0, |before| before.matches('\n').count()) + 1;
    let place = case.place(path, line);
    Some(format!("(seed {}): {place}: {}\n  {}", run.seed, failure.message, failure.notes.join("\n  ")))
}
