//! How far commits are durable, and what becomes of an entry whose append was not answered.
//!
//! Whoever locks the head of the journal sees whether the entry is there. If it is not, it may still come: what was sent can be late. So an
//! empty entry is appended in its place, after which it never can. Only then is anyone told that what was in it is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::link::Answer;
use super::read::PAUSE;
use super::statements as sql;
use super::turn::{Shared, Turn, wait};
use crate::store::{Durability, StoreError, Version};
use crate::sync::lock;

/// How long anyone waits to know whether a commit has happened.
const UNKNOWN: Duration = Duration::from_secs(30);

impl Shared {
    /// What is said of commits that were lost.
    pub(super) fn lost(&self) -> StoreError {
        StoreError { message: self.lost_message(&lock(&self.turn)), transient: true }
    }

    fn lost_message(&self, turn: &Turn) -> String {
        let why = if turn.reason.is_empty() { "it did not answer" } else { &turn.reason };
        format!("what was committed has not reached the PostgreSQL server {}, and is done again: {why}", self.address.shown)
    }

    /// Finds out whether the entry is there whose append was not answered.
    pub(super) fn settle(&self, turn: &mut Turn) -> Answer<()> {
        let Some((batch, version)) = turn.doubt.clone() else { return Ok(()) };
        let settled = self.lock_and_read(turn).and_then(|tail| {
            let happened = tail.rows.first().filter(|row| row.get::<_, &str>(1) == batch).map(|row| row.get(0));
            let link = turn.link.as_ref().expect("what was just read came over it");
            match happened {
                Some(position) => link.batch(sql::ROLLBACK).map(|()| Some(position)),
                None => self.append(link, tail.position + 1, "", 0, "[]", true).map(|_| None),
            }
        });
        match settled.inspect_err(|_| turn.link = None)? {
            Some(position) => {
                turn.doubt = None;
                self.has_happened(turn, position, version);
                if !turn.effects.is_empty() {
                    // What was gathered behind it is still to be sent.
                    self.open(turn, false);
                }
            }
            None => self.count_lost(turn),
        }
        Ok(())
    }

    /// What is not durable never will be: the state that has it is to be loaded anew.
    pub(super) fn count_lost(&self, turn: &mut Turn) {
        turn.reload = true;
        turn.doubt = None;
        turn.open = None;
        turn.discard();
        let durable = self.durable.load(Ordering::Acquire);
        if turn.version > durable {
            turn.lost.push((durable + 1, turn.version));
        }
    }

    fn told(&self, turn: &Turn, version: Version) -> Result<bool, StoreError> {
        if turn.lost.iter().any(|(first, last)| (*first..=*last).contains(&version.0)) {
            return Err(StoreError { message: self.lost_message(turn), transient: true });
        }
        if self.durable.load(Ordering::Acquire) >= version.0 {
            return Ok(true);
        }
        match &turn.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(false),
        }
    }
}

impl Durability for Shared {
    fn durable(&self) -> Result<Version, StoreError> {
        Ok(Version(self.durable.load(Ordering::Acquire)))
    }

    fn is_durable(&self, version: Version) -> Result<bool, StoreError> {
        self.told(&lock(&self.turn), version)
    }

    fn wait_durable(&self, version: Version) -> Result<(), StoreError> {
        let began = Instant::now();
        let mut turn = lock(&self.turn);
        // What was never committed is not waited for.
        let version = Version(version.0.min(turn.version));
        while !self.told(&turn, version)? {
            if began.elapsed() >= UNKNOWN {
                let told = self.unavailable("whether what was committed has reached it is not known");
                return Err(StoreError { transient: false, ..told });
            }
            if turn.under_way {
                turn = wait(&self.landed, turn);
            } else if turn.open.is_some() {
                turn = self.end_for_waiter(turn);
            } else if self.settle(&mut turn).is_err() {
                drop(turn);
                std::thread::sleep(PAUSE);
                turn = lock(&self.turn);
            }
        }
        Ok(())
    }

    fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    fn notify(&self, callback: Box<dyn Fn() + Send + Sync>) {
        lock(&self.callbacks).push(Arc::from(callback));
    }
}
