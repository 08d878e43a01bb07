//! Lines and columns.

use patternc_compiler::lines::Lines;

/// A place in a text, counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// The position of a byte of the text; past the end is the end.
    pub fn of(text: &str, byte: u32) -> Self {
        Position::within(text, &Lines::of(text), byte)
    }

    /// The same, of a text whose lines are known.
    pub fn within(text: &str, lines: &Lines, byte: u32) -> Self {
        let mut at = (byte as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let line = lines.line(at as u32);
        Position { line: line + 1, column: text[lines.start(line, text)..at].chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let text = "a\nüöx";
        assert_eq!(Position::of(text, 0), Position { line: 1, column: 1 });
        assert_eq!(Position::of(text, 6), Position { line: 2, column: 3 });
        assert_eq!(Position::of(text, 99), Position { line: 2, column: 4 });
    }
}
