//! `early-answer`: relying on a handler that has answered before what it set going is done.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context};
use super::reach;
use super::read_after_send::{is_known, same_cell};
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::effects::describe::body_name;
use crate::effects::{self, Entry, Read, SendEffect, SendRole, WriteEffect};

pub static RULE: Rule = Rule {
    name: "early-answer",
    level: Level::Warn,
    summary: "an `ok` arm or saga step that reads what the handler before it only sent for, without returning that send",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in &context.callables {
        for piece in callable.pieces.iter().copied() {
            for (index, send) in piece.sends.iter().enumerate() {
                let reads: Vec<&Read> = match send.role {
                    SendRole::Send | SendRole::Answer => send.ok.iter().flat_map(|ok| &ok.reads).collect(),
                    // The steps after it.
                    SendRole::Step { .. } => piece.reads.iter().filter(|read| read.here() > send.here()).collect(),
                    SendRole::Undo => continue,
                };
                let reads: Vec<&Read> = reads.into_iter().filter(|read| is_known(read)).collect();
                if !reads.is_empty()
                    && let Some(finding) = judge(context, callable, &piece.sends[index], &reads)
                {
                    findings.push(finding);
                }
            }
        }
    }
}

fn judge(context: &Context<'_>, callable: &Callable<'_>, send: &SendEffect, reads: &[&Read]) -> Option<Diagnostic> {
    let owner = callable.body.owner;
    let answered = reach::received(context.db, owner, send)?;
    let later = answered.sends.iter().filter(|later| later.role == SendRole::Send && !later.delayed);
    for later in later {
        let event = reach::received(context.db, owner, later);
        let writes: Vec<&WriteEffect> =
            later.arms().chain(event.as_ref()).flat_map(crate::effects::Effects::pieces).flat_map(|piece| &piece.writes).collect();
        let found = reads.iter().find_map(|read| writes.iter().find(|write| same_cell(read, write)).map(|write| (read, write)));
        let Some((read, write)) = found else { continue };
        let words = callable.words();
        let cell = words.cell_of(&read.target, read.cell?);
        let event = words.event(send);
        let receiver = effects::receiver(context.db, send).map_or_else(String::new, |owner| body_name(context.db, owner));
        let message = format!(
            "`{}` reads `{cell}` once `{event}` has answered, but `{receiver}` answers when it commits, before what it sends has changed `{cell}`",
            callable.name(),
        );
        let mut finding = RULE
            .at(callable.place(read.here()), "may still be the old value", message)
            .label(callable.place(send.here()), format!("answered by `{receiver}` when it commits"))
            .label(Location::Site(later.site), "sent here, without `return`")
            .label(Location::Site(write.site), format!("changed here, later, in {}", words.space(write.space)))
            .help(format!("write `return send …` in `{receiver}`: it then answers with the outcome of that send"));
        if crate::location::owner_item(later.site.body).is_some_and(|item| item.file == context.file)
            && let Some((file, span)) = crate::effects::site_span(context.db, later.site)
        {
            finding = finding.fix("return the send", Safety::Unsafe, vec![super::edits::insert(file, span.start, "return ")]);
        }
        return Some(finding);
    }
    None
}

const PAGE: &str = r##"
## What goes wrong

A handler has answered when it commits, whatever its own sends will do. Whoever waits for that answer and then reads what those sends change
reads too early: often the old value, sometimes the new one.

## Bad

```pattern ignore=unserializable-chain
space accounts
extern oauth {
  refresh(account: Text) -> Text idempotent
}
record Account in accounts {
  cell name: Text
  cell token: Text = ""
  handler refresh() {
    send oauth.refresh(self.name) then {
      ok(token) => { self.token = token }
      err(_e) => { self.token = "" }
    }
  }
}
record Agent in accounts {
  cell account: Account
  cell used: Text = ""
  handler start() {
    send self.account.refresh() then {
      ok() => { self.used = self.account.token }
    }
  }
}
```

## Good

```pattern ignore=unserializable-chain
space accounts
extern oauth {
  refresh(account: Text) -> Text idempotent
}
record Account in accounts {
  cell name: Text
  cell token: Text = ""
  handler refresh() {
    return send oauth.refresh(self.name) then {
      ok(token) => { self.token = token }
      err(e) => { fail e.message }
    }
  }
}
record Agent in accounts {
  cell account: Account
  cell used: Text = ""
  handler start() {
    send self.account.refresh() then {
      ok() => { self.used = self.account.token }
      err(e) => { self.used = "failed: {e.message}" }
    }
  }
}
```

## When it is fine

When the value of the moment is wanted, old or new, such as for showing it.
"##;
