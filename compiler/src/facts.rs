//! What is true of the whole project: gathered from small summaries of each file, so that an edit which changes none of them goes no
//! further.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::db::{Db, Project, SourceFile};
use crate::effects::{self, WriteKind};
use crate::hir::BodyOwner;
use crate::items::{ItemHead, items};
use crate::signature::{invariant_sig, mirror_sig};
use crate::types::{CellId, ItemId};

/// What an invariant can look at: a cell, or which records of a type there are.
type Seen = (ItemId, Option<CellId>);

/// Invariants, and what each looks at.
#[salsa::tracked(returns(ref))]
fn invariants_of(db: &dyn Db, file: SourceFile) -> Vec<(ItemId, Vec<Seen>)> {
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
    for &file in files(db) {
        for (invariant, seen) in invariants_of(db, file) {
            seen.iter().for_each(|seen| by_seen.entry(*seen).or_default().push(*invariant));
        }
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
    let all = files(db).iter().flat_map(|&file| invariants_of(db, file)).map(|(invariant, _)| *invariant);
    all.filter(move |&invariant| invariant_sig(db, invariant).is_some_and(|sig| !sig.eventually && sig.record == Some(record)))
}

/// A mirror with the cells that its `facts` and `scope` read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorCells {
    pub item: ItemId,
    pub target: ItemId,
    pub cells: Vec<CellId>,
}

/// Mirrors, by the record that each is of.
#[salsa::tracked(returns(ref))]
fn mirrors_of(db: &dyn Db, file: SourceFile) -> Vec<(ItemId, MirrorCells)> {
    let mut found: Vec<(ItemId, MirrorCells)> = Vec::new();
    for body in &effects::file_effects(db, file).bodies {
        let BodyOwner::Mirror(item, _) = body.owner else { continue };
        let cells = effects::effects(db, body.owner).reads.iter().filter_map(|read| read.cell);
        if let Some((_, known)) = found.iter_mut().find(|(_, known)| known.item == item) {
            known.cells.extend(cells);
        } else if let Some(sig) = mirror_sig(db, item)
            && let (Some(record), Some(target)) = (sig.record, sig.target)
        {
            found.push((record, MirrorCells { item, target, cells: cells.collect() }));
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
    let all = files(db).iter().flat_map(move |&file| mirrors_of(db, file));
    all.filter(move |(of, _)| *of == record).map(|(_, mirror)| mirror)
}

/// The cells that the bodies of a file write after the creation of their record, and the records that they delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Changed {
    cells: Vec<CellId>,
    /// With the body that does.
    deleted: Vec<(ItemId, BodyOwner)>,
}

#[salsa::tracked(returns(ref))]
fn changed_in(db: &dyn Db, file: SourceFile) -> Changed {
    let mut changed = Changed::default();
    let bodies = &effects::file_effects(db, file).bodies;
    let writes = bodies.iter().flat_map(|body| body.own.pieces().into_iter().map(move |piece| (body.owner, piece)));
    for (owner, write) in writes.flat_map(|(owner, piece)| piece.writes.iter().map(move |write| (owner, write))) {
        match (write.cell, write.kind) {
            (Some(cell), _) => changed.cells.push(cell),
            (None, WriteKind::Delete) => changed.deleted.push((write.record, owner)),
            (None, _) => {}
        }
    }
    changed.cells.sort_unstable();
    changed.cells.dedup();
    changed.deleted.sort_unstable();
    changed.deleted.dedup();
    changed
}

#[salsa::tracked(returns(ref))]
fn changed(db: &dyn Db) -> (FxHashSet<CellId>, FxHashSet<(ItemId, BodyOwner)>) {
    let changed = files(db).iter().map(|&file| changed_in(db, file));
    let cells = changed.clone().flat_map(|changed| &changed.cells).copied().collect();
    (cells, changed.flat_map(|changed| &changed.deleted).copied().collect())
}

#[salsa::tracked(returns(ref))]
fn changed_cells(db: &dyn Db) -> FxHashSet<CellId> {
    changed(db).0.clone()
}

/// Apart from what is changed: a write that comes or goes changes nothing for who asks about deletions.
#[salsa::tracked(returns(ref))]
fn deletions(db: &dyn Db) -> FxHashSet<(ItemId, BodyOwner)> {
    changed(db).1.clone()
}

/// Whether some body of the project writes the cell after the creation of its record.
pub fn is_changed(db: &dyn Db, cell: CellId) -> bool {
    changed_cells(db).contains(&cell)
}

/// Whether some body of the project, other than this one, deletes records of this type.
pub fn is_deleted_elsewhere(db: &dyn Db, record: ItemId, than: BodyOwner) -> bool {
    deleter(db, record, than).is_some()
}

/// A body of the project, other than this one, that deletes records of this type.
pub fn deleter(db: &dyn Db, record: ItemId, than: BodyOwner) -> Option<BodyOwner> {
    deletions(db).iter().filter(|(deleted, by)| *deleted == record && *by != than).map(|(_, by)| *by).min()
}

pub fn files(db: &dyn Db) -> &[SourceFile] {
    Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default()
}
