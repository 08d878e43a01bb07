//! The database and its inputs.

use std::sync::Arc;

use salsa::{Durability, Setter};

/// A file of the project: a pattern, or its `patternc.yaml`. `path` is relative to the project, with `/`.
#[salsa::input(debug)]
#[derive(PartialOrd, Ord)]
pub struct SourceFile {
    #[returns(ref)]
    pub path: Box<str>,
    #[returns(ref)]
    pub text: Arc<str>,
}

/// All files that are checked together, and what `patternc.yaml` says. There is one in a database: `Project::get(db)`.
#[salsa::input(singleton, debug)]
pub struct Project {
    /// Sorted by path.
    #[returns(ref)]
    pub files: Vec<SourceFile>,
    /// `patternc.yaml`; `None` without one.
    #[returns(copy)]
    pub config: Option<SourceFile>,
}

/// What queries ask of a database.
#[salsa::db]
pub trait Db: salsa::Database {}

/// The database.
#[salsa::db]
#[derive(Clone, Default)]
pub struct Database {
    storage: salsa::Storage<Self>,
}

/// Hears of everything that the database does.
pub type EventListener = Box<dyn Fn(salsa::Event) + Send + Sync>;

impl Database {
    /// A database whose queries can be watched: which of them ran after an edit is a property that tests state.
    pub fn watched(listener: EventListener) -> Self {
        Database { storage: salsa::Storage::new(Some(listener)) }
    }

    /// Sets the files of the project, as (path, text), and the `patternc.yaml` among them. Files that were there before keep their
    /// identity, so that what was found out about unchanged ones stays known.
    pub fn set_project<P: AsRef<str>, T: AsRef<str>>(&mut self, files: &[(P, T)], config: Option<(&str, &str)>) {
        let known: rustc_hash::FxHashMap<Box<str>, SourceFile> = match Project::try_get(self) {
            Some(project) => {
                project.files(self).iter().copied().chain(project.config(self)).map(|file| (file.path(self).clone(), file)).collect()
            }
            None => Default::default(),
        };
        let mut sources: Vec<SourceFile> =
            files.iter().map(|(path, text)| self.input(known.get(path.as_ref()).copied(), path.as_ref(), text.as_ref())).collect();
        sources.sort_by(|a, b| a.path(self).cmp(b.path(self)));
        let config = config.map(|(path, text)| self.input(known.get(path).copied(), path, text));
        match Project::try_get(self) {
            None => {
                let _ = Project::builder(sources, config).durability(Durability::HIGH).new(self);
            }
            Some(project) => {
                if *project.files(self) != sources {
                    project.set_files(self).with_durability(Durability::HIGH).to(sources);
                }
                if project.config(self) != config {
                    project.set_config(self).with_durability(Durability::HIGH).to(config);
                }
            }
        }
    }

    /// Says that the text of a file is expected to change, as when an editor opens it. Results that do not depend on such files are not
    /// looked at again after an edit; so the first edit of a file that was not opened costs more.
    pub fn open(&mut self, file: SourceFile) {
        let text = Arc::clone(file.text(self));
        file.set_text(self).with_durability(Durability::LOW).to(text);
    }

    /// Replaces the text of one file, as an editor does: from now on it is expected to change often, as by [`Database::open`].
    pub fn set_text(&mut self, file: SourceFile, text: &str) {
        file.set_text(self).with_durability(Durability::LOW).to(Arc::from(text));
    }

    /// Makes another file of one that belongs to no project.
    pub(crate) fn set_scratch(&mut self, file: SourceFile, path: &str, text: &str) {
        if **file.path(self) != *path {
            file.set_path(self).to(path.into());
        }
        self.set_text(file, text);
    }

    fn input(&mut self, known: Option<SourceFile>, path: &str, text: &str) -> SourceFile {
        match known {
            Some(file) => {
                if **file.text(self) != *text {
                    file.set_text(self).to(Arc::from(text));
                }
                file
            }
            None => SourceFile::builder(path.into(), Arc::from(text)).durability(Durability::HIGH).new(self),
        }
    }
}

#[salsa::db]
impl salsa::Database for Database {}

#[salsa::db]
impl Db for Database {}
