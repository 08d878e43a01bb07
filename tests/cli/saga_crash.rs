//! `kill -9` in the middle of sagas over two stores and a payment service that is a command: when the same events are sent again, everything is
//! done or undone, and nothing is paid twice.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::patternc::{patternc, repository, run_with_input, seen};

const PATTERN: &str = r#"
space shop
space stock

extern payments { pay(to: Text, amount: Int) -> Text idempotent }

record Shelf in stock {
  cell left: Int = 15
  internal handler take() { require self.left > 0 else "sold out"  self.left -= 1 }
  internal handler give() { self.left += 1 }
}

record Buyer in shop {
  cell name: Text key
  cell orders: Int = 0
  cell bought: Int = 0
  cell refused: Int = 0
  internal handler order() { self.orders += 1 }
  internal handler cancel() { self.orders -= 1 }
  internal handler got() { self.bought += 1 }
  saga buy(shelf: Shelf) {
    step self.order() undo self.cancel()
    step shelf.take() undo shelf.give()
    pivot receipt = payments.pay(self.name, 1)
    step self.got()
  }
  handler begin(shelf: Shelf) {
    send self.buy(shelf) then {
      err(_e) => { self.refused += 1 }
    }
  }
}
"#;

const CONFIG: &str = r#"
project: shop
default-deployment: two-stores
deployments:
  two-stores:
    stores: { a: { kind: sqlite, path: .patternc/a.db }, b: { kind: sqlite, path: .patternc/b.db } }
    spaces: { shop: a, stock: b }
    externs: { payments: { kind: command, run: ["./pay"], replays: true } }
"#;

const BOUGHT: usize = 15;
const BUYERS: usize = 4;
const ORDERS: usize = 24;

fn events() -> String {
    let mut out = String::from("{\"id\":\"s\",\"create\":\"Shelf\",\"as\":\"s\"}\n");
    for buyer in 0..BUYERS {
        out.push_str(&format!("{{\"id\":\"b{buyer}\",\"create\":\"Buyer\",\"as\":\"{buyer}\",\"cells\":{{\"name\":\"{buyer}\"}}}}\n"));
    }
    for order in 0..ORDERS {
        let buyer = order % BUYERS;
        out.push_str(&format!(
            "{{\"id\":\"o{order}\",\"to\":\"Buyer/{buyer}\",\"handler\":\"begin\",\"args\":{{\"shelf\":{{\"ref\":\"Shelf/s\"}}}}}}\n"
        ));
    }
    out
}

fn run(folder: &Path) -> Command {
    let mut command = patternc(folder);
    command.args(["run", "--quiet"]);
    command
}

#[test]
fn sagas_killed_at_any_moment_end_all_done_or_all_undone() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_nanos() as u64;
    let mut chance = seed;
    for round in 0..4 {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("shop.pattern"), PATTERN).expect("there is room for a file");
        std::fs::write(folder.path().join("patternc.yaml"), CONFIG).expect("there is room for a file");
        std::fs::copy(repository().join("patterns/bounty_board/pay"), folder.path().join("pay")).expect("the example has a service");
        for _ in 0..4 {
            let mut child = run(folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the binary of the test starts");
            let mut stdin = child.stdin.take().expect("it is piped");
            // It may be gone before it has read all.
            let _ = stdin.write_all(events().as_bytes());
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_micros(20_000 + (chance >> 33) % 150_000));
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
        let context = format!("seed {seed}, round {round}");
        let output = run_with_input(run(folder.path()), &events());
        assert_eq!(output.status.code(), Some(0), "{context}\n{}", seen(&output));
        let reads = "{\"query\":\"[Buyer.all.map(b => b.orders).sum(), Buyer.all.map(b => b.bought).sum(), Buyer.all.map(b => b.refused).sum()]\",\
                     \"in\":\"shop\"}\n{\"read\":\"Shelf/s\",\"cells\":[\"left\"]}\n";
        let state = run_with_input(run(folder.path()), reads);
        let wanted = format!(
            "{{\"outcome\":\"value\",\"value\":[{BOUGHT},{BOUGHT},{}]}}\n{{\"outcome\":\"value\",\"cells\":{{\"left\":0}}}}\n",
            ORDERS - BOUGHT
        );
        assert_eq!(String::from_utf8_lossy(&state.stdout), wanted, "{context}\n{}", seen(&state));
        let paid = std::fs::read_dir(folder.path().join(".patternc/paid")).expect("something was paid").count();
        let ledger = std::fs::read_to_string(folder.path().join(".patternc/ledger")).expect("something was paid");
        assert_eq!(paid, BOUGHT, "{context}");
        // A payment killed between its two files was never written down: it is for the service to put that right.
        assert!(ledger.lines().count() <= BOUGHT, "{context}\n{ledger}");
    }
}
