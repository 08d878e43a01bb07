//! Several processes on one SQLite store: one owns it, the others read what that has made durable, and have it take their events.

use std::path::Path;

use crate::patternc::{Running, folder, patternc, run_with_input, seen, until};

const PATTERN: &str = r#"
space bank

extern market {
  order(amount: Int) -> Int readonly
}

record Account in bank {
  cell owner: Text key
  cell balance: Int = 0

  handler deposit(amount: Int) -> Int {
    require amount > 0 else "{amount} is nothing"
    self.balance += amount
    return self.balance
  }

  handler buy(amount: Int) -> Int {
    return send market.order(amount) then { ok(n) => { return n } }
  }
}
"#;

const CONFIG: &str = r#"
deployments:
  local:
    stores: { main: { kind: sqlite, path: state.db } }
    spaces: { "*": main }
    externs:
      market: { kind: command, run: ["sh", "-c", "cat > /dev/null; exit 75"] }
"#;

fn bank() -> tempfile::TempDir {
    folder(&[("bank.pattern", PATTERN), ("patternc.yaml", CONFIG)])
}

fn start(folder: &Path, arguments: &[&str]) -> Running {
    let mut command = patternc(folder);
    command.args(arguments);
    Running::start(command)
}

/// What a command says to the end, with its exit status.
fn call(folder: &Path, arguments: &[&str], input: &str) -> (String, Option<i32>) {
    let mut command = patternc(folder);
    command.args(arguments);
    let output = run_with_input(command, input);
    (seen(&output), output.status.code())
}

const ANN: &str = r#"{"id":"ann","create":"Account","as":"a","cells":{"owner":"ann"}}"#;

fn deposit(id: &str, amount: i64) -> String {
    format!(r#"{{"id":"{id}","to":"Account[\"ann\"]","handler":"deposit","args":{{"amount":{amount}}}}}"#)
}

#[test]
fn events_of_another_run_go_through_the_owner() {
    let files = bank();
    let mut owner = start(files.path(), &["run"]);
    assert!(owner.event(ANN).contains("committed"));
    let one = |n| format!("{{\"id\":\"m{n}\",\"to\":\"Account/a\",\"handler\":\"deposit\",\"args\":{{\"amount\":1}}}}\n");
    let many: String = (0..1_500).map(one).collect();
    let events = [
        &deposit("d", 5),
        &deposit("d", 5),
        r#"{"id":"bob","create":"Account","cells":{"owner":"bob","balance":7}}"#,
        r#"{"id":"far","to":"Account[\"bob\"]","handler":"deposit","args":{"amount":1}}"#,
        r#"{"to":"Account[\"eve\"]","handler":"deposit","args":{"amount":1}}"#,
        &deposit("none", 0),
        r#"{"read":"Account/a","cells":["balance"]}"#,
        r#"{"query":"Account.all.map(a => a.owner).sort_by(o => o)","in":"bank"}"#,
    ];
    let (said, status) = call(files.path(), &["run"], &(events.join("\n") + "\n" + &many));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], r#"{"id":"d","outcome":"committed","result":5}"#, "{said}");
    assert_eq!(lines[1], lines[0], "an id that was seen gives what was recorded");
    assert!(lines[2].contains(r#""ref":"Account/"#), "{said}");
    assert_eq!(lines[3], r#"{"id":"far","outcome":"committed","result":8}"#);
    assert!(lines[4].contains(r#""line":5,"outcome":"invalid""#), "{said}");
    assert_eq!(lines[5], r#"{"id":"none","outcome":"failed","failure":{"kind":"rejected","message":"0 is nothing"}}"#);
    assert_eq!(lines[6], r#"{"outcome":"value","cells":{"balance":5}}"#);
    assert_eq!(lines[7], r#"{"outcome":"value","value":["ann","bob"]}"#);
    assert!(said.contains("the store is in use by the process"), "{said}");
    // In their order.
    let results: Vec<String> = (0..1_500).map(|n| format!(r#"{{"id":"m{n}","outcome":"committed","result":{}}}"#, 6 + n)).collect();
    assert_eq!(lines[8..1_508], results);
    assert_eq!(status, Some(1), "some have failed");
    assert_eq!(owner.event(r#"{"read":"Account/a","cells":["balance"]}"#), "{\"outcome\":\"value\",\"cells\":{\"balance\":1505}}\n");
    owner.end();
    // Nobody owns it: it runs by itself.
    let (said, status) = call(files.path(), &["run"], &(deposit("d", 5) + "\n" + &deposit("e", 1)));
    assert_eq!(
        (said.as_str(), status),
        ("{\"id\":\"d\",\"outcome\":\"committed\",\"result\":5}\n{\"id\":\"e\",\"outcome\":\"committed\",\"result\":1506}\n", Some(0))
    );
}

#[test]
fn a_second_prompt_reads_what_the_owner_commits_and_has_it_take_events() {
    let files = bank();
    let mut owner = start(files.path(), &["run"]);
    assert!(owner.event(ANN).contains("committed"));
    let mut prompt = start(files.path(), &["repl"]);
    assert_eq!(prompt.event("Account[\"ann\"]?.balance"), "0\n");
    until(|| Some(prompt.said()).filter(|said| said.contains("the store is in use by the process")));
    assert!(owner.event(&deposit("d", 5)).contains("\"result\":5"));
    assert_eq!(prompt.event("Account[\"ann\"]?.balance"), "5\n");
    let committed = prompt.event("let bob = create Account in bank { owner: \"bob\" }");
    assert!(committed.starts_with("  committed by the process ") && committed.contains("create Account"), "{committed}");
    assert!(prompt.event("bob.deposit(3)").starts_with("  committed by the process "));
    assert_eq!(prompt.answer(), "3\n");
    assert_eq!(prompt.event("bob.balance"), "3\n");
    assert!(prompt.event("bob.deposit(0)").contains("0 is nothing"));
    // What is for the owner alone.
    for entry in
        [":hold", ":undo", ":history bob", ":begin bob.deposit(1)", ":deliver", "crash", "given market.order(n) => n", "advance 5m"]
    {
        let said = prompt.event(entry);
        assert!(said.contains("is for the process ") && said.contains("alone"), "{entry}: {said}");
    }
    assert!(prompt.event(":retry").contains("`patternc retry` asks it"));
    // Declarations are known here; the owner does not know them.
    prompt.tell("fn twice(n: Int) -> Int { n * 2 }");
    assert_eq!(prompt.event("twice(bob.balance)"), "6\n");
    let query = r#"{"query":"Account[\"bob\"]?.balance","in":"bank"}"#;
    assert_eq!(owner.event(query), "{\"outcome\":\"value\",\"value\":3}\n");
    // Once the owner is gone, the prompt has the store.
    owner.end();
    let said = prompt.event("bob.deposit(1)");
    assert!(said.starts_with("the process ") && said.ends_with(" has ended: this prompt has the store now\n"), "{said}");
    assert!(prompt.answer().ends_with(".balance += 1\n"));
    assert_eq!(prompt.answer(), "4\n");
    prompt.end();
    assert!(call(files.path(), &["export"], "").0.contains("\"balance\":4"));
}

#[test]
fn a_prompt_that_owns_the_store_takes_events_of_others() {
    let files = bank();
    let mut prompt = start(files.path(), &["repl"]);
    assert_eq!(prompt.event("1 + 1"), "2\n");
    let (said, status) = call(files.path(), &["run", "--quiet"], &format!("{ANN}\n{}\n", deposit("d", 5)));
    assert_eq!(status, Some(0), "{said}");
    assert!(call(files.path(), &["status"], "").0.contains("in use by the process"));
    let said: Vec<String> = [prompt.event("Account[\"ann\"]?.balance")].into_iter().chain((0..3).map(|_| prompt.answer())).collect();
    assert_eq!(said, ["meanwhile:\n", "  created Account/a\n", "  Account/a.balance += 5\n", "5\n"]);
    prompt.end();
}

#[test]
fn who_waits_for_an_owner_that_dies_is_told() {
    let files = bank();
    let mut owner = start(files.path(), &["run"]);
    assert!(owner.event(ANN).contains("committed"));
    let mut other = start(files.path(), &["run"]);
    // Nobody answers: it stays on its way.
    other.tell(r#"{"id":"b","to":"Account/a","handler":"buy","args":{"amount":1}}"#);
    until(|| call(files.path(), &["status"], "").0.contains("market.order").then_some(()));
    owner.kill();
    let answer = other.answer();
    assert!(
        answer.contains("\"id\":\"b\"") && answer.contains("unavailable") && answer.contains("the process that owned the store ended"),
        "{answer}"
    );
    // Nobody owns it any more: it has the store now, and goes on with what is on its way there.
    assert!(other.event(&deposit("d", 5)).contains("\"result\":5"));
    assert!(other.said().contains("has ended: this run has the store now"), "{}", other.said());
    let (said, _) = call(files.path(), &["status"], "");
    assert!(said.contains("market.order") && said.contains("in use by the process"), "{said}");
    other.kill();
}

#[test]
fn who_follows_takes_the_store_over_and_is_followed() {
    let files = bank();
    let mut owner = start(files.path(), &["run"]);
    assert!(owner.event(ANN).contains("committed"));
    let mut second = start(files.path(), &["run"]);
    assert!(second.event(&deposit("a", 1)).contains("\"result\":1"));
    owner.end();
    // Without an event: what was left on its way goes on.
    until(|| Some(second.said()).filter(|said| said.contains("has ended: this run has the store now")));
    let mut third = start(files.path(), &["run"]);
    assert!(third.event(&deposit("b", 2)).contains("\"result\":3"));
    assert!(second.event(&deposit("c", 3)).contains("\"result\":6"));
    second.end();
    assert!(third.event(&deposit("d", 4)).contains("\"result\":10"));
    assert_eq!(third.event(r#"{"read":"Account/a","cells":["balance"]}"#), "{\"outcome\":\"value\",\"cells\":{\"balance\":10}}\n");
    third.end();
}

const CLERK: &str = r#"
space office

extern slow { once() }

record Clerk in office {
  cell asked: Int = 0
  handler ask() { send slow.once() }
  handler note() -> Int {
    self.asked += 1
    return self.asked
  }
}
"#;

/// Refuses at first; after that it says that it was asked, and answers once it may.
const SLOW: &str = r#"
deployments:
  local:
    stores: { main: { kind: sqlite, path: state.db } }
    spaces: { "*": main }
    externs:
      slow: { kind: command, run: ["sh", "-c", "cat > /dev/null; [ -f again ] || exit 65; : > asked; until [ -f go ]; do sleep 0.05; done; echo null"] }
"#;

/// What is taken up again may take its time: nobody but who wants to know of it waits for that.
#[test]
fn others_are_served_while_a_retry_waits() {
    let files = folder(&[("clerk.pattern", CLERK), ("patternc.yaml", SLOW)]);
    let path = files.path();
    let mut owner = start(path, &["run"]);
    assert!(owner.event(r#"{"create":"Clerk","as":"c"}"#).contains("committed"));
    owner.tell(r#"{"to":"Clerk/c","handler":"ask"}"#);
    until(|| call(path, &["status"], "").0.contains("1 parked").then_some(()));
    std::fs::write(path.join("again"), "").expect("there is room");
    let mut retry = start(path, &["retry"]);
    until(|| path.join("asked").exists().then_some(()));
    // One who comes, asks how it is, and has the owner take an event: all before the retry is answered.
    let (said, status) = call(path, &["run"], "{\"id\":\"n\",\"to\":\"Clerk/c\",\"handler\":\"note\"}\n");
    assert!(said.contains(r#"{"id":"n","outcome":"committed","result":1}"#), "{said}");
    assert_eq!(status, Some(0), "{said}");
    assert!(call(path, &["status"], "").0.contains("1 on the way"));
    // The same event cannot be taken up by two.
    assert!(call(path, &["retry"], "").0.contains("nothing is parked"));
    std::fs::write(path.join("go"), "").expect("there is room");
    assert!(retry.answer().contains("(slow.once): done"));
    retry.end();
    owner.end();
}
