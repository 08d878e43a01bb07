//! Symbols, folding and hints.

use patternc_compiler::db::Project;
use patternc_compiler::ide::hints as ide_hints;
use patternc_compiler::ide::outline::{Symbol, SymbolKind, folds, symbols};
use patternc_grammar::syntax::Span;
use serde_json::{Value, json};

use super::position::{Encoding, Lines};
use super::uri;
use super::workspace::{At, Workspace};

/// So many symbols of a workspace are shown at once.
const MOST_SYMBOLS: usize = 512;

/// The declarations of a file, those inside others within them.
pub fn document(at: At<'_>, lines: &Lines<'_>) -> Value {
    symbols(at.db(), at.file).iter().map(|symbol| nested(symbol, lines)).collect()
}

fn nested(symbol: &Symbol, lines: &Lines<'_>) -> Value {
    let children: Vec<Value> = symbol.children.iter().map(|child| nested(child, lines)).collect();
    json!({
        "name": symbol.name,
        "detail": word(symbol.kind),
        "kind": kind(symbol.kind),
        "range": lines.range(symbol.span),
        "selectionRange": lines.range(symbol.name_span),
        "children": children,
    })
}

/// The declarations of all projects whose names hold the letters of the query, in their order.
pub fn workspace(workspace: &Workspace, query: &str, encoding: Encoding) -> Value {
    let mut found = Vec::new();
    for loaded in &workspace.projects {
        let db = &loaded.db;
        for &file in Project::get(db).files(db) {
            let matching: Vec<(Symbol, Option<String>)> = symbols(db, file)
                .into_iter()
                .flat_map(|symbol| {
                    let inner: Vec<_> = symbol.children.iter().map(|child| (child.clone(), Some(symbol.name.clone()))).collect();
                    std::iter::once((symbol, None)).chain(inner)
                })
                .filter(|(symbol, _)| holds(&symbol.name, query))
                .collect();
            if matching.is_empty() {
                continue;
            }
            let lines = Lines::new(file.text(db), encoding);
            let uri = uri::of_path(&loaded.folder().join(&**file.path(db)));
            for (symbol, container) in matching {
                let mut entry = json!({
                    "name": symbol.name,
                    "kind": kind(symbol.kind),
                    "location": { "uri": uri, "range": lines.range(symbol.name_span) },
                });
                if let Some(container) = container {
                    entry["containerName"] = container.into();
                }
                found.push(entry);
                if found.len() == MOST_SYMBOLS {
                    return found.into();
                }
            }
        }
    }
    found.into()
}

/// Whether a name holds the letters of a query in their order, whatever their case.
fn holds(name: &str, query: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query.chars().flat_map(char::to_lowercase).all(|wanted| letters.any(|letter| letter == wanted))
}

pub fn folding(at: At<'_>, lines: &Lines<'_>) -> Value {
    folds(at.db(), at.file)
        .iter()
        .map(|fold| {
            let (start, end) = (lines.line_and_character(fold.span.start), lines.line_and_character(fold.span.end));
            // The line with the closing bracket stays to be seen.
            let end_line = if fold.is_comment { end.0 } else { end.0.saturating_sub(1).max(start.0) };
            let mut range = json!({ "startLine": start.0, "endLine": end_line });
            if fold.is_comment {
                range["kind"] = "comment".into();
            }
            range
        })
        .collect()
}

/// The hints of a range; of the whole file without one.
pub fn hints(at: At<'_>, lines: &Lines<'_>, range: &Value) -> Value {
    let within = lines.span(range).unwrap_or(Span::new(0, at.text().len()));
    ide_hints::hints(at.db(), at.file, within)
        .iter()
        .map(|hint| {
            let mut entry = json!({ "position": lines.position(hint.at), "label": hint.label, "paddingLeft": !hint.is_type });
            if hint.is_type {
                entry["kind"] = 1.into();
            }
            if let Some(tooltip) = &hint.tooltip {
                entry["tooltip"] = json!({ "kind": "markdown", "value": tooltip });
            }
            entry
        })
        .collect()
}

fn word(kind: SymbolKind) -> &'static str {
    match kind {
        SymbolKind::Space => "space",
        SymbolKind::Struct => "struct",
        SymbolKind::Enum => "enum",
        SymbolKind::Variant => "variant",
        SymbolKind::Field => "field",
        SymbolKind::Record => "record",
        SymbolKind::Cell => "cell",
        SymbolKind::Derived => "derived",
        SymbolKind::Create => "create",
        SymbolKind::Handler => "handler",
        SymbolKind::Saga => "saga",
        SymbolKind::Fn => "fn",
        SymbolKind::Extern => "extern",
        SymbolKind::Operation => "operation",
        SymbolKind::Mirror => "mirror",
        SymbolKind::Invariant => "invariant",
        SymbolKind::Test => "test",
    }
}

/// As the protocol counts the kinds.
fn kind(kind: SymbolKind) -> u8 {
    match kind {
        SymbolKind::Space => 3,
        SymbolKind::Struct => 23,
        SymbolKind::Enum => 10,
        SymbolKind::Variant => 22,
        SymbolKind::Field => 8,
        SymbolKind::Record => 5,
        SymbolKind::Cell | SymbolKind::Derived => 7,
        SymbolKind::Create => 9,
        SymbolKind::Handler | SymbolKind::Saga | SymbolKind::Operation | SymbolKind::Test => 6,
        SymbolKind::Fn => 12,
        SymbolKind::Extern | SymbolKind::Mirror => 11,
        SymbolKind::Invariant => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn letters_are_found_in_their_order() {
        assert!(holds("GoogleAuth", "gau") && holds("link", ""));
        assert!(!holds("link", "kl"));
    }
}
