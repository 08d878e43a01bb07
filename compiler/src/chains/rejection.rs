//! How a transaction can be rejected, and by what it has read.

use std::sync::Arc;

use super::collect::own_site;
use super::{Access, Decides, Piece, Rejection, Way};
use crate::db::Db;
use crate::effects::known::Fact;
use crate::effects::within_reach::Bodies;
use crate::effects::{CallEffect, EffectSpace, Effects, FailureCause, FailureEffect, Grain, Layout, Target, Told, Value, WriteKind};
use crate::facts;
use crate::hir::BodyOwner;
use crate::signature::record_sig;
use crate::types::{CellId, ItemId, LocalId};

/// The ways in which effects reject. What nobody counts on, that a number becomes too large, is left out.
pub(super) fn rejections(effects: &Effects) -> impl Iterator<Item = &FailureEffect> {
    effects.failures.iter().filter(|failure| !failure.caught && failure.cause != FailureCause::Overflow)
}

/// Those besides that there is a record already under the key of a creation of these types, which facts say.
pub(super) fn other_rejections<'e>(effects: &'e Effects, told: &[(ItemId, Value)]) -> impl Iterator<Item = &'e FailureEffect> {
    let is_told =
        |cause: FailureCause| matches!(cause, FailureCause::Unique(cell) if told.iter().any(|(record, _)| *record == cell.record));
    rejections(effects).filter(move |failure| !is_told(failure.cause))
}

/// What decides whether effects reject, as far as they say themselves. `told`: creations that are rejected as facts say.
pub(super) fn rejection(layout: &Layout, effects: &Effects, seen: Option<&CallEffect>, told: &[(ItemId, Value)]) -> Rejection {
    let rejections = |effects| other_rejections(effects, told);
    let Some(first) = rejections(effects).next() else {
        return if told.is_empty() { Rejection::Never } else { Rejection::Told };
    };
    let own = rejections(effects)
        .all(|failure| matches!(failure.cause, FailureCause::Require | FailureCause::Fail) && own_site(failure, seen) == failure.site);
    let mut decisions = layout.rejecting_at(first.site);
    // What is decided by the event alone is no decision.
    let told = own
        && decisions.all(|decision| decision.known == Told::All)
        && layout.rejecting_at(first.site).count() == rejections(effects).count();
    if told { Rejection::Told } else { Rejection::Open }
}

/// Whether all that decides whether effects reject is what is read: of records, not of what the event was given.
pub(super) fn rejects_alone(layout: &Layout, effects: &Effects, seen: Option<&CallEffect>) -> bool {
    let own = |failure: &FailureEffect| {
        matches!(failure.cause, FailureCause::Require | FailureCause::Fail) && own_site(failure, seen) == failure.site
    };
    let decides = |site| layout.ending_at(site).all(|decision| decision.alone);
    rejections(effects).all(own) && rejections(effects).all(|failure| decides(failure.site))
}

/// What a piece looks at before it commits without saying so: whether its record is still there, and what invariants say of what it writes.
pub(super) fn demanded(
    db: &dyn Db,
    bodies: Bodies<'_>,
    body: BodyOwner,
    way: &Way,
    on: &Target,
    space: EffectSpace,
    accesses: &[Access],
) -> Vec<Access> {
    let mut found: Vec<Access> = Vec::new();
    let home = match body {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => Some(handler.record),
        _ => None,
    };
    if let (Some(record), Some(like)) = (home, accesses.first())
        && *way != Way::Start
        && facts::is_deleted_elsewhere(db, record, body)
    {
        let read = Access { record, cell: None, target: on.clone(), space, ..look(like) };
        found.push(read);
    }
    for write in accesses.iter().filter(|access| !access.reads() && access.target != Target::Fresh) {
        let Some(cell) = write.cell else { continue };
        for &invariant in facts::invariants_on(db, cell).iter().filter(|invariant| facts::holds_always(db, **invariant)) {
            for read in &bodies.effects(BodyOwner::Invariant(invariant)).reads {
                let Some(cell) = read.cell.filter(|cell| facts::is_changed(db, *cell)) else { continue };
                let same = read.target == Target::Local(LocalId(0)) && cell.record == write.record;
                let target = if same { write.target.clone() } else { Target::Unknown };
                let read = Access { record: cell.record, cell: Some(cell), target, ..look(write) };
                if !found.contains(&read) {
                    found.push(read);
                }
            }
        }
    }
    found
}

/// Where a value is written that no two records may have, by a creation too: which records there are, and what those hold.
pub(super) fn values_of_others(db: &dyn Db, accesses: &[Access]) -> Vec<Access> {
    let mut found: Vec<Access> = Vec::new();
    for write in accesses.iter().filter(|access| !access.reads()) {
        let Some(sig) = record_sig(db, write.record) else { continue };
        let cells = sig.cells.iter().enumerate().filter(|(_, cell)| cell.key || cell.unique);
        let cells = cells.map(|(index, _)| CellId { record: write.record, index: index as u32 });
        let written: Vec<CellId> = match (write.write, write.cell) {
            (Some(WriteKind::Create), _) => cells.collect(),
            (Some(WriteKind::Set), Some(cell)) => cells.filter(|unique| *unique == cell).collect(),
            _ => continue,
        };
        // One under another key is in nobody's way, if a key is all that two may not share.
        let grain = match (&write.grain, sig.cells.iter().any(|cell| cell.unique && !cell.key)) {
            (Grain::Element(Some(_)) | Grain::Like(_), false) if write.write == Some(WriteKind::Create) => write.grain.clone(),
            _ => Grain::Query,
        };
        let held = written.iter().copied().filter(|cell| facts::is_changed(db, *cell)).map(Some);
        for cell in (!written.is_empty()).then_some(None).into_iter().chain(held) {
            let (always, facts) = (write.always, write.facts.clone());
            let grain = if cell.is_none() { grain.clone() } else { Grain::Query };
            let read = Access { cell, target: Target::Unknown, grain, always, facts, ..look(write) };
            if !found.contains(&read) {
                found.push(read);
            }
        }
    }
    found
}

/// A look at the whole, where something is done, that decides about all.
fn look(like: &Access) -> Access {
    Access {
        grain: Grain::Whole,
        write: None,
        value: None,
        fixed: false,
        blind: false,
        made: None,
        always: true,
        facts: Arc::default(),
        told: false,
        decides: Decides::All,
        by: None,
        ..like.clone()
    }
}

/// The piece that is rejected instead of one that commits. `only`: all that the latter demands, if that is one thing.
pub(super) fn refused(piece: &Piece, only: Option<Fact>) -> Piece {
    let not = only.and_then(|fact| negated(&fact));
    let about = |access: &Access, fact: &Fact| match fact {
        Fact::Holds { target, cell, .. } | Fact::Has { target, cell, .. } => Some(*cell) == access.cell && *target == access.target,
        Fact::There { record, key, .. } => access.looks_under(*record, key),
        Fact::Apart(..) => false,
    };
    let decides =
        |access: &&Access| access.reads() && (access.decides != Decides::Nothing || access.facts.iter().any(|fact| about(access, fact)));
    let reads = piece.accesses.iter().filter(decides).map(|access| {
        let told: Vec<Fact> = not.iter().filter(|fact| about(access, fact)).cloned().collect();
        let decides = if told.is_empty() { Decides::All } else { Decides::Nothing };
        Access { always: true, facts: told.into(), decides, ..access.clone() }
    });
    let told = not.is_some();
    let rejection = if told { Rejection::Told } else { Rejection::Open };
    Piece { refused: true, rejection, accesses: reads.collect(), rejects: None, conditions: Vec::new(), ..piece.clone() }
}

fn negated(fact: &Fact) -> Option<Fact> {
    Some(match fact {
        Fact::Holds { target, cell, value, is } => {
            let (value, is) = value.beside().map_or_else(|| (value.clone(), !is), |others| (others, *is));
            Fact::Holds { target: target.clone(), cell: *cell, value, is }
        }
        Fact::Has { target, cell, element, is } => Fact::Has { target: target.clone(), cell: *cell, element: element.clone(), is: !is },
        Fact::There { record, key, is } => Fact::There { record: *record, key: key.clone(), is: !is },
        Fact::Apart(..) => return None,
    })
}
