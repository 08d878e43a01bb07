//! `send-cycle`: events that trigger one another for ever.

use std::collections::VecDeque;

// Not `tarjan_scc`, which goes down the call stack: chains of calls have any length.
use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;
use rustc_hash::{FxHashMap, FxHashSet};

use super::context::{Context, blocks_of};
use super::{Check, Fixes, Rule};
use crate::bodies::bodies;
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::body_name;
use crate::effects::{self, Effects, SendRole, Site};
use crate::hir::{Block, Body, BodyKind, BodyOwner, Expr, ExprKind, StmtKind};
use crate::summary;
use crate::types::{CellId, Ty};
use crate::visit;

pub static RULE: Rule = Rule {
    name: "send-cycle",
    level: Level::Warn,
    summary: "events that trigger one another for ever, without a timer, an arm or a condition in between",
    fixes: Fixes::None("what ends the circle is a condition that only its author knows"),
    page: PAGE,
    check: Check::Project(check),
};

/// A send or direct call that happens whenever the body runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) from: BodyOwner,
    to: BodyOwner,
    site: Site,
    /// A direct call: part of the same event.
    call: bool,
}

/// What the handlers and sagas of a file send at once, whatever the state is.
pub(crate) fn steps(db: &dyn Db, file: SourceFile) -> Vec<Step> {
    let mut found = Vec::new();
    for body in &bodies(db, file).bodies {
        if !matches!(body.owner, BodyOwner::Handler(_) | BodyOwner::Saga(_) | BodyOwner::Create(_)) {
            continue;
        }
        let Some(own) = effects::own(db, body.owner).map(|own| &*own.own) else { continue };
        if !own.sends.is_empty() || own.calls.iter().any(|call| matches!(call.callee, BodyOwner::Handler(_))) {
            found.extend(steps_of(db, body, own));
        }
    }
    found
}

fn steps_of(db: &dyn Db, body: &Body, own: &Effects) -> Vec<Step> {
    let changes: FxHashSet<CellId> = own.writes.iter().filter_map(|write| write.cell).collect();
    let mut walk = Conditions { body, changes, decided: false, sends: Vec::new(), calls: Vec::new() };
    match &body.kind {
        BodyKind::Block(block) => walk.block(block),
        BodyKind::Saga { prelude, .. } => {
            walk.block(prelude);
            let decided = walk.decided;
            // What follows the sends of the prelude are the steps and what undoes them.
            walk.sends.resize(own.sends.len(), decided);
        }
        BodyKind::Expr(_) => {}
    }
    let calls = own.calls.iter().filter(|call| matches!(call.callee, BodyOwner::Handler(_)));
    let calls = calls.zip(&walk.calls).filter(|(_, decided)| !**decided);
    let calls = calls.map(|(call, _)| Step { from: body.owner, to: call.callee, site: call.site, call: true });
    let sends = own.sends.iter().zip(&walk.sends).filter(|(send, decided)| !**decided && !send.delayed && send.role != SendRole::Undo);
    let sends = sends.filter_map(|(send, _)| Some(Step { from: body.owner, to: effects::receiver(db, send)?, site: send.site, call: false }));
    calls.chain(sends).collect()
}

/// A walk that notes for each send and call, in the order of evaluation, whether a condition that can change from event to event decides
/// over it.
struct Conditions<'a> {
    body: &'a Body,
    /// The cells that the body writes.
    changes: FxHashSet<CellId>,
    decided: bool,
    sends: Vec<bool>,
    calls: Vec<bool>,
}

impl Conditions<'_> {
    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            let decides = match &stmt.kind {
                StmtKind::Call(_) | StmtKind::LetCall { .. } => {
                    self.calls.push(self.decided);
                    continue;
                }
                StmtKind::Send(_) => {
                    self.sends.push(self.decided);
                    continue;
                }
                StmtKind::Require { cond, .. } => {
                    self.decided |= self.decides(cond);
                    continue;
                }
                StmtKind::LetElse { .. } => {
                    self.decided = true;
                    continue;
                }
                StmtKind::If { cond: value, .. } | StmtKind::Match { subject: value, .. } => self.decides(value),
                // A walk along links ends where the links end.
                StmtKind::IfLet { .. } | StmtKind::For { .. } => true,
                _ => false,
            };
            let before = self.decided;
            self.decided |= decides;
            let blocks = blocks_of(stmt);
            let leaves = blocks.iter().any(|block| ends(block));
            blocks.into_iter().for_each(|block| self.block(block));
            self.decided = before || (decides && leaves);
        }
    }

    /// Whether a condition depends on what differs from event to event: a cell that the body itself changes, a parameter that is no link, the
    /// clock.
    fn decides(&self, cond: &Expr) -> bool {
        let mut found = false;
        visit::expr(cond, &mut |part| {
            found |= match &part.kind {
                ExprKind::Cell { cell, .. } => self.changes.contains(cell),
                ExprKind::Local(local) => local.0 < self.body.params && !matches!(part.ty, Ty::Record(..)),
                ExprKind::Now | ExprKind::Caller => true,
                _ => false,
            };
        });
        found
    }
}

/// Whether the end of a block is never reached.
fn ends(block: &Block) -> bool {
    block.stmts.last().is_some_and(|stmt| matches!(stmt.kind, StmtKind::Return(_) | StmtKind::Fail(_)))
}

/// The circles of the project that hold a send, each from its first body once around.
#[salsa::tracked(returns(ref))]
pub(crate) fn circles(db: &dyn Db) -> Vec<Vec<Step>> {
    let mut by_way: FxHashMap<(BodyOwner, BodyOwner), Step> = FxHashMap::default();
    for step in summary::steps(db).flatten() {
        let known = by_way.entry((step.from, step.to)).or_insert(*step);
        if known.call && !step.call {
            *known = *step;
        }
    }
    let graph: DiGraphMap<BodyOwner, ()> = by_way.keys().map(|&(from, to)| (from, to, ())).collect();
    let mut circles: Vec<Vec<Step>> = kosaraju_scc(&graph)
        .into_iter()
        .filter_map(|group| {
            let within = |owner: &BodyOwner| group.contains(owner);
            let mut sends: Vec<Step> = by_way.values().filter(|step| !step.call && within(&step.from) && within(&step.to)).copied().collect();
            sends.sort_unstable();
            around(&graph, &by_way, *sends.first()?)
        })
        .collect();
    circles.sort_unstable();
    circles
}

/// A shortest circle that starts with a step.
fn around(
    graph: &DiGraphMap<BodyOwner, ()>,
    by_way: &FxHashMap<(BodyOwner, BodyOwner), Step>,
    first: Step,
) -> Option<Vec<Step>> {
    let mut before: FxHashMap<BodyOwner, BodyOwner> = FxHashMap::default();
    let mut queue = VecDeque::from([first.to]);
    while let Some(owner) = queue.pop_front() {
        if owner == first.from {
            let mut circle = Vec::new();
            let mut at = owner;
            while at != first.to {
                let from = before[&at];
                circle.push(by_way[&(from, at)]);
                at = from;
            }
            circle.push(first);
            circle.reverse();
            return Some(circle);
        }
        let mut next: Vec<BodyOwner> = graph.neighbors(owner).collect();
        next.sort_unstable();
        for to in next {
            if to != first.to && !before.contains_key(&to) {
                before.insert(to, owner);
                queue.push_back(to);
            }
        }
    }
    None
}

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for circle in &summary::said_of(context.db, context.file).circles {
        let first = circle[0];
        let names: Vec<String> = circle.iter().map(|step| format!("`{}`", body_name(context.db, step.from))).collect();
        let way = if circle.len() == 1 { "itself".to_owned() } else { format!("{} → {}", names[1..].join(" → "), names[0]) };
        let message = format!("{} sets off {way} without end: once started, the events trigger one another for ever", names[0]);
        let mut finding = RULE.at(Location::Site(first.site), format!("sent whenever {} runs", names[0]), message);
        for (step, name) in circle.iter().zip(&names).skip(1) {
            let how = if step.call { "called" } else { "sent" };
            finding = finding.label(Location::Site(step.site), format!("{how} whenever {name} runs"));
        }
        findings.push(finding.help(
            "let a condition end it (on a cell that the handler changes, or a parameter that counts down); or send `after` some time, if it is a clock",
        ));
    }
}

const PAGE: &str = r##"
## What goes wrong

Each event sends the next, and nothing decides whether it should. The first one starts a circle that never ends: the queue is never empty, and
every round commits, costs, and is written to disk.

## Bad

```pattern ignore=unserializable-chain
space home
space office
record Lamp in home {
  cell switch: Switch
  cell on: Bool = false
  handler light(on: Bool) {
    self.on = on
    send self.switch.show(on)
  }
}
record Switch in office {
  cell lamp: Lamp
  cell on: Bool = false
  handler show(on: Bool) {
    self.on = on
    send self.lamp.light(on)
  }
}
```

## Good

One of them decides, and the other only shows.

```pattern
space home
space office
record Lamp in home {
  cell switch: Switch
  cell on: Bool = false
  handler light(on: Bool) {
    if self.on != on {
      self.on = on
      send self.switch.show(on)
    }
  }
}
record Switch in office {
  cell lamp: Lamp
  cell on: Bool = false
  internal handler show(on: Bool) { self.on = on }
  handler press(on: Bool) {
    send self.lamp.light(on)
  }
}
```

## When it is fine

When the circle is meant to run for as long as the system does: then send with `after`, which is not reported. Sends inside arms are not reported
either, since something else answers in between, nor sends that depend on a cell that the handler changes, on a parameter, or on there being a
next record to send to (`if let`, `for`).
"##;
