//! What a piece of text comes to whatever its layout and the comments in it.

use patternc_grammar::{LexemeKind, lexemes};

/// A number that is the same for texts that differ in white space, comments and commas before a bracket that closes, and hardly for others. It
/// is kept in stores: FNV-1a (64 bits) of the parts of the text, for good.
pub(super) fn fingerprint(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |part: &str| {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let mut end = 0;
    // Operators are what lies between lexemes.
    let between = |text: &str, before: Option<LexemeKind>, add: &mut dyn FnMut(&str)| {
        let marks: String = text.split_whitespace().collect();
        let marks = if before == Some(LexemeKind::Closing) { marks.trim_end_matches(',') } else { &marks };
        if !marks.is_empty() {
            add(marks);
        }
    };
    for lexeme in lexemes(text) {
        let (start, after) = (lexeme.span.start as usize, lexeme.span.end as usize);
        between(&text[end..start], Some(lexeme.kind), &mut add);
        if lexeme.kind != LexemeKind::Comment {
            add(&text[start..after]);
        }
        end = after;
    }
    between(&text[end..], None, &mut add);
    hash
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn layout_and_comments_do_not_count() {
        let one = fingerprint("ok(v) => { self.price += v * a  self.f(x, [1, 2]) }");
        let other = "ok(v) => {\n  // What it costs.\n  self.price += v*a\n  self.f(\n    x,\n    [1, 2,],\n  )\n}";
        assert_eq!(one, fingerprint(other));
        // It is kept in stores.
        assert_eq!(fingerprint("ok(v) => { }"), 1_334_386_698_684_708_140);
    }

    #[test]
    fn everything_else_does() {
        let texts =
            ["{ a = b }", "{ a += b }", "{ ab = 1 }", "{ a = \"b\" }", "{ a = \"b \" }", "{ a = - b }", "{ a = b - 1 }", "{ a = b1 }"];
        for (at, text) in texts.iter().enumerate() {
            assert!(texts[..at].iter().all(|other| fingerprint(other) != fingerprint(text)), "{text}");
        }
    }
}
