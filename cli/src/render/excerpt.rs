//! A file of which miette sees the lines around a place, and not all from the first one on.

use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use patternc_compiler::lines::Lines;

use super::Place;
use super::visible::{self, Visible};

/// Places with no more lines between them are drawn together.
const NEAR: usize = 4;

/// A file as it is shown.
#[derive(Debug)]
pub struct Shown {
    name: String,
    visible: Visible,
    lines: Arc<Lines>,
}

impl Shown {
    /// The file of a place.
    pub fn of(place: &Place) -> Shown {
        let visible = Visible::of(&place.text);
        let lines = if visible.is_as_written() { place.lines.clone() } else { Arc::new(Lines::of(&visible.text)) };
        Shown { name: visible::line(&place.path).into_owned(), visible, lines }
    }
}

#[derive(Debug)]
pub struct Excerpt(Arc<Shown>);

impl Excerpt {
    pub fn of(file: Arc<Shown>) -> Excerpt {
        Excerpt(file)
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Where a place of the file is in what is shown.
    pub fn place(&self, at: usize) -> usize {
        self.0.visible.place(at)
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(&'a self, span: &SourceSpan, before: usize, after: usize) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (text, lines) = (&self.0.visible.text, &self.0.lines);
        let end = (span.offset() + span.len()).min(text.len());
        let first = lines.line(span.offset().min(text.len()) as u32).saturating_sub(before + 1);
        let start = lines.start(first, text);
        // Two lines more than are shown, so that the last of them is seen to end.
        let limit = lines.start(lines.line(end as u32) + after + 3, text);
        let part = &text[start..limit];
        let read = part.read_span(&SourceSpan::from((span.offset() - start, span.len())), before, after)?;
        let shown = SourceSpan::from((read.span().offset() + start, read.span().len()));
        // By itself, it counts the lines of the file up to there, and draws everything between places that are far apart.
        let height = read.data().iter().filter(|byte| **byte == b'\n').count() + NEAR;
        let line = read.line() + first;
        let contents = MietteSpanContents::new_named(self.0.name.clone(), read.data(), shown, line, read.column(), height);
        Ok(Box::new(contents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_the_whole_text_would_show() {
        let text: Arc<str> = "one\ntwo\n\nfour ü\nfive\r\nsix\nseven".into();
        let shown = Shown { name: "a".into(), visible: Visible::of(&text), lines: Arc::new(Lines::of(&text)) };
        let excerpt = Excerpt::of(Arc::new(shown));
        for offset in 0..text.len() {
            for length in 0..=(text.len() - offset).min(12) {
                for context in 0..3 {
                    let span = SourceSpan::from((offset, length));
                    let (mine, whole) = (excerpt.read_span(&span, context, context), (*text).read_span(&span, context, context));
                    let (mine, whole) = (mine.expect("it is in the text"), whole.expect("it is in the text"));
                    assert_eq!(
                        (mine.data(), mine.line(), mine.column()),
                        (whole.data(), whole.line(), whole.column()),
                        "{span:?} {context}"
                    );
                    assert_eq!(mine.span(), whole.span(), "{span:?} {context}");
                }
            }
        }
    }
}
