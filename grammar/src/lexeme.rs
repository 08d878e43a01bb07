//! A text as the grammar's smallest parts, for those who show it while it is typed.

use crate::parse::{self, Rule};
use crate::syntax::Span;

/// One of the smallest parts of a text. White space and operators are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lexeme {
    pub kind: LexemeKind,
    pub span: Span,
}

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexemeKind {
    Comment,
    /// A text, with its quotes as far as it has them.
    Text,
    Number,
    /// A reserved word.
    Keyword,
    /// The name of a type.
    Type,
    Name,
    /// `@home`.
    Place,
    /// `(`, `[` or `{`.
    Opening,
    /// `)`, `]` or `}`.
    Closing,
}

/// The parts of any text, in order.
pub fn lexemes(text: &str) -> Vec<Lexeme> {
    let tokens = parse::tokens(Rule::lexemes, text).expect("the grammar cuts any text into lexemes");
    let kind = |rule| {
        Some(match rule {
            Rule::doc | Rule::lexeme_comment => LexemeKind::Comment,
            Rule::lexeme_text => LexemeKind::Text,
            Rule::number => LexemeKind::Number,
            Rule::keyword => LexemeKind::Keyword,
            Rule::upper => LexemeKind::Type,
            Rule::name => LexemeKind::Name,
            Rule::place => LexemeKind::Place,
            Rule::opening => LexemeKind::Opening,
            Rule::closing => LexemeKind::Closing,
            _ => return None,
        })
    };
    tokens.iter().filter_map(|token| Some(Lexeme { kind: kind(token.rule)?, span: Span { start: token.start, end: token.end } })).collect()
}

/// Whether a bracket waits to be closed.
pub fn is_unclosed(text: &str) -> bool {
    let depth = lexemes(text).iter().fold(0i64, |depth, lexeme| match lexeme.kind {
        LexemeKind::Opening => depth + 1,
        // One too many is a mistake to be told, not something that closes what comes later.
        LexemeKind::Closing => (depth - 1).max(0),
        _ => depth,
    });
    depth > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_into_its_parts() {
        let text = "let ada = create Person { name: \"A {1}\" } // (\nx.records(1.5)";
        let parts: Vec<(LexemeKind, &str)> = lexemes(text).iter().map(|l| (l.kind, l.span.slice(text))).collect();
        use LexemeKind::*;
        assert_eq!(
            parts,
            [
                (Keyword, "let"),
                (Name, "ada"),
                (Keyword, "create"),
                (Type, "Person"),
                (Opening, "{"),
                (Name, "name"),
                (Text, "\"A {1}\""),
                (Closing, "}"),
                (Comment, "// ("),
                (Name, "x"),
                (Name, "records"),
                (Opening, "("),
                (Number, "1.5"),
                (Closing, ")"),
            ]
        );
    }

    #[test]
    fn what_is_unclosed_is_a_bracket_outside_of_texts_and_comments() {
        for open in ["record Person in home {", "f([1,", "test \"x {1} {\" {", "{ // }", ") ("] {
            assert!(is_unclosed(open), "{open}");
        }
        for closed in ["ada.name", "1 + 2 // {", "let x = \"a b (", "\"{f(1)} \\{\"", "", "ü € \u{0}"] {
            assert!(!is_unclosed(closed), "{closed}");
        }
    }
}
