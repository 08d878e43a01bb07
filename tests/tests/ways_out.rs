//! What `unserializable-chain` advises: something that ends it, or what is to be decided; and one mistake is told once.

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::{Diagnostic, Level};
use patternc_interpreter::host::Random;
use patternc_tests::generate::{Tape, chain_set};

const RULE: &str = "unserializable-chain";

fn findings(text: &str) -> Vec<Diagnostic> {
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], None);
    check(&db, &CheckOptions::default())
}

/// The rules that find something, and what the rule on chains advises.
fn told(text: &str) -> (Vec<&'static str>, Vec<String>) {
    let found = findings(text);
    let errors: Vec<&str> = found.iter().filter(|finding| finding.level == Level::Error).map(|finding| &*finding.message).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
    let advice = found.iter().filter(|finding| finding.rule == RULE).map(|finding| finding.help.clone().unwrap_or_default()).collect();
    (found.iter().map(|finding| finding.rule).collect(), advice)
}

#[track_caller]
fn advises(text: &str, wanted: &str, unwanted: &str) {
    let (_, advice) = told(text);
    assert!(!advice.is_empty(), "nothing is found in\n{text}");
    for advice in advice {
        assert!(advice.contains(wanted), "{advice:?} does not say {wanted:?}");
        assert!(!advice.contains(unwanted), "{advice:?} says {unwanted:?}");
    }
}

/// Whoever starts it is one of many, so that nothing orders what two of them send.
const CLERKS: &str = r#"
space front
space back
record Left in front {
  cell x: Int = 1
  handler double(n: Int) { self.x = self.x * 3 + n }
}
record Right in back {
  cell y: Int = 1
  handler add(n: Int) { self.y = self.y * 3 + n }
}
record Clerk in front {
  cell left: Left
  cell right: Right
  handler work(n: Int) writes Left.x {
    self.left.x = self.left.x * 5 + n
    send self.right.add(n)
  }
}
"#;

#[test]
fn records_of_two_spaces_are_named() {
    advises(CLERKS, "keep `Clerk` and `Right` in one space, and call there what is sent now", "all of it is in one space");
}

#[test]
fn what_is_in_one_space_already_is_called() {
    let one = CLERKS.replace("space back\n", "").replace("in back", "in front");
    advises(&one, "all of it is in one space: call what is sent now, without `send`", "keep");
    // And that is enough.
    let called = one.replace("send self.right.add(n)", "self.right.add(n)").replace("writes Left.x", "writes Left.x, Right.y");
    assert!(!told(&called).0.contains(&RULE), "{called}");
}

#[test]
fn the_steps_of_a_saga_are_called_in_a_handler() {
    let saga = CLERKS.replace(
        "  handler work(n: Int) writes Left.x {\n    self.left.x = self.left.x * 5 + n\n    send self.right.add(n)\n  }\n",
        "  saga work(n: Int) {\n    step a = self.left.double(n) undo self.left.double(0)\n    step b = self.right.add(n)\n  }\n",
    );
    advises(&saga, "keep `Clerk`, `Left` and `Right` in one space, and call in one handler what the saga has as steps", "what is sent now");
    let one = saga.replace("space back\n", "").replace("in back", "in front");
    advises(&one, "all of it is in one space: call in one handler what the saga has as steps", "keep");
}

const CAPTURED: &str = r#"
space home
extern rates {
  today() -> Int readonly
}
record Account in home {
  cell balance: Int = 0
  cell rate: Int = 0
  handler pay(amount: Int) { self.balance += amount }
  handler settle() {
    let before = self.balance
    send rates.today() then {
      ok(rate) => { self.balance = before * rate }
      err(_e) => { self.rate = 0 }
    }
  }
}
"#;

#[test]
fn a_captured_value_is_told_once() {
    assert_eq!(told(CAPTURED).0, ["stale-capture"]);
    // With something else that others break, both are told: reading it again is not enough.
    let more = CAPTURED.replace("    let before = self.balance\n", "    let before = self.balance\n    self.rate = before * 3\n");
    let rules = told(&more).0;
    assert!(rules.contains(&"stale-capture") && rules.contains(&RULE), "{rules:?}");
}

#[test]
fn a_read_that_comes_too_early_is_told_once() {
    let text = r#"
space accounts
extern oauth {
  refresh(account: Text) -> Text idempotent
}
record Account in accounts {
  cell name: Text
  cell token: Text = ""
  handler refresh() {
    send oauth.refresh(self.name) then {
      ok(token) => { self.token = token }
      err(_e) => { self.token = "" }
    }
  }
}
record Agent in accounts {
  cell account: Account
  cell used: Text = ""
  handler start() {
    send self.account.refresh() then {
      ok() => { self.used = self.account.token }
    }
  }
}
"#;
    assert_eq!(told(text).0, ["early-answer"]);
}

#[test]
fn where_nothing_is_enough_it_says_what_is_to_be_decided() {
    // It waits for the outside, so that it cannot be one transaction.
    let waits = CLERKS.replace("space front\n", "space front\nextern bank {\n  ask() -> Int readonly\n}\n").replace(
        "    send self.right.add(n)\n",
        "    send bank.ask() then {\n      ok(m) => { send self.right.add(m) }\n      err(e) => { fail e.message }\n    }\n",
    );
    let (_, advice) = told(&waits);
    assert!(advice.iter().any(|advice| advice.contains("decide whether `Clerk.work` may come in between")), "{advice:?}");
    assert!(advice.iter().all(|advice| !advice.contains("in one space")), "{advice:?}");
}

#[test]
fn every_finding_has_a_way_out() {
    let mut found = 0;
    for seed in 0..150 {
        let mut random = Random::seeded(seed);
        let numbers: Vec<u16> = (0..80).map(|_| random.draw() as u16).collect();
        let text = chain_set(&mut Tape::new(&numbers));
        for finding in findings(&text).iter().filter(|finding| finding.rule == RULE) {
            found += 1;
            assert!(finding.help.as_deref().is_some_and(|help| !help.is_empty()), "{finding:?}\n{text}");
        }
    }
    assert!(found > 20, "{found}");
}
