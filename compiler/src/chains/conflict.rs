//! Which accesses get in each other's way.

use rustc_hash::FxHashSet;

use super::Access;
use crate::effects::{Grain, Target, Value, WriteKind};
use crate::types::CellId;

/// Two accesses that cannot change places, if these are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict<'a> {
    pub records: Option<(&'a Target, &'a Target)>,
    pub elements: Option<(&'a Value, &'a Value)>,
}

/// Whether two accesses of different events get in each other's way, and what must be the same for it. `ordered` are the lists of which somebody
/// looks what comes first.
pub(super) fn conflict<'a>(one: &'a Access, other: &'a Access, ordered: &FxHashSet<CellId>) -> Option<Conflict<'a>> {
    if one.record != other.record || (one.reads() && other.reads()) || !one.form().may_be(other.form()) {
        return None;
    }
    if one.target == Target::Fresh || other.target == Target::Fresh {
        // Nobody else has a record that is just being made: only who looks which there are, or whether there is one under its key.
        let looks = |access: &Access| access.reads() && access.cell.is_none() && matches!(access.target, Target::Unknown | Target::Key(..));
        let makes = |access: &Access| access.write == Some(WriteKind::Create);
        return ((makes(one) && looks(other)) || (makes(other) && looks(one)))
            .then(|| Conflict { records: None, elements: elements(one, other) });
    }
    let deletes = |access: &Access| access.write == Some(WriteKind::Delete);
    if deletes(one) || deletes(other) {
        return Some(Conflict { records: records(one, other), elements: None });
    }
    let cell = one.cell.filter(|cell| other.cell == Some(*cell))?;
    let appends = |access: &Access| access.write == Some(WriteKind::Append);
    if appends(one) && appends(other) {
        return ordered.contains(&cell).then(|| Conflict { records: records(one, other), elements: None });
    }
    if commute(one, other) {
        return None;
    }
    Some(Conflict { records: records(one, other), elements: elements(one, other) })
}

fn records<'a>(one: &'a Access, other: &'a Access) -> Option<(&'a Target, &'a Target)> {
    (one.target != Target::Unknown && other.target != Target::Unknown).then_some((&one.target, &other.target))
}

fn elements<'a>(one: &'a Access, other: &'a Access) -> Option<(&'a Value, &'a Value)> {
    match (&one.grain, &other.grain) {
        (Grain::Element(Some(one)), Grain::Element(Some(other))) => Some((one, other)),
        _ => None,
    }
}

/// Whether two accesses of one cell of one record give the same whichever comes first.
fn commute(one: &Access, other: &Access) -> bool {
    use WriteKind::{Add, Insert, Remove, Set};
    match (one.write, other.write) {
        (Some(Add), Some(Add)) | (Some(Insert), Some(Insert)) | (Some(Remove), Some(Remove)) => true,
        (Some(Set), Some(Set)) => {
            let same = one.fixed && other.fixed && one.value == other.value;
            same && one.grain == Grain::Whole && other.grain == Grain::Whole
        }
        _ => false,
    }
}
