//! Turns: whoever holds the lock on the head of the journal has the exactly newest state, and is alone in changing it.
//!
//! A turn begins with one round trip (lock the head, read what others have appended), commits as many transactions as want to, and ends
//! with another (append them as one entry, move the head, commit): then they are durable, together. So whatever was validated in a turn
//! is so when it becomes durable, over all spaces of the server, and no attempt is lost to another process.
//!
//! An end whose answer does not come leaves in doubt whether the entry is there. The next turn's reading of the journal tells: with the lock
//! in hand, the transaction that is in doubt has ended one way or the other, and its batch is found or is not.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::types::ToSql;

use super::journal::{self, Entry};
use super::link::{self, Address, Answer, Link};
use super::statements as sql;
use crate::store::{Durability, StoreError, Version};

/// A turn that nobody waits for the end of is ended after this time.
const LINGER: Duration = Duration::from_millis(1);
/// One in which nothing was committed yet, after this.
const LINGER_EMPTY: Duration = Duration::from_millis(20);
/// Bytes of effects after which a turn ends.
const LARGEST_TURN: usize = 32 << 20;
/// How long anyone waits to know whether a commit has happened.
const UNKNOWN: Duration = Duration::from_secs(30);
/// A server that did not answer is not asked again for this long.
const PAUSE: Duration = Duration::from_millis(100);

/// The position and the generation in the head row.
type Head = (i64, i64);

/// What the store, its waiters and its threads share.
pub(super) struct Shared {
    pub(super) address: Address,
    /// The number of this process among those that share the server.
    pub(super) runtime: i64,
    /// Which schema the program was opened with; another means that another program has been.
    generation: i64,
    turn: Mutex<Turn>,
    /// For the thread: a turn has begun.
    work: Condvar,
    durable: AtomicU64,
    /// The last entry that the state has.
    pub(super) position: AtomicI64,
    pub(super) closing: AtomicBool,
    /// The journal is known to have entries that the state has not, or someone has left.
    pub(super) behind: AtomicBool,
    /// The processes that were seen lately. Unknown before they were looked for.
    pub(super) live: Mutex<Option<HashSet<i64>>>,
    /// What this process says of itself to those who look.
    pub(super) report: Mutex<String>,
    callbacks: Mutex<Vec<Arc<dyn Fn() + Send + Sync>>>,
}

/// The turn, or the pause between two.
#[derive(Default)]
struct Turn {
    link: Option<Link>,
    /// Since when the head is locked.
    open: Option<Instant>,
    effects: String,
    version: u64,
    now: i64,
    /// The batch whose end was not answered.
    doubt: Option<String>,
    /// Why the end of a turn failed last.
    reason: String,
    batches: u64,
    /// Versions that never became durable: first and last.
    lost: Vec<(u64, u64)>,
    /// The state has some of them still.
    reload: bool,
    failure: Option<StoreError>,
    /// The server did not answer.
    silent: Option<(Instant, StoreError)>,
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
        self.turn.version = version.0;
        self.turn.now = self.turn.now.max(now);
        if self.turn.effects.len() > LARGEST_TURN {
            self.shared.end(&mut self.turn);
        }
    }
}

/// What the beginning of a turn brought.
pub(super) struct Begun {
    /// What others have appended.
    pub(super) entries: Vec<Entry>,
    /// Whether commits that were in doubt have not happened: what the state has of them has to go.
    pub(super) lost: bool,
}

/// A mutex whose holder panicked has data that are whole: every change of them is one assignment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(address: Address, runtime: i64, generation: i64, position: i64, version: u64) -> Shared {
        Shared {
            address,
            runtime,
            generation,
            turn: Mutex::new(Turn { version, ..Turn::default() }),
            work: Condvar::new(),
            durable: AtomicU64::new(version),
            position: AtomicI64::new(position),
            closing: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            live: Mutex::new(None),
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

    fn unavailable(&self, what: &str) -> StoreError {
        StoreError { message: format!("the PostgreSQL server {} does not answer: {what}", self.address.shown), transient: true }
    }

    fn broken(&self, error: &tokio_postgres::Error) -> StoreError {
        let mut told = self.unavailable(&link::source(error));
        told.transient = link::is_transient(error);
        told
    }

    /// What is said of commits that were lost.
    pub(super) fn lost(&self) -> StoreError {
        StoreError { message: self.lost_message(&lock(&self.turn)), transient: true }
    }

    fn lost_message(&self, turn: &Turn) -> String {
        let why = if turn.reason.is_empty() { "it did not answer" } else { &turn.reason };
        format!("what was committed has not reached the PostgreSQL server {}, and is done again: {why}", self.address.shown)
    }

    /// Whether this process has the turn.
    pub(super) fn has_turn(&self) -> bool {
        lock(&self.turn).open.is_some()
    }

    /// Begins a turn, unless there is one (`None`). The state has to follow the entries it gives before anything is committed.
    pub(super) fn begin(&self) -> Result<Option<Begun>, StoreError> {
        let mut turn = lock(&self.turn);
        if let Some(failure) = &turn.failure {
            return Err(failure.clone());
        }
        if turn.open.is_some() {
            return Ok(None);
        }
        let begun = self.read(&mut turn, true)?;
        // Where commits were lost the lock has been given back: the state is loaded first.
        turn.open = (!begun.lost).then(Instant::now);
        drop(turn);
        self.work.notify_one();
        Ok(Some(begun))
    }

    /// Reads what others have appended, without a turn (`None`: there is one, so nobody has).
    pub(super) fn refresh(&self) -> Result<Option<Begun>, StoreError> {
        let mut turn = lock(&self.turn);
        if let Some(failure) = &turn.failure {
            return Err(failure.clone());
        }
        match turn.open {
            Some(_) => Ok(None),
            // Only with the lock can it be told whether what is in doubt has happened.
            None if turn.doubt.is_some() => {
                let begun = self.read(&mut turn, true)?;
                turn.open = (!begun.lost).then(Instant::now);
                Ok(Some(begun))
            }
            None => self.read(&mut turn, false).map(Some),
        }
    }

    fn read(&self, turn: &mut Turn, locks: bool) -> Result<Begun, StoreError> {
        if let Some((at, error)) = &turn.silent {
            if at.elapsed() < PAUSE {
                return Err(error.clone());
            }
            turn.silent = None;
        }
        if std::mem::take(&mut turn.reload) {
            return Ok(Begun { entries: Vec::new(), lost: true });
        }
        let read = self.ask(turn, locks);
        if read.is_err() {
            // A session in an unknown state is not used again.
            turn.link = None;
        }
        let (rows, head) = read.map_err(|error| {
            let told = self.broken(&error);
            turn.silent = Some((Instant::now(), told.clone()));
            told
        })?;
        let position = self.position.load(Ordering::Acquire);
        let refuse = |turn: &mut Turn, what: String| {
            turn.link = None;
            let failure = StoreError { message: format!("the store {}: {what}", self.address.shown), transient: false };
            turn.failure.get_or_insert(failure).clone()
        };
        if head.is_some_and(|(_, generation)| generation != self.generation) {
            let what = "another process has brought it to a changed program, or filled it. Start this one again with the same program";
            return Err(refuse(turn, what.to_owned()));
        }
        let mut entries = match journal::entries(position, &rows) {
            Ok(entries) => entries,
            // Cut off while this process was away: what it missed is in the tables.
            Err(_) if rows.first().is_some_and(|row| row.get::<_, i64>(0) > position + 1) => {
                turn.link = None;
                self.count_lost(turn);
                return Ok(Begun { entries: Vec::new(), lost: true });
            }
            Err(what) => return Err(refuse(turn, format!("it is damaged: {what}"))),
        };
        if let Some((head, _)) = head
            && entries.last().map_or(position, |last| last.position) != head
        {
            turn.link = None;
            if rows.is_empty() && turn.doubt.is_none() && head > position {
                self.count_lost(turn);
                return Ok(Begun { entries: Vec::new(), lost: true });
            }
            // Not read in one: only where the server gives all statements of a transaction the state of its beginning.
            return Err(self.unavailable("the journal changed while it was read"));
        }
        let mut lost = false;
        if let Some(batch) = turn.doubt.take() {
            match entries.iter().position(|entry| entry.batch == batch) {
                Some(0) => {
                    let happened = entries.remove(0);
                    self.position.store(happened.position, Ordering::Release);
                    self.durable.store(turn.version, Ordering::Release);
                }
                _ => {
                    // The state has more than the journal: it is loaded anew, so the turn is given back.
                    turn.link = None;
                    self.count_lost(turn);
                    lost = true;
                }
            }
        }
        Ok(Begun { entries, lost })
    }

    /// Finds out whether the entry is there whose end was not answered: whoever has the lock knows, since its transaction has ended by then.
    fn settle(&self, turn: &mut Turn) {
        let Some(batch) = turn.doubt.clone() else { return };
        let Ok((rows, Some(_))) = self.ask(turn, true) else {
            turn.link = None;
            return;
        };
        if let Some(link) = &turn.link
            && link.batch(sql::ROLLBACK).is_err()
        {
            turn.link = None;
        }
        match rows.first() {
            Some(row) if row.get::<_, &str>(1) == batch => {
                turn.doubt = None;
                self.position.store(row.get(0), Ordering::Release);
                self.durable.store(turn.version, Ordering::Release);
            }
            _ => {
                self.count_lost(turn);
                turn.reload = true;
            }
        }
    }

    fn count_lost(&self, turn: &mut Turn) {
        turn.doubt = None;
        turn.open = None;
        turn.effects.clear();
        let durable = self.durable.load(Ordering::Acquire);
        if turn.version > durable {
            turn.lost.push((durable + 1, turn.version));
        }
    }

    /// The rows of the tail, and the head's position and generation if it was locked.
    fn ask(&self, turn: &mut Turn, locks: bool) -> Answer<(Vec<tokio_postgres::Row>, Option<Head>)> {
        let link = match &mut turn.link {
            Some(link) => link,
            none => none.insert(Link::open(&self.address)?),
        };
        let position = self.position.load(Ordering::Acquire);
        link.wait(|client, turn| async move {
            if !locks {
                return Ok((client.query(&turn.tail, &[&position]).await?, None));
            }
            // One round trip: they are sent together, and answered one after the other.
            let after: [&(dyn ToSql + Sync); 1] = [&position];
            let (begun, head, tail) =
                tokio::join!(client.batch_execute(sql::BEGIN), client.query_one(&turn.lock, &[]), client.query(&turn.tail, &after));
            begun?;
            let head = head?;
            Ok((tail?, Some((head.get(0), head.get(1)))))
        })
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
        if turn.effects.is_empty() && turn.doubt.is_none() {
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

    /// Ends the turn: what was committed in it becomes durable, or is in doubt.
    fn end(&self, turn: &mut Turn) {
        if turn.open.take().is_none() {
            return;
        }
        let Some(link) = &turn.link else { return };
        if turn.effects.is_empty() {
            if link.batch(sql::COMMIT).is_err() {
                // Nothing was in it.
                turn.link = None;
            }
            return;
        }
        turn.batches += 1;
        let batch = format!("{:x}.{}", self.runtime, turn.batches);
        let position = self.position.load(Ordering::Acquire) + 1;
        // The last comma gives way to the bracket.
        let effects = format!("[{}]", turn.effects.strip_suffix(',').unwrap_or(&turn.effects));
        let checksum = journal::checksum(position, &batch, self.runtime, turn.now, &effects);
        let (now, runtime) = (turn.now, self.runtime);
        let ended: Answer<()> = link.wait(|client, turn| async {
            let entry: [&(dyn ToSql + Sync); 6] = [&position, &batch, &runtime, &now, &effects, &checksum];
            let head: [&(dyn ToSql + Sync); 1] = [&position];
            let (appended, moved, committed) =
                tokio::join!(client.execute(&turn.append, &entry), client.execute(&turn.shift, &head), client.batch_execute(sql::COMMIT));
            // After an error the server rolls back, and says nothing of it at COMMIT.
            appended?;
            moved?;
            committed
        });
        turn.effects.clear();
        match ended {
            Ok(()) => {
                self.position.store(position, Ordering::Release);
                self.durable.store(turn.version, Ordering::Release);
            }
            Err(error) => {
                turn.link = None;
                turn.doubt = Some(batch);
                turn.reason = link::source(&error);
                self.behind.store(true, Ordering::Release);
            }
        }
    }

    pub(super) fn call_back(&self) {
        let callbacks = lock(&self.callbacks).clone();
        callbacks.iter().for_each(|callback| callback());
    }

    /// The thread: ends turns whose end nobody waits for, until the store is closed.
    pub(super) fn run(&self) {
        let mut turn = lock(&self.turn);
        loop {
            match turn.open {
                Some(_) if self.closing.load(Ordering::Acquire) => self.end(&mut turn),
                Some(since) => {
                    let linger = if turn.effects.is_empty() { LINGER_EMPTY } else { LINGER };
                    let age = since.elapsed();
                    if age >= linger {
                        self.end(&mut turn);
                        drop(turn);
                        self.call_back();
                        turn = lock(&self.turn);
                    } else {
                        let wait = (linger - age).min(LINGER);
                        turn = self.work.wait_timeout(turn, wait).unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
                None if self.closing.load(Ordering::Acquire) => return,
                None => turn = self.work.wait(turn).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Tells the threads to finish: what was committed becomes durable.
    pub(super) fn close(&self) {
        let turn = lock(&self.turn);
        self.closing.store(true, Ordering::Release);
        drop(turn);
        self.work.notify_all();
    }
}

impl Durability for Shared {
    fn durable(&self) -> Result<Version, StoreError> {
        Ok(Version(self.durable.load(Ordering::Acquire)))
    }

    fn is_durable(&self, version: Version) -> Result<bool, StoreError> {
        let turn = lock(&self.turn);
        if turn.lost.iter().any(|(first, last)| (*first..=*last).contains(&version.0)) {
            let told = StoreError { message: self.lost_message(&turn), transient: true };
            return Err(told);
        }
        if self.durable.load(Ordering::Acquire) >= version.0 {
            return Ok(true);
        }
        match &turn.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(false),
        }
    }

    fn wait_durable(&self, version: Version) -> Result<(), StoreError> {
        // What was never committed is not waited for.
        let version = Version(version.0.min(lock(&self.turn).version));
        if self.is_durable(version)? {
            return Ok(());
        }
        let mut turn = lock(&self.turn);
        let ends = turn.open.is_some();
        self.end(&mut turn);
        drop(turn);
        if ends {
            self.call_back();
        }
        let began = Instant::now();
        loop {
            if self.is_durable(version)? {
                return Ok(());
            }
            if began.elapsed() >= UNKNOWN {
                let told = self.unavailable("whether what was committed has reached it is not known");
                return Err(StoreError { transient: false, ..told });
            }
            let mut turn = lock(&self.turn);
            self.settle(&mut turn);
            let open = turn.doubt.is_some();
            drop(turn);
            if open {
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    fn notify(&self, callback: Box<dyn Fn() + Send + Sync>) {
        lock(&self.callbacks).push(Arc::from(callback));
    }
}
