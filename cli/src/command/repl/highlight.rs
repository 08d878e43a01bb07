//! Colours for what is typed, by the grammar's own lexemes.

use patternc_grammar::{LexemeKind, lexemes};
use reedline::{Color, Highlighter, StyledText};

/// Colours a line as it is typed; commands of the prompt as such.
pub struct Colours {
    /// Whether colours are wanted: not with `NO_COLOR`.
    pub wanted: bool,
}

impl Highlighter for Colours {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        let plain = Color::Default.normal();
        if !self.wanted {
            styled.push((plain, line.to_owned()));
            return styled;
        }
        let command = if line.starts_with(':') { line.find(char::is_whitespace).unwrap_or(line.len()) } else { 0 };
        let mut at = 0;
        let mut part = |to: usize, style| {
            if to > at {
                styled.push((style, line[at..to].to_owned()));
                at = to;
            }
        };
        part(command, Color::Magenta.bold());
        for lexeme in lexemes(line) {
            let (start, end) = (lexeme.span.start as usize, lexeme.span.end as usize);
            if start < command {
                continue;
            }
            let style = match lexeme.kind {
                LexemeKind::Comment => Color::DarkGray.italic(),
                LexemeKind::Text => Color::Green.normal(),
                LexemeKind::Number => Color::Yellow.normal(),
                LexemeKind::Keyword => Color::Blue.bold(),
                LexemeKind::Type | LexemeKind::Place => Color::Cyan.normal(),
                LexemeKind::Name | LexemeKind::Opening | LexemeKind::Closing => continue,
            };
            part(start, plain);
            part(end, style);
        }
        part(line.len(), plain);
        styled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_line_is_shown_whatever_it_is() {
        for line in ["let x = \"a {b}\" // c", ":show Person/ada", ":", "ünï \"cöde", "", "record R { cell n: Int = 1 }"] {
            let shown: String = Colours { wanted: true }.highlight(line, 0).buffer.into_iter().map(|(_, text)| text).collect();
            assert_eq!(shown, line);
        }
    }
}
