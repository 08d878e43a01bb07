//! The chains that touch what a chain touches, and those that touch what they touch.

use rustc_hash::{FxHashMap, FxHashSet};

use super::collect::file_chains;
use super::stale::looks_away;
use super::{Chain, chains};
use crate::db::{Db, Project, SourceFile};
use crate::types::{CellId, ItemId};

/// Events on one side of a chain: a cycle of four has no chain further away.
const HOPS: usize = 3;

/// What is touched: a cell, or the existence of records of a type.
pub(super) type Thing = (ItemId, Option<CellId>);

/// A chain by its file and position.
pub(super) type ChainId = (SourceFile, u32);

/// What a chain touches, by its position in its file, and whether it writes it.
pub(super) type Touched = (u32, Thing, bool);

/// What chains touch, each once.
pub(super) fn touched(chains: &[Chain]) -> Vec<Touched> {
    let mut touched = Vec::new();
    for (index, chain) in chains.iter().enumerate() {
        let accesses = chain.pieces.iter().flat_map(|piece| &piece.accesses);
        touched.extend(accesses.map(|access| (index as u32, (access.record, access.cell), !access.reads())));
    }
    touched.sort_unstable();
    touched.dedup();
    touched
}

/// Who touches what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Touchers {
    by_thing: FxHashMap<Thing, Vec<(ChainId, bool)>>,
    /// The existence of records is touched by whoever deletes, and by every access of theirs.
    deleted: FxHashSet<ItemId>,
    cells: FxHashMap<ItemId, Vec<CellId>>,
}

#[salsa::tracked(returns(ref))]
fn touchers(db: &dyn Db) -> Touchers {
    let mut touchers = Touchers::default();
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    for &file in files {
        for &(chain, thing, writes) in &file_chains(db, file).touched {
            touchers.by_thing.entry(thing).or_default().push(((file, chain), writes));
            if let (record, None) = thing
                && writes
            {
                touchers.deleted.insert(record);
            }
            if let (record, Some(cell)) = thing {
                let cells = touchers.cells.entry(record).or_default();
                if !cells.contains(&cell) {
                    cells.push(cell);
                }
            }
        }
    }
    touchers
}

/// The chains near those of a file that have several pieces, those included.
#[salsa::tracked(returns(ref))]
pub(super) fn neighbours(db: &dyn Db, file: SourceFile) -> Vec<ChainId> {
    let split = chains(db, file).iter().enumerate().filter(|(_, chain)| chain.pieces.len() > 1);
    near(db, split.map(|(index, _)| (file, index as u32)).collect())
}

/// The chains near those of a file that read elsewhere than where they write, those included.
#[salsa::tracked(returns(ref))]
pub(super) fn neighbours_of_readers(db: &dyn Db, file: SourceFile) -> Vec<ChainId> {
    let reading = chains(db, file).iter().enumerate().filter(|(_, chain)| chain.pieces.iter().any(looks_away));
    near(db, reading.map(|(index, _)| (file, index as u32)).collect())
}

fn near(db: &dyn Db, mut found: Vec<ChainId>) -> Vec<ChainId> {
    if found.is_empty() {
        return found;
    }
    let touchers = touchers(db);
    let mut seen: FxHashSet<ChainId> = found.iter().copied().collect();
    let mut from = 0;
    for _ in 0..HOPS {
        let to = found.len();
        for index in from..to {
            let (file, chain) = found[index];
            let things = &file_chains(db, file).touched;
            let own = &things[things.partition_point(|(at, ..)| *at < chain)..];
            for &(_, thing, writes) in own.iter().take_while(|(at, ..)| *at == chain) {
                let with = |thing: &Thing, writes: bool, found: &mut Vec<ChainId>, seen: &mut FxHashSet<ChainId>| {
                    for (other, also) in touchers.by_thing.get(thing).into_iter().flatten() {
                        if (writes || *also) && seen.insert(*other) {
                            found.push(*other);
                        }
                    }
                };
                with(&thing, writes, &mut found, &mut seen);
                let (record, cell) = thing;
                if touchers.deleted.contains(&record) {
                    with(&(record, None), cell.is_some() || writes, &mut found, &mut seen);
                    if cell.is_none() && writes {
                        for cell in touchers.cells.get(&record).into_iter().flatten() {
                            with(&(record, Some(*cell)), true, &mut found, &mut seen);
                        }
                    }
                }
            }
        }
        from = to;
    }
    found.sort_unstable();
    found
}
