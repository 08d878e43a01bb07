//! Looking after stores: what is on its way, what is parked, copies, audits, and other programs on old data.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::patternc::{Running, folder, patternc, run_with_input, seen, until};

const PATTERN: &str = r#"
space home

extern rates {
  quote(agent: Text) -> Int readonly
}

record Desk in home {
  cell last: Int = 0
  cell ticks: Int = 0

  handler ask(agent: Text) {
    send rates.quote(agent) then { ok(n) => { self.last = n } }
  }

  handler later() {
    send self.tick() after 1h
  }

  internal handler tick() { self.ticks += 1 }
}
"#;

const CONFIG: &str = r#"
rules: { dropped-failure: off }
deployments:
  local:
    stores: { main: { kind: sqlite, path: state.db } }
    spaces: { "*": main }
    externs:
      rates: { kind: command, run: ["sh", "./rates.sh"] }
"#;

/// Answers once there is a rate; rejects until there is a file that says what to do instead.
const COMMAND: &str = r#"
cat > /dev/null
if [ -f rate ]; then cat rate; exit 0; fi
if [ -f down ]; then echo "the line is down" >&2; exit 75; fi
echo "no rate yet"
exit 65
"#;

fn desk() -> tempfile::TempDir {
    folder(&[("desk.pattern", PATTERN), ("patternc.yaml", CONFIG), ("rates.sh", COMMAND)])
}

fn call(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = patternc(folder);
    command.args(arguments);
    run_with_input(command, input)
}

#[track_caller]
fn call_with(folder: &Path, arguments: &[&str], input: &str, status: i32) -> String {
    let output = call(folder, arguments, input);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{}", seen(&output));
    seen(&output)
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = call(folder, arguments, "");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{}", seen(&output)))
}

fn running(folder: &Path, arguments: &[&str]) -> Running {
    let mut command = patternc(folder);
    command.args(arguments);
    Running::start(command)
}

const ASK: &str =
    "{\"id\":\"c\",\"create\":\"Desk\",\"as\":\"d\"}\n{\"id\":\"a\",\"to\":\"Desk/d\",\"handler\":\"ask\",\"args\":{\"agent\":\"ann\"}}\n";

#[test]
fn what_is_parked_is_shown_and_taken_up_again() {
    let files = desk();
    assert!(call_with(files.path(), &["status"], "", 0).contains("not there yet"));
    call_with(files.path(), &["run", "--quiet"], ASK, 0);
    let said = call_with(files.path(), &["status"], "", 1);
    for part in ["main (sqlite, state.db): 1 record, nobody uses it", "parked", "Desk/d@home -> rates.quote", "no rate yet", "1 parked"] {
        assert!(said.contains(part), "{part:?} in\n{said}");
    }
    let status = json(files.path(), &["status", "--output-format", "json"]);
    assert_eq!((&status["stores"][0]["parked"], &status["stores"][0]["owner"]), (&1.into(), &Value::Null), "{status}");
    let id = status["events"][0]["id"].as_str().expect("an event has an id").to_owned();
    // Nothing has changed outside: parked again.
    let said = call_with(files.path(), &["retry", &id], "", 1);
    let status = json(files.path(), &["status", "--output-format", "json"]);
    let before = id;
    let id = status["events"][0]["id"].as_str().expect("an event has an id").to_owned();
    assert!(id != before && said.contains(&format!("{before} (rates.quote): parked again as {id}: ")), "{said}");
    assert!(call_with(files.path(), &["retry", "nothing"], "", 2).contains("no event nothing is on its way"));
    std::fs::write(files.path().join("rate"), "42\n").expect("there is room");
    assert!(call_with(files.path(), &["retry", &id], "", 0).contains("rates.quote): done"));
    assert!(call_with(files.path(), &["retry"], "", 0).contains("nothing is parked"));
    assert!(call_with(files.path(), &["status"], "", 0).contains("nothing is on its way"));
    assert!(call_with(files.path(), &["run"], "{\"read\":\"Desk/d\",\"cells\":[\"last\"]}", 0).contains("\"last\":42"));
    // A timer does not ask for anyone.
    call_with(files.path(), &["run", "--quiet"], "{\"to\":\"Desk/d\",\"handler\":\"later\"}", 0);
    let said = call_with(files.path(), &["status"], "", 0);
    assert!(said.contains("Desk/d@home.tick") && said.contains("due 20") && said.contains("1 for later"), "{said}");
}

#[test]
fn the_process_that_runs_the_patterns_is_asked_and_does_what_others_want() {
    let files = desk();
    let mut running = running(files.path(), &["run", "-v"]);
    running.event("{\"create\":\"Desk\",\"as\":\"d\"}");
    running.event("{\"to\":\"Desk/d\",\"handler\":\"ask\",\"args\":{\"agent\":\"ann\"}}");
    let status = || json(files.path(), &["status", "--output-format", "json"]);
    let parked = until(|| Some(status()).filter(|status| status["events"][0]["state"] == "parked"));
    assert!(parked["stores"][0]["owner"].as_str().is_some_and(|owner| owner.starts_with("the process ")), "{parked}");
    std::fs::write(files.path().join("down"), "").expect("there is room");
    running.event("{\"to\":\"Desk/d\",\"handler\":\"ask\",\"args\":{\"agent\":\"bob\"}}");
    let retrying = until(|| Some(status()).filter(|status| status["stores"][0]["retrying"] == 1));
    let reasons: Vec<&str> = retrying["events"].as_array().expect("a list").iter().filter_map(|event| event["reason"].as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("the line is down")), "{retrying}");
    // Since when, and when next: while it waits for that.
    let waits = until(|| {
        let status = status();
        let event = status["events"].as_array()?.iter().find(|event| event["state"] == "retrying")?.clone();
        event["next"].is_string().then_some(event)
    });
    // To the second.
    let time = |name: &str| waits[name].as_str().and_then(|time| time.get(..19)).unwrap_or_else(|| panic!("{waits}"));
    assert!(time("sent") <= time("since") && time("since") <= time("next"), "{waits}");
    until(|| {
        Some(call_with(files.path(), &["status"], "", 1)).filter(|said| said.contains(", tried next at 20") && said.contains("since 20"))
    });
    until(|| {
        Some(running.said()).filter(|said| said.contains("rates.quote is tried again and again") && said.contains("the line is down"))
    });
    std::fs::write(files.path().join("rate"), "7\n").expect("there is room");
    assert!(call_with(files.path(), &["retry"], "", 0).contains("rates.quote): done"));
    assert!(call_with(files.path(), &["retry", "x"], "", 2).contains("no event x is on its way"));
    until(|| Some(status()).filter(|status| status["events"].as_array().is_some_and(Vec::is_empty)));
    // A copy of what is being written.
    let exported = call_with(files.path(), &["export"], "", 0);
    assert!(exported.contains("\"record\":\"Desk/d@home\",\"cells\":{\"last\":7,"), "{exported}");
    running.end();
}

#[test]
fn what_waits_for_someone_to_run_the_patterns_says_since_when() {
    let files = desk();
    std::fs::write(files.path().join("down"), "").expect("there is room");
    let mut running = running(files.path(), &["run"]);
    running.event("{\"create\":\"Desk\",\"as\":\"d\"}");
    running.event("{\"to\":\"Desk/d\",\"handler\":\"ask\",\"args\":{\"agent\":\"ann\"}}");
    running.kill();
    let said = call_with(files.path(), &["status"], "", 0);
    assert!(
        said.contains("nobody uses it\n  1 on the way\n  on the way since 20") && said.contains("`patternc run` goes on with it"),
        "{said}"
    );
    std::fs::write(files.path().join("rate"), "7\n").expect("there is room");
    call_with(files.path(), &["run"], "", 0);
    let said = call_with(files.path(), &["status"], "", 0);
    assert!(said.contains("nothing is on its way") && !said.contains("on the way since"), "{said}");
}

const BANK: &str = r#"
space bank
space audit[Text]

enum Kind { plain, vip(since: Time, factor: Float) }
struct Line { text: Text, by: Account@any, at: Time? }

record Journal in audit {
  cell lines: List<Line> = []
  handler note(line: Line) { self.lines += line }
}

record Account in bank {
  cell name: Text key
  cell kind: Kind = Kind.plain
  cell ratio: Float = -0.0
  cell data: Map<Text, List<Float>> = Map[]
  cell friends: Set<Account> = Set[] inverse friends
  cell journal: Journal@any
  derived many: Int = self.friends.len()

  handler befriend(other: Account) { self.friends += other }
  handler log(text: Text) { send self.journal.note(Line { text: text, by: self, at: none }) after 1h }
  handler close() { delete self }
}

invariant few(a: Account) { a.friends.len() < 3 }
"#;

const BANKS: &str = r#"
default-deployment: one
deployments:
  one:
    stores: { main: { kind: sqlite, path: one.db } }
    spaces: { "*": main }
  two:
    stores: { a: { kind: sqlite, path: a.db }, b: { kind: sqlite, path: b.db } }
    spaces: { bank: a, "audit[*]": b }
  again:
    stores: { main: { kind: sqlite, path: again.db } }
    spaces: { "*": main }
"#;

const OPENING: &str = r#"{"id":"1","create":"Journal","as":"j","in":"audit[x/y]"}
{"id":"2","create":"Account","as":"a/b]","cells":{"name":"Ann \u00fc","kind":{"vip":{"since":"2024-01-02T03:04:05.678Z","factor":-0.0}},"data":{"x":[1.5,-0.0],"":[]},"journal":{"ref":"Journal/j@audit[x/y]"}}}
{"id":"3","create":"Account","as":"b","cells":{"name":"Bob","journal":{"ref":"Journal/j@audit[x/y]"}}}
{"id":"4","create":"Account","as":"gone","cells":{"name":"Eve","journal":{"ref":"Journal/j@audit[x/y]"}}}
{"id":"5","to":"Account/gone","handler":"close"}
{"id":"6","to":"Account/b","handler":"befriend","args":{"other":{"ref":"Account/a/b]"}}}
{"id":"7","to":"Account/b","handler":"log","args":{"text":"hello"}}
"#;

fn bank() -> tempfile::TempDir {
    folder(&[("bank.pattern", BANK), ("patternc.yaml", BANKS)])
}

#[test]
fn what_is_exported_is_imported_whole_into_any_stores() {
    let files = bank();
    let path = files.path();
    call_with(path, &["run", "--quiet"], OPENING, 0);
    call_with(path, &["export", "--output", "one.jsonl"], "", 0);
    let exported = std::fs::read_to_string(path.join("one.jsonl")).expect("it was written");
    assert!(exported.contains("\"ratio\":\"-0.0\"") && exported.contains("\"deleted\":\"Account/gone@bank\""), "{exported}");
    call_with(path, &["import", "--deployment", "two", "--input", "one.jsonl"], "", 0);
    call_with(path, &["audit", "--deployment", "two"], "", 0);
    call_with(path, &["export", "--deployment", "two", "--output", "two.jsonl"], "", 0);
    // Each store knows the events from outside; together they are the same, but for the order of types and the checksum over it.
    call_with(path, &["import", "--deployment", "again", "--input", "two.jsonl"], "", 0);
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(|line| line.split(",\"crc32\"").next().unwrap_or_default().to_owned()).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&call_with(path, &["export", "--deployment", "again", "--quiet"], "", 0)), lines(&exported));
    // What happened has happened: the same events again change nothing, ids that are gone stay gone.
    let again = call_with(path, &["run", "--quiet", "--deployment", "two"], OPENING, 0);
    assert!(again.lines().all(|line| line.contains("committed")), "{again}");
    let gone = call_with(
        path,
        &["run", "--quiet", "--deployment", "two"],
        "{\"create\":\"Account\",\"as\":\"gone\",\"cells\":{\"name\":\"E\",\"journal\":{\"ref\":\"Journal/j@audit[x/y]\"}}}",
        1,
    );
    assert!(gone.contains("rejected"), "{gone}");
    let status = json(path, &["status", "--deployment", "two", "--output-format", "json"]);
    assert_eq!((&status["stores"][0]["later"], &status["stores"][1]["later"]), (&1.into(), &0.into()), "{status}");
}

#[test]
fn a_file_that_is_not_whole_or_a_store_that_is_not_empty_leaves_everything_as_it_was() {
    let files = bank();
    let path = files.path();
    call_with(path, &["run", "--quiet"], OPENING, 0);
    let exported = call_with(path, &["export", "--quiet"], "", 0);
    assert!(call_with(path, &["import"], &exported, 2).contains("one.db has data already"));
    let cut = &exported[..exported.len() / 2];
    assert!(call_with(path, &["import", "--deployment", "two"], cut, 2).contains("nothing was imported"));
    let changed = exported.replace("Bob", "Rob");
    assert!(call_with(path, &["import", "--deployment", "two"], &changed, 2).contains("the file was changed"));
    // The second store is taken: the first stays empty.
    std::fs::copy(path.join("one.db"), path.join("b.db")).expect("there is room");
    assert!(call_with(path, &["import", "--deployment", "two"], &exported, 2).contains("b.db has data already"));
    assert!(!path.join("a.db").exists() && !path.join("a.db.import").exists());
    assert_eq!(call_with(path, &["export", "--quiet"], "", 0), exported);
}

const READERS: &str = r#"
space home

struct Entry { of: Text }

extern index { put(e: Entry) idempotent  drop(e: Entry) idempotent  list(n: Int) -> List<Entry> readonly }

record Note in home { cell text: Text = "x" }

mirror readers of Note to index {
  facts(n) = [Entry { of: n.text }, Entry { of: "{n.text}!" }]
  add(e) = index.put(e)
  remove(e) = index.drop(e)
  actual(_n) = index.list(1)
  scope(_n) = 1
}
"#;

#[test]
fn what_a_mirror_keeps_for_itself_is_not_counted_among_the_records() {
    let config = CONFIG.replace("rates:", "index:").replace("./rates.sh", "./index.sh");
    let (_, local) = config.split_once("  local:").expect("it has the deployment");
    let config = format!("{config}  again:{}", local.replace("state.db", "again.db"));
    let config = config.replace("\ndeployments:", "\ndefault-deployment: local\ndeployments:");
    let files = folder(&[("notes.pattern", READERS), ("patternc.yaml", &config), ("index.sh", "cat > /dev/null\necho null\n")]);
    let path = files.path();
    call_with(path, &["run", "--quiet"], "{\"create\":\"Note\",\"as\":\"n\"}\n", 0);
    let exported = call_with(path, &["export", "--quiet"], "", 0);
    assert_eq!(exported.matches("{\"record\":").count(), 3, "{exported}");
    assert!(call_with(path, &["status"], "", 0).contains(": 1 record, nobody"));
    assert!(call_with(path, &["audit"], "", 0).contains("1 record audited: 0 errors"));
    assert!(call_with(path, &["export", "--output", "all.jsonl"], "", 0).contains("exported 1 record, "));
    let imported = call_with(path, &["import", "--deployment", "again", "--input", "all.jsonl"], "", 0);
    assert!(imported.contains("imported 1 record, "), "{imported}");
}

#[test]
fn stores_that_are_in_each_others_place_are_named() {
    let files = bank();
    let path = files.path();
    call_with(path, &["run", "--quiet", "--deployment", "two"], OPENING, 0);
    let swapped = BANKS.replace("bank: a, \"audit[*]\": b", "bank: b, \"audit[*]\": a");
    std::fs::write(path.join("patternc.yaml"), swapped).expect("there is room");
    let said = call_with(path, &["run", "--deployment", "two"], "", 2);
    assert!(
        said.contains("the store `a` has, or had, records of the space `bank`, which the deployment says to be in the store `b`"),
        "{said}"
    );
}

/// It may be busy, or stopped: to end it is not the only way.
#[cfg(unix)]
#[test]
fn a_process_that_owns_the_store_and_does_not_answer_is_named_with_what_it_may_be_about() {
    let files = bank();
    let mut owner = patternc(files.path());
    owner.args(["run", "--deployment", "two"]);
    let mut owner = Running::start(owner);
    owner.event("{\"query\":\"Account.all\"}");
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill").args([name, &owner.id().to_string()]).status();
        assert!(sent.expect("it is there").success());
    };
    signal("-STOP");
    let said = call_with(files.path(), &["run", "--deployment", "two"], "", 2);
    assert!(said.contains("is in use by the process ") && said.contains("it has not answered for 5 s"), "{said}");
    signal("-CONT");
    owner.end();
}

/// Also before the file is there, when nothing but the links can say so.
#[cfg(unix)]
#[test]
fn two_stores_whose_files_are_links_to_one_are_refused() {
    let config = "
deployments:
  two:
    stores: { a: { kind: sqlite, path: data/a.db }, b: { kind: sqlite, path: PATH } }
    spaces: { home: a, away: b }
";
    let pattern =
        "space home\nspace away\nrecord Note in home { cell text: Text = \"\" }\nrecord Sign in away { cell text: Text = \"\" }\n";
    let refused = |files: &Path, path: &str| {
        std::fs::write(files.join("patternc.yaml"), config.replace("PATH", path)).expect("there is room");
        let said = call_with(files, &["run", "--quiet"], "{\"create\":\"Sign\",\"as\":\"s\"}\n", 2);
        assert!(said.contains("the stores `a` and `b` are the same file: give each its own"), "{path}: {said}");
    };
    let files = folder(&[("notes.pattern", pattern)]);
    let path = files.path();
    std::fs::create_dir(path.join("data")).expect("there is room");
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, path.join(name)).expect("there is room");
    link("data/a.db", "link.db");
    link("link.db", "far.db");
    link("data", "folder");
    for other in ["link.db", "far.db", "folder/a.db"] {
        refused(path, other);
        assert!(!path.join("data/a.db").exists());
    }
    std::fs::write(path.join("patternc.yaml"), config.replace("PATH", "b.db")).expect("there is room");
    call_with(path, &["run", "--quiet"], "{\"create\":\"Note\",\"as\":\"n\"}\n", 0);
    std::fs::hard_link(path.join("data/a.db"), path.join("hard.db")).expect("there is room");
    for other in ["link.db", "folder/a.db", "hard.db"] {
        refused(path, other);
    }
}

/// Their ids are not used again, wherever the space is.
#[test]
fn a_space_whose_records_are_deleted_does_not_move_either() {
    let config = "
deployments:
  two:
    stores: { a: { kind: sqlite, path: a.db }, b: { kind: sqlite, path: b.db } }
    spaces: { home: a, away: b }
";
    let pattern = "space home\nspace away\nrecord Note in home { handler drop() { delete self } }\n";
    let files = folder(&[("notes.pattern", pattern), ("patternc.yaml", config)]);
    let path = files.path();
    let events = "{\"create\":\"Note\",\"as\":\"n\"}\n{\"to\":\"Note/n\",\"handler\":\"drop\"}\n";
    call_with(path, &["run", "--quiet"], events, 0);
    std::fs::write(path.join("patternc.yaml"), config.replace("home: a, away: b", "home: b, away: a")).expect("there is room");
    let said = call_with(path, &["run"], "", 2);
    assert!(said.contains("the store `a` has, or had, records of the space `home`"), "{said}");
}

/// As in tests and `explore`: an event for later may be what makes it hold.
#[test]
fn an_audit_says_that_events_for_later_keep_it_from_looking_at_eventually_invariants() {
    let files = bank();
    let path = files.path();
    let named = format!("{BANK}\neventually invariant named(a: Account) {{ a.name != \"Bob\" }}\n");
    std::fs::write(path.join("bank.pattern"), named).expect("there is room");
    let (opening, log) = OPENING.split_once("{\"id\":\"7\"").expect("it ends with what is for later");
    call_with(path, &["run", "--quiet"], opening, 0);
    assert!(call_with(path, &["audit"], "", 1).contains("the invariant `named` does not hold for Account/b"));
    call_with(path, &["run", "--quiet"], &format!("{{\"id\":\"7\"{log}"), 0);
    let said = call_with(path, &["audit"], "", 0);
    assert!(said.contains("1 event in flight (1 for later): `eventually` invariants need not hold now"), "{said}");
    let audited = json(path, &["audit", "--output-format", "json"]);
    assert_eq!((&audited["in_flight"], &audited["later"]), (&1.into(), &1.into()), "{audited}");
}

#[test]
fn an_audit_finds_what_no_commit_can_have_left() {
    let files = bank();
    let path = files.path();
    call_with(path, &["run", "--quiet"], OPENING, 0);
    assert!(call_with(path, &["audit"], "", 0).contains("3 records audited: 0 errors, 0 warnings"));
    // Another program sees the same data otherwise.
    let stricter = BANK.replace("a.friends.len() < 3", "a.friends.len() < 1");
    std::fs::write(path.join("bank.pattern"), stricter).expect("there is room");
    let said = call_with(path, &["audit"], "", 1);
    assert!(said.contains("error[invariant] the invariant `few` does not hold for Account/a/b]"), "{said}");
    let found = json(path, &["audit", "--output-format", "json"]);
    assert_eq!((&found["findings"][0]["kind"], &found["findings"][0]["record"]), (&"invariant".into(), &"Account/a/b]".into()), "{found}");
    // Under another deployment that names the file for one of the spaces only, the rest is lost from sight.
    std::fs::write(path.join("bank.pattern"), BANK).expect("there is room");
    std::fs::copy(path.join("one.db"), path.join("a.db")).expect("there is room");
    std::fs::copy(path.join("one.db"), path.join("b.db")).expect("there is room");
    let said = call_with(path, &["audit", "--deployment", "two"], "", 1);
    assert!(said.contains("error[misplaced] Journal/j@audit[x/y] is in a store that does not keep `audit[x/y]`"), "{said}");
}

#[test]
fn a_new_program_finds_its_defaults_and_loses_what_it_is_told_to_lose() {
    let v1 =
        "space home\nrecord Person in home {\n  cell name: Text\n  cell nick: Text = \"\"\n}\nrecord Note in home { cell text: Text }\n";
    let files = folder(&[("people.pattern", v1)]);
    let path = files.path();
    let events = "{\"create\":\"Person\",\"as\":\"a\",\"cells\":{\"name\":\"Ann\",\"nick\":\"A\"}}\n{\"create\":\"Note\",\"cells\":{\"text\":\"x\"}}\n";
    call_with(path, &["run", "--quiet"], events, 0);
    // A default that is computed from other cells of the record.
    let v2 = "space home\nrecord Person in home {\n  cell name: Text\n  cell slug: Text = self.name.lower() + \"-1\"\n}\n";
    std::fs::write(path.join("people.pattern"), v2).expect("there is room");
    let read = "{\"read\":\"Person/a\",\"cells\":[\"slug\"]}";
    let refused = call_with(path, &["run"], read, 2);
    assert!(refused.contains("Person.nick") && refused.contains("--discard"), "{refused}");
    assert!(call_with(path, &["run", "--discard", "Person.name"], read, 2).contains("nothing is lost"));
    assert_eq!(call(path, &["run", "--discard", "Person.nick"], read).status.code(), Some(2), "the notes are still there");
    let said = call_with(path, &["run", "--discard", "Person.nick", "--discard", "Note"], read, 0);
    assert!(said.contains("\"slug\":\"ann-1\""), "{said}");
    // From now on it is the program of these data.
    call_with(path, &["run"], read, 0);
}

#[test]
fn a_filter_that_matches_nothing_is_a_mistake() {
    let files = folder(&[("a.pattern", "test \"sums\" { expect 1 + 1 == 2 }\n")]);
    assert!(call_with(files.path(), &["test", "--filter", "sum"], "", 0).contains("1 passed"));
    assert!(call_with(files.path(), &["test", "--filter", "product"], "", 2).contains("no test has `product` in its name"));
}

const MOVERS: &str = r#"
space home
space away

record Room in away {
  cell open: Bool = true
  cell n: Int = 0
  internal handler enter() -> Int {
    self.n += 1
    return self.n
  }
  internal handler leave(n: Int) { self.n -= n }
  handler set_open(open: Bool) { self.open = open }
}

record Mover in home {
  cell rates: Int = 0
  internal handler check() { require self.rates > 0 else "no rates" }

  saga go(room: Room) {
    step n = rates.look(1)
    step m = rates.hold(n) undo rates.free(m)
    step room.enter() undo room.leave(1)
    step self.check()
  }
}

extern rates {
  look(n: Int) -> Int readonly
  hold(n: Int) -> Int idempotent
  free(n: Int) idempotent
}
"#;

const MOVERS_SERVICE: &str = r#"
call=$(cat)
case "$call" in
  *free*) echo "$call" >> freed; if [ -f free ]; then exit 0; fi; echo "not now"; exit 65;;
esac
echo 1
"#;

/// A saga that cannot be undone is parked; a retry that fails says so, and under which id it is parked now.
#[test]
fn a_saga_that_is_parked_again_is_followed_under_its_new_id() {
    let files = folder(&[("movers.pattern", MOVERS), ("patternc.yaml", CONFIG), ("rates.sh", MOVERS_SERVICE)]);
    let path = files.path();
    let events = "{\"create\":\"Room\",\"as\":\"r\"}\n{\"create\":\"Mover\",\"as\":\"m\"}\n\
                  {\"id\":\"g\",\"to\":\"Mover/m\",\"handler\":\"go\",\"args\":{\"room\":{\"ref\":\"Room/r\"}}}\n";
    let mut running = running(path, &["run", "-v"]);
    for line in events.lines() {
        let said = running.event(line);
        assert!(said.contains("committed") || said.contains("\"id\":\"g\",\"outcome\":\"pending\"") && said.contains("not now"), "{said}");
    }
    let status = || json(path, &["status", "--output-format", "json"]);
    let parked = |status: &Value| status["events"][0]["id"].as_str().unwrap_or_else(|| panic!("{status}")).to_owned();
    let first = parked(&status());
    // The process that runs the patterns is asked.
    let said = call_with(path, &["retry", &first], "", 1);
    let second = parked(&status());
    assert!(first != second && said.contains(&format!("{first} (rates.free): parked again as {second}: ")), "{said}");
    let line = json(path, &["retry", &second, "--output-format", "json"]);
    let third = parked(&status());
    assert_eq!((&line[0]["outcome"], &line[0]["parked"]), (&"parked".into(), &third.as_str().into()), "{line}");
    // Each asked under a key of its own: each was refused.
    assert_eq!(std::fs::read_to_string(path.join("freed")).expect("it was asked").lines().count(), 3);
    // Somebody has done it by hand: the saga goes on to its end.
    assert!(call_with(path, &["retry", &third, "--done", "1"], "", 2).contains("it has no result"));
    assert!(call_with(path, &["retry", &third, "--done"], "", 0).contains("rates.free): done"));
    running.end();
    let said = call_with(path, &["run", "--quiet"], events, 1);
    assert!(said.contains("\"id\":\"g\",\"outcome\":\"failed\",\"failure\":{\"kind\":\"rejected\",\"message\":\"no rates\"}"), "{said}");
    assert!(call_with(path, &["run", "--quiet"], "{\"read\":\"Room/r\",\"cells\":[\"n\"]}", 0).contains("\"n\":0"));
}

/// The step of a saga that cannot be reached is shown under one id, by the process that tries it and by `status`.
#[test]
fn a_step_that_is_tried_again_is_known_by_one_id() {
    let files = folder(&[("movers.pattern", MOVERS), ("patternc.yaml", CONFIG), ("rates.sh", "cat > /dev/null\nexit 75\n")]);
    let mut running = running(files.path(), &["run", "-v"]);
    running.event("{\"create\":\"Room\",\"as\":\"r\"}");
    running.event("{\"create\":\"Mover\",\"as\":\"m\"}");
    running.tell("{\"id\":\"g\",\"to\":\"Mover/m\",\"handler\":\"go\",\"args\":{\"room\":{\"ref\":\"Room/r\"}}}");
    let said = until(|| Some(running.said()).filter(|said| said.contains("rates.look is tried again and again")));
    let status = json(files.path(), &["status", "--output-format", "json"]);
    let ids: Vec<&str> = status["events"].as_array().into_iter().flatten().filter_map(|event| event["id"].as_str()).collect();
    assert!(ids.iter().any(|id| said.contains(&format!("(event {id})"))), "{said}\n{status}");
    running.kill();
}

const COUNTERS: &str = r#"
space home
space away

record Room in away {
  cell n: Int = 0
  internal handler enter() { self.n += 1 }
}

record Mover in home {
  cell rooms: Int = 0
  internal handler check() { require self.rooms >= 0 else "no rooms" }

  saga go(room: Room) {
    pivot self.check()
    step room.enter()
  }
}
"#;

/// A step that has to be done, and that its receiver cannot take, is sent again as ever new events: that is one trouble, and told.
#[test]
fn a_saga_that_is_stuck_is_told_and_shown() {
    let config = CONFIG.split("    externs:").next().expect("there is what comes before");
    let files = folder(&[("counters.pattern", COUNTERS), ("patternc.yaml", config)]);
    let path = files.path();
    let mut running = running(path, &["run"]);
    for line in [r#"{"create":"Room","as":"r","cells":{"n":9223372036854775807}}"#, r#"{"create":"Mover","as":"m"}"#] {
        let said = running.event(line);
        assert!(said.contains("committed"), "{said}");
    }
    running.tell(r#"{"to":"Mover/m","handler":"go","args":{"room":{"ref":"Room/r"}}}"#);
    let said = until(|| Some(running.said()).filter(|said| said.contains("again and again")));
    assert!(said.contains("Room/r.enter is tried again and again, for ") && said.contains("it was rejected "), "{said}");
    assert!(!said.contains(" for 0 s"), "{said}");
    let stuck = || {
        let status = json(path, &["status", "--output-format", "json"]);
        let event = &status["events"][0];
        let reason = event["reason"].as_str().unwrap_or_default();
        let goes_on = event["way-out"].as_str().is_some_and(|way| way.starts_with("it goes on by itself once what rejects it is mended"));
        goes_on && event["state"] == "retrying" && reason.starts_with("it was rejected ") && reason.contains(" times, last: ")
    };
    until(|| stuck().then_some(()));
    let id = json(path, &["status", "--output-format", "json"])["events"][0]["id"].as_str().expect("it has an id").to_owned();
    assert!(said.contains(&format!("(event {id})")), "{said}");
    assert!(call_with(path, &["retry", &id, "--done"], "", 2).contains("is not parked: it is still on its way"));
    // It does not pass by itself: it is parked, and a monitor sees that. Nobody runs the patterns any more: the store knows it as well.
    until(|| (call(path, &["status", "--quiet"], "").status.code() == Some(1)).then_some(()));
    running.kill();
    let status = call_with(path, &["status"], "", 1);
    assert!(status.contains(&format!("parked    {id}  ")) && status.contains("was rejected 8 times"), "{status}");
    assert!(status.contains(&format!("`patternc retry {id} --done [RESULT]`")), "{status}");
    // It is tried once more, and has the same id still.
    let retried = call_with(path, &["retry", &id], "", 1);
    assert!(retried.contains(&format!("{id} (Room/r.enter): parked again: ")), "{retried}");
    assert!(call_with(path, &["retry", &id, "--done"], "", 0).contains(&format!("{id} (Room/r.enter): done")));
    assert!(call_with(path, &["status"], "", 0).contains("nothing is on its way"));
}

#[cfg(unix)]
#[test]
fn a_pipe_takes_an_export_and_stays_a_pipe() {
    use std::os::unix::fs::FileTypeExt;
    let place = folder(&[("a.pattern", "space home\nrecord R in home {\n  cell n: Int = 0\n}\n")]);
    let mut run = patternc(place.path());
    run.arg("run");
    assert!(run_with_input(run, "{\"create\":\"R\",\"as\":\"one\"}\n").status.success());
    let pipe = place.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("it is part of the system").success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).expect("it is there")
    });
    let output = patternc(place.path()).args(["export", "--output", "pipe"]).output().expect("the binary of the test starts");
    assert!(output.status.success(), "{}", seen(&output));
    assert!(std::fs::symlink_metadata(&pipe).expect("it is there").file_type().is_fifo(), "replaced by a file");
    assert!(reader.join().expect("it reads").contains("R/one"));
    assert!(!place.path().join("pipe.part").exists());
}

/// What stood in the way last is told also when nobody tries any more.
#[test]
fn what_was_tried_again_is_told_between_runs() {
    let files = desk();
    std::fs::write(files.path().join("down"), "").expect("there is room");
    let mut running = running(files.path(), &["run"]);
    running.event("{\"create\":\"Desk\",\"as\":\"d\"}");
    running.event("{\"to\":\"Desk/d\",\"handler\":\"ask\",\"args\":{\"agent\":\"ann\"}}");
    until(|| Some(running.said()).filter(|said| said.contains("rates.quote is tried again and again")));
    running.kill();
    let said = call_with(files.path(), &["status"], "", 0);
    assert!(said.contains("nobody uses it") && said.contains("the line is down") && said.contains("1 tried again and again"), "{said}");
    assert!(said.contains("tried again when the patterns are run next"), "{said}");
    let status = json(files.path(), &["status", "--output-format", "json"]);
    assert_eq!((&status["events"][0]["state"], &status["events"][0]["next"]), (&"retrying".into(), &Value::Null), "{status}");
    // Nothing is left of it once it is done.
    std::fs::write(files.path().join("rate"), "7\n").expect("there is room");
    call_with(files.path(), &["run", "--quiet"], "", 0);
    assert!(call_with(files.path(), &["status"], "", 0).contains("nothing is on its way"));
}

const HALVES: &str = r#"
space home

record Gate in home {
  cell open: Bool = false
  handler unlock() { self.open = true }
  internal handler pass() { require self.open else "closed" }
}

record Guest in home {
  cell visits: Int = 0
  internal handler visit(gate: Gate) {
    self.visits += 1
    return send gate.pass()
  }
  handler come(gate: Gate) { send self.visit(gate) }
}
"#;

/// What was done before the rejection stays: to take it up again as it is would do that twice, and is not advised.
#[test]
fn what_failed_half_way_is_not_advised_to_be_simply_repeated() {
    let config = CONFIG.split("    externs:").next().expect("there is what comes before");
    let files = folder(&[("halves.pattern", HALVES), ("patternc.yaml", config)]);
    let path = files.path();
    let gate = r#"{"gate":{"ref":"Gate/g"}}"#;
    let come = format!(r#"{{"to":"Guest/u","handler":"come","args":{gate}}}"#);
    let events = [r#"{"create":"Gate","as":"g","cells":{}}"#, r#"{"create":"Guest","as":"u","cells":{}}"#, &come].join("\n");
    call_with(path, &["run", "--quiet"], &(events + "\n"), 0);
    let status = json(path, &["status", "--output-format", "json"]);
    let (event, id) = (&status["events"][0], status["events"][0]["id"].as_str().unwrap_or_else(|| panic!("{status}")));
    let way_out = event["way-out"].as_str().unwrap_or_default();
    assert!(way_out.contains("some of it may have been done") && way_out.contains("--not-done` does all of it anew"), "{status}");
    assert!(call_with(path, &["retry", id], "", 2).contains("some of Guest/u.visit may have been done before it failed"));
    // The way out: look, mend, and say what is so.
    call_with(path, &["run", "--quiet"], "{\"to\":\"Gate/g\",\"handler\":\"unlock\"}\n", 0);
    assert!(call_with(path, &["retry", id, "--not-done"], "", 0).contains("Guest/u.visit): done"));
}
