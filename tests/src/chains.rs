//! Small systems of chains by chance: records in two spaces, handlers that change one and send to the other.

use std::fmt::Write as _;

use patternc_interpreter::host::Random;

use crate::generate::{Tape, chain_set, making_chain_set, wide_chain_set};

/// What a piece does to its record, from what commutes to what does not. `v` differs from event to event, so that the order shows.
const OPERATIONS: [&str; 9] = [
    "self.l += v",
    "self.x += v",
    "self.x -= v",
    "self.s += v",
    "self.s -= 1",
    "self.x = v",
    "self.y = v",
    "let w = self.x  self.y = w + v",
    "let w = self.x  self.x = w * 3 + v",
];

/// A system, and calls of its handlers by which two events meet.
pub struct System {
    /// The patterns without any test.
    pub text: String,
    /// Sets of concurrent events: each the statements of a test.
    pub meetings: Vec<String>,
}

/// One of the systems with conditions and arms of sends that belongs to this seed.
pub fn guarded(seed: u64) -> System {
    by_chance(seed, 80, chain_set)
}

/// One of the systems with records that are made and looked for that belongs to this seed.
pub fn making(seed: u64) -> System {
    by_chance(seed, 40, making_chain_set)
}

/// One of the systems of everything that belongs to this seed. It may not pass the rules.
pub fn wide(seed: u64) -> System {
    by_chance(seed, 160, wide_chain_set)
}

fn by_chance(seed: u64, length: usize, make: fn(&mut Tape<'_>) -> String) -> System {
    let mut random = Random::seeded(seed);
    let numbers: Vec<u16> = (0..length).map(|_| random.draw() as u16).collect();
    of_text(make(&mut Tape::new(&numbers)))
}

/// The system of a text: every handler and saga of `Left` and `Right` that can be called is called with a record of the other type.
pub fn of_text(text: String) -> System {
    let called = |line: &'_ str| {
        let rest = line.strip_prefix("  handler ").or_else(|| line.strip_prefix("  saga "))?;
        let (name, rest) = rest.split_once('(')?;
        Some((usize::from(rest.split_once(": ")?.1.starts_with("Left")), name.to_owned()))
    };
    let calls: Vec<(usize, String)> = text.lines().filter_map(called).collect();
    let call = |(side, handler): &(usize, String), own: usize, other: usize, _: usize| match side {
        0 => format!("a{own}.{handler}(b{other})"),
        _ => format!("b{own}.{handler}(a{other})"),
    };
    let meetings = meetings(&calls, &call, ["Left", "Right"]);
    System { text, meetings }
}

/// The system that belongs to this seed.
pub fn system(seed: u64) -> System {
    let mut random = Random::seeded(seed);
    let chains = 1 + random.below(3);
    let mut bodies = [String::new(), String::new()];
    let mut calls: Vec<(usize, String)> = Vec::new();
    for chain in 0..chains {
        let side = random.below(2);
        let operation = |random: &mut Random| OPERATIONS[random.below(OPERATIONS.len())];
        let (other, space) = [("B", "right"), ("A", "left")][side];
        let first = operation(&mut random);
        // A quarter of the chains are one transaction, or only look.
        match random.below(8) {
            0 => {
                let looks = ["self.x", "self.l.len()", "self.l.last() ?? 0"][random.below(3)];
                let _ = writeln!(bodies[side], "  handler h{chain}(_o: {other}@{space}, _v: Int) -> Int {{ return {looks} }}");
            }
            1 => {
                let _ = writeln!(bodies[side], "  handler h{chain}(_o: {other}@{space}, v: Int) {{ {first} }}");
            }
            _ => {
                let second = operation(&mut random);
                let _ = writeln!(bodies[side], "  handler h{chain}(o: {other}@{space}, v: Int) {{ {first}  send o.t{chain}(v) }}");
                let _ = writeln!(bodies[1 - side], "  internal handler t{chain}(v: Int) {{ {second} }}");
            }
        }
        calls.push((side, format!("h{chain}")));
    }
    let cells = "  cell x: Int = 0\n  cell y: Int = 0\n  cell s: Set<Int> = Set[1]\n  cell l: List<Int> = []\n";
    let text =
        format!("space left\nspace right\n\nrecord A in left {{\n{cells}{}}}\n\nrecord B in right {{\n{cells}{}}}\n", bodies[0], bodies[1]);
    let call = |(side, handler): &(usize, String), own: usize, other: usize, v: usize| match side {
        0 => format!("a{own}.{handler}(b{other}, {v})"),
        _ => format!("b{own}.{handler}(a{other}, {v})"),
    };
    System { text, meetings: meetings(&calls, &call, ["A", "B"]) }
}

type Call<'a> = &'a dyn Fn(&(usize, String), usize, usize, usize) -> String;

/// Every two calls, the first on fixed records, and every three on the same ones.
fn meetings(calls: &[(usize, String)], call: Call<'_>, [left, right]: [&str; 2]) -> Vec<String> {
    let mut meetings = Vec::new();
    let mut meet = |events: &[String]| {
        meetings.push(format!(
            "  let a1 = create {left} in left {{ }}\n  let a2 = create {left} in left {{ }}\n  let b1 = create {right} in right {{ }}\n  let b2 = \
             create {right} in right {{ }}\n  expect a1 != a2 && b1 != b2\n  concurrently {{\n    {}\n  }}\n  expect true\n",
            events.join("\n    ")
        ));
    };
    for (at, first) in calls.iter().enumerate() {
        for second in &calls[at..] {
            for (own, other) in [(1, 1), (1, 2), (2, 1)] {
                meet(&[call(first, 1, 1, 1), call(second, own, other, 2)]);
            }
            for third in calls {
                meet(&[call(first, 1, 1, 1), call(second, 1, 1, 2), call(third, 1, 1, 5)]);
            }
        }
    }
    meetings
}

/// The creation of a record of a type with these cells, in the space that is its own by name.
pub fn created(of: &str, cells: &str) -> String {
    let space = if matches!(of, "A" | "Left") { "left" } else { "right" };
    format!("create {of} in {space} {{ {cells} }}")
}

/// Patterns with a test of each meeting, named by its number, and handlers by which the tests arrange what they begin with.
pub fn with_tests<'a>(text: &str, meetings: impl IntoIterator<Item = &'a String>) -> String {
    let family = text.contains("space right[Text]");
    let mut with = String::new();
    for line in text.lines() {
        with.push_str(line);
        with.push('\n');
        let Some((name, ty)) = line.strip_prefix("  cell ").and_then(|cell| cell.split_once(": ")) else { continue };
        let ty = ty.split(" = ").next().unwrap_or(ty);
        let _ = match ty.strip_prefix("Set<").and_then(|rest| rest.strip_suffix('>')) {
            Some(element) => writeln!(with, "  handler set_{name}(value: {element}) {{ self.{name} += value }}"),
            // No list begins with anything, and a key stays.
            None if ty.starts_with("List<") || ty.ends_with(" key") => Ok(()),
            None => writeln!(with, "  handler set_{name}(value: {ty}) {{ self.{name} = value }}"),
        };
    }
    for (number, meeting) in meetings.into_iter().enumerate() {
        let _ = writeln!(with, "\ntest \"{number}\" {{");
        for (at, line) in meeting.lines().enumerate() {
            // Each in a space of its own, where there are many.
            let line = match family {
                true => {
                    line.replace(" in left {", &format!(" in left[\"{at}\"] {{")).replace(" in right {", &format!(" in right[\"{at}\"] {{"))
                }
                false => line.to_owned(),
            };
            let _ = writeln!(with, "{line}");
        }
        with.push_str("}\n");
    }
    with
}

impl System {
    /// The patterns with a test of each meeting.
    pub fn with_tests(&self) -> String {
        with_tests(&self.text, &self.meetings)
    }
}
