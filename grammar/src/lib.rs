//! The grammar of the pattern language: from text to a syntax tree, and from a syntax tree to text.
//!
//! [`parse`] never fails: whatever the bytes, it gives a tree of what could be understood and the errors for the rest.

// What pest generates without `std` names it so.
extern crate alloc;

mod build;
mod diagnose;
mod format;
mod habits;
mod lexeme;
mod literal;
mod lost;
mod mend;
mod nesting;
mod parse;
mod reading;
mod statements;
pub mod syntax;

pub use format::{FormatError, format};
pub use habits::{function_elsewhere, is_none_elsewhere, is_word_elsewhere, sql_statement, type_elsewhere};
pub use lexeme::{Lexeme, LexemeKind, goes_on, lexemes};
pub use literal::{is_reserved, lower_snake};
pub use statements::{ParsedStatements, parse_statements};
use syntax::{File, Name, Span};

/// What [`parse`] gives: a tree, and what was wrong with the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Everything that could be understood; broken statements and items are left out or stand as `Error`.
    pub file: File,
    /// In the order of the text.
    pub errors: Vec<SyntaxError>,
    /// What could not be understood, in the order of the text.
    pub lost: Vec<Lost>,
}

/// A part of the text that is not in the tree, or only as an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub span: Span,
    /// What it was to declare, as far as that can be seen.
    pub names: Vec<Name>,
}

/// One place where the text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Which rule of the catalogue reports it.
    pub kind: SyntaxErrorKind,
    pub span: Span,
    /// What is wrong: "expected an expression".
    pub message: String,
    /// The way out: "write `=`; `:=` is not an operator here".
    pub help: Option<String>,
    /// A replacement of `span` that mends it, where that is certain.
    pub fix: Option<String>,
    /// Other places that the fix replaces as well.
    pub also: Vec<(Span, String)>,
}

/// The rule a syntax error is reported under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyntaxErrorKind {
    /// `syntax`
    Syntax,
    /// `wrong-case`
    WrongCase,
    /// `nesting-limit`
    NestingLimit,
    /// `extern-in-transaction`: the word `await`.
    Await,
}

/// So many errors in one file are enough for anyone.
pub(crate) const MAX_ERRORS: usize = 1000;

/// Parses one file.
pub fn parse(text: &str) -> Parsed {
    if u32::try_from(text.len()).is_err() {
        let error = SyntaxError {
            kind: SyntaxErrorKind::Syntax,
            span: Span::new(0, 0),
            message: "this file is larger than 4 GB".into(),
            help: Some("divide it into several".into()),
            fix: None,
            also: Vec::new(),
        };
        return Parsed { errors: vec![error], ..Parsed::default() };
    }
    let mend::Pieces { pieces, errors } = nesting::pieces(text);
    let brackets = errors.clone();
    let mut parsed = Parsed { errors, ..Parsed::default() };
    for piece in pieces {
        reading::read(piece, &brackets, &mut parsed);
    }
    parsed.errors.sort_by_key(|error| error.span);
    parsed.errors.truncate(MAX_ERRORS);
    parsed
}
