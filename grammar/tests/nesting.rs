//! However deep a text is nested, parsing and dropping its tree need little stack.

use patternc_grammar::{Parsed, SyntaxErrorKind, parse};

/// Parses on a thread with a small stack, and drops the tree there.
fn parsed(text: String) -> (usize, Vec<SyntaxErrorKind>) {
    let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(move || {
        let Parsed { file, errors, .. } = parse(&text);
        // Walks the whole tree as well.
        let shown = format!("{file:?}");
        assert!(shown.len() > 4);
        (file.items.len(), errors.iter().map(|error| error.kind).collect())
    });
    thread.expect("a thread starts").join().expect("no panic")
}

const OPENERS: [&str; 22] = [
    "(",
    "[",
    "{",
    "!",
    "- ",
    "\"{",
    "if ",
    "match ",
    "await ",
    "f(",
    "f(x => ",
    "T { a: ",
    "a.b(",
    "a[",
    "x => ",
    "not ",
    "if a { ",
    "match a { _ => { ",
    "return ",
    "send ",
    "@allow(",
    "\"{f(",
];

#[test]
fn endless_openers() {
    for opener in OPENERS {
        let text = opener.repeat(5_000);
        for before in ["", "fn f() -> Int { let x = ", "test \"t\" { ", "record R { cell a: Int = "] {
            let (_, kinds) = parsed(format!("{before}{text}"));
            assert!(!kinds.is_empty(), "{before}{opener}…");
        }
    }
}

#[test]
fn what_is_nested_deeper_than_the_limit_is_reported_and_the_rest_understood() {
    for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("if a { ", "}"), ("T { a: ", "}"), ("\"{", "}\""), ("f(x => { ", "})")] {
        let value = format!("{}1{}", open.repeat(150), close.repeat(150));
        let text = format!("struct A {{ a: Int }}\n\n/// Deep.\nfn f() -> Int {{ {value} }}\nstruct B {{ b: Int }}\n");
        assert_eq!(parsed(text), (2, vec![SyntaxErrorKind::NestingLimit]), "{open}");
    }
}

#[test]
fn what_is_nested_less_is_fine() {
    for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("T { a: ", "}"), ("\"{", "}\""), ("if a { ", "} else { 2 }")] {
        let value = format!("{}1{}", open.repeat(90), close.repeat(90));
        assert_eq!(parsed(format!("fn f() -> Int {{ {value} }}\n")), (1, vec![]), "{open}");
    }
    let blocks = format!("{}x(){}", "if a { ".repeat(90), "}".repeat(90));
    assert_eq!(parsed(format!("test \"t\" {{ {blocks} }}")), (1, vec![]));
    let types = format!("{}Int{}", "List<".repeat(90), ">".repeat(90));
    assert_eq!(parsed(format!("struct S {{ a: {types} }}")), (1, vec![]));
}

#[test]
fn long_chains() {
    let limit = vec![SyntaxErrorKind::NestingLimit];
    for link in [" + a", ".a", ".a()", "[0]", " ?? a", " && a", "?.a"] {
        for (count, expected) in [(150, vec![]), (300, limit.clone()), (20_000, limit.clone())] {
            let text = format!("fn f() -> Int {{ a{} }}\n", link.repeat(count));
            let (items, kinds) = parsed(text);
            assert_eq!(items, 1);
            assert_eq!(kinds.is_empty(), expected.is_empty(), "{count} of {link}");
            assert!(kinds.iter().all(|kind| *kind == SyntaxErrorKind::NestingLimit), "{count} of {link}");
        }
    }
    for prefix in ["!", "- "] {
        let (_, kinds) = parsed(format!("fn f() -> Int {{ {}a }}", prefix.repeat(20_000)));
        assert_eq!(kinds, limit);
    }
    let (_, kinds) = parsed(format!("test \"t\" {{ {} }}", "if a { } else ".repeat(20_000) + "{ }"));
    assert_eq!(kinds, limit);
    let (_, kinds) = parsed(format!("fn f() -> Int {{ {} }}", "if a { 1 } else ".repeat(20_000) + "{ 2 }"));
    assert_eq!(kinds, limit);
    let (_, kinds) = parsed(format!("struct S {{ a: Int{} }}", "?".repeat(20_000)));
    assert_eq!(kinds, vec![SyntaxErrorKind::Syntax]);
}

#[test]
fn failing_deep_inside_takes_no_longer_than_failing_at_once() {
    // A grammar that tries two ways at each level would need 2^90 steps.
    for (open, close) in [
        ("(", ")"),
        ("if(", "){1}"),
        ("match(", "){1}"),
        ("T { a: ", "}"),
        ("({ ", "})"),
        ("({ ", "}).x = 1"),
        ("f(x => ", ")"),
        ("\"{", "}\""),
    ] {
        let text = format!("fn f() -> Int {{ {}~{} }}\n", open.repeat(45), close.repeat(45));
        let (_, kinds) = parsed(text);
        assert!(!kinds.is_empty(), "{open}");
    }
}
