//! Mirrors against a model of the other side that loses, delays, doubles and refuses calls, while the process dies.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use patternc_interpreter::engine::{CallAnswer, ExternCall};
use patternc_interpreter::event::Outcome;
use patternc_interpreter::host::Random;
use patternc_interpreter::simulate::Mishaps;
use patternc_interpreter::value::{RecordRef, Value};
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

type Fact = (String, String);

/// The other side: it does each call once, by its key, however late and often it comes.
struct Other {
    facts: BTreeSet<Fact>,
    done: HashSet<String>,
    /// Copies of calls that are still under way.
    late: Vec<(String, bool, Fact)>,
    random: Random,
    /// In a hundred.
    refuses: usize,
    delays: usize,
    /// Changes of each owner's facts that were asked for.
    asked: BTreeMap<String, usize>,
}

impl Other {
    fn new(seed: u64) -> Self {
        let random = Random::seeded(seed);
        let (facts, done, late, asked) = (BTreeSet::new(), HashSet::new(), Vec::new(), BTreeMap::new());
        Other { facts, done, late, random, refuses: 0, delays: 0, asked }
    }

    fn chance(&mut self, of_a_hundred: usize) -> bool {
        self.random.below(100) < of_a_hundred
    }

    fn does(&mut self, (key, adds, fact): (String, bool, Fact)) {
        if self.done.insert(key) {
            if adds {
                self.facts.insert(fact);
            } else {
                self.facts.remove(&fact);
            }
        }
    }

    fn call(&mut self, call: &ExternCall) -> CallAnswer {
        if !self.late.is_empty() && self.chance(30) {
            let at = self.random.below(self.late.len());
            let copy = self.late.swap_remove(at);
            self.does(copy);
        }
        if call.operation == 2 {
            let Value::Text(owner) = &call.args[0] else { panic!("{call:?}") };
            let facts = self.facts.iter().filter(|fact| *fact.0 == **owner).map(value);
            return CallAnswer::Value(Value::list(facts));
        }
        let fact = fact(&call.args[0]);
        *self.asked.entry(fact.0.clone()).or_default() += 1;
        if self.chance(self.refuses) {
            return CallAnswer::Rejected("not now".into());
        }
        let this = (call.event.0.to_string(), call.operation == 0, fact);
        if self.chance(20) {
            self.late.push(this.clone());
        }
        if self.chance(self.delays) {
            self.late.push(this);
            return CallAnswer::Unavailable("no answer".into());
        }
        self.does(this);
        CallAnswer::Value(Value::Text("token".into()))
    }
}

fn value(fact: &Fact) -> Value {
    Value::Struct([Value::Text(fact.0.as_str().into()), Value::Text(fact.1.as_str().into())].into())
}

fn fact(value: &Value) -> Fact {
    match value {
        Value::Struct(fields) => match &fields[..] {
            [Value::Text(owner), Value::Text(reader)] => (owner.to_string(), reader.to_string()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

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
