//! Asking the owner of a store to do something: only it may write.
//!
//! Requests and answers are rows of a second SQLite file beside the store (`….requests`), which has SQLite's own locking, the permissions of
//! the folder, no limit on its path and no port. Whoever asks appends a row; the owner looks for new ones now and then, does what they ask
//! for, and writes the answers beside them. A row has no meaning for longer than both processes live: a new owner begins without any,
//! and who asked a process that has died learns that from the lock of the store.
//!
//! Beside them stands what the owner has said last of how it fares, for those who look when it is no more.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::lock::Lock;
use crate::store::StoreError;

/// How long to wait for the other side's short transactions.
const BUSY: Duration = Duration::from_secs(5);
/// How often an answer is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// The owner's end.
pub struct Requests {
    connection: Connection,
    path: PathBuf,
}

/// A request that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    id: i64,
    pub text: String,
}

fn failed(store: &Path, error: &rusqlite::Error) -> StoreError {
    let path = requests_path(store);
    StoreError {
        message: format!("requests to the owner of {} cannot be exchanged by {}: {error}", store.display(), path.display()),
        transient: true,
    }
}

fn requests_path(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".requests");
    path.into()
}

fn connect(store: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(requests_path(store))?;
    connection.busy_timeout(BUSY)?;
    // Nothing in it outlives a crash.
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS request (id INTEGER PRIMARY KEY AUTOINCREMENT, asked TEXT NOT NULL, answer TEXT);
         CREATE TABLE IF NOT EXISTS report (id INTEGER PRIMARY KEY, said TEXT NOT NULL)",
    )?;
    Ok(connection)
}

impl Requests {
    /// Begins to listen, as the owner of the store at this path.
    pub fn listen(store: &Path) -> Result<Requests, StoreError> {
        let begin = || {
            let connection = connect(store)?;
            connection.execute("DELETE FROM request", [])?;
            Ok(connection)
        };
        let connection = begin().map_err(|error| failed(store, &error))?;
        Ok(Requests { connection, path: store.to_owned() })
    }

    /// Requests that have no answer yet, in the order they came.
    pub fn waiting(&self) -> Result<Vec<Asked>, StoreError> {
        let look = || {
            let mut rows = self.connection.prepare_cached("SELECT id, asked FROM request WHERE answer IS NULL ORDER BY id")?;
            let rows = rows.query_map([], |row| Ok(Asked { id: row.get(0)?, text: row.get(1)? }))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        look().map_err(|error| failed(&self.path, &error))
    }

    /// Answers a request.
    pub fn answer(&self, asked: &Asked, answer: &str) -> Result<(), StoreError> {
        let written = self.connection.execute("UPDATE request SET answer = ?2 WHERE id = ?1", params![asked.id, answer]);
        written.map(|_| ()).map_err(|error| failed(&self.path, &error))
    }

    /// Says how the owner fares, for [`last_report`].
    pub fn report(&self, said: &str) -> Result<(), StoreError> {
        let written = self.connection.execute("INSERT OR REPLACE INTO report (id, said) VALUES (0, ?1)", [said]);
        written.map(|_| ()).map_err(|error| failed(&self.path, &error))
    }
}

/// What the last owner of the store at this path has said last of how it fares; `None` if it never did, or that cannot be read.
pub fn last_report(store: &Path) -> Option<String> {
    let connection = Connection::open_with_flags(requests_path(store), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    connection.query_row("SELECT said FROM report", [], |row| row.get(0)).ok()
}

/// Asks the owner of the store at this path and waits for its answer; `None` if there is no owner, or none that answers for so long.
pub fn ask(store: &Path, text: &str, patience: Duration) -> Result<Option<String>, StoreError> {
    if Lock::owner(store).is_none() {
        return Ok(None);
    }
    let asked = || {
        let connection = connect(store)?;
        connection.execute("INSERT INTO request (asked) VALUES (?1)", [text])?;
        let id = connection.last_insert_rowid();
        let deadline = Instant::now() + patience;
        loop {
            let answer: Option<Option<String>> =
                connection.query_row("SELECT answer FROM request WHERE id = ?1", [id], |row| row.get(0)).optional()?;
            match answer {
                Some(Some(answer)) => {
                    connection.execute("DELETE FROM request WHERE id = ?1", [id])?;
                    return Ok(Some(answer));
                }
                Some(None) if Instant::now() < deadline && Lock::owner(store).is_some() => std::thread::sleep(LOOK),
                // A new owner has thrown it away, or nobody is there.
                _ => {
                    connection.execute("DELETE FROM request WHERE id = ?1", [id])?;
                    return Ok(None);
                }
            }
        }
    };
    asked().map_err(|error| failed(store, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_answers_and_without_one_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("state.db");
        assert_eq!(ask(&store, "status", Duration::from_secs(5)), Ok(None));
        assert_eq!(last_report(&store), None);
        let lock = Lock::take(&store).unwrap();
        // Left by a process that died: no concern of the next owner.
        connect(&store).unwrap().execute("INSERT INTO request (asked) VALUES ('old')", []).unwrap();
        let requests = Requests::listen(&store).unwrap();
        let asking = std::thread::spawn({
            let store = store.clone();
            move || ask(&store, "how are you?", Duration::from_secs(60))
        });
        let asked = loop {
            if let Some(asked) = requests.waiting().unwrap().pop() {
                break asked;
            }
            std::thread::sleep(LOOK);
        };
        assert_eq!(asked.text, "how are you?");
        requests.answer(&asked, "fine").unwrap();
        assert_eq!(asking.join().unwrap(), Ok(Some("fine".to_owned())));
        assert_eq!(requests.waiting(), Ok(Vec::new()));
        // An owner that dies while someone waits.
        let asking = std::thread::spawn({
            let store = store.clone();
            move || ask(&store, "still there?", Duration::from_secs(600))
        });
        while requests.waiting().unwrap().is_empty() {
            std::thread::sleep(LOOK);
        }
        drop(lock);
        assert_eq!(asking.join().unwrap(), Ok(None));
    }
}
