//! Where the lines of a file begin, counted once: who shows many findings looks each up, and does not count from the start.

use crate::db::{Db, SourceFile};

/// The lines of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The first byte of each.
    starts: Vec<u32>,
}

/// The lines of a file.
#[salsa::tracked(returns(ref))]
pub fn lines(db: &dyn Db, file: SourceFile) -> std::sync::Arc<Lines> {
    std::sync::Arc::new(Lines::of(file.text(db)))
}

impl Lines {
    pub fn of(text: &str) -> Lines {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines { starts: std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect() }
    }

    /// The line that a byte is in, from 0. Past the end is the last one.
    pub fn line(&self, byte: u32) -> usize {
        self.starts.partition_point(|start| *start <= byte) - 1
    }

    /// The first byte of a line; that of the text's end past the last one.
    pub fn start(&self, line: usize, text: &str) -> usize {
        self.starts.get(line).map_or(text.len(), |start| *start as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_in_the_line_that_began_last() {
        let text = "a\n\nbc";
        let lines = Lines::of(text);
        assert_eq!((0..6).map(|byte| lines.line(byte)).collect::<Vec<_>>(), [0, 0, 1, 2, 2, 2]);
        assert_eq!((0..5).map(|line| lines.start(line, text)).collect::<Vec<_>>(), [0, 2, 3, 5, 5]);
    }
}
