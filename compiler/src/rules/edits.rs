//! Changes of the text that rules offer as ways out.

use patternc_grammar::syntax::{HandlerDecl, ItemKind, MemberKind, RecordDecl, Span};

use crate::db::{Db, SourceFile};
use crate::diagnostic::Edit;
use crate::effects::describe::{cell_path, record_name};
use crate::hir::Stmt;
use crate::location;
use crate::resolve::{item_name, relative_path, scope};
use crate::signature::{WriteSig, handler_sig};
use crate::types::{CellId, HandlerId, ItemId};

/// The declaration of a record.
pub fn record_decl(db: &dyn Db, record: ItemId) -> Option<&RecordDecl> {
    match &location::item(db, record)?.kind {
        ItemKind::Record(decl) => Some(decl),
        _ => None,
    }
}

/// The declaration of a handler.
pub fn handler_decl(db: &dyn Db, handler: HandlerId) -> Option<&HandlerDecl> {
    let member = handler_sig(db, handler)?.member;
    match &record_decl(db, handler.record)?.members.get(member as usize)?.kind {
        MemberKind::Handler(decl) => Some(decl),
        _ => None,
    }
}

/// The text of a span.
pub fn text(db: &dyn Db, file: SourceFile, span: Span) -> &str {
    span.slice(file.text(db))
}

/// Inserts `text` at a position.
pub fn insert(file: SourceFile, at: u32, text: impl Into<String>) -> Edit {
    Edit { file, span: Span { start: at, end: at }, text: text.into() }
}

/// A statement on a line of its own before another, indented alike.
pub fn statement_before(db: &dyn Db, file: SourceFile, stmt: &Stmt, text: &str) -> Edit {
    let before = &file.text(db)[..stmt.span.start as usize];
    let line = before.rsplit('\n').next().unwrap_or_default();
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    insert(file, stmt.span.start, format!("{text}\n{indent}"))
}

/// The end of a handler's signature, where a clause is added, without the space before `{`.
fn signature_end(db: &dyn Db, file: SourceFile, decl: &HandlerDecl) -> u32 {
    decl.signature_span.start + text(db, file, decl.signature_span).trim_end().len() as u32
}

/// Adds entries to the `writes` clause of a handler, and what they name to the file's imports.
pub fn add_writes(db: &dyn Db, file: SourceFile, decl: &HandlerDecl, entries: &[WriteSig]) -> Vec<Edit> {
    let names = entries.iter().map(|entry| entry_name(db, *entry)).collect::<Vec<_>>().join(", ");
    let clause = match (&decl.writes, decl.across.first()) {
        (Some(writes), _) => insert(file, writes.span.end, format!(", {names}")),
        (None, Some(across)) => {
            let signature = &file.text(db)[decl.signature_span.start as usize..across.span.start as usize];
            let keyword = signature.rfind("across").map_or(signature.len(), |at| at);
            insert(file, decl.signature_span.start + keyword as u32, format!("writes {names} "))
        }
        (None, None) => insert(file, signature_end(db, file, decl), format!(" writes {names}")),
    };
    let mut edits = vec![clause];
    let mut imported = Vec::new();
    for entry in entries {
        if !imported.contains(&entry.record) {
            imported.push(entry.record);
            edits.extend(import(db, file, entry.record));
        }
    }
    edits
}

/// Imports a declaration of another file under its own name, unless that is done.
fn import(db: &dyn Db, file: SourceFile, item: ItemId) -> Option<Edit> {
    let name = item_name(db, item);
    let path = relative_path(file.path(db), item.file.path(db));
    (scope(db, file).lookup(name) != Some(item)).then(|| insert(file, 0, format!("use \"{path}\" {{ {name} }}\n")))
}

/// Adds a space to the `across` clause of a handler, and to the file's imports.
pub fn add_across(db: &dyn Db, file: SourceFile, decl: &HandlerDecl, space: ItemId) -> Vec<Edit> {
    let name = item_name(db, space);
    let clause = match decl.across.last() {
        Some(last) => insert(file, last.span.end, format!(", {name}")),
        None => insert(file, signature_end(db, file, decl), format!(" across {name}")),
    };
    std::iter::once(clause).chain(import(db, file, space)).collect()
}

/// `Person.members`, `Person`.
pub fn entry_name(db: &dyn Db, entry: WriteSig) -> String {
    match entry.cell {
        Some(index) => cell_path(db, CellId { record: entry.record, index }),
        None => record_name(db, entry.record),
    }
}

/// Takes the entry of a clause out, with the comma beside it; the last one with the clause. `entries` are the spans of all entries.
pub fn remove_entry(db: &dyn Db, file: SourceFile, clause: Span, entries: &[Span], index: usize) -> Edit {
    let span = match (index, entries.len()) {
        (_, 0 | 1) => {
            let before = &file.text(db)[..clause.start as usize];
            Span { start: before.trim_end().len() as u32, end: clause.end }
        }
        (0, _) => Span { start: entries[0].start, end: entries[1].start },
        (index, _) => Span { start: entries[index - 1].end, end: entries[index].end },
    };
    Edit { file, span, text: String::new() }
}
