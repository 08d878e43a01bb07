//! What is offered while a text is written.

use serde_json::json;

use super::{NOTES, PEOPLE, change_all, labels, opened};

#[test]
fn what_is_being_written_is_completed() {
    let (mut editor, _folder) = opened();
    // A half-written line in a handler.
    let text = PEOPLE.replace("    self.name = \"touched\"\n", "    self.members.\n    send self.\n");
    change_all(&mut editor, "people.pattern", 2, &text);
    let members = editor.about("textDocument/completion", "people.pattern", &text, "self.members.\n", 13);
    assert!(labels(&members["items"]).contains(&"filter"), "{members}");
    let handlers = editor.about("textDocument/completion", "people.pattern", &text, "send self.\n", 10);
    let first = &handlers["items"][0];
    assert_eq!((&first["label"], &first["textEdit"]["newText"]), (&json!("link"), &json!("link(${1:target})")));

    // Something that another file declares comes with its import.
    let text = format!("{NOTES}\nfn f(n: Note) -> Text {{ lab }}\n");
    editor.open("notes.pattern", 1, &text);
    let offered = editor.about("textDocument/completion", "notes.pattern", &text, "{ lab }", 5);
    let label = offered["items"].as_array().expect("a list").iter().find(|one| one["label"] == "label").expect("it is offered");
    assert_eq!(label["additionalTextEdits"][0]["newText"], ", label");

    let text = text.replace("{ lab }", "{ label( }");
    change_all(&mut editor, "notes.pattern", 2, &text.replace("Person, home", "Person, home, label"));
    let text = text.replace("Person, home", "Person, home, label");
    let help = editor.about("textDocument/signatureHelp", "notes.pattern", &text, "label( }", 6);
    assert_eq!(help["signatures"][0]["label"], "fn label(p: Person) -> Text", "{help}");
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn a_configuration_is_completed_and_its_words_are_known() {
    let (mut editor, _folder) = opened();
    let text = "project: people\ndeployments:\n  local:\n    stores: { main: { kind:  } }\n    spaces: { \"*\": main }\n";
    editor.open("patternc.yaml", 1, text);
    let kinds = editor.about("textDocument/completion", "patternc.yaml", text, "kind:  }", 6);
    assert_eq!(labels(&kinds["items"]), ["memory", "sqlite", "postgres"]);
    let text = text.replace("    spaces: { \"*\": main }\n", "    sp\n");
    change_all(&mut editor, "patternc.yaml", 2, &text);
    let keys = editor.about("textDocument/completion", "patternc.yaml", &text, "sp\n", 2);
    assert_eq!(labels(&keys["items"]), ["stores", "spaces", "externs"]);
    assert_eq!(keys["items"][1]["textEdit"]["newText"], "spaces: ");
    let hover = editor.about("textDocument/hover", "patternc.yaml", &text, "stores", 2);
    assert_eq!(hover["contents"]["value"], "`stores`: by name: where spaces can be kept", "{hover}");
    let nothing = editor.about("textDocument/definition", "patternc.yaml", &text, "stores", 2);
    assert!(nothing.is_null(), "{nothing}");
    assert_eq!(editor.end(), Some(0));
}
