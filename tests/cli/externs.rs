//! Externs answered by a command of the deployment.

use std::fs;

use crate::patternc::{folder, patternc, run_with_input, seen};

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

const BUYER: &str = r#"
space home

extern pay {
  charge(n: Int) -> Text idempotent
  once(n: Int) -> Text
}

record Buyer in home {
  cell receipt: Text = ""

  handler charge(n: Int) -> Text {
    return send pay.charge(n) then { ok(r) => { self.receipt = r  return r } }
  }

  handler once(n: Int) -> Text {
    return send pay.once(n) then { ok(r) => { self.receipt = r  return r } }
  }
}
"#;

const PAY: &str = r#"
deployments:
  local:
    stores: { main: { kind: sqlite, path: state.db } }
    spaces: { "*": main }
    externs:
      pay: { kind: command, run: ["sh", "./pay.sh"] }
"#;

/// Does what it is asked, and loses its answers: a repetition is refused as such.
const LOSES_ANSWERS: &str = r#"
read -r call
echo "$call" >> calls
case "$call" in *once*) echo "lost" >&2; exit 1;; esac
if grep -q '"attempt":2' calls; then echo "charged already"; exit 65; fi
exit 1
"#;

/// A call whose outcome is not known, and what can be done about it: `run` ends and says so, and nothing is repeated that must not be.
#[test]
fn an_outcome_that_nobody_knows_waits_for_who_finds_it_out() {
    let folder = tempfile::tempdir().expect("there is room");
    for (name, text) in [("buyer.pattern", BUYER), ("patternc.yaml", PAY), ("pay.sh", LOSES_ANSWERS)] {
        fs::write(folder.path().join(name), text).expect("the folder can be written");
    }
    let call = |arguments: &[&str], input: &str, status: i32| {
        let mut command = patternc(folder.path());
        command.args(arguments);
        let output = run_with_input(command, input);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{}", seen(&output));
        seen(&output)
    };
    let asked = || fs::read_to_string(folder.path().join("calls")).expect("it was asked").lines().count();
    let parked = |said: &str| {
        let (_, rest) = said.split_once("\"parked\":\"").unwrap_or_else(|| panic!("{said}"));
        rest.split('"').next().expect("there is a first part").to_owned()
    };
    let charge = "{\"id\":\"e1\",\"to\":\"Buyer/b\",\"handler\":\"charge\",\"args\":{\"n\":5}}\n";
    // What comes after it in the input is not held up.
    let events = format!("{{\"create\":\"Buyer\",\"as\":\"b\"}}\n{charge}{{\"id\":\"r\",\"read\":\"Buyer/b\"}}\n");
    let said = call(&["run", "--quiet"], &events, 1);
    for part in
        ["{\"id\":\"e1\",\"outcome\":\"pending\",\"parked\":", "charged already", "earlier attempt", "{\"id\":\"r\",\"outcome\":\"value\""]
    {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    let id = parked(&said);
    assert_eq!(asked(), 2);
    assert!(call(&["status"], "", 1).contains("--not-done"));
    // It may be repeated, so it is asked again; that finds out no more.
    assert!(call(&["retry", &id], "", 1).contains("pay.charge): parked again: whether it took effect is not known"));
    assert_eq!(asked(), 3);
    assert!(call(&["retry", &id, "--done"], "", 2).contains("say with which result, as JSON: Text"));
    assert!(call(&["retry", &id, "--done", "5"], "", 2).contains("expected a Text"));
    assert!(call(&["retry", &id, "--done", "\"r7\""], "", 0).contains("pay.charge): done"));
    // Whoever sends the event again is told what came of it.
    assert!(call(&["run", "--quiet"], charge, 0).contains("{\"id\":\"e1\",\"outcome\":\"committed\",\"result\":\"r7\"}"));

    let once = "{\"id\":\"e2\",\"to\":\"Buyer/b\",\"handler\":\"once\",\"args\":{\"n\":5}}\n";
    let id = parked(&call(&["run", "--quiet"], once, 1));
    assert_eq!(asked(), 4);
    let refused = call(&["retry", &id], "", 2);
    assert!(refused.contains("must not happen twice") && refused.contains(&format!("patternc retry {id} --not-done")), "{refused}");
    assert!(call(&["retry"], "", 1).contains("pay.once): left parked"));
    assert_eq!(asked(), 4);
    let said = call(&["retry", &id, "--not-done"], "", 1);
    let (_, rest) = said.split_once("pay.once): parked again as ").unwrap_or_else(|| panic!("{said}"));
    let anew = rest.split(':').next().expect("there is a first part").to_owned();
    assert_eq!(asked(), 5);
    // A service that keeps keys would answer the old one as it did.
    let keys = fs::read_to_string(folder.path().join("calls")).expect("it was asked");
    for key in [&id, &anew] {
        assert_eq!(keys.lines().filter(|line| line.contains(&format!("\"key\":\"{key}\""))).count(), 1, "{keys}");
    }
    let id = anew;
    assert!(call(&["retry", &id, "--done", "\"r8\""], "", 0).contains("pay.once): done"));
    assert!(call(&["run", "--quiet"], once, 0).contains("\"result\":\"r8\""));
}

/// Answers a key that it knows with what it answered first.
const KEEPS_KEYS: &str = r#"
read -r call
key=$(printf '%s' "$call" | sed 's/.*"key":"\([^"]*\)".*/\1/')
[ -f "key-$key" ] || { if [ -f money ]; then echo '"receipt"'; else echo '"no money"'; fi > "key-$key"; }
cat "key-$key"
grep -q receipt "key-$key" || exit 65
"#;

#[test]
fn a_refusal_that_the_outside_keeps_is_not_asked_for_again() {
    let handler = "return send pay.charge(n) then { ok(r) => { self.receipt = r  return r } }";
    let buyer = BUYER.replacen(" -> Text {\n", " {\n", 1).replacen(handler, "send pay.charge(n) then { ok(r) => { self.receipt = r } }", 1);
    let deployment = PAY.replace("[\"sh\", \"./pay.sh\"]", "[\"sh\", \"./pay.sh\"], replays: true");
    let folder = folder(&[
        ("buyer.pattern", &buyer),
        ("patternc.yaml", &format!("rules: {{ dropped-failure: off }}\n{deployment}")),
        ("pay.sh", KEEPS_KEYS),
    ]);
    let call = |arguments: &[&str], input: &str, status: i32| {
        let mut command = patternc(folder.path());
        command.args(arguments);
        let output = run_with_input(command, input);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{}", seen(&output));
        seen(&output)
    };
    let events = "{\"create\":\"Buyer\",\"as\":\"b\"}\n{\"to\":\"Buyer/b\",\"handler\":\"charge\",\"args\":{\"n\":5}}\n";
    call(&["run", "--quiet"], events, 0);
    assert!(call(&["retry"], "", 1).contains("no money"));
    fs::write(folder.path().join("money"), "").expect("there is room");
    assert!(call(&["retry"], "", 0).contains("(pay.charge): done"));
    assert!(call(&["run", "--quiet"], "{\"read\":\"Buyer/b\"}", 0).contains("\"receipt\":\"receipt\""));
}
