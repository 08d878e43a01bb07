//! The language server, driven over its standard input and output as an editor does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::Location;
use serde_json::{Value, json};

use crate::patternc::{patternc, repository};

/// How long an answer may take before the test is given up: far more than it ever does.
const PATIENCE: Duration = Duration::from_secs(120);

/// An editor.
pub struct Editor {
    server: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    requests: u64,
    folder: PathBuf,
    /// The newest findings of each file.
    pub findings: BTreeMap<String, Value>,
    /// The version of which they are.
    versions: BTreeMap<String, i64>,
    /// Other notifications, in their order.
    told: Vec<Value>,
}

impl Editor {
    /// Starts a server on a folder.
    pub fn start(folder: &Path) -> Editor {
        let mut server = patternc(folder)
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary of the test starts");
        let output = server.stdout.take().expect("it is piped");
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(output);
            while let Some(message) = read(&mut stream) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let input = server.stdin.take();
        let folder = folder.canonicalize().expect("the folder is there");
        let (findings, versions) = (BTreeMap::new(), BTreeMap::new());
        Editor { server, input, messages, requests: 0, folder, findings, versions, told: Vec::new() }
    }

    /// Says hello, with what the editor can do.
    pub fn initialize(&mut self, capabilities: Value) -> Value {
        let folders = json!([{ "uri": format!("file://{}", self.folder.display()), "name": "test" }]);
        let answer = self.request("initialize", json!({ "processId": null, "capabilities": capabilities, "workspaceFolders": folders }));
        self.notify("initialized", json!({}));
        answer
    }

    pub fn uri(&self, file: &str) -> String {
        format!("file://{}/{file}", self.folder.display())
    }

    pub fn raw(&mut self, body: &str) {
        let input = self.input.as_mut().expect("the stream is open");
        write!(input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("the server listens");
        input.flush().expect("the server listens");
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.raw(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }

    /// The result of a request; its error where it has none.
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.answer(&id)
    }

    pub fn send(&mut self, method: &str, params: Value) -> Value {
        self.requests += 1;
        let id = json!(self.requests);
        self.raw(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        id
    }

    pub fn answer(&mut self, id: &Value) -> Value {
        loop {
            let mut message = self.next();
            if message["id"] == *id && message.get("method").is_none() {
                return if message.get("error").is_some() { message["error"].take() } else { message["result"].take() };
            }
            self.hear(message);
        }
    }

    fn next(&mut self) -> Value {
        self.messages.recv_timeout(PATIENCE).expect("the server answers")
    }

    fn hear(&mut self, mut message: Value) {
        if message["method"] == "textDocument/publishDiagnostics" {
            let params = message["params"].take();
            let uri = params["uri"].as_str().expect("a file").to_owned();
            if let Some(version) = params["version"].as_i64() {
                self.versions.insert(uri.clone(), version);
            }
            self.findings.insert(uri, params["diagnostics"].clone());
        } else {
            self.told.push(message);
        }
    }

    pub fn open(&mut self, file: &str, version: i64, text: &str) {
        let uri = self.uri(file);
        self.notify(
            "textDocument/didOpen",
            json!({ "textDocument": { "uri": uri, "languageId": "pattern", "version": version, "text": text } }),
        );
        self.settled(file, version);
    }

    /// Waits for the findings of a version of an open file.
    pub fn settled(&mut self, file: &str, version: i64) {
        let uri = self.uri(file);
        while self.versions.get(&uri) != Some(&version) {
            let message = self.next();
            self.hear(message);
        }
    }

    /// Waits for a notification or request of the server.
    fn told(&mut self, method: &str) -> Value {
        loop {
            if let Some(place) = self.told.iter().position(|message| message["method"] == method) {
                return self.told.remove(place);
            }
            let message = self.next();
            self.hear(message);
        }
    }

    /// A request about the place where `what` begins in `text`, `after` characters on.
    fn about(&mut self, method: &str, file: &str, text: &str, what: &str, after: usize) -> Value {
        let params = json!({ "textDocument": { "uri": self.uri(file) }, "position": position(text, what, after) });
        self.request(method, params)
    }

    /// Says goodbye: the exit status.
    pub fn end(mut self) -> Option<i32> {
        assert_eq!(self.request("shutdown", Value::Null), Value::Null);
        self.notify("exit", Value::Null);
        self.input = None;
        self.server.wait().expect("it ends").code()
    }
}

fn read(stream: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim() {
            "" => break,
            header => {
                if let Some(value) = header.strip_prefix("Content-Length: ") {
                    length = value.parse().ok()?;
                }
            }
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// The place of a byte, characters counted in UTF-16. A line ends with `\n`, `\r\n` or `\r`.
fn at(text: &str, byte: usize) -> Value {
    let (mut line, mut start) = (0, 0);
    for (end, c) in text[..byte].char_indices() {
        if c == '\n' || c == '\r' && !text[end + 1..].starts_with('\n') {
            (line, start) = (line + 1, end + 1);
        }
    }
    json!({ "line": line, "character": text[start..byte].encode_utf16().count() })
}

fn position(text: &str, what: &str, after: usize) -> Value {
    at(text, text.find(what).unwrap_or_else(|| panic!("{what} is in the text")) + after)
}

/// The text that a range covers.
fn covered(text: &str, range: &Value) -> String {
    let byte = |position: &Value| {
        let line = position["line"].as_u64().expect("a line") as usize;
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let wanted = position["character"].as_u64().expect("a character") as usize;
        let rest = &text[start..];
        let mut passed = 0;
        let before = |c: &char| {
            let before = passed < wanted;
            passed += c.len_utf16();
            before
        };
        start + rest.chars().take_while(before).map(char::len_utf8).sum::<usize>()
    };
    text[byte(&range["start"])..byte(&range["end"])].to_owned()
}

const PEOPLE: &str = r#"space home

/// Someone, ü😀.
record Person in home {
  cell name: Text
  cell members: Set<Person> = Set[]
  cell status: Status = Status.open
  derived degree: Int = self.members.len()

  /// Links two people.
  handler link(target: Person) writes Person.members, Person.name {
    require !(target in self.members) else "already linked ü😀" // 😀
    self.members += target
    target.members += self
    let known = self.members.filter(p => p.degree > 1)
    for one in known { one.touch(1) }
  }

  internal handler touch(times: Int) -> Int {
    self.name = "touched"
    return times
  }
}

enum Status { open, closed }

fn label(p: Person) -> Text { "{p.name}" }

test "linking" {
  let ada = create Person in home { name: "Ada" }
  ada.link(ada)
  expect label(ada) == "Ada"
}
"#;

const NOTES: &str =
    "use \"people.pattern\" { Person, home }\n\nrecord Note in home {\n  cell by: Person\n  derived who: Text = self.by.name\n}\n";

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("people.pattern"), PEOPLE).expect("there is room");
    std::fs::write(folder.path().join("notes.pattern"), NOTES).expect("there is room");
    std::fs::write(folder.path().join("patternc.yaml"), "project: people\n").expect("there is room");
    folder
}

/// An editor with `people.pattern` open.
fn opened() -> (Editor, tempfile::TempDir) {
    let folder = project();
    let mut editor = Editor::start(folder.path());
    editor.initialize(json!({ "textDocument": { "completion": { "completionItem": { "snippetSupport": true } } } }));
    editor.open("people.pattern", 1, PEOPLE);
    (editor, folder)
}

fn labels(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().filter_map(|one| one["label"].as_str()).collect()
}

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
    assert!(editor.request("textDocument/formatting", params)["message"].as_str().is_some_and(|why| why.contains("left as it is")));
    assert_eq!(editor.end(), Some(0));
}

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

/// Replaces the whole text, and waits for its findings.
fn change_all(editor: &mut Editor, file: &str, version: i64, text: &str) {
    let uri = editor.uri(file);
    editor.notify(
        "textDocument/didChange",
        json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": [{ "text": text }] }),
    );
    editor.settled(file, version);
}

/// Numbers that look like chance (xorshift, Marsaglia 2003), the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// What is found in texts by a check that never saw others: by file, rule, level, first line of the message, and where.
fn cold(files: &BTreeMap<&str, String>) -> BTreeMap<String, Vec<Value>> {
    let mut db = Database::default();
    let texts: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    db.set_project(&texts, Some(("patternc.yaml", "project: people\n")));
    let mut by_file: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for finding in check(&db, &CheckOptions::default()) {
        let Location::Span(file, span) = finding.primary.at else { panic!("{finding:?} is nowhere") };
        let (path, text) = (file.path(&db).to_string(), file.text(&db));
        let place = json!({ "start": at(text, span.start as usize), "end": at(text, span.end as usize) });
        by_file.entry(path).or_default().push(json!([finding.rule, finding.level.name(), finding.message.lines().next(), place]));
    }
    by_file
}

/// The same of a finding that was published.
fn summary(finding: &Value) -> Value {
    let level = match finding["severity"].as_u64() {
        Some(1) => "error",
        Some(2) => "warn",
        _ => "info",
    };
    let message = finding["message"].as_str().and_then(|message| message.lines().next());
    json!([finding["code"], level, message, finding["range"]])
}

/// What an editor asks about a file whenever it changes, and a few questions about places in it.
fn answers(editor: &mut Editor, file: &str, text: &str) -> Vec<(String, Value)> {
    let document = json!({ "uri": editor.uri(file) });
    let mut all = Vec::new();
    for method in ["semanticTokens/full", "documentSymbol", "foldingRange", "inlayHint", "codeLens"] {
        let answer = editor.request(&format!("textDocument/{method}"), json!({ "textDocument": document }));
        all.push((method.to_owned(), answer));
    }
    for (byte, _) in text.char_indices().step_by(97) {
        for method in ["hover", "definition", "references", "completion", "signatureHelp"] {
            let params = json!({ "textDocument": document, "position": at(text, byte), "context": { "includeDeclaration": true } });
            all.push((format!("{method} at {byte}"), editor.request(&format!("textDocument/{method}"), params)));
        }
    }
    all
}

/// Hundreds of chance edits in two files that are open, each a few characters or a piece of a line: after each the findings of all files are
/// those of a check that starts anew, and now and then all answers are those of a server that starts anew.
#[test]
fn after_every_edit_findings_are_those_of_a_cold_check() {
    let corpus = std::fs::read_to_string(repository().join("patterns/library/library.pattern")).expect("an example");
    let pieces = [
        "",
        "",
        " ",
        "\n",
        "\r\n",
        "}",
        "{",
        "(",
        "\"",
        "self.",
        "send ",
        "😀",
        "ü",
        "// ",
        "require ",
        "target",
        "Int",
        "@any",
        " = ",
        "1",
        "let x = ",
        "\n\n",
        "writes Person.members ",
        "in home",
        "delete self\n",
        ".name",
        ", ",
    ];
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for (round, first) in [("people.pattern", PEOPLE), ("library.pattern", &corpus)].into_iter().enumerate() {
        let folder = project();
        let mut editor = Editor::start(folder.path());
        editor.initialize(json!({}));
        let start = BTreeMap::from([first, ("notes.pattern", NOTES)]);
        start.iter().for_each(|(file, text)| editor.open(file, 0, text));
        let mut texts = BTreeMap::from([("people.pattern", PEOPLE.to_owned())]);
        texts.extend(start.iter().map(|(file, text)| (*file, text.to_string())));
        for version in 1..=120 {
            let file = if chance.below(3) == 0 { "notes.pattern" } else { first.0 };
            // Now and then back to a text without errors, so that edits do not only pile up.
            if version % 12 == 0 {
                change_all(&mut editor, file, version, start[file]);
                texts.insert(file, start[file].to_owned());
            } else {
                let text = texts.get_mut(file).expect("it is open");
                // No editor has a place between the two characters of an end of a line.
                let boundary = |mut byte: usize, text: &str| {
                    while !text.is_char_boundary(byte) || text[..byte].ends_with('\r') && text[byte..].starts_with('\n') {
                        byte -= 1;
                    }
                    byte
                };
                let from = boundary(chance.below(text.len() + 1), text);
                let to = boundary((from + chance.below(12)).min(text.len()), text).max(from);
                let new = pieces[chance.below(pieces.len())];
                let range = json!({ "start": at(text, from), "end": at(text, to) });
                let uri = editor.uri(file);
                editor.notify(
                    "textDocument/didChange",
                    json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": [{ "range": range, "text": new }] }),
                );
                text.replace_range(from..to, new);
                editor.settled(file, version);
            }
            let expected = cold(&texts);
            for (name, text) in &texts {
                let uri = editor.uri(name);
                let shown: Vec<Value> = editor.findings.get(&uri).and_then(Value::as_array).into_iter().flatten().map(summary).collect();
                let expected = expected.get(*name).cloned().unwrap_or_default();
                assert_eq!(Value::from(shown), Value::from(expected), "{name} at version {version} of round {round}\n{text}");
            }
            if version % 40 == 7 {
                let mut fresh = Editor::start(folder.path());
                fresh.initialize(json!({}));
                start.keys().for_each(|file| fresh.open(file, 0, &texts[file]));
                for file in start.keys() {
                    let (old, new) = (answers(&mut editor, file, &texts[file]), answers(&mut fresh, file, &texts[file]));
                    old.iter().zip(&new).for_each(|(old, new)| assert_eq!(old, new, "{file} at version {version}\n{}", texts[file]));
                }
                assert_eq!(fresh.end(), Some(0));
            }
        }
        assert_eq!(editor.end(), Some(0));
    }
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
