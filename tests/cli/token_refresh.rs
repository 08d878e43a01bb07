//! The token refresh against a real HTTP server, which answers, answers slowly, twice, with errors, and not at all.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::patternc::{patternc, repository, run_with_input, seen};

/// What the provider does with one request for a token.
#[derive(Clone, Copy)]
pub enum Does {
    Answers,
    /// After a while.
    Slowly,
    /// Refreshes the token, then says that it failed: the next request has to be the same one again.
    RefreshesAndFails,
    /// Refreshes the token and closes the connection without a word.
    RefreshesAndIsSilent,
    /// Takes the request and never answers.
    NeverAnswers,
    Refuses,
}

/// A provider of tokens and a mailbox, on a port of its own.
pub struct Provider {
    pub address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What happens to the next requests for a token; then it answers.
    script: Vec<Does>,
    /// By idempotency key: the token that was made for it.
    tokens: HashMap<String, String>,
    requests: usize,
    /// Searches with a token that is not the newest are refused as expired.
    newest: String,
    /// The token that expires after the first page, once.
    expires_once: bool,
}

impl Provider {
    pub fn start(script: &[Does]) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state = Arc::new(Mutex::new(State { script: script.iter().rev().copied().collect(), ..State::default() }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Provider { address, state }
    }
}

/// One request a connection.
fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let mut headers = HashMap::new();
    if reader.read_line(&mut line).is_err() {
        return;
    }
    let path = line.split_whitespace().nth(1).unwrap_or("").to_string();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            headers.insert(name.to_lowercase(), value.trim().to_string());
        }
    }
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    match path.as_str() {
        "/token" => token(stream, state, &headers),
        "/search" => search(stream, state, &body),
        _ => respond(stream, 404, "{}"),
    }
}

fn token(stream: &TcpStream, state: &Mutex<State>, headers: &HashMap<String, String>) {
    let key = headers.get("idempotency-key").cloned().unwrap_or_default();
    let mut locked = state.lock().expect("no request panics");
    locked.requests += 1;
    let does = locked.script.pop().unwrap_or(Does::Answers);
    if matches!(does, Does::Refuses) {
        return respond(stream, 401, r#"{"error":"invalid_grant"}"#);
    }
    if matches!(does, Does::NeverAnswers) {
        drop(locked);
        return std::thread::sleep(Duration::from_secs(20));
    }
    let made = locked.tokens.len() + 1;
    let token = locked.tokens.entry(key).or_insert_with(|| format!("token {made}")).clone();
    locked.newest = token.clone();
    drop(locked);
    let answer = serde_json::json!({ "access": token, "lifetime": "1h" }).to_string();
    match does {
        Does::Slowly => {
            std::thread::sleep(Duration::from_millis(700));
            respond(stream, 200, &answer);
        }
        Does::RefreshesAndFails => respond(stream, 503, "{}"),
        Does::RefreshesAndIsSilent => {}
        _ => respond(stream, 200, &answer),
    }
}

fn search(stream: &TcpStream, state: &Mutex<State>, body: &serde_json::Value) {
    let mut locked = state.lock().expect("no request panics");
    let page = body["page"].as_i64().unwrap_or(0);
    if page == 2 && std::mem::take(&mut locked.expires_once) {
        return respond(stream, 400, r#"{"message":"token expired"}"#);
    }
    if body["token"] != locked.newest.as_str() {
        return respond(stream, 400, r#"{"message":"a token that was never given"}"#);
    }
    let next = if page < 3 { serde_json::json!(page + 1) } else { serde_json::Value::Null };
    respond(stream, 200, &serde_json::json!({ "subjects": [format!("page {page}")], "next": next }).to_string());
}

fn respond(mut stream: &TcpStream, status: u16, body: &str) {
    let text = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Who asked may have given up.
    let _ = stream.write_all(text.as_bytes());
}

/// Runs the project's events against the provider, then reads the agent: its progress, what it found, how often it renewed.
fn run(provider: &Provider) -> serde_json::Value {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let project = repository().join("patterns/token_refresh");
    for file in std::fs::read_dir(&project).expect("it is part of the repository").flatten().filter(|f| f.path().is_file()) {
        std::fs::copy(file.path(), folder.path().join(file.file_name())).expect("there is room for a copy");
    }
    let events = std::fs::read_to_string(project.join("events.jsonl")).expect("it is part of the repository");
    let output = run_with_input(command(folder.path(), provider), &events);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let read = r#"{"read":"GmailAgent/invoices","cells":["progress","found","renewals"]}"#;
    let output = run_with_input(command(folder.path(), provider), read);
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", seen(&output)));
    line["cells"].clone()
}

fn command(folder: &Path, provider: &Provider) -> std::process::Command {
    let mut command = patternc(folder);
    command.arg("run").env("OAUTH_URL", &provider.address).env("GMAIL_URL", &provider.address);
    command
}

fn done(renewals: i64) -> serde_json::Value {
    serde_json::json!({ "progress": "done", "found": ["page 1", "page 2", "page 3"], "renewals": renewals })
}

#[test]
fn a_provider_that_answers_and_one_that_is_slow() {
    for does in [Does::Answers, Does::Slowly] {
        let provider = Provider::start(&[does]);
        assert_eq!(run(&provider), done(0));
        assert_eq!(provider.state.lock().expect("no request panics").requests, 1);
    }
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_under_the_same_key() {
    for does in [Does::RefreshesAndFails, Does::RefreshesAndIsSilent, Does::NeverAnswers] {
        let provider = Provider::start(&[does]);
        assert_eq!(run(&provider), done(0));
        let state = provider.state.lock().expect("no request panics");
        assert!(state.requests >= 2, "{}", state.requests);
        assert_eq!(state.tokens.len(), 1, "one refresh made one token: {:?}", state.tokens);
    }
}

#[test]
fn a_refusal_is_reported_and_nothing_is_assumed() {
    let provider = Provider::start(&[Does::Refuses]);
    let agent = run(&provider);
    let why = agent["progress"]["failed"]["why"].as_str().unwrap_or_default();
    assert!(why.contains("invalid_grant"), "{agent}");
    assert_eq!(agent["found"], serde_json::json!([]));
}

#[test]
fn a_token_that_expires_in_the_middle_of_a_scan_is_renewed() {
    let provider = Provider::start(&[]);
    provider.state.lock().expect("no request panics").expires_once = true;
    assert_eq!(run(&provider), done(1));
    assert_eq!(provider.state.lock().expect("no request panics").tokens.len(), 2);
}
