//! `dual-write`: cells and the outside changed by one handler, with nothing that keeps them equal.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context, with_path};
use super::reach::{self, Once, OutsideCall};
use super::steps;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::{EffectSpace, Effects, Entry, SendEffect, SendRole, Site, Target, WriteEffect, WriteKind};
use crate::hir::BodyOwner;
use crate::resolve::one_of;
use crate::types::ItemId;

pub static RULE: Rule = Rule {
    name: "dual-write",
    level: Level::Warn,
    summary: "a handler that writes cells and sends a call that changes the outside, with nothing that keeps the two equal (an error if the call is not idempotent)",
    fixes: Fixes::None("what keeps the two equal (a mirror, a saga, an arm that asks again) is a design"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions().filter(|callable| !callable.is_incomplete()) {
        visit(context, callable, callable.effects, &[], findings);
    }
}

/// The record that the transaction of a `create` block makes: it is there whatever becomes of what the block sends.
fn created(callable: &Callable<'_>) -> Option<ItemId> {
    match callable.body.owner {
        BodyOwner::Create(record) => Some(record),
        _ => None,
    }
}

/// What a transaction wrote that committed before, or commits beside, the one that sends.
#[derive(Clone)]
struct Earlier(Vec<WriteEffect>);

/// A piece, after what the pieces before it wrote.
fn visit(context: &Context<'_>, callable: &Callable<'_>, piece: &Effects, before: &[Earlier], findings: &mut Vec<Diagnostic>) {
    let sent: Vec<(&SendEffect, Earlier)> =
        piece.sends.iter().filter_map(|send| Some((send, Earlier(written_by_own(context, callable, send)?)))).collect();
    for send in piece.sends.iter().filter(|send| matches!(send.role, SendRole::Send | SendRole::Answer)) {
        let own: Vec<WriteEffect> = piece.writes.iter().filter(|write| !write.inverse && together(callable, *write, send)).cloned().collect();
        let beside = sent.iter().filter(|(other, _)| other.here() != send.here() && together(callable, *other, send));
        let mut earlier: Vec<Earlier> = before.iter().chain(beside.map(|(_, written)| written)).cloned().collect();
        judge(context, callable, &own, &earlier, send, findings);
        if send.path.is_empty() {
            earlier.push(Earlier(own));
            if let Some(err) = &send.err {
                visit(context, callable, err, &earlier, findings);
            }
            if let Some(ok) = &send.ok {
                earlier.extend(sent.iter().filter(|(other, _)| other.here() == send.here()).map(|(_, written)| written.clone()));
                visit(context, callable, ok, &earlier, findings);
            }
        }
    }
}

/// Whether two entries of a piece can both happen, in whatever order.
fn together(callable: &Callable<'_>, one: &impl Entry, other: &impl Entry) -> bool {
    let (one, other) = (one.here(), other.here());
    let own = |site: Site| site.body == callable.body.owner;
    one == other || !own(one) || !own(other) || callable.can_have_happened(one, other) || callable.can_have_happened(other, one)
}

/// What an event to the record itself writes at once: it is the same as if this handler wrote it.
fn written_by_own(context: &Context<'_>, callable: &Callable<'_>, send: &SendEffect) -> Option<Vec<WriteEffect>> {
    let own = send.target == Target::SelfRecord && !send.delayed && matches!(send.role, SendRole::Send | SendRole::Answer);
    let writes = own.then(|| reach::received(context.db, callable.body.owner, send)).flatten()?.writes;
    let writes: Vec<WriteEffect> = writes.into_iter().filter(|write| !write.inverse).collect();
    (!writes.is_empty()).then_some(writes)
}

/// Reports the worst of what a send changes outside, after or beside these writes.
fn judge(
    context: &Context<'_>,
    callable: &Callable<'_>,
    own: &[WriteEffect],
    earlier: &[Earlier],
    send: &SendEffect,
    findings: &mut Vec<Diagnostic>,
) {
    let created = created(callable);
    // A handler called directly that writes and sends by itself is reported where it stands.
    let (there, own): (Vec<&WriteEffect>, Vec<&WriteEffect>) = own.iter().partition(|write| !send.path.is_empty() && write.here() == send.here());
    let written: Vec<&WriteEffect> = earlier.iter().flat_map(|Earlier(writes)| writes).chain(own.iter().copied()).collect();
    if created.is_none() && written.is_empty() {
        return;
    }
    let worst = reach::outside_calls(context.db, callable.body.owner, send).into_iter().filter_map(|call| {
        let repairs = &call.repairs;
        let settled = |write: &WriteEffect| repairs.settle(write, callable.in_loop(write.here()));
        let culprit = match call.repeat {
            Once::Once => {
                let last = written.iter().rev().find(|write| write.here() < send.here()).or(written.first());
                (there.is_empty()).then_some((Level::Error, last.copied()))
            }
            Once::Idempotent => {
                // Who hears of the failure puts right what it wrote; of what was written before, or if another handler hears of it, each record
                // has to show at least that something came in between.
                let mut strict = own.iter().copied().filter(|write| call.told && !is_part_of_created(write, &own, created));
                let open = strict.rfind(|write| !callable.is_told(write.site()) && !settled(write));
                let pooled: Vec<&WriteEffect> = written.iter().copied().filter(|write| !is_part_of_created(write, &own, created)).collect();
                let before = if call.told {
                    earlier.iter().filter_map(|Earlier(writes)| unsettled(&writes.iter().collect::<Vec<_>>(), &settled)).next_back()
                } else {
                    unsettled(&pooled, &settled)
                };
                let made = created.is_some_and(|record| !repairs.settle_own(record));
                let open = open.or(before);
                (open.is_some() || made).then_some((Level::Warn, open))
            }
        };
        culprit.map(|(level, write)| (level, write, call))
    });
    let Some((level, write, call)) = worst.max_by_key(|(level, ..)| *level) else { return };
    // Without an `err` arm the failure is dropped, which is a finding of its own.
    let dropped = send.role == SendRole::Send && send.err.is_none() && reach::failing(context.db, send).is_some();
    if !(dropped && level == Level::Warn) {
        findings.push(finding(context, callable, write, send, level, &call));
    }
}

/// Whether a write is of a record that is made in the same transaction: what becomes of that is judged as one.
fn is_part_of_created(write: &WriteEffect, all: &[&WriteEffect], created: Option<ItemId>) -> bool {
    let made = |record| all.iter().any(|other| other.kind == WriteKind::Create && other.record == record);
    write.cell.is_some()
        && match write.target {
            Target::Fresh => made(write.record),
            Target::SelfRecord => created == Some(write.record),
            _ => false,
        }
}

/// A write to a record of which nothing is put right.
fn unsettled<'w>(writes: &[&'w WriteEffect], settled: &impl Fn(&WriteEffect) -> bool) -> Option<&'w WriteEffect> {
    let of_record = |write: &WriteEffect| writes.iter().any(|other| (other.record, &other.target) == (write.record, &write.target) && settled(other));
    writes.iter().copied().rfind(|write| !of_record(write))
}

fn finding(
    context: &Context<'_>,
    callable: &Callable<'_>,
    write: Option<&WriteEffect>,
    send: &SendEffect,
    level: Level,
    call: &OutsideCall,
) -> Diagnostic {
    let words = callable.words();
    let operation = steps::operation_name(context.db, call.operation);
    let record_name = |record| one_of(&crate::effects::describe::record_name(context.db, record));
    let cell = match write.map(|write| (write, write.cell)) {
        Some((write, Some(cell))) => format!("`{}`", words.cell_of(&write.target, cell)),
        Some((write, None)) => record_name(write.record),
        None => created(callable).map_or_else(String::new, record_name),
    };
    let verb = match write.map(|write| write.kind) {
        Some(WriteKind::Delete) => "deletes",
        _ => "writes",
    };
    let why = match (level, &send.err) {
        (Level::Error, _) => "after a crash in between nobody knows whether the call arrived, and it cannot be repeated",
        (_, Some(_)) => "when the call fails for good there is a way on which nothing takes the write back",
        _ => "when the call fails for good nothing takes the write back",
    };
    let message = format!("`{}` {verb} {cell} and changes the outside by `{operation}`, and nothing keeps the two equal: {why}", callable.name());
    let direct = send.site == call.site;
    let label = match direct {
        true => format!("changes the outside, which no space keeps: `{operation}`"),
        false => format!("leads to `{operation}`, by an event in {}", words.space(send.space)),
    };
    let mut finding = RULE.at(callable.place(send.here()), label, message);
    finding.level = level;
    if !direct {
        finding = finding.label(Location::Site(call.site), "changes the outside here, which no space keeps");
    }
    if let Some(write) = write {
        finding = finding.label(callable.place(write.here()), format!("written in {}", words.space(write.space)));
        finding = with_path(finding, context.db, write, "written here");
    } else if let Some(record) = created(callable) {
        finding = finding.label(Location::Item(record), format!("its creation is committed with the send, in {}", words.space(EffectSpace::Here)));
    }
    finding.help(match level {
        Level::Error => format!(
            "declare a `mirror` that keeps the outside equal to the cells; or make the call the `pivot` of a `saga`; or, if `{operation}` is safe to repeat \
             with the same key, mark it `idempotent`"
        ),
        _ => format!(
            "declare a `mirror` that keeps the outside equal to the cells, or give the send an `err` arm that takes back {cell}, on every way through it"
        ),
    })
}

const PAGE: &str = r##"
## What goes wrong

Two places that should say the same are changed one after the other, and nothing commits both. A crash, a refusal or a lost answer between the
two leaves them apart, for ever.

It is an error when the operation is not safe to repeat: after a crash nobody can find out whether it arrived. It is a warning when it is
`idempotent` but an `err` arm does not take back, on every way through it, what the handler wrote. It takes back a cell by writing it again, a record
by deleting it; it may also send an event that tells another record, or makes the call again. An arm that fails takes nothing back. Calls through the
handlers it sends to count too, and so do the cells that a handler writes by an event to its own record.

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
nothing is reported. What a cell holds of an earlier answer is so whatever becomes of the next call, and is not asked about. A cell that means something
by itself, such as a count of attempts, can be written in both arms instead. Where the outside is told of something that need not agree with any cell (a mail, a log line), write `@allow` with that reason
for the warning.
"##;
