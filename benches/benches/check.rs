//! `check` over a generated project of 100,000 lines: cold, and again after a one-line edit. Beside it, what a user would otherwise wait for on
//! every save: the whole check again.
//!
//! `cargo bench -p patternc-benches --bench check [-- MODULES]`

use std::time::{Duration, Instant};

use patternc_benches::project;
use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::db::Database;

const COLD_RUNS: usize = 5;
const EDITS: usize = 200;

fn main() {
    let modules = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1000);
    let files = project::generate(modules);
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    let lines: usize = files.iter().map(|(_, text)| text.lines().count()).sum();
    println!("{} files, {lines} lines, {:.1} MB", files.len(), bytes as f64 / 1e6);

    let parse = median((0..COLD_RUNS).map(|_| timed(|| files.iter().map(|(_, t)| patternc_grammar::parse(t).errors.len()).sum::<usize>())));
    report("parse alone", parse, lines, bytes);

    let cold = median((0..COLD_RUNS).map(|_| {
        timed(|| {
            let mut db = Database::default();
            db.set_project(&files, None);
            assert_clean(&db);
        })
    }));
    report("check, cold", cold, lines, bytes);

    let mut db = Database::default();
    db.set_project(&files, None);
    assert_clean(&db);
    let (path, text) = &files[files.len() / 2];
    let files_by_path = patternc_compiler::resolve::files_by_path(&db);
    let file = files_by_path[path.as_str()];
    db.set_text(file, text);
    assert_clean(&db);
    let mut after_edits = |look: fn(&Database)| {
        median((0..EDITS).map(|n| {
            let edited = text.replacen("an amount is more than nothing", &format!("an amount is more than nothing {n}"), 1);
            assert_ne!(&edited, text);
            timed(|| {
                db.set_text(file, &edited);
                look(&db);
                assert_clean(&db);
            })
        }))
    };
    for (what, look) in [("check, after an edit", (|_| {}) as fn(&Database)), ("… on every core", check::look_at_all)] {
        let edit = after_edits(look);
        let part = cold.as_secs_f64() / edit.as_secs_f64();
        println!("{what:<24} {:>9.3} ms   1/{part:.0} of the cold check", edit.as_secs_f64() * 1e3);
    }
    if let Some(peak) = peak_memory() {
        println!("{:<24} {:>9.1} MB", "peak memory", peak as f64 / 1e6);
    }
    let on_all_cores = median((0..COLD_RUNS).map(|_| {
        timed(|| {
            let mut db = Database::default();
            db.set_project(&files, None);
            check::look_at_all(&db);
            assert_clean(&db);
        })
    }));
    report("cold, on every core", on_all_cores, lines, bytes);
}

fn assert_clean(db: &Database) {
    let findings = check::check(db, &CheckOptions::default());
    assert!(findings.is_empty(), "the generated project is clean: {:?}", findings.first());
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times[times.len() / 2]
}

fn report(what: &str, time: Duration, lines: usize, bytes: usize) {
    let seconds = time.as_secs_f64();
    println!("{what:<24} {:>9.1} ms   {:>9.0} lines/s   {:>6.1} MB/s", seconds * 1e3, lines as f64 / seconds, bytes as f64 / seconds / 1e6);
}

/// The most memory this process has had, in bytes (Linux).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}
