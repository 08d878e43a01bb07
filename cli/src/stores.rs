//! The stores of a deployment, looked after from outside of the runtime that uses them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use patternc_compiler::config::{self, Store as StoreConfig};
use patternc_interpreter::host::SystemHost;
use patternc_interpreter::limits::Limits;
use patternc_interpreter::machine::Defaults;
use patternc_interpreter::store::postgres::{self, Postgres};
use patternc_interpreter::store::sqlite::{Follower, Opening, Sqlite};
use patternc_interpreter::store::state::State;
use patternc_interpreter::store::{StoreError, Stores};
use patternc_interpreter::value::RecordRef;
use patternc_program::Program;

use crate::fault::Fault;
use crate::project::{Loaded, deployment};

/// A store of a deployment.
pub struct Place {
    /// As `patternc.yaml` names it.
    pub name: String,
    pub site: Site,
}

/// Where a store is.
pub enum Site {
    Memory,
    File(PathBuf),
    /// The address of a database. Never shown: it may hold a password.
    Server(String),
}

impl Place {
    /// "store `main`".
    pub fn shown(&self) -> String {
        format!("store `{}`", self.name)
    }

    /// As in `kind: sqlite`.
    pub fn kind(&self) -> &'static str {
        match self.site {
            Site::Memory => "memory",
            Site::File(_) => "sqlite",
            Site::Server(_) => "postgres",
        }
    }

    /// The file of one that is a file.
    pub fn file(&self) -> Option<&Path> {
        match &self.site {
            Site::File(file) => Some(file),
            Site::Memory | Site::Server(_) => None,
        }
    }

    /// What this store says that is wrong with it.
    pub fn fault(&self, error: StoreError) -> Fault {
        match self.site {
            // A file is named in what is said of it.
            Site::File(_) => Fault::Use(error.message),
            Site::Memory | Site::Server(_) => Fault::Use(format!("{}: {}", self.shown(), error.message)),
        }
    }

    /// That one in memory cannot be looked after by another process.
    pub fn in_memory(&self, to: &str) -> Fault {
        Fault::Use(format!("{} is of kind `memory`: there is nothing to {to} outside of the process that uses it", self.shown()))
    }

    /// Who uses it now, as "the process 123"; nobody, if it is not there.
    pub fn users(&self) -> Result<Option<String>, Fault> {
        match &self.site {
            Site::Memory => Ok(None),
            Site::File(file) => Ok(Sqlite::owner(file)),
            Site::Server(url) => {
                let looked = postgres::glance(url).map_err(|error| self.fault(error))?;
                let names: Vec<String> = looked.into_iter().flat_map(|looked| looked.processes).map(|(name, _)| name).collect();
                Ok((!names.is_empty()).then(|| names.join(", ")))
            }
        }
    }
}

/// The stores of the deployment of this name (or the default one), in the order of `patternc.yaml`.
pub fn places(project: &Loaded, name: Option<&str>) -> Result<Vec<Place>, Fault> {
    let Some((_, deployment)) = deployment::choose(config::config(&project.db), name)? else {
        let site = Site::File(project.root.join(deployment::STATE));
        return Ok(vec![Place { name: "main".to_owned(), site }]);
    };
    let place = |name: &str, store: &StoreConfig| {
        let site = match store {
            StoreConfig::Memory => Site::Memory,
            StoreConfig::Sqlite { path } => {
                Site::File(project.root.join(deployment::expand(path, &format!("the path of store `{name}`"))?))
            }
            StoreConfig::Postgres { url } => Site::Server(deployment::expand(url, &format!("the address of store `{name}`"))?),
        };
        Ok(Place { name: name.to_string(), site })
    };
    let places = deployment.stores.iter().map(|(name, store)| place(name, store)).collect::<Result<Vec<Place>, Fault>>()?;
    for (at, place) in places.iter().enumerate() {
        if let Some(other) = places[..at].iter().find(|other| is_same(&other.site, &place.site)) {
            return Err(same(other, place));
        }
    }
    Ok(places)
}

/// Two stores that are one.
pub fn same(one: &Place, other: &Place) -> Fault {
    let what = if one.file().is_some() { "file" } else { "database" };
    Fault::Use(format!(
        "the stores `{}` and `{}` are the same {what}: give each its own, or name one of them under `spaces` for both",
        one.name, other.name
    ))
}

fn is_same(one: &Site, other: &Site) -> bool {
    match (one, other) {
        (Site::File(one), Site::File(other)) => destination(one) == destination(other) || is_same_file(one, other),
        (Site::Server(one), Site::Server(other)) => one == other,
        _ => false,
    }
}

/// Where a file is, or will be once it is made: links are followed, also those to what is not there yet.
fn destination(file: &Path) -> PathBuf {
    /// As many links in a row as Linux follows.
    const LINKS: usize = 40;
    let mut file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    for _ in 0..LINKS {
        let Ok(to) = file.read_link() else { break };
        file = file.parent().unwrap_or(Path::new("/")).join(to);
    }
    let in_folder = || Some(file.parent()?.canonicalize().ok()?.join(file.file_name()?));
    file.canonicalize().ok().or_else(in_folder).unwrap_or(file)
}

/// Whether two names, which may be hard links, are of one file that is there.
#[cfg(unix)]
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let file = |path: &Path| path.metadata().ok().map(|file| (file.dev(), file.ino()));
    file(one).is_some_and(|one| file(other) == Some(one))
}

#[cfg(not(unix))]
fn is_same_file(_: &Path, _: &Path) -> bool {
    false
}

/// Calls with what opening a store needs.
pub fn with_opening<T>(
    program: &Arc<Program>,
    place: &Place,
    limits: &Limits,
    discard: &[String],
    open: impl FnOnce(Opening<'_>) -> Result<T, StoreError>,
) -> Result<T, Fault> {
    with_defaults(program, limits, |opening| open(Opening { discard: discard.to_vec(), ..opening })).map_err(|error| place.fault(error))
}

fn with_defaults<T>(
    program: &Arc<Program>,
    limits: &Limits,
    open: impl FnOnce(Opening<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut defaults = Defaults::new(program.clone(), limits.clone(), Box::new(SystemHost::new()));
    let mut default = |stores: &Stores, record: &RecordRef, cell| defaults.of(stores, record, cell);
    open(Opening { defaults: Some(&mut default), ..Opening::new(program.clone(), limits.clone()) })
}

/// Reads the file of a store that another process owns, now and whenever that has written to it.
pub fn follow(program: &Arc<Program>, file: &Path, limits: &Limits) -> Result<Follower, StoreError> {
    let (program, path, limits) = (program.clone(), file.to_owned(), limits.clone());
    Follower::open(file, Box::new(move || with_defaults(&program, &limits, |opening| Sqlite::look(&path, opening))))
}

/// What the stores keep, as of their newest durable commits and as the program sees it. Nothing in them is changed.
///
/// What several stores keep belongs together only while nobody uses them.
pub fn look(places: &[Place], program: &Arc<Program>, limits: &Limits, to: &str) -> Result<Vec<State>, Fault> {
    unused(places, to)?;
    let look = |place: &Place| {
        let state = match &place.site {
            Site::Memory => return Err(place.in_memory(to)),
            Site::File(file) if file.exists() => Some(with_opening(program, place, limits, &[], |opening| Sqlite::look(file, opening))?),
            Site::File(_) => None,
            Site::Server(url) => with_opening(program, place, limits, &[], |opening| Postgres::look(url, opening))?,
        };
        state.ok_or_else(|| {
            let site = place.file().map_or_else(|| "its database".to_owned(), |file| file.display().to_string());
            Fault::Use(format!("{} is not there: nothing has been written to {site} yet", place.shown()))
        })
    };
    let states = places.iter().map(look).collect();
    // Nor did anyone begin meanwhile.
    unused(places, to)?;
    states
}

fn unused(places: &[Place], to: &str) -> Result<(), Fault> {
    if places.len() < 2 {
        return Ok(());
    }
    for place in places {
        if let Some(users) = place.users()? {
            return Err(Fault::Use(format!(
                "{} is in use by {users}: several stores are {to}ed together only while nobody writes them, since what one has sent the other may \
                 not have yet; stop that first",
                place.shown()
            )));
        }
    }
    Ok(())
}

/// Opens the stores once for the program, which may lose what is named: cells (`Person.nick`), record types (`Person`) and mirrors (`readers`)
/// that the program no longer has. What opens them next finds what is left.
pub fn discard(places: &[Place], program: &Arc<Program>, limits: &Limits, names: &[String]) -> Result<(), Fault> {
    if names.is_empty() {
        return Ok(());
    }
    if let Some(name) = names.iter().find(|name| is_declared(program, name)) {
        return Err(Fault::Use(format!(
            "--discard {name}: the patterns have it, and nothing is lost; it names a cell (`Person.nick`), record type (`Person`) or mirror \
             (`readers`) that they no longer have"
        )));
    }
    for place in places {
        match &place.site {
            Site::File(file) if file.exists() => {
                with_opening(program, place, limits, names, |opening| Sqlite::open(file, opening)?.close())?
            }
            Site::Server(url) => with_opening(program, place, limits, names, |opening| Postgres::open(url, opening)?.close())?,
            Site::Memory | Site::File(_) => {}
        }
    }
    Ok(())
}

fn is_declared(program: &Program, name: &str) -> bool {
    // What a mirror keeps is named `readers.facts`, like a cell.
    if program.record_named(name).is_some() || program.mirrors.iter().any(|mirror| mirror.name == name) {
        return true;
    }
    let (record, cell) = name.split_once('.').map_or((name, None), |(record, cell)| (record, Some(cell)));
    let Some(record) = program.record_named(record) else { return false };
    cell.is_none_or(|cell| program.record(record).cell_named(cell).is_some())
}
