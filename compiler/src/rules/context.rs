//! What a rule sees of the file it checks: its bodies with their effects, and words for them.

use std::sync::Arc;

use patternc_grammar::syntax::Span;

use crate::bodies;
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Location};
use crate::effects::describe::{Describe, body_name};
use crate::effects::{self, CallPath, Effects, Entry, Layout, Site};
use crate::hir::{Block, Body, BodyKind, BodyOwner, Stmt, StmtKind};
use crate::signature::{HandlerSig, handler_sig};

/// One file, ready to be checked.
pub struct Context<'db> {
    pub db: &'db dyn Db,
    pub file: SourceFile,
    /// All bodies but tests, in the order of the text.
    pub callables: Vec<Callable<'db>>,
}

/// A body with its effects.
pub struct Callable<'db> {
    pub db: &'db dyn Db,
    pub body: &'db Body,
    /// What it does itself.
    pub own: &'db Effects,
    /// What it does with everything it calls.
    pub effects: &'db Effects,
    /// The transactions that its text describes: itself, and the arms of its sends.
    pub pieces: Vec<&'db Effects>,
    pub layout: &'db Arc<Layout>,
}

impl<'db> Context<'db> {
    pub(super) fn new(db: &'db dyn Db, file: SourceFile) -> Self {
        let bodies = bodies::bodies(db, file);
        let found = &effects::file_effects(db, file).bodies;
        let callables = found.iter().filter_map(|found| {
            let body = &**bodies.get(found.owner)?;
            // Most bodies call nothing: then there is nothing to ask for.
            let effects = if found.own.is_open() { effects::effects(db, found.owner) } else { &*found.own };
            Some(Callable { db, body, own: &found.own, effects, pieces: effects.pieces(), layout: &found.layout })
        });
        Context { db, file, callables: callables.collect() }
    }

    /// The bodies that run as transactions: handlers and `create` blocks.
    pub fn transactions(&self) -> impl Iterator<Item = &Callable<'db>> {
        self.callables.iter().filter(|callable| matches!(callable.body.owner, BodyOwner::Handler(_) | BodyOwner::Create(_)))
    }
}

impl<'db> Callable<'db> {
    /// Words for what it does.
    pub fn words(&self) -> Describe<'db> {
        Describe { db: self.db, body: self.body }
    }

    /// `Person.link`.
    pub fn name(&self) -> String {
        body_name(self.db, self.body.owner)
    }

    /// The signature, if it is a handler or saga.
    pub fn handler(&self) -> Option<&'db HandlerSig> {
        match self.body.owner {
            BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler_sig(self.db, handler),
            _ => None,
        }
    }

    /// The span of a site of this body.
    pub fn span(&self, site: Site) -> Span {
        debug_assert_eq!(site.body, self.body.owner, "a site of this body");
        effects::site_span(self.db, site).map_or(self.body.span, |(_, span)| span)
    }

    /// The place of a site of this body.
    pub fn place(&self, site: Site) -> Location {
        match effects::site_span(self.db, site) {
            Some((file, span)) => Location::Span(file, span),
            None => Location::Site(site),
        }
    }

    /// The innermost statement around a place, with the block it stands in.
    pub fn statement(&self, span: Span) -> Option<(&'db Block, &'db Stmt)> {
        match &self.body.kind {
            BodyKind::Block(block) => innermost(block, span),
            BodyKind::Saga { prelude, .. } => innermost(prelude, span),
            BodyKind::Expr(_) => None,
        }
    }

    /// Every statement of the body, each before those inside it.
    pub fn statements(&self) -> Vec<&'db Stmt> {
        let mut all = Vec::new();
        match &self.body.kind {
            BodyKind::Block(block) => collect(block, &mut all),
            BodyKind::Saga { prelude, .. } => collect(prelude, &mut all),
            BodyKind::Expr(_) => {}
        }
        all
    }
}

/// Labels for the calls between a body and what happens in another one, and for what happens there.
pub fn with_path(mut finding: Diagnostic, db: &dyn Db, entry: &impl Entry, what: impl Into<String>) -> Diagnostic {
    let path: &CallPath = entry.path();
    for &call in path.iter().skip(1) {
        finding = finding.label(Location::Site(call), format!("through `{}`", body_name(db, call.body)));
    }
    if path.is_empty() { finding } else { finding.label(Location::Site(entry.site()), what) }
}

/// The blocks of a statement.
pub fn blocks_of(stmt: &Stmt) -> Vec<&Block> {
    match &stmt.kind {
        StmtKind::If { then, otherwise, .. } | StmtKind::IfLet { then, otherwise, .. } => {
            std::iter::once(then).chain(otherwise.as_ref()).collect()
        }
        StmtKind::For { body, .. } => vec![body],
        StmtKind::Match { arms, .. } => arms.iter().map(|arm| &arm.body).collect(),
        StmtKind::Send(send) => send.ok.iter().chain(&send.err).map(|arm| &arm.body).collect(),
        StmtKind::Try { body, catch, .. } => vec![body, catch],
        _ => Vec::new(),
    }
}

fn innermost(block: &Block, span: Span) -> Option<(&Block, &Stmt)> {
    let stmt = block.stmts.iter().find(|stmt| stmt.span.start <= span.start && span.end <= stmt.span.end)?;
    blocks_of(stmt).into_iter().find_map(|inner| innermost(inner, span)).or(Some((block, stmt)))
}

fn collect<'a>(block: &'a Block, all: &mut Vec<&'a Stmt>) {
    for stmt in &block.stmts {
        all.push(stmt);
        blocks_of(stmt).into_iter().for_each(|inner| collect(inner, all));
    }
}
