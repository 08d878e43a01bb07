//! Small systems of chains by chance: records in two spaces, handlers that change one and send to the other.

use std::fmt::Write as _;

use patternc_interpreter::host::Random;

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
    /// Sets of concurrent events: each a body of `concurrently`.
    pub meetings: Vec<String>,
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
    System { text, meetings: meetings(&calls) }
}

/// Every two calls, the first on fixed records, and every three on the same ones.
fn meetings(calls: &[(usize, String)]) -> Vec<String> {
    let call = |(side, handler): &(usize, String), own: usize, other: usize, v: usize| match side {
        0 => format!("a{own}.{handler}(b{other}, {v})"),
        _ => format!("b{own}.{handler}(a{other}, {v})"),
    };
    let mut meetings = Vec::new();
    for (at, first) in calls.iter().enumerate() {
        for second in &calls[at..] {
            for (own, other) in [(1, 1), (1, 2), (2, 1)] {
                meetings.push(format!("{}\n    {}", call(first, 1, 1, 1), call(second, own, other, 2)));
            }
            for third in calls {
                meetings.push(format!("{}\n    {}\n    {}", call(first, 1, 1, 1), call(second, 1, 1, 2), call(third, 1, 1, 5)));
            }
        }
    }
    meetings
}

impl System {
    /// The patterns with a test of each meeting.
    pub fn with_tests(&self) -> String {
        let mut text = self.text.clone();
        for (number, meeting) in self.meetings.iter().enumerate() {
            let _ = write!(
                text,
                "\ntest \"{number}\" {{\n  let a1 = create A in left {{ }}\n  let a2 = create A in left {{ }}\n  let b1 = create B in right \
                 {{ }}\n  let b2 = create B in right {{ }}\n  expect a1 != a2 && b1 != b2\n  concurrently {{\n    {meeting}\n  }}\n  expect \
                 true\n}}\n"
            );
        }
        text
    }
}
