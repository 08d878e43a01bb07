//! What records, cells and spaces are called in messages, as seen from one body.

use super::{EffectSpace, Effects, FailureCause, SendEffect, SendRole, SendTarget, Target, Value, effects, receiver};
use crate::breaking;
use crate::db::Db;
use crate::hir::{Body, BodyOwner};
use crate::resolve::item_name;
use crate::signature::{cell_sig, extern_sig, fn_sig, handler_sig, invariant_sig, mirror_sig, operation_sig, record_sig};
use crate::types::{CellId, HandlerId, ItemId, LocalId};

/// Names as seen from a body.
#[derive(Clone, Copy)]
pub struct Describe<'a> {
    pub db: &'a dyn Db,
    pub body: &'a Body,
}

impl Describe<'_> {
    /// `target.members`, or `Person.members` where the record is not known.
    pub fn cell_of(&self, target: &Target, cell: CellId) -> String {
        match self.target(target) {
            Some(target) => format!("{target}.{}", cell_name(self.db, cell)),
            None => cell_path(self.db, cell),
        }
    }

    /// `target`, `self.auth`, `Bounty[id]`; `None` where the record has no name.
    pub fn target(&self, target: &Target) -> Option<String> {
        match target {
            Target::SelfRecord => Some("self".to_owned()),
            Target::Local(local) => Some(self.local(*local)),
            Target::Key(record, key) => Some(format!("{}[{}]", record_name(self.db, *record), self.value(key)?)),
            Target::Path(path) => Some(format!("{}.{}", self.target(&path.0)?, cell_name(self.db, path.1))),
            Target::Fresh | Target::Unknown => None,
        }
    }

    fn value(&self, value: &Value) -> Option<String> {
        match value {
            Value::Literal(text) => Some(text.to_string()),
            Value::Local(local) => Some(self.local(*local)),
            Value::SelfRecord => Some("self".to_owned()),
            Value::Cell(path) => Some(format!("{}.{}", self.target(&path.0)?, cell_name(self.db, path.1))),
        }
    }

    /// The name of a local.
    pub fn local(&self, local: LocalId) -> String {
        self.body.locals.get(local.0 as usize).map_or_else(|| "?".to_owned(), |local| local.name.to_string())
    }

    /// "`home`, the space of `self`", "the space of `target`", "space `agents`".
    pub fn space(&self, space: EffectSpace) -> String {
        match space {
            EffectSpace::Here => {
                let this = match self.body.owner {
                    BodyOwner::Invariant(_) | BodyOwner::Mirror(..) | BodyOwner::Fn(_) => self.local(LocalId(0)),
                    _ => "self".to_owned(),
                };
                match super::home(self.db, self.body.owner) {
                    Some(home) => format!("`{}`, the space of `{this}`", item_name(self.db, home)),
                    None => format!("the space of `{this}`"),
                }
            }
            EffectSpace::Plain(space) => format!("the space `{}`", item_name(self.db, space)),
            EffectSpace::Of(local) => format!("the space of `{}`", self.local(local)),
            EffectSpace::Any => "a space that is not known".to_owned(),
        }
    }

    /// `auth.refresh()`, `payments.charge()`, `create Note`.
    pub fn event(&self, send: &SendEffect) -> String {
        match send.to {
            SendTarget::Handler(handler) => {
                let target = self.target(&send.target).unwrap_or_else(|| record_name(self.db, handler.record));
                format!("{target}.{}()", handler_name(self.db, handler))
            }
            SendTarget::Extern(operation) => {
                let of = extern_sig(self.db, operation.of).map(|sig| sig.name);
                let name = operation_sig(self.db, operation).map(|sig| sig.name);
                of.zip(name).map_or_else(String::new, |(of, name)| format!("{of}.{name}()"))
            }
            SendTarget::Create(record) => format!("create {}", record_name(self.db, record)),
            SendTarget::Unknown => "the event".to_owned(),
        }
    }
}

/// How a transaction with these effects can fail, each way once.
pub fn failures(db: &dyn Db, effects: &Effects) -> Vec<String> {
    let causes = effects.failures.iter().filter(|failure| !failure.caught).map(|failure| match failure.cause {
        FailureCause::Require => "a `require` that does not hold".to_owned(),
        FailureCause::Fail => "a `fail`".to_owned(),
        FailureCause::Unique(cell) => format!("`{}` is taken", cell_path(db, cell)),
        FailureCause::Missing => "an index or entry is missing".to_owned(),
        FailureCause::Division => "it divides by zero".to_owned(),
        FailureCause::Linked(cell) => format!("`{}` would be empty", cell_path(db, cell)),
        FailureCause::Overflow => "a number is too large".to_owned(),
    });
    let invariants = effects.writes.iter().flat_map(|write| breaking::rejecting(db, write));
    let broken = invariants.map(|invariant| format!("the invariant `{}` would not hold", item_name(db, invariant)));
    let mut all: Vec<String> = Vec::new();
    for way in causes.chain(broken) {
        if !all.contains(&way) {
            all.push(way);
        }
    }
    all
}

/// The steps of a saga that can fail, so that what was done before them is undone, each with its ways: those up to the pivot, the last one
/// unless another is. What comes after it is done again until it is done.
pub fn failing_steps<'e>(db: &dyn Db, saga: &'e Effects) -> Vec<(&'e SendEffect, Vec<String>)> {
    let steps: Vec<&SendEffect> = saga.sends.iter().filter(|send| matches!(send.role, SendRole::Step { .. })).collect();
    let pivot = steps.iter().position(|step| step.role == SendRole::Step { pivot: true });
    let before = steps.iter().take(pivot.map_or(usize::MAX, |pivot| pivot + 1));
    let ways = |step: &SendEffect| match (step.to, receiver(db, step)) {
        (SendTarget::Extern(_), _) => vec!["the outside refuses it".to_owned()],
        (_, Some(body)) => failures(db, effects(db, body)),
        _ => Vec::new(),
    };
    before.map(|step| (*step, ways(step))).filter(|(_, ways)| !ways.is_empty()).collect()
}

/// The name of a record type.
pub fn record_name(db: &dyn Db, record: ItemId) -> String {
    record_sig(db, record).map_or_else(|| "a record".to_owned(), |sig| sig.name.to_string())
}

/// The name of a cell alone.
pub fn cell_name(db: &dyn Db, cell: CellId) -> String {
    cell_sig(db, cell).map_or_else(|| "?".to_owned(), |sig| sig.name.to_string())
}

/// `Person.members`.
pub fn cell_path(db: &dyn Db, cell: CellId) -> String {
    format!("{}.{}", record_name(db, cell.record), cell_name(db, cell))
}

/// The name of a handler alone.
pub fn handler_name(db: &dyn Db, handler: HandlerId) -> String {
    handler_sig(db, handler).map_or_else(|| "?".to_owned(), |sig| sig.name.to_string())
}

/// What a body is called: `Person.link`.
pub fn body_name(db: &dyn Db, owner: BodyOwner) -> String {
    match owner {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => {
            format!("{}.{}", record_name(db, handler.record), handler_name(db, handler))
        }
        BodyOwner::Create(record) => format!("{}.create", record_name(db, record)),
        BodyOwner::Default(cell) | BodyOwner::Derived(cell) => cell_path(db, cell),
        BodyOwner::Fn(item) => fn_sig(db, item).map_or_else(String::new, |sig| sig.name.to_string()),
        BodyOwner::Invariant(item) => invariant_sig(db, item).map_or_else(String::new, |sig| sig.name.to_string()),
        BodyOwner::Mirror(item, _) => mirror_sig(db, item).map_or_else(String::new, |sig| sig.name.to_string()),
        BodyOwner::Test(_) => "test".to_owned(),
        BodyOwner::Snippet => "snippet".to_owned(),
    }
}
