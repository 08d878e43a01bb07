//! `dropped-failure`: a send that can fail, without an `err` arm, beside something that is done all the same.

use patternc_grammar::syntax::Span;

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context, with_path};
use super::edits;
use super::reach::{self, Failing};
use super::steps::{self, Rejecting};
use crate::diagnostic::{Diagnostic, Edit, Level, Location, Safety};
use crate::effects::describe::record_name;
use crate::effects::{self, Effects, Entry, SendEffect, SendRole, Site, Target, WriteEffect, WriteKind};
use crate::hir::{BodyOwner, StmtKind};
use crate::resolve::{item_name, one_of};
use crate::signature::cell_sig;
use crate::types::{ItemId, Ty};

pub static RULE: Rule = Rule {
    name: "dropped-failure",
    level: Level::Warn,
    summary: "a `send` to something that can fail, without an `err` arm, from a handler that writes or sends more",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions().filter(|callable| !callable.is_incomplete()) {
        chain(context, callable, callable.effects, &Done::default(), findings);
    }
}

/// What is done, whatever comes of a send.
#[derive(Clone, Default)]
struct Done<'a> {
    /// By the transactions before, and by the one that sends.
    writes: Vec<&'a WriteEffect>,
    /// What was sent, changed something, and was not rejected.
    sends: Vec<&'a SendEffect>,
}

/// A transaction, and the arms of what it sends: what was done before them stays too.
fn chain<'a>(context: &Context<'_>, callable: &Callable<'_>, piece: &'a Effects, before: &Done<'a>, findings: &mut Vec<Diagnostic>) {
    let mut done = before.clone();
    done.writes.extend(&piece.writes);
    // A send through a direct call is reported where it stands, if there are writes there.
    let writes = |site: Site| {
        piece.calls.iter().any(|call| call.site == site && !context.effects(call.callee).writes.is_empty())
    };
    let nearest = |send: &&SendEffect| send.path.is_empty() || !writes(send.here());
    let dropping = piece.sends.iter().filter(|send| send.role == SendRole::Send && send.err.is_none());
    for send in dropping.filter(nearest) {
        let Some(failing) = reach::failing(context.db, send) else { continue };
        // Who is deleted has no use for what was to be done for it, nor for what it holds.
        let own = matches!(failing, Failing::Deleted(..)) && send.target == Target::SelfRecord;
        let writes: Vec<&WriteEffect> = done.writes.iter().copied().filter(|write| !own || write.target != Target::SelfRecord).collect();
        if !writes.is_empty() {
            findings.push(after_writes(context, callable, &writes, send, failing));
        } else if !own && let Some(other) = done.sends.last().copied().or_else(|| beside(context, callable, piece, send)) {
            findings.push(after_send(context, callable, other, send, failing));
        }
    }
    for send in piece.sends.iter().filter(|send| send.path.is_empty()) {
        for (arm, happened) in [(&send.ok, true), (&send.err, false)] {
            let Some(arm) = arm else { continue };
            let mut done = done.clone();
            if happened && steps::change(context.db, send).is_some() {
                done.sends.push(send);
            }
            chain(context, callable, arm, &done, findings);
        }
    }
}

/// Another event that the same transaction sends, and that changes something.
fn beside<'a>(context: &Context<'_>, callable: &Callable<'_>, piece: &'a Effects, send: &SendEffect) -> Option<&'a SendEffect> {
    // In a loop it is sent more than once: what it did in an earlier round is done.
    let again = |other: &SendEffect| other.here() == send.here() && callable.in_loop(send.here());
    let both = |other: &SendEffect| {
        again(other) || callable.can_have_happened(other.here(), send.here()) || callable.can_have_happened(send.here(), other.here())
    };
    let mut others = piece.sends.iter().filter(|other| other.role == SendRole::Send && !other.delayed && both(other));
    others.find(|other| steps::change(context.db, other).is_some())
}

fn after_writes(context: &Context<'_>, callable: &Callable<'_>, writes: &[&WriteEffect], send: &SendEffect, failing: Failing) -> Diagnostic {
    let words = callable.words();
    let event = words.event(send);
    // What was written last before the send is what most probably relies on it.
    let before = writes.iter().rfind(|write| write.here() < send.here() && !write.inverse);
    let write = before.or_else(|| writes.iter().find(|write| !write.inverse)).unwrap_or(&writes[0]);
    let name = match write.cell {
        Some(cell) => words.cell_of(&write.target, cell),
        None => record_name(context.db, write.record),
    };
    let message = format!(
        "`{event}` can fail, and `{}` does nothing then: its write of `{name}` stays as if all had gone well, and the rejection is parked",
        callable.name(),
    );
    let mut finding = RULE.at(callable.place(send.here()), format!("sent without an `err` arm, to {}", steps::reached(callable, send)), message);
    finding = finding.label(callable.place(write.here()), format!("committed before, in {}", words.space(write.space)));
    finding = with_path(finding, context.db, *write, "written here");
    finding = because(context, callable, send, failing, &event, finding);
    finding = finding.help(format!(
        "{}add `err(e) => {{ … }}` to the send and say there what `{name}` is when it failed",
        not_caught(callable, send)
    ));
    for (title, body) in [take_back(context, callable, writes, send), pass_on(callable)].into_iter().flatten() {
        if let Some(edits) = err_arm(context, callable, send, &body) {
            finding = finding.fix(title, Safety::Unsafe, edits);
        }
    }
    finding
}

/// Nothing is written beside the send, but what another event does stays.
fn after_send(context: &Context<'_>, callable: &Callable<'_>, other: &SendEffect, send: &SendEffect, failing: Failing) -> Diagnostic {
    let words = callable.words();
    let (event, stays) = (words.event(send), words.event(other));
    let message = format!(
        "`{event}` can fail, and `{}` does nothing then: what `{stays}` did stays as if all had gone well, and the rejection is parked",
        callable.name(),
    );
    let mut finding = RULE.at(callable.place(send.here()), format!("sent without an `err` arm, to {}", steps::reached(callable, send)), message);
    if other.here() == send.here() {
        finding = finding.note("it is sent in every round of a loop: one may be rejected, and the others not");
    } else {
        finding = finding.label(callable.place(other.here()), format!("what this does stays, in {}", steps::reached(callable, other)));
    }
    finding = because(context, callable, send, failing, &event, finding);
    finding = finding.help(format!(
        "{}send it in the `ok` arm of `{stays}`, with `err(e) => {{ … }}` that takes back what `{stays}` did; or let a `saga` do both",
        not_caught(callable, send)
    ));
    if let Some((title, body)) = pass_on(callable)
        && let Some(edits) = err_arm(context, callable, send, &body)
    {
        finding = finding.fix(title, Safety::Unsafe, edits);
    }
    finding
}

/// The `catch` that stands around a send and takes no part in what becomes of it.
fn catch_around(callable: &Callable<'_>, send: &SendEffect) -> Option<Span> {
    let around = callable.tries().into_iter().rev().find(|(block, _)| callable.is_in(send.here(), *block));
    match &around?.1.kind {
        StmtKind::Try { catch, .. } => Some(catch.span),
        _ => None,
    }
}

/// Said before the way out where a send stands in a `try`.
fn not_caught(callable: &Callable<'_>, send: &SendEffect) -> &'static str {
    match catch_around(callable, send) {
        Some(_) => "no `catch` sees it, as the event is delivered once this transaction has committed: ",
        None => "",
    }
}

/// Adds why the event can fail, and what does not catch it.
fn because(context: &Context<'_>, callable: &Callable<'_>, send: &SendEffect, failing: Failing, event: &str, finding: Diagnostic) -> Diagnostic {
    let mut finding = with_path(finding, context.db, send, "sent here");
    if let Some(catch) = catch_around(callable, send) {
        finding = finding.label(Location::Span(context.file, catch), "never runs for that");
    }
    match failing {
        Failing::At(site) => finding.label(Location::Site(site), format!("`{event}` can be rejected here")),
        Failing::Taken(cell) => finding.label(Location::Cell(cell), "rejected if another one has the value"),
        Failing::Broken(invariant, site) => finding
            .label(Location::Site(site), "this may break an invariant")
            .label(Location::Item(invariant), format!("`{event}` is rejected if `{}` would not hold", item_name(context.db, invariant))),
        Failing::Lacking(record, site) => {
            steps::because(context.db, &Rejecting::Lacking(record, site), finding)
        }
        Failing::Unmirrored(mirror, write, fails) => {
            steps::because(context.db, &Rejecting::Unmirrored(mirror, write, fails), finding)
        }
        Failing::Deleted(record, by) if effects::receiver(context.db, send) == Some(by) => finding
            .label(deletion(context, record, by), format!("deletes its `{}`: another event of it may come first", record_name(context.db, record))),
        Failing::Deleted(record, by) => finding
            .label(deletion(context, record, by), format!("deletes {}: then there is nobody to take the event", one_of(&record_name(context.db, record)))),
        Failing::Outside(site) if site != send.site => {
            finding.label(Location::Site(site), "asks the outside, which can always fail: refuse, time out, or be away")
        }
        Failing::Outside(_) => finding.note("what is outside can always fail: refuse, time out, or be away"),
    }
}

/// Where a body deletes a record.
fn deletion(context: &Context<'_>, record: ItemId, by: BodyOwner) -> Location {
    let pieces = effects::own(context.db, by).map(|body| body.own.pieces()).unwrap_or_default();
    let found = pieces.iter().flat_map(|piece| &piece.writes).find(|write| write.kind == WriteKind::Delete && write.record == record);
    found.map_or(Location::Item(record), |write| Location::Site(write.site))
}

/// The arm that undoes what was written before: where all of that is `+=` and `-=` of plain values beside the send.
fn take_back(context: &Context<'_>, callable: &Callable<'_>, writes: &[&WriteEffect], send: &SendEffect) -> Option<(String, Body)> {
    let (beside, _) = callable.statement(callable.span(send.here()))?;
    let mut statements = Vec::new();
    for write in writes.iter().filter(|write| !write.inverse) {
        let (block, stmt) = callable.statement(callable.span(write.here()))?;
        let in_set = || write.cell.and_then(|cell| cell_sig(context.db, cell)).is_some_and(|sig| matches!(sig.ty, Ty::Set(_)));
        let reversible = match write.kind {
            WriteKind::Add => true,
            WriteKind::Insert | WriteKind::Remove => in_set(),
            WriteKind::Set | WriteKind::Append | WriteKind::Create | WriteKind::Delete => false,
        };
        if !reversible || !write.path.is_empty() || !std::ptr::eq(block, beside) || write.here() > send.here() {
            return None;
        }
        let text = edits::text(context.db, context.file, stmt.span);
        let (place, value, sign) = match (text.split_once(" += "), text.split_once(" -= ")) {
            (Some((place, value)), None) => (place, value, "-="),
            (None, Some((place, value))) => (place, value, "+="),
            _ => return None,
        };
        // What is read of cells may be another value by then.
        if !value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return None;
        }
        statements.push(format!("{place} {sign} {value}"));
    }
    statements.reverse();
    if statements.is_empty() {
        return None;
    }
    let title = format!("take back what was written, in an `err` arm: `{}`", statements.join("`, `"));
    Some((title, Body { error: "_e", statements }))
}

/// The arm that fails too: who called is told, or the event is parked where it can be seen.
fn pass_on(callable: &Callable<'_>) -> Option<(String, Body)> {
    let taken = |name: &str| callable.body.locals.iter().any(|local| local.name.as_str() == name);
    let error = ["e", "error", "failure", "reason"].into_iter().find(|name| !taken(name))?;
    Some(("fail in an `err` arm".to_owned(), Body { error, statements: vec![format!("fail {error}.message")] }))
}

/// What an `err` arm does.
struct Body {
    /// The name of the failure.
    error: &'static str,
    statements: Vec<String>,
}

/// Adds an `err` arm to a send.
fn err_arm(context: &Context<'_>, callable: &Callable<'_>, send: &SendEffect, body: &Body) -> Option<Vec<Edit>> {
    let (_, stmt) = callable.statement(callable.span(send.here()))?;
    let StmtKind::Send(sent) = &stmt.kind else { return None };
    let text = context.file.text(context.db);
    let indent = edits::indent_at(text, stmt.span.start);
    let statements: String = body.statements.iter().map(|statement| format!("{indent}    {statement}\n")).collect();
    let arm = format!("{indent}  err({}) => {{\n{statements}{indent}  }}", body.error);
    let insert = |at, text: String| edits::insert(context.file, at, text);
    Some(match &sent.ok {
        Some(ok) => vec![insert(edits::after_comment(text, ok.span.end), format!("\n{arm}"))],
        None => match edits::after_comment(text, stmt.span.end) {
            end if end == stmt.span.end => vec![insert(end, format!(" then {{\n{arm}\n{indent}}}"))],
            behind => vec![insert(stmt.span.end, " then {".to_owned()), insert(behind, format!("\n{arm}\n{indent}}}"))],
        },
    })
}

const PAGE: &str = r##"
## What goes wrong

The handler commits, then the event is delivered and rejected. What the handler wrote stays, although what it counted on never happened, and
nobody is told: the rejection is parked until someone looks at `:status` at the prompt.

An event can be rejected by a `require` or `fail` of its handler, by a value that another record has, by the outside, by an invariant that what it
writes can break, by a mirror that has no facts of what it writes, because a record that it relies on was deleted, if some handler deletes such records,
or because its own was: by another handler, or by an event like it, if it deletes its record and does more than that.

## Bad

```pattern
space agents
extern oauth {
  refresh(account: Text) -> Text idempotent
}
record Agent in agents {
  cell account: Text
  cell status: Text = ""
  cell token: Text = ""
  handler renew() {
    self.status = "renewing"
    send oauth.refresh(self.account) then {
      ok(token) => { self.token = token }
    }
  }
}
```

## Good

```pattern
space agents
extern oauth {
  refresh(account: Text) -> Text idempotent
}
record Agent in agents {
  cell account: Text
  cell status: Text = ""
  cell token: Text = ""
  handler renew() {
    self.status = "renewing"
    send oauth.refresh(self.account) then {
      ok(token) => {
        self.token = token
        self.status = "ready"
      }
      err(e) => { self.status = "failed: {e.message}" }
    }
  }
}
```

## When it is fine

When someone watches what is parked and takes it up by hand. A send to a handler that cannot reject is not reported, nor one that is all that its
handler does: then nothing is half done. A handler cannot break an invariant by taking its record out of where that says it is
(`b.lapsed || b.room.bookings[b.night] == b`), if it was not lapsed before and is afterwards.
"##;
