//! What an editor waits for, measured by a client of `patternc lsp` over its standard input and output, on a generated project of 1,000 files:
//! the first findings, findings after a keystroke, completion, hover. Medians.
//!
//! `cargo build --release && cargo bench -p patternc-benches --bench editor [-- MODULES]`; `PATTERNC` names another binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use patternc_benches::project;
use serde_json::{Value, json};

const KEYSTROKES: usize = 200;

struct Client {
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    requests: u64,
}

impl Client {
    fn start(program: &Path, folder: &Path) -> Client {
        let mut server = Command::new(program)
            .arg("lsp")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; build it with `cargo build --release`", program.display()));
        let input = server.stdin.take().expect("it is piped");
        let output = BufReader::new(server.stdout.take().expect("it is piped"));
        Client { server, input, output, requests: 0 }
    }

    fn write(&mut self, message: Value) {
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("the server listens");
        self.input.flush().expect("the server listens");
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.write(json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.write(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let mut message = self.read();
            if message["id"] == id {
                return message["result"].take();
            }
        }
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.output.read_line(&mut line).expect("the server speaks") > 0, "the server ended");
            match line.trim().strip_prefix("Content-Length: ") {
                Some(value) => length = value.parse().expect("a number"),
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).expect("the server speaks");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// Waits for the first findings of any file.
    fn first_findings(&mut self) {
        while self.read()["method"] != "textDocument/publishDiagnostics" {}
    }

    /// Waits for the findings of a version of the open file: by then those of all other files have come.
    fn findings(&mut self, version: u64) -> usize {
        loop {
            let message = self.read();
            if message["method"] == "textDocument/publishDiagnostics" && message["params"]["version"] == version {
                return message["params"]["diagnostics"].as_array().map_or(0, Vec::len);
            }
        }
    }
}

fn main() {
    let modules = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1000);
    let program = std::env::var_os("PATTERNC")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/patternc"), PathBuf::from);
    let folder = tempfile::tempdir().expect("there is room");
    let files = project::generate(modules);
    for (path, text) in &files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is in the folder")).expect("there is room");
        std::fs::write(path, text).expect("there is room");
    }
    std::fs::write(folder.path().join("patternc.yaml"), "project: measured\n").expect("there is room");
    let lines: usize = files.iter().map(|(_, text)| text.lines().count()).sum();
    println!("{} files, {lines} lines", files.len());

    let (path, text) = &files[files.len() / 2];
    let uri = format!("file://{}/{path}", folder.path().display());
    // With something to find.
    let opened = format!("{text}\nfn forgotten() -> Int {{ 1 }}\n");
    let open = json!({ "textDocument": { "uri": uri, "languageId": "pattern", "version": 0, "text": opened } });
    let folders = json!([{ "uri": format!("file://{}", folder.path().display()), "name": "measured" }]);

    let start = Instant::now();
    let mut client = Client::start(&program, folder.path());
    client.request("initialize", json!({ "processId": null, "capabilities": {}, "workspaceFolders": folders }));
    client.notify("initialized", json!({}));
    client.notify("textDocument/didOpen", open);
    client.first_findings();
    report("first findings, those of the open file, from the start of the process", start.elapsed());
    assert_eq!(client.findings(0), 1, "the generated project has no findings");
    report("findings of the whole project, from the start of the process", start.elapsed());

    let line = text.lines().position(|line| line.contains("let total = self.total")).expect("it is generated");
    let character = text.lines().nth(line).expect("it is there").len();
    let document = json!({ "uri": uri });
    let mut version = 0;
    let mut type_in = |client: &mut Client, from: usize, to: usize, new: &str| {
        version += 1;
        let range = json!({ "start": { "line": line, "character": from }, "end": { "line": line, "character": to } });
        let changes = json!([{ "range": range, "text": new }]);
        client.notify("textDocument/didChange", json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": changes }));
        version
    };
    let mut keystrokes = Vec::new();
    let mut completions = Vec::new();
    let mut hovers = Vec::new();
    for round in 0..KEYSTROKES {
        // ` + self.` is typed, one character after the other, and taken away again.
        let typed = " + self.";
        for (index, c) in typed.char_indices() {
            let start = Instant::now();
            let version = type_in(&mut client, character + index, character + index, &c.to_string());
            client.findings(version);
            keystrokes.push(start.elapsed());
        }
        let position = json!({ "line": line, "character": character + typed.len() });
        let start = Instant::now();
        let offered = client.request("textDocument/completion", json!({ "textDocument": document, "position": position }));
        completions.push(start.elapsed());
        assert!(offered["items"].as_array().is_some_and(|items| !items.is_empty()), "{offered}");
        let start = Instant::now();
        let position = json!({ "line": line, "character": character - 2 });
        assert!(client.request("textDocument/hover", json!({ "textDocument": document, "position": position })).is_object());
        hovers.push(start.elapsed());
        let version = type_in(&mut client, character, character + typed.len(), "");
        client.findings(version);
        if round == 0 {
            println!("{} offers after `self.`", offered["items"].as_array().map_or(0, Vec::len));
        }
    }
    report("findings after a keystroke", median(keystrokes));
    report("completion after a `.`", median(completions));
    report("hover", median(hovers));

    let start = Instant::now();
    let position = json!({ "line": line, "character": character - 2 });
    let context = json!({ "includeDeclaration": true });
    let found = client.request("textDocument/references", json!({ "textDocument": document, "position": position, "context": context }));
    report(&format!("references ({} of them), the first time", found.as_array().map_or(0, Vec::len)), start.elapsed());
    let start = Instant::now();
    client.request("workspace/symbol", json!({ "query": "order5" }));
    report("workspace symbols", start.elapsed());

    client.request("shutdown", Value::Null);
    client.notify("exit", Value::Null);
    let status = client.server.wait().expect("it ends");
    assert!(status.success(), "{status}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn report(what: &str, time: Duration) {
    println!("{what}: {:.2} ms", time.as_secs_f64() * 1e3);
}
