//! Whether a formatted text is still what it was: the net under the printer, so that its mistakes never reach a file.

use super::lexer::{Kind, Lexed, Token, lex};
use crate::nesting;
use crate::parse::{Rule, Token as Part, tokens};

/// Where a text and what was made of it first differ in more than white space and the commas that the style adds and leaves out, as a
/// place in the text; or where the result no longer parses.
pub(super) fn first_difference(text: &str, lexed: &Lexed, formatted: &str) -> Option<u32> {
    let result = lex(formatted);
    let (before, after) = (kept(text, &lexed.tokens), kept(formatted, &result.tokens));
    let start = |index: usize| before.get(index).map_or(lexed.end, |token| token.start);
    let tokens = (0..before.len().max(after.len()))
        .find(|&index| before.get(index).map(|token| source(text, token)) != after.get(index).map(|token| source(formatted, token)));
    let (comments, comments_after) = (placed_comments(text, lexed), placed_comments(formatted, &result));
    let comment = (0..comments.len().max(comments_after.len()))
        .find(|&index| comments.get(index) != comments_after.get(index))
        .map(|index| lexed.comments.get(index).map_or(lexed.end, |comment| comment.start));
    if let Some(at) = tokens.map(start).into_iter().chain(comment).min() {
        return Some(at);
    }
    if let Some(error) = crate::parse(formatted).errors.into_iter().next() {
        return Some(start(after.partition_point(|token| token.end <= error.span.start)));
    }
    first_other_part(text, formatted)
}

/// Where the same tokens are read as something else: what touches, and where a line ends, decides about calls, indexes and statements.
fn first_other_part(text: &str, formatted: &str) -> Option<u32> {
    let (before, after) = (parts(text), parts(formatted));
    let shape = |parts: &[Part], index: usize| parts.get(index).map(|part| (part.rule, part.next));
    let differs = (0..before.len().max(after.len())).find(|&index| shape(&before, index) != shape(&after, index))?;
    Some(before.get(differs).map_or(text.len() as u32, |part| part.start))
}

/// The rules that matched, each with how many parts are in it: with that a list is their tree. Where a text is cut into pieces depends on its
/// white space, so their roots are left out.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for piece in nesting::pieces(text).pieces {
        // The grammar takes every piece; if not, there are parts that the other text has.
        let found = tokens(Rule::file, &piece.text).unwrap_or_default();
        parts.extend(found.iter().enumerate().filter(|(_, part)| part.rule != Rule::file).map(|(index, part)| Part {
            // Another rule stands for an operator that begins a line.
            rule: if part.rule == Rule::next_op { Rule::op } else { part.rule },
            start: piece.base + part.start,
            end: piece.base + part.end,
            next: part.next - index as u32,
        }));
    }
    parts
}

fn source<'t>(text: &'t str, token: &Token) -> &'t str {
    &text[token.start as usize..token.end as usize]
}

/// The tokens but those commas that the style may add or leave out: before a closing bracket, and between things in braces.
fn kept<'l>(text: &str, tokens: &'l [Token]) -> Vec<&'l Token> {
    let is_loose = |index: usize| {
        let closes = tokens.get(index + 1).is_some_and(|token| token.kind == Kind::Close);
        let after_brace = index.checked_sub(1).is_some_and(|before| source(text, &tokens[before]) == "}");
        source(text, &tokens[index]) == "," && (closes || after_brace)
    };
    (0..tokens.len()).filter(|&index| !is_loose(index)).map(|index| &tokens[index]).collect()
}

/// Each comment with how many tokens stand before it. Commas are not counted: the style moves them before comments.
fn placed_comments<'t>(text: &'t str, lexed: &Lexed) -> Vec<(usize, &'t str)> {
    let mut tokens = lexed.tokens.iter().peekable();
    let mut count = 0;
    let mut placed = Vec::with_capacity(lexed.comments.len());
    for comment in &lexed.comments {
        while let Some(token) = tokens.next_if(|token| token.start < comment.start) {
            count += usize::from(source(text, token) != ",");
        }
        placed.push((count, &text[comment.start as usize..comment.end as usize]));
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows the place of the first difference.
    fn differs<'t>(text: &'t str, formatted: &str) -> Option<&'t str> {
        first_difference(text, &lex(text), formatted).map(|at| &text[at as usize..])
    }

    #[test]
    fn white_space_and_commas_of_the_style_may_differ() {
        assert_eq!(differs("struct A { a: Int, b: Int }", "struct A {\n  a: Int,\n  b: Int,\n}\n"), None);
        let arms = "fn f(a: Int) -> Int { match a { 1 => { 1 }, _ => 2 } }";
        assert_eq!(differs(arms, "fn f(a: Int) -> Int {\n  match a {\n    1 => { 1 }\n    _ => 2,\n  }\n}\n"), None);
        assert_eq!(differs("struct A { a: Int // one\n, b: Int }", "struct A {\n  a: Int, // one\n  b: Int,\n}\n"), None);
    }

    #[test]
    fn tokens_may_not_differ() {
        assert_eq!(differs("fn f() -> Int { 1 + 2 }", "fn f() -> Int { 1 }"), Some("+ 2 }"));
        assert_eq!(differs("fn f() -> Int { 1 }", "fn f() -> Int { 1 } }"), Some(""));
        assert_eq!(differs("fn f() -> Int { g(1, -2) }", "fn f() -> Int { g(1 - 2) }"), Some(", -2) }"));
        assert_eq!(differs("@allow(a-b)\nspace s", "@allow(a - c)\nspace s"), Some("b)\nspace s"));
    }

    #[test]
    fn comments_may_not_differ() {
        assert_eq!(differs("// a\nspace s // b", "// a\nspace s"), Some("// b"));
        assert_eq!(differs("// a\nspace s", "space // a\ns"), Some("// a\nspace s"));
    }

    #[test]
    fn the_same_tokens_are_the_same_parts() {
        let differs = |text: &'static str, formatted: &str| {
            assert!(crate::parse(text).errors.is_empty() && crate::parse(formatted).errors.is_empty(), "{text} {formatted}");
            differs(text, formatted)
        };
        // A call, and a value after another statement; a subtraction, and a number below zero; an index, and a list.
        let body = |lines: &str| format!("record R in s {{\n  handler h(x: Int) {{\n    {lines}\n  }}\n}}\n");
        for (one, other) in [("let a = x -\n1", "let a = x\n-1"), ("let a = x\n[1]", "let a = x[1]"), ("let a = f\n(x)", "let a = f(x)")] {
            let (one, other): (&'static str, String) = (body(one).leak(), body(other));
            assert!(differs(one, &other).is_some(), "{one}{other}");
        }
        assert_eq!(differs(body("let a = x - 1").leak(), &body("let a = x  -  1")), None);
    }

    #[test]
    fn the_result_parses() {
        assert!(differs("@allow(a-b)\nspace s", "@allow(a - b)\nspace s").is_some());
    }
}
