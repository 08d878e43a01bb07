//! `extern-in-transaction`: a call of the outside world, or `await`, inside a transaction. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "extern-in-transaction",
    level: Level::Error,
    summary: "a call of the outside world, or `await`, inside a transaction",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

A transaction may run again after a conflict, and may be undone: the call would happen twice, or would have happened for nothing. The
outside is called between transactions: by `send`, whose `ok` arm is a transaction of its own.

## Bad

```pattern
extern clock {
  read() -> Int readonly
}
record Page {
  cell seen: Int = 0
  handler look() { self.seen = clock.read() }
}
```

## Good

```pattern
extern clock {
  read() -> Int readonly
}
record Page {
  cell seen: Int = 0
  handler look() {
    send clock.read() then {
      ok(at) => { self.seen = at }
      err(e) => { fail e.message }
    }
  }
}
```
"##;
