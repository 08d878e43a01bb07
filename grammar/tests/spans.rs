//! Spans are exact: what a span covers is the construct, and nothing else.

mod tree;

use patternc_grammar::parse;
use patternc_grammar::syntax::Span;
use tree::{Node, Sort};

const WHOLE: &str = include_str!("whole.pattern");

fn nodes(text: &str) -> Node {
    let parsed = parse(text);
    assert_eq!(parsed.errors, []);
    tree::file(&parsed.file)
}

/// The tree of a part parsed on its own.
fn alone(sort: Sort, text: &str) -> String {
    let (before, after) = match sort {
        Sort::Item => ("", ""),
        Sort::Member => ("record R { ", " }"),
        Sort::Stmt => ("test \"t\" { ", " }"),
        Sort::Expr => ("fn f() -> Int { f(", ") }"),
        Sort::Type => ("struct S { a: ", " }"),
        Sort::Other => unreachable!("not parsed on its own"),
    };
    let source = format!("{before}{text}{after}");
    let parsed = parse(&source);
    assert_eq!(parsed.errors, [], "in {source}");
    let mut found = None;
    tree::file(&parsed.file).walk(
        &mut |node, _| {
            let here = node.span.is_some_and(|span| span == Span::new(before.len(), before.len() + text.len()));
            if node.sort == sort && here && found.is_none() {
                found = Some(node.show());
            }
        },
        None,
    );
    found.unwrap_or_else(|| panic!("no {sort:?} covers {text:?}"))
}

#[test]
fn what_a_span_covers_parses_to_the_same_tree() {
    let mut count = 0;
    nodes(WHOLE).walk(
        &mut |node, _| {
            if node.sort == Sort::Other {
                return;
            }
            // What stands before a declaration is not of its span.
            if node.parts.iter().any(|part| part.label.starts_with("docs ") || part.label.starts_with("allow ")) {
                return;
            }
            let span = node.span.expect("what has a sort has a span");
            assert_eq!(alone(node.sort, span.slice(WHOLE)), node.show());
            count += 1;
        },
        None,
    );
    assert!(count > 300, "only {count} parts");
}

#[test]
fn spans_lie_within_those_around_them_and_begin_and_end_with_something() {
    nodes(WHOLE).walk(
        &mut |node, outer| {
            let Some(span) = node.span else { return };
            let text = span.slice(WHOLE);
            assert_eq!(text, text.trim(), "white space around {}", node.show());
            assert!(!text.is_empty(), "{} covers nothing", node.show());
            if let Some(outer) = outer
                && !node.label.starts_with("allow")
            {
                assert!(outer.start <= span.start && span.end <= outer.end, "{} sticks out", node.show());
            }
        },
        None,
    );
}

#[test]
fn spans_are_those_of_the_text_after_a_bracket_was_added() {
    let text = "record R {\n  handler a() {\n    f(1, 2\n    self.after = xs[0]\n  }\n}\n";
    let parsed = parse(text);
    assert_eq!(parsed.errors.len(), 1);
    assert_eq!(parsed.errors[0].span.slice(text), "(");
    let mut slices = Vec::new();
    tree::file(&parsed.file).walk(
        &mut |node, _| {
            if node.sort == Sort::Stmt {
                slices.push(node.span.expect("a statement has a span").slice(text));
            }
        },
        None,
    );
    assert_eq!(slices, ["f(1, 2", "self.after = xs[0]"]);
}
