//! Records that take themselves out of where another one lists them, once they need not be there any more. That breaks no invariant which says
//! that they are there: it holds for them without, and for the others nothing has changed.

use patternc_grammar::syntax::{BinaryOp, UnaryOp};
use patternc_program::Method;

use crate::bodies;
use crate::db::Db;
use crate::effects::known::{Const, Fact, Known};
use crate::effects::{self, Effects, Entry, Grain, Layout, Site, Target, Value, WriteEffect, WriteKind};
use crate::facts;
use crate::hir::{Arg, BodyKind, BodyOwner, Expr, ExprKind};
use crate::signature::{cell_sig, invariant_sig};
use crate::types::{CellId, HandlerId, ItemId, LocalId, Ty};

/// Where an invariant says that its record is, unless it is over: `b.over || b.room.bookings[b.night] == b`, `b.over || b in b.room.all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The record that it is about.
    record: ItemId,
    /// The links that lead from the record to the one that lists it.
    links: Vec<CellId>,
    /// The Map or Set.
    cell: CellId,
    /// Of a Map: the cell with the key under which it is there.
    key: Option<CellId>,
    /// It need not be there while one of these is so.
    over: Vec<Over>,
}

/// A cell of a record holds a constant, or another one.
type Over = (CellId, Const, bool);

/// Where an invariant says that its record is, if that is all that it says.
pub(crate) fn listed_by(db: &dyn Db, invariant: ItemId) -> Option<Listed> {
    let record = invariant_sig(db, invariant)?.record?;
    let body = bodies::bodies(db, invariant.file).get(BodyOwner::Invariant(invariant))?;
    let BodyKind::Expr(value) = &body.kind else { return None };
    let mut cases = Vec::new();
    alternatives(value, &mut cases);
    let mut listed: Option<Listed> = None;
    let mut over = Vec::new();
    for case in cases {
        match (place(record, case), &listed) {
            (Some(place), None) => listed = Some(place),
            (None, _) => over.push(constant(db, case, true)?),
            (Some(_), Some(_)) => return None,
        }
    }
    listed.map(|listed| Listed { over, ..listed })
}

fn alternatives<'e>(value: &'e Expr, found: &mut Vec<&'e Expr>) {
    match &value.kind {
        ExprKind::Binary { op: BinaryOp::Or, left, right } => {
            alternatives(left, found);
            alternatives(right, found);
        }
        _ => found.push(value),
    }
}

/// Where the record is if this is so.
fn place(record: ItemId, case: &Expr) -> Option<Listed> {
    let is_own = |value: &Expr| matches!(value.kind, ExprKind::Local(LocalId(0)));
    let (list, key) = match &case.kind {
        ExprKind::Binary { op: BinaryOp::Eq, left, right } => match (&left.kind, &right.kind) {
            (ExprKind::MapIndex { base, key }, _) if is_own(right) => (base, Some(key)),
            (_, ExprKind::MapIndex { base, key }) if is_own(left) => (base, Some(key)),
            _ => return None,
        },
        ExprKind::Binary { op: BinaryOp::In, left, right } if is_own(left) && matches!(right.ty, Ty::Set(_)) => (right, None),
        ExprKind::Method { method: Method::Contains, base, args, .. } if matches!(base.ty, Ty::Set(_)) => match &args[..] {
            [Arg::Value(element)] if is_own(element) => (base, None),
            _ => return None,
        },
        _ => return None,
    };
    let mut links = path(list)?;
    let cell = links.pop()?;
    let key = match key.map(|key| path(key)) {
        None => None,
        Some(Some(path)) => Some(path[..].first().copied().filter(|_| path.len() == 1)?),
        Some(None) => return None,
    };
    Some(Listed { record, links, cell, key, over: Vec::new() })
}

/// The cells that lead from the record to a value.
fn path(value: &Expr) -> Option<Vec<CellId>> {
    match &value.kind {
        ExprKind::Local(LocalId(0)) => Some(Vec::new()),
        ExprKind::Cell { base, cell, optional: false } => {
            let mut cells = path(base)?;
            cells.push(*cell);
            Some(cells)
        }
        _ => None,
    }
}

/// What a case says of a stored cell of the record.
fn constant(db: &dyn Db, case: &Expr, is: bool) -> Option<Over> {
    let (cell, value, is) = match &case.kind {
        ExprKind::Unary { op: UnaryOp::Not, operand } => return constant(db, operand, !is),
        ExprKind::Binary { op: op @ (BinaryOp::Eq | BinaryOp::Ne), left, right } => {
            let (cell, value) = match fixed(right) {
                Some(value) => (left, value),
                None => (right, fixed(left)?),
            };
            (&**cell, value, is == (*op == BinaryOp::Eq))
        }
        ExprKind::Cell { .. } => (case, Const::Bool(true), is),
        _ => return None,
    };
    let [cell] = path(cell)?[..] else { return None };
    (!cell_sig(db, cell)?.derived).then_some((cell, value, is))
}

/// A constant that is all of the value.
fn fixed(value: &Expr) -> Option<Const> {
    match &value.kind {
        ExprKind::Bool(truth) => Some(Const::Bool(*truth)),
        ExprKind::Variant { of, variant, args } if args.is_empty() => Some(Const::Variant(*of, *variant)),
        ExprKind::None => Some(Const::Absent),
        _ => None,
    }
}

impl Listed {
    /// Whether a write of a body that is not called by another takes its record out of where it was, and leaves it as it may be without.
    pub(crate) fn allows(&self, db: &dyn Db, write: &WriteEffect) -> bool {
        let owner = write.site.body;
        let (BodyOwner::Handler(HandlerId { record, .. }) | BodyOwner::Saga(HandlerId { record, .. })) = owner else { return false };
        let own = record == self.record && write.path.is_empty() && write.cell == Some(self.cell) && write.kind == WriteKind::Remove;
        if !own || !self.is_place(write) || self.links.iter().chain(&self.key).any(|cell| facts::is_changed(db, *cell)) {
            return false;
        }
        let Some(body) = effects::body(db, owner) else { return false };
        let is_here = |other: &WriteEffect| other.path.is_empty() && other.site == write.site;
        let pieces = effects::effects(db, owner).pieces();
        let Some(piece) = pieces.into_iter().find(|piece| piece.writes.iter().any(is_here)) else { return false };
        // What else of the piece writes there may have put in another one before.
        let alone = piece.writes.iter().filter(|other| other.cell == write.cell).all(is_here);
        alone && self.ends(&body.layout, piece, write.site) && (self.key.is_none() || self.was_there(&body.layout, piece, write.site))
    }

    /// Whether a write is of the record itself, where the invariant looks for it.
    fn is_place(&self, write: &WriteEffect) -> bool {
        let place = self.links.iter().fold(Target::SelfRecord, |at, cell| Target::Path((at, *cell).into()));
        let element = self.key.map_or(Value::SelfRecord, |key| Value::Cell((Target::SelfRecord, key).into()));
        write.target == place && write.grain == Grain::Element(Some(element))
    }

    /// Whether the record is over when the piece commits.
    fn ends(&self, layout: &Layout, piece: &Effects, at: Site) -> bool {
        self.over.iter().any(|(cell, value, is)| {
            let ends = |write: &WriteEffect| {
                let own = write.path.is_empty() && write.kind == WriteKind::Set && write.target == Target::SelfRecord;
                own && layout.written(write.site).is_some_and(|held| if *is { held == value } else { !held.allows(value, true) })
            };
            let mut writes = piece
                .writes
                .iter()
                .filter(|write| write.cell == Some(*cell) && !(write.path.is_empty() && layout.excludes(write.site, at)));
            writes.clone().any(|write| ends(write) && layout.happens_with(write.site, at)) && writes.all(ends)
        })
    }

    /// Whether the record was not over when the piece began: then it was there, and not another one.
    fn was_there(&self, layout: &Layout, piece: &Effects, at: Site) -> bool {
        self.over.iter().all(|(cell, value, is)| {
            let begun = |known: &Known| {
                let mut writes = piece.writes.iter().filter(|write| write.cell == Some(*cell));
                !writes.any(|write| layout.can_precede(write.here(), known))
            };
            let otherwise = |fact: &Fact| match fact {
                Fact::Holds { target: Target::SelfRecord, cell: of, value: held, is: so } if of == cell => {
                    (held == value && so != is) || (*so && !held.allows(value, *is))
                }
                _ => false,
            };
            layout.known_at(at).any(|known| otherwise(&known.fact) && begun(known))
        })
    }
}
