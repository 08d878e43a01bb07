//! `split-invariant`: a chain that writes one record's part of an `eventually` invariant and never the other's.

use patternc_grammar::syntax::BinaryOp;
use patternc_program::Method;
use rustc_hash::FxHashMap;

use super::{Check, Fixes, Rule};
use super::context::Context;
use crate::bodies::bodies;
use crate::chains::{Access, Chain, chains};
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::{body_name, cell_path, record_name};
use crate::effects::known::Const;
use crate::effects::{self, Effects, SendEffect, Target, WriteKind};
use crate::facts;
use crate::hir::{BodyOwner, Expr, ExprKind};
use crate::items::{ItemHead, items};
use crate::location::owner_item;
use crate::resolve::one_of;
use crate::signature::{HandlerKind, handler_sig, invariant_sig};
use crate::summary;
use crate::types::{CellId, ItemId, LocalId};
use crate::visit;

pub static RULE: Rule = Rule {
    name: "split-invariant",
    level: Level::Warn,
    summary: "a chain that writes one record's part of an `eventually` invariant and never the other's",
    fixes: Fixes::None("what the other side has to become is not said anywhere yet"),
    page: PAGE,
    check: Check::Project(check),
};

/// The cells that an `eventually` invariant reads of the record it is about, and of others, leaving out what is compared by size: there
/// one side may move alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    own: Vec<CellId>,
    others: Vec<CellId>,
    /// The constants that cells are compared with.
    compared: Vec<(CellId, Const)>,
    /// The types of which it counts the records. Which of them count by what they hold in a cell that is compared with a constant is left out: what
    /// is made or deleted may be one that does not.
    counted: Vec<ItemId>,
}

/// The `eventually` invariants of a file that read several records.
pub(crate) fn parts_in(db: &dyn Db, file: SourceFile) -> Vec<(ItemId, Parts)> {
    let mut found = Vec::new();
    for (index, head) in items(db, file).heads.iter().enumerate() {
        let item = ItemId { file, index: index as u32 };
        let eventually = matches!(head, ItemHead::Invariant { .. }) && invariant_sig(db, item).is_some_and(|sig| sig.eventually);
        let owner = BodyOwner::Invariant(item);
        let Some(body) = bodies(db, file).get(owner).filter(|_| eventually) else { continue };
        let mut slack = Vec::new();
        let mut compared = Vec::new();
        let mut counted = Vec::new();
        let mut bounded = Vec::new();
        visit::body(body, &mut |expr| {
            if let ExprKind::Binary { op: BinaryOp::Eq | BinaryOp::Ne, left, right } = &expr.kind {
                for (cell, value) in [(left, right), (right, left)] {
                    if let (ExprKind::Cell { cell, .. }, Some(value)) = (&cell.kind, constant(value)) {
                        compared.push((*cell, value));
                    }
                }
            }
            if let ExprKind::Binary { op: BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge, .. } = &expr.kind {
                visit::expr(expr, &mut |part| {
                    if let ExprKind::Cell { cell, .. } = &part.kind {
                        slack.push(*cell);
                    }
                    bounded.extend(counts(part));
                });
            }
            counted.extend(counts(expr));
        });
        counted.retain(|record| !bounded.contains(record) && !compared.iter().any(|(cell, _): &(CellId, Const)| cell.record == *record));
        let mut parts = Parts { compared, counted, ..Parts::default() };
        for read in &effects::effects(db, owner).reads {
            let Some(cell) = read.cell.filter(|cell| !slack.contains(cell)) else { continue };
            let part = if read.target == Target::Local(LocalId(0)) { &mut parts.own } else { &mut parts.others };
            if !part.contains(&cell) {
                part.push(cell);
            }
        }
        let has_other = !parts.others.is_empty() || !parts.counted.is_empty();
        if has_other && !parts.own.is_empty() {
            found.push((item, parts));
        }
    }
    found
}

/// The type of which an expression counts the records.
fn counts(expr: &Expr) -> Option<ItemId> {
    match &expr.kind {
        ExprKind::Method { method: Method::Len | Method::IsEmpty, base, .. } => match &base.kind {
            ExprKind::All { record } | ExprKind::Where { record, .. } => Some(*record),
            _ => None,
        },
        _ => None,
    }
}

fn constant(value: &Expr) -> Option<Const> {
    match &value.kind {
        ExprKind::Bool(truth) => Some(Const::Bool(*truth)),
        ExprKind::Variant { of, variant, .. } => Some(Const::Variant(*of, *variant)),
        ExprKind::None => Some(Const::Absent),
        _ => None,
    }
}

#[salsa::tracked(returns(ref))]
fn parts(db: &dyn Db) -> FxHashMap<ItemId, Parts> {
    summary::split(db).flatten().cloned().collect()
}

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    let parts = parts(context.db);
    if parts.is_empty() {
        return;
    }
    for chain in chains(context.db, context.file) {
        // What reaches an internal handler alone is judged with whoever sets off its timer.
        let judged = match chain.root {
            BodyOwner::Handler(handler) => handler_sig(context.db, handler).is_some_and(|sig| sig.kind == HandlerKind::Public),
            BodyOwner::Saga(_) | BodyOwner::Create(_) => true,
            _ => false,
        };
        let Some(set_off) = Some(chain).filter(|_| judged).and_then(|chain| set_off(context.db, chain)) else { continue };
        // What a record is made with is whole.
        let made = matches!(chain.root, BodyOwner::Create(_));
        let mut reported = Vec::new();
        for write in accesses(&set_off[usize::from(made)..]).filter(|access| !access.reads()) {
            let over = match write.cell {
                Some(cell) => facts::invariants_on(context.db, cell),
                None => facts::invariants_over(context.db, write.record, None),
            };
            for invariant in over {
                let Some(parts) = parts.get(invariant).filter(|_| !reported.contains(invariant)) else { continue };
                let missing = match write.cell {
                    Some(cell) => missing(&set_off, write, cell, parts),
                    None => uncounted(context.db, &set_off, write.record, parts),
                };
                if let Some(missing) = missing {
                    reported.push(*invariant);
                    findings.push(finding(context, chain, write, *invariant, missing));
                }
            }
        }
    }
}

/// A chain, and those that its timers start, and theirs: all is done when these are. `None` where not all of that is understood.
fn set_off<'db>(db: &'db dyn Db, chain: &'db Chain) -> Option<Vec<&'db Chain>> {
    let mut found = vec![chain];
    let mut next = 0;
    while let Some(of) = found.get(next).copied() {
        next += 1;
        if of.incomplete {
            return None;
        }
        let mut bodies: Vec<BodyOwner> = of.pieces.iter().map(|piece| piece.body).collect();
        bodies.sort_unstable();
        bodies.dedup();
        let pieces = bodies.into_iter().flat_map(|body| effects::effects(db, body).pieces());
        let delayed: Vec<&SendEffect> = pieces.flat_map(|piece| &piece.sends).filter(|send| send.delayed).collect();
        // The arms of what is for later are in no chain.
        if delayed.iter().flat_map(|send| send.arms()).any(Effects::acts) {
            return None;
        }
        for timer in delayed.into_iter().filter_map(|send| effects::receiver(db, send)) {
            if found.iter().any(|known| known.root == timer) {
                continue;
            }
            let started = owner_item(timer).and_then(|item| chains(db, item.file).iter().find(|chain| chain.root == timer));
            match started {
                Some(started) => found.push(started),
                None if effects::effects(db, timer).recursive => return None,
                None => {}
            }
        }
    }
    Some(found)
}

fn accesses<'c>(chains: &[&'c Chain]) -> impl Iterator<Item = &'c Access> {
    chains.iter().flat_map(|chain| &chain.pieces).flat_map(|piece| &piece.accesses)
}

/// A cell of the other part, if the chains neither write it nor look at it.
fn missing(chains: &[&Chain], write: &Access, cell: CellId, parts: &Parts) -> Option<CellId> {
    // A value that the invariant does not ask about makes it truer, if anything: of a state, one that is not the one that counts.
    let mut asked = parts.compared.iter().filter(|(of, _)| *of == cell).peekable();
    if let Some(value) = write.value.as_ref().filter(|value| matches!(value, Const::Variant(..)))
        && asked.peek().is_some()
        && asked.all(|(_, other)| other != value)
    {
        return None;
    }
    let touches = |part: &[CellId], elsewhere: bool| {
        // What is created gets all of its cells.
        let gives = |record: ItemId| part.iter().any(|cell| cell.record == record);
        chains.iter().flat_map(|chain| &chain.pieces).any(|piece| {
            matches!(piece.body, BodyOwner::Create(record) if gives(record))
                || piece.accesses.iter().any(|access| {
                    let other =
                        !elsewhere || access.cell != write.cell || access.target != write.target || access.target == Target::Unknown;
                    let made = access.write == Some(WriteKind::Create) && gives(access.record);
                    made || (other && access.cell.is_some_and(|cell| part.contains(&cell)))
                })
        })
    };
    match (parts.own.contains(&cell), parts.others.contains(&cell)) {
        // Both ends are the same cell: of two records.
        (true, true) if !touches(&parts.own, true) && !touches(&parts.others, true) => Some(cell),
        (true, false) if !parts.counted.iter().any(|record| makes_or_deletes(chains, *record)) && !touches(&parts.others, false) => parts.others.first().copied(),
        (false, true) if !touches(&parts.own, false) => parts.own.first().copied(),
        _ => None,
    }
}

/// A cell that keeps the count of the records of a type, if the chains make or delete one and neither write that cell nor look at it.
fn uncounted(db: &dyn Db, chains: &[&Chain], record: ItemId, parts: &Parts) -> Option<CellId> {
    if !parts.counted.contains(&record) {
        return None;
    }
    let others: Vec<CellId> = parts.own.iter().chain(&parts.others).copied().filter(|cell| cell.record != record).collect();
    // Whoever is made as well starts whole, and of whoever is deleted nothing is asked any more.
    let starts_or_ends = others.iter().any(|cell| makes_or_deletes(chains, cell.record));
    let touches = accesses(chains).any(|access| access.cell.is_some_and(|cell| others.contains(&cell)));
    let kept = others.iter().find(|cell| facts::is_changed(db, **cell)).or(others.last());
    kept.copied().filter(|_| !starts_or_ends && !touches)
}

fn makes_or_deletes(chains: &[&Chain], record: ItemId) -> bool {
    accesses(chains).any(|access| access.record == record && matches!(access.write, Some(WriteKind::Create | WriteKind::Delete)))
}

fn finding(context: &Context<'_>, chain: &Chain, write: &Access, invariant: ItemId, missing: CellId) -> Diagnostic {
    let name = invariant_sig(context.db, invariant).map_or_else(String::new, |sig| sig.name.to_string());
    let done = match (write.cell, write.write) {
        (Some(cell), _) => format!("changes `{}`", cell_path(context.db, cell)),
        (None, Some(WriteKind::Delete)) => format!("deletes {}", one_of(&record_name(context.db, write.record))),
        (None, _) => format!("creates {}", one_of(&record_name(context.db, write.record))),
    };
    let (root, other) = (body_name(context.db, chain.root), cell_path(context.db, missing));
    let where_to = if write.cell == Some(missing) { format!("the `{other}` of the other record") } else { format!("`{other}`") };
    let message = format!(
        "`{root}` {done} and nothing that it sets off changes {where_to}: once all is done, `{name}` can be broken, and stays so",
    );
    let here = owner_item(write.site.body).is_some_and(|item| item.file == context.file);
    let at = match chain.root {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) if !here => Location::Handler(handler),
        BodyOwner::Create(record) if !here => Location::Item(record),
        _ => Location::Site(write.site),
    };
    let mut finding = RULE.at(at, format!("one side of `{name}`"), message);
    if !here {
        finding = finding.label(Location::Site(write.site), "done here");
    }
    finding
        .label(Location::Item(invariant), "says that both sides agree")
        .label(Location::Cell(missing), "the other side")
        .help(format!("change {where_to} as well: in the same transaction where it is in the same space, else by a `send`"))
}

const PAGE: &str = r##"
## What goes wrong

An `eventually invariant` over two records says that they agree once everything is done. A handler that changes one of them, and sets off nothing
that changes the other, leaves them apart for good.

## Bad

```pattern
space user[Text]
record Person in user {
  cell friends: Set<Person@any> = Set[]
  handler befriend(other: Person@any) {
    self.friends += other
    send other.befriended(self)
  }
  internal handler befriended(other: Person@any) { self.friends += other }
  handler forget(other: Person@any) {
    self.friends -= other
  }
}
eventually invariant both_ways(p: Person) { p.friends.all(q => p in q.friends) }
```

A sale that is cancelled stays in the count:

```pattern
space shops
record Shop in shops {
  cell sales: Int = 0
  handler sell() {
    create Sale { shop: self }
    self.sales += 1
  }
}
record Sale in shops {
  cell shop: Shop
  handler cancel() { delete self }
}
eventually invariant counted(s: Shop) { s.sales == Sale.where(x => x.shop == s).len() }
```

## Good

```pattern
space shops
space depots
record Depot in depots {
  cell promised: Int = 0
  internal handler promise(count: Int) { self.promised += count }
}
record Shop in shops {
  cell depot: Depot
  cell sold: Int = 0
  handler sell(count: Int) {
    self.sold += count
    send self.depot.promise(count)
  }
}
eventually invariant agreed(s: Shop) { s.sold == s.depot.promised }
```

A count is a side as well: a handler that creates or deletes what an `eventually invariant` counts changes the number that is kept of it.

```pattern
space shops
record Shop in shops {
  cell sales: Int = 0
  handler sell() {
    create Sale { shop: self }
    self.sales += 1
  }
}
record Sale in shops {
  cell shop: Shop
  handler cancel() writes Shop.sales {
    self.shop.sales -= 1
    delete self
  }
}
eventually invariant counted(s: Shop) { s.sales == Sale.where(x => x.shop == s).len() }
```

What a handler sends with `after` is set off by it as well: an event for later is in flight until its timer has fired.

## When it is fine

When the write can only make the invariant truer, or the handler knows that there is no other side. What is compared by size (`<=`, `>`) is not
reported, since one side may move alone, nor a chain that reads the other side. Of a count of those that hold a constant (`x.done == true`) no
creation and no deletion is reported: what is created or deleted may not be one of them.
"##;
