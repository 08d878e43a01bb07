//! Turns: what is committed in one is checked against the exactly newest state, and becomes durable as one entry of the journal.
//!
//! Where several processes use the store, a turn begins with a round trip (lock the head, read what others have appended), commits as many
//! transactions as want to, and ends with another (append them as one entry, move the head, commit).
//!
//! A process that is alone needs no lock: its state is the newest, so a turn begins at once and costs one round trip. While an entry is on
//! its way, the next one is gathered; it sets out once those whom the last one has answered have had a moment to join it. Who comes waits until this process has seen it (`keeper`), and from then on all lock. None of this
//! is relied on: an entry is appended only if the head still is where it was, so if anyone has come between nevertheless, nothing of it
//! and of what was gathered behind it happens.
//!
//! An end whose answer does not come leaves in doubt whether the entry is there; how that is found out is in `durable`.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::types::ToSql;

use super::journal;
use super::link::{self, Address, Answer, Link};
use super::live::Live;
use super::read::Begun;
use super::statements as sql;
use crate::store::{StoreError, Version};
use crate::sync::lock;

/// A turn that nobody waits for the end of is ended after this time.
const LINGER: Duration = Duration::from_millis(1);
/// One in which nothing was committed yet, after this.
const LINGER_EMPTY: Duration = Duration::from_millis(20);
/// The part of a round trip for which a turn that could end waits for those who have just been answered: they may have more.
const PATIENCE: u32 = 8;
/// Bytes of effects after which a turn ends.
const LARGEST_TURN: usize = 32 << 20;

/// What the store, its waiters and its threads share.
pub(super) struct Shared {
    pub(super) address: Address,
    /// The number of this process among those that share the server.
    pub(super) runtime: i64,
    /// Which schema the program was opened with; another means that another program has been.
    pub(super) generation: i64,
    pub(super) turn: Mutex<Turn>,
    /// For the thread: a turn has begun.
    work: Condvar,
    /// For those who wait: an entry is no longer on its way.
    pub(super) landed: Condvar,
    pub(super) durable: AtomicU64,
    /// The last entry that the state has.
    pub(super) position: AtomicI64,
    pub(super) closing: AtomicBool,
    /// The journal is known to have entries that the state has not, or someone has left.
    pub(super) behind: AtomicBool,
    pub(super) live: Mutex<Live>,
    /// What this process says of itself to those who look.
    pub(super) report: Mutex<String>,
    pub(super) callbacks: Mutex<Vec<Arc<dyn Fn() + Send + Sync>>>,
}

/// The turn, or the pause between two.
#[derive(Default)]
pub(super) struct Turn {
    /// Whoever brings an entry on its way has it meanwhile.
    pub(super) link: Option<Link>,
    pub(super) open: Option<Open>,
    /// What was gathered, and is not on its way yet.
    pub(super) effects: String,
    now: i64,
    /// The commits in that.
    gathered: u32,
    /// The newest version.
    pub(super) version: u64,
    /// An entry is on its way.
    pub(super) under_way: bool,
    /// Commits that landed last and have had no successor since, and until when those are waited for.
    expected: Option<(u32, Instant)>,
    /// The batch whose end was not answered, and the version that it brings.
    pub(super) doubt: Option<(String, u64)>,
    /// Why the end of a turn failed last.
    pub(super) reason: String,
    batches: u64,
    /// Versions that never became durable: first and last.
    pub(super) lost: Vec<(u64, u64)>,
    /// The state has some of them still.
    pub(super) reload: bool,
    /// Since which change of those who are alive the state has been the newest whenever this process was alone.
    pub(super) newest: Option<u64>,
    pub(super) failure: Option<StoreError>,
    /// The server did not answer.
    pub(super) silent: Option<(Instant, StoreError)>,
    /// The thread waits for work, however long that takes.
    rests: bool,
}

impl Turn {
    /// What was gathered will not be sent.
    pub(super) fn discard(&mut self) {
        self.effects.clear();
        self.gathered = 0;
        self.expected = None;
    }
}

/// A turn that has begun.
#[derive(Clone, Copy)]
pub(super) struct Open {
    since: Instant,
    /// The head is locked. Otherwise nobody else is there.
    pub(super) locked: bool,
}

/// The turn, which does not end meanwhile.
pub(super) struct Held<'a> {
    shared: &'a Shared,
    turn: MutexGuard<'a, Turn>,
}

impl Held<'_> {
    /// Adds a commit to the turn.
    pub(super) fn gather(mut self, version: Version, now: i64, effects: &str) {
        self.turn.effects.push_str(effects);
        self.turn.gathered += 1;
        if let Some((commits, _)) = &mut self.turn.expected {
            *commits -= 1;
            if *commits == 0 {
                self.turn.expected = None;
                self.shared.landed.notify_all();
            }
        }
        self.turn.version = version.0;
        self.turn.now = self.turn.now.max(now);
        if self.turn.effects.len() > LARGEST_TURN {
            drop(self.shared.end(self.turn));
        }
    }
}

impl Shared {
    pub(super) fn new(address: Address, runtime: i64, generation: i64, position: i64, version: u64) -> Shared {
        Shared {
            address,
            runtime,
            generation,
            turn: Mutex::new(Turn { version, ..Turn::default() }),
            work: Condvar::new(),
            landed: Condvar::new(),
            durable: AtomicU64::new(version),
            position: AtomicI64::new(position),
            closing: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            live: Mutex::default(),
            report: Mutex::default(),
            callbacks: Mutex::default(),
        }
    }

    /// Why the store takes nothing more, if it does not.
    pub(super) fn works(&self) -> Result<(), StoreError> {
        match &lock(&self.turn).failure {
            None => Ok(()),
            Some(failure) => Err(failure.clone()),
        }
    }

    /// From now on nothing is taken.
    pub(super) fn fail(&self, what: &str) -> StoreError {
        let shown = &self.address.shown;
        let message = format!("the store {shown}: {what}. Nothing more is committed here; what was reported as committed is in the store");
        let failure = StoreError { message, transient: false };
        let failure = lock(&self.turn).failure.get_or_insert(failure).clone();
        self.call_back();
        failure
    }

    /// Whether this process has the turn.
    pub(super) fn has_turn(&self) -> bool {
        lock(&self.turn).open.is_some()
    }

    /// Begins a turn, unless there is one (`None`). The state has to follow the entries it gives before anything is committed.
    pub(super) fn begin(&self) -> Result<Option<Begun>, StoreError> {
        let mut turn = lock(&self.turn);
        let begun = loop {
            if let Some(failure) = &turn.failure {
                return Err(failure.clone());
            }
            if turn.open.is_some() {
                return Ok(None);
            }
            if self.is_newest(&turn) {
                self.open(&mut turn, false);
                break None;
            }
            if turn.doubt.is_some() {
                self.ask(&mut turn, Self::settle)?;
            } else if !turn.under_way {
                let begun = self.read(&mut turn, true)?;
                // Where commits were lost the lock has been given back: the state is loaded first.
                if !begun.lost {
                    self.open(&mut turn, true);
                }
                break Some(begun);
            } else {
                turn = wait(&self.landed, turn);
            }
        };
        Ok(begun)
    }

    pub(super) fn open(&self, turn: &mut Turn, locked: bool) {
        turn.open = Some(Open { since: Instant::now(), locked });
        if std::mem::take(&mut turn.rests) {
            self.work.notify_one();
        }
    }

    /// Whether nobody can have appended what the state does not have.
    fn is_newest(&self, turn: &Turn) -> bool {
        let connected = turn.under_way || turn.link.is_some();
        connected && turn.doubt.is_none() && !turn.reload && turn.newest.is_some() && turn.newest == lock(&self.live).alone(self.runtime)
    }

    /// The state has followed the entries up to this position, and its version is this.
    pub(super) fn followed(&self, position: i64, version: Version) {
        self.position.store(position, Ordering::Release);
        let mut turn = lock(&self.turn);
        self.raise(&mut turn, version);
    }

    /// A version that needs no entry of its own is durable with those before.
    fn raise(&self, turn: &mut Turn, version: Version) {
        turn.version = version.0;
        if turn.effects.is_empty() && turn.doubt.is_none() && !turn.under_way {
            self.durable.store(version.0, Ordering::Release);
        }
    }

    /// Keeps the turn from ending while a commit is made; `None` if it has ended.
    pub(super) fn hold(&self) -> Option<Held<'_>> {
        let turn = lock(&self.turn);
        turn.open.is_some().then_some(Held { shared: self, turn })
    }

    /// Takes note of a version that changed only what is in memory.
    pub(super) fn remember(&self, version: Version) {
        self.raise(&mut lock(&self.turn), version);
    }

    /// Ends the turn for who waits for it, once those who were answered by the last entry have had time to join it: otherwise half of them
    /// would always wait for the other half.
    pub(super) fn end_for_waiter<'a>(&'a self, mut turn: MutexGuard<'a, Turn>) -> MutexGuard<'a, Turn> {
        if let Some((_, until)) = turn.expected {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return self.landed.wait_timeout(turn, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            turn.expected = None;
        }
        drop(self.end(turn));
        self.call_back();
        lock(&self.turn)
    }

    /// Ends the turn: what was committed in it becomes durable, or is in doubt. Others have the lock while that is on its way.
    pub(super) fn end<'a>(&'a self, mut turn: MutexGuard<'a, Turn>) -> MutexGuard<'a, Turn> {
        while turn.under_way {
            turn = wait(&self.landed, turn);
        }
        let Some(Open { locked, .. }) = turn.open.take() else { return turn };
        if turn.effects.is_empty() {
            if locked && turn.link.as_ref().is_some_and(|link| link.batch(sql::COMMIT).is_err()) {
                // Nothing was in it.
                turn.link = None;
            }
            return turn;
        }
        let link = turn.link.take().expect("a turn that is open has a session");
        turn.batches += 1;
        let batch = format!("{:x}.{}", self.runtime, turn.batches);
        let (now, version) = (turn.now, turn.version);
        let position = self.position.load(Ordering::Acquire) + 1;
        // The last comma gives way to the bracket.
        let effects = format!("[{}]", turn.effects.strip_suffix(',').unwrap_or(&turn.effects));
        turn.effects.clear();
        let commits = std::mem::take(&mut turn.gathered);
        turn.under_way = true;
        drop(turn);
        let sent = Instant::now();
        let ended = self.append(&link, position, &batch, now, &effects, locked);
        let mut turn = lock(&self.turn);
        turn.under_way = false;
        match ended {
            Ok(true) => {
                turn.link = Some(link);
                turn.expected = Some((commits, Instant::now() + sent.elapsed() / PATIENCE));
                self.has_happened(&mut turn, position, version);
            }
            Ok(false) => {
                turn.reason = "another process has come between".to_owned();
                self.count_lost(&mut turn);
            }
            Err(error) => {
                turn.reason = link::source(&error);
                turn.open = None;
                match link::is_refusal(&error) {
                    true => self.count_lost(&mut turn),
                    false => turn.doubt = Some((batch, version)),
                }
            }
        }
        if turn.link.is_none() {
            turn.newest = None;
            self.behind.store(true, Ordering::Release);
        }
        self.landed.notify_all();
        turn
    }

    /// Appends an entry and moves the head to it; `false` if the head is not where it should be. `in_transaction`: that of the lock, which ends.
    pub(super) fn append(&self, link: &Link, position: i64, batch: &str, now: i64, effects: &str, in_transaction: bool) -> Answer<bool> {
        let checksum = journal::checksum(position, batch, self.runtime, now, effects);
        link.wait(|client, turn| async {
            let entry: [&(dyn ToSql + Sync); 7] = [&position, &self.generation, &batch, &self.runtime, &now, &effects, &checksum];
            let append = client.execute(&turn.append, &entry);
            if !in_transaction {
                return append.await.map(|appended| appended == 1);
            }
            let (appended, committed) = tokio::join!(append, client.batch_execute(sql::COMMIT));
            // After an error the server rolls back, and says nothing of it at COMMIT.
            let appended = appended?;
            committed.map(|()| appended == 1)
        })
    }

    /// The entry that brings this version is in the journal.
    pub(super) fn has_happened(&self, turn: &mut Turn, position: i64, version: u64) {
        self.position.store(position, Ordering::Release);
        let durable = if turn.effects.is_empty() { turn.version } else { version };
        self.durable.store(durable, Ordering::Release);
    }

    /// The thread: ends turns whose end nobody waits for, until the store is closed.
    pub(super) fn run(&self) {
        let mut turn = lock(&self.turn);
        let mut busy = Instant::now();
        loop {
            let closing = self.closing.load(Ordering::Acquire);
            let pause = match turn.open {
                None if closing => return,
                None if busy.elapsed() < LINGER_EMPTY => LINGER,
                None => {
                    turn.rests = true;
                    turn = wait(&self.work, turn);
                    busy = Instant::now();
                    continue;
                }
                Some(open) => {
                    busy = Instant::now();
                    let linger = if turn.effects.is_empty() { LINGER_EMPTY } else { LINGER };
                    let left = linger.saturating_sub(open.since.elapsed());
                    if left.is_zero() || closing {
                        drop(self.end(turn));
                        self.call_back();
                        turn = lock(&self.turn);
                        continue;
                    }
                    left.min(LINGER)
                }
            };
            turn = self.work.wait_timeout(turn, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn call_back(&self) {
        let callbacks = lock(&self.callbacks).clone();
        callbacks.iter().for_each(|callback| callback());
    }

    /// Tells the threads to finish: what was committed becomes durable.
    pub(super) fn close(&self) {
        let turn = lock(&self.turn);
        self.closing.store(true, Ordering::Release);
        drop(turn);
        self.work.notify_all();
    }
}

pub(super) fn wait<'a>(condition: &Condvar, turn: MutexGuard<'a, Turn>) -> MutexGuard<'a, Turn> {
    condition.wait(turn).unwrap_or_else(PoisonError::into_inner)
}
