//! Sets of chains by chance: two records in two spaces, handlers that write, check and send from one to the other, and readers of both. Small
//! enough that every interleaving of a few events can be run, to compare with what the compiler says of the chains.

use super::tape::Tape;

/// The text of a pattern: `Left` in the space `left` with handlers `go0`, `go1`, …, each a chain of one or more pieces, `Right` in `right` with
/// the `internal` handlers that receive (`take0`, …), and one-piece handlers on both (`do0`, …, `look0`, …). Parameters are one record of the
/// other type, or none. Every cell has a default.
pub fn chain_set(tape: &mut Tape<'_>) -> String {
    let receivers = tape.between(1, 2);
    let mut left = String::new();
    for number in 0..tape.between(1, 2) {
        left.push_str(&sender(tape, number, receivers));
    }
    for number in 0..tape.below(2) {
        left.push_str(&format!("  handler do{number}(other: Right) {{\n{}  }}\n", body(tape, "    ")));
    }
    for number in 0..tape.below(2) {
        left.push_str(&format!("  handler look{number}(other: Right) -> Int {{ return self.n + other.n }}\n"));
    }
    let mut right = String::new();
    for number in 0..receivers {
        right.push_str(&format!("  internal handler take{number}(other: Left) {{\n{}  }}\n", body(tape, "    ")));
    }
    for number in 0..tape.below(2) {
        right.push_str(&format!("  handler do{number}(other: Left) {{\n{}  }}\n", body(tape, "    ")));
    }
    format!(
        "space left\nspace right\n\nrecord Left in left {{\n{}{left}}}\n\nrecord Right in right {{\n{}{right}}}\n",
        cells("Right"),
        cells("Left")
    )
}

/// The text of a pattern like those of [`chain_set`], about records that are made, and looked for, on the other side: `Note` in `right`.
pub fn making_chain_set(tape: &mut Tape<'_>) -> String {
    let guards = [
        "",
        "",
        "    require self.open else \"closed\"\n",
        "    require Note.all.is_empty() else \"noted\"\n",
        "    require Note.where(note => note.n == self.n).len() < 1 else \"noted\"\n",
        "    require Tag[\"t\"] == none else \"tagged\"\n",
    ];
    let operations = [
        "    self.n += 1\n",
        "    self.n = 5\n",
        "    self.open = false\n",
        "    self.n = Note.all.len()\n",
        "    if Note.all.is_empty() { self.n += 1 }\n",
        "    if Tag[\"t\"] == none { self.n += 1 }\n",
        "",
    ];
    let makes = [
        "    send create Note in right { n: 1 }\n",
        "    send create Note in right { n: self.n }\n",
        "    send other.take0(self)\n",
        "    send create Tag in right { name: \"t\" }\n",
        "    send create Tag in right { name: \"t\" } then { ok(_t) => { self.open = false } err(_e) => { self.n = 9 } }\n",
        "    send create Tag in right { name: \"{self.n}\" } then { err(_e) => { self.n += 1 } }\n",
        "    send create Tag in right { name: \"u\" }\n",
        "    send create Seat in right { of: self }\n",
    ];
    let one = |tape: &mut Tape<'_>, of: &[&'static str]| of[tape.below(of.len())];
    let mut left = String::new();
    for number in 0..tape.between(1, 2) {
        let (guard, operation, make) = (one(tape, &guards), one(tape, &operations), one(tape, &makes));
        left.push_str(&format!("  handler go{number}(other: Right) {{\n{guard}{operation}{make}  }}\n"));
    }
    let mut right = String::new();
    let beside = [
        "    create Note { n: self.n }\n",
        "    create Note { n: 1 }\n    self.n += 1\n",
        "    self.n = Note.all.len()\n",
        "    create Tag { name: \"t\" }\n",
        "    create Tag { name: \"u\" }\n",
        "    create Seat { of: other }\n",
    ];
    right.push_str(&format!("  internal handler take0(other: Left) {{\n{}{}  }}\n", one(tape, &guards), one(tape, &beside)));
    if tape.one_in(2) {
        right.push_str(&format!("  handler do0(other: Left) {{\n{}{}  }}\n", one(tape, &guards), one(tape, &beside)));
    }
    if tape.one_in(2) {
        left.push_str("  handler sit0(other: Right) { if Seat[self] == none { self.n += 1 } }\n");
    }
    if tape.one_in(2) {
        left.push_str("  handler look0(other: Right) -> Int { return self.n + Note.all.len() }\n");
    }
    if tape.one_in(2) {
        left.push_str(&format!("  handler do0(_other: Right) {{\n{}{}  }}\n", one(tape, &guards), one(tape, &operations)));
    }
    let cells = "  cell n: Int = 1\n  cell open: Bool = true\n";
    format!(
        "space left\nspace right\n\nrecord Left in left {{\n{cells}{left}}}\n\nrecord Right in right {{\n{cells}{right}}}\n\nrecord Note in right \
         {{\n  cell n: Int = 0\n}}\n\nrecord Tag in right {{\n  cell name: Text key\n}}\n\nrecord Seat in right {{\n  cell of: Left key\n}}\n"
    )
}

fn cells(other: &str) -> String {
    format!("  cell n: Int = 1\n  cell open: Bool = true\n  cell held: {other}?\n  cell all: Set<{other}> = Set[]\n")
}

fn sender(tape: &mut Tape<'_>, number: usize, receivers: usize) -> String {
    let mut text =
        format!("  handler go{number}(other: Right) {{\n{}    send other.take{}(self)", body(tape, "    "), tape.below(receivers));
    let (ok, err) = (tape.one_in(3), tape.one_in(2));
    if ok || err {
        text.push_str(" then {\n");
        if ok {
            text.push_str(&format!("      ok() => {{\n{}      }}\n", operations(tape, "        ")));
        }
        if err {
            text.push_str(&format!("      err(_e) => {{\n{}      }}\n", operations(tape, "        ")));
        }
        text.push_str("    }");
    }
    text.push_str("\n  }\n");
    text
}

/// A check, perhaps, and what is done.
fn body(tape: &mut Tape<'_>, indent: &str) -> String {
    let guards = [
        "",
        "",
        "require self.open else \"closed\"",
        "require !self.open else \"open\"",
        "require !(other in self.all) else \"there\"",
        "require other in self.all else \"not there\"",
        "require self.held == none else \"held\"",
    ];
    let guard = guards[tape.below(guards.len())];
    let guard = if guard.is_empty() { String::new() } else { format!("{indent}{guard}\n") };
    format!("{guard}{}", operations(tape, indent))
}

fn operations(tape: &mut Tape<'_>, indent: &str) -> String {
    let all = [
        "self.n += 1",
        "self.n -= 2",
        "self.n = self.n * 2",
        "self.n = 5",
        "self.open = false",
        "self.open = true",
        "self.all += other",
        "self.all -= other",
        "self.held = other",
        "self.held = none",
    ];
    (0..tape.between(1, 2)).map(|_| format!("{indent}{}\n", all[tape.below(all.len())])).collect()
}
