//! A place for a store that is thrown away: for tests on a database that holds other things as well.

use super::link::{self, Address, source};
use super::open::number;
use crate::store::StoreError;

/// A schema of its own in a database. It is dropped with the value, and all that is in it.
pub struct Scratch {
    address: Address,
    name: String,
    url: String,
}

impl Scratch {
    /// Makes one in the database at an address.
    ///
    /// # Errors
    /// When the server does not answer, or the user may not make schemas.
    pub fn new(url: &str) -> Result<Scratch, StoreError> {
        let address = Address::parse(url).map_err(|message| StoreError { message, transient: false })?;
        let name = format!("patternc_scratch_{:x}", number());
        let separator = if url.contains('?') { '&' } else { '?' };
        let inside = format!("{url}{separator}options=-csearch_path%3D{name}");
        let scratch = Scratch { address, name, url: inside };
        scratch.run(&format!("CREATE SCHEMA {}", scratch.name))?;
        Ok(scratch)
    }

    /// The address of a database in which there is nothing else.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn run(&self, sql: &str) -> Result<(), StoreError> {
        link::prepare(&self.address, |query| query(sql, &[]).map(drop)).map_err(|error| StoreError {
            message: format!("cannot make a place for tests in the PostgreSQL database {}: {}", self.address.shown, source(&error)),
            transient: link::is_transient(&error),
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be dropped has a name that says what it is.
        let _ = self.run(&format!("DROP SCHEMA {} CASCADE", self.name));
    }
}
