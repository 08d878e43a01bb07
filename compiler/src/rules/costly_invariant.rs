//! `costly-invariant`: an invariant that reads all records of a type.

use patternc_grammar::syntax::{BinaryOp, Span};

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context, with_path};
use super::missing_key::equality;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::record_name;
use crate::effects::{Entry, Grain, Read};
use crate::hir::{BodyOwner, Expr, ExprKind};
use crate::signature::{cell_sig, invariant_sig};
use crate::types::LocalId;
use crate::visit;

pub static RULE: Rule = Rule {
    name: "costly-invariant",
    level: Level::Warn,
    summary: "an invariant that reads all records of a type",
    fixes: Fixes::None("what the invariant could look at instead is another invariant"),
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in &context.callables {
        let BodyOwner::Invariant(item) = callable.body.owner else { continue };
        // What is eventually so is looked at between events, not at every commit.
        let Some(sig) = invariant_sig(context.db, item).filter(|sig| !sig.eventually) else { continue };
        let is_query = |read: &&Read| read.cell.is_none() && read.grain == Grain::Query;
        let mut queries = callable.effects.reads.iter().filter(is_query).peekable();
        if queries.peek().is_none() {
            continue;
        }
        let indexed = indexed(context, callable);
        let Some(read) = queries.find(|read| !indexed.contains(&callable.span(read.here()))) else { continue };
        let of = record_name(context.db, read.record);
        let bound = sig.record.map_or_else(|| "record".to_owned(), |record| record_name(context.db, record));
        let message = format!(
            "`{}` reads every `{of}` to judge one `{bound}`: a change of any `{of}` makes every `{bound}` be judged again, each by walking all of them, \
             and any two such changes conflict",
            sig.name,
        );
        let finding = RULE.at(callable.place(read.here()), format!("every `{of}` there is"), message).label(
            Location::Item(item),
            format!("judged for every `{bound}`"),
        );
        findings.push(with_path(finding, context.db, read, "read here").help(format!(
            "keep what is needed in a cell that handlers change along (`+=` on a count or sum); or ask by an indexed cell: `{of}.where(x => x.cell == …)`; \
             or link the records that matter"
        )));
    }
}

/// The queries that ask an index, by their place.
fn indexed(context: &Context<'_>, callable: &Callable<'_>) -> Vec<Span> {
    let mut found = Vec::new();
    visit::body(callable.body, &mut |expr| {
        if let ExprKind::Where { param, cond, .. } = &expr.kind
            && asks_index(context, *param, cond)
        {
            found.push(expr.span);
        }
    });
    found
}

fn asks_index(context: &Context<'_>, param: LocalId, cond: &Expr) -> bool {
    if let ExprKind::Binary { op: BinaryOp::And, left, right } = &cond.kind {
        return asks_index(context, param, left) || asks_index(context, param, right);
    }
    equality(param, cond).and_then(|(cell, _)| cell_sig(context.db, cell)).is_some_and(|sig| sig.key || sig.unique || sig.index)
}

const PAGE: &str = r##"
## What goes wrong

An invariant is judged for each record it is about, and again when something it read has changed. One that reads all records of a type is judged
again for every record whenever any of them changes, each time walking all of them: with a thousand records a single change costs a million
reads, and no two changes can commit side by side.

## Bad

```pattern
space bank
record Account in bank {
  cell balance: Int = 0
  handler pay(amount: Int) { self.balance += amount }
}
record Bank in bank {
  cell reserve: Int = 0
}
invariant covered(b: Bank) { Account.all.map(a => a.balance).sum() <= b.reserve }
```

## Good

```pattern
space bank
record Account in bank {
  cell bank: Bank
  cell balance: Int = 0
  handler pay(amount: Int) writes Bank.owed {
    self.balance += amount
    self.bank.owed += amount
  }
}
record Bank in bank {
  cell reserve: Int = 0
  cell owed: Int = 0
}
invariant covered(b: Bank) { b.owed <= b.reserve }
```

## When it is fine

When there are few records of the type and they seldom change. A `where` by a cell that is `key`, `unique` or `index` asks the index and is not
reported, nor an `eventually invariant`.
"##;
