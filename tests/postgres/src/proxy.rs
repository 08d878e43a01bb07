//! Stands between a process and a server, and cuts connections where it hurts: at the end of a transaction that appends to the journal.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How much of a `COMMIT` and its answer gets through before the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// So many bytes of the packet that ends in the `COMMIT` reach the server.
    Request(usize),
    /// All of it reaches the server, and so many bytes of the answer come back.
    Answer(usize),
}

/// What is to be cut, and what was.
#[derive(Default)]
struct Plan {
    cut: Option<Cut>,
    /// Of so many commits one.
    every: usize,
    commits: usize,
    cuts: usize,
    /// Bytes of the packet that was cut last.
    request: usize,
}

/// A port that leads to the server's.
pub struct Proxy {
    port: u16,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    /// Forwards to the port of this machine, and cuts nothing yet.
    ///
    /// # Panics
    /// If there is no free port.
    pub fn start(to: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let plan: Arc<Mutex<Plan>> = Arc::default();
        let planned = plan.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                Connection { client, server, plan: planned.clone() }.start();
            }
        });
        Proxy { port, plan }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts one of so many commits.
    pub fn cut_every(&self, nth: usize, cut: Cut) {
        let mut plan = lock(&self.plan);
        (plan.cut, plan.every, plan.commits) = (Some(cut), nth, 0);
    }

    /// Cuts nothing any more.
    pub fn rest(&self) {
        lock(&self.plan).cut = None;
    }

    /// How often it has cut.
    pub fn cuts(&self) -> usize {
        lock(&self.plan).cuts
    }

    /// How many bytes the packet had that was cut last.
    pub fn request(&self) -> usize {
        lock(&self.plan).request
    }
}

/// A mutex whose holder panicked has numbers that are whole.
fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plan {
    /// Whether, and how, a packet is cut. A `COMMIT` alone ends nothing that was written in the same breath.
    fn of(&mut self, packet: &[u8]) -> Option<Cut> {
        let commit = b"COMMIT\0";
        let ends = packet.len() > 64 && packet.windows(commit.len()).any(|window| window == commit);
        let cut = self.cut.filter(|_| ends)?;
        self.commits += 1;
        if !self.commits.is_multiple_of(self.every) {
            return None;
        }
        self.cuts += 1;
        self.request = packet.len();
        Some(cut)
    }
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    plan: Arc<Mutex<Plan>>,
}

impl Connection {
    fn start(self) {
        // Answers that still come back, once there is an end to them.
        let left: Arc<Mutex<Option<usize>>> = Arc::default();
        self.client.set_nodelay(true).expect("it is a connection");
        self.server.set_nodelay(true).expect("it is a connection");
        let (from, back) = (self.server.try_clone().expect("a handle"), self.client.try_clone().expect("a handle"));
        let limit = left.clone();
        thread::spawn(move || answer(from, back, &limit));
        thread::spawn(move || self.forward(&left));
    }

    fn forward(mut self, left: &Mutex<Option<usize>>) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = self.client.read(&mut buffer) {
            let packet = &buffer[..read];
            let cut = lock(&self.plan).of(packet);
            match cut {
                Some(Cut::Request(bytes)) => {
                    // The client hears nothing any more, and the server nothing further.
                    let _ = self.client.shutdown(Shutdown::Both);
                    let _ = self.server.write_all(&packet[..bytes.min(read)]);
                    break;
                }
                Some(Cut::Answer(bytes)) => {
                    *left.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
                    if bytes == 0 {
                        let _ = self.client.shutdown(Shutdown::Both);
                    }
                    let _ = self.server.write_all(packet);
                    // What comes back ends the connection.
                    if bytes == 0 {
                        break;
                    }
                }
                None => {
                    if self.server.write_all(packet).is_err() {
                        break;
                    }
                }
            }
        }
        let _ = self.server.shutdown(Shutdown::Write);
    }
}

fn answer(mut from: TcpStream, mut back: TcpStream, left: &Mutex<Option<usize>>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        let through = left.map_or(read, |left| left.min(read));
        if back.write_all(&buffer[..through]).is_err() {
            break;
        }
        if let Some(left) = &mut *left {
            *left -= through;
            if *left == 0 {
                break;
            }
        }
    }
    let _ = back.shutdown(Shutdown::Both);
}
