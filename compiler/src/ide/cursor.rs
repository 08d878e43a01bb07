//! The brackets of a text that may be half written.

/// A bracket that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub bracket: u8,
    pub at: usize,
    /// Commas between it and the place, outside of other brackets.
    pub commas: usize,
}

/// What is around a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Around {
    /// The innermost last. A `{` inside a text is one.
    pub open: Vec<Open>,
    /// The place is in a comment, or in the words of a text.
    pub in_words: bool,
    /// The place is in the words of a text.
    pub in_text: bool,
}

/// A pair of brackets, or a text or comment.
pub(crate) enum Piece {
    /// From the opening to the closing bracket.
    Brackets(usize, usize),
    /// A comment, from its slashes to the end of its line.
    Comment(usize, usize),
}

/// Looks at a text up to `end`.
pub(super) fn around(text: &str, end: usize) -> Around {
    let mut around = Around::default();
    scan(text, end, &mut around, &mut |_| {});
    around
}

/// Every pair of brackets and every comment of a text.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    scan(text, text.len(), &mut Around::default(), &mut |piece| pieces.push(piece));
    pieces
}

fn scan(text: &str, end: usize, around: &mut Around, see: &mut dyn FnMut(Piece)) {
    let bytes = &text.as_bytes()[..end];
    // How many brackets were open where each text began that is not closed.
    let mut texts: Vec<usize> = Vec::new();
    let mut in_text = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        if in_text {
            match byte {
                b'\\' => at += 1,
                b'"' => {
                    texts.pop();
                    in_text = false;
                }
                b'{' => {
                    around.open.push(Open { bracket: byte, at: start, commas: 0 });
                    in_text = false;
                }
                // A text ends with its line; one that does not is not written to its end yet.
                b'\n' => {
                    if let Some(depth) = texts.first().copied() {
                        around.open.truncate(depth);
                    }
                    texts.clear();
                    in_text = false;
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => {
                texts.push(around.open.len());
                in_text = true;
            }
            b'\n' if !texts.is_empty() => {
                around.open.truncate(texts[0]);
                texts.clear();
            }
            b'/' if bytes.get(at) == Some(&b'/') => {
                let length = bytes[start..].iter().position(|&b| b == b'\n');
                at = length.map_or(bytes.len(), |length| start + length);
                see(Piece::Comment(start, at));
                if length.is_none() {
                    around.in_words = true;
                }
            }
            b'(' | b'[' | b'{' => around.open.push(Open { bracket: byte, at: start, commas: 0 }),
            b')' | b']' | b'}' => {
                let opening = match byte {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                // Brackets inside that were not closed end here too.
                if let Some(place) = around.open.iter().rposition(|open| open.bracket == opening) {
                    see(Piece::Brackets(around.open[place].at, start));
                    around.open.truncate(place);
                    in_text = byte == b'}' && texts.last() == Some(&around.open.len());
                }
            }
            b',' => {
                if let Some(open) = around.open.last_mut() {
                    open.commas += 1;
                }
            }
            _ => {}
        }
    }
    around.in_text = in_text;
    around.in_words |= in_text;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Vec<(char, usize)> {
        around(text, text.len()).open.iter().map(|open| (open.bracket as char, open.commas)).collect()
    }

    #[test]
    fn brackets_and_commas_are_those_of_the_place() {
        assert_eq!(open("f(a, g(1, 2), [b, "), [('(', 2), ('[', 1)]);
        assert_eq!(open("{ a } { b("), [('{', 0), ('(', 0)]);
        assert_eq!(open("{ f( } g("), [('(', 0)]);
    }

    #[test]
    fn texts_and_comments_hold_no_brackets_but_those_of_what_is_inserted() {
        assert_eq!(open("f(\"a(\", // (\n"), [('(', 1)]);
        assert_eq!(open("f(\"a {g(x, "), [('(', 0), ('{', 0), ('(', 1)]);
        assert_eq!(open("f(\"a {x} ("), [('(', 0)]);
        assert!(around("f(\"a {x} (", 10).in_text);
        assert!(around("a // b", 6).in_words);
        assert!(!around("a // b\n", 7).in_words);
    }

    #[test]
    fn a_text_that_is_not_closed_ends_with_its_line() {
        assert_eq!(open("f(\"a {\n g("), [('(', 0), ('(', 0)]);
    }
}
