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
mod mend;
mod nesting;
mod parse;
mod statements;
pub mod syntax;

pub use format::{FormatError, format};
pub use habits::{function_elsewhere, is_none_elsewhere, is_word_elsewhere, sql_statement, type_elsewhere};
pub use lexeme::{Lexeme, LexemeKind, goes_on, lexemes};
pub use literal::is_reserved;
pub use statements::{ParsedStatements, parse_statements};
use syntax::{File, Span};

/// What [`parse`] gives: a tree, and what was wrong with the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// Everything that could be understood; broken statements and items are left out or stand as `Error`.
    pub file: File,
    /// In the order of the text.
    pub errors: Vec<SyntaxError>,
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
    let mut file = File::default();
    if u32::try_from(text.len()).is_err() {
        let error = SyntaxError {
            kind: SyntaxErrorKind::Syntax,
            span: Span::new(0, 0),
            message: "this file is larger than 4 GB".into(),
            help: Some("divide it into several".into()),
            fix: None,
        };
        return Parsed { file, errors: vec![error] };
    }
    let mend::Pieces { pieces, mut errors } = nesting::pieces(text);
    let known = errors.len();
    for piece in &pieces {
        match parse::tokens(parse::Rule::file, &piece.text) {
            Ok(tokens) => build::Builder::new(piece, &tokens, &mut errors, known).file(&mut file.items),
            Err(_) => {
                // The grammar takes any text with balanced brackets; should it not, nothing may be lost in silence.
                debug_assert!(false, "the grammar refuses {:?}", piece.text);
                errors.push(SyntaxError {
                    kind: SyntaxErrorKind::Syntax,
                    span: Span { start: piece.base, end: piece.base },
                    message: "the declarations from here on cannot be read".into(),
                    help: Some("see whether brackets and quotes are closed".into()),
                    fix: None,
                });
            }
        }
    }
    errors.sort_by_key(|error| error.span);
    errors.truncate(MAX_ERRORS);
    Parsed { file, errors }
}
