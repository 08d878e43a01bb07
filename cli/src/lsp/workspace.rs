//! The projects that the editor's files belong to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use patternc_compiler::db::{Database, SourceFile};

use super::documents::{Document, Documents};
use crate::fault::Fault;
use crate::project::{self, CONFIG, Loaded, Overlay};

/// A file of one of the projects.
#[derive(Clone, Copy)]
pub struct At<'w> {
    pub project: usize,
    pub loaded: &'w Loaded,
    pub file: SourceFile,
}

impl<'w> At<'w> {
    pub fn db(&self) -> &'w Database {
        &self.loaded.db
    }

    pub fn text(&self) -> &'w str {
        self.file.text(&self.loaded.db)
    }
}

/// All projects, and the texts that are open.
#[derive(Default)]
pub struct Workspace {
    pub projects: Vec<Loaded>,
    pub documents: Documents,
}

impl Workspace {
    /// Loads the projects in and below a folder that are not loaded yet.
    pub fn add_folder(&mut self, folder: &Path) -> Result<(), Fault> {
        let found = project::load(std::slice::from_ref(&folder.to_path_buf()), None)?;
        self.add(found);
        Ok(())
    }

    fn add(&mut self, found: Vec<Loaded>) {
        let known: BTreeSet<PathBuf> = self.projects.iter().map(|loaded| loaded.folder().to_path_buf()).collect();
        let mut found: Vec<Loaded> = found.into_iter().filter(|loaded| !known.contains(loaded.folder())).collect();
        for (path, document) in self.documents.iter() {
            found.iter_mut().for_each(|loaded| set_text(loaded, path, &document.text));
        }
        self.projects.append(&mut found);
    }

    /// Opens a text; its project is loaded if it was not.
    pub fn open(&mut self, path: PathBuf, document: Document) -> Result<(), Fault> {
        let text = document.text.clone();
        self.documents.open(path.clone(), document);
        if self.projects.iter().any(|loaded| loaded.source(&path).is_some()) {
            self.set_text(&path, &text);
            return Ok(());
        }
        // The project may be loaded, and the file new in it.
        let overlay = Overlay { path: path.clone(), bytes: text.into_bytes() };
        let found = project::load(std::slice::from_ref(&path), Some(overlay))?;
        let folders: BTreeSet<PathBuf> = found.iter().map(|loaded| loaded.folder().to_path_buf()).collect();
        self.projects.retain(|loaded| !folders.contains(loaded.folder()));
        self.add(found);
        Ok(())
    }

    /// Replaces the text of a file in every project that has it.
    pub fn set_text(&mut self, path: &Path, text: &str) {
        self.projects.iter_mut().for_each(|loaded| set_text(loaded, path, text));
    }

    /// Closes a text: what is on disk counts again.
    pub fn close(&mut self, path: &Path) -> Result<(), Fault> {
        self.documents.close(path);
        self.changed_on_disk(path)
    }

    /// A file was written, made or removed by somebody else.
    pub fn changed_on_disk(&mut self, path: &Path) -> Result<(), Fault> {
        let is_config = path.file_name().is_some_and(|name| name == CONFIG);
        // What is on disk of an open text does not count; but a configuration says which files there are.
        if self.documents.get(path).is_some() && !is_config {
            return Ok(());
        }
        let known = self.projects.iter().any(|loaded| loaded.source(path).is_some());
        match std::fs::read_to_string(path) {
            Ok(text) if known && !is_config => {
                self.set_text(path, &text);
                Ok(())
            }
            _ => self.reload(path),
        }
    }

    /// Loads the projects again to which a path belongs or could belong.
    fn reload(&mut self, path: &Path) -> Result<(), Fault> {
        let folder = path.parent().unwrap_or(path);
        let stale: BTreeSet<PathBuf> = self
            .projects
            .iter()
            .map(|loaded| loaded.folder().to_path_buf())
            .filter(|root| folder.starts_with(root) || root.starts_with(folder))
            .collect();
        self.projects.retain(|loaded| !stale.contains(loaded.folder()));
        let mut folders: Vec<PathBuf> = stale.into_iter().filter(|folder| folder.is_dir()).collect();
        if folder.is_dir() {
            folders.push(folder.to_path_buf());
        }
        let found = project::load(&folders, None)?;
        self.add(found);
        // What is open and not on disk.
        let lost: Vec<PathBuf> = self.documents.iter().map(|(path, _)| path.clone()).filter(|path| self.find(path).is_none()).collect();
        for path in lost {
            if let Some(document) = self.documents.get(&path) {
                let bytes = document.text.clone().into_bytes();
                let found = project::load(std::slice::from_ref(&path), Some(Overlay { path: path.clone(), bytes }))?;
                let folders: BTreeSet<PathBuf> = found.iter().map(|loaded| loaded.folder().to_path_buf()).collect();
                self.projects.retain(|loaded| !folders.contains(loaded.folder()));
                self.add(found);
            }
        }
        Ok(())
    }

    /// The file at a path, in the first project that has it.
    pub fn find(&self, path: &Path) -> Option<At<'_>> {
        self.projects.iter().enumerate().find_map(|(project, loaded)| Some(At { project, loaded, file: loaded.source(path)? }))
    }
}

fn set_text(loaded: &mut Loaded, path: &Path, text: &str) {
    if let Some(file) = loaded.source(path)
        && **file.text(&loaded.db) != *text
    {
        loaded.db.set_text(file, text);
    }
}
