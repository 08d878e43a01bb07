//! Sagas of three steps a second on `sqlite` (`synchronous=FULL`), beside Restate with its defaults (every write synced) in the same run.
//!
//! `cargo bench -p patternc-benches --bench sagas [-- SECONDS]`. Restate is what npm has of it (`benches/peers/restate/package.json`: the server as
//! `@restatedev/restate-server-linux-x64`, and its SDK): the first run installs it into `target/peers/restate`. Where there is no node or npm, only the
//! sagas of patterns are measured, and it says so.
//!
//! Both keep what they have promised on the same disk, synced before a saga is answered. Restate is asked over HTTP, as it is meant to be; patterns
//! run in the process that asks.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::db::Database;
use patternc_compiler::lower;
use patternc_interpreter::event::{Action, EventId, Outcome};
use patternc_interpreter::limits::Limits;
use patternc_interpreter::runtime::{Config, Runtime};
use patternc_interpreter::store::Store;
use patternc_interpreter::store::sqlite::{Opening, Sqlite};
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{CellIndex, Program, RecordId, SagaId};

const PATTERN: &str = r#"
space orders
space shelves

record Shelf in shelves {
  cell left: Int
  internal handler take() -> Int {
    require self.left > 0 else "sold out"
    self.left -= 1
    return self.left
  }
  internal handler give() { self.left += 1 }
}

record Order in orders {
  cell n: Int = 0
  saga run(a: Shelf, b: Shelf, c: Shelf) {
    step a.take() undo a.give()
    step b.take() undo b.give()
    step c.take() undo c.give()
  }
}
"#;

const RECORDS: u64 = 1000;
const IN_FLIGHT: [usize; 2] = [1, 64];

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let seconds: f64 = arguments.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(5.0);
    let peer = restate();
    let program = Arc::new(program());
    for in_flight in IN_FLIGHT {
        println!("{in_flight} in flight");
        let one = on_sqlite(&program, 1, seconds, in_flight);
        println!("  {:<34} {one:>8.0} sagas/s", "patternc, one store");
        let two = on_sqlite(&program, 2, seconds, in_flight);
        println!("  {:<34} {two:>8.0} sagas/s", "patternc, two stores");
        match peer.as_ref().map_err(Clone::clone).and_then(|folder| on_restate(folder, seconds, in_flight)) {
            Ok((objects, runs)) => {
                println!(
                    "  {:<34} {objects:>8.0} sagas/s   patternc is {:.2} x, {:.2} x",
                    "Restate, steps as objects' calls",
                    one / objects,
                    two / objects
                );
                println!(
                    "  {:<34} {runs:>8.0} sagas/s   patternc is {:.2} x, {:.2} x",
                    "Restate, steps as results only",
                    one / runs,
                    two / runs
                );
            }
            Err(why) => println!("  Restate was not measured: {why}"),
        }
    }
}

fn program() -> Program {
    let mut db = Database::default();
    db.set_project(&[("sagas.pattern", PATTERN)], None);
    assert!(check(&db, &CheckOptions::default()).iter().all(|finding| finding.level.name() != "error"));
    lower::lower(&db)
}

fn on_sqlite(program: &Arc<Program>, stores: usize, seconds: f64, in_flight: usize) -> f64 {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let open = |store: usize| -> Box<dyn Store> {
        let path = folder.path().join(format!("{store}.db"));
        Box::new(Sqlite::open(&path, Opening::new(program.clone(), Limits::default())).expect("a new store opens"))
    };
    let space = |name: &str| SpaceRef { space: program.space_named(name).expect("it is declared"), key: None };
    let mut config = Config::single(open(0));
    if stores > 1 {
        config.stores.push(open(1));
        config.places = program.spaces.iter().map(|space| usize::from(space.name == "shelves")).collect();
    }
    let runtime = Runtime::open(program.clone(), config).expect("new stores open");
    let session = runtime.session();
    let record = |name: &str| program.record_named(name).expect("it is declared");
    let create = |of: RecordId, space: &SpaceRef, id: u64, cells| Action::Create {
        record: of,
        space: space.clone(),
        id: Some(id.to_string().into()),
        cells,
    };
    let (order, shelf, orders, shelves) = (record("Order"), record("Shelf"), space("orders"), space("shelves"));
    for id in 0..RECORDS {
        let _ = runtime.submit(session, None, None, create(order, &orders, id, Vec::new()));
        let _ = runtime.submit(session, None, None, create(shelf, &shelves, id, vec![(CellIndex(0), Value::Int(1_000_000_000))]));
    }
    assert!(runtime.wait_idle(Duration::from_secs(120)));
    let at = |of: RecordId, space: &SpaceRef, id: u64| RecordRef::new(of, space.clone(), (id % RECORDS).to_string());
    let time = Duration::from_secs_f64(seconds);
    let mut open = VecDeque::new();
    let start = Instant::now();
    let (mut sent, mut done) = (0u64, 0u64);
    while start.elapsed() < time {
        while open.len() < in_flight {
            let args = [0, 333, 666].map(|apart| Value::Ref(at(shelf, &shelves, sent + apart)));
            let action = Action::Saga { to: at(order, &orders, sent), saga: SagaId(0), args: args.to_vec() };
            open.push_back(runtime.submit(session, Some(EventId(format!("s{sent}").into())), None, action));
            sent += 1;
        }
        let (_, outcome) = open.pop_front().expect("it was filled").wait();
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
        done += 1;
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// The folder in which Restate is installed, by npm if it is not yet.
fn restate() -> Result<PathBuf, String> {
    let target = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = target.ancestors().find(|folder| folder.ends_with("target")).ok_or("the bench runs outside of `target`")?;
    let (peer, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/restate"), target.join("peers/restate"));
    let copy = |name: &str| std::fs::copy(peer.join(name), folder.join(name)).map_err(|error| format!("{name}: {error}"));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for name in ["package.json", "bench.mjs"] {
        copy(name)?;
    }
    if !folder.join("node_modules/@restatedev").exists() {
        println!("npm install in {}", folder.display());
        let npm = Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder).status();
        match npm {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("npm install ends with {status}")),
            Err(error) => return Err(format!("npm does not start: {error}")),
        }
    }
    Ok(folder)
}

/// Sagas a second with steps as calls of virtual objects, and with steps of which only the result is stored.
fn on_restate(folder: &Path, seconds: f64, in_flight: usize) -> Result<(f64, f64), String> {
    let output = Command::new("node")
        .args(["bench.mjs", &seconds.to_string(), &in_flight.to_string()])
        .current_dir(folder)
        .output()
        .map_err(|error| format!("node does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |name: &str| -> Option<f64> {
        let (_, rest) = text.lines().last()?.split_once(&format!("\"{name}\":"))?;
        rest.split([',', '}']).next()?.parse().ok()
    };
    match (number("objects"), number("runs")) {
        (Some(objects), Some(runs)) => Ok((objects, runs)),
        _ => Err(format!("bench.mjs says {text:?} {:?}", String::from_utf8_lossy(&output.stderr).lines().next())),
    }
}
