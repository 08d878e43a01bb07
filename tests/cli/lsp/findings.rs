//! Findings, their fixes, and which files they are of.

use serde_json::{Value, json};

use crate::patternc::patternc;

use super::{Editor, PEOPLE, change_all, covered, opened, project};

#[test]
fn findings_come_with_related_places_and_fixes() {
    let (mut editor, _folder) = opened();
    let uri = editor.uri("people.pattern");
    let text = PEOPLE.replace(" writes Person.members, Person.name", "");
    change_all(&mut editor, "people.pattern", 2, &text);
    let found = editor.findings[&uri].clone();
    let finding = found.as_array().expect("a list").iter().find(|one| one["code"] == "undeclared-write").expect("it is found").clone();
    assert_eq!(finding["severity"], 1);
    let params = json!({ "textDocument": { "uri": uri }, "range": finding["range"], "context": { "diagnostics": [finding] } });
    let actions = editor.request("textDocument/codeAction", params);
    let action = actions.as_array().expect("a list").iter().find(|one| one["kind"] == "quickfix").expect("a way out").clone();
    assert_eq!(action["diagnostics"][0]["code"], "undeclared-write");
    let mut edits = action["edit"]["changes"][&uri].as_array().expect("edits").clone();
    edits.iter_mut().for_each(|edit| edit["text"] = edit["newText"].take());
    editor.notify("textDocument/didChange", json!({ "textDocument": { "uri": uri, "version": 3 }, "contentChanges": edits }));
    editor.settled("people.pattern", 3);
    let left: Vec<&Value> = editor.findings[&uri].as_array().expect("a list").iter().filter(|one| one["severity"] == 1).collect();
    assert!(left.is_empty(), "{left:?}");

    // What an edit breaks in another file is shown there.
    let text = PEOPLE.replace("cell name: Text", "cell title: Text");
    change_all(&mut editor, "people.pattern", 4, &text);
    let notes = editor.uri("notes.pattern");
    assert_eq!(editor.findings[&notes][0]["code"], "unknown-name");
    change_all(&mut editor, "people.pattern", 5, PEOPLE);
    assert_eq!(editor.findings[&notes], json!([]));
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn the_configuration_has_findings_too() {
    let (mut editor, folder) = opened();
    editor.open("patternc.yaml", 1, "project: people\nrules: { no-such-rule: warn }\n");
    let uri = editor.uri("patternc.yaml");
    assert_eq!(editor.findings[&uri][0]["source"], "patternc", "{:?}", editor.findings);

    // Files that come and go on disk.
    std::fs::write(folder.path().join("more.pattern"), "record R in nowhere { }\n").expect("there is room");
    let more = editor.uri("more.pattern");
    editor.notify("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": more, "type": 1 }] }));
    change_all(&mut editor, "people.pattern", 2, PEOPLE);
    assert_eq!(editor.findings[&more][0]["code"], "unknown-name");
    std::fs::remove_file(folder.path().join("more.pattern")).expect("it is there");
    editor.notify("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": more, "type": 3 }] }));
    change_all(&mut editor, "people.pattern", 3, PEOPLE);
    assert_eq!(editor.findings[&more], json!([]));
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn what_is_closed_outside_of_the_workspace_is_shown_no_more() {
    let (mut editor, _folder) = opened();
    let outside = tempfile::tempdir().expect("there is room for a folder");
    let path = outside.path().join("far.pattern");
    let text = "record R in nowhere { }\n";
    std::fs::write(&path, text).expect("there is room");
    let uri = format!("file://{}", path.display());
    let document = json!({ "uri": uri, "languageId": "pattern", "version": 1, "text": text });
    editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
    editor.shows(&uri, true);
    editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    editor.shows(&uri, false);

    let folder = json!({ "uri": format!("file://{}", outside.path().display()), "name": "far" });
    editor.notify("workspace/didChangeWorkspaceFolders", json!({ "event": { "added": [folder], "removed": [] } }));
    editor.shows(&uri, true);
    editor.notify("workspace/didChangeWorkspaceFolders", json!({ "event": { "added": [], "removed": [folder] } }));
    editor.shows(&uri, false);
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn a_text_that_was_never_saved_has_findings_and_a_layout() {
    let (mut editor, _folder) = opened();
    let (uri, other) = ("untitled:Untitled-1", "untitled:Untitled-2");
    let open = |uri: &str| {
        let document = json!({ "uri": uri, "languageId": "pattern", "version": 1, "text": "space  s\nrecord R in nowhere { }\n" });
        json!({ "textDocument": document })
    };
    editor.notify("textDocument/didOpen", open(uri));
    editor.shows(uri, true);
    // Two of them are nothing to one another.
    editor.notify("textDocument/didOpen", open(other));
    editor.shows(other, true);
    assert_eq!(editor.findings[uri].as_array().map(Vec::len), Some(1), "{:?}", editor.findings);
    let format = json!({ "textDocument": { "uri": uri }, "options": { "tabSize": 2, "insertSpaces": true } });
    let edits = editor.request("textDocument/formatting", format);
    assert!(edits.as_array().is_some_and(|edits| !edits.is_empty()), "{edits}");
    let change = json!({ "textDocument": { "uri": uri, "version": 2 }, "contentChanges": [{ "text": "space s\n" }] });
    editor.notify("textDocument/didChange", change);
    editor.shows(uri, false);
    editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": other } }));
    editor.shows(other, false);
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn a_text_of_another_language_is_no_pattern() {
    let (mut editor, folder) = opened();
    let open = |editor: &mut Editor, uri: &str, language: &str, text: &str| {
        let document = json!({ "uri": uri, "languageId": language, "version": 1, "text": text });
        editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
    };
    let others = ["untitled:Untitled-1".to_owned(), format!("file://{}/other.yaml", folder.path().display())];
    for uri in &others {
        open(&mut editor, uri, "yaml", "project: no pattern\n");
    }
    open(&mut editor, "untitled:Untitled-2", "pattern", "record R in nowhere { }\n");
    editor.shows("untitled:Untitled-2", true);
    assert!(others.iter().all(|uri| !editor.findings.contains_key(uri)), "{:?}", editor.findings);
    let place = json!({ "textDocument": { "uri": others[0] }, "position": { "line": 0, "character": 1 } });
    assert!(editor.request("textDocument/hover", place).is_null());
    // What it is taken for once somebody says so.
    editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": others[0] } }));
    open(&mut editor, &others[0], "pattern", "record R in nowhere { }\n");
    editor.shows(&others[0], true);
    assert_eq!(editor.end(), Some(0));
}

/// A click on a test runs that one, also where others have its name in theirs.
#[test]
fn a_click_on_a_test_runs_no_other() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let text = "test \"sums\" { expect 1 + 1 == 2 }\n\ntest \"sums of sums\" { expect 1 + 1 == 3 }\n";
    std::fs::write(folder.path().join("a.pattern"), text).expect("there is room");
    let mut editor = Editor::start(folder.path());
    editor.initialize(json!({}));
    editor.open("a.pattern", 1, text);
    let uri = editor.uri("a.pattern");
    let lenses = editor.request("textDocument/codeLens", json!({ "textDocument": { "uri": uri } }));
    let command = &lenses[0]["command"];
    editor.request("workspace/executeCommand", json!({ "command": command["command"], "arguments": command["arguments"] }));
    assert_eq!(editor.told("window/showMessage")["params"]["message"], "1 passed, 0 failed");
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn a_text_that_was_never_saved_may_import_in_vain() {
    let (mut editor, _folder) = opened();
    let uri = "untitled:Untitled-1";
    let document = json!({ "uri": uri, "languageId": "pattern", "version": 1, "text": "space q\n" });
    editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
    let change = |editor: &mut Editor, version: i64, text: &str| {
        let change = json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": [{ "text": text }] });
        editor.notify("textDocument/didChange", change);
    };
    change(&mut editor, 2, "use \"s.pattern\" { Item }\n");
    editor.shows(uri, true);
    let found = editor.findings[uri].clone();
    assert_eq!(found[0]["code"], "unresolved-import", "{found}");
    assert!(found[0]["message"].as_str().is_some_and(|message| message.contains("save the file first: ")), "{found}");
    change(&mut editor, 3, "space q\nrecord R in q { cell n: Int = 0 }\n");
    editor.shows(uri, false);
    let place = json!({ "textDocument": { "uri": uri }, "position": { "line": 1, "character": 7 } });
    assert!(!editor.request("textDocument/hover", place).is_null());
    change(&mut editor, 4, "record R in nowhere { }\n");
    editor.shows(uri, true);
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn a_configuration_that_is_not_saved_says_which_files_are_patterns() {
    let folder = project();
    std::fs::write(folder.path().join("more.pattern"), "record R in nowhere { }\n").expect("there is room");
    let mut editor = Editor::start(folder.path());
    editor.initialize(json!({}));
    let (uri, more) = (editor.uri("patternc.yaml"), editor.uri("more.pattern"));
    editor.open("patternc.yaml", 1, "project: people\n");
    assert_eq!(editor.findings[&more][0]["code"], "unknown-name");
    let mut write = |version: i64, text: &str| {
        let change = json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": [{ "text": text }] });
        editor.notify("textDocument/didChange", change);
        editor.settled("patternc.yaml", version);
        editor.findings[&more].clone()
    };
    assert_eq!(write(2, "project: people\npatterns: [\"people.pattern\", \"notes.pattern\"]\n"), json!([]));
    assert_eq!(write(3, "project: people\n")[0]["code"], "unknown-name");
    assert_eq!(editor.end(), Some(0));
}

/// Texts as bad editors and bad disks leave them: each is answered about, in its own counting.
#[test]
fn texts_of_every_kind_are_counted_as_editors_count() {
    let folder = project();
    // On disk, with a mark before the text and lines that end as on Windows.
    std::fs::write(folder.path().join("marked.pattern"), format!("\u{feff}{}", "record R in nowhere { }\r\n")).expect("there is room");
    for encodings in [json!(["utf-16"]), json!(["utf-8", "utf-16"]), json!(["utf-32"])] {
        let mut editor = Editor::start(folder.path());
        let answer = editor.initialize(json!({ "general": { "positionEncodings": encodings } }));
        let bytes = answer["capabilities"]["positionEncoding"] == "utf-8";
        assert_eq!(bytes, encodings[0] == "utf-8");
        for (version, end) in ["\n", "\r\n", "\r"].into_iter().enumerate() {
            let text = ["space home", "", "enum Kind { a }", "record P in home { cell t: Text = \"ü😀\" cell u: Nope }"].join(end);
            let version = version as i64;
            if version == 0 {
                editor.open("kinds.pattern", version, &text);
            } else {
                change_all(&mut editor, "kinds.pattern", version, &text);
            }
            let uri = editor.uri("kinds.pattern");
            let found = editor.findings[&uri].as_array().expect("a list").clone();
            let unknown = found.iter().find(|one| one["code"] == "unknown-name").unwrap_or_else(|| panic!("{found:?}"));
            let before = "record P in home { cell t: Text = \"ü😀\" cell u: ";
            let character = if bytes { before.len() } else { before.encode_utf16().count() };
            assert_eq!(unknown["range"]["start"], json!({ "line": 3, "character": character }), "{end:?}");
        }
        let marked = editor.uri("marked.pattern");
        let found = editor.findings[&marked].as_array().expect("a list").clone();
        assert_eq!(found[0]["range"]["start"], json!({ "line": 0, "character": 12 }), "{found:?}");
        assert_eq!(editor.end(), Some(0));
    }
}

/// Where nobody said which files belong together, an import that is typed says it, and one that is taken back no longer does.
#[test]
fn an_import_brings_files_together_that_were_apart() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let apart = "space home\n\nrecord R in home {\n  cell n: Int = 0\n}\n";
    for (name, text) in [("a.pattern", "space away\n\nrecord Q in away { }\n\nrecord R in away { }\n"), ("b.pattern", apart)] {
        std::fs::write(folder.path().join(name), text).expect("there is room");
    }
    let mut editor = Editor::start(folder.path());
    editor.initialize(json!({}));
    editor.open("b.pattern", 1, apart);
    let uri = editor.uri("b.pattern");
    let joined = "use \"a.pattern\" { Q }\n\nspace home\n\nrecord S in home {\n  cell q: Q?\n}\n";
    let codes =
        |editor: &Editor| editor.findings[&uri].as_array().expect("a list").iter().map(|one| one["code"].clone()).collect::<Vec<_>>();
    for version in [2, 4] {
        change_all(&mut editor, "b.pattern", version, joined);
        assert_eq!(codes(&editor), Vec::<Value>::new(), "version {version}");
        change_all(&mut editor, "b.pattern", version + 1, &joined.replace("a.pattern", "c.pattern"));
        assert!(codes(&editor).contains(&json!("unresolved-import")), "version {version}");
    }
    assert_eq!(editor.end(), Some(0));
}

/// As `check` has it at every moment: two files that declare one name are apart, and together again once they do not.
#[test]
fn a_name_that_two_files_declare_takes_them_apart() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let shared = "fn twice(n: Int) -> Int { n * 2 }\nfn thrice(n: Int) -> Int { n * 3 }\n";
    let first = "use \"shared.pattern\" { twice }\nspace one\nrecord R in one {\n  cell n: Int = twice(1)\n}\n";
    let second = "use \"shared.pattern\" { thrice }\nspace two\nrecord S in two {\n  cell n: Int = thrice(1)\n}\n";
    for (name, text) in [("shared.pattern", shared), ("a.pattern", first), ("b.pattern", second)] {
        std::fs::write(folder.path().join(name), text).expect("there is room");
    }
    let mut editor = Editor::start(folder.path());
    editor.initialize(json!({}));
    editor.open("b.pattern", 1, second);
    let renamed = second.replace("record S", "record R");
    for (version, text) in [(2, &*renamed), (3, second), (4, &renamed)] {
        change_all(&mut editor, "b.pattern", version, text);
        std::fs::write(folder.path().join("b.pattern"), text).expect("there is room");
        let checked = patternc(folder.path()).args(["check", "--output-format", "json"]).output().expect("the binary of the test starts");
        let checked: Value = serde_json::from_slice(&checked.stdout).expect("it is JSON");
        let mut expected: Vec<(String, String)> = checked
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| (editor.uri(one["path"].as_str().unwrap()), one["rule"].as_str().unwrap().into()))
            .collect();
        let shown = editor.findings.iter().flat_map(|(uri, found)| found.as_array().expect("a list").iter().map(move |one| (uri, one)));
        let mut shown: Vec<(String, String)> = shown.map(|(uri, one)| (uri.clone(), one["code"].as_str().unwrap().into())).collect();
        expected.sort();
        shown.sort();
        assert_eq!(shown, expected, "version {version}");
    }
    // Written by somebody else.
    std::fs::write(folder.path().join("a.pattern"), first.replace("record R", "record Q")).expect("there is room");
    editor.notify("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": editor.uri("a.pattern"), "type": 2 }] }));
    change_all(&mut editor, "b.pattern", 5, &renamed);
    let left: Vec<&Value> = editor.findings.values().flat_map(|found| found.as_array().expect("a list")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(editor.end(), Some(0));
}

/// An editor offers what `--fix` follows, and all of it at once where it is asked for that.
#[test]
fn fixes_that_do_not_work_are_not_offered() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let text = "space home\n\nrecord R in home {\n  cell l: List<Text> = []\n  cell m: List<Text> = []\n\n  handler go(each: Text) {\n    \
                self.l = self.l + self.m\n    self.m = self.m + [each]\n    self.m = self.m + [\"x\"]\n  }\n}\n";
    std::fs::write(folder.path().join("a.pattern"), text).expect("there is room");
    std::fs::write(folder.path().join("patternc.yaml"), "project: a\n").expect("there is room");
    let mut editor = Editor::start(folder.path());
    editor.initialize(json!({}));
    editor.open("a.pattern", 1, text);
    let uri = editor.uri("a.pattern");
    let whole = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 99, "character": 0 } });
    let ask = |editor: &mut Editor, only: Value| {
        let params = json!({ "textDocument": { "uri": uri }, "range": whole, "context": { "diagnostics": [], "only": only } });
        editor.request("textDocument/codeAction", params)
    };
    let offered = ask(&mut editor, json!(["quickfix"]));
    let titles: Vec<&str> = offered.as_array().expect("a list").iter().filter_map(|action| action["title"].as_str()).collect();
    assert_eq!(titles, ["write `+=`", "write `+=`"], "not to add the elements one by one: `each` is taken");
    assert_eq!(ask(&mut editor, json!(["quickfix"])), offered, "asked again");
    let all = ask(&mut editor, json!(["source.fixAll"]));
    let edits = all[0]["edit"]["changes"][&uri].as_array().expect("edits").clone();
    assert_eq!(edits.len(), 1, "{all}");
    assert_eq!(edits[0]["newText"], "    self.m += each\n    self.m += \"x\"\n");
    // Nothing of it was done.
    assert_eq!(editor.findings[&uri].as_array().map(Vec::len), Some(3));
    change_all(&mut editor, "a.pattern", 2, text);
    assert_eq!(editor.findings[&uri].as_array().map(Vec::len), Some(3));
    assert_eq!(editor.end(), Some(0));
}

/// What is typed in one file and not saved says, with what is typed in others, which files belong together.
#[test]
fn texts_that_are_not_saved_count_where_files_are_brought_together() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let (first, second) = ("space one\n\nrecord R in one { }\n", "space two\n\nrecord R in two { }\n");
    for (name, text) in [("a.pattern", first), ("b.pattern", second), ("c.pattern", "space three\n\nrecord R in three { }\n")] {
        std::fs::write(folder.path().join(name), text).expect("there is room");
    }
    let mut editor = Editor::start(folder.path());
    editor.initialize(json!({}));
    editor.open("a.pattern", 1, first);
    editor.open("b.pattern", 1, second);
    // Typed in one, and not saved; then the other imports it.
    change_all(&mut editor, "a.pattern", 2, "space one\n\nrecord Q in one { }\n");
    change_all(&mut editor, "b.pattern", 2, "use \"a.pattern\" { Q }\n\nspace two\n\nrecord S in two {\n  cell q: Q?\n}\n");
    let uri = editor.uri("b.pattern");
    assert_eq!(editor.findings[&uri], json!([]), "`Q` is there, though not on disk");
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn a_test_that_fails_is_shown_where_it_failed() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let text =
        "space home\n\nrecord R in home {\n  cell n: Int = 0\n}\n\ntest \"one\" {\n  let r = create R in home { }\n  expect r.n == 1\n}\n";
    std::fs::write(folder.path().join("a.pattern"), text).expect("there is room");
    let mut editor = Editor::start(folder.path());
    editor.initialize(json!({}));
    editor.open("a.pattern", 1, text);
    let uri = editor.uri("a.pattern");
    let run = |editor: &mut Editor| {
        let lenses = editor.request("textDocument/codeLens", json!({ "textDocument": { "uri": uri } }));
        let command = &lenses[0]["command"];
        editor.request("workspace/executeCommand", json!({ "command": command["command"], "arguments": command["arguments"] }));
        editor.told("window/showMessage")["params"].clone()
    };
    let told = run(&mut editor);
    assert_eq!(
        (told["type"].as_u64(), told["message"].as_str().map(|said| said.starts_with("0 passed, 1 failed\none (line 9): "))),
        (Some(1), Some(true)),
        "{told}"
    );
    let shown = editor.findings[&uri].clone();
    assert_eq!((shown[0]["code"].as_str(), covered(text, &shown[0]["range"]).as_str()), (Some("test"), "expect r.n == 1"), "{shown}");
    // It holds until the text is edited.
    let mended = text.replace("n == 1", "n == 0");
    change_all(&mut editor, "a.pattern", 2, &mended);
    assert_eq!(editor.findings[&uri], json!([]));
    std::fs::write(folder.path().join("a.pattern"), &mended).expect("there is room");
    assert_eq!(run(&mut editor)["type"], 3);
    assert_eq!(editor.findings[&uri], json!([]));
    assert_eq!(editor.end(), Some(0));
}
