//! The bodies of each declaration.

use std::sync::Arc;

use patternc_grammar::syntax::{self as syn, ItemKind, MemberKind, Span};

use crate::db::{Db, SourceFile};
use crate::hir::{Block, Body, BodyKind, BodyOwner, Expr, LocalKind, Stmt, StmtKind};
use crate::items::parsed;
use crate::signature::{HandlerSig, Home, MirrorSig, ParamSig, RecordSig, Signature, signatures};
use crate::types::{CellId, HandlerId, ItemId, LocalId, Place, Ty};

use super::checker::{Checker, Context, Mode, Returns};
use super::expect::{Role, Want};
use super::places::unwrap;

/// What the steps of a saga give: the [`Ty::SagaResult`] that an `ok` arm binds, places as seen from its record.
// Not read from the bodies of its file, since these may look at sagas whose files look at this one.
pub fn saga_result(db: &dyn Db, saga: HandlerId) -> &Ty {
    saga_steps(db, saga.record.file, saga.record.index, saga.index)
}

#[salsa::tracked(returns(ref), cycle_result = circular_saga)]
fn saga_steps(db: &dyn Db, file: SourceFile, item: u32, handler: u32) -> Ty {
    compute_saga_steps(db, ItemId { file, index: item }, handler).unwrap_or(Ty::Error)
}

/// Sagas that are steps of one another: there is no end to what they would give, so that none of it can be named.
fn circular_saga(_db: &dyn Db, _id: salsa::Id, file: SourceFile, item: u32, handler: u32) -> Ty {
    Ty::SagaResult(HandlerId { record: ItemId { file, index: item }, index: handler }, Arc::new([]))
}

fn compute_saga_steps(db: &dyn Db, record: ItemId, handler: u32) -> Option<Ty> {
    let mut checker = Checker::new(db, record.file);
    let sig = checker.record(record)?;
    let handler_sig = sig.handlers.get(handler as usize)?;
    let ItemKind::Record(decl) = &parsed(db, record.file).file.items.get(record.index as usize)?.kind else { return None };
    let MemberKind::Saga(saga) = &decl.members.get(handler_sig.member as usize)?.kind else { return None };
    let id = HandlerId { record, index: handler };
    let body = checker.saga_body(id, sig, handler_sig, saga, Span::default());
    let BodyKind::Saga { steps, .. } = &body.kind else { return None };
    let results = steps.iter().filter_map(|step| {
        let local = body.locals.get(step.name?.0 as usize)?;
        // The names in the saga are not known outside of it.
        Some((local.name, checker.escape(local.ty.clone(), 0)))
    });
    Some(Ty::SagaResult(id, results.collect()))
}

/// The type of what the `scope` of a mirror gives: what `reconcile` takes. [`Ty::Error`] if it has none.
pub fn mirror_scope(db: &dyn Db, mirror: ItemId) -> &Ty {
    mirror_scope_of(db, mirror.file, mirror.index)
}

#[salsa::tracked(returns(ref))]
fn mirror_scope_of(db: &dyn Db, file: SourceFile, item: u32) -> Ty {
    let mut checker = Checker::new(db, file);
    let id = ItemId { file, index: item };
    let Signature::Mirror(sig) = checker.sig(id) else { return Ty::Error };
    match parsed(db, file).file.items.get(item as usize).map(|item| &item.kind) {
        Some(ItemKind::Mirror(decl)) => checker.mirror_types(id, sig, decl).scope,
        _ => Ty::Error,
    }
}

/// What the clauses of a mirror hand to one another.
struct MirrorTypes {
    fact: Ty,
    scope: Ty,
}

impl Checker<'_> {
    /// The bodies of a file, in the order of the text.
    pub fn file(&mut self, file: &syn::File) -> Vec<Arc<Body>> {
        let sigs = signatures(self.db, self.file);
        let mut out = Vec::new();
        for (index, item) in file.items.iter().enumerate() {
            let id = ItemId { file: self.file, index: index as u32 };
            match (&item.kind, sigs.by_item.get(index).unwrap_or(&Signature::Other)) {
                (ItemKind::Record(decl), Signature::Record(sig)) => self.record_bodies(id, sig, decl, &mut out),
                (ItemKind::Fn(decl), Signature::Fn(sig)) => {
                    let cx = Context::new(BodyOwner::Fn(id), Mode::Fn).here(Home::Floating);
                    let body = self.with_params(cx, &sig.params, &decl.params, item.span, |checker| {
                        let at = decl.result.as_ref().map_or(decl.name.span, |result| result.span);
                        let wanted = checker.seen(&sig.result, Place::Here);
                        BodyKind::Expr(checker.check(&decl.body, Want::new(&wanted, Role::Result, at)))
                    });
                    out.push(body);
                }
                (ItemKind::Invariant(decl), Signature::Invariant(sig)) => {
                    let home = sig.record.map_or(Home::Floating, |record| self.home(record));
                    let cx = Context::new(BodyOwner::Invariant(id), Mode::Invariant).here(home);
                    let params: Vec<ParamSig> = decl
                        .params
                        .iter()
                        .take(1)
                        .map(|param| ParamSig {
                            name: param.name.name,
                            ty: sig.record.map_or(Ty::Error, |record| Ty::Record(record, Place::Here)),
                        })
                        .collect();
                    let body = self.with_params(cx, &params, &decl.params, item.span, |checker| {
                        BodyKind::Expr(checker.check(&decl.body, Want::new(&Ty::Bool, Role::Word("invariant"), decl.name.span)))
                    });
                    out.push(body);
                }
                (ItemKind::Mirror(decl), Signature::Mirror(sig)) => self.mirror_bodies(id, sig, decl, &mut out),
                (ItemKind::Test(decl), _) => {
                    let cx = Context::new(BodyOwner::Test(id), Mode::Test);
                    out.push(self.body(cx, 0, item.span, |checker| {
                        let block = checker.block(&decl.body);
                        checker.must_expect(&decl.name, &block);
                        BodyKind::Block(block)
                    }));
                }
                _ => {}
            }
        }
        out
    }

    /// A body with parameters.
    fn with_params(
        &mut self,
        cx: Context,
        params: &[ParamSig],
        declared: &[syn::Param],
        span: Span,
        check: impl FnOnce(&mut Self) -> BodyKind,
    ) -> Arc<Body> {
        let count = params.len().min(declared.len());
        self.body(cx, count, span, |checker| {
            for (param, declared) in params.iter().zip(declared) {
                let ty = checker.seen(&param.ty, Place::Here);
                checker.declare(declared.name, ty, LocalKind::Param);
            }
            check(checker)
        })
    }

    fn record_bodies(&mut self, id: ItemId, sig: &RecordSig, decl: &syn::RecordDecl, out: &mut Vec<Arc<Body>>) {
        let (mut cells, mut handlers) = (0, 0);
        for member in &decl.members {
            match &member.kind {
                MemberKind::Cell(cell) => {
                    if let (Some(default), Some(cell_sig)) = (&cell.default, sig.cells.get(cells)) {
                        let owner = BodyOwner::Default(CellId { record: id, index: cells as u32 });
                        let cx = Context::new(owner, Mode::Default).of(id, sig.home);
                        out.push(self.body(cx, 0, default.span, |checker| {
                            let wanted = checker.seen(&cell_sig.ty, Place::Here);
                            let role = Role::Cell { of: id, name: cell_sig.name };
                            BodyKind::Expr(checker.check(default, Want::new(&wanted, role, cell.ty.span)))
                        }));
                    }
                    cells += 1;
                }
                MemberKind::Derived(derived) => {
                    if let Some(cell_sig) = sig.cells.get(cells) {
                        let owner = BodyOwner::Derived(CellId { record: id, index: cells as u32 });
                        let cx = Context::new(owner, Mode::Derived).of(id, sig.home);
                        out.push(self.body(cx, 0, derived.value.span, |checker| {
                            let wanted = checker.seen(&cell_sig.ty, Place::Here);
                            let role = Role::Cell { of: id, name: cell_sig.name };
                            BodyKind::Expr(checker.check(&derived.value, Want::new(&wanted, role, derived.ty.span)))
                        }));
                    }
                    cells += 1;
                }
                MemberKind::Create(block) => {
                    let cx = Context::new(BodyOwner::Create(id), Mode::Create).of(id, sig.home).returning(Returns::Creation);
                    out.push(self.body(cx, 0, member.span, |checker| BodyKind::Block(checker.block(block))));
                }
                MemberKind::Handler(handler) => {
                    if let Some(handler_sig) = sig.handlers.get(handlers) {
                        let owner = HandlerId { record: id, index: handlers as u32 };
                        out.push(self.handler_body(owner, sig, handler_sig, handler, member.span));
                    }
                    handlers += 1;
                }
                MemberKind::Saga(saga) => {
                    if let Some(handler_sig) = sig.handlers.get(handlers) {
                        let owner = HandlerId { record: id, index: handlers as u32 };
                        out.push(self.saga_body(owner, sig, handler_sig, saga, member.span));
                    }
                    handlers += 1;
                }
            }
        }
    }

    fn handler_body(&mut self, id: HandlerId, sig: &RecordSig, handler: &HandlerSig, decl: &syn::HandlerDecl, span: Span) -> Arc<Body> {
        let cx = Context::new(BodyOwner::Handler(id), Mode::Handler).of(id.record, sig.home);
        self.with_params(cx, &handler.params, &decl.params, span, |checker| {
            checker.cx.returns = match &decl.result {
                Some(result) => Returns::Value(checker.seen(&handler.result, Place::Here), result.span),
                None => Returns::Unit,
            };
            let block = checker.block(&decl.body);
            checker.must_end(&block, &format!("handler `{}`", handler.name));
            BodyKind::Block(block)
        })
    }

    fn saga_body(&mut self, id: HandlerId, sig: &RecordSig, handler: &HandlerSig, decl: &syn::SagaDecl, span: Span) -> Arc<Body> {
        let cx = Context::new(BodyOwner::Saga(id), Mode::Saga).of(id.record, sig.home);
        self.with_params(cx, &handler.params, &decl.params, span, |checker| {
            let (prelude, steps) = checker.saga(decl, span);
            BodyKind::Saga { prelude, steps }
        })
    }

    fn mirror_context(&mut self, id: ItemId, clause: u32, record: Option<ItemId>) -> Context {
        let home = record.map_or(Home::Floating, |record| self.home(record));
        Context::new(BodyOwner::Mirror(id, clause), Mode::Mirror).here(home)
    }

    /// A clause with its one parameter, of type `ty`.
    fn clause(
        &mut self,
        id: ItemId,
        index: u32,
        record: Option<ItemId>,
        clause: &syn::MirrorClause,
        ty: Ty,
        check: impl FnOnce(&mut Self) -> BodyKind,
    ) -> Arc<Body> {
        let cx = self.mirror_context(id, index, record);
        self.body(cx, usize::from(!clause.params.is_empty()), clause.span, |checker| {
            for (position, param) in clause.params.iter().enumerate() {
                let ty = if position == 0 { ty.clone() } else { Ty::Error };
                checker.declare(*param, ty, LocalKind::Param);
            }
            check(checker)
        })
    }

    /// `facts` or `scope`: reads cells of the record only.
    fn clause_of_record(&mut self, id: ItemId, index: u32, sig: &MirrorSig, clause: &syn::MirrorClause) -> Arc<Body> {
        let ty = match sig.record {
            Some(record) => {
                let cx = self.mirror_context(id, index, sig.record);
                self.cx = cx;
                self.seen(&Ty::Record(record, Place::Here), Place::Here)
            }
            None => Ty::Error,
        };
        self.clause(id, index, sig.record, clause, ty, |checker| {
            checker.cx.only_cells_of = (!clause.params.is_empty()).then_some(LocalId(0));
            BodyKind::Expr(checker.expr(&clause.value))
        })
    }

    fn mirror_types(&mut self, id: ItemId, sig: &MirrorSig, decl: &syn::MirrorDecl) -> MirrorTypes {
        let mut types = MirrorTypes { fact: Ty::Error, scope: Ty::Error };
        let findings = self.diagnostics.len();
        for (index, clause) in decl.clauses.iter().enumerate() {
            let name = clause.name.name.as_str();
            if !matches!(name, "facts" | "scope") {
                continue;
            }
            let body = self.clause_of_record(id, index as u32, sig, clause);
            let BodyKind::Expr(value) = &body.kind else { continue };
            let ty = self.escape(value.ty.clone(), 0);
            match (name, &ty) {
                ("scope", _) => types.scope = ty,
                (_, Ty::List(fact) | Ty::Set(fact)) => types.fact = (**fact).clone(),
                _ => {}
            }
        }
        // Found again where the clauses have their turn.
        self.diagnostics.truncate(findings);
        types
    }

    fn mirror_bodies(&mut self, id: ItemId, sig: &MirrorSig, decl: &syn::MirrorDecl, out: &mut Vec<Arc<Body>>) {
        let types = self.mirror_types(id, sig, decl);
        for (index, clause) in decl.clauses.iter().enumerate() {
            let index = index as u32;
            let body = match clause.name.name.as_str() {
                "facts" => {
                    let body = self.clause_of_record(id, index, sig, clause);
                    if let BodyKind::Expr(value) = &body.kind {
                        self.must_be_facts(value);
                    }
                    body
                }
                "scope" => self.clause_of_record(id, index, sig, clause),
                "add" | "remove" => {
                    let word = clause.name.name.as_str();
                    self.clause(id, index, sig.record, clause, types.fact.clone(), |checker| {
                        let (send, _) = checker.mirror_call(&clause.value, sig.target, word);
                        one_statement(send)
                    })
                }
                "actual" => {
                    let wanted = Ty::List(types.fact.clone().into());
                    self.clause(id, index, sig.record, clause, types.scope.clone(), |checker| {
                        let (send, found) = checker.mirror_call(&clause.value, sig.target, "actual");
                        if checker.join(&found, &wanted).is_none() {
                            let (found, wanted) = (checker.quoted(&found), checker.quoted(&wanted));
                            let message = format!("`actual` must give the facts that the other side has, {wanted}, but this gives {found}");
                            let finding = checker.error("type-mismatch", clause.value.span, message);
                            checker.push(finding);
                        }
                        one_statement(send)
                    })
                }
                // No clause of a mirror, as was reported.
                _ => continue,
            };
            out.push(body);
        }
    }

    fn must_be_facts(&mut self, value: &Expr) {
        if matches!(unwrap(&value.ty), (Ty::List(_) | Ty::Set(_), false) | (Ty::Error | Ty::Unknown, _)) {
            return;
        }
        let found = self.quoted(&value.ty);
        let finding = self
            .error("type-mismatch", value.span, format!("`facts` gives all facts of a record, a List, but this is {found}"))
            .help("put it into a List: `[…]`");
        self.push(finding);
    }
}

fn one_statement(stmt: Stmt) -> BodyKind {
    debug_assert!(matches!(stmt.kind, StmtKind::Send(_)));
    let span = stmt.span;
    BodyKind::Block(Block { stmts: vec![stmt], span })
}
