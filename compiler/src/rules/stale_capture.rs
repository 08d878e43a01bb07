//! `stale-capture`: an arm that writes a value computed from cells before the send.

use rustc_hash::FxHashMap;

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context, blocks_of};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::cell_path;
use crate::effects;
use crate::facts;
use crate::signature::cell_sig;
use crate::hir::{Block, BodyKind, BodyOwner, Expr, ExprKind, HandlerCall, Send, Stmt, StmtKind, Write, WriteOp};
use crate::types::{CellId, LocalId, Ty};
use crate::visit;
use patternc_grammar::syntax::{AssignOp, BinaryOp, Span};

pub static RULE: Rule = Rule {
    name: "stale-capture",
    level: Level::Warn,
    summary: "an arm that writes a cell from a value computed from cells before the send",
    fixes: Fixes::None("whether the arm means the value as it was, or as it is by then, only its author knows"),
    page: PAGE,
    check: Check::Project(check),
};

/// Where a local got a value that depends on cells which can change.
#[derive(Clone, Copy)]
struct Origin {
    cell: CellId,
    read: Span,
    /// Arms around the place where it was read.
    depth: u32,
}

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        if callable.own.sends.iter().all(|send| send.arms().next().is_none()) {
            continue;
        }
        let BodyKind::Block(block) = &callable.body.kind else { continue };
        let mut walk = Walk { context, callable, origins: FxHashMap::default(), depth: 0, sends: Vec::new(), compared: Vec::new(), findings };
        walk.block(block);
    }
}

struct Walk<'a, 'db> {
    context: &'a Context<'db>,
    callable: &'a Callable<'db>,
    origins: FxHashMap<LocalId, Origin>,
    depth: u32,
    /// The sends whose arms are around.
    sends: Vec<Span>,
    /// Captured locals that the arm compares with the cell as it is now: it has looked whether they still hold.
    compared: Vec<LocalId>,
    findings: &'a mut Vec<Diagnostic>,
}

impl Walk<'_, '_> {
    fn block(&mut self, block: &Block) {
        block.stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let { local, value } => self.bind([*local], value),
            StmtKind::LetElse { local, value, .. } => self.bind([*local], value),
            StmtKind::Call(call) => self.call(call),
            StmtKind::LetCall { local, call } => {
                self.call(call);
                let callee = self.context.effects(BodyOwner::Handler(call.handler));
                let read = callee.reads.iter().filter_map(|read| read.cell).find(|cell| self.can_change(*cell));
                if let Some(cell) = read {
                    self.origins.insert(*local, Origin { cell, read: call.span, depth: self.depth });
                }
            }
            StmtKind::IfLet { local, value, .. } => self.bind([*local], value),
            StmtKind::For { key, item, iter, .. } => self.bind(key.iter().copied().chain([*item]), iter),
            StmtKind::Write(write) => self.write(write, stmt.span),
            StmtKind::Require { cond, .. } | StmtKind::If { cond, .. } => self.compare(cond),
            StmtKind::Send(send) => return self.arms(send),
            _ => {}
        }
        blocks_of(stmt).into_iter().for_each(|block| self.block(block));
    }

    fn arms(&mut self, send: &Send) {
        self.depth += 1;
        self.sends.push(send.span);
        for arm in send.ok.iter().chain(&send.err) {
            let compared = self.compared.len();
            self.block(&arm.body);
            self.compared.truncate(compared);
        }
        self.sends.pop();
        self.depth -= 1;
    }

    fn bind(&mut self, locals: impl IntoIterator<Item = LocalId>, value: &Expr) {
        if let Some(origin) = self.origin(value) {
            self.origins.extend(locals.into_iter().map(|local| (local, origin)));
        }
    }

    /// Where a value comes from, if it depends on cells that can change. The oldest place counts.
    fn origin(&self, value: &Expr) -> Option<Origin> {
        let mut found: Option<Origin> = None;
        let mut add = |origin: Origin| {
            if found.is_none_or(|found| origin.depth < found.depth) {
                found = Some(origin);
            }
        };
        visit::expr(value, &mut |part| match &part.kind {
            ExprKind::Cell { cell, .. } if self.can_change(*cell) => add(Origin { cell: *cell, read: part.span, depth: self.depth }),
            ExprKind::Local(local) => self.origins.get(local).copied().into_iter().for_each(&mut add),
            ExprKind::CallFn { of, .. } => {
                let callee = self.context.effects(BodyOwner::Fn(*of));
                let read = callee.reads.iter().filter_map(|read| read.cell).find(|cell| self.can_change(*cell));
                read.into_iter().for_each(|cell| add(Origin { cell, read: part.span, depth: self.depth }));
            }
            _ => {}
        });
        // A link stays a link: through it one always reads the current value.
        found.filter(|_| !is_link(&value.ty))
    }

    /// Whether some body changes the cell, or what a derived one is computed from.
    fn can_change(&self, cell: CellId) -> bool {
        let db = self.context.db;
        let derived = cell_sig(db, cell).is_some_and(|sig| sig.derived);
        let changes = |cell: Option<CellId>| cell.is_none_or(|cell| facts::is_changed(db, cell));
        if derived { self.context.effects(BodyOwner::Derived(cell)).reads.iter().any(|read| changes(read.cell)) } else { changes(Some(cell)) }
    }

    /// A comparison of a captured local with its cell says whether it still holds.
    fn compare(&mut self, cond: &Expr) {
        let mut compared = Vec::new();
        visit::expr(cond, &mut |part| {
            if let ExprKind::Binary { op: BinaryOp::Eq | BinaryOp::Ne, left, right } = &part.kind {
                for (local, cell) in [(left, right), (right, left)] {
                    if let (ExprKind::Local(local), ExprKind::Cell { cell, .. }) = (&local.kind, &cell.kind)
                        && self.origins.get(local).is_some_and(|origin| origin.cell == *cell)
                    {
                        compared.push(*local);
                    }
                }
            }
        });
        self.compared.extend(compared);
    }

    fn write(&mut self, write: &Write, span: Span) {
        if let Some(stale) = replaced_by(write).and_then(|value| self.stale(value)) {
            self.report(span, write.cell, stale);
        }
    }

    /// A handler that is called directly writes in this transaction what it is given.
    fn call(&mut self, call: &HandlerCall) {
        let Some(callee) = Callable::of(self.context.db, BodyOwner::Handler(call.handler)) else { return };
        for (param, arg) in call.args.iter().enumerate() {
            let Some(stale) = self.stale(arg) else { continue };
            let is_param = |part: &Expr| part.kind == ExprKind::Local(LocalId(param as u32));
            let written = callee.statements().into_iter().find_map(|stmt| {
                let StmtKind::Write(write) = &stmt.kind else { return None };
                let mut given = false;
                visit::expr(replaced_by(write)?, &mut |part| given |= is_param(part));
                given.then_some(write.cell)
            });
            if let Some(cell) = written {
                self.report(call.span, cell, stale);
            }
        }
    }

    /// A name in a value that was captured when something was sent, and computed from cells.
    fn stale(&self, value: &Expr) -> Option<(LocalId, Origin)> {
        let mut stale = None;
        visit::expr(value, &mut |part| {
            if let ExprKind::Local(local) = part.kind
                && let Some(origin) = self.origins.get(&local)
                && origin.depth < self.depth
                && !self.compared.contains(&local)
                && !is_link(&part.ty)
            {
                stale.get_or_insert((local, *origin));
            }
        });
        stale
    }

    fn report(&mut self, span: Span, written: CellId, (local, origin): (LocalId, Origin)) {
        let (callable, file) = (self.callable, self.context.file);
        let words = callable.words();
        let name = words.local(local);
        let (cell, written) = (cell_path(self.context.db, origin.cell), cell_path(self.context.db, written));
        let message = format!(
            "`{}` writes `{written}` from `{name}`, which was computed from `{cell}` before the send: what changed `{cell}` in between is lost",
            callable.name(),
        );
        let here = words.space(effects::EffectSpace::Here);
        let send = self.sends.get(origin.depth as usize).copied().unwrap_or(span);
        self.findings.push(
            RULE.at(Location::Span(file, span), format!("written from the old value, in {here}"), message)
                .label(Location::Span(file, origin.read), "read before the send")
                .label(Location::Span(file, send), "other transactions run before its arms do")
                .help(format!("read `{cell}` again inside the arm, or change what is there with `+=`")),
        );
    }
}

/// The value that a write puts in the place of what is there: adding, appending and inserting change that instead.
fn replaced_by(write: &Write) -> Option<&Expr> {
    let WriteOp::Assign { op, value } = &write.op else { return None };
    let replaces = *op == AssignOp::Set || write.key.is_some() || matches!(value.ty, Ty::Float | Ty::Text);
    replaces.then_some(value)
}

fn is_link(ty: &Ty) -> bool {
    match ty {
        Ty::Record(..) => true,
        Ty::Optional(inner) => is_link(inner),
        _ => false,
    }
}

const PAGE: &str = r##"
## What goes wrong

An arm is a transaction of its own, later. What it uses from above was captured when the event was sent, and others may have changed the
cells since. Writing a value computed from them then overwrites what the others did.

## Bad

```pattern ignore=unserializable-chain
space home
extern rates {
  today() -> Int readonly
}
record Account in home {
  cell balance: Int = 0
  cell rate: Int = 0
  handler pay(amount: Int) { self.balance += amount }
  handler settle() {
    let before = self.balance
    send rates.today() then {
      ok(rate) => { self.balance = before * rate }
      err(_e) => { self.rate = 0 }
    }
  }
}
```

## Good

```pattern
space home
extern rates {
  today() -> Int readonly
}
record Account in home {
  cell balance: Int = 0
  cell rate: Int = 0
  handler pay(amount: Int) { self.balance += amount }
  handler settle() {
    send rates.today() then {
      ok(rate) => { self.balance = self.balance * rate }
      err(_e) => { self.rate = 0 }
    }
  }
}
```

## When it is fine

When the value of that moment is what should be kept, such as in a log. Parameters, `now()`, `new_id()`, links and cells that nothing ever changes
are not reported, nor an arm that compares the captured value with the cell before it writes.
"##;
