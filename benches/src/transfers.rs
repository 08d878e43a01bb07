//! Transfers between two accounts, as a pattern and by hand over rusqlite.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

/// The pattern that is measured.
pub const PATTERN: &str = r#"
space bank

record Account in bank {
  cell balance: Int = 0

  handler transfer(to: Account, amount: Int) writes Account.balance {
    require self.balance >= amount else "not enough"
    self.balance -= amount
    to.balance += amount
  }
}
"#;

/// Which two of `accounts` the `n`-th transfer is between: spread over all (low contention), or between the first two (high).
pub fn pair(n: u64, accounts: u64, high_contention: bool) -> (u64, u64) {
    if high_contention {
        return (n % 2, (n + 1) % 2);
    }
    // A multiplier without a common factor visits every account; the second differs from the first.
    let from = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % accounts;
    (from, (from + 1 + n % (accounts - 1)) % accounts)
}

/// The same transfers as a careful programmer writes them: one immediate transaction each, prepared statements, `synchronous=FULL`.
pub struct ByHand {
    connection: Connection,
}

impl ByHand {
    /// A new database at the path.
    pub fn open(path: &Path, accounts: u64, balance: i64) -> rusqlite::Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL); CREATE TABLE seen (event TEXT PRIMARY KEY) WITHOUT ROWID;",
        )?;
        let transaction = connection.transaction()?;
        for id in 0..accounts {
            transaction.execute("INSERT INTO account VALUES (?1, ?2)", (id as i64, balance))?;
        }
        transaction.commit()?;
        Ok(ByHand { connection })
    }

    /// One transfer; whether it was applied. The event's id is recorded with it, as the runtime does.
    pub fn transfer(&mut self, event: &str, from: u64, to: u64, amount: i64) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let fresh = transaction.prepare_cached("INSERT OR IGNORE INTO seen VALUES (?1)")?.execute([event])? == 1;
        if !fresh {
            return Ok(false);
        }
        let balance: i64 =
            transaction.prepare_cached("SELECT balance FROM account WHERE id = ?1")?.query_row([from as i64], |row| row.get(0))?;
        if balance < amount {
            transaction.commit()?;
            return Ok(false);
        }
        transaction.prepare_cached("UPDATE account SET balance = balance - ?2 WHERE id = ?1")?.execute((from as i64, amount))?;
        transaction.prepare_cached("UPDATE account SET balance = balance + ?2 WHERE id = ?1")?.execute((to as i64, amount))?;
        transaction.commit()?;
        Ok(true)
    }

    /// The sum of all balances.
    pub fn total(&self) -> rusqlite::Result<i64> {
        self.connection.query_row("SELECT sum(balance) FROM account", [], |row| row.get(0))
    }
}
