//! `patternc graph`: every format of one project, and what is asked for by name.

use crate::patternc::{patternc, repository, seen};

const LINKS: &str = r#"space user[Text]
space board
extern mail {
  post(text: Text) idempotent
}
record Person in user {
  cell members: Set<Person@any> = Set[]
  cell notes: Int = 0
  handler link(target: Person@any) {
    require target != self else "not oneself"
    self.members += target
    send target.linked(self)
  }
  internal handler linked(other: Person@any) { self.members += other }
  handler unlink(target: Person@any) {
    self.members -= target
    send target.unlinked(self)
  }
  internal handler unlinked(other: Person@any) { self.members -= other }
  handler tell(text: Text) {
    self.count()
    return send mail.post(text) then {
      err(_e) => { send self.tell(text) after 1m }
    }
  }
  handler count() { self.notes += 1 }
}
record Note in board {
  cell text: Text
}
"#;

fn graph(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("links.pattern"), LINKS).expect("there is room for a file");
    let output = patternc(folder.path()).arg("graph").args(arguments).output().expect("the binary of the test starts");
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    String::from_utf8(output.stdout).expect("the output is text")
}

#[test]
fn each_format_shows_the_spaces_and_the_chain_that_is_not_safe() {
    for format in ["text", "dot", "mermaid", "json", "svg"] {
        insta::with_settings!({ snapshot_path => "../cli/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("graph__{format}"), graph(&["--format", format]));
        });
    }
    insta::with_settings!({ snapshot_path => "../cli/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("graph__effects", graph(&["--effects"]));
    });
}

#[test]
fn json_is_json() {
    let graph: serde_json::Value = serde_json::from_str(&graph(&["--format", "json"])).expect("the graph is JSON");
    let edges = graph["edges"].as_array().expect("it has edges");
    let link = edges.iter().find(|edge| edge["from"] == "Person.link").expect("a link is sent");
    assert_eq!((&link["to"], &link["crosses"], &link["rule"]), (&"Person.linked".into(), &true.into(), &"unserializable-chain".into()));
    assert_eq!(
        (&link["why"]["with"], &link["why"]["cells"]),
        (&["Person.unlink"].as_slice().into(), &["Person.members"].as_slice().into())
    );
    let effects: serde_json::Value = serde_json::from_str(&self::graph(&["--effects", "--format", "json"])).expect("the table is JSON");
    assert_eq!(effects[0]["handler"], "Person.count");
}

#[test]
fn one_handler_is_shown_with_what_it_leads_to_and_what_leads_to_it() {
    let text = graph(&["--of", "Person.count"]);
    assert!(text.contains("Person.tell") && !text.contains("Person.link"), "{text}");
    let unknown = patternc(&repository().join("patterns/chat")).args(["graph", "--of", "Room.gone"]).output().expect("it starts");
    assert_eq!(unknown.status.code(), Some(2), "{}", seen(&unknown));
}
