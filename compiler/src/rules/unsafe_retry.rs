//! `unsafe-retry`: an operation that must not be repeated, where the runtime has to repeat it.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context};
use super::reach::{self, Once, OutsideCall};
use super::steps;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::SendEffect;
use crate::effects::describe::body_name;
use crate::hir::BodyOwner;

pub static RULE: Rule = Rule {
    name: "unsafe-retry",
    level: Level::Error,
    summary: "an extern operation that is neither `readonly` nor `idempotent` where it must be safe to repeat: a mirror, an `undo`, a step that is not the pivot",
    fixes: Fixes::None("whether the outside may hear a call twice is a fact about the outside"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for (callable, saga) in steps::sagas(context) {
        for (index, step) in saga.steps.iter().enumerate() {
            let name = step.name(callable);
            if index != saga.pivot
                && let Some(call) = once(context, callable, step.action)
            {
                let finding = finding(context, callable, step.action, &call, &format!("the step `{name}`"));
                findings.push(steps::pivot_label(&saga, callable, finding));
            }
            if let Some(undo) = step.undo
                && let Some(call) = once(context, callable, undo)
            {
                findings.push(finding(context, callable, undo, &call, &format!("what undoes `{name}`")));
            }
        }
    }
    for callable in context.callables.iter().filter(|callable| matches!(callable.body.owner, BodyOwner::Mirror(..))) {
        for send in &callable.own.sends {
            if let Some(call) = once(context, callable, send) {
                findings.push(finding(context, callable, send, &call, "a mirror"));
            }
        }
    }
}

/// The call that must not be made twice, by an event itself or by the handlers that answer it with the outcome of the call.
fn once(context: &Context<'_>, callable: &Callable<'_>, send: &SendEffect) -> Option<OutsideCall> {
    reach::outside_calls(context.db, callable.body.owner, send).into_iter().find(|call| call.repeat == Once::Once && call.told)
}

fn finding(context: &Context<'_>, callable: &Callable<'_>, send: &SendEffect, call: &OutsideCall, what: &str) -> Diagnostic {
    let name = steps::operation_name(context.db, call.operation);
    let message = format!(
        "{what} of `{}` calls `{name}`, which is not safe to repeat: when its answer is lost, it can neither be asked again nor left alone",
        callable.name()
    );
    let mut finding = steps::at(&RULE, callable, send, "may have to be repeated", message);
    if call.site != send.site {
        let label = format!("called by `{}`, whose answer it decides", body_name(context.db, call.site.body));
        finding = finding.label(Location::Site(call.site), label);
    }
    let help = if matches!(callable.body.owner, BodyOwner::Mirror(..)) {
        format!("mark `{name}` as `idempotent` if the other side does it once for one idempotency key, or as `readonly` if it changes nothing")
    } else {
        format!(
            "mark `{name}` as `idempotent` if the other side does it once for one idempotency key, or as `readonly` if it changes nothing; or \
             make it the `pivot`, which is tried once"
        )
    };
    finding.help(help)
}

const PAGE: &str = r##"
## What goes wrong

A call whose answer is lost may have arrived or not. A step of a saga, an `undo` and a mirror must know, so they ask again, with the same
idempotency key. An operation that is not safe to repeat cannot be asked again: the saga stops half way, and somebody has to find out what
happened. Only the pivot may be such an operation: it is tried once. A handler that answers with the outcome of such a call (`return send`) counts
as the call.

## Bad

```pattern
space claims
extern payments { charge(agent: Text, amount: Int) -> Int  refund(paid: Int) }
record Agent in claims {
  cell name: Text key
  cell claims: Int = 0
  internal handler hold() {
    require self.claims < 3 else "too many"
    self.claims += 1
  }
  saga claim() {
    step paid = payments.charge(self.name, 10) undo payments.refund(paid)
    step self.hold()
  }
}
```

## Good

```pattern
space claims
extern payments { charge(agent: Text, amount: Int) -> Int  refund(paid: Int) idempotent }
record Agent in claims {
  cell name: Text key
  cell claims: Int = 0
  internal handler hold() { self.claims += 1 }
  internal handler release() { self.claims -= 1 }
  saga claim() {
    step self.hold() undo self.release()
    pivot paid = payments.charge(self.name, 10)
  }
}
```
"##;
