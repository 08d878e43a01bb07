//! `kill -9` at any moment of a `run`, followed by the same events again, ends in the state of an undisturbed run.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::patternc::{patternc, run_with_input, seen};

/// Two accounts with a fixed sum, and in another space a list for each that is sent to with every transfer.
const PATTERN: &str = r#"
space bank
space audit

record Journal in audit {
  cell count: Int = 0
  cell lines: List<Text> = []

  handler note(line: Text) -> Int {
    self.count += 1
    self.lines += line
    return self.count
  }
}

record Account in bank {
  cell balance: Int = 0
  cell journal: Journal
  cell acknowledged: Int = 0
  cell problems: Int = 0

  handler transfer(to: Account, amount: Int, line: Text) writes Account.balance {
    require self.balance >= amount else "not enough"
    self.balance -= amount
    to.balance += amount
    send self.journal.note(line) then {
      ok(_count) => { self.acknowledged += 1 }
      err(_e) => { self.problems += 1 }
    }
  }
}
"#;

const TRANSFERS: usize = 400;

fn events() -> String {
    let mut out = String::new();
    // A journal each: between one sender and one receiver there is an order, over several senders there is none.
    for name in ["a", "b"] {
        out.push_str(&format!("{{\"id\":\"j{name}\",\"create\":\"Journal\",\"as\":\"{name}\"}}\n"));
        out.push_str(&format!(
            "{{\"id\":\"{name}\",\"create\":\"Account\",\"as\":\"{name}\",\"cells\":{{\"balance\":1000,\"journal\":{{\"ref\":\"Journal/{name}\"}}}}}}\n"
        ));
    }
    for i in 0..TRANSFERS {
        let (from, to) = if i % 3 == 0 { ("b", "a") } else { ("a", "b") };
        out.push_str(&format!(
            "{{\"id\":\"t{i}\",\"to\":\"Account/{from}\",\"handler\":\"transfer\",\"args\":{{\"to\":{{\"ref\":\"Account/{to}\"}},\"amount\":{},\"line\":\"t{i}\"}}}}\n",
            1 + i % 5
        ));
    }
    out
}

/// The state, read by a run of its own when nothing is in flight any more.
fn state(folder: &Path) -> String {
    let reads = r#"
{"read":"Account/a","cells":["balance","acknowledged","problems"]}
{"read":"Account/b","cells":["balance","acknowledged","problems"]}
{"read":"Journal/a","cells":["count","lines"]}
{"read":"Journal/b","cells":["count","lines"]}
"#;
    let output = run_with_input(run(folder), reads);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    String::from_utf8(output.stdout).expect("outcomes are JSON")
}

fn run(folder: &Path) -> Command {
    let mut command = patternc(folder);
    command.args(["run", "--quiet"]);
    command
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("bank.pattern"), PATTERN).expect("there is room for a file");
    folder
}

/// Numbers that differ from run to run of the suite; the seed is printed with a failure.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// The two spaces in two files: each event crosses from one to the other and back.
const TWO_STORES: &str = r#"
deployments:
  two:
    stores: { a: { kind: sqlite, path: a.db }, b: { kind: sqlite, path: b.db } }
    spaces: { bank: a, audit: b }
"#;

#[test]
fn killed_at_any_moment_and_sent_again_it_ends_in_the_state_of_an_undisturbed_run() {
    killed_and_sent_again(12, folder);
}

#[test]
fn the_same_over_two_stores_and_neither_keeps_what_is_dealt_with() {
    let two = || {
        let folder = folder();
        std::fs::write(folder.path().join("patternc.yaml"), TWO_STORES).expect("there is room for a file");
        folder
    };
    for disturbed in killed_and_sent_again(6, two) {
        let mut status = patternc(disturbed.path());
        status.args(["status", "--output-format", "json"]);
        let status: serde_json::Value = serde_json::from_slice(&run_with_input(status, "").stdout).expect("the output is JSON");
        assert_eq!(status["events"], serde_json::json!([]), "{status}");
        // The events from outside: two accounts and their transfers, two journals. No notes, which came from inside.
        let received = |store: usize| status["stores"][store]["received"].clone();
        assert_eq!((received(0), received(1)), ((TRANSFERS + 2).into(), 2.into()), "{status}");
    }
}

/// Gives the folders that were disturbed.
fn killed_and_sent_again(rounds: usize, folder: impl Fn() -> tempfile::TempDir) -> Vec<tempfile::TempDir> {
    let mut all_disturbed = Vec::new();
    let undisturbed = folder();
    let all = run_with_input(run(undisturbed.path()), &events());
    assert_eq!(all.status.code(), Some(0), "{}", seen(&all));
    let outcomes = String::from_utf8(all.stdout).expect("outcomes are JSON");
    let wanted = state(undisturbed.path());
    assert_eq!(wanted.matches("\"t").count(), TRANSFERS, "{wanted}");

    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is set").as_nanos() as u64;
    let mut chance = Chance(seed);
    for round in 0..rounds {
        let disturbed = folder();
        let mut kills = 0;
        // Several kills of the same store, then once to the end.
        for _ in 0..3 {
            let mut child = start(disturbed.path());
            feed(&mut child);
            std::thread::sleep(Duration::from_micros(2_000 + chance.next() % 120_000));
            if matches!(child.try_wait(), Ok(None)) {
                kills += 1;
            }
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
        let output = run_with_input(run(disturbed.path()), &events());
        let context = format!("seed {seed}, round {round}, {kills} kills");
        let different = String::from_utf8_lossy(&output.stdout)
            .lines()
            .zip(outcomes.lines())
            .find(|(a, b)| a != b)
            .map(|(a, b)| format!("{a}\nnot\n{b}"));
        assert_eq!(different, None, "{context}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout.len(), outcomes.len(), "{context}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(state(disturbed.path()), wanted, "{context}");
        all_disturbed.push(disturbed);
    }
    all_disturbed
}

fn start(folder: &Path) -> Child {
    run(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary of the test starts")
}

/// Sends the events without waiting; the kill may come in the middle.
fn feed(child: &mut Child) {
    let mut stdin = child.stdin.take().expect("it is piped");
    std::thread::spawn(move || {
        for line in events().lines() {
            if writeln!(stdin, "{line}").is_err() {
                return;
            }
        }
    });
}
