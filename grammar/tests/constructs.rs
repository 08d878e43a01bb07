//! Each construct of the language gives the tree that it should.

mod tree;

use patternc_grammar::parse;

/// Each text with its tree; none may have an error.
fn show(texts: &[&str]) -> String {
    let mut out = String::new();
    for text in texts {
        let parsed = parse(text);
        assert_eq!(parsed.errors, [], "in {text}");
        for item in &parsed.file.items {
            out += &format!("{text}\n  {}\n", tree::item(item).show());
        }
    }
    out
}

/// Expressions, each as the value of a function.
fn expressions(texts: &[&str]) -> String {
    let mut out = String::new();
    for text in texts {
        let source = format!("fn f() -> Int {{ {text} }}");
        let parsed = parse(&source);
        assert_eq!(parsed.errors, [], "in {text}");
        let shown = tree::file(&parsed.file).show();
        let shown = shown.strip_prefix("(file (fn f params (-> Int) (block ").and_then(|rest| rest.strip_suffix(")))"));
        out += &format!("{text}\n  {}\n", shown.expect("one function"));
    }
    out
}

/// Statements, each in a handler of its own.
fn statements(texts: &[&str]) -> String {
    let mut out = String::new();
    for text in texts {
        let source = format!("test \"t\" {{ {text} }}");
        let parsed = parse(&source);
        assert_eq!(parsed.errors, [], "in {text}");
        let shown = tree::file(&parsed.file).show();
        let shown = shown.strip_prefix("(file (test \"t\" (do ").and_then(|rest| rest.strip_suffix(")))"));
        out += &format!("{text}\n  {}\n", shown.expect("one test"));
    }
    out
}

/// Members, each in a record of its own.
fn members(texts: &[&str]) -> String {
    let mut out = String::new();
    for text in texts {
        let source = format!("record R {{ {text} }}");
        let parsed = parse(&source);
        assert_eq!(parsed.errors, [], "in {text}");
        let shown = tree::file(&parsed.file).show();
        let shown = shown.strip_prefix("(file (record R ").and_then(|rest| rest.strip_suffix("))"));
        out += &format!("{text}\n  {}\n", shown.expect("one record"));
    }
    out
}

#[test]
fn items() {
    let shown = show(&[
        "use \"books.pattern\" { Book, shelf_of }",
        "use \"books.pattern\" {\n  Book,\n  shelf_of,\n}",
        "space home",
        "space user[Text]",
        "struct Loan { book: Book, to: Text, since: Time }",
        "struct Empty { }",
        "/// Where a book is.\n/// In two lines.\nenum Place {\n  shelf,\n  /// At someone's.\n  lent(to: Text, until: Time),\n  lost,\n}",
        "record Book in library { }",
        "record Book { cell title: Text }",
        "fn label(b: Book) -> Text { \"{b.title}\" }",
        "fn nothing() { none }",
        "extern post {\n  /// Looks, changes nothing.\n  price(weight: Int) -> Int readonly\n  mail(to: Text) -> Receipt idempotent\n  shout(text: Text)\n}",
        "mirror owners of Book to registry {\n  facts(b) = [Fact { book: b.id, owner: b.owner }]\n  add(f) = registry.touch(f)\n  remove(f) first = registry.remove(f)\n  actual(s) = registry.read(s)\n  scope(b) = b.owner\n}",
        "invariant positive(b: Book) { b.copies >= 0 }",
        "eventually invariant known(b: Book) { b.owner.exists() }",
        "@allow(unused-name, \"shown in the guide\")\n@allow(shadowed-name)\nstruct S { a: Int }",
        "test \"a name\" { }",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn types() {
    let shown =
        show(&["struct S { a: Int, b: Text?, c: List<Text>, d: Map<Text, List<Int?>>?, e: Book@any, f: Book@home?, g: List<Book@any> }"]);
    insta::assert_snapshot!(shown);
}

#[test]
fn record_members() {
    let shown = members(&[
        "cell name: Text",
        "cell id: Text key",
        "cell slug: Text = new_id() unique index",
        "cell friends: Set<Person> = Set[] inverse friends",
        "cell owner: Person? index inverse books",
        "derived open: Bool = self.status == Status.open",
        "create { require self.id != \"\" else \"an id is needed\" }",
        "handler a() { }",
        "internal handler a(x: Int, y: Text?) { }",
        "handler a(x: Int) -> Time writes Book.title, Note across claims, bounties { }",
        "/// What it does.\n@allow(late-check, \"cheap first\")\nhandler a() { }",
        "saga buy(b: Book) {\n  require b.exists() else \"gone\"\n  let price = b.price\n  step held = b.hold(self) undo b.release(self)\n  @allow(unserializable-chain, \"seen by nobody\")\n  pivot paid = bank.charge(price)\n  step b.ship()\n}",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn plain_statements() {
    let shown = statements(&[
        "let x = 1",
        "let x: List<Int>? = none",
        "let b = Book[id] else fail \"no book {id}\"",
        "let b = Book[id] else return 3",
        "let b = Book[id]\n  else return",
        "self.a = 1",
        "self.a += b",
        "self.a.b -= 1",
        "self.m[\"k\"] = self.m[\"k\"] ?? 0",
        "delete self.m[k]",
        "delete b",
        "require a && b else \"why\"",
        "require a",
        "fail e.message",
        "if a { }",
        "if a { x() } else if b { y() } else if let c = d { z(c) } else { w() }",
        "for x in xs { x.go() }",
        "for key, value in self.m { }",
        "match e { Status.claimed(by, Until.some(_)) => { } Status.open => self.a = 1, 3 => fail \"three\", \"x\" => { }, -1 => { } none => { } other => x() }",
        "return",
        "return self.a + 1",
        "try { a.b() } catch e { fail e.message }",
        "let t = target.link(self)",
        "target.link(self)",
        "@allow(stale-guard, \"checked again later\") self.a = 1",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn sends() {
    let shown = statements(&[
        "send a.b()",
        "send create Note in board { text: \"hi\" }",
        "send self.tick() after 5m",
        "send self.tick()\n  after self.pause",
        "send a.b(1) then { ok(x) => { self.a = x } err(e) => { } }",
        "send a.b() then {\n  ok() => { }\n}",
        "return send a.b()",
        "return send a.b() then { err(e) => { fail e.message } }",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn statements_of_tests() {
    let shown = statements(&[
        "expect a == b",
        "expect fail a.b() with \"text\"",
        "expect fail a.b() kind isolation",
        "expect fail create Book in home { } with \"title\"",
        "expect fail a.b()",
        "concurrently { a.b() c.d() }",
        "concurrently 50 { a.b() }",
        "hold { a.b() crash }",
        "crash",
        "advance 30m",
        "order \"1 2.1 crash\"",
        "given bank.charge(a, n) => Receipt { id: \"r\", amount: n }",
        "given bank.charge fails \"down\" 2 times",
        "given bank.charge fails \"down\"",
        "reconcile owners(\"ann\")",
        "reconcile owners",
        "as \"did:plc:ann\" { a.b() }",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn words_are_words_only_where_they_are_expected() {
    let shown = statements(&[
        "let ok = key + unique",
        "hold = after(then, undo)",
        "crash = step.pivot",
        "advance += writes",
        "order = order + order.order",
        "as.with(kind).times = given",
        "reconcile(across)",
        "facts.add(remove, scope, actual)",
        "let index = inverse",
        "concurrently.hold.crash = to",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn precedence() {
    let shown = expressions(&[
        "a || b && c == d ?? e + f * -g",
        "!a.b[0].c(1)?.d && e",
        "a - b - c + d",
        "a * b / c % d",
        "a ?? b ?? c",
        "(a + b) * c",
        "!(x in xs)",
        "x in xs && y == z",
        "- - a",
        "!!a",
        "-9223372036854775808",
        "(a < b) == false || c",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn operands() {
    let shown = expressions(&[
        "true",
        "false",
        "none",
        "self",
        "x",
        "Book",
        "42",
        "1_000",
        "1.5",
        "2e3",
        "250ms",
        "30s",
        "5m",
        "1h",
        "7d",
        "\"plain\"",
        "\"\"",
        "\"a \\n \\\" \\{ \\u{e9} é\"",
        "\"{a}\"",
        "\"a {b + \"c {d}\"} e {f(x => x + 1)}\"",
        "\"}\"",
        "[]",
        "[a, b,]",
        "Set[]",
        "Set[a]",
        "Map[]",
        "Map[\"k\": v, 1: 2]",
        "Message { }",
        "Message { author: self, at: now(), }",
        "Message { ...m }",
        "Message { ...m, text: t }",
        "Status.open",
        "Status.claimed(by: a, until: t)",
        "Book[id]",
        "Book.all",
        "Book.where(b => b.open)",
        "create Person { name: \"Ada\" }",
        "create Person in home { }",
        "create Person in user[id] { }",
        "create Person in x.space { }",
        "f()",
        "f(a, b)",
        "x.y",
        "x?.y",
        "x.y(1).z",
        "x?.y()",
        "xs[i + 1][0]",
        "xs.map(x => x + 1)",
        "xs.fold(0, (a, x) => a + x)",
        "f(() => 1)",
        "xs.all(x => { let y = x y > 1 })",
        "if a { 1 } else { 2 }",
        "if let a = b { a } else if c { 1 } else { 2 }",
        "match s { Status.open => 1, Status.claimed(by, _) => { let x = by x }  _ => 3 }",
        "{ let a = 1 let b = 2 a + b }",
        "5.to_float()",
        "\"a\".len()",
        "[1].len()",
        "(a).b",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn lines() {
    let shown = statements(&[
        // These go on.
        "let x = a\n  + b\n  .c\n  ?? d // why\n  in e\n  && f",
        "a\n  .b()\n  // in between\n  .c()",
        // A minus does not.
        "a\n-b",
        // Brackets touch what they follow, or begin anew.
        "let x = f\n(a).b()",
        "let x = a\n[b].c()",
        "let x = a (b).c()",
        "a()  self.b = 1  c()",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn comments_are_white_space() {
    let shown = show(&[
        "// first\nspace home // second\n// last",
        "record R { // a\n  // b\n  cell a: Int // c\n    = 1 // d\n  // e\n}",
        "//// not documentation\nspace home",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn the_sample_of_the_speed_measurement_has_no_errors() {
    assert_eq!(parse(include_str!("../examples/sample.pattern")).errors, []);
}
