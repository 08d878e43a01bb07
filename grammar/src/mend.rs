//! The pieces of a text that are parsed one by one, and the mended copies of those that need it.

use std::borrow::Cow;

use crate::SyntaxError;
use crate::syntax::Span;

/// Some whole declarations of a text, with balanced brackets and quotes.
pub(crate) struct Piece<'t> {
    /// Where it stands in the text.
    pub base: u32,
    /// What to parse: the text itself, or a mended copy.
    pub text: Cow<'t, str>,
    /// Where the copy differs from the text, in ascending order.
    pub patches: Vec<Patch>,
}

/// What stands in a copy for another part of the text, which may be empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch {
    /// Where it is in the copy.
    pub at: u32,
    pub len: u32,
    /// What it stands for, from the start of the piece.
    pub from: u32,
    pub to: u32,
}

/// A part of a copy that is to be another.
pub(crate) struct Rewrite {
    pub start: u32,
    pub end: u32,
    pub text: String,
}

impl Piece<'_> {
    /// Where a place of the copy is in the whole text. A place inside of a patch is where what it stands for begins.
    pub fn place(&self, at: u32) -> u32 {
        self.base + self.place_in_piece(at)
    }

    fn place_in_piece(&self, at: u32) -> u32 {
        let before = self.patches.partition_point(|patch| patch.at < at);
        let Some(last) = before.checked_sub(1).map(|last| self.patches[last]) else { return at };
        match at.checked_sub(last.at + last.len) {
            Some(behind) => last.to + behind,
            None => last.from,
        }
    }

    /// Whether a part of the whole text, if only a part of it, stands in the copy as something else.
    pub fn is_within_patch(&self, span: Span) -> bool {
        self.patches.iter().any(|patch| patch.from < patch.to && self.base + patch.from <= span.start && span.end <= self.base + patch.to)
    }

    /// The piece with parts of its copy rewritten, and which of them were; they are in ascending order. What cuts a patch is left as it is.
    pub fn rewritten(&self, rewrites: &[Rewrite]) -> (Piece<'static>, Vec<bool>) {
        let mut piece = Piece { base: self.base, text: Cow::Owned(String::with_capacity(self.text.len() + 64)), patches: Vec::new() };
        let copy = piece.text.to_mut();
        let mut patches = self.patches.iter().peekable();
        let (mut copied, mut made) = (0u32, Vec::with_capacity(rewrites.len()));
        for rewrite in rewrites {
            let cuts = |at: u32| self.patches.iter().any(|patch| patch.at < at && at < patch.at + patch.len);
            let can = copied <= rewrite.start && !cuts(rewrite.start) && !cuts(rewrite.end);
            made.push(can);
            if !can {
                continue;
            }
            let old = &self.text[rewrite.start as usize..rewrite.end as usize];
            for (start, end, new) in differences(old, &rewrite.text) {
                let (start, end) = (rewrite.start + start as u32, rewrite.start + end as u32);
                let moved = copy.len() as u32;
                while let Some(patch) = patches.next_if(|patch| patch.at + patch.len <= start) {
                    piece.patches.push(Patch { at: moved + patch.at - copied, ..*patch });
                }
                while patches.next_if(|patch| patch.at < end).is_some() {}
                copy.push_str(&self.text[copied as usize..start as usize]);
                let (from, to) = (self.place_in_piece(start), self.place_in_piece(end));
                piece.patches.push(Patch { at: copy.len() as u32, len: new.len() as u32, from, to });
                copy.push_str(new);
                copied = end;
            }
        }
        let moved = copy.len() as u32;
        piece.patches.extend(patches.map(|patch| Patch { at: moved + patch.at - copied, ..*patch }));
        copy.push_str(&self.text[copied as usize..]);
        (piece, made)
    }
}

/// What has to change in a text to make it another, so that names which stay keep their places: start, end, and what is there then.
fn differences<'n>(old: &str, new: &'n str) -> Vec<(usize, usize, &'n str)> {
    let (a, b) = (words(old), words(new));
    // How much the texts have in common from two places on.
    let mut common = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            let same = if a[i].1 == b[j].1 { common[i + 1][j + 1] + a[i].1.len() as u32 } else { 0 };
            common[i][j] = same.max(common[i + 1][j]).max(common[i][j + 1]);
        }
    }
    let mut found: Vec<(usize, usize, usize, usize)> = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let (old_at, new_at) = (a.get(i).map_or(old.len(), |word| word.0), b.get(j).map_or(new.len(), |word| word.0));
        let (mut old_end, mut new_end) = (old_at, new_at);
        if i < a.len() && j < b.len() && a[i].1 == b[j].1 && common[i][j] == common[i + 1][j + 1] + a[i].1.len() as u32 {
            (i, j) = (i + 1, j + 1);
            continue;
        } else if j == b.len() || i < a.len() && common[i + 1][j] >= common[i][j + 1] {
            old_end += a[i].1.len();
            i += 1;
        } else {
            new_end += b[j].1.len();
            j += 1;
        }
        match found.last_mut() {
            Some(last) if last.1 == old_at && last.3 == new_at => (last.1, last.3) = (old_end, new_end),
            _ => found.push((old_at, old_end, new_at, new_end)),
        }
    }
    found.into_iter().map(|(start, end, from, to)| (start, end, &new[from..to])).collect()
}

/// The words and the other characters of a text, with their places. A long text is one.
fn words(text: &str) -> Vec<(usize, &str)> {
    const LONG: usize = 300;
    if text.len() > LONG {
        return vec![(0, text)];
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words: Vec<(usize, &str)> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        words.push((text.len() - rest.len(), &rest[..length]));
        rest = &rest[length..];
    }
    words
}

/// Where the bracket is closed that a text begins with.
pub(crate) fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut is_text = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => is_text = !is_text,
            b'\\' if is_text => drop(bytes.next()),
            b'(' | b'[' | b'{' if !is_text => depth += 1,
            b')' | b']' | b'}' if !is_text => {
                depth -= 1;
                if depth <= 0 {
                    return (depth == 0).then_some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether every bracket and quote of a text is closed in it.
pub(crate) fn is_balanced(text: &str) -> bool {
    let mut open = Vec::new();
    let mut quotes = 0;
    for c in text.chars() {
        match c {
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(c) => return false,
            '"' => quotes += 1,
            _ => {}
        }
    }
    open.is_empty() && quotes % 2 == 0 && !text.contains("//")
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
        let mut piece = Piece { base: start as u32, text: Cow::Borrowed(&text[start..end]), patches: Vec::new() };
        let mut copied = start;
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
                    let from = (copied - start) as u32;
                    piece.patches.push(Patch { at: copy.len() as u32, len: closing.len() as u32, from, to: from });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_keeps_its_place() {
        let text = "cell a: Person[] = []";
        let piece = Piece { base: 10, text: text.into(), patches: Vec::new() };
        let (again, made) = piece.rewritten(&[Rewrite { start: 8, end: 16, text: "List<Person>".into() }]);
        assert_eq!((&*again.text, made), ("cell a: List<Person> = []", vec![true]));
        let place = |piece: &Piece<'_>, of: &str| piece.place(piece.text.find(of).expect("it is there") as u32) as usize - 10;
        assert_eq!((place(&again, "Person"), place(&again, "> ="), place(&again, "= []")), (8, 14, 17));
        let (third, _) =
            again.rewritten(&[Rewrite { start: 0, end: 4, text: "derived".into() }, Rewrite { start: 21, end: 22, text: ":".into() }]);
        assert_eq!(&*third.text, "derived a: List<Person> : []");
        assert_eq!((place(&third, "a:"), place(&third, "Person"), place(&third, "[]")), (5, 8, 19));
        assert!(!piece.rewritten(&[Rewrite { start: 0, end: 0, text: "x".into() }]).0.patches.is_empty());
    }

    #[test]
    fn nothing_is_cut() {
        let piece = Piece { base: 0, text: "f(a)".into(), patches: vec![Patch { at: 1, len: 2, from: 1, to: 1 }] };
        let (again, made) =
            piece.rewritten(&[Rewrite { start: 2, end: 3, text: "b".into() }, Rewrite { start: 3, end: 4, text: "c".into() }]);
        assert_eq!((&*again.text, made), ("f(ac", vec![false, true]));
    }
}
