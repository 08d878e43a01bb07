//! The pieces of a text that are parsed one by one, and the mended copies of those that need it.

use std::borrow::Cow;

use crate::SyntaxError;

/// Some whole declarations of a text, with balanced brackets and quotes.
pub(crate) struct Piece<'t> {
    /// Where it stands in the text.
    pub base: u32,
    /// What to parse: the text itself, or a mended copy.
    pub text: Cow<'t, str>,
    /// What the copy has in addition, in ascending order: the place in the copy, and the number of bytes added up to there.
    pub added: Vec<(u32, u32)>,
}

/// The pieces of a text, and what was wrong with its brackets and quotes.
pub(crate) struct Pieces<'t> {
    pub pieces: Vec<Piece<'t>>,
    pub errors: Vec<SyntaxError>,
}

/// A change to the copy that is parsed.
pub(crate) enum Mend {
    Insert(usize, &'static str),
    /// Blanks the bytes, so that all places stay the same.
    Blank(usize, usize),
}

impl Mend {
    pub fn at(&self) -> usize {
        match self {
            Mend::Insert(at, _) | Mend::Blank(at, _) => *at,
        }
    }
}

/// Cuts the text and mends the pieces.
pub(crate) fn assemble(text: &str, mut mends: Vec<Mend>, mut cuts: Vec<usize>) -> Vec<Piece<'_>> {
    // Those at the same place stay in the order in which they were made: from the inside out. White space comes last.
    mends.sort_by_key(|mend| (mend.at(), matches!(mend, Mend::Insert(_, " "))));
    cuts.retain(|&cut| cut < text.len());
    cuts.push(text.len());
    let mut pieces = Vec::with_capacity(cuts.len());
    let mut mends = mends.into_iter().peekable();
    let mut start = 0;
    for (index, &end) in cuts.iter().enumerate() {
        let last = index + 1 == cuts.len();
        let mut piece = Piece { base: start as u32, text: Cow::Borrowed(&text[start..end]), added: Vec::new() };
        let mut copied = start;
        let mut added = 0;
        while let Some(mend) = mends.next_if(|mend| mend.at() < end || last) {
            let copy = match &mut piece.text {
                Cow::Owned(copy) => copy,
                borrowed => {
                    *borrowed = Cow::Owned(String::with_capacity(end - start + 16));
                    borrowed.to_mut()
                }
            };
            copy.push_str(&text[copied..mend.at().max(copied)]);
            copied = copied.max(mend.at());
            match mend {
                Mend::Insert(_, closing) => {
                    added += closing.len() as u32;
                    piece.added.push((copy.len() as u32, added));
                    copy.push_str(closing);
                }
                Mend::Blank(_, blank_end) if blank_end > copied => {
                    copy.extend(std::iter::repeat_n(' ', blank_end - copied));
                    copied = blank_end;
                }
                Mend::Blank(..) => {}
            }
        }
        if let Cow::Owned(copy) = &mut piece.text {
            copy.push_str(&text[copied..end.max(copied)]);
        }
        pieces.push(piece);
        start = end;
    }
    pieces
}
