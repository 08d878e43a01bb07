//! Clients that do not keep to the protocol, and disks that change under their feet.

use std::io::Write;

use serde_json::{Value, json};

use super::{Editor, PEOPLE, change_all, opened, project};

#[test]
fn nothing_ends_the_server_but_a_goodbye() {
    let folder = project();
    let mut editor = Editor::start(folder.path());
    let early = editor.request("textDocument/hover", json!({}));
    assert_eq!(early["code"], -32002);
    let answer = editor.initialize(json!({ "general": { "positionEncodings": ["utf-16", "utf-8"] } }));
    assert_eq!(answer["capabilities"]["positionEncoding"], "utf-8");
    editor.raw("{ this is not JSON");
    assert_eq!(editor.answer(&Value::Null)["code"], -32700);
    editor.raw("{\"jsonrpc\":\"2.0\",\"id\":\"x\"}");
    assert_eq!(editor.answer(&json!("x"))["code"], -32600);
    assert_eq!(editor.request("textDocument/unheardOf", json!({}))["code"], -32601);
    assert_eq!(editor.request("textDocument/hover", json!({}))["code"], -32602);
    let uri = editor.uri("people.pattern");
    assert_eq!(editor.request("textDocument/hover", json!({ "textDocument": { "uri": uri } }))["code"], -32602);
    let far = json!({ "textDocument": { "uri": uri }, "position": { "line": 99999, "character": 99999 } });
    for method in ["hover", "definition", "references", "completion", "rename", "signatureHelp"] {
        editor.request(&format!("textDocument/{method}"), far.clone());
    }
    editor.notify(
        "textDocument/didChange",
        json!({ "textDocument": { "uri": "file:///nowhere.pattern", "version": 1 }, "contentChanges": 7 }),
    );
    editor.notify("no/such/notification", json!(null));
    assert_eq!(editor.request("initialize", json!({}))["code"], -32600);
    assert_eq!(editor.request("shutdown", Value::Null), Value::Null);
    assert_eq!(editor.request("textDocument/hover", json!({}))["code"], -32600, "after the shutdown");
    editor.notify("exit", Value::Null);
    assert_eq!(editor.server.wait().expect("it ends").code(), Some(0));
}

#[test]
fn requests_that_are_taken_back_are_not_answered_late() {
    let (mut editor, _folder) = opened();
    let uri = editor.uri("people.pattern");
    // All of it arrives at once: what is taken back before its turn says so, everything is answered once.
    let mut stream = String::new();
    for id in 1000..1050 {
        let request =
            json!({ "jsonrpc": "2.0", "id": id, "method": "textDocument/documentSymbol", "params": { "textDocument": { "uri": uri } } });
        stream += &framed(&request);
    }
    stream += &framed(&json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 1049 } }));
    let input = editor.input.as_mut().expect("the stream is open");
    input.write_all(stream.as_bytes()).expect("the server listens");
    let mut answers = Vec::new();
    while answers.len() < 50 {
        let message = editor.next();
        if message["id"].is_u64() {
            answers.push(message);
        } else {
            editor.hear(message);
        }
    }
    let last = answers.iter().find(|answer| answer["id"] == 1049).expect("it is answered");
    assert!(last["error"]["code"] == -32800 || last["result"].is_array(), "{last}");
    assert_eq!(editor.end(), Some(0));
}

fn framed(message: &Value) -> String {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Clients that send what is no change, ask in the middle of things, and files that come and go under their feet.
#[test]
fn bad_clients_and_bad_disks_are_survived() {
    let (mut editor, folder) = opened();
    let uri = editor.uri("people.pattern");
    // A change that is none: what came before it counts, and a person is told.
    let changes = json!([{ "text": "space there\n" }, { "range": { "start": 7 }, "text": "x" }, { "text": "never" }]);
    editor.notify("textDocument/didChange", json!({ "textDocument": { "uri": uri, "version": 2 }, "contentChanges": changes }));
    editor.settled("people.pattern", 2);
    assert!(editor.told("window/showMessage")["params"]["message"].as_str().is_some_and(|said| said.contains("open it again")));
    let symbols = editor.request("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } }));
    assert_eq!(symbols[0]["name"], "there");
    change_all(&mut editor, "people.pattern", 3, PEOPLE);

    // Opened twice, closed twice, in a folder that is not there, and under a name of another kind.
    editor.open("people.pattern", 4, PEOPLE);
    editor.open("not/yet/there/new.pattern", 1, "record R in nowhere { }\n");
    let new = editor.uri("not/yet/there/new.pattern");
    assert_eq!(editor.findings[&new][0]["code"], "unknown-name");
    for uri in ["untitled:Untitled-1", "file:///", "nonsense", "file://elsewhere"] {
        let document = json!({ "uri": uri, "languageId": "pattern", "version": 1, "text": "space x\n" });
        editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
        editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    }
    editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": new } }));
    editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": new } }));

    // Many files at once, as when another branch is checked out; one of them open, one no text, one gone before it is looked at.
    std::fs::create_dir(folder.path().join("more")).expect("there is room");
    let mut changes = vec![json!({ "uri": uri, "type": 2 }), json!({ "uri": editor.uri("more/gone.pattern"), "type": 1 })];
    for number in 0..50 {
        let name = format!("more/m{number}.pattern");
        std::fs::write(folder.path().join(&name), format!("space s{number}\n")).expect("there is room");
        changes.push(json!({ "uri": editor.uri(&name), "type": 1 }));
    }
    std::fs::write(folder.path().join("more/bytes.pattern"), [0xff, 0xfe, 0x00]).expect("there is room");
    std::fs::remove_file(folder.path().join("notes.pattern")).expect("it is there");
    changes.push(json!({ "uri": editor.uri("more/bytes.pattern"), "type": 1 }));
    changes.push(json!({ "uri": editor.uri("notes.pattern"), "type": 3 }));
    editor.notify("workspace/didChangeWatchedFiles", json!({ "changes": changes }));
    change_all(&mut editor, "people.pattern", 5, &format!("{PEOPLE}\nuse \"more/m7.pattern\" {{ s7 }}\nrecord X in s7 {{ }}\n"));
    let left: Vec<&Value> = editor.findings[&uri].as_array().expect("a list").iter().filter(|one| one["severity"] == 1).collect();
    assert!(left.is_empty(), "{left:?}");
    let found = editor.request("workspace/symbol", json!({ "query": "s49" }));
    assert_eq!(found[0]["name"], "s49", "{found}");
    assert_eq!(editor.request("workspace/symbol", json!({ "query": "Note" })), json!([]), "the file is gone");
    std::fs::remove_dir_all(folder.path().join("more")).expect("it is there");
    editor.notify("workspace/didChangeWatchedFiles", json!({ "changes": changes }));
    change_all(&mut editor, "people.pattern", 6, PEOPLE);
    assert_eq!(editor.request("workspace/symbol", json!({ "query": "s49" })), json!([]));

    // A text of a megabyte on one line, and one of ten thousand lines.
    change_all(&mut editor, "people.pattern", 7, &format!("{PEOPLE}// {}\n", "😀".repeat(250_000)));
    let range = json!({ "start": { "line": 40, "character": 499_000 }, "end": { "line": 40, "character": 499_001 } });
    let changes = json!([{ "range": range, "text": "x" }]);
    editor.notify("textDocument/didChange", json!({ "textDocument": { "uri": uri, "version": 8 }, "contentChanges": changes }));
    editor.settled("people.pattern", 8);
    let long: String = (0..2_000).map(|number| format!("fn f{number}(x: Int) -> Int {{\n  let y = x + {number}\n  y\n}}\n\n")).collect();
    change_all(&mut editor, "people.pattern", 9, &format!("{PEOPLE}{long}"));
    let tokens = editor.request("textDocument/semanticTokens/full", json!({ "textDocument": { "uri": uri } }));
    assert!(tokens["data"].as_array().is_some_and(|data| data.len() > 2_000 * 4 * 5));
    assert_eq!(editor.end(), Some(0));
}
