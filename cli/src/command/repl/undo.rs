//! Going back: what was kept before each entry that changes data.

use std::io::Write;
use std::sync::atomic::Ordering;

use patternc_interpreter::given::Givens;
use patternc_interpreter::store::state::State;

use super::outside::Typed;
use super::session::{Session, Variable};
use crate::fault::Fault;

/// Entries that can be taken back.
const STEPS: usize = 100;

/// How things stood before an entry.
struct Kept {
    /// What was entered.
    text: String,
    stores: Vec<State>,
    variables: Vec<Variable>,
    said: usize,
    journal: usize,
    givens: Givens,
    typed_givens: Vec<Typed>,
    ahead: i64,
    /// Whether deliveries were held.
    held: bool,
}

/// What can be taken back, the newest last.
#[derive(Default)]
pub struct Undo(Vec<Kept>);

impl Undo {
    /// Forgets everything: the data of an earlier program fit no longer.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether there is nothing to take back.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the newest, if that is this entry: it changed nothing.
    pub fn forget(&mut self, text: &str) {
        self.0.pop_if(|kept| kept.text == text.trim());
    }
}

impl Session {
    /// Keeps how things stand before an entry, if they are in memory.
    pub fn remember(&mut self, text: &str) -> Result<(), Fault> {
        if let Some(stores) = self.runtime().snapshot().map_err(|error| Fault::Use(error.message))? {
            let kept = Kept {
                text: text.trim().to_owned(),
                stores,
                variables: self.variables.clone(),
                said: self.said.len(),
                journal: self.journal.len(),
                givens: self.runtime().givens(),
                typed_givens: self.typed_givens.clone(),
                ahead: self.ahead.load(Ordering::Relaxed),
                held: self.runtime().is_held(),
            };
            if self.undo.0.len() == STEPS {
                self.undo.0.remove(0);
            }
            self.undo.0.push(kept);
        }
        Ok(())
    }

    /// Takes the last entry that changed something back.
    pub fn undo(&mut self, out: &mut impl Write) -> Result<bool, Fault> {
        if self.runtime().snapshot().map_err(|error| Fault::Use(error.message))?.is_none() {
            writeln!(
                out,
                "the data of this deployment are kept in a store, and others may have built on them: only data in memory are undone"
            )?;
            return Ok(false);
        }
        let Some(kept) = self.undo.0.pop() else {
            writeln!(out, "there is nothing to undo: nothing was changed since the prompt began, or since the program changed")?;
            return Ok(false);
        };
        self.stop();
        self.ahead.store(kept.ahead, Ordering::Relaxed);
        self.start(Some(kept.stores), kept.held, kept.givens, out)?;
        self.typed_givens = kept.typed_givens;
        self.variables = kept.variables;
        self.said.truncate(kept.said);
        self.journal.truncate(kept.journal);
        self.explained.clear();
        self.unanswered_since = None;
        writeln!(out, "undone: {}", kept.text)?;
        self.show_watches(out)?;
        Ok(true)
    }
}
