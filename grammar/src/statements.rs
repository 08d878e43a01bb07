//! Statements without a declaration around them: a line typed at the REPL, a query.

use crate::mend::{Patch, Piece, Pieces};
use crate::syntax::{Block, ItemKind, Span};
use crate::{Parsed, SyntaxError, nesting, reading};

/// What stands around the statements while they are parsed.
const BEFORE: &str = "test \"\" {\n";
const AFTER: &str = "\n}";

/// What [`parse_statements`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedStatements {
    /// Everything that could be understood, as a block.
    pub block: Block,
    /// In the order of the text.
    pub errors: Vec<SyntaxError>,
}

/// Parses the statements of a line typed at the REPL, or a query: those that a test can have. A value alone is a statement too.
pub fn parse_statements(text: &str) -> ParsedStatements {
    let Pieces { pieces, errors } = nesting::pieces(text);
    let mut parsed = Parsed { errors, ..Parsed::default() };
    let brackets = parsed.errors.clone();
    let mut block = Block { stmts: Vec::new(), span: Span::new(0, text.len()) };
    for piece in &pieces {
        reading::read(wrapped(piece), &brackets, &mut parsed);
    }
    for item in parsed.file.items {
        if let ItemKind::Test(test) = item.kind {
            block.stmts.extend(test.body.stmts);
        }
    }
    parsed.errors.sort_by_key(|error| error.span);
    ParsedStatements { block, errors: parsed.errors }
}

/// The piece as the body of a declaration, its places those of the text.
fn wrapped<'t>(piece: &Piece<'_>) -> Piece<'t> {
    let (before, end) = (BEFORE.len() as u32, piece.text.len() as u32);
    let place = piece.place(end) - piece.base;
    let mut patches = Vec::with_capacity(piece.patches.len() + 2);
    patches.push(Patch { at: 0, len: before, from: 0, to: 0 });
    patches.extend(piece.patches.iter().map(|patch| Patch { at: patch.at + before, ..*patch }));
    patches.push(Patch { at: before + end, len: AFTER.len() as u32, from: place, to: place });
    Piece { base: piece.base, text: format!("{BEFORE}{}{AFTER}", piece.text).into(), patches }
}

#[cfg(test)]
mod tests {
    use super::parse_statements;
    use crate::syntax::{ExprKind, StmtKind};

    #[test]
    fn places_are_those_of_the_text() {
        let text = "let ada = create Person { name: \"Ada\" }\nada.link(bob)";
        let parsed = parse_statements(text);
        assert_eq!(parsed.errors, []);
        let spans: Vec<&str> = parsed.block.stmts.iter().map(|stmt| stmt.span.slice(text)).collect();
        assert_eq!(spans, ["let ada = create Person { name: \"Ada\" }", "ada.link(bob)"]);
    }

    #[test]
    fn a_value_alone_is_a_statement() {
        let parsed = parse_statements("1 + 2");
        assert_eq!(parsed.errors, []);
        assert!(
            matches!(&parsed.block.stmts[..], [stmt] if matches!(&stmt.kind, StmtKind::Expr(expr) if matches!(expr.kind, ExprKind::Binary { .. })))
        );
    }

    #[test]
    fn errors_are_inside_the_text() {
        for text in ["", " ", "}", "let", "let x =", "ada.link(", "\"abc", "1 +", "record R { }", "{", "]", "a := 1", "x }  y"] {
            let parsed = parse_statements(text);
            for error in &parsed.errors {
                assert!(error.span.end as usize <= text.len(), "{text:?}: {error:?}");
            }
        }
        assert!(!parse_statements("let x =").errors.is_empty());
        assert!(!parse_statements("}").errors.is_empty());
    }
}
