//! The stores of a deployment, looked after from outside of the runtime that uses them.

use std::path::PathBuf;
use std::sync::Arc;

use patternc_compiler::config::{self, Store as StoreConfig};
use patternc_interpreter::host::SystemHost;
use patternc_interpreter::limits::Limits;
use patternc_interpreter::machine::Defaults;
use patternc_interpreter::store::sqlite::{Opening, Sqlite};
use patternc_interpreter::store::state::State;
use patternc_interpreter::store::{StoreError, Stores};
use patternc_interpreter::value::RecordRef;
use patternc_program::Program;

use crate::deployment;
use crate::fault::Fault;
use crate::project::Loaded;

/// A store of a deployment.
pub struct Place {
    /// As `patternc.yaml` names it.
    pub name: String,
    /// As in `kind: sqlite`.
    pub kind: &'static str,
    /// The file of one that is a file.
    pub file: Option<PathBuf>,
}

impl Place {
    /// "store `main`".
    pub fn shown(&self) -> String {
        format!("store `{}`", self.name)
    }

    /// The file, of a store that can be looked after without the process that uses it.
    pub fn need_file(&self, to: &str) -> Result<&PathBuf, Fault> {
        let kind = self.kind;
        let cannot =
            || Fault::Use(format!("{} is of kind `{kind}`: there is nothing to {to} outside of the process that uses it", self.shown()));
        self.file.as_ref().ok_or_else(cannot)
    }
}

/// The stores of the deployment of this name (or the default one), in the order of `patternc.yaml`.
pub fn places(project: &Loaded, name: Option<&str>) -> Result<Vec<Place>, Fault> {
    let Some((_, deployment)) = deployment::choose(config::config(&project.db), name)? else {
        let file = Some(project.root.join(deployment::STATE));
        return Ok(vec![Place { name: "main".to_owned(), kind: "sqlite", file }]);
    };
    let place = |name: &str, store: &StoreConfig| {
        let file = match store {
            StoreConfig::Sqlite { path } => Some(project.root.join(deployment::expand(path, &format!("the path of store `{name}`"))?)),
            StoreConfig::Memory | StoreConfig::Postgres { .. } => None,
        };
        Ok(Place { name: name.to_string(), kind: store.kind(), file })
    };
    deployment.stores.iter().map(|(name, store)| place(name, store)).collect()
}

/// Calls with what opening a file needs.
pub fn with_opening<T>(
    program: &Arc<Program>,
    discard: &[String],
    open: impl FnOnce(Opening<'_>) -> Result<T, StoreError>,
) -> Result<T, Fault> {
    let limits = Limits { transaction_size: usize::MAX, ..Limits::default() };
    let mut defaults = Defaults::new(program.clone(), limits.clone(), Box::new(SystemHost::new()));
    let mut default = |stores: &Stores, record: &RecordRef, cell| defaults.of(stores, record, cell);
    let opening = Opening { defaults: Some(&mut default), discard: discard.to_vec(), ..Opening::new(program.clone(), limits) };
    open(opening).map_err(|error| Fault::Use(error.message))
}

/// What the stores keep, as of their newest durable commits and as the program sees it. Nothing in them is changed. One that is not there yet
/// is empty.
///
/// What several stores keep belongs together only while nobody uses them.
pub fn look(places: &[Place], program: &Arc<Program>, to: &str) -> Result<Vec<State>, Fault> {
    if places.len() > 1 {
        for place in places {
            if let Some(owner) = place.file.as_deref().and_then(Sqlite::owner) {
                return Err(Fault::Use(format!(
                    "{} is in use by {owner}: several stores are {to}ed together only while nobody writes them, since what one has sent the \
                     other may not have yet; stop that process first",
                    place.shown()
                )));
            }
        }
    }
    let look = |place: &Place| {
        let file = place.need_file(to)?;
        if !file.exists() {
            return Err(Fault::Use(format!("{} is not there: {} has not been written yet", place.shown(), file.display())));
        }
        with_opening(program, &[], |opening| Sqlite::look(file, opening))
    };
    places.iter().map(look).collect()
}

/// Opens the files once for the program, which may lose what is named: cells (`Person.nick`) and record types (`Person`) that the program no
/// longer has. What opens them next finds what is left.
pub fn discard(places: &[Place], program: &Arc<Program>, names: &[String]) -> Result<(), Fault> {
    if names.is_empty() {
        return Ok(());
    }
    if let Some(name) = names.iter().find(|name| is_declared(program, name)) {
        return Err(Fault::Use(format!(
            "--discard {name}: the patterns have it, and nothing is lost; it names a cell (`Person.nick`) or record type (`Person`) that they no \
             longer have"
        )));
    }
    for file in places.iter().filter_map(|place| place.file.as_ref()).filter(|file| file.exists()) {
        with_opening(program, names, |opening| Sqlite::open(file, opening)?.close())?;
    }
    Ok(())
}

fn is_declared(program: &Program, name: &str) -> bool {
    let (record, cell) = name.split_once('.').map_or((name, None), |(record, cell)| (record, Some(cell)));
    let Some(record) = program.record_named(record) else { return false };
    cell.is_none_or(|cell| program.record(record).cell_named(cell).is_some())
}
