//! What each name is, for colours.

use patternc_compiler::ide::highlight::{Highlight, Role, highlights};
use patternc_grammar::syntax::Span;
use serde_json::{Value, json};

use super::position::Lines;
use super::workspace::At;

const TYPES: &[&str] = &[
    "namespace",
    "struct",
    "enum",
    "enumMember",
    "class",
    "property",
    "method",
    "function",
    "interface",
    "parameter",
    "variable",
    "event",
];
const MODIFIERS: &[&str] = &["declaration", "modification", "readonly", "async"];

/// The names of the numbers below.
pub fn legend() -> Value {
    json!({ "tokenTypes": TYPES, "tokenModifiers": MODIFIERS })
}

/// The names within a part of the file: five numbers each, the place relative to the one before.
pub fn tokens(at: At<'_>, lines: &Lines<'_>, within: Option<Span>) -> Value {
    let mut data: Vec<u32> = Vec::new();
    let mut last = (0, 0);
    for highlight in highlights(at.db(), at.file) {
        if within.is_some_and(|within| highlight.span.end < within.start || highlight.span.start > within.end) {
            continue;
        }
        let (line, character) = lines.line_and_character(highlight.span.start);
        let (end_line, end) = lines.line_and_character(highlight.span.end);
        if end_line != line || end <= character {
            continue;
        }
        let (lines_on, from) = if line == last.0 { (0, character - last.1) } else { (line - last.0, character) };
        data.extend([lines_on, from, end - character, kind(highlight.role), modifiers(&highlight)]);
        last = (line, character);
    }
    json!({ "data": data })
}

fn kind(role: Role) -> u32 {
    let name = match role {
        Role::Space => "namespace",
        Role::Struct => "struct",
        Role::Enum => "enum",
        Role::Variant => "enumMember",
        Role::Record => "class",
        Role::Property => "property",
        Role::Handler | Role::Saga | Role::Operation => "method",
        Role::Function | Role::Invariant => "function",
        Role::Extern => "interface",
        Role::Mirror => "event",
        Role::Parameter => "parameter",
        Role::Local => "variable",
    };
    position(TYPES, name)
}

fn modifiers(highlight: &Highlight) -> u32 {
    let set = [
        ("declaration", highlight.declares),
        ("modification", highlight.writes),
        ("readonly", highlight.read_only),
        ("async", matches!(highlight.role, Role::Saga | Role::Operation)),
    ];
    set.into_iter().filter(|(_, is)| *is).fold(0, |bits, (name, _)| bits | 1 << position(MODIFIERS, name))
}

fn position(of: &[&str], name: &str) -> u32 {
    of.iter().position(|one| *one == name).expect("the legend has every name that is used") as u32
}
