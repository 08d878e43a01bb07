//! Chance transactions, attempted on old states and committed in turn, do what the model does when it runs them one after another.

use std::sync::Arc;

use patternc_program::{CellIndex, HandlerId, Program};
use proptest::prelude::*;

use super::model::Model;
use super::program::*;
use crate::attempt::{Attempt, Env, Task};
use crate::event::Action;
use crate::failure::FailureKind;
use crate::limits::Limits;
use crate::machine::Execution;
use crate::store::memory::Memory;
use crate::store::state::Schema;
use crate::store::{CommitRequest, Refused, Stores, Version};
use crate::value::{RecordRef, Value};

fn step() -> impl Strategy<Value = Step> {
    let r = || 0..GIVEN;
    let x = || 0..3i64;
    let by = || prop_oneof![8 => -3..4i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    let slug = || proptest::option::weighted(0.8, 0..4i64);
    let leaf = prop_oneof![
        prop_oneof![
            (r(), by()).prop_map(|(r, n)| Step::Add(r, n)),
            (r(), by()).prop_map(|(r, n)| Step::Sub(r, n)),
            (r(), -2..3i64).prop_map(|(r, n)| Step::SetN(r, n)),
            r().prop_map(Step::ReadN),
            (r(), -2..1i64).prop_map(|(r, n)| Step::RequireN(r, n)),
            (r(), x()).prop_map(|(r, n)| Step::Append(r, n)),
            (r(), x()).prop_map(|(r, n)| Step::RemoveFirst(r, n)),
            r().prop_map(Step::ReadItems),
        ],
        prop_oneof![
            (r(), x()).prop_map(|(r, n)| Step::Insert(r, n)),
            (r(), x()).prop_map(|(r, n)| Step::Remove(r, n)),
            (r(), x()).prop_map(|(r, n)| Step::HasTag(r, n)),
            r().prop_map(Step::ReadTags),
            (r(), x(), x()).prop_map(|(r, k, n)| Step::SetEntry(r, k, n)),
            (r(), x(), x()).prop_map(|(r, k, n)| Step::ChangeEntry(r, k, n)),
            (r(), x()).prop_map(|(r, k)| Step::RemoveEntry(r, k)),
            (r(), x()).prop_map(|(r, k)| Step::ReadEntry(r, k)),
            r().prop_map(Step::ReadMap),
        ],
        prop_oneof![
            (r(), slug()).prop_map(|(r, slug)| Step::SetSlug(r, slug)),
            (r(), -1..2i64).prop_map(|(r, by)| Step::AddSlug(r, by)),
            (0..4i64).prop_map(Step::Find),
            (r(), x()).prop_map(|(r, n)| Step::SetStatus(r, n)),
            (r(), -1..2i64).prop_map(|(r, n)| Step::AddStatus(r, n)),
            x().prop_map(Step::WithStatus),
            (-2..2i64).prop_map(Step::WithMore),
        ],
        prop_oneof![
            (r(), r()).prop_map(|(r, q)| Step::Befriend(r, q)),
            (r(), r()).prop_map(|(r, q)| Step::Unfriend(r, q)),
            (r(), r()).prop_map(|(r, q)| Step::SetFriend(r, q)),
            r().prop_map(Step::ReadFriends),
            (r(), proptest::option::weighted(0.8, r())).prop_map(|(r, q)| Step::SetOwner(r, q)),
            (r(), r()).prop_map(|(r, q)| Step::Own(r, q)),
            (r(), r()).prop_map(|(r, q)| Step::Disown(r, q)),
            r().prop_map(Step::ReadOwner),
            r().prop_map(Step::ReadOwned),
        ],
        prop_oneof![
            4 => slug().prop_map(Step::Create),
            1 => r().prop_map(Step::Delete),
            2 => Just(Step::All),
            2 => r().prop_map(Step::Exists),
            1 => Just(Step::Fail),
        ],
    ];
    leaf.prop_recursive(2, 12, 4, |inner| proptest::collection::vec(inner, 1..4).prop_map(Step::Try))
}

/// A transaction: who runs it, its steps, and whether it is attempted on the state before those of its batch committed.
#[derive(Clone, Debug)]
struct Chance {
    who: usize,
    steps: Vec<Step>,
    early: bool,
}

fn chance() -> impl Strategy<Value = Chance> {
    (0..GIVEN, proptest::collection::vec(step(), 1..7), any::<bool>()).prop_map(|(who, steps, early)| Chance { who, steps, early })
}

/// The store and the model, side by side.
struct Beside {
    program: Arc<Program>,
    stores: Stores,
    limits: Limits,
    execution: Execution,
    model: Model,
    given: [RecordRef; GIVEN],
}

/// An attempt and the state it saw.
struct Attempted {
    snapshot: Version,
    attempt: Attempt,
}

impl Beside {
    fn new(transactions: &[Chance]) -> Self {
        let setup: Vec<Step> = Vec::new();
        let mut handlers: Vec<Vec<Step>> = transactions.iter().map(|chance| chance.steps.clone()).collect();
        handlers.push(setup);
        let program = shared(&handlers);
        let limits = Limits::default();
        let mut stores = Stores::single(Box::new(Memory::new(Arc::new(Schema::new(&program)), &limits)));
        let mut execution = Execution::new();
        let mut model = Model::default();
        let given = std::array::from_fn(|n| thing(&format!("t{n}")));
        for (n, record) in given.iter().enumerate() {
            let action =
                Action::Create { record: THING, space: home(), id: Some(record.id().into()), cells: vec![(SLUG, Value::Int(n as i64))] };
            let env = Env { program: &program, stores: &stores, limits: &limits, answers: None, now: 0, ids: 0, caller: None };
            match execution.run(&env, Task::Event { action: &action, outside: true }).expect("memory answers") {
                Attempt::Commit(success) => stores.get_mut(0).commit(&success.request, 0).expect("creates"),
                Attempt::Failed { failure, .. } => panic!("{failure}"),
            };
            let made = super::model::Thing { order: n, slug: Some(n as i64), ..Default::default() };
            model.live.insert(record.clone(), made);
            model.created = n + 1;
        }
        Beside { program, stores, limits, execution, model, given }
    }

    fn attempt(&mut self, number: usize, chance: &Chance) -> Attempted {
        let action =
            Action::Handler { to: self.given[chance.who].clone(), handler: HandlerId(number as u32), args: arguments(&self.given) };
        let env = Env {
            program: &self.program,
            stores: &self.stores,
            limits: &self.limits,
            answers: None,
            now: 0,
            ids: first_id(number),
            caller: None,
        };
        let attempt = self.execution.run(&env, Task::Event { action: &action, outside: true }).expect("memory answers");
        Attempted { snapshot: self.stores.get(0).version(), attempt }
    }

    /// Commits the attempt, again on the newest state if it is out of date: the log, or how it failed.
    fn settle(&mut self, number: usize, chance: &Chance, attempted: Attempted) -> Result<Vec<Value>, FailureKind> {
        let mut attempted = attempted;
        loop {
            let outcome = match &attempted.attempt {
                Attempt::Commit(success) => match self.stores.get_mut(0).commit(&success.request, 0) {
                    Ok(_) => Ok(success.result.clone()),
                    Err(Refused::Stale(_)) => {
                        attempted = self.attempt(number, chance);
                        continue;
                    }
                    Err(Refused::Failed(failure)) => Err(failure.kind),
                    Err(other) => panic!("{other}"),
                },
                Attempt::Failed { failure, reads } => {
                    // A failure counts only if what it depends on is still so.
                    let request = CommitRequest { snapshot: attempted.snapshot, reads: reads.clone(), ..CommitRequest::default() };
                    match self.stores.get_mut(0).commit(&request, 0) {
                        Ok(_) => Err(failure.kind),
                        Err(Refused::Stale(_)) => {
                            attempted = self.attempt(number, chance);
                            continue;
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            };
            return outcome.map(|log| match log {
                Value::List(list) => list.iter().cloned().collect(),
                other => panic!("a log is a list, not {other:?}"),
            });
        }
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let store = self.stores.get(0);
        let found = store.scan(THING, &home(), None).expect("memory answers");
        let expected: Vec<RecordRef> = self.model.in_order().into_iter().map(|(record, _)| record.clone()).collect();
        prop_assert_eq!(&found, &expected, "the order of creation");
        for (record, thing) in &self.model.live {
            let cells: Vec<Value> =
                (0..CELLS).map(|cell| store.cell(record, CellIndex(cell as u32)).expect("memory answers").expect("it is live")).collect();
            prop_assert_eq!(cells, thing.cells(), "cells of {}", record.id());
            if let Some(slug) = thing.slug {
                let holder = store.unique(THING, &home(), SLUG, &Value::Int(slug)).expect("memory answers");
                prop_assert_eq!(holder.as_ref(), Some(record), "the holder of {}", slug);
            }
            let same = store.scan(THING, &home(), Some((STATUS, &Value::Int(thing.status)))).expect("memory answers");
            let expected: Vec<RecordRef> =
                self.model.in_order().into_iter().filter(|(_, other)| other.status == thing.status).map(|(r, _)| r.clone()).collect();
            prop_assert_eq!(same, expected, "the index of status {}", thing.status);
            prop_assert!(thing.friends.iter().all(|friend| self.model.live[friend].friends.contains(record)));
        }
        Ok(())
    }
}

fn first_id(number: usize) -> u128 {
    (number as u128 + 1) << 64
}

fn run(batches: &[Vec<Chance>]) -> Result<(), TestCaseError> {
    let all: Vec<Chance> = batches.iter().flatten().cloned().collect();
    let mut beside = Beside::new(&all);
    let mut number = 0;
    for batch in batches {
        let early: Vec<Option<Attempted>> =
            batch.iter().enumerate().map(|(at, chance)| chance.early.then(|| beside.attempt(number + at, chance))).collect();
        for (chance, attempted) in batch.iter().zip(early) {
            let attempted = attempted.unwrap_or_else(|| beside.attempt(number, chance));
            let found = beside.settle(number, chance, attempted);
            let mut expected = match beside.model.live.contains_key(&beside.given[chance.who]) {
                true => beside.model.run(&chance.steps, &beside.given, first_id(number)),
                false => Err(FailureKind::Missing),
            };
            // A blind operation fails at commit, so that a later failure of the body is told first.
            if let (Err(FailureKind::Overflow), Err(kind)) = (&expected, &found) {
                expected = Err(*kind);
            }
            prop_assert_eq!(&found, &expected, "transaction {}: {:?}", number, chance);
            beside.compare()?;
            number += 1;
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn transactions_do_what_the_model_does(batches in proptest::collection::vec(proptest::collection::vec(chance(), 1..4), 1..5)) {
        run(&batches)?;
    }
}
