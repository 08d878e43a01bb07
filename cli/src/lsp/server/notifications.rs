//! What the editor tells: texts that are opened, changed and closed, files and folders that come and go.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Server;
use crate::fault::Fault;
use crate::lsp::documents::{Changed, Document};
use crate::lsp::uri;
use crate::project::CONFIG;

impl<W: Write> Server<W> {
    pub(super) fn notification(&mut self, method: &str, params: &Value) -> Result<(), Fault> {
        match method {
            "initialized" => {
                if self.client.watches_files {
                    let watchers = json!([{ "globPattern": "**/*.pattern" }, { "globPattern": format!("**/{CONFIG}") }]);
                    let options = json!({ "watchers": watchers });
                    let registration = json!({ "id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": options });
                    self.out.request("client/registerCapability", json!({ "registrations": [registration] }))?;
                }
                for folder in self.folders.clone() {
                    let added = self.workspace.add_folder(&folder);
                    self.loaded();
                    added?;
                }
            }
            "workspace/didChangeWorkspaceFolders" => {
                for folder in params["event"]["added"].as_array().into_iter().flatten() {
                    if let Some(path) = folder["uri"].as_str().and_then(uri::to_path) {
                        let added = self.workspace.add_folder(&path);
                        self.folders.push(path);
                        self.loaded();
                        added?;
                    }
                }
                for folder in params["event"]["removed"].as_array().into_iter().flatten() {
                    let removed = folder["uri"].as_str().and_then(uri::to_path);
                    self.folders.retain(|folder| Some(folder) != removed.as_ref());
                }
                self.leave()?;
            }
            "textDocument/didOpen" => {
                let document = &params["textDocument"];
                let (Some(uri), Some(text)) = (document["uri"].as_str(), document["text"].as_str()) else { return Ok(()) };
                let Some(path) = uri::to_path(uri).filter(|path| !path.is_dir()) else { return Ok(()) };
                if !is_pattern(document, &path) {
                    return Ok(());
                }
                let before = self.workspace.projects.len();
                let known = self.workspace.find(&path).is_some();
                let document = Document { uri: uri.to_owned(), version: document["version"].as_i64(), text: text.to_owned() };
                let opened = self.workspace.open(path.clone(), document);
                if known && before == self.workspace.projects.len() {
                    self.edited(&path);
                } else {
                    self.loaded();
                }
                opened?;
            }
            "textDocument/didChange" => {
                let document = &params["textDocument"];
                let Some(path) = document["uri"].as_str().and_then(uri::to_path) else { return Ok(()) };
                let version = document["version"].as_i64();
                let changed = self.workspace.documents.change(&path, version, &params["contentChanges"], self.encoding);
                if let Some(Changed { text, understood }) = changed {
                    let text = text.to_owned();
                    self.forget_tests(&path);
                    let edited = self.workspace.edit(&path, &text);
                    match edited {
                        Ok(false) => self.edited(&path),
                        Ok(true) | Err(_) => self.loaded(),
                    }
                    edited?;
                    if !understood {
                        let message = format!("a change of {} could not be understood: close it and open it again", path.display());
                        self.out.notify("window/showMessage", json!({ "type": 2, "message": message }))?;
                    }
                }
            }
            "textDocument/didClose" => {
                if let Some(path) = params["textDocument"]["uri"].as_str().and_then(uri::to_path) {
                    self.versions.remove(&path);
                    let closed = self.workspace.close(&path);
                    self.loaded();
                    self.leave()?;
                    closed?;
                }
            }
            "textDocument/didSave" => {
                let path = params["textDocument"]["uri"].as_str().and_then(uri::to_path);
                if let Some(path) = path.filter(|path| path.file_name().is_some_and(|name| name == CONFIG)) {
                    let changed = self.workspace.changed_on_disk(&BTreeSet::from([path]));
                    self.loaded();
                    changed?;
                }
            }
            "workspace/didChangeWatchedFiles" => {
                let changes = params["changes"].as_array().into_iter().flatten();
                let paths: BTreeSet<PathBuf> = changes.filter_map(|change| uri::to_path(change["uri"].as_str()?)).collect();
                let changed = self.workspace.changed_on_disk(&paths);
                self.loaded();
                changed?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A file was edited: the findings of its projects are out of date.
    fn edited(&mut self, path: &Path) {
        for (project, loaded) in self.workspace.projects.iter().enumerate() {
            if loaded.source(path).is_some() {
                self.revisions[project] += 1;
                self.dirty.insert(project);
            }
        }
    }

    /// Forgets what nobody looks at any more: the projects outside of all folders without an open text, and what is shown of them.
    fn leave(&mut self) -> io::Result<()> {
        let before = self.workspace.projects.len();
        self.workspace.keep(&self.folders);
        if self.workspace.projects.len() < before {
            self.loaded();
        }
        let lost: Vec<PathBuf> = self.shown.keys().filter(|path| self.workspace.find(path).is_none()).cloned().collect();
        lost.iter().try_for_each(|path| {
            self.forget_tests(path);
            self.publish(path, None)
        })
    }

    /// Projects came, went or were read again: nothing that is known of them counts.
    fn loaded(&mut self) {
        self.generation += 1;
        self.revisions = vec![0; self.workspace.projects.len()];
        self.dirty = (0..self.workspace.projects.len()).collect();
        self.found.clear();
    }
}

/// Whether a text that is opened is a pattern, or says which files are. One that was never saved has only its language to say so: some editors
/// give a server all texts of a language that some of its files have.
fn is_pattern(document: &Value, path: &Path) -> bool {
    let is_said = document["languageId"].as_str().is_none_or(|language| language.eq_ignore_ascii_case("pattern"));
    let is_named = path.file_name().is_some_and(|name| name == CONFIG) || path.extension().is_some_and(|ending| ending == "pattern");
    is_said || is_named && !uri::is_unsaved(path)
}
