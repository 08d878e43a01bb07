//! What is true of the whole project: gathered from small summaries of each file, so that an edit which changes none of them goes no
//! further.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::db::{Db, SourceFile};
use crate::effects::{self, Site, WriteEffect, WriteKind};
use crate::hir::BodyOwner;
use crate::items::{ItemHead, items};
use crate::signature::{invariant_sig, mirror_sig};
use crate::summary;
use crate::types::{CellId, ItemId};

/// What an invariant can look at: a cell, or which records of a type there are.
pub(crate) type Seen = (ItemId, Option<CellId>);

/// The invariants of a file, and what each looks at.
pub(crate) fn invariants_of(db: &dyn Db, file: SourceFile) -> Vec<(ItemId, Vec<Seen>)> {
    let mut found = Vec::new();
    for (index, head) in items(db, file).heads.iter().enumerate() {
        if matches!(head, ItemHead::Invariant { .. }) {
            let item = ItemId { file, index: index as u32 };
            let reads = &effects::effects(db, BodyOwner::Invariant(item)).reads;
            let mut seen: Vec<Seen> = reads.iter().map(|read| (read.record, read.cell)).collect();
            seen.sort_unstable();
            seen.dedup();
            found.push((item, seen));
        }
    }
    found
}

#[salsa::tracked(returns(ref))]
fn invariants_by_seen(db: &dyn Db) -> FxHashMap<Seen, Vec<ItemId>> {
    let mut by_seen: FxHashMap<Seen, Vec<ItemId>> = FxHashMap::default();
    for (invariant, seen) in summary::invariants(db).flatten() {
        seen.iter().for_each(|seen| by_seen.entry(*seen).or_default().push(*invariant));
    }
    by_seen
}

/// The invariants that read a cell, also the `eventually` ones.
pub fn invariants_on(db: &dyn Db, cell: CellId) -> &[ItemId] {
    invariants_over(db, cell.record, Some(cell))
}

/// The invariants that read a cell, or, without one, look which records of the type there are.
pub fn invariants_over(db: &dyn Db, record: ItemId, cell: Option<CellId>) -> &[ItemId] {
    invariants_by_seen(db).get(&(record, cell)).map(Vec::as_slice).unwrap_or_default()
}

/// Whether an invariant holds at every commit, and not only when nothing is in flight.
pub fn holds_always(db: &dyn Db, invariant: ItemId) -> bool {
    invariant_sig(db, invariant).is_some_and(|sig| !sig.eventually)
}

/// The invariants that hold for every record of a type at every commit.
pub fn invariants_of_record(db: &dyn Db, record: ItemId) -> impl Iterator<Item = ItemId> {
    invariants_by_record(db).get(&record).into_iter().flatten().copied()
}

#[salsa::tracked(returns(ref))]
fn invariants_by_record(db: &dyn Db) -> FxHashMap<ItemId, Vec<ItemId>> {
    let mut by_record: FxHashMap<ItemId, Vec<ItemId>> = FxHashMap::default();
    for (invariant, _) in summary::invariants(db).flatten() {
        if let Some(sig) = invariant_sig(db, *invariant).filter(|sig| !sig.eventually)
            && let Some(record) = sig.record
        {
            by_record.entry(record).or_default().push(*invariant);
        }
    }
    by_record
}

/// A mirror with the cells that its `facts` and `scope` read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorCells {
    pub item: ItemId,
    pub target: ItemId,
    pub cells: Vec<CellId>,
    /// Where what a record gives it may have no value, so that the record cannot be written so.
    pub fails: Option<Site>,
}

/// The mirrors of a file, by the record that each is of.
pub(crate) fn mirrors_of(db: &dyn Db, file: SourceFile) -> Vec<(ItemId, MirrorCells)> {
    let mut found: Vec<(ItemId, MirrorCells)> = Vec::new();
    for body in &effects::file_effects(db, file).bodies {
        let BodyOwner::Mirror(item, _) = body.owner else { continue };
        let effects = effects::effects(db, body.owner);
        let cells = effects.reads.iter().filter_map(|read| read.cell);
        // What `actual` asks is no part of a transaction: it binds a scope, and reads nothing of a record.
        let fails = effects.failures.iter().find(|failure| !failure.caught).map(|failure| failure.site);
        if let Some((_, known)) = found.iter_mut().find(|(_, known)| known.item == item) {
            known.cells.extend(cells);
            known.fails = known.fails.or(fails);
        } else if let Some(sig) = mirror_sig(db, item)
            && let (Some(record), Some(target)) = (sig.record, sig.target)
        {
            found.push((record, MirrorCells { item, target, cells: cells.collect(), fails }));
        }
    }
    for (_, mirror) in &mut found {
        mirror.cells.sort_unstable();
        mirror.cells.dedup();
    }
    found
}

/// The mirrors of a record.
pub fn mirrors_of_record(db: &dyn Db, record: ItemId) -> impl Iterator<Item = &MirrorCells> {
    let all = summary::mirrors(db).flatten();
    all.filter(move |(of, _)| *of == record).map(|(_, mirror)| mirror)
}

/// The cells that the bodies of a file write after the creation of their record.
pub(crate) fn changed_in(db: &dyn Db, file: SourceFile) -> Vec<CellId> {
    let mut changed: Vec<CellId> = writes(db, file).filter_map(|(_, write)| write.cell).collect();
    changed.sort_unstable();
    changed.dedup();
    changed
}

/// The records that the bodies of a file delete, with the body that does.
pub(crate) fn deleted_in(db: &dyn Db, file: SourceFile) -> Vec<(ItemId, BodyOwner)> {
    let deletes = writes(db, file).filter(|(_, write)| write.kind == WriteKind::Delete && write.cell.is_none());
    let mut deleted: Vec<(ItemId, BodyOwner)> = deletes.map(|(owner, write)| (write.record, owner)).collect();
    deleted.sort_unstable();
    deleted.dedup();
    deleted
}

fn writes(db: &dyn Db, file: SourceFile) -> impl Iterator<Item = (BodyOwner, &WriteEffect)> {
    let bodies = effects::file_effects(db, file).bodies.iter();
    let pieces = bodies.flat_map(|body| body.own.pieces().into_iter().map(|piece| (body.owner, piece)));
    pieces.flat_map(|(owner, piece)| piece.writes.iter().map(move |write| (owner, write)))
}

#[salsa::tracked(returns(ref))]
fn changed_cells(db: &dyn Db) -> FxHashSet<CellId> {
    summary::changed(db).flatten().copied().collect()
}

#[salsa::tracked(returns(ref))]
fn deletions(db: &dyn Db) -> FxHashSet<(ItemId, BodyOwner)> {
    summary::deleted(db).flatten().copied().collect()
}

/// Whether some body of the project writes the cell after the creation of its record.
pub fn is_changed(db: &dyn Db, cell: CellId) -> bool {
    changed_cells(db).contains(&cell)
}

/// Whether some body of the project, other than this one, deletes records of this type.
pub fn is_deleted_elsewhere(db: &dyn Db, record: ItemId, than: BodyOwner) -> bool {
    deleter(db, record, than).is_some()
}

/// Whether some body of the project deletes records of this type.
pub fn is_deleted(db: &dyn Db, record: ItemId) -> bool {
    deletions(db).iter().any(|(deleted, _)| *deleted == record)
}

/// A body of the project, other than this one, that deletes records of this type.
pub fn deleter(db: &dyn Db, record: ItemId, than: BodyOwner) -> Option<BodyOwner> {
    deletions(db).iter().filter(|(deleted, by)| *deleted == record && *by != than).map(|(_, by)| *by).min()
}
