//! Changes of the text that rules offer as ways out.

use patternc_grammar::syntax::{HandlerDecl, ItemKind, MemberKind, RecordDecl, Span};

use crate::db::{Db, SourceFile};
use crate::diagnostic::Edit;
use crate::effects::describe::{cell_path, record_name};
use crate::hir::Stmt;
use crate::location;
use crate::resolve::{import_edit, item_name, relative_path, scope};
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

/// A statement on a line of its own before another, and before what belongs to that one.
pub fn statement_before(db: &dyn Db, file: SourceFile, stmt: &Stmt, new: &str) -> Edit {
    let text = file.text(db);
    let at = with_comments(text, stmt.span).start;
    insert(file, at, format!("{new}\n{}", indent_at(text, at)))
}

/// What is removed from within a line, with the blanks before it that would be left over: at the end of the line, or beside those behind it.
pub fn with_blanks_before(text: &str, span: Span) -> Span {
    let before = text[..span.start as usize].trim_end_matches([' ', '\t']);
    let is_first = before.is_empty() || before.ends_with('\n');
    let behind = &text[span.end as usize..];
    let is_left_over = behind.is_empty() || behind.starts_with([' ', '\t', '\n', '\r']);
    if is_left_over && !is_first { Span { start: before.len() as u32, end: span.end } } else { span }
}

/// The white space that the line of a place begins with.
pub fn indent_at(text: &str, at: u32) -> &str {
    let line = &text[line_start(text, at as usize)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// A statement with what belongs to it: comments and `@allow`s on the lines above, and a comment behind it.
pub fn with_comments(text: &str, stmt: Span) -> Span {
    let is_allow = |line: &str| line.trim_start().starts_with("@allow(");
    let mut start = line_start(text, stmt.start as usize);
    let before = &text[start..stmt.start as usize];
    let end = after_comment(text, stmt.end);
    if !before.trim().is_empty() && !is_allow(before) {
        return Span { start: stmt.start, end };
    }
    while start > 0 {
        let above = line_start(text, start - 1);
        let line = &text[above..start];
        if !line.trim_start().starts_with("//") && !is_allow(line) {
            break;
        }
        start = above;
    }
    Span { start: (start + indent_at(text, start as u32).len()) as u32, end }
}

/// Behind the comment that follows on the same line, if nothing else does: what is inserted there leaves the comment where it is.
pub fn after_comment(text: &str, at: u32) -> u32 {
    let rest = &text[at as usize..];
    let line = rest.lines().next().unwrap_or_default();
    if line.trim_start().starts_with("//") { at + line.len() as u32 } else { at }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
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
    let records: Vec<ItemId> = entries.iter().map(|entry| entry.record).collect();
    std::iter::once(clause).chain(imports(db, file, &records)).collect()
}

/// Imports what a file does not know yet.
fn imports(db: &dyn Db, file: SourceFile, wanted: &[ItemId]) -> Vec<Edit> {
    let mut missing: Vec<ItemId> = wanted.iter().copied().filter(|id| scope(db, file).lookup(item_name(db, *id)) != Some(*id)).collect();
    missing.sort_unstable();
    missing.dedup();
    let mut edits: Vec<Edit> = Vec::new();
    for declared in missing.chunk_by(|one, other| one.file == other.file) {
        let declaring = declared[0].file;
        let names = declared.iter().map(|id| item_name(db, *id).to_string()).collect::<Vec<_>>().join(", ");
        let path = relative_path(file.path(db), declaring.path(db));
        let (_, span, text) = import_edit(db, file, declaring, &path, &names);
        // Lines of their own stand at one place.
        match edits.iter_mut().find(|edit| edit.span == span) {
            Some(edit) => edit.text.push_str(&text),
            None => edits.push(Edit { file, span, text }),
        }
    }
    edits
}

/// Adds entries to the `writes` clause of a handler and a space to its `across` clause.
pub fn add_clauses(db: &dyn Db, file: SourceFile, decl: &HandlerDecl, entries: &[WriteSig], across: Option<ItemId>) -> Vec<Edit> {
    let mut edits = if entries.is_empty() { Vec::new() } else { add_writes(db, file, decl, entries) };
    for added in across.into_iter().flat_map(|space| add_across(db, file, decl, space)) {
        // Both clauses, and the lines of two imports, may begin at one place.
        match edits.iter_mut().find(|edit| edit.span == added.span) {
            Some(edit) => edit.text.push_str(&added.text),
            None => edits.push(added),
        }
    }
    edits
}

/// Adds a space to the `across` clause of a handler, and to the file's imports.
fn add_across(db: &dyn Db, file: SourceFile, decl: &HandlerDecl, space: ItemId) -> Vec<Edit> {
    let name = item_name(db, space);
    let clause = match decl.across.last() {
        Some(last) => insert(file, last.span.end, format!(", {name}")),
        None => insert(file, signature_end(db, file, decl), format!(" across {name}")),
    };
    std::iter::once(clause).chain(imports(db, file, &[space])).collect()
}

/// `Person.members`, `Person`.
pub fn entry_name(db: &dyn Db, entry: WriteSig) -> String {
    match entry.cell {
        Some(index) => cell_path(db, CellId { record: entry.record, index }),
        None => record_name(db, entry.record),
    }
}

/// Takes entries of a clause out; the last of them with the clause. `entries` are the spans of all.
pub fn remove_entries(db: &dyn Db, file: SourceFile, clause: Span, entries: &[Span], gone: impl Fn(usize) -> bool) -> Edit {
    let kept = entries.iter().enumerate().filter(|(index, _)| !gone(*index)).map(|(_, entry)| text(db, file, *entry));
    let kept: Vec<&str> = kept.collect();
    match (&kept[..], entries) {
        ([_, ..], [first, .., last]) => Edit { file, span: Span { start: first.start, end: last.end }, text: kept.join(", ") },
        _ => {
            let before = &file.text(db)[..clause.start as usize];
            Edit { file, span: Span { start: before.trim_end().len() as u32, end: clause.end }, text: String::new() }
        }
    }
}
