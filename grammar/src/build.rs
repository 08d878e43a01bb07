//! From the flat list of tokens to the syntax tree.
//!
//! Each function here consumes the tokens of one construct. A token that has parts is entered and left; in between only
//! its parts can be seen.

mod expression;
mod item;
mod statement;
mod types;

use ustr::ustr;

use crate::literal;
use crate::nesting::Piece;
use crate::parse::{Rule, Token};
use crate::syntax::*;
use crate::{MAX_ERRORS, SyntaxError, SyntaxErrorKind};

/// How high the tree of one expression may grow. Chains such as `a + b + c` and `a.b.c` grow it by one a link, so that
/// whoever walks or drops the tree recursively needs a bounded stack.
const MAX_HEIGHT: u32 = 200;

/// Builds the tree of one piece of a text from its tokens.
pub(crate) struct Builder<'t> {
    piece: &'t Piece<'t>,
    text: &'t str,
    tokens: &'t [Token],
    /// The next token.
    at: usize,
    /// Where the tokens of the construct at hand end.
    limit: usize,
    /// Where the last leaf or closing bracket ended: constructs end there, their tokens may end after white space.
    last: u32,
    /// How high the tree of the expression built last is.
    height: u32,
    errors: &'t mut Vec<SyntaxError>,
}

/// A token whose parts are being consumed.
struct Inside {
    token: Token,
    outer_limit: usize,
}

impl<'t> Builder<'t> {
    /// `tokens` are those of one parse of the piece; what is wrong is added to `errors`.
    pub fn new(piece: &'t Piece<'t>, tokens: &'t [Token], errors: &'t mut Vec<SyntaxError>) -> Self {
        Builder { piece, text: &piece.text, tokens, at: 0, limit: tokens.len(), last: 0, height: 0, errors }
    }

    fn peek(&self) -> Option<Rule> {
        (self.at < self.limit).then(|| self.tokens[self.at].rule)
    }

    fn sees(&self, rule: Rule) -> bool {
        self.at < self.limit && self.tokens[self.at].rule == rule
    }

    /// Consumes a token with all of its parts.
    fn leaf(&mut self) -> Token {
        let token = self.tokens[self.at];
        self.at = token.next as usize;
        self.last = token.end;
        token
    }

    /// Consumes the next token if it is a `rule`.
    fn leaf_if(&mut self, rule: Rule) -> Option<Token> {
        self.sees(rule).then(|| self.leaf())
    }

    fn enter(&mut self) -> Inside {
        let token = self.tokens[self.at];
        let inside = Inside { token, outer_limit: self.limit };
        self.at += 1;
        self.limit = token.next as usize;
        inside
    }

    fn leave(&mut self, inside: &Inside) {
        debug_assert_eq!(self.at, self.limit, "unread parts of {:?}", inside.token.rule);
        self.at = inside.token.next as usize;
        self.limit = inside.outer_limit;
    }

    /// Leaves a construct that ends where its last part ended.
    fn leave_open(&mut self, inside: Inside) -> Span {
        self.leave(&inside);
        self.span(inside.token.start, self.last)
    }

    /// Leaves a construct that ends with a bracket or word of its own.
    fn leave_closed(&mut self, inside: Inside) -> Span {
        self.leave(&inside);
        self.last = inside.token.end;
        self.span(inside.token.start, inside.token.end)
    }

    /// Where something in the piece is in the whole text.
    fn span(&self, start: u32, end: u32) -> Span {
        Span { start: self.place(start), end: self.place(end) }
    }

    fn place(&self, at: u32) -> u32 {
        let before = self.piece.added.partition_point(|&(added_at, _)| added_at < at);
        let Some(last) = before.checked_sub(1) else { return self.piece.base + at };
        let (added_at, added) = self.piece.added[last];
        let earlier = last.checked_sub(1).map_or(0, |index| self.piece.added[index].1);
        // A place inside what was added is where it was added.
        self.piece.base + at - earlier - (added - earlier).min(at - added_at)
    }

    fn token_span(&self, token: Token) -> Span {
        self.span(token.start, token.end)
    }

    fn slice(&self, token: Token) -> &'t str {
        &self.text[token.start as usize..token.end as usize]
    }

    fn report(&mut self, kind: SyntaxErrorKind, span: Span, message: String, help: Option<String>, fix: Option<String>) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(SyntaxError { kind, span, message, help, fix });
        }
    }

    fn wrong(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(SyntaxErrorKind::Syntax, span, message.into(), Some(help.into()), None);
    }

    /// A wrong spelling of something for which the right one is certain.
    fn misspelt(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>, fix: impl Into<String>) {
        self.report(SyntaxErrorKind::Syntax, span, message.into(), Some(help.into()), Some(fix.into()));
    }

    fn ident_of(&self, token: Token) -> Ident {
        Ident { name: ustr(self.slice(token)), span: self.token_span(token) }
    }

    /// A name of something that is not a type, where it is declared or must stand.
    fn lower(&mut self) -> Ident {
        let token = self.leaf();
        let word = self.slice(token);
        let ident = self.ident_of(token);
        if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let fix = literal::lower_snake(word);
            self.report(
                SyntaxErrorKind::WrongCase,
                ident.span,
                format!("`{word}` must be written in lower case"),
                Some(format!("only types begin with a capital letter: write `{fix}`")),
                Some(fix),
            );
        } else if literal::is_reserved(word) {
            self.wrong(ident.span, format!("`{word}` is a word of the language and cannot be a name"), "choose another name");
        }
        ident
    }

    /// The name of a type, where it is declared or must stand.
    fn upper(&mut self) -> Ident {
        let token = self.leaf();
        let word = self.slice(token);
        let ident = self.ident_of(token);
        if !word.as_bytes()[0].is_ascii_uppercase() && literal::is_reserved(word) {
            self.wrong(
                ident.span,
                format!("expected the name of a type, found the word `{word}`"),
                "types begin with a capital letter, such as `Person`",
            );
        } else if !word.as_bytes()[0].is_ascii_uppercase() || word.contains('_') {
            let fix = literal::upper_camel(word);
            self.report(
                SyntaxErrorKind::WrongCase,
                ident.span,
                format!("the type `{word}` must be written in UpperCamel"),
                Some(format!("records, structs, enums and built-in types begin with a capital letter: write `{fix}`")),
                Some(fix),
            );
        }
        ident
    }

    /// The `///` lines before something, joined.
    fn docs(&mut self) -> Option<Box<str>> {
        let mut docs: Option<String> = None;
        while let Some(line) = self.leaf_if(Rule::doc) {
            let line = self.slice(line)[3..].trim_end();
            let line = line.strip_prefix(' ').unwrap_or(line);
            match &mut docs {
                Some(docs) => {
                    docs.push('\n');
                    docs.push_str(line);
                }
                None => docs = Some(line.to_owned()),
            }
        }
        docs.map(String::into_boxed_str)
    }

    /// `@allow(rule-name, "why")`.
    fn allow(&mut self) -> Allow {
        let inside = self.enter();
        let rule = self.leaf();
        let rule = self.ident_of(rule);
        let reason = self.sees(Rule::text).then(|| self.plain_text());
        Allow { rule, reason, span: self.leave_closed(inside) }
    }

    /// What no rule of the grammar could take.
    fn lost(&mut self, what: &str) -> Span {
        let token = self.leaf();
        let text = self.slice(token);
        let trimmed = text.trim_end();
        let span = self.span(token.start, token.start + trimmed.len() as u32);
        self.last = token.start + trimmed.len() as u32;
        self.wrong(span, format!("this is not {what}"), "see the reference for what may stand here");
        span
    }
}
