//! Where records are, as far as types say.
//!
//! Three things keep this sound. Values are immutable and so are names, so that a type may say "where `x` is" and reading is covariant: a
//! place may always be forgotten. What goes *into* another record is the one contravariant place, and there an unknown space is
//! [`NOWHERE`], which nothing fits, never [`Place::Any`], which everything fits. And a type never outlives the names it speaks of:
//! [`Checker::escape`] forgets them where their scope ends.

use std::sync::Arc;

use patternc_grammar::syntax::{BinaryOp, UnaryOp};

use crate::hir::{Expr, ExprKind};
use crate::signature::{Home, Signature};
use crate::types::{ItemId, LocalId, Place, Ty};

use super::checker::{Checker, Mode};

/// The space of a record that no name remembers: the place *wanted* of what is given to it. Never the place of a value.
pub(super) const NOWHERE: Place = Place::Of(LocalId(u32::MAX));

/// How a value fits where a type is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    /// The types differ.
    No,
    /// The types agree, but a reference inside may point elsewhere.
    Elsewhere {
        of: ItemId,
        found: Place,
        wanted: Place,
    },
}

impl Fit {
    /// The worse of both: other types first, then other places.
    fn and(self, other: impl FnOnce() -> Fit) -> Fit {
        match self {
            Fit::No => Fit::No,
            Fit::Yes => other(),
            elsewhere => match other() {
                Fit::No => Fit::No,
                _ => elsewhere,
            },
        }
    }
}

/// The one place that a declaration's *here* stands for, gathered from what is given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inferred(Option<Place>);

impl Inferred {
    pub fn add(&mut self, place: Place) {
        self.0 = Some(match self.0 {
            Some(known) if known != place => Place::Any,
            _ => place,
        });
    }

    /// `otherwise` if nothing was given: then nothing is *here* either.
    pub fn or(self, otherwise: Place) -> Place {
        self.0.unwrap_or(otherwise)
    }
}

/// Whether a value, as it is written, holds no reference: then it is anywhere and everywhere.
pub(super) fn holds_nothing(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::None => true,
        ExprKind::Variant { args, .. } => args.iter().all(holds_nothing),
        ExprKind::Struct { spread: None, fields, .. } => fields.iter().flatten().all(holds_nothing),
        ExprKind::List(items) | ExprKind::Set(items) => items.iter().all(holds_nothing),
        ExprKind::Map(entries) => entries.iter().all(|(key, value)| holds_nothing(key) && holds_nothing(value)),
        _ => is_scalar(&value.ty) && !matches!(value.ty, Ty::Error),
    }
}

/// Whether a type is without parts and places.
fn is_scalar(ty: &Ty) -> bool {
    !matches!(
        ty,
        Ty::List(_) | Ty::Set(_) | Ty::Map(..) | Ty::Optional(_) | Ty::Struct(..) | Ty::Enum(..) | Ty::Record(..) | Ty::SagaResult(..)
    )
}

impl Checker<'_> {
    /// A place in its one form: *here* as the body sees it, narrowed names as *here*.
    pub fn norm(&self, place: Place) -> Place {
        match place {
            Place::Here => self.cx.here,
            place if self.cx.narrowed.contains(&place) => self.cx.here,
            place => place,
        }
    }

    /// The place of a reference to a `record`.
    pub fn place(&mut self, record: ItemId, place: Place) -> Place {
        match self.home(record) {
            Home::Plain(space) => self.norm(Place::Plain(space)),
            _ => self.norm(place),
        }
    }

    /// `ty` as declared, seen from the record (or value) at `from`: *here* there is `from` here.
    pub fn seen(&mut self, ty: &Ty, from: Place) -> Ty {
        match ty {
            Ty::Record(id, place) => Ty::Record(*id, self.place(*id, if *place == Place::Here { from } else { *place })),
            Ty::Struct(id, place) => Ty::Struct(*id, self.norm(if *place == Place::Here { from } else { *place })),
            Ty::Enum(id, place) => Ty::Enum(*id, self.norm(if *place == Place::Here { from } else { *place })),
            Ty::List(inner) => Ty::List(self.seen_inside(inner, from)),
            Ty::Set(inner) => Ty::Set(self.seen_inside(inner, from)),
            Ty::Optional(inner) => Ty::Optional(self.seen_inside(inner, from)),
            Ty::Map(key, value) => Ty::Map(self.seen_inside(key, from), self.seen_inside(value, from)),
            Ty::SagaResult(saga, steps) => Ty::SagaResult(*saga, steps.iter().map(|(name, ty)| (*name, self.seen(ty, from))).collect()),
            scalar => scalar.clone(),
        }
    }

    fn seen_inside(&mut self, ty: &Arc<Ty>, from: Place) -> Arc<Ty> {
        if is_scalar(ty) {
            return Arc::clone(ty);
        }
        let seen = self.seen(ty, from);
        if seen == **ty { Arc::clone(ty) } else { Arc::new(seen) }
    }

    /// `ty` without the names that end with a scope: what was where one of the locals from `first` on is, is anywhere.
    pub fn escape(&self, ty: Ty, first: u32) -> Ty {
        if !mentions_local(&ty, first) {
            return ty;
        }
        map_places(&ty, &|place| match place {
            Place::Of(local) if local.0 >= first => Place::Any,
            place => place,
        })
    }

    /// The type of a local where its name is used: an immutable name remembers where its record is.
    pub fn local_type(&mut self, local: LocalId) -> Ty {
        let ty = &self.local(local).ty;
        match ty {
            Ty::Record(id, place) => {
                let id = *id;
                let place = if *place == Place::Any { Place::Of(local) } else { *place };
                Ty::Record(id, self.place(id, place))
            }
            Ty::Optional(inner) if matches!(**inner, Ty::Record(_, Place::Any)) => {
                let Ty::Record(id, _) = **inner else { return ty.clone() };
                Ty::Optional(Arc::new(Ty::Record(id, self.place(id, Place::Of(local)))))
            }
            ty if is_scalar(ty) || self.cx.narrowed.is_empty() => ty.clone(),
            ty => {
                let ty = ty.clone();
                map_places(&ty, &|place| self.norm(place))
            }
        }
    }

    /// Where the record is that a type says: of a reference, also an optional one.
    pub fn base_place(&mut self, ty: &Ty) -> Place {
        match ty {
            Ty::Record(id, place) => self.place(*id, *place),
            Ty::Optional(inner) => self.base_place(inner),
            Ty::Struct(_, place) | Ty::Enum(_, place) => self.norm(*place),
            _ => Place::Any,
        }
    }

    /// The place of what is given to a record at `place`: where that is unknown, nothing is.
    pub fn wanted_at(&self, place: Place) -> Place {
        if place == Place::Any { NOWHERE } else { place }
    }

    /// Whether the place of a struct or enum matters: it holds references that are where the value is.
    pub fn is_sensitive(&mut self, id: ItemId) -> bool {
        if let Some(known) = self.sensitive.get(&id) {
            return *known;
        }
        // Only what was asked for is kept: an answer found on the way may have left out the types that are still being looked at.
        let sensitive = self.item_holds(id, true, &mut Vec::new());
        self.sensitive.insert(id, sensitive);
        sensitive
    }

    /// Whether a declared type holds references that are where its holder is.
    pub fn holds_here(&mut self, ty: &Ty) -> bool {
        self.type_holds(ty, true, &mut Vec::new())
    }

    /// Whether a value of the type holds references to records.
    pub fn holds_references(&mut self, ty: &Ty) -> bool {
        self.type_holds(ty, false, &mut Vec::new())
    }

    /// Whether the type holds references: any, or those that are where the value is.
    fn type_holds(&mut self, ty: &Ty, only_here: bool, seen: &mut Vec<ItemId>) -> bool {
        match ty {
            Ty::Record(id, place) => !only_here || (*place == Place::Here && !matches!(self.home(*id), Home::Plain(_))),
            Ty::Struct(id, place) | Ty::Enum(id, place) => (!only_here || *place == Place::Here) && self.item_holds(*id, only_here, seen),
            Ty::List(inner) | Ty::Set(inner) | Ty::Optional(inner) => self.type_holds(inner, only_here, seen),
            Ty::Map(key, value) => self.type_holds(key, only_here, seen) || self.type_holds(value, only_here, seen),
            Ty::SagaResult(_, steps) => steps.iter().any(|(_, ty)| self.type_holds(ty, only_here, seen)),
            _ => false,
        }
    }

    fn item_holds(&mut self, id: ItemId, only_here: bool, seen: &mut Vec<ItemId>) -> bool {
        if seen.contains(&id) {
            return false;
        }
        seen.push(id);
        match self.sig(id) {
            Signature::Struct(sig) => sig.fields.iter().any(|field| self.type_holds(&field.ty, only_here, seen)),
            Signature::Enum(sig) => {
                sig.variants.iter().flat_map(|variant| variant.fields.iter()).any(|field| self.type_holds(&field.ty, only_here, seen))
            }
            _ => false,
        }
    }

    /// The type of a value that is one of both; `None` if there is none.
    pub fn join(&mut self, left: &Ty, right: &Ty) -> Option<Ty> {
        Some(match (left, right) {
            (Ty::Error | Ty::Unknown, other) | (other, Ty::Error | Ty::Unknown) => other.clone(),
            (Ty::None, other) | (other, Ty::None) => optional(other.clone()),
            (Ty::Optional(left), Ty::Optional(right)) => optional(self.join(left, right)?),
            (Ty::Optional(inner), other) | (other, Ty::Optional(inner)) => optional(self.join(inner, other)?),
            (Ty::List(left), Ty::List(right)) => Ty::List(self.join_inside(left, right)?),
            (Ty::Set(left), Ty::Set(right)) => Ty::Set(self.join_inside(left, right)?),
            (Ty::Map(key, value), Ty::Map(other_key, other_value)) => {
                Ty::Map(self.join_inside(key, other_key)?, self.join_inside(value, other_value)?)
            }
            (Ty::Record(id, left), Ty::Record(other, right)) if id == other => {
                let (left, right) = (self.place(*id, *left), self.place(*id, *right));
                Ty::Record(*id, if left == right { left } else { Place::Any })
            }
            (Ty::Struct(id, left), Ty::Struct(other, right)) if id == other => Ty::Struct(*id, self.join_holders(*id, *left, *right)),
            (Ty::Enum(id, left), Ty::Enum(other, right)) if id == other => Ty::Enum(*id, self.join_holders(*id, *left, *right)),
            (left, right) if left == right => left.clone(),
            _ => return None,
        })
    }

    fn join_inside(&mut self, left: &Arc<Ty>, right: &Arc<Ty>) -> Option<Arc<Ty>> {
        if left == right {
            return Some(Arc::clone(left));
        }
        self.join(left, right).map(Arc::new)
    }

    fn join_holders(&mut self, id: ItemId, left: Place, right: Place) -> Place {
        let (left, right) = (self.norm(left), self.norm(right));
        if left == right || !self.is_sensitive(id) { left } else { Place::Any }
    }

    /// The type of a value that is one of both. One that holds no reference at all, such as `Link.none`, is wherever the other is.
    pub fn join_values(&mut self, left: &Expr, right: &Expr) -> Option<Ty> {
        self.join_apart((&left.ty, holds_nothing(left)), (&right.ty, holds_nothing(right)))
    }

    /// The same for types, each with whether its value holds no reference.
    pub fn join_apart(&mut self, (left, left_empty): (&Ty, bool), (right, right_empty): (&Ty, bool)) -> Option<Ty> {
        let ty = self.join(left, right)?;
        if !matches!(unwrap(&ty).0, Ty::Struct(_, Place::Any) | Ty::Enum(_, Place::Any)) {
            return Some(ty);
        }
        let place = match (left_empty, right_empty) {
            (true, _) => self.base_place(right),
            (_, true) => self.base_place(left),
            _ => return Some(ty),
        };
        Some(map_places(&ty, &|_| place))
    }

    /// Whether a value of type `found` may stand where `wanted` is.
    pub fn fits(&mut self, found: &Ty, wanted: &Ty) -> Fit {
        match (found, wanted) {
            (Ty::Error | Ty::Unknown, _) | (_, Ty::Error | Ty::Unknown) => Fit::Yes,
            (Ty::None, Ty::Optional(_)) => Fit::Yes,
            (Ty::Optional(found), Ty::Optional(wanted)) => self.fits(found, wanted),
            (found, Ty::Optional(wanted)) => self.fits(found, wanted),
            (Ty::List(found), Ty::List(wanted)) | (Ty::Set(found), Ty::Set(wanted)) => self.fits(found, wanted),
            (Ty::Map(key, value), Ty::Map(wanted_key, wanted_value)) => {
                let fit = self.fits(key, wanted_key);
                fit.and(|| self.fits(value, wanted_value))
            }
            (Ty::Record(id, found), Ty::Record(other, wanted)) if id == other => {
                let (found, wanted) = (self.place(*id, *found), self.place(*id, *wanted));
                self.place_fits(*id, found, wanted)
            }
            (Ty::Struct(id, found), Ty::Struct(other, wanted)) | (Ty::Enum(id, found), Ty::Enum(other, wanted)) if id == other => {
                if !self.is_sensitive(*id) {
                    return Fit::Yes;
                }
                let (found, wanted) = (self.norm(*found), self.norm(*wanted));
                self.place_fits(*id, found, wanted)
            }
            (found, wanted) if found == wanted => Fit::Yes,
            _ => Fit::No,
        }
    }

    fn place_fits(&self, of: ItemId, found: Place, wanted: Place) -> Fit {
        // What tests and lines at the REPL give is an event from outside: the runtime tests it before the handler starts.
        if wanted == Place::Any || found == wanted || self.cx.mode.is_outside() { Fit::Yes } else { Fit::Elsewhere { of, found, wanted } }
    }

    /// Gathers from a value of type `found` what *here* of the `declared` type stands for.
    pub fn infer(&mut self, found: &Ty, declared: &Ty, inferred: &mut Inferred) {
        match (found, declared) {
            (Ty::Optional(found), declared) => self.infer(found, declared, inferred),
            (found, Ty::Optional(declared)) => self.infer(found, declared, inferred),
            (Ty::Record(id, place), Ty::Record(_, Place::Here)) if !matches!(self.home(*id), Home::Plain(_)) => {
                inferred.add(self.norm(*place));
            }
            (Ty::Struct(id, place), Ty::Struct(_, Place::Here)) | (Ty::Enum(id, place), Ty::Enum(_, Place::Here))
                if self.is_sensitive(*id) =>
            {
                inferred.add(self.norm(*place));
            }
            (Ty::List(found), Ty::List(declared)) | (Ty::Set(found), Ty::Set(declared)) => self.infer(found, declared, inferred),
            (Ty::Map(key, value), Ty::Map(declared_key, declared_value)) => {
                self.infer(key, declared_key, inferred);
                self.infer(value, declared_value, inferred);
            }
            _ => {}
        }
    }

    /// From here to the end of the block, what `cond` tests with `same_space` (through `&&` only) is *here*.
    pub fn narrow(&mut self, cond: &Expr) {
        match &cond.kind {
            ExprKind::Binary { op: BinaryOp::And, left, right } => {
                self.narrow(left);
                self.narrow(right);
            }
            ExprKind::SameSpace(of) => self.narrow_record(of),
            ExprKind::Binary { op: BinaryOp::Eq, left, right } => self.narrow_equal(left, right),
            _ => {}
        }
    }

    /// From here to the end of the block `cond` is false: what it tests not to be *here* (through `||` only) is *here*.
    pub fn narrow_unless(&mut self, cond: &Expr) {
        match &cond.kind {
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.narrow(operand),
            ExprKind::Binary { op: BinaryOp::Or, left, right } => {
                self.narrow_unless(left);
                self.narrow_unless(right);
            }
            ExprKind::Binary { op: BinaryOp::Ne, left, right } => self.narrow_equal(left, right),
            _ => {}
        }
    }

    /// What is known once two values are equal: `x.space == self.space`.
    fn narrow_equal(&mut self, left: &Expr, right: &Expr) {
        for (own, other) in [(left, right), (right, left)] {
            let is_own = self.cx.has_here && self.cx.mode != Mode::Fn && self.space_place(own) == Some(self.cx.here);
            if let ExprKind::SpaceOf(of) = &other.kind
                && is_own
            {
                self.narrow_record(of);
            }
        }
    }

    fn narrow_record(&mut self, of: &Expr) {
        if let (ExprKind::Local(_), Ty::Record(_, place @ (Place::Of(_) | Place::Plain(_)))) = (&of.kind, &of.ty) {
            self.cx.narrowed.push(*place);
        }
    }

    /// Where what is in the space is that a value stands for: `x.space`, or a name that was given it.
    pub fn space_place(&mut self, space: &Expr) -> Option<Place> {
        match &space.kind {
            ExprKind::SpaceOf(record) => Some(self.base_place(&record.ty)),
            ExprKind::Local(local) => self.cx.spaces.get(local).map(|place| self.norm(*place)),
            _ => None,
        }
    }
}

/// `T?`; optionals are never nested.
pub(super) fn optional(ty: Ty) -> Ty {
    match ty {
        Ty::Optional(_) | Ty::None | Ty::Error => ty,
        ty => Ty::Optional(Arc::new(ty)),
    }
}

/// The type without its `?`, and whether there was one.
pub(super) fn unwrap(ty: &Ty) -> (&Ty, bool) {
    match ty {
        Ty::Optional(inner) => (inner, true),
        ty => (ty, false),
    }
}

/// A wanted type as that of a value: what no name remembers is anywhere.
pub(super) fn without_nowhere(wanted: &Ty) -> Ty {
    if !mentions_local(wanted, u32::MAX) {
        return wanted.clone();
    }
    map_places(wanted, &|place| if place == NOWHERE { Place::Any } else { place })
}

/// Whether a type speaks of one of the locals from `first` on.
fn mentions_local(ty: &Ty, first: u32) -> bool {
    match ty {
        Ty::Record(_, place) | Ty::Struct(_, place) | Ty::Enum(_, place) => matches!(place, Place::Of(local) if local.0 >= first),
        Ty::List(inner) | Ty::Set(inner) | Ty::Optional(inner) => mentions_local(inner, first),
        Ty::Map(key, value) => mentions_local(key, first) || mentions_local(value, first),
        Ty::SagaResult(_, steps) => steps.iter().any(|(_, ty)| mentions_local(ty, first)),
        _ => false,
    }
}

/// `ty` with each place replaced.
fn map_places(ty: &Ty, change: &impl Fn(Place) -> Place) -> Ty {
    let inside = |ty: &Arc<Ty>| if is_scalar(ty) { Arc::clone(ty) } else { Arc::new(map_places(ty, change)) };
    match ty {
        Ty::Record(id, place) => Ty::Record(*id, change(*place)),
        Ty::Struct(id, place) => Ty::Struct(*id, change(*place)),
        Ty::Enum(id, place) => Ty::Enum(*id, change(*place)),
        Ty::List(inner) => Ty::List(inside(inner)),
        Ty::Set(inner) => Ty::Set(inside(inner)),
        Ty::Optional(inner) => Ty::Optional(inside(inner)),
        Ty::Map(key, value) => Ty::Map(inside(key), inside(value)),
        Ty::SagaResult(saga, steps) => Ty::SagaResult(*saga, steps.iter().map(|(name, ty)| (*name, map_places(ty, change))).collect()),
        scalar => scalar.clone(),
    }
}
