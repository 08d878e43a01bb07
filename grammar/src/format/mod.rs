//! The formatter: one style, no options.
//!
//! It walks the syntax tree and the tokens of the text side by side. The tree says where a line may break; what is written are the tokens,
//! each in its turn, so that nothing can be lost or change its spelling. Comments lie in the gaps between tokens and stay in their gap.
//!
//! The style: two spaces a level, lines of at most 100 characters. What fits on a line stands on one, but braces that the author opened
//! at the end of a line stay open, and several statements never share a line. Where a list does not fit, each part has its own line and a
//! comma; where a chain of calls does not, each call has. At most one empty line stands between two things, and one always stands around
//! declarations and members of several lines.

mod expression;
mod item;
mod kept;
mod layout;
mod lexer;
mod statement;

use layout::{Layout, Piece};
use lexer::{Comment, Kind, Token};

use crate::SyntaxError;
use crate::syntax::{Span, TypeExpr};

/// Why a text is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// It does not parse: what is wrong with it.
    Syntax(Vec<SyntaxError>),
    /// Its formatted text would not be the same program: a mistake in the formatter.
    Mistake {
        /// Where in the text the first difference is.
        at: u32,
    },
}

impl FormatError {
    /// The first place, and why the text is left alone there, with the way out.
    pub fn first(&self) -> (u32, String) {
        match self {
            FormatError::Syntax(errors) => errors.first().map_or((0, String::new()), |error| {
                let help = error.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
                (error.span.start, format!("{}{help}", error.message))
            }),
            FormatError::Mistake { at } => {
                let message = "formatted, it would no longer say the same from here on: a mistake in patternc, not in this file; \
                               please report it with this text";
                (*at, message.into())
            }
        }
    }
}

/// The text in the one style. It means the same: only white space and commas at the ends of lists differ.
///
/// # Errors
///
/// A text that does not parse, or whose formatted text would lose something, is left alone.
pub fn format(text: &str) -> Result<String, FormatError> {
    let parsed = crate::parse(text);
    if !parsed.errors.is_empty() {
        return Err(FormatError::Syntax(parsed.errors));
    }
    let lexed = lexer::lex(text);
    let layout = Layout::new(text, lexed.tokens.len());
    let mut printer = Printer { text, tokens: &lexed.tokens, comments: &lexed.comments, end: lexed.end, at: 0, comment: 0, layout };
    printer.file(&parsed.file);
    let mut out = printer.layout.print();
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    if out != text
        && let Some(at) = kept::first_difference(text, &lexed, &out)
    {
        return Err(FormatError::Mistake { at });
    }
    Ok(out)
}

struct Printer<'t> {
    text: &'t str,
    tokens: &'t [Token],
    comments: &'t [Comment],
    /// Where the text ends.
    end: u32,
    /// The next token.
    at: usize,
    /// The next comment.
    comment: usize,
    layout: Layout<'t>,
}

/// What stands between two tokens, unless a comment does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    Space,
    Line,
    Soft,
    /// A new line; an empty one before it stays.
    Next,
    /// A new line without an empty one.
    First,
    /// A new line between two things of which each may take several.
    Between,
}

impl Gap {
    fn piece(self, after_blank: bool) -> Piece {
        match self {
            Gap::Space => Piece::Space,
            Gap::Line => Piece::Line,
            Gap::Soft => Piece::Soft,
            Gap::Next => Piece::Break { blank: after_blank },
            Gap::First => Piece::Break { blank: false },
            Gap::Between => Piece::Between { blank: after_blank },
        }
    }
}

impl<'t> Printer<'t> {
    fn token(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    /// The source of the next token.
    fn source(&self) -> &'t str {
        self.token().map_or("", |token| &self.text[token.start as usize..token.end as usize])
    }

    /// Whether the next token is this mark or word.
    fn sees(&self, text: &str) -> bool {
        self.source() == text
    }

    /// Where the next token begins.
    fn start(&self) -> u32 {
        self.token().map_or(self.end, |token| token.start)
    }

    /// What stands before the next token: its comments, and the gap.
    fn gap(&mut self, gap: Gap) {
        if !self.comments_here(gap) {
            let after_blank = self.token().is_some_and(|token| token.after_blank);
            self.layout.push(gap.piece(after_blank));
        }
    }

    /// The comments before the next token, and the end of their line. The gap is the one before the first that has its own line.
    fn comments_here(&mut self, gap: Gap) -> bool {
        let start = self.start();
        let closes = self.token().is_some_and(|token| token.kind == Kind::Close);
        let mut gap = match gap {
            // The comments at the end of a block may stand apart.
            Gap::Line | Gap::Soft if closes => Gap::Next,
            Gap::Space | Gap::Line | Gap::Soft => Gap::First,
            other => other,
        };
        let mut any = false;
        let mut doc = false;
        while let Some(comment) = self.comments.get(self.comment).filter(|comment| comment.start < start) {
            self.comment += 1;
            if any || comment.fresh || comment.is_doc {
                if self.at > 0 || any {
                    self.layout.push(gap.piece(comment.after_blank));
                }
                gap = Gap::Next;
            } else {
                self.layout.push(Piece::Space);
            }
            self.layout.push(Piece::Comment(comment.start, comment.end));
            any = true;
            doc = comment.is_doc;
        }
        if any {
            let after_blank = self.token().is_some_and(|token| token.after_blank) && !doc && !closes;
            self.layout.push(gap.piece(after_blank));
        }
        any
    }

    /// Writes the next token.
    fn tok(&mut self) {
        let Some(token) = self.token() else { return };
        if self.comments.get(self.comment).is_some_and(|comment| comment.start < token.start) {
            self.comments_here(Gap::First);
        }
        self.layout.push(Piece::Source(token.start, token.end));
        self.at += 1;
    }

    /// A space and the next token.
    fn word(&mut self) {
        self.gap(Gap::Space);
        self.tok();
    }

    /// Leaves the next token out: a comma, for which another stands.
    fn skip(&mut self) {
        debug_assert_eq!(self.source(), ",", "only commas are left out");
        self.at += 1;
    }

    /// All tokens that begin before a place, touching one another.
    fn touching(&mut self, end: u32) {
        while self.at < self.tokens.len() && self.start() < end {
            self.tok();
        }
    }

    /// Tokens before a place that no part of the tree stands for, with a space before each.
    fn rest(&mut self, end: u32) {
        while self.at < self.tokens.len() && self.start() < end {
            self.tok();
            if self.start() < end {
                self.gap(Gap::Space);
            }
        }
    }

    fn ty(&mut self, ty: &TypeExpr) {
        while self.at < self.tokens.len() && self.start() < ty.span.end {
            let comma = self.sees(",");
            self.tok();
            if comma && self.start() < ty.span.end && !self.sees(">") {
                self.gap(Gap::Space);
            }
        }
    }

    /// Whether what follows the bracket before begins on the next line.
    fn is_open_on_its_own_line(&self) -> bool {
        // A comment after the bracket is on its line, and what follows on the next.
        let start = self.start();
        let comment = self.comments.get(self.comment).filter(|comment| comment.start < start);
        comment.is_some() || self.token().is_some_and(|token| token.fresh)
    }

    /// A list between brackets, the first of which is next: `part` writes each part. With `edge` between the brackets and the list.
    /// Braces that the author opened at the end of a line stay open.
    fn list<T>(&mut self, parts: &[T], edge: Gap, mut part: impl FnMut(&mut Self, &T)) {
        let Some(mate) = self.token().map(|token| token.mate as usize) else { return };
        let braces = self.sees("{");
        self.layout.open();
        self.tok();
        if self.at == mate {
            self.nothing_between(braces);
            self.layout.close();
            return;
        }
        if braces && self.is_open_on_its_own_line() {
            self.layout.force();
        }
        self.layout.push(Piece::Indent);
        self.gap(edge);
        for (index, one) in parts.iter().enumerate() {
            part(self, one);
            if self.sees(",") && self.at < mate {
                self.skip();
            }
            if index + 1 < parts.len() {
                self.layout.push(Piece::Word(","));
                self.between_parts(braces);
            }
        }
        let end = self.tokens[mate].start;
        if self.start() < end {
            self.gap(Gap::Line);
            self.rest(end);
        } else {
            self.layout.push(Piece::Comma);
        }
        self.gap(edge);
        self.layout.push(Piece::Dedent);
        self.tok();
        self.layout.close();
    }

    /// Between two parts of a list. Those in braces may be set apart.
    fn between_parts(&mut self, braces: bool) {
        let start = self.start();
        let after_blank = match self.comments.get(self.comment).filter(|comment| comment.start < start) {
            Some(comment) => comment.after_blank,
            None => self.token().is_some_and(|token| token.after_blank),
        };
        if braces && after_blank {
            self.gap(Gap::Next);
        } else {
            self.gap(Gap::Line);
        }
    }

    /// The second of two brackets between which nothing stands but comments.
    fn nothing_between(&mut self, braces: bool) {
        self.layout.push(Piece::Indent);
        if !self.comments_here(Gap::First) && braces {
            self.layout.push(Piece::Space);
        }
        self.layout.push(Piece::Dedent);
        self.tok();
    }

    /// Lines between braces, the first of which is next: `part` writes each. One alone may share the line with its braces, unless
    /// `always_open`.
    fn lines<T>(&mut self, parts: &[T], between: Gap, always_open: bool, mut part: impl FnMut(&mut Self, &T)) {
        let Some(mate) = self.token().map(|token| token.mate as usize) else { return };
        self.tok();
        if self.at == mate {
            self.nothing_between(true);
            return;
        }
        if always_open || parts.len() > 1 || self.is_open_on_its_own_line() {
            self.layout.force();
        }
        self.layout.push(Piece::Indent);
        for (index, one) in parts.iter().enumerate() {
            match index {
                0 => self.gap(Gap::Line),
                _ => self.gap(between),
            }
            part(self, one);
            if self.sees(",") && self.at < mate {
                self.skip();
            }
        }
        let end = self.tokens[mate].start;
        if self.start() < end {
            self.gap(Gap::Next);
            self.rest(end);
        }
        self.gap(Gap::Line);
        self.layout.push(Piece::Dedent);
        self.tok();
    }

    /// Whether the expression or type at `span` stands in brackets of its own, the first of which is at its start.
    fn is_bracketed(&self, span: Span) -> bool {
        if self.text.as_bytes().get(span.start as usize) != Some(&b'(') {
            return false;
        }
        let index = self.tokens.partition_point(|token| token.start < span.start);
        let mate = self.tokens[index].mate as usize;
        self.tokens[index].kind == Kind::Open && self.tokens[mate].end == span.end
    }
}
