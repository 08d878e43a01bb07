//! The formatter keeps meaning and comments, and its result stays as it is.

mod tree;

use std::path::{Path, PathBuf};

use patternc_grammar::{FormatError, format, lexemes, parse};
use proptest::prelude::*;

const WHOLE: &str = include_str!("whole.pattern");

/// The comments of a text, in their order.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.find("// ").map(|at| line[at..].trim_end())).collect()
}

/// Formats a text that parses, and sees that nothing was lost.
fn holds(text: &str) -> String {
    let formatted = format(text).unwrap_or_else(|errors| panic!("{errors:?} in\n{text}"));
    let parsed = parse(&formatted);
    assert_eq!(parsed.errors, [], "formatted:\n{formatted}\nwas:\n{text}");
    let (before, after) = (tree::file(&parse(text).file).show(), tree::file(&parsed.file).show());
    assert_eq!(before, after, "formatted:\n{formatted}\nwas:\n{text}");
    assert_eq!(comments(text), comments(&formatted), "formatted:\n{formatted}\nwas:\n{text}");
    let again = format(&formatted).expect("parses");
    assert_eq!(formatted, again, "was:\n{text}");
    assert!(formatted.lines().all(|line| line == line.trim_end()), "white space at the end of a line:\n{formatted}");
    assert!(!formatted.contains("\n\n\n"), "two empty lines:\n{formatted}");
    formatted
}

#[test]
fn the_whole_language() {
    insta::assert_snapshot!(holds(WHOLE));
}

#[test]
fn comments_stay_where_they_are() {
    let text = r#"
  // first

/// documented
record R in home { // after a brace
  // before a cell
  cell a: Int // after a cell
  cell b: List<Int> = [ // in a list
    1, // one
    2 // two
    // at the end
  ]


  // alone

  handler x(a: Int, // after a comma
    b: Int) { // opens
    // before
    self.a = 1 + // after an operator
      2
    if a > 1 { self.a = 2 } // after an if
    // before else
    else { self.a = 3 }
    let y = self.b
      // before a call
      .filter(x => x > 1) // after a call
      .len()
    return
    // last

    // very last
  }
  create { /// not documentation
  }
  create { // nothing
  }
}
// end"#;
    // Documentation inside a block documents nothing, and is no error of the grammar's.
    let text = text.replace("/// not documentation", "// not documentation");
    insta::assert_snapshot!(holds(&text));
}

#[test]
fn comments_of_a_chain_stay_at_their_calls() {
    let text = "record R {
  cell b: List<Text> = []
  derived one: Int = self.b
    // how many
    .len()
  derived name: Text = self.b.first() // the first
    // or nothing
    ?? \"\"
  handler x(p: R) {
    let here = p // here
      // its list
      .b.filter(x => x != \"\").len()
    let path = p.b.first()
      // what is in it
      ?.trim()
    let deep = self.b.map(x =>
      // inside
      x.trim()
        // in capitals
        .upper()) // outside
      .filter(x => x != \"\") // no empty ones
      // some
      .take(2)
      // last
      .len()
    let grouped = (p // in brackets
    ).b.len()
    send self.b
      // who
      .first()
  }
}";
    insta::assert_snapshot!(holds(text));
}

#[test]
fn what_does_not_fit_breaks() {
    let text = r#"
record Rather in somewhere {
  handler with_many_parameters(first_parameter: Text, second_parameter: List<Int>, third: Map<Text, Int>) -> List<Text> writes Person.members, Note.text, Another.cell_with_a_long_name across claims, bounties { return [] }
  handler b() {
    let total = self.some_list.filter(element => element.is_rather_long).map(element => element.text.len()).fold(0, (sum, next) => sum + next)
    let total = self.first_number_of_many + self.second_number_of_many * 1000 - self.third_number_of_many + self.fourth
    require self.first_number_of_many > 10 && self.second_number_of_many < 1000 || self.third_number_of_many == 7 else "why not"
    self.log += Message { author: self.some_author, text: "a rather long text that is here", at: now(), more: 1 }
    send self.other.call_with_a_long_name(self.first_argument_of_call, self.second_argument_of_call) then { ok(r) => { self.a = r } }
    let b = Bounty[self.the_identity_of_the_bounty] else fail "there is no bounty with this identity: {self.the_id}"
    let c = if self.first_number_of_many > 10 { self.second_number_of_many } else { self.third_number_of_many + 1 }
    let d = match self.status { Status.open => "the first of several texts", Status.closed => "the second of them", _ => { "third" } }
    let e = self.values.map(value => Message { author: self.some_author, text: "a rather long text", at: value })
    expect fail self.call_with_a_long_name(self.first_argument_of_call, self.second_argument) with "a rather long reason"
    if self.first_number_of_many > 10 && self.second_number_of_many < 1000 || self.third_number_of_many == 7 { return }
  }
}
"#;
    insta::assert_snapshot!(holds(text));
}

#[test]
fn what_braces_hold_stays_open() {
    let text = "struct A {\n  a: Int, b: Int }\nstruct B { a: Int,\n b: Int, }\nfn f() -> Int {\n 1 }\nfn g() -> Int { 1\n}\nfn h() -> Int { let a = 1 a }";
    insta::assert_snapshot!(holds(text));
}

#[test]
fn a_lambda_may_stand_in_brackets_of_its_own() {
    let text = "fn f(a: Int) -> Int { (c=>c+1).foo() + ((a, b)=>(a)).bar((( (c)=>c ))) }";
    let expected = "fn f(a: Int) -> Int { (c => c + 1).foo() + ((a, b) => (a)).bar((((c) => c))) }\n";
    assert_eq!(holds(text), expected);
}

#[test]
fn broken_text_is_left_alone() {
    let text = "record R { cell a Int }";
    assert_eq!(format(text), Err(FormatError::Syntax(parse(text).errors)));
}

#[test]
fn nothing_stays_nothing() {
    assert_eq!(format("").as_deref(), Ok(""));
    assert_eq!(format("\n\n  \n").as_deref(), Ok(""));
    assert_eq!(format("// a").as_deref(), Ok("// a\n"));
    assert_eq!(format("// a\r\n\r\n\r\n// b\r\n").as_deref(), Ok("// a\n\n// b\n"));
}

/// Every pattern of the project: files, and blocks of pages.
fn corpus() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut texts = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["patterns", "tests", "docs/src", "compiler/src/rules", "grammar"].iter().map(|f| root.join(f)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            let extension = path.extension().and_then(|e| e.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if extension == Some("pattern") {
                let text = std::fs::read_to_string(&path).expect("a text");
                texts.push((path, text));
            } else if matches!(extension, Some("md" | "rs")) {
                let text = std::fs::read_to_string(&path).expect("a text");
                texts.extend(blocks(&text).into_iter().map(|block| (path.clone(), block)));
            }
        }
    }
    texts
}

fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find("```pattern") {
        rest = &rest[at..];
        rest = &rest[rest.find('\n').map_or(rest.len(), |end| end + 1)..];
        let end = rest.find("```").unwrap_or(rest.len());
        blocks.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    blocks
}

#[test]
fn the_corpus_keeps_its_meaning() {
    let corpus = corpus();
    let mut formatted = 0;
    for (_, text) in &corpus {
        if parse(text).errors.is_empty() {
            holds(text);
            formatted += 1;
        }
    }
    assert!(formatted > 100, "{formatted} of {}", corpus.len());
}

/// The examples of users are in the style: the projects, and the pages but those of the rules. With `UPDATE_DOCS=1` they are brought into it.
#[test]
fn the_examples_are_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, text) in corpus() {
        let page = path.starts_with(root.join("docs/src")) && !path.starts_with(root.join("docs/src/rules"));
        let Ok(formatted) = format(&text) else { continue };
        if text == formatted || !(page || path.starts_with(root.join("patterns"))) {
            continue;
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let whole = std::fs::read_to_string(&path).expect("it was read before");
            std::fs::write(&path, whole.replacen(&text, &formatted, 1)).expect("it can be written");
        } else {
            assert_eq!(text, formatted, "{} is not formatted: UPDATE_DOCS=1 mends it", path.display());
        }
    }
}

/// Where something can be put between two characters of a text without cutting a word, a number, a text or an operator.
fn gaps(text: &str) -> Vec<usize> {
    let blank = |at: usize| text.as_bytes().get(at).is_none_or(u8::is_ascii_whitespace);
    (0..text.len()).filter(|&at| blank(at)).collect()
}

/// Chains of one to five links from some bases, with a comment or none before each `.` and behind the last one.
fn chain() -> impl Strategy<Value = String> {
    let comment =
        prop::sample::select(vec!["", "", " ", "\n", " // same line\n", "\n// own line\n", " // one\n  // two\n", "\n\n\n  // far\n"]);
    let link = prop::sample::select(vec![
        ".xs",
        ".len()",
        "?.name",
        ".filter(x => x > 1)",
        ".map(x => x // inside\n.len())",
        ".map(x => {\n// in a block\nx\n})",
        ".fold(0, // zero\n(a, b) => a + b)",
        ".with_a_long_name_that_fills_the_line(argument_one, argument_two)",
    ]);
    let base = prop::sample::select(vec!["self", "xs", "Person", "Person[1]", "(a // in brackets\n+ b)", "[1, 2]"]);
    let place = prop::sample::select(vec![
        "let a = $",
        "self.a = $",
        "f($, 1)",
        "return $",
        "self.g($)",
        "if $ { }",
        "let b = 1 + $ * 2",
        "$.done()",
    ]);
    (place, base, prop::collection::vec((comment.clone(), link), 1..6), comment).prop_map(|(place, base, links, last)| {
        let links: String = links.into_iter().map(|(comment, link)| format!("{comment}{link}")).collect();
        let last = if place.ends_with('$') { last } else { "" };
        format!("record R {{\n  handler h() {{\n    {}{last}\n  }}\n}}\n", place.replace('$', &format!("{base}{links}")))
    })
}

/// The comments of a text, each with what stands before and behind it but white space and other comments.
fn placed(text: &str) -> Vec<(String, char, char)> {
    let mut out = Vec::new();
    let (mut before, mut waiting) = (' ', Vec::new());
    for line in text.lines() {
        let (code, comment) = line.find("//").map_or((line, None), |at| (&line[..at], Some(&line[at..])));
        if let Some(first) = code.trim().chars().next() {
            out.extend(waiting.drain(..).map(|(comment, before)| (comment, before, first)));
            before = code.trim().chars().next_back().unwrap_or(before);
        }
        waiting.extend(comment.map(|comment| (comment.trim_end().to_owned(), before)));
    }
    out.extend(waiting.into_iter().map(|(comment, before)| (comment, before, ' ')));
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A comment in a chain stays between what it stood between, on the line it stood on or one of its own.
    #[test]
    fn comments_in_chains(text in chain()) {
        prop_assume!(parse(&text).errors.is_empty());
        let formatted = holds(&text);
        assert_eq!(placed(&text), placed(&formatted), "formatted:\n{formatted}\nwas:\n{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// White space and comments anywhere, as long as the text still parses.
    #[test]
    fn other_white_space(changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![
        " // note\n", "\n// note\n", "\n\n\n", "\n", "   ", "\n\n  // note\n\n", "\t", "\r\n",
    ])), 1..8)) {
        let mut text = WHOLE.to_owned();
        for (index, part) in changes {
            let gaps = gaps(&text);
            let at = gaps[index.index(gaps.len())];
            let mut changed = text.clone();
            changed.insert_str(at, part);
            if parse(&changed).errors.is_empty() {
                text = changed;
            }
        }
        holds(&text);
    }

    /// Line breaks and spaces taken away.
    #[test]
    fn less_white_space(changes in prop::collection::vec(any::<prop::sample::Index>(), 1..20)) {
        let mut text = WHOLE.to_owned();
        for index in changes {
            let gaps = gaps(&text);
            let at = gaps[index.index(gaps.len())];
            let mut changed = text.clone();
            let with = if text.as_bytes()[at] == b'\n' { " " } else { "" };
            changed.replace_range(at..at + 1, with);
            if parse(&changed).errors.is_empty() {
                text = changed;
            }
        }
        // A comment may have swallowed what followed it: it is compared with what parses now.
        holds(&text);
    }
}

/// A change of a text by its lexemes.
#[derive(Clone, Copy, Debug)]
enum Change {
    Delete,
    Double,
    /// With the next one.
    Swap,
    Insert(&'static str),
}

impl Change {
    fn apply(self, text: &str, index: prop::sample::Index) -> String {
        let lexemes = lexemes(text);
        if lexemes.len() < 2 {
            return text.to_owned();
        }
        let index = index.index(lexemes.len() - 1);
        let (span, next) = (lexemes[index].span, lexemes[index + 1].span);
        let (before, one, after) = (&text[..span.start as usize], span.slice(text), &text[span.end as usize..]);
        match self {
            Change::Delete => format!("{before}{after}"),
            Change::Double => format!("{before}{one} {one}{after}"),
            Change::Swap => {
                let between = &text[span.end as usize..next.start as usize];
                format!("{before}{}{between}{one}{}", next.slice(text), &text[next.end as usize..])
            }
            Change::Insert(part) => format!("{before}{part}{one}{after}"),
        }
    }
}

/// How a text may be changed: several ways leave many texts that parse.
fn change() -> impl Strategy<Value = Change> {
    let parts = vec![
        "(c => c + 1).foo() + ",
        "((a, b) => a) ",
        "c => ",
        "(",
        ")",
        "\n@allow(unused-name, \"b\")\n",
        "@allow(late-check,) ",
        ", ",
        "-",
        "!",
        "// note\n",
        "\n",
    ];
    prop_oneof![Just(Change::Delete), Just(Change::Double), Just(Change::Swap), prop::sample::select(parts).prop_map(Change::Insert)]
}

/// The patterns of the project that parse and are small, so that many changes can be tried.
fn small() -> Vec<String> {
    corpus().into_iter().map(|(_, text)| text).filter(|text| text.len() < 3000 && parse(text).errors.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Lexemes taken away, doubled, exchanged and put in, as long as the text still parses.
    #[test]
    fn other_lexemes(
        text in prop::sample::select(small()),
        changes in prop::collection::vec((change(), any::<prop::sample::Index>()), 1..8),
    ) {
        let mut text = text;
        for (change, index) in changes {
            let changed = change.apply(&text, index);
            if parse(&changed).errors.is_empty() {
                text = changed;
            }
        }
        holds(&text);
    }
}

#[test]
fn a_text_of_many_pieces_is_formatted() {
    let record = |n: usize| {
        format!(
            "\nrecord Article{n} in home {{\n    cell name: Text\n    handler add(k: Int) {{\n        self.name = \"{{k}}\"\n    }}\n}}\n"
        )
    };
    let text: String = std::iter::once("space home\n".to_owned()).chain((0..600).map(record)).collect();
    for text in [text.clone(), text.replace('\n', "\r\n")] {
        assert!(parse(&text).errors.is_empty());
        assert!(format(&text).expect("it can be formatted").contains("\n  handler add(k: Int) {\n    self.name"));
    }
}
