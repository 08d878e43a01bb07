//! `stale-guard`: a write decided by a value read in another store. Judged per deployment.

use std::sync::Arc;

use super::{Check, Fixes, Rule};
use super::context::Context;
use crate::chains::{Stale, Story, chains, stale_guards};
use crate::deployment::deployments;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::effects::describe::{body_name, cell_path, record_name};
use crate::hir::BodyOwner;
use crate::location::owner_item;

pub static RULE: Rule = Rule {
    name: "stale-guard",
    level: Level::Warn,
    summary: "a write decided by a value read in another space that a deployment keeps in another store, where it may have changed before the commit",
    fixes: Fixes::None("the way out moves the decision into the other space, or both spaces into one store"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    if deployments(context.db).next().is_none() {
        return;
    }
    for finding in stale_guards(context.db, context.file).iter().filter_map(|stale| finding(context, stale)) {
        // Several chains can lead to one read.
        let is_told = |known: &Diagnostic| known.rule == RULE.name && known.primary == finding.primary && known.deployment == finding.deployment;
        if !findings.iter().any(is_told) {
            findings.push(finding);
        }
    }
}

fn finding(context: &Context<'_>, stale: &Stale) -> Option<Diagnostic> {
    let chain = &chains(context.db, context.file)[stale.chain as usize];
    let deployment = deployments(context.db).nth(stale.deployment as usize)?.name;
    let story = Story::of(context.db, &stale.cycle);
    let body = stale.cycle.witness.order.iter().find(|turn| turn.event == 0).map_or(chain.root, |turn| turn.body);
    let read = stale.read.cell.map_or_else(|| record_name(context.db, stale.read.record), |cell| cell_path(context.db, cell));
    let written = stale.write.cell.map_or_else(|| "a record".to_owned(), |cell| format!("`{}`", cell_path(context.db, cell)));
    let message = format!(
        "under the deployment `{deployment}`, `{}` writes {written} by what it read in `{read}`, which another store keeps: that may have changed before \
         the commit, and no store would notice",
        body_name(context.db, body),
    );
    let here = owner_item(stale.read.site.body).is_some_and(|item| item.file == context.file);
    let at = match chain.root {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) if !here => Location::Handler(handler),
        _ => Location::Site(stale.read.site),
    };
    let mut finding = RULE
        .at(at, "read, and not looked at again when it commits", message)
        .label(Location::Site(stale.write.site), "decided by it")
        .under(deployment);
    for (number, line) in story.lines.iter().enumerate() {
        finding = finding.note(format!("{}. {}", number + 1, line.text));
    }
    finding.witness = Some(Arc::new(stale.cycle.witness.clone()));
    Some(finding.help(format!(
        "let the record that holds `{read}` decide: `send` to it, check there, and write here in the `ok` arm; or make it a `saga`; or keep both in one \
         store under `{deployment}`, which then validates the read"
    )))
}

const PAGE: &str = r##"
## What goes wrong

What a handler reads of its own store is looked at again when it commits: if it has changed, the handler runs again. What another store keeps is
read as it was at some moment, and nobody looks again. If two handlers each read what the other is about to write, both can go on: two doctors
leave, each because the other is still there.

It makes no difference who has set it off: what counts is the space of the record that reads, also where it was sent to by a chain that began
where the other one is.

Which store keeps a space is said by the deployments in `patternc.yaml`, so this is judged for each of them. Where one store keeps both spaces
it validates the read, and nothing is reported; without any deployment one store keeps everything.

## Bad

```pattern
// file: main.pattern
space north
space south
record NorthDoctor in north {
  cell on_duty: Bool = true
  cell other: SouthDoctor
  handler leave() {
    require self.other.on_duty else "somebody must stay"
    self.on_duty = false
  }
}
record SouthDoctor in south {
  cell on_duty: Bool = true
  cell other: NorthDoctor?
  handler leave(other: NorthDoctor) {
    require other.on_duty else "somebody must stay"
    self.on_duty = false
  }
}
```

```yaml
deployments:
  two-stores:
    stores:
      a: { kind: sqlite, path: north.db }
      b: { kind: sqlite, path: south.db }
    spaces: { north: a, south: b }
```

## Good

One record decides who may leave.

```pattern
// file: main.pattern
space north
space south
record Rota in north {
  cell on_duty: Int = 2
  internal handler leave() {
    require self.on_duty > 1 else "somebody must stay"
    self.on_duty -= 1
  }
}
record Doctor in south {
  cell rota: Rota
  cell on_duty: Bool = true
  handler leave() {
    return send self.rota.leave() then {
      ok() => { self.on_duty = false }
    }
  }
}
```

```yaml
deployments:
  two-stores:
    stores:
      a: { kind: sqlite, path: north.db }
      b: { kind: sqlite, path: south.db }
    spaces: { north: a, south: b }
```

## When it is fine

When the value of some recent moment is good enough for the decision, such as a limit that changes once a year. A guard on a cell that nothing
changes, and one whose change nobody could tell from a later one, are not reported.
"##;
