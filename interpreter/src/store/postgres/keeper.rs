//! The background: says that this process is alive, looks who else is, brings the journal to the tables and cuts it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::link::{Answer, Link};
use super::statements as sql;
use super::tables::{self, ApplyError};
use super::turn::Shared;
use crate::store::format::schema::StoredSchema;
use crate::sync::lock;

/// How often it is looked whether others have appended something.
const POLL: Duration = Duration::from_millis(250);
/// How often this process says that it is alive. Who has not for five seconds counts as dead ([`sql::LIVE`]).
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How often who comes looks whether the others know.
const AWARE: Duration = Duration::from_millis(20);
/// How often the store looks for what processes have left that are no more.
const TELL: Duration = Duration::from_secs(2);
/// Entries brought to the tables in one transaction.
const APPLY: i64 = 2_000;
/// The journal is brought to the tables when it has so many entries, or nothing was appended for a while.
const APPLY_AT: i64 = 1_000;

pub(super) struct Keeper {
    shared: Arc<Shared>,
    schema: StoredSchema,
    quiet: Duration,
    link: Option<Link>,
    /// The last entry in the tables, as far as known.
    applied: i64,
    /// The end of the journal when it was last looked, and since when it is that.
    head: (i64, Instant),
    seen: Option<Instant>,
    told: Instant,
    name: String,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, schema: StoredSchema, quiet: Duration) -> Keeper {
        let host = rustix::system::uname();
        let name = format!("the process {} on {}", std::process::id(), host.nodename().to_string_lossy());
        Keeper { shared, schema, quiet, link: None, applied: 0, head: (0, Instant::now()), seen: None, told: Instant::now(), name }
    }

    /// Says for the first time that this process is there, looks who else is, and waits until they know of it: one that takes itself to be
    /// alone commits without a lock. Gives the generation: from now on nobody brings the store to another.
    pub(super) fn appear(&mut self) -> Answer<i64> {
        self.live()?;
        // The second time is later than the moment from which the others can see it.
        self.live()?;
        let runtime = self.shared.runtime;
        while self.link()?.query(sql::UNAWARE, &[&runtime])?.iter().any(|row| row.get::<_, i64>(0) > 0) {
            std::thread::sleep(AWARE);
        }
        // Who brings it to another has the lock, and looked who is alive perhaps before this process said so.
        Ok(self.link()?.query(sql::LOCK, &[])?.first().map_or(0, |row| row.get(1)))
    }

    /// The thread, until the store is closed.
    pub(super) fn run(mut self) {
        while !self.shared.closing.load(Ordering::Acquire) {
            match self.look() {
                Ok(()) => {}
                Err(ApplyError::Server(_)) => self.link = None,
                Err(ApplyError::Damaged(what)) => {
                    self.shared.fail(&format!("it is damaged: {what}"));
                    return;
                }
            }
            self.pause(POLL);
        }
        // What cannot be done any more is done by who opens the store next: it waits until this process counts as dead.
        let _ = self.leave();
    }

    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.shared.closing.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(10)));
        }
    }

    fn link(&mut self) -> Answer<&Link> {
        match &mut self.link {
            Some(link) => Ok(link),
            none => Ok(none.insert(Link::open(&self.shared.address)?)),
        }
    }

    fn look(&mut self) -> Result<(), ApplyError> {
        let head: i64 = self.link()?.query(sql::HEAD, &[])?.first().map_or(0, |row| row.get(0));
        if head != self.head.0 {
            self.head = (head, Instant::now());
        }
        // Every now and then in any case: a process may count as dead by now.
        let mut tell = self.told.elapsed() >= TELL;
        if self.seen.is_none_or(|seen| seen.elapsed() >= HEARTBEAT) {
            tell |= self.live()?;
        }
        let runtime = self.shared.runtime;
        // What is new to the state of one who is alone is its own, and on its way.
        tell |= head > self.shared.position.load(Ordering::Acquire) && lock(&self.shared.live).alone(runtime).is_none();
        if tell {
            self.told = Instant::now();
            self.shared.behind.store(true, Ordering::Release);
            self.shared.call_back();
        }
        let first = lock(&self.shared.live).is_first(runtime);
        // One is enough.
        if first && head > self.applied && (head - self.applied >= APPLY_AT || self.head.1.elapsed() >= self.quiet.max(POLL)) {
            self.apply()?;
        }
        Ok(())
    }

    /// Says that this process is alive, and looks who else is. Gives whether that is something new.
    fn live(&mut self) -> Answer<bool> {
        let asked = Instant::now();
        let (runtime, position, name) = (self.shared.runtime, self.shared.position.load(Ordering::Acquire), self.name.clone());
        let report = self.report();
        let link = self.link()?;
        link.execute(sql::SEEN, &[&runtime, &position, &name, &report])?;
        let live = link.query(sql::LIVE, &[])?.iter().map(|row| row.get(0)).collect();
        self.seen = Some(asked);
        Ok(lock(&self.shared.live).learn(live, asked))
    }

    /// Brings the journal to the tables, and cuts what everyone has.
    fn apply(&mut self) -> Result<(), ApplyError> {
        let schema = self.schema.clone();
        let link = self.link()?;
        link.batch(sql::BEGIN)?;
        link.query(sql::LOCK_APPLIED, &[])?;
        let applied = tables::apply_journal(link, &schema, APPLY)?;
        link.execute(sql::FORGET_DEAD, &[])?;
        let behind: Option<i64> = link.query(sql::LIVE, &[])?.iter().map(|row| row.get(1)).min();
        link.execute(sql::CUT, &[&behind.unwrap_or(applied).min(applied)])?;
        link.batch(sql::COMMIT)?;
        self.applied = applied;
        Ok(())
    }

    fn report(&self) -> String {
        // A text of PostgreSQL cannot hold a NUL.
        lock(&self.shared.report).replace('\0', "")
    }

    fn leave(&mut self) -> Result<(), ApplyError> {
        if lock(&self.shared.live).alone(self.shared.runtime).is_some() {
            self.apply()?;
        }
        let (runtime, report) = (self.shared.runtime, self.report());
        self.link()?.execute(sql::GONE, &[&runtime, &report])?;
        Ok(())
    }
}
