//! A line typed at the REPL, or a query from outside.

use std::sync::Arc;

use patternc_grammar::syntax::{self as syn, Ident, Name, Span, StmtKind as S};

use crate::db::{Db, SourceFile};
use crate::diagnostic::Diagnostic;
use crate::hir::{Block, Body, BodyKind, BodyOwner, ExprKind, LocalKind, StmtKind};
use crate::resolve::project_scope;
use crate::signature::Home;
use crate::types::{LocalId, Ty};

use super::checker::{Checker, Context, Mode};

/// What a line is checked in.
#[derive(Clone, Copy, Debug)]
pub enum Session<'a> {
    /// That of a prompt, with what earlier lines bound. The types are those of [`Snippet::bindings`].
    Prompt(&'a [(Name, Ty)]),
    /// None: a query of its own. Where it is `in` a space, family and floating records are looked for there.
    Query(Option<Home>),
}

/// A line, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Snippet {
    /// The session's locals are its parameters. One expression that changes nothing is a [`BodyKind::Expr`].
    pub body: Arc<Body>,
    /// The type of its value: of its last statement, where that is an expression or a call.
    pub value: Ty,
    /// What it binds for later lines: its outermost `let`s.
    pub bindings: Vec<(LocalId, Name, Ty)>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks the statements of a line. Its names are the session's, then the items of the whole project. `line` is the file that holds the
/// text, for findings; it is no part of the project.
pub fn snippet(db: &dyn Db, line: SourceFile, block: &syn::Block, session: Session<'_>) -> Snippet {
    let mut checker = Checker::with_names(db, line, project_scope(db));
    let (mode, here, locals) = match session {
        Session::Prompt(locals) => (Mode::Snippet, None, locals),
        Session::Query(here) => (Mode::Query, here, &[][..]),
    };
    let mut cx = Context::new(BodyOwner::Snippet, mode);
    if let Some(home) = here {
        cx = cx.here(home);
    }
    let mut value = Ty::Unit;
    let mut bindings = Vec::new();
    let body = checker.body(cx, 0, block.span, |checker| {
        for (name, ty) in locals {
            checker.declare(Ident { name: *name, span: Span::default() }, ty.clone(), LocalKind::Param);
        }
        let mut stmts = Vec::with_capacity(block.stmts.len());
        for stmt in &block.stmts {
            checker.stmt(stmt, &mut stmts);
        }
        for stmt in &stmts {
            if let StmtKind::Let { local, .. } | StmtKind::LetElse { local, .. } | StmtKind::LetCall { local, .. } = stmt.kind {
                let declared = checker.local(local);
                if !declared.name.is_empty() {
                    // A later line may give the names that a place speaks of to something else.
                    bindings.push((local, declared.name, checker.escape(declared.ty.clone(), 0)));
                }
            }
        }
        value = match stmts.last().map(|stmt| &stmt.kind) {
            Some(StmtKind::Expr(last)) => checker.escape(last.ty.clone(), 0),
            Some(StmtKind::Call(call)) => checker.escape(call.result.clone(), 0),
            _ => Ty::Unit,
        };
        let only = matches!(block.stmts.as_slice(), [syn::Stmt { kind: S::Expr(_), .. }]);
        match stmts.pop() {
            Some(stmt) if only && stmts.is_empty() => match stmt.kind {
                StmtKind::Expr(expr) if !matches!(expr.kind, ExprKind::Create(_)) => BodyKind::Expr(expr),
                kind => BodyKind::Block(Block { stmts: vec![crate::hir::Stmt { kind, span: stmt.span }], span: block.span }),
            },
            last => {
                stmts.extend(last);
                BodyKind::Block(Block { stmts, span: block.span })
            }
        }
    });
    let mut body = Arc::unwrap_or_clone(body);
    body.params = locals.len() as u32;
    Snippet { body: Arc::new(body), value, bindings, diagnostics: checker.diagnostics }
}
