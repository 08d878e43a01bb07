//! Stores on a PostgreSQL server that the tests of a binary share.

use std::sync::{Arc, OnceLock};

use patternc_interpreter::simulate::{Disk, postgres_disk};
use patternc_interpreter::store::postgres::Scratch;
use patternc_postgres_server::{Proxy, Server};
use patternc_program::Program;

use crate::world::limits;

/// Empty stores on the server, each in a schema of its own: they are dropped with this.
pub struct Servers {
    stores: Vec<Scratch>,
    port: u16,
}

impl Servers {
    /// So many of them; `None` where there are no binaries of a server.
    pub fn new(stores: usize) -> Option<Servers> {
        static SERVER: OnceLock<Option<(Server, String)>> = OnceLock::new();
        let start = || {
            let server = Server::start(&["fsync=off"])?;
            let url = server.url("tests");
            Some((server, url))
        };
        let (server, url) = SERVER.get_or_init(start).as_ref()?;
        let stores = (0..stores).map(|_| Scratch::new(url).expect("the server answers"));
        Some(Servers { stores: stores.collect(), port: server.port() })
    }

    /// The stores as those of a process, which opens them again after each of its deaths.
    pub fn disk(&self, program: &Arc<Program>) -> Box<dyn Disk> {
        let urls: Vec<&str> = self.stores.iter().map(Scratch::url).collect();
        Box::new(postgres_disk(program, &limits(), &urls))
    }

    /// The same with a proxy on the way to each of the stores.
    pub fn through_proxies(&self, program: &Arc<Program>) -> (Box<dyn Disk>, Vec<Proxy>) {
        let proxies: Vec<Proxy> = self.stores.iter().map(|_| Proxy::start(self.port)).collect();
        let port = |port: u16| format!(":{port}/");
        let url = |(store, proxy): (&Scratch, &Proxy)| store.url().replace(&port(self.port), &port(proxy.port()));
        let urls: Vec<String> = self.stores.iter().zip(&proxies).map(url).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        (Box::new(postgres_disk(program, &limits(), &urls)), proxies)
    }
}
