//! `fallible-after-pivot`: a step that may be rejected when there is no way back.

use super::{Check, Fixes, Rule};
use super::context::Context;
use super::steps;
use crate::diagnostic::{Diagnostic, Level};

pub static RULE: Rule = Rule {
    name: "fallible-after-pivot",
    level: Level::Error,
    summary: "a step of a saga after the pivot that may be rejected",
    fixes: Fixes::None("which step is the one that decides only its author knows"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for (callable, saga) in steps::sagas(context) {
        for (index, step) in saga.steps.iter().enumerate().skip(saga.pivot + 1) {
            let used_up = || steps::used_up(context.db, &saga.steps[..index], step.action);
            let why = steps::rejecting(context.db, step.action).or_else(used_up).or_else(|| steps::without_value(callable, step.action));
            let Some(why) = why else { continue };
            let (name, reason) = (step.name(callable), steps::reason(context.db, &why));
            let message = format!(
                "the step `{name}` of the saga `{}` comes after the pivot, but may be rejected by {reason}: then the saga can neither go on nor \
                 back",
                callable.name()
            );
            let finding = steps::at(&RULE, callable, step.action, "has to be done, but may be rejected", message);
            let finding = steps::because(context.db, &why, finding);
            findings.push(steps::pivot_label(&saga, callable, finding).help(
                "test it before the pivot, by a step that holds what this one needs, so that this one cannot be rejected any more; or move the \
                 step before the pivot, with an `undo`; or do it after the saga, in the `ok` arm of who sent it",
            ));
        }
    }
}

const PAGE: &str = r##"
## What goes wrong

After the pivot there is no way back: the money is paid. A step that is rejected then is tried again, and again, and the saga hangs between
done and undone for as long as what rejects it stays as it is. A step whose argument is read from a record that is gone by then has nothing to
send, and hangs for ever: what is read before the steps (`let … = …`) is kept with the saga. A handler that reads, writes or calls a record which was deleted is rejected too, and a deleted record does not come back: read with `?.`, ask
`exists()`, or keep the link with `inverse`. And so is one that writes a record of which a mirror has no facts then, since its `facts` divide or look up what
is not there. A handler that deletes its own record is rejected the second time: two sagas for one record may both be past their pivots, unless a
step before has taken the record (`require !self.taken`, `self.taken = true`), or made it. And a record that is made may be linked to one that is gone, or break an
invariant of another type, such as one on how many there are.

A number that is out of range (a sum, a product, what `round()` gives) is not counted, and hangs the saga all the same. Test what the outside answers before the
pivot, or catch it in the handler of the step: `try { self.n = rate.round() } catch _e { … }`.

## Bad

```pattern
space claims
space bounties
extern payments { charge(agent: Text, amount: Int) -> Int idempotent }
record Bounty in bounties {
  cell by: Text = ""
  internal handler finish(agent: Text) {
    require self.by == "" else "taken"
    self.by = agent
  }
}
record Agent in claims {
  cell name: Text key
  saga claim(bounty: Bounty) {
    pivot paid = payments.charge(self.name, 10)
    step bounty.finish(self.name)
  }
}
```

## Good

```pattern
space claims
space bounties
extern payments { charge(agent: Text, amount: Int) -> Int idempotent }
record Bounty in bounties {
  cell by: Text?
  cell done: Bool = false
  internal handler reserve(agent: Text) {
    require self.by == none else "taken"
    self.by = agent
  }
  internal handler unreserve(agent: Text) {
    if self.by == agent { self.by = none }
  }
  internal handler finish() { self.done = true }
}
record Agent in claims {
  cell name: Text key
  saga claim(bounty: Bounty) {
    step bounty.reserve(self.name) undo bounty.unreserve(self.name)
    pivot paid = payments.charge(self.name, 10)
    step bounty.finish()
  }
}
```
"##;
