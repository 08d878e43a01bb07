//! A store that is opened again, by the same program and by another.

use std::fs;
use std::path::Path;

use crate::patternc::{patternc, run_with_input, seen};

const PATTERN: &str = r#"
space home

record Person in home {
  cell name: Text
  cell members: Set<Person> = Set[]

  handler link(target: Person) writes Person.members {
    self.members += target
    target.members += self
  }

  handler forget(target: Person) {
    self.members -= target
  }
}

invariant two_way(p: Person) { p.members.all(q => p in q.members) }
"#;

const PEOPLE: &str = r#"
{"id":"1","create":"Person","as":"ada","cells":{"name":"Ada"}}
{"id":"2","create":"Person","as":"bob","cells":{"name":"Bob"}}
{"id":"3","to":"Person/ada","handler":"link","args":{"target":{"ref":"Person/bob"}}}
"#;

/// What `patternc run` prints for these events.
fn run(folder: &Path, pattern: &str, events: &str) -> String {
    fs::write(folder.join("people.pattern"), pattern).expect("the folder can be written");
    let mut command = patternc(folder);
    command.args(["run", "--quiet"]);
    seen(&run_with_input(command, events))
}

#[test]
fn invariants_are_kept_after_a_restart() {
    let folder = tempfile::tempdir().expect("there is room");
    run(folder.path(), PATTERN, PEOPLE);
    let forget = r#"{"id":"4","to":"Person/ada","handler":"forget","args":{"target":{"ref":"Person/bob"}}}"#;
    let said = run(folder.path(), PATTERN, forget);
    assert!(said.contains(r#""failure":{"kind":"invariant""#), "{said}");
}

#[test]
fn a_new_invariant_is_tried_on_the_stored_data() {
    let folder = tempfile::tempdir().expect("there is room");
    run(folder.path(), PATTERN, PEOPLE);
    let long = format!("{PATTERN}\ninvariant long(p: Person) {{ p.name.len() > 3 }}\n");
    let said = run(folder.path(), &long, "");
    assert!(said.contains("the stored data break the invariant long: it does not hold for Person/ada"), "{said}");
    let short = format!("{PATTERN}\ninvariant short(p: Person) {{ p.name.len() < 9 }}\n");
    let rename = r#"{"id":"5","create":"Person","cells":{"name":"Maximiliane"}}"#;
    let said = run(folder.path(), &short, rename);
    assert!(said.contains("the invariant short does not hold"), "{said}");
}

#[test]
fn a_new_cell_takes_its_default_and_a_lost_one_is_refused() {
    let folder = tempfile::tempdir().expect("there is room");
    run(folder.path(), PATTERN, PEOPLE);
    let read = r#"{"id":"6","read":"Person/ada"}"#;
    let more = PATTERN.replace("cell name: Text", "cell name: Text\n  cell age: Int = 3\n  cell nick: Text?");
    let said = run(folder.path(), &more, read);
    assert!(said.contains(r#""cells":{"name":"Ada","age":3,"nick":null,"members":[{"ref":"Person/bob"}]}"#), "{said}");
    let said = run(folder.path(), PATTERN, read);
    assert!(said.contains("2 records have a value in the cell `Person.age`, which the program no longer has"), "{said}");
}
