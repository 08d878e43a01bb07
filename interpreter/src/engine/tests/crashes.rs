//! The process dies at every point, one after the other: what was sent has happened once in the end.

use super::program::{ACKS, LAST, REFUSED};
use super::*;

/// Runs the scenario with a crash after each of its steps, until it has fewer steps.
fn at_every_point(stores: usize, scenario: impl Fn(&mut Nodes) -> Vec<Request>, check: impl Fn(&Nodes, Vec<Outcome>)) {
    for point in 0.. {
        for seed in 0..4 {
            let mut nodes = Nodes::new(stores, seed);
            let requests = scenario(&mut nodes);
            let mut died = false;
            for step in 0.. {
                if step == point {
                    nodes.world.crash();
                    died = true;
                }
                if !nodes.world.happen(&mut nodes.bank) {
                    break;
                }
            }
            nodes.settle();
            let outcomes = requests.iter().map(|request| nodes.world.take_outcome(*request).expect("it is answered"));
            let outcomes = outcomes.collect();
            check(&nodes, outcomes);
            nodes.assert_clean();
            if !died && seed == 3 {
                assert!(point > 5, "the scenario has steps");
                return;
            }
        }
    }
}

#[test]
fn a_transfer_arrives_once() {
    for stores in [1, 2] {
        at_every_point(
            stores,
            |nodes| vec![nodes.send(0, "a0", "give_put", vec![to("b0"), Value::Int(5)])],
            |nodes, outcomes| {
                assert_eq!(outcomes, [Outcome::Committed(Value::None)]);
                assert_eq!((nodes.int("a0", TOTAL), nodes.log("b0")), (-5, vec![5]));
            },
        );
    }
}

#[test]
fn what_was_received_is_known_until_its_sender_has_dealt_with_it() {
    for (shared, point) in [false, true].into_iter().flat_map(|shared| (0..30).map(move |point| (shared, point))) {
        let mut nodes = Nodes::limited(2, point, Limits { keep_outcomes: 1_000, ..Limits::default() });
        if shared {
            nodes.disk.share(0);
        }
        nodes.world.crash();
        nodes.send(0, "a0", "give_put", vec![to("b0"), Value::Int(5)]);
        nodes.send(1, "a1", "give_ack", vec![to("b1"), Value::Int(6)]);
        let idle = !(0..point).all(|_| nodes.world.happen(&mut nodes.bank));
        if idle {
            nodes.world.flush();
        }
        nodes.world.crash();
        // Nobody runs for long, and others are received before those that were on their way.
        nodes.world.set_now(nodes.world.now() + 10_000);
        nodes.world.hold();
        nodes.call("b2", "give_put", vec![to("b2"), Value::Int(1)]);
        nodes.world.release();
        nodes.settle();
        assert_eq!((nodes.log("b0"), nodes.log("b1")), (vec![5], vec![6]), "sender shared: {shared}, after {point} steps");
        nodes.assert_clean();
        nodes.world.set_now(nodes.world.now() + 10_000);
        nodes.call("b2", "give_put", vec![to("b2"), Value::Int(1)]);
        // Of a store that others write, what its sender dealt with just before it died stays known.
        let live = nodes.disk.live(1);
        let known: Vec<_> = live.state().inbox().collect();
        assert!(known.len() <= 2 || shared && !idle, "{shared} after {point} steps at {}: still known: {known:#?}", nodes.world.now());
    }
}

#[test]
fn an_arm_runs_once() {
    for stores in [1, 2] {
        at_every_point(
            stores,
            |nodes| {
                vec![
                    nodes.send(0, "a0", "give_ack", vec![to("b0"), Value::Int(5)]),
                    nodes.send(1, "b1", "give_refused", vec![to("a1"), Value::Int(5)]),
                ]
            },
            |nodes, _| {
                assert_eq!((nodes.int("a0", TOTAL), nodes.log("b0"), nodes.int("a0", ACKS)), (-5, vec![5], 1));
                assert_eq!((nodes.int("b1", TOTAL), nodes.log("a1"), nodes.int("b1", REFUSED)), (0, vec![], 1));
            },
        );
    }
}

#[test]
fn a_deferred_answer_comes_through() {
    for stores in [1, 2] {
        at_every_point(
            stores,
            |nodes| {
                vec![
                    nodes.send(0, "a0", "ask3", vec![to("b0"), to("a1"), to("b2")]),
                    nodes.send(1, "b0", "ask_twice", vec![to("a1"), to("a2")]),
                ]
            },
            |nodes, outcomes| {
                assert_eq!(outcomes, [Outcome::Committed(Value::Int(3)), Outcome::Committed(Value::Int(100))]);
                assert_eq!((nodes.int("a0", LAST), nodes.int("b0", LAST), nodes.int("a1", LAST)), (2, 1, 0));
            },
        );
    }
}

#[test]
fn a_repeatable_call_takes_effect_under_one_key_and_its_arm_runs_once() {
    at_every_point(
        1,
        |nodes| vec![nodes.send(0, "a0", "charge", vec![Value::Int(9)])],
        |nodes, _| {
            assert_eq!(nodes.bank.effects.len(), 1);
            assert_eq!((nodes.int("a0", ACKS), nodes.int("a0", REFUSED)), (1, 0));
        },
    );
}

#[test]
fn a_call_that_is_not_safe_to_repeat_is_never_made_twice() {
    at_every_point(
        1,
        |nodes| vec![nodes.send(0, "a0", "take", vec![Value::Int(9)])],
        |nodes, _| {
            let asked: u32 = nodes.bank.effects.values().sum();
            let (acks, refused) = (nodes.int("a0", ACKS), nodes.int("a0", REFUSED));
            assert!(asked <= 1);
            assert_eq!(acks + refused, 1);
            assert!(acks == 0 || asked == 1, "an ok arm follows a call that happened");
        },
    );
}
