//! Transfers between two accounts through a handler on PostgreSQL, beside the same transfers as hand-written SERIALIZABLE transactions with
//! retries, in the same run on the same server (`fsync` and `synchronous_commit` on): 1, 8 and 32 in flight, low and high contention.
//! Then how much memory and time a process takes to hold and to load accounts.
//!
//! `cargo bench -p patternc-benches --bench postgres [-- SECONDS]`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use patternc_benches::transfers::{PATTERN, pair};
use patternc_compiler::db::Database;
use patternc_compiler::lower;
use patternc_interpreter::event::{Action, EventId, Outcome};
use patternc_interpreter::limits::Limits;
use patternc_interpreter::runtime::{Config, Runtime};
use patternc_interpreter::store::format::Opening;
use patternc_interpreter::store::postgres::Postgres;
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_postgres_server::Server;
use patternc_program::{CellIndex, HandlerId, Program, RecordId, SpaceId};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};

const ACCOUNTS: u64 = 1000;
const BALANCE: i64 = 1_000_000_000;
const HELD: u64 = 100_000;

fn main() {
    let seconds: f64 = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(3.0);
    let time = Duration::from_secs_f64(seconds);
    let Some(server) = Server::start(&[]) else { return };
    let program = Arc::new(program());
    let mut slower = 0;
    for (name, high) in [("low contention", false), ("high contention", true)] {
        println!("{name}");
        for in_flight in [1, 8, 32] {
            let (hand, retries) = by_hand(&server.url(&format!("hand_{high}_{in_flight}")), time, high, in_flight);
            let ours = with_pattern(&program, &server.url(&format!("ours_{high}_{in_flight}")), time, high, in_flight);
            println!(
                "  {in_flight:>2} in flight   {ours:>8.0} transfers/s   by hand {hand:>8.0} ({:.0} % tried again)   {:.2} x",
                100.0 * retries,
                ours / hand
            );
            slower += u32::from(ours < hand);
        }
    }
    println!("{slower} of 6 slower than by hand");
    hold(&program, &server.url("held"), "accounts in one space", |_| None);
    let apart = Arc::new(compiled("space branch[Text]\nrecord Account in branch { cell balance: Int = 0 }\n"));
    hold(&apart, &server.url("apart"), "accounts in a space each", |id| Some(id.to_string()));
}

fn program() -> Program {
    compiled(PATTERN)
}

fn compiled(text: &str) -> Program {
    let mut db = Database::default();
    db.set_project(&[("bank.pattern", text)], None);
    lower::lower(&db)
}

fn account(id: u64) -> RecordRef {
    RecordRef::new(RecordId(0), SpaceRef { space: SpaceId(0), key: None }, id.to_string())
}

fn open(program: &Arc<Program>, url: &str) -> Runtime {
    let store = Postgres::open(url, Opening::new(program.clone(), Limits::default())).expect("a new store opens");
    Runtime::open(program.clone(), Config::single(Box::new(store))).expect("a new store opens")
}

/// `key`: of the space of each account, of a family.
fn create(runtime: &Runtime, accounts: u64, key: impl Fn(u64) -> Option<String>) {
    let session = runtime.session();
    let creation = |id: u64| {
        let space = SpaceRef { space: SpaceId(0), key: key(id).map(|key| Value::Text(key.into()).into()) };
        Action::Create { record: RecordId(0), space, id: Some(id.to_string().into()), cells: vec![(CellIndex(0), Value::Int(BALANCE))] }
    };
    let created: Vec<_> = (0..accounts).map(|id| runtime.submit(session, None, None, creation(id))).collect();
    assert!(created.into_iter().all(|taken| matches!(taken.wait().1, Outcome::Committed(_))));
}

/// Transfers per second of so many threads, each of which waits for its outcome before it sends the next event.
fn with_pattern(program: &Arc<Program>, url: &str, time: Duration, high: bool, in_flight: u64) -> f64 {
    let runtime = open(program, url);
    create(&runtime, ACCOUNTS, |_| None);
    let accounts: Vec<RecordRef> = (0..ACCOUNTS).map(account).collect();
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..in_flight {
            let (runtime, accounts, done, stop) = (&runtime, &accounts, &done, &stop);
            scope.spawn(move || {
                let session = runtime.session();
                let mut n = thread;
                while !stop.load(Ordering::Relaxed) {
                    let (from, to) = pair(n, ACCOUNTS, high);
                    let args = vec![Value::Ref(accounts[to as usize].clone()), Value::Int(1)];
                    let action = Action::Handler { to: accounts[from as usize].clone(), handler: HandlerId(0), args };
                    let (_, outcome) = runtime.submit(session, Some(EventId(format!("t{n}").into())), None, action).wait();
                    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
                    done.fetch_add(1, Ordering::Relaxed);
                    n += in_flight;
                }
            });
        }
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// A connection with the statements of a transfer prepared.
///
/// As who knows PostgreSQL writes it: both accounts are locked in one order, so that nobody waits for a deadlock to be found; everything is
/// sent at once, so that a transfer takes one round trip; and what could not be serialized is tried again after a pause that grows, with
/// jitter.
struct Hand {
    runtime: tokio::runtime::Runtime,
    client: Client,
    lock: Statement,
    transfer: Statement,
    jitter: u64,
}

/// The first pause before another try, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(10));

impl Hand {
    fn connect(url: &str) -> Hand {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("it connects");
            tokio::spawn(connection);
            client
        });
        let prepare = |sql: &str| runtime.block_on(client.prepare(sql)).expect("it is SQL");
        let lock = prepare("SELECT balance FROM account WHERE id IN ($1, $2) ORDER BY id FOR UPDATE");
        // The event's id is recorded with it, as the runtime does.
        let transfer = prepare(
            "WITH fresh AS (INSERT INTO seen VALUES ($1) ON CONFLICT DO NOTHING RETURNING event) \
             UPDATE account SET balance = balance + CASE id WHEN $2 THEN -$4::INT8 ELSE $4::INT8 END \
             WHERE id IN ($2, $3) AND EXISTS (SELECT FROM fresh) AND (SELECT balance FROM account WHERE id = $2) >= $4",
        );
        Hand { lock, transfer, runtime, client, jitter: std::process::id().into() }
    }

    /// One transfer, tried again until it is serialized; how often it was.
    fn transfer(&mut self, event: &str, from: i64, to: i64) -> u64 {
        let mut retries = 0;
        loop {
            match self.runtime.block_on(self.attempt(event, from, to)) {
                Ok(changed) => {
                    assert_eq!(changed, 2, "{event}");
                    return retries;
                }
                Err(error) => {
                    let again = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
                    assert!(error.code().is_some_and(|code| again.contains(code)), "{error}");
                    std::thread::sleep(self.pause(retries));
                    retries += 1;
                }
            }
        }
    }

    fn pause(&mut self, retries: u64) -> Duration {
        let (first, longest) = PAUSES;
        let most = first.saturating_mul(1 << retries.min(10)).min(longest);
        self.jitter = self.jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        most.mul_f64((self.jitter >> 33) as f64 / f64::from(1u32 << 31))
    }

    async fn attempt(&self, event: &str, from: i64, to: i64) -> Result<u64, tokio_postgres::Error> {
        let client = &self.client;
        let both: [&(dyn ToSql + Sync); 2] = [&from, &to];
        let all: [&(dyn ToSql + Sync); 4] = [&event, &from, &to, &1i64];
        let (begun, locked, changed, committed) = tokio::join!(
            client.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE"),
            client.query(&self.lock, &both),
            client.execute(&self.transfer, &all),
            client.batch_execute("COMMIT"),
        );
        // After an error the server rolls back, and says nothing of it at COMMIT.
        begun?;
        locked?;
        let changed = changed?;
        committed.map(|()| changed)
    }
}

/// Transfers per second of so many connections, and how many attempts were lost for each.
fn by_hand(url: &str, time: Duration, high: bool, in_flight: u64) -> (f64, f64) {
    let first = Hand::set_up(url);
    let (done, again, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..in_flight {
            let (done, again, stop) = (&done, &again, &stop);
            scope.spawn(move || {
                let mut hand = Hand::connect(url);
                hand.jitter = hand.jitter.wrapping_add(thread << 20);
                let mut n = thread;
                while !stop.load(Ordering::Relaxed) {
                    let (from, to) = pair(n, ACCOUNTS, high);
                    again.fetch_add(hand.transfer(&format!("t{n}"), from as i64, to as i64), Ordering::Relaxed);
                    done.fetch_add(1, Ordering::Relaxed);
                    n += in_flight;
                }
            });
        }
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    let elapsed = start.elapsed().as_secs_f64();
    let total: i64 = first.runtime.block_on(first.client.query_one("SELECT sum(balance)::INT8 FROM account", &[])).expect("a sum").get(0);
    assert_eq!(total, ACCOUNTS as i64 * BALANCE);
    let done = done.load(Ordering::Relaxed) as f64;
    (done / elapsed, again.load(Ordering::Relaxed) as f64 / done)
}

impl Hand {
    /// Makes the tables.
    fn set_up(url: &str) -> Hand {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("it connects");
            let connection = tokio::spawn(connection);
            let tables = "CREATE TABLE account (id INT8 PRIMARY KEY, balance INT8 NOT NULL); CREATE TABLE seen (event TEXT PRIMARY KEY)";
            client.batch_execute(tables).await.expect("it is SQL");
            let fill = format!("INSERT INTO account SELECT n, {BALANCE} FROM generate_series(0, {}) AS a (n)", ACCOUNTS - 1);
            client.batch_execute(&fill).await.expect("it is SQL");
            drop(client);
            // The end of the session, of whichever kind.
            let _ = connection.await;
        });
        Hand::connect(url)
    }
}

/// What it takes to hold many small records, and to load them.
fn hold(program: &Arc<Program>, url: &str, what: &str, key: impl Fn(u64) -> Option<String>) {
    let before = memory();
    let start = Instant::now();
    let runtime = open(program, url);
    create(&runtime, HELD, key);
    let created = start.elapsed();
    let held = memory() - before;
    runtime.close(Duration::from_secs(60));
    let start = Instant::now();
    let runtime = open(program, url);
    println!(
        "{HELD} {what}: created in {:.1} s, {:.0} bytes of memory each with the event that made it, loaded in {:.1} s",
        created.as_secs_f64(),
        held / HELD as f64,
        start.elapsed().as_secs_f64()
    );
    drop(runtime);
}

/// Bytes of this process that are in memory.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or_default() * 4096.0
}
