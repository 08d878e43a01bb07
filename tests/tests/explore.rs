//! The explorer on small systems whose faults are known: it finds each by a shortest way, and the way it tells shows the fault again.

use std::sync::Arc;

use patternc_interpreter::explore::{Bounds, Comparison, Explorer, Kind, Outcome};
use patternc_interpreter::simulate::{Options, run_test};
use patternc_program::Program;
use patternc_tests::world::compile;

fn program(text: &str) -> Arc<Program> {
    let compiled = compile(text);
    let errors: Vec<_> = compiled.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
    compiled.program
}

/// Explores the first test of the text. `places`: which store keeps each space.
fn explore(text: &str, places: &[usize], bounds: Bounds) -> Outcome {
    let program = program(text);
    let explorer = Explorer::new(program.clone(), places.to_vec(), bounds);
    explorer.explore(&program.tests[0], &mut |_| {}).expect("stores in memory open")
}

/// The order of what was found, after showing that a test with it fails alike with every seed.
fn found(text: &str, places: &[usize]) -> (Outcome, String) {
    let outcome = explore(text, places, Bounds::default());
    let (_, story) = outcome.violation.clone().unwrap_or_else(|| panic!("nothing was found in {} states", outcome.states));
    let [(at, order)] = &story.orders[..] else { panic!("one statement has a choice: {:?}", story.orders) };
    let mut again = text.to_owned();
    again.insert_str(at.start as usize, &format!("order \"{order}\"\n  "));
    let program = program(&again);
    for seed in 1..=20 {
        let options = Options { places: places.to_vec(), ..Options::seeded(seed) };
        let report = run_test(&program, &program.tests[0], options);
        assert!(report.failure.is_some(), "seed {seed} passes with the order {order}");
    }
    let order = order.clone();
    (outcome, order)
}

const LINKS: &str = r#"
space left
space right

record A in left {
  cell bs: Set<B@right> = Set[]
  handler add(b: B@right) { self.bs += b  send b.added(self) }
  handler removed(b: B@right) { self.bs -= b }
}

record B in right {
  cell as: Set<A@left> = Set[]
  handler added(a: A@left) { self.as += a }
  handler remove(a: A@left) { self.as -= a  send a.removed(self) }
}

eventually invariant back(b: B) { b.as.all(a => b in a.bs) }

test "add and remove at once" {
  let ann = create A in left { }
  let bob = create B in right { }
  concurrently {
    ann.add(bob)
    bob.remove(ann)
  }
  expect true
}
"#;

#[test]
fn an_asymmetric_link_is_found() {
    for places in [[0, 0], [0, 1]] {
        let (outcome, order) = found(LINKS, &places);
        let (violation, story) = outcome.violation.expect("it was found");
        assert_eq!(violation.kind, Kind::Eventually);
        assert!(violation.failure.message.ends_with("the invariant back does not hold for bob"), "{}", violation.failure.message);
        // Both events and both deliveries: no shorter way ends with nothing in flight.
        if places == [0, 0] {
            assert_eq!(order, "1 2 1.1 2.1");
            let whole: Vec<&str> = story.steps.iter().map(|step| step.what.as_str()).collect();
            assert_eq!(whole, ["ann.add(bob)", "bob.remove(ann)", "bob.added(ann)", "ann.removed(bob)"]);
            assert_eq!(story.steps[0].changes, ["ann.bs += bob"]);
            assert_eq!(story.steps[0].sends, ["bob.added(ann)"]);
        }
    }
}

const DELAYS: &str = r#"
space left
space right

record Box in right {
  cell lines: List<Int> = []
  handler note(line: Int) { self.lines += line }
}

record Clock in left {
  cell box: Box@right
  handler plan(from: Int) {
    send self.box.note(from) after 5m
    send self.box.note(from + 1) after 5m
    send self.box.note(from + 2) after 3m
    send self.box.note(from + 3)
  }
}

test "delays" {
  let box = create Box in right { }
  let clock = create Clock in left { box: box }
  hold {
    concurrently {
      clock.plan(10)
      clock.plan(20)
    }
    advance 10m
  }
  expect EXPECTED
}
"#;

#[test]
fn delayed_events_have_their_order_in_every_schedule() {
    let one = "box.lines == [13, 23, 12, 22, 10, 11, 20, 21]";
    let other = "box.lines == [23, 13, 22, 12, 20, 21, 10, 11]";
    let expecting = |expected: &str, places| explore(&DELAYS.replace("EXPECTED", expected), places, Bounds::default());
    for places in [&[0, 0], &[0, 1]] {
        let outcome = expecting(&format!("{one} || {other}"), places);
        assert!(outcome.violation.is_none() && outcome.complete, "{:?}", outcome.violation);
        // Both orders of the concurrent events are seen.
        for alone in [one, other] {
            let (violation, _) = expecting(alone, places).violation.expect("the other order is found");
            assert_eq!(violation.kind, Kind::Expectation, "{violation:?}");
        }
    }
}

const DOCTORS: &str = r#"
space east
space west

record Doctor in east {
  cell on_duty: Bool = true
  cell other: Nurse@west?
  handler leave() {
    if let other = self.other { require other.on_duty else "somebody must stay" }
    self.on_duty = false
  }
  handler pair(other: Nurse@west) { self.other = other }
}

record Nurse in west {
  cell on_duty: Bool = true
  cell other: Doctor@east
  handler leave() {
    require self.other.on_duty else "somebody must stay"
    self.on_duty = false
  }
}

eventually invariant covered(n: Nurse) { n.on_duty || n.other.on_duty }

test "both leave" {
  let ann = create Doctor in east { }
  let bob = create Nurse in west { other: ann }
  ann.pair(bob)
  concurrently {
    ann.leave()
    bob.leave()
  }
  expect true
}
"#;

#[test]
fn both_doctors_leave_only_where_two_stores_keep_them() {
    let together = explore(DOCTORS, &[0, 0], Bounds::default());
    assert!(together.complete && together.violation.is_none(), "{together:?}");
    let (_, order) = found(DOCTORS, &[0, 1]);
    assert_eq!(order, "1.reads 2.reads 1 2");
}

const CLAIM: &str = r#"
space claims
space board

record Claim in claims {
  cell bounty: Bounty@board
  cell agent: Text
  cell granted: Bool = false
  handler ask() {
    send self.bounty.reserve(self.agent) then {
      ok() => { self.granted = true }
      err(e) => { self.granted = false }
    }
  }
  handler cancel() {
    self.granted = false
    send self.bounty.release(self.agent)
  }
}

record Bounty in board {
  cell holder: Text?
  handler reserve(agent: Text) { require self.holder == none else "taken"  self.holder = agent }
  handler release(agent: Text) { if self.holder == agent { self.holder = none } }
}

eventually invariant agreed(c: Claim) { c.granted == (c.bounty.holder == c.agent) }

test "ask and cancel" {
  let bounty = create Bounty in board { }
  let claim = create Claim in claims { bounty: bounty, agent: "ann" }
  concurrently {
    claim.ask()
    claim.cancel()
  }
  expect true
}
"#;

#[test]
fn a_dangling_claim_is_found() {
    let (_, order) = found(CLAIM, &[0, 0]);
    assert_eq!(order, "1 2 1.1 2.1 1.1.then");
    let (_, order) = found(CLAIM, &[0, 1]);
    assert_eq!(order, "1 2 1.1 2.1 1.1.then 2.1.then");
}

#[test]
fn an_event_that_nobody_takes_is_found() {
    let text = CLAIM
        .replace("      err(e) => { self.granted = false }\n", "")
        .replace("eventually invariant agreed(c: Claim) { c.granted == (c.bounty.holder == c.agent) }", "");
    let text = text.replace("    claim.cancel()", "    bounty.reserve(\"bob\")");
    let (outcome, order) = found(&text, &[0, 0]);
    assert_eq!(outcome.violation.map(|(violation, _)| violation.kind), Some(Kind::Parked));
    assert_eq!(order, "1 2 1.1");
}

#[test]
fn what_is_right_is_gone_through_to_the_end() {
    let text = LINKS.replace("bob.remove(ann)", "ann.add(bob)");
    let plain = explore(&text, &[0, 1], Bounds { crashes: 0, duplicates: 0, ..Bounds::default() });
    assert!(plain.complete && plain.violation.is_none(), "{plain:?}");
    let harsh = explore(&text, &[0, 1], Bounds { crashes: 2, duplicates: 0, ..Bounds::default() });
    assert!(harsh.complete && harsh.violation.is_none(), "{harsh:?}");
    // What a crash leaves is what a store has, and every such state is reached without one as well.
    assert_eq!((harsh.states, harsh.ends), (plain.states, plain.ends));
    assert!(harsh.steps > plain.steps);
    // While a second delivery is under way, the point is another; once both have arrived, it is one that was known.
    let twice = explore(&text, &[0, 1], Bounds { crashes: 0, duplicates: 2, ..Bounds::default() });
    assert!(twice.complete && twice.violation.is_none() && twice.states > plain.states, "{twice:?}");
    assert_eq!(twice.ends, plain.ends);
    let few = explore(&text, &[0, 1], Bounds { states: 3, ..Bounds::default() });
    assert!(!few.complete && few.violation.is_none());
}

#[test]
fn an_order_that_cannot_be_followed_fails_the_test() {
    for (order, why) in [("1 1.2", "`1.2` is nothing that can happen now"), ("1 1.1.x", "`1.1.x` is nothing that an order can name")] {
        let text = LINKS.replace("  concurrently {", &format!("  order \"{order}\"\n  concurrently {{"));
        let program = program(&text);
        let report = run_test(&program, &program.tests[0], Options::seeded(1));
        let failure = report.failure.unwrap_or_else(|| panic!("{order} can be followed"));
        assert!(failure.message.contains(why), "{}", failure.message);
    }
}

fn compare(text: &str, places: &[usize]) -> Comparison {
    let program = program(text);
    let explorer = Explorer::new(program.clone(), places.to_vec(), Bounds::default());
    explorer.compare(&program.tests[0], &mut |_| {}).expect("stores in memory open")
}

#[test]
fn schedules_are_compared_with_orders_of_whole_events() {
    let parted = compare(LINKS, &[0, 1]);
    assert!(parted.anomaly.is_some_and(|story| story.steps.len() >= 4), "add against remove is no order of the two");
    let added = compare(&LINKS.replace("bob.remove(ann)", "ann.add(bob)"), &[0, 1]);
    assert!(added.complete && added.anomaly.is_none() && added.serial == 1, "{added:?}");
    assert!(compare(DOCTORS, &[0, 1]).anomaly.is_some(), "both doctors leave");
    let together = compare(DOCTORS, &[0, 0]);
    assert!(together.complete && together.anomaly.is_none() && together.serial == 2, "{together:?}");
}

/// Events that link one of four people to another, each from a space of its own to a space of its own.
fn links(pairs: &[(&str, &str)]) -> String {
    let calls: String = pairs.iter().map(|(from, to)| format!("    {from}.link({to})\n")).collect();
    format!(
        r#"
space user[Text]

record Person in user {{
  cell links: Set<Person@any> = Set[]
  handler link(other: Person@any) {{ self.links += other  send other.linked(self) }}
  internal handler linked(other: Person@any) {{ self.links += other }}
}}

eventually invariant two_way(p: Person) {{ p.links.all(q => p in q.links) }}

test "links" {{
  let a = create Person in user["a"] {{ }}
  let b = create Person in user["b"] {{ }}
  let c = create Person in user["c"] {{ }}
  let d = create Person in user["d"] {{ }}
  concurrently {{
{calls}  }}
  expect true
}}
"#
    )
}

#[test]
fn interchangeable_records_are_not_told_apart() {
    let one_sided = explore(&links(&[("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")]), &[0], Bounds::default());
    assert!(one_sided.complete && one_sided.violation.is_none(), "{one_sided:?}");
    assert_eq!(one_sided.symmetries, 1);
    // Before, between and after its two steps; and before the test's last statement.
    let ring = explore(&links(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]), &[0], Bounds::default());
    assert!(ring.complete && ring.violation.is_none(), "{ring:?}");
    assert_eq!(ring.symmetries, 4);
    assert!(ring.states < one_sided.states / 2, "{} of {}", ring.states, one_sided.states);
}

/// Leaving out steps that lead where others lead changes nothing of what is found, and how.
fn same_by_every_step(text: &str, places: &[usize], bounds: Bounds) -> (Outcome, Outcome) {
    let program = program(text);
    let (mut fewer, mut every) = (None, None);
    for test in &program.tests {
        let explorer = || Explorer::new(program.clone(), places.to_vec(), bounds);
        let one = explorer().explore(test, &mut |_| {}).expect("stores in memory open");
        let other = explorer().taking_every_step().explore(test, &mut |_| {}).expect("stores in memory open");
        let about = format!("{} over {places:?} within {bounds:?}\n{text}", test.name);
        let found = |outcome: &Outcome| outcome.violation.clone().map(|(violation, story)| (violation.kind, story.steps.len()));
        assert_eq!(found(&one), found(&other), "{about}");
        if one.violation.is_none() {
            assert_eq!((one.states, one.ends, one.complete), (other.states, other.ends, other.complete), "{about}");
        }
        assert!(one.steps <= other.steps, "{about}");
        (fewer, every) = (Some(one), Some(other));
    }
    (fewer.expect("there is a test"), every.expect("there is a test"))
}

#[test]
fn leaving_steps_out_that_commute_finds_the_same() {
    let all = Bounds { crashes: 1, duplicates: 1, ..Bounds::default() };
    let plain = Bounds { crashes: 0, duplicates: 0, ..Bounds::default() };
    for text in [LINKS, DOCTORS, CLAIM] {
        for places in [[0, 0], [0, 1]] {
            for bounds in [all, plain] {
                same_by_every_step(text, &places, bounds);
            }
        }
    }
    // Every end of a link is one of a list, or counted: what does not commute, and what does.
    let pairs = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "d"), ("b", "d")];
    for cell in ["Set<Person@any> = Set[]", "List<Person@any> = []"] {
        let text = links(&pairs).replace("Set<Person@any> = Set[]", cell);
        let (fewer, every) = same_by_every_step(&text, &[0], Bounds { crashes: 1, ..plain });
        assert!(fewer.steps * 2 < every.steps, "{} of {}", fewer.steps, every.steps);
    }
}

#[test]
fn leaving_steps_out_of_generated_chains_finds_the_same() {
    let systems: u64 = std::env::var("SYSTEMS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    for seed in 0..systems {
        let text = patternc_tests::chains::system(seed).with_tests();
        same_by_every_step(&text, &[0, 1], Bounds { duplicates: (seed % 2) as u8, ..Bounds::default() });
        let program = program(&text);
        for test in &program.tests {
            let explorer = || Explorer::new(program.clone(), vec![0, 1], Bounds::default());
            let fewer = explorer().compare(test, &mut |_| {}).expect("stores in memory open");
            let every = explorer().taking_every_step().compare(test, &mut |_| {}).expect("stores in memory open");
            let of = |comparison: &Comparison| {
                let steps = comparison.anomaly.as_ref().map(|story| story.steps.len());
                (comparison.serial, comparison.complete, steps)
            };
            assert_eq!(of(&fewer), of(&every), "seed {seed}, {}\n{text}", test.name);
        }
    }
}
