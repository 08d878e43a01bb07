//! `read-then-append`: looking through a whole list before appending to it.

use super::{Check, Fixes, Rule};
use super::context::{Context, with_path};
use crate::diagnostic::{Diagnostic, Level};
use crate::effects::{Entry, Grain, WriteKind};
use crate::signature::cell_sig;
use crate::types::Ty;

pub static RULE: Rule = Rule {
    name: "read-then-append",
    level: Level::Warn,
    summary: "a membership test on a whole list before appending to it: use a Set, a Map or a key",
    fixes: Fixes::None("another type of the cell changes data that is stored"),
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        for piece in callable.pieces.iter().copied() {
            let mut reported = Vec::new();
            for append in piece.writes.iter().filter(|write| write.kind == WriteKind::Append && !write.inverse) {
                let Some(cell) = append.cell else { continue };
                let is_test = |read: &&crate::effects::Read| {
                    read.cell == append.cell
                        && read.target == append.target
                        && matches!(read.grain, Grain::Element(_))
                        && callable.can_follow(read.here(), append.here())
                };
                let Some(test) = piece.reads.iter().find(is_test) else { continue };
                let is_list = cell_sig(context.db, cell).is_some_and(|sig| matches!(sig.ty, Ty::List(_)));
                // Both in one call: reported where they stand.
                if !is_list || reported.contains(&cell) || (test.here() == append.here() && !test.path.is_empty()) {
                    continue;
                }
                reported.push(cell);
                let words = callable.words();
                let name = words.cell_of(&append.target, cell);
                let message = format!(
                    "`{}` looks through all of `{name}` before it appends to it: every append conflicts with every other, and costs more the longer the list is",
                    callable.name(),
                );
                let space = words.space(append.space);
                let mut finding = RULE.at(callable.place(test.here()), format!("reads the whole list, in {}", words.space(test.space)), message);
                finding = with_path(finding, context.db, test, "read here");
                finding = finding.label(callable.place(append.here()), format!("appends to it, in {space}"));
                finding = with_path(finding, context.db, append, "appended here");
                findings.push(finding.help(format!(
                    "make `{name}` a Set (inserting what is there already changes nothing), a Map by what must be unique, or records with a `key` cell"
                )));
            }
        }
    }
}

const PAGE: &str = r##"
## What goes wrong

To know that an element is not in a list yet, the whole list is read. The transaction then conflicts with everyone else who appends, although
`+=` alone would not, and each append takes as long as the list is.

## Bad

```pattern
space club
record Club in club {
  cell members: List<Text> = []
  handler join(name: Text) {
    require !(name in self.members) else "already a member"
    self.members += name
  }
}
```

## Good

```pattern
space club
record Club in club {
  cell members: Set<Text> = Set[]
  handler join(name: Text) {
    require !(name in self.members) else "already a member"
    self.members += name
  }
}
```

In a Set only the one element is looked at. Where the order matters, keep records with a `key` cell, or a Map.

## When it is fine

For short lists that change seldom.
"##;
