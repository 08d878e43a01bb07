//! `undo-mismatch`: an `undo` that does not take back what its step did.

use super::{Check, Fixes, Rule};
use super::context::Context;
use super::{reach, steps};
use crate::db::Db;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::{body_name, cell_path, record_name};
use crate::effects::{self, SendEffect, WriteEffect, WriteKind};

pub static RULE: Rule = Rule {
    name: "undo-mismatch",
    level: Level::Warn,
    summary: "an `undo` that writes nothing of what its step writes, or does to a cell what cannot take back what the step did to it",
    fixes: Fixes::None("what takes a step back only its author knows"),
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for (callable, saga) in steps::sagas(context) {
        for step in &saga.steps {
            let Some(undo) = step.undo else { continue };
            // What happens outside is the business of the outside.
            let (Some(done), Some(taken_back)) = (writes(context.db, step.action), writes(context.db, undo)) else { continue };
            let Some((write, mismatch)) = mismatch(&done, &taken_back) else { continue };
            let what = match write.cell {
                Some(cell) => format!("`{}`", cell_path(context.db, cell)),
                None => format!("a `{}`", record_name(context.db, write.record)),
            };
            let name = step.name(callable);
            let (message, label, other) = match mismatch {
                Mismatch::Nothing => (
                    format!(
                        "what undoes `{name}` in the saga `{}` writes nothing of what the step writes: what the step did to {what} stays",
                        callable.name()
                    ),
                    "takes nothing back".to_owned(),
                    None,
                ),
                Mismatch::Kind(other) => {
                    let (did, does) = (doing(write.kind), doing(other.kind));
                    (
                        format!(
                            "`{name}` in the saga `{}` {did} {what}, and what undoes it {does}: that does not give back what there was before, \
                             nor keep what others did meanwhile",
                            callable.name()
                        ),
                        format!("{does}, after the step {did}"),
                        Some(other),
                    )
                }
            };
            let mut finding = steps::at(&RULE, callable, undo, &label, message);
            finding = finding.label(callable.place(step.action.site), "the step");
            if write.site.body != callable.body.owner {
                finding = finding.label(Location::Site(write.site), format!("written in `{}`", body_name(context.db, write.site.body)));
            }
            if let Some(other) = other {
                finding = finding.label(Location::Site(other.site), format!("written in `{}`", body_name(context.db, other.site.body)));
            }
            findings.push(finding.help("take back exactly what the step did: remove what it inserted, subtract what it added, set back what it set"));
        }
    }
}

/// What an event writes, itself and through what it sends in its arms; `None` if not all of it is known.
fn writes<'db>(db: &'db dyn Db, send: &SendEffect) -> Option<Vec<&'db WriteEffect>> {
    let owner = reach::receiver(db, send)?;
    let effects = effects::effects(db, owner);
    let pieces = effects.pieces();
    let known = pieces.iter().all(|piece| !piece.incomplete && !piece.recursive && piece.sends.is_empty());
    known.then(|| pieces.iter().flat_map(|piece| &piece.writes).collect())
}

enum Mismatch<'a> {
    /// Nothing of it is written.
    Nothing,
    /// By something that does not take it back.
    Kind(&'a WriteEffect),
}

fn mismatch<'a>(done: &[&'a WriteEffect], taken_back: &[&'a WriteEffect]) -> Option<(&'a WriteEffect, Mismatch<'a>)> {
    let same = |a: &WriteEffect, b: &WriteEffect| match (a.cell, b.cell) {
        (Some(a), Some(b)) => a == b,
        // A record is created: it may also be emptied. It is deleted: another takes its place.
        _ => a.record == b.record,
    };
    if !done.iter().any(|write| taken_back.iter().any(|other| same(write, other))) {
        return done.first().map(|write| (*write, Mismatch::Nothing));
    }
    done.iter().find_map(|write| {
        let others: Vec<&&WriteEffect> = taken_back.iter().filter(|other| write.cell.is_some() && other.cell == write.cell).collect();
        let restores = others.iter().any(|other| restores(write.kind, other.kind));
        match others.first() {
            Some(other) if !restores => Some((*write, Mismatch::Kind(other))),
            _ => None,
        }
    })
}

/// Whether the second can take back the first and leave what others did in between.
fn restores(step: WriteKind, undo: WriteKind) -> bool {
    match step {
        WriteKind::Insert | WriteKind::Append => undo == WriteKind::Remove,
        WriteKind::Remove => matches!(undo, WriteKind::Insert | WriteKind::Append | WriteKind::Set),
        WriteKind::Add => undo == WriteKind::Add,
        WriteKind::Set => matches!(undo, WriteKind::Set | WriteKind::Remove),
        WriteKind::Create | WriteKind::Delete => true,
    }
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

An `undo` is there to take back what its step did, and nothing else. One that writes other cells leaves the step done; one that sets a number
which the step had added to also takes back what others added in between.

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

## When it is fine

When what the step wrote may stay, such as a log of attempts, or when the `undo` marks the whole as void instead of restoring it.
"##;
