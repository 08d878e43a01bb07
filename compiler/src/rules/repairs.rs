//! What the `err` arm of a send puts right, on every way through it.

use super::{reach, steps};
use crate::db::Db;
use crate::effects::always::{self, Done, Loops, covers};
use crate::effects::{self, Entry, FailureCause, Frame, Layout, SendEffect, SendTarget, Site, Target, WriteEffect, WriteKind};
use crate::hir::BodyOwner;
use crate::types::{CellId, ItemId, OperationId};

/// What is put right when a call of the outside has failed, as the body sees it that is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    pub written: Vec<Repair>,
    /// An event is sent that makes the failure known elsewhere, or makes the call again.
    pub tells: bool,
}

/// A record, or one of its cells, that is written on every way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    record: ItemId,
    cell: Option<CellId>,
    target: Target,
    kind: WriteKind,
    /// In the rounds of a loop.
    looped: bool,
}

impl Repairs {
    /// Whether a write is put right: its cell is written again, its record deleted, or the failure told. Of a record that was made something is
    /// written; one that was deleted is made again.
    pub fn settle(&self, write: &WriteEffect, in_loop: bool) -> bool {
        self.tells || self.written.iter().any(|repair| repair.settles(write, in_loop))
    }

    /// Whether something is written of this record, which is the body's own.
    pub fn settle_own(&self, record: ItemId) -> bool {
        self.tells || self.written.iter().any(|repair| repair.record == record && repair.target == Target::SelfRecord)
    }

    /// What is put right in both cases.
    pub fn keep_common(&mut self, other: &Repairs) {
        self.tells &= other.tells;
        self.written.retain(|repair| other.written.contains(repair));
    }

    /// What is put right by the one or the other.
    pub fn add(&mut self, other: Repairs) {
        self.tells |= other.tells;
        for repair in other.written {
            if !self.written.contains(&repair) {
                self.written.push(repair);
            }
        }
    }

    /// The repairs of a callee, or of a receiver, as seen by who calls it.
    pub fn seen(&self, frame: &Frame<'_>) -> Repairs {
        let written = self.written.iter().map(|repair| Repair { target: frame.target(&repair.target), ..repair.clone() });
        Repairs { written: written.collect(), tells: self.tells }
    }
}

impl Repair {
    fn settles(&self, write: &WriteEffect, in_loop: bool) -> bool {
        let unknown = |target: &Target| matches!(target, Target::Fresh | Target::Unknown);
        // What was written in a loop can be put right by a loop only: which records that were is the same question for both.
        let same = self.target == write.target || in_loop || (unknown(&self.target) && unknown(&write.target));
        self.record == write.record
            && same
            && (in_loop || !self.looped)
            && match write.kind {
                WriteKind::Create => self.kind != WriteKind::Create,
                WriteKind::Delete => self.kind == WriteKind::Create,
                _ => self.kind == WriteKind::Delete || self.cell == write.cell,
            }
    }
}

/// What the `err` arm of a send puts right when `operation` has failed. The send is one of the table of `body`.
pub fn of_err(db: &dyn Db, body: BodyOwner, send: &SendEffect, operation: OperationId) -> Repairs {
    // An arm that is rejected puts nothing right.
    let rejects = |cause| matches!(cause, FailureCause::Require | FailureCause::Fail);
    if send.err.as_ref().is_none_or(|err| err.failures.iter().any(|failure| !failure.caught && rejects(failure.cause))) {
        return Repairs::default();
    }
    let found = within(db, send, operation).and_then(|repairs| from_callers(db, body, send, repairs));
    found.unwrap_or_default()
}

/// What the `err` arm of a send does for certain where it is done at all, and how its body is laid out, as that body sees it.
fn arm<'db>(db: &'db dyn Db, send: &SendEffect) -> Option<(Done, &'db Layout)> {
    let body = effects::body(db, send.site.body)?;
    let pieces = body.own.pieces();
    let own = pieces.iter().flat_map(|piece| &piece.sends).find(|own| own.site == send.site)?;
    Some((always::parts(db, send.site.body, own.err.as_ref()?), &body.layout))
}

/// The same as [`of_err`], as the body sees it in which the send stands.
fn within(db: &dyn Db, send: &SendEffect, operation: OperationId) -> Option<Repairs> {
    let owner = send.site.body;
    let (mut done, layout) = arm(db, send)?;
    let telling: Vec<Site> = done.sends.iter().filter(|send| tells(db, send, operation)).map(Entry::here).collect();
    // What its own handlers write when they are sent to, they write in the end.
    for send in done.sends.iter().filter(|send| send.target == Target::SelfRecord) {
        if let Some(call) = reach::as_call(db, send) {
            let sent = always::seen(db, owner, &call, always::always(db, call.callee));
            done.writes.extend(
                sent.writes.into_iter().map(|write| WriteEffect { path: effects::CallPath::through(send.here(), &write.path), ..write }),
            );
        }
    }
    let everywhere = |sites: &[Site], loops| layout.always_in_piece(sites, loops);
    let mut repairs = Repairs { written: Vec::new(), tells: everywhere(&telling, Loops::MayHaveNone) };
    for write in &done.writes {
        let again = done.writes.iter().filter(|other| covers(other, write)).map(Entry::here);
        let sites: Vec<Site> = again.chain(telling.iter().copied()).collect();
        let looped = !everywhere(&sites, Loops::MayHaveNone);
        if !looped || everywhere(&sites, Loops::HaveOne) {
            let repair = Repair { record: write.record, cell: write.cell, target: write.target.clone(), kind: write.kind, looped };
            repairs.add(Repairs { written: vec![repair], tells: false });
        }
    }
    Some(repairs)
}

/// What the `err` arm of a send writes on every way through it, as its own body sees it.
pub fn written(db: &dyn Db, send: &SendEffect) -> Vec<WriteEffect> {
    let Some((Done { writes, .. }, layout)) = arm(db, send) else { return Vec::new() };
    let everywhere = |write: &&WriteEffect| {
        let again: Vec<Site> = writes.iter().filter(|other| covers(other, write)).map(Entry::here).collect();
        layout.always_in_piece(&again, Loops::MayHaveNone)
    };
    writes.iter().filter(everywhere).cloned().collect()
}

/// Whether an event makes a failure known to another record or to the outside, or makes the call again.
fn tells(db: &dyn Db, send: &SendEffect, operation: OperationId) -> bool {
    let again = |to: SendTarget| to == SendTarget::Extern(operation);
    match effects::receiver(db, send) {
        Some(owner) if send.target == Target::SelfRecord && matches!(owner, BodyOwner::Handler(_)) => {
            effects::effects(db, owner).pieces().iter().flat_map(|piece| &piece.sends).any(|send| again(send.to))
        }
        _ => again(send.to) || steps::change(db, send).is_some(),
    }
}

/// Repairs as the outermost caller on the way to a send sees them.
fn from_callers(db: &dyn Db, body: BodyOwner, send: &SendEffect, mut repairs: Repairs) -> Option<Repairs> {
    let mut callee = send.site.body;
    for &site in send.path.iter().rev() {
        let own = effects::body(db, site.body)?;
        let pieces = own.own.pieces();
        // Of a long way the innermost calls are not remembered.
        let call = pieces.iter().flat_map(|piece| &piece.calls).find(|call| call.site == site && call.callee == callee)?;
        repairs = repairs.seen(&Frame { call, home: effects::home(db, site.body) });
        callee = site.body;
    }
    (callee == body).then_some(repairs)
}
