//! Links with two ends, over data that were written when each end stood for itself.

use std::collections::{BTreeSet, HashMap, HashSet};

use patternc_program::{CellIndex, Program, RecordId};

use super::load::LoadError;
use crate::json::reference_text;
use crate::store::state::State;
use crate::store::{CommitRequest, Presence, Refused, Write};
use crate::value::{RecordRef, Value};

/// Writes the ends that are missing of the links in these cells, each of which has an `inverse`. Gives the cells that were written. Refused where
/// there is no end to write: the record is gone, or its one link leads elsewhere.
pub(super) fn complete(
    program: &Program,
    state: &mut State,
    cells: &[(RecordId, CellIndex)],
) -> Result<BTreeSet<(RecordId, CellIndex)>, LoadError> {
    let mut writes = Vec::new();
    let mut written = BTreeSet::new();
    let mut added: HashSet<(RecordRef, CellIndex, RecordRef)> = HashSet::new();
    // The ends that hold one link, as they become.
    let mut single: HashMap<(RecordRef, CellIndex), RecordRef> = HashMap::new();
    for stored in state.records() {
        let record = stored.record;
        let Some(values) = stored.cells else { continue };
        for (index, value) in (0..).map(CellIndex).zip(values) {
            let Some(inverse) = program.record(record.record()).cells[index.index()].inverse else { continue };
            if !cells.contains(&(record.record(), index)) {
                continue;
            }
            for other in ends(value) {
                let link = || {
                    let name = program.record(record.record()).cells[index.index()].name;
                    format!("`{name}` of {} links to {}", reference_text(program, record), reference_text(program, other))
                };
                let way_out = "run the patterns that wrote them, and write or empty one of the two ends";
                if state.presence(other) != Presence::Live {
                    return Err(LoadError::Unfit(format!("{}, which is not there, but has an `inverse` now: {way_out}", link())));
                }
                let Some(back) = state.cell(other, inverse.cell) else { continue };
                if ends(back).any(|end| end == record) || !added.insert((other.clone(), inverse.cell, record.clone())) {
                    continue;
                }
                let (to, cell, value) = (other.clone(), inverse.cell, Value::Ref(record.clone()));
                writes.push(match back {
                    Value::Set(_) => Write::Insert { record: to, cell, value },
                    Value::List(_) => Write::Append { record: to, cell, value },
                    one => {
                        let before = ends(one).next().cloned().or_else(|| single.insert((to.clone(), cell), record.clone()));
                        if let Some(before) = before {
                            let back = program.record(inverse.record).cells[cell.index()].name;
                            let before = reference_text(program, &before);
                            return Err(LoadError::Unfit(format!(
                                "{}, whose `{back}`, its `inverse` now, belongs to {before}: {way_out}",
                                link()
                            )));
                        }
                        Write::Set { record: to, cell, value }
                    }
                });
                written.insert((inverse.record, cell));
            }
        }
    }
    match state.apply(&CommitRequest { writes, ..CommitRequest::default() }, i64::MIN) {
        Ok(_) => Ok(written),
        Err(Refused::Failed(failure)) => Err(LoadError::Unfit(format!("the other ends of links: {failure}"))),
        Err(other) => Err(LoadError::Unfit(format!("the other ends of links: {other}"))),
    }
}

/// Where a cell with an `inverse` leads: it holds a reference, perhaps none, or a collection of them.
fn ends(value: &Value) -> Box<dyn Iterator<Item = &RecordRef> + '_> {
    fn reference(value: &Value) -> Option<&RecordRef> {
        if let Value::Ref(record) = value { Some(record) } else { None }
    }
    match value {
        Value::Set(items) => Box::new(items.iter().filter_map(reference)),
        Value::List(items) => Box::new(items.iter().filter_map(reference)),
        one => Box::new(reference(one).into_iter()),
    }
}
