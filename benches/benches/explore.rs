//! States per second of the explorer, which runs the engine and real programs, beside the same system written as a model for `stateright`, a
//! model checker that compiles it: ten concurrent links over four people, each two transactions, with one crash. Both see everything on one core
//! and check the same condition; the model checker in both of its orders. Each runs five times, and the fastest counts, so that a busy machine
//! says less.
//!
//! States are not counted alike: the model tells apart whether the crash is still to come, and so has two states where the explorer, which goes
//! on from the one with more crashes left, has one. The time for the whole system is what can be compared as it stands. Steps are transactions
//! that were run: the explorer takes of steps that commute one order, the model checker takes them all.
//!
//! `cargo bench -p patternc-benches --bench explore`

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use patternc_compiler::db::Database;
use patternc_compiler::lower;
use patternc_interpreter::explore::{Bounds, Explorer};
use stateright::{Checker, CheckerBuilder, Model, Property};

/// Who links whom. No renaming of the four leaves these the same, so that neither search can leave states out.
const LINKS: [(u8, u8); 10] = [(0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (2, 0), (2, 1), (3, 2), (3, 0), (1, 3)];
const PEOPLE: [&str; 4] = ["a", "b", "c", "d"];

fn main() {
    let best = |run: &dyn Fn() -> (usize, usize, f64)| {
        (0..RUNS).map(|_| run()).min_by(|one, other| one.2.total_cmp(&other.2)).expect("it runs at least once")
    };
    let ours = best(&explored);
    let broad = best(&|| modelled(|links| links.spawn_bfs().join()));
    let deep = best(&|| modelled(|links| links.spawn_dfs().join()));
    for (name, (states, steps, seconds)) in
        [("patternc explore", ours), ("stateright, breadth first", broad), ("stateright, depth first", deep)]
    {
        println!("{name:<25} {states:>9} states {steps:>9} steps {seconds:>8.3} s {:>10.0} states/s", states as f64 / seconds);
    }
    let theirs = if broad.2 < deep.2 { broad } else { deep };
    let rate = |(states, _, seconds): (usize, usize, f64)| states as f64 / seconds;
    println!("{:.2} x the states/s of stateright, {:.2} x its time for the whole", rate(ours) / rate(theirs), ours.2 / theirs.2);
}

const RUNS: usize = 5;

/// States, steps, seconds.
fn explored() -> (usize, usize, f64) {
    let create = |name: &&str| format!("  let {name} = create Person in user[\"{name}\"] {{ }}\n");
    let call = |(from, to): &(u8, u8)| format!("    {}.link({})\n", PEOPLE[usize::from(*from)], PEOPLE[usize::from(*to)]);
    let text = format!(
        "space user[Text]
record Person in user {{
  cell links: Set<Person@any> = Set[]
  handler link(other: Person@any) {{ self.links += other  send other.linked(self) }}
  internal handler linked(other: Person@any) {{ self.links += other }}
}}
eventually invariant two_way(p: Person) {{ p.links.all(q => p in q.links) }}
test \"links\" {{
{}  concurrently {{
{}  }}
  expect true
}}
",
        PEOPLE.iter().map(create).collect::<String>(),
        LINKS.iter().map(call).collect::<String>(),
    );
    let mut db = Database::default();
    db.set_project(&[("links.pattern", text)], None);
    let program = Arc::new(lower::lower(&db));
    let explorer = Explorer::new(program.clone(), vec![0], Bounds { crashes: 1, duplicates: 0, ..Bounds::default() });
    let began = Instant::now();
    let outcome = explorer.explore(&program.tests[0], &mut |_| {}).expect("stores in memory open");
    assert!(outcome.complete && outcome.violation.is_none(), "the links are two-way, and all was seen");
    (outcome.states, outcome.steps as usize, began.elapsed().as_secs_f64())
}

/// The same system by hand.
struct Links;

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    people: Vec<BTreeSet<u8>>,
    /// Events that have not been received yet.
    asked: Vec<(u8, u8)>,
    /// Events on their way, in the order sent.
    sent: Vec<(u8, u8)>,
    crashes: u8,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Receive((u8, u8)),
    Deliver((u8, u8)),
    Crash,
}

impl Model for Links {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { people: vec![BTreeSet::new(); PEOPLE.len()], asked: LINKS.to_vec(), sent: Vec::new(), crashes: 1 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.asked.iter().map(|link| Action::Receive(*link)));
        actions.extend(state.sent.iter().map(|link| Action::Deliver(*link)));
        if state.crashes > 0 {
            actions.push(Action::Crash);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Receive((from, to)) => {
                state.asked.retain(|link| *link != (from, to));
                state.people[usize::from(from)].insert(to);
                state.sent.push((from, to));
                // Only the order from one to another is kept.
                state.sent.sort_unstable();
            }
            Action::Deliver((from, to)) => {
                state.sent.retain(|link| *link != (from, to));
                state.people[usize::from(to)].insert(from);
            }
            // Everything is durable: nothing else is lost.
            Action::Crash => state.crashes -= 1,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("two way", |_, state: &State| {
            let two_way =
                |(from, links): (usize, &BTreeSet<u8>)| links.iter().all(|to| state.people[usize::from(*to)].contains(&(from as u8)));
            !state.sent.is_empty() || state.people.iter().enumerate().all(two_way)
        })]
    }
}

/// States, steps, seconds.
fn modelled<C: Checker<Links>>(check: impl Fn(CheckerBuilder<Links>) -> C) -> (usize, usize, f64) {
    let began = Instant::now();
    let checker = check(Links.checker().threads(1));
    let seconds = began.elapsed().as_secs_f64();
    checker.assert_properties();
    (checker.unique_state_count(), checker.state_count(), seconds)
}
