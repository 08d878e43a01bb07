//! All that stores keep as JSON Lines, to carry it from any store to any other.
//!
//! | line | says |
//! |---|---|
//! | `{"patternc":"export","version":1}` | the first line |
//! | `{"deleted":"Person/eve@home"}` | the id of a record that is gone, and is not given again |
//! | `{"record":"Person/ada@home","cells":{…}}` | a record with all stored cells; those of one type and space in the order of creation |
//! | `{"sent":ID,"event":{…},"state":…}` | an event on its way, with its arms, what they took along, and when it is due |
//! | `{"received":ID,"outcome":{…},"type":…,"keep_until":…}` | an event received, so that a repetition is known |
//! | `{"end":{"records":N,…},"crc32":…}` | the last line: how many there were of each, and a checksum over all lines before |
//!
//! Values are in the stored form of [`crate::json`], events as stores keep them. Progress of sagas is in the events on their way, that of
//! mirrors in records. What invariants read is not exported: it is learned anew.

mod read;
mod write;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::read::{Archive, ImportError, read};
pub use self::write::{ExportError, write};

/// The format of the lines. A file with a newer one is not read.
const VERSION: u64 = 1;

/// How many lines there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub records: u64,
    pub deleted: u64,
    pub sent: u64,
    pub received: u64,
}
