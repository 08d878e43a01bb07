//! `read-after-send`: reading what a send just made should change, in the same handler.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context, with_path};
use super::reach;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::{Effects, Entry, Grain, Read, SendEffect, SendRole, Target, WriteEffect};

pub static RULE: Rule = Rule {
    name: "read-after-send",
    level: Level::Warn,
    summary: "reading, in the same handler, what a send before it should change",
    fixes: Fixes::None("what reads the answer has to move into an arm, with all that depends on it"),
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        for piece in callable.pieces.iter().copied() {
            for send in piece.sends.iter().filter(|send| !send.delayed && send.role == SendRole::Send) {
                if let Some(finding) = first_read(context, callable, piece, send) {
                    findings.push(finding);
                }
            }
        }
    }
}

fn first_read(context: &Context<'_>, callable: &Callable<'_>, piece: &Effects, send: &SendEffect) -> Option<Diagnostic> {
    let mut after = piece.reads.iter().filter(|read| is_known(read) && callable.can_follow(send.here(), read.here())).peekable();
    after.peek()?;
    let effects = reach::received(context.db, callable.body.owner, send)?;
    after.find_map(|read| {
        let write = effects.writes.iter().find(|write| same_cell(read, write))?;
        // What the handler wrote itself is what it reads.
        let own = |own: &&WriteEffect| own.cell == read.cell && own.target == read.target && own.here() < read.here();
        if piece.writes.iter().any(|write| own(&write)) {
            return None;
        }
        let words = callable.words();
        let cell = words.cell_of(&read.target, read.cell?);
        let event = words.event(send);
        let message = format!(
            "`{}` reads `{cell}` after sending `{event}`, which changes it: the event is delivered after the commit, so this is always the old value",
            callable.name(),
        );
        let mut finding = RULE.at(callable.place(read.here()), format!("the value before `{event}`, in {}", words.space(read.space)), message);
        finding = with_path(finding, context.db, read, "read here");
        finding = finding.label(callable.place(send.here()), "sent here, delivered after the commit");
        finding = finding.label(Location::Site(write.site), format!("changed here, in {}", words.space(write.space)));
        Some(finding.help(format!("read it in the `ok` arm: `send {event} then {{ ok() => {{ … }} }}`")))
    })
}

/// Whether it is known which record is read.
pub fn is_known(read: &Read) -> bool {
    read.cell.is_some() && !matches!(read.target, Target::Unknown | Target::Fresh)
}

/// Whether a write changes what is read.
pub fn same_cell(read: &Read, write: &WriteEffect) -> bool {
    let apart = match (&read.grain, &write.grain) {
        (Grain::Element(Some(one)), Grain::Element(Some(other))) => one != other,
        _ => false,
    };
    read.cell == write.cell && read.target == write.target && !apart
}

const PAGE: &str = r##"
## What goes wrong

A send does not happen now. The event is stored with the commit, delivered after it, and applied in a transaction of its own. What the
handler reads after the `send` statement is what was there before.

## Bad

```pattern ignore=unserializable-chain
space home
record Counter in home {
  cell count: Int = 0
  handler add() { self.count += 1 }
}
record Person in home {
  cell counter: Counter
  cell seen: Int = 0
  handler visit() {
    send self.counter.add()
    self.seen = self.counter.count
  }
}
```

## Good

```pattern ignore=unserializable-chain
space home
record Counter in home {
  cell count: Int = 0
  handler add() { self.count += 1 }
}
record Person in home {
  cell counter: Counter
  cell seen: Int = 0
  handler visit() {
    send self.counter.add() then {
      ok() => { self.seen = self.counter.count }
    }
  }
}
```

## When it is fine

When the old value is meant. Read it before the `send`, and the text says so.
"##;
