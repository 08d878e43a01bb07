//! A store on a PostgreSQL server, which many processes share.
//!
//! # How it works
//! Every process has all data in memory, as a [`State`], and follows a journal that they share: a table of entries, and a head that says where
//! it ends. To commit, a process takes a *turn* (`turn`): it locks the row of the head, reads what others have appended, applies it, and
//! then commits as many transactions as want to, which are checked against the exactly newest state. They are appended as one entry, and
//! with the end of the turn they are durable. So the transactions of all processes have one order, over all spaces of the server, and none
//! is lost to another process by being late. One at a time costs two round trips, or one where no other process is there; many at a time
//! share them.
//!
//! In the background (`keeper`) the journal is brought to tables, from which a process that starts loads its state, and cut. Who follows
//! is behind by a quarter of a second at most when it has nothing to do itself, and not at all when it commits or reads.
//!
//! # In the database
//! The tables begin with `_patternc_`; [`statements`] has them and every statement. For each record type there is a view of its name, with
//! the columns `_ref`, `_space`, `_id` and the cells, collections as JSON; each collection has a view of its own, `"Person.members"`. They
//! show the tables, which follow the journal by about a second.
//!
//! # Who delivers
//! The process that has sent an event delivers it. Each says twice a second that it is alive; what was sent by one that has not for five
//! seconds is taken over by the others. Should two deliver one event nevertheless, the receiver's record of it and the sender's removal of
//! it decide, as always: it takes effect once. A call that must not be repeated is marked as begun by a commit that only one can make.
//!
//! # When it goes wrong
//! A server that does not answer is asked again and again: meanwhile commits are refused as transient. When the end of a turn is not
//! answered, the next reading of the journal tells whether it happened. If it did not, the state is loaded anew and [`News::lost`] says so.
//! A damaged entry, or another program's opening, is the end: every call says why.

mod durable;
mod glance;
mod import;
mod journal;
mod keeper;
mod link;
mod live;
mod open;
mod read;
mod rows;
mod scratch;
pub mod statements;
mod tables;
#[cfg(test)]
mod tests;
mod turn;
mod views;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use patternc_program::{CellIndex, Program, RecordId};

pub use self::glance::{Looked, Users, glance, users};
pub use self::import::Import;
use self::journal::Follower;
use self::link::Address;
use self::read::Begun;
pub use self::scratch::Scratch;
use self::turn::Shared;
use super::format::Opening;
use super::format::record::Recorder;
use super::format::schema::StoredSchema;
use super::state::State;
use super::{Capabilities, CommitRequest, Committed, Durability, News, Presence, ReadKey, Refused, Store, StoreError, Version};
use crate::event::{EventId, Outgoing, Received};
use crate::failure::{Failure, FailureKind};
use crate::limits::Limits;
use crate::sync::lock;
use crate::value::{RecordRef, SpaceRef, Value};

/// How long a process counts as alive that has appended something ([`statements::LIVE`] says the same of those that were seen).
const ALIVE: Duration = Duration::from_secs(5);

/// A store on a server.
pub struct Postgres {
    follower: Follower,
    program: Arc<Program>,
    limits: Limits,
    schema: StoredSchema,
    /// The effects of one request; serves again.
    effects: String,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    knows_invariant_reads: bool,
    news: News,
    /// How often commits were lost.
    losses: u64,
    /// The state has commits that were lost, and could not be loaded anew yet.
    outdated: bool,
    /// The processes that were alive when it was last looked, to see who has left.
    live: HashSet<i64>,
    /// When a process has appended something last.
    heard: HashMap<i64, Instant>,
    /// Those that are no more, and whose events have been given to others.
    buried: HashSet<i64>,
    /// When it was last looked for processes that are no more.
    last_search: Option<LastSearch>,
}

/// A search for processes that are no more. While this stands, another would find the same.
struct LastSearch {
    /// How often others had come or gone.
    changes: u64,
    /// When the first of those will no longer count as alive that do so only because they have appended something.
    until: Option<Instant>,
}

impl Postgres {
    /// Opens the store in the database at a `postgres://` address, or makes it there.
    ///
    /// # Errors
    /// When the server does not answer, the format is newer, the store is damaged, or the program does not fit its data.
    pub fn open(url: &str, mut opening: Opening<'_>) -> Result<Postgres, StoreError> {
        let address = address(url)?;
        let opened = open::open(&address, &mut opening)?;
        let runtime = open::number();
        let version = opened.follower.state.version();
        let shared = Arc::new(Shared::new(address.clone(), runtime, opened.generation, opened.position, version.0));
        let failed = |error: std::io::Error| StoreError { message: format!("cannot open {}: {error}", address.shown), transient: false };
        let knows_invariant_reads = opened.follower.state.is_empty();
        let mut store = Postgres {
            follower: opened.follower,
            program: opening.program.clone(),
            limits: opening.limits.clone(),
            schema: opened.schema.clone(),
            effects: String::new(),
            shared: shared.clone(),
            threads: Vec::new(),
            knows_invariant_reads,
            news: News::default(),
            losses: 0,
            outdated: false,
            live: HashSet::new(),
            heard: HashMap::new(),
            buried: HashSet::new(),
            last_search: None,
        };
        let mut keeper = keeper::Keeper::new(shared.clone(), opened.schema, opening.quiet);
        let told = open::Told(&address);
        if keeper.appear().map_err(|error| told.server(&error))? != opened.generation {
            return Err(told.changed_meanwhile());
        }
        store.live = lock(&shared.live).runtimes().cloned().unwrap_or_default();
        let ender = shared.clone();
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        store.threads.push(thread("patternc-turns").spawn(move || ender.run()).map_err(failed)?);
        store.threads.push(thread("patternc-keeper").spawn(move || keeper.run()).map_err(failed)?);
        Ok(store)
    }

    /// What the store in the database at an address keeps, as of its newest durable commit and as it is for a program: also while others write
    /// it, and without changing it. `None`: there is no store.
    ///
    /// # Errors
    /// When the server does not answer, the format is newer, the store is damaged, or the program does not fit its data.
    pub fn look(url: &str, mut opening: Opening<'_>) -> Result<Option<State>, StoreError> {
        open::look(&address(url)?, &mut opening)
    }

    /// Whether this process, as this store, is among those that use a store.
    pub fn is_among(&self, users: &Users) -> bool {
        users.0.contains(&self.shared.runtime)
    }

    /// What is kept.
    pub fn state(&self) -> &State {
        &self.follower.state
    }

    /// Makes everything durable and ends. Dropping the store does the same, without telling of a failure.
    ///
    /// # Errors
    /// When the server does not answer, or commits were lost that had not become durable.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.end();
        let version = self.follower.state.version();
        self.shared.wait_durable(version)
    }

    fn end(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            // A panic of the thread has been printed; what it left is as after a kill.
            let _ = thread.join();
        }
    }

    /// Follows what others have appended.
    fn follow(&mut self, begun: Begun) -> Result<(), StoreError> {
        if begun.lost {
            return self.reload();
        }
        let Some(last) = begun.entries.last().map(|entry| entry.position) else {
            return Ok(());
        };
        for entry in begun.entries {
            self.heard.insert(entry.runtime, Instant::now());
            self.buried.remove(&entry.runtime);
            if !self.live.contains(&entry.runtime) {
                self.last_search = None;
            }
            if let Err(what) = self.follower.follow(&self.program, entry, &mut self.news) {
                return Err(self.shared.fail(&what));
            }
        }
        self.shared.followed(last, self.follower.state.version());
        Ok(())
    }

    /// Loads the state anew: it has commits that never became durable, or the journal was cut behind it.
    fn reload(&mut self) -> Result<(), StoreError> {
        self.outdated = true;
        let version = Version(self.follower.state.version().0 + 1);
        let opened = open::load(&self.shared.address, &self.program, &self.limits, &self.schema, version)?;
        self.follower = opened.follower;
        self.shared.followed(opened.position, self.follower.state.version());
        self.outdated = false;
        self.last_search = None;
        self.losses += 1;
        self.news = News { lost: true, ..News::default() };
        self.knows_invariant_reads = false;
        Ok(())
    }

    /// A turn, unless what was committed before has been lost.
    fn take_turn(&mut self) -> Result<(), StoreError> {
        let losses = self.losses;
        if self.outdated {
            self.reload()?;
        }
        // A turn that was given back to load the state anew is begun again.
        while !self.shared.has_turn() {
            if let Some(begun) = self.shared.begin()? {
                self.follow(begun)?;
            }
        }
        if self.losses == losses {
            return Ok(());
        }
        Err(self.shared.lost())
    }

    /// Whether a process is there: it was seen, or has appended something, in the last seconds.
    fn is_alive(&self, runtime: i64) -> bool {
        self.live.contains(&runtime) || self.heard.get(&runtime).is_some_and(|at| at.elapsed() < ALIVE)
    }

    /// Takes note of processes that are no more: what they have sent is delivered by others.
    fn look_for_orphans(&mut self) {
        let (live, changes) = {
            let live = lock(&self.shared.live);
            let is_new = |last: &LastSearch| last.changes != live.changes() || last.until.is_some_and(|until| until <= Instant::now());
            match live.runtimes() {
                Some(runtimes) if self.last_search.as_ref().is_none_or(is_new) => (runtimes.clone(), live.changes()),
                _ => return,
            }
        };
        self.heard.retain(|runtime, at| live.contains(runtime) || at.elapsed() < ALIVE);
        let until = self.heard.iter().filter(|(runtime, _)| !live.contains(runtime)).map(|(_, at)| *at + ALIVE).min();
        self.last_search = Some(LastSearch { changes, until });
        self.live = live;
        let dead: HashSet<i64> = self.follower.owners.values().copied().filter(|owner| !self.is_alive(*owner)).collect();
        let fresh: HashSet<i64> = dead.difference(&self.buried).copied().collect();
        let orphans = self.follower.owners.iter().filter(|(_, owner)| fresh.contains(owner)).map(|(event, _)| event.clone());
        self.news.orphaned.extend(orphans);
        self.buried = dead;
    }
}

fn address(url: &str) -> Result<Address, StoreError> {
    Address::parse(url).map_err(|message| StoreError { message, transient: false })
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
    }
}

impl Store for Postgres {
    fn capabilities(&self) -> Capabilities {
        Capabilities { commits_across: true, durable: true, largest_batch: Some(self.limits.transaction_size), shared: true }
    }

    fn version(&self) -> Version {
        self.follower.state.version()
    }

    fn presence(&self, record: &RecordRef) -> Result<Presence, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.presence(record))
    }

    fn cell(&self, record: &RecordRef, cell: CellIndex) -> Result<Option<Value>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.cell(record, cell).cloned())
    }

    fn element(&self, record: &RecordRef, cell: CellIndex, key: &Value) -> Result<Option<Value>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.element(record, cell, key).cloned())
    }

    fn unique(&self, record: RecordId, space: &SpaceRef, cell: CellIndex, value: &Value) -> Result<Option<RecordRef>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.unique(record, space, cell, value).cloned())
    }

    fn scan(&self, record: RecordId, space: &SpaceRef, index: Option<(CellIndex, &Value)>) -> Result<Vec<RecordRef>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.scan(record, space, index))
    }

    fn spaces(&self) -> Result<Vec<SpaceRef>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.spaces())
    }

    fn dependents(&self, key: &ReadKey) -> Result<Vec<(u32, RecordRef)>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.dependents(key))
    }

    fn knows_invariant_reads(&self) -> bool {
        self.knows_invariant_reads
    }

    fn received(&self, event: &EventId) -> Result<Option<Received>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.received(event))
    }

    fn remembered(&self) -> Result<Vec<EventId>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.remembered())
    }

    fn contents(&self) -> Result<State, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.clone())
    }

    fn outgoing(&self) -> Result<Vec<Arc<Outgoing>>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.outgoing().cloned().collect())
    }

    fn is_elsewhere(&self, event: &EventId) -> bool {
        self.follower.owners.get(event).is_some_and(|owner| *owner != self.shared.runtime && self.is_alive(*owner))
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.take_turn()
    }

    fn refresh(&mut self) -> Result<(), StoreError> {
        if self.outdated {
            self.reload()?;
        }
        self.look_for_orphans();
        if let Some(begun) = self.shared.refresh()? {
            self.follow(begun)?;
        }
        self.shared.behind.store(false, Ordering::Release);
        Ok(())
    }

    fn is_behind(&self) -> bool {
        self.shared.behind.load(Ordering::Acquire)
    }

    fn report(&self, text: &str) {
        text.clone_into(&mut lock(&self.shared.report));
    }

    fn news(&mut self) -> Option<News> {
        let news = std::mem::take(&mut self.news);
        (!news.is_empty()).then_some(news)
    }

    fn commit(&mut self, request: &CommitRequest, now: i64) -> Result<Committed, Refused> {
        if !Recorder::has_effects(request) {
            // Nothing of it goes to the journal.
            self.shared.works()?;
            if self.outdated {
                self.reload()?;
            }
            let version = self.follower.state.commit(request, now)?;
            self.shared.remember(version);
            return Ok(Committed { version });
        }
        let shared = self.shared.clone();
        let held = loop {
            self.take_turn()?;
            if let Some(held) = shared.hold() {
                break held;
            }
        };
        let Follower { state, recorder, .. } = &mut self.follower;
        state.validate(request)?;
        let unwritable = |message: String| Refused::Failed(Failure::new(FailureKind::Overflow, message));
        let size = recorder.prepare(&self.program, state, request).map_err(|error| unwritable(error.to_string()))?;
        if size > self.limits.transaction_size {
            return Err(unwritable(format!(
                "the transaction writes {size} bytes; {} is the most (limit `transaction-size`): do it in several steps",
                self.limits.transaction_size
            )));
        }
        let version = state.apply(request, now)?;
        self.effects.clear();
        recorder.record(&mut self.effects, &self.program, state, request);
        held.gather(version, now, &self.effects);
        self.follower.own(request);
        Ok(Committed { version })
    }

    fn durable(&self) -> Result<Version, StoreError> {
        self.shared.works()?;
        self.shared.durable()
    }

    fn is_durable(&self, version: Version) -> Result<bool, StoreError> {
        self.shared.is_durable(version)
    }

    fn outgoing_by_id(&self, event: &EventId) -> Result<Option<Arc<Outgoing>>, StoreError> {
        self.shared.works()?;
        Ok(self.follower.state.outgoing_by_id(event).cloned())
    }

    fn wait_durable(&self, version: Version) -> Result<(), StoreError> {
        self.shared.wait_durable(version)
    }

    fn durability(&self) -> Arc<dyn Durability> {
        self.shared.clone()
    }
}
