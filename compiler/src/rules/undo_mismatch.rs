//! `undo-mismatch`: an `undo` that does not take back what its step did.

use super::context::{Callable, Context};
use super::taken_back::{self, Done, Mismatch, Why};
use super::{Check, Fixes, Rule, steps};
use crate::db::Db;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::{body_name, cell_path, record_name};
use crate::effects::{SendEffect, WriteEffect, WriteKind};
use crate::resolve::one_of;
use crate::types::OperationId;

pub static RULE: Rule = Rule {
    name: "undo-mismatch",
    level: Level::Warn,
    summary: "an `undo` that leaves something of what its step did, or takes back something else",
    fixes: Fixes::None("what takes a step back only its author knows"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for (callable, saga) in steps::sagas(context) {
        for step in &saga.steps {
            if let Some(undo) = step.undo
                && let Some(mismatch) = taken_back::mismatch(callable, step, undo)
            {
                findings.push(finding(context.db, callable, step, undo, &mismatch));
            }
        }
    }
}

fn finding(db: &dyn Db, callable: &Callable<'_>, step: &steps::SagaStep<'_>, undo: &SendEffect, mismatch: &Mismatch<'_>) -> Diagnostic {
    let name = format!("`{}` in the saga `{}`", step.name(callable), callable.name());
    let Said { message, label, help } = match mismatch.done {
        Done::Write(write) => said(db, write, mismatch, &name),
        Done::Outside(operation) => said_of_outside(db, operation, mismatch, &name),
    };
    let mut finding = steps::at(&RULE, callable, undo, &label, message).label(callable.place(step.action.site), "the step");
    let write = match mismatch.done {
        Done::Write(write) => Some(write),
        Done::Outside(_) => None,
    };
    for write in [write, mismatch.other].into_iter().flatten().filter(|write| write.site.body != callable.body.owner) {
        finding = finding.label(Location::Site(write.site), format!("written in `{}`", body_name(db, write.site.body)));
    }
    if let Why::Twice(arm) = mismatch.why {
        finding = finding.label(Location::Site(arm), "taken back here already");
    }
    finding.help(help)
}

/// What a finding says.
struct Said {
    message: String,
    label: String,
    help: String,
}

fn said_of_outside(db: &dyn Db, operation: OperationId, mismatch: &Mismatch<'_>, step: &str) -> Said {
    let operation = steps::operation_name(db, operation);
    let (message, label) = match mismatch.why {
        Why::NoEffect => {
            (format!("what undoes {step} changes nothing: what the step did outside, by `{operation}`, stays"), "changes nothing")
        }
        _ => (
            format!("what undoes {step} changes nothing outside: what the step did there, by `{operation}`, stays"),
            "changes nothing outside",
        ),
    };
    let help = "undo it by the operation that takes it back, itself or in the handler that undoes; if it may stay, or somebody takes it back by \
                hand, say so with `@allow(undo-mismatch, \"…\")` on the saga";
    Said { message, label: label.to_owned(), help: help.to_owned() }
}

fn said(db: &dyn Db, write: &WriteEffect, mismatch: &Mismatch<'_>, step: &str) -> Said {
    let Mismatch { other, why, .. } = mismatch;
    let what = match write.cell {
        Some(cell) => format!("`{}`", cell_path(db, cell)),
        None => one_of(&record_name(db, write.record)),
    };
    let did = doing(write.kind);
    let does = other.map_or("", |other| doing(other.kind));
    let exactly = "take back exactly what the step did: remove what it inserted, subtract what it added, set back what it set";
    let by_answer = "answer with what it found, and undo by that";
    let (message, label, help) = match why {
        Why::NoEffect | Why::Inside => (
            format!("what undoes {step} changes nothing: what the step did to {what} stays"),
            "changes nothing".to_owned(),
            exactly.to_owned(),
        ),
        Why::Skipped => (
            format!("{step} may leave {what} as it is, and what undoes it {does} it all the same"),
            format!("{does} it, whether or not the step did anything"),
            format!("let the step be rejected where it has nothing to do (`require`), or {by_answer}"),
        ),
        Why::Twice(_) => (
            format!(
                "{step} counts as done although an `err` arm of it takes back what was done to {what}, and what undoes it takes that back once more"
            ),
            "takes back once more what the `err` arm takes back".to_owned(),
            "make two steps of it, each with an `undo`: what it writes, and what it sends; or let it answer with what was done (`return send …`), and undo \
             by that; or note in a cell that it was taken back, and do nothing then"
                .to_owned(),
        ),
        Why::HeldAlready { given } => (
            format!(
                "{step} goes on where {what} holds already what it sets, and what undoes it sets it back all the same: then what was held before \
                 the saga is gone"
            ),
            "frees also what was held before the step".to_owned(),
            match given {
                true => format!("let the step be rejected where it is held (`require`), hold it under an id of the saga's own (`let … = new_id()`), or {by_answer}"),
                false => format!("let the step be rejected where that is so (`require`), or {by_answer}"),
            },
        ),
        Why::HeldByOther => (
            format!(
                "{step} goes on whatever {what} holds, and what undoes it sets it to what it is at first: then what was held before the saga is gone"
            ),
            "does not set back what was held before the step".to_owned(),
            format!("let the step be rejected where it is held (`require`), or {by_answer}"),
        ),
        Why::Nothing => (
            format!("what undoes {step} writes nothing of what the step writes: what the step did to {what} stays"),
            "takes nothing back".to_owned(),
            exactly.to_owned(),
        ),
        Why::Stays => (
            format!("what undoes {step} leaves what the step did to {what}"),
            format!("does not write {what}"),
            "take that back as well; if it may stay, say so with `@allow(undo-mismatch, \"…\")` on the saga".to_owned(),
        ),
        Why::Kind => (
            format!(
                "{step} {did} {what}, and what undoes it {does}: that does not give back what there was before, nor keep what others did meanwhile"
            ),
            format!("{does}, after the step {did}"),
            exactly.to_owned(),
        ),
        Why::Record => (
            format!("{step} {did} {what} of one record, and what undoes it {does} that of another one"),
            "acts on another record than the step".to_owned(),
            "undo at the record that the step was sent to".to_owned(),
        ),
        Why::Other => (
            format!("{step} {did} {what}, and what undoes it does not take back just that: it gives another amount, element or entry"),
            "takes back something else than the step did".to_owned(),
            "give the undo what the step was given".to_owned(),
        ),
        Why::NoChange => {
            let (before, back, after) = match write.kind {
                WriteKind::Remove => ("what may not be in it", "puts it in", "it is in it afterwards, which it was not before"),
                _ => ("what may be in it already", "takes it out", "what was there before the saga is gone"),
            };
            (
                format!("{step} {did} {what} {before}, and what undoes it {back} all the same: then {after}"),
                format!("{back}, whether or not the step changed anything"),
                format!("let the step be rejected where it would change nothing (`require`), or {by_answer}"),
            )
        }
        Why::Before => (
            format!("{step} sets {what}, and what undoes it does not set it back to what it held before"),
            "sets it to something else".to_owned(),
            "set it to what it held before the step: what the step demands (`require`), or what it answers with".to_owned(),
        ),
        Why::Reread(cell) => {
            let cell = cell_path(db, *cell);
            (
                format!("what undoes {step} reads `{cell}` again, which may have changed since the step: then it takes back something else"),
                format!("reads `{cell}` again"),
                "read it once, before the steps (`let … = …`), and give it to both".to_owned(),
            )
        }
    };
    Said { message, label, help }
}

fn doing(kind: WriteKind) -> &'static str {
    match kind {
        WriteKind::Set => "sets",
        WriteKind::Append => "appends to",
        WriteKind::Add => "adds to",
        WriteKind::Insert => "inserts into",
        WriteKind::Remove => "removes from",
        WriteKind::Create => "creates",
        WriteKind::Delete => "deletes",
    }
}

const PAGE: &str = r##"
## What goes wrong

An `undo` is there to take back what its step did, and nothing else. One that does less leaves the step half done; one that does more, or
something else, also takes back what others did, or what was there before. Reported is an `undo` that

- writes none of the cells that the step writes, or leaves one of them as the step has set it;
- does what cannot take it back: it sets a number to which the step has added, and with that takes back what others added in between;
- acts on another record, or with another amount, element or entry: `-= 1` for `+= n`; an amount that is computed or answered by a step is not compared,
  since a step may answer how much it took;
- removes from a Set, or a Map, what may have been there before the step, or inserts what may not have been: the step changes nothing then, and
  the `undo` does;
- sets a cell to something else than what the step demands that it held before, or to what the step sets it to;
- frees what somebody held before: the step goes on where its cell is held already, by the same holder or by another one, and the `undo` sets it to
  what it is at first;
- takes back what the step may not have done: the step writes on one way through it, and not on another, and the `undo` writes on all;
- takes back once more what an `err` arm of the step has taken back, after which the step counts as done all the same: since it did not wait for what it
  sent, or since the arm answers instead of failing;
- changes nothing outside where the step does (it charges, the `undo` only asks for a quote or makes a note), itself or through a saga that it
  starts: a saga that is done is not undone by itself. What a mirror tells of the cells that the `undo` writes counts as outside;
- reads a cell again that says which record or how much, and that may have changed since the step.

Of what a step or its `undo` sends further it is only asked whether anything is changed at all, inside and outside; how much it is where that is
computed, and whether one operation of the outside takes back another one, is not compared. Nor are versions of the program: what an `undo` computes
(`b.back(price())`) is computed by the version that undoes, also for a step that an older one did. Bind it before the steps (`let p = price()`), or let
the step answer with it, and undo with that: what is bound is kept with the saga.

## Bad

```pattern
space claims
space bounties
record Bounty in bounties {
  cell by: Text = ""
  internal handler reserve(agent: Text) {
    require self.by == "" else "taken"
    self.by = agent
  }
}
record Agent in claims {
  cell name: Text key
  cell claims: Int = 0
  internal handler hold() { self.claims += 1 }
  internal handler release() { self.claims = 0 }
  saga claim(bounty: Bounty) {
    step self.hold() undo self.release()
    step bounty.reserve(self.name)
  }
}
```

What may have been there before is not to be taken away:

```pattern
space guests
space rooms
record Room in rooms {
  cell open: Bool = true
  internal handler book() {
    require self.open else "booked"
    self.open = false
  }
}
record Guest in guests {
  cell wishes: Set<Room@rooms> = Set[]
  internal handler wish(room: Room@rooms) { self.wishes += room }
  internal handler forget(room: Room@rooms) { self.wishes -= room }
  saga reserve(room: Room@rooms) {
    step self.wish(room) undo self.forget(room)
    step room.book()
  }
}
```

Two claims of one agent hold the bounty at once, and the one that fails ends the hold of both:

```pattern ignore=unserializable-chain
space claims
space bounties
record Bounty in bounties {
  cell by: Text?
  internal handler hold(agent: Text) {
    require self.by == none || self.by == agent else "held"
    self.by = agent
  }
  internal handler release(agent: Text) { if self.by == agent { self.by = none } }
}
record Agent in claims {
  cell name: Text key
  cell free: Int = 3
  internal handler use_one() {
    require self.free > 0 else "too many claims"
    self.free -= 1
  }
  saga claim(bounty: Bounty) {
    step bounty.hold(self.name) undo bounty.release(self.name)
    step self.use_one()
  }
}
```

## Good

```pattern
space claims
space bounties
record Bounty in bounties {
  cell by: Text = ""
  internal handler reserve(agent: Text) {
    require self.by == "" else "taken"
    self.by = agent
  }
}
record Agent in claims {
  cell name: Text key
  cell claims: Int = 0
  internal handler hold() { self.claims += 1 }
  internal handler release() { self.claims -= 1 }
  saga claim(bounty: Bounty) {
    step self.hold() undo self.release()
    step bounty.reserve(self.name)
  }
}
```

The step answers with what it found, and its `undo` goes by that:

```pattern
space guests
space rooms
record Room in rooms {
  cell open: Bool = true
  internal handler book() {
    require self.open else "booked"
    self.open = false
  }
}
record Guest in guests {
  cell wishes: Set<Room@rooms> = Set[]
  internal handler wish(room: Room@rooms) -> Bool {
    let is_new = !(room in self.wishes)
    self.wishes += room
    return is_new
  }
  internal handler forget(room: Room@rooms, is_new: Bool) {
    if is_new { self.wishes -= room }
  }
  saga reserve(room: Room@rooms) {
    step is_new = self.wish(room) undo self.forget(room, is_new)
    step room.book()
  }
}
```

Where somebody holds the bounty, the step is rejected, be it the same agent:

```pattern
space claims
space bounties
record Bounty in bounties {
  cell by: Text?
  internal handler hold(agent: Text) {
    require self.by == none else "held"
    self.by = agent
  }
  internal handler release(agent: Text) { if self.by == agent { self.by = none } }
}
record Agent in claims {
  cell name: Text key
  cell free: Int = 3
  internal handler use_one() {
    require self.free > 0 else "too many claims"
    self.free -= 1
  }
  saga claim(bounty: Bounty) {
    step bounty.hold(self.name) undo bounty.release(self.name)
    step self.use_one()
  }
}
```

## When it is fine

When what the step wrote may stay, such as a log of attempts, when the `undo` marks the whole as void instead of restoring it, or
when what was done outside ends by itself or is taken back by hand.
"##;
