//! `fallible-undo`: what takes a step back may be rejected itself.

use super::{Check, Fixes, Rule};
use super::context::Context;
use super::steps::{self, Rejecting};
use crate::diagnostic::{Diagnostic, Level};

pub static RULE: Rule = Rule {
    name: "fallible-undo",
    level: Level::Error,
    summary: "an `undo` of a saga that may be rejected",
    fixes: Fixes::None("what an `undo` does when it cannot be done only its author knows"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for (callable, saga) in steps::sagas(context) {
        for (index, step) in saga.steps.iter().enumerate() {
            let Some(undo) = step.undo else { continue };
            // Only the outside can take back what the outside did; whether it may be asked again is `unsafe-retry`.
            let may_ask = || !steps::everything(context.db, step.action, false).outside.is_empty();
            let why = steps::rejecting(context.db, undo).filter(|why| !(matches!(why, Rejecting::Outside(_)) && may_ask()));
            let used_up = || steps::used_up(context.db, &saga.steps[..=index], undo);
            let Some(why) = why.or_else(used_up).or_else(|| steps::without_value(callable, undo)) else { continue };
            let (name, reason) = (step.name(callable), steps::reason(context.db, &why));
            let message = format!(
                "what undoes `{name}` in the saga `{}` may be rejected by {reason}: then the step stays done, and the saga is stuck half undone",
                callable.name()
            );
            let finding = steps::at(&RULE, callable, undo, "has to succeed, but may be rejected", message);
            let finding = steps::because(context.db, &why, finding);
            let undoes = format!("what it undoes, in {}", steps::reached(callable, step.action));
            findings.push(finding.label(callable.place(step.action.site), undoes).help(way_out(&why)));
        }
    }
}

fn way_out(why: &Rejecting) -> &'static str {
    match why {
        Rejecting::Invariant(..) => {
            "write there only what cannot break the invariant, whatever the values are: a number only in the direction that it leaves open, by an \
             amount that is written out (`+= 1`). Or have the handlers that come first see to it by `require`, and let it be an `eventually \
             invariant`, which is not tested at each commit"
        }
        Rejecting::Deleted(_) | Rejecting::Gone(..) => {
            "let the record be marked instead of deleted while sagas may come back to it (`cell closed: Bool`), so that the `undo` finds it"
        }
        _ => "let it do nothing where there is nothing to take back (`if` instead of `require`), and undo only what the step itself did",
    }
}

const PAGE: &str = r##"
## What goes wrong

A saga undoes because something has failed already. An `undo` that is rejected leaves its step done for good, and those before it too: the saga
is parked until somebody looks at it. The outside can always refuse: only where the step itself changes something there may its `undo` ask it, or a
handler that does. Nor may its arguments be read from a record that can be gone by then: what is read before the steps (`let … = …`) is kept with
the saga. Nor may it rely on a linked record that can be gone (`?.` and `exists()` do not), or write what a mirror may have no facts of. Nor may it
delete its own record, if another event of the same handler may have done so, or make a record that an invariant of another type may refuse. An invariant
like `left >= 0` is broken by `+= count` also behind `if count > 0`, and never by `+= 1`. A number that is written out is looked at with the condition around it:
`if self.left > 0 { self.left -= 1 }` keeps it, where nothing else of the handler writes the cell.

A number that is out of range (a sum, a product, what `round()` gives) is not counted, and parks the saga all the same.

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
  cell held: Bool = false
  internal handler hold() {
    require !self.held else "busy"
    self.held = true
  }
  internal handler release() {
    require self.held else "nothing is held"
    self.held = false
  }
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
  cell held: Bool = false
  internal handler hold() {
    require !self.held else "busy"
    self.held = true
  }
  internal handler release() {
    if self.held { self.held = false }
  }
  saga claim(bounty: Bounty) {
    step self.hold() undo self.release()
    step bounty.reserve(self.name)
  }
}
```
"##;
