//! Filling a store that is empty: whole, or not at all.

use super::link::{Link, LinkError};
use super::open::{self, Told};
use super::statements as sql;
use super::{journal::Follower, tables};
use crate::store::format::Opening;
use crate::store::format::changes::Changes;
use crate::store::format::effect;
use crate::store::format::schema::StoredSchema;
use crate::store::{CommitRequest, Refused, StoreError};

/// A store that is filled in a transaction. Until [`Import::finish`], nothing of it is there, and nobody else opens the store.
pub struct Import {
    link: Link,
    /// Host, port and database.
    shown: String,
}

impl Import {
    /// Fills the store in the database at an address, which must be empty or not there.
    ///
    /// # Errors
    /// If the store is in use or has data, if it refuses a request, or if the server fails.
    pub fn prepare(url: &str, mut opening: Opening<'_>, requests: &[CommitRequest]) -> Result<Import, StoreError> {
        let address = super::address(url)?;
        let told = Told(&address);
        let server = |error: LinkError| told.server(&error);
        open::create(&address).map_err(server)?;
        let link = Link::open(&address).map_err(server)?;
        let stored = open::alone(&link, &told)?;
        let (mut follower, schema) = open::bring_up(&link, &told, &mut opening, &stored)?;
        let state = &follower.state;
        if !state.is_empty() || state.outgoing().next().is_some() || state.inbox().next().is_some() {
            let shown = &address.shown;
            let message = format!("{shown} has data already: an import fills an empty store only. Give another database, or drop this one");
            return Err(StoreError { message, transient: false });
        }
        for request in requests {
            fill(&link, &told, &opening, &schema, &mut follower, request)?;
        }
        // A process that has just opened the empty store notices.
        link.execute(sql::NEXT_GENERATION, &[]).map_err(server)?;
        Ok(Import { link, shown: address.shown })
    }

    /// Puts what the store was filled with in its place.
    pub fn finish(self) -> Result<(), StoreError> {
        self.link.batch(sql::COMMIT).map_err(|error| {
            let (shown, why) = (&self.shown, super::link::source(&error));
            let message = match error.as_db_error() {
                Some(_) => format!("cannot put what was imported to {shown}: {why}; nothing was imported"),
                None => format!(
                    "the end of the import to {shown} was not answered: {why}. Whether it happened, `patternc status` tells; if it did not, \
                     import again"
                ),
            };
            StoreError { message, transient: false }
        })
    }
}

fn fill(
    link: &Link,
    told: &Told<'_>,
    opening: &Opening<'_>,
    schema: &StoredSchema,
    follower: &mut Follower,
    request: &CommitRequest,
) -> Result<(), StoreError> {
    let refused = |refused: Refused| match refused {
        Refused::Store(error) => error,
        other => told.fatal(&format!("the store refuses what is imported: {other}")),
    };
    let (state, recorder) = (&mut follower.state, &mut follower.recorder);
    state.validate(request).map_err(refused)?;
    recorder.prepare(&opening.program, state, request).map_err(|error| told.fatal(&error.to_string()))?;
    state.apply(request, i64::MIN).map_err(refused)?;
    let mut effects = String::from("[");
    recorder.record(&mut effects, &opening.program, state, request);
    // The last comma gives way to the bracket.
    let effects = format!("{}]", effects.strip_suffix(',').unwrap_or(&effects));
    let effects = effect::read(&effects).map_err(|error| told.fatal(&error.to_string()))?;
    let mut changes = Changes::default();
    effects.into_iter().for_each(|effect| changes.add(effect));
    // Nobody has sent what is on its way: whoever opens the store delivers it.
    tables::apply(link, schema, changes, &Default::default()).map_err(|error| told.apply(error))
}
