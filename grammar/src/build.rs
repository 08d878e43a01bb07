//! From the flat list of tokens to the syntax tree.
//!
//! Each function here consumes the tokens of one construct. A token that has parts is entered and left; in between only
//! its parts can be seen.

mod compound;
mod expression;
mod item;
mod literals;
mod statement;
mod types;

use ustr::ustr;

use crate::diagnose;
use crate::habits::{self, Habit, Place};
use crate::literal;
use crate::lost;
use crate::mend::{self, Piece, Rewrite};
use crate::parse::{Rule, Token};
use crate::syntax::*;
use crate::{Lost, SyntaxError, SyntaxErrorKind};

/// How high the tree of one expression may grow. Chains such as `a + b + c` and `a.b.c` grow it by one a link, so that
/// whoever walks or drops the tree recursively needs a bounded stack.
const MAX_HEIGHT: u32 = 200;

/// What has too many `else if`.
const ELSE_IFS: &str = "this has more `else if`";

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
    errors: Vec<SyntaxError>,
    /// How many errors may be reported.
    room: usize,
    /// The errors about brackets and quotes, in the order of the text.
    brackets: &'t [SyntaxError],
    /// What was reported already, where the piece now says what was meant.
    mended: &'t [SyntaxError],
    lost: Vec<Lost>,
    /// What was meant, each with the index of its error.
    rewrites: Vec<(usize, Rewrite)>,
    /// Names that are values in other languages, and are reported unless something here has that name.
    suspects: Vec<Ident>,
    /// Names of things that are values in other languages.
    bound: Vec<Name>,
}

/// What a piece says.
pub(crate) struct Reading {
    pub items: Vec<Item>,
    pub errors: Vec<SyntaxError>,
    pub lost: Vec<Lost>,
    /// What to read instead of a part that could not be read, each with the index of the error that says so, in the order of the text.
    pub rewrites: Vec<(usize, Rewrite)>,
}

/// A token whose parts are being consumed.
struct Inside {
    token: Token,
    outer_limit: usize,
}

impl<'t> Builder<'t> {
    /// `tokens` are those of one parse of the piece. `brackets` are the errors about brackets and quotes; `mended` are what was reported when
    /// the piece was read before. No more than `room` are added.
    pub fn new(piece: &'t Piece<'t>, tokens: &'t [Token], brackets: &'t [SyntaxError], mended: &'t [SyntaxError], room: usize) -> Self {
        Builder {
            piece,
            text: &piece.text,
            tokens,
            at: 0,
            limit: tokens.len(),
            last: 0,
            height: 0,
            errors: Vec::new(),
            room,
            brackets,
            mended,
            lost: Vec::new(),
            rewrites: Vec::new(),
            suspects: Vec::new(),
            bound: Vec::new(),
        }
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
        self.piece.place(at)
    }

    fn token_span(&self, token: Token) -> Span {
        self.span(token.start, token.end)
    }

    fn slice(&self, token: Token) -> &'t str {
        &self.text[token.start as usize..token.end as usize]
    }

    fn report(&mut self, kind: SyntaxErrorKind, span: Span, message: String, help: Option<String>, fix: Option<String>) {
        if self.errors.len() < self.room {
            let fix = fix.filter(|_| !self.piece.is_within_patch(span));
            self.errors.push(SyntaxError { kind, span, message, help, fix, also: Vec::new() });
        }
    }

    /// Reports one habit that has left its mark at several places, as one.
    fn habit_of(&mut self, places: Vec<(Span, String)>, message: impl Into<String>, help: impl Into<String>) {
        let mut places = places.into_iter();
        let Some((span, fix)) = places.next() else { return };
        let reported = self.errors.len();
        self.report(SyntaxErrorKind::Syntax, span, message.into(), Some(help.into()), Some(fix));
        if let Some(error) = self.errors.get_mut(reported).filter(|error| error.fix.is_some()) {
            error.also = places.collect();
        }
    }

    /// Reports a habit that was found in the text from `from` on.
    fn habit_at(&mut self, from: u32, habit: Habit) {
        let place = |start: usize, end: usize| self.span(from + start as u32, from + end as u32);
        let at = place(habit.start, habit.end);
        let also = habit.also.iter().map(|(start, end, text)| (place(*start, *end), text.clone())).collect();
        let reported = self.errors.len();
        self.report(habit.kind, at, habit.message, Some(habit.help), habit.fix);
        if let Some(error) = self.errors.get_mut(reported).filter(|error| error.fix.is_some()) {
            error.also = also;
        }
    }

    /// A part of the text of which nothing is in the tree.
    fn lose(&mut self, span: Span) {
        self.lost.push(Lost { span, names: Vec::new() });
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
        } else if habits::value(word).is_some() {
            self.bound.push(ident.name);
        }
        ident
    }

    /// Reports names that are values in other languages, such as `null`, where nothing has that name.
    fn report_suspects(&mut self) {
        for ident in std::mem::take(&mut self.suspects) {
            if let Some((fix, help)) = habits::value(&ident.name)
                && !self.bound.contains(&ident.name)
            {
                self.misspelt(ident.span, format!("`{}` is not a word of the language", ident.name), format!("write `{fix}`: {help}"), fix);
            }
        }
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
            let meant = habits::type_elsewhere(word);
            let fix = meant.map_or_else(|| literal::upper_camel(word), str::to_owned);
            let help = match meant {
                Some(meant) => format!("the type is called `{meant}` here"),
                None => format!("records, structs, enums and built-in types begin with a capital letter: write `{fix}`"),
            };
            let message = format!("the type `{word}` must be written in UpperCamel");
            self.report(SyntaxErrorKind::WrongCase, ident.span, message, Some(help), Some(fix));
        }
        ident
    }

    /// The `///` lines before something, joined.
    fn docs(&mut self) -> Option<Box<str>> {
        let mut docs: Option<String> = None;
        while let Some(token) = self.leaf_if(Rule::doc) {
            if self.is_behind_something(token) {
                let help = "put it on a line of its own, above what it is about; a comment is written `// …`";
                self.misspelt(self.slashes(token), "this `///` documents what follows it, not what it stands behind", help, "//");
                continue;
            }
            let line = self.slice(token)[3..].trim_end();
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

    /// Whether a `///` stands behind what is no opening bracket, on its line. What was added to mend the text is not on it.
    fn is_behind_something(&self, doc: Token) -> bool {
        let start = self.line_start(doc.start);
        let before = &self.text[start as usize..doc.start as usize];
        let (from, to) = (before.len() - before.trim_start().len(), before.trim_end().len());
        let is_there = from < to && self.place(start + from as u32) < self.place(start + to as u32);
        is_there && !before[..to].ends_with(['{', '('])
    }

    /// `///` lines behind which nothing stands that they could document.
    fn docs_of_nothing(&mut self) {
        while let Some(token) = self.leaf_if(Rule::doc) {
            self.of_nothing(token);
        }
    }

    fn of_nothing(&mut self, doc: Token) {
        self.misspelt(self.slashes(doc), "`///` documents a declaration, and none follows", "a comment is written `// …`", "//");
    }

    fn slashes(&self, doc: Token) -> Span {
        self.span(doc.start, doc.start + 3)
    }

    /// `@allow(rule-name, "why")`.
    fn allow(&mut self) -> Allow {
        let inside = self.enter();
        let rule = self.leaf();
        let rule = self.ident_of(rule);
        let reason = self.sees(Rule::text).then(|| self.plain_text());
        Allow { rule, reason, span: self.leave_closed(inside) }
    }

    /// What no rule of the grammar could take. `before` is where the part before it began, which may be the reason.
    fn lost(&mut self, place: Place, before: Option<u32>) -> Span {
        let token = self.leaf();
        let end = token.start + self.slice(token).trim_end().len() as u32;
        self.last = end;
        let span = self.span(token.start, end);
        self.lost.push(Lost { span, names: lost::names(&self.text[token.start as usize..end as usize], place) });
        let line = self.line_start(token.start);
        let whole = Span { start: self.place(line), end: span.end };
        if self.has_error(whole.start, whole.end) || self.errors.len() >= self.room {
            return span;
        }
        let from = before.filter(|&before| before >= line).unwrap_or(token.start);
        let habit = diagnose::explain(&self.text[from as usize..], (token.start - from) as usize, (end - from) as usize, place);
        let (start, end) = (from + habit.start as u32, from + habit.end as u32);
        let at = self.span(start, end);
        let also_in_piece: Vec<(u32, u32, String)> =
            habit.also.iter().map(|(start, end, text)| (from + *start as u32, from + *end as u32, text.clone())).collect();
        // What was mended there is the reason, if no other is known.
        let touches = |one: Span, other: Span| one.start < other.end.max(other.start + 1) && other.start < one.end.max(one.start + 1);
        if self.mended.iter().any(|error| touches(error.span, if habit.known { at } else { whole })) {
            return span;
        }
        if let Some(meant) = habit.fix.as_ref().or(habit.meant.as_ref())
            && mend::is_balanced(meant)
            && mend::is_balanced(&self.text[start as usize..end as usize])
        {
            self.rewrites.push((self.errors.len(), Rewrite { start, end, text: meant.clone() }));
            let also = also_in_piece.into_iter().map(|(start, end, text)| (self.errors.len(), Rewrite { start, end, text }));
            let first = self.rewrites.len() - 1;
            self.rewrites.extend(also);
            self.rewrites[first..].sort_by_key(|(_, rewrite)| rewrite.start);
        }
        self.habit_at(from, habit);
        span
    }

    /// Where the line of a place begins. Very long lines are cut short: they are not written by hand.
    fn line_start(&self, at: u32) -> u32 {
        let earliest = at.saturating_sub(500);
        let before = &self.text.as_bytes()[earliest as usize..at as usize];
        before.iter().rposition(|&byte| byte == b'\n').map_or(earliest, |newline| earliest + newline as u32 + 1)
    }

    /// Whether something is reported between two places of the whole text. A name in the wrong case is understood, and explains nothing.
    fn has_error(&self, start: u32, end: u32) -> bool {
        let within = |error: &SyntaxError| {
            error.kind != SyntaxErrorKind::WrongCase && error.span.start >= start && error.span.start < end.max(start + 1)
        };
        let first = self.brackets.partition_point(|error| error.span.start < start);
        self.brackets.get(first).is_some_and(within) || self.errors.iter().rev().take(16).any(within)
    }
}
