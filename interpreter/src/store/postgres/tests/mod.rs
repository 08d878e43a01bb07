//! The suite of all stores, and what only a server that many share can get wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use patternc_postgres_server::Server;
use patternc_program::Program;

use super::Postgres;
use crate::limits::Limits;
use crate::store::format::Opening;
use crate::store::{Store, StoreError};
use crate::test_program::program;

/// One server for all tests; `None` where there are no binaries.
fn server() -> Option<&'static Mutex<Server>> {
    static SERVER: OnceLock<Option<Mutex<Server>>> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&["fsync=off"]).map(Mutex::new)).as_ref()
}

/// The address of a database that nobody has used.
fn fresh() -> Option<String> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Some(server()?.lock().expect("nobody panics with it").url(&name))
}

fn open_for(url: &str, program: Program) -> Result<Postgres, StoreError> {
    Postgres::open(url, Opening::new(Arc::new(program), Limits::default()))
}

fn open(url: &str) -> Postgres {
    open_for(url, program()).expect("it opens")
}

crate::store::conformance::store_conformance!({
    let Some(url) = fresh() else { return };
    (Box::new(open(&url)) as Box<dyn Store>, ())
});
