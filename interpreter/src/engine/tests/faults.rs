//! Stores that fail for good, and mistakes of our own: nothing is half done, nothing is lost.

use super::*;
use crate::failure::FailureKind;
use crate::simulate::{Disk, Fault};

fn unavailable(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Unavailable)
}

#[test]
fn a_store_that_fails_for_good_says_so_and_goes_on_when_it_is_opened_again() {
    for fault in [Fault::Broken, Fault::Panic] {
        for stores in [1, 2] {
            let mut nodes = Nodes::new(stores, 1);
            // The second commit of this store is the delivery, or the sender's bookkeeping.
            let give = nodes.send(1, "a0", "give_ack", vec![to("b0"), Value::Int(5)]);
            while nodes.world.engine().counters().commits < 7 {
                assert!(nodes.world.happen(&mut nodes.bank));
            }
            // What is told as committed is durable; a store that fails takes the rest with it.
            for store in 0..stores {
                (0..7).for_each(|_| nodes.disk.flush(store));
            }
            nodes.disk.inject(stores - 1, fault);
            nodes.settle();
            assert!(nodes.world.take_outcome(give).is_some());
            assert!(nodes.world.engine().is_idle(), "{:#?}", nodes.world.engine().status());
            assert_eq!(nodes.world.engine().status().broken.len(), 1);
            let before = nodes.world.now();
            assert!(unavailable(&nodes.call("b1", "get", vec![])));
            assert!(unavailable(&nodes.call("b1", "put", vec![Value::Int(1)])));
            assert_eq!(nodes.world.now(), before, "nobody waits for a store that has failed for good");
            nodes.world.crash();
            nodes.settle();
            assert_eq!((nodes.int("a0", TOTAL), nodes.log("b0"), nodes.int("a0", program::ACKS)), (-5, vec![5], 1));
            nodes.assert_clean();
        }
    }
}

#[test]
fn a_store_that_does_not_answer_for_long_is_told_to_those_outside_only() {
    let mut nodes = Nodes::new(1, 2);
    let get = nodes.send(1, "a0", "add", vec![Value::Int(1)]);
    for _ in 0..60 {
        nodes.disk.inject(0, Fault::Refused);
        nodes.world.advance(1_000, &mut nodes.bank);
        if nodes.world.has_outcome(get) {
            break;
        }
    }
    // Each attempt met a refusal until one did not: it took effect once.
    nodes.settle();
    let outcome = nodes.world.take_outcome(get).expect("it is decided");
    assert!(unavailable(&outcome) && nodes.log("a0").is_empty() || nodes.log("a0") == [1]);
}

#[test]
fn a_panic_in_an_attempt_leaves_nothing_and_parks_what_came_from_inside() {
    let mut nodes = Nodes::new(1, 3);
    nodes.disk.panic_on_reads(0, 1);
    assert!(unavailable(&nodes.call("a0", "put", vec![Value::Int(1)])));
    assert!(nodes.log("a0").is_empty());
    nodes.world.hold();
    let give = nodes.send(1, "a0", "give_put", vec![to("b0"), Value::Int(5)]);
    nodes.settle();
    committed(nodes.world.take_outcome(give).expect("it is decided"));
    nodes.disk.panic_on_reads(0, 1);
    nodes.world.release();
    nodes.settle();
    assert!(nodes.log("b0").is_empty());
    let parked = nodes.world.engine().parked();
    assert_eq!(parked.len(), 1);
    nodes.world.engine_mut().retry(&parked[0]).expect("it is parked");
    nodes.settle();
    assert_eq!((nodes.int("a0", TOTAL), nodes.log("b0")), (-5, vec![5]));
    nodes.assert_clean();
}

#[test]
fn calls_that_are_made_while_commits_are_lost_keep_their_places() {
    let mut nodes = Nodes::new(1, 4);
    // The second waits for the first: they are of one pair.
    nodes.send(0, "a0", "charge", vec![Value::Int(7)]);
    nodes.send(1, "a0", "charge", vec![Value::Int(8)]);
    while nodes.world.engine().calls_under_way() == 0 || nodes.world.engine().status().flights.len() < 2 {
        assert!(nodes.world.happen(&mut nodes.bank), "the calls are made");
    }
    nodes.world.engine_mut().recover(0).expect("the store is read");
    nodes.settle();
    assert_eq!((nodes.int("a0", program::ACKS), nodes.bank.effects.len()), (2, 2));
    nodes.assert_clean();
}
