//! What the server knows, and how messages are answered.

mod notifications;
mod publishing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender};

use patternc_compiler::ide::{self, complete::complete};
use serde_json::{Value, json};

use super::actions::{Asked, Tried};
use super::findings::{Job, Published, Ticket};
use super::navigation::Places;
use super::position::{Encoding, Lines};
use super::transport::{self, Incoming, Outgoing};
use super::workspace::{At, Workspace};
use super::{actions, completion, formatting, hover, outline, rename, run_tests, tokens, uri};
use crate::fault::Fault;
use crate::project::CONFIG;

/// Something to react to.
pub enum Event {
    Message(Incoming),
    /// What is found in the open files of a project of which nothing is known yet.
    First {
        ticket: Ticket,
        found: Published,
    },
    /// What is found in a project; `None` where an edit cancelled the search.
    Found {
        ticket: Ticket,
        found: Option<Published>,
    },
    /// A run of tests ended.
    Tested(run_tests::Outcome),
}

impl From<Incoming> for Event {
    fn from(message: Incoming) -> Self {
        Event::Message(message)
    }
}

/// Why a request has no result: a code of the protocol, and the reason.
#[derive(Debug)]
pub struct Refusal {
    pub code: i64,
    pub reason: String,
}

impl Refusal {
    /// The request cannot be done, and the person should know why.
    pub fn failed(reason: impl Into<String>) -> Self {
        Refusal { code: transport::REQUEST_FAILED, reason: reason.into() }
    }

    fn parameters(reason: impl Into<String>) -> Self {
        Refusal { code: transport::INVALID_PARAMS, reason: reason.into() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for `initialize`.
    New,
    Running,
    /// Was asked to shut down.
    Ending,
}

/// What the editor can do.
#[derive(Clone, Copy, Default)]
pub struct Client {
    pub snippets: bool,
    watches_files: bool,
}

pub struct Server<W> {
    out: Outgoing<W>,
    jobs: Sender<Job>,
    events: Sender<Event>,
    state: State,
    client: Client,
    encoding: Encoding,
    folders: Vec<PathBuf>,
    workspace: Workspace,
    generation: u64,
    /// How often each project was changed.
    revisions: Vec<u64>,
    /// Projects whose findings are out of date.
    dirty: BTreeSet<usize>,
    searching: bool,
    found: BTreeMap<usize, Published>,
    /// What the editor shows.
    shown: Published,
    /// Which version of each open text the editor knows the findings of.
    versions: BTreeMap<PathBuf, i64>,
    tried: Tried,
    /// Tests that failed, by their file and name: where, and what is shown there.
    failed: BTreeMap<(PathBuf, String), (PathBuf, Value)>,
}

impl<W: Write> Server<W> {
    pub fn new(out: W, jobs: Sender<Job>, events: Sender<Event>) -> Self {
        Server {
            out: Outgoing::new(out),
            jobs,
            events,
            state: State::New,
            client: Client::default(),
            encoding: Encoding::Utf16,
            folders: Vec::new(),
            workspace: Workspace::default(),
            generation: 0,
            revisions: Vec::new(),
            dirty: BTreeSet::new(),
            searching: false,
            found: BTreeMap::new(),
            shown: Published::new(),
            versions: BTreeMap::new(),
            tried: Tried::default(),
            failed: BTreeMap::new(),
        }
    }

    /// Reacts to events until the editor is gone.
    pub fn serve(mut self, inbox: &Receiver<Event>) -> Result<ExitCode, Fault> {
        let mut queue: VecDeque<Event> = VecDeque::new();
        loop {
            if queue.is_empty() {
                // Everything that was typed is in: now it is worth to look.
                self.search();
                match inbox.recv() {
                    Ok(event) => queue.push_back(event),
                    Err(_) => return Ok(ExitCode::FAILURE),
                }
            }
            while let Ok(event) = inbox.try_recv() {
                self.arrived(event, &mut queue)?;
            }
            match queue.pop_front() {
                Some(Event::Message(message)) => {
                    if let Some(code) = self.message(message)? {
                        return Ok(code);
                    }
                }
                Some(Event::First { ticket, found }) => self.first(ticket, found)?,
                Some(Event::Found { ticket, found }) => self.found(ticket, found)?,
                Some(Event::Tested(outcome)) => self.tested(outcome)?,
                None => {}
            }
        }
    }

    /// Queues an event; one that takes a waiting request back takes it out.
    fn arrived(&mut self, event: Event, queue: &mut VecDeque<Event>) -> io::Result<()> {
        if let Event::Message(Incoming::Notification { method, params }) = &event
            && method == "$/cancelRequest"
        {
            let waits = |event: &Event| matches!(event, Event::Message(Incoming::Request { id, .. }) if *id == params["id"]);
            if let Some(place) = queue.iter().position(waits) {
                queue.remove(place);
                self.out.error(&params["id"], transport::REQUEST_CANCELLED, "cancelled")?;
            }
            return Ok(());
        }
        queue.push_back(event);
        Ok(())
    }

    /// Reacts to a message; the exit status after the last.
    fn message(&mut self, message: Incoming) -> Result<Option<ExitCode>, Fault> {
        match message {
            Incoming::Request { id, method, params } => {
                let answer = std::panic::catch_unwind(AssertUnwindSafe(|| self.request(&method, &params)));
                match answer {
                    Ok(Ok(result)) => self.out.result(&id, result)?,
                    Ok(Err(refusal)) => self.out.error(&id, refusal.code, &refusal.reason)?,
                    Err(_) => self.out.error(&id, transport::INTERNAL_ERROR, "patternc made a mistake here; please report it")?,
                }
                if method == "initialize" && self.state == State::Running {
                    self.out.notify("window/logMessage", json!({ "type": 3, "message": version() }))?;
                }
            }
            Incoming::Notification { method, params } => {
                if method == "exit" {
                    return Ok(Some(if self.state == State::Ending { ExitCode::SUCCESS } else { ExitCode::FAILURE }));
                }
                if self.state == State::Running {
                    let reaction = std::panic::catch_unwind(AssertUnwindSafe(|| self.notification(&method, &params)));
                    if let Ok(Err(fault)) = reaction {
                        match fault {
                            Fault::Output(_) => return Err(fault),
                            fault => self.out.notify("window/logMessage", json!({ "type": 1, "message": fault.to_string() }))?,
                        }
                    }
                }
            }
            Incoming::Broken { id, code, reason } => self.out.error(&id, code, &reason)?,
            Incoming::Response { .. } => {}
            Incoming::End => return Ok(Some(ExitCode::FAILURE)),
        }
        Ok(None)
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value, Refusal> {
        match (self.state, method) {
            (State::New, "initialize") => return Ok(self.initialize(params)),
            (State::New, _) => {
                return Err(Refusal { code: transport::NOT_INITIALIZED, reason: "the first request is `initialize`".into() });
            }
            (State::Ending, _) => return Err(Refusal { code: transport::INVALID_REQUEST, reason: "the server was shut down".into() }),
            (State::Running, "initialize") => {
                return Err(Refusal { code: transport::INVALID_REQUEST, reason: "the server was initialized before".into() });
            }
            (State::Running, "shutdown") => {
                self.state = State::Ending;
                return Ok(Value::Null);
            }
            (State::Running, _) => {}
        }
        match method {
            "workspace/symbol" => Ok(outline::workspace(&self.workspace, params["query"].as_str().unwrap_or_default(), self.encoding)),
            "workspace/executeCommand" => run_tests::execute(params, &self.events),
            "completionItem/resolve" => Ok(params.clone()),
            "textDocument/completion" => self.complete(params),
            "textDocument/codeAction" => self.actions(params),
            method => self.about_a_file(method, params),
        }
    }

    /// Requests about a file that is loaded.
    fn about_a_file(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        const KNOWN: &[&str] = &[
            "hover",
            "definition",
            "typeDefinition",
            "references",
            "documentHighlight",
            "prepareRename",
            "rename",
            "signatureHelp",
            "documentSymbol",
            "foldingRange",
            "inlayHint",
            "semanticTokens/full",
            "semanticTokens/range",
            "formatting",
            "codeLens",
        ];
        let unknown = || Refusal { code: transport::METHOD_NOT_FOUND, reason: format!("`{method}` is not known here") };
        let name = method.strip_prefix("textDocument/").filter(|name| KNOWN.contains(name)).ok_or_else(unknown)?;
        let path = document_path(params)?;
        let Some(at) = self.workspace.find(&path) else { return Ok(Value::Null) };
        let lines = Lines::new(at.text(), self.encoding);
        let offset = || lines.offset(&params["position"]).ok_or_else(|| Refusal::parameters("`position` is missing or no position"));
        if path.file_name().is_some_and(|file| file == CONFIG) {
            // It is no pattern: of all this it has words that mean something.
            return if name == "hover" { Ok(hover::configuration(at, &lines, offset()?)) } else { Ok(Value::Null) };
        }
        let places = self.places(at);
        Ok(match name {
            "hover" => hover::hover(at, &lines, offset()?),
            "signatureHelp" => hover::signature_help(at, offset()?),
            "definition" => places.definition(offset()?),
            "typeDefinition" => places.type_definition(offset()?),
            "references" => places.references(offset()?, params["context"]["includeDeclaration"].as_bool().unwrap_or(true)),
            "documentHighlight" => places.highlights(offset()?, &lines),
            "prepareRename" => rename::prepare(at, &lines, offset()?),
            "rename" => rename::rename(&places, offset()?, params["newName"].as_str().unwrap_or_default())?,
            "documentSymbol" => outline::document(at, &lines),
            "foldingRange" => outline::folding(at, &lines),
            "inlayHint" => outline::hints(at, &lines, &params["range"]),
            "semanticTokens/full" => tokens::tokens(at, &lines, None),
            "semanticTokens/range" => tokens::tokens(at, &lines, lines.span(&params["range"])),
            "formatting" => formatting::formatting(at.text(), &lines)?,
            // They run what is on disk.
            "codeLens" if path.is_file() => run_tests::lenses(at, &lines, &path),
            "codeLens" => Value::Null,
            _ => return Err(unknown()),
        })
    }

    fn places<'a>(&'a self, at: At<'a>) -> Places<'a> {
        Places { at, folder: at.loaded.folder(), encoding: self.encoding }
    }

    fn complete(&mut self, params: &Value) -> Result<Value, Refusal> {
        let path = document_path(params)?;
        let Some(At { project, file, .. }) = self.workspace.find(&path) else { return Ok(Value::Null) };
        let loaded = &mut self.workspace.projects[project];
        let text = file.text(&loaded.db).clone();
        let lines = Lines::new(&text, self.encoding);
        let offset = lines.offset(&params["position"]).ok_or_else(|| Refusal::parameters("`position` is missing or no position"))?;
        let found = if path.file_name().is_some_and(|name| name == CONFIG) {
            ide::configuration::complete(&loaded.db, file, offset)
        } else {
            complete(&mut loaded.db, &mut loaded.scratch, file, offset)
        };
        Ok(completion::items(found, &lines, self.client))
    }

    fn actions(&mut self, params: &Value) -> Result<Value, Refusal> {
        let path = document_path(params)?;
        let Some(At { project, file, .. }) = self.workspace.find(&path) else { return Ok(Value::Null) };
        let revision = self.revisions.get(project).copied().unwrap_or_default();
        let state = Ticket { generation: self.generation, project, revision };
        let asked = Asked { state, file, encoding: self.encoding, params };
        Ok(actions::actions(&mut self.workspace.projects[project], &mut self.tried, &asked))
    }

    fn initialize(&mut self, params: &Value) -> Value {
        let capabilities = &params["capabilities"];
        self.encoding = Encoding::chosen(&capabilities["general"]["positionEncodings"]);
        self.client = Client {
            snippets: capabilities["textDocument"]["completion"]["completionItem"]["snippetSupport"] == true,
            watches_files: capabilities["workspace"]["didChangeWatchedFiles"]["dynamicRegistration"] == true,
        };
        let folders = params["workspaceFolders"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.folders = folders.iter().filter_map(|folder| uri::to_path(folder["uri"].as_str()?)).collect();
        if self.folders.is_empty() {
            self.folders.extend(params["rootUri"].as_str().and_then(uri::to_path));
        }
        self.state = State::Running;
        json!({
            "serverInfo": { "name": "patternc", "version": env!("CARGO_PKG_VERSION") },
            "capabilities": {
                "positionEncoding": self.encoding.name(),
                "textDocumentSync": { "openClose": true, "change": 2, "save": { "includeText": false } },
                "hoverProvider": true,
                "definitionProvider": true,
                "typeDefinitionProvider": true,
                "referencesProvider": true,
                "documentHighlightProvider": true,
                "documentSymbolProvider": true,
                "workspaceSymbolProvider": true,
                "foldingRangeProvider": true,
                "inlayHintProvider": true,
                "documentFormattingProvider": true,
                "codeActionProvider": { "codeActionKinds": ["quickfix", "source.fixAll"] },
                "codeLensProvider": {},
                "renameProvider": { "prepareProvider": true },
                "completionProvider": { "triggerCharacters": [".", "@"] },
                "signatureHelpProvider": { "triggerCharacters": ["(", ",", "{"] },
                "semanticTokensProvider": { "legend": tokens::legend(), "full": true, "range": true },
                "executeCommandProvider": { "commands": [run_tests::RUN] },
                "workspace": { "workspaceFolders": { "supported": true, "changeNotifications": true } },
            },
        })
    }
}

fn document_path(params: &Value) -> Result<PathBuf, Refusal> {
    let uri = params["textDocument"]["uri"].as_str().ok_or_else(|| Refusal::parameters("`textDocument.uri` is missing"))?;
    uri::to_path(uri).ok_or_else(|| Refusal::parameters(format!("`{uri}` is no file")))
}

fn version() -> String {
    format!("patternc {}", env!("CARGO_PKG_VERSION"))
}
