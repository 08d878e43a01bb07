//! Stores on a PostgreSQL server that the tests of a binary share.

use std::sync::{Arc, OnceLock};

use patternc_interpreter::simulate::{Disk, postgres_disk};
use patternc_interpreter::store::postgres::Scratch;
use patternc_postgres_server::Server;
use patternc_program::Program;

use crate::world::limits;

/// Empty stores on the server, each in a schema of its own: they are dropped with this.
pub struct Servers(Vec<Scratch>);

impl Servers {
    /// So many of them; `None` where there are no binaries of a server.
    pub fn new(stores: usize) -> Option<Servers> {
        static SERVER: OnceLock<Option<(Server, String)>> = OnceLock::new();
        let start = || {
            let server = Server::start(&["fsync=off"])?;
            let url = server.url("tests");
            Some((server, url))
        };
        let (_, url) = SERVER.get_or_init(start).as_ref()?;
        Some(Servers((0..stores).map(|_| Scratch::new(url).expect("the server answers")).collect()))
    }

    /// The stores as those of a process, which opens them again after each of its deaths.
    pub fn disk(&self, program: &Arc<Program>) -> Box<dyn Disk> {
        let urls: Vec<&str> = self.0.iter().map(Scratch::url).collect();
        Box::new(postgres_disk(program, &limits(), &urls))
    }
}
