//! `late-check`: a `require` after the first write.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context};
use super::edits;
use crate::diagnostic::{Diagnostic, Edit, Fix, Level, Safety};
use crate::effects::{Effects, Entry, FailureCause, FailureEffect, WriteEffect};
use crate::hir::{Stmt, StmtKind};
use crate::location::removal;

pub static RULE: Rule = Rule {
    name: "late-check",
    level: Level::Off,
    summary: "a `require` after the first write, where everything could be checked first and written then",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        for piece in callable.pieces.iter().copied() {
            for late in piece.failures.iter().filter(|failure| failure.cause == FailureCause::Require && failure.path.is_empty()) {
                let before = |write: &&WriteEffect| !write.inverse && callable.can_follow(write.here(), late.here());
                if let Some(write) = piece.writes.iter().find(before) {
                    findings.push(finding(context, callable, piece, write, late));
                }
            }
        }
    }
}

fn finding(context: &Context<'_>, callable: &Callable<'_>, piece: &Effects, write: &WriteEffect, late: &FailureEffect) -> Diagnostic {
    let words = callable.words();
    let name = match write.cell {
        Some(cell) => words.cell_of(&write.target, cell),
        None => crate::effects::describe::record_name(context.db, write.record),
    };
    let message =
        format!("`{}` checks after it has written `{name}`: when the check fails, work was done for nothing, and the reader must undo it in mind", callable.name());
    let mut finding = RULE
        .at(callable.place(late.here()), "checked only now", message)
        .label(callable.place(write.here()), format!("already written, in {}", words.space(write.space)))
        .help("read and check everything first, then write");
    finding.fixes.extend(moved(context, callable, piece, write, late));
    finding
}

/// The check moved before the write, where both stand in one block and the check reads nothing that comes about in between.
fn moved(context: &Context<'_>, callable: &Callable<'_>, piece: &Effects, write: &WriteEffect, late: &FailureEffect) -> Option<Fix> {
    let (block, check) = callable.statement(callable.span(late.here()))?;
    let first = callable.span(write.here());
    let is_around = |stmt: &Stmt| stmt.span.start <= first.start && first.end <= stmt.span.end;
    let from = block.stmts.iter().position(is_around)?;
    let to = block.stmts.iter().position(|stmt| std::ptr::eq(stmt, check))?;
    let between = block.stmts.get(from..to)?;
    let makes_names = |stmt: &Stmt| matches!(stmt.kind, StmtKind::Let { .. } | StmtKind::LetElse { .. } | StmtKind::LetCall { .. });
    let is_inside = |at: u32| check.span.start <= at && at < check.span.end;
    let reads = piece.reads.iter().filter(|read| is_inside(callable.span(read.here()).start));
    let changed = reads.into_iter().any(|read| piece.writes.iter().any(|write| write.record == read.record));
    if changed || between.iter().any(makes_names) {
        return None;
    }
    let text = context.file.text(context.db);
    let whole = edits::with_comments(text, check.span);
    let edits = vec![
        edits::statement_before(context.db, context.file, &block.stmts[from], edits::text(context.db, context.file, whole)),
        Edit { file: context.file, span: removal(text, whole), text: String::new() },
    ];
    Some(Fix { title: "check before the first write".to_owned(), edits, safety: Safety::Unsafe })
}

const PAGE: &str = r##"
## What goes wrong

Nothing, when it runs: a failing `require` takes back everything that its transaction wrote. But who reads the handler must take it back in
mind, and a transaction that will be refused has read, written and perhaps run again first. Checks first, writes then, is easier to follow.

The rule is off until `patternc.yaml` or `--warn late-check` switches it on.

## Bad

```pattern
// file: account.pattern
space bank
record Account in bank {
  cell balance: Int = 0
  cell moves: Int = 0
  handler take(amount: Int) {
    self.moves += 1
    require amount > 0 else "take something"
    self.balance -= amount
  }
}
```

```yaml
rules: { late-check: warn }
```

## Good

```pattern
// file: account.pattern
space bank
record Account in bank {
  cell balance: Int = 0
  cell moves: Int = 0
  handler take(amount: Int) {
    require amount > 0 else "take something"
    self.moves += 1
    self.balance -= amount
  }
}
```

```yaml
rules: { late-check: warn }
```

## When it is fine

When the check needs what was just written, such as a derived cell after the change.
"##;
