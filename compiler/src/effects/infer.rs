//! What a body does itself: one walk over its tree.

mod conditions;
mod expressions;
mod sure;
mod trust;
mod values;
mod writes;

use std::sync::Arc;

use patternc_grammar::syntax::Span;
use rustc_hash::FxHashMap;

use super::known::Fact;
use super::{
    Argument, Block, BlockId, BlockKind, BodyEffects, CallEffect, CallPath, EffectSpace, Effects, FailureCause, FailureEffect, Grain,
    Layout, Read, SendEffect, SendRole, SendTarget, Site, Target, Told, Value,
};
use crate::db::Db;
use crate::hir::{self, Body, BodyKind, BodyOwner, Expr, ExprKind, HandlerCall, Send, SendArm, SendEvent, Step, Stmt, StmtKind};
use crate::signature::{Home, RecordSig, record_sig};
use crate::types::{CellId, ItemId, LocalId, Place, Ty};
use conditions::{Rests, told_if};
pub(crate) use conditions::{constant_of, is_blind};
use sure::Sure;
use values::{target, value_of};

/// Infers the effects of bodies one after another; remembers the signatures they share.
pub(super) struct Inference<'db> {
    db: &'db dyn Db,
    records: FxHashMap<ItemId, Option<&'db RecordSig>>,
}

impl<'db> Inference<'db> {
    pub(super) fn new(db: &'db dyn Db) -> Self {
        Inference { db, records: FxHashMap::default() }
    }

    /// What the body does, and where its sites are. `None` for tests: each of their calls is an event of its own.
    pub(super) fn body(&mut self, body: &Body) -> Option<(BodyEffects, Vec<Span>)> {
        if matches!(body.owner, BodyOwner::Test(_)) {
            return None;
        }
        let home = body.self_record.and_then(|record| self.plain_home(record)).or_else(|| self.bound_home(body));
        let whole = Block { parent: BlockId(0), kind: BlockKind::Body, leaves: false, fails: false, from: 0 };
        let layout = Layout { blocks: vec![whole], ..Layout::default() };
        let mut walk = Walk {
            inference: self,
            body,
            home,
            found: Effects::default(),
            layout,
            spans: Vec::new(),
            block: BlockId(0),
            decisions: 0,
            rejections: 0,
            tries: 0,
            known: vec![None; body.locals.len()],
            queried: Vec::new(),
            told: Vec::new(),
            sure: Vec::new(),
            there: Vec::new(),
        };
        match &body.kind {
            BodyKind::Block(block) => {
                walk.stmts(&block.stmts);
            }
            BodyKind::Expr(value) => {
                walk.expr(value);
                walk.layout.truth = (walk.facts(value, true), walk.facts(value, false));
            }
            BodyKind::Saga { prelude, steps } => {
                walk.stmts(&prelude.stmts);
                steps.iter().for_each(|step| walk.step(step));
            }
        }
        let Walk { found, layout, spans, .. } = walk;
        Some((BodyEffects { owner: body.owner, own: Arc::new(found), layout: Arc::new(layout) }, spans))
    }

    fn record(&mut self, id: ItemId) -> Option<&'db RecordSig> {
        let db = self.db;
        *self.records.entry(id).or_insert_with(|| record_sig(db, id))
    }

    /// The plain space that every instance of a record is in.
    fn plain_home(&mut self, record: ItemId) -> Option<ItemId> {
        match self.record(record)?.home {
            Home::Plain(space) => Some(space),
            Home::Family(_) | Home::Floating => None,
        }
    }

    /// The same for the record an invariant or mirror is about, which is its first parameter.
    fn bound_home(&mut self, body: &Body) -> Option<ItemId> {
        match (body.owner, body.locals.first()) {
            (BodyOwner::Invariant(_) | BodyOwner::Mirror(..), Some(local)) => self.plain_home(record_of(&local.ty)?.0),
            _ => None,
        }
    }
}

/// The record type of a reference, or of an optional one, and its place.
fn record_of(ty: &Ty) -> Option<(ItemId, Place)> {
    match ty {
        Ty::Record(record, place) => Some((*record, *place)),
        Ty::Optional(inner) => record_of(inner),
        _ => None,
    }
}

/// The walk over one body.
struct Walk<'a, 'db> {
    inference: &'a mut Inference<'db>,
    body: &'a Body,
    /// The plain space of `self`, if it is in one.
    home: Option<ItemId>,
    /// Of the piece being walked: the body, or the arm of a send.
    found: Effects,
    layout: Layout,
    spans: Vec<Span>,
    block: BlockId,
    decisions: u32,
    /// What can fail the transaction, so far.
    rejections: u32,
    /// How many `try` blocks of this piece are around.
    tries: u32,
    /// What a local that has a record stands for, where that is known better than the local itself.
    known: Vec<Option<Target>>,
    /// The parameters of the queries around.
    queried: Vec<LocalId>,
    /// Locals whose value is made of what a send was answered with.
    told: Vec<LocalId>,
    /// What is sure here; `None` is what was and is not any more.
    sure: Vec<Option<Sure>>,
    /// Locals whose records are there, or all of whose elements are: made here, or found by a query.
    there: Vec<LocalId>,
}

/// The sites of what a condition reads, and how much of what it says is known where it is false.
struct Cond {
    reads: Rests,
    known: Told,
    /// All that it says is known where it is true, and where it is false.
    whole: (bool, bool),
    /// What is sure where it is true, and where it is false.
    sure: (Vec<Option<Sure>>, Vec<Option<Sure>>),
}

/// How a block ends: whether its end is reached, and if not, whether always by failing.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Reached,
    Returns,
    Fails,
}

impl End {
    /// Of two blocks of which one runs.
    fn or(self, other: End) -> End {
        match (self, other) {
            (End::Reached, _) | (_, End::Reached) => End::Reached,
            (End::Fails, End::Fails) => End::Fails,
            _ => End::Returns,
        }
    }
}

impl Walk<'_, '_> {
    fn site(&mut self, span: Span) -> Site {
        let index = self.spans.len() as u32;
        self.spans.push(span);
        self.layout.block_of.push(self.block);
        Site { body: self.body.owner, index }
    }

    fn decision(&mut self) -> u32 {
        self.decisions += 1;
        self.decisions
    }

    /// The block that is entered next.
    fn next_block(&self) -> BlockId {
        BlockId(self.layout.blocks.len() as u32)
    }

    fn block(&mut self, kind: BlockKind, stmts: &[Stmt], facts: Vec<Fact>) -> End {
        self.block_knowing(kind, stmts, (self.here(), facts))
    }

    /// A block in which facts are known that are so from a site on.
    fn block_knowing(&mut self, kind: BlockKind, stmts: &[Stmt], (from, facts): (u32, Vec<Fact>)) -> End {
        let id = self.next_block();
        self.layout.blocks.push(Block { parent: self.block, kind, leaves: false, fails: false, from: self.here() });
        let around = std::mem::replace(&mut self.block, id);
        let sure = self.sure.len();
        self.know_from(from, facts, false);
        let end = self.stmts(stmts);
        self.block = around;
        self.sure.truncate(sure);
        let made = &mut self.layout.blocks[id.0 as usize];
        (made.leaves, made.fails) = (end != End::Reached, end == End::Fails);
        end
    }

    /// Two blocks of which at most one runs, and what is known in each.
    fn branches(&mut self, cond: Cond, then: &hir::Block, otherwise: Option<&hir::Block>, facts: (Vec<Fact>, Vec<Fact>)) -> End {
        let (decision, from, ends) = (self.decision(), self.here(), self.ways_to_end());
        let before = self.sure.len();
        self.sure.extend(cond.sure.0);
        let first = self.next_block();
        if cond.whole.0 {
            self.layout.whole.push(first);
        }
        let end = self.block(BlockKind::Branch(decision), &then.stmts, facts.0);
        self.sure.truncate(before);
        self.sure.extend(cond.sure.1);
        let (other, facts) = match otherwise {
            Some(otherwise) => {
                self.layout.total.push(decision);
                if cond.whole.1 {
                    self.layout.whole.push(self.next_block());
                }
                (self.block(BlockKind::Branch(decision), &otherwise.stmts, facts.1.clone()), facts.1)
            }
            None => (End::Reached, facts.1),
        };
        self.decide(cond.reads, ends, if end == End::Fails { cond.known } else { Told::Partly });
        match end {
            End::Reached => self.sure.truncate(before),
            End::Returns => {
                if cond.whole.1 {
                    self.layout.left.push(first);
                }
                self.learn(facts);
            }
            End::Fails => self.demand(from, facts),
        }
        end.or(other)
    }

    /// How many ways to fail there are so far: failures, calls, and records that have to be there.
    fn ways_to_fail(&self) -> [usize; 3] {
        let failures = self.found.failures.iter().filter(|failure| failure.cause != FailureCause::Overflow);
        [failures.count(), self.found.calls.len(), self.found.trusts.len()]
    }

    /// What is so where statements have failed: if a `require` among them is all that can fail, what that says; and from which site on.
    fn only_failure(&self, stmts: &[Stmt], before: [usize; 3]) -> (u32, Vec<Fact>) {
        let [failures, calls, trusts] = before;
        let only = self.ways_to_fail() == [failures + 1, calls, trusts];
        let required = stmts.iter().find_map(|stmt| match &stmt.kind {
            StmtKind::Require { cond, .. } if only => Some(self.facts(cond, false)),
            _ => None,
        });
        let from = self.found.failures.last().map_or(0, |failure| failure.site.index);
        required.map_or((self.here(), Vec::new()), |facts| (from, facts))
    }

    fn stmts(&mut self, stmts: &[Stmt]) -> End {
        let mut end = End::Reached;
        for stmt in stmts {
            let this = self.stmt(stmt);
            if end == End::Reached {
                end = this;
            }
        }
        end
    }

    fn stmt(&mut self, stmt: &Stmt) -> End {
        match &stmt.kind {
            StmtKind::Let { local, value } => {
                self.expr(value);
                self.know(*local, value);
            }
            StmtKind::LetElse { local, value, otherwise } => {
                let from = self.reads_of(value);
                self.expr(value);
                let (reads, ends) = (from.until(self.here()), self.ways_to_end());
                let decision = self.decision();
                let block = self.next_block();
                let end = self.block(BlockKind::Branch(decision), std::slice::from_ref(otherwise), Vec::new());
                self.know(*local, value);
                let facts = self.presence(value, true);
                if !facts.is_empty() {
                    self.layout.left.push(block);
                }
                self.decide(reads, ends, told_if(end == End::Fails && !facts.is_empty()));
                if end == End::Fails { self.demand(self.here(), facts) } else { self.learn(facts) }
            }
            StmtKind::LetCall { call, .. } | StmtKind::Call(call) => self.call(call),
            StmtKind::Write(write) => self.write(write, stmt.span),
            StmtKind::DeleteRecord(record) => {
                self.expr(record);
                self.delete(record, stmt.span);
            }
            StmtKind::Require { cond, message } => {
                let from = self.reads_of(cond);
                self.expr(cond);
                let (reads, ends) = (from.until(self.here()), self.ways_to_end());
                message.iter().for_each(|message| self.expr(message));
                self.failure(FailureCause::Require, stmt.span);
                self.rejections += u32::from(self.tries == 0);
                let known = self.told(cond, true);
                self.decide(reads, ends, known);
                self.sure.extend(self.sure_if(cond, true));
                self.demand(self.here(), self.facts(cond, true));
            }
            StmtKind::Fail(message) => {
                self.expr(message);
                self.failure(FailureCause::Fail, stmt.span);
                self.rejections += u32::from(self.tries == 0);
                return End::Fails;
            }
            StmtKind::If { cond, then, otherwise } => {
                let from = self.reads_of(cond);
                self.expr(cond);
                let facts = (self.facts(cond, true), self.facts(cond, false));
                let sure = (self.sure_if(cond, true), self.sure_if(cond, false));
                let whole = (self.told(cond, true) == Told::All, self.told(cond, false) == Told::All);
                let cond = Cond { reads: from.until(self.here()), known: self.told(cond, false), whole, sure };
                return self.branches(cond, then, otherwise.as_ref(), facts);
            }
            StmtKind::IfLet { local, value, then, otherwise } => {
                let from = self.reads_of(value);
                self.expr(value);
                self.know(*local, value);
                let facts = (self.presence(value, true), self.presence(value, false));
                let whole = (!facts.0.is_empty(), !facts.1.is_empty());
                let cond = Cond { reads: from.until(self.here()), known: told_if(!facts.1.is_empty()), whole, sure: Default::default() };
                return self.branches(cond, then, otherwise.as_ref(), facts);
            }
            StmtKind::For { key, item, iter, body } => {
                if self.is_told(iter) {
                    self.told.extend(key.iter().chain([item]));
                }
                let from = self.reads_of(iter);
                self.expr(iter);
                if self.is_there(iter) {
                    self.there.push(*item);
                }
                let (reads, ends) = (from.until(self.here()), self.ways_to_end());
                // In the next round they may be other ones.
                self.forget_cells();
                self.block(BlockKind::Loop, &body.stmts, Vec::new());
                self.decide(reads, ends, Told::Partly);
            }
            StmtKind::Match { subject, arms } => {
                let first = self.reads_of(subject);
                self.expr(subject);
                let (decision, from, ends) = (self.decision(), self.here(), self.ways_to_end());
                self.layout.total.push(decision);
                let came: Vec<End> = arms
                    .iter()
                    .map(|arm| {
                        let facts = self.matched(subject, &arm.pattern);
                        self.block(BlockKind::Branch(decision), &arm.body.stmts, facts)
                    })
                    .collect();
                let on = arms.iter().zip(&came).filter(|(_, end)| **end != End::Fails).map(|(arm, _)| arm).collect::<Vec<_>>();
                let known = told_if(matches!(on[..], [arm] if !self.matched(subject, &arm.pattern).is_empty()));
                self.decide(first.until(from), ends, known);
                // Where every other arm fails, the transaction demands what fits the one that does not.
                let mut goes_on = arms.iter().zip(&came).filter(|(_, end)| **end != End::Fails);
                if let (Some((arm, _)), None) = (goes_on.next(), goes_on.next()) {
                    self.demand(from, self.matched(subject, &arm.pattern));
                }
                return came.into_iter().reduce(End::or).unwrap_or(End::Reached);
            }
            StmtKind::Return(value) => {
                value.iter().for_each(|value| self.expr(value));
                self.may_return();
                return End::Returns;
            }
            StmtKind::Send(send) => {
                self.send(send);
                if send.answer {
                    self.may_return();
                    return End::Returns;
                }
            }
            StmtKind::Try { body, catch, .. } => {
                let decision = self.decision();
                self.found.tries = true;
                self.tries += 1;
                let before = self.ways_to_fail();
                let end = self.block(BlockKind::Try(decision), &body.stmts, Vec::new());
                self.tries -= 1;
                let failed = self.only_failure(&body.stmts, before);
                // What fails inside goes on in `catch`, so only both together decide.
                let caught = self.block_knowing(BlockKind::Catch(decision), &catch.stmts, failed);
                return if end == End::Fails { caught } else { end.or(caught) };
            }
            StmtKind::Expr(value) => self.expr(value),
            StmtKind::Test(_) => {}
            StmtKind::Error => self.found.incomplete = true,
        }
        End::Reached
    }

    // ---- What is known of values.

    fn know(&mut self, local: LocalId, value: &Expr) {
        if self.is_told(value) {
            self.told.push(local);
        }
        if self.is_there(value) {
            self.there.push(local);
        }
        if record_of(&value.ty).is_some() {
            let target = target(&self.known, value);
            if let Some(known) = self.known.get_mut(local.0 as usize) {
                *known = (target != Target::Unknown).then_some(target);
            }
        }
    }

    fn target(&self, record: &Expr) -> Target {
        target(&self.known, record)
    }

    fn space(&mut self, record: &Expr) -> EffectSpace {
        let Some((of, place)) = record_of(&record.ty) else {
            self.found.incomplete |= record.ty == Ty::Error;
            return EffectSpace::Any;
        };
        if let Some(space) = self.inference.plain_home(of) {
            return self.plain(space);
        }
        match (place, &record.kind) {
            (Place::Any, ExprKind::Local(local)) => EffectSpace::Of(*local),
            (place, _) => self.place(place),
        }
    }

    fn place(&self, place: Place) -> EffectSpace {
        match place {
            Place::Here => EffectSpace::Here,
            Place::Plain(space) => self.plain(space),
            // What an invariant or mirror binds is where it is *here*.
            Place::Of(LocalId(0)) if matches!(self.body.owner, BodyOwner::Invariant(_) | BodyOwner::Mirror(..)) => EffectSpace::Here,
            Place::Of(local) => EffectSpace::Of(local),
            Place::Any => EffectSpace::Any,
        }
    }

    fn plain(&self, space: ItemId) -> EffectSpace {
        if self.home == Some(space) { EffectSpace::Here } else { EffectSpace::Plain(space) }
    }

    fn value(&self, value: &Expr) -> Option<Value> {
        value_of(&self.known, value)
    }

    fn arguments(&mut self, args: &[Expr]) -> Arc<[Argument]> {
        args.iter().map(|arg| self.argument(arg)).collect()
    }

    fn argument(&mut self, arg: &Expr) -> Argument {
        if record_of(&arg.ty).is_some() {
            return Argument::Record { target: self.target(arg), space: self.space(arg), there: self.is_surely_there(arg) };
        }
        self.value(arg).map_or(Argument::Unknown, Argument::Value)
    }

    // ---- Entries.

    fn failure(&mut self, cause: FailureCause, span: Span) {
        let site = self.site(span);
        let caught = self.tries > 0;
        self.found.failures.push(FailureEffect { cause, site, path: CallPath::default(), caught });
    }

    fn push_call(&mut self, callee: BodyOwner, target: Target, space: EffectSpace, args: Arc<[Argument]>, site: Site) {
        let caught = self.tries > 0;
        self.found.calls.push(CallEffect { callee, target, space, args, site, caught });
    }

    /// Arithmetic can overflow nearly everywhere: one entry says so.
    fn overflow(&mut self, span: Span) {
        if !self.found.failures.iter().any(|failure| failure.cause == FailureCause::Overflow) {
            self.failure(FailureCause::Overflow, span);
        }
    }

    /// A read of a cell through `base`.
    fn read(&mut self, base: &Expr, cell: CellId, grain: Grain, span: Span) {
        let (target, space) = (self.target(base), self.space(base));
        let queried = matches!(&target, Target::Local(local) if self.queried.contains(local));
        let (target, grain) = if queried { (Target::Unknown, Grain::Query) } else { (target, grain) };
        let site = self.site(span);
        let derived = self.inference.record(cell.record).and_then(|sig| sig.cells.get(cell.index as usize)).is_some_and(|sig| sig.derived);
        if derived {
            let callee = BodyOwner::Derived(cell);
            let target = target.clone();
            self.push_call(callee, target, space, Arc::default(), site);
        }
        let (record, cell, path) = (cell.record, Some(cell), CallPath::default());
        self.found.reads.push(Read { record, cell, target, space, grain, site, path, several: false });
    }

    /// A read of which records there are, or whether one is.
    fn read_records(&mut self, record: ItemId, target: Target, space: EffectSpace, span: Span) {
        let grain = if target == Target::Unknown { Grain::Query } else { Grain::Whole };
        let site = self.site(span);
        self.found.reads.push(Read { record, cell: None, target, space, grain, site, path: CallPath::default(), several: false });
    }

    fn query_space(&mut self, record: ItemId) -> EffectSpace {
        match self.inference.plain_home(record) {
            Some(space) => self.plain(space),
            None => EffectSpace::Here,
        }
    }

    // ---- Calls and sends.

    fn call(&mut self, call: &HandlerCall) {
        self.expr(&call.target);
        call.args.iter().for_each(|arg| self.expr(arg));
        self.trust(&call.target, call.span);
        let (target, space) = (self.target(&call.target), self.space(&call.target));
        let args = self.arguments(&call.args);
        let site = self.site(call.span);
        self.forget_cells();
        self.push_call(BodyOwner::Handler(call.handler), target, space, args, site);
    }

    fn send(&mut self, send: &Send) {
        send.after.iter().for_each(|after| self.expr(after));
        let role = if send.answer { SendRole::Answer } else { SendRole::Send };
        let mut effect = self.event(&send.event, role, send.span);
        effect.delayed = send.after.is_some();
        effect.answer = send.ok.as_ref().and_then(|arm| arm.param);
        let decision = self.decision();
        effect.ok = send.ok.as_ref().map(|arm| self.arm(arm, decision));
        effect.err = send.err.as_ref().map(|arm| self.arm(arm, decision));
        self.found.sends.push(effect);
    }

    /// An arm is a transaction of its own, with a table of its own.
    fn arm(&mut self, arm: &SendArm, decision: u32) -> Arc<Effects> {
        let around = std::mem::take(&mut self.found);
        let tries = std::mem::take(&mut self.tries);
        let sure = self.sure.clone();
        // By then, what was there may be gone.
        let there = std::mem::take(&mut self.there);
        self.forget_cells();
        self.forget_records();
        self.block(BlockKind::Arm(decision), &arm.body.stmts, Vec::new());
        self.sure = sure;
        self.there = there;
        self.tries = tries;
        Arc::new(std::mem::replace(&mut self.found, around))
    }

    fn event(&mut self, event: &SendEvent, role: SendRole, span: Span) -> SendEffect {
        let (to, target, space, args) = match event {
            SendEvent::Handler { target, handler, args } => {
                self.expr(target);
                args.iter().for_each(|arg| self.expr(arg));
                (SendTarget::Handler(*handler), self.target(target), self.space(target), self.arguments(args))
            }
            SendEvent::Extern { operation, args } => {
                args.iter().for_each(|arg| self.expr(arg));
                (SendTarget::Extern(*operation), Target::Unknown, EffectSpace::Here, self.arguments(args))
            }
            SendEvent::Create(create) => {
                self.created_cells(create);
                let space = match self.inference.plain_home(create.record) {
                    Some(space) => self.plain(space),
                    None => self.place(create.place),
                };
                (SendTarget::Create(create.record), Target::Fresh, space, Arc::default())
            }
            SendEvent::Error => {
                self.found.incomplete = true;
                (SendTarget::Unknown, Target::Unknown, EffectSpace::Any, Arc::default())
            }
        };
        let (created, made) = match event {
            SendEvent::Create(create) => (self.created_under(create), Some(Arc::new(self.made_later(create, space)))),
            _ => (Grain::Whole, None),
        };
        let site = self.site(span);
        let (path, sender) = (CallPath::default(), EffectSpace::Here);
        SendEffect {
            to,
            target,
            space,
            args,
            created,
            made,
            role,
            delayed: false,
            several: false,
            answer: None,
            ok: None,
            err: None,
            site,
            path,
            sender,
        }
    }

    fn step(&mut self, step: &Step) {
        let action = self.event(&step.action, SendRole::Step { pivot: step.pivot }, step.span);
        self.found.sends.push(action);
        if let Some(undo) = &step.undo {
            let undo = self.event(undo, SendRole::Undo, step.undo_span.unwrap_or(step.span));
            self.found.sends.push(undo);
        }
    }
}
