//! `cross-space-write`: a transaction that writes a space other than its own.

use patternc_grammar::syntax::AssignOp;

use super::context::{Callable, Context, with_path};
use super::{Check, Fixes, Rule, edits, undeclared_write, unused_write};
use crate::diagnostic::{Diagnostic, Edit, Level, Location, Safety};
use crate::effects::describe::record_name;
use crate::effects::{self, EffectSpace, Effects, Entry, SendEffect, Site, WriteEffect, WriteKind};
use crate::hir::{BodyKind, BodyOwner, Expr, ExprKind, HandlerCall, StmtKind, Write, WriteOp};
use crate::resolve::{item_name, one_of};
use crate::signature::{HandlerSig, Home, RecordSig, WriteSig, cell_sig, handler_sig, record_sig};
use crate::types::{CellId, HandlerId, LocalId, Ty};

pub static RULE: Rule = Rule {
    name: "cross-space-write",
    level: Level::Error,
    summary: "a write, create, delete or direct call whose effects fall outside the space of `self`",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::File(check),
};

/// What happens outside the space of `self`.
enum Outside<'e> {
    Write(&'e WriteEffect),
    /// An event that a handler of another space, called directly, sends: it would be stored there.
    Send(&'e SendEffect),
}

impl Outside<'_> {
    fn here(&self) -> Site {
        match self {
            Outside::Write(write) => write.here(),
            Outside::Send(send) => send.here(),
        }
    }

    fn space(&self) -> EffectSpace {
        match self {
            Outside::Write(write) => write.space,
            Outside::Send(send) => send.sender,
        }
    }
}

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        for piece in callable.pieces.iter().copied() {
            check_piece(context, callable, piece, findings);
        }
    }
}

fn check_piece(context: &Context<'_>, callable: &Callable<'_>, piece: &Effects, findings: &mut Vec<Diagnostic>) {
    let root = std::ptr::eq(piece, callable.effects);
    let allowed = |space| is_allowed_in(context, callable, piece, space);
    let writes = piece.writes.iter().filter(|write| !write.inverse && !allowed(write.space)).map(Outside::Write);
    let sends = piece.sends.iter().filter(|send| !allowed(send.sender)).map(Outside::Send);
    let mut seen: Vec<(Site, EffectSpace)> = Vec::new();
    for outside in writes.chain(sends) {
        // One finding for each place and space: a call may write many cells there.
        let key = (outside.here(), outside.space());
        if !seen.contains(&key) && !is_reported_in_callee(context, &outside) {
            seen.push(key);
            findings.push(finding(context, callable, piece, &outside, root));
        }
    }
}

/// Whether what a piece of a callable does may write a space: `across` is for the handler's own transaction, an arm writes its space alone.
pub fn is_allowed_in(context: &Context<'_>, callable: &Callable<'_>, piece: &Effects, space: EffectSpace) -> bool {
    if std::ptr::eq(piece, callable.effects) { is_allowed(context, callable.body.owner, space) } else { space == EffectSpace::Here }
}

/// Whether a transaction of `owner` may write a space, as seen from it.
fn is_allowed(context: &Context<'_>, owner: BodyOwner, space: EffectSpace) -> bool {
    match (space, owner) {
        (EffectSpace::Here, _) => true,
        (EffectSpace::Plain(space), BodyOwner::Handler(handler)) => {
            handler_sig(context.db, handler).is_some_and(|sig| sig.across.contains(&space))
        }
        _ => false,
    }
}

/// Whether the handler that is called does what it may not do by itself already: then the finding is there, and mended there.
fn is_reported_in_callee(context: &Context<'_>, outside: &Outside<'_>) -> bool {
    let (path, site) = match outside {
        Outside::Write(write) => (&write.path, write.site),
        Outside::Send(send) => (&send.path, send.site),
    };
    if path.is_empty() {
        return false;
    }
    let callee = path.get(1).map_or(site.body, |next| next.body);
    let effects = context.effects(callee);
    let refused = |space| !is_allowed(context, callee, space);
    match outside {
        Outside::Write(_) => effects.writes.iter().any(|write| write.site == site && refused(write.space)),
        Outside::Send(_) => effects.sends.iter().any(|send| send.site == site && refused(send.sender)),
    }
}

fn finding(context: &Context<'_>, callable: &Callable<'_>, piece: &Effects, outside: &Outside<'_>, root: bool) -> Diagnostic {
    let words = callable.words();
    let there = words.space(outside.space());
    let what = match outside {
        Outside::Write(write) => written(callable, write),
        Outside::Send(send) => format!("sends `{}`", words.event(send)),
    };
    let own = piece.writes.iter().find(|write| write.space == EffectSpace::Here && !write.inverse);
    let here = words.space(EffectSpace::Here);
    let message = match own {
        Some(own) => format!(
            "`{}` {} in {here}, and {what} in {there}: one transaction writes one space, so it fails with `isolation` when it runs, and nothing \
             of it stays",
            callable.name(),
            written(callable, own),
        ),
        None => format!(
            "`{}` {what} in {there}, but its transaction may write only {here}: it fails with `isolation` when it runs, and nothing of it stays",
            callable.name(),
        ),
    };
    let path = match outside {
        Outside::Write(write) => write.path(),
        Outside::Send(send) => send.path(),
    };
    let label = if path.is_empty() { format!("{what} in {there}") } else { format!("this {what} in {there}") };
    let mut finding = RULE.at(callable.place(outside.here()), label, message);
    finding = match outside {
        Outside::Write(write) => with_path(finding, context.db, *write, format!("{what} here")),
        Outside::Send(send) => with_path(finding, context.db, *send, "sent here"),
    };
    finding = match own {
        Some(own) => {
            let label = format!("{} in {here}", written(callable, own));
            with_path(finding.label(callable.place(own.here()), label), context.db, own, "written here")
        }
        None => match callable.body.owner {
            BodyOwner::Handler(handler) => finding.label(Location::Handler(handler), format!("its transaction writes {here}")),
            _ => finding,
        },
    };
    ways_out(context, callable, outside, root, finding)
}

/// "writes `target.members`", "creates a `Note`".
fn written(callable: &Callable<'_>, write: &WriteEffect) -> String {
    let words = callable.words();
    match (write.kind, write.cell) {
        (WriteKind::Create, _) => format!("creates {}", one_of(&record_name(callable.db, write.record))),
        (WriteKind::Delete, _) => match words.target(&write.target) {
            Some(target) => format!("deletes `{target}`"),
            None => format!("deletes {}", one_of(&record_name(callable.db, write.record))),
        },
        (_, Some(cell)) => format!("writes `{}`", words.cell_of(&write.target, cell)),
        (_, None) => format!("writes {}", one_of(&record_name(callable.db, write.record))),
    }
}

fn ways_out(context: &Context<'_>, callable: &Callable<'_>, outside: &Outside<'_>, root: bool, finding: Diagnostic) -> Diagnostic {
    let words = callable.words();
    let span = callable.span(outside.here());
    let statement = callable.statement(span).map(|(_, stmt)| stmt);
    let mut ways = Vec::new();
    let mut finding = finding;

    match statement.map(|stmt| (stmt, &stmt.kind)) {
        // Whether anybody is there to send to is a finding of its own.
        Some((_, StmtKind::Call(call))) if call.span == span && may_be_none(context, call) => {
            ways.push("an event of its own there (`send`), to a receiver that is known to be there (`if let`)".to_owned());
        }
        Some((stmt, StmtKind::Call(call))) if call.span == span => {
            let call = edits::text(context.db, context.file, span);
            ways.push(format!("`send {call}`: an event of its own, there, applied once this has committed"));
            let mut all = vec![edits::insert(context.file, stmt.span.start, "send ")];
            all.extend(unused_write::without(context, callable, stmt.span));
            finding = finding.fix(format!("send `{call}` as an event"), Safety::Unsafe, all);
        }
        Some((_, StmtKind::LetCall { call, local })) if call.span == span => {
            let call = edits::text(context.db, context.file, span);
            let local = words.local(*local);
            ways.push(format!("`send {call} then {{ ok({local}) => {{ … }} err(e) => {{ … }} }}`, with what follows in the `ok` arm"));
        }
        Some((stmt, StmtKind::Expr(value))) if matches!(value.kind, ExprKind::Create(_)) => {
            ways.push("`send create …`: the record is created there once this has committed".to_owned());
            let edit = edits::insert(context.file, stmt.span.start, "send ");
            finding = finding.fix("send the `create` as an event", Safety::Unsafe, vec![edit]);
        }
        Some((stmt, StmtKind::Write(write))) => match send_instead(context, write) {
            Some((event, more)) => {
                ways.push(format!("`{event}`, whose handler writes it in its own transaction"));
                let mut all = vec![Edit { file: context.file, span: stmt.span, text: event.clone() }];
                all.extend(more);
                all.extend(unused_write::without(context, callable, stmt.span));
                finding = finding.fix(format!("write `{event}`"), Safety::Unsafe, all);
            }
            None => ways.push("`send` an event to a handler of that record, which writes it in its own transaction".to_owned()),
        },
        _ => ways.push("`send` an event there, whose handler does it in its own transaction".to_owned()),
    }
    match outside.space() {
        EffectSpace::Of(local) if may_be_here(context, callable, local) => {
            let name = words.local(local);
            ways.push(format!("`require same_space({name})` before it, if both are meant to be in one space"));
            if was_filtered(context, callable, local) {
                ways.push(format!("`if same_space({name}) {{ … }}` in the loop: what a `filter` was asked is not known of `{name}`"));
            }
            if let Some(stmt) = statement {
                let require = format!("require same_space({name}) else \"`{name}` is in another space\"");
                let mut all = vec![edits::statement_before(context.db, context.file, stmt, &require)];
                if let BodyOwner::Handler(handler) = callable.body.owner
                    && let Some(decl) = edits::handler_decl(context.db, handler)
                {
                    all.extend(edits::add_clauses(context.db, context.file, decl, &writes_in(callable, outside.space()), None));
                }
                finding = finding.fix(format!("require that `{name}` is in this space"), Safety::Unsafe, all);
            }
        }
        EffectSpace::Plain(space) if root && effects::home(context.db, callable.body.owner).is_some() => {
            let name = item_name(context.db, space);
            ways.push(format!("`across {name}`, if one store keeps both spaces"));
            if let BodyOwner::Handler(handler) = callable.body.owner
                && let Some(decl) = edits::handler_decl(context.db, handler)
            {
                let entries = writes_in(callable, outside.space());
                let edits = edits::add_clauses(context.db, context.file, decl, &entries, Some(space));
                finding = finding.fix(format!("declare `across {name}`"), Safety::Unsafe, edits);
            }
        }
        EffectSpace::Of(_) | EffectSpace::Plain(_) | EffectSpace::Any | EffectSpace::Here => {}
    }
    finding.help(ways.join("; or "))
}

/// What the `writes` clause of a handler lacks for what it does in a space, once it may write there.
fn writes_in(callable: &Callable<'_>, space: EffectSpace) -> Vec<WriteSig> {
    undeclared_write::missing(callable, |_, write| write.space == space).into_iter().map(|(entry, _)| entry).collect()
}

/// Whether a local is of a collection that is filtered by where its elements are, where it is named: `for x in xs.filter(x => same_space(x))`.
fn was_filtered(context: &Context<'_>, callable: &Callable<'_>, local: LocalId) -> bool {
    let declared = callable.body.locals[local.0 as usize].span;
    let rest = context.file.text(context.db)[declared.end as usize..].lines().next().unwrap_or_default();
    rest.trim_start().starts_with("in ") && rest.contains(".filter(") && rest.contains("same_space(")
}

/// Whether the record in a local can be in the space of `self`.
fn may_be_here(context: &Context<'_>, callable: &Callable<'_>, local: LocalId) -> bool {
    let of = match &callable.body.locals[local.0 as usize].ty {
        Ty::Optional(inner) => inner,
        ty => ty,
    };
    let (Ty::Record(record, _), Some(here)) = (of, effects::spaces(context.db, callable.body.owner)) else { return true };
    record_sig(context.db, *record).is_none_or(|there| !here.is_apart_from(there.home))
}

/// Whether nobody may be there to handle the call, which is an error also where it is sent.
fn may_be_none(context: &Context<'_>, call: &HandlerCall) -> bool {
    matches!(call.target.ty, Ty::Optional(_)) || context.file.text(context.db)[call.target.span.end as usize..].trim_start().starts_with('?')
}

/// The send that does what a write does, to a handler that is there or to one that is added.
fn send_instead(context: &Context<'_>, write: &Write) -> Option<(String, Vec<Edit>)> {
    let WriteOp::Assign { op, value } = &write.op else { return None };
    if write.key.is_some() {
        return None;
    }
    let record = record_sig(context.db, write.cell.record)?;
    let target = edits::text(context.db, context.file, write.record.span);
    let given = edits::text(context.db, context.file, value.span);
    if let Some((name, takes_value)) = handler_that_writes(context, record, write.cell, *op, value) {
        return Some((format!("send {target}.{name}({})", if takes_value { given } else { "" }), Vec::new()));
    }
    let cell = cell_sig(context.db, write.cell)?;
    let (verb, op) = match op {
        AssignOp::Set => ("set", "="),
        AssignOp::Add => ("add", "+="),
        AssignOp::Sub => ("remove", "-="),
    };
    let (element, inner) = match &cell.ty {
        Ty::List(inner) | Ty::Set(inner) if op != "=" => (true, &**inner),
        ty => (false, ty),
    };
    if !is_same_everywhere(context, inner) {
        return None;
    }
    let name = format!("{verb}_{}", cell.name);
    if record.handler(name.as_str().into()).is_some() {
        return None;
    }
    let file = write.cell.record.file;
    let decl = edits::record_decl(context.db, write.cell.record)?;
    let member = decl.members.get(cell.member as usize)?;
    let patternc_grammar::syntax::MemberKind::Cell(declared) = &member.kind else { return None };
    let ty = match &declared.ty.kind {
        patternc_grammar::syntax::TypeKind::Named { args, .. } if element => args.first()?.span,
        _ => declared.ty.span,
    };
    let ty = edits::text(context.db, file, ty);
    let handler = format!("\n\n  internal handler {name}(value: {ty}) {{\n    self.{} {op} value\n  }}", cell.name);
    let at = edits::after_comment(file.text(context.db), decl.members.last()?.span.end);
    Some((format!("send {target}.{name}({given})"), vec![edits::insert(file, at, handler)]))
}

/// A handler of the record that does this write to the cell of `self` and nothing else, whatever it requires before. The second tells whether it
/// takes the value; one without parameters writes the same.
fn handler_that_writes(context: &Context<'_>, record: &RecordSig, cell: CellId, op: AssignOp, value: &Expr) -> Option<(String, bool)> {
    let fits = |index: usize, takes_value: bool| {
        let owner = BodyOwner::Handler(HandlerId { record: cell.record, index: index as u32 });
        let Some(Callable { body, .. }) = Callable::of(context.db, owner) else { return false };
        let BodyKind::Block(block) = &body.kind else { return false };
        let Some((last, before)) = block.stmts.split_last() else { return false };
        let StmtKind::Write(Write { record, cell: written, key: None, op: WriteOp::Assign { op: does, value: given }, .. }) = &last.kind else {
            return false;
        };
        let is_value = match &given.kind {
            ExprKind::Local(param) => takes_value && param.0 == 0,
            literal => {
                !takes_value && matches!(literal, ExprKind::Bool(_) | ExprKind::Int(_) | ExprKind::Text(_) | ExprKind::None) && *literal == value.kind
            }
        };
        let only_requires = before.iter().all(|stmt| matches!(stmt.kind, StmtKind::Require { .. }));
        only_requires && matches!(record.kind, ExprKind::SelfRef) && *written == cell && *does == op && is_value
    };
    let fitting = |takes_value: bool| {
        let takes = |handler: &HandlerSig| match &handler.params[..] {
            [] => !takes_value,
            [param] => takes_value && param.ty == value.ty && is_same_everywhere(context, &value.ty),
            _ => false,
        };
        let found = record.handlers.iter().enumerate().find(|(index, handler)| takes(handler) && fits(*index, takes_value));
        found.map(|(_, handler)| (handler.name.to_string(), takes_value))
    };
    fitting(true).or_else(|| fitting(false))
}

/// Whether a type holds no reference that depends on where it is seen from.
fn is_same_everywhere(context: &Context<'_>, ty: &Ty) -> bool {
    match ty {
        Ty::Bool | Ty::Int | Ty::Float | Ty::Text | Ty::Bytes | Ty::Time | Ty::Duration => true,
        Ty::List(inner) | Ty::Set(inner) | Ty::Optional(inner) => is_same_everywhere(context, inner),
        Ty::Map(key, value) => is_same_everywhere(context, key) && is_same_everywhere(context, value),
        Ty::Record(record, _) => record_sig(context.db, *record).is_some_and(|sig| matches!(sig.home, Home::Plain(_))),
        _ => false,
    }
}

const PAGE: &str = r##"
## What goes wrong

A transaction writes the space of its record and no other: two spaces may be kept by two stores, and nothing can commit both at once. When
the handler runs, its first write elsewhere fails with `isolation`, no `try` catches that, and nothing of the transaction stays.

The same holds for what it does through direct calls, which run as part of it, and for records it creates or deletes.

## Bad

```pattern
space accounts
space agents

record Account in accounts {
  cell token: Text = ""
}

record Agent in agents {
  cell account: Account
  cell status: Text = ""

  handler renew(token: Text) writes Account.token {
    self.status = "renewed"
    self.account.token = token
  }
}
```

## Good

```pattern
space accounts
space agents

record Account in accounts {
  cell token: Text = ""

  handler set_token(token: Text) {
    self.token = token
  }
}

record Agent in agents {
  cell account: Account
  cell status: Text = ""

  handler renew(token: Text) {
    self.status = "asked"
    send self.account.set_token(token) then {
      ok() => { self.status = "renewed" }
      err(e) => { self.status = "failed: {e.message}" }
    }
  }
}
```

If both records are meant to be in one space, `require same_space(x)` says so. If one store keeps both spaces, `across` at the end of the
signature makes the two writes one commit.
"##;
