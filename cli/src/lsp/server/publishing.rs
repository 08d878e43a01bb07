//! What the editor is shown about files: findings, and tests that failed.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Server;
use crate::lsp::findings::{Job, Published, Ticket};
use crate::lsp::position::Lines;
use crate::lsp::run_tests::Outcome;
use crate::lsp::uri;

impl<W: Write> Server<W> {
    /// Looks for findings in a project that was changed, unless a search is under way.
    pub(super) fn search(&mut self) {
        if self.searching {
            return;
        }
        let Some(project) = self.dirty.pop_first() else { return };
        let Some(loaded) = self.workspace.projects.get(project) else { return };
        let ticket = Ticket { generation: self.generation, project, revision: self.revisions[project] };
        let first = (!self.found.contains_key(&project)).then(|| self.workspace.open_patterns(project));
        let job = Job { ticket, folder: loaded.folder().to_path_buf(), db: loaded.db.clone(), encoding: self.encoding, first };
        self.searching = self.jobs.send(job).is_ok();
    }

    /// Shows what is found in the files that somebody looks at; the rest of the project follows, and with it the versions that all is of.
    pub(super) fn first(&mut self, ticket: Ticket, found: Published) -> io::Result<()> {
        let current = ticket.generation == self.generation && self.revisions.get(ticket.project) == Some(&ticket.revision);
        if !current {
            return Ok(());
        }
        let paths: Vec<PathBuf> = found.keys().filter(|path| self.workspace.owner(path) == Some(ticket.project)).cloned().collect();
        self.found.insert(ticket.project, found);
        let shown = paths.iter().try_for_each(|path| self.publish(path, None));
        // All else of the project is still unknown.
        self.found.remove(&ticket.project);
        shown
    }

    pub(super) fn found(&mut self, ticket: Ticket, found: Option<Published>) -> io::Result<()> {
        self.searching = false;
        if ticket.generation != self.generation {
            return Ok(());
        }
        let current = self.revisions.get(ticket.project) == Some(&ticket.revision);
        match found.filter(|_| current) {
            Some(found) => {
                let before = self.found.insert(ticket.project, found);
                let mut paths: BTreeSet<PathBuf> =
                    before.iter().chain(self.found.get(&ticket.project)).flat_map(|found| found.keys().cloned()).collect();
                if self.dirty.is_empty() {
                    // What is shown of files that no project has any more.
                    paths.extend(self.shown.keys().cloned());
                }
                let is_told = |path: &Path| self.workspace.owner(path).is_none_or(|owner| owner == ticket.project);
                paths.retain(|path| self.workspace.documents.get(path).is_none() && is_told(path));
                paths.iter().try_for_each(|path| self.publish(path, None))?;
                // Last, so that who waits for the findings of a version has those of other files too.
                let open = self.workspace.documents.iter().map(|(path, _)| path);
                let open = open.filter(|path| self.workspace.owner(path) == Some(ticket.project));
                let open: Vec<PathBuf> = open.cloned().collect();
                open.iter().try_for_each(|path| {
                    let version = self.workspace.documents.get(path).and_then(|document| document.version);
                    self.publish(path, version)
                })?;
            }
            None => {
                self.dirty.insert(ticket.project);
            }
        }
        Ok(())
    }

    /// Shows what the project of a file finds in it, if it is not shown already as what it finds in this version.
    pub(super) fn publish(&mut self, path: &Path, version: Option<i64>) -> io::Result<()> {
        let found = self.workspace.owner(path).and_then(|owner| self.found.get(&owner));
        let mut all: Vec<Value> = found.and_then(|found| found.get(path)).cloned().unwrap_or_default();
        all.extend(self.failed.values().filter(|(place, _)| place == path).map(|(_, shown)| shown.clone()));
        let document = self.workspace.documents.get(path);
        let newer = version.is_some() && version != self.versions.get(path).copied();
        if self.shown.get(path).map(Vec::as_slice).unwrap_or_default() == all.as_slice() && !newer {
            return Ok(());
        }
        let uri = document.map_or_else(|| uri::of_path(path), |document| document.uri.clone());
        let mut params = json!({ "uri": uri, "diagnostics": all });
        if let Some(version) = version {
            params["version"] = version.into();
            self.versions.insert(path.to_path_buf(), version);
        }
        if all.is_empty() {
            self.shown.remove(path);
        } else {
            self.shown.insert(path.to_path_buf(), all);
        }
        self.out.notify("textDocument/publishDiagnostics", params)
    }

    /// Tells how tests went; those that failed are shown where they did, until the file is edited.
    pub(super) fn tested(&mut self, outcome: Outcome) -> io::Result<()> {
        let mut places: BTreeSet<PathBuf> = BTreeSet::new();
        for ran in outcome.ran {
            let test = (outcome.file.clone(), ran.name);
            places.extend(self.failed.remove(&test).map(|(place, _)| place));
            if let Some((place, line, message)) = ran.failure {
                let Some(at) = self.workspace.find(&place) else { continue };
                let range = Lines::new(at.text(), self.encoding).line(line);
                let shown = json!({ "range": range, "severity": 1, "code": "test", "source": "patternc", "message": message });
                places.insert(place.clone());
                self.failed.insert(test, (place, shown));
            }
        }
        places.iter().try_for_each(|place| self.publish(place, self.versions.get(place).copied()))?;
        self.out.notify("window/showMessage", json!({ "type": if outcome.passed { 3 } else { 1 }, "message": outcome.said }))
    }

    /// What tests have said about a text that has changed no longer holds.
    pub(super) fn forget_tests(&mut self, path: &Path) {
        self.failed.retain(|(file, _), (place, _)| file != path && place != path);
    }
}
