//! What the project must know of each file, gathered once.
//!
//! What is true of the whole project is found from small summaries of its files. After an edit each file is asked whether its summary is what it
//! was: so there is one of a file, not one for each question about the project, and each question sees its own part of all of them.

use std::sync::Arc;

use patternc_grammar::syntax::Name;
use rustc_hash::FxHashMap;

use crate::breaking::{Breakable, breaking_in};
use crate::db::{Db, Project, SourceFile};
use crate::hir::BodyOwner;
use crate::location::owner_item;
use crate::rules::{dangling_link, send_cycle, split_invariant};
use crate::types::{CellId, HandlerId, ItemId};
use crate::{chains, cycles, facts, items, project_names, unused};

/// Declares the parts of a summary, what each is found by, and the query that gives this part of all files, in the order of their paths.
macro_rules! parts {
    ($($(#[$doc:meta])+ $part:ident: $type:ty = $of:path;)+) => {
        #[derive(Debug, PartialEq, Eq)]
        struct Summary {
            $($part: Arc<$type>,)+
        }

        #[salsa::tracked(returns(ref))]
        fn summary(db: &dyn Db, file: SourceFile) -> Arc<Summary> {
            Arc::new(Summary { $($part: Arc::new($of(db, file)),)+ })
        }

        $(
            $(#[$doc])+
            pub fn $part(db: &dyn Db) -> impl Iterator<Item = &$type> {
                #[salsa::tracked(returns(ref))]
                fn $part(db: &dyn Db) -> Vec<Arc<$type>> {
                    summaries(db).iter().map(|summary| Arc::clone(&summary.$part)).collect()
                }
                $part(db).iter().map(Arc::as_ref)
            }
        )+
    };
}

#[salsa::tracked(returns(ref))]
fn summaries(db: &dyn Db) -> Vec<Arc<Summary>> {
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    files.iter().map(|&file| Arc::clone(summary(db, file))).collect()
}

parts! {
    /// Names that must be unique in the project.
    known_outside: Vec<(project_names::Group, Name, ItemId)> = project_names::known_outside;
    /// Names that would be declared, could their text be read.
    lost: Vec<Name> = items::lost_in;
    /// What is used of the declarations that are reported when nothing does.
    uses: unused::InProject = unused::in_project;
    /// The declarations that are reported when nothing uses them.
    judged: Vec<unused::Declared> = unused::judged_in;
    /// What each function and derived cell calls and reads.
    dependencies: Vec<(cycles::Node, cycles::Node)> = cycles::dependencies;
    /// What handlers and sagas send at once, whatever the state is.
    steps: Vec<send_cycle::Step> = send_cycle::steps;
    /// Handlers that are sent to after some time.
    timed: Vec<HandlerId> = chains::timed_in;
    /// Invariants, and what each looks at.
    invariants: Vec<(ItemId, Vec<facts::Seen>)> = facts::invariants_of;
    /// Invariants that hold at every commit, with what breaks each.
    breaking: Vec<Breakable> = breaking_in;
    /// What creations and invariants say is different.
    apart: Vec<(ItemId, chains::Apart)> = chains::apart_in;
    /// `eventually` invariants that read several records.
    split: Vec<(ItemId, split_invariant::Parts)> = split_invariant::parts_in;
    /// Mirrors, by the record that each is of.
    mirrors: Vec<(ItemId, facts::MirrorCells)> = facts::mirrors_of;
    /// The cells that bodies write after the creation of their record.
    changed: Vec<CellId> = facts::changed_in;
    /// The records that bodies delete.
    deleted: Vec<(ItemId, BodyOwner)> = facts::deleted_in;
    /// The links to each record type that are declared.
    links: Vec<(ItemId, CellId)> = dangling_link::links_of;
    /// The links through which bodies read without asking whether the record is still there.
    trusted: Vec<dangling_link::Link> = dangling_link::trusted_in;
}

/// What the project as a whole says of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Cycles of functions and derived cells that are reported in it.
    pub cycles: Vec<Vec<cycles::Node>>,
    /// Circles of events that are reported in it.
    pub circles: Vec<Vec<send_cycle::Step>>,
    /// What it declares and nothing uses.
    pub unused: Vec<unused::Declared>,
}

/// What the project says of those files of which there is something to say.
#[salsa::tracked(returns(ref))]
fn said(db: &dyn Db) -> FxHashMap<SourceFile, Said> {
    let mut said: FxHashMap<SourceFile, Said> = FxHashMap::default();
    for cycle in cycles::project_cycles(db) {
        said.entry(cycle[0].file()).or_default().cycles.push(cycle.clone());
    }
    for circle in send_cycle::circles(db) {
        if let Some(first) = owner_item(circle[0].from) {
            said.entry(first.file).or_default().circles.push(circle.clone());
        }
    }
    for declared in unused::unused(db) {
        said.entry(declared.file()).or_default().unused.push(*declared);
    }
    said
}

/// Apart from the findings of the file, so that what the project says of others is no reason to look for them again.
#[salsa::tracked(returns(ref))]
pub fn said_of(db: &dyn Db, file: SourceFile) -> Said {
    said(db).get(&file).cloned().unwrap_or_default()
}
