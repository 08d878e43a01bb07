//! Stands between the processes and the server, and cuts connections where it hurts.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Where a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The `COMMIT` reaches the server, its answer reaches nobody.
    AfterCommit,
    /// The `COMMIT` is swallowed.
    BeforeCommit,
}

pub struct Proxy {
    pub port: u16,
    /// How often it has cut.
    pub cuts: Arc<AtomicUsize>,
}

impl Proxy {
    /// Forwards to the port, and cuts every `nth` commit of all connections.
    pub fn start(to: u16, cut: Cut, nth: usize) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let (commits, cuts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = cuts.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                client.set_nodelay(true).expect("it is a connection");
                server.set_nodelay(true).expect("it is a connection");
                let (commits, cuts) = (commits.clone(), counted.clone());
                let (mut from, mut back) = (server.try_clone().expect("a handle"), client.try_clone().expect("a handle"));
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut back);
                    let _ = back.shutdown(Shutdown::Both);
                });
                thread::spawn(move || forward(client, server, cut, nth, &commits, &cuts));
            }
        });
        Proxy { port, cuts }
    }
}

fn forward(mut client: TcpStream, mut server: TcpStream, cut: Cut, nth: usize, commits: &AtomicUsize, cuts: &AtomicUsize) {
    let mut buffer = vec![0; 1 << 16];
    // The end of a turn: its entry has been appended in this or an earlier packet.
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let bytes = &buffer[..read];
        let commit = bytes.windows(7).position(|window| window == b"COMMIT\0");
        if let Some(at) = commit
            && (commits.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(nth)
        {
            cuts.fetch_add(1, Ordering::SeqCst);
            match cut {
                Cut::AfterCommit => {
                    // Nothing comes back any more, and the server gets to read what was sent.
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = server.write_all(bytes);
                    let _ = server.shutdown(Shutdown::Write);
                }
                Cut::BeforeCommit => {
                    // The message begins five bytes before its text.
                    let _ = server.write_all(&bytes[..at.saturating_sub(5)]);
                    let _ = server.shutdown(Shutdown::Both);
                    let _ = client.shutdown(Shutdown::Both);
                }
            }
            return;
        }
        if server.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}
