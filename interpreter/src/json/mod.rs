//! Values, events and outcomes as JSON.
//!
//! There are two forms. The *outside* form is what applications and event files use: `none` is null, a Time RFC 3339, a Duration as the
//! language writes it (`"30s"`), Bytes base64, a List or Set an array, a Map an object if its keys are Text and else an array of pairs, a
//! struct an object, an enum `"shelved"` or `{"lent":{"to":…}}`, a reference `{"ref":"Book/x"}`. The *stored* form is what stores write
//! down: the same, but that a reference is a bare text that always names its space, that times always have milliseconds (so that texts
//! sort as times do), that -0 is the text `"-0.0"`, and that a value whose type is not known says what it is. A Time beyond the year 9999 is its milliseconds as a number.
//!
//! What an outside answers is read as the outside form, but may have fields that nobody has declared: others add some when they like.

mod error;
mod event;
mod outcome;
mod read;
mod reference;
mod repeated;
mod scalar;
#[cfg(test)]
mod tests;
mod write;

use patternc_program::{Program, RecordId, SpaceId, Type};
use rustc_hash::FxHashMap;

pub use self::error::{JsonError, Path};
pub use self::event::{CellName, EventLine, InvalidLine, Request, parse};
pub(crate) use self::event::{from_text, nesting};
pub use self::outcome::OutcomeLine;
pub use self::read::{Keys, Reader};
pub(crate) use self::reference::unescape;
pub(crate) use self::repeated::repeated_name_of;
pub(crate) use self::write::write_text;
pub use self::write::{write_key, write_value};
use crate::value::{RecordRef, SpaceRef, Value};

/// Which of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For applications and event files.
    Outside,
    /// The same of what an outside answers: fields that are not declared are passed over.
    Answer,
    /// For stores: complete without a context.
    Stored,
}

/// The declarations of a program that references name, found by name.
#[derive(Clone, Debug, Default)]
pub struct Names {
    records: FxHashMap<&'static str, RecordId>,
    spaces: FxHashMap<&'static str, SpaceId>,
}

impl Names {
    /// The names of the program.
    pub fn new(program: &Program) -> Self {
        let records = program.records.iter().enumerate().map(|(i, record)| (record.name.as_str(), RecordId(i as u32)));
        let spaces = program.spaces.iter().enumerate().map(|(i, space)| (space.name.as_str(), SpaceId(i as u32)));
        Names { records: records.collect(), spaces: spaces.collect() }
    }
}

/// A value in the outside form, as one line.
pub fn to_text(program: &Program, value: &Value, ty: &Type) -> String {
    let mut out = String::new();
    // The outside form shows what is not of its type as it is.
    let written = write_value(&mut out, program, Form::Outside, value, ty);
    debug_assert!(written.is_ok());
    out
}

/// A value in the stored form, as one line; `None` if it is not of the type.
pub fn stored_text(program: &Program, value: &Value, ty: &Type) -> Option<String> {
    let mut out = String::new();
    write_value(&mut out, program, Form::Stored, value, ty).is_ok().then_some(out)
}

/// A reference as it is written in `to` and `ref`: `Person/ada`, `Profile/ada@user[did:plc:ada]`.
pub fn reference_text(program: &Program, record: &RecordRef) -> String {
    let mut out = String::new();
    reference::write_reference(&mut out, program, Form::Outside, record);
    out
}

/// A time as applications read it: RFC 3339, or its milliseconds since the epoch beyond the years that can be written so.
pub fn time_text(milliseconds: i64) -> String {
    scalar::time(milliseconds, false).unwrap_or_else(|| milliseconds.to_string())
}

/// A space as it is written in `in`: `home`, `user[did:plc:ada]`.
pub fn space_text(program: &Program, space: &SpaceRef) -> String {
    let mut out = String::new();
    reference::write_space(&mut out, program, space);
    out
}

/// The id of a record as it is written in references.
pub(crate) fn id_text(record: &RecordRef) -> String {
    reference::id_text(record)
}
