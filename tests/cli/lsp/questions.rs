//! What an editor asks about a text.

use serde_json::{Value, json};

use super::{NOTES, PEOPLE, change_all, covered, labels, opened, position};

#[test]
fn each_question_has_its_answer() {
    let (mut editor, _folder) = opened();
    let people = editor.uri("people.pattern");
    let notes = editor.uri("notes.pattern");

    let hover = editor.about("textDocument/hover", "people.pattern", PEOPLE, "link(target", 1);
    let said = hover["contents"]["value"].as_str().expect("something is known");
    assert!(
        said.contains("handler Person.link(target: Person) writes Person.members, Person.name") && said.contains("Links two people."),
        "{said}"
    );
    assert_eq!(covered(PEOPLE, &hover["range"]), "link");

    // Behind characters of two units, and in another file.
    let definition = editor.about("textDocument/definition", "notes.pattern", NOTES, "by.name", 3);
    assert_eq!(definition["uri"], people);
    assert_eq!(covered(PEOPLE, &definition["range"]), "name");
    let of_type = editor.about("textDocument/typeDefinition", "notes.pattern", NOTES, "by.name", 1);
    assert_eq!(covered(PEOPLE, &of_type["range"]), "Person");

    let mut params = json!({ "textDocument": { "uri": people }, "position": position(PEOPLE, "name: Text", 0), "context": { "includeDeclaration": false } });
    let references = editor.request("textDocument/references", params.take());
    let places: Vec<&Value> = references.as_array().expect("a list").iter().collect();
    assert_eq!(places.len(), 5, "{references}");
    assert!(places.iter().any(|place| place["uri"] == notes));

    let highlights = editor.about("textDocument/documentHighlight", "people.pattern", PEOPLE, "name: Text", 0);
    let kinds: Vec<&Value> = highlights.as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, [3, 2, 3, 2, 2], "the declaration and a write, the others read");

    let prepared = editor.about("textDocument/prepareRename", "people.pattern", PEOPLE, "Person in home", 2);
    assert_eq!(prepared["placeholder"], "Person");
    let position = position(PEOPLE, "Person in home", 0);
    let renamed =
        editor.request("textDocument/rename", json!({ "textDocument": { "uri": people }, "position": position, "newName": "Human" }));
    assert_eq!(renamed["changes"][&people].as_array().map(Vec::len), Some(7), "{renamed}");
    assert_eq!(renamed["changes"][&notes].as_array().map(Vec::len), Some(2), "{renamed}");
    let refused =
        editor.request("textDocument/rename", json!({ "textDocument": { "uri": people }, "position": position, "newName": "Status" }));
    assert_eq!(refused["message"], "people.pattern declares an enum `Status` already");

    let symbols = editor.request("textDocument/documentSymbol", json!({ "textDocument": { "uri": people } }));
    let names: Vec<&str> = symbols.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["home", "Person", "Status", "label", "linking"]);
    assert_eq!(symbols[1]["children"].as_array().map(Vec::len), Some(6));
    let found = editor.request("workspace/symbol", json!({ "query": "nte" }));
    assert_eq!(found[0]["name"], "Note", "{found}");

    let hints = editor.request("textDocument/inlayHint", json!({ "textDocument": { "uri": people } }));
    assert_eq!(labels(&hints), [": List<Person>", ": Person", "writes Person.name"]);

    let tokens = editor.request("textDocument/semanticTokens/full", json!({ "textDocument": { "uri": people } }));
    let data = tokens["data"].as_array().expect("numbers");
    assert!(data.len() > 100 && data.len() % 5 == 0, "{tokens}");
    assert_eq!(data[..5], [json!(0), json!(6), json!(4), json!(0), json!(1)], "`home` is a space that is declared");

    let folds = editor.request("textDocument/foldingRange", json!({ "textDocument": { "uri": people } }));
    assert_eq!(folds.as_array().map(Vec::len), Some(4), "the record, two handlers, the test");

    let lenses = editor.request("textDocument/codeLens", json!({ "textDocument": { "uri": people } }));
    assert_eq!(lenses[0]["command"]["arguments"][1], "linking", "{lenses}");
    let command = lenses[0]["command"].clone();
    editor.request("workspace/executeCommand", json!({ "command": command["command"], "arguments": command["arguments"] }));
    let told = editor.told("window/showMessage");
    assert_eq!(told["params"]["type"], 3, "the test passes: {told}");

    assert_eq!(editor.end(), Some(0));
}

#[test]
fn formatting_changes_the_lines_that_need_it() {
    let (mut editor, _folder) = opened();
    let uri = editor.uri("people.pattern");
    let text = PEOPLE.replace("  cell name: Text\n", "  cell   name:Text\n");
    change_all(&mut editor, "people.pattern", 2, &text);
    let params = json!({ "textDocument": { "uri": uri }, "options": { "tabSize": 8, "insertSpaces": false } });
    let edits = editor.request("textDocument/formatting", params.clone());
    assert_eq!(edits.as_array().map(Vec::len), Some(1), "{edits}");
    assert_eq!(
        (covered(&text, &edits[0]["range"]).as_str(), &edits[0]["newText"]),
        ("  cell   name:Text\n", &json!("  cell name: Text\n"))
    );
    change_all(&mut editor, "people.pattern", 3, "record {");
    assert_eq!(editor.request("textDocument/formatting", params), Value::Null, "its findings say why, and no message pops up");
    assert_eq!(editor.end(), Some(0));
}
