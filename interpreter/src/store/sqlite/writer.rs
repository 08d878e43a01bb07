//! Group commit: what commits while one batch is being written is the next batch.
//!
//! Whoever waits for a commit writes the batch it is in, unless someone is writing already: alone, a commit costs one `fsync` and no change
//! of threads. A thread writes what nobody waits for, and brings the journal to the tables in the background.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::journal::{self, Batch, Position};
use super::tables::{ApplyError, Tables};
use crate::store::{Durability, StoreError, Version};
use crate::sync::lock;

/// The journal is brought to the tables when it has this many effects, without waiting for a quiet moment.
const APPLY_AT: usize = 20_000;
/// Effects brought to the tables in one transaction.
const APPLY_SLICE: usize = 10_000;
/// How long the thread looks for work by itself after that before it sleeps until it is woken.
const LINGER: Duration = Duration::from_millis(50);
/// How often it looks meanwhile. A commit that nobody waits for is written this late at most.
const POLL: Duration = Duration::from_micros(500);
/// Bytes of effects that may wait: a commit that makes it more helps to write first.
const GATHER_AT_MOST: usize = 64 << 20;

/// What the store, its waiters and its thread share.
pub(super) struct Shared {
    path: String,
    gathering: Mutex<Gathering>,
    /// For the thread: there is something to do.
    work: Condvar,
    /// For waiters: something has become durable, or the store has failed.
    done: Condvar,
    durable: AtomicU64,
    failure: OnceLock<StoreError>,
    connection: Mutex<Writing>,
    /// When nothing was committed for this long, the journal is brought to the tables.
    quiet: Duration,
    callbacks: Mutex<Vec<Arc<dyn Fn() + Send + Sync>>>,
}

/// The batch that gathers.
struct Gathering {
    batch: Batch,
    effects: usize,
    /// Whether someone is writing the batch before.
    writing: bool,
    /// The thread is asleep until it is woken.
    asleep: bool,
    /// Someone wants to be called back: the thread writes at once.
    eager: bool,
    last_commit: Instant,
    closing: bool,
}

/// What is used by one thread at a time, to write.
struct Writing {
    connection: Connection,
    tables: Tables,
    position: Position,
    /// Effects in the journal that are not in the tables.
    unapplied: usize,
    /// What SQLite said last about changes by other connections.
    data_version: i64,
    path: PathBuf,
    log_path: PathBuf,
    /// Which file the path named when it was opened.
    file: Option<FileId>,
    /// Which is its write-ahead log, once there is one: what was committed last is there alone.
    log: Option<FileId>,
    /// When it was looked last whether both are where they were.
    looked: Option<Instant>,
}

/// How long it is taken for granted that the files are where they were: to look costs as much as a part of a commit.
pub(super) const LOOK: Duration = Duration::from_millis(20);

impl Shared {
    pub(super) fn new(
        path: &Path,
        connection: Connection,
        tables: Tables,
        position: Position,
        quiet: Duration,
    ) -> rusqlite::Result<Shared> {
        let data_version = data_version(&connection)?;
        let (path, file) = (path.to_owned(), file_id(path));
        let mut log_path = path.clone().into_os_string();
        log_path.push("-wal");
        let log_path = PathBuf::from(log_path);
        let log = file_id(&log_path);
        Ok(Shared {
            path: path.display().to_string(),
            quiet,
            gathering: Mutex::new(Gathering {
                batch: Batch { effects: String::new(), version: position.version, now: position.now },
                effects: 0,
                writing: false,
                asleep: false,
                eager: false,
                last_commit: Instant::now(),
                closing: false,
            }),
            work: Condvar::new(),
            done: Condvar::new(),
            durable: AtomicU64::new(position.version),
            failure: OnceLock::new(),
            connection: Mutex::new(Writing {
                connection,
                tables,
                position,
                unapplied: 0,
                data_version,
                path,
                file,
                log_path,
                log,
                looked: None,
            }),
            callbacks: Mutex::default(),
        })
    }

    /// Why the store takes nothing more, if it does not.
    pub(super) fn failure(&self) -> Option<&StoreError> {
        self.failure.get()
    }

    /// Adds a commit to the batch that gathers. `record` appends its effects and says how many they are.
    pub(super) fn gather(&self, version: Version, now: i64, effects: &str, count: usize) {
        let mut gathering = lock(&self.gathering);
        while gathering.batch.effects.len() > GATHER_AT_MOST && self.failure.get().is_none() {
            gathering = self.write_or_wait(gathering);
        }
        gathering.batch.effects.push_str(effects);
        gathering.batch.version = version.0;
        gathering.batch.now = gathering.batch.now.max(now);
        gathering.effects += count;
        gathering.last_commit = Instant::now();
        // In its own time the thread finds the batch by itself, and whoever waits for it sooner writes it.
        let wake = gathering.asleep || (gathering.eager && !gathering.writing);
        drop(gathering);
        if wake {
            self.work.notify_one();
        }
    }

    /// Writes the batch, or waits for who is writing.
    fn write_or_wait<'a>(&'a self, mut gathering: MutexGuard<'a, Gathering>) -> MutexGuard<'a, Gathering> {
        if gathering.writing {
            return self.done.wait(gathering).unwrap_or_else(PoisonError::into_inner);
        }
        gathering.writing = true;
        self.write(gathering)
    }

    /// Writes the batch that has gathered. The caller has claimed it.
    fn write<'a>(&'a self, mut gathering: MutexGuard<'a, Gathering>) -> MutexGuard<'a, Gathering> {
        let next = Batch { effects: String::new(), version: gathering.batch.version, now: gathering.batch.now };
        let batch = std::mem::replace(&mut gathering.batch, next);
        let effects = std::mem::take(&mut gathering.effects);
        drop(gathering);
        let written = if batch.effects.is_empty() { Ok(()) } else { lock(&self.connection).write(&batch, effects) };
        match written {
            Ok(()) => self.durable.store(batch.version, Ordering::Release),
            Err(error) => self.fail(format!("cannot write to {}: {error}", self.path)),
        }
        let mut gathering = lock(&self.gathering);
        gathering.writing = false;
        // The buffer serves again.
        if gathering.batch.effects.is_empty() {
            gathering.batch.effects = batch.effects;
            gathering.batch.effects.clear();
        }
        let wake = gathering.asleep || (gathering.eager && gathering.batch.version > batch.version);
        drop(gathering);
        self.done.notify_all();
        if wake {
            self.work.notify_one();
        }
        self.call_back();
        lock(&self.gathering)
    }

    /// From now on nothing more is taken: whether what was not yet durable is in the file is not known.
    fn fail(&self, what: String) {
        let message = format!(
            "{what}. Nothing more is committed; what was reported as committed is in the store, what was not may or may not be. \
             Mend the cause and start again"
        );
        // The first failure is the one that is told.
        let _ = self.failure.set(StoreError { message, transient: false });
    }

    fn call_back(&self) {
        let callbacks = lock(&self.callbacks).clone();
        callbacks.iter().for_each(|callback| callback());
    }

    /// The thread: writes what nobody waits for, brings the journal to the tables, until the store is closed.
    pub(super) fn run(&self) {
        let mut gathering = lock(&self.gathering);
        loop {
            let behind = gathering.batch.version > self.durable.load(Ordering::Acquire);
            if self.failure.get().is_some() {
                if gathering.closing {
                    return;
                }
                gathering = self.sleep(gathering);
            } else if behind && !gathering.writing {
                let age = gathering.last_commit.elapsed();
                // Whoever waits for it, if anyone, will have claimed it by then.
                if gathering.eager || gathering.closing || age >= POLL {
                    gathering.writing = true;
                    gathering = self.write(gathering);
                } else {
                    gathering = self.doze(gathering, POLL - age);
                }
            } else if self.applies(&gathering) {
                drop(gathering);
                if let Err(error) = lock(&self.connection).apply() {
                    self.fail(format!("cannot bring the journal of {} to its tables: {error}", self.path));
                    self.done.notify_all();
                    self.call_back();
                }
                gathering = lock(&self.gathering);
            } else if gathering.closing && !gathering.writing {
                return;
            } else if gathering.closing || gathering.last_commit.elapsed() < self.quiet + LINGER {
                gathering = self.doze(gathering, POLL);
            } else {
                gathering = self.sleep(gathering);
            }
        }
    }

    /// Whether the journal is to be brought to the tables now.
    fn applies(&self, gathering: &Gathering) -> bool {
        if gathering.writing {
            return false;
        }
        let unapplied = lock(&self.connection).unapplied;
        unapplied >= APPLY_AT || (unapplied > 0 && (gathering.closing || gathering.last_commit.elapsed() >= self.quiet))
    }

    fn doze<'a>(&self, gathering: MutexGuard<'a, Gathering>, time: Duration) -> MutexGuard<'a, Gathering> {
        self.work.wait_timeout(gathering, time).unwrap_or_else(PoisonError::into_inner).0
    }

    fn sleep<'a>(&self, mut gathering: MutexGuard<'a, Gathering>) -> MutexGuard<'a, Gathering> {
        gathering.asleep = true;
        let mut gathering = self.work.wait(gathering).unwrap_or_else(PoisonError::into_inner);
        gathering.asleep = false;
        gathering
    }

    /// Tells the thread to finish: everything durable, and in the tables.
    pub(super) fn close(&self) {
        lock(&self.gathering).closing = true;
        self.work.notify_one();
    }
}

impl Durability for Shared {
    fn durable(&self) -> Result<Version, StoreError> {
        match self.failure.get() {
            // What is durable stays so.
            Some(failure) => Err(failure.clone()),
            None => Ok(Version(self.durable.load(Ordering::Acquire))),
        }
    }

    fn wait_durable(&self, version: Version) -> Result<(), StoreError> {
        if self.durable.load(Ordering::Acquire) >= version.0 {
            return Ok(());
        }
        let mut gathering = lock(&self.gathering);
        // What was never committed is not waited for.
        let version = version.0.min(gathering.batch.version);
        loop {
            if self.durable.load(Ordering::Acquire) >= version {
                return Ok(());
            }
            if let Some(failure) = self.failure.get() {
                return Err(failure.clone());
            }
            gathering = self.write_or_wait(gathering);
        }
    }

    fn notify(&self, callback: Box<dyn Fn() + Send + Sync>) {
        lock(&self.callbacks).push(Arc::from(callback));
        lock(&self.gathering).eager = true;
    }
}

impl Writing {
    fn write(&mut self, batch: &Batch, effects: usize) -> Result<(), ApplyError> {
        self.alone()?;
        journal::write(&self.connection, self.position.written + 1, batch)?;
        self.in_place()?;
        self.position.written += 1;
        self.unapplied += effects;
        Ok(())
    }

    fn apply(&mut self) -> Result<(), ApplyError> {
        self.alone()?;
        // Without it the batches are still in the journal: its end need not be waited for. The next batch makes it durable too, since
        // the write-ahead log is one sequence.
        self.connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        let applied = journal::apply(&self.connection, &self.tables, self.position.applied, APPLY_SLICE);
        self.connection.execute_batch("PRAGMA synchronous = FULL")?;
        let (applied, more) = applied?;
        self.position.applied = applied;
        self.unapplied = if more { self.unapplied.saturating_sub(APPLY_SLICE).max(1) } else { 0 };
        Ok(())
    }

    /// Nobody else has written: what is in memory would be no longer what is in the file.
    fn alone(&mut self) -> Result<(), ApplyError> {
        if data_version(&self.connection)? != self.data_version {
            let what = "another process has written to the file; only the owner of a store may".to_owned();
            return Err(ApplyError::Damaged(what));
        }
        Ok(())
    }

    /// The file is where the next process looks for it: what is written to another is lost with the end of this one.
    fn in_place(&mut self) -> Result<(), ApplyError> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let log = file_id(&self.log_path);
        // It was just written to: where files have ids, it has one.
        let is_there = log.is_some() == self.file.is_some() && self.log.is_none_or(|known| log == Some(known));
        if is_there && file_id(&self.path) == self.file {
            self.log = log;
            return Ok(());
        }
        let what = "the file, or the one beside it that ends in `-wal`, was removed or moved while it was in use. What is committed is in the \
                    files that were there, wherever those are now";
        Err(ApplyError::Damaged(what.to_owned()))
    }
}

/// Tells a file from any other that is at its path later.
type FileId = (u64, u64);

/// Which file the path names, where the system says so.
#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Here a file that is open is not removed.
#[cfg(not(unix))]
fn file_id(_path: &Path) -> Option<FileId> {
    None
}

/// A number that changes when another connection has changed the file.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
