//! `not-co-located`: a co-write over spaces that a deployment cannot commit at once. Judged per deployment.

use super::context::{Callable, Context};
use super::{Check, Fixes, Rule, edits};
use crate::deployment::{self, Deployed, Keeper};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::hir::BodyOwner;
use crate::items::{ItemHead, head};
use crate::resolve::item_name;
use crate::signature::{Home, record_sig};
use crate::types::{HandlerId, ItemId};

pub static RULE: Rule = Rule {
    name: "not-co-located",
    level: Level::Error,
    summary: "`across` over spaces that a deployment keeps in different stores, or in one that cannot commit them at once",
    fixes: Fixes::None("which space moves to another store, or which handler becomes a saga, is decided with who runs the stores"),
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in &context.callables {
        let BodyOwner::Handler(handler) = callable.body.owner else { continue };
        let Some(across) = callable.handler().map(|sig| &*sig.across).filter(|across| !across.is_empty()) else { continue };
        let written = written(context, handler, across);
        for deployed in deployment::deployments(context.db) {
            if let Some(clash) = clash(deployed, &written) {
                findings.push(finding(context, callable, handler, &written, deployed, &clash));
            }
        }
    }
}

/// The spaces that a co-write may write: those of its record, then those it names.
fn written(context: &Context<'_>, handler: HandlerId, across: &[ItemId]) -> Vec<ItemId> {
    let mut written = match record_sig(context.db, handler.record).map(|record| record.home) {
        Some(Home::Plain(space) | Home::Family(space)) => vec![space],
        // It may be created in any space.
        Some(Home::Floating) => deployment::spaces(context.db),
        None => Vec::new(),
    };
    written.extend(across.iter().filter(|space| !written.contains(space)).copied().collect::<Vec<_>>());
    written
}

/// Two spaces that cannot be written by one commit, with the stores that keep them.
struct Clash<'db> {
    a: (ItemId, Keeper<'db>),
    b: (ItemId, Keeper<'db>),
}

fn clash<'db>(deployed: Deployed<'db>, written: &[ItemId]) -> Option<Clash<'db>> {
    let mut kept = written.iter().filter_map(|&space| Some((space, deployed.keeper(space)?)));
    let a = kept.next()?;
    // Two spaces of one family are two, and may be in two of the stores that it is spread over.
    let itself = a.1.spread.then_some(a);
    kept.find(|b| b.1.is_apart_from(&a.1) || !a.1.store.commits_across()).or(itself).map(|b| Clash { a, b })
}

fn finding(
    context: &Context<'_>,
    callable: &Callable<'_>,
    handler: HandlerId,
    written: &[ItemId],
    deployed: Deployed<'_>,
    clash: &Clash<'_>,
) -> Diagnostic {
    let Clash { a: (a, in_a), b: (b, in_b) } = clash;
    let shown = |space: ItemId| match head(context.db, space) {
        Some(ItemHead::Space { family: true, name }) => format!("`{name}[…]`"),
        _ => format!("`{}`", item_name(context.db, space)),
    };
    let (a_name, b_name) = (shown(*a), shown(*b));
    let (name, deployment) = (callable.name(), deployed.name);
    let same_store = in_a.name == in_b.name;
    let why = if in_a.spread || in_b.spread {
        let spread = if in_a.spread { &a_name } else { &b_name };
        format!("the spaces of {spread} are spread over several stores (`shard`), and no commit spans two stores")
    } else if same_store {
        format!("the store `{}` keeps both {a_name} and {b_name}, and stores of kind {} commit one space at a time", in_a.name, in_a.store.kind())
    } else {
        format!(
            "the store `{}` keeps {a_name}, the store `{}` keeps {b_name}, and no commit spans two stores",
            in_a.name, in_b.name
        )
    };
    let message = format!("under the deployment `{deployment}`, `{name}` can never write what it declares: {why}");
    let named = edits::handler_decl(context.db, handler).and_then(|decl| decl.across.iter().find(|s| s.name == item_name(context.db, *b)));
    // Of a record that may be anywhere, the space that clashes may be its own.
    let place = match named.or_else(|| edits::handler_decl(context.db, handler)?.across.first()) {
        Some(entry) => Location::Span(context.file, entry.span),
        None => Location::Handler(handler),
    };
    let keeps = |space: ItemId| Location::Deployed { deployment: deployed.index, space };
    let mut finding = RULE
        .at(place, format!("one commit is to write {a_name} and {b_name}"), message)
        .label(keeps(*a), format!("keeps {a_name} in the store `{}`", in_a.name))
        .under(deployment);
    if !same_store {
        finding = finding.label(keeps(*b), format!("keeps {b_name} in the store `{}`", in_b.name));
    }
    if matches!(record_sig(context.db, handler.record).map(|record| record.home), Some(Home::Floating)) {
        finding = finding.label(Location::Item(handler.record), "a record without `in` may be in any space, so its handlers write any of them");
    }
    let mut ways = vec![
        "make it a `saga`: each step writes one space, and what is done is undone when a later step fails".to_owned(),
        format!("keep them in one store under `{deployment}`"),
    ];
    let elsewhere = deployment::deployments(context.db).find(|other| self::clash(*other, written).is_none());
    if let Some(other) = elsewhere {
        ways.push(format!("deploy it as `{}`, where one store keeps them", other.name));
    }
    finding.help(ways.join("; or "))
}

const PAGE: &str = r##"
## What goes wrong

`across` makes the writes to several spaces one commit, and one store makes a commit. Under a deployment that keeps the spaces in different
stores there is nobody who could make both writes durable together: the handler would fail with `isolation` every time, with nothing
written.

The patterns do not say where spaces live, the deployments in `patternc.yaml` do. So this is judged for each deployment: the same pattern
can be right under one and refused under another. `patternc check --deployment NAME` asks about one of them, and `patternc run` refuses
only the one it is to run.

A record without `in` may be in any space; its co-writes need all spaces in one store.

## Bad

```pattern
space claims
space bounties

record Bounty in bounties {
  cell taken_by: Text = ""
}

record Claim in claims {
  cell agent: Text
  cell since: Time?

  handler take(bounty: Bounty) writes Bounty.taken_by across bounties {
    require bounty.taken_by == "" else "taken already"
    bounty.taken_by = self.agent
    self.since = now()
  }
}
```

```yaml
deployments:
  two-stores:
    stores:
      a: { kind: sqlite, path: claims.db }
      b: { kind: sqlite, path: bounties.db }
    spaces: { claims: a, bounties: b }
```

## Good

Both spaces in one store:

```pattern
space claims
space bounties

record Bounty in bounties {
  cell taken_by: Text = ""
}

record Claim in claims {
  cell agent: Text
  cell since: Time?

  handler take(bounty: Bounty) writes Bounty.taken_by across bounties {
    require bounty.taken_by == "" else "taken already"
    bounty.taken_by = self.agent
    self.since = now()
  }
}
```

```yaml
deployments:
  one-store:
    stores:
      main: { kind: sqlite, path: board.db }
    spaces: { claims: main, bounties: main }
```

### Over two stores

A saga does it in steps, each of them a transaction of one space. If a later step is rejected, those before are undone.

```pattern
// file: main.pattern
space claims
space bounties

record Bounty in bounties {
  cell taken_by: Text = ""

  handler reserve(agent: Text) {
    require self.taken_by == "" else "taken already"
    self.taken_by = agent
  }
}

record Claim in claims {
  cell agent: Text
  cell since: Time?

  internal handler begin() {
    require self.since == none else "begun already"
    self.since = now()
  }
  internal handler cancel() { self.since = none }

  saga take(bounty: Bounty) {
    step begun = self.begin() undo self.cancel()
    step bounty.reserve(self.agent)
  }
}
```

```yaml
deployments:
  two-stores:
    stores:
      a: { kind: sqlite, path: claims.db }
      b: { kind: sqlite, path: bounties.db }
    spaces: { claims: a, bounties: b }
```
"##;
