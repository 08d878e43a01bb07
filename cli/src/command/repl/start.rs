//! Starting a program at the prompt: on the stores of a deployment, on those that another process owns, or in memory.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use patternc_compiler::check::{CheckOptions, Deployments};
use patternc_compiler::config;
use patternc_interpreter::given::Givens;
use patternc_interpreter::host::AheadHost;
use patternc_interpreter::limits::Limits;
use patternc_interpreter::runtime::{Callee, Config as RuntimeConfig, Runtime};
use patternc_interpreter::store::Store;
use patternc_interpreter::store::memory::Memory;
use patternc_interpreter::store::sqlite::carry_over;
use patternc_interpreter::store::state::State;
use patternc_program::Program;

use super::interrupt::Breaks;
use super::outside::{Ear, Overheard};
use crate::deployment::{self, Fallback};
use crate::fault::Fault;
use crate::owner::{self, Voice, Watch};
use crate::project::{self, Loaded};
use crate::stores::{self, Place};

/// How the prompt was started.
pub struct Settings {
    pub deployment: Option<String>,
    /// Whatever deployments there are, none is used.
    pub memory: bool,
    pub quiet: bool,
    pub terminal: bool,
    pub breaks: Breaks,
}

/// A program that runs.
pub struct Running {
    /// Does what other processes ask for. Ends before the runtime does.
    _listening: Option<Watch>,
    pub runtime: Runtime,
    /// The process that owns the stores, if it is not this one.
    pub owner: Option<String>,
    places: Vec<Place>,
}

impl Running {
    /// Whether it follows a process that is no more.
    pub fn is_orphaned(&self) -> bool {
        self.owner.is_some() && owner::is_gone(&self.places)
    }
}

/// What a program starts with.
#[derive(Default)]
pub struct Start {
    /// Data that were in memory.
    pub kept: Option<Vec<State>>,
    pub held: bool,
    pub givens: Givens,
    pub ahead: Arc<AtomicI64>,
    pub ear: Ear,
}

impl Settings {
    /// The deployment that these settings choose.
    pub fn deployment(&self, project: &Loaded) -> Result<Option<String>, Fault> {
        if self.memory {
            return Ok(None);
        }
        let chosen = project::deployment::choose(config::config(&project.db), self.deployment.as_deref())?;
        Ok(chosen.map(|(name, _)| name.to_owned()))
    }

    pub fn judged(&self, project: &Loaded) -> Result<CheckOptions, Fault> {
        let deployments = match self.deployment(project)? {
            Some(name) => Deployments::Only(name.into()),
            None => Deployments::None,
        };
        Ok(CheckOptions { deployments, ..CheckOptions::default() })
    }

    /// Starts a program.
    pub fn begin(&self, project: &Loaded, program: &Arc<Program>, start: Start) -> Result<Running, Fault> {
        let (mut parts, owner, places) = match self.deployment(project)? {
            Some(name) => {
                let (parts, owner) = deployment::join(project, program, Some(&name), Fallback::Memory)?;
                (parts, owner, stores::places(project, Some(&name))?)
            }
            None => {
                let host = Box::new(AheadHost::new(start.ahead));
                (RuntimeConfig { host, ..deployment::in_memory(project, program) }, None, Vec::new())
            }
        };
        if let Some(states) = start.kept {
            parts.stores = states.into_iter().map(|state| Box::new(Memory::with_state(state)) as Box<dyn Store>).collect();
        }
        for callee in parts.externs.values_mut() {
            let overheard = Overheard { adapter: callee.clone(), ear: start.ear.clone() };
            *callee = Arc::new(overheard) as Arc<dyn Callee>;
        }
        parts.held = start.held;
        parts.givens = start.givens;
        parts.interrupt = Some(self.breaks.interrupt.clone());
        let runtime = deployment::start(program, parts)?;
        runtime.record_history();
        // What goes wrong is told where it is asked for.
        let listening = match &owner {
            None => Some(Watch::start(&places, runtime.caretaker(), Voice::Quiet)?),
            Some(_) => None,
        };
        Ok(Running { _listening: listening, runtime, owner, places })
    }
}

/// The data of each store as a new program has them.
pub fn carry(states: &[State], old: &Arc<Program>, new: &Arc<Program>, limits: &Limits) -> Result<Vec<State>, Fault> {
    let scratch = tempfile::tempdir().map_err(|e| Fault::Use(format!("cannot make a folder to carry the data over: {e}")))?;
    let carried = states.iter().enumerate().map(|(index, state)| {
        let file = scratch.path().join(format!("{index}.db"));
        carry_over(state, old, new, limits, &file).map_err(|error| Fault::Use(error.message))
    });
    carried.collect()
}
