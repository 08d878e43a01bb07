//! `overwrite-append`: a collection replaced by itself with something more.

use patternc_grammar::syntax::{AssignOp, BinaryOp, Span};
use patternc_program::Method;

use super::context::{Callable, Context};
use super::{edits, Fixes, Rule};
use crate::diagnostic::{Diagnostic, Edit, Level, Location, Safety};
use crate::hir::{Arg, Expr, ExprKind, StmtKind, Write, WriteOp};
use crate::types::{LocalId, Ty};

pub static RULE: Rule = Rule {
    name: "overwrite-append",
    level: Level::Warn,
    summary: "`x = x + [e]`: a read and a write of the whole collection, where `+=` appends",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Some(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        for (write, value, span) in replacements(callable) {
            if let Some((op, elements)) = as_operations(write, value) {
                findings.push(finding(context, callable, write, op, elements, span));
            }
        }
    }
}

/// The statements of a body that replace the value of a whole cell.
pub fn replacements<'db>(callable: &Callable<'db>) -> Vec<(&'db Write, &'db Expr, Span)> {
    let whole = |write: &crate::effects::WriteEffect| {
        write.kind == crate::effects::WriteKind::Set && write.grain == crate::effects::Grain::Whole && !write.inverse
    };
    if !callable.own.pieces().iter().any(|piece| piece.writes.iter().any(whole)) {
        return Vec::new();
    }
    let replaces = |stmt: &'db crate::hir::Stmt| match &stmt.kind {
        StmtKind::Write(write) if write.key.is_none() => match &write.op {
            WriteOp::Assign { op: AssignOp::Set, value } => Some((write, value, stmt.span)),
            _ => None,
        },
        _ => None,
    };
    callable.statements().into_iter().filter_map(replaces).collect()
}

/// Whether an expression reads the very cell that a write writes.
pub fn is_same_cell(write: &Write, value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Cell { base, cell, optional: false } => *cell == write.cell && is_same_record(base, &write.record),
        _ => false,
    }
}

fn is_same_record(one: &Expr, other: &Expr) -> bool {
    match (&one.kind, &other.kind) {
        (ExprKind::SelfRef, ExprKind::SelfRef) => true,
        (ExprKind::Local(LocalId(one)), ExprKind::Local(LocalId(other))) => one == other,
        (ExprKind::Cell { base: one, cell, .. }, ExprKind::Cell { base: other, cell: of, .. }) => cell == of && is_same_record(one, other),
        _ => false,
    }
}

/// The operator and the elements with which `+=` or `-=` says the same; no elements where they are only known when it runs.
fn as_operations<'e>(write: &Write, value: &'e Expr) -> Option<(&'static str, Elements<'e>)> {
    match &value.kind {
        ExprKind::Binary { op: BinaryOp::Add, left, right } if is_same_cell(write, left) && matches!(value.ty, Ty::List(_)) => {
            Some(("+=", Elements::of(right)))
        }
        ExprKind::Method { method, base, args, .. } if is_same_cell(write, base) && matches!(value.ty, Ty::Set(_)) => {
            let [Arg::Value(other)] = &args[..] else { return None };
            match method {
                Method::Union => Some(("+=", Elements::of(other))),
                Method::Minus => Some(("-=", Elements::of(other))),
                _ => None,
            }
        }
        _ => None,
    }
}

enum Elements<'e> {
    These(&'e [Expr]),
    /// Those of a collection that is computed.
    Of(&'e Expr),
}

impl<'e> Elements<'e> {
    fn of(value: &'e Expr) -> Self {
        match &value.kind {
            ExprKind::List(elements) | ExprKind::Set(elements) => Elements::These(elements),
            _ => Elements::Of(value),
        }
    }
}

fn finding(context: &Context<'_>, callable: &Callable<'_>, write: &Write, op: &str, elements: Elements<'_>, span: Span) -> Diagnostic {
    let text = |span| edits::text(context.db, context.file, span);
    let target = text(write.target_span);
    let message = format!(
        "`{}` reads and replaces the whole of `{target}`: two transactions that only {} would conflict, and one must run again",
        callable.name(),
        if op == "+=" { "add to it" } else { "take from it" },
    );
    let finding = RULE.at(Location::Span(context.file, span), format!("`{op}` touches the element alone"), message);
    match elements {
        Elements::These(elements) => {
            let change: Vec<String> = elements.iter().map(|element| format!("{target} {op} {}", text(element.span))).collect();
            let finding = finding.help(format!("write `{}`", change.join("` and `")));
            let edit = Edit { file: context.file, span, text: change.join("\n") };
            if elements.is_empty() { finding } else { finding.fix(format!("write `{op}`"), Safety::Safe, vec![edit]) }
        }
        Elements::Of(all) => {
            let all = text(all.span);
            let each = format!("for each in {all} {{ {target} {op} each }}");
            let edit = Edit { file: context.file, span, text: each.clone() };
            finding.help(format!("write `{each}`")).fix("add the elements one by one", Safety::Unsafe, vec![edit])
        }
    }
}

const PAGE: &str = r##"
## What goes wrong

`x = x + [e]` reads the whole list and writes the whole list. Two sessions that append at the same time conflict, one of them runs again, and
under load most of the work is thrown away. `x += e` is an operation: it does not look at the list, so any number of them commit side by
side, and each element is there once.

## Bad

```pattern
space chat
record Room in chat {
  cell messages: List<Text> = []
  handler say(text: Text) {
    self.messages = self.messages + [text]
  }
}
```

## Good

```pattern
space chat
record Room in chat {
  cell messages: List<Text> = []
  handler say(text: Text) {
    self.messages += text
  }
}
```

## When it is fine

When the append must be refused if anyone else changed the list in between. A `require` on what matters says that better.
"##;
