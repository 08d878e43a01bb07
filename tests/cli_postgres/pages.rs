//! The blocks of the pages for users that need PostgreSQL: scripts, and SQL.

use std::path::Path;
use std::process::Command;

use crate::blocks::{Block, blocks};
use crate::patternc::{folder, repository, seen, until};
use crate::server::{database, server};

/// What the page's views are of, and what its tests are run over.
const PATTERN: &str = r#"
space bank
record Account in bank {
  cell balance: Int = 0
  handler pay(n: Int) { self.balance += n }
}
space lobby
record Room in lobby {
  cell messages: List<Text> = []
  handler say(text: Text) { self.messages += text }
}
test "what is paid is there" {
  let a = create Account in bank { }
  a.pay(3)
  expect a.balance == 3
}
"#;

const EVENTS: &str = r#"{"id":"1","create":"Account","as":"ann"}
{"id":"2","to":"Account/ann","handler":"pay","args":{"n":7}}
{"id":"3","create":"Room","as":"tea"}
{"id":"4","to":"Room/tea","handler":"say","args":{"text":"hello"}}
"#;

fn of(page: &str, is: impl Fn(&Block) -> bool) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join(page)).expect("the page is part of the repository");
    let found: Vec<String> = blocks(&text).0.into_iter().filter(is).map(|block| block.text).collect();
    assert!(!found.is_empty(), "{page} has no such block");
    found
}

/// In a shell in which `patternc` is the binary of the tests.
fn run(script: &str, place: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_patternc")).parent().expect("a binary lies in a folder");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh").args(["-euc", script]).current_dir(place).env("PATH", path).env("NO_COLOR", "1").output();
    let output = output.expect("there is a shell");
    assert!(output.status.success(), "{script}\n{}", seen(&output));
    seen(&output)
}

#[test]
fn the_scripts_and_the_sql_of_the_page_on_servers_run() {
    let Some(server) = server() else { return };
    let page = "docs/src/guide/postgres.md";
    let configuration = of(page, |block| block.language() == "yaml").remove(0);
    let place = folder(&[("main.pattern", PATTERN), ("patternc.yaml", &configuration), ("events.jsonl", EVENTS)]);
    let database = database();
    let scripts = of(page, |block| block.language() == "sh");
    assert_eq!(scripts.len(), 2);
    for script in scripts {
        // The page's addresses are of servers that nobody has.
        let (before, rest) = script.split_once("postgres://").expect("a script names a server");
        let after = rest.find(['\'', ' ']).map_or("", |end| &rest[end..]);
        let said = run(&format!("{before}{}{after}", server.url(&database)), place.path());
        assert!(said.matches("committed").count() == 4 || said.contains("1 passed, 0 failed"), "{said}");
    }
    let queries = of(page, |block| block.language() == "sql");
    let queries: Vec<&str> = queries.iter().flat_map(|text| text.lines()).collect();
    assert_eq!(queries.len(), 2);
    for (query, wanted) in queries.into_iter().zip(["7", "hello"]) {
        // The views follow the journal.
        until(|| server.sql(&database, query).unwrap_or_else(|error| panic!("{query}: {error}")).contains(wanted).then_some(()));
    }
}

#[test]
fn the_transaction_of_the_page_on_sql_moves_what_it_says() {
    let Some(server) = server() else { return };
    let database = database();
    server.url(&database);
    let prepared = "CREATE TABLE account (id text PRIMARY KEY, balance int); INSERT INTO account VALUES ('ann', 100), ('bob', 0)";
    server.sql(&database, prepared).expect("the database is new");
    for script in of("docs/src/coming-from/sql.md", |block| block.language() == "sql") {
        server.sql(&database, &script).unwrap_or_else(|error| panic!("{script}{error}"));
    }
    let balances = server.sql(&database, "SELECT id || '=' || balance FROM account ORDER BY id").expect("the table is there");
    assert!(balances.contains("ann=70") && balances.contains("bob=30"), "{balances}");
}
