//! Filling a store that is empty: whole, or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::{Opening, Sqlite, open};
use crate::store::{CommitRequest, Refused, Store, StoreError};

/// A store that is filled beside the place where it is to be. Until [`Import::finish`], nothing of it is there.
pub struct Import {
    path: PathBuf,
    filled: PathBuf,
    /// Nobody opens the place meanwhile.
    _lock: Lock,
}

impl Import {
    /// Fills a new file beside the store at a path, which must be empty or not there.
    ///
    /// # Errors
    /// If the store is in use or has data, if it refuses a request, or if the disk fails.
    pub fn prepare(path: &Path, mut opening: Opening<'_>, requests: &[CommitRequest]) -> Result<Import, StoreError> {
        let fatal = |message: String| StoreError { message, transient: false };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|error| fatal(format!("cannot make the folder {}: {error}", folder.display())))?;
        }
        let lock = Lock::take(path)?;
        if path.exists() {
            let state = open::look(path, &mut opening)?;
            if !state.is_empty() || state.outgoing().next().is_some() || state.inbox().next().is_some() {
                let shown = path.display();
                return Err(fatal(format!(
                    "{shown} has data already: an import fills an empty store only. Give another path, or move the file away"
                )));
            }
        }
        let import = Import { path: path.to_owned(), filled: beside(path, ".import"), _lock: lock };
        // Of an import that was killed.
        import.remove_filled();
        let mut store = Sqlite::open(&import.filled, opening)?;
        for request in requests {
            store.commit(request, i64::MIN).map_err(|refused| match refused {
                Refused::Store(error) => error,
                other => fatal(format!("the store refuses what is imported: {other}")),
            })?;
        }
        store.close()?;
        // The last one to close a file takes its log into it. If it could not, the file alone is not the store.
        match beside(&import.filled, "-wal").exists() {
            true => Err(fatal(format!("cannot finish {}: its log stays open", import.filled.display()))),
            false => Ok(import),
        }
    }

    /// Puts the filled store in its place.
    pub fn finish(self) -> Result<(), StoreError> {
        let place = || {
            // Of the empty store: a log of another file would be taken for this one's.
            for end in ["-wal", "-shm"] {
                remove(&beside(&self.path, end))?;
            }
            fs::rename(&self.filled, &self.path)?;
            open::sync_folder(&self.path)
        };
        place().map_err(|error| {
            let message = format!("cannot put what was imported to {}: {error}; nothing was imported", self.path.display());
            StoreError { message, transient: false }
        })
    }

    fn remove_filled(&self) {
        for end in ["", "-wal", "-shm", ".lock"] {
            // What cannot be removed cannot be opened either, which is told.
            let _ = remove(&beside(&self.filled, end));
        }
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        self.remove_filled();
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
