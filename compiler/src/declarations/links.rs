//! `inverse`: both ends are links to one another, and always in one space.

use patternc_grammar::syntax::{MemberKind, Name, RecordDecl};

use super::Checker;
use crate::diagnostic::{Diagnostic, Location};
use crate::items::{CellHead, Link, LinkPlace, record_head_of};
use crate::resolve::{home, item_name, one_of, scope};
use crate::signature::{Home, RecordSig};
use crate::types::{CellId, ItemId};

pub(super) fn check(checker: &mut Checker<'_>, id: ItemId, decl: &RecordDecl, sig: &RecordSig) {
    let (db, file) = (checker.db, checker.file);
    for (index, cell) in sig.cells.iter().enumerate() {
        let this = CellId { record: id, index: index as u32 };
        let Some(other) = cell.inverse else { continue };
        let Some(MemberKind::Cell(tree)) = decl.members.get(cell.member as usize).map(|member| &member.kind) else { continue };
        let (Some(mine), Some(theirs)) = (cell_head(checker, this), cell_head(checker, other)) else { continue };
        let names = (sig.name, item_name(db, other.record));
        // What is wrong with a link is said once: where it is declared.
        let Some(inverse) = tree.inverse else { continue };
        let at = inverse.span;
        if theirs.derived {
            checker.report(
                Diagnostic::error(
                    "type-mismatch",
                    file,
                    at,
                    format!("`{}.{}` is derived and cannot be an end of a link", names.1, theirs.name),
                )
                .label(Location::Cell(other), "derived here")
                .help("name a stored cell: the runtime writes both ends"),
            );
            continue;
        }
        let leads_back = theirs.link.as_ref().and_then(|link| scope(db, other.record.file).lookup(link.to)) == Some(id);
        if !leads_back {
            let message = format!("`{}.{}` does not lead back to `{}`", names.1, theirs.name, names.0);
            checker.report(
                Diagnostic::error("type-mismatch", file, at, message).label(Location::Cell(other), "the other end").help(format!(
                    "the other end is {}, `{1}?`, `Set<{1}>` or `List<{1}>`",
                    one_of(&names.0),
                    names.0
                )),
            );
            continue;
        }
        if let Some(declared) = theirs.inverse
            && declared != mine.name
        {
            let message = format!(
                "the two ends disagree: `{}.{}` is the inverse of `{}.{declared}`, not of `{}.{}`",
                names.1, theirs.name, names.0, names.0, mine.name
            );
            checker.report(
                Diagnostic::error("type-mismatch", file, at, message)
                    .label(Location::Cell(other), format!("declared `inverse {declared}`"))
                    .help("each end names the other, or one end alone declares it"),
            );
            continue;
        }
        if theirs.inverse.is_none()
            && let Some(rival) = rival(checker, this, other)
        {
            let message = format!("`{}.{}` would be the other end of two links", names.1, theirs.name);
            checker.report(
                Diagnostic::error("type-mismatch", file, at, message)
                    .label(Location::Cell(rival), "declares the same inverse")
                    .label(Location::Cell(other), "the other end of both")
                    .help("give each link an end of its own"),
            );
            continue;
        }
        spaces(checker, this, mine, other, theirs, names, at);
    }
}

fn cell_head<'a>(checker: &Checker<'a>, cell: CellId) -> Option<&'a CellHead> {
    record_head_of(checker.db, cell.record)?.cells.get(cell.index as usize)
}

/// Another cell of the same record, declared earlier, that names the same other end.
fn rival(checker: &Checker<'_>, this: CellId, other: CellId) -> Option<CellId> {
    let db = checker.db;
    let other_name = cell_head(checker, other)?.name;
    let head = record_head_of(db, this.record)?;
    let index = head.cells[..this.index as usize].iter().position(|cell| {
        cell.inverse == Some(other_name)
            && cell.link.as_ref().and_then(|link| scope(db, this.record.file).lookup(link.to)) == Some(other.record)
    })?;
    Some(CellId { record: this.record, index: index as u32 })
}

/// Why the records a link leads to may be in another space than the record that holds it.
enum Apart {
    /// `R@any`.
    Any,
    /// Each end has a space of its own.
    Spaces,
}

fn spaces(
    checker: &mut Checker<'_>,
    this: CellId,
    mine: &CellHead,
    other: CellId,
    theirs: &CellHead,
    names: (Name, Name),
    at: patternc_grammar::syntax::Span,
) {
    let ends = [(this, mine), (other, theirs)];
    let found = ends.into_iter().find_map(|(cell, head)| {
        let target = if cell == this { other.record } else { this.record };
        Some((cell, head, apart(checker, cell.record, target, head.link.as_ref()?)?))
    });
    let Some((cell, head, apart)) = found else { return };
    let (from, to) = if cell == this { names } else { (names.1, names.0) };
    let (from_record, to_record) = if cell == this { (this.record, other.record) } else { (other.record, this.record) };
    let why = match apart {
        Apart::Any => format!("`{from}.{}` may lead to {} in another space", head.name, one_of(&to)),
        Apart::Spaces => {
            format!("{} is in {}, {} in {}", one_of(&from), place(checker, from_record), one_of(&to), place(checker, to_record))
        }
    };
    let holds = |cell: CellId, name: Name| {
        format!("`{name}` of {}, in {}", one_of(&item_name(checker.db, cell.record)), place(checker, cell.record))
    };
    let message = format!("both ends of a link are written in one transaction, but {why}");
    let mut finding = Diagnostic::error("inverse-across-spaces", checker.file, at, message)
        .saying(format!("the other end: {}", holds(other, theirs.name)))
        .label(Location::Cell(this), format!("the one end: {}", holds(this, mine.name)));
    // A cell can be both ends.
    if other != this {
        finding = finding.label(Location::Cell(other), "the other end");
    }
    checker.report(
        finding.help(
            "put both records into one space, or leave `inverse` out and keep each end with a `send` to the other (or with a mirror)",
        ),
    );
}

/// Where the records of a type are, in words.
fn place(checker: &Checker<'_>, record: ItemId) -> String {
    match home(checker.db, record) {
        Home::Plain(space) => format!("the space `{}`", item_name(checker.db, space)),
        Home::Family(space) => format!("one of the spaces `{}[…]`", item_name(checker.db, space)),
        Home::Floating => "any space".to_owned(),
    }
}

/// Whether a link from a record may lead out of its space.
fn apart(checker: &Checker<'_>, from: ItemId, to: ItemId, link: &Link) -> Option<Apart> {
    let db = checker.db;
    let (own, target) = (home(db, from), home(db, to));
    match (target, own, link.place) {
        (Home::Plain(target), Home::Plain(own), _) => (target != own).then_some(Apart::Spaces),
        (Home::Plain(_), _, _) => Some(Apart::Spaces),
        (_, _, LinkPlace::Any) => Some(Apart::Any),
        (_, Home::Plain(own), LinkPlace::Space(space)) => (scope(db, from.file).lookup(space) != Some(own)).then_some(Apart::Spaces),
        (_, _, LinkPlace::Space(_)) => Some(Apart::Any),
        // A plain `R` is here. Where it can never be, its type says so already.
        (_, _, LinkPlace::Plain) => None,
    }
}
