//! Text as a terminal may show it: characters that would steer it, or show text in another order than it is read, are written as the language
//! writes them.

use std::borrow::Cow;
use std::sync::Arc;

/// A text of several lines, and where its places are in what is shown.
#[derive(Debug)]
pub struct Visible {
    pub text: Arc<str>,
    /// Where a character took more room: the byte behind it, and the bytes added up to there.
    grown: Vec<(usize, usize)>,
}

impl Visible {
    pub fn of(text: &Arc<str>) -> Self {
        let hides = |at: usize, c: char| match c {
            '\n' | '\t' => false,
            '\r' => !text[at + 1..].starts_with('\n'),
            c => steers(c),
        };
        if !text.char_indices().any(|(at, c)| hides(at, c)) {
            return Visible { text: Arc::clone(text), grown: Vec::new() };
        }
        let mut shown = String::with_capacity(text.len() + 16);
        let mut grown = Vec::new();
        for (at, c) in text.char_indices() {
            if hides(at, c) {
                shown.extend(c.escape_unicode());
                let behind = at + c.len_utf8();
                grown.push((behind, shown.len() - behind));
            } else {
                shown.push(c);
            }
        }
        Visible { text: shown.into(), grown }
    }

    /// Whether all of it is shown as it stands in the file.
    pub fn is_as_written(&self) -> bool {
        self.grown.is_empty()
    }

    /// Where a place of the text is in what is shown.
    pub fn place(&self, at: usize) -> usize {
        let before = self.grown.partition_point(|&(behind, _)| behind <= at);
        before.checked_sub(1).map_or(at, |last| at + self.grown[last].1)
    }
}

/// Words that stay on one line.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.contains(steers) { text.chars().map(escaped).collect::<String>().into() } else { text.into() }
}

fn escaped(c: char) -> Cow<'static, str> {
    if steers(c) { c.escape_unicode().to_string().into() } else { c.to_string().into() }
}

/// Controls, ends of lines, and marks of the direction of text.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_written_out_and_places_move_with_it() {
        let text = "a\u{1b}[2J\tb\r\nc\u{202e}d\re\n";
        let visible = Visible::of(&text.into());
        assert_eq!(&*visible.text, "a\\u{1b}[2J\tb\r\nc\\u{202e}d\\u{d}e\n");
        for (at, c) in text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()) {
            assert!(visible.text[visible.place(at)..].starts_with(c), "{c} at {at}");
        }
        assert_eq!(visible.place(text.len()), visible.text.len());
        assert_eq!(line("x\ny\u{1b}"), "x\\u{a}y\\u{1b}");
        assert!(Visible::of(&"plain ü\n".into()).is_as_written());
    }
}
