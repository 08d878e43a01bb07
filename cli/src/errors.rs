//! Errors that stand in the way of running patterns, and where something stands in them.

use std::io;
use std::process::ExitCode;

use patternc_compiler::check::{CheckOptions, Deployments};
use patternc_compiler::diagnostic::Level;
use patternc_compiler::location::locate;
use patternc_program::{Program, Source};

use crate::fault::Fault;
use crate::project::Loaded;
use crate::render::{self, Position, Report};

/// Patterns with errors, also those that they have only where they are to run, are not run: their findings are shown instead.
pub fn refuse_errors(project: &Loaded, deployments: Deployments) -> Result<Option<ExitCode>, Fault> {
    let errors = errors(project, deployments);
    if errors.is_empty() {
        return Ok(None);
    }
    render::full::write(&mut io::stdout().lock(), &errors)?;
    eprintln!("{} in the patterns: nothing was run", render::count(errors.len(), "error"));
    Ok(Some(ExitCode::FAILURE))
}

/// The errors that stand in the way of what was asked for.
pub fn errors(project: &Loaded, deployments: Deployments) -> Vec<Report> {
    let findings = project.findings(&CheckOptions { deployments, ..CheckOptions::default() }).into_iter();
    let errors =
        findings.filter(|f| f.level == Level::Error && locate(&project.db, f.primary.at).is_none_or(|(file, _)| project.concerns(file)));
    errors.map(|finding| Report::new(project, finding)).collect()
}

/// Where something stands, as it is shown.
pub fn place(project: &Loaded, program: &Program, at: Source) -> (String, Position) {
    let name = &program.files[at.file.index()];
    let text = project.text_of(name);
    (project.shown_path(name), Position::of(&text, at.start))
}
