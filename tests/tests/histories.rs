//! Histories of the runtime, on each store, with conflicts, crashes and duplicates: none has an anomaly. Where a transaction reads another store,
//! which the runtime does not promise to isolate, the same checker finds one.

use std::collections::HashMap;
use std::sync::Arc;

use patternc_interpreter::engine::What;
use patternc_interpreter::event::{EventId, Outcome};
use patternc_interpreter::host::Random;
use patternc_interpreter::simulate::{Mishaps, Request};
use patternc_interpreter::value::{RecordRef, Value};
use patternc_program::Program;
use patternc_tests::history::{Anomaly, Op, Txn, anomalies};
use patternc_tests::servers::Servers;
use patternc_tests::world::{World, compile};

const KEYS: &str = r#"
space home

struct Two { a: Int, b: Int }
struct Lists { a: List<Int>, b: List<Int> }

record Key in home {
  cell n: Int = 0
  cell items: List<Int> = []

  handler write(v: Int) { self.n = v }
  handler write_both(y: Key, v: Int) writes Key.n { self.n = v  y.n = v }
  handler write_twice(v: Int, w: Int) { self.n = v  self.n = w }
  handler write_and_fail(v: Int) { self.n = v  fail "changed its mind" }
  handler copy(y: Key, v: Int) -> Int writes Key.n {
    let seen = self.n
    y.n = v
    return seen
  }
  handler skew(y: Key, v: Int) -> Two {
    let seen = Two { a: self.n, b: y.n }
    self.n = v
    return seen
  }
  handler read_both(y: Key) -> Two { return Two { a: self.n, b: y.n } }
  handler append(v: Int) { self.items += v }
  handler append_both(y: Key, v: Int) writes Key.items { self.items += v  y.items += v }
  handler append_twice(v: Int, w: Int) { self.items += v  self.items += w }
  handler read_append(y: Key, v: Int) -> List<Int> writes Key.items {
    let seen = self.items
    y.items += v
    return seen
  }
  handler read_lists(y: Key) -> Lists { return Lists { a: self.items, b: y.items } }
}
"#;

const HANDLERS: [&str; 12] = [
    "write",
    "write_both",
    "write_twice",
    "write_and_fail",
    "copy",
    "skew",
    "read_both",
    "append",
    "append_both",
    "append_twice",
    "read_append",
    "read_lists",
];

fn program(text: &str) -> Arc<Program> {
    let compiled = compile(text);
    let errors: Vec<_> = compiled.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
    compiled.program
}

fn list(value: &Value) -> Vec<i64> {
    let Value::List(items) = value else { panic!("a list, not {value:?}") };
    items.iter().map(int).collect()
}

fn int(value: &Value) -> i64 {
    let Value::Int(n) = value else { panic!("an Int, not {value:?}") };
    *n
}

/// The register as a version: 0 is what was there at the beginning.
fn version(value: &Value) -> Option<i64> {
    Some(int(value)).filter(|n| *n != 0)
}

/// An event as it was sent.
struct Sent {
    request: Request,
    event: EventId,
    handler: &'static str,
    keys: [String; 2],
    values: [i64; 2],
    asked: u64,
    outcome: Option<(Outcome, u64)>,
}

impl Sent {
    /// What it did, as its client knows.
    fn ops(&self) -> Vec<Op> {
        let [x, y] = &self.keys;
        let [v, w] = self.values;
        let write = |key: &String, value| Op::Write { key: format!("{key}.n"), value };
        let append = |key: &String, value| Op::Append { key: format!("{key}.items"), value };
        let read = |key: &String, value: &Value| Op::Read { key: format!("{key}.n"), seen: version(value) };
        let read_list = |key: &String, value: &Value| Op::ReadList { key: format!("{key}.items"), seen: list(value) };
        let result = match &self.outcome {
            Some((Outcome::Committed(result), _)) => result.clone(),
            _ => Value::None,
        };
        let fields = match &result {
            Value::Struct(fields) => fields.to_vec(),
            _ => Vec::new(),
        };
        let mut ops = Vec::new();
        match self.handler {
            "copy" if result != Value::None => ops.push(read(x, &result)),
            "read_append" if result != Value::None => ops.push(read_list(x, &result)),
            "skew" | "read_both" if fields.len() == 2 => ops.extend([read(x, &fields[0]), read(y, &fields[1])]),
            "read_lists" if fields.len() == 2 => ops.extend([read_list(x, &fields[0]), read_list(y, &fields[1])]),
            _ => {}
        }
        match self.handler {
            "write" | "write_and_fail" | "skew" => ops.push(write(x, v)),
            "write_both" => ops.extend([write(x, v), write(y, v)]),
            "write_twice" => ops.extend([write(x, v), write(x, w)]),
            "copy" => ops.push(write(y, v)),
            "append" => ops.push(append(x, v)),
            "append_both" => ops.extend([append(x, v), append(y, v)]),
            "append_twice" => ops.extend([append(x, v), append(x, w)]),
            "read_append" => ops.push(append(y, v)),
            _ => {}
        }
        ops
    }
}

/// Sends events at random moments while others run, and gives what their clients and the store know of them.
fn history(
    world: &mut World,
    handlers: &[&'static str],
    keys: &[(String, RecordRef)],
    partner: impl Fn(usize) -> usize,
    seed: u64,
    count: usize,
) -> Vec<Txn> {
    let mut random = Random::seeded(seed);
    let mut sent: Vec<Sent> = Vec::new();
    let mut versions: HashMap<EventId, u64> = HashMap::new();
    let (mut now, mut unique) = (0, 0);
    loop {
        now += 1;
        if sent.len() < count && random.below(3) == 0 {
            let handler = handlers[random.below(handlers.len())];
            let x = random.below(keys.len());
            let y = if keys.len() > 2 { (x + 1 + random.below(keys.len() - 1)) % keys.len() } else { partner(x) };
            unique += 2;
            let values = [unique - 1, unique];
            let record = world.program.record(keys[x].1.record());
            let named = record.handlers.iter().map(|at| world.program.handler(*at)).find(|declared| declared.name == handler);
            let declared = named.expect("every key has the handler").params.clone();
            let mut ints = values.into_iter();
            let args = declared.iter().map(|param| match param.ty {
                patternc_program::Type::Int => Value::Int(ints.next().expect("at most two")),
                _ => Value::Ref(keys[y].1.clone()),
            });
            let args = args.collect();
            let request = world.send(&keys[x].1, handler, args);
            let event = world.event_id(request).expect("it was just sent");
            let keys = [keys[x].0.clone(), keys[y].0.clone()];
            sent.push(Sent { request, event, handler, keys, values, asked: now, outcome: None });
        } else if !world.step() && sent.len() == count {
            break;
        }
        for entry in world.take_entries() {
            if let What::Committed { version, .. } = entry.what {
                // What a crash took back commits once more. A store that processes share counts anew in each of them.
                versions.insert(entry.event, (world.crashes() << 32) + version);
            }
        }
        for sent in sent.iter_mut().filter(|sent| sent.outcome.is_none()) {
            sent.outcome = world.outcome(sent.request).map(|outcome| (outcome, now));
        }
    }
    let txn = |sent: Sent| {
        let committed = matches!(sent.outcome, Some((Outcome::Committed(_), _)));
        Txn {
            name: format!("{}({}, {}) {:?}", sent.handler, sent.keys[0], sent.keys[1], sent.values),
            ops: sent.ops(),
            version: versions.get(&sent.event).copied().filter(|_| committed),
            asked: sent.asked,
            answered: sent.outcome.as_ref().map(|(_, at)| *at),
        }
    };
    sent.into_iter().map(txn).collect()
}

fn check_keys(mut world: World, seed: u64, count: usize) -> (usize, u64) {
    world.set_mishaps(Mishaps { crash: 15, duplicate: 30, lost_answer: 0 });
    let home = world.space("home");
    let keys: Vec<(String, RecordRef)> = ["x", "y", "z"].map(|name| (name.to_owned(), world.create("Key", home.clone(), &[]))).into();
    let history = history(&mut world, &HANDLERS, &keys, |x| x, seed, count);
    let found = anomalies(&history);
    assert!(found.is_empty(), "seed {seed}: {found:?}\n{history:#?}");
    assert!(history.iter().all(|txn| txn.answered.is_some()), "seed {seed}: every event is answered");
    let conflicts = world.engine().counters().conflicts;
    (history.iter().filter(|txn| txn.version.is_some()).count(), conflicts)
}

#[test]
fn histories_in_memory_have_no_anomaly() {
    let program = program(KEYS);
    let (mut committed, mut conflicts) = (0, 0);
    for seed in 0..60 {
        let (c, k) = check_keys(World::new(&program, seed), seed, 80);
        committed += c;
        conflicts += k;
    }
    assert!(committed > 2000 && conflicts > 200, "{committed} committed, {conflicts} lost: the histories say little");
}

#[test]
fn histories_on_sqlite_have_no_anomaly() {
    let program = program(KEYS);
    for seed in 0..4 {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        check_keys(World::on_sqlite(&program, seed, folder.path()), seed, 40);
    }
}

#[test]
fn histories_on_postgres_have_no_anomaly() {
    let program = program(KEYS);
    for seed in 0..4 {
        let Some(servers) = Servers::new(1) else { return };
        let world = World::on(&program, seed, servers.disk(&program), vec![0; program.spaces.len()]).expect("a new store opens");
        check_keys(world, seed, 40);
    }
}

const BANK_AND_LINKS: &str = r#"
space home

record Account in home {
  cell balance: Int = 100
  handler pay(to: Account, amount: Int) writes Account.balance {
    require self.balance >= amount else "not enough"
    self.balance -= amount
    to.balance += amount
  }
  handler total() -> Int { return Account.all.map(a => a.balance).sum() }
}

record Person in home {
  cell members: Set<Person> = Set[]
  handler link(other: Person) writes Person.members { self.members += other  other.members += self }
  handler unlink(other: Person) writes Person.members { self.members -= other  other.members -= self }
  handler even() -> Bool { return Person.all.all(p => p.members.all(q => p in q.members)) }
}
"#;

#[test]
fn money_and_links_stay_whole_for_everyone_who_looks() {
    let program = program(BANK_AND_LINKS);
    for seed in 0..60 {
        let mut world = World::new(&program, seed);
        let home = world.space("home");
        let accounts = [0; 3].map(|_| world.create("Account", home.clone(), &[]));
        let people = [0; 3].map(|_| world.create("Person", home.clone(), &[]));
        world.set_mishaps(Mishaps { crash: 15, duplicate: 30, lost_answer: 0 });
        let mut random = Random::seeded(seed);
        let mut looks = Vec::new();
        for _ in 0..60 {
            let (x, y) = (random.below(3), random.below(2));
            let y = (x + 1 + y) % 3;
            match random.below(6) {
                0 | 1 => {
                    let amount = Value::Int(random.below(80) as i64);
                    world.send(&accounts[x], "pay", vec![Value::Ref(accounts[y].clone()), amount]);
                }
                2 => looks.push((world.send(&accounts[x], "total", vec![]), Value::Int(300))),
                3 => drop(world.send(&people[x], "link", vec![Value::Ref(people[y].clone())])),
                4 => drop(world.send(&people[x], "unlink", vec![Value::Ref(people[y].clone())])),
                _ => looks.push((world.send(&people[x], "even", vec![]), Value::Bool(true))),
            }
            for _ in 0..random.below(6) {
                world.step();
            }
        }
        while world.step() {}
        for (request, expected) in looks {
            assert_eq!(world.outcome(request), Some(Outcome::Committed(expected)), "seed {seed}");
        }
    }
}

const APART: &str = r#"
space east
space west

struct Two { a: Int, b: Int }

record East in east {
  cell n: Int = 0
  handler skew(other: West@west, v: Int) -> Two {
    let seen = Two { a: self.n, b: other.n }
    self.n = v
    return seen
  }
}

record West in west {
  cell n: Int = 0
  handler skew(other: East@east, v: Int) -> Two {
    let seen = Two { a: self.n, b: other.n }
    self.n = v
    return seen
  }
}
"#;

/// The checker would notice a store that does not validate: reads of another store are not, and both doctors leave.
#[test]
fn reads_of_another_store_show_as_skew() {
    let program = program(APART);
    let mut skewed = 0;
    for seed in 0..40 {
        for apart in [false, true] {
            let mut world = if apart { World::with_store_for_each_space(&program, seed) } else { World::new(&program, seed) };
            let east = world.create("East", world.space("east"), &[]);
            let west = world.create("West", world.space("west"), &[]);
            let keys = [("x".to_owned(), east), ("y".to_owned(), west)];
            let history = history(&mut world, &["skew"], &keys, |x| 1 - x, seed, 12);
            let found: Vec<Anomaly> = anomalies(&history).into_iter().map(|(anomaly, _)| anomaly).collect();
            if apart {
                skewed += usize::from(found.contains(&Anomaly::GSingle) || found.contains(&Anomaly::G2));
            } else {
                assert!(found.is_empty(), "seed {seed}: {found:?} in one store");
            }
        }
    }
    assert!(skewed > 10, "{skewed} of 40 histories show that reads of another store are not validated");
}
