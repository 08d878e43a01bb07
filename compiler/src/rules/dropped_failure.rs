//! `dropped-failure`: a send that can fail, without an `err` arm, beside writes that rely on it.

use super::Rule;
use super::context::{Callable, Context, with_path};
use super::reach::{self, Failing};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::{self, Effects, Entry, SendEffect, SendRole, Site};

pub static RULE: Rule = Rule {
    name: "dropped-failure",
    level: Level::Warn,
    summary: "a `send` to something that can fail, without an `err` arm, from a handler that itself writes",
    page: PAGE,
    check: Some(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions().filter(|callable| !callable.is_incomplete()) {
        for piece in callable.pieces.iter().copied() {
            if piece.writes.is_empty() {
                continue;
            }
            // A send through a direct call is reported where it stands, if there are writes there.
            let writes = |site: Site| piece.calls.iter().any(|call| call.site == site && !effects::effects(context.db, call.callee).writes.is_empty());
            let nearest = |send: &&SendEffect| send.path.is_empty() || !writes(send.here());
            let dropping = piece.sends.iter().filter(|send| send.role == SendRole::Send && send.err.is_none());
            for send in dropping.filter(nearest) {
                if let Some(failing) = reach::failing(context.db, send) {
                    findings.push(finding(context, callable, piece, send, failing));
                }
            }
        }
    }
}

fn finding(context: &Context<'_>, callable: &Callable<'_>, piece: &Effects, send: &SendEffect, failing: Failing) -> Diagnostic {
    let words = callable.words();
    let event = words.event(send);
    // What was written last before the send is what most probably relies on it.
    let before = piece.writes.iter().rfind(|write| write.here() < send.here() && !write.inverse);
    let write = before.or_else(|| piece.writes.iter().find(|write| !write.inverse)).unwrap_or(&piece.writes[0]);
    let name = match write.cell {
        Some(cell) => words.cell_of(&write.target, cell),
        None => crate::effects::describe::record_name(context.db, write.record),
    };
    let message = format!(
        "`{event}` can fail, and `{}` does nothing then: its write of `{name}` stays as if all had gone well, and the rejection is parked",
        callable.name(),
    );
    let mut finding = RULE.at(callable.place(send.here()), "sent without an `err` arm", message);
    finding = finding.label(callable.place(write.here()), format!("committed before, in {}", words.space(write.space)));
    finding = with_path(finding, context.db, write, "written here");
    finding = with_path(finding, context.db, send, "sent here");
    finding = match failing {
        Failing::At(site) => finding.label(Location::Site(site), format!("`{event}` can be rejected here")),
        Failing::Taken(cell) => finding.label(Location::Cell(cell), "rejected if another one has the value"),
        Failing::Outside => finding.note("what is outside can always fail: refuse, time out, or be away"),
    };
    finding.help(format!("add `err(e) => {{ … }}` to the send and say there what `{name}` is when it failed"))
}

const PAGE: &str = r##"
## What goes wrong

The handler commits, then the event is delivered and rejected. What the handler wrote stays, although what it counted on never happened, and
nobody is told: the rejection is parked until someone looks at `:status` at the prompt.

## Bad

```pattern
space agents
extern oauth {
  refresh(account: Text) -> Text idempotent
}
record Agent in agents {
  cell account: Text
  cell status: Text = ""
  cell token: Text = ""
  handler renew() {
    self.status = "renewing"
    send oauth.refresh(self.account) then {
      ok(token) => { self.token = token }
    }
  }
}
```

## Good

```pattern
space agents
extern oauth {
  refresh(account: Text) -> Text idempotent
}
record Agent in agents {
  cell account: Text
  cell status: Text = ""
  cell token: Text = ""
  handler renew() {
    self.status = "renewing"
    send oauth.refresh(self.account) then {
      ok(token) => {
        self.token = token
        self.status = "ready"
      }
      err(e) => { self.status = "failed: {e.message}" }
    }
  }
}
```

## When it is fine

When someone watches what is parked and takes it up by hand. A send to a handler that cannot reject is not reported.
"##;
