//! Reads a piece of a text. What could not be read is read again as what was meant, where that is known: it is reported, and nothing that
//! follows from it.

use crate::build::{Builder, Reading};
use crate::mend::Piece;
use crate::parse::{Rule, tokens};
use crate::syntax::Span;
use crate::{MAX_ERRORS, Parsed, SyntaxError, SyntaxErrorKind};

/// How often a piece is read at most: once more for every mistake of the part that has most.
const ROUNDS: usize = 8;

/// Adds what a piece says to what is known. `brackets` are the errors about brackets and quotes, in the order of the text.
pub(crate) fn read(mut piece: Piece<'_>, brackets: &[SyntaxError], parsed: &mut Parsed) {
    let mut mended: Vec<SyntaxError> = Vec::new();
    for round in 1.. {
        let Ok(tokens) = tokens(Rule::file, &piece.text) else {
            // The grammar takes any text with balanced brackets; should it not, nothing may be lost in silence.
            debug_assert!(false, "the grammar refuses {:?}", piece.text);
            parsed.errors.push(SyntaxError {
                kind: SyntaxErrorKind::Syntax,
                span: Span { start: piece.base, end: piece.base },
                message: "the declarations from here on cannot be read".into(),
                help: Some("see whether brackets and quotes are closed".into()),
                fix: None,
                also: Vec::new(),
            });
            break;
        };
        let room = MAX_ERRORS.saturating_sub(parsed.errors.len());
        let Reading { items, errors, lost, rewrites } = Builder::new(&piece, &tokens, brackets, &mended, room).file();
        if round < ROUNDS && !rewrites.is_empty() {
            let (of, rewrites): (Vec<usize>, Vec<_>) = rewrites.into_iter().unzip();
            let (again, made) = piece.rewritten(&rewrites);
            let made: Vec<SyntaxError> = of.iter().zip(made).filter(|(_, made)| *made).map(|(&of, _)| errors[of].clone()).collect();
            if !made.is_empty() {
                mended.extend(made);
                piece = again;
                continue;
            }
        }
        parsed.file.items.extend(items);
        parsed.errors.extend(errors);
        parsed.lost.extend(lost);
        break;
    }
    parsed.errors.extend(mended);
}
