//! `copied-cell`: a cell of a linked record copied into a struct that is stored.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context};
use super::edits;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::cell_path;
use crate::facts;
use crate::hir::{Expr, ExprKind, StmtKind, WriteOp};
use crate::signature::{cell_sig, struct_sig};
use crate::types::{CellId, ItemId, Ty};
use crate::visit;

pub static RULE: Rule = Rule {
    name: "copied-cell",
    level: Level::Info,
    summary: "copying a cell of a linked record into a stored struct, where a link would always show the current value",
    fixes: Fixes::None("whether the value is meant as it was then, only its author knows"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions().filter(|callable| callable.own.pieces().iter().any(|piece| !piece.writes.is_empty())) {
        for stmt in callable.statements() {
            let StmtKind::Write(write) = &stmt.kind else { continue };
            let WriteOp::Assign { value, .. } = &write.op else { continue };
            visit::expr(value, &mut |part| {
                let ExprKind::Struct { of, fields, .. } = &part.kind else { return };
                for (index, field) in fields.iter().enumerate() {
                    if let Some((field, base, cell)) = field.as_ref().and_then(|field| copy(context, field)) {
                        findings.push(finding(context, callable, *of, index, field, base, cell));
                    }
                }
            });
        }
    }
}

/// The cell of a linked record that is all of a field's value, if someone changes that cell.
fn copy<'e>(context: &Context<'_>, field: &'e Expr) -> Option<(&'e Expr, &'e Expr, CellId)> {
    let ExprKind::Cell { base, cell, .. } = &field.kind else { return None };
    let linked = matches!(base.kind, ExprKind::Cell { .. } | ExprKind::Local(_)) && matches!(base.ty, Ty::Record(..));
    let stored = cell_sig(context.db, *cell).is_some_and(|sig| !sig.derived && is_plain(&sig.ty));
    (linked && stored && facts::is_changed(context.db, *cell)).then_some((field, &**base, *cell))
}

/// Whether it is a value without parts, which says nothing of where it came from.
fn is_plain(ty: &Ty) -> bool {
    match ty {
        Ty::Bool | Ty::Int | Ty::Float | Ty::Text | Ty::Time | Ty::Duration => true,
        Ty::Optional(inner) => is_plain(inner),
        _ => false,
    }
}

fn finding(
    context: &Context<'_>,
    callable: &Callable<'_>,
    of: ItemId,
    index: usize,
    field: &Expr,
    base: &Expr,
    cell: CellId,
) -> Diagnostic {
    let text = |expr: &Expr| edits::text(context.db, context.file, expr.span);
    let (held, name) = match struct_sig(context.db, of) {
        Some(sig) => (sig.name.to_string(), sig.fields.get(index).map_or_else(String::new, |field| field.name.to_string())),
        None => (String::new(), String::new()),
    };
    let path = cell_path(context.db, cell);
    let message = format!(
        "`{}` copies `{}` into `{held}.{name}`: when `{path}` changes, what was stored before stays as it was",
        callable.name(),
        text(field),
    );
    RULE.at(Location::Span(context.file, field.span), "copied as it is now", message)
        .label(Location::Cell(cell), "changed by handlers")
        .help(format!("keep the link in the struct (`{}`), and read `{}` through it where it is shown", text(base), path))
}

const PAGE: &str = r##"
## What goes wrong

A link always shows the current value of what it points to. A value copied out of the linked record is frozen: after a rename, old messages show
the old name.

## Bad

```pattern
space lobby
record User in lobby {
  cell name: Text
  handler rename(name: Text) { self.name = name }
}
struct Message { by: Text, text: Text }
record Room in lobby {
  cell messages: List<Message> = []
  handler say(user: User, text: Text) {
    self.messages += Message { by: user.name, text: text }
  }
}
```

## Good

```pattern
space lobby
record User in lobby {
  cell name: Text
  handler rename(name: Text) { self.name = name }
}
struct Message { by: User, text: Text }
record Room in lobby {
  cell messages: List<Message> = []
  handler say(user: User, text: Text) {
    self.messages += Message { by: user, text: text }
  }
}
```

## When it is fine

When the value of that moment is what is wanted: the price at which something was sold, the name on a certificate.
"##;
