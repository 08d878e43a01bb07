//! Links that are seen from both ends: writing one end writes the other.

use patternc_program::{CellIndex, Inverse, Type};

use super::{Run, Transaction, fail};
use crate::failure::FailureKind;
use crate::value::{RecordRef, Value};

/// The records that an end points to, each once.
pub(super) fn targets(end: &Value) -> Vec<RecordRef> {
    let mut found: Vec<RecordRef> = Vec::new();
    let mut seen = rustc_hash::FxHashSet::default();
    let mut add = |value: &Value| {
        if let Value::Ref(target) = value
            && seen.insert(target.clone())
        {
            found.push(target.clone());
        }
    };
    match end {
        Value::List(list) => list.iter().for_each(&mut add),
        Value::Set(set) => set.iter().for_each(&mut add),
        one => add(one),
    }
    found
}

impl Transaction<'_> {
    /// The end `cell` of the record changed from `old` to `new`: brings the other ends up to date.
    pub(super) fn relink(&mut self, record: &RecordRef, cell: CellIndex, inverse: Inverse, old: &Value, new: &Value) -> Run<()> {
        if old == new {
            return Ok(());
        }
        let (old, new) = (targets(old), targets(new));
        let kept: rustc_hash::FxHashSet<&RecordRef> = new.iter().collect();
        for target in old.iter().filter(|target| !kept.contains(target)) {
            self.unlink(record, inverse, target)?;
        }
        let before: rustc_hash::FxHashSet<&RecordRef> = old.iter().collect();
        for target in new.iter().filter(|target| !before.contains(target)) {
            self.link(record, cell, inverse, target)?;
        }
        Ok(())
    }

    /// The end `cell` of the record points to the target: adds the record to the target's end.
    pub(super) fn link(&mut self, record: &RecordRef, cell: CellIndex, inverse: Inverse, target: &RecordRef) -> Run<()> {
        let at = self.touch(target);
        self.open(at)?;
        let end = inverse.cell;
        let value = Value::Ref(record.clone());
        match &self.declaration(at, end).ty {
            Type::Set(_) => self.insert(at, end, value),
            Type::List(_) => {
                let slot = self.known(at, end)?;
                if self.list(slot).is_some_and(|list| list.contains(&value)) { Ok(()) } else { self.append(at, end, value) }
            }
            _ => match self.cell_at(at, end)? {
                Value::Ref(holder) if holder == *record => Ok(()),
                Value::Ref(holder) => {
                    // The single end moves: its old holder loses it.
                    self.replace(at, end, value)?;
                    self.drop_end(&holder, cell, target)
                }
                _ => self.replace(at, end, value),
            },
        }
    }

    /// The record's end does not point to the target any more: takes the record out of the target's end.
    pub(super) fn unlink(&mut self, record: &RecordRef, inverse: Inverse, target: &RecordRef) -> Run<()> {
        self.drop_end(target, inverse.cell, record)
    }

    /// Takes `gone` out of the end `cell` of the holder, if the holder is still there.
    fn drop_end(&mut self, holder: &RecordRef, cell: CellIndex, gone: &RecordRef) -> Run<()> {
        // Both ends of a link are in one space: taking away a record from elsewhere takes away nothing.
        if holder.space() != gone.space() {
            return Ok(());
        }
        let at = self.touch(holder);
        if !self.exists_at(at)? {
            return Ok(());
        }
        self.open(at)?;
        let value = Value::Ref(gone.clone());
        let declaration = self.declaration(at, cell);
        match &declaration.ty {
            Type::Set(_) => self.remove(at, cell, value),
            Type::List(_) => {
                let Value::List(list) = self.cell_at(at, cell)? else { return Ok(()) };
                if !list.contains(&value) {
                    return Ok(());
                }
                let rest = list.iter().filter(|element| **element != value).cloned().collect();
                self.replace(at, cell, Value::List(std::sync::Arc::new(rest)))
            }
            ty => {
                if self.cell_at(at, cell)? != value {
                    return Ok(());
                }
                if !matches!(ty, Type::Optional(_)) {
                    let (holder, gone) = (self.describe(holder), self.describe(gone));
                    let message = format!("{holder}.{} may not be empty: it points to {gone}", declaration.name);
                    return fail(FailureKind::Rejected, message);
                }
                self.replace(at, cell, Value::None)
            }
        }
    }
}
