//! `overwrite-count`: a number replaced by itself plus or minus something.

use patternc_grammar::syntax::BinaryOp;

use super::context::{Callable, Context};
use super::overwrite_append::{Replacement, is_same_cell, replacements};
use super::{Check, Fixes, Rule, edits};
use crate::diagnostic::{Diagnostic, Edit, Level, Safety};
use crate::hir::{Expr, ExprKind};
use crate::types::Ty;

pub static RULE: Rule = Rule {
    name: "overwrite-count",
    level: Level::Warn,
    summary: "`n = n + 1`: a read and a write of the number, where `+=` adds",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::File(check),
};

/// A statement that could be an operation.
pub(super) struct Count<'db> {
    pub replacement: Replacement<'db>,
    pub edits: Vec<Edit>,
    op: &'static str,
    read: &'db Expr,
    target: String,
    change: String,
}

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        for Count { replacement, edits, op, read, target, change } in counts(context, callable) {
            let message = format!(
                "`{}` reads and replaces `{target}`: two transactions that only count would conflict, and one must run again",
                callable.name(),
            );
            let finding =
                replacement.finding(&RULE, context, callable, read, &format!("`{op}` changes the number without looking at it"), message);
            findings.push(finding.help(format!("write `{change}`")).fix(format!("write `{op}`"), Safety::Safe, edits));
        }
    }
}

/// The statements of a body that replace a number by itself plus or minus something.
pub(super) fn counts<'db>(context: &Context<'_>, callable: &Callable<'db>) -> Vec<Count<'db>> {
    let mut found = Vec::new();
    for replacement in replacements(callable) {
        let value = replacement.behind(replacement.value);
        let ExprKind::Binary { op, left, right } = &value.kind else { continue };
        // On Float there is no such operation: `+=` is a read and a write as well.
        if value.ty != Ty::Int {
            continue;
        }
        let is_same = |read| is_same_cell(replacement.write, replacement.behind(read));
        let (op, read, by) = match op {
            BinaryOp::Add if is_same(left) => ("+=", left, right),
            BinaryOp::Add if is_same(right) => ("+=", right, left),
            BinaryOp::Sub if is_same(left) => ("-=", left, right),
            _ => continue,
        };
        let text = |span| edits::text(context.db, context.file, span);
        let target = text(replacement.write.target_span).to_owned();
        let change = format!("{target} {op} {}", text(by.span));
        let mut edits = vec![Edit { file: context.file, span: replacement.span, text: change.clone() }];
        edits.extend(replacement.without_lets(context, callable, replacement.value));
        edits.extend(replacement.without_lets(context, callable, read));
        found.push(Count { replacement, edits, op, read, target, change });
    }
    found
}

const PAGE: &str = r##"
## What goes wrong

`n = n + 1` reads the number and replaces it. Two sessions that count at the same time conflict, and one of them runs again. `n += 1` is an
operation that is applied at the commit, whatever the number is by then: any number of them commit side by side.

## Bad

```pattern
space shop
record Product in shop {
  cell sold: Int = 0
  handler sell(n: Int) {
    self.sold = self.sold + n
  }
}
```

## Good

```pattern
space shop
record Product in shop {
  cell sold: Int = 0
  handler sell(n: Int) {
    self.sold += n
  }
}
```

## When it is fine

When the handler has to look at the number anyway, and there is never more than one at a time. `+=` is right then too.
"##;
