//! The projects that the editor's files belong to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use patternc_compiler::db::{Database, SourceFile};

use super::documents::{Document, Documents};
use crate::fault::Fault;
use crate::project::{self, BYTE_ORDER_MARK, CONFIG, Loaded, Overlay};

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
        let found = project::load(std::slice::from_ref(&folder.to_path_buf()), self.overlays())?;
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

    /// Forgets the projects that are in none of the folders and have no open text.
    pub fn keep(&mut self, folders: &[PathBuf]) {
        let is_kept = |loaded: &Loaded| {
            let (root, open) = (loaded.folder(), self.documents.iter().map(|(path, _)| path));
            folders.iter().any(|folder| root.starts_with(folder) || folder.starts_with(root))
                || open.into_iter().any(|path| loaded.source(path).is_some())
        };
        self.projects.retain(is_kept);
    }

    /// What is open: what is in the editor counts, not what is on disk.
    fn overlays(&self) -> Vec<Overlay> {
        let open = self.documents.iter();
        open.map(|(path, document)| Overlay { path: path.clone(), bytes: document.text.clone().into_bytes() }).collect()
    }

    /// Opens a text; its project is loaded if it was not.
    pub fn open(&mut self, path: PathBuf, document: Document) -> Result<(), Fault> {
        let text = document.text.clone();
        self.documents.open(path.clone(), document);
        if self.find(&path).is_some() { self.edit(&path, &text).map(drop) } else { self.load_with(path) }
    }

    /// Loads the project of an open text that is not on disk, or not known to be. The project itself may be loaded, and the file new in it.
    fn load_with(&mut self, path: PathBuf) -> Result<(), Fault> {
        let around = self.projects.iter().map(|loaded| loaded.folder()).filter(|folder| path.starts_with(folder));
        let around: BTreeSet<PathBuf> = around.map(Path::to_path_buf).collect();
        if !around.is_empty() {
            self.load_again(&around)?;
        }
        if self.find(&path).is_none() {
            let found = project::load(std::slice::from_ref(&path), self.overlays())?;
            self.add(found);
        }
        Ok(())
    }

    /// Loads the projects again that were loaded from some folders.
    fn load_again(&mut self, folders: &BTreeSet<PathBuf>) -> Result<(), Fault> {
        let mut stale: Vec<Loaded> = self.projects.extract_if(.., |loaded| folders.contains(loaded.folder())).collect();
        // Those below others are found from there.
        let is_below = |folder: &PathBuf| folder.ancestors().skip(1).any(|above| folders.contains(above));
        let paths: Vec<PathBuf> = folders.iter().filter(|folder| folder.is_dir() && !is_below(folder)).cloned().collect();
        match project::load_again(&paths, self.overlays(), &mut stale) {
            Ok(found) => self.add(found),
            Err(fault) => {
                // What is known is better than nothing.
                self.projects.append(&mut stale);
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Takes the new text of a file; whether projects were loaded again, since it puts the files together otherwise than before.
    pub fn edit(&mut self, path: &Path, text: &str) -> Result<bool, Fault> {
        let folders =
            |of: &mut dyn Iterator<Item = &Loaded>| -> BTreeSet<PathBuf> { of.map(|loaded| loaded.folder().to_path_buf()).collect() };
        let mut moved =
            folders(&mut self.projects.iter().filter(|loaded| loaded.regroups(path, text) || loaded.includes_others(path, text)));
        if moved.is_empty() {
            let declared = folders(&mut self.projects.iter().filter(|loaded| loaded.declares_others(path, text)));
            let before: Vec<bool> = declared.iter().map(|folder| self.declares_twice(folder)).collect();
            self.projects.iter_mut().for_each(|loaded| set_text(loaded, path, text));
            let differs = |(folder, before): (&PathBuf, bool)| (self.declares_twice(folder) != before).then(|| folder.clone());
            moved = declared.iter().zip(before).filter_map(differs).collect();
        }
        if !moved.is_empty() {
            self.load_again(&moved)?;
            self.load_lost()?;
        }
        Ok(!moved.is_empty())
    }

    /// Whether two files of a folder declare one name, in the same project or in the several that they are then.
    fn declares_twice(&self, folder: &Path) -> bool {
        project::declare_twice(self.projects.iter().filter(|loaded| loaded.folder() == folder))
    }

    /// Closes a text: what is on disk counts again.
    pub fn close(&mut self, path: &Path) -> Result<(), Fault> {
        self.documents.close(path);
        self.changed_on_disk(&BTreeSet::from([path.to_path_buf()]))
    }

    /// Files were written, made or removed by somebody else.
    pub fn changed_on_disk(&mut self, paths: &BTreeSet<PathBuf>) -> Result<(), Fault> {
        let mut unknown = Vec::new();
        for path in paths {
            let is_config = path.file_name().is_some_and(|name| name == CONFIG);
            // What is on disk of an open text does not count; but a configuration says which files there are.
            if self.documents.get(path).is_some() && !is_config {
                continue;
            }
            match std::fs::read_to_string(path) {
                Ok(text) if self.find(path).is_some() && !is_config => {
                    self.edit(path, text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text))?;
                }
                _ => unknown.push(path.as_path()),
            }
        }
        if unknown.is_empty() { Ok(()) } else { self.reload(&unknown) }
    }

    /// Loads the projects again to which the paths belong or could belong.
    fn reload(&mut self, paths: &[&Path]) -> Result<(), Fault> {
        let folders: BTreeSet<&Path> = paths.iter().map(|path| path.parent().unwrap_or(path)).collect();
        let may_have = |root: &Path| folders.iter().any(|folder| folder.starts_with(root) || root.starts_with(folder));
        let roots = self.projects.iter().map(|loaded| loaded.folder()).filter(|root| may_have(root));
        let all: BTreeSet<PathBuf> = roots.chain(folders.iter().copied()).map(Path::to_path_buf).collect();
        self.load_again(&all)?;
        self.load_lost()
    }

    /// Loads the projects of open texts that no folder on disk led to.
    fn load_lost(&mut self) -> Result<(), Fault> {
        let lost: Vec<PathBuf> = self.documents.iter().map(|(path, _)| path.clone()).filter(|path| self.find(path).is_none()).collect();
        lost.into_iter().try_for_each(|path| self.load_with(path))
    }

    /// The pattern files of a project that are open, and that it is asked about.
    pub fn open_patterns(&self, project: usize) -> Vec<SourceFile> {
        let loaded = &self.projects[project];
        let patterns = self.documents.iter().filter(|(path, _)| path.file_name().is_none_or(|name| name != CONFIG));
        patterns.filter(|(path, _)| self.owner(path) == Some(project)).filter_map(|(path, _)| loaded.source(path)).collect()
    }

    /// The project whose findings of a file are shown: of several that have it the first, as `check` does.
    pub fn owner(&self, path: &Path) -> Option<usize> {
        self.find(path).map(|at| at.project)
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
