//! The tokens and comments of a text that parses, for the formatter.
//!
//! Unlike the tokens of the grammar, these are all of the text: nothing but white space lies between them.

/// What a token is, as far as its layout depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A name, a word, a number.
    Word,
    /// A text with everything inserted into it.
    Text,
    Open,
    Close,
    /// Operators and punctuation.
    Mark,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub start: u32,
    pub end: u32,
    pub kind: Kind,
    /// For a bracket: the index of its other half.
    pub mate: u32,
    /// A line break stands between it and the token or comment before it.
    pub fresh: bool,
    /// An empty line does.
    pub after_blank: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Comment {
    pub start: u32,
    pub end: u32,
    /// It begins its line.
    pub fresh: bool,
    pub after_blank: bool,
    /// `///`
    pub is_doc: bool,
}

pub(super) struct Lexed {
    pub tokens: Vec<Token>,
    pub comments: Vec<Comment>,
    /// How long the text is.
    pub end: u32,
}

/// Cuts a text that parses without errors into tokens.
pub(super) fn lex(text: &str) -> Lexed {
    let bytes = text.as_bytes();
    let mut tokens: Vec<Token> = Vec::with_capacity(text.len() / 4);
    let mut comments = Vec::new();
    let mut open: Vec<u32> = Vec::new();
    let mut at = 0;
    let mut breaks = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let kind = match byte {
            b'\n' => {
                breaks += 1;
                at += 1;
                continue;
            }
            b' ' | b'\t' | b'\r' | 0x0b | 0x0c => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |length| at + length);
                let content = text[start..at].trim_end();
                let is_doc = content.starts_with("///") && !content.starts_with("////");
                comments.push(Comment {
                    start: start as u32,
                    end: (start + content.len()) as u32,
                    fresh: breaks > 0 || tokens.is_empty(),
                    after_blank: breaks > 1,
                    is_doc,
                });
                breaks = 0;
                continue;
            }
            b'"' => {
                at = text_end(bytes, at);
                Kind::Text
            }
            b'0'..=b'9' => {
                at = number_end(bytes, at);
                Kind::Word
            }
            b'(' | b'[' | b'{' => {
                at += 1;
                open.push(tokens.len() as u32);
                Kind::Open
            }
            b')' | b']' | b'}' => {
                at += 1;
                Kind::Close
            }
            _ if is_word(byte) => {
                at = word_end(bytes, at);
                Kind::Word
            }
            _ => {
                at += mark_length(&bytes[at..]);
                // Text that parses is ASCII outside of texts and comments; a character is never cut all the same.
                while !text.is_char_boundary(at) {
                    at += 1;
                }
                Kind::Mark
            }
        };
        let index = tokens.len() as u32;
        let mut mate = index;
        if kind == Kind::Close
            && let Some(opening) = open.pop()
        {
            mate = opening;
            tokens[opening as usize].mate = index;
        }
        tokens.push(Token { start: start as u32, end: at as u32, kind, mate, fresh: breaks > 0, after_blank: breaks > 1 });
        breaks = 0;
    }
    Lexed { tokens, comments, end: bytes.len() as u32 }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn word_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&byte| !is_word(byte)).map_or(bytes.len(), |length| from + length)
}

/// Where a number ends, with its fraction, exponent and unit: `1_000`, `1.5e-3`, `250ms`.
fn number_end(bytes: &[u8], from: usize) -> usize {
    let digits = |from: usize| bytes[from..].iter().position(|b| !b.is_ascii_digit() && *b != b'_').map_or(bytes.len(), |n| from + n);
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = digits(from);
    if bytes.get(at) == Some(&b'.') && is_digit(at + 1) {
        at = digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        if is_digit(at + 1 + sign) {
            at = digits(at + 1 + sign);
        }
    }
    word_end(bytes, at)
}

/// Where the text ends that begins here. What is inserted into it may hold texts again.
fn text_end(bytes: &[u8], from: usize) -> usize {
    // Braces that are open, and how many of them were open when each text around began.
    let mut outer: Vec<usize> = vec![0];
    let mut braces = 0;
    let mut inside = true;
    let mut at = from + 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\\' if inside => at += 1,
            b'{' => {
                braces += 1;
                inside = false;
            }
            b'}' if !inside => {
                braces -= 1;
                // The brace that ends what is inserted leads back into its text.
                inside = outer.last() == Some(&braces);
            }
            b'"' if inside => {
                outer.pop();
                if outer.is_empty() {
                    return at;
                }
                inside = false;
            }
            b'"' => {
                outer.push(braces);
                inside = true;
            }
            _ => {}
        }
    }
    bytes.len()
}

fn mark_length(rest: &[u8]) -> usize {
    match rest {
        [b'.', b'.', b'.', ..] => 3,
        [b'=', b'=' | b'>', ..]
        | [b'!' | b'<' | b'+' | b'-', b'=', ..]
        | [b'-', b'>', ..]
        | [b'&', b'&', ..]
        | [b'|', b'|', ..]
        | [b'?', b'?' | b'.', ..] => 2,
        // `>=` is two marks, for `Set<T>= …`.
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        lex(text).tokens.iter().map(|token| &text[token.start as usize..token.end as usize]).collect()
    }

    #[test]
    fn texts_hold_what_is_inserted() {
        assert_eq!(words(r#"a "x {f("y {z} }", { 1 })} \" \{" b"#), ["a", r#""x {f("y {z} }", { 1 })} \" \{""#, "b"]);
    }

    #[test]
    fn numbers_end_before_a_method() {
        assert_eq!(words("1.5e-3 1_000.abs() 250ms 2.x"), ["1.5e-3", "1_000", ".", "abs", "(", ")", "250ms", "2", ".", "x"]);
    }

    #[test]
    fn brackets_know_each_other() {
        let lexed = lex("f(a[1], { })");
        let mates: Vec<u32> = lexed.tokens.iter().map(|token| token.mate).collect();
        assert_eq!(mates, [0, 9, 2, 5, 4, 3, 6, 8, 7, 1]);
    }

    #[test]
    fn comments_know_their_lines() {
        let lexed = lex("a // b\n\n/// c\n//// d");
        let seen: Vec<(bool, bool, bool)> = lexed.comments.iter().map(|c| (c.fresh, c.after_blank, c.is_doc)).collect();
        assert_eq!(seen, [(false, false, false), (true, true, true), (true, false, false)]);
    }
}
