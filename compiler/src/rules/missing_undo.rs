//! `missing-undo`: a step of a saga that cannot be taken back.

use super::{Check, Fixes, Rule};
use super::context::Context;
use super::steps::{self, Change};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::body_name;

pub static RULE: Rule = Rule {
    name: "missing-undo",
    level: Level::Error,
    summary: "a step of a saga before the pivot that changes something and has no `undo`",
    fixes: Fixes::None("what takes a step back only its author knows"),
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for (callable, saga) in steps::sagas(context) {
        for step in saga.steps[..saga.pivot].iter().filter(|step| step.undo.is_none()) {
            let Some(change) = steps::change(context.db, step.action) else { continue };
            let name = step.name(callable);
            let message = format!(
                "the step `{name}` of the saga `{}` has no `undo`: when a later step is rejected, what it did stays, and the saga is half done",
                callable.name()
            );
            let mut finding = steps::at(&RULE, callable, step.action, "done, and never taken back", message);
            finding = match change {
                Change::At(site) if site.body == callable.body.owner => finding,
                Change::At(site) => finding.label(Location::Site(site), format!("`{}` changes something here", body_name(context.db, site.body))),
                Change::Outside(operation) => finding.note(format!("`{}` changes the outside", steps::operation_name(context.db, operation))),
            };
            finding = steps::pivot_label(&saga, callable, finding);
            findings.push(finding.help(
                "write `undo …` after it: a call that takes back what the step did; or make it the `pivot`, if nothing that can be rejected \
                 follows",
            ));
        }
    }
}

const PAGE: &str = r##"
## What goes wrong

A step before the pivot is done when a later one is rejected. The saga then undoes what it did, last first; a step without `undo` is left as it
is. The claim stays, and nothing belongs to it.

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
  saga claim(bounty: Bounty) {
    step self.hold()
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
"##;
