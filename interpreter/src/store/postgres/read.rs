//! Reading the journal: what others have appended, and whether all of it is there.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_postgres::types::ToSql;

use super::journal::{self, Entry};
use super::link::{self, Answer, Link};
use super::statements as sql;
use super::turn::{Open, Shared, Turn, wait};
use crate::store::StoreError;
use crate::sync::lock;

/// A server that did not answer is not asked again for this long.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// What the beginning of a turn brought.
pub(super) struct Begun {
    /// What others have appended.
    pub(super) entries: Vec<Entry>,
    /// Whether commits that were in doubt have not happened: what the state has of them has to go.
    pub(super) lost: bool,
}

impl Begun {
    const LOST: Begun = Begun { entries: Vec::new(), lost: true };
}

/// The end of the journal, read with the head locked.
pub(super) struct Tail {
    pub(super) rows: Vec<tokio_postgres::Row>,
    pub(super) position: i64,
    pub(super) generation: i64,
}

impl Shared {
    pub(super) fn unavailable(&self, what: &str) -> StoreError {
        StoreError { message: format!("the PostgreSQL server {} does not answer: {what}", self.address.shown), transient: true }
    }

    fn broken(&self, error: &link::LinkError) -> StoreError {
        let mut told = self.unavailable(&link::source(error));
        told.transient = link::is_transient(error);
        told
    }

    /// Reads what others have appended, without a turn (`None`: there is one, so nobody has).
    pub(super) fn refresh(&self) -> Result<Option<Begun>, StoreError> {
        let mut turn = lock(&self.turn);
        loop {
            if let Some(failure) = &turn.failure {
                return Err(failure.clone());
            }
            match turn.open {
                Some(Open { locked: true, .. }) => return Ok(None),
                // To be alone is no proof for who reads.
                Some(Open { locked: false, .. }) => turn = self.end(turn),
                None if turn.doubt.is_some() => self.ask(&mut turn, Self::settle)?,
                None if turn.under_way => turn = wait(&self.landed, turn),
                None => return self.read(&mut turn, false).map(Some),
            }
        }
    }

    /// Asks the server, unless it has just been silent.
    pub(super) fn ask<T>(&self, turn: &mut Turn, what: impl FnOnce(&Self, &mut Turn) -> Answer<T>) -> Result<T, StoreError> {
        if let Some((at, error)) = &turn.silent {
            if at.elapsed() < PAUSE {
                return Err(error.clone());
            }
            turn.silent = None;
        }
        what(self, turn).map_err(|error| {
            // A session in an unknown state is not used again.
            turn.link = None;
            turn.newest = None;
            let told = self.broken(&error);
            turn.silent = Some((Instant::now(), told.clone()));
            told
        })
    }

    pub(super) fn read(&self, turn: &mut Turn, locks: bool) -> Result<Begun, StoreError> {
        let newest = turn.newest.take();
        if std::mem::take(&mut turn.reload) {
            return Ok(Begun::LOST);
        }
        // Before it is read: who comes now waits.
        let alone = lock(&self.live).alone(self.runtime);
        let (rows, head) = self.ask(turn, |shared, turn| match locks {
            true => shared.lock_and_read(turn).map(|tail| (tail.rows, Some((tail.position, tail.generation)))),
            false => shared.read_only(turn).map(|rows| (rows, None)),
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
        let entries = match journal::entries(position, &rows) {
            Ok(entries) => entries,
            // Cut off while this process was away: what it missed is in the tables.
            Err(_) if rows.first().is_some_and(|row| row.get::<_, i64>(0) > position + 1) => {
                return Ok(self.left_behind(turn));
            }
            Err(what) => return Err(refuse(turn, format!("it is damaged: {what}"))),
        };
        if let Some((head, _)) = head
            && entries.last().map_or(position, |last| last.position) != head
        {
            turn.link = None;
            if rows.is_empty() && head > position {
                return Ok(self.left_behind(turn));
            }
            // Not read in one: only where the server gives all statements of a transaction the state of its beginning.
            return Err(self.unavailable("the journal changed while it was read"));
        }
        turn.newest = if locks { alone } else { newest.filter(|_| entries.is_empty()) };
        Ok(Begun { entries, lost: false })
    }

    /// The state is so old that it has to be loaded anew.
    fn left_behind(&self, turn: &mut Turn) -> Begun {
        turn.link = None;
        self.count_lost(turn);
        turn.reload = false;
        Begun::LOST
    }

    /// What others have appended, as far as it can be seen without a lock.
    fn read_only(&self, turn: &mut Turn) -> Answer<Vec<tokio_postgres::Row>> {
        let position = self.position.load(Ordering::Acquire);
        self.link(turn)?.wait(|client, turn| async move { client.query(&turn.tail, &[&position]).await })
    }

    /// Locks the head of the journal, and reads its end: one round trip, since they are sent together and answered one after the other.
    pub(super) fn lock_and_read(&self, turn: &mut Turn) -> Answer<Tail> {
        let position = self.position.load(Ordering::Acquire);
        self.link(turn)?.wait(|client, turn| async move {
            let after: [&(dyn ToSql + Sync); 1] = [&position];
            let (begun, head, tail) =
                tokio::join!(client.batch_execute(sql::BEGIN), client.query_one(&turn.lock, &[]), client.query(&turn.tail, &after));
            begun?;
            let head = head?;
            Ok(Tail { rows: tail?, position: head.get(0), generation: head.get(1) })
        })
    }

    fn link<'a>(&self, turn: &'a mut Turn) -> Answer<&'a Link> {
        match &mut turn.link {
            Some(link) => Ok(link),
            none => Ok(none.insert(Link::open(&self.address)?)),
        }
    }
}
