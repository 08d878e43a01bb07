//! One process owns a store: a lock on a file beside it says so.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::StoreError;

/// The ownership of a store. It ends with the process, however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A child that this process is just starting may have the file open too, for a moment: closing it here would not be enough.
        // If it fails, the end of the process gives the lock up.
        let _ = self.file.unlock();
    }
}

/// Locks a file that others may look at for a moment.
fn lock_patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..10 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            decided => return decided,
        }
    }
    file.try_lock()
}

/// Who has locked the file.
fn named(file: &mut File) -> String {
    let mut owner = String::new();
    // What cannot be read is only missing in the message.
    let _ = file.read_to_string(&mut owner);
    match owner.trim() {
        "" => "another process".to_owned(),
        pid => format!("the process {pid}"),
    }
}

impl Lock {
    /// The file that is locked for the store at this path.
    pub(super) fn path(store: &Path) -> PathBuf {
        let mut path = store.as_os_str().to_owned();
        path.push(".lock");
        path.into()
    }

    /// Takes the ownership, or says who has it.
    pub(super) fn take(store: &Path) -> Result<Lock, StoreError> {
        let path = Lock::path(store);
        let failed = |what: &str, error: std::io::Error| StoreError {
            message: format!("cannot {what} {}: {error}", path.display()),
            transient: false,
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(|error| failed("open the lock file", error))?;
        match lock_patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = named(&mut file);
                let store = store.display();
                return Err(StoreError {
                    message: format!(
                        "{store} is in use by {owner}: only one process writes a store. Stop that process, or send what is to be done to it; \
                         reading the file with any SQLite tool is possible meanwhile"
                    ),
                    transient: true,
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", error)),
        }
        let named = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        named.map_err(|error| failed("write", error))?;
        Ok(Lock { file })
    }

    /// Who owns the store at this path now, as "the process 123"; nobody if it is not there.
    pub(super) fn owner(store: &Path) -> Option<String> {
        let mut file = File::open(Lock::path(store)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(named(&mut file)),
            // Given up at once: whoever takes the store at this very moment tries again.
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}
