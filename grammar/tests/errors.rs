//! What is wrong is said where it is, in words, with the way out; the rest of the file is still understood.

mod tree;

use patternc_grammar::{SyntaxErrorKind, parse};

/// Each text with its errors: what is marked, what is said, the way out, and the text after the fix.
fn errors(before: &str, texts: &[&str], after: &str) -> String {
    let mut out = String::new();
    for text in texts {
        let source = format!("{before}{text}{after}");
        let parsed = parse(&source);
        assert!(!parsed.errors.is_empty(), "no error in {text}");
        out += &format!("{text}\n");
        for error in &parsed.errors {
            let kind = match error.kind {
                SyntaxErrorKind::Syntax => "",
                SyntaxErrorKind::WrongCase => "wrong-case: ",
                SyntaxErrorKind::NestingLimit => "nesting-limit: ",
                SyntaxErrorKind::Await => "await: ",
            };
            out += &format!("  at `{}`: {kind}{}\n", error.span.slice(&source), error.message);
            out += &format!("    {}\n", error.help.as_deref().expect("every error says the way out"));
            if let Some(fix) = &error.fix {
                let mut fixed = source.clone();
                // From the last place on, so that those before stay where they are.
                let mut edits: Vec<_> = error.also.iter().map(|(span, text)| (*span, text)).chain([(error.span, fix)]).collect();
                edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
                for (span, text) in edits {
                    fixed.replace_range(span.start as usize..span.end as usize, text);
                }
                let shown = fixed.strip_prefix(before).and_then(|fixed| fixed.strip_suffix(after)).unwrap_or(&fixed);
                out += &format!("    fixed: {shown}\n");
                assert!(!parse(&fixed).errors.contains(error), "the fix mends nothing: {fixed}");
            }
        }
    }
    out
}

#[test]
fn habits_in_statements() {
    let shown = errors(
        "record R {\n  handler h() {\n    ",
        &[
            "let t = await mail.send(x)",
            "await mail.send(x)",
            "let t = send mail.send(x)",
            "let t = send mail.send(x) then { ok(t) => { self.t = t } }",
            "self.t = send mail.send(x)",
            "send mail.send(x) after -5m",
            "send mail.send(x) then { ok(_) => { } } after -wait",
            "let x := 1",
            "x := 1",
            "let mut x = 1",
            "const x = 1",
            "var x = 1",
            "self.a = null",
            "self.a = undefined",
            "self.a = nil",
            "self.a = this.b",
            "self.a = None",
            "self.ok = True && False",
            "if a === b { }",
            "if a !== b { }",
            "if a = b { }",
            "if a and b { }",
            "let x = a or b",
            "if not a { }",
            "let x = not a",
            "let x = not a.b(c, d) and e",
            "let x = not a == 3",
            "require not a > 3 and b else \"c\"",
            "if not a in [\"b)\"] { }",
            "let x = a & b",
            "let x = a ? b : c",
            "self.a = 1;",
            "self.a = 1; self.b = 2;",
            "x++",
            "x--",
            "x *= 2",
            "let x = a ** 2",
            "let x = a <> b",
            "let x = a::b",
            "let x = [1..5]",
            "let x = 'single'",
            "let x = `back {a}`",
            "while a { x() }",
            "while (true) { }",
            "while(true) { x() }",
            "loop { x() }",
            "return null",
            "do { x() } while a",
            "for (x of xs) { }",
            "for x of xs { }",
            "throw \"why\"",
            "throw Error(\"why\")",
            "throw new Error(\"why\")",
            "throw new NotFound('why')",
            "throw new Error(\"{a}\")",
            "raise ValueError(\"why\")",
            "try { a() } catch (e) { b(e) }",
            "try { a() } catch (e: any) { b(e) }",
            "try { a() } catch (Error e) { b(e) }",
            "try { a() } catch { b() }",
            "try { a() } finally { b() }",
            "try { a() } catch e { b(e) } finally { c() }",
            "const x: Int = 1",
            "let x = a == 1 ? b + 1 : c",
            "let x = a == Status.Open ? b : c",
            "let x = a ? b : c ? d : e",
            "f(a ? b : c, d)",
            "a ? f() : g()",
            "let x = a ?: b",
            "let x = a ? b",
            "let p = new Person({ name: a })",
            "let p = new Person({ name })",
            "new Person()",
            "let d = new Date()",
            "let m = new Map()",
            "return new Map<Text, Int>()",
            "xs.forEach(x => f(x))",
            "self.xs.forEach(x => { self.n += x })",
            "xs.forEach((x, i) => self.n += i)",
            "xs.forEach(function (x) { f(x) })",
            "xs\n      .forEach(x => f(x))",
            "setTimeout(() => self.n = 1, 500)",
            "setTimeout(f, 500)",
            "let x: Text | null = a",
            "elif a { }",
            "switch a { }",
            "function f() { }",
            "class Foo { }",
            "assert a == b",
            "emit done(a)",
            "new Message(a)",
            "let m = new Message(a)",
            "break",
            "if a then { b() }",
            "if a:",
            "# remark",
            "/* remark */",
            "/// remark",
            "let f = x => x + 1",
            "let f = xs.map(x -> x + 1)",
            "match a { Status.open -> b(), }",
            "match a { case Status.open => b() }",
            "match a { Status.claimed(by: who) => b(who) }",
            "match a { claimed(by) => b(by) }",
            "let x = match a { claimed(by) => by, Status.claimed(by: who) => who }",
            "send a.b() then { ok(x) -> { } }",
            "send a.b() then { done(x) => { } }",
            "send a.b() then { ok(x, y) => { } }",
            "x: Int = 3",
            "foo bar",
            "let x = Message(a)",
            "let x = f(a: 1)",
            "let x = List[1, 2]",
            "let x = (a, b)",
            "a < b < c",
            "let x = a == b != c",
            "f(a)(b)",
            "require a else 'no'",
            "let x = `a ${b} {c}`",
            "let x = t as Int",
            "undo { a() }",
            "step x = a.b() undo a.c()",
            "for x in xs { pivot a.b() }",
            "select n from Person where n = 1",
            "update Person set n = 1",
            "-- a remark",
            "-- a remark (not closed",
            "for (const x of xs) { x.f() }",
            "for _, x := range xs { x.f() }",
            "if (a > b) return a",
            "if (a) self.b = 1;",
            "let x = xs.filter(function (x) { return x > 1; })",
            "let x = xs.fold(0, |a, b| a + b)",
            "let x = xs.map(|x| x + 1)",
            "let { a, b } = x",
            "a, err := f()",
            "self.ok = TRUE",
            "self.a = NULL",
            "@allow(late-check, \"x\")",
            "if self.a { self.b = 1 @allow(late-check) }",
            "let a = if self.a { 1 @allow(late-check) } else { 2 }",
        ],
        "\n  }\n}\n",
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn habits_in_records_and_files() {
    let members = errors(
        "record R {\n  ",
        &[
            "name: Text",
            "cell name: Text;",
            "cell name: Text,",
            "cell name: Text | null",
            "cell name: Text | undefined = none",
            "cell name: null | Text",
            "cell names: List<Text | null>",
            "cell name: Text? | null",
            "cell name: Text | Int",
            "cell name: \"a\" | \"b\"",
            "handler h(x: Text | null) -> Text | undefined { return x }",
            "cell id: Text primary key",
            "cell id: Text PRIMARY KEY",
            "cell id: Text NOT NULL UNIQUE",
            "cell n: Int not null default 0",
            "cell o: Person references Person",
            "cell n: Int check (n > 0)",
            "cell n: Int nullable",
            "cell state = \"open\"",
            "cell n = -1",
            "cell n = other()",
            "derived wait = 30s",
            "cell f?: Text",
            "cell f?: List<Text> = []",
            "handler h(n?: Int) { }",
            "unique(state)",
            "check (n > 0)",
            "primary key (id)",
            "check(n: Int) { }",
            "async handler h() { }",
            "public handler h() { }",
            "private handler h() { }",
            "handler h(): Text { }",
            "handler h() => Text { }",
            "def h() { }",
            "fn h() -> Int { 1 }",
            "field name: Text",
            "get name: Text = 1",
            "constructor() { }",
            "let x = 1",
            "quantity: Int = 0",
            "quantity Int",
            "cell quantity Int",
            "Text name",
            "const limit: Int = 3",
            "field name: Text",
            "function h(a: Int) { }",
            "on h(a: Int) { }",
            "init() { self.a = 1 }",
            "handler h(): void { }",
            "handler h() -> void { }",
            "handler h():Text { return a }",
            "saga s() { step let x = a.b() }",
            "saga s() { for x in xs { step x.a() undo x.b() } }",
            "test \"x\" { }",
            "cell a: Int /// The number.",
            "cell a: Int\n  /// Nothing.",
            "cell a: Int\n  @allow(late-check, \"x\")",
        ],
        "\n}\n",
    );
    let items = errors(
        "",
        &[
            "import { A } from \"a\"",
            "import { A, b } from './file'",
            "export record R { }",
            "record A extends B { cell a: Int }",
            "class R extends B { cell a: Int }",
            "table R (\n  id Int primary key\n)",
            "interface R { a: Int; b?: Text }",
            "interface R { a: Int, f(): Text }",
            "type R = {\n  a: Int\n  b: Text\n}",
            "type R struct { a: Int }",
            "type State = \"open\" | \"closed\"",
            "test(\"x\", () => {\n  expect 1 == 1\n});",
            "test \"x\" { expect a.f() fails }",
            "test \"x\" { expect a.f() fails with \"why\" }",
            "-- a remark",
            "class R { }",
            "interface R { }",
            "function f() -> Int { 1 }",
            "const x = 1",
            "handler h() { }",
            "record R {\n  saga s() {\n  step a.b()\n  @allow(late-check)\n}\n}",
            "fn f() -> Int { return 1 }",
            "fn f() -> Int { self.a = 1 }",
            "fn f() -> Int { require a else \"b\" 1 }",
            "fn f() -> Int { 1 2 }",
            "saga s() { }",
            "struct S { a: Int, /// The number.\n b: Int }",
            "struct S {\n a: Int /// The number.\n}",
            "enum E {\n a, /// One.\n b, /// Two.\n}",
            "extern e {\n f() /// Said of f.\n}",
            "fn f() -> Int { 1 }\n/// Nothing.",
        ],
        "\n",
    );
    insta::assert_snapshot!(format!("{members}\n{items}"));
}

#[test]
fn what_is_right_elsewhere_names_its_place() {
    let help = |text: &str, message: &str, help: &str| {
        let errors = parse(text).errors;
        assert_eq!((errors.len(), &*errors[0].message, errors[0].help.as_deref()), (1, message, Some(help)), "{errors:?}");
    };
    help(
        "record P in a {\n  handler go(q: Q) across b writes Q.n { self.n -= 1 }\n}\n",
        "`writes` stands before `across`",
        "a handler is written `handler name(x: Type) -> Type writes Record.cell across space { … }`",
    );
    help(
        "test \"t\" {\n  given market.order(o, a) => fail \"x\"\n}\n",
        "expected an expression, found the word `fail`",
        "a refusal is written `given market.order fails \"…\"`",
    );
}

#[test]
fn what_is_missing_or_too_much() {
    let statements = errors(
        "record R {\n  handler h() {\n    ",
        &[
            "let x 5",
            "let x =",
            "let 5 = x",
            "let = 5",
            "self.a =",
            "self.b = 1 +",
            "f(a b)",
            "f(a,, b)",
            "x.",
            "require a \"why\"",
            "try { a() }",
            "try { a() } catch { }",
            "if { }",
            "for x { }",
            "delete",
            "let m = Message { a 1 }",
            "let m = Message { a: }",
            "let c = create R home { }",
            "let x = {a: 1}",
            "send a.b() then { ok => { } }",
            "match a { Status.open b() }",
            "let if = 1",
            "let x = else",
            "let x = 5kg",
            "let x = 1.5h",
            "let x = 1h30m",
            "let x = 9223372036854775808",
            "let x = -9223372036854775809",
            "let x = \"a \\q\"",
            "let x = \"a {} b\"",
            "let x = \"a {b c} d\"",
            "§ = 3",
            "é = 3",
            "let x = a @ b",
        ],
        "\n  }\n}\n",
    );
    let items = errors(
        "",
        &[
            "record { }",
            "record R in { }",
            "record R on home { }",
            "record R { cell }",
            "record R { cell a }",
            "record R { cell a: }",
            "record R { cell a: Int = }",
            "record R { cell a: Int key key }",
            "record R { handler }",
            "record R { handler h { } }",
            "record R { handler h(a) { } }",
            "record R { handler h() -> { } }",
            "record R { handler h() writes { } }",
            "struct S { a: Int b: Int }",
            "struct S { a Int }",
            "enum E { a | b }",
            "enum E { a(Int) }",
            "use \"x\"",
            "use x { A }",
            "test name { }",
            "test \"a {b}\" { }",
            "extern e { f -> Int }",
            "mirror m of R { }",
            "mirror m of R to e { facts r = 1 }",
            "invariant i { true }",
            "@allow(foo",
            "@alow(foo) record R { }",
            "record R { saga s() { self.a = 1  step b.c() } }",
            "record R { saga s() { step b.c() require a } }",
            "garbage here",
            "fn f(a: Int??) -> Int { 1 }",
        ],
        "\n",
    );
    insta::assert_snapshot!(format!("{statements}\n{items}"));
}

#[test]
fn case() {
    let shown = errors(
        "",
        &[
            "record person { }",
            "record My_Book { }",
            "struct S { userName: Text }",
            "struct S { name: text }",
            "enum E { Open }",
            "space Home",
            "fn doIt(X: Int) -> int { 1 }",
            "record R { cell someName: list<text> }",
            "mirror M of book to Registry { }",
            "record R { handler h() writes book { } }",
            "fn f() -> Int { let aB = 1 aB }",
        ],
        "\n",
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn brackets_and_quotes() {
    let shown = errors(
        "record R {\n  handler h() {\n    ",
        &[
            "f(a",
            "f(a]",
            "f(a))",
            "f([a)",
            "let x = \"a",
            "let x = f(\"a)",
            "let x = \"a {b",
            "let x = \"a {f(\"b} c\"",
            "if a { b()",
            "}",
            "} }",
            "let x = \"a \\",
        ],
        "\n    self.kept = 1\n  }\n}\n",
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn what_was_meant_is_read() {
    let shown = [
        "struct Line {\n  sku: Text\n  count: Int // How many.\n  /// Each.\n  price: Int\n}",
        "struct Line { sku: Text; count: Int; }",
        "enum Color { red = \"red\", green = \"green\" }",
        "enum Size { small | large }",
        "enum Size {\n  | small\n  | large\n}",
        "enum Size {\n  case small\n  case large(by: Int)\n}",
        "fn f(a: Int b: Int) -> Int { a + b }",
        "fn f(a: Int) -> Line { Line { a, count = 1, sku: \"\" } }",
        "record R in home {\n  quantity: Int = 0\n  cell price Int\n  count Int\n  cell tags: Text[] = []\n}",
        "record R in home {\n  handler total(): Int { return 'x' + 'y' }\n  handler double() => Int { return 2 }\n}",
        "record R in home {\n  cell x: \n  cell id: Text key\n  cell n: Int = // So.\n  cell m: Int\n  derived d:\n  handler h() { }\n}",
        "test \"x\" {\n  a.\n  require self.\n  let b = a.map(l => l.)\n  let c =\n  require c\n  self.a = \n  send a.b()\n  self.b +=\n}",
        "test \"x\" { if self.n inxs { a() } }",
        "test \"x\" { let a = create Item in home { sku = \"a\", price = 2 } }",
    ];
    insta::assert_snapshot!(shown.map(|text| format!("{text}\n{}", recovered(text))).join("\n"));
}

/// The tree of a text, and its errors.
fn recovered(text: &str) -> String {
    let parsed = parse(text);
    let mut out = String::new();
    for item in &parsed.file.items {
        out += &format!("{}\n", tree::item(item).show());
    }
    for error in &parsed.errors {
        out += &format!("{:?} `{}`: {}\n", error.span, error.span.slice(text), error.message);
    }
    out
}

#[test]
fn the_rest_is_still_understood() {
    let shown = recovered(
        r#"
garbage at the top
record A in home {
  cell one: Int
  cell two Int
  handler first(x Int) { self.one = 1 }
  handler second() {
    self.one = 1
    self.two = = 2
    if self.one > 1 {
      let x 3
      self.one = 3
    } else { ~ }
    match self.one { 1 => a(), 2 -> b(), _ => { c() } }
    send x.y() then { ok(a) => { ! } bad }
    self.last = [x => y, 1 2]
    self.kept = 9
  }
  cell three: Int
}
struct B { a: }
enum C { x }
fn d() -> Int { let a = ~ 1 }
extern e { f() -> Int  g( -> Int  h() }
mirror m of A to e { facts(r) = [] nothing add(f) = e.f(f) }
test "t" { expect 1 == 1 ) }
"#,
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn a_missing_brace_ends_before_the_next_member_or_declaration() {
    let shown = recovered(
        "
record A {
  handler a() {
    if x {
      self.a = 1
  }

  /// Said of b.
  handler b() {
    self.b = f(1, [2
  }

  cell c: Int

/// Said of B.
record B {
  cell d: Text = \"abc
  cell e: Int
}
test \"x\" {
  hold {
    a.b()
",
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn errors_come_in_the_order_of_the_text_and_one_a_place() {
    let parsed = parse("record A {\n  cell a: Int;\n  cell b: int\n  handler c( { ~ }\n}\n}\nfn f() -> Int { ~ }\n");
    let starts: Vec<u32> = parsed.errors.iter().map(|error| error.span.start).collect();
    assert!(starts.is_sorted(), "{:?}", parsed.errors);
    assert!(starts.len() >= 5);
}

#[test]
fn a_name_that_is_a_value_elsewhere_may_be_used_once_it_is_declared() {
    assert_eq!(parse("fn f(this: Int, null: Int) -> Int { this + null }").errors, []);
    assert_eq!(parse("fn f() -> Int { xs.map(nil => nil + 1) }").errors, []);
}

#[test]
fn there_is_an_end_to_errors() {
    let text = "fn f( { ~ }\n".repeat(5000);
    let parsed = parse(&text);
    assert_eq!(parsed.errors.len(), 1000);
}

#[test]
fn what_is_too_long_is_not_called_nested() {
    let told = |text: &str| {
        let parsed = parse(&format!("fn f(n: Int) -> Int {{ {text} }}"));
        let error = parsed.errors.iter().find(|error| error.kind == SyntaxErrorKind::NestingLimit);
        error.map(|error| error.message.clone()).unwrap_or_default().to_string()
    };
    assert_eq!(told(&format!("1{}", " + 1".repeat(150))), "");
    assert_eq!(told(&format!("1{}", " + 1".repeat(400))), "this chain has more operators than 200");
    assert_eq!(told(&format!("n{}", ".x".repeat(400))), "this chain has more names, calls and indexes than 200");
    assert_eq!(told(&format!("{}n == n", "!".repeat(400))), "there are more signs before this than 200");
}
