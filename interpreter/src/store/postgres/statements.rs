//! Every statement that the store sends, in one place, so that it can be held against what servers document.
//!
//! All of it is SQL that CockroachDB (<https://www.cockroachlabs.com/docs/stable/sql-statements>) and YugabyteDB
//! (<https://docs.yugabyte.com/stable/api/ysql/>) document as well: plain tables and views, row locks by `SELECT … FOR UPDATE`,
//! `INSERT … ON CONFLICT DO UPDATE`, `unnest` over several arrays. No advisory locks (neither takes them across nodes), no `LISTEN`, no
//! triggers, no sequences, no `COPY`.
//!
//! Under READ COMMITTED, which is asked for (`BEGIN`), a statement sees what was committed before *it* began. CockroachDB may run the
//! transaction as SERIALIZABLE and YugabyteDB as snapshot isolation instead, where all statements see what was committed before the first:
//! then the wait for the lock ends in 40001 if someone else had it, and the turn is begun again. The store checks that the journal it
//! read ends where the head says, so that neither can go unnoticed.

/// Settings of a session. A process that dies or hangs in its turn loses the lock after `idle_in_transaction_session_timeout`; nobody
/// waits for a lock or a statement for ever. (CockroachDB: `SET` with these names, "Session variables".)
pub(super) const SESSION: &str = "SET idle_in_transaction_session_timeout = '10s'; SET statement_timeout = '60s'; SET lock_timeout = '30s'; \
     SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'";

pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// One state of everything. CockroachDB runs it as SERIALIZABLE, which is no less.
pub(super) const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// The same for a look that brings the tables to another program, and takes it back.
pub(super) const BEGIN_REHEARSAL: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";
/// Within a transaction that reads or writes everything: what is done with the rows between two statements may take long.
pub(super) const PATIENT: &str = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";

/// Whether the tables are there. Without one it is an error (42P01), which says so too.
pub(super) const FORMAT: &str = "SELECT format, applied, schema FROM _patternc_meta WHERE one = 1";

/// The tables that every store has. Texts are JSON where they could hold a NUL, which no text of PostgreSQL can.
///
/// A long key stands as a digest in the columns of primary keys, since an entry of an index has a largest size.
pub(super) const CREATE: [&str; 10] = [
    "CREATE TABLE IF NOT EXISTS _patternc_meta (one INT8 PRIMARY KEY, format INT8 NOT NULL, schema TEXT NOT NULL, applied INT8 NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _patternc_head (one INT8 PRIMARY KEY, position INT8 NOT NULL, generation INT8 NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _patternc_journal (position INT8 PRIMARY KEY, batch TEXT NOT NULL, runtime INT8 NOT NULL, now INT8 NOT NULL, \
     effects TEXT NOT NULL, checksum INT8 NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _patternc_runtime (id INT8 PRIMARY KEY, seen TIMESTAMPTZ NOT NULL, position INT8 NOT NULL, name TEXT NOT NULL, \
     report TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _patternc_record (n INT8 PRIMARY KEY, type INT8 NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL, \
     deleted BOOL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _patternc_cell (cell INT8 NOT NULL, n INT8 NOT NULL, value TEXT NOT NULL, PRIMARY KEY (cell, n))",
    "CREATE TABLE IF NOT EXISTS _patternc_item (cell INT8 NOT NULL, n INT8 NOT NULL, position INT8 NOT NULL, value TEXT NOT NULL, \
     PRIMARY KEY (cell, n, position))",
    "CREATE TABLE IF NOT EXISTS _patternc_element (cell INT8 NOT NULL, n INT8 NOT NULL, digest TEXT NOT NULL, key TEXT NOT NULL, \
     value TEXT NOT NULL, PRIMARY KEY (cell, n, digest))",
    "CREATE TABLE IF NOT EXISTS _patternc_outbox (sent INT8 PRIMARY KEY, id TEXT NOT NULL, event TEXT NOT NULL, state TEXT NOT NULL, \
     runtime INT8 NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _patternc_inbox (digest TEXT PRIMARY KEY, id TEXT NOT NULL, received TEXT NOT NULL, type TEXT NOT NULL, \
     keep_until INT8)",
];
pub(super) const CREATE_META: &str =
    "INSERT INTO _patternc_meta (one, format, schema, applied) VALUES (1, $1, $2, 0) ON CONFLICT (one) DO NOTHING";
pub(super) const CREATE_HEAD: &str = "INSERT INTO _patternc_head (one, position, generation) VALUES (1, 0, 1) ON CONFLICT (one) DO NOTHING";

// A turn.
pub(super) const LOCK: &str = "SELECT position, generation FROM _patternc_head WHERE one = 1 FOR UPDATE";
pub(super) const TAIL: &str =
    "SELECT position, batch, runtime, now, effects, checksum FROM _patternc_journal WHERE position > $1 ORDER BY position";
/// Appends an entry and moves the head to it, or does neither: only where the head is at the entry before, and of the generation that is
/// expected. (CockroachDB: "Common table expressions", "Data-modifying statements"; YugabyteDB: "WITH clause".)
pub(super) const APPEND: &str = "WITH head AS \
     (UPDATE _patternc_head SET position = $1::INT8 WHERE one = 1 AND position = $1::INT8 - 1 AND generation = $2::INT8 RETURNING position) \
     INSERT INTO _patternc_journal (position, batch, runtime, now, effects, checksum) \
     SELECT head.position, $3::TEXT, $4::INT8, $5::INT8, $6::TEXT, $7::INT8 FROM head";
/// Where the journal ends, without a lock.
pub(super) const HEAD: &str = "SELECT position, generation FROM _patternc_head WHERE one = 1";

// Who is alive: all times are the server's.
pub(super) const SEEN: &str = "INSERT INTO _patternc_runtime (id, seen, position, name, report) VALUES ($1, now(), $2, $3, $4) \
     ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, position = excluded.position, report = excluded.report";
pub(super) const LIVE: &str = "SELECT id, position, name, report FROM _patternc_runtime WHERE seen > now() - INTERVAL '5 seconds'";
/// How many others have not looked who is alive since this process said that it is: they say that they are before they look. One that has not
/// for longer than it believes what it saw (`live`) is not waited for.
pub(super) const UNAWARE: &str = "SELECT count(*) FROM _patternc_runtime AS own, _patternc_runtime AS other WHERE own.id = $1 AND other.id <> $1 \
     AND other.seen <= own.seen AND other.seen > now() - INTERVAL '1500 milliseconds'";
pub(super) const FORGET_DEAD: &str = "DELETE FROM _patternc_runtime WHERE seen < now() - INTERVAL '1 hour'";
/// What one that ends has said of itself stays, for those who look when nobody is there.
pub(super) const GONE: &str = "UPDATE _patternc_runtime SET seen = now() - INTERVAL '6 seconds', report = $2 WHERE id = $1";
/// The newest first.
pub(super) const LAST_SAID: &str = "SELECT report FROM _patternc_runtime ORDER BY seen DESC LIMIT 16";

// From the journal to the tables.
pub(super) const LOCK_APPLIED: &str = "SELECT applied FROM _patternc_meta WHERE one = 1 FOR UPDATE";
pub(super) const UNAPPLIED: &str =
    "SELECT position, batch, runtime, now, effects, checksum FROM _patternc_journal WHERE position > $1 ORDER BY position LIMIT $2";
pub(super) const APPLIED: &str = "UPDATE _patternc_meta SET applied = $1 WHERE one = 1";
pub(super) const CUT: &str = "DELETE FROM _patternc_journal WHERE position <= $1";
// `unnest` over several arrays gives rows (CockroachDB: "Array functions", `unnest(anyelement[], anyelement[], …)`).
pub(super) const PUT_RECORDS: &str = "INSERT INTO _patternc_record (n, type, space, id, deleted) \
     SELECT a.n, a.type, a.space, a.id, false FROM unnest($1::INT8[], $2::INT8[], $3::TEXT[], $4::TEXT[]) AS a (n, type, space, id) \
     ON CONFLICT (n) DO UPDATE SET type = excluded.type, space = excluded.space, id = excluded.id, deleted = excluded.deleted";
pub(super) const DELETE_RECORDS: &str = "UPDATE _patternc_record SET deleted = true WHERE n = ANY($1::INT8[])";
pub(super) const PUT_CELLS: &str = "INSERT INTO _patternc_cell (cell, n, value) \
     SELECT a.cell, a.n, a.value FROM unnest($1::INT8[], $2::INT8[], $3::TEXT[]) AS a (cell, n, value) \
     ON CONFLICT (cell, n) DO UPDATE SET value = excluded.value";
pub(super) const CLEAR_CELLS: &str = "DELETE FROM _patternc_cell WHERE n = ANY($1::INT8[])";
pub(super) const PUT_ITEMS: &str = "INSERT INTO _patternc_item (cell, n, position, value) \
     SELECT a.cell, a.n, a.position, a.value FROM unnest($1::INT8[], $2::INT8[], $3::INT8[], $4::TEXT[]) AS a (cell, n, position, value) \
     ON CONFLICT (cell, n, position) DO UPDATE SET value = excluded.value";
pub(super) const REMOVE_ITEMS: &str = "DELETE FROM _patternc_item WHERE (cell, n, position) IN \
     (SELECT a.cell, a.n, a.position FROM unnest($1::INT8[], $2::INT8[], $3::INT8[]) AS a (cell, n, position))";
pub(super) const PUT_ELEMENTS: &str = "INSERT INTO _patternc_element (cell, n, digest, key, value) SELECT a.cell, a.n, a.digest, a.key, a.value \
     FROM unnest($1::INT8[], $2::INT8[], $3::TEXT[], $4::TEXT[], $5::TEXT[]) AS a (cell, n, digest, key, value) \
     ON CONFLICT (cell, n, digest) DO UPDATE SET value = excluded.value";
pub(super) const REMOVE_ELEMENTS: &str = "DELETE FROM _patternc_element WHERE (cell, n, digest) IN \
     (SELECT a.cell, a.n, a.digest FROM unnest($1::INT8[], $2::INT8[], $3::TEXT[]) AS a (cell, n, digest))";
pub(super) const CLEAR_ITEMS: &str = "DELETE FROM _patternc_item WHERE (cell, n) IN \
     (SELECT a.cell, a.n FROM unnest($1::INT8[], $2::INT8[]) AS a (cell, n))";
pub(super) const CLEAR_ELEMENTS: &str = "DELETE FROM _patternc_element WHERE (cell, n) IN \
     (SELECT a.cell, a.n FROM unnest($1::INT8[], $2::INT8[]) AS a (cell, n))";
pub(super) const PUT_OUTBOX: &str = "INSERT INTO _patternc_outbox (sent, id, event, state, runtime) \
     SELECT a.sent, a.id, a.event, a.state, a.runtime FROM unnest($1::INT8[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::INT8[]) \
     AS a (sent, id, event, state, runtime) ON CONFLICT (sent) DO UPDATE SET state = excluded.state, runtime = excluded.runtime";
pub(super) const CHANGE_OUTBOX: &str = "UPDATE _patternc_outbox SET state = $2, runtime = $3 WHERE id = $1";
pub(super) const REMOVE_OUTBOX: &str = "DELETE FROM _patternc_outbox WHERE id = ANY($1::TEXT[])";
pub(super) const PUT_INBOX: &str = "INSERT INTO _patternc_inbox (digest, id, received, type, keep_until) \
     SELECT a.digest, a.id, a.received, a.type, a.keep_until FROM unnest($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::INT8[]) \
     AS a (digest, id, received, type, keep_until) ON CONFLICT (digest) DO UPDATE SET received = excluded.received, type = excluded.type, \
     keep_until = excluded.keep_until";
pub(super) const REMOVE_INBOX: &str = "DELETE FROM _patternc_inbox WHERE digest = ANY($1::TEXT[])";
/// What is still to be answered stays.
pub(super) const EXPIRE_INBOX: &str = "DELETE FROM _patternc_inbox WHERE keep_until < $1 AND received NOT LIKE '{\"deferred\"%'";

// From the tables to memory.
pub(super) const RECORDS: &str = "SELECT n, space, id FROM _patternc_record WHERE type = $1 AND NOT deleted ORDER BY n";
pub(super) const DELETED: &str = "SELECT n, type, space, id FROM _patternc_record WHERE deleted";
pub(super) const CELLS: &str = "SELECT n, value FROM _patternc_cell WHERE cell = $1 ORDER BY n";
pub(super) const ITEMS: &str = "SELECT n, position, value FROM _patternc_item WHERE cell = $1 ORDER BY n, position";
pub(super) const ELEMENTS: &str = "SELECT n, key, value FROM _patternc_element WHERE cell = $1 ORDER BY n";
pub(super) const OUTBOX: &str = "SELECT sent, id, event, state, runtime FROM _patternc_outbox ORDER BY sent";
pub(super) const RECORDS_COUNTED: &str = "SELECT type, count(*) FROM _patternc_record WHERE NOT deleted GROUP BY type";
pub(super) const INBOX_COUNTED: &str = "SELECT count(*) FROM _patternc_inbox";
pub(super) const INBOX: &str = "SELECT id, received, type, keep_until FROM _patternc_inbox ORDER BY keep_until";

// Another program.
pub(super) const DELETE_TYPE: &str = "UPDATE _patternc_record SET deleted = true WHERE type = $1 AND NOT deleted";
pub(super) const DROP_CELL: [&str; 3] = [
    "DELETE FROM _patternc_cell WHERE cell = $1",
    "DELETE FROM _patternc_item WHERE cell = $1",
    "DELETE FROM _patternc_element WHERE cell = $1",
];
pub(super) const SET_SCHEMA: &str = "UPDATE _patternc_meta SET schema = $1 WHERE one = 1";
pub(super) const NEXT_GENERATION: &str = "UPDATE _patternc_head SET generation = generation + 1 WHERE one = 1";
