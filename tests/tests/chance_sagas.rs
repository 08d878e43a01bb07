//! Sagas made by chance, of every kind of step, one of which may fail: whatever happens meanwhile, each ends with every step done once, or with
//! every step that was done undone once, last first.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use patternc_interpreter::engine::{CallAnswer, ExternCall};
use patternc_interpreter::event::Outcome;
use patternc_interpreter::simulate::Mishaps;
use patternc_interpreter::value::{RecordRef, Value};
use patternc_tests::world::{World, compile};
use proptest::prelude::*;

/// What a step does; the number is that of a space.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Handler(usize),
    /// Answers once the outside has.
    Later(usize),
    Create(usize),
    Outside,
    /// Its argument may have no value, so that it is never sent.
    Argument(usize),
    /// A saga of two steps.
    Saga(usize),
}

const SPACES: [&str; 3] = ["a", "b", "c"];

/// The kinds of the steps, where there is no way back, and which of them fails.
#[derive(Clone, Debug)]
struct Plan {
    kinds: Vec<Kind>,
    pivot: usize,
    fails: Option<usize>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let kind = (0..6usize, 0..3usize).prop_map(|(kind, space)| match kind {
        0 => Kind::Handler(space),
        1 => Kind::Later(space),
        2 => Kind::Create(space),
        3 => Kind::Outside,
        4 => Kind::Argument(space),
        _ => Kind::Saga(space),
    });
    (prop::collection::vec(kind, 1..7), any::<prop::sample::Index>(), prop::option::of(any::<prop::sample::Index>())).prop_map(
        |(kinds, pivot, fails)| {
            let pivot = pivot.index(kinds.len());
            Plan { fails: fails.map(|fails| fails.index(pivot + 1)), pivot, kinds }
        },
    )
}

impl Plan {
    fn text(&self) -> String {
        let mut text =
            String::from("extern out {\n  act(n: Int, stop: Bool) -> Int idempotent\n  back(n: Int) idempotent\n}\nspace home\n");
        for space in SPACES {
            let upper = space.to_uppercase();
            let _ = write!(
                text,
                "space {space}
                record Note{upper} in {space} {{ cell n: Int  internal handler drop() {{ delete self }} }}
                record Log{upper} in {space} {{
                  cell done: List<Int> = []
                  cell undone: List<Int> = []
                  internal handler act(n: Int, stop: Bool) -> Int {{ require !stop else \"{{n}} stops\"  self.done += n  return n }}
                  internal handler must(n: Int) -> Int {{ self.done += n  return n }}
                  internal handler back(n: Int) {{ self.undone += n }}
                  internal handler later(n: Int, stop: Bool) -> Int {{
                    return send out.act(n, stop) then {{ ok(n) => {{ self.done += n  return n }} err(e) => {{ fail e.message }} }}
                  }}
                  internal handler later_back(n: Int) {{
                    return send out.back(n) then {{ ok() => {{ self.undone += n }} }}
                  }}
                  saga two(n: Int, stop: Bool) {{
                    step first = self.must(n) undo self.back(n)
                    step second = self.act(n + 100, stop) undo self.back(n + 100)
                  }}
                  saga two_back(n: Int) {{
                    pivot second = self.back(n + 100)
                    step first = self.back(n)
                  }}
                }}\n"
            );
        }
        text += "record Root in home {\n  cell ends: List<Text> = []\n  saga go(log_a: LogA, log_b: LogB, log_c: LogC, stop: Int) {\n";
        for (n, kind) in self.kinds.iter().enumerate() {
            let word = if n == self.pivot { "pivot" } else { "step" };
            let past = n > self.pivot;
            let stop = format!("stop == {n}");
            let (action, undo) = match kind {
                // Past the pivot nothing may be rejected.
                Kind::Create(space) => {
                    let upper = SPACES[*space].to_uppercase();
                    (format!("create Note{upper} in {} {{ n: {n} }}", SPACES[*space]), format!("s{n}.drop()"))
                }
                Kind::Handler(space) | Kind::Later(space) | Kind::Argument(space) | Kind::Saga(space) if past => {
                    (format!("log_{}.must({n})", SPACES[*space]), String::new())
                }
                Kind::Outside if past => (format!("log_a.must({n})"), String::new()),
                Kind::Handler(space) => (format!("log_{}.act({n}, {stop})", SPACES[*space]), format!("log_{}.back(s{n})", SPACES[*space])),
                Kind::Later(space) => {
                    (format!("log_{}.later({n}, {stop})", SPACES[*space]), format!("log_{}.later_back(s{n})", SPACES[*space]))
                }
                Kind::Outside => (format!("out.act({n}, {stop})"), format!("out.back(s{n})")),
                Kind::Argument(space) => (
                    format!("log_{}.must([{n}][if {stop} {{ 1 }} else {{ 0 }}])", SPACES[*space]),
                    format!("log_{}.back(s{n})", SPACES[*space]),
                ),
                Kind::Saga(space) => (format!("log_{}.two({n}, {stop})", SPACES[*space]), format!("log_{}.two_back({n})", SPACES[*space])),
            };
            let undo = if n < self.pivot { format!(" undo {undo}") } else { String::new() };
            let _ = writeln!(text, "    {word} s{n} = {action}{undo}");
        }
        text += "  }\n  handler begin(log_a: LogA, log_b: LogB, log_c: LogC, stop: Int) {\n    send self.go(log_a, log_b, log_c, stop) then {\n      \
                 ok(_r) => { self.ends += \"done\" }\n      err(e) => { self.ends += e.message }\n    }\n  }\n}\n";
        text
    }

    /// What is done of a step that is, as (where, number): where is a space, or the outside.
    fn marks(&self, n: usize) -> Vec<(usize, i64)> {
        const OUTSIDE: usize = SPACES.len();
        let number = n as i64;
        match self.kinds[n] {
            Kind::Create(_) => Vec::new(),
            Kind::Outside if n > self.pivot => vec![(0, number)],
            Kind::Outside => vec![(OUTSIDE, number)],
            Kind::Later(space) if n <= self.pivot => vec![(OUTSIDE, number), (space, number)],
            Kind::Saga(space) if n <= self.pivot => vec![(space, number), (space, number + 100)],
            Kind::Handler(space) | Kind::Later(space) | Kind::Argument(space) | Kind::Saga(space) => vec![(space, number)],
        }
    }
}

/// The outside: every key once, whatever was lost.
#[derive(Default)]
struct Ledger {
    keys: BTreeSet<Arc<str>>,
    done: Vec<i64>,
    undone: Vec<i64>,
}

impl Ledger {
    fn answer(&mut self, call: &ExternCall) -> CallAnswer {
        if call.args.get(1) == Some(&Value::Bool(true)) {
            return CallAnswer::Rejected(format!("{:?} stops", call.args[0]));
        }
        let Value::Int(n) = call.args[0] else { panic!("{call:?}") };
        if self.keys.insert(call.event.0.clone()) {
            if call.operation == 0 { &mut self.done } else { &mut self.undone }.push(n);
        }
        CallAnswer::Value(if call.operation == 0 { Value::Int(n) } else { Value::None })
    }
}

fn numbers(world: &World, log: &RecordRef, cell: &str) -> Vec<i64> {
    let Value::List(items) = world.cell(log, cell) else { panic!("a list") };
    items.iter().map(|item| if let Value::Int(n) = item { *n } else { panic!("{item:?}") }).collect()
}

fn all_or_nothing(plan: &Plan, seed: u64, mishaps: Mishaps) -> Result<(), TestCaseError> {
    let text = plan.text();
    let compiled = compile(&text);
    let errors: Vec<_> = compiled.errors().map(|finding| format!("{}: {}", finding.rule, finding.message)).collect();
    prop_assert!(errors.is_empty(), "{errors:?}\n{text}");
    let mut world = World::with_store_for_each_space(&compiled.program, seed);
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    let outside = ledger.clone();
    world.outside(move |call| outside.borrow_mut().answer(call));
    let root = world.create("Root", world.space("home"), &[]);
    let logs = SPACES.map(|space| world.create(&format!("Log{}", space.to_uppercase()), world.space(space), &[]));
    world.set_mishaps(mishaps);
    let stop = Value::Int(plan.fails.filter(|&n| !matches!(plan.kinds[n], Kind::Create(_))).map_or(-1, |n| n as i64));
    let fails = (stop != Value::Int(-1)).then(|| plan.fails.expect("a step that fails"));
    let args = logs.iter().map(|log| Value::Ref(log.clone())).chain([stop]).collect();
    let outcome = world.event(world.action(&root, "begin", args));
    prop_assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    prop_assert!(world.engine().status().flights.is_empty(), "{:?}\n{text}", world.engine().status());
    let Value::List(ends) = world.cell(&root, "ends") else { panic!("a list") };
    prop_assert_eq!(ends.len(), 1);
    prop_assert_eq!(ends.iter().next() == Some(&Value::Text("done".into())), fails.is_none());

    // A saga inside that stops half way undoes its own first half.
    let done = fails.unwrap_or(plan.kinds.len());
    let mut wanted: Vec<(usize, i64)> = (0..done).flat_map(|n| plan.marks(n)).collect();
    let mut undone: Vec<(usize, i64)> = if fails.is_some() {
        (0..done)
            .rev()
            .flat_map(|n| {
                let mut marks = plan.marks(n);
                marks.reverse();
                marks
            })
            .collect()
    } else {
        Vec::new()
    };
    if let Some(n) = fails
        && let Kind::Saga(space) = plan.kinds[n]
    {
        wanted.push((space, n as i64));
        undone.insert(0, (space, n as i64));
    }
    let at = |marks: &[(usize, i64)], place: usize| marks.iter().filter(|(at, _)| *at == place).map(|(_, n)| *n).collect::<Vec<i64>>();
    for (place, log) in logs.iter().enumerate() {
        prop_assert_eq!(numbers(&world, log, "done"), at(&wanted, place), "done in {}\n{}", SPACES[place], text);
        prop_assert_eq!(numbers(&world, log, "undone"), at(&undone, place), "undone in {}\n{}", SPACES[place], text);
    }
    let ledger = ledger.borrow();
    prop_assert_eq!(&ledger.done, &at(&wanted, SPACES.len()), "done outside\n{}", text);
    prop_assert_eq!(&ledger.undone, &at(&undone, SPACES.len()), "undone outside\n{}", text);
    let notes = world.records().iter().filter(|record| compiled.program.record(record.record()).name.starts_with("Note")).count();
    let created = plan.kinds.iter().filter(|kind| matches!(kind, Kind::Create(_))).count();
    prop_assert_eq!(notes, if fails.is_some() { 0 } else { created }, "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sagas_by_chance_end_all_done_or_all_undone(plan in plans(), seed in any::<u64>(), rough in any::<bool>()) {
        let mishaps = if rough { Mishaps { crash: 25, duplicate: 40, lost_answer: 300 } } else { Mishaps::default() };
        all_or_nothing(&plan, seed, mishaps)?;
    }
}
