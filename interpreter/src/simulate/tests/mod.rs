//! Tests as the language has them, written by hand.

use patternc_program::{Binary, Create, Expr, FileId, HandlerId, Slot, Source, SpaceExpr, SpaceId, Test, TestEvent, TestStmt};

use super::*;
use crate::engine::tests::program::{NODE, TOTAL, handler, program};

const AT: Source = Source { file: FileId(0), start: 7, end: 9 };

fn node() -> Expr {
    Expr::Slot(Slot(0))
}

fn create() -> TestStmt {
    let create = Create { record: NODE, space: SpaceExpr::Plain(SpaceId(0)), cells: Vec::new(), at: AT };
    TestStmt::Event { result: Some(Slot(0)), event: TestEvent::Create(create), at: AT }
}

fn call(handler: HandlerId, n: i64) -> TestStmt {
    TestStmt::Event { result: None, event: TestEvent::Handler { target: node(), handler, args: vec![Expr::Int(n)] }, at: AT }
}

fn expect_total(n: i64) -> TestStmt {
    let total = Expr::Cell { record: Box::new(node()), of: NODE, cell: TOTAL, optional: false, at: AT };
    TestStmt::Expect { cond: Expr::Binary { op: Binary::Eq, left: Box::new(total), right: Box::new(Expr::Int(n)), at: AT }, at: AT }
}

fn test(body: Vec<TestStmt>) -> Test {
    Test { name: "by hand".into(), at: AT, slots: 4, names: Vec::new(), body }
}

fn run(test: &Test, seed: u64, disk: Option<Box<dyn Disk>>) -> TestReport {
    run_test(&Arc::new(program()), test, Options { disk, history: true, ..Options::seeded(seed) })
}

fn twenty_at_once() -> Test {
    let put = handler(&program(), "put");
    let together = TestStmt::Concurrently { times: Some(Expr::Int(20)), body: vec![call(put, 1)], at: AT };
    test(vec![create(), together, expect_total(20), TestStmt::Crash, expect_total(20)])
}

#[test]
fn attempts_overlap_and_lose_and_all_commit_in_the_end() {
    let test = twenty_at_once();
    let conflicts: u64 = (0..10)
        .map(|seed| {
            let report = run(&test, seed, None);
            assert_eq!(report.failure, None, "seed {seed}");
            assert_eq!(report.expectations, 2);
            report.counters.conflicts
        })
        .sum();
    assert!(conflicts > 50, "{conflicts} conflicts are too few for twenty writers of one cell");
}

#[test]
fn a_seed_is_a_history_on_every_store() {
    let test = twenty_at_once();
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let on_sqlite = |seed, name: &str| {
        let folder = folder.path().join(name);
        let disk = sqlite_disk(&Arc::new(program()), &Limits::default(), &folder, 1);
        run(&test, seed, Some(Box::new(disk)))
    };
    assert_eq!(run(&test, 5, None).history, run(&test, 5, None).history);
    assert_ne!(run(&test, 5, None).history, run(&test, 6, None).history);
    let (first, again) = (on_sqlite(5, "first"), on_sqlite(5, "again"));
    assert_eq!(first.failure, None);
    assert_eq!(first.history, again.history);
}

#[test]
fn what_does_not_hold_is_shown_with_both_sides_and_its_place() {
    let add = handler(&program(), "add");
    let report = run(&test(vec![create(), call(add, 3), expect_total(4)]), 1, None);
    let failure = report.failure.expect("3 is not 4");
    assert_eq!((failure.at, failure.notes), (AT, vec!["left: 3".to_owned(), "right: 4".to_owned()]));
    let refuse = handler(&program(), "refuse");
    let report = run(&test(vec![create(), call(refuse, 3)]), 1, None);
    assert!(report.failure.expect("it is rejected").message.ends_with(".refuse failed: rejected: no"));
}

#[test]
fn a_call_to_the_outside_that_nothing_answers_is_told() {
    let charge = handler(&program(), "charge");
    let report = run(&test(vec![create(), call(charge, 3), expect_total(0)]), 1, None);
    let message = report.failure.expect("there is no given").message;
    assert!(message.starts_with("pay.charge was called, and the test does not say what it answers"), "{message}");
}
