//! Which changes of cells and records can make an invariant false: of a number that may not pass a limit only what makes it greater.

use patternc_grammar::syntax::{BinaryOp, UnaryOp};
use patternc_program::Method;
use rustc_hash::FxHashMap;

use crate::bodies;
use crate::db::{Db, SourceFile};
use crate::effects::known::Fact;
use crate::effects::{self, Given, Target, Value, WriteEffect, WriteKind};
use crate::facts;
use crate::hir::{Arg, BodyKind, BodyOwner, Expr, ExprKind};
use crate::items::{ItemHead, items};
use crate::signature::{cell_sig, invariant_sig};
use crate::summary;
use crate::taken_out::{Listed, listed_by};
use crate::types::{CellId, ItemId, LocalId, Ty};
use crate::visit;

/// What an invariant looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Looked {
    Cell(CellId),
    /// Which records of a type there are.
    Records(ItemId),
}

/// In which direction something is changed: greater or more, smaller or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    up: bool,
    down: bool,
}

impl Way {
    const ANY: Way = Way { up: true, down: true };

    fn to(up: bool) -> Way {
        Way { up, down: !up }
    }

    fn meets(self, other: Way) -> bool {
        self.up && other.up || self.down && other.down
    }
}

/// An invariant that holds at every commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breakable {
    invariant: ItemId,
    /// What breaks it.
    by: Vec<(Looked, Way)>,
    /// Where it says that its record is.
    listed: Option<Listed>,
}

/// The invariants of a file that hold at every commit.
pub(crate) fn breaking_in(db: &dyn Db, file: SourceFile) -> Vec<Breakable> {
    let heads = items(db, file).heads.iter().enumerate().filter(|(_, head)| matches!(head, ItemHead::Invariant { .. }));
    let all = heads.map(|(index, _)| ItemId { file, index: index as u32 });
    let kept = all.filter(|invariant| invariant_sig(db, *invariant).is_some_and(|sig| !sig.eventually));
    kept.map(|invariant| Breakable { invariant, by: breaking(db, invariant), listed: listed_by(db, invariant) }).collect()
}

fn breaking(db: &dyn Db, invariant: ItemId) -> Vec<(Looked, Way)> {
    let mut search = Search { db, found: FxHashMap::default(), derived: Vec::new() };
    search.of_body(BodyOwner::Invariant(invariant), |search, value| search.truth(value, true));
    let mut found: Vec<(Looked, Way)> = search.found.into_iter().collect();
    found.sort_unstable_by_key(|(looked, _)| *looked);
    found
}

#[salsa::tracked(returns(ref))]
fn broken_by_change(db: &dyn Db) -> FxHashMap<Looked, Vec<(ItemId, Way)>> {
    let mut by: FxHashMap<Looked, Vec<(ItemId, Way)>> = FxHashMap::default();
    for Breakable { invariant, by: breaking, .. } in summary::breaking(db).flatten() {
        breaking.iter().for_each(|(looked, way)| by.entry(*looked).or_default().push((*invariant, *way)));
    }
    by
}

/// Where invariants say that their records are.
#[salsa::tracked(returns(ref))]
fn listed(db: &dyn Db) -> FxHashMap<ItemId, Listed> {
    let all = summary::breaking(db).flatten();
    all.filter_map(|Breakable { invariant, listed, .. }| Some((*invariant, listed.clone()?))).collect()
}

/// The invariants that a write can break, of those that hold at every commit.
pub fn broken_by<'db>(db: &'db dyn Db, write: &'db WriteEffect) -> impl Iterator<Item = ItemId> + 'db {
    let looked = match write.cell {
        Some(cell) => Looked::Cell(cell),
        None => Looked::Records(write.record),
    };
    let way = way_of(db, write);
    let all = broken_by_change(db).get(&looked).into_iter().flatten();
    let breaking = all.filter(move |(_, breaks)| breaks.meets(way)).map(|(invariant, _)| *invariant);
    let breaking = breaking.filter(move |invariant| !listed(db).get(invariant).is_some_and(|listed| listed.allows(db, write)));
    breaking.filter(move |invariant| !stays_within(db, *invariant, write))
}

/// Whether a condition around a write that adds to a number of its own record leaves it within the bounds of the invariant: `if self.left > 0 { self.left -= 1 }`
/// keeps `left >= 0`. What the condition has read is as it was when the transaction commits.
fn stays_within(db: &dyn Db, invariant: ItemId, write: &WriteEffect) -> bool {
    let (Some(cell), WriteKind::Add, Target::SelfRecord) = (write.cell, write.kind, &write.target) else { return false };
    let Some(after) = numbers_after(db, cell, write) else { return false };
    let body = bodies::bodies(db, invariant.file).get(BodyOwner::Invariant(invariant));
    let Some(BodyKind::Expr(value)) = body.map(|body| &body.kind) else { return false };
    let mut parts = vec![value];
    while let Some(part) = parts.pop() {
        if let ExprKind::Binary { op: BinaryOp::And, left, right } = &part.kind {
            parts.extend([&**left, &**right]);
            continue;
        }
        let mut search = Search { db, found: FxHashMap::default(), derived: Vec::new() };
        search.truth(part, true);
        let breaks = search.found.get(&Looked::Cell(cell)).is_some_and(|breaks| breaks.meets(way_of(db, write)));
        let within = || match bound(part, cell) {
            Some((BinaryOp::Ge, least)) => after.0 >= least,
            Some((_, most)) => after.1 <= most,
            None => false,
        };
        if breaks && !within() {
            return false;
        }
    }
    true
}

/// The least and the greatest number that a cell of the own record can have after a write, as far as conditions around it tell; `None` if it is not
/// the only write of the cell, or adds nobody knows what.
fn numbers_after(db: &dyn Db, cell: CellId, write: &WriteEffect) -> Option<(i128, i128)> {
    let layout = &effects::body(db, write.site.body)?.layout;
    let pieces = effects::effects(db, write.site.body).pieces();
    let writes = pieces.into_iter().flat_map(|piece| &piece.writes).filter(|write| write.cell == Some(cell)).count();
    if writes != 1 || write.several || !write.path.is_empty() || layout.in_loop(write.site) {
        return None;
    }
    let Given { value: Some(Value::Literal(amount)), less } = layout.given(write.site)? else { return None };
    let amount: i128 = amount.parse::<i64>().ok()?.into();
    let (mut least, mut most) = (i128::from(i64::MIN), i128::from(i64::MAX));
    // What is demanded may be so only after the write.
    for known in layout.known_at(write.site).filter(|known| !known.demanded) {
        if let Fact::Holds { target: Target::SelfRecord, cell: of, value, is } = &known.fact
            && *of == cell
            && let Some((from, to)) = if *is { value.numbers() } else { value.beside().and_then(|others| others.numbers()) }
        {
            (least, most) = (least.max(from), most.min(to));
        }
    }
    let by = if *less { -amount } else { amount };
    Some((least + by, most + by))
}

/// `r.left >= 0`, of the record of the invariant: the least (`Ge`) or the greatest (`Le`) that the cell may be.
fn bound(part: &Expr, of: CellId) -> Option<(BinaryOp, i128)> {
    let ExprKind::Binary { op, left, right } = &part.kind else { return None };
    let is_cell = |side: &Expr| matches!(&side.kind, ExprKind::Cell { base, cell, optional: false } if *cell == of && matches!(base.kind, ExprKind::Local(LocalId(0))));
    let number = |side: &Expr| match &side.kind {
        ExprKind::Int(number) => Some(i128::from(*number)),
        ExprKind::Unary { op: UnaryOp::Neg, operand } => match operand.kind {
            ExprKind::Int(number) => Some(-i128::from(number)),
            _ => None,
        },
        _ => None,
    };
    let (op, number) = match (is_cell(left), is_cell(right)) {
        (true, false) => (*op, number(right)?),
        (false, true) => {
            let turned = match op {
                BinaryOp::Lt => BinaryOp::Gt,
                BinaryOp::Le => BinaryOp::Ge,
                BinaryOp::Gt => BinaryOp::Lt,
                BinaryOp::Ge => BinaryOp::Le,
                other => *other,
            };
            (turned, number(left)?)
        }
        _ => return None,
    };
    match op {
        BinaryOp::Ge => Some((BinaryOp::Ge, number)),
        BinaryOp::Gt => Some((BinaryOp::Ge, number + 1)),
        BinaryOp::Le => Some((BinaryOp::Le, number)),
        BinaryOp::Lt => Some((BinaryOp::Le, number - 1)),
        _ => None,
    }
}

/// The invariants that may reject a write. What is made has to be as those say that hold for it, from the start.
pub fn rejecting<'db>(db: &'db dyn Db, write: &'db WriteEffect) -> impl Iterator<Item = ItemId> + 'db {
    let made = (write.kind == WriteKind::Create).then_some(write.record);
    broken_by(db, write).chain(made.into_iter().flat_map(|record| facts::invariants_of_record(db, record)))
}

/// In which direction a write changes what it writes.
fn way_of(db: &dyn Db, write: &WriteEffect) -> Way {
    match write.kind {
        WriteKind::Append | WriteKind::Insert | WriteKind::Create => Way::to(true),
        WriteKind::Remove | WriteKind::Delete => Way::to(false),
        WriteKind::Set => Way::ANY,
        WriteKind::Add => match effects::body(db, write.site.body).and_then(|body| body.layout.adds(write.site)) {
            // Several places of a callee may add and take away.
            Some(more) if !write.several => Way::to(more),
            _ => Way::ANY,
        },
    }
}

struct Search<'db> {
    db: &'db dyn Db,
    found: FxHashMap<Looked, Way>,
    /// The derived cells that are being looked through.
    derived: Vec<CellId>,
}

impl Search<'_> {
    fn mark(&mut self, looked: Looked, way: Way) {
        let known = self.found.entry(looked).or_default();
        *known = Way { up: known.up || way.up, down: known.down || way.down };
    }

    fn of_body(&mut self, owner: BodyOwner, look: impl FnOnce(&mut Self, &Expr)) {
        let file = crate::location::owner_item(owner).map(|item| item.file);
        let body = file.and_then(|file| bodies::bodies(self.db, file).get(owner));
        if let Some(BodyKind::Expr(value)) = body.map(|body| &body.kind) {
            look(self, value);
        }
    }

    /// What changes a cell that is read, seen as `look` does: itself, or what it is derived from.
    fn cell(&mut self, base: &Expr, cell: CellId, way: Way, look: impl FnOnce(&mut Self, &Expr)) {
        self.any(base);
        if !cell_sig(self.db, cell).is_some_and(|sig| sig.derived) {
            self.mark(Looked::Cell(cell), way);
        } else if self.derived.len() < DEEPEST && !self.derived.contains(&cell) {
            self.derived.push(cell);
            self.of_body(BodyOwner::Derived(cell), look);
            self.derived.pop();
        } else {
            self.read_by(BodyOwner::Derived(cell));
        }
    }

    /// What turns a Bool that is `is` into the other.
    fn truth(&mut self, value: &Expr, is: bool) {
        match &value.kind {
            ExprKind::Bool(_) => {}
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.truth(operand, !is),
            ExprKind::Binary { op: BinaryOp::And | BinaryOp::Or, left, right } => {
                self.truth(left, is);
                self.truth(right, is);
            }
            ExprKind::Binary { op: BinaryOp::Lt | BinaryOp::Le, left, right } if left.ty == Ty::Int => {
                self.amount(left, is);
                self.amount(right, !is);
            }
            ExprKind::Binary { op: BinaryOp::Gt | BinaryOp::Ge, left, right } if left.ty == Ty::Int => {
                self.amount(left, !is);
                self.amount(right, is);
            }
            ExprKind::Binary { op: BinaryOp::In, left, right } if is_collection(right) => {
                self.any(left);
                self.size(right, !is);
            }
            ExprKind::Method { method, base, args, .. } if is_collection(base) => match (method, &args[..]) {
                (Method::IsEmpty, []) => self.size(base, is),
                (Method::Contains, [Arg::Value(element)]) => {
                    self.any(element);
                    self.size(base, !is);
                }
                (Method::All, [Arg::Lambda(each)]) => {
                    self.size(base, is);
                    self.truth(&each.body, is);
                }
                (Method::Any, [Arg::Lambda(each)]) => {
                    self.size(base, !is);
                    self.truth(&each.body, is);
                }
                _ => self.any(value),
            },
            ExprKind::If { cond, then, otherwise } => {
                self.any(cond);
                self.truth(then, is);
                self.truth(otherwise, is);
            }
            ExprKind::Cell { base, cell, optional: false } => self.cell(base, *cell, Way::ANY, |search, value| search.truth(value, is)),
            _ => self.any(value),
        }
    }

    /// What makes an Int greater (`up`), or smaller.
    fn amount(&mut self, value: &Expr, up: bool) {
        match &value.kind {
            ExprKind::Int(_) => {}
            ExprKind::Cell { base, cell, optional: false } => self.cell(base, *cell, Way::to(up), |search, value| search.amount(value, up)),
            ExprKind::Unary { op: UnaryOp::Neg, operand } => self.amount(operand, !up),
            ExprKind::Binary { op: BinaryOp::Add, left, right } => {
                self.amount(left, up);
                self.amount(right, up);
            }
            ExprKind::Binary { op: BinaryOp::Sub, left, right } => {
                self.amount(left, up);
                self.amount(right, !up);
            }
            ExprKind::Binary { op: BinaryOp::Mul, left, right } => match (&left.kind, &right.kind) {
                (ExprKind::Int(0..), _) => self.amount(right, up),
                (_, ExprKind::Int(0..)) => self.amount(left, up),
                _ => self.any(value),
            },
            ExprKind::Method { method: Method::Len, base, .. } if is_collection(base) => self.size(base, up),
            _ => self.any(value),
        }
    }

    /// What makes a collection have more elements (`up`), or fewer.
    fn size(&mut self, value: &Expr, up: bool) {
        match &value.kind {
            ExprKind::Cell { base, cell, optional: false } => self.cell(base, *cell, Way::to(up), |search, value| search.size(value, up)),
            ExprKind::All { record } => self.mark(Looked::Records(*record), Way::to(up)),
            ExprKind::Where { record, cond, .. } => {
                self.mark(Looked::Records(*record), Way::to(up));
                self.truth(cond, !up);
            }
            ExprKind::Method { method: Method::Filter, base, args, .. } => {
                self.size(base, up);
                match &args[..] {
                    [Arg::Lambda(each)] => self.truth(&each.body, !up),
                    _ => self.any(value),
                }
            }
            _ => self.any(value),
        }
    }

    /// Whatever is read may change it.
    fn any(&mut self, value: &Expr) {
        let mut looked = Vec::new();
        let mut through = Vec::new();
        visit::expr(value, &mut |part| match &part.kind {
            ExprKind::Cell { cell, .. } => looked.push(Looked::Cell(*cell)),
            ExprKind::All { record } | ExprKind::Where { record, .. } | ExprKind::Lookup { record, .. } => {
                looked.push(Looked::Records(*record))
            }
            ExprKind::Exists(of) => looked.extend(record_of(&of.ty).map(Looked::Records)),
            ExprKind::CallFn { of, .. } => through.push(BodyOwner::Fn(*of)),
            _ => {}
        });
        for looked in looked {
            match looked {
                Looked::Cell(cell) if cell_sig(self.db, cell).is_some_and(|sig| sig.derived) => through.push(BodyOwner::Derived(cell)),
                looked => self.mark(looked, Way::ANY),
            }
        }
        through.into_iter().for_each(|owner| self.read_by(owner));
    }

    fn read_by(&mut self, owner: BodyOwner) {
        for read in &effects::effects(self.db, owner).reads {
            self.mark(read.cell.map_or(Looked::Records(read.record), Looked::Cell), Way::ANY);
        }
    }
}

/// Derived cells that are looked through one in another.
const DEEPEST: usize = 16;

fn record_of(ty: &Ty) -> Option<ItemId> {
    match ty {
        Ty::Record(record, _) => Some(*record),
        Ty::Optional(inner) => record_of(inner),
        _ => None,
    }
}

fn is_collection(value: &Expr) -> bool {
    matches!(value.ty, Ty::List(_) | Ty::Set(_) | Ty::Map(..))
}
