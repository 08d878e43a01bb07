//! `half-done-step`: a step of a saga that may fail after some of it was done.

use rustc_hash::FxHashSet;

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context};
use super::repairs;
use super::steps::{self, Change, Rejecting};
use crate::db::Db;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::body_name;
use crate::effects::{self, Effects, Entry, SendEffect, SendRole, WriteEffect};
use crate::facts;
use crate::hir::BodyOwner;
use crate::types::HandlerId;

pub static RULE: Rule = Rule {
    name: "half-done-step",
    level: Level::Error,
    summary: "a step of a saga, or its `undo`, that may fail after some of it was done, or counts as done before all of it is",
    fixes: Fixes::None("the rejection has to come before the write, or what was written has to be undone: a question of what the step means"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for (callable, saga) in steps::sagas(context) {
        for (index, step) in saga.steps.iter().enumerate() {
            let name = step.name(callable);
            for (send, what) in std::iter::once((step.action, "the step")).chain(step.undo.map(|undo| (undo, "what undoes"))) {
                if let Some((open, why)) = left_open(context.db, send, &mut FxHashSet::default()) {
                    findings.push(early(context, callable, send, open, &why, &format!("{what} `{name}`")));
                }
            }
            // After the pivot nothing may be rejected at all: `fallible-after-pivot`.
            if index <= saga.pivot
                && let Some(half) = of_event(context.db, step.action)
            {
                let what = format!("the step `{name}` of the saga `{}`", callable.name());
                let so = "that stays, since a step that failed is not undone";
                findings.push(finding(context, callable, step.action, &half, &what, so));
            }
            if let Some(undo) = step.undo
                && let Some(half) = of_event(context.db, undo)
            {
                let what = format!("what undoes `{name}` in the saga `{}`", callable.name());
                let so = "then the step is half undone, and undoing it once more would do the first half twice";
                findings.push(finding(context, callable, undo, &half, &what, so));
            }
        }
    }
}

/// A send that an event sets going, whose rejection nobody takes and nothing waits for, and why it may be rejected. What is outside may always
/// refuse: that is for `dual-write` and `dropped-failure`.
fn left_open<'db>(db: &'db dyn Db, event: &SendEffect, seen: &mut FxHashSet<BodyOwner>) -> Option<(&'db SendEffect, Rejecting)> {
    let owner = effects::receiver(db, event).filter(|owner| matches!(owner, BodyOwner::Handler(_) | BodyOwner::Create(_)))?;
    if !seen.insert(owner) || seen.len() > MOST_SEEN {
        return None;
    }
    let sends = effects::effects(db, owner).pieces().into_iter().flat_map(|piece| &piece.sends).filter(|send| !send.delayed);
    sends.into_iter().find_map(|send| {
        let dropped = send.role == SendRole::Send && send.err.is_none();
        let why = dropped.then(|| steps::rejecting_sent(db, send)).flatten().filter(|why| !matches!(why, Rejecting::Outside(_)));
        why.map(|why| (send, why)).or_else(|| left_open(db, send, seen))
    })
}

/// Handlers that are looked at for one step.
const MOST_SEEN: usize = 256;

fn early(
    context: &Context<'_>,
    callable: &Callable<'_>,
    send: &SendEffect,
    open: &SendEffect,
    why: &Rejecting,
    what: &str,
) -> Diagnostic {
    let by = body_name(context.db, open.site.body);
    let message = format!(
        "{what} of the saga `{}` counts as done before what `{by}` sends is: that may be rejected by {}, and the saga ends as if all were done",
        callable.name(),
        steps::reason(context.db, why)
    );
    let finding = steps::at(&RULE, callable, send, "done before all of it is", message);
    let finding = finding.label(Location::Site(open.site), format!("`{by}` sends it, and waits for nothing"));
    steps::because(context.db, why, finding).help(
        "answer with it: `return send …`, or make it a step of its own; or give the send an `err` arm that says what is so when it is rejected",
    )
}

/// What stays of an event that fails, and why it may fail then.
pub struct Half {
    done: Change,
    why: Rejecting,
}

/// What a handler has done, by committing a piece of it.
#[derive(Clone, Copy)]
enum Done<'e> {
    Write(&'e WriteEffect),
    Sent(Change),
}

/// How an event may fail with some of it done; `None` if it is done whole or not at all.
pub fn of_event(db: &dyn Db, send: &SendEffect) -> Option<Half> {
    event(db, send, &mut Vec::new())
}

/// The same of an event for this handler.
pub fn of_handler(db: &dyn Db, handler: HandlerId) -> Option<Half> {
    let owner = BodyOwner::Handler(handler);
    piece(db, owner, effects::effects(db, owner), &[], false, &mut vec![owner])
}

/// Handlers that wait for one another's answers are followed so far.
const DEEPEST: usize = 64;

fn event(db: &dyn Db, send: &SendEffect, under: &mut Vec<BodyOwner>) -> Option<Half> {
    // What a saga does is undone by the saga; what is outside, or created, is one.
    let owner = effects::receiver(db, send).filter(|owner| matches!(owner, BodyOwner::Handler(_)))?;
    if under.contains(&owner) || under.len() >= DEEPEST {
        return None;
    }
    under.push(owner);
    let half = piece(db, owner, effects::effects(db, owner), &[], false, under);
    under.pop();
    half
}

/// A piece of the handler, after what was done before it. `repairs`: what it writes itself takes that back.
fn piece(
    db: &dyn Db,
    owner: BodyOwner,
    effects: &Effects,
    before: &[Done<'_>],
    repairs: bool,
    under: &mut Vec<BodyOwner>,
) -> Option<Half> {
    if let Some(half) = half(before, || piece_rejects(db, owner, effects)) {
        return Some(half);
    }
    for answer in effects.sends.iter().filter(|send| send.role == SendRole::Answer) {
        let mut done = before.to_vec();
        if !repairs {
            done.extend(effects.writes.iter().filter(|write| comes_before(db, owner, *write, answer)).map(Done::Write));
        }
        let sent = effects.sends.iter().filter(|send| send.role == SendRole::Send && comes_before(db, owner, *send, answer));
        done.extend(sent.filter_map(|send| steps::change(db, send)).map(Done::Sent));
        let handed_on = answer.err.as_ref().is_none_or(|err| err.rejects());
        if let Some(half) = handed_on.then(|| event(db, answer, under)).flatten() {
            return Some(half);
        }
        if let Some(why) = steps::rejecting_sent(db, answer) {
            let found = match &answer.err {
                None => half(&done, || Some(why)),
                Some(err) if takes_back(db, answer, err, &done) => piece(db, owner, err, &[], true, under),
                Some(err) => piece(db, owner, err, &done, false, under),
            };
            if found.is_some() {
                return found;
            }
        }
        if let Some(ok) = &answer.ok {
            done.extend(steps::change(db, answer).map(Done::Sent));
            if let Some(half) = piece(db, owner, ok, &done, false, under) {
                return Some(half);
            }
        }
    }
    None
}

fn half(done: &[Done<'_>], why: impl FnOnce() -> Option<Rejecting>) -> Option<Half> {
    let done = match done.first()? {
        Done::Write(write) => Change::At(write.site),
        Done::Sent(change) => *change,
    };
    why().map(|why| Half { done, why })
}

/// Why an arm may fail: of its own, or because its record is gone by then.
fn piece_rejects(db: &dyn Db, owner: BodyOwner, effects: &Effects) -> Option<Rejecting> {
    let BodyOwner::Handler(handler) = owner else { return steps::rejects_itself(db, effects) };
    let gone = || facts::is_deleted_elsewhere(db, handler.record, owner).then_some(Rejecting::Deleted(handler.record));
    steps::rejects_itself(db, effects).or_else(gone)
}

/// Whether one entry of a piece can have happened where another does.
fn comes_before(db: &dyn Db, owner: BodyOwner, first: &impl Entry, second: &impl Entry) -> bool {
    let (first, second) = (first.here(), second.here());
    if first.body != owner || second.body != owner {
        return true;
    }
    effects::own(db, owner).is_none_or(|body| body.layout.can_have_happened(first, second))
}

/// Whether an `err` arm writes all that was written before it, on every way through it, and is not rejected itself.
fn takes_back(db: &dyn Db, answer: &SendEffect, err: &Effects, done: &[Done<'_>]) -> bool {
    let written = repairs::written(db, answer);
    steps::rejects_itself(db, err).is_none()
        && done.iter().all(|done| match done {
            Done::Write(write) => written.iter().any(|other| other.record == write.record && other.cell == write.cell),
            Done::Sent(_) => false,
        })
}

fn finding(context: &Context<'_>, callable: &Callable<'_>, send: &SendEffect, half: &Half, what: &str, so: &str) -> Diagnostic {
    let reason = steps::reason(context.db, &half.why);
    let message = format!("{what} may fail half way, by {reason}, after it has changed something: {so}");
    let finding = steps::at(&RULE, callable, send, "may be done by half", message);
    let finding = match half.done {
        Change::At(site) => finding.label(Location::Site(site), format!("`{}` changes something here, and commits it", body_name(context.db, site.body))),
        Change::Outside(operation) => finding.note(format!("`{}` has changed the outside by then", steps::operation_name(context.db, operation))),
    };
    steps::because(context.db, &half.why, finding).help(
        "make two steps of it, each with an `undo`: what it writes, and what it answers with; or let nothing be rejected after the first write",
    )
}

const PAGE: &str = r##"
## What goes wrong

A handler that answers with a `send` (`return send …`) is several transactions: what it writes before is committed when the answer comes. If that is a
rejection, the step of the saga has failed, and a step that failed is not undone: its first half stays. The same if an arm rejects after the call has
been made.

It is the same the other way round: a handler that sends, and does not wait (`send` without `return`), has answered before what it sent is done. The step
counts as done, the saga goes on to its end, and the rejection is parked.

An `undo` that fails half way is parked; taking it up again would do its first half twice.

## Bad

What an arm writes before it fails is lost with it.

```pattern ignore=unserializable-chain,dual-write
space claims
extern payments { charge(agent: Text, amount: Int) -> Int idempotent }
record Agent in claims {
  cell name: Text key
  cell open: Int = 0
  cell trouble: Text = ""
  internal handler pay() -> Int {
    self.open += 1
    return send payments.charge(self.name, 10) then {
      err(e) => {
        self.trouble = e.message
        fail e.message
      }
    }
  }
  saga claim() {
    pivot paid = self.pay()
  }
}
```

## Good

```pattern
space claims
extern payments { charge(agent: Text, amount: Int) -> Int idempotent }
record Agent in claims {
  cell name: Text key
  cell open: Int = 0
  cell trouble: Text = ""
  internal handler begin() { self.open += 1 }
  internal handler give_up() {
    self.open -= 1
    self.trouble = "not paid"
  }
  saga claim() {
    step self.begin() undo self.give_up()
    pivot paid = payments.charge(self.name, 10)
  }
}
```
"##;
