//! Findings as plain data: who draws them is decided elsewhere.

use std::sync::Arc;

use patternc_grammar::syntax::Span;

use crate::chains::witness::Witness;
use crate::db::SourceFile;
use crate::types::{CellId, HandlerId, ItemId};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Not reported.
    Off,
    Info,
    Warn,
    /// The promise of the language would be broken.
    Error,
}

impl Level {
    /// As written in `patternc.yaml`, on the command line and in findings.
    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }

    /// The level of this name.
    pub fn named(name: &str) -> Option<Level> {
        [Level::Off, Level::Info, Level::Warn, Level::Error].into_iter().find(|level| level.name() == name)
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The name of the rule, as in `patternc explain NAME`.
    pub rule: &'static str,
    pub level: Level,
    /// What goes wrong when it runs, in one sentence.
    pub message: String,
    /// Where the finding is shown first.
    pub primary: Label,
    /// The other places, each with what it has to do with it.
    pub labels: Vec<Label>,
    /// Facts that help to understand, a line each.
    pub notes: Vec<String>,
    /// The way out.
    pub help: Option<String>,
    pub fixes: Vec<Fix>,
    /// The deployment of `patternc.yaml` that it is about; `None`: it holds wherever the patterns run.
    pub deployment: Option<Box<str>>,
    /// For findings about how events get in each other's way: a run that shows it.
    pub witness: Option<Arc<Witness>>,
}

impl Diagnostic {
    /// A finding with one place and nothing else yet.
    pub fn new(rule: &'static str, level: Level, at: Location, label: impl Into<String>, message: impl Into<String>) -> Self {
        let primary = Label { at, text: label.into() };
        Diagnostic {
            rule,
            level,
            message: message.into(),
            primary,
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
            fixes: Vec::new(),
            deployment: None,
            witness: None,
        }
    }

    /// An error found where names and types are understood.
    pub fn error(rule: &'static str, file: SourceFile, span: Span, message: impl Into<String>) -> Self {
        Self::new(rule, Level::Error, Location::Span(file, span), "", message)
    }

    /// A warning found where names and types are understood.
    pub fn warn(rule: &'static str, file: SourceFile, span: Span, message: impl Into<String>) -> Self {
        Self::new(rule, Level::Warn, Location::Span(file, span), "", message)
    }

    /// Says that it holds under this deployment only.
    pub fn under(mut self, deployment: impl Into<Box<str>>) -> Self {
        self.deployment = Some(deployment.into());
        self
    }

    /// What is said at the primary place.
    pub fn saying(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// A fix of one edit.
    pub fn replace(self, title: impl Into<String>, safety: Safety, file: SourceFile, span: Span, text: impl Into<String>) -> Self {
        self.fix(title, safety, vec![Edit { file, span, text: text.into() }])
    }

    /// Another place, with what it has to do with the finding.
    pub fn label(mut self, at: Location, text: impl Into<String>) -> Self {
        self.labels.push(Label { at, text: text.into() });
        self
    }

    /// A fact that helps to understand.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A change of the text that follows the way out.
    pub fn fix(mut self, title: impl Into<String>, safety: Safety, edits: Vec<Edit>) -> Self {
        self.fixes.push(Fix { title: title.into(), edits, safety });
        self
    }
}

/// A place and what is said there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub at: Location,
    pub text: String,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    Span(SourceFile, Span),
    /// A place in a body that is looked up when the finding is shown, so that a finding in one file does not change when another
    /// file's text moves: see [`crate::effects::Site`].
    Site(crate::effects::Site),
    /// The name of a declaration, looked up when the finding is shown.
    Item(ItemId),
    /// The name of a cell.
    Cell(CellId),
    /// The name of a handler or saga.
    Handler(HandlerId),
    /// What `patternc.yaml` says of a space under a deployment (by its position there), looked up when the finding is shown.
    Deployed {
        deployment: u32,
        space: ItemId,
    },
}

/// A change of the text that follows the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// "declare `writes Person.members`".
    pub title: String,
    pub edits: Vec<Edit>,
    pub safety: Safety,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub file: SourceFile,
    pub span: Span,
    pub text: String,
}

/// Whether a fix can change what a program that worked does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// Applied by `--fix`.
    Safe,
    /// Applied by `--unsafe-fixes` only.
    Unsafe,
}
