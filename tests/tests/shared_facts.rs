//! Facts that several records give, of several scopes, spaces, stores or mirrors: the other side has what any of them gives.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use patternc_interpreter::engine::CallAnswer;
use patternc_interpreter::event::{Action, Outcome};
use patternc_interpreter::host::Random;
use patternc_interpreter::simulate::Mishaps;
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_tests::other_side::{Fact, Other, fact, text};
use patternc_tests::world::{World, compile};

/// What is said of a topic says nothing of the owner, by whom it is reconciled.
const NOTES: &str = r#"
space docs[Text]
space notes
struct Relation { topic: Text, reader: Text }
extern authz {
  touch(f: Relation) -> Text idempotent
  remove(f: Relation) -> Text idempotent
  read(topic: Text) -> List<Relation> readonly
}
record Doc in docs {
  cell owner: Text
  cell topic: Text
  cell readers: Set<Text> = Set[]
  handler share(name: Text) { self.readers += name }
  handler unshare(name: Text) { self.readers -= name }
  handler give(owner: Text) { self.owner = owner }
  handler drop() { delete self }
}
record Note in notes {
  cell owner: Text
  cell topic: Text
  cell readers: Set<Text> = Set[]
  handler share(name: Text) { self.readers += name }
  handler unshare(name: Text) { self.readers -= name }
  handler give(owner: Text) { self.owner = owner }
  handler drop() { delete self }
}
mirror of_docs of Doc to authz {
  facts(d) = d.readers.map(name => Relation { topic: d.topic, reader: name })
  add(f) = authz.touch(f)
  remove(f) = authz.remove(f)
  actual(owner) = authz.read(owner)
  scope(d) = d.owner
}
mirror of_notes of Note to authz {
  facts(n) = n.readers.map(name => Relation { topic: n.topic, reader: name })
  add(f) = authz.touch(f)
  remove(f) = authz.remove(f)
  actual(owner) = authz.read(owner)
  scope(n) = n.owner
}
"#;

const MISHAPS: Mishaps = Mishaps { crash: 15, duplicate: 20, lost_answer: 150 };
const TOPICS: [&str; 2] = ["ada", "bob"];
const NAMES: [&str; 3] = ["cyd", "dan", "eve"];

struct Played {
    world: World,
    other: Rc<RefCell<Other>>,
    random: Random,
    records: Vec<RecordRef>,
}

fn begin(text: &str, seed: u64, stores: bool) -> Played {
    let compiled = compile(text);
    let errors: Vec<_> = compiled.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
    let mut world = if stores { World::with_store_for_each_space(&compiled.program, seed) } else { World::new(&compiled.program, seed) };
    let other = Rc::new(RefCell::new(Other::new(seed ^ 0x5eed)));
    let model = other.clone();
    world.outside(move |call| model.borrow_mut().call(call));
    Played { world, other, random: Random::seeded(seed), records: Vec::new() }
}

impl Played {
    fn any<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.random.below(of.len())]
    }

    fn account(&self, key: &str) -> SpaceRef {
        SpaceRef { space: self.world.space("docs").space, key: Some(Arc::new(text(key))) }
    }

    fn create(&mut self, record: &str, space: SpaceRef, owner: &str, topic: &str, readers: &[&str]) -> RecordRef {
        let readers = Value::set(readers.iter().map(|name| text(name)));
        let created = self.world.create(record, space, &[("owner", text(owner)), ("topic", text(topic)), ("readers", readers)]);
        self.records.push(created.clone());
        created
    }

    /// A document of one of two accounts, or a note, of a random owner and topic.
    fn create_any(&mut self) {
        let (owner, topic) = (self.any(&TOPICS), self.any(&TOPICS));
        let (record, space) = match self.random.below(3) {
            0 => ("Note", self.world.space("notes")),
            1 => ("Doc", self.account("one")),
            _ => ("Doc", self.account("two")),
        };
        self.create(record, space, owner, topic, &[]);
    }

    /// Some events at once, of random records.
    fn play(&mut self) {
        while self.records.len() < 5 {
            self.create_any();
        }
        let mut gone = None;
        let actions: Vec<Action> = (0..6)
            .map(|_| {
                let at = self.random.below(self.records.len());
                let (handler, args) = match self.random.below(12) {
                    0..5 => ("share", vec![text(self.any(&NAMES))]),
                    5..9 => ("unshare", vec![text(self.any(&NAMES))]),
                    9 | 10 => ("give", vec![text(self.any(&TOPICS))]),
                    _ => {
                        gone = Some(at);
                        ("drop", vec![])
                    }
                };
                self.world.action(&self.records[at], handler, args)
            })
            .collect();
        self.world.together(actions);
        if let Some(gone) = gone {
            self.records.swap_remove(gone);
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

    /// What the records give.
    fn given(&self) -> BTreeSet<Fact> {
        let name = |record: &RecordRef| self.world.program.record(record.record()).name;
        let all = self.world.records().into_iter().filter(|record| ["Doc", "Note"].contains(&name(record).as_str()));
        all.flat_map(|record| {
            let Value::Text(topic) = self.world.cell(&record, "topic") else { panic!("a topic is a text") };
            let Value::Set(readers) = self.world.cell(&record, "readers") else { panic!("readers are a set") };
            let reader = |reader: &Value| match reader {
                Value::Text(reader) => (topic.to_string(), reader.to_string()),
                other => panic!("{other:?}"),
            };
            readers.iter().map(reader).collect::<Vec<Fact>>()
        })
        .collect()
    }

    fn check(&self, seed: u64) {
        assert_eq!(self.other.borrow().facts, self.given(), "seed {seed}: the other side does not have what the records give");
        assert!(self.world.engine().status().flights.is_empty(), "seed {seed}");
    }

    fn call(&mut self, to: &RecordRef, handler: &str, args: Vec<Value>) {
        let outcome = self.world.call(to, handler, args);
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    }

    fn reconcile(&mut self, mirror: u32, scope: &str) -> (BTreeSet<Fact>, BTreeSet<Fact>) {
        let id = self.world.engine_mut().reconcile(mirror, text(scope)).expect("nobody else reconciles it");
        self.world.together(vec![]);
        let report = self.world.engine_mut().take_reconciled(id).expect("it has ended").expect("and well");
        (report.missing.iter().map(fact).collect(), report.surplus.iter().map(fact).collect())
    }
}

fn pair(topic: &str, reader: &str) -> Fact {
    (topic.to_owned(), reader.to_owned())
}

/// Each way in which two records can give one fact.
#[test]
fn what_another_record_still_gives_is_not_removed() {
    for stores in [false, true] {
        for which in 0..4 {
            let mut played = begin(NOTES, 7 + which, stores);
            let (one, two, notes) = (played.account("one"), played.account("two"), played.world.space("notes"));
            let (a, b) = match which {
                // Two scopes of a space, two spaces, both, and two mirrors.
                0 => (("Doc", one.clone(), "ada"), ("Doc", one, "bob")),
                1 => (("Doc", one, "ada"), ("Doc", two, "ada")),
                2 => (("Doc", one, "ada"), ("Doc", two, "bob")),
                _ => (("Doc", one, "ada"), ("Note", notes, "ada")),
            };
            let first = played.create(a.0, a.1, a.2, "topic", &["cyd"]);
            let second = played.create(b.0, b.1, b.2, "topic", &["cyd"]);
            played.check(which);
            played.call(&first, "unshare", vec![text("cyd")]);
            assert_eq!(played.other.borrow().facts, [pair("topic", "cyd")].into(), "{which}: the second gives it");
            played.call(&first, "share", vec![text("cyd")]);
            played.call(&second, "drop", vec![]);
            assert_eq!(played.other.borrow().facts, [pair("topic", "cyd")].into(), "{which}: the first gives it");
            played.call(&first, "drop", vec![]);
            assert!(played.other.borrow().facts.is_empty(), "{which}: nobody gives it");
        }
    }
}

#[test]
fn a_record_that_changes_its_scope_keeps_its_facts() {
    for seed in 0..40 {
        let mut played = begin(NOTES, seed, false);
        played.other.borrow_mut().delays = 20;
        let account = played.account("one");
        let doc = played.create("Doc", account, "ada", "topic", &["cyd", "dan"]);
        for owner in ["bob", "ada", "bob"] {
            played.call(&doc, "give", vec![text(owner)]);
            played.check(seed);
        }
    }
}

#[test]
fn reconciling_a_scope_leaves_what_others_give() {
    for stores in [false, true] {
        let mut played = begin(NOTES, 3, stores);
        let (one, two, notes) = (played.account("one"), played.account("two"), played.world.space("notes"));
        // What the other side has of "ada" is given by a record of bob's as well, by one of another account, and by a note.
        played.create("Doc", one.clone(), "ada", "ada", &["cyd"]);
        played.create("Doc", one, "bob", "ada", &["dan"]);
        played.create("Doc", two, "eve", "ada", &["eve"]);
        played.create("Note", notes, "fay", "ada", &["fay"]);
        assert_eq!(played.reconcile(0, "ada"), (BTreeSet::new(), BTreeSet::new()));
        played.check(0);
        // Nobody gives this one; and one that is given is missing.
        played.other.borrow_mut().facts.insert(pair("ada", "mallory"));
        played.other.borrow_mut().facts.remove(&pair("ada", "cyd"));
        assert_eq!(played.reconcile(0, "ada"), ([pair("ada", "cyd")].into(), [pair("ada", "mallory")].into()));
        played.check(0);
        // A scope of which no record ever was.
        assert_eq!(played.reconcile(1, "ada"), (BTreeSet::new(), BTreeSet::new()));
        played.check(0);
    }
}

#[test]
fn whatever_is_lost_delayed_doubled_or_refused_the_facts_end_equal() {
    for seed in 0..240 {
        let mut played = begin(NOTES, seed, seed % 2 == 0);
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
fn reconciling_while_records_change_ends_equal() {
    for seed in 0..160 {
        let mut played = begin(NOTES, seed, seed % 2 == 0);
        for _ in 0..3 {
            played.play();
        }
        played.other.borrow_mut().delays = 20;
        played.world.set_mishaps(Mishaps { crash: if seed % 4 == 3 { 20 } else { 0 }, ..MISHAPS });
        for _ in 0..3 {
            // Broken by hand, and repaired from several sides at once.
            let broken: Vec<Fact> = played.other.borrow().facts.iter().cloned().collect();
            for fact in broken {
                if played.other.borrow_mut().chance(30) {
                    played.other.borrow_mut().facts.remove(&fact);
                }
            }
            played.other.borrow_mut().facts.insert(pair("ada", "mallory"));
            for mirror in 0..2 {
                for owner in TOPICS {
                    played.world.engine_mut().reconcile(mirror, text(owner)).expect("the ones before have ended");
                }
            }
            played.play();
        }
        played.world.set_mishaps(Mishaps::default());
        played.world.together(vec![]);
        for mirror in 0..2 {
            for owner in TOPICS {
                played.reconcile(mirror, owner);
            }
        }
        played.check(seed);
    }
}

/// The other side keeps one entry under a key: facts that differ in the rest are one to it.
const KEYED: &str = r#"
space docs
struct Entry { key: Text, title: Text }
extern index {
  put(key: Text, title: Text) idempotent
  drop(key: Text) idempotent
  list(owner: Text) -> List<Entry> readonly
}
record Doc in docs {
  cell name: Text
  cell owner: Text
  cell title: Text
  handler rename(title: Text) { self.title = title }
  handler call(name: Text) { self.name = name }
  handler drop() { delete self }
}
mirror titles of Doc to index {
  facts(d) = [Entry { key: d.name, title: d.title }]
  add(f) = index.put(f.key, f.title)
  remove(f) = index.drop(f.key)
  actual(owner) = index.list(owner)
  scope(d) = d.owner
}
"#;

#[test]
fn an_entry_that_changes_under_its_key_ends_as_the_record_says() {
    for seed in 0..120 {
        let compiled = compile(KEYED);
        assert_eq!(compiled.errors().count(), 0, "{:?}", compiled.findings);
        let mut world = World::new(&compiled.program, seed);
        let there: Rc<RefCell<BTreeMap<String, String>>> = Rc::default();
        let model = there.clone();
        let mut done = BTreeSet::new();
        let mut random = Random::seeded(seed);
        world.outside(move |call| {
            let said = |at: usize| match &call.args[at] {
                Value::Text(text) => text.to_string(),
                other => panic!("{other:?}"),
            };
            if call.operation == 2 {
                let entry = |(key, title): (&String, &String)| Value::Struct([text(key), text(title)].into());
                return CallAnswer::Value(Value::list(model.borrow().iter().map(entry)));
            }
            if done.insert(call.event.0.clone()) {
                match call.operation {
                    0 => drop(model.borrow_mut().insert(said(0), said(1))),
                    _ => drop(model.borrow_mut().remove(&said(0))),
                }
            }
            if random.below(5) == 0 { CallAnswer::Unavailable("no answer".into()) } else { CallAnswer::Value(Value::None) }
        });
        world.set_mishaps(Mishaps { crash: if seed % 2 == 0 { 15 } else { 0 }, ..MISHAPS });
        let space = world.space("docs");
        let make = |world: &mut World, title: &str| {
            world.create("Doc", space.clone(), &[("name", text("plan")), ("owner", text("ada")), ("title", text(title))])
        };
        let doc = make(&mut world, "one");
        for title in ["two", "three", "one", "four"] {
            let rename = world.action(&doc, "rename", vec![text(title)]);
            world.together(vec![rename]);
            assert_eq!(*there.borrow(), [("plan".to_owned(), title.to_owned())].into(), "seed {seed}");
        }
        // Another one of that name: the two contradict one another, until one of them goes.
        let second = make(&mut world, "five");
        let gone = if seed % 3 == 0 { &second } else { &doc };
        let (drop, left) = (world.action(gone, "drop", vec![]), if seed % 3 == 0 { "four" } else { "five" });
        world.together(vec![drop]);
        assert_eq!(*there.borrow(), [("plan".to_owned(), left.to_owned())].into(), "seed {seed}");
        there.borrow_mut().insert("plan".into(), "by hand".into());
        let id = world.engine_mut().reconcile(0, text("ada")).expect("nobody else reconciles it");
        world.set_mishaps(Mishaps::default());
        world.together(vec![]);
        world.engine_mut().take_reconciled(id).expect("it has ended").expect("and well");
        assert_eq!(*there.borrow(), [("plan".to_owned(), left.to_owned())].into(), "seed {seed}");
    }
}
