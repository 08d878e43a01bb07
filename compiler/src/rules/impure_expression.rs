//! `impure-expression`: a write, send or handler call where only a value may be computed. Reported where names, types or text are understood; what
//! the functions that a mirror calls read, and which handlers answer later, is known from effects.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context, with_path};
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::effects::describe::body_name;
use crate::effects::{CallEffect, Entry, SendEffect, SendRole};
use crate::hir::{BodyOwner, StmtKind};

pub static RULE: Rule = Rule {
    name: "impure-expression",
    level: Level::Error,
    summary: "a write, send or handler call where only a value may be computed, or a direct call of what answers later",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    read_elsewhere(context, findings);
    for callable in context.transactions() {
        for call in callable.own.pieces().into_iter().flat_map(|piece| &piece.calls) {
            if let Some(answer) = later_answer(context, call) {
                findings.push(called_directly(context, callable, call, answer));
            }
        }
    }
}

/// The send whose outcome is the answer of a handler that is called, so that there is none yet where the call ends. What the handler itself
/// calls in turn is looked at there: a call that is refused gives no answer to hand on.
fn later_answer<'db>(context: &Context<'db>, call: &CallEffect) -> Option<&'db SendEffect> {
    let sends = matches!(call.callee, BodyOwner::Handler(_)).then(|| &context.effects(call.callee).sends)?;
    sends.iter().find(|send| send.role == SendRole::Answer && send.path().is_empty())
}

/// The outcome of the send would be heard by nobody: the caller's own answer is not given up for it.
fn called_directly(context: &Context<'_>, callable: &Callable<'_>, call: &CallEffect, answer: &SendEffect) -> Diagnostic {
    let name = body_name(context.db, call.callee);
    let span = callable.span(call.site);
    let text = super::edits::text(context.db, context.file, span);
    let stmt = callable.statement(span).map(|(_, stmt)| stmt);
    let gives = stmt.is_some_and(|stmt| matches!(stmt.kind, StmtKind::LetCall { .. }));
    let lost = if gives { "there is nothing to give here" } else { "nobody here would hear of a failure" };
    let message = format!("`{name}` answers later, when what it sends has been answered: within this transaction there is no answer yet, and {lost}");
    let ok = if gives { "ok(x)" } else { "ok()" };
    let finding = RULE
        .at(callable.place(call.site), "has no answer yet", message)
        .label(Location::Site(answer.site), format!("`{name}` answers with the outcome of this"))
        .help(format!("send it, and go on when it has answered: `send {text} then {{ {ok} => {{ … }} err(e) => {{ … }} }}`, or answer with it: `return send {text}`"));
    match stmt {
        Some(stmt) if matches!(stmt.kind, StmtKind::Call(_)) => {
            let mut edits = vec![super::edits::insert(context.file, stmt.span.start, "send ")];
            edits.extend(super::unused_write::without(context, callable, stmt.span));
            finding.fix("send it", Safety::Unsafe, edits)
        }
        _ => finding,
    }
}

/// The clauses of a mirror give values only to the functions that they call: what those read, nobody sees a change of.
fn read_elsewhere(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.callables.iter().filter(|callable| matches!(callable.body.owner, BodyOwner::Mirror(..))) {
        let Some(read) = callable.effects.reads.iter().find(|read| !read.path().is_empty()) else { continue };
        let message = "a mirror sees a change of its facts in the record's own cells, but a function that this calls looks at other records";
        let finding = RULE.at(callable.place(read.here()), "reads other records", message);
        let finding = with_path(finding, context.db, read, "read here");
        findings.push(finding.help("keep what the facts need in cells of the record"));
    }
}

const PAGE: &str = r##"
## What goes wrong

Functions, derived cells, invariants and lambdas are evaluated whenever their value is needed, as often as needed. What they changed
would change at times nobody chose.

A handler that answers with the outcome of a send (`return send …`) has no answer before that send has been made and answered, in transactions
of their own. Called directly, it would give `none` whatever type it declares, and its failure would be heard by nobody: it is sent. Likewise a
record is created, and the `create` event answered with it, before anything that its `create` block sends.

## Bad

```pattern
record Counter {
  cell count: Int = 0
  handler add() -> Int {
    self.count += 1
    return self.count
  }
  derived next: Int = self.add()
}
```

## Good

```pattern
record Counter {
  cell count: Int = 0
  handler add() -> Int {
    self.count += 1
    return self.count
  }
  derived next: Int = self.count + 1
}
```

## Bad

```pattern
space shop
space stock
record Order in shop {
  cell item: Item@stock
  cell left: Int = 0
  internal handler look() -> Int { return send self.item.count() }
  handler refresh() {
    let left = self.look()
    self.left = left
  }
}
record Item in stock {
  cell left: Int = 10
  handler count() -> Int { return self.left }
}
```

## Good

```pattern
space shop
space stock
record Order in shop {
  cell item: Item@stock
  cell left: Int = 0
  internal handler look() -> Int { return send self.item.count() }
  handler refresh() {
    send self.look() then {
      ok(left) => { self.left = left }
    }
  }
}
record Item in stock {
  cell left: Int = 10
  handler count() -> Int { return self.left }
}
```
"##;
