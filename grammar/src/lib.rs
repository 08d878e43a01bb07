//! The grammar of the pattern language: from text to a syntax tree, and from a syntax tree to text.
//!
//! [`parse`] never fails: whatever the bytes, it gives a tree of what could be understood and the errors for the rest.

mod build;
mod literal;
mod parse;
pub mod syntax;

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

/// Parses one file.
pub fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed { file: File::default(), errors: Vec::new() };
    match parse::tokens(parse::Rule::file, text) {
        Ok(tokens) => {
            let mut builder = build::Builder::new(text, &tokens);
            parsed.file.items = builder.file();
            parsed.errors = builder.errors;
        }
        Err(error) => {
            let at = match error.location {
                pest::error::InputLocation::Pos(at) => at,
                pest::error::InputLocation::Span((start, _)) => start,
            };
            parsed.errors.push(SyntaxError {
                kind: SyntaxErrorKind::Syntax,
                span: Span::new(at, at),
                message: "a bracket or a quote is not closed".into(),
                help: None,
                fix: None,
            });
        }
    }
    parsed
}
