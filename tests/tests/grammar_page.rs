//! The grammar in the book is that of the parser. `UPDATE_DOCS=1 cargo test -p patternc-tests --test grammar_page` draws it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use patternc_tests::railroad::{Shown, Track, svg, track};
use pest_meta::ast::Rule;
use pest_meta::parser::{self, consume_rules};

/// What is drawn, in the order of the page.
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "Files",
        &[
            "file",
            "item",
            "allow",
            "use_decl",
            "space_decl",
            "struct_decl",
            "enum_decl",
            "variant",
            "fn_decl",
            "invariant_decl",
            "extern_decl",
            "operation",
            "mirror_decl",
            "mirror_clause",
            "test_decl",
            "params",
            "param",
            "names",
            "result",
        ],
    ),
    (
        "Records",
        &[
            "record_decl",
            "in_space",
            "member",
            "cell",
            "cell_mark",
            "inverse",
            "derived",
            "creation",
            "handler",
            "writes",
            "writes_entry",
            "across",
            "saga",
            "step",
            "undo",
        ],
    ),
    ("Types", &["type_", "type_args"]),
    (
        "Statements",
        &[
            "block",
            "stmt",
            "let_stmt",
            "let_else",
            "require_stmt",
            "fail_stmt",
            "if_stmt",
            "else_if",
            "cond",
            "let_cond",
            "for_stmt",
            "match_stmt",
            "stmt_arm",
            "return_stmt",
            "delete_stmt",
            "try_stmt",
            "simple",
            "assign",
            "send_stmt",
            "then",
            "send_arm",
            "after",
        ],
    ),
    (
        "Statements of tests",
        &["expect_stmt", "expect_fail", "with", "kind", "concurrently", "hold", "advance", "given", "times", "reconcile", "as_caller"],
    ),
    (
        "Expressions",
        &[
            "expr",
            "operand",
            "op",
            "primary",
            "suffix",
            "args",
            "index",
            "paren",
            "list",
            "arg",
            "lambda_body",
            "pair",
            "struct_body",
            "spread",
            "field_init",
            "create_expr",
            "create_in",
            "if_expr",
            "else_if_expr",
            "match_expr",
            "expr_arm",
            "expr_block",
            "pattern",
        ],
    ),
    ("Texts", &["text", "interpolation"]),
];

/// Rules that are words or signs, said in a sentence instead of drawn.
const LEAVES: &[&str] = &["name", "upper", "rule_name", "number", "field", "place", "doc", "run", "escape"];

#[test]
fn the_book_draws_the_grammar() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository");
    let text = std::fs::read_to_string(root.join("grammar/src/pattern.pest")).expect("the grammar is there");
    let pairs = parser::parse(parser::Rule::grammar_rules, &text).expect("pest has read it");
    let rules = consume_rules(pairs).expect("pest has read it");
    let page = page(&rules);
    let path = root.join("docs/src/reference/grammar.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("the book can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == page, "docs/src/reference/grammar.md is not as generated; run this test with UPDATE_DOCS=1");
}

fn page(rules: &[Rule]) -> String {
    let mut out = String::from(
        "# Grammar\n\nWhat stands in rounded boxes is written as it is; what stands in others is drawn under its name. White space and comments may stand \
         between any two boxes; where a line ends matters only as [the language](language.md#files-names-lines) says.\n\nA `name` is a letter or `_` and then \
         letters, digits and `_`; one that begins with a capital letter (`upper`) is a type. A `field` is `.` or `?.` and a name. A `place` is `@` and a name. \
         A `number` is an Int, a Float, or, with a unit, a Duration. A `rule_name` is words with `-` between. A `doc` is `///` and the rest of the \
         line. A `run` is text without `\"`, `\\` and `{`; an `escape` is `\\` and a sign.\n",
    );
    let drawn: BTreeSet<&str> = SECTIONS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let mut missing = BTreeSet::new();
    for (title, names) in SECTIONS {
        let _ = write!(out, "\n## {title}\n");
        for name in *names {
            let rule = rules.iter().find(|rule| rule.name == *name).unwrap_or_else(|| panic!("the grammar has no rule `{name}`"));
            let track = track(&rule.expr, &|other| shown(other, &drawn, rules)).unwrap_or_else(|| panic!("nothing is left of `{name}`"));
            named(&track, &mut |other| {
                if !drawn.contains(other) && !LEAVES.contains(&other) {
                    missing.insert(format!("`{other}` in `{name}`"));
                }
            });
            let _ = write!(out, "\n<h3 id=\"{name}\">{name}</h3>\n\n{}\n", svg(name, &track));
        }
    }
    assert!(missing.is_empty(), "neither drawn nor a leaf: {missing:?}");
    out
}

/// Rules that only recover, or tell apart what a reader tells apart by sight.
fn is_silent(name: &str) -> bool {
    let prefixes = ["foreign_", "lost_", "probe_", "lexeme", "not_", "reserved"];
    let names = [
        "h",
        "s",
        "blank",
        "end",
        "wc",
        "line_comment",
        "comment",
        "semicolon",
        "walrus",
        "mutable",
        "sent_value",
        "await_expr",
        "several_words",
        "operator_start",
        "next_line",
        "ANY",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}

fn shown<'r>(name: &str, drawn: &BTreeSet<&str>, rules: &'r [Rule]) -> Shown<'r> {
    match name {
        "plain_name" => Shown::As("name"),
        "next_op" => Shown::As("op"),
        _ if drawn.contains(name) || LEAVES.contains(&name) => Shown::Itself,
        _ if is_silent(name) => Shown::Nothing,
        _ => rules.iter().find(|rule| rule.name == name).map_or(Shown::Itself, |rule| Shown::Instead(&rule.expr)),
    }
}

fn named(track: &Track, hear: &mut dyn FnMut(&str)) {
    match track {
        Track::Word(_) => {}
        Track::Rule(name) => hear(name),
        Track::Sequence(parts) | Track::Choice(parts) => parts.iter().for_each(|part| named(part, hear)),
        Track::Optional(inner) => named(inner, hear),
        Track::Loop(body, between) => {
            named(body, hear);
            if let Some(between) = between {
                named(between, hear);
            }
        }
    }
}
