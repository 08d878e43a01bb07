//! What `status` says of events whose answers wait for a call that nobody knows the outcome of.

use std::path::Path;

use serde_json::{Value, json};

use crate::patternc::{folder, patternc, run_with_input, seen};

const PATTERN: &str = r#"
space shop
space till

extern bank { pay(who: Text, amount: Int) -> Text }

record Till in till {
  cell taken: Int = 0
  internal handler take(who: Text, amount: Int) -> Text {
    return send bank.pay(who, amount)
  }
}

record Buyer in shop {
  cell said: Text = ""
  internal handler begin() { self.said = "" }
  internal handler forget() { self.said = "" }

  saga buy(till: Till, who: Text) {
    step self.begin() undo self.forget()
    pivot receipt = till.take(who, 5)
  }

  handler start(till: Till, who: Text) {
    send self.buy(till, who) then {
      ok(done) => { self.said = done.receipt }
      err(e) => { self.said = e.message }
    }
  }
}
"#;

const CONFIG: &str = r#"
rules: { unserializable-chain: off }
deployments:
  local:
    stores: { here: { kind: sqlite, path: here.db }, there: { kind: sqlite, path: there.db } }
    spaces: { shop: here, till: there }
    externs: { bank: { kind: command, run: ["sh", "-c", "cat > call; exit 1"] } }
"#;

const EVENTS: &str = "{\"create\":\"Till\",\"as\":\"t\"}\n{\"create\":\"Buyer\",\"as\":\"b\"}\n\
    {\"to\":\"Buyer/b\",\"handler\":\"start\",\"args\":{\"till\":{\"ref\":\"Till/t\"},\"who\":\"ann\"}}\n";

fn call(folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = patternc(folder);
    command.args(arguments);
    seen(&run_with_input(command, input))
}

#[test]
fn who_has_to_find_out_is_told_what_was_called_and_who_waits_for_it() {
    let files = folder(&[("a.pattern", PATTERN), ("patternc.yaml", CONFIG)]);
    call(files.path(), &["run", "--quiet"], EVENTS);
    let status: Value = serde_json::from_str(&call(files.path(), &["status", "--output-format", "json"], "")).expect("it is JSON");
    let events = status["events"].as_array().expect("a list");
    let of = |what: &str| events.iter().find(|event| event["what"] == what).unwrap_or_else(|| panic!("{what} in {status}"));
    let (pay, take, buy) = (of("bank.pay"), of("Till/t@till.take"), of("Buyer/b@shop.buy"));
    assert_eq!((&pay["state"], &pay["args"]), (&json!("parked"), &json!({ "who": "ann", "amount": 5 })), "{status}");
    // The step waits for the call, and the saga for its step, in another store.
    for (event, answers) in [(pay, take), (take, buy)] {
        assert_eq!(event["answers"], answers["id"], "{status}");
        assert_eq!((&answers["state"], &answers["hangs-on"]), (&json!("hanging"), &pay["id"]), "{status}");
    }
    assert_eq!((&take["saga"], &take["step"], &take["undoing"]), (&json!("Buyer.buy"), &json!("receipt: Till.take"), &json!(false)));
    assert_eq!(status["stores"][0]["hanging"], 2, "{status}");

    let said = call(files.path(), &["status"], "");
    let id = |event: &Value| event["id"].as_str().expect("an id").to_owned();
    for part in [
        format!("parked    {}  Till/t@till -> bank.pay(who: \"ann\", amount: 5)\n", id(pay)),
        format!("its answer is for {}: Buyer/b@shop -> Till/t@till.take\n", id(take)),
        format!("hanging   {}  Buyer/b@shop -> Till/t@till.take(who: \"ann\", amount: 5)\n", id(take)),
        "            step `receipt: Till.take` of the saga Buyer.buy\n".to_owned(),
        format!("its answer is for {}: Buyer/b@shop -> Buyer/b@shop.buy\n", id(buy)),
        format!("hanging   {}  Buyer/b@shop -> Buyer/b@shop.buy(till: \"Till/t@till\", who: \"ann\")\n", id(buy)),
        format!("            it goes on once {} is taken up\n", id(pay)),
        "  2 hanging on what is parked\n".to_owned(),
    ] {
        assert!(said.contains(&part), "{part:?} in\n{said}");
    }
    assert!(!said.contains("on the way"), "{said}");
}
