//! Brings the journal to the tables.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use super::journal::{self, Entry};
use super::link::Link;
use super::rows::{json_text, to_text};
use super::statements as sql;
use crate::store::format::changes::{Changes, InboxRow, OutboxChange};
use crate::store::format::effect::Effect;
use crate::store::format::native::Native;
use crate::store::format::schema::{Kind, StoredSchema};

/// Entries of the journal that are read at once.
const AT_ONCE: i64 = 500;
/// Bytes of a key that stands in an index as it is.
const LONGEST_KEY: usize = 400;

/// Why the journal cannot be brought to the tables.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error("{}", super::link::source(.0))]
    Server(#[from] super::link::LinkError),
    #[error("{0}")]
    Damaged(String),
}

/// Brings entries that are not in the tables to them, in the transaction that the caller has begun and in which it has locked
/// [`sql::LOCK_APPLIED`]; about as many as `at_most`. Gives the last one that is in the tables now.
pub(super) fn apply_journal(link: &Link, schema: &StoredSchema, at_most: i64) -> Result<i64, ApplyError> {
    let meta = link.query(sql::FORMAT, &[])?;
    let mut applied: i64 = meta.first().map_or(0, |row| row.get(1));
    let mut left = at_most;
    loop {
        let rows = link.query(sql::UNAPPLIED, &[&applied, &AT_ONCE.min(left)])?;
        let entries = journal::entries(applied, &rows).map_err(ApplyError::Damaged)?;
        let Some(last) = entries.last().map(|entry| (entry.position, entry.now)) else { return Ok(applied) };
        left = left.saturating_sub(entries.len() as i64);
        let (changes, owners) = gather(entries);
        apply(link, schema, changes, &owners)?;
        link.execute(sql::EXPIRE_INBOX, &[&last.1])?;
        link.execute(sql::APPLIED, &[&last.0])?;
        applied = last.0;
        if left <= 0 {
            return Ok(applied);
        }
    }
}

/// By event: the process that has sent or changed it last.
type Owners = BTreeMap<String, i64>;

fn gather(entries: Vec<Entry>) -> (Changes, Owners) {
    let (mut changes, mut owners) = (Changes::default(), Owners::new());
    for entry in entries {
        for effect in entry.effects {
            if let Effect::Out { id, .. } | Effect::State { id, .. } = &effect {
                owners.insert(id.clone(), entry.runtime);
            }
            changes.add(effect);
        }
    }
    (changes, owners)
}

/// What goes to one table, column by column.
#[derive(Default)]
struct Columns {
    numbers: [Vec<i64>; 3],
    texts: [Vec<String>; 3],
}

/// Brings changes to the tables.
pub(super) fn apply(link: &Link, schema: &StoredSchema, changes: Changes, owners: &Owners) -> Result<(), ApplyError> {
    let kinds: FxHashMap<u32, Kind> = schema.types.iter().flat_map(|ty| &ty.cells).map(|cell| (cell.id, cell.kind)).collect();
    let collections: FxHashMap<u32, Vec<u32>> =
        schema.types.iter().map(|ty| (ty.id, ty.collections().map(|cell| cell.id).collect())).collect();
    let (mut records, mut cells) = (Columns::default(), Columns::default());
    let (mut items, mut elements) = (Columns::default(), Columns::default());
    let (mut no_items, mut no_elements) = (Columns::default(), Columns::default());
    let (mut cleared, mut deleted) = (Columns::default(), Vec::new());
    for (n, change) in changes.records {
        let n = n as i64;
        if let Some((ty, space, id)) = change.new {
            records.numbers[0].push(n);
            records.numbers[1].push(i64::from(ty));
            // A NUL, which no text of PostgreSQL can hold, is read back from its number.
            records.texts[0].push(space.replace('\0', "%00"));
            records.texts[1].push(id.replace('\0', "%00"));
        }
        if let Some(ty) = change.deleted {
            deleted.push(n);
            for cell in collections.get(&ty).into_iter().flatten() {
                cleared.numbers[0].push(i64::from(*cell));
                cleared.numbers[1].push(n);
            }
            continue;
        }
        for (cell, value) in change.columns {
            cells.numbers[0].push(i64::from(cell));
            cells.numbers[1].push(n);
            cells.texts[0].push(to_text(&value));
        }
        for (cell, change) in change.collections {
            let kind = kinds.get(&cell).copied().ok_or_else(|| ApplyError::Damaged(format!("the schema has no cell {cell}")))?;
            if change.cleared {
                cleared.numbers[0].push(i64::from(cell));
                cleared.numbers[1].push(n);
            }
            for (key, value) in change.elements {
                let (list, put) = (kind == Kind::List, value.is_some());
                let rows = match (list, put) {
                    (true, true) => &mut items,
                    (true, false) => &mut no_items,
                    (false, true) => &mut elements,
                    (false, false) => &mut no_elements,
                };
                rows.numbers[0].push(i64::from(cell));
                rows.numbers[1].push(n);
                match key {
                    Native::Integer(position) if list => rows.numbers[2].push(position),
                    _ if list => return Err(ApplyError::Damaged("a position is no number".to_owned())),
                    key => {
                        let key = to_text(&key);
                        rows.texts[0].push(digest(&key));
                        rows.texts[1].push(key);
                    }
                }
                rows.texts[2].extend(value.map(|value| to_text(&value)));
            }
        }
    }
    let Columns { numbers: [n, ty, _], texts: [space, id, _] } = &records;
    put(link, sql::PUT_RECORDS, n.len(), &[n, ty, space, id])?;
    put(link, sql::DELETE_RECORDS, deleted.len(), &[&deleted])?;
    put(link, sql::CLEAR_CELLS, deleted.len(), &[&deleted])?;
    let Columns { numbers: [cell, n, _], .. } = &cleared;
    put(link, sql::CLEAR_ITEMS, n.len(), &[cell, n])?;
    put(link, sql::CLEAR_ELEMENTS, n.len(), &[cell, n])?;
    let Columns { numbers: [cell, n, _], texts: [value, ..] } = &cells;
    put(link, sql::PUT_CELLS, n.len(), &[cell, n, value])?;
    let Columns { numbers: [cell, n, position], .. } = &no_items;
    put(link, sql::REMOVE_ITEMS, n.len(), &[cell, n, position])?;
    let Columns { numbers: [cell, n, position], texts: [_, _, value] } = &items;
    put(link, sql::PUT_ITEMS, n.len(), &[cell, n, position, value])?;
    let Columns { numbers: [cell, n, _], texts: [digest, ..] } = &no_elements;
    put(link, sql::REMOVE_ELEMENTS, n.len(), &[cell, n, digest])?;
    let Columns { numbers: [cell, n, _], texts: [digest, key, value] } = &elements;
    put(link, sql::PUT_ELEMENTS, n.len(), &[cell, n, digest, key, value])?;
    events(link, changes.outbox, changes.inbox, owners)
}

fn events(
    link: &Link,
    outbox: BTreeMap<String, OutboxChange>,
    inbox: BTreeMap<String, Option<InboxRow>>,
    owners: &Owners,
) -> Result<(), ApplyError> {
    let (mut sent, mut runtimes, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    let mut texts = Columns::default().texts;
    for (id, change) in outbox {
        let runtime = owners.get(&id).copied().unwrap_or_default();
        match change {
            OutboxChange::New { sent: number, event, state } => {
                sent.push(number as i64);
                runtimes.push(runtime);
                texts[0].push(json_text(&id));
                texts[1].push(raw(&event));
                texts[2].push(raw(&state));
            }
            OutboxChange::State(state) => {
                link.execute(sql::CHANGE_OUTBOX, &[&json_text(&id), &raw(&state), &runtime])?;
            }
            OutboxChange::Gone => gone.push(json_text(&id)),
        }
    }
    put(link, sql::PUT_OUTBOX, sent.len(), &[&sent, &texts[0], &texts[1], &texts[2], &runtimes])?;
    put(link, sql::REMOVE_OUTBOX, gone.len(), &[&gone])?;
    let (mut digests, mut until, mut forgotten): (Vec<String>, Vec<Option<i64>>, Vec<String>) = Default::default();
    let mut texts = Columns::default().texts;
    for (id, row) in inbox {
        let id = json_text(&id);
        match row {
            None => forgotten.push(digest(&id)),
            Some(InboxRow { received, ty, keep_until }) => {
                digests.push(digest(&id));
                until.push(keep_until);
                texts[0].push(id);
                texts[1].push(raw(&received));
                texts[2].push(ty);
            }
        }
    }
    put(link, sql::PUT_INBOX, digests.len(), &[&digests, &texts[0], &texts[1], &texts[2], &until])?;
    put(link, sql::REMOVE_INBOX, forgotten.len(), &[&forgotten])
}

/// The JSON that an event is written as.
fn raw(native: &Native) -> String {
    match native {
        Native::Text(text) => text.clone(),
        other => to_text(other),
    }
}

/// A key as an index has it: a long one by what stands for it.
fn digest(key: &str) -> String {
    if key.len() <= LONGEST_KEY {
        return key.to_owned();
    }
    let digest: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    // No key begins so: a key is JSON.
    format!("#{digest}")
}

fn put(link: &Link, sql: &str, rows: usize, columns: &[&(dyn tokio_postgres::types::ToSql + Sync)]) -> Result<(), ApplyError> {
    if rows > 0 {
        link.execute(sql, columns)?;
    }
    Ok(())
}
