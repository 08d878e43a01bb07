//! Events from outside, answers, arms, parking, timers and calls, without mishaps of chance.

use super::program::{ACKS, LAST, REFUSED, TOTAL};
use super::*;
use crate::engine::{CallAnswer, Happened, RetryError, Stage};
use crate::event::{Event, EventId};
use crate::failure::FailureKind;

fn failure_kind(outcome: &Outcome) -> FailureKind {
    match outcome {
        Outcome::Failed(failure) => failure.kind,
        Outcome::Committed(value) => panic!("committed {value:?}"),
    }
}

#[test]
fn arms_run_once_after_the_receiver_has_answered() {
    for stores in [1, 2] {
        let mut nodes = Nodes::new(stores, 1);
        committed(nodes.call("a0", "give_ack", vec![to("b0"), Value::Int(5)]));
        assert_eq!((nodes.int("a0", TOTAL), nodes.int("b0", TOTAL), nodes.int("a0", ACKS)), (-5, 5, 1));
        committed(nodes.call("a0", "give_refused", vec![to("b0"), Value::Int(3)]));
        assert_eq!((nodes.int("a0", TOTAL), nodes.int("b0", TOTAL), nodes.int("a0", REFUSED)), (-5, 5, 1));
        assert_eq!(nodes.log("b0"), [5]);
        nodes.assert_clean();
        assert_eq!(nodes.remembered(), 0);
    }
}

#[test]
fn an_event_from_outside_does_not_take_the_id_of_one_on_its_way() {
    for stores in [1, 2] {
        let mut nodes = Nodes::new(stores, 1);
        let later = nodes.action("a0", "give_later", vec![to("b0"), Value::Int(5), Value::Duration(1_000)]);
        nodes.world.hold();
        nodes.world.send(Session(0), None, later);
        nodes.settle();
        nodes.world.release();
        let id = nodes.world.engine().status().flights[0].event.id.clone();
        let event = Event { id: id.clone(), caller: None, action: nodes.action("b0", "get", vec![]) };
        let request = nodes.world.send_event(Session(1), event.clone());
        nodes.settle();
        assert_eq!(failure_kind(&nodes.world.take_outcome(request).expect("it is answered")), FailureKind::Rejected);
        nodes.world.set_now(nodes.world.now() + 2_000);
        nodes.settle();
        assert_eq!((nodes.int("a0", TOTAL), nodes.log("b0")), (-5, vec![5]));
        // Nothing is remembered of the one that was refused.
        let request = nodes.world.send_event(Session(1), event);
        nodes.settle();
        committed(nodes.world.take_outcome(request).expect("it is answered"));
    }
}

#[test]
fn a_missing_receiver_is_a_failure_that_the_sender_hears() {
    for stores in [1, 2] {
        let mut nodes = Nodes::new(stores, 2);
        committed(nodes.call("a0", "give_ack", vec![to("b9"), Value::Int(5)]));
        assert_eq!((nodes.int("a0", TOTAL), nodes.int("a0", REFUSED)), (0, 1));
        assert_eq!(failure_kind(&nodes.call("b9", "get", vec![])), FailureKind::Missing);
    }
}

#[test]
fn deferred_answers_come_through_three_levels() {
    for stores in [1, 2] {
        let mut nodes = Nodes::new(stores, 3);
        committed(nodes.call("b2", "add", vec![Value::Int(40)]));
        let answer = committed(nodes.call("a0", "ask3", vec![to("b0"), to("a1"), to("b2")]));
        assert_eq!(answer, Value::Int(43));
        assert_eq!((nodes.int("a0", LAST), nodes.int("b0", LAST), nodes.int("a1", LAST)), (42, 41, 40));
        assert_eq!(committed(nodes.call("a0", "relay", vec![to("b2")])), Value::Int(40));
        assert_eq!(failure_kind(&nodes.call("a0", "relay_refused", vec![to("b2")])), FailureKind::Rejected);
        assert_eq!(committed(nodes.call("a0", "ask_twice", vec![to("b1"), to("b2")])), Value::Int(140));
        nodes.assert_clean();
    }
}

#[test]
fn a_failure_deep_down_is_the_answer_of_all() {
    for stores in [1, 2] {
        let mut nodes = Nodes::new(stores, 4);
        assert_eq!(failure_kind(&nodes.call("a0", "ask3", vec![to("b0"), to("a1"), to("b9")])), FailureKind::Missing);
        nodes.assert_clean();
    }
}

#[test]
fn what_nobody_takes_is_parked_and_blocks_nothing_and_can_be_retried() {
    for stores in [1, 2] {
        let mut nodes = Nodes::new(stores, 5);
        committed(nodes.call("a0", "give_unheard", vec![to("b0"), Value::Int(1)]));
        committed(nodes.call("a0", "give_parked_arm", vec![to("b0"), Value::Int(2)]));
        committed(nodes.call("a0", "give", vec![to("b0"), Value::Int(3)]));
        assert_eq!(nodes.log("b0"), [2, 3]);
        let parked = nodes.world.engine().parked();
        assert_eq!(parked.len(), 2);
        // Parked events outlive the process.
        nodes.world.crash();
        nodes.settle();
        assert_eq!(nodes.world.engine().parked().len(), 2);
        // What is rejected again is parked again; the arm that may run now runs once, and its event is not delivered again.
        committed(nodes.call("a0", "ready", vec![]));
        for event in &parked {
            nodes.world.engine_mut().retry(event).expect("it is parked");
        }
        nodes.settle();
        assert_eq!(nodes.world.engine().parked(), parked[..1]);
        assert_eq!((nodes.log("b0"), nodes.int("a0", ACKS)), (vec![2, 3], 1));
        assert_eq!(nodes.world.engine_mut().retry(&parked[1]), Err(RetryError::Unknown(parked[1].clone())));
    }
}

#[test]
fn timers_ring_when_due_also_after_a_crash() {
    let mut nodes = Nodes::new(1, 6);
    committed(nodes.call("a0", "later", vec![Value::Int(7)]));
    nodes.world.advance(299_999, &mut nodes.bank);
    assert_eq!(nodes.int("a0", TOTAL), 0);
    nodes.world.crash();
    nodes.settle();
    assert_eq!(nodes.world.engine().status().flights[0].stage, Stage::Timer);
    nodes.world.advance(1, &mut nodes.bank);
    assert_eq!(nodes.log("a0"), [7]);
    nodes.assert_clean();
}

#[test]
fn an_id_seen_before_gives_the_recorded_outcome() {
    use crate::engine::Submitted;
    use crate::event::Event;
    let mut nodes = Nodes::new(1, 7);
    for (name, kind) in [("add", None), ("refuse", Some(FailureKind::Rejected))] {
        for _ in 0..3 {
            let event =
                Event { id: EventId(format!("given-{name}").into()), caller: None, action: nodes.action("a0", name, vec![Value::Int(2)]) };
            let Submitted::Pending(ticket) = nodes.world.engine_mut().submit(Session(9), event) else { panic!("attempts overlap") };
            let mut outcome = None;
            while nodes.world.engine_mut().step() {
                if let Some((finished, receipt)) = nodes.world.engine_mut().take_finished() {
                    assert_eq!(finished, ticket);
                    outcome = Some(receipt);
                }
            }
            nodes.settle();
            let version = nodes.world.engine().stores().get(0).version();
            nodes.world.engine().stores().get(0).wait_durable(version).expect("the disk works");
            let outcome = outcome.expect("it is decided").open(nodes.world.engine()).expect("it is durable");
            assert_eq!(matches!(&outcome, Outcome::Failed(failure) if Some(failure.kind) == kind), kind.is_some());
        }
    }
    assert_eq!(nodes.log("a0"), [2]);
}

#[test]
fn a_repeatable_call_is_asked_until_it_is_answered() {
    let mut nodes = Nodes::new(1, 8);
    nodes.bank.script = vec![CallAnswer::Unavailable("down".to_owned()), CallAnswer::NotSent("down".to_owned())];
    committed(nodes.call("a0", "charge", vec![Value::Int(9)]));
    assert_eq!((nodes.int("a0", LAST), nodes.int("a0", ACKS), nodes.int("a0", REFUSED)), (9, 1, 0));
    nodes.bank.script = vec![CallAnswer::Rejected("no funds".to_owned())];
    committed(nodes.call("a0", "charge", vec![Value::Int(9)]));
    assert_eq!((nodes.int("a0", ACKS), nodes.int("a0", REFUSED)), (1, 1));
    assert_eq!(committed(nodes.call("a0", "quote", vec![Value::Int(3)])), Value::Int(3));
    nodes.assert_clean();
}

#[test]
fn a_call_that_is_not_safe_to_repeat_is_made_once() {
    let mut nodes = Nodes::new(1, 9);
    nodes.bank.script = vec![CallAnswer::NotSent("no connection".to_owned()), CallAnswer::Unavailable("time-out".to_owned())];
    committed(nodes.call("a0", "take", vec![Value::Int(9)]));
    assert_eq!((nodes.int("a0", ACKS), nodes.int("a0", REFUSED)), (0, 1));
    assert!(nodes.bank.effects.is_empty());
    // Begun before a crash: not known, and parked if nobody takes that.
    nodes.bank.script = Vec::new();
    nodes.send(0, "a0", "take_unheard", vec![Value::Int(1)]);
    let mut asked = false;
    while !asked {
        asked = nodes.world.engine().calls_under_way() > 0;
        if !asked {
            assert!(nodes.world.happen(&mut nodes.bank), "the call is made");
        }
    }
    nodes.world.crash();
    nodes.settle();
    let status = nodes.world.engine().status();
    assert!(matches!(&status.flights[0].outcome, Some(Outcome::Failed(failure)) if failure.kind == FailureKind::Unknown), "{status:?}");
    assert!(nodes.bank.effects.is_empty());
    // It is not repeated by mistake. Someone has looked, and wants it done.
    let parked = nodes.world.engine().parked();
    let refused = nodes.world.engine_mut().retry(&parked[0]);
    assert!(matches!(&refused, Err(RetryError::Unsure { event, .. }) if *event == parked[0]), "{refused:?}");
    nodes.world.engine_mut().resolve(&parked[0], Happened::NotDone).expect("it is parked");
    nodes.settle();
    assert_eq!(nodes.bank.effects.len(), 1);
    nodes.assert_clean();
}

#[test]
fn the_time_that_an_extern_is_given_is_not_cut_short() {
    use crate::host::Host;
    struct Late(i64);
    impl Host for Late {
        fn now(&mut self) -> i64 {
            self.0
        }

        fn random(&mut self) -> u64 {
            1
        }
    }
    let mut nodes = Nodes::new(1, 11);
    nodes.world.engine_mut().set_extern_timeout(patternc_program::ExternId(0), 90_000);
    nodes.send(0, "a0", "charge", vec![Value::Int(9)]);
    while nodes.world.engine().calls_under_way() == 0 {
        assert!(nodes.world.happen(&mut nodes.bank), "the call is made");
    }
    let began = nodes.world.engine_mut().now();
    for (later, under_way) in [(100_000, 1), (140_000, 0)] {
        nodes.world.engine_mut().set_host(Box::new(Late(began + later)));
        nodes.world.engine_mut().wake();
        assert_eq!(nodes.world.engine().calls_under_way(), under_way, "after {later} ms");
    }
}

#[test]
fn a_full_queue_refuses_events_from_outside_only() {
    let limits = Limits { queue: 4, ..Limits::default() };
    let mut nodes = Nodes::limited(1, 10, limits);
    nodes.world.hold();
    let requests: Vec<Request> = (0..8).map(|n| nodes.send(n, "a0", "give", vec![to("b0"), Value::Int(1)])).collect();
    nodes.settle();
    nodes.world.release();
    nodes.settle();
    let outcomes: Vec<Outcome> = requests.iter().map(|r| nodes.world.take_outcome(*r).expect("decided")).collect();
    let refused = outcomes.iter().filter(|o| matches!(o, Outcome::Failed(f) if f.kind == FailureKind::Unavailable)).count();
    assert!(refused >= 3, "{outcomes:?}");
    assert_eq!(nodes.int("b0", TOTAL), (8 - refused) as i64);
    nodes.assert_clean();
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = |seed| {
        let mut nodes = Nodes::new(2, seed);
        nodes.world.record_history();
        nodes.world.set_mishaps(MISHAPS);
        for n in 0..10 {
            nodes.send(n % 3, "a0", "give_ack", vec![to("b0"), Value::Int(1)]);
            nodes.send(n % 3, "b0", "ask3", vec![to("a0"), to("b1"), to("a2")]);
        }
        nodes.settle();
        nodes.world.take_history().join("\n")
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
