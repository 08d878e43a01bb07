//! Facts of a mirror that the other side refuses: taken up again, reconciled, and settled by who has looked; and one that is to tell another side.

use std::path::Path;

use serde_json::Value;

use crate::patternc::{Running, folder, patternc, run_with_input, seen};

const PATTERN: &str = r#"
space home
struct Right { doc: Text, who: Text }
extern az {
  put(right: Right) idempotent
  del(right: Right) idempotent
  list(doc: Text) -> List<Right> readonly
}
record Doc in home {
  cell name: Text
  cell readers: Set<Text> = Set[]
  handler share(name: Text) { self.readers += name }
  handler unshare(name: Text) { self.readers -= name }
}
mirror rights of Doc to az {
  facts(doc) = doc.readers.map(name => Right { doc: doc.name, who: name })
  add(right) = az.put(right)
  remove(right) first = az.del(right)
  actual(name) = az.list(name)
  scope(doc) = doc.name
}
"#;

const CONFIG: &str = r#"
limits: { unavailable-timeout: 200ms }
deployments:
  local:
    stores: { main: { kind: sqlite, path: state.db } }
    spaces: { "*": main }
    externs: { az: { kind: command, run: ["sh", "./az.sh"], replays: true } }
"#;

/// Says that it has what is in the file `there`, and refuses changes while there is a file that says why.
const SERVICE: &str = r#"
read -r call
echo "$call" >> calls
case "$call" in *'"list"'*) cat there; exit 0;; esac
if [ -f refuses ]; then cat refuses; exit 65; fi
"#;

const BOB: &str = r#"[{"doc":"plan","who":"bob"}]"#;

/// Bob's right was told, and cannot be taken away.
fn revoked() -> tempfile::TempDir {
    let files = folder(&[("a.pattern", PATTERN), ("patternc.yaml", CONFIG), ("az.sh", SERVICE), ("there", BOB)]);
    let doc = "{\"create\":\"Doc\",\"as\":\"d\",\"cells\":{\"name\":\"plan\",\"readers\":[\"bob\"]}}\n";
    call(files.path(), &["run", "--quiet"], doc, 0);
    write(files.path(), "refuses", "\"no such right\"");
    call(files.path(), &["run", "--quiet"], UNSHARE, 1);
    files
}

const UNSHARE: &str = "{\"id\":\"u\",\"to\":\"Doc/d\",\"handler\":\"unshare\",\"args\":{\"name\":\"bob\"}}\n";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("there is room");
}

#[track_caller]
fn call(folder: &Path, arguments: &[&str], input: &str, status: i32) -> String {
    let mut command = patternc(folder);
    command.args(arguments);
    let output = run_with_input(command, input);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{}", seen(&output));
    seen(&output)
}

/// The ids of what is parked.
fn parked(folder: &Path) -> Vec<String> {
    let mut command = patternc(folder);
    command.args(["status", "--output-format", "json"]);
    let output = run_with_input(command, "");
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", seen(&output)));
    let events = status["events"].as_array().expect("a list").iter();
    events.filter(|event| event["state"] == "parked").map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

#[track_caller]
fn only_parked(folder: &Path) -> String {
    let parked = parked(folder);
    let [id] = &parked[..] else { panic!("{parked:?}") };
    id.clone()
}

#[test]
fn a_fact_that_is_refused_again_is_parked_again() {
    let files = revoked();
    let path = files.path();
    let before = refused_again(path, &only_parked(path));
    // The same of the process that runs the patterns.
    let mut command = patternc(path);
    command.arg("run");
    let mut running = Running::start(command);
    assert!(running.event("{\"read\":\"Doc/d\"}").contains("value"));
    refused_again(path, &before);
    running.end();
    std::fs::remove_file(path.join("refuses")).expect("it was there");
    assert!(call(path, &["retry"], "", 0).contains("(az.del): done"));
    assert_eq!(parked(path), [] as [String; 0]);
}

/// Retries it; gives the id under which it is parked then.
#[track_caller]
fn refused_again(path: &Path, before: &str) -> String {
    let said = call(path, &["retry"], "", 1);
    let second = only_parked(path);
    assert!(second != before && said.contains(&format!("{before} (az.del): parked again as {second}: ")), "{said}");
    assert!(said.contains("no such right"), "{said}");
    let lines: Value = serde_json::from_str(&call(path, &["retry", &second, "--output-format", "json"], "", 1)).expect("it is JSON");
    let third = only_parked(path);
    assert_eq!((&lines[0]["outcome"], &lines[0]["parked"]), (&"parked".into(), &third.as_str().into()), "{lines}");
    third
}

/// Somebody has taken the right away by hand: there is nothing to remove, and the other side says so.
#[test]
fn a_removal_of_what_is_not_there_is_settled_by_a_reconciliation() {
    let files = revoked();
    let path = files.path();
    // Whoever relies on the removal is not told.
    assert!(call(path, &["run", "--quiet"], UNSHARE, 1).contains("unavailable"));
    write(path, "there", "[]");
    let said = call(path, &["reconcile", "rights", "plan"], "", 0);
    assert!(
        said.contains("rights(\"plan\"): 0 facts, all as they should be\n  = {\"doc\":\"plan\",\"who\":\"bob\"}: no longer parked\n"),
        "{said}"
    );
    assert_eq!(parked(path), [] as [String; 0]);
    assert!(call(path, &["run", "--quiet"], UNSHARE, 0).contains("committed"));
    // And by who says so.
    let files = revoked();
    let path = files.path();
    let id = only_parked(path);
    assert!(call(path, &["retry", &id, "--done", "1"], "", 2).contains("it has no result"));
    assert!(call(path, &["retry", &id, "--done"], "", 0).contains("(az.del): done"));
    assert!(call(path, &["run", "--quiet"], UNSHARE, 0).contains("committed"));
}

#[test]
fn a_fact_that_every_reconciliation_finds_refused_is_parked_once() {
    let files = revoked();
    let path = files.path();
    for _ in 0..3 {
        let before = only_parked(path);
        let said = call(path, &["reconcile", "rights", "plan"], "", 1);
        let first = said.lines().next().expect("it says something");
        assert_eq!(first, "rights(\"plan\"): 0 facts, 0 missing and added, 0 too much and removed, 1 refused and parked");
        assert!(said.contains("  ! {\"doc\":\"plan\",\"who\":\"bob\"}: az refuses"), "{said}");
        assert_ne!(only_parked(path), before);
    }
    // Taken away by hand, or granted anew: nothing takes that back.
    std::fs::remove_file(path.join("refuses")).expect("it was there");
    call(path, &["run", "--quiet"], &UNSHARE.replace("unshare", "share").replace("\"u\"", "\"s\""), 0);
    assert_eq!(parked(path), [] as [String; 0]);
    let calls = std::fs::read_to_string(path.join("calls")).expect("it was asked");
    assert!(calls.lines().last().is_some_and(|call| call.contains("\"put\"")), "{calls}");
}

/// What was never there, since the other side knows no such reader, is not there after it was taken back either.
#[test]
fn what_the_other_side_never_took_is_in_nobodys_way_when_it_is_taken_back() {
    let (files, share) = never_taken(SERVICE, CONFIG);
    let path = files.path();
    call(path, &["run", "--quiet"], &share, 0);
    only_parked(path);
    assert!(call(path, &["run", "--quiet"], UNSHARE, 0).contains("committed"));
    assert_eq!(parked(path), [] as [String; 0]);
    let calls = std::fs::read_to_string(path.join("calls")).expect("it was asked");
    assert!(calls.lines().last().is_some_and(|call| call.contains("\"del\"")), "it is asked all the same: {calls}");
    // Granted once more, and taken by then: what is refused now is in the way.
    std::fs::remove_file(path.join("refuses")).expect("it was there");
    call(path, &["run", "--quiet"], &share.replace("\"s\"", "\"s2\""), 0);
    write(path, "refuses", "\"not now\"");
    let said = call(path, &["run", "--quiet"], &UNSHARE.replace("\"u\"", "\"u2\""), 1);
    let id = only_parked(path);
    assert!(said.contains(&format!("`patternc retry {id}`")) && said.contains("`patternc reconcile rights`"), "{said}");
}

/// An add that was refused once its first answer was lost may have arrived: what takes it back is waited for.
#[test]
fn what_the_other_side_may_have_taken_is_waited_for() {
    let lost = SERVICE.replace("exit 65", "if [ ! -f lost ]; then touch lost; exit 3; fi; exit 65");
    let (files, share) = never_taken(&lost, &CONFIG.replace(", replays: true", ""));
    let path = files.path();
    call(path, &["run", "--quiet"], &share, 0);
    assert!(call(path, &["run", "--quiet"], UNSHARE, 1).contains("unavailable"));
    only_parked(path);
}

/// A document of which the other side is to be told in vain, and what grants bob's right.
fn never_taken(service: &str, config: &str) -> (tempfile::TempDir, String) {
    let files = folder(&[("a.pattern", PATTERN), ("patternc.yaml", config), ("az.sh", service), ("there", "[]")]);
    let path = files.path();
    call(path, &["run", "--quiet"], "{\"create\":\"Doc\",\"as\":\"d\",\"cells\":{\"name\":\"plan\"}}\n", 0);
    write(path, "refuses", "\"no such reader\"");
    (files, UNSHARE.replace("unshare", "share").replace("\"u\"", "\"s\""))
}

/// Another extern would be told only of what changes: it has to be a new mirror, which tells all.
#[test]
fn a_mirror_that_is_to_tell_another_extern_is_put_in_anew() {
    let files = folder(&[("a.pattern", PATTERN), ("patternc.yaml", CONFIG), ("az.sh", SERVICE), ("there", BOB)]);
    let path = files.path();
    let doc = "{\"create\":\"Doc\",\"as\":\"d\",\"cells\":{\"name\":\"plan\",\"readers\":[\"bob\"]}}\n";
    call(path, &["run", "--quiet"], doc, 0);
    let other = PATTERN.replace("extern az {", "extern other {").replace("to az ", "to other ").replace("az.", "other.");
    write(path, "patternc.yaml", &CONFIG.replace("az: {", "other: {"));
    write(path, "a.pattern", &other);
    let refused = call(path, &["run", "--quiet"], "", 2);
    assert!(refused.contains("the mirror `rights` has told `az` of 1 facts") && refused.contains("--discard rights`"), "{refused}");
    let (without, _) = other.split_once("mirror rights").expect("it has a mirror");
    write(path, "a.pattern", without);
    call(path, &["run", "--quiet", "--discard", "rights"], "", 0);
    write(path, "calls", "");
    write(path, "a.pattern", &other);
    call(path, &["run", "--quiet"], "", 0);
    let calls = std::fs::read_to_string(path.join("calls")).expect("it was asked");
    assert!(calls.contains("\"put\"") && calls.contains("\"bob\""), "{calls}");
}

/// With what it kept beside its facts, and not while it is there.
#[test]
fn a_mirror_that_is_taken_out_goes_with_all_that_it_kept() {
    let answers = PATTERN.replace("(right: Right) idempotent", "(right: Right) -> Text idempotent");
    let kept = || {
        let service = format!("{SERVICE}\necho '\"t1\"'\n");
        let files = folder(&[("a.pattern", &answers), ("patternc.yaml", CONFIG), ("az.sh", &service), ("there", BOB)]);
        let doc = "{\"create\":\"Doc\",\"as\":\"d\",\"cells\":{\"name\":\"plan\",\"readers\":[\"bob\"]}}\n";
        call(files.path(), &["run", "--quiet"], doc, 0);
        for name in ["rights", "rights.facts", "rights.tokens"] {
            assert!(call(files.path(), &["run", "--quiet", "--discard", name], "", 2).contains("nothing is lost"));
        }
        write(files.path(), "a.pattern", answers.split_once("mirror rights").expect("it has a mirror").0);
        files
    };
    let files = kept();
    let refused = call(files.path(), &["run", "--quiet"], "", 2);
    assert!(refused.contains("`rights` has told `az` of 1 facts") && refused.contains("--discard rights`"), "{refused}");
    call(files.path(), &["run", "--quiet", "--discard", "rights"], "", 0);
    call(files.path(), &["run", "--quiet"], "", 0);
    // Each by its own name.
    let files = kept();
    let refused = call(files.path(), &["run", "--quiet", "--discard", "rights.facts"], "", 2);
    assert!(refused.contains("1 records of the type rights.tokens") && refused.contains("--discard rights`"), "{refused}");
    call(files.path(), &["run", "--quiet", "--discard", "rights.facts", "--discard", "rights.tokens"], "", 0);
    call(files.path(), &["run", "--quiet"], "", 0);
}
