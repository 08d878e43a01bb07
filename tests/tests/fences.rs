//! Removals that come first: nobody is told of anything that relies on one before the other side has taken the fact away, whatever is lost,
//! delayed or doubled, and while the process dies.

use std::cell::RefCell;
use std::rc::Rc;

use patternc_interpreter::event::Outcome;
use patternc_interpreter::simulate::{self, Mishaps};
use patternc_interpreter::value::{RecordRef, Value};
use patternc_tests::other_side::{Other, text};
use patternc_tests::world::{World, compile, limits};

/// A document, those in other spaces who look at it, and one who writes both in one transaction.
const PATTERN: &str = r#"
space docs
space desk
space hall
space keys

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
  handler note() { self.notes += 1 }
  handler is_without(name: Text) -> Bool { return !(name in self.readers) }
}

mirror readers of Doc to authz {
  facts(d) = d.readers.map(name => Relation { owner: d.owner, reader: name })
  add(f) = authz.touch(f)
  remove(f) first = authz.remove(f)
  actual(owner) = authz.read(owner)
  scope(d) = d.owner
}

/// Reads the document from another space, and keeps what it has seen.
record Desk in desk {
  cell doc: Doc@docs
  cell without: Bool = false
  handler look(name: Text) -> Bool {
    self.without = !(name in self.doc.readers)
    return self.without
  }
  handler said() -> Bool { return self.without }
  handler ask(name: Text) -> Bool { return send self.doc.is_without(name) }
}

/// Relies on what the desk keeps.
record Hall in hall {
  cell desk: Desk@desk
  handler said() -> Bool { return self.desk.without }
  handler ask() -> Bool {
    return send self.desk.said() then {
      ok(without) => { return without }
      err(e) => { fail e.message }
    }
  }
}

/// Takes away what is in another space, in the same transaction.
record Keeper in keys {
  cell doc: Doc@docs
  cell taken: Int = 0
  handler take(name: Text) writes Doc.readers across docs {
    self.doc.readers -= name
    self.taken += 1
  }
  handler count() -> Bool { return self.taken > 0 }
}
"#;

const MISHAPS: Mishaps = Mishaps { crash: 10, duplicate: 20, lost_answer: 150 };

struct Played {
    world: World,
    other: Rc<RefCell<Other>>,
    doc: RecordRef,
    desk: RecordRef,
    hall: RecordRef,
    keeper: RecordRef,
}

fn begin(seed: u64) -> Played {
    let compiled = compile(PATTERN);
    let errors: Vec<_> = compiled.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
    // One store, or several: spaces that one transaction writes are in one.
    let mut world = match seed % 2 {
        0 => World::new(&compiled.program, seed),
        _ => {
            let disk = simulate::memory_disk(&compiled.program, &limits(), 3);
            World::on(&compiled.program, seed, Box::new(disk), vec![0, 1, 2, 0]).expect("empty stores in memory open")
        }
    };
    let other = Rc::new(RefCell::new(Other::new(seed ^ 0x5eed)));
    let model = other.clone();
    world.outside(move |call| model.borrow_mut().call(call));
    let (docs, desk, hall, keys) = (world.space("docs"), world.space("desk"), world.space("hall"), world.space("keys"));
    let readers = Value::set(vec![text("cyd"), text("dan")]);
    let doc = world.create("Doc", docs, &[("owner", text("ada")), ("readers", readers)]);
    let desk = world.create("Desk", desk, &[("doc", Value::Ref(doc.clone()))]);
    let hall = world.create("Hall", hall, &[("desk", Value::Ref(desk.clone()))]);
    let keeper = world.create("Keeper", keys, &[("doc", Value::Ref(doc.clone()))]);
    world.together(vec![]);
    other.borrow_mut().delays = 50;
    world.set_mishaps(MISHAPS);
    Played { world, other, doc, desk, hall, keeper }
}

impl Played {
    fn has(&self) -> bool {
        self.other.borrow().facts.contains(&("ada".to_owned(), "cyd".to_owned()))
    }

    /// Sends the removal and then, at every moment after it, what may rely on it. Gives how many of those were under way while the removal was.
    fn play(&mut self, seed: u64, removal: (&RecordRef, &str, Vec<Value>), relying: &[(&RecordRef, &str, Vec<Value>)]) -> usize {
        let removal = self.world.send(removal.0, removal.1, removal.2);
        let (mut sent, mut times, mut met, mut steps, mut told) = (Vec::new(), 0, 0, 0, false);
        loop {
            if steps % 4 == 0 && times < 4 {
                times += 1;
                for (to, handler, args) in relying {
                    sent.push((self.world.send(to, handler, args.clone()), *handler));
                }
            }
            steps += 1;
            if !self.world.step() {
                break;
            }
            // Nobody is told while the fact is there; what does not rely on the removal says `false`.
            if self.world.outcome(removal).is_some() {
                told = true;
                assert!(!self.has(), "seed {seed}: told of the removal before it arrived");
            }
            sent.retain(|(request, handler)| match self.world.outcome(*request) {
                Some(Outcome::Committed(Value::Bool(true))) => {
                    assert!(!self.has(), "seed {seed}: `{handler}` relies on the removal and was told before it arrived");
                    false
                }
                Some(Outcome::Committed(_)) => false,
                Some(Outcome::Failed(failure)) => panic!("seed {seed}: {failure}"),
                None => true,
            });
            met += usize::from(self.has() && !sent.is_empty());
        }
        assert!(told && sent.is_empty(), "seed {seed}: {} are never told", sent.len());
        assert!(!self.has(), "seed {seed}");
        met
    }
}

#[test]
fn what_looks_at_it_in_its_own_space_waits() {
    let mut met = 0;
    for seed in 0..60 {
        let mut played = begin(seed);
        let doc = played.doc.clone();
        let relying = [(&doc, "is_without", vec![text("cyd")])];
        met += played.play(seed, (&doc, "unshare", vec![text("cyd")]), &relying);
    }
    assert!(met > 0, "no removal was ever under way");
}

#[test]
fn what_another_space_has_seen_of_it_and_what_that_says_to_others_waits_too() {
    let mut met = 0;
    for seed in 0..60 {
        let mut played = begin(seed);
        let (doc, desk, hall) = (played.doc.clone(), played.desk.clone(), played.hall.clone());
        let cyd = || vec![text("cyd")];
        let relying =
            [(&desk, "look", cyd()), (&desk, "said", vec![]), (&desk, "ask", cyd()), (&hall, "said", vec![]), (&hall, "ask", vec![])];
        met += played.play(seed, (&doc, "unshare", cyd()), &relying);
    }
    assert!(met > 0, "no removal was ever under way");
}

#[test]
fn a_removal_by_a_transaction_over_several_spaces_holds_back_all_of_them() {
    let mut met = 0;
    for seed in 0..60 {
        let mut played = begin(seed);
        let (keeper, desk) = (played.keeper.clone(), played.desk.clone());
        let relying = [(&keeper, "count", vec![]), (&desk, "look", vec![text("cyd")])];
        met += played.play(seed, (&keeper, "take", vec![text("cyd")]), &relying);
    }
    assert!(met > 0, "no removal was ever under way");
}
