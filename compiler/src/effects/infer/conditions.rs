//! What conditions say.

use patternc_grammar::syntax::{BinaryOp, UnaryOp};
use patternc_program::Method;

use super::{Walk, record_of};
use crate::effects::known::{Const, Fact, Known};
use crate::effects::layout::{Decision, Made, Told};
use crate::effects::{BlockId, BlockKind, Site, Target, Value};
use crate::hir::{Arg, Expr, ExprKind, LocalKind, Pattern, PatternKind};
use crate::types::{CellId, LocalId, Ty};
use crate::visit;

/// The value of an expression, where it is the same whenever it is evaluated; of an optional one also that there is a value.
pub(crate) fn constant_of(value: &Expr) -> Option<Const> {
    // What does not fit was reported, and says nothing.
    Some(match (&value.kind, &value.ty) {
        (ExprKind::Bool(truth), Ty::Bool) => Const::Bool(*truth),
        (ExprKind::Int(number), Ty::Int) => Const::Literal(number.to_string().into()),
        (ExprKind::Text(text), Ty::Text) => Const::Literal(format!("{text:?}").into()),
        (ExprKind::Variant { of, variant, .. }, _) => Const::Variant(*of, *variant),
        (ExprKind::None, _) => Const::Absent,
        (_, ty) => match ty {
            Ty::Optional(_) | Ty::None | Ty::Unknown | Ty::Error => return None,
            _ => Const::Present,
        },
    })
}

/// Whether a value depends on nothing that is read: on literals, the first `params` locals, the clock.
pub(crate) fn is_blind(value: &Expr, params: u32) -> bool {
    let mut blind = true;
    visit::expr(value, &mut |part| {
        blind &= match &part.kind {
            ExprKind::Local(local) => local.0 < params,
            ExprKind::Cell { .. }
            | ExprKind::Lookup { .. }
            | ExprKind::All { .. }
            | ExprKind::Where { .. }
            | ExprKind::CallFn { .. }
            | ExprKind::Exists(_)
            | ExprKind::ForbiddenCall(_)
            | ExprKind::Error => false,
            _ => true,
        };
    });
    blind
}

/// What a value is made of, beside what it reads; `None` if that has no name, or is another one for each event: the clock, a new id.
pub(super) fn made_of(value: &Expr, params: u32) -> Option<Made> {
    let (mut of, mut named) = (Vec::new(), true);
    let (mut cells, mut told) = (Vec::new(), true);
    visit::expr(value, &mut |part| match &part.kind {
        ExprKind::SelfRef => of.push(Value::SelfRecord),
        ExprKind::Cell { base, cell, .. } => match &base.kind {
            ExprKind::SelfRef => cells.push((Target::SelfRecord, *cell)),
            ExprKind::Local(local) if local.0 < params => cells.push((Target::Local(*local), *cell)),
            _ => told = false,
        },
        ExprKind::Lookup { .. } | ExprKind::All { .. } | ExprKind::Where { .. } | ExprKind::Exists(_) | ExprKind::CallFn { .. } => {
            told = false
        }
        ExprKind::Local(local) if local.0 < params => of.push(Value::Local(*local)),
        ExprKind::Local(_)
        | ExprKind::Now
        | ExprKind::NewId
        | ExprKind::Caller
        | ExprKind::Create(_)
        | ExprKind::ForbiddenCall(_)
        | ExprKind::Error => named = false,
        _ => {}
    });
    let copy = matches!(value.kind, ExprKind::SelfRef | ExprKind::Local(_));
    named.then(|| Made { of: of.into(), copy, cells: told.then(|| cells.into()) })
}

/// From where on a number is so great that what is computed of it is at least `bound`: the number, and the least that it is then.
fn solved(value: &Expr, bound: i64) -> Option<(&Expr, i64)> {
    let ExprKind::Binary { op, left, right } = &value.kind else { return Some((value, bound)) };
    let (of, by) = match (&left.kind, &right.kind) {
        (_, ExprKind::Int(by)) => (left, *by),
        (ExprKind::Int(by), _) if *op != BinaryOp::Sub => (right, *by),
        _ => return Some((value, bound)),
    };
    let bound = match op {
        BinaryOp::Add => bound.checked_sub(by)?,
        BinaryOp::Sub => bound.checked_add(by)?,
        // Rounded up.
        BinaryOp::Mul if by > 0 => bound.div_euclid(by) + i64::from(bound.rem_euclid(by) != 0),
        _ => return Some((value, bound)),
    };
    solved(of, bound)
}

fn has_fields(value: &Expr) -> bool {
    matches!(&value.kind, ExprKind::Variant { args, .. } if !args.is_empty())
}

/// That all is told, or not.
pub(super) fn told_if(all: bool) -> Told {
    if all { Told::All } else { Told::Partly }
}

/// The constant that a cell of a type holds after `value` is written to it.
pub(super) fn constant_for(value: &Expr, cell: &Ty) -> Option<Const> {
    let constant = constant_of(value)?;
    match (&constant, cell) {
        (Const::Present | Const::Absent, Ty::Optional(_)) => Some(constant),
        (Const::Present | Const::Absent, _) => None,
        (Const::Variant(of, _), Ty::Enum(cell, _)) => (of == cell).then_some(constant),
        (_, Ty::Optional(inner)) => constant_for(value, inner).or(Some(Const::Present)),
        (Const::Bool(_) | Const::Literal(_), cell) => (value.ty == *cell).then_some(constant),
        (Const::Variant(..) | Const::Below(_) | Const::AtLeast(_), _) => None,
    }
}

/// What a decision rests on.
#[derive(Clone, Copy)]
pub(super) struct Rests {
    from: u32,
    to: u32,
    /// See [`Decision::alone`].
    alone: bool,
}

impl Rests {
    /// With what was read meanwhile.
    pub(super) fn until(self, to: u32) -> Self {
        Rests { to, ..self }
    }
}

/// How often a body can end its transaction up to some place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    rejections: u32,
    returns: usize,
}

impl Walk<'_, '_> {
    /// Whether a value is, or is made of, what a send was answered with.
    pub(super) fn is_told(&self, value: &Expr) -> bool {
        let mut told = false;
        let bound = |local: &LocalId| self.body.locals.get(local.0 as usize).is_some_and(|local| local.kind == LocalKind::Outcome);
        let outcome = |local: &LocalId| bound(local) || self.told.contains(local);
        visit::expr(value, &mut |part| told |= matches!(&part.kind, ExprKind::Local(local) if outcome(local)));
        told
    }

    /// From here to the end of the block these are so.
    pub(super) fn learn(&mut self, facts: Vec<Fact>) {
        self.know_from(self.here(), facts, false);
    }

    /// The next site.
    pub(super) fn here(&self) -> u32 {
        self.spans.len() as u32
    }

    /// From a site on these are so, and the transaction fails where they are not.
    pub(super) fn demand(&mut self, from: u32, facts: Vec<Fact>) {
        // What a `try` catches does not fail the transaction, nor does what it has returned before.
        let whole = self.layout.piece_of(self.block);
        let returned = self.layout.returns.iter().any(|(block, _)| self.layout.piece_of(*block) == whole);
        self.know_from(from, facts, self.tries == 0 && !returned);
    }

    /// Notes that the transaction may end here.
    pub(super) fn may_return(&mut self) {
        if self.layout.piece_of(self.block) != Some(self.block) {
            self.layout.returns.push((self.block, self.here()));
        }
    }

    /// Where something can be read that a value, evaluated next, depends on.
    pub(super) fn reads_of(&self, value: &Expr) -> Rests {
        let (mut by_locals, mut alone) = (false, true);
        visit::expr(value, &mut |part| match &part.kind {
            ExprKind::Local(local) => {
                by_locals |= local.0 >= self.body.params;
                let own = self.body.locals.get(local.0 as usize).is_some_and(|local| local.kind == LocalKind::LambdaParam);
                alone &= own;
            }
            ExprKind::Now | ExprKind::NewId | ExprKind::Caller | ExprKind::CallFn { .. } | ExprKind::ForbiddenCall(_) => alone = false,
            _ => {}
        });
        // What a local holds may have been read anywhere before.
        Rests { from: if by_locals { 0 } else { self.here() }, to: self.here(), alone }
    }

    /// How many ways to end the transaction there are so far.
    pub(super) fn ways_to_end(&self) -> Ends {
        Ends { rejections: self.rejections, returns: self.layout.returns.len() }
    }

    /// Notes a decision by what is read at these sites. `before`: from before what it decides about.
    pub(super) fn decide(&mut self, rests: Rests, before: Ends, known: Told) {
        if rests.from == rests.to {
            return;
        }
        let (reads, alone) = ((rests.from, rests.to), rests.alone);
        let rejects = self.rejections > before.rejections;
        let until = (self.ways_to_end() == before && self.tries == 0).then(|| self.here());
        self.layout.decisions.push(Decision { block: self.block, reads, rejects, known, alone, until });
    }

    /// How much of what a condition says [`Walk::facts`] has.
    pub(super) fn told(&self, cond: &Expr, is: bool) -> Told {
        match &cond.kind {
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.told(operand, !is),
            ExprKind::Binary { op: BinaryOp::And, left, right } if is => self.told(left, true).min(self.told(right, true)),
            ExprKind::Binary { op: BinaryOp::Or, left, right } if !is => self.told(left, false).min(self.told(right, false)),
            // Another value of the same name has other fields.
            ExprKind::Binary { op: BinaryOp::Eq | BinaryOp::Ne, left, right } if has_fields(left) || has_fields(right) => Told::Partly,
            _ if is_blind(cond, self.body.params) => Told::ButForTheEvent,
            _ => told_if(!self.facts(cond, is).is_empty()),
        }
    }

    /// Whether a cell is known to hold `none` here, unless this body changed it.
    pub(super) fn is_absent(&self, of: &Target, cell: CellId) -> bool {
        let absent = Fact::Holds { target: of.clone(), cell, value: Const::Absent, is: true };
        self.layout.known.iter().any(|known| known.fact == absent && self.blocks_around(self.block).any(|block| block == known.block))
    }

    /// Whether a site is in a loop.
    pub(super) fn in_loop(&self, site: Site) -> bool {
        let block = self.layout.block_of[site.index as usize];
        self.blocks_around(block).any(|block| self.layout[block].kind == BlockKind::Loop)
    }

    fn blocks_around(&self, block: BlockId) -> impl Iterator<Item = BlockId> + '_ {
        std::iter::successors(Some(block), |&at| (self.layout[at].parent != at).then_some(self.layout[at].parent))
    }

    /// From a site on these are so.
    pub(super) fn know_from(&mut self, from: u32, facts: Vec<Fact>, demanded: bool) {
        let block = self.block;
        self.layout.known.extend(facts.into_iter().map(|fact| Known { fact, block, from, demanded }));
    }

    /// What is so if a condition is true, or false.
    pub(super) fn facts(&self, cond: &Expr, is: bool) -> Vec<Fact> {
        match &cond.kind {
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.facts(operand, !is),
            ExprKind::Binary { op: BinaryOp::And, left, right } if is => [self.facts(left, true), self.facts(right, true)].concat(),
            ExprKind::Binary { op: BinaryOp::Or, left, right } if !is => [self.facts(left, false), self.facts(right, false)].concat(),
            ExprKind::Binary { op: op @ (BinaryOp::Eq | BinaryOp::Ne), left, right } => {
                self.compared(left, right, is == (*op == BinaryOp::Eq))
            }
            ExprKind::Binary { op: op @ (BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge), left, right } => {
                self.ordered(*op, left, right, is)
            }
            ExprKind::Binary { op: BinaryOp::In, left, right } => self.member(right, left, is),
            ExprKind::Method { method: Method::Contains, base, args, .. } => match &args[..] {
                [Arg::Value(element)] => self.member(base, element, is),
                _ => Vec::new(),
            },
            ExprKind::Cell { .. } => self.holds(cond, Const::Bool(true), is),
            _ => Vec::new(),
        }
    }

    fn compared(&self, left: &Expr, right: &Expr, is: bool) -> Vec<Fact> {
        let records = [left, right].iter().all(|side| record_of(&side.ty).is_some() && !matches!(side.kind, ExprKind::None));
        if records {
            let (left, right) = (self.target(left), self.target(right));
            let known = |target: &Target| !matches!(target, Target::Unknown | Target::Fresh);
            return if !is && known(&left) && known(&right) { vec![Fact::Apart(left, right)] } else { Vec::new() };
        }
        let of = |cell: &Expr, value: &Expr| match &value.kind {
            // Another value may have the same name with other fields.
            ExprKind::Variant { args, .. } if !is && !args.is_empty() => Vec::new(),
            _ => match constant_of(value) {
                Some(Const::Present) | None => Vec::new(),
                Some(value) => self.holds(cell, value, is),
            },
        };
        [of(left, right), of(right, left)].concat()
    }

    /// What is so if a number is less than a literal, or greater, or not.
    fn ordered(&self, op: BinaryOp, left: &Expr, right: &Expr, is: bool) -> Vec<Fact> {
        let (cell, bound, op) = match (&left.kind, &right.kind) {
            (_, ExprKind::Int(bound)) => (left, *bound, op),
            (ExprKind::Int(bound), _) => {
                let turned = match op {
                    BinaryOp::Lt => BinaryOp::Gt,
                    BinaryOp::Le => BinaryOp::Ge,
                    BinaryOp::Gt => BinaryOp::Lt,
                    _ => BinaryOp::Le,
                };
                (right, *bound, turned)
            }
            _ => return Vec::new(),
        };
        let bound = if matches!(op, BinaryOp::Le | BinaryOp::Gt) { bound.checked_add(1) } else { Some(bound) };
        let Some(bound) = bound.filter(|_| cell.ty == Ty::Int) else { return Vec::new() };
        let below = matches!(op, BinaryOp::Lt | BinaryOp::Le) == is;
        let Some((cell, bound)) = solved(cell, bound) else { return Vec::new() };
        self.holds(cell, if below { Const::Below(bound) } else { Const::AtLeast(bound) }, true)
    }

    /// What is so if an optional value is there, or not.
    pub(super) fn presence(&self, value: &Expr, is: bool) -> Vec<Fact> {
        self.holds(value, Const::Absent, !is)
    }

    /// What is so if a value fits a pattern.
    pub(super) fn matched(&self, subject: &Expr, pattern: &Pattern) -> Vec<Fact> {
        match &pattern.kind {
            PatternKind::Variant { of, variant, .. } => self.holds(subject, Const::Variant(*of, *variant), true),
            PatternKind::Literal(value) => constant_of(value).map(|value| self.holds(subject, value, true)).unwrap_or_default(),
            PatternKind::Wildcard | PatternKind::Bind(_) | PatternKind::Error => Vec::new(),
        }
    }

    fn holds(&self, cell: &Expr, value: Const, is: bool) -> Vec<Fact> {
        match (self.cell_of(cell), self.target(cell)) {
            (Some((target, cell)), _) => vec![Fact::Holds { target, cell, value, is }],
            (None, Target::Key(record, key)) if value == Const::Absent => vec![Fact::There { record, key, is: !is }],
            (None, _) => Vec::new(),
        }
    }

    fn member(&self, collection: &Expr, element: &Expr, is: bool) -> Vec<Fact> {
        match (self.cell_of(collection), self.value(element), &collection.ty) {
            (Some((target, cell)), Some(element), Ty::Set(_)) => vec![Fact::Has { target, cell, element, is }],
            _ => Vec::new(),
        }
    }

    /// The stored or derived cell that an expression reads, of a record that is known.
    pub(super) fn cell_of(&self, value: &Expr) -> Option<(Target, CellId)> {
        let ExprKind::Cell { base, cell, optional: false } = &value.kind else { return None };
        let target = self.target(base);
        (!matches!(target, Target::Unknown | Target::Fresh)).then_some((target, *cell))
    }
}
