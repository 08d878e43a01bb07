//! What stores that keep data beyond the process have in common: how transactions are written down, how they come to rows, how rows are
//! loaded, and what another program makes of them.
//!
//! A commit becomes [`effect`]s (by `record::Recorder`), which a journal keeps. Effects are brought to one for each row
//! (`changes::Changes`) and so to a database's tables; from these a `load::Loader` fills a state. `schema` gives every name an id, and
//! `migration` compares it with another program's.

pub(in crate::store) mod changes;
mod constant;
pub mod effect;
pub(crate) mod events;
pub mod glance;
mod links;
pub(in crate::store) mod load;
pub(in crate::store) mod migration;
pub(in crate::store) mod native;
pub(crate) mod places;
mod positions;
pub(in crate::store) mod record;
pub(in crate::store) mod replay;
mod saga;
pub(in crate::store) mod schema;
pub(in crate::store) mod type_text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use patternc_program::{CellIndex, Program};

use super::Stores;
use crate::failure::Failure;
use crate::limits::Limits;
use crate::value::{RecordRef, Value};

/// Evaluates the default of a cell for a stored record that does not have it yet.
pub type DefaultOf<'a> = &'a mut dyn FnMut(&Stores, &RecordRef, CellIndex) -> Result<Value, Failure>;

/// The declared spaces that a store keeps, by their names as in `u[*]`. With each, of a family that is spread over several stores, the names of those:
/// first the store's own, then all in order. Two processes that write one store have to agree on it, or a space is kept twice.
pub type Keeps = BTreeMap<String, Vec<String>>;

/// What opening a store needs.
pub struct Opening<'a> {
    pub program: Arc<Program>,
    pub limits: Limits,
    /// Cells (`Person.nick`) and record types (`Person`) that the program no longer has and whose data may go.
    pub discard: Vec<String>,
    /// For defaults that are no constants. It sees the stored records, with `none` in cells that are not filled yet.
    pub defaults: Option<DefaultOf<'a>>,
    /// What the store keeps in the deployment; `None` for who does not write it by that.
    pub keeps: Option<Keeps>,
    /// When nothing was committed for this long, the journal is brought to the tables.
    pub quiet: Duration,
}

impl Opening<'_> {
    /// Opening for a program, with nothing discarded.
    pub fn new(program: Arc<Program>, limits: Limits) -> Self {
        Opening { program, limits, discard: Vec::new(), defaults: None, keeps: None, quiet: Duration::from_millis(20) }
    }
}
