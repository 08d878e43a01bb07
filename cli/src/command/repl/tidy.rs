//! A test that was saved, without the warnings that what was entered line by line would bring: a name that was bound anew, one that was never
//! used again.

use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::diagnostic::{Edit, Level, Location, Safety};
use patternc_compiler::ide::rename::{can_rename, rename};
use patternc_compiler::rules;

use super::session::{Session, is_typed};
use crate::project::Loaded;
use crate::render::Report;

/// So many findings are mended at most.
const ROUNDS: usize = 100;

impl Session {
    /// The text that says the same with fewer warnings, and those that are left.
    pub fn tidied(&self, inner: &str, text: String) -> (String, Vec<Report>) {
        let mut text = text;
        for _ in 0..ROUNDS {
            let Some(edits) = mended(&self.written_as(inner, &text), inner) else { break };
            text = applied(&text, edits);
        }
        let trial = self.written_as(inner, &text);
        let findings = check::check(&trial.db, &CheckOptions::default());
        let reports = findings.into_iter().map(|finding| Report::new(&trial, finding)).filter(Report::is_wanted);
        (text, reports.filter(|report| report.finding.level != Level::Info).collect())
    }

    /// The project with this text for the file.
    pub fn written_as(&self, inner: &str, text: &str) -> Loaded {
        self.project.with_file(inner, text, is_typed)
    }
}

/// The edits that end a warning of the file.
fn mended(trial: &Loaded, inner: &str) -> Option<Vec<Edit>> {
    let db = &trial.db;
    check::check(db, &CheckOptions::default()).into_iter().filter(|finding| finding.level == Level::Warn).find_map(|finding| {
        let Location::Span(file, span) = finding.primary.at else { return None };
        if **file.path(db) != *inner {
            return None;
        }
        if finding.rule == rules::shadowed_name::RULE.name {
            let (name, definition) = can_rename(db, file, span.start)?;
            let name = name.slice(file.text(db));
            return (2..ROUNDS).find_map(|number| rename(db, definition, &format!("{name}_{number}")).ok());
        }
        let safe = finding.fixes.into_iter().find(|fix| fix.safety == Safety::Safe && fix.edits.iter().all(|edit| edit.file == file));
        safe.map(|fix| fix.edits)
    })
}

fn applied(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span);
    let mut new = text.to_owned();
    for edit in edits.iter().rev() {
        new.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    new
}
