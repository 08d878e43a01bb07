//! Defaults of new cells, for the records that are stored already.

use std::sync::Arc;

use patternc_program::{CellIndex, Program};

use super::Execution;
use crate::attempt::Env;
use crate::failure::{Failure, FailureKind};
use crate::host::Host;
use crate::limits::Limits;
use crate::store::Stores;
use crate::value::{RecordRef, Value};

/// Evaluates defaults as `create` does.
pub struct Defaults {
    program: Arc<Program>,
    limits: Limits,
    host: Box<dyn Host>,
    /// When all of it happens.
    now: i64,
    execution: Execution,
}

impl Defaults {
    /// Defaults of the program's cells. `now()` is one moment for all of them; ids are made by chance.
    pub fn new(program: Arc<Program>, limits: Limits, mut host: Box<dyn Host>) -> Self {
        let now = host.now();
        Defaults { program, limits, host, now, execution: Execution::default() }
    }

    /// The default of a cell of a stored record.
    pub fn of(&mut self, stores: &Stores, record: &RecordRef, cell: CellIndex) -> Result<Value, Failure> {
        let program = self.program.clone();
        let declared = &program.record(record.record()).cells[cell.index()];
        let Some(body) = declared.default else {
            return Err(Failure::new(FailureKind::Rejected, format!("the cell `{}` has no default", declared.name)));
        };
        let ids = u128::from(self.host.random()) << 64 | u128::from(self.host.random());
        let env = Env { program: &program, stores, limits: &self.limits, answers: None, now: self.now, ids, caller: None };
        match self.execution.evaluate_body(&env, body, record) {
            Ok(evaluation) => evaluation.value,
            Err(error) => Err(Failure::new(FailureKind::Unavailable, error.message)),
        }
    }
}
