//! What is on its way in a store, read by anyone at any time: without owning the file, without the program that wrote it, and without the
//! records.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;

use super::tables::ApplyError;
use crate::json::from_text;
use crate::store::StoreError;
use crate::store::format::effect::Effect;
use crate::store::format::native::Native;
use crate::store::format::schema::{StoredSchema, quoted};

/// The durable state of a store, as far as it says what is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Glance {
    /// Events on their way, in the order they were sent.
    pub events: Vec<StoredEvent>,
    /// Records that are there.
    pub records: i64,
    /// Events received whose outcomes are remembered.
    pub received: i64,
}

/// An event on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    pub id: String,
    /// By names, as the store keeps it: `handler`, `to`, `args`, `from`, `due` and so on.
    pub event: Json,
    /// Why it is parked, if it is.
    pub parked: Option<String>,
    /// Whether a call that must not be repeated was begun.
    pub tried: bool,
}

/// Looks at the store at a path.
///
/// # Errors
/// If there is none, it cannot be read, or what is read is damaged.
pub fn glance(path: &Path) -> Result<Glance, StoreError> {
    let fail = |what: String| StoreError { message: format!("cannot read {}: {what}", path.display()), transient: false };
    if !path.exists() {
        return Err(fail("there is no such file".to_owned()));
    }
    let connect = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(super::open::BUSY)?;
        // One moment for all that is read.
        connection.execute_batch("BEGIN")?;
        Ok(connection)
    };
    let connection = connect().map_err(|error: rusqlite::Error| fail(error.to_string()))?;
    super::open::check_kind(&connection).map_err(fail)?;
    let stored = super::open::stored_schema(&connection).map_err(fail)?;
    let rows = Rows::read(&connection, &stored).map_err(|error| fail(error.to_string()))?;
    let mut glance = Glance { records: rows.records, received: rows.received, ..Glance::default() };
    for (_, (id, event, state)) in rows.outbox {
        let damaged = |what: String| fail(format!("the event {id:?} is damaged: {what}"));
        let event = from_text(&event).map_err(|error| damaged(error.to_string()))?;
        let parked = match state.as_str() {
            "pending" | "tried" => None,
            other => {
                let state = from_text(other).map_err(|error| damaged(error.to_string()))?;
                Some(state.get("parked").and_then(Json::as_str).unwrap_or_default().to_owned())
            }
        };
        glance.events.push(StoredEvent { id, event, parked, tried: state == "tried" });
    }
    Ok(glance)
}

/// Id, event and state, by the order of sending.
type Outbox = BTreeMap<u64, (String, String, String)>;

/// The tables with the journal laid over them.
#[derive(Default)]
struct Rows {
    outbox: Outbox,
    records: i64,
    received: i64,
}

impl Rows {
    fn read(connection: &Connection, stored: &StoredSchema) -> Result<Rows, ApplyError> {
        let mut rows = Rows::default();
        let mut places: HashMap<String, u64> = HashMap::new();
        let mut statement = connection.prepare("SELECT sent, id, event, state FROM _outbox")?;
        let mut outbox = statement.query([])?;
        while let Some(row) = outbox.next()? {
            let (sent, id): (u64, String) = (row.get(0)?, row.get(1)?);
            places.insert(id.clone(), sent);
            rows.outbox.insert(sent, (id, row.get(2)?, row.get(3)?));
        }
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        for ty in stored.types.iter().filter(|ty| ty.present) {
            rows.records += count(&format!("SELECT count(*) FROM {}", quoted(&ty.table())))?;
        }
        rows.received = count("SELECT count(*) FROM _inbox")?;
        let applied = super::journal::position(connection)?.applied;
        super::journal::read(connection, applied, |effects| {
            effects.into_iter().for_each(|effect| rows.lay(effect, &mut places));
            true
        })?;
        Ok(rows)
    }

    fn lay(&mut self, effect: Effect, places: &mut HashMap<String, u64>) {
        match effect {
            Effect::New { .. } => self.records += 1,
            Effect::Del { .. } => self.records -= 1,
            Effect::Out { sent, id, event, state } => {
                places.insert(id.clone(), sent);
                self.outbox.insert(sent, (id, text(event), text(state)));
            }
            Effect::State { id, state } => {
                if let Some(row) = places.get(&id).and_then(|sent| self.outbox.get_mut(sent)) {
                    row.2 = text(state);
                }
            }
            Effect::Unout { id } => {
                if let Some(sent) = places.remove(&id) {
                    self.outbox.remove(&sent);
                }
            }
            // A deferred event that is decided is recorded twice: near enough for a number.
            Effect::In { .. } => self.received += 1,
            Effect::Forget { .. } => self.received -= 1,
            Effect::Set { .. } | Effect::Put { .. } | Effect::Rem { .. } | Effect::Clr { .. } | Effect::Inv { .. } => {}
        }
    }
}

fn text(native: Native) -> String {
    match native {
        Native::Text(text) => text,
        // Not what a store writes.
        Native::Null | Native::Integer(_) | Native::Real(_) => String::new(),
    }
}
