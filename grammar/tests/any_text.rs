//! Any text gives a result: no panic, spans within the text, errors with a way out.

use patternc_grammar::parse;
use patternc_grammar::syntax::Span;
use proptest::prelude::*;

const WHOLE: &str = include_str!("whole.pattern");

fn holds(text: &str) {
    let parsed = parse(text);
    let within = |span: Span| {
        let (start, end) = (span.start as usize, span.end as usize);
        assert!(start <= end && end <= text.len(), "{span:?} in {text:?}");
        assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{span:?} in {text:?}");
    };
    for item in &parsed.file.items {
        within(item.span);
    }
    let mut last = 0;
    for error in &parsed.errors {
        within(error.span);
        assert!(error.span.start >= last, "out of order in {text:?}");
        last = error.span.start;
        assert!(!error.message.is_empty() && error.help.as_ref().is_some_and(|help| !help.is_empty()), "{error:?}");
    }
}

/// Pieces of which programs are made, and some of which they are not.
fn fragment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "record",
        "struct",
        "enum",
        "fn",
        "test",
        "cell",
        "handler",
        "saga",
        "derived",
        "create",
        "let",
        "if",
        "else",
        "for",
        "match",
        "send",
        "then",
        "after",
        "try",
        "catch",
        "return",
        "expect",
        "fail",
        "self",
        "true",
        "none",
        "in",
        "step",
        "pivot",
        "undo",
        "await",
        "not",
        "null",
        "given",
        "as",
        "hold",
        "crash",
        "writes",
        "across",
        "x",
        "Foo",
        "foo_bar",
        "fooBar",
        "1",
        "1.5",
        "5m",
        "9999999999999999999",
        "\"",
        "\"a\"",
        "\"{",
        "}\"",
        "\\",
        "\\u{",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "=",
        "==",
        "===",
        "=>",
        "->",
        ":=",
        "+=",
        "+",
        "-",
        "*",
        "/",
        "//",
        "///",
        "/*",
        "%",
        "!",
        "&&",
        "||",
        "??",
        "?",
        "?.",
        ".",
        "..",
        "...",
        ",",
        ":",
        ";",
        "@",
        "@allow(",
        "@any",
        "'",
        "`",
        "#",
        "$",
        "é",
        "…",
        "\u{0}",
        "\n",
        "\n",
        "\n  ",
        " ",
        " ",
        "\t",
        "\r\n",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_characters(text in any::<String>()) {
        holds(&text);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        holds(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn fragments(parts in prop::collection::vec(fragment(), 0..60), spaced in any::<bool>()) {
        holds(&parts.join(if spaced { " " } else { "" }));
    }

    #[test]
    fn cut_off(at in 0..WHOLE.len()) {
        if WHOLE.is_char_boundary(at) {
            holds(&WHOLE[..at]);
            holds(&WHOLE[at..]);
        }
    }

    #[test]
    fn something_in_between(at in 0..WHOLE.len(), length in 0..40usize, parts in prop::collection::vec(fragment(), 0..4)) {
        let end = (at + length).min(WHOLE.len());
        if WHOLE.is_char_boundary(at) && WHOLE.is_char_boundary(end) {
            holds(&format!("{}{}{}", &WHOLE[..at], parts.join(""), &WHOLE[end..]));
        }
    }

    #[test]
    fn several_changes(changes in prop::collection::vec((0..WHOLE.len(), fragment()), 1..12)) {
        let mut text = WHOLE.to_owned();
        for (at, part) in changes {
            if text.is_char_boundary(at.min(text.len())) {
                text.insert_str(at.min(text.len()), part);
            }
        }
        holds(&text);
    }
}

#[test]
fn nothing() {
    let parsed = parse("");
    assert_eq!((parsed.file.items.len(), parsed.errors.len()), (0, 0));
}

#[test]
fn windows_line_ends() {
    assert_eq!(parse(&WHOLE.replace('\n', "\r\n")).errors, []);
}

#[test]
fn line_by_line_every_prefix() {
    let mut end = 0;
    for line in WHOLE.split_inclusive('\n') {
        end += line.len();
        holds(&WHOLE[..end]);
    }
}

#[test]
fn pieces_of_a_large_file_fit_together() {
    let count = 200;
    let text = WHOLE.repeat(count);
    let parsed = parse(&text);
    let one = parse(WHOLE);
    assert_eq!(parsed.errors, []);
    assert_eq!(parsed.file.items.len(), one.file.items.len() * count);
    let last = parsed.file.items.last().expect("there are items");
    let expected = one.file.items.last().expect("there are items");
    assert_eq!(last.span.slice(&text), expected.span.slice(WHOLE));
}
