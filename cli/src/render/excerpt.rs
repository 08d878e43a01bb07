//! A file of which miette sees the lines around a place, and not all from the first one on.

use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use patternc_compiler::lines::Lines;

use super::Place;

#[derive(Debug)]
pub struct Excerpt {
    pub path: String,
    text: Arc<str>,
    lines: Arc<Lines>,
}

impl Excerpt {
    /// The file of a place.
    pub fn of(place: &Place) -> Excerpt {
        Excerpt { path: place.path.clone(), text: place.text.clone(), lines: place.lines.clone() }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(&'a self, span: &SourceSpan, before: usize, after: usize) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = (span.offset() + span.len()).min(self.text.len());
        let first = self.lines.line(span.offset().min(self.text.len()) as u32).saturating_sub(before + 1);
        let start = self.lines.start(first, &self.text);
        // Two lines more than are shown, so that the last of them is seen to end.
        let limit = self.lines.start(self.lines.line(end as u32) + after + 3, &self.text);
        let part = &self.text[start..limit];
        let read = part.read_span(&SourceSpan::from((span.offset() - start, span.len())), before, after)?;
        let shown = SourceSpan::from((read.span().offset() + start, read.span().len()));
        let contents = MietteSpanContents::new_named(
            self.path.clone(),
            read.data(),
            shown,
            read.line() + first,
            read.column(),
            read.line_count() + first,
        );
        Ok(Box::new(contents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_the_whole_text_would_show() {
        let text: Arc<str> = "one\ntwo\n\nfour ü\nfive\r\nsix\nseven".into();
        let excerpt = Excerpt { path: "a".into(), text: text.clone(), lines: Arc::new(Lines::of(&text)) };
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
