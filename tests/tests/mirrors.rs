//! Mirrors against a model of the other side that loses, delays, doubles and refuses calls, while the process dies.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use patternc_interpreter::engine::{CallAnswer, Happened};
use patternc_interpreter::event::Outcome;
use patternc_interpreter::host::Random;
use patternc_interpreter::simulate::Mishaps;
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_tests::other_side::{Fact, Other, fact, text};
use patternc_tests::world::{World, compile};

const DOCS: &str = r#"
space docs
struct Relation { owner: Text, reader: Text }
extern authz {
  touch(f: Relation) -> Text idempotent
  remove(f: Relation) -> Text idempotent
  read(owner: Text) -> List<Relation> readonly
}
record Doc in docs {
  cell owner: Text
  cell readers: Set<Text> = Set[]
  cell notes: Int = 0
  handler share(name: Text) { self.readers += name }
  handler unshare(name: Text) { self.readers -= name }
  handler give(owner: Text) { self.owner = owner }
  handler note() { self.notes += 1 }
  handler drop() { delete self }
}
mirror readers of Doc to authz {
  facts(d) = d.readers.map(name => Relation { owner: d.owner, reader: name })
  add(f) = authz.touch(f)
  remove(f) = authz.remove(f)
  actual(owner) = authz.read(owner)
  scope(d) = d.owner
}
"#;

/// What the records give.
fn given(world: &World) -> BTreeSet<Fact> {
    let docs = world.records().into_iter().filter(|record| world.program.record(record.record()).name == "Doc");
    docs.flat_map(|doc| {
        let Value::Text(owner) = world.cell(&doc, "owner") else { panic!("an owner is a text") };
        let Value::Set(readers) = world.cell(&doc, "readers") else { panic!("readers are a set") };
        let readers: Vec<Fact> = readers
            .iter()
            .map(|reader| match reader {
                Value::Text(reader) => (owner.to_string(), reader.to_string()),
                other => panic!("{other:?}"),
            })
            .collect();
        readers
    })
    .collect()
}

struct Played {
    world: World,
    other: Rc<RefCell<Other>>,
    random: Random,
    docs: Vec<RecordRef>,
}

fn begin(text: &str, seed: u64) -> Played {
    let compiled = compile(text);
    let errors: Vec<_> = compiled.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
    let mut world = World::new(&compiled.program, seed);
    let other = Rc::new(RefCell::new(Other::new(seed ^ 0x5eed)));
    let model = other.clone();
    world.outside(move |call| model.borrow_mut().call(call));
    Played { world, other, random: Random::seeded(seed), docs: Vec::new() }
}

impl Played {
    /// Some events at once, of random documents.
    fn play(&mut self) {
        while self.docs.len() < 4 {
            let owner = ["ada", "bob"][self.random.below(2)];
            let space = self.world.space("docs");
            self.docs.push(self.world.create("Doc", space, &[("owner", text(owner))]));
        }
        let program = self.world.program.clone();
        let mut gone = None;
        let actions = (0..6).map(|_| {
            let at = self.random.below(self.docs.len());
            let doc = self.docs[at].clone();
            let name = ["cyd", "dan", "eve"][self.random.below(3)];
            let (handler, args) = match self.random.below(12) {
                0..6 => ("share", vec![text(name)]),
                6..9 => ("unshare", vec![text(name)]),
                9 => ("give", vec![text(["ada", "bob"][self.random.below(2)])]),
                10 => ("note", vec![]),
                _ => {
                    gone = Some(at);
                    ("drop", vec![])
                }
            };
            let named = program.record(doc.record()).handlers.iter().copied().find(|h| program.handler(*h).name == handler);
            let handler = named.expect("the handlers are those of the pattern");
            patternc_interpreter::event::Action::Handler { to: doc, handler, args }
        });
        let actions = actions.collect();
        self.world.together(actions);
        if let Some(gone) = gone {
            self.docs.swap_remove(gone);
        }
    }

    /// Until nothing is refused any more.
    fn retry(&mut self) {
        self.other.borrow_mut().refuses = 0;
        loop {
            let parked = self.world.engine().parked();
            if parked.is_empty() {
                return;
            }
            for event in parked {
                let _ = self.world.engine_mut().retry(&event);
            }
            self.world.together(vec![]);
        }
    }

    fn check(&self, seed: u64) {
        assert_eq!(self.other.borrow().facts, given(&self.world), "seed {seed}: the other side does not have what the records give");
        assert!(self.world.engine().status().flights.is_empty(), "seed {seed}");
    }
}

const MISHAPS: Mishaps = Mishaps { crash: 15, duplicate: 20, lost_answer: 150 };

#[test]
fn whatever_is_lost_delayed_doubled_or_refused_the_facts_end_equal() {
    for seed in 0..150 {
        let mut played = begin(DOCS, seed);
        played.world.set_mishaps(MISHAPS);
        {
            let mut other = played.other.borrow_mut();
            other.refuses = if seed % 3 == 0 { 10 } else { 0 };
            other.delays = 20;
        }
        for _ in 0..8 {
            played.play();
        }
        played.world.set_mishaps(Mishaps::default());
        played.retry();
        played.check(seed);
        let late = std::mem::take(&mut played.other.borrow_mut().late);
        late.into_iter().for_each(|copy| played.other.borrow_mut().does(copy));
        played.check(seed);
    }
}

#[test]
fn reconciling_repairs_what_others_broke_and_leaves_the_other_scope_alone() {
    for seed in 0..150 {
        let mut played = begin(DOCS, seed);
        for _ in 0..4 {
            played.play();
        }
        played.check(seed);
        {
            let mut other = played.other.borrow_mut();
            let broken: Vec<Fact> = other.facts.iter().filter(|fact| fact.0 == "ada").cloned().collect();
            for fact in broken {
                if other.chance(50) {
                    other.facts.remove(&fact);
                }
            }
            for surplus in ["mallory", "cyd", "trent"] {
                other.facts.insert(("ada".into(), surplus.into()));
            }
            other.asked.clear();
            other.delays = 20;
        }
        played.world.set_mishaps(Mishaps { crash: 0, ..MISHAPS });
        let wanted: BTreeSet<Fact> = given(&played.world).into_iter().filter(|fact| fact.0 == "ada").collect();
        let before: BTreeSet<Fact> = played.other.borrow().facts.iter().filter(|fact| fact.0 == "ada").cloned().collect();
        let id = played.world.engine_mut().reconcile(0, text("ada")).expect("nobody else reconciles it");
        if seed % 2 == 0 {
            played.world.together(vec![]);
            let report = played.world.engine_mut().take_reconciled(id).expect("it has ended").expect("and well");
            let facts = |values: &[Value]| values.iter().map(fact).collect::<BTreeSet<_>>();
            assert_eq!(facts(&report.missing), wanted.difference(&before).cloned().collect(), "seed {seed}");
            assert_eq!(facts(&report.surplus), before.difference(&wanted).cloned().collect(), "seed {seed}");
            assert_eq!((report.facts, report.refused.len()), (wanted.len(), 0), "seed {seed}");
            assert_eq!(played.other.borrow().asked.get("bob"), None, "seed {seed}: the second account was touched");
        } else {
            // While it goes on, so do the records.
            played.play();
            played.play();
        }
        played.world.set_mishaps(Mishaps::default());
        played.world.together(vec![]);
        played.check(seed);
    }
}

#[test]
fn a_reconciliation_that_a_crash_forgets_leaves_nothing_half_done() {
    for seed in 0..100 {
        let mut played = begin(DOCS, seed);
        played.play();
        played.other.borrow_mut().facts.clear();
        played.world.set_mishaps(Mishaps { crash: 60, ..MISHAPS });
        let _ = played.world.engine_mut().reconcile(0, text("ada"));
        played.play();
        played.world.set_mishaps(Mishaps::default());
        for owner in ["ada", "bob"] {
            let begun = played.world.engine_mut().reconcile(0, text(owner));
            played.world.together(vec![]);
            let _ = begun.map(|id| played.world.engine_mut().take_reconciled(id));
        }
        played.check(seed);
    }
}

#[test]
fn nobody_is_told_of_what_relies_on_a_removal_before_it_has_arrived() {
    let first = DOCS.replace("remove(f) =", "remove(f) first =");
    let mut waited = 0;
    for seed in 0..100 {
        let mut played = begin(&first, seed);
        let space = played.world.space("docs");
        let doc = played.world.create("Doc", space.clone(), &[("owner", text("ada"))]);
        let second = played.world.create("Doc", space, &[("owner", text("bob"))]);
        for name in ["cyd", "dan"] {
            assert!(matches!(played.world.call(&doc, "share", vec![text(name)]), Outcome::Committed(_)));
        }
        played.other.borrow_mut().delays = 50;
        played.world.set_mishaps(Mishaps { crash: 20, ..MISHAPS });
        let has = |played: &Played| played.other.borrow().facts.contains(&("ada".to_owned(), "cyd".to_owned()));
        let removal = played.world.send(&doc, "unshare", vec![text("cyd")]);
        while played.world.cell(&doc, "readers") == Value::set(vec![text("cyd"), text("dan")]) && played.world.step() {}
        // Committed, and perhaps not yet told. Where a crash takes it back, what follows may come before it and does not rely on it.
        let crashes = played.world.crashes();
        let relies = played.world.send(&second, "note", vec![]);
        let mut told = (false, false);
        while played.world.step() {
            waited += usize::from(!told.0 && has(&played));
            told.0 |= played.world.outcome(removal).is_some();
            if told.0 {
                assert!(!has(&played), "seed {seed}: told before it was removed");
            }
            if played.world.outcome(relies).is_some() {
                told.1 = true;
                assert!(!has(&played) || played.world.crashes() > crashes, "seed {seed}: what relies on it was told before");
            }
        }
        assert_eq!(told, (true, true), "seed {seed}");
        played.check(seed);
    }
    assert!(waited > 0, "no removal was ever under way");
}

/// Surplus facts of an account that has no record here, and then it has.
#[test]
fn a_scope_that_was_never_seen_is_repaired_and_what_is_given_later_stays() {
    let families = [
        DOCS.replace("space docs", "space account[Text]").replace("in docs", "in account"),
        // A family whose keys the scope says nothing of.
        DOCS.replace("space docs", "space account[Int]").replace("in docs", "in account"),
        DOCS.to_owned(),
    ];
    for (which, pattern) in families.iter().enumerate() {
        for seed in 0..60 {
            let mut played = begin(pattern, seed);
            let space = |key: Value| match which {
                2 => played.world.space("docs"),
                _ => SpaceRef { space: played.world.space("account").space, key: Some(Arc::new(key)) },
            };
            let (ghost, eve) = match which {
                1 => (space(Value::Int(7)), space(Value::Int(8))),
                _ => (space(text("ghost")), space(text("eve"))),
            };
            let other = played.world.create("Doc", eve, &[("owner", text("eve")), ("readers", Value::set(vec![text("bob")]))]);
            played.other.borrow_mut().facts.extend(["mallory", "trent"].map(|name| ("ghost".to_owned(), name.to_owned())));
            played.other.borrow_mut().facts.insert(("eve".into(), "mallory".into()));
            played.other.borrow_mut().delays = 40;
            played.world.set_mishaps(Mishaps { crash: 0, ..MISHAPS });
            let id = played.world.engine_mut().reconcile(0, text("ghost")).expect("nobody else reconciles it");
            // A record gives one of the surplus facts again, while or after it is removed.
            if seed % 2 == 0 {
                played.world.together(vec![]);
                let report = played.world.engine_mut().take_reconciled(id).expect("it has ended").expect("and well");
                assert_eq!((report.facts, report.missing.len(), report.surplus.len()), (0, 0, 2), "seed {seed}");
            }
            let doc = played.world.create("Doc", ghost, &[("owner", text("ghost"))]);
            assert!(matches!(played.world.call(&doc, "share", vec![text("mallory")]), Outcome::Committed(_)));
            played.world.set_mishaps(Mishaps::default());
            played.world.together(vec![]);
            let late = std::mem::take(&mut played.other.borrow_mut().late);
            late.into_iter().for_each(|copy| played.other.borrow_mut().does(copy));
            let expected: BTreeSet<Fact> =
                [("ghost", "mallory"), ("eve", "bob"), ("eve", "mallory")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
            assert_eq!(played.other.borrow().facts, expected, "seed {seed}: eve's is not touched");
            // What it noted is like any other record of the ledger: everything of it is in a space that there can be.
            assert_eq!(played.world.broken(), Vec::<String>::new());
            assert_eq!(played.world.cell(&other, "owner"), text("eve"));
        }
    }
}

/// The token of the newest difference is kept beside the ledger, and given to who asks the other side from that space.
#[test]
fn tokens_outlive_the_process_and_the_newest_is_what_reads_come_after() {
    let text_of = |outcome: Outcome| match outcome {
        Outcome::Committed(Value::Text(text)) => text.to_string(),
        other => panic!("{other:?}"),
    };
    let pattern = DOCS
        .replace("  read(owner", "  check(owner: Text, at: Text?) -> Text readonly\n  read(owner")
        .replace("  handler drop()", "  handler look() -> Text { return send authz.check(self.owner, none) }\n  handler drop()");
    for seed in 0..60 {
        let compiled = compile(&pattern);
        assert_eq!(compiled.errors().count(), 0, "{:?}", compiled.findings);
        let mut world = World::new(&compiled.program, seed);
        let written = Rc::new(RefCell::new(0));
        let model = written.clone();
        let mut known = BTreeSet::new();
        world.outside(move |call| match call.operation {
            2 => CallAnswer::Value(Value::Text(call.after.clone().unwrap_or_default())),
            _ => {
                // A copy writes nothing: it is answered with the moment at which it comes.
                *model.borrow_mut() += i32::from(known.insert(call.event.0.clone()));
                CallAnswer::Value(text(&format!("t{}", model.borrow())))
            }
        });
        let space = world.space("docs");
        let doc = world.create("Doc", space, &[("owner", text("ada"))]);
        assert_eq!(text_of(world.call(&doc, "look", vec![])), "", "nothing was told");
        let newest = |world: &mut World, written: &Rc<RefCell<i32>>| {
            let token = text_of(world.call(&doc, "look", vec![]));
            assert_eq!(token, format!("t{}", written.borrow()), "seed {seed}");
        };
        world.call(&doc, "share", vec![text("bob")]);
        newest(&mut world, &written);
        world.crash();
        newest(&mut world, &written);
        // Under way at once: whatever it is given, it is not an older one.
        world.set_mishaps(Mishaps { crash: 0, ..MISHAPS });
        let at_once = ["cyd", "dan", "eve"].map(|name| world.action(&doc, "share", vec![text(name)]));
        world.together(at_once.into());
        world.set_mishaps(Mishaps::default());
        world.crash();
        // What was answered and not noted durably is asked again.
        world.together(vec![]);
        let token = text_of(world.call(&doc, "look", vec![]));
        assert!(token.is_empty() || token == format!("t{}", written.borrow()), "seed {seed}: {token}");
        world.call(&doc, "unshare", vec![text("bob")]);
        newest(&mut world, &written);
    }
}

/// The rows of the ledger of what is parked: each once.
fn parked_rows(world: &World) -> Vec<RecordRef> {
    let parked = world.engine().parked();
    let flights = world.engine().status().flights;
    let mut rows: Vec<RecordRef> =
        flights.iter().filter(|flight| parked.contains(&flight.event.id)).map(|flight| flight.from.clone()).collect();
    rows.sort();
    rows
}

/// However often a removal is refused, whoever relies on it waits for it, and it is parked once; until it is not needed any more.
#[test]
fn a_refused_removal_is_waited_for_until_it_is_made_or_found_needless() {
    let first = DOCS.replace("remove(f) =", "remove(f) first =");
    for seed in 0..60 {
        let mut played = begin(&first, seed);
        let space = played.world.space("docs");
        let doc = played.world.create("Doc", space, &[("owner", text("ada"))]);
        for name in ["cyd", "dan"] {
            played.world.call(&doc, "share", vec![text(name)]);
        }
        played.other.borrow_mut().refuses = 100;
        let removal = played.world.send(&doc, "unshare", vec![text("cyd")]);
        played.world.end(Vec::new());
        for again in 0..3 {
            if again == 1 {
                let _ = played.world.engine_mut().reconcile(0, text("ada"));
            } else {
                let parked = played.world.engine().parked();
                parked.iter().for_each(|event| played.world.engine_mut().retry(event).expect("it is parked"));
            }
            if seed % 4 == 3 {
                played.world.crash();
            }
            played.world.end(Vec::new());
            assert_eq!(parked_rows(&played.world).len(), 1, "seed {seed}");
            assert_eq!(played.world.outcome(removal), None, "seed {seed}: told while the other side has it");
        }
        let parked = played.world.engine().parked();
        match seed % 4 {
            0 => {
                played.other.borrow_mut().facts.remove(&("ada".to_owned(), "cyd".to_owned()));
                let id = played.world.engine_mut().reconcile(0, text("ada")).expect("nobody else reconciles it");
                played.world.end(Vec::new());
                let report = played.world.engine_mut().take_reconciled(id).expect("it has ended").expect("and well");
                let settled: Vec<Fact> = report.settled.iter().map(fact).collect();
                assert_eq!((settled, report.refused.len()), (vec![("ada".to_owned(), "cyd".to_owned())], 0), "seed {seed}");
            }
            1 => {
                played.other.borrow_mut().facts.remove(&("ada".to_owned(), "cyd".to_owned()));
                played.world.engine_mut().resolve(&parked[0], Happened::Done(Value::None)).expect("it is parked");
            }
            2 => {
                played.other.borrow_mut().refuses = 0;
                played.world.engine_mut().resolve(&parked[0], Happened::NotDone).expect("it is parked");
            }
            _ => {
                // Granted anew: nothing takes that back.
                played.other.borrow_mut().refuses = 0;
                played.world.send(&doc, "share", vec![text("cyd")]);
            }
        }
        played.world.end(Vec::new());
        assert_eq!(parked_rows(&played.world), [], "seed {seed}");
        assert!(matches!(played.world.outcome(removal), Some(Outcome::Committed(_))), "seed {seed}");
        played.check(seed);
    }
}

/// What was refused since it is so already is found out by a reconciliation, whichever way it was.
#[test]
fn whatever_is_refused_and_mended_by_hand_is_parked_once_and_settled() {
    for seed in 0..100 {
        let mut played = begin(DOCS, seed);
        played.other.borrow_mut().refuses = 40;
        played.world.set_mishaps(MISHAPS);
        for _ in 0..4 {
            played.play();
            let _ = played.world.engine_mut().reconcile(0, text("ada"));
        }
        played.world.set_mishaps(Mishaps::default());
        played.world.end(Vec::new());
        let rows = parked_rows(&played.world);
        let mut once = rows.clone();
        once.dedup();
        assert_eq!(rows, once, "seed {seed}");
        // Somebody does by hand what the records say, and nothing is told any more.
        let wanted = given(&played.world);
        {
            let mut other = played.other.borrow_mut();
            (other.facts, other.refuses) = (wanted, 100);
        }
        for owner in ["ada", "bob"] {
            let id = played.world.engine_mut().reconcile(0, text(owner)).expect("nobody else reconciles it");
            played.world.end(Vec::new());
            let report = played.world.engine_mut().take_reconciled(id).expect("it has ended").expect("and well");
            assert_eq!((report.missing, report.surplus, report.refused), (vec![], vec![], vec![]), "seed {seed}");
        }
        played.check(seed);
    }
}

/// A removal that is refused is in nobody's way if the other side has never had the fact; else whoever relies on it is not told, whatever was
/// refused, taken up again, found out or mended before.
#[test]
fn a_removal_is_told_of_only_if_the_other_side_does_not_have_the_fact() {
    let first = DOCS.replace("remove(f) =", "remove(f) first =");
    let ada = || ("ada".to_owned(), "cyd".to_owned());
    let (mut needless, mut needed) = (0, 0);
    for seed in 0..200 {
        let mut played = begin(&first, seed);
        let space = played.world.space("docs");
        let doc = played.world.create("Doc", space, &[("owner", text("ada"))]);
        for round in 0..8 {
            played.other.borrow_mut().refuses = [0, 60, 100][played.random.below(3)];
            played.other.borrow_mut().delays = [0, 40][played.random.below(2)];
            let removal = (round % 2 == 1).then(|| played.world.send(&doc, "unshare", vec![text("cyd")]));
            if removal.is_none() {
                played.world.send(&doc, "share", vec![text("cyd")]);
            }
            played.world.end(Vec::new());
            if played.random.below(3) == 0 {
                played.world.crash();
                played.world.end(Vec::new());
            }
            let parked = played.world.engine().parked();
            let there = played.other.borrow().facts.contains(&ada());
            if let Some(removal) = removal {
                if let Some(outcome) = played.world.outcome(removal) {
                    assert!(matches!(outcome, Outcome::Committed(_)), "seed {seed}: {outcome:?}");
                    assert!(!there, "seed {seed}: told in round {round} while the other side has it");
                    needless += usize::from(played.other.borrow().refuses == 100);
                } else {
                    needed += usize::from(there);
                    assert_eq!(parked.len(), 1, "seed {seed}");
                }
            }
            let Some(parked) = parked.first() else { continue };
            match played.random.below(6) {
                0 => played.world.engine_mut().retry(parked).expect("it is parked"),
                1 => drop(played.world.engine_mut().reconcile(0, text("ada"))),
                2 => {
                    // Somebody does by hand what the records say.
                    let mut other = played.other.borrow_mut();
                    if removal.is_some() {
                        other.facts.remove(&ada())
                    } else {
                        other.facts.insert(ada())
                    };
                    drop(other);
                    played.world.engine_mut().resolve(parked, Happened::Done(Value::None)).expect("it is parked");
                }
                3 => played.world.engine_mut().resolve(parked, Happened::NotDone).expect("it is parked"),
                _ => {}
            }
            played.world.end(Vec::new());
        }
    }
    assert!(needless > 20 && needed > 20, "{needless} were needless, {needed} needed");
}
