//! Delays of chance, time that passes while nothing is delivered, and everything that can go wrong: the order of each pair is kept.

use super::*;
use crate::host::Random;

const SENDERS: [&str; 2] = ["a0", "b0"];
const RECEIVERS: [&str; 2] = ["a1", "b1"];

/// Runs one workload; gives how often what was sent earlier came later, and how often the process died.
fn run(stores: usize, seed: u64) -> (usize, u64) {
    let mut dice = Random::seeded(seed ^ 0xde1a);
    let mut nodes = Nodes::new(stores, seed);
    nodes.world.set_mishaps(MISHAPS);
    // As if nothing ran until all is due.
    let held = dice.below(2) == 0;
    if held {
        nodes.world.hold();
    }
    // When each is due, the number it gives, from whom to whom.
    let mut given: Vec<(i64, i64, &str, &str)> = Vec::new();
    for n in 1..=10 {
        let (from, at) = (SENDERS[dice.below(2)], RECEIVERS[dice.below(2)]);
        let delay = [None, Some(0), Some(5), Some(10), Some(10)][dice.below(5)];
        let request = match delay {
            None => nodes.send(0, from, "give", vec![to(at), Value::Int(n)]),
            Some(delay) => nodes.send(0, from, "give_later", vec![to(at), Value::Int(n), Value::Duration(delay)]),
        };
        while !nodes.world.has_outcome(request) {
            assert!(nodes.world.happen(&mut nodes.bank), "seed {seed}: it is answered");
        }
        given.push((nodes.world.now() + delay.unwrap_or(0), n, from, at));
        nodes.world.advance([0, 0, 3, 5, 7][dice.below(5)], &mut nodes.bank);
    }
    if held {
        nodes.world.advance(20, &mut nodes.bank);
        nodes.world.release();
    }
    nodes.world.advance(20, &mut nodes.bank);
    nodes.settle();
    nodes.assert_clean();
    given.sort_unstable();
    for at in RECEIVERS {
        for from in SENDERS {
            let sent: Vec<i64> = given.iter().filter(|(.., f, a)| (*f, *a) == (from, at)).map(|(_, n, ..)| *n).collect();
            let came: Vec<i64> = nodes.log(at).into_iter().filter(|n| sent.contains(n)).collect();
            assert_eq!(came, sent, "seed {seed}: the order from {from} to {at}");
        }
    }
    (given.windows(2).filter(|two| two[0].1 > two[1].1).count(), nodes.world.crashes())
}

#[test]
fn events_come_in_the_order_in_which_they_are_due() {
    for stores in [1, 2] {
        let (mut overtaken, mut crashes) = (0, 0);
        for seed in 0..250 {
            let (o, c) = run(stores, seed);
            overtaken += o;
            crashes += c;
        }
        assert!(overtaken > 0 && crashes > 0);
    }
}
