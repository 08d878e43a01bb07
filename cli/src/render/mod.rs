//! Findings as text: one file a format.

pub mod concise;
pub mod diff;
mod excerpt;
pub mod full;
pub mod github;
pub mod gitlab;
pub mod graph;
pub mod json;
pub mod json_lines;
pub mod junit;
mod position;
pub mod sarif;
pub mod statistics;
pub mod story;
pub mod value;
mod visible;

use std::sync::Arc;

use patternc_compiler::db::SourceFile;
use patternc_compiler::diagnostic::Diagnostic;
use patternc_compiler::lines::{Lines, lines};
use patternc_compiler::location::locate;
use patternc_grammar::syntax::Span;

use crate::confirm::Confirmed;
use crate::fingerprint::Fingerprint;
use crate::project::Loaded;
pub use position::Position;

/// A finding with everything needed to show it.
pub struct Report {
    pub finding: Diagnostic,
    /// The places of the finding: the primary one first, then its labels, in order.
    pub places: Vec<Place>,
    /// The places of the edits of all fixes, in order.
    pub edits: Vec<Vec<Place>>,
    /// The path of its file in the project.
    pub path: String,
    /// What it is known by in the next run.
    pub fingerprint: Fingerprint,
    /// What running it showed, if it was run.
    pub confirmed: Option<Confirmed>,
    wanted: bool,
}

/// A place in a file, as it is shown.
#[derive(Clone)]
pub struct Place {
    /// Relative to the current folder.
    pub path: String,
    pub text: Arc<str>,
    pub lines: Arc<Lines>,
    pub span: Span,
    pub start: Position,
    pub end: Position,
    /// What is said there.
    pub label: String,
}

impl Report {
    /// Looks up the places of a finding.
    pub fn new(project: &Loaded, finding: Diagnostic) -> Self {
        let labels = std::iter::once(&finding.primary).chain(&finding.labels);
        let places: Vec<Place> =
            labels.filter_map(|label| locate(&project.db, label.at).map(|(file, span)| place(project, file, span, &label.text))).collect();
        let edits = finding.fixes.iter().map(|f| f.edits.iter().map(|e| place(project, e.file, e.span, &e.text)).collect()).collect();
        let file = locate(&project.db, finding.primary.at).map(|(file, _)| file);
        let wanted = file.is_some_and(|file| project.is_wanted(file));
        let path = file.map(|file| file.path(&project.db).to_string()).unwrap_or_default();
        let fingerprint = Fingerprint::of_finding(&project.db, &finding);
        Report { finding, places, edits, path, fingerprint, confirmed: None, wanted }
    }

    /// The same with what running it showed.
    pub fn confirmed(self, confirmed: Option<Confirmed>) -> Self {
        Report { confirmed, ..self }
    }

    /// Whether its place was asked for.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }
}

fn place(project: &Loaded, file: SourceFile, span: Span, label: &str) -> Place {
    let text = file.text(&project.db).clone();
    let lines = lines(&project.db, file).clone();
    let (start, end) = (Position::within(&text, &lines, span.start), Position::within(&text, &lines, span.end));
    Place { path: project.shown(file), text, lines, span, start, end, label: label.to_string() }
}

/// "1 error", "2 errors".
pub fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
