//! Brings a program up on a deployment: its stores, and what answers its externs.

use std::path::Path;
use std::sync::Arc;

use patternc_compiler::check::Deployments;
use patternc_compiler::config::{self, Deployment, Extern as ExternConfig, Keepers, Template};
use patternc_interpreter::adapter::{Command, Http, HttpOperation, SpiceDb};
use patternc_interpreter::limits::Limits;
use patternc_interpreter::runtime::{Callee, Config as RuntimeConfig, Runtime};
use patternc_interpreter::store::format::{Keeps, Opening};
use patternc_interpreter::store::memory::Memory;
use patternc_interpreter::store::postgres::{self, Postgres};
use patternc_interpreter::store::sqlite::Sqlite;
use patternc_interpreter::store::state::Schema;
use patternc_interpreter::store::{Placement, Shard, Store, StoreError};
use patternc_program::{ExternId, Program, SpaceId};

use rustc_hash::FxHashMap;

use crate::fault::Fault;
use crate::owner;
use crate::project::Loaded;
use crate::project::deployment::{choose, expand};
use crate::stores::{self, Place, Site};

/// Where data is kept without any deployment.
pub enum Fallback<'p> {
    /// In an SQLite file.
    File(&'p Path),
    /// In memory: it ends with the process.
    Memory,
}

/// What a run of the project may use.
pub fn limits(project: &Loaded) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in &config::config(&project.db).limits {
        assert!(limits.set(name, *value), "a limit of patternc.yaml is one of the runtime: {name}");
    }
    limits
}

/// Opens the stores of the deployment of this name (or the default one), and starts the program on them.
pub fn open(project: &Loaded, program: &Arc<Program>, name: Option<&str>, fallback: Fallback<'_>) -> Result<Runtime, Fault> {
    start(program, parts(project, program, name, fallback)?)
}

/// The parts of a program that runs without any deployment: one store in memory, and nobody who answers its externs.
pub fn in_memory(project: &Loaded, program: &Arc<Program>) -> RuntimeConfig {
    let limits = limits(project);
    RuntimeConfig { limits: limits.clone(), ..RuntimeConfig::single(memory(program, &limits)) }
}

/// Starts a program over its parts.
pub fn start(program: &Arc<Program>, parts: RuntimeConfig) -> Result<Runtime, Fault> {
    Runtime::open(program.clone(), parts).map_err(|error| Fault::Use(error.message))
}

/// The parts of a program that runs on the deployment of this name (or the default one). Where another process has its stores and takes events,
/// they follow that one; then its name is given too, as "the process 123".
pub fn join(
    project: &Loaded,
    program: &Arc<Program>,
    name: Option<&str>,
    fallback: Fallback<'_>,
) -> Result<(RuntimeConfig, Option<String>), Fault> {
    let chosen = choose(config::config(&project.db), name)?;
    let is_stored = chosen.is_some() || matches!(fallback, Fallback::File(_));
    let stores = if is_stored { stores::places(project, name)? } else { Vec::new() };
    let files: Option<Vec<&Path>> = stores.iter().map(Place::file).collect();
    let files = files.unwrap_or_default();
    let owner = match owner::of(&files) {
        Some(owner) if owner::takes_events(files[0])? => owner,
        Some(owner) if owner::of(&files).as_ref() == Some(&owner) => {
            return Err(Fault::Use(format!(
                "{} is in use by {owner}, which takes no events now: it has not answered for 5 s. It is busy, or stopped (by a debugger, or \
                 SIGSTOP), or does something else than to run the patterns. Try again when it goes on or is done, or end it",
                files[0].display()
            )));
        }
        _ => return Ok((parts(project, program, name, fallback)?, None)),
    };
    let limits = limits(project);
    let (places, shards) = places(project, program, name)?;
    let follow = |file: &&Path| Ok(Box::new(stores::follow(program, file, &limits)?) as Box<dyn Store>);
    let followed: Result<Vec<Box<dyn Store>>, StoreError> = files.iter().map(follow).collect();
    let followed = followed.map_err(|error| Fault::Use(error.message))?;
    let names = stores.iter().map(|place| place.name.clone()).collect();
    let link = Box::new(owner::Link::new(files[0]));
    let single = RuntimeConfig::single(memory(program, &limits));
    Ok((RuntimeConfig { stores: followed, names, places, shards, limits, owner: Some(link), ..single }, Some(owner)))
}

/// The opened stores of the deployment of this name (or the default one), and what answers its externs.
pub fn parts(project: &Loaded, program: &Arc<Program>, name: Option<&str>, fallback: Fallback<'_>) -> Result<RuntimeConfig, Fault> {
    let config = config::config(&project.db);
    let limits = limits(project);
    match choose(config, name)? {
        Some((name, deployment)) => configured(project, program, name, deployment, limits),
        None => {
            let store = match fallback {
                Fallback::File(path) => {
                    let place = Place { name: "main".to_owned(), site: Site::File(path.to_owned()) };
                    sqlite(path, &place, program, &limits, None)?
                }
                Fallback::Memory => memory(program, &limits),
            };
            Ok(RuntimeConfig { limits, ..RuntimeConfig::single(store) })
        }
    }
}

/// Refuses a deployment that binds nothing to an extern of the program: what is sent to it would wait for ever.
pub fn require_externs(project: &Loaded, program: &Program, name: Option<&str>) -> Result<(), Fault> {
    let chosen = choose(config::config(&project.db), name)?;
    let unbound = program.externs.iter().find(|e| chosen.is_none_or(|(_, deployment)| !deployment.externs.contains_key(e.name.as_str())));
    match (unbound, chosen) {
        (None, _) => Ok(()),
        (Some(unbound), Some((name, _))) => Err(Fault::Use(format!(
            "deployment `{name}` does not say what answers the extern `{}`: add it under `externs` of the deployment",
            unbound.name
        ))),
        (Some(unbound), None) => Err(Fault::Use(format!(
            "nothing says what answers the extern `{}`: add a deployment to patternc.yaml, and the extern under its `externs`",
            unbound.name
        ))),
    }
}

/// What the patterns are judged under before they run on the deployment of this name, or the default one.
pub fn judged(project: &Loaded, name: Option<&str>) -> Result<Deployments, Fault> {
    let chosen = choose(config::config(&project.db), name)?;
    Ok(chosen.map_or(Deployments::None, |(name, _)| Deployments::Only(name.into())))
}

/// Whether the project has a deployment of this name.
pub fn named(project: &Loaded, name: &str) -> Result<(), Fault> {
    choose(config::config(&project.db), Some(name)).map(|_| ())
}

fn configured(
    project: &Loaded,
    program: &Arc<Program>,
    name: &str,
    deployment: &Deployment,
    limits: Limits,
) -> Result<RuntimeConfig, Fault> {
    let kept = stores::places(project, Some(name))?;
    let names = kept.iter().map(|place| place.name.clone()).collect();
    if kept.is_empty() {
        return Err(Fault::Use(format!("deployment `{name}` has no stores: add one under `stores`")));
    }
    let (places, shards) = places_of(program, name, deployment)?;
    let stores = opened(kept, program, &limits, &(&places, &shards))?;
    let externs = externs(project, program, name, deployment)?;
    Ok(RuntimeConfig { stores, names, places, shards, externs, limits, ..RuntimeConfig::single(memory(program, &Limits::default())) })
}

/// Opens stores. `kept`: for each declared space the store that keeps it, and the families that are spread.
fn opened(
    places: Vec<Place>,
    program: &Arc<Program>,
    limits: &Limits,
    kept: &(&Vec<usize>, &Vec<Shard>),
) -> Result<Vec<Box<dyn Store>>, Fault> {
    let mut stores: Vec<Box<dyn Store>> = Vec::new();
    // An address does not tell which database it leads to.
    let mut servers: Vec<(usize, Postgres)> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let keeps = Some(keeps(program, kept, at));
        match &place.site {
            Site::Memory => stores.push(memory(program, limits)),
            Site::File(file) => stores.push(sqlite(file, place, program, limits, keeps)?),
            Site::Server(url) => {
                let users = (!servers.is_empty()).then(|| postgres::users(url).map_err(|error| place.fault(error))).transpose()?;
                if let Some((other, _)) = servers.iter().find(|(_, other)| users.as_ref().is_some_and(|users| other.is_among(users))) {
                    return Err(stores::same(&places[*other], place));
                }
                let open = |opening: Opening<'_>| Postgres::open(url, Opening { keeps, ..opening });
                servers.push((at, stores::with_opening(program, place, limits, &[], open)?));
            }
        }
    }
    for (at, store) in servers {
        stores.insert(at, Box::new(store));
    }
    Ok(stores)
}

/// What the store of this index keeps.
fn keeps(program: &Program, (places, shards): &(&Vec<usize>, &Vec<Shard>), store: usize) -> Keeps {
    let keeps = program.spaces.iter().enumerate().filter_map(|(at, space)| {
        let spread_over = match shards.iter().find(|shard| shard.space.index() == at) {
            None => (places[at] == store).then(Vec::new)?,
            Some(shard) => {
                let own = &shard.stores.iter().find(|(_, index)| *index == store)?.0;
                let mut all: Vec<&String> = shard.stores.iter().map(|(name, _)| name).collect();
                all.sort_unstable();
                [own].into_iter().chain(all).cloned().collect()
            }
        };
        let name = if space.key.is_some() { format!("{}[*]", space.name) } else { space.name.to_string() };
        Some((name, spread_over))
    });
    keeps.collect()
}

/// For each declared space the store that keeps it, and the families that are spread over several.
type Places = (Vec<usize>, Vec<Shard>);

fn places_of(program: &Program, name: &str, deployment: &Deployment) -> Result<Places, Fault> {
    let (mut places, mut shards) = (Vec::new(), Vec::new());
    for (index, space) in program.spaces.iter().enumerate() {
        let names: &[Box<str>] = match deployment.keepers(space.name, space.key.is_some()) {
            Some(Keepers::Store(name)) => std::slice::from_ref(name),
            Some(Keepers::Shard(names)) => names,
            None => &[],
        };
        let kept: Vec<(String, usize)> =
            names.iter().filter_map(|name| Some((name.to_string(), deployment.stores.get_index_of(&**name)?))).collect();
        let Some((_, first)) = kept.first() else {
            return Err(Fault::Use(format!(
                "deployment `{name}` does not say which store keeps the space `{}`: add it under `spaces`",
                space.name
            )));
        };
        places.push(*first);
        if kept.len() > 1 {
            shards.push(Shard { space: SpaceId(index as u32), stores: kept });
        }
    }
    Ok((places, shards))
}

/// Where the spaces are in the deployment of this name (or the default one); without any, one store keeps all.
pub fn places(project: &Loaded, program: &Program, name: Option<&str>) -> Result<Places, Fault> {
    match choose(config::config(&project.db), name)? {
        Some((name, deployment)) => places_of(program, name, deployment),
        None => Ok((vec![0; program.spaces.len()], Vec::new())),
    }
}

/// The same as one value.
pub fn placement(project: &Loaded, program: &Arc<Program>, name: Option<&str>) -> Result<Placement, Fault> {
    let (places, shards) = places(project, program, name)?;
    Ok(Placement::from(places).with_shards(program.clone(), shards))
}

fn memory(program: &Program, limits: &Limits) -> Box<dyn Store> {
    Box::new(Memory::new(Arc::new(Schema::new(program)), limits))
}

fn sqlite(file: &Path, place: &Place, program: &Arc<Program>, limits: &Limits, keeps: Option<Keeps>) -> Result<Box<dyn Store>, Fault> {
    let open = |opening: Opening<'_>| Sqlite::open(file, Opening { keeps, ..opening });
    Ok(Box::new(stores::with_opening(program, place, limits, &[], open)?))
}

/// What answers the externs that the deployment names.
fn externs(
    project: &Loaded,
    program: &Program,
    name: &str,
    deployment: &Deployment,
) -> Result<FxHashMap<ExternId, Arc<dyn Callee>>, Fault> {
    let mut externs: FxHashMap<ExternId, Arc<dyn Callee>> = FxHashMap::default();
    for (at, declared) in program.externs.iter().enumerate() {
        let Some(config) = deployment.externs.get(declared.name.as_str()) else { continue };
        let what = format!("extern `{}` of deployment `{name}`", declared.name);
        let wrong = |message: String| Fault::Use(format!("{what}: {message}"));
        let file = |path: &Option<Template>| path.as_ref().map(|path| expand(path, &what).map(|path| project.root.join(path))).transpose();
        let callee: Arc<dyn Callee> = match config {
            ExternConfig::Http(http) => {
                let headers = http.headers.iter().map(|(name, value)| Ok((name.to_string(), expand(value, &what)?)));
                let headers = headers.collect::<Result<Vec<_>, Fault>>()?;
                let (base, authorities) = (expand(&http.base, &what)?, file(&http.authorities)?);
                let mut service = Http::new(&base, headers, http.timeout, authorities.as_deref()).map_err(wrong)?;
                for (name, operation) in &http.operations {
                    let (method, path) = (operation.method.to_string(), operation.path.to_string());
                    service = service.operation(&**name, HttpOperation { method, path, reject: operation.reject.clone() });
                }
                Arc::new(service.replays(http.replays))
            }
            ExternConfig::Command { run, timeout, replays } => {
                let run = run.iter().map(|part| expand(part, &what)).collect::<Result<Vec<_>, Fault>>()?;
                // The root is empty where it is the current folder.
                let folder = Some(project.root.clone()).filter(|root| !root.as_os_str().is_empty());
                Arc::new(Command { run, folder, timeout: *timeout, replays: *replays })
            }
            ExternConfig::SpiceDb { endpoint, token, timeout, authorities, calls } => {
                let first = program.mirrors.iter().find(|mirror| mirror.target.index() == at && mirror.remove_first);
                if let (None, Some(mirror)) = (calls, first) {
                    return Err(wrong(format!(
                        "with `calls: none` a copy of a call that comes late could bring a fact back after it was removed, and the mirror `{}` says \
                         `remove(f) first`: leave out `calls: none` (the schema needs a place for calls then, as the reference says), or `first`",
                        mirror.name
                    )));
                }
                let token = token.as_ref().map(|token| expand(token, &what)).transpose()?;
                let calls = calls.as_deref().map(str::to_owned);
                let (endpoint, authorities) = (expand(endpoint, &what)?, file(authorities)?);
                Arc::new(SpiceDb::new(&endpoint, token, *timeout, calls, authorities.as_deref()).map_err(wrong)?)
            }
        };
        externs.insert(ExternId(at as u32), callee);
    }
    Ok(externs)
}
