//! Writes, creates and deletes, with what the runtime writes along: the other ends of links.

use std::sync::Arc;

use patternc_grammar::syntax::{AssignOp, Span};

use super::conditions::{constant_for, constant_of, is_blind, made_of};
use super::values::{extended, given};
use super::{Walk, record_of};
use crate::effects::{CallPath, EffectSpace, Effects, FailureCause, Form, Grain, Site, Target, WriteEffect, WriteKind};
use crate::hir::{BodyOwner, Create, Expr, SpaceExpr, Write, WriteOp};
use crate::types::{CellId, ItemId, Ty};

impl Walk<'_, '_> {
    pub(super) fn write(&mut self, write: &Write, span: Span) {
        self.expr(&write.record);
        write.key.iter().for_each(|key| self.expr(key));
        let value = match &write.op {
            WriteOp::Assign { value, .. } => Some(value),
            WriteOp::Delete => None,
        };
        value.iter().for_each(|value| self.expr(value));
        self.trust(&write.record, span);

        let sig = self.inference.record(write.cell.record).and_then(|sig| sig.cells.get(write.cell.index as usize));
        if sig.is_some_and(|sig| sig.derived) {
            // Refused as such: there is nothing that the write could change, and nothing more to say of it.
            return;
        }
        self.forget(write.cell);
        let element = |walk: &Self| Grain::Element(value.and_then(|value| walk.value(value)));
        let entry = write.key.as_ref().map(|key| Grain::Element(self.value(key)));
        let (kind, grain, reads) = match (&write.op, entry, sig.map(|sig| &sig.ty)) {
            (WriteOp::Delete, entry, _) => (WriteKind::Remove, entry.unwrap_or(Grain::Whole), false),
            (WriteOp::Assign { op, .. }, Some(entry), _) => (WriteKind::Set, entry, *op != AssignOp::Set),
            (WriteOp::Assign { op: AssignOp::Set, .. }, None, _) => (WriteKind::Set, Grain::Whole, false),
            (WriteOp::Assign { .. }, None, Some(Ty::Int)) => (WriteKind::Add, Grain::Whole, false),
            (WriteOp::Assign { op: AssignOp::Add, .. }, None, Some(Ty::List(_))) => (WriteKind::Append, element(self), false),
            (WriteOp::Assign { op: AssignOp::Add, .. }, None, Some(Ty::Set(_))) => (WriteKind::Insert, element(self), false),
            (WriteOp::Assign { op: AssignOp::Sub, .. }, None, Some(Ty::List(_) | Ty::Set(_))) => (WriteKind::Remove, element(self), false),
            (WriteOp::Assign { .. }, None, _) => (WriteKind::Set, Grain::Whole, true),
        };
        if reads {
            self.read(&write.record, write.cell, grain.clone(), write.target_span);
            if write.key.is_some() {
                self.failure(FailureCause::Missing, write.target_span);
            }
        }
        if matches!(&write.op, WriteOp::Assign { op: AssignOp::Add | AssignOp::Sub, .. }) && matches!(kind, WriteKind::Add | WriteKind::Set)
        {
            self.overflow(span);
        }
        let (target, space) = (self.target(&write.record), self.space(&write.record));
        let site = self.site(span);
        if kind == WriteKind::Add
            && let Some(value) = value.and_then(constant_of)
        {
            self.layout.written.push((site.index, value));
        }
        if (kind == WriteKind::Add || kind == WriteKind::Set && !reads)
            && let WriteOp::Assign { op, value } = &write.op
            && let Some(given) = given(&self.known, value, *op == AssignOp::Sub)
        {
            self.layout.given.push((site.index, given));
        }
        if value.is_some_and(|value| is_blind(value, self.body.params)) && !reads {
            self.layout.blind.push(site.index);
        }
        if value.is_some_and(|value| self.is_told(value)) {
            self.layout.told.push(site.index);
        }
        if let Some(made) = value.and_then(|value| made_of(value, self.body.params)) {
            let copy = made.copy && kind == WriteKind::Set;
            self.layout.made.push((site.index, crate::effects::Made { copy, ..made }));
        }
        if kind == WriteKind::Set
            && grain == Grain::Whole
            && let Some(value) = value.and_then(|value| constant_for(value, &sig?.ty))
        {
            self.layout.written.push((site.index, value));
        }
        self.found.writes.push(WriteEffect {
            record: write.cell.record,
            cell: Some(write.cell),
            target: target.clone(),
            space,
            kind,
            grain,
            site,
            path: CallPath::default(),
            inverse: false,
            several: false,
        });
        let Some(sig) = sig else { return };
        if sig.key || sig.unique {
            self.failure(FailureCause::Unique(write.cell), span);
        }
        if let Some(other) = sig.inverse {
            // Whom the record was linked to before loses it; so does the one whom the new other end was linked to.
            if kind == WriteKind::Set || kind == WriteKind::Remove {
                self.end_lost(other, span);
            }
            if kind != WriteKind::Remove
                && let Some(value) = value
            {
                self.trust_ends(other.record, value, span);
                self.end_taken(write.cell, other, value, span);
            }
            if kind == WriteKind::Set {
                // The record that was linked before loses the link.
                let before = match (&sig.ty, extended(&target, write.cell)) {
                    (Ty::Record(..) | Ty::Optional(_), Some(path)) => path,
                    _ => Target::Unknown,
                };
                self.write_end(other, before, space, WriteKind::Remove, span);
            }
            if let Some(value) = value
                && value.ty != Ty::None
            {
                let linked = if record_of(&value.ty).is_some() { self.target(value) } else { Target::Unknown };
                let kind = if kind == WriteKind::Remove { WriteKind::Remove } else { WriteKind::Insert };
                self.write_end(other, linked, space, kind, span);
            }
        }
    }

    /// The runtime's write of the other end of a link. `kind` is what happens to the link: `Insert` or `Remove`.
    fn write_end(&mut self, cell: CellId, target: Target, space: EffectSpace, kind: WriteKind, span: Span) {
        let sig = self.inference.record(cell.record).and_then(|sig| sig.cells.get(cell.index as usize));
        let (kind, grain) = match (sig.map(|sig| &sig.ty), kind) {
            (Some(Ty::List(_)), WriteKind::Insert) => (WriteKind::Append, Grain::Element(None)),
            (Some(Ty::List(_) | Ty::Set(_)), kind) => (kind, Grain::Element(None)),
            _ => (WriteKind::Set, Grain::Whole),
        };
        let site = self.site(span);
        let (record, cell, path) = (cell.record, Some(cell), CallPath::default());
        self.found.writes.push(WriteEffect { record, cell, target, space, kind, grain, site, path, inverse: true, several: false });
    }

    /// The other ends of all links of a record that is created or deleted.
    fn write_ends(&mut self, record: ItemId, cells: impl Fn(u32) -> bool, space: EffectSpace, kind: WriteKind, span: Span) {
        let Some(sig) = self.inference.record(record) else { return };
        for (index, cell) in sig.cells.iter().enumerate() {
            if let Some(other) = cell.inverse
                && cells(index as u32)
            {
                self.write_end(other, Target::Unknown, space, kind, span);
            }
        }
    }

    /// Some record loses what its end `cell` points to.
    fn end_lost(&mut self, cell: CellId, span: Span) {
        if self.is_required(cell) {
            self.failure(FailureCause::Linked(cell), span);
        }
    }

    /// The end `cell` of a record comes to point to `value`: another record that `value` had at its end `other` loses it.
    fn end_taken(&mut self, cell: CellId, other: CellId, value: &Expr, span: Span) {
        let sig = self.inference.record(other.record).and_then(|sig| sig.cells.get(other.index as usize));
        let single = sig.is_some_and(|sig| matches!(sig.ty, Ty::Record(..) | Ty::Optional(_)));
        let target = self.target(value);
        // Nobody had it yet.
        let free = target == Target::Fresh || (self.is_absent(&target, other) && !self.found.writes.iter().any(|w| w.cell == Some(other)));
        if single && !free {
            self.end_lost(cell, span);
        }
    }

    fn is_required(&mut self, cell: CellId) -> bool {
        let sig = self.inference.record(cell.record).and_then(|sig| sig.cells.get(cell.index as usize));
        sig.is_some_and(|sig| matches!(sig.ty, Ty::Record(..)))
    }

    /// Whether the records at the end `cell` of a record that is deleted now are gone already: all of them were deleted.
    fn end_deleted(&self, of: &Target, cell: CellId, other: ItemId, single: bool) -> bool {
        let deleted = self.found.writes.iter().filter(|write| write.kind == WriteKind::Delete && write.record == other);
        deleted.into_iter().any(|write| match single {
            true => extended(of, cell).is_some_and(|end| end == write.target),
            false => self.in_loop(write.site),
        })
    }

    pub(super) fn delete(&mut self, record: &Expr, span: Span) {
        let Some((of, _)) = record_of(&record.ty) else {
            self.found.incomplete = true;
            return;
        };
        self.forget_cells();
        self.trust(record, span);
        self.forget_records();
        let (target, space) = (self.target(record), self.space(record));
        let site = self.site(span);
        let (kind, grain, path) = (WriteKind::Delete, Grain::Whole, CallPath::default());
        self.found.writes.push(WriteEffect {
            record: of,
            cell: None,
            target,
            space,
            kind,
            grain,
            site,
            path,
            inverse: false,
            several: false,
        });
        let target = self.target(record);
        let cells = self.inference.record(of).map_or(&[][..], |sig| &sig.cells);
        for (index, cell) in cells.iter().enumerate() {
            let single = !matches!(cell.ty, Ty::List(_) | Ty::Set(_));
            let end = CellId { record: of, index: index as u32 };
            if let Some(other) = cell.inverse
                && !self.end_deleted(&target, end, other.record, single)
            {
                self.end_lost(other, span);
            }
        }
        self.write_ends(of, |_| true, space, WriteKind::Remove, span);
    }

    pub(super) fn created_cells(&mut self, create: &Create) {
        match &create.space {
            Some(SpaceExpr::Family(_, key)) => self.expr(key),
            Some(SpaceExpr::Of(space)) => self.expr(space),
            Some(SpaceExpr::Plain(_)) | None => {}
        }
        create.cells.iter().for_each(|(_, value)| self.expr(value));
    }

    /// Which record of the type a creation makes: the one of its key.
    pub(super) fn created_under(&mut self, create: &Create) -> Grain {
        let key = self.inference.record(create.record).and_then(|sig| sig.cells.iter().position(|cell| cell.key));
        match key {
            Some(key) => {
                let given = create.cells.iter().find(|(cell, _)| *cell as usize == key);
                match given.and_then(|(_, value)| Form::of(value)) {
                    Some(form) => Grain::Like(form),
                    None => Grain::Element(given.and_then(|(_, value)| self.value(value))),
                }
            }
            None => Grain::Whole,
        }
    }

    pub(super) fn create(&mut self, create: &Create) {
        self.created_cells(create);
        self.forget_cells();
        let space = match self.inference.plain_home(create.record) {
            Some(space) => self.plain(space),
            None => self.place(create.place),
        };
        let site = self.site(create.span);
        self.push_call(BodyOwner::Create(create.record), Target::Fresh, space, Arc::default(), site);
        if let Some(sig) = self.inference.record(create.record)
            && let Some(index) = sig.cells.iter().position(|cell| cell.key || cell.unique)
        {
            self.failure(FailureCause::Unique(CellId { record: create.record, index: index as u32 }), create.span);
        }
        self.made(create, space, site);
    }

    /// What the runtime does for a record that is made by an event, in the transaction that makes it.
    pub(super) fn made_later(&mut self, create: &Create, space: EffectSpace) -> Effects {
        let around = std::mem::take(&mut self.found);
        // By then, what was there may be gone.
        let (sure, there) = (self.sure.clone(), std::mem::take(&mut self.there));
        self.forget_records();
        let site = self.site(create.span);
        self.made(create, space, site);
        (self.sure, self.there) = (sure, there);
        std::mem::replace(&mut self.found, around)
    }

    /// The record that is made, and the other ends of its links.
    fn made(&mut self, create: &Create, space: EffectSpace, site: Site) {
        let (record, path) = (create.record, CallPath::default());
        let (kind, grain) = (WriteKind::Create, self.created_under(create));
        self.found.writes.push(WriteEffect {
            record,
            cell: None,
            target: Target::Fresh,
            space,
            kind,
            grain,
            site,
            path,
            inverse: false,
            several: false,
        });
        let cells = self.inference.record(record).map_or(&[][..], |sig| &sig.cells);
        for (index, value) in &create.cells {
            if let Some(other) = cells.get(*index as usize).and_then(|cell| cell.inverse) {
                self.trust_ends(other.record, value, create.span);
                self.end_taken(CellId { record, index: *index }, other, value, create.span);
            }
        }
        let given = |index: u32| create.cells.iter().any(|(cell, value)| *cell == index && value.ty != Ty::None);
        self.write_ends(record, given, space, WriteKind::Insert, create.span);
    }
}
