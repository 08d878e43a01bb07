//! A process that is alone commits without a lock: what it may rely on, and what happens when it is wrong about that.

use std::time::Duration;

use patternc_postgres_server::{Cut, Proxy};

use super::faults::{add_one, locked};
use super::{balance, change, durably, fresh, open};
use crate::store::conformance::{add, create, writes};
use crate::store::postgres::Postgres;
use crate::store::postgres::link::{Address, Link};
use crate::store::postgres::statements as sql;
use crate::store::{Store, StoreError, Version};
use crate::sync::lock;
use crate::value::Value;

/// A store with one record, whose next turn needs no lock.
fn opened(url: &str) -> Postgres {
    let mut store = open(url);
    durably(&mut store, writes([create("a")]));
    store
}

fn added(store: &mut Postgres) -> Version {
    store.commit(&writes([add("a", 1)]), 0).expect("it commits").version
}

/// Waits until an entry is on its way.
fn until_under_way(store: &Postgres) {
    while !lock(&store.shared.turn).under_way {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_entry_on_its_way_keeps_nobody_from_committing() {
    // Where the connection is cut once the first entry is there, and how its session ends.
    for (cut, ended, told) in [(None, false, true), (Some(Cut::Answer(1)), false, true), (None, true, false)] {
        let Some(url) = fresh() else { return };
        let port = locked().port();
        let proxy = Proxy::start(port);
        let mut store = opened(&url.replace(&port.to_string(), &proxy.port().to_string()));
        if let Some(cut) = cut {
            proxy.cut_every(1, cut);
        }
        let other = Link::open(&Address::parse(&url).expect("it is one")).expect("it connects");
        other.batch(sql::BEGIN).expect("it is SQL");
        other.query(sql::LOCK, &[]).expect("it is SQL");
        let first = added(&mut store);
        let durability = store.durability();
        let told_first = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| durability.wait_durable(first));
            until_under_way(&store);
            let second = added(&mut store);
            assert_eq!(store.is_durable(second), Ok(false));
            if ended {
                change(
                    &url,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
                );
            }
            other.batch(sql::COMMIT).expect("it is SQL");
            let told_first = waiting.join().expect("it does not panic");
            proxy.rest();
            assert_eq!(store.wait_durable(second).is_ok(), told);
            told_first
        });
        match (told, told_first) {
            (true, Ok(())) => assert_eq!(balance(&url), Some(Value::Int(2))),
            (false, Err(StoreError { transient: true, .. })) => assert_eq!(balance(&url), Some(Value::Int(0))),
            (_, other) => panic!("{other:?}"),
        }
        add_one(&mut store);
        assert_eq!(balance(&url), Some(Value::Int(if told { 3 } else { 1 })));
    }
}

#[test]
fn what_arrives_after_it_was_told_to_be_lost_does_not_happen() {
    let Some(url) = fresh() else { return };
    let port = locked().port();
    let proxy = Proxy::start(port);
    let mut store = opened(&url.replace(&port.to_string(), &proxy.port().to_string()));
    proxy.cut_every(1, Cut::Late);
    let late = added(&mut store);
    let durability = store.durability();
    let told = std::thread::scope(|scope| {
        let waiting = scope.spawn(move || durability.wait_durable(late));
        while proxy.cuts() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        proxy.rest();
        waiting.join().expect("it does not panic")
    });
    assert!(told.is_err_and(|error| error.transient));
    assert!(!proxy.last().commits);
    proxy.deliver();
    assert_eq!(balance(&url), Some(Value::Int(0)));
    add_one(&mut store);
    assert_eq!(balance(&url), Some(Value::Int(1)));
}

#[test]
fn who_comes_and_goes_costs_nobody_a_commit() {
    let Some(url) = fresh() else { return };
    let mut store = opened(&url);
    let mut expected = 0;
    for _ in 0..3 {
        let mut other = open(&url);
        for _ in 0..10 {
            let (left, right) = (added(&mut store), added(&mut other));
            assert_eq!((store.wait_durable(left), other.wait_durable(right)), (Ok(()), Ok(())));
            expected += 2;
        }
        drop(other);
        durably(&mut store, writes([add("a", 1)]));
        expected += 1;
    }
    assert_eq!(store.losses, 0);
    assert_eq!(balance(&url), Some(Value::Int(expected)));
}

#[test]
fn who_is_wrong_about_being_alone_loses_what_was_not_told() {
    let Some(url) = fresh() else { return };
    let mut store = opened(&url);
    for round in 1..=5 {
        // As if it had been away for so long that others count it as dead.
        change(&url, "DELETE FROM _patternc_runtime");
        let mut other = open(&url);
        durably(&mut other, writes([add("a", 10)]));
        add_one(&mut store);
        drop(other);
        assert_eq!(balance(&url), Some(Value::Int(11 * round)));
    }
}
