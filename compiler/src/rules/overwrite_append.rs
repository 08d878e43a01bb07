//! `overwrite-append`: a collection replaced by itself with something more.

use patternc_grammar::syntax::{AssignOp, BinaryOp, Span};
use patternc_program::Method;

use super::context::{Callable, Context, blocks_of};
use super::{Check, Fixes, Rule, edits};
use crate::diagnostic::{Diagnostic, Edit, Level, Location, Safety};
use crate::effects::{Grain, WriteEffect, WriteKind};
use crate::hir::{Arg, Block, BodyKind, Expr, ExprKind, Stmt, StmtKind, Write, WriteOp};
use crate::location::removal;
use crate::types::{LocalId, Ty};
use crate::visit;

pub static RULE: Rule = Rule {
    name: "overwrite-append",
    level: Level::Warn,
    summary: "`x = x + [e]`: a read and a write of the whole collection, where `+=` appends",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        for replacement in replacements(callable) {
            if let Some((op, read, elements)) = as_operations(&replacement) {
                findings.push(finding(context, callable, &replacement, op, read, elements));
            }
        }
    }
}

/// A statement that replaces the value of a whole cell.
pub struct Replacement<'db> {
    pub write: &'db Write,
    pub value: &'db Expr,
    pub span: Span,
    /// The statements of its block before it.
    before: &'db [Stmt],
}

/// The statements of a body that replace the value of a whole cell.
pub fn replacements<'db>(callable: &Callable<'db>) -> Vec<Replacement<'db>> {
    let whole = |write: &WriteEffect| write.kind == WriteKind::Set && write.grain == Grain::Whole && !write.inverse;
    if !callable.own.pieces().iter().any(|piece| piece.writes.iter().any(whole)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let BodyKind::Block(block) = &callable.body.kind {
        replaced_in(block, &mut found);
    }
    found
}

fn replaced_in<'db>(block: &'db Block, found: &mut Vec<Replacement<'db>>) {
    for (index, stmt) in block.stmts.iter().enumerate() {
        match &stmt.kind {
            StmtKind::Write(write @ Write { key: None, op: WriteOp::Assign { op: AssignOp::Set, value }, .. }) => {
                found.push(Replacement { write, value, span: stmt.span, before: &block.stmts[..index] });
            }
            _ => blocks_of(stmt).into_iter().for_each(|inner| replaced_in(inner, found)),
        }
    }
}

impl<'db> Replacement<'db> {
    /// What a name stands for that was given in the same block, if nothing in between can have changed the cell that is replaced. Any other value
    /// is itself.
    pub fn behind(&self, value: &'db Expr) -> &'db Expr {
        self.given(value).map_or(value, |(_, given)| self.behind(given))
    }

    fn given(&self, value: &'db Expr) -> Option<(&'db Stmt, &'db Expr)> {
        let ExprKind::Local(name) = &value.kind else { return None };
        let keeps = |stmt: &Stmt| match &stmt.kind {
            StmtKind::Let { .. } | StmtKind::LetElse { .. } | StmtKind::Require { .. } | StmtKind::Expr(_) => true,
            // Another cell may lead to the record, or be the other end of this one.
            StmtKind::Write(write) => write.cell != self.write.cell && is_plain(&self.write.record) && self.value.ty == Ty::Int,
            _ => false,
        };
        let since = self.before.iter().rposition(|stmt| !keeps(stmt)).map_or(0, |last| last + 1);
        self.before[since..].iter().find_map(|stmt| match &stmt.kind {
            StmtKind::Let { local, value } if local == name => Some((stmt, value)),
            _ => None,
        })
    }

    /// Takes the `let`s away that nothing needs any more once `read` is not.
    pub fn without_lets(&self, context: &Context<'_>, callable: &Callable<'_>, read: &'db Expr) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut at = read;
        while let Some((stmt, given)) = self.given(at) {
            let mut uses = 0;
            visit::body(callable.body, &mut |part| uses += u32::from(part.kind == at.kind));
            if uses > 1 {
                break;
            }
            let span = removal(context.file.text(context.db), stmt.span);
            edits.push(Edit { file: context.file, span, text: String::new() });
            at = given;
        }
        edits
    }

    /// The finding, with what is replaced and what is read, and where.
    pub fn finding(&self, rule: &Rule, context: &Context<'_>, callable: &Callable<'_>, read: &'db Expr, what: &str, message: String) -> Diagnostic {
        let written = callable.own.pieces().into_iter().flat_map(|piece| &piece.writes).find(|write| callable.span(write.site) == self.span);
        let space = written.map_or_else(String::new, |write| format!(", in {}", callable.words().space(write.space)));
        rule.at(Location::Span(context.file, self.write.target_span), format!("replaced{space}: {what}"), message)
            .label(Location::Span(context.file, self.behind(read).span), format!("read before{space}"))
    }
}

/// Whether an expression reads the very cell that a write writes.
pub fn is_same_cell(write: &Write, value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Cell { base, cell, optional: false } => *cell == write.cell && is_same_record(base, &write.record),
        _ => false,
    }
}

/// Whether it is the same record whatever is written.
fn is_plain(record: &Expr) -> bool {
    matches!(record.kind, ExprKind::SelfRef | ExprKind::Local(_))
}

fn is_same_record(one: &Expr, other: &Expr) -> bool {
    match (&one.kind, &other.kind) {
        (ExprKind::SelfRef, ExprKind::SelfRef) => true,
        (ExprKind::Local(LocalId(one)), ExprKind::Local(LocalId(other))) => one == other,
        (ExprKind::Cell { base: one, cell, .. }, ExprKind::Cell { base: other, cell: of, .. }) => cell == of && is_same_record(one, other),
        _ => false,
    }
}

/// The operator and the elements with which `+=` or `-=` says the same, and what is read for it; no elements where they are only known when it
/// runs.
fn as_operations<'e>(replacement: &Replacement<'e>) -> Option<(&'static str, &'e Expr, Elements<'e>)> {
    let value = replacement.behind(replacement.value);
    let is_same = |read: &'e Expr| is_same_cell(replacement.write, replacement.behind(read));
    match &value.kind {
        ExprKind::Binary { op: BinaryOp::Add, left, right } if is_same(left) && matches!(value.ty, Ty::List(_)) => {
            Some(("+=", left, Elements::of(right)))
        }
        ExprKind::Method { method, base, args, .. } if is_same(base) && matches!(value.ty, Ty::Set(_)) => {
            let [Arg::Value(other)] = &args[..] else { return None };
            match method {
                Method::Union => Some(("+=", base, Elements::of(other))),
                Method::Minus => Some(("-=", base, Elements::of(other))),
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

fn finding<'e>(
    context: &Context<'_>,
    callable: &Callable<'_>,
    replacement: &Replacement<'e>,
    op: &str,
    read: &'e Expr,
    elements: Elements<'e>,
) -> Diagnostic {
    let text = |span| edits::text(context.db, context.file, span);
    let target = text(replacement.write.target_span);
    let message = format!(
        "`{}` reads and replaces the whole of `{target}`: two transactions that only {} would conflict, and one must run again",
        callable.name(),
        if op == "+=" { "add to it" } else { "take from it" },
    );
    let finding = replacement.finding(&RULE, context, callable, read, &format!("`{op}` touches the element alone"), message);
    let edits = |change: &str| {
        let mut edits = vec![Edit { file: context.file, span: replacement.span, text: change.to_owned() }];
        edits.extend(replacement.without_lets(context, callable, replacement.value));
        edits.extend(replacement.without_lets(context, callable, read));
        edits
    };
    match elements {
        Elements::These([]) => finding.help("leave it out: it adds nothing"),
        Elements::These(elements) => {
            let change: Vec<String> = elements.iter().map(|element| format!("{target} {op} {}", text(element.span))).collect();
            finding.help(format!("write `{}`", change.join("` and `"))).fix(format!("write `{op}`"), Safety::Safe, edits(&change.join("\n")))
        }
        Elements::Of(all) => {
            let each = format!("for each in {} {{ {target} {op} each }}", text(all.span));
            finding.help(format!("write `{each}`")).fix("add the elements one by one", Safety::Unsafe, edits(&each))
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
