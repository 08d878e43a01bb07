//! The database and its inputs.

use std::sync::Arc;

/// One pattern file. `path` is relative to the project, with `/`.
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
    /// The text of `patternc.yaml`, with its path; `None` without one.
    #[returns(ref)]
    pub config: Option<Arc<(Box<str>, Box<str>)>>,
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

#[salsa::db]
impl salsa::Database for Database {}

#[salsa::db]
impl Db for Database {}
