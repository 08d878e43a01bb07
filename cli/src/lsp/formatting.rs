//! The formatter, as edits of the lines that change: the cursor and what is folded stay where they are.

use patternc_grammar::syntax::Span;
use patternc_grammar::{FormatError, format};
use serde_json::{Value, json};
use similar::{DiffTag, TextDiff};

use super::position::Lines;
use super::server::Refusal;
use crate::render::Position;

/// The edits that bring a text into the style. There are none for one that does not parse: its findings say so, and editors that format
/// whenever a file is saved would show it again each time.
pub fn formatting(text: &str, lines: &Lines<'_>) -> Result<Value, Refusal> {
    let formatted = match format(text) {
        Ok(formatted) => formatted,
        Err(FormatError::Syntax(_)) => return Ok(Value::Null),
        Err(mistake @ FormatError::Mistake { .. }) => {
            let (at, reason) = mistake.first();
            let line = Position::of(text, at).line;
            return Err(Refusal::failed(format!("the text is left as it is: line {line}: {reason}")));
        }
    };
    Ok(edits(text, &formatted).into_iter().map(|(span, new)| json!({ "range": lines.range(span), "newText": new })).collect())
}

/// What turns `old` into `new`, by whole lines.
pub(super) fn edits(old: &str, new: &str) -> Vec<(Span, String)> {
    let diff = TextDiff::from_lines(old, new);
    let starts = |lines: &[&str]| {
        let mut starts = vec![0];
        starts.extend(lines.iter().scan(0, |at, line| {
            *at += line.len();
            Some(*at)
        }));
        starts
    };
    let (old_starts, new_starts) = (starts(diff.old_slices()), starts(diff.new_slices()));
    let changed = diff.ops().iter().filter(|op| op.tag() != DiffTag::Equal);
    changed
        .map(|op| {
            let (from, to) = (op.old_range(), op.new_range());
            let text = &new[new_starts[to.start]..new_starts[to.end]];
            (Span::new(old_starts[from.start], old_starts[from.end]), text.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::edits;

    #[test]
    fn edits_make_the_new_text_and_leave_equal_lines_alone() {
        let (old, new) = ("a\nb  \nc\n\n\nd", "a\nb\nc\n\nd\n");
        let mut text = old.to_owned();
        let all = edits(old, new);
        assert!(all.iter().all(|(span, _)| span.start >= 2), "the first line stays");
        for (span, new) in all.iter().rev() {
            text.replace_range(span.start as usize..span.end as usize, new);
        }
        assert_eq!(text, new);
    }
}
