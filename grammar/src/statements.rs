//! Statements without a declaration around them: a line typed at the REPL, a query.

use crate::mend::{Piece, Pieces};
use crate::syntax::{Block, File, ItemKind, Span};
use crate::{SyntaxError, build, nesting, parse};

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
    let Pieces { pieces, mut errors } = nesting::pieces(text);
    let known = errors.len();
    let mut block = Block { stmts: Vec::new(), span: Span::new(0, text.len()) };
    for piece in &pieces {
        let piece = wrapped(piece);
        let tokens = parse::tokens(parse::Rule::file, &piece.text).expect("the grammar takes any text with balanced brackets");
        let mut file = File::default();
        build::Builder::new(&piece, &tokens, &mut errors, known).file(&mut file.items);
        for item in file.items {
            if let ItemKind::Test(test) = item.kind {
                block.stmts.extend(test.body.stmts);
            }
        }
    }
    errors.sort_by_key(|error| error.span);
    ParsedStatements { block, errors }
}

/// The piece as the body of a declaration, its places those of the text.
fn wrapped<'t>(piece: &Piece<'_>) -> Piece<'t> {
    let (before, after) = (BEFORE.len() as u32, AFTER.len() as u32);
    let end = before + piece.text.len() as u32;
    let mut added = Vec::with_capacity(piece.added.len() + 2);
    added.push((0, before));
    added.extend(piece.added.iter().map(|(at, count)| (at + before, count + before)));
    let total = added.last().map_or(before, |(_, count)| *count);
    added.push((end, total + after));
    Piece { base: piece.base, text: format!("{BEFORE}{}{AFTER}", piece.text).into(), added }
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
