//! Externs answered by a command of the deployment.

use std::fs;

use crate::patternc::{patternc, run_with_input, seen};

const PATTERN: &str = r#"
space home

extern rates {
  quote(agent: Text) -> Int readonly
}

record Desk in home {
  cell last: Int = 0
  cell trouble: Text = ""

  handler ask(agent: Text) {
    send rates.quote(agent) then {
      ok(n) => { self.last = n }
      err(e) => { self.trouble = e.message }
    }
  }
}
"#;

const DEPLOYMENT: &str = r#"
default-deployment: local
deployments:
  local:
    stores: { main: { kind: sqlite, path: state.db } }
    spaces: { "*": main }
    externs:
      rates: { kind: command, run: ["sh", "./rates.sh", "${RATE}"] }
"#;

/// Fails twice, then answers; rejects one agent.
const COMMAND: &str = r#"
input=$(cat)
case "$input" in *mallory*) echo "who is that?"; exit 65;; esac
echo x >> tries
[ $(wc -l < tries) -gt 2 ] || exit 75
echo "$1"
"#;

#[test]
fn a_command_answers_in_the_end() {
    let folder = tempfile::tempdir().expect("there is room");
    for (name, text) in [("desk.pattern", PATTERN), ("patternc.yaml", DEPLOYMENT), ("rates.sh", COMMAND)] {
        fs::write(folder.path().join(name), text).expect("the folder can be written");
    }
    let run = |events: &str| {
        let mut command = patternc(folder.path());
        command.args(["run", "--quiet"]).env("RATE", "42");
        seen(&run_with_input(command, events))
    };
    run("{\"create\":\"Desk\",\"as\":\"d\"}\n{\"to\":\"Desk/d\",\"handler\":\"ask\",\"args\":{\"agent\":\"ann\"}}");
    run("{\"to\":\"Desk/d\",\"handler\":\"ask\",\"args\":{\"agent\":\"mallory\"}}");
    let said = run("{\"id\":\"r\",\"read\":\"Desk/d\"}");
    assert!(said.contains(r#""cells":{"last":42,"trouble":"who is that?"}"#), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("tries")).expect("it was tried").lines().count(), 3);
}
