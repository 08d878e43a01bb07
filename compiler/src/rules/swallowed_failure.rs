//! `swallowed-failure`: a `catch` that does nothing about what went wrong.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context};
use super::split_update;
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::effects::{BlockId, Effects, Entry};
use crate::hir::{Stmt, StmtKind};

pub static RULE: Rule = Rule {
    name: "swallowed-failure",
    level: Level::Warn,
    summary: "a `catch` that neither fails, answers, writes nor sends",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        let pieces = &callable.pieces;
        for (of, stmt) in callable.tries() {
            let StmtKind::Try { catch, body, error } = &stmt.kind else { continue };
            let can_fail = pieces.iter().any(|piece| split_update::can_fail(callable, piece, of));
            // What is torn apart by the same `try` says all of this, and more.
            let split = || pieces.iter().any(|piece| split_update::split(callable, piece, of).is_some());
            if !can_fail || answers(&catch.stmts) || pieces.iter().any(|piece| acts(callable, piece, of)) {
                continue;
            }
            // The way out makes use of its name.
            let name = Location::Span(context.file, callable.body.locals[error.0 as usize].span);
            findings.retain(|known| known.rule != super::unused_name::RULE.name || known.primary.at != name);
            if !split() {
                let message =
                    format!("a failure inside this `try` of `{}` is forgotten: the transaction commits as if nothing had happened", callable.name());
                let finding = RULE.at(Location::Span(context.file, catch.span), "does nothing about the failure", message);
                findings.push(
                    finding
                        .label(Location::Span(context.file, body.span), "what fails in here is undone")
                        .help("let the failure through (no `try`), `fail` with a better message, or write down what became of it")
                        .fix("let it fail", Safety::Unsafe, vec![split_update::fail_in(context, callable, catch, *error)]),
                );
            }
        }
    }
}

/// Whether the `catch` of a `try` fails, writes, sends or deletes something.
fn acts(callable: &Callable<'_>, piece: &Effects, of: BlockId) -> bool {
    let Some((catch, _)) = callable.catch_of(of) else { return true };
    let inside = |entry: &dyn Entry| callable.is_in(entry.here(), catch);
    piece.incomplete
        || piece.writes.iter().any(|write| inside(write))
        || piece.sends.iter().any(|send| inside(send))
        || piece.failures.iter().any(|failure| failure.path().is_empty() && inside(failure))
}

/// Whether some way through the statements returns a value: that is an answer to the caller.
fn answers(stmts: &[Stmt]) -> bool {
    stmts.iter().any(|stmt| match &stmt.kind {
        StmtKind::Return(value) => value.is_some(),
        _ => super::context::blocks_of(stmt).into_iter().any(|block| answers(&block.stmts)),
    })
}

const PAGE: &str = r##"
## What goes wrong

What failed inside the `try` is undone, and then nobody hears of it: not the sender, not the data. The next reader finds a state in which
something simply did not happen.

## Bad

```pattern
space home
record Counter in home {
  cell count: Int = 0
  handler take(n: Int) {
    try {
      require self.count >= n else "not enough"
      self.count -= n
    } catch _e {
    }
  }
}
```

## Good

```pattern
space home
record Counter in home {
  cell count: Int = 0
  handler take(n: Int) {
    require self.count >= n else "not enough"
    self.count -= n
  }
}
```

## When it is fine

When trying is all that was asked for. Even then a cell that counts the failures is seldom regretted.
"##;
