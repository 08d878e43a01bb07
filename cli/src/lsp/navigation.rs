//! From a name to its declaration and to all its uses.

use std::path::Path;

use patternc_compiler::db::SourceFile;
use patternc_compiler::ide::definition::Definition;
use patternc_compiler::ide::names::{Access, names, references as uses};
use patternc_grammar::syntax::Span;
use serde_json::{Value, json};

use super::position::{Encoding, Lines};
use super::uri;
use super::workspace::At;

/// The places of a project in the protocol's form.
pub struct Places<'a> {
    pub at: At<'a>,
    pub folder: &'a Path,
    pub encoding: Encoding,
}

impl Places<'_> {
    pub fn uri(&self, file: SourceFile) -> String {
        uri::of_path(&self.folder.join(&**file.path(self.at.db())))
    }

    fn location(&self, file: SourceFile, span: Span) -> Value {
        json!({ "uri": self.uri(file), "range": Lines::new(file.text(self.at.db()), self.encoding).range(span) })
    }

    /// What the name at `offset` means.
    pub fn meant(&self, offset: u32) -> Option<Definition> {
        Some(names(self.at.db(), self.at.file).at(offset)?.to)
    }

    pub fn definition(&self, offset: u32) -> Value {
        let place = self.meant(offset).and_then(|meant| meant.place(self.at.db()));
        place.map_or(Value::Null, |(file, span)| self.location(file, span))
    }

    /// Where the type of the name at `offset` is declared.
    pub fn type_definition(&self, offset: u32) -> Value {
        let db = self.at.db();
        let ty = patternc_compiler::ide::hover::type_at(db, self.at.file, offset);
        let place = ty.and_then(|item| Definition::Item(item).place(db));
        place.map_or(Value::Null, |(file, span)| self.location(file, span))
    }

    pub fn references(&self, offset: u32, with_declaration: bool) -> Value {
        let Some(meant) = self.meant(offset) else { return json!([]) };
        let all = uses(self.at.db(), meant);
        let wanted = all.into_iter().filter(|(_, reference)| with_declaration || reference.access != Access::Declares);
        wanted.map(|(file, reference)| self.location(file, reference.span)).collect()
    }

    /// The uses in this file: 2 for reads, 3 for writes.
    pub fn highlights(&self, offset: u32, lines: &Lines<'_>) -> Value {
        let Some(meant) = self.meant(offset) else { return json!([]) };
        let all = &names(self.at.db(), self.at.file).references;
        let here = all.iter().filter(|reference| reference.to == meant);
        here.map(|reference| {
            let kind = if reference.access == Access::Reads { 2 } else { 3 };
            json!({ "range": lines.range(reference.span), "kind": kind })
        })
        .collect()
    }
}
