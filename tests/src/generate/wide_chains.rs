//! Sets of chains by chance, of everything that the language has for them: conditions, arithmetic, early returns, `try`, arms, deferred answers,
//! sends back, sagas with what undoes them, creations, deletions, entries of maps, families of spaces.

use super::tape::Tape;

/// The text of a pattern like those of [`super::chain_set`]. It may have errors: what is made by chance does not always pass the rules.
pub fn wide_chain_set(tape: &mut Tape<'_>) -> String {
    let family = tape.one_in(4);
    let of = |name: &str| if family { format!("{name}@any") } else { name.to_owned() };
    let (left_type, right_type) = (of("Left"), of("Right"));
    let maker = Maker { left: left_type, right: right_type, deletes: tape.one_in(6) };
    let receivers = tape.between(1, 2);
    let mut left = String::new();
    for number in 0..tape.between(1, 2) {
        left.push_str(&match tape.below(4) {
            0 => maker.saga(tape, number, receivers),
            _ => maker.sender(tape, number, receivers),
        });
    }
    if tape.one_in(2) {
        left.push_str(&format!("  handler do0(other: {}) {{\n{}  }}\n", maker.right, maker.body(tape, "    ")));
    }
    if tape.one_in(3) {
        let looks = ["self.n + other.n", "self.n", "if self.open { other.n } else { 0 }", "self.m[\"a\"] ?? other.n"];
        left.push_str(&format!("  handler look0(other: {}) -> Int {{ return {} }}\n", maker.right, looks[tape.below(looks.len())]));
    }
    // What sagas take and give back, and what receivers send back.
    left.push_str("  internal handler up() { self.n += 1 }\n  internal handler down() { self.n -= 1 }\n");
    left.push_str("  internal handler lock() {\n    require self.open else \"locked\"\n    self.open = false\n  }\n");
    left.push_str("  internal handler unlock() { self.open = true }\n");
    left.push_str(&format!("  internal handler back(other: {}) {{\n{}  }}\n", maker.right, maker.body(tape, "    ")));
    let mut right = String::new();
    for number in 0..receivers {
        let mut body = maker.body(tape, "    ");
        if tape.one_in(5) {
            body.push_str("    send other.back(self)\n");
        }
        right.push_str(&format!("  internal handler take{number}(other: {}) {{\n{body}  }}\n", maker.left));
    }
    right.push_str(&format!("  internal handler give(other: {}) {{ self.all -= other }}\n", maker.left));
    for number in 0..tape.below(2) {
        right.push_str(&format!("  handler do{number}(other: {}) {{\n{}  }}\n", maker.left, maker.body(tape, "    ")));
    }
    if tape.one_in(4) {
        right.push_str(&format!("  handler count(_other: {}) -> Int {{ return Note.all.len() }}\n", maker.left));
        right.push_str(&format!("  handler note(_other: {}) {{ create Note {{ n: self.n }} }}\n", maker.left));
    }
    let space = if family { "space right[Text]" } else { "space right" };
    let left_space = if family { "space left[Text]" } else { "space left" };
    format!(
        "{left_space}\n{space}\n\nrecord Left in left {{\n{}{left}}}\n\nrecord Right in right {{\n{}{right}}}\n\nrecord Note in right {{\n  cell n: Int = \
         0\n}}\n",
        cells(&maker.right),
        cells(&maker.left)
    )
}

fn cells(other: &str) -> String {
    format!(
        "  cell n: Int = 1\n  cell k: Int = 0\n  cell open: Bool = true\n  cell held: {other}?\n  cell all: Set<{other}> = Set[]\n  cell m: Map<Text, Int> = \
         Map[]\n"
    )
}

struct Maker {
    left: String,
    right: String,
    deletes: bool,
}

impl Maker {
    fn sender(&self, tape: &mut Tape<'_>, number: usize, receivers: usize) -> String {
        let head = format!("  handler go{number}(other: {}) {{\n{}", self.right, self.body(tape, "    "));
        let send = |tape: &mut Tape<'_>, indent: &str, prefix: &str| {
            let mut text = format!("{indent}{prefix}send other.take{}(self)", tape.below(receivers));
            let (ok, err) = (tape.one_in(3), tape.one_in(2));
            if ok || err {
                text.push_str(" then {\n");
                if ok {
                    text.push_str(&format!("{indent}  ok() => {{\n{}{indent}  }}\n", self.arm(tape)));
                }
                if err {
                    text.push_str(&format!("{indent}  err(_e) => {{\n{}{indent}  }}\n", self.arm(tape)));
                }
                text.push_str(&format!("{indent}}}"));
            }
            text + "\n"
        };
        let tail = match tape.below(6) {
            0 => send(tape, "    ", "return "),
            1 => {
                let cond = CONDITIONS[tape.below(CONDITIONS.len())];
                let (then, otherwise) = (send(tape, "      ", ""), send(tape, "      ", ""));
                format!("    if {cond} {{\n{then}    }} else {{\n{otherwise}    }}\n")
            }
            2 => send(tape, "    ", "") + &send(tape, "    ", ""),
            _ => send(tape, "    ", ""),
        };
        format!("{head}{tail}  }}\n")
    }

    fn saga(&self, tape: &mut Tape<'_>, number: usize, receivers: usize) -> String {
        let steps = [
            "step a = self.up()  undo self.down()",
            "step a = self.lock()  undo self.unlock()",
            "step a = other.take0(self)  undo other.give(self)",
        ];
        let guard = if tape.one_in(3) { "    require self.open else \"closed\"\n" } else { "" };
        let (first, last) = (steps[tape.below(steps.len())], tape.below(receivers));
        let end = if tape.one_in(3) { "    step c = self.unlock()\n" } else { "" };
        let pivot = if end.is_empty() { "step" } else { "pivot" };
        format!("  saga go{number}(other: {}) {{\n{guard}    {first}\n    {pivot} b = other.take{last}(self)\n{end}  }}\n", self.right)
    }

    /// A check, perhaps, and what is done.
    fn body(&self, tape: &mut Tape<'_>, indent: &str) -> String {
        let guards = [
            "",
            "",
            "require self.open else \"closed\"",
            "require !self.open else \"open\"",
            "require !(other in self.all) else \"there\"",
            "require other in self.all else \"not there\"",
            "require self.held == none else \"held\"",
            "require self.n < 4 else \"much\"",
            "require self.open && self.k == 0 else \"not now\"",
            "require other.open else \"theirs is closed\"",
            "let h = self.held else fail \"nothing\"",
            "if self.open { return }",
            "if self.n * 2 > 5 { return }",
        ];
        let guard = guards[tape.below(guards.len())];
        let guard = if guard.is_empty() { String::new() } else { format!("{indent}{guard}\n") };
        let mut text = guard;
        for _ in 0..tape.between(1, 2) {
            let operation = self.operation(tape);
            text.push_str(&match tape.below(6) {
                0 => {
                    let cond = CONDITIONS[tape.below(CONDITIONS.len())];
                    let other = self.operation(tape);
                    format!("{indent}if {cond} {{ {operation} }} else {{ {other} }}\n")
                }
                1 => {
                    let cond = CONDITIONS[tape.below(CONDITIONS.len())];
                    format!("{indent}if {cond} {{ {operation} }}\n")
                }
                2 if tape.one_in(3) => {
                    let (cond, other) = (CONDITIONS[tape.below(CONDITIONS.len())], self.operation(tape));
                    format!(
                        "{indent}try {{\n{indent}  require {cond} else \"no\"\n{indent}  {operation}\n{indent}}} catch _e {{ {other} }}\n"
                    )
                }
                _ => format!("{indent}{operation}\n"),
            });
        }
        text
    }

    fn arm(&self, tape: &mut Tape<'_>) -> String {
        (0..tape.between(1, 2)).map(|_| format!("        {}\n", self.operation(tape))).collect()
    }

    fn operation(&self, tape: &mut Tape<'_>) -> &'static str {
        let all = [
            "self.n += 1",
            "self.n -= 2",
            "self.n = self.n * 2",
            "self.n = 5",
            "self.k = self.n",
            "self.k += 1",
            "self.k = other.n",
            "self.open = false",
            "self.open = true",
            "self.all += other",
            "self.all -= other",
            "self.held = other",
            "self.held = none",
            "self.m[\"a\"] = self.n",
            "self.m[\"b\"] = 7",
            "delete self.m[\"a\"]",
        ];
        if self.deletes && tape.one_in(8) { "delete self" } else { all[tape.below(all.len())] }
    }
}

const CONDITIONS: [&str; 6] =
    ["self.open", "self.n > 1", "other in self.all", "self.held == none", "self.k == 0", "(self.m[\"a\"] ?? 0) > 3"];
