//! Places as editors count them: lines and characters from 0, in units that are agreed on.

use patternc_grammar::syntax::Span;
use serde_json::{Value, json};

/// What a character of a line is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16,
}

impl Encoding {
    /// As the protocol names it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16 => "utf-16",
        }
    }

    /// The best of those that the editor offers: bytes, which need no counting; else the protocol's default.
    pub fn chosen(offered: &Value) -> Encoding {
        let offers = |encoding: Encoding| offered.as_array().is_some_and(|all| all.iter().any(|one| one == encoding.name()));
        if offers(Encoding::Utf8) { Encoding::Utf8 } else { Encoding::Utf16 }
    }

    fn width(self, text: &str) -> usize {
        match self {
            Encoding::Utf8 => text.len(),
            Encoding::Utf16 if text.is_ascii() => text.len(),
            Encoding::Utf16 => text.encode_utf16().count(),
        }
    }
}

/// A text whose lines are known.
pub struct Lines<'t> {
    text: &'t str,
    /// Where each line begins.
    starts: Vec<u32>,
    encoding: Encoding,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        // The protocol knows three ends of a line: `\n`, `\r\n` and `\r`.
        let ends = |at: usize, byte: u8| byte == b'\n' || byte == b'\r' && bytes.get(at + 1) != Some(&b'\n');
        let mut starts = vec![0];
        starts.extend(bytes.iter().enumerate().filter(|(at, byte)| ends(*at, **byte)).map(|(at, _)| at as u32 + 1));
        Lines { text, starts, encoding }
    }

    /// The line and character of a byte; past the end is the end.
    pub fn line_and_character(&self, at: u32) -> (u32, u32) {
        let mut at = (at as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.starts.partition_point(|start| *start as usize <= at) - 1;
        let before = &self.text[self.starts[line] as usize..at];
        (line as u32, self.encoding.width(before) as u32)
    }

    pub fn position(&self, at: u32) -> Value {
        let (line, character) = self.line_and_character(at);
        json!({ "line": line, "character": character })
    }

    pub fn range(&self, span: Span) -> Value {
        json!({ "start": self.position(span.start), "end": self.position(span.end) })
    }

    /// What stands on a line, counted from 1; past the end, the last.
    pub fn line(&self, number: usize) -> Value {
        let line = number.clamp(1, self.starts.len()) - 1;
        let start = self.starts[line] as usize;
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| *next as usize);
        let content = self.text[start..end].trim_end();
        let indent = content.len() - content.trim_start().len();
        self.range(Span::new(start + indent, start + content.len()))
    }

    /// The byte at a position of the protocol. Past the end of a line is its end; past the last line, the end of the text. `None` if it is no
    /// position.
    pub fn offset(&self, position: &Value) -> Option<u32> {
        let line = position.get("line")?.as_u64()? as usize;
        let character = position.get("character")?.as_u64()? as usize;
        let Some(&start) = self.starts.get(line) else { return Some(self.text.len() as u32) };
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| *next as usize);
        let content = self.text[start as usize..end].trim_end_matches(['\n', '\r']);
        let mut passed = 0;
        for (at, c) in content.char_indices() {
            if passed >= character {
                return Some(start + at as u32);
            }
            passed += match self.encoding {
                Encoding::Utf8 => c.len_utf8(),
                Encoding::Utf16 => c.len_utf16(),
            };
        }
        Some(start + content.len() as u32)
    }

    /// The bytes of a range of the protocol.
    pub fn span(&self, range: &Value) -> Option<Span> {
        let (start, end) = (self.offset(range.get("start")?)?, self.offset(range.get("end")?)?);
        Some(Span { start: start.min(end), end: start.max(end) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\nü😀x\r\nz\ry";

    #[test]
    fn every_character_comes_back_in_every_encoding() {
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            let lines = Lines::new(TEXT, encoding);
            for (at, c) in TEXT.char_indices().filter(|(_, c)| *c != '\n') {
                assert_eq!(lines.offset(&lines.position(at as u32)), Some(at as u32), "{c:?} {encoding:?}");
            }
        }
    }

    #[test]
    fn surrogates_count_twice() {
        let x = TEXT.find('x').expect("it is there") as u32;
        assert_eq!(Lines::new(TEXT, Encoding::Utf16).line_and_character(x), (1, 3));
        assert_eq!(Lines::new(TEXT, Encoding::Utf8).line_and_character(x), (1, 6));
    }

    #[test]
    fn a_line_ends_in_three_ways() {
        let lines = Lines::new(TEXT, Encoding::Utf16);
        let y = TEXT.find('y').expect("it is there") as u32;
        assert_eq!((lines.line_and_character(y - 2), lines.line_and_character(y)), ((2, 0), (3, 0)));
    }

    #[test]
    fn past_the_end_is_the_end() {
        let lines = Lines::new(TEXT, Encoding::Utf16);
        assert_eq!(lines.offset(&json!({ "line": 0, "character": 99 })), Some(1));
        assert_eq!(lines.offset(&json!({ "line": 1, "character": 99 })), Some(TEXT.find('\r').expect("it is there") as u32));
        assert_eq!(lines.offset(&json!({ "line": 99, "character": 0 })), Some(TEXT.len() as u32));
        assert_eq!(lines.offset(&json!({ "line": -1 })), None);
    }
}
