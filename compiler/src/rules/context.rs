//! What a rule sees of the file it checks: its bodies with their effects, and words for them.

use std::sync::Arc;

use patternc_grammar::syntax::Span;

use crate::bodies;
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Location};
use crate::effects::always::Loops;
use crate::effects::describe::{Describe, body_name};
use crate::effects::within_reach::{EffectsByBody, effects_within_reach};
use crate::effects::{self, BlockId, BlockKind, BodyEffects, CallPath, Effects, Entry, Layout, SendEffect, Site};
use crate::hir::{Block, Body, BodyKind, BodyOwner, Stmt, StmtKind};
use crate::location::owner_item;
use crate::signature::{HandlerSig, handler_sig};

/// One file, ready to be checked.
pub struct Context<'db> {
    pub db: &'db dyn Db,
    pub file: SourceFile,
    /// All bodies but tests.
    pub callables: Vec<Callable<'db>>,
    reach: &'db EffectsByBody,
}

/// A body with its effects.
pub struct Callable<'db> {
    pub db: &'db dyn Db,
    pub body: &'db Body,
    /// What it does itself.
    pub own: &'db Effects,
    /// What it does with everything it calls.
    pub effects: &'db Effects,
    /// The transactions that its text describes: itself, and the arms of its own sends. The arms of a send in a handler that it calls are
    /// that handler's.
    pub pieces: Vec<&'db Effects>,
    layout: &'db Layout,
}

/// The bodies of a file but tests, and what those that they lead to do, as one dependency of its findings.
struct FileCallables {
    bodies: Vec<(Arc<Body>, BodyEffects)>,
    reach: Arc<EffectsByBody>,
}

// With the places of everything, as the bodies.
#[salsa::tracked(returns(ref), no_eq)]
fn file_callables(db: &dyn Db, file: SourceFile) -> FileCallables {
    let texts = bodies::bodies(db, file);
    let found = effects::file_effects(db, file).bodies.iter().filter_map(|own| Some((Arc::clone(texts.get(own.owner)?), own.clone())));
    FileCallables { bodies: found.collect(), reach: Arc::clone(effects_within_reach(db, file)) }
}

impl<'db> Context<'db> {
    pub(super) fn new(db: &'db dyn Db, file: SourceFile) -> Self {
        let FileCallables { bodies, reach } = file_callables(db, file);
        let mut context = Context { db, file, callables: Vec::with_capacity(bodies.len()), reach };
        for (body, found) in bodies {
            let effects = context.effects(body.owner);
            context.callables.push(Callable { db, body, own: &found.own, effects, pieces: own_pieces(effects), layout: &found.layout });
        }
        context
    }

    /// What a body does with everything that it calls.
    pub fn effects(&self, owner: BodyOwner) -> &'db Effects {
        match self.reach.get(&owner) {
            Some(effects) => effects,
            None => effects::effects(self.db, owner),
        }
    }

    /// The bodies that run as transactions: handlers and `create` blocks.
    pub fn transactions(&self) -> impl Iterator<Item = &Callable<'db>> {
        self.callables.iter().filter(|callable| matches!(callable.body.owner, BodyOwner::Handler(_) | BodyOwner::Create(_)))
    }
}

impl<'db> Callable<'db> {
    /// The body of `owner`, of any file; `None` if there is none.
    pub fn of(db: &'db dyn Db, owner: BodyOwner) -> Option<Self> {
        let found = effects::own(db, owner)?;
        let body = &**bodies::bodies(db, owner_item(owner)?.file).get(owner)?;
        let effects = if found.own.is_open() { effects::effects(db, owner) } else { &*found.own };
        Some(Callable { db, body, own: &found.own, effects, pieces: own_pieces(effects), layout: &found.layout })
    }

    /// The `try` blocks of the body.
    pub fn try_blocks(&self) -> impl Iterator<Item = BlockId> + '_ {
        self.layout.blocks(|kind| matches!(kind, BlockKind::Try(_)))
    }

    /// Words for what it does.
    pub fn words(&self) -> Describe<'db> {
        Describe { db: self.db, body: self.body }
    }

    /// Whether part of the body was not understood: what seems to be missing may be there.
    pub fn is_incomplete(&self) -> bool {
        self.pieces.iter().any(|piece| piece.incomplete)
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

    /// Whether `second` can happen, and still counts, after `first`: see [`Layout::can_follow`].
    pub fn can_follow(&self, first: Site, second: Site) -> bool {
        self.is_own(first) && self.is_own(second) && self.layout.can_follow(first, second)
    }

    /// Whether `first` can have happened when `second` does: see [`Layout::can_have_happened`].
    pub fn can_have_happened(&self, first: Site, second: Site) -> bool {
        self.is_own(first) && self.is_own(second) && self.layout.can_have_happened(first, second)
    }

    /// [`Layout::in_earlier_round`](crate::effects::Layout::in_earlier_round) of this body.
    pub fn in_earlier_round(&self, first: Site, second: Site) -> bool {
        self.is_own(first) && self.is_own(second) && self.layout.in_earlier_round(first, second)
    }

    /// [`Layout::caught_in_earlier_round`](crate::effects::Layout::caught_in_earlier_round) of this body.
    pub fn caught_in_earlier_round(&self, of: BlockId, first: Site, second: Site) -> bool {
        self.is_own(first) && self.is_own(second) && self.layout.caught_in_earlier_round(of, first, second)
    }

    /// Whether a site of this body is in a loop.
    pub fn in_loop(&self, site: Site) -> bool {
        self.is_own(site) && self.layout.in_loop(site)
    }

    /// Whether a write keeps what a send was answered with.
    pub fn is_told(&self, site: Site) -> bool {
        effects::body(self.db, site.body).is_some_and(|body| body.layout.told.contains(&site.index))
    }

    /// Whether every way through a block that commits comes past one of the sites.
    pub fn always(&self, block: BlockId, sites: &[Site]) -> bool {
        self.layout.always(block, sites, Loops::MayHaveNone)
    }

    /// [`Layout::can_follow_catch`](crate::effects::Layout::can_follow_catch) of this body.
    pub fn can_follow_catch(&self, of: BlockId, first: Site, second: Site) -> bool {
        self.is_own(first) && self.is_own(second) && self.layout.can_follow_catch(of, first, second)
    }

    /// Whether a site is in a block of this body.
    pub fn is_in(&self, site: Site, block: BlockId) -> bool {
        self.is_own(site) && self.layout.is_in(site, block)
    }

    /// The `catch` of a `try`, and whether it always fails.
    pub fn catch_of(&self, of: BlockId) -> Option<(BlockId, bool)> {
        self.layout.catch_of(of).map(|catch| (catch, self.layout[catch].fails))
    }

    /// The `try` blocks of the body with their statements.
    pub fn tries(&self) -> Vec<(BlockId, &'db Stmt)> {
        let mut blocks = self.try_blocks().peekable();
        if blocks.peek().is_none() {
            return Vec::new();
        }
        // Both are in the order of the text, outer ones first.
        let stmts = self.statements().into_iter().filter(|stmt| matches!(stmt.kind, StmtKind::Try { .. }));
        blocks.zip(stmts).collect()
    }

    // The defaults of the cells of a record that this body creates have sites of their own.
    fn is_own(&self, site: Site) -> bool {
        site.body == self.body.owner
    }

    /// The span of a site of this body.
    pub fn span(&self, site: Site) -> Span {
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

/// A piece and the arms of its own sends, and theirs.
fn own_pieces(effects: &Effects) -> Vec<&Effects> {
    let mut pieces = vec![effects];
    let mut next = 0;
    while let Some(piece) = pieces.get(next).copied() {
        pieces.extend(piece.sends.iter().filter(|send| send.path.is_empty()).flat_map(SendEffect::arms));
        next += 1;
    }
    pieces
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
