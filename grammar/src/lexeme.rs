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

/// Whether a text cannot be all that was meant: a bracket waits to be closed, or an operator for what stands behind it.
pub fn goes_on(text: &str) -> bool {
    let lexemes = lexemes(text);
    let mut open: Vec<&str> = Vec::new();
    for lexeme in &lexemes {
        match (lexeme.kind, lexeme.span.slice(text)) {
            (LexemeKind::Opening, bracket) => open.push(bracket),
            // One that closes nothing, or something else, is a mistake to be told: nothing that comes later mends it.
            (LexemeKind::Closing, bracket) if !matches!((open.pop(), bracket), (Some("("), ")") | (Some("["), "]") | (Some("{"), "}")) => {
                return false;
            }
            _ => {}
        }
    }
    !open.is_empty() || waits_for_operand(text, &lexemes)
}

/// Whether the last of a text is an operator, or a word that something must follow.
fn waits_for_operand(text: &str, lexemes: &[Lexeme]) -> bool {
    let Some(last) = lexemes.iter().rposition(|lexeme| lexeme.kind != LexemeKind::Comment) else { return false };
    let mut at = lexemes[last].span.end as usize;
    let mut behind = String::new();
    for comment in &lexemes[last + 1..] {
        behind += &text[at..comment.span.start as usize];
        at = comment.span.end as usize;
    }
    behind += &text[at..];
    match behind.trim() {
        "" => lexemes[last].kind == LexemeKind::Keyword && matches!(lexemes[last].span.slice(text), "else" | "in" | "catch"),
        "=" | "+=" | "-=" | "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "&&" | "||" | "??" => true,
        _ => false,
    }
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
    fn what_goes_on_has_an_open_bracket_or_waits_for_an_operand() {
        for open in ["record Person in home {", "f([1,", "test \"x {1} {\" {", "{ // }"] {
            assert!(goes_on(open), "{open}");
        }
        for open in ["1 +", "let x =\n", "a && // both", "// one\nx ??", "require a else", "x in\n\n", "(a) -"] {
            assert!(goes_on(open), "{open}");
        }
        for closed in
            ["ada.name", "1 + 2 // {", "let x = \"a b (", "\"{f(1)} \\{\"", "", "ü € \u{0}", "x++", "x--", "Text?", "\"a +\"", "// 1 +"]
        {
            assert!(!goes_on(closed), "{closed}");
        }
        for wrong in ["}{", ") (", "f(1]", "({)"] {
            assert!(!goes_on(wrong), "{wrong}");
        }
    }
}
