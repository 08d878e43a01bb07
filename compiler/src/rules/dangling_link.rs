//! `dangling-link`: a record deleted while others link to it.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::context::{Callable, Context, blocks_of, with_path};
use super::{Check, Fixes, Rule, reach};
use crate::bodies::bodies;
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::{body_name, cell_path, record_name};
use crate::effects::{self, Effects, Entry, Target, Trust, WriteEffect, WriteKind};
use crate::hir::{Arg, Block, Body, BodyKind, BodyOwner, Expr, ExprKind, StmtKind};
use crate::signature::{Signature, cell_sig, signatures};
use crate::summary;
use crate::types::{CellId, ItemId, LocalId, Ty};
use crate::visit;

pub static RULE: Rule = Rule {
    name: "dangling-link",
    level: Level::Warn,
    summary: "deleting a record that others link to without `inverse`, and read through that link without `?.` or `exists()`",
    fixes: Fixes::None("what is shown of a record that is gone, only its author knows"),
    page: PAGE,
    check: Check::Project(check),
};

/// A cell that links to records, and a body that reads through it as if what it links to were always there.
pub(crate) type Link = (CellId, BodyOwner);

/// The links to each record type that a file declares: `target`, `cell`.
pub(crate) fn links_of(db: &dyn Db, file: SourceFile) -> Vec<(ItemId, CellId)> {
    let mut links = Vec::new();
    for (index, signature) in signatures(db, file).by_item.iter().enumerate() {
        let Signature::Record(sig) = signature else { continue };
        let record = ItemId { file, index: index as u32 };
        for (index, cell) in sig.cells.iter().enumerate().filter(|(_, cell)| !cell.derived && cell.inverse.is_none()) {
            links.extend(linked(&cell.ty).map(|target| (target, CellId { record, index: index as u32 })));
        }
    }
    links
}

/// The record type that a value links to, directly or in a collection.
fn linked(ty: &Ty) -> Option<ItemId> {
    match ty {
        Ty::Record(record, _) => Some(*record),
        Ty::Optional(inner) | Ty::List(inner) | Ty::Set(inner) | Ty::Map(_, inner) => linked(inner),
        _ => None,
    }
}

/// The links through which the bodies of a file read without asking whether the record is still there.
pub(crate) fn trusted_in(db: &dyn Db, file: SourceFile) -> Vec<Link> {
    let mut found = Vec::new();
    for body in bodies(db, file).bodies.iter().filter(|body| !matches!(body.owner, BodyOwner::Test(_))) {
        let uses = Uses::of(db, body);
        found.extend(uses.trusted.difference(&uses.asked).map(|link| (*link, body.owner)));
    }
    found.sort_unstable();
    found
}

/// For each record type, the cells that link to it and are read through.
#[salsa::tracked(returns(ref))]
fn trusted(db: &dyn Db) -> FxHashMap<ItemId, Vec<Link>> {
    let mut readers: FxHashMap<CellId, Vec<BodyOwner>> = FxHashMap::default();
    for (cell, owner) in summary::trusted(db).flatten() {
        readers.entry(*cell).or_default().push(*owner);
    }
    let mut links: FxHashMap<ItemId, Vec<Link>> = FxHashMap::default();
    for (target, cell) in summary::links(db).flatten() {
        if let Some(owner) = readers.get(cell).and_then(|owners| owners.first()) {
            links.entry(*target).or_default().push((*cell, *owner));
        }
    }
    links
}

/// How one body uses links.
#[derive(Default)]
struct Uses<'a> {
    /// What locals were bound to.
    bound: FxHashMap<LocalId, &'a Expr>,
    trusted: FxHashSet<CellId>,
    /// `exists()` was asked.
    asked: FxHashSet<CellId>,
}

impl<'a> Uses<'a> {
    fn of(db: &dyn Db, body: &'a Arc<Body>) -> Self {
        let mut uses = Uses::default();
        match &body.kind {
            BodyKind::Block(block) | BodyKind::Saga { prelude: block, .. } => uses.bind_block(block),
            BodyKind::Expr(_) => {}
        }
        visit::body(body, &mut |expr| uses.bind_expr(expr));
        let (mut trusted, mut asked) = (FxHashSet::default(), FxHashSet::default());
        let mut trust = |of: &Expr| trusted.extend(uses.link(db, of, 0));
        visit::body(body, &mut |expr| match &expr.kind {
            ExprKind::Cell { base, optional: false, .. } => trust(base),
            ExprKind::Exists(of) => asked.extend(uses.link(db, of, 0)),
            ExprKind::CallFn { of, args } => handed(db, BodyOwner::Fn(*of), args, &mut trust),
            _ => {}
        });
        if let BodyKind::Block(block) = &body.kind {
            calls(db, block, &mut trust);
        }
        Uses { trusted, asked, ..uses }
    }

    fn bind_block(&mut self, block: &'a Block) {
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Let { local, value } | StmtKind::LetElse { local, value, .. } | StmtKind::IfLet { local, value, .. } => {
                    self.bound.insert(*local, value);
                }
                StmtKind::For { item, iter, .. } => {
                    self.bound.insert(*item, iter);
                }
                _ => {}
            }
            blocks_of(stmt).into_iter().for_each(|inner| self.bind_block(inner));
        }
    }

    fn bind_expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::IfLet { local, value, .. } => {
                self.bound.insert(*local, value);
            }
            ExprKind::Method { base, args, .. } => {
                let lambdas = args.iter().filter_map(|arg| match arg {
                    Arg::Lambda(lambda) => lambda.params.last(),
                    Arg::Value(_) => None,
                });
                self.bound.extend(lambdas.map(|param| (*param, &**base)));
            }
            _ => {}
        }
    }

    /// The link cell that a reference was read from.
    fn link(&self, db: &dyn Db, value: &Expr, depth: u32) -> Option<CellId> {
        if depth > 16 {
            return None;
        }
        match &value.kind {
            ExprKind::Cell { cell, .. } => cell_sig(db, *cell).filter(|sig| !sig.derived && linked(&sig.ty).is_some()).map(|_| *cell),
            ExprKind::Local(local) => self.link(db, self.bound.get(local)?, depth + 1),
            ExprKind::Method { base, .. } | ExprKind::MapIndex { base, .. } | ExprKind::ListIndex { base, .. } => self.link(db, base, depth + 1),
            ExprKind::Block { value, .. } => self.link(db, value, depth + 1),
            _ => None,
        }
    }
}

/// The records that a body writes or calls, or hands to a handler that relies on them.
fn calls<'a>(db: &dyn Db, block: &'a Block, see: &mut dyn FnMut(&'a Expr)) {
    for stmt in &block.stmts {
        match &stmt.kind {
            StmtKind::Write(write) => see(&write.record),
            StmtKind::Call(call) | StmtKind::LetCall { call, .. } => {
                see(&call.target);
                handed(db, BodyOwner::Handler(call.handler), &call.args, see);
            }
            _ => {}
        }
        blocks_of(stmt).into_iter().for_each(|block| calls(db, block, see));
    }
}

/// The arguments of a call whose callee reads, writes or calls the record it is given, or those in the collection, as if it were always there.
fn handed<'a>(db: &dyn Db, callee: BodyOwner, args: &'a [Expr], see: &mut dyn FnMut(&'a Expr)) {
    let trusts = &effects::effects(db, callee).trusts;
    let param = |target: &Target| matches!(target, Target::Local(local) if (local.0 as usize) < args.len());
    for (index, arg) in args.iter().enumerate() {
        let relies = |trust: &Trust| match &arg.ty {
            Ty::Record(..) => trust.target == Target::Local(LocalId(index as u32)),
            // Which one of a collection it is has no name there.
            ty => linked(ty) == Some(trust.record) && !param(&trust.target) && !matches!(trust.target, Target::Path(_)),
        };
        if trusts.iter().any(relies) {
            see(arg);
        }
    }
}

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        for piece in callable.pieces.iter().copied() {
            for delete in piece.writes.iter().filter(|write| write.kind == WriteKind::Delete && write.path.is_empty()) {
                let links = trusted(context.db).get(&delete.record).map(Vec::as_slice).unwrap_or_default();
                if let Some((link, reader)) = links.iter().find(|(link, _)| !takes_away(context, callable, piece, *link)) {
                    findings.push(finding(context, callable, delete, *link, *reader));
                }
            }
        }
    }
}

/// Whether the piece that deletes also takes the record out of the links, itself or by what it sends.
fn takes_away(context: &Context<'_>, callable: &Callable<'_>, piece: &Effects, link: CellId) -> bool {
    let writes = |effects: &Effects| effects.writes.iter().any(|write| write.cell == Some(link));
    let sent = |send| reach::received(context.db, callable.body.owner, send).is_some_and(|effects| effects.pieces().into_iter().any(writes));
    writes(piece) || piece.sends.iter().any(sent)
}

fn finding(context: &Context<'_>, callable: &Callable<'_>, delete: &WriteEffect, link: CellId, reader: BodyOwner) -> Diagnostic {
    let words = callable.words();
    let record = record_name(context.db, delete.record);
    let (cell, by) = (cell_path(context.db, link), body_name(context.db, reader));
    let message = format!(
        "`{}` deletes a `{record}` that `{cell}` may still link to: `{by}` reads through that link, and fails with `missing` from then on",
        callable.name(),
    );
    let mut finding = RULE.at(callable.place(delete.here()), format!("deleted, in {}", words.space(delete.space)), message);
    finding = with_path(finding, context.db, delete, "deleted here");
    finding = finding.label(Location::Cell(link), "the link stays");
    if let Some(place) = place_of(reader) {
        finding = finding.label(place, "reads through it");
    }
    finding.help(format!(
        "declare `{cell}` with `inverse`, so that deleting takes the record out of it; or take it out where it is deleted; or read with `?.` or after \
         `exists()`"
    ))
}

/// The name of what a body belongs to.
fn place_of(owner: BodyOwner) -> Option<Location> {
    Some(match owner {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => Location::Handler(handler),
        BodyOwner::Default(cell) | BodyOwner::Derived(cell) => Location::Cell(cell),
        BodyOwner::Create(item) | BodyOwner::Fn(item) | BodyOwner::Invariant(item) | BodyOwner::Mirror(item, _) | BodyOwner::Test(item) => {
            Location::Item(item)
        }
        BodyOwner::Snippet => return None,
    })
}

const PAGE: &str = r##"
## What goes wrong

The record is gone and links to it stay. Whoever reads a cell through such a link fails with the kind `missing`: a handler is rejected, a derived
cell has no value, an invariant that reads it refuses every commit it is judged in.

## Bad

```pattern
space shop
record Customer in shop {
  cell name: Text
  handler leave() { delete self }
}
record Order in shop {
  cell customer: Customer
  derived title: Text = "for {self.customer.name}"
}
```

## Good

```pattern
space shop
record Customer in shop {
  cell name: Text
  cell orders: Set<Order> = Set[]
  handler leave() { delete self }
}
record Order in shop {
  cell customer: Customer? inverse orders
  derived title: Text = "for {self.customer?.name ?? "nobody"}"
}
```

A `fn` or handler that is given the record and reads it counts as a reader, `self.customer.name` as well as `title(self.customer)`.

## When it is fine

When the record is deleted only where nothing can link to it any more, for a reason that the compiler cannot see.
"##;
