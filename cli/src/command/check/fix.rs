//! `--fix` and `--unsafe-fixes`: what was changed in files, and what was left alone.

use std::io::Write;
use std::path::PathBuf;

use patternc_compiler::check::CheckOptions;
use patternc_compiler::location::locate;

use crate::atomic;
use crate::baseline::Baseline;
use crate::fault::Fault;
use crate::project::Loaded;
use crate::render::{self, Position};

/// What was mended.
#[derive(Default)]
pub struct Mended {
    /// Findings that are gone.
    pub findings: usize,
    /// The changed files of all projects.
    files: Vec<Changed>,
    /// Fixes that do not work: where, which, and why.
    left: Vec<String>,
}

/// A file that a fix has changed.
struct Changed {
    path: PathBuf,
    shown: String,
    old: String,
    new: String,
}

impl Mended {
    /// Follows the fixes of a project, in its database only.
    pub fn follow(&mut self, project: &mut Loaded, options: &CheckOptions, also_unsafe: bool, baseline: Option<&Baseline>) {
        let followed = project.follow_fixes(options, also_unsafe, baseline);
        self.findings += followed.mended;
        for (file, old) in followed.before {
            let path = project.root.join(&**file.path(&project.db));
            let new = file.text(&project.db).to_string();
            self.files.push(Changed { path, shown: project.shown(file), old, new });
        }
        for left in followed.left {
            let Some((file, span)) = locate(&project.db, left.finding.primary.at) else { continue };
            let Position { line, column } = Position::of(file.text(&project.db), span.start);
            let (path, rule) = (project.shown(file), left.finding.rule);
            self.left.push(format!("{path}:{line}:{column}: {rule}: the fix \u{201c}{}\u{201d}: {}", left.title, left.flaw));
        }
    }

    /// How many files have changed.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// What was left alone, a line each.
    pub fn left(&self) -> &[String] {
        &self.left
    }

    /// Shows what has changed.
    pub fn show(&self, out: &mut impl Write) -> Result<(), Fault> {
        for file in &self.files {
            render::diff::write(out, &file.shown, &file.old, &file.new)?;
        }
        Ok(())
    }

    /// Writes the changed files, each as a whole.
    pub fn write(&self) -> Result<(), Fault> {
        self.files.iter().try_for_each(|file| atomic::write(&file.path, &file.new))
    }

    /// The new text of the only file; `None` if nothing has changed.
    pub fn only(&self) -> Option<&str> {
        self.files.first().map(|file| file.new.as_str())
    }
}
