//! `dual-write`: cells and the outside changed by one handler, with nothing that keeps them equal.

use super::{Fixes, Rule};
use super::context::{Callable, Context, with_path};
use super::reach::{self, Once, OutsideCall};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::{Effects, Entry, SendEffect, SendRole, WriteEffect};
use crate::hir::BodyOwner;
use crate::signature::{extern_sig, operation_sig};
use crate::types::ItemId;

pub static RULE: Rule = Rule {
    name: "dual-write",
    level: Level::Warn,
    summary: "a handler that writes cells and sends a call that changes the outside, with nothing that keeps the two equal (an error if the call is not idempotent)",
    fixes: Fixes::None("what keeps the two equal (a mirror, a saga, an arm that asks again) is a design"),
    page: PAGE,
    check: Some(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions().filter(|callable| !callable.is_incomplete()) {
        visit(context, callable, callable.effects, &mut Vec::new(), findings);
    }
}

/// The record that the transaction of a `create` block makes: it is there whatever becomes of what the block sends.
fn created(callable: &Callable<'_>) -> Option<ItemId> {
    match callable.body.owner {
        BodyOwner::Create(record) => Some(record),
        _ => None,
    }
}

/// A piece, after what the pieces before it wrote.
fn visit<'e>(
    context: &Context<'_>,
    callable: &Callable<'_>,
    piece: &'e Effects,
    written: &mut Vec<&'e WriteEffect>,
    findings: &mut Vec<Diagnostic>,
) {
    let before = written.len();
    written.extend(piece.writes.iter().filter(|write| !write.inverse));
    for send in &piece.sends {
        // Without an `err` arm the failure is dropped, which is a finding of its own.
        let dropped = send.role == SendRole::Send && send.err.is_none() && reach::failing(context.db, send).is_some();
        let created = created(callable);
        if (created.is_some() || !written.is_empty()) && matches!(send.role, SendRole::Send | SendRole::Answer) {
            // A handler called directly that writes and sends by itself is reported where it stands.
            let through_call = !send.path.is_empty() && written.iter().any(|write| write.here() == send.here());
            let worst = reach::outside_calls(context.db, send)
                .into_iter()
                .filter_map(|call| judge(&call, written, created).map(|level| (level, call)))
                .max_by_key(|(level, _)| *level);
            if let Some((level, call)) = worst
                && !through_call
                && !(dropped && level == Level::Warn)
            {
                findings.push(finding(context, callable, written, send, level, &call));
            }
        }
        let own = send.path.is_empty();
        send.arms().filter(|_| own).for_each(|arm| visit(context, callable, arm, written, findings));
    }
    written.truncate(before);
}

/// How bad it is that a call of the outside follows these writes.
fn judge(call: &OutsideCall, written: &[&WriteEffect], created: Option<ItemId>) -> Option<Level> {
    let repaired = call.sends || written.iter().map(|write| write.record).chain(created).any(|record| call.repairs.contains(&record));
    match call.repeat {
        Once::Once => Some(Level::Error),
        Once::Idempotent if repaired => None,
        Once::Idempotent => Some(Level::Warn),
    }
}

fn finding(
    context: &Context<'_>,
    callable: &Callable<'_>,
    written: &[&WriteEffect],
    send: &SendEffect,
    level: Level,
    call: &OutsideCall,
) -> Diagnostic {
    let words = callable.words();
    let of = extern_sig(context.db, call.operation.of).map_or_else(String::new, |sig| sig.name.to_string());
    let name = operation_sig(context.db, call.operation).map_or_else(String::new, |sig| sig.name.to_string());
    let operation = format!("{of}.{name}");
    let write = written.iter().rev().find(|write| write.here() < send.here()).or(written.first());
    let record_name = |record| format!("a `{}`", crate::effects::describe::record_name(context.db, record));
    let cell = match write.map(|write| (write, write.cell)) {
        Some((write, Some(cell))) => format!("`{}`", words.cell_of(&write.target, cell)),
        Some((write, None)) => record_name(write.record),
        None => created(callable).map_or_else(String::new, record_name),
    };
    let why = match level {
        Level::Error => "after a crash in between nobody knows whether the call arrived, and it cannot be repeated",
        _ => "when the call fails for good nothing takes the write back",
    };
    let message = format!("`{}` writes {cell} and changes the outside by `{operation}`, and nothing keeps the two equal: {why}", callable.name());
    let direct = send.site == call.site;
    let label = if direct { format!("changes the outside: `{operation}`") } else { format!("leads to `{operation}`") };
    let mut finding = RULE.at(callable.place(send.here()), label, message);
    finding.level = level;
    if !direct {
        finding = finding.label(Location::Site(call.site), "changes the outside here");
    }
    if let Some(write) = write {
        finding = finding.label(callable.place(write.here()), format!("written in {}", words.space(write.space)));
        finding = with_path(finding, context.db, *write, "written here");
    } else if let Some(record) = created(callable) {
        finding = finding.label(Location::Item(record), "its creation is committed with the send");
    }
    finding.help(match level {
        Level::Error => format!(
            "declare a `mirror` that keeps the outside equal to the cells; or make the call the `pivot` of a `saga`; or, if `{operation}` is safe to repeat \
             with the same key, mark it `idempotent`"
        ),
        _ => format!("declare a `mirror` that keeps the outside equal to the cells, or give the send an `err` arm that takes back {cell}"),
    })
}

const PAGE: &str = r##"
## What goes wrong

Two places that should say the same are changed one after the other, and nothing commits both. A crash, a refusal or a lost answer between the
two leaves them apart, for ever.

It is an error when the operation is not safe to repeat: after a crash nobody can find out whether it arrived. It is a warning when it is
`idempotent` but no `err` arm takes back (or sends something about) what the handler wrote. Calls through the handlers it sends to count too.

## Bad

```pattern
space docs
extern authz {
  write(document: Text, owner: Text)
}
record Document in docs {
  cell name: Text
  cell owner: Text
  handler give(owner: Text) {
    self.owner = owner
    send authz.write(self.name, owner) then {
      err(e) => { self.owner = "nobody: {e.message}" }
    }
  }
}
```

## Good

```pattern
space docs
struct Fact { document: Text, owner: Text }
extern authz {
  touch(fact: Fact) idempotent
  remove(fact: Fact) idempotent
  read(owner: Text) -> List<Fact> readonly
}
record Document in docs {
  cell name: Text
  cell owner: Text
  handler give(owner: Text) {
    self.owner = owner
  }
}
mirror ownership of Document to authz {
  facts(d)      = [Fact { document: d.name, owner: d.owner }]
  add(f)        = authz.touch(f)
  remove(f)     = authz.remove(f)
  actual(owner) = authz.read(owner)
  scope(d)      = d.owner
}
```

## When it is fine

When the cell only says that the call was asked for, and an `err` arm says otherwise when it fails: then the call must be `idempotent`, and
nothing is reported. Where the outside is told of something that need not agree with any cell (a mail, a log line), write `@allow` with that reason
for the warning.
"##;
