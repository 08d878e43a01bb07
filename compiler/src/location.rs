//! Places of findings, looked up in the text.
//!
//! A finding names declarations and places of other files by position; only when it is shown are spans of other files read, so that
//! text that moves elsewhere changes no query.

use patternc_grammar::syntax::{Item, ItemKind, Member, MemberKind, Span};

use crate::db::{Db, SourceFile};
use crate::deployment;
use crate::diagnostic::{Diagnostic, Location};
use crate::hir::BodyOwner;
use crate::items::parsed;
use crate::types::{CellId, HandlerId, ItemId};

/// Where `location` is in the text now; `None` for a place in a snippet, which has no file.
pub fn locate(db: &dyn Db, location: Location) -> Option<(SourceFile, Span)> {
    match location {
        Location::Span(file, span) => Some((file, span)),
        Location::Site(site) => {
            crate::effects::site_span(db, site).or_else(|| owner_item(site.body).map(|item| (item.file, item_span(db, item))))
        }
        Location::Item(item) => Some((item.file, item_span(db, item))),
        Location::Cell(cell) => Some((cell.record.file, cell_span(db, cell))),
        Location::Handler(handler) => Some((handler.record.file, handler_span(db, handler))),
        Location::Deployed { deployment, space } => deployment::entry_span(db, deployment, space),
    }
}

/// The finding with every place turned into a span.
pub fn located(db: &dyn Db, finding: &Diagnostic) -> Diagnostic {
    let mut finding = finding.clone();
    for label in std::iter::once(&mut finding.primary).chain(&mut finding.labels) {
        if let Some((file, span)) = locate(db, label.at) {
            label.at = Location::Span(file, span);
        }
    }
    finding
}

/// What to remove so that nothing is left of `span`: with it the line it stands on, if nothing else stands there, or the spaces behind it.
pub fn removal(text: &str, span: Span) -> Span {
    let (before, after) = (&text[..span.start as usize], &text[span.end as usize..]);
    let indent = before.len() - before.trim_end_matches([' ', '\t']).len();
    let spaces = after.len() - after.trim_start_matches([' ', '\t']).len();
    let starts_line = before.len() == indent || before[..before.len() - indent].ends_with('\n');
    let rest = &after[spaces..];
    match rest.chars().next() {
        Some('\n') if starts_line => Span::new(before.len() - indent, span.end as usize + spaces + 1),
        _ => Span::new(span.start as usize, span.end as usize + spaces),
    }
}

/// The declaration that a body belongs to.
pub fn owner_item(owner: BodyOwner) -> Option<ItemId> {
    match owner {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => Some(handler.record),
        BodyOwner::Default(cell) | BodyOwner::Derived(cell) => Some(cell.record),
        BodyOwner::Create(item) | BodyOwner::Fn(item) | BodyOwner::Invariant(item) | BodyOwner::Mirror(item, _) | BodyOwner::Test(item) => {
            Some(item)
        }
        BodyOwner::Snippet => None,
    }
}

/// The body of a clause of a mirror: `facts`, `add`, `remove`, `actual`, `scope`.
pub fn mirror_clause(db: &dyn Db, mirror: ItemId, word: &str) -> Option<BodyOwner> {
    let ItemKind::Mirror(decl) = &item(db, mirror)?.kind else { return None };
    let index = decl.clauses.iter().position(|clause| clause.name.name == word)?;
    Some(BodyOwner::Mirror(mirror, index as u32))
}

/// The name of a declaration.
fn item_span(db: &dyn Db, id: ItemId) -> Span {
    let Some(item) = item(db, id) else { return Span::default() };
    match &item.kind {
        ItemKind::Use(import) => import.path.span,
        ItemKind::Space(decl) => decl.name.span,
        ItemKind::Struct(decl) => decl.name.span,
        ItemKind::Enum(decl) => decl.name.span,
        ItemKind::Record(decl) => decl.name.span,
        ItemKind::Fn(decl) => decl.name.span,
        ItemKind::Extern(decl) => decl.name.span,
        ItemKind::Mirror(decl) => decl.name.span,
        ItemKind::Invariant(decl) => decl.name.span,
        ItemKind::Test(decl) => decl.name.span,
    }
}

/// The name of a cell.
fn cell_span(db: &dyn Db, id: CellId) -> Span {
    let names = members(db, id.record).iter().filter_map(|member| match &member.kind {
        MemberKind::Cell(cell) => Some(cell.name.span),
        MemberKind::Derived(derived) => Some(derived.name.span),
        _ => None,
    });
    names.into_iter().nth(id.index as usize).unwrap_or_default()
}

/// The name of a handler or saga.
fn handler_span(db: &dyn Db, id: HandlerId) -> Span {
    let names = members(db, id.record).iter().filter_map(|member| match &member.kind {
        MemberKind::Handler(handler) => Some(handler.name.span),
        MemberKind::Saga(saga) => Some(saga.name.span),
        _ => None,
    });
    names.into_iter().nth(id.index as usize).unwrap_or_default()
}

/// The syntax tree of an item.
pub fn item(db: &dyn Db, id: ItemId) -> Option<&Item> {
    parsed(db, id.file).file.items.get(id.index as usize)
}

fn members(db: &dyn Db, record: ItemId) -> &[Member] {
    match item(db, record).map(|item| &item.kind) {
        Some(ItemKind::Record(record)) => &record.members,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str, piece: &str) -> String {
        let at = text.find(piece).expect("the piece is in the text");
        let gone = removal(text, Span::new(at, at + piece.len()));
        format!("{}{}", &text[..gone.start as usize], &text[gone.end as usize..])
    }

    #[test]
    fn a_line_of_its_own_goes_whole() {
        assert_eq!(without("a\n  @x\n  b\n", "@x"), "a\n  b\n");
        assert_eq!(without("@x\nb\n", "@x"), "b\n");
        assert_eq!(without("a\n  @x b\n", "@x"), "a\n  b\n");
        assert_eq!(without("a @x\nb\n", "@x"), "a \nb\n");
        assert_eq!(without("a\n@x", "@x"), "a\n");
    }
}
