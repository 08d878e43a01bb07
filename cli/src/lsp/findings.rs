//! Findings while typing, on a thread of their own: an edit cancels what is under way.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};

use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::db::{Database, SourceFile};
use patternc_compiler::diagnostic::{Diagnostic, Level, Location};
use patternc_compiler::rules;
use patternc_grammar::syntax::Span;
use serde_json::{Value, json};

use super::position::{Encoding, Lines};
use super::server::Event;
use super::uri;

/// A project whose findings are wanted, as it is now.
pub struct Job {
    pub ticket: Ticket,
    pub folder: PathBuf,
    pub db: Database,
    pub encoding: Encoding,
    /// The open files, where nothing is known of the project yet: what is found in them is wanted before the rest.
    pub first: Option<Vec<SourceFile>>,
}

/// Which state of which project findings are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// How often the projects were loaded.
    pub generation: u64,
    pub project: usize,
    /// How often the project was changed.
    pub revision: u64,
}

/// The findings of a project by path, in the protocol's form. Only files that have some are there.
pub type Published = BTreeMap<PathBuf, Vec<Value>>;

/// Starts the thread. Jobs go to it, what became of each to `events`: `None` where an edit cancelled it.
pub fn start(events: Sender<Event>) -> Sender<Job> {
    let (jobs, inbox) = mpsc::channel::<Job>();
    std::thread::spawn(move || {
        while let Ok(job) = inbox.recv() {
            let ticket = job.ticket;
            let look = || {
                if let Some(files) = &job.first {
                    // Where nobody is there any more to hear it, that is noticed below.
                    let _ = events.send(Event::First { ticket, found: of_files(&job, files) });
                    check::look_at_all(&job.db);
                }
                of_project(&job)
            };
            // A panic is a bug; it costs these findings, not the server.
            let found = std::panic::catch_unwind(AssertUnwindSafe(|| salsa::Cancelled::catch(AssertUnwindSafe(look))));
            // An edit waits until this copy of the database is gone.
            drop(job);
            let found = match found {
                Ok(Ok(found)) => Some(found),
                Ok(Err(_)) => None,
                Err(_) => Some(Published::new()),
            };
            if events.send(Event::Found { ticket, found }).is_err() {
                return;
            }
        }
    });
    jobs
}

fn of_project(job: &Job) -> Published {
    publish(job, check::check(&job.db, &CheckOptions::default()))
}

/// What is found in some files, each of which has an entry.
fn of_files(job: &Job, files: &[SourceFile]) -> Published {
    let options = CheckOptions::default();
    let found = files.iter().flat_map(|&file| check::check_file(&job.db, file));
    let mut published = publish(job, found.filter_map(|finding| check::at_level(&job.db, finding, &options)));
    for file in files {
        published.entry(job.folder.join(&**file.path(&job.db))).or_default();
    }
    published
}

fn publish(job: &Job, findings: impl IntoIterator<Item = Diagnostic>) -> Published {
    let db = &job.db;
    let mut published: Published = BTreeMap::new();
    let mut writer = Writer { db, folder: &job.folder, encoding: job.encoding, lines: BTreeMap::new() };
    for finding in findings {
        if let Location::Span(file, _) = finding.primary.at {
            let path = job.folder.join(&**file.path(db));
            published.entry(path).or_default().push(writer.finding(&finding));
        }
    }
    published
}

/// Writes findings in the protocol's form.
struct Writer<'a> {
    db: &'a Database,
    folder: &'a Path,
    encoding: Encoding,
    lines: BTreeMap<SourceFile, Lines<'a>>,
}

impl<'a> Writer<'a> {
    fn range(&mut self, file: SourceFile, span: Span) -> Value {
        let (db, encoding) = (self.db, self.encoding);
        self.lines.entry(file).or_insert_with(|| Lines::new(file.text(db), encoding)).range(span)
    }

    fn finding(&mut self, finding: &Diagnostic) -> Value {
        let mut message = finding.message.clone();
        if !finding.primary.text.is_empty() {
            message.push_str(&format!("\n{}", finding.primary.text));
        }
        for note in &finding.notes {
            message.push_str(&format!("\nnote: {note}"));
        }
        let is_alone = finding.rule == rules::unresolved_import::RULE.name && uri::is_unsaved(self.folder);
        if is_alone {
            message.push_str("\nhelp: save the file first: paths are relative to where it is");
        } else if let Some(help) = &finding.help {
            message.push_str(&format!("\nhelp: {help}"));
        }
        let range = match finding.primary.at {
            Location::Span(file, span) => self.range(file, span),
            _ => Value::Null,
        };
        let related: Vec<Value> = finding
            .labels
            .iter()
            .filter_map(|label| match label.at {
                Location::Span(file, span) => {
                    let uri = uri::of_path(&self.folder.join(&**file.path(self.db)));
                    Some(json!({ "location": { "uri": uri, "range": self.range(file, span) }, "message": label.text }))
                }
                _ => None,
            })
            .collect();
        // What is never used is shown faint.
        let tags: &[u8] = if is_unused(finding.rule) { &[1] } else { &[] };
        json!({
            "range": range,
            "severity": severity(finding.level),
            "code": finding.rule,
            "source": "patternc",
            "message": message,
            "relatedInformation": related,
            "tags": tags,
        })
    }
}

fn is_unused(rule: &str) -> bool {
    rule.starts_with("unused-") || rule == rules::unreachable_arm::RULE.name
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 1,
        Level::Warn => 2,
        Level::Info | Level::Off => 3,
    }
}
