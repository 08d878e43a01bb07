//! `patternc explore` with events that are made up, and `check --confirm`: what is known to go wrong is found, in a shortest way, and the test
//! that is printed goes wrong too.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::patternc::{patternc, repository, seen};

const LINKS: &str = r#"space left
space right

record A in left {
  cell bs: Set<B@right> = Set[]
  handler add(b: B@right) { self.bs += b  send b.added(self) }
  internal handler removed(b: B@right) { self.bs -= b }
}

record B in right {
  cell as: Set<A@left> = Set[]
  internal handler added(a: A@left) { self.as += a }
  handler remove(a: A@left) { self.as -= a  send a.removed(self) }
}

eventually invariant back(b: B) { b.as.all(a => b in a.bs) }
"#;

const DOCTORS: &str = r#"space east
space west

record Doctor in east {
  cell on_duty: Bool = true
  cell other: Nurse@west
  handler leave() {
    require self.other.on_duty else "somebody must stay"
    self.on_duty = false
  }
}

record Nurse in west {
  cell on_duty: Bool = true
  handler leave(other: Doctor@east) {
    require other.on_duty else "somebody must stay"
    self.on_duty = false
  }
}

eventually invariant covered(d: Doctor) { d.on_duty || d.other.on_duty }
"#;

const TWO_STORES: &str = "project: doctors
deployments:
  two:
    stores: { a: { kind: memory }, b: { kind: memory } }
    spaces: { east: a, west: b }
";

const CLAIM: &str = r#"space claims
space board

record Claim in claims {
  cell bounty: Bounty@board
  cell agent: Text
  cell granted: Bool = false
  handler ask() {
    send self.bounty.reserve(self.agent) then {
      ok() => { self.granted = true }
      err(e) => { self.granted = false }
    }
  }
  handler cancel() {
    self.granted = false
    send self.bounty.release(self.agent)
  }
}

record Bounty in board {
  cell holder: Text?
  internal handler reserve(agent: Text) { require self.holder == none else "taken"  self.holder = agent }
  internal handler release(agent: Text) { if self.holder == agent { self.holder = none } }
}

eventually invariant agreed(c: Claim) { c.granted == (c.bounty.holder == c.agent) }
"#;

const DOORS: &str = r#"space hall
space vault

record Guest in hall {
  cell steps: Int = 0
  cell door: Door@vault
  handler enter() {
    self.steps += 1
    send self.door.pass() ARM
  }
}

record Door in vault {
  cell is_open: Bool = false
  internal handler pass() { require self.is_open else "locked" }
}

test "a guest at a locked door" {
  let door = create Door in vault { }
  let guest = create Guest in hall { door: door }
  guest.enter()
  expect guest.steps < 2
}
"#;

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("there is room for a file");
    }
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    patternc(folder).args(arguments).output().expect("the binary of the test starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(output)))
}

/// The violation that is found with these arguments, after showing that the test printed with it fails alike.
fn found(pattern: &str, arguments: &[&str]) -> Value {
    let folder = project(&[("it.pattern", pattern), ("patternc.yaml", TWO_STORES)]);
    let output = run(folder.path(), &[&["explore", "--output-format", "json", "--deployment", "two"][..], arguments].concat());
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    json(&output)["tests"][0]["violation"].clone()
}

fn steps(violation: &Value) -> Vec<&str> {
    let steps = violation["steps"].as_array().expect("a violation has steps");
    steps.iter().map(|step| step["what"].as_str().expect("a step says what happens")).collect()
}

/// A project with the test that is printed fails alike, by the command that is printed with it. `config`: its patternc.yaml, if it has one.
fn fails_again(pattern: &str, config: Option<&str>, violation: &Value) -> tempfile::TempDir {
    let test = violation["test"].as_str().expect("a violation has a test");
    let command = violation["command"].as_str().expect("a violation has a command");
    let text = format!("{pattern}\n{test}");
    let folder = project(&[("it.pattern", &text)]);
    if let Some(config) = config {
        std::fs::write(folder.path().join("patternc.yaml"), config).expect("there is room for a file");
    }
    let arguments: Vec<&str> = command.split(' ').skip(1).chain(["--runs", "3"]).collect();
    let output = run(folder.path(), &arguments);
    let said = seen(&output);
    assert!(output.status.code() == Some(1) && said.contains("does not hold"), "{said}\n{test}");
    folder
}

#[test]
fn made_up_events_part_the_two_ends_of_a_link() {
    let folder = project(&[("it.pattern", LINKS)]);
    let output = run(folder.path(), &["explore", "--events", "2", "--records", "1", "--output-format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    let all = json(&output);
    let explored = &all["tests"][0];
    let violation = &explored["violation"];
    assert_eq!(violation["kind"], "eventually");
    assert_eq!(steps(violation), ["a1.add(b1)", "b1.remove(a1)", "b1.added(a1)", "a1.removed(b1)"]);
    // One alone does no harm: all of those were tried first.
    assert_eq!((&explored["generated"]["events"], &explored["generated"]["at_once"]), (&Value::from(2), &Value::from(2)));
    assert_eq!((&all["bounds"]["events"], &all["bounds"]["records"]), (&Value::from(2), &Value::from(1)));
    fails_again(LINKS, None, violation);
}

#[test]
fn made_up_events_leave_a_claim_dangling() {
    let folder = project(&[("it.pattern", CLAIM)]);
    let output = run(folder.path(), &["explore", "--events", "2", "--records", "1", "--output-format", "json"]);
    let all = json(&output);
    let violation = &all["tests"][0]["violation"];
    assert_eq!(violation["kind"], "eventually", "{}", seen(&output));
    assert_eq!(steps(violation).len(), 5, "{violation:#}");
    fails_again(CLAIM, None, violation);
}

#[test]
fn made_up_events_let_both_doctors_leave_where_two_stores_keep_them() {
    let violation = found(DOCTORS, &["--events", "2", "--records", "1"]);
    let steps = steps(&violation);
    let (reads, commits): (Vec<&str>, Vec<&str>) = steps.iter().partition(|step| step.ends_with(" reads"));
    assert!(reads.len() == 2 && commits.len() == 2 && steps[..2] == reads, "{steps:?}");
    assert_eq!(violation["command"], "patternc test --deployment two");
    let folder = fails_again(DOCTORS, Some(TWO_STORES), &violation);
    // The default deployment says so too, and stores may be files.
    for arguments in [&["test"][..], &["test", "--store", "sqlite"]] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    }
    // One store validates what it has read: who comes second is told.
    let one = "project: doctors\ndeployments:\n  one:\n    stores: { a: { kind: memory } }\n    spaces: { east: a, west: a }\n";
    std::fs::write(folder.path().join("patternc.yaml"), one).expect("there is room for a file");
    let output = run(folder.path(), &["test", "--deployment", "one"]);
    assert!(output.status.success(), "{}", seen(&output));
    let unknown = run(folder.path(), &["test", "--deployment", "two"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", seen(&unknown));
    let folder = project(&[("it.pattern", DOCTORS)]);
    let together = run(folder.path(), &["explore", "--events", "2", "--records", "1"]);
    let said = seen(&together);
    assert!(together.status.success() && said.contains("0 violations"), "{said}");
}

#[test]
fn a_test_that_shows_a_parked_event_fails_until_somebody_takes_it() {
    let folder = project(&[("it.pattern", &DOORS.replace("ARM", ""))]);
    let output = run(folder.path(), &["explore", "--output-format", "json"]);
    let violation = &json(&output)["tests"][0]["violation"];
    assert!(
        violation["message"].as_str().is_some_and(|message| message.contains("is parked: nobody takes its failure (rejected: locked)")),
        "{}",
        seen(&output)
    );
    let saved = violation["test"].as_str().expect("a violation has a test");
    let (patterns, _) = DOORS.split_once("test ").expect("it has a test");
    let outcome = |arm: &str| {
        let folder = project(&[("it.pattern", &format!("{}{saved}", patterns.replace("ARM", arm)))]);
        let output = run(folder.path(), &["test"]);
        (output.status.code(), seen(&output))
    };
    let (code, said) = outcome("");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("an event is parked") && said.contains("parked: ") && said.contains("locked"), "{said}");
    let (code, said) = outcome("then { err(_e) => { self.steps -= 1 } }");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_bound_that_cuts_the_search_is_said() {
    let folder = project(&[("it.pattern", LINKS)]);
    let few = run(folder.path(), &["explore", "--events", "2", "--sets", "3"]);
    let said = seen(&few);
    assert!(few.status.success() && said.starts_with("bound") && said.contains("not all: a bound was reached, --sets"), "{said}");
    // Of all sets together.
    let states = run(folder.path(), &["explore", "--events", "2", "--states", "40"]);
    let stopped = seen(&states);
    assert!(stopped.contains("a bound was reached, --states") && stopped.contains("explored, 0 violations, 4"), "{stopped}");
    assert!(said.contains("at most 2 events at once, 2 records of each type, 3 sets of events, 1 crash"), "{said}");
    let wrong = run(folder.path(), &["explore", "--records", "2"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", seen(&wrong));
}

#[test]
fn events_and_answers_are_made_up_by_their_types() {
    let pattern = r#"space home
enum Color { red, named(name: Text) }
struct Point { x: Int, y: Int }
extern bank { charge(amount: Int) -> Int idempotent }
record Wallet in home {
  cell name: Text key
  cell color: Color
  cell at: Point
  cell sum: Int = 0
  handler paint(color: Color, at: Point, note: Text?, on: Bool) {
    require note != "never" else "no"
    if on { self.color = color  self.at = at }
  }
  handler pay(amount: Int) {
    require amount != 77 else "no"
    send bank.charge(amount) then { ok(n) => { self.sum += n } err(_e) => { self.sum = 0 } }
  }
  handler when(_at: Time) { self.sum = 1 }
}
"#;
    let folder = project(&[("it.pattern", pattern)]);
    let output = run(folder.path(), &["explore", "--events", "1", "--failures", "1", "--output-format", "json"]);
    assert!(output.status.success(), "{}", seen(&output));
    let all = json(&output);
    let generated = &all["tests"][0]["generated"];
    // Of each of the two: twelve ways to paint, and two amounts.
    assert_eq!(generated["events"], 28, "{all:#}");
    let left_out = generated["left_out"].to_string();
    assert!(left_out.contains("Wallet.when is not sent: it needs a value that cannot be made up"), "{left_out}");
}

#[test]
fn records_that_cannot_be_made_are_left_out_with_what_needs_them() {
    let pattern = r#"space home
record Page in home {
  cell address: Text
  create { require self.address.starts_with("at://") else "no address" }
  handler touch() { self.address = self.address }
}
record Job in home {
  cell pending: Bool = true
  handler end() { self.pending = false }
}
record Reader in home {
  cell pages: Int = 0
  handler read(_page: Page) { self.pages += 1 }
  handler turn() { self.pages += 1 }
}
eventually invariant ended(j: Job) { !j.pending }
"#;
    let folder = project(&[("it.pattern", pattern)]);
    let output = run(folder.path(), &["explore", "--events", "2", "--records", "1", "--output-format", "json"]);
    assert!(output.status.success(), "{}", seen(&output));
    let all = json(&output);
    let generated = &all["tests"][0]["generated"];
    // Reader.turn is what is left.
    assert_eq!(generated["events"], 1, "{all:#}");
    let left_out = generated["left_out"].to_string();
    for said in [
        "no Page is made: create Page failed: rejected: no address",
        "no Job is made: nothing is on its way, and the invariant ended does not hold",
        "Reader.read is not sent: there is no record for `_page`",
    ] {
        assert!(left_out.contains(said), "{left_out}");
    }
    let nothing = run(&repository(), &["explore", "--events", "2", "--records", "1", "patterns/permissioned_spaces"]);
    let said = seen(&nothing);
    assert!(nothing.status.success() && said.contains("left out: no SpaceRecord is made") && said.starts_with("none"), "{said}");
}

const ASKS: &str = r#"space home
extern shop { order(id: Text) -> Int idempotent }
record Buyer in home {
  cell refused: Int = 0
  cell bought: Int = 0
  handler buy() {
    send shop.order("tea") then { ok(n) => { self.bought += n } err(_e) => { self.refused += 1 } }
  }
}
test "the first is refused" {
  given shop.order(_id) => 1
  given shop.order fails "sold out" 1 times
  let ann = create Buyer in home { }
  ann.buy()
  ann.buy()
  expect ann.refused == REFUSED && ann.bought == 1
}
"#;

#[test]
fn a_call_that_comes_again_is_answered_as_before() {
    let explore = |text: &str, arguments: &[&str]| {
        let folder = project(&[("it.pattern", text)]);
        run(folder.path(), &[&["explore"][..], arguments].concat())
    };
    let right = explore(&ASKS.replace("REFUSED", "1"), &["--crashes", "2"]);
    assert!(right.status.success(), "{}", seen(&right));
    // Nor does a crash hide what is wrong.
    let wrong = explore(&ASKS.replace("REFUSED", "0"), &["--crashes", "2"]);
    assert_eq!(wrong.status.code(), Some(1), "{}", seen(&wrong));
    let seeds = run(&repository(), &["explore", "patterns/token_refresh"]);
    let said = seen(&seeds);
    assert!(seeds.status.success() && said.contains("7 tests explored, 0 violations"), "{said}");
}

/// The verdicts on the findings of a rule.
fn verdicts(folder: &Path, rule: &str) -> Vec<Value> {
    let output = run(folder, &["check", "--confirm", "--output-format", "json"]);
    let findings = json(&output);
    let of_rule = findings.as_array().expect("findings are a list").iter().filter(|finding| finding["rule"] == rule);
    of_rule.map(|finding| finding["confirmed"].clone()).collect()
}

/// The first example of what a rule reports, from its page.
fn bad_example(rule: &str) -> String {
    let page = seen(&run(Path::new("."), &["explain", rule]));
    let bad = page.split("## Bad").nth(1).expect("a page has a bad example");
    let block = bad.split("```pattern").nth(1).and_then(|rest| rest.split("```").next()).expect("it is a pattern");
    block.split_once('\n').expect("it begins on a line of its own").1.to_owned()
}

#[test]
fn findings_of_the_rules_own_examples_are_confirmed() {
    let expected = [
        ("split-invariant", "shown", "the invariant both_ways does not hold"),
        ("missing-undo", "shown", "it was refused, and what it did is not undone"),
        ("undo-mismatch", "shown", "it was refused, and what it did is not undone"),
        ("dropped-failure", "shown", "it is parked: nobody takes it"),
        ("fallible-after-pivot", "shown", "was never answered: it is tried again and again"),
        ("dual-write", "shown", "the outside did it and its answer was lost"),
        // Nothing else lets go of what the saga itself has taken.
        ("fallible-undo", "not found", "tests of up to 2 events made up"),
        ("unsafe-retry", "possible", "it shows in what the outside does"),
        // Neither can be made before the other.
        ("send-cycle", "possible", "no event from outside can be made up"),
    ];
    for (rule, verdict, why) in expected {
        let folder = project(&[("it.pattern", &bad_example(rule))]);
        let found = verdicts(folder.path(), rule);
        let confirmed = found.first().unwrap_or_else(|| panic!("{rule} is not reported"));
        assert_eq!(confirmed["verdict"], verdict, "{rule}: {confirmed:#}");
        assert!(confirmed.to_string().contains(why), "{rule}: {confirmed:#}");
        assert_eq!(verdict == "shown", confirmed["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{rule}: {confirmed:#}");
    }
}

#[test]
fn confirmed_findings_say_so_in_every_format() {
    let folder = project(&[("it.pattern", LINKS)]);
    let check = |format: &str| seen(&run(folder.path(), &["check", "--confirm", "--output-format", format]));
    let concise = check("concise");
    assert_eq!(concise.matches("warn[unserializable-chain]").count(), 2, "{concise}");
    assert_eq!(concise.matches(" (shown)").count(), 2, "{concise}");
    let full = check("full");
    assert!(full.contains("shown by running it:") && full.contains("1. ") && full.contains("no order of whole events"), "{full}");
    let sarif = check("sarif");
    assert!(sarif.contains("\"confirmed\": {") && sarif.contains("\"verdict\": \"shown\""), "{sarif}");
    // Without being asked, nothing is run.
    let plain = seen(&run(folder.path(), &["check", "--output-format", "json"]));
    assert!(!plain.contains("confirmed"), "{plain}");
}

#[test]
fn what_depends_on_numbers_at_the_start_is_shown_from_one_that_shows_it() {
    // Where the other side has less than four, nobody is refused.
    let text = "space front\nspace back\nrecord Right in back {\n  cell n: Int = 0\n  internal handler take() {\n    require self.n < 4 else \
                \"much\"\n    self.n = self.n * 2\n  }\n}\nrecord Left in front {\n  cell right: Right\n  cell n: Int = 1\n  handler work() {\n    \
                self.n = 5\n    return send self.right.take() then { err(_e) => { self.n -= 1 } }\n  }\n}\n";
    let found = verdicts(project(&[("it.pattern", text)]).path(), "unserializable-chain");
    assert!(found.len() == 1 && found[0]["verdict"] == "shown", "{found:#?}");
}

#[test]
fn records_that_must_share_a_space_are_run_in_one() {
    let text = "space team[Text]\nspace back\nrecord Log in back {\n  cell n: Int = 1\n  internal handler note(v: Int) { self.n = self.n * 3 + v \
                }\n}\nrecord Count in team { cell n: Int = 1 }\nrecord Member in team {\n  cell count: Count\n  cell log: Log@back\n  handler \
                work(v: Int) writes Count.n {\n    self.count.n = self.count.n * 5 + v\n    send self.log.note(v)\n  }\n}\n";
    let found = verdicts(project(&[("it.pattern", text)]).path(), "unserializable-chain");
    assert!(found.len() == 1 && found[0]["verdict"] == "shown", "{found:#?}");
}

#[test]
fn two_lists_that_end_in_different_orders_are_shown_where_somebody_looks() {
    let newest = "  handler newest() -> Text? { return self.posts.last() }\n";
    let list = format!("  cell posts: List<Text> = []\n  internal handler put(text: Text) {{ self.posts += text }}\n{newest}");
    let text = format!(
        "space front\nspace back\nrecord Board in back {{\n{list}}}\nrecord Wall in back {{\n{list}}}\nrecord Poster in front {{\n  cell board: \
         Board\n  cell wall: Wall\n  handler post(text: Text) {{\n    send self.board.put(text)\n    send self.wall.put(text)\n  }}\n}}\n"
    );
    let found = verdicts(project(&[("it.pattern", &text)]).path(), "unserializable-chain");
    assert!(found.len() == 1 && found[0]["verdict"] == "shown", "{found:#?}");
    assert_eq!(verdicts(project(&[("it.pattern", &text.replace(newest, ""))]).path(), "unserializable-chain"), [Value::Null; 0]);
}

#[test]
fn a_guard_in_another_store_and_a_cycle_are_shown() {
    let folder = project(&[("it.pattern", DOCTORS), ("patternc.yaml", TWO_STORES)]);
    let stale = verdicts(folder.path(), "stale-guard");
    assert!(!stale.is_empty() && stale.iter().all(|confirmed| confirmed["verdict"] == "shown"), "{stale:#?}");
    let lamps = "space home\nspace office\nrecord Lamp in home {\n  cell on: Bool = false\n  handler light(at: Switch@office, on: Bool) {\n    \
                 self.on = on\n    send at.show(self, on)\n  }\n}\nrecord Switch in office {\n  cell on: Bool = false\n  internal handler \
                 show(lamp: Lamp@home, on: Bool) {\n    self.on = on\n    send lamp.light(self, on)\n  }\n}\n";
    let folder = project(&[("it.pattern", lamps)]);
    // Its other finding is about four events that go on for ever, which takes long.
    let output = run(folder.path(), &["check", "--confirm", "--output-format", "json", "--ignore", "unserializable-chain"]);
    let findings = json(&output);
    let of_rule = findings.as_array().expect("findings are a list").iter().filter(|finding| finding["rule"] == "send-cycle");
    let cycle: Vec<Value> = of_rule.map(|finding| finding["confirmed"].clone()).collect();
    assert!(cycle.len() == 1 && cycle[0]["verdict"] == "shown", "{cycle:#?}");
    assert_eq!(cycle[0]["end"], "and so on: no schedule comes to an end");
}

#[test]
fn ctrl_c_shows_what_is_known() {
    let calls: String = (0..9).map(|n| format!("    a.add({n})\n    b.add({n})\n")).collect();
    let pattern = format!(
        "space home\nrecord A in home {{\n  cell ns: List<Int> = []\n  handler add(n: Int) {{ self.ns += n  send self.added(n) }}\n  \
         internal handler added(n: Int) {{ self.ns += n }}\n}}\ntest \"many\" {{\n  let a = create A in home {{ }}\n  let b = create A in home \
         {{ }}\n  concurrently {{\n{calls}  }}\n  expect true\n}}\n"
    );
    let folder = project(&[("it.pattern", &pattern)]);
    let mut command = patternc(folder.path());
    let child = command.args(["explore", "--states", "100000000"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the binary of the test starts");
    // It listens before it searches; what it has until then does not matter.
    loop {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it is running");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a process has signals");
        if u64::from_str_radix(caught.trim(), 16).expect("a mask") & 2 != 0 {
            break;
        }
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    let output = child.wait_with_output().expect("it ends");
    let said = seen(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("many") && said.contains("not all") && said.contains("interrupted: the rest was not explored"), "{said}");
}
