//! `recursive-call`: handlers that call one another in a circle.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::{Check, Fixes, Rule};
use super::context::Context;
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::effects::describe::body_name;
use crate::effects::{self, Site};
use crate::hir::{BodyOwner, StmtKind};

pub static RULE: Rule = Rule {
    name: "recursive-call",
    level: Level::Error,
    summary: "a handler that calls itself, directly or through others",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions().filter(|callable| callable.effects.recursive) {
        let Some(circle) = shortest_circle(context, callable.body.owner) else { continue };
        let owner = callable.name();
        let through: Vec<String> = circle[1..].iter().map(|site| format!("`{}`", body_name(context.db, site.body))).collect();
        let message = match &through[..] {
            [] => format!("`{owner}` calls itself: the call would never end, and fails with `budget` when it runs"),
            through => {
                format!("`{owner}` calls itself through {}: the call would never end, and fails with `budget` when it runs", through.join(", "))
            }
        };
        let mut finding = RULE.at(callable.place(circle[0]), "the circle starts with this call", message);
        for &site in &circle[1..] {
            finding = finding.label(Location::Site(site), format!("`{}` goes on here", body_name(context.db, site.body)));
        }
        finding = finding.help("`send` instead of calling: each round is then an event of its own, or walk a collection with `for`");
        let span = callable.span(circle[0]);
        if let Some((_, stmt)) = callable.statement(span)
            && matches!(stmt.kind, StmtKind::Call(_))
        {
            let mut edits = vec![super::edits::insert(context.file, stmt.span.start, "send ")];
            edits.extend(super::unused_write::without(context, callable, stmt.span));
            finding = finding.fix("send it as an event", Safety::Unsafe, edits);
        }
        findings.push(finding);
    }
}

/// The calls of a shortest way from a body back to itself.
fn shortest_circle(context: &Context<'_>, start: BodyOwner) -> Option<Vec<Site>> {
    // For each body reached, the call that first led there.
    let mut reached: FxHashMap<BodyOwner, Site> = FxHashMap::default();
    let mut queue = VecDeque::from([start]);
    while let Some(body) = queue.pop_front() {
        let Some(found) = effects::own(context.db, body) else { continue };
        for call in found.own.pieces().into_iter().flat_map(|piece| &piece.calls) {
            if call.callee == start {
                let mut circle = vec![call.site];
                let mut at = body;
                while at != start {
                    let site = reached[&at];
                    circle.push(site);
                    at = site.body;
                }
                circle.reverse();
                return Some(circle);
            }
            if let std::collections::hash_map::Entry::Vacant(entry) = reached.entry(call.callee) {
                entry.insert(call.site);
                queue.push_back(call.callee);
            }
        }
    }
    None
}

const PAGE: &str = r##"
## What goes wrong

A direct call is part of the caller's transaction. One that comes back to itself would never end: when it runs, the step budget stops it and
the whole transaction fails.

## Bad

```pattern
space home
record Node in home {
  cell next: Node?
  cell marked: Bool = false
  handler mark() writes Node.marked {
    self.marked = true
    if let next = self.next {
      next.mark()
    }
  }
}
```

## Good

```pattern
space home
record Node in home {
  cell next: Node?
  cell marked: Bool = false
  handler mark() {
    if !self.marked {
      self.marked = true
      if let next = self.next {
        send next.mark()
      }
    }
  }
}
```
"##;
