//! The same patterns under several deployments.

use std::path::Path;
use std::process::Output;

use patternc_compiler::config::words::{LIMITS, Measure};

use crate::patternc::{patternc, run_with_input, seen};

const PATTERN: &str = r#"
space claims
space bounties

record Bounty in bounties {
  cell holder: Text = ""
}

record Claim in claims {
  cell taken: Bool = false

  handler take(bounty: Bounty, agent: Text) writes Bounty.holder across bounties {
    require bounty.holder == "" else "taken already"
    bounty.holder = agent
    self.taken = true
  }
}

test "a claim takes the bounty" {
  let bounty = create Bounty in bounties {}
  let claim = create Claim in claims {}
  claim.take(bounty, "ann")
  expect bounty.holder == "ann" && claim.taken
  expect fail claim.take(bounty, "bob") with "taken already"
}
"#;

const CONFIG: &str = r#"
default-deployment: together
deployments:
  together:
    stores: { main: { kind: sqlite, path: main.db } }
    spaces: { "*": main }
  apart:
    stores: { a: { kind: sqlite, path: a.db }, b: { kind: sqlite, path: b.db } }
    spaces: { claims: a, bounties: b }
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("board.pattern"), PATTERN).expect("there is room for a file");
    std::fs::write(folder.path().join("patternc.yaml"), CONFIG).expect("there is room for a file");
    folder
}

fn call(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = patternc(folder);
    command.args(arguments);
    run_with_input(command, input)
}

#[test]
fn a_limit_of_the_project_holds_and_every_limit_can_be_set() {
    let folder = folder();
    let limits = |text: &str| {
        std::fs::write(folder.path().join("patternc.yaml"), format!("{CONFIG}limits: {text}\n")).expect("there is room for a file");
        let input = "{\"create\":\"Bounty\",\"as\":\"b1\"}\n";
        String::from_utf8(call(folder.path(), &["run"], input).stdout).expect("it is UTF-8")
    };
    let set: Vec<String> = LIMITS
        .iter()
        .map(|(limit, measure)| match measure {
            Measure::Count => format!("{}: 1000", limit.name),
            Measure::Time => format!("{}: 1m", limit.name),
        })
        .collect();
    assert!(limits(&format!("{{ {} }}", set.join(", "))).contains("\"outcome\":\"committed\""));
    let refused = limits("{ event-size: 10 }");
    assert!(refused.contains("`event-size`") && !refused.contains("committed"), "{refused}");
}

#[test]
fn each_deployment_is_judged_and_one_can_be_asked_about() {
    let files = folder();
    let all = call(files.path(), &["check"], "");
    assert_eq!(all.status.code(), Some(1), "{}", seen(&all));
    let said = seen(&all);
    for part in [
        "not-co-located",
        "under the deployment `apart`",
        "keeps `claims` in the store `a`",
        "keeps `bounties` in the store `b`",
        "saga",
        "deploy it as `together`",
    ] {
        assert!(said.contains(part), "{part:?} in\n{said}");
    }
    // Both places in both files.
    assert!(said.contains("board.pattern:12:") && said.contains("patternc.yaml"), "{said}");
    assert_eq!(call(files.path(), &["check", "--deployment", "apart"], "").status.code(), Some(1));
    let together = call(files.path(), &["check", "--deployment", "together"], "");
    assert_eq!(together.status.code(), Some(0), "{}", seen(&together));
    let nowhere = call(files.path(), &["check", "--deployment", "togeter"], "");
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(seen(&nowhere).contains("there are `together`, `apart`"), "{}", seen(&nowhere));
}

#[test]
fn what_runs_is_refused_where_it_cannot_and_nowhere_else() {
    let files = folder();
    let events = r#"{"id":"b","create":"Bounty","as":"b"}
{"id":"c","create":"Claim","as":"c"}
{"id":"t","to":"Claim/c","handler":"take","args":{"bounty":{"ref":"Bounty/b"},"agent":"ann"}}
{"id":"u","to":"Claim/c","handler":"take","args":{"bounty":{"ref":"Bounty/b"},"agent":"bob"}}
{"id":"r","read":"Bounty/b","cells":["holder"]}
"#;
    for command in ["run", "repl"] {
        let refused = call(files.path(), &[command, "--deployment", "apart"], events);
        assert_eq!(refused.status.code(), Some(1), "{}", seen(&refused));
        assert!(seen(&refused).contains("not-co-located"), "{}", seen(&refused));
    }
    assert!(!files.path().join("a.db").exists(), "nothing was started");
    // One commit for both spaces.
    let run = call(files.path(), &["run", "--quiet"], events);
    assert_eq!(run.status.code(), Some(1), "the second taker fails: {}", seen(&run));
    let said = seen(&run);
    assert!(said.contains("taken already") && said.contains(r#"{"id":"r","outcome":"value","cells":{"holder":"ann"}}"#), "{said}");
    let tests = call(files.path(), &["test"], "");
    assert_eq!(tests.status.code(), Some(0), "{}", seen(&tests));
}
