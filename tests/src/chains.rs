//! Small systems of chains by chance: records in two spaces, handlers that change one and send to the other.

use std::fmt::Write as _;

use patternc_interpreter::host::Random;

use crate::generate::{Tape, chain_set};

/// What a piece does to its record, from what commutes to what does not. `v` differs from event to event, so that the order shows.
const OPERATIONS: [&str; 8] = [
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
    let mut random = Random::seeded(seed);
    let numbers: Vec<u16> = (0..80).map(|_| random.draw() as u16).collect();
    let text = chain_set(&mut Tape::new(&numbers));
    let handlers = text.lines().filter_map(|line| line.strip_prefix("  handler ")?.split_once('('));
    let calls: Vec<(usize, String)> =
        handlers.map(|(name, rest)| (usize::from(rest.starts_with("other: Left")), name.to_owned())).collect();
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
                let _ = writeln!(bodies[side], "  handler h{chain}(_o: {other}@{space}, _v: Int) -> Int {{ return self.x }}");
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
    let cells = "  cell x: Int = 0\n  cell y: Int = 0\n  cell s: Set<Int> = Set[1]\n";
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

/// Patterns with a test of each meeting, named by its number.
pub fn with_tests<'a>(text: &str, meetings: impl IntoIterator<Item = &'a String>) -> String {
    let mut text = text.to_owned();
    for (number, meeting) in meetings.into_iter().enumerate() {
        let _ = write!(text, "\ntest \"{number}\" {{\n{meeting}}}\n");
    }
    text
}

impl System {
    /// The patterns with a test of each meeting.
    pub fn with_tests(&self) -> String {
        with_tests(&self.text, &self.meetings)
    }
}
