//! Reads what is on its way in a database, and who uses it.

use std::collections::HashSet;

use super::journal;
use super::link::{self, Link};
use super::open::Told;
use super::statements as sql;
use crate::store::StoreError;
use crate::store::format::glance::{Glance, Overlay};
use crate::store::format::schema::StoredSchema;

/// A store that was looked at.
#[derive(Clone, Debug)]
pub struct Looked {
    pub glance: Glance,
    /// The processes that are alive, as "the process 123 on db1", with what each says of itself
    /// ([`Store::report`](crate::store::Store::report)).
    pub processes: Vec<(String, String)>,
    /// What those said of themselves that were alive last, the newest first; nothing while any is.
    pub last_said: Vec<String>,
}

/// Looks at the store in the database at an address; `None` if there is none.
///
/// # Errors
/// If the server does not answer, or what is read is damaged.
pub fn glance(url: &str) -> Result<Option<Looked>, StoreError> {
    let address = super::address(url)?;
    let told = Told(&address);
    let Some(link) = link::existing(&address).map_err(|error| told.server(&error))? else { return Ok(None) };
    let read = || -> link::Answer<Result<Looked, String>> {
        link.batch(sql::BEGIN_SNAPSHOT)?;
        let processes: Vec<(String, String)> = link.query(sql::LIVE, &[])?.iter().map(|row| (row.get(2), row.get(3))).collect();
        let last_said = match processes[..] {
            [] => link.query(sql::LAST_SAID, &[])?.iter().map(|row| row.get(0)).collect(),
            _ => Vec::new(),
        };
        let overlay = overlay(&link)?;
        link.batch(sql::COMMIT)?;
        Ok(overlay.and_then(Overlay::read).map(|glance| Looked { glance, processes, last_said }))
    };
    read().map_err(|error| told.server(&error))?.map(Some).map_err(|what| told.damaged(&what))
}

/// Who uses a store.
pub struct Users(pub(super) HashSet<i64>);

/// Who uses the store in the database at an address.
///
/// # Errors
/// If the server does not answer.
pub fn users(url: &str) -> Result<Users, StoreError> {
    let address = super::address(url)?;
    let told = Told(&address);
    let Some(link) = link::existing(&address).map_err(|error| told.server(&error))? else { return Ok(Users(HashSet::new())) };
    let live = link.query(sql::LIVE, &[]).map_err(|error| told.server(&error))?;
    Ok(Users(live.iter().map(|row| row.get(0)).collect()))
}

fn overlay(link: &Link) -> link::Answer<Result<Overlay, String>> {
    let (mut schema, mut applied) = (StoredSchema::default(), 0_i64);
    for row in link.query(sql::FORMAT, &[])? {
        schema = match serde_json::from_str(row.get(2)) {
            Ok(schema) => schema,
            Err(error) => return Ok(Err(format!("its schema cannot be read: {error}"))),
        };
        applied = row.get(1);
    }
    let mut overlay = Overlay::of(&schema);
    for row in link.query(sql::RECORDS_COUNTED, &[])? {
        let (ty, records): (i64, i64) = (row.get(0), row.get(1));
        let Ok(ty) = u32::try_from(ty) else { return Ok(Err(format!("{ty} is no type of a record"))) };
        overlay.count(ty, records);
    }
    for row in link.query(sql::INBOX_COUNTED, &[])? {
        overlay.received = row.get(0);
    }
    for row in link.query(sql::OUTBOX, &[])? {
        let (sent, id): (i64, &str) = (row.get(0), row.get(1));
        let Ok(id) = serde_json::from_str(id) else { return Ok(Err(format!("the id of an event cannot be read: {id}"))) };
        overlay.send(sent as u64, id, row.get(2), row.get(3));
    }
    match journal::entries(applied, &link.query(sql::TAIL, &[&applied])?) {
        Ok(entries) => entries.into_iter().flat_map(|entry| entry.effects).for_each(|effect| overlay.lay(effect)),
        Err(what) => return Ok(Err(what)),
    }
    Ok(Ok(overlay))
}
