//! Another name, everywhere at once.

use std::collections::BTreeMap;

use patternc_compiler::ide::rename::{can_rename, rename as edits};
use serde_json::{Value, json};

use super::navigation::Places;
use super::position::Lines;
use super::server::Refusal;
use super::workspace::At;

/// What would be renamed at a place.
pub fn prepare(at: At<'_>, lines: &Lines<'_>, offset: u32) -> Value {
    match can_rename(at.db(), at.file, offset) {
        Some((span, _)) => json!({ "range": lines.range(span), "placeholder": span.slice(at.text()) }),
        None => Value::Null,
    }
}

/// The edits in all files, or why the name cannot be given.
pub fn rename(places: &Places<'_>, offset: u32, new: &str) -> Result<Value, Refusal> {
    let db = places.at.db();
    let (_, definition) =
        can_rename(db, places.at.file, offset).ok_or_else(|| Refusal::failed("there is no name here that could be changed"))?;
    let edits = edits(db, definition, new).map_err(|refused| Refusal::failed(refused.to_string()))?;
    let mut changes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for edit in edits {
        let range = Lines::new(edit.file.text(db), places.encoding).range(edit.span);
        changes.entry(places.uri(edit.file)).or_default().push(json!({ "range": range, "newText": edit.text }));
    }
    Ok(json!({ "changes": changes }))
}
