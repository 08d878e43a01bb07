//! What becomes of a cell when an event is handled while the cell holds a certain value: whether a step goes on where somebody holds already
//! what it takes, and whether its undo ends that too.

use patternc_grammar::syntax::{AssignOp, BinaryOp, UnaryOp};
use rustc_hash::FxHashMap;

use super::context::Callable;
use crate::bodies;
use crate::db::Db;
use crate::effects::known::Const;
use crate::effects::{Frame, Site, Value, constant_of, is_blind};
use crate::hir::{Block, Body, BodyKind, BodyOwner, Expr, ExprKind, LocalKind, Pattern, PatternKind, SendEvent, Stmt, StmtKind, WriteOp};
use crate::signature::cell_sig;
use crate::types::{CellId, LocalId, Ty};
use crate::visit;

/// A value that an event sets a cell to, or compares it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// In the words of who sends the event.
    Given(Value),
    Const(Const),
}

/// What a cell holds, as far as it is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// What the step sets.
    Taken,
    /// What the undo sets.
    Free,
    /// Neither.
    Other,
}

/// A cell of the record that an event goes to, what a step sets it to, and what its undo sets it to.
pub struct Cell {
    pub cell: CellId,
    pub taken: Symbol,
    pub free: Symbol,
}

/// What the cell surely holds after the event, which surely is not rejected for what it finds; `None` if that is not known. What depends on the
/// event alone is taken not to reject it.
pub fn after(db: &dyn Db, event: &Frame<'_>, cell: &Cell, before: Held) -> Option<Held> {
    let callable = Callable::of(db, event.call.callee)?;
    let BodyKind::Block(block) = &callable.body.kind else { return None };
    let mut run = Run { event, cell, params: callable.body.params, locals: FxHashMap::default(), held: before };
    match run.block(block) {
        Flow::Goes | Flow::Ends => Some(run.held),
        Flow::Rejects | Flow::Unknown => None,
    }
}

/// The value that a write of an event sets its cell to.
pub fn set_to(db: &dyn Db, event: &Frame<'_>, write: Site) -> Option<Symbol> {
    let callable = Callable::of(db, event.call.callee).filter(|callable| callable.body.owner == write.body)?;
    match &callable.statement(callable.span(write))?.1.kind {
        StmtKind::Write(write) => match &write.op {
            WriteOp::Assign { op: AssignOp::Set, value } => symbol(event, callable.body.params, value),
            _ => None,
        },
        _ => None,
    }
}

/// What a cell holds where nothing else was set.
pub fn default(db: &dyn Db, cell: CellId) -> Option<Symbol> {
    let sig = cell_sig(db, cell)?;
    if !sig.has_default {
        return matches!(sig.ty, Ty::Optional(_)).then_some(Symbol::Const(Const::Absent));
    }
    let body = bodies::bodies(db, cell.record.file).get(BodyOwner::Default(cell))?;
    match &body.kind {
        BodyKind::Expr(value) => constant_of(value).map(Symbol::Const),
        _ => None,
    }
}

/// Whether what a local of a saga holds is new with each run of it.
pub fn is_new(saga: &Body, of: LocalId) -> bool {
    let BodyKind::Saga { prelude, .. } = &saga.kind else { return false };
    if saga.locals.get(of.0 as usize).is_some_and(|local| local.kind == LocalKind::Step) {
        return true;
    }
    prelude.stmts.iter().any(|stmt| match &stmt.kind {
        StmtKind::Let { local, value } if *local == of => {
            let mut new = false;
            visit::expr(value, &mut |part| new |= matches!(part.kind, ExprKind::NewId | ExprKind::Create(_)));
            new
        }
        _ => false,
    })
}

/// A value by its expression.
fn symbol(event: &Frame<'_>, params: u32, value: &Expr) -> Option<Symbol> {
    let of_event = |value: Value| event.value(&value);
    match &value.kind {
        // Of one with fields only the name is known.
        ExprKind::Variant { args, .. } if !args.is_empty() => None,
        ExprKind::SelfRef => of_event(Value::SelfRecord).map(Symbol::Given),
        // A parameter is what it was sent with.
        ExprKind::Local(local) if local.0 < params => of_event(Value::Local(*local)).map(|given| match (given, &value.ty) {
            (Value::Literal(text), Ty::Bool) => Symbol::Const(Const::Bool(&*text == "true")),
            (Value::Literal(text), _) => Symbol::Const(Const::Literal(text)),
            (given, _) => Symbol::Given(given),
        }),
        _ => constant_of(value).filter(|constant| *constant != Const::Present).map(Symbol::Const),
    }
}

/// How a statement ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Goes,
    Ends,
    Rejects,
    Unknown,
}

/// What a local that is no parameter is known to be.
#[derive(Clone, Copy)]
enum Known {
    Held(Held),
    Truth(bool),
}

struct Run<'a> {
    event: &'a Frame<'a>,
    cell: &'a Cell,
    params: u32,
    locals: FxHashMap<LocalId, Known>,
    held: Held,
}

impl Run<'_> {
    fn block(&mut self, block: &Block) -> Flow {
        for stmt in &block.stmts {
            match self.stmt(stmt) {
                Flow::Goes => {}
                flow => return flow,
            }
        }
        Flow::Goes
    }

    fn stmt(&mut self, stmt: &Stmt) -> Flow {
        match &stmt.kind {
            StmtKind::Let { local, value } => {
                self.bind(*local, value);
                Flow::Goes
            }
            StmtKind::LetElse { local, value, otherwise } => match self.is_there(value) {
                Some(true) => {
                    self.bind(*local, value);
                    Flow::Goes
                }
                Some(false) => self.stmt(otherwise),
                None => Flow::Unknown,
            },
            StmtKind::Write(write) => {
                if write.cell != self.cell.cell {
                    return Flow::Goes;
                }
                let WriteOp::Assign { op: AssignOp::Set, value } = &write.op else { return Flow::Unknown };
                let set = self.which(value).filter(|_| write.key.is_none() && matches!(write.record.kind, ExprKind::SelfRef));
                match set {
                    Some(held) => {
                        self.held = held;
                        Flow::Goes
                    }
                    None => Flow::Unknown,
                }
            }
            StmtKind::Require { cond, .. } => match self.demanded(cond) {
                Some(true) => Flow::Goes,
                Some(false) => Flow::Rejects,
                None => Flow::Unknown,
            },
            StmtKind::Fail(_) => Flow::Rejects,
            StmtKind::If { cond, then, otherwise } => {
                let truth = self.truth(cond);
                self.branch(truth, self.is_blind(cond), then, otherwise.as_ref())
            }
            StmtKind::IfLet { local, value, then, otherwise } => {
                self.bind(*local, value);
                let there = self.is_there(value);
                self.branch(there, self.is_blind(value), then, otherwise.as_ref())
            }
            StmtKind::For { body, .. } => {
                let before = self.held;
                match self.block(body) {
                    Flow::Goes if self.held == before => Flow::Goes,
                    _ => Flow::Unknown,
                }
            }
            StmtKind::Match { subject, arms } => {
                let Some(held) = self.held_by(subject) else { return Flow::Unknown };
                for arm in arms {
                    match self.matches(held, &arm.pattern) {
                        Some(true) => return self.block(&arm.body),
                        Some(false) => {}
                        None => return Flow::Unknown,
                    }
                }
                Flow::Unknown
            }
            StmtKind::Return(_) => Flow::Ends,
            // What is answered later may be rejected later.
            StmtKind::Send(send) if send.answer || send.ok.is_some() || send.err.is_some() => Flow::Unknown,
            StmtKind::Send(send) if matches!(send.event, SendEvent::Error) => Flow::Unknown,
            StmtKind::Send(_) | StmtKind::Expr(_) => Flow::Goes,
            StmtKind::LetCall { .. }
            | StmtKind::Call(_)
            | StmtKind::DeleteRecord(_)
            | StmtKind::Try { .. }
            | StmtKind::Test(_)
            | StmtKind::Error => Flow::Unknown,
        }
    }

    /// One of two branches; both if it is not known which. An event that is rejected for what it is given is not asked about.
    fn branch(&mut self, truth: Option<bool>, blind: bool, then: &Block, otherwise: Option<&Block>) -> Flow {
        match truth {
            Some(true) => return self.block(then),
            Some(false) => return otherwise.map_or(Flow::Goes, |otherwise| self.block(otherwise)),
            None => {}
        }
        let before = self.held;
        let one = (self.block(then), self.held);
        self.held = before;
        let other = (otherwise.map_or(Flow::Goes, |otherwise| self.block(otherwise)), self.held);
        let both = match (one, other) {
            (one, other) if one == other => one,
            ((Flow::Rejects, _), other) | (other, (Flow::Rejects, _)) if blind => other,
            _ => (Flow::Unknown, before),
        };
        self.held = both.1;
        both.0
    }

    fn bind(&mut self, local: LocalId, value: &Expr) {
        let held = self.held_by(value).map(Known::Held);
        let known = held.or_else(|| self.truth(value).map(Known::Truth));
        self.locals.extend(known.map(|known| (local, known)));
    }

    /// What the cell holds, or held, if the expression is that.
    fn held_by(&self, value: &Expr) -> Option<Held> {
        match &value.kind {
            ExprKind::Cell { base, cell, .. } if *cell == self.cell.cell && matches!(base.kind, ExprKind::SelfRef) => Some(self.held),
            ExprKind::Local(local) => match self.locals.get(local)? {
                Known::Held(held) => Some(*held),
                Known::Truth(_) => None,
            },
            _ => None,
        }
    }

    /// Which of the two values that are told apart the expression is.
    fn which(&self, value: &Expr) -> Option<Held> {
        let symbol = symbol(self.event, self.params, value)?;
        if symbol == self.cell.taken { Some(Held::Taken) } else { (symbol == self.cell.free).then_some(Held::Free) }
    }

    /// Whether what is held is a value; `None` if that is not known.
    fn is(&self, held: Held, value: &Expr) -> Option<bool> {
        self.which(value).map(|which| which == held)
    }

    /// Whether an optional value is there.
    fn is_there(&self, value: &Expr) -> Option<bool> {
        let absent = Symbol::Const(Const::Absent);
        let held = self.held_by(value)?;
        match held {
            Held::Taken if self.cell.taken == absent => Some(false),
            Held::Free if self.cell.free == absent => Some(false),
            Held::Other if self.cell.taken != absent && self.cell.free != absent => None,
            _ => Some(true),
        }
    }

    fn matches(&self, held: Held, pattern: &Pattern) -> Option<bool> {
        match &pattern.kind {
            PatternKind::Wildcard | PatternKind::Bind(_) => Some(true),
            PatternKind::Literal(value) => self.is(held, value),
            PatternKind::Variant { of, variant, fields } if fields.is_empty() => {
                let symbol = Symbol::Const(Const::Variant(*of, *variant));
                let which = if symbol == self.cell.taken { Some(Held::Taken) } else { (symbol == self.cell.free).then_some(Held::Free) };
                match which {
                    Some(which) => Some(which == held),
                    // Another variant than either.
                    None => (held != Held::Other).then_some(false),
                }
            }
            PatternKind::Variant { .. } | PatternKind::Error => None,
        }
    }

    /// As [`Run::truth`] of what is demanded. What depends on the event alone is there to be passed.
    fn demanded(&self, cond: &Expr) -> Option<bool> {
        match &cond.kind {
            _ if self.is_blind(cond) => Some(true),
            ExprKind::Binary { op: BinaryOp::And, left, right } => match (self.demanded(left), self.demanded(right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            _ => self.truth(cond),
        }
    }

    fn truth(&self, cond: &Expr) -> Option<bool> {
        match &cond.kind {
            ExprKind::Bool(truth) => Some(*truth),
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.truth(operand).map(|truth| !truth),
            ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
                let decides = *op == BinaryOp::Or;
                match (self.truth(left), self.truth(right)) {
                    (Some(one), _) | (_, Some(one)) if one == decides => Some(decides),
                    (Some(_), Some(_)) => Some(!decides),
                    _ => None,
                }
            }
            ExprKind::Binary { op: op @ (BinaryOp::Eq | BinaryOp::Ne), left, right } => {
                let is = match (self.held_by(left), self.held_by(right)) {
                    (Some(held), None) => self.compared(held, right),
                    (None, Some(held)) => self.compared(held, left),
                    _ => None,
                };
                is.map(|is| is == (*op == BinaryOp::Eq))
            }
            ExprKind::Local(local) => match self.locals.get(local)? {
                Known::Truth(truth) => Some(*truth),
                Known::Held(held) => self.is_true(*held),
            },
            ExprKind::Cell { .. } => self.held_by(cond).and_then(|held| self.is_true(held)),
            _ => None,
        }
    }

    fn compared(&self, held: Held, value: &Expr) -> Option<bool> {
        if matches!(value.kind, ExprKind::None) {
            let absent = Symbol::Const(Const::Absent);
            return match held {
                Held::Taken => Some(self.cell.taken == absent),
                Held::Free => Some(self.cell.free == absent),
                Held::Other => (self.cell.taken == absent || self.cell.free == absent).then_some(false),
            };
        }
        let other_const = || match (symbol(self.event, self.params, value)?, held) {
            // Two constants are the same or not.
            (Symbol::Const(value), Held::Taken) => matches!(&self.cell.taken, Symbol::Const(taken) if *taken != value).then_some(false),
            (Symbol::Const(value), Held::Free) => matches!(&self.cell.free, Symbol::Const(free) if *free != value).then_some(false),
            _ => None,
        };
        self.is(held, value).or_else(other_const)
    }

    fn is_true(&self, held: Held) -> Option<bool> {
        let symbol = match held {
            Held::Taken => &self.cell.taken,
            Held::Free => &self.cell.free,
            Held::Other => return None,
        };
        match symbol {
            Symbol::Const(Const::Bool(truth)) => Some(*truth),
            _ => None,
        }
    }

    /// Whether a value depends on the event alone.
    fn is_blind(&self, value: &Expr) -> bool {
        is_blind(value, self.params)
    }
}
