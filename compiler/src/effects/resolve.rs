//! What a body does through others: the effects of what it calls, as seen from the caller.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::depth::{Level, bottom_up};
use super::{
    Argument, BodyEffects, CallEffect, CallPath, EffectSpace, Effects, Entry, FailureEffect, Grain, Read, SendEffect, Target, Trust, Value,
    WriteEffect,
};
use crate::db::Db;
use crate::hir::BodyOwner;
use crate::signature::{Home, cell_sig, record_sig};
use crate::types::{CellId, ItemId, LocalId};

/// A body as a key of queries.
#[salsa::interned(debug)]
struct BodyKey<'db> {
    #[returns(copy)]
    owner: BodyOwner,
}

/// Everything that `owner` does: itself, and through direct calls, functions, derived cells, `create` blocks and defaults. Empty for a body
/// that does not exist. [`BodyOwner::Create`] stands for the `create` block of a record, if any, and the defaults of its cells.
pub fn effects(db: &dyn Db, owner: BodyOwner) -> &Effects {
    shared_effects(db, owner)
}

/// As [`effects`], for who keeps them.
pub(super) fn shared_effects(db: &dyn Db, owner: BodyOwner) -> &Arc<Effects> {
    resolved(db, BodyKey::new(db, owner))
}

// Body by body, so that a body whose text changed and whose effects did not goes no further.
#[salsa::tracked(returns(ref), cycle_result = in_cycle)]
fn resolved<'db>(db: &'db dyn Db, key: BodyKey<'db>) -> Arc<Effects> {
    let owner = key.owner(db);
    let level = Level::enter();
    if level.is_deep() {
        for callee in bottom_up(owner, |owner| callees(db, owner)) {
            effects(db, callee);
        }
    }
    let mut found = super::own(db, owner).map(|body| Arc::clone(&body.own)).unwrap_or_default();
    if found.is_open() {
        found = Arc::new(resolve(db, home(db, owner), &found));
    }
    if let BodyOwner::Create(record) = owner {
        let defaults = record_sig(db, record).map(|sig| &sig.cells[..]).unwrap_or_default();
        for (index, _) in defaults.iter().enumerate().filter(|(_, cell)| cell.has_default) {
            let owner = BodyOwner::Default(CellId { record, index: index as u32 });
            // Most defaults are literals: then there is nothing to ask for.
            if super::own(db, owner).is_some_and(|body| *body.own != Effects::default()) {
                Arc::make_mut(&mut found).extend(effects(db, owner).clone());
            }
        }
    }
    found
}

/// What `owner` does itself, as [`super::own`]; changes only with that body, not with others of its file.
pub fn body(db: &dyn Db, owner: BodyOwner) -> Option<&BodyEffects> {
    body_of(db, BodyKey::new(db, owner)).as_ref()
}

#[salsa::tracked(returns(ref))]
fn body_of<'db>(db: &'db dyn Db, key: BodyKey<'db>) -> Option<BodyEffects> {
    super::own(db, key.owner(db)).cloned()
}

/// The bodies that a body calls directly.
fn callees(db: &dyn Db, owner: BodyOwner) -> Vec<BodyOwner> {
    let pieces = super::own(db, owner).map(|body| body.own.pieces()).unwrap_or_default();
    pieces.iter().flat_map(|piece| &piece.calls).map(|call| call.callee).collect()
}

/// The value for every body of a cycle of calls: what it does itself, and the mark.
fn in_cycle<'db>(db: &'db dyn Db, _: salsa::Id, key: BodyKey<'db>) -> Arc<Effects> {
    let own = super::own(db, key.owner(db)).map(|body| Effects::clone(&body.own)).unwrap_or_default();
    Arc::new(Effects { recursive: true, ..own })
}

/// The plain space that the record of a body is in: what *here* is called when it has a name.
pub fn home(db: &dyn Db, owner: BodyOwner) -> Option<ItemId> {
    match spaces(db, owner)? {
        Home::Plain(space) => Some(space),
        Home::Family(_) | Home::Floating => None,
    }
}

/// The spaces that the record of a body can be in.
pub fn spaces(db: &dyn Db, owner: BodyOwner) -> Option<Home> {
    let record = match owner {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler.record,
        BodyOwner::Create(record) => record,
        BodyOwner::Default(cell) | BodyOwner::Derived(cell) => cell.record,
        BodyOwner::Invariant(item) => crate::signature::invariant_sig(db, item)?.record?,
        BodyOwner::Mirror(item, _) => crate::signature::mirror_sig(db, item)?.record?,
        BodyOwner::Fn(_) | BodyOwner::Test(_) | BodyOwner::Snippet => return None,
    };
    record_sig(db, record).map(|sig| sig.home)
}

fn resolve(db: &dyn Db, home: Option<ItemId>, own: &Effects) -> Effects {
    let mut all = own.clone();
    for send in &mut all.sends {
        for arm in [&mut send.ok, &mut send.err].into_iter().flatten().filter(|arm| arm.is_open()) {
            *arm = Arc::new(resolve(db, home, arm));
        }
    }
    for call in &own.calls {
        let callee = effects(db, call.callee);
        if *callee != Effects::default() {
            let mut seen = Frame { call, home }.effects(callee);
            // What a derived cell is made of in the end is what is stored: a chain of them is no longer at its end than at its start.
            if matches!(call.callee, BodyOwner::Derived(_)) {
                seen.reads.retain(|read| read.cell.and_then(|cell| cell_sig(db, cell)).is_none_or(|sig| !sig.derived));
            }
            all.extend(seen);
        }
    }
    all
}

impl Effects {
    /// Adds the effects of a callee, as seen from here.
    fn extend(&mut self, other: Effects) {
        self.reads.extend(other.reads);
        self.writes.extend(other.writes);
        self.sends.extend(other.sends);
        self.failures.extend(other.failures);
        self.tries |= other.tries;
        self.trusts.extend(other.trusts);
        self.incomplete |= other.incomplete;
    }
}

/// How a callee's effects look from its caller.
pub struct Frame<'a> {
    pub call: &'a CallEffect,
    /// The plain space of the caller.
    pub home: Option<ItemId>,
}

impl Frame<'_> {
    /// The callee's table seen from the caller. What several places of the callee do alike is listed once: the caller has one place for
    /// all of them, and tables stay small however often a call is repeated on the way.
    pub fn effects(&self, callee: &Effects) -> Effects {
        self.seen(callee, true)
    }

    /// The callee's table seen from the caller, each entry by itself.
    pub fn each(&self, callee: &Effects) -> Effects {
        self.seen(callee, false)
    }

    fn seen(&self, callee: &Effects, merge: bool) -> Effects {
        let reads = callee.reads.iter().map(|read| Read {
            target: self.target(&read.target),
            space: self.space(read.space),
            grain: self.grain(&read.grain),
            path: self.path(read),
            ..*read
        });
        let writes = callee.writes.iter().map(|write| self.write(write));
        let failures = callee.failures.iter().map(|failure| FailureEffect {
            path: self.path(failure),
            caught: failure.caught || self.call.caught,
            ..*failure
        });
        let trusts = callee.trusts.iter().filter(|trust| !self.is_there(&trust.target)).map(|trust| Trust {
            target: self.target(&trust.target),
            path: self.path(trust),
            caught: trust.caught || self.call.caught,
            ..*trust
        });
        Effects {
            reads: unlike(
                reads,
                |read| (read.record, read.cell, read.target.clone(), read.space, read.grain.clone()),
                |_, _| merge,
                |read| read.several = true,
            ),
            writes: unlike(
                writes,
                |write| (write.record, write.cell, write.target.clone(), write.space, write.kind, write.grain.clone(), write.inverse),
                |_, _| merge,
                |write| write.several = true,
            ),
            calls: Vec::new(),
            sends: unlike(
                callee.sends.iter().map(|send| self.send(send, merge)),
                |send| (send.to, send.target.clone(), send.space, send.role, send.delayed, send.sender),
                |a, b| merge && (&a.args, &a.created, &a.made, &a.ok, &a.err) == (&b.args, &b.created, &b.made, &b.ok, &b.err),
                |send| send.several = true,
            ),
            failures: unlike(failures, |failure| (failure.cause, failure.caught), |_, _| true, |_| {}),
            trusts: unlike(trusts, |trust| (trust.record, trust.caught, trust.target.clone()), |_, _| true, |_| {}),
            recursive: false,
            tries: callee.tries,
            incomplete: callee.incomplete,
        }
    }

    /// The callee's write as seen by the caller.
    pub fn write(&self, write: &WriteEffect) -> WriteEffect {
        WriteEffect {
            target: self.target(&write.target),
            space: self.space(write.space),
            grain: self.grain(&write.grain),
            path: self.path(write),
            ..*write
        }
    }

    /// The callee's send as seen by the caller.
    pub fn sent(&self, send: &SendEffect) -> SendEffect {
        self.send(send, false)
    }

    fn send(&self, send: &SendEffect, merge: bool) -> SendEffect {
        let arm = |arm: &Option<Arc<Effects>>| arm.as_ref().map(|arm| Arc::new(self.seen(arm, merge)));
        SendEffect {
            target: self.target(&send.target),
            space: self.space(send.space),
            args: self.args(&send.args),
            created: self.grain(&send.created),
            made: arm(&send.made),
            ok: arm(&send.ok),
            err: arm(&send.err),
            path: self.path(send),
            sender: self.space(send.sender),
            ..*send
        }
    }

    fn path(&self, entry: &impl Entry) -> CallPath {
        CallPath::through(self.call.site, entry.path())
    }

    fn argument(&self, local: LocalId) -> Option<&Argument> {
        self.call.args.get(local.0 as usize)
    }

    /// Whether a record of the callee is known to be there by the caller, who names it.
    fn is_there(&self, target: &Target) -> bool {
        match target {
            Target::Local(local) => matches!(self.argument(*local), Some(Argument::Record { there: true, .. })),
            _ => false,
        }
    }

    fn args(&self, args: &Arc<[Argument]>) -> Arc<[Argument]> {
        if args.is_empty() {
            return Arc::clone(args);
        }
        let seen = |arg: &Argument| match arg {
            Argument::Record { target, space, there } => {
                Argument::Record { target: self.target(target), space: self.space(*space), there: *there || self.is_there(target) }
            }
            Argument::Value(value) => self.value(value).map_or(Argument::Unknown, Argument::Value),
            Argument::Unknown => Argument::Unknown,
        };
        args.iter().map(seen).collect()
    }

    /// The callee's target as seen by the caller.
    pub fn target(&self, target: &Target) -> Target {
        match target {
            Target::SelfRecord => self.call.target.clone(),
            Target::Local(local) => match self.argument(*local) {
                Some(Argument::Record { target, .. }) => target.clone(),
                _ => Target::Unknown,
            },
            Target::Key(record, key) => self.value(key).map_or(Target::Unknown, |key| Target::Key(*record, key)),
            Target::Path(path) => match self.target(&path.0) {
                Target::Unknown | Target::Fresh => Target::Unknown,
                base => Target::Path(Arc::new((base, path.1))),
            },
            Target::Fresh => Target::Fresh,
            Target::Unknown => Target::Unknown,
        }
    }

    /// The callee's value as seen by the caller; `None` if it is not known there.
    pub fn value(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Literal(_) => Some(value.clone()),
            Value::Local(local) => match self.argument(*local)? {
                Argument::Value(value) => Some(value.clone()),
                Argument::Record { target, .. } => as_value(target),
                Argument::Unknown => None,
            },
            Value::SelfRecord => as_value(&self.call.target),
            Value::Cell(path) => match self.target(&path.0) {
                Target::Unknown | Target::Fresh => None,
                base => Some(Value::Cell(Arc::new((base, path.1)))),
            },
        }
    }

    fn space(&self, space: EffectSpace) -> EffectSpace {
        match space {
            EffectSpace::Here => self.call.space,
            EffectSpace::Plain(space) if self.home == Some(space) => EffectSpace::Here,
            EffectSpace::Of(local) => match self.argument(local) {
                Some(Argument::Record { space, .. }) => *space,
                _ => EffectSpace::Any,
            },
            EffectSpace::Plain(_) | EffectSpace::Any => space,
        }
    }

    fn grain(&self, grain: &Grain) -> Grain {
        match grain {
            Grain::Element(Some(element)) => Grain::Element(self.value(element)),
            Grain::Element(None) | Grain::Like(_) | Grain::Size | Grain::Whole | Grain::Query => grain.clone(),
        }
    }
}

/// The record as an element or key.
fn as_value(target: &Target) -> Option<Value> {
    match target {
        Target::SelfRecord => Some(Value::SelfRecord),
        Target::Local(local) => Some(Value::Local(*local)),
        Target::Path(path) => Some(Value::Cell(Arc::clone(path))),
        Target::Key(..) | Target::Fresh | Target::Unknown => None,
    }
}

/// The first of each kind; `mark` those that stand for several. Of one kind are those of one key that are also `alike`.
fn unlike<T, K: Hash + Eq>(
    entries: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
    alike: impl Fn(&T, &T) -> bool,
    mark: impl Fn(&mut T),
) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    let mut by_key: FxHashMap<K, Vec<usize>> = FxHashMap::default();
    for entry in entries {
        let known = by_key.entry(key(&entry)).or_default();
        match known.iter().find(|&&index| alike(&kept[index], &entry)) {
            Some(&index) => mark(&mut kept[index]),
            None => {
                known.push(kept.len());
                kept.push(entry);
            }
        }
    }
    kept
}
