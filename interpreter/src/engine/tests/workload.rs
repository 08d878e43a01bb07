//! Workloads of chance beside a model that does one thing after the other.

use std::collections::BTreeMap;

use super::program::{ACKS, REFUSED};
use super::*;
use crate::host::Random;
use crate::simulate::Fault;

const IDS: [&str; 6] = ["a0", "a1", "a2", "b0", "b1", "b2"];

/// What must be so in the end, whatever the order was.
#[derive(Default)]
struct Model {
    totals: BTreeMap<&'static str, i64>,
    acks: BTreeMap<&'static str, i64>,
    refused: BTreeMap<&'static str, i64>,
    parked: usize,
    charges: usize,
    /// What each node has been given by each sender, in the order sent.
    given: BTreeMap<(&'static str, &'static str), Vec<i64>>,
}

/// Runs one workload: nothing lost, nothing doubled, order kept from each sender to each receiver.
fn run(stores: usize, seed: u64, mishaps: Mishaps) -> (u64, u64, u64) {
    let mut dice = Random::seeded(seed ^ 0x5eed);
    let mut nodes = Nodes::new(stores, seed);
    nodes.world.set_mishaps(mishaps);
    let mut model = Model::default();
    let mut requests = Vec::new();
    for n in 1..=12_i64 {
        let from = dice.below(IDS.len());
        let at = (from + 1 + dice.below(IDS.len() - 1)) % IDS.len();
        let (from, at) = (IDS[from], IDS[at]);
        // Every sender is a session of its own, so that the order of its sends is known.
        let session = 1 + IDS.iter().position(|id| *id == from).expect("it is one of them") as u64;
        if dice.below(4) == 0 {
            // These change no totals; what they answer, or have the outside do, must still come once.
            let ask = dice.below(2) == 0;
            let third = IDS[dice.below(IDS.len())];
            let (name, args) = if ask { ("ask3", vec![to(at), to(third), to(from)]) } else { ("charge", vec![Value::Int(n)]) };
            requests.push(nodes.send(session, from, name, args));
            *model.acks.entry(from).or_default() += i64::from(!ask);
            model.charges += usize::from(!ask);
            continue;
        }
        let name = ["give", "give_put", "give_ack", "give_refused", "give_unheard"][dice.below(5)];
        requests.push(nodes.send(session, from, name, vec![to(at), Value::Int(n)]));
        let arrives = matches!(name, "give" | "give_put" | "give_ack");
        if name != "give_refused" {
            *model.totals.entry(from).or_default() -= n;
        }
        if arrives {
            *model.totals.entry(at).or_default() += n;
            model.given.entry((from, at)).or_default().push(n);
        }
        *model.acks.entry(from).or_default() += i64::from(name == "give_ack");
        *model.refused.entry(from).or_default() += i64::from(name == "give_refused");
        model.parked += usize::from(name == "give_unheard");
        for _ in 0..dice.below(6) {
            if mishaps.crash > 0 && dice.below(20) == 0 {
                let fault = [Fault::Refused, Fault::AnswerLost][dice.below(2)];
                nodes.disk.inject(dice.below(stores), fault);
            }
            nodes.world.happen(&mut nodes.bank);
        }
    }
    nodes.settle();
    for request in requests {
        committed(nodes.world.take_outcome(request).expect("it is answered"));
    }
    assert_eq!(nodes.bank.effects.len(), model.charges, "seed {seed}: each call under one key");
    for id in IDS {
        let of = |map: &BTreeMap<&'static str, i64>| map.get(id).copied().unwrap_or(0);
        assert_eq!(nodes.int(id, TOTAL), of(&model.totals), "seed {seed}: the total of {id}");
        assert_eq!(nodes.int(id, ACKS), of(&model.acks), "seed {seed}: the acks of {id}");
        assert_eq!(nodes.int(id, REFUSED), of(&model.refused), "seed {seed}: the refusals of {id}");
        let log = nodes.log(id);
        let mut expected: Vec<i64> = IDS.iter().flat_map(|from| model.given.get(&(*from, id)).cloned().unwrap_or_default()).collect();
        expected.sort_unstable();
        let mut sorted = log.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "seed {seed}: what {id} was given");
        for from in IDS {
            let sent = model.given.get(&(from, id)).cloned().unwrap_or_default();
            let came: Vec<i64> = log.iter().copied().filter(|n| sent.contains(n)).collect();
            assert_eq!(came, sent, "seed {seed}: the order from {from} to {id}");
        }
    }
    if mishaps.crash > 0 {
        // What a crash has left behind is found when the stores are opened next.
        nodes.world.crash();
        nodes.settle();
    }
    // What is parked on another store is remembered until it is retried.
    assert!(nodes.remembered() <= model.parked, "seed {seed}");
    let status = nodes.world.engine().status();
    assert_eq!(status.flights.len(), model.parked, "seed {seed}: {status:#?}");
    let counters = nodes.world.counters();
    (counters.conflicts, counters.duplicates, nodes.world.crashes())
}

fn runs(stores: usize, seeds: std::ops::Range<u64>, mishaps: Mishaps) {
    let (mut conflicts, mut duplicates, mut crashes) = (0, 0, 0);
    for seed in seeds {
        let (c, d, k) = run(stores, seed, mishaps);
        conflicts += c;
        duplicates += d;
        crashes += k;
    }
    // A test that never meets what it is for would prove nothing.
    assert!(conflicts > 0);
    assert_eq!(duplicates > 0, mishaps.duplicate > 0);
    assert_eq!(crashes > 0, mishaps.crash > 0);
}

#[test]
fn workloads_on_one_store() {
    runs(1, 0..250, Mishaps::default());
}

#[test]
fn workloads_on_two_stores() {
    runs(2, 0..250, Mishaps::default());
}

#[test]
fn workloads_on_one_store_with_mishaps() {
    runs(1, 1000..1250, MISHAPS);
}

#[test]
fn workloads_on_two_stores_with_mishaps() {
    runs(2, 2000..2250, MISHAPS);
}
