//! Stands between a process and a server, and cuts connections where it hurts: where something is appended to the journal.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What begins an entry of the journal, and nothing else that is sent.
const ENTRY: &[u8] = b"[[\"";

/// How much of an entry and its answer gets through before the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// So many bytes of the packet with the entry reach the server.
    Request(usize),
    /// All of it reaches the server, and so many bytes of the answer come back.
    Answer(usize),
    /// Nothing of it reaches the server before [`Proxy::deliver`].
    Late,
}

/// A packet that was cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packet {
    pub bytes: usize,
    /// Whether it ends a transaction that was begun before.
    pub commits: bool,
}

/// What is to be cut, and what was.
#[derive(Default)]
struct Plan {
    cut: Option<Cut>,
    /// Of so many commits one; 0: the next, and no other.
    every: usize,
    commits: usize,
    cuts: usize,
    last: Packet,
    late: Option<(TcpStream, Vec<u8>)>,
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

    /// Cuts the next commit, and no other.
    pub fn cut_next(&self, cut: Cut) {
        self.cut_every(0, cut);
    }

    /// Cuts nothing any more.
    pub fn rest(&self) {
        lock(&self.plan).cut = None;
    }

    /// How often it has cut.
    pub fn cuts(&self) -> usize {
        lock(&self.plan).cuts
    }

    /// What was cut last.
    pub fn last(&self) -> Packet {
        lock(&self.plan).last
    }

    /// Has the server take what comes late, to the end.
    ///
    /// # Panics
    /// If nothing does.
    pub fn deliver(&self) {
        let (mut server, packet) = lock(&self.plan).late.take().expect("something was cut to come late");
        server.write_all(&packet).and_then(|()| server.shutdown(Shutdown::Write)).expect("the server is there");
        // It ends the connection when it is done; what it answers is for nobody.
        let _ = server.read_to_end(&mut Vec::new());
    }
}

/// A mutex whose holder panicked has numbers that are whole.
fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plan {
    /// Whether, and how, a packet is cut.
    fn of(&mut self, packet: &[u8]) -> Option<Cut> {
        let has = |what: &[u8]| packet.windows(what.len()).any(|window| window == what);
        let cut = self.cut.filter(|_| has(ENTRY))?;
        self.commits += 1;
        match self.every {
            0 => self.cut = None,
            every if !self.commits.is_multiple_of(every) => return None,
            _ => {}
        }
        self.cuts += 1;
        self.last = Packet { bytes: packet.len(), commits: has(b"COMMIT\0") };
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
                Some(Cut::Late) => {
                    let server = self.server.try_clone().expect("a handle");
                    lock(&self.plan).late = Some((server, packet.to_vec()));
                    let _ = self.client.shutdown(Shutdown::Both);
                    return;
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
