//! The language server, driven over its standard input and output as an editor does.

mod clients;
mod edits;
mod findings;
mod questions;
mod writing;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

use crate::patternc::patternc;

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

    /// Waits until a file, by its URI, has findings, or has none.
    fn shows(&mut self, uri: &str, some: bool) {
        while self.findings.get(uri).and_then(Value::as_array).is_some_and(|found| !found.is_empty()) != some {
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

/// Replaces the whole text, and waits for its findings.
fn change_all(editor: &mut Editor, file: &str, version: i64, text: &str) {
    let uri = editor.uri(file);
    editor.notify(
        "textDocument/didChange",
        json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": [{ "text": text }] }),
    );
    editor.settled(file, version);
}
