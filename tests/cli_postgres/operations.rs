//! Looking after stores on servers: what is on its way, what is parked, copies, audits, other programs on old data.

use std::path::Path;
use std::process::Command;

use patternc_postgres_server::Server;
use serde_json::Value;
use tempfile::TempDir;

use crate::patternc::{Running, folder, patternc, repository, run_with_input, seen, until};
use crate::server::{database, server};

/// A project in a folder, with databases in its environment.
struct Project {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Project {
    fn new(server: &Server, databases: &[&'static str], files: &[(&str, &str)]) -> Project {
        Project { folder: folder(files), environment: databases.iter().map(|name| (*name, server.url(&database()))).collect() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = patternc(self.path());
        command.args(arguments).envs(self.environment.iter().cloned());
        command
    }

    #[track_caller]
    fn call(&self, arguments: &[&str], input: &str, status: i32) -> String {
        let output = run_with_input(self.command(arguments), input);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{}", seen(&output));
        seen(&output)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = run_with_input(self.command(arguments), "");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{}", seen(&output)))
    }

    fn status(&self) -> Value {
        self.json(&["status", "--output-format", "json"])
    }

    /// Runs the events of the bank.
    #[track_caller]
    fn open(&self, deployment: &str) {
        for events in opening() {
            self.call(&["run", "--quiet", "--deployment", deployment], &events, 0);
        }
    }

    /// The bytes of an export.
    #[track_caller]
    fn export(&self, deployment: &str) -> String {
        self.call(&["export", "--quiet", "--deployment", deployment], "", 0)
    }
}

const DESK: &str = r#"
space home

extern rates {
  quote(agent: Text) -> Int readonly
}

record Desk in home {
  cell last: Int = 0
  handler ask(agent: Text) {
    send rates.quote(agent) then { ok(n) => { self.last = n } }
  }
}
"#;

const DESKS: &str = r#"
rules: { dropped-failure: off }
deployments:
  server:
    stores: { main: { kind: postgres, url: "${DESKS}" } }
    spaces: { "*": main }
    externs:
      rates: { kind: command, run: ["sh", "./rates.sh"] }
"#;

/// Answers once there is a rate; is down, or rejects, until then.
const COMMAND: &str = r#"
cat > /dev/null
if [ -f rate ]; then cat rate; exit 0; fi
if [ -f down ]; then echo "the line is down" >&2; exit 75; fi
echo "no rate yet"
exit 65
"#;

#[test]
fn what_goes_on_is_seen_and_taken_up_while_others_run() {
    let Some(server) = server() else { return };
    let project = Project::new(&server, &["DESKS"], &[("desk.pattern", DESK), ("patternc.yaml", DESKS), ("rates.sh", COMMAND)]);
    assert!(project.call(&["status"], "", 0).contains("main (postgres): not there yet"));
    assert!(project.call(&["export"], "", 2).contains("store `main` is not there"));
    let mut running = [0, 1].map(|_| Running::start(project.command(&["run"])));
    running[0].event("{\"create\":\"Desk\",\"as\":\"d\"}");
    running[0].event("{\"to\":\"Desk/d\",\"handler\":\"ask\",\"args\":{\"agent\":\"ann\"}}");
    until(|| Some(project.status()).filter(|status| status["events"][0]["state"] == "parked"));
    let names = |owner: &str| running.iter().all(|running| owner.contains(&format!("the process {} on ", running.id())));
    until(|| project.status()["stores"][0]["owner"].as_str().filter(|owner| names(owner)).map(drop));
    // Who asks for what is tried again is told by those who try.
    std::fs::write(project.path().join("down"), "").expect("there is room");
    running[1].event("{\"to\":\"Desk/d\",\"handler\":\"ask\",\"args\":{\"agent\":\"bob\"}}");
    let retrying = until(|| Some(project.status()).filter(|status| status["stores"][0]["retrying"] == 1));
    let reasons: Vec<&str> = retrying["events"].as_array().expect("a list").iter().filter_map(|event| event["reason"].as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("the line is down")), "{retrying}");
    // What is parked is taken up by whoever is asked to, and by nobody else.
    std::fs::write(project.path().join("rate"), "7\n").expect("there is room");
    let retried = project.call(&["retry"], "", 0);
    assert!(retried.contains("rates.quote): done"), "{retried}");
    until(|| Some(project.status()).filter(|status| status["events"].as_array().is_some_and(Vec::is_empty)));
    assert!(project.call(&["retry"], "", 0).contains("nothing is parked"));
    assert!(project.call(&["retry", "x"], "", 2).contains("no event x is on its way"));
    assert!(running[1].event("{\"read\":\"Desk/d\",\"cells\":[\"last\"]}").contains("\"last\":7"));
    // A copy, and an audit, of what is being written.
    assert!(project.export("server").contains("\"record\":\"Desk/d@home\",\"cells\":{\"last\":7}"));
    assert!(project.call(&["audit"], "", 0).contains("1 record audited: 0 errors"));
    running.into_iter().for_each(Running::end);
    assert!(project.call(&["status"], "", 0).contains("main (postgres): 1 record, nobody uses it"));
}

const BANK: &str = r#"
space bank
space audit[Text]

enum Kind { plain, vip(since: Time, factor: Float) }
struct Line { text: Text, by: Account@any, at: Time? }

record Journal in audit {
  cell lines: List<Line> = []
  cell closed: Bool = false
  handler note(line: Line) { require !self.closed else "it is closed"  self.lines += line }
  handler close() { self.closed = true }
}

record Account in bank {
  cell name: Text key
  cell kind: Kind = Kind.plain
  cell ratio: Float = -0.0
  cell data: Map<Text, List<Float>> = Map[]
  cell friends: Set<Account> = Set[] inverse friends
  cell journals: List<Journal@any> = []
  derived many: Int = self.friends.len()

  handler befriend(other: Account) { self.friends += other }
  handler log(to: Journal@any, text: Text) { send to.note(Line { text: text, by: self, at: now() }) after 1h }
  handler shout(to: Journal@any, text: Text) { send to.note(Line { text: text, by: self, at: none }) }
  handler close() { delete self }
}

invariant few(a: Account) { a.friends.len() < 3 }
"#;

const BANKS: &str = r#"
default-deployment: file
rules: { dropped-failure: off }
deployments:
  file:
    stores: { main: { kind: sqlite, path: file.db } }
    spaces: { "*": main }
  server:
    stores: { main: { kind: postgres, url: "${ONE}" } }
    spaces: { "*": main }
  back:
    stores: { main: { kind: sqlite, path: back.db } }
    spaces: { "*": main }
  spread:
    stores:
      a: { kind: postgres, url: "${A}" }
      b: { kind: postgres, url: "${B}" }
      c: { kind: sqlite, path: c.db }
    spaces: { "*": a, "audit[*]": { shard: [a, b, c] } }
"#;

/// Values of all kinds, journals in many spaces, records that are gone, timers; then an event that will be parked.
fn opening() -> [String; 2] {
    let mut lines = vec![
        r#"{"id":"1","create":"Account","as":"a/b]","cells":{"name":"Ann \u00fc\u0000\u0001\"\\","kind":{"vip":{"since":"2024-01-02T03:04:05.678Z","factor":-0.0}},"data":{"x":[1.5,-0.0,1e300],"":[]}}}"#.to_owned(),
        r#"{"id":"2","create":"Account","as":"b","cells":{"name":"Bob"}}"#.to_owned(),
        r#"{"id":"3","create":"Account","as":"gone","cells":{"name":"Eve"}}"#.to_owned(),
        r#"{"id":"4","to":"Account/gone","handler":"close"}"#.to_owned(),
        r#"{"id":"5","to":"Account/b","handler":"befriend","args":{"other":{"ref":"Account/a/b]"}}}"#.to_owned(),
    ];
    for n in 0..12 {
        lines.push(format!(r#"{{"id":"j{n}","create":"Journal","as":"j","in":"audit[{n}/\u0000 \u00e9]"}}"#));
        let to = format!(r#"{{"ref":"Journal/j@audit[{n}/\u0000 \u00e9]"}}"#);
        for (id, handler) in [("log", "log"), ("shout", "shout"), ("again", "shout")] {
            lines.push(format!(r#"{{"id":"{id}{n}","to":"Account/b","handler":"{handler}","args":{{"to":{to},"text":"{id} {n}"}}}}"#));
        }
    }
    let last = r#"Journal/j@audit[11/\u0000 \u00e9]"#;
    let close = format!(r#"{{"id":"c","to":"{last}","handler":"close"}}"#);
    let late = format!(r#"{{"id":"p","to":"Account/b","handler":"shout","args":{{"to":{{"ref":"{last}"}},"text":"late"}}}}"#);
    [lines.join("\n"), format!("{close}\n{late}")]
}

fn bank(server: &Server) -> Project {
    Project::new(server, &["ONE", "A", "B"], &[("bank.pattern", BANK), ("patternc.yaml", BANKS)])
}

#[test]
fn what_is_exported_is_imported_whole_between_any_stores() {
    let Some(server) = server() else { return };
    let project = bank(&server);
    project.open("file");
    let exported = project.export("file");
    assert!(exported.contains("\"deleted\":\"Account/gone@bank\"") && exported.contains("it is closed"), "{exported}");
    let mut text = exported.clone();
    for deployment in ["server", "back", "spread"] {
        let said = project.call(&["import", "--deployment", deployment], &text, 0);
        assert!(said.contains("imported 14 records, 13 events on the way"), "{said}");
        text = project.export(deployment);
        assert_eq!(text, exported, "{deployment}");
        let said = project.call(&["audit", "--deployment", deployment], "", 0);
        assert!(said.contains("14 records audited: 0 errors, 0 warnings"), "{said}");
    }
    // Each of the three has a part of the journals.
    let status = project.json(&["status", "--deployment", "spread", "--output-format", "json"]);
    let records: Vec<i64> = status["stores"].as_array().expect("a list").iter().filter_map(|store| store["records"].as_i64()).collect();
    assert!(records.len() == 3 && records.iter().all(|n| *n > 0) && records.iter().sum::<i64>() == 14, "{status}");
    // What happened has happened: the same events again change nothing.
    for deployment in ["server", "spread"] {
        project.open(deployment);
        assert_eq!(project.export(deployment), exported, "{deployment}");
        let gone = r#"{"create":"Account","as":"gone","cells":{"name":"E"}}"#;
        assert!(project.call(&["run", "--quiet", "--deployment", deployment], gone, 1).contains("rejected"));
    }
    // The event that was parked before it travelled is still taken up, where it is now.
    let retried = project.call(&["retry", "--deployment", "spread"], "", 1);
    assert!(retried.contains("parked again") && retried.contains("it is closed"), "{retried}");
}

#[test]
fn an_import_is_whole_or_leaves_nothing() {
    let Some(server) = server() else { return };
    let project = bank(&server);
    project.open("file");
    let exported = project.export("file");
    // A process that has opened the empty store, and one that has done something to it.
    let running = Running::start(project.command(&["run", "--deployment", "server"]));
    let named = format!("the process {}", running.id());
    until(|| project.json(&["status", "--deployment", "server", "--output-format", "json"])["stores"][0]["owner"].as_str().map(drop));
    let said = project.call(&["import", "--deployment", "server"], &exported, 2);
    assert!(said.contains("store `main`: ") && said.contains("it is in use by") && said.contains(&named), "{said}");
    running.end();
    project.call(&["import", "--deployment", "server"], &exported, 0);
    assert!(project.call(&["import", "--deployment", "server"], &exported, 2).contains("has data already"));
    // One of three is taken: the others stay empty.
    std::fs::copy(project.path().join("file.db"), project.path().join("c.db")).expect("there is room");
    assert!(project.call(&["import", "--deployment", "spread"], &exported, 2).contains("c.db has data already"));
    std::fs::remove_file(project.path().join("c.db")).expect("it is there");
    assert!(project.call(&["import", "--deployment", "spread"], &exported.replace("Bob", "Rob"), 2).contains("the file was changed"));
    let status = project.json(&["status", "--deployment", "spread", "--output-format", "json"]);
    assert!(
        status["stores"].as_array().expect("a list").iter().all(|store| matches!(store["records"].as_i64(), None | Some(0))),
        "{status}"
    );
    project.call(&["import", "--deployment", "spread"], &exported, 0);
    // Several stores together only while nobody uses them.
    let running = Running::start(project.command(&["run", "--deployment", "spread"]));
    until(|| project.json(&["status", "--deployment", "spread", "--output-format", "json"])["stores"][1]["owner"].as_str().map(drop));
    for command in ["export", "audit"] {
        let said = project.call(&[command, "--deployment", "spread"], "", 2);
        assert!(said.contains(&format!("several stores are {command}ed together only while nobody writes them")), "{said}");
    }
    running.end();
    assert_eq!(project.export("spread"), exported);
}

#[test]
fn another_program_is_rehearsed_and_finds_its_defaults_on_a_server() {
    let Some(server) = server() else { return };
    let v1 =
        "space home\nrecord Person in home {\n  cell name: Text\n  cell nick: Text = \"\"\n}\nrecord Note in home { cell text: Text }\n";
    let config = "deployments: { server: { stores: { main: { kind: postgres, url: \"${PEOPLE}\" } }, spaces: { \"*\": main } } }\n";
    let project = Project::new(&server, &["PEOPLE"], &[("people.pattern", v1), ("patternc.yaml", config)]);
    let events = "{\"create\":\"Person\",\"as\":\"a\",\"cells\":{\"name\":\"Ann\",\"nick\":\"A\"}}\n{\"create\":\"Note\",\"as\":\"n\",\"cells\":{\"text\":\"x\"}}\n";
    project.call(&["run", "--quiet"], events, 0);
    let before = project.export("server");
    // A default that is computed from other cells of the record.
    let v2 = v1.replace("cell nick", "cell loud: Text = self.name + \"!\"\n  cell nick");
    std::fs::write(project.path().join("people.pattern"), &v2).expect("there is room");
    assert!(project.export("server").contains("\"loud\":\"Ann!\""));
    // That was a look: whoever has the old patterns finds nothing changed.
    std::fs::write(project.path().join("people.pattern"), v1).expect("there is room");
    assert_eq!(project.export("server"), before);
    std::fs::write(project.path().join("people.pattern"), &v2).expect("there is room");
    assert!(project.call(&["run"], "{\"read\":\"Person/a\",\"cells\":[\"loud\"]}", 0).contains("\"loud\":\"Ann!\""));
    // What is gone is lost only on demand.
    let v3 = v2.replace("  cell nick: Text = \"\"\n", "").replace("record Note in home { cell text: Text }\n", "");
    std::fs::write(project.path().join("people.pattern"), v3).expect("there is room");
    assert!(project.call(&["audit"], "", 2).contains("`Person.nick`"));
    assert!(project.call(&["run"], "", 2).contains("--discard"));
    assert!(project.call(&["run", "--discard", "Person.name"], "", 2).contains("the patterns have it"));
    project.call(&["run", "--discard", "Person.nick", "--discard", "Note"], "", 0);
    assert!(project.call(&["audit"], "", 0).contains("1 record audited"));
    assert!(!project.export("server").contains("nick"));
}

#[test]
fn two_stores_that_are_one_database_are_refused() {
    let Some(server) = server() else { return };
    let config = r#"
deployments:
  twice:
    stores: { a: { kind: postgres, url: "${HERE}" }, b: { kind: postgres, url: "${THERE}" } }
    spaces: { bank: a, "audit[*]": b }
"#;
    let mut project = Project::new(&server, &["HERE"], &[("bank.pattern", BANK), ("patternc.yaml", config)]);
    let here = project.environment[0].1.clone();
    // The same address; and another that leads to the same database.
    for there in [here.clone(), here.replace("127.0.0.1", "localhost")] {
        project.environment.truncate(1);
        project.environment.push(("THERE", there));
        let said = project.call(&["run"], "", 2);
        assert!(said.contains("the stores `a` and `b` are the same database"), "{said}");
    }
}

#[test]
fn tests_run_in_schemas_of_their_own_and_leave_nothing() {
    let Some(server) = server() else { return };
    let name = database();
    let url = server.url(&name);
    let chat = repository().join("patterns/chat");
    let run = |url: Option<&str>| {
        let mut command = patternc(&chat);
        command.args(["test", "--store", "postgres"]).env_remove("DATABASE_URL").envs(url.map(|url| ("DATABASE_URL", url)));
        let output = run_with_input(command, "");
        (output.status.code(), seen(&output))
    };
    let (code, said) = run(None);
    assert!(code == Some(2) && said.contains("set DATABASE_URL to its address"), "{said}");
    let (code, said) = run(Some(&url));
    assert!(code == Some(0) && said.contains("0 failed"), "{said}");
    let left = "SELECT count(*) FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')";
    assert_eq!(server.sql(&name, left).as_deref(), Ok("0"));
    let schemas = "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'patternc%'";
    assert_eq!(server.sql(&name, schemas).as_deref(), Ok("0"));
    server.sql(&name, "CREATE ROLE tester LOGIN").expect("it is SQL");
    let (code, said) = run(Some(&url.replace("//postgres@", "//tester@")));
    assert!(code == Some(2) && said.contains("cannot make a place for tests") && said.contains("42501"), "{said}");
    let (code, said) = run(Some(&format!("{url}_nowhere")));
    assert!(code == Some(2) && said.contains("Make it with `createdb`"), "{said}");
}
