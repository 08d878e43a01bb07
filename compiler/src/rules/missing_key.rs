//! `missing-key`: searching all records of a type for one value.

use patternc_grammar::syntax::BinaryOp;
use patternc_program::Method;

use super::context::{Callable, Context};
use super::{Check, Fixes, Rule, edits};
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::effects::Grain;
use crate::effects::describe::{cell_name, record_name};
use crate::hir::{Arg, Expr, ExprKind};
use crate::signature::cell_sig;
use crate::types::{CellId, ItemId, LocalId};
use crate::visit;

pub static RULE: Rule = Rule {
    name: "missing-key",
    level: Level::Info,
    summary: "searching all records of a type for the one with some value: a `key` finds it at once",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::File(check),
};

/// A search for one record by the value of a cell.
struct Search<'a> {
    record: ItemId,
    cell: CellId,
    value: &'a Expr,
    /// `where` was used: with an index it is no walk.
    by_where: bool,
}

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in &context.callables {
        let queries = callable.own.pieces().iter().any(|piece| piece.reads.iter().any(|read| read.cell.is_none() && read.grain == Grain::Query));
        if !queries {
            continue;
        }
        visit::body(callable.body, &mut |expr| {
            if let Some(search) = search(expr) {
                findings.extend(judge(context, callable, expr, &search));
            }
        });
    }
}

/// `R.all.find(x => x.c == v)`, `R.all.filter(x => x.c == v).first()`, `R.where(x => x.c == v).first()`.
fn search(expr: &Expr) -> Option<Search<'_>> {
    let ExprKind::Method { method, base, args, .. } = &expr.kind else { return None };
    match (method, &base.kind) {
        (Method::Find, ExprKind::All { record }) => by_lambda(*record, args),
        (Method::First, ExprKind::Method { method: Method::Filter, base, args, .. }) => match &base.kind {
            ExprKind::All { record } => by_lambda(*record, args),
            _ => None,
        },
        (Method::First, ExprKind::Where { record, param, cond }) => {
            let (cell, value) = equality(*param, cond)?;
            Some(Search { record: *record, cell, value, by_where: true })
        }
        _ => None,
    }
}

fn by_lambda(record: ItemId, args: &[Arg]) -> Option<Search<'_>> {
    let [Arg::Lambda(lambda)] = args else { return None };
    let (cell, value) = equality(*lambda.params.first()?, &lambda.body)?;
    Some(Search { record, cell, value, by_where: false })
}

/// `x.cell == value` or the other way round, where the value has nothing to do with `x`.
pub fn equality(param: LocalId, cond: &Expr) -> Option<(CellId, &Expr)> {
    let ExprKind::Binary { op: BinaryOp::Eq, left, right } = &cond.kind else { return None };
    [(left, right), (right, left)].into_iter().find_map(|(one, other)| {
        let ExprKind::Cell { base, cell, optional: false } = &one.kind else { return None };
        let mut mentioned = false;
        visit::expr(other, &mut |part| mentioned |= matches!(part.kind, ExprKind::Local(local) if local == param));
        (matches!(base.kind, ExprKind::Local(local) if local == param) && !mentioned).then_some((*cell, &**other))
    })
}

/// A constant is a state that many may be in, not a name of one.
fn is_constant(value: &Expr) -> bool {
    use ExprKind::{Bool, Float, Int, None, Text, Variant};
    matches!(value.kind, Bool(_) | Float(_) | Int(_) | None | Text(_) | Variant { .. })
}

fn judge(context: &Context<'_>, callable: &Callable<'_>, expr: &Expr, search: &Search<'_>) -> Option<Diagnostic> {
    let sig = cell_sig(context.db, search.cell)?;
    if is_constant(search.value) || sig.derived || (search.by_where && (sig.unique || sig.index) && !sig.key) {
        return None;
    }
    let (record, cell) = (record_name(context.db, search.record), cell_name(context.db, search.cell));
    let value = edits::text(context.db, context.file, search.value.span);
    let message = format!(
        "`{}` looks through every `{record}` for the one whose `{cell}` is `{value}`: the more there are the longer it takes, and it conflicts with \
         every change of a `{cell}`",
        callable.name(),
    );
    let finding = RULE.at(Location::Span(context.file, expr.span), format!("reads `{cell}` of every `{record}`"), message);
    if sig.key {
        let found = format!("{record}[{value}]");
        let edit = crate::diagnostic::Edit { file: context.file, span: expr.span, text: found.clone() };
        return Some(
            finding
                .label(Location::Cell(search.cell), "the key")
                .help(format!("`{cell}` is the key: `{found}` finds the record at once"))
                .fix(format!("write `{found}`"), Safety::Safe, vec![edit]),
        );
    }
    let finding = finding.label(Location::Cell(search.cell), "not a key");
    Some(finding.help(if sig.unique {
        format!("`{cell}` is unique: `{record}.where(x => x.{cell} == {value}).first()` asks the index")
    } else {
        format!("if no two may have the same, declare `cell {cell}: … key` and write `{record}[{value}]`; else declare it `index` and use `where`")
    }))
}

const PAGE: &str = r##"
## What goes wrong

A search through `all` reads every record of the type. It takes longer with every record there is, and a transaction that searched so conflicts
with every other that creates one or changes the cell.

## Bad

```pattern
space library
record Book in library {
  cell title: Text
  cell loans: Int = 0
}
record Desk in library {
  handler lend(title: Text) writes Book.loans {
    let book = Book.all.find(b => b.title == title) else fail "no such book"
    book.loans += 1
  }
}
```

## Good

```pattern
space library
record Book in library {
  cell title: Text key
  cell loans: Int = 0
}
record Desk in library {
  handler lend(title: Text) writes Book.loans {
    let book = Book[title] else fail "no such book"
    book.loans += 1
  }
}
```

## When it is fine

When several records may have the value and any of them will do, or there are never more than a handful. A search for a constant (`none`, a state)
is not reported.
"##;
