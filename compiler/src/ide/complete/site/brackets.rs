//! What the text says of a place for which the tree has none.

use patternc_grammar::syntax::Name;

use super::{Position, Site};
use crate::ide::cursor::Around;

/// What the words before the cursor and the brackets around it say, where the tree has no place for it.
pub(super) fn by_brackets(text: &str, at: usize, around: &Around) -> Site {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..at].trim_start();
    // Its block may begin on the same line.
    let statement = line[line.rfind(['{', '}']).map_or(0, |brace| brace + 1)..].trim_start();
    let last = line.trim_end().rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    let innermost = around.open.last();
    let header = innermost.map(|open| {
        let start = text[..open.at].rfind(['\n', '{', '}']).map_or(0, |newline| newline + 1);
        text[start..open.at].trim()
    });
    let first = header.and_then(|header| header.split_whitespace().next()).unwrap_or_default();
    let position = match (innermost.map(|open| open.bracket), first) {
        _ if line.starts_with("@allow(") => Position::Rule,
        _ if statement.starts_with("given ") && !statement.contains("=>") => {
            let of = statement.strip_suffix('.').and_then(|given| given.split_whitespace().last());
            Position::Given { of: of.map(Name::from) }
        }
        _ if matches!(last, "let" | "handler" | "saga" | "cell" | "derived" | "fn" | "struct" | "enum" | "step" | "pivot") => {
            Position::Nothing
        }
        _ if last == "create" => Position::Record,
        (None, _) if line.starts_with("mirror ") && last == "of" => Position::Record,
        (None, _) if line.starts_with("mirror ") && last == "to" => Position::Extern,
        _ if last == "in" && line.starts_with("for ") => Position::Expression,
        _ if last == "in" => Position::Space { of: None },
        _ if let Some(of) = located_type(line) => Position::Place(of),
        (_, "record") if let Some(clause) = line.rfind(')').map(|end| &line[end + 1..]).filter(|_| line.contains("handler ")) => {
            in_signature(clause)
        }
        _ if line.trim_end().ends_with("->") => Position::Type,
        _ if line.starts_with("let ") && line.contains(':') && !line.contains('=') => Position::Type,
        (Some(b'('), "fn" | "handler" | "internal" | "saga") => match line.rsplit(['(', ',']).next() {
            Some(param) if param.contains(':') => Position::Type,
            _ => Position::Nothing,
        },
        (None, _) if line.is_empty() => Position::Item,
        (None, _) => Position::Nothing,
        (Some(b'{'), "record") if line.is_empty() => Position::RecordMember,
        (Some(b'{'), "record") if is_in_type_of_cell(line) => Position::Type,
        (Some(b'{'), "record") if line.starts_with("cell ") && line.contains(':') => Position::CellMark,
        (Some(b'{'), "record") if line.contains(')') => Position::Signature,
        (Some(b'{'), "extern") if line.contains(')') => Position::OperationMark,
        (Some(b'{'), "extern") => Position::Operation,
        (Some(b'{'), "mirror") => Position::Clause,
        (Some(b'{'), "struct" | "enum") => Position::Nothing,
        (Some(b'{'), _) if header.is_some_and(|header| header.ends_with("then")) => {
            let inside = innermost.map_or("", |open| &text[open.at..at]);
            Position::Arm { ok: inside.contains("ok("), err: inside.contains("err(") }
        }
        (Some(b'{'), _) if line.is_empty() => Position::Statement,
        _ => Position::Expression,
    };
    Site { position, wanted: None, in_test: false, in_saga: false, creates: last == "create" }
}

/// The type whose `@` the line ends with.
fn located_type(line: &str) -> Option<Name> {
    let before = line.strip_suffix('@')?;
    let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |end| end + 1);
    before[start..].starts_with(|c: char| c.is_ascii_uppercase()).then(|| Name::from(&before[start..]))
}

/// A place between the parameters of a handler and its body.
fn in_signature(clause: &str) -> Position {
    let last = clause.split_whitespace().rev().find(|word| matches!(*word, "writes" | "across" | "->"));
    let goes_on = clause.trim_end().ends_with(['s', ',']) && clause.ends_with([' ', ',']);
    match last {
        Some("writes") if goes_on => Position::Record,
        Some("across") if goes_on => Position::Space { of: None },
        Some("->") if clause.trim_end().ends_with("->") => Position::Type,
        _ => Position::Signature,
    }
}

/// Whether the line ends between the `<` and `>` of the type of a cell.
fn is_in_type_of_cell(line: &str) -> bool {
    let ty = line.split_once(':').filter(|(name, _)| name.starts_with("cell ") || name.starts_with("derived ")).map_or("", |(_, ty)| ty);
    !ty.contains('=') && ty.matches('<').count() > ty.matches('>').count()
}
