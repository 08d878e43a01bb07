//! The server of the tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use patternc_postgres_server::Server;

/// One server for all tests; `None` where there are no binaries. One test at a time: some restart it.
pub fn server() -> Option<MutexGuard<'static, Server>> {
    static SERVER: OnceLock<Option<Mutex<Server>>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Server::start(&["fsync=off"]).map(Mutex::new)).as_ref()?;
    Some(server.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The name of a database that nobody has used.
pub fn database() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("bank{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
