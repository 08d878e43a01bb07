//! Transfers between two accounts through a handler, on `memory` and on `sqlite`, beside the same transfers written by hand over rusqlite in the
//! same run (`synchronous=FULL` both), with low and with high contention.
//!
//! `cargo bench -p patternc-benches --bench transfers [-- SECONDS]`

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patternc_benches::transfers::{ByHand, PATTERN, pair};
use patternc_compiler::db::Database;
use patternc_compiler::lower;
use patternc_interpreter::engine::{Engine, Overlap, Session, Submitted};
use patternc_interpreter::event::{Action, Event, EventId, Outcome};
use patternc_interpreter::host::SystemHost;
use patternc_interpreter::limits::Limits;
use patternc_interpreter::runtime::{Config, Runtime};
use patternc_interpreter::store::memory::Memory;
use patternc_interpreter::store::sqlite::{Opening, Sqlite};
use patternc_interpreter::store::state::Schema;
use patternc_interpreter::store::{Store, Stores};
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{CellIndex, HandlerId, Program, RecordId, SpaceId};

const ACCOUNTS: u64 = 1000;
const BALANCE: i64 = 1_000_000_000;
const IN_FLIGHT: usize = 64;
const ROUNDS: u32 = 15;

fn main() {
    let seconds: f64 = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(3.0);
    let time = Duration::from_secs_f64(seconds);
    let program = Arc::new(program());
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, high) in [("low contention", false), ("high contention", true)] {
        println!("{name}");
        show("memory, one core", on_memory(&program, time, high), None);
        let file = |kind: &str| folder.path().join(format!("{kind}-{high}.db"));
        let mut by_hand = by_hand(&file("hand"), high);
        let (mut one, mut many) = (on_sqlite(&program, &file("one"), high, 1), on_sqlite(&program, &file("many"), high, IN_FLIGHT));
        // A disk is now fast and now slow: what is compared takes turns on it.
        let rounds: Vec<[f64; 3]> = (0..ROUNDS).map(|_| [by_hand(time / ROUNDS), one(time / ROUNDS), many(time / ROUNDS)]).collect();
        let rate = |of: usize| median(rounds.iter().map(|round| round[of]));
        let beside = |of: usize| median(rounds.iter().map(|round| round[of] / round[0]));
        show("by hand, one at a time", rate(0), None);
        show("sqlite, one at a time", rate(1), Some(beside(1)));
        show("sqlite, 64 in flight", rate(2), Some(beside(2)));
    }
}

fn show(what: &str, rate: f64, beside: Option<f64>) {
    match beside {
        Some(beside) => println!("  {what:<26} {rate:>10.0} transfers/s   {beside:.2} x by hand"),
        None => println!("  {what:<26} {rate:>10.0} transfers/s"),
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn program() -> Program {
    let mut db = Database::default();
    db.set_project(&[("bank.pattern", PATTERN)], None);
    lower::lower(&db)
}

fn account(id: u64) -> RecordRef {
    RecordRef::new(RecordId(0), SpaceRef { space: SpaceId(0), key: None }, id.to_string())
}

fn transfer(from: &RecordRef, to: &RecordRef) -> Action {
    Action::Handler { to: from.clone(), handler: HandlerId(0), args: vec![Value::Ref(to.clone()), Value::Int(1)] }
}

fn creation(id: u64) -> Action {
    let space = SpaceRef { space: SpaceId(0), key: None };
    Action::Create { record: RecordId(0), space, id: Some(id.to_string().into()), cells: vec![(CellIndex(0), Value::Int(BALANCE))] }
}

/// Events per second of an engine that an application embeds: every event has an id of its own, which is recorded.
fn on_memory(program: &Arc<Program>, time: Duration, high: bool) -> f64 {
    let limits = Limits::default();
    let store = Memory::new(Arc::new(Schema::new(program)), &limits);
    let stores = Stores::new(vec![Box::new(store)], Vec::new());
    let mut engine =
        Engine::open(program.clone(), stores, Box::new(SystemHost::new()), limits, Overlap::None).expect("a store in memory opens");
    let mut submit = |action| {
        let event = Event { id: engine.fresh_event_id(), caller: None, action };
        match engine.submit(Session(1), event) {
            Submitted::Done(receipt) => receipt.open(&engine).expect("a store in memory is durable at once"),
            Submitted::Pending(_) => unreachable!("nothing is in the way of the event"),
        }
    };
    for id in 0..ACCOUNTS {
        assert!(matches!(submit(creation(id)), Outcome::Committed(_)));
    }
    let accounts: Vec<RecordRef> = (0..ACCOUNTS).map(account).collect();
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < time {
        for _ in 0..1000 {
            let (from, to) = pair(done, ACCOUNTS, high);
            assert!(matches!(submit(transfer(&accounts[from as usize], &accounts[to as usize])), Outcome::Committed(_)));
            done += 1;
        }
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// Transfers per second through a runtime on a store of its own, for as long as one says, again and again.
fn on_sqlite(program: &Arc<Program>, path: &Path, high: bool, in_flight: usize) -> impl FnMut(Duration) -> f64 + use<> {
    let store: Box<dyn Store> = Box::new(Sqlite::open(path, Opening::new(program.clone(), Limits::default())).expect("a new store opens"));
    let runtime = Runtime::open(program.clone(), Config::single(store)).expect("a new store opens");
    let session = runtime.session();
    for id in 0..ACCOUNTS {
        let _ = runtime.submit(session, None, None, creation(id));
    }
    assert!(runtime.wait_idle(Duration::from_secs(60)));
    let accounts: Vec<RecordRef> = (0..ACCOUNTS).map(account).collect();
    let mut sent = 0u64;
    move |time| {
        let mut open = VecDeque::new();
        let start = Instant::now();
        let mut done = 0u64;
        while start.elapsed() < time {
            while open.len() < in_flight {
                let (from, to) = pair(sent, ACCOUNTS, high);
                let id = EventId(format!("t{sent}").into());
                open.push_back(runtime.submit(session, Some(id), None, transfer(&accounts[from as usize], &accounts[to as usize])));
                sent += 1;
            }
            let (_, outcome) = open.pop_front().expect("it was filled").wait();
            assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
            done += 1;
        }
        let rate = done as f64 / start.elapsed().as_secs_f64();
        // The next in turn has the disk for itself.
        open.into_iter().for_each(|last| assert!(matches!(last.wait().1, Outcome::Committed(_))));
        rate
    }
}

/// Transfers per second written by hand, as [`on_sqlite`].
fn by_hand(path: &Path, high: bool) -> impl FnMut(Duration) -> f64 + use<> {
    let mut bank = ByHand::open(path, ACCOUNTS, BALANCE).expect("a new database opens");
    let mut sent = 0;
    move |time| {
        let start = Instant::now();
        let mut done = 0;
        while start.elapsed() < time {
            let (from, to) = pair(sent, ACCOUNTS, high);
            assert!(bank.transfer(&format!("t{sent}"), from, to, 1).expect("a transfer works"));
            (sent, done) = (sent + 1, done + 1);
        }
        let rate = done as f64 / start.elapsed().as_secs_f64();
        assert_eq!(bank.total().expect("a sum works"), ACCOUNTS as i64 * BALANCE);
        rate
    }
}
