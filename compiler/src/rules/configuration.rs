//! `configuration`: a mistake in `patternc.yaml`. Found where that file is read, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "configuration",
    level: Level::Error,
    summary: "a mistake in `patternc.yaml`",
    fixes: Fixes::None("where the data is to be kept only who runs it knows"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

`patternc.yaml` says which store keeps each space and what stands behind each extern. A name in it that no pattern declares, a space that
no store keeps, an extern that nothing answers, or a key that nothing reads would otherwise show only when the deployment runs.

## Bad

```pattern
space home
record Person in home { cell name: Text }
```

```yaml
deployments:
  local:
    stores: { main: { kind: memory } }
    spaces: { hom: main }
```

## Good

```pattern
space home
record Person in home { cell name: Text }
```

```yaml
deployments:
  local:
    stores: { main: { kind: memory } }
    spaces: { home: main }
```
"##;
