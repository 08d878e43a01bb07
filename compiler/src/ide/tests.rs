mod renaming;

use super::complete::{Scratch, complete};
use super::definition::Definition;
use super::names::{Access, names, references};
use super::{call, hints, hover, outline};
use crate::db::{Database, Project, SourceFile};
use patternc_grammar::syntax::Span;

const PEOPLE: &str = r#"space home
space user[Text]

/// Someone.
record Person in home {
  /// What they are called.
  cell name: Text
  cell members: Set<Person> = Set[]
  cell status: Status = Status.open
  derived degree: Int = self.members.len()

  /// Links two people.
  handler link(target: Person) writes Person.members, Person.name {
    require !(target in self.members) else "already linked to {target.name}"
    self.members += target
    target.members += self
    let known = self.members.filter(p => p.degree > 1)
    for one in known { one.touch(1) }
  }

  internal handler touch(times: Int) -> Int {
    self.name = "touched"
    return times
  }
}

enum Status { open, claimed(by: Text, times: Int) }

fn label(p: Person) -> Text { "{p.name}" }

extern payments {
  charge(agent: Text, amount: Int) -> Int idempotent
}

test "linking" {
  let ada = create Person in home { name: "Ada" }
  ada.link(ada)
  expect label(ada) == "Ada"
}
"#;

const NOTES: &str =
    "use \"people.pattern\" { Person, home }\n\nrecord Note in home {\n  cell by: Person\n  derived who: Text = self.by.name\n}\n";

/// The project, with a text that has a `|` at the cursor as a third file: the file, and the place of the cursor.
fn project(text: &str) -> (Database, SourceFile, u32) {
    let at = text.find('|').unwrap_or(text.len());
    let mut db = Database::default();
    let text = text.replacen('|', "", 1);
    db.set_project(&[("people.pattern", PEOPLE), ("notes.pattern", NOTES), ("z.pattern", &text)], None);
    let file = file(&db, "z.pattern");
    (db, file, at as u32)
}

fn file(db: &Database, path: &str) -> SourceFile {
    *Project::get(db).files(db).iter().find(|file| &**file.path(db) == path).expect("it is in the project")
}

/// What is offered at the `|`, best first.
fn offered(text: &str) -> Vec<String> {
    let imported = format!("use \"people.pattern\" {{ Person, Status, home, label, payments }}\n{text}");
    let (mut db, file, at) = project(&imported);
    complete(&mut db, &mut Scratch::default(), file, at).items.into_iter().map(|item| item.label).collect()
}

/// The snippet of one of them.
fn snippet(text: &str, label: &str) -> String {
    let imported = format!("use \"people.pattern\" {{ Person, Status, home, label, payments }}\n{text}");
    let (mut db, file, at) = project(&imported);
    let items = complete(&mut db, &mut Scratch::default(), file, at).items;
    items.into_iter().find(|item| item.label == label).unwrap_or_else(|| panic!("{label} is not offered")).snippet
}

fn uses(text: &str, of: &str) -> Vec<(String, Access)> {
    let (db, z, _) = project(text);
    let people = file(&db, "people.pattern");
    let at = PEOPLE.find(of).expect("it is declared") + of.len();
    let reference = *names(&db, people).at(at as u32).expect("a name");
    let shown = references(&db, reference.to).into_iter().map(|(file, reference)| {
        let line = file.text(&db)[..reference.span.start as usize].matches('\n').count() + 1;
        (format!("{}:{line}", file.path(&db).trim_end_matches(".pattern")), reference.access)
    });
    let _ = z;
    shown.collect()
}

#[test]
fn a_cell_is_used_where_it_is_read_written_and_declared_in_all_files() {
    use Access::{Declares, Reads, Writes};
    let expected = [
        ("notes:5", Reads),
        ("people:7", Declares),
        ("people:13", Reads),
        ("people:14", Reads),
        ("people:22", Writes),
        ("people:29", Reads),
        ("people:36", Reads),
    ];
    let expected: Vec<(String, Access)> = expected.iter().map(|(place, access)| ((*place).to_owned(), *access)).collect();
    assert_eq!(uses("", "cell name"), expected);
}

#[test]
fn clauses_and_links_name_cells_too() {
    let found = uses("", "cell members");
    let lines: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(lines, ["people:8", "people:10", "people:13", "people:14", "people:15", "people:16", "people:17"]);
}

#[test]
fn locals_are_told_apart_by_their_blocks() {
    let (db, file, _) = project("fn f(x: Int) -> Int { let a = x let b = [1].map(x => x + a).len() b + x }");
    let text = file.text(&db);
    let at = text.find("x: Int").expect("it is there") as u32;
    let reference = names(&db, file).at(at).expect("a name");
    let places: Vec<u32> = references(&db, reference.to).iter().map(|(_, reference)| reference.span.start).collect();
    let own: Vec<u32> = [text.find("x: Int"), text.find("x let"), text.rfind('x')].into_iter().flatten().map(|at| at as u32).collect();
    assert_eq!(places, own, "not the lambda's");
}

#[test]
fn hover_says_type_place_effects_and_words() {
    let (db, _, _) = project("");
    let people = file(&db, "people.pattern");
    let at = |what: &str| hover::hover(&db, people, PEOPLE.find(what).expect("it is there") as u32).expect("something is known").text;
    let link = at("link(target: Person)");
    assert!(link.contains("handler Person.link(target: Person) writes Person.members, Person.name"), "{link}");
    assert!(link.contains("Links two people.") && link.contains("- writes `self.members`, `target.members`, "), "{link}");
    assert!(link.contains("can fail: a `require` that does not hold"), "{link}");
    let target = at("target in self");
    assert!(target.contains("target: Person") && target.contains("In `home`."), "{target}");
    assert!(at("degree > 1").contains("derived Person.degree: Int"));
    assert!(at("name: Text\n").contains("Kept in `home`, written by `Person.touch`."), "{}", at("name: Text\n"));
    assert!(at("members: Set").contains("Kept in `home`, written by `Person.link`."), "{}", at("members: Set"));
}

#[test]
fn hover_of_a_handler_says_where_it_runs_what_it_reads_and_every_way_to_fail() {
    let text = "space bank\nrecord Acc in bank {\n  cell n: Int = 0\n  cell most: Int = 9\n  handler take(k: Int) {\n    require k < self.most\n    \
                self.n -= k\n  }\n}\ninvariant pos(a: Acc) { a.n >= 0 }\ninvariant low(a: Acc) { a.n <= 9 }\n";
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], None);
    let at = text.find("take").expect("it is there") as u32;
    let take = hover::hover(&db, file(&db, "main.pattern"), at).expect("it is known").text;
    for line in [
        "- runs in `bank`",
        "- reads `self.most`",
        "- writes `self.n`",
        "- can fail: a `require` that does not hold, a number is too large, the invariant `pos` would not hold",
    ] {
        assert!(take.lines().any(|known| known == line || known.starts_with(&format!("{line}, "))), "{line}: {take}");
    }
}

#[test]
fn hover_of_a_saga_says_in_which_steps_it_can_fail() {
    let text = "space shelf\nextern payments { charge(n: Int) -> Int idempotent }\nrecord Book in shelf {\n  cell lent: Bool = false\n  \
                internal handler take() { require !self.lent else \"lent\" self.lent = true }\n  internal handler give() { self.lent = false }\n}\n\
                record Member in shelf {\n  cell paid: Int = 0\n  internal handler note(n: Int) { self.paid += n }\n  \
                saga borrow(book: Book, n: Int) {\n    require n > 0 else \"nothing\"\n    step book.take() undo book.give()\n    \
                pivot payments.charge(n)\n    step self.note(n)\n  }\n}\n";
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], None);
    let at = text.find("borrow").expect("it is there") as u32;
    let borrow = hover::hover(&db, file(&db, "main.pattern"), at).expect("it is known").text;
    let lines = [
        "- can fail: a `require` that does not hold\n",
        "- can fail in `book.take()`: a `require` that does not hold\n",
        "- can fail in `payments.charge()`: the outside refuses it",
    ];
    for line in lines {
        assert!(borrow.contains(line), "{line}\nin {borrow}");
    }
    assert!(!borrow.contains("in `self.note()`"), "what comes after the pivot is done again until it is done: {borrow}");
}

#[test]
fn hover_says_what_words_and_methods_of_the_language_are() {
    let text = "/// To send a record.\nrecord R in home {\n  cell n: Int = 0\n  create {\n    require self.n > 0 else \"send it\"\n  }\n  handler h(index: List<Text>) {\n    \
                send self.h(index.filter(x => x.len() > index.len())) after 5m\n    create R { n: now().len() }\n  }\n}\n";
    let imported = format!("use \"people.pattern\" {{ home }}\n{text}");
    let (db, z, _) = project(&imported);
    let at = |what: &str| hover::hover(&db, z, imported.find(what).expect("it is there") as u32).map(|hover| hover.text);
    let said = |what: &str| at(what).unwrap_or_default();
    assert!(
        said("record R").contains("record Name in space {\n  cell name: Text\n}") && said("record R").contains("an identity in one space")
    );
    assert!(said("create {").contains("runs in the transaction") && said("create R").contains("a new record"), "one word, two meanings");
    assert!(said("send self.h").contains("delivered after the commit") && said("after 5m").contains("how long the event waits"));
    assert!(said("else \"").contains("why the event is rejected"));
    assert!(said("Int = 0").contains("a whole number of 64 bits") && said("List<").contains("one after the other"));
    let filter = said("filter(");
    assert!(filter.contains("filter(x => …)") && filter.contains("those for which it holds") && filter.contains("List<Text>"), "{filter}");
    assert!(said("now()").contains("fixed at the first attempt"));
    assert!(said("index: List").contains("index: List<Text>") && said("index.len").contains("index: List<Text>"), "a name, not the word");
    assert_eq!(at("send a record"), None, "a word of a comment");
    assert_eq!(said("send it\""), "```pattern\nText\n```", "a word of a text");
}

#[test]
fn members_are_those_of_the_type() {
    let members = offered("fn f(p: Person) -> Text { p.| }");
    assert!(members.starts_with(&["name".into(), "degree".into(), "members".into(), "status".into()]), "what fits is first: {members:?}");
    assert!(members.contains(&"link".into()) && members.contains(&"exists".into()), "{members:?}");
    let of_lambda = offered("fn f(p: Person) -> Int { p.members.map(q => q.na|) }");
    assert_eq!(of_lambda[..4], ["degree", "members", "name", "status"], "the type of a lambda's parameter, of which nothing is wanted");
    assert!(offered("fn f(p: Person) -> Int { p.members.| }").contains(&"filter".into()));
    assert_eq!(offered("fn f() -> Status { Status.| }"), ["claimed", "open"]);
    assert_eq!(offered("record R in home {\n  handler h() {\n    send payments.|\n  }\n}"), ["charge"]);
}

#[test]
fn half_written_text_has_offers_too() {
    let text = "record R in home {\n  cell p: Person\n  handler h(other: Person) {\n    send other.|\n  }\n";
    assert_eq!(offered(text)[..2], ["link", "touch"]);
    assert!(offered("record R in home {\n  cell p: Person\n  handler h() {\n    self.p.|\n").contains(&"name".into()));
    assert!(offered("record R in home {\n  |\n}").contains(&"internal handler".into()));
    assert!(offered("|").contains(&"record".into()));
    assert!(offered("record R in home {\n  handler h() {\n    send self.h() then {\n      |\n    }\n  }\n}").contains(&"err".into()));
}

#[test]
fn names_in_scope_are_offered_those_that_fit_first() {
    let text = "record R in home {\n  handler h(n: Int, p: Person) {\n    let q = p\n    p.link(|)\n    let later = 1\n  }\n}";
    let names = offered(text);
    assert_eq!(names[..2], ["p", "q"], "{names:?}");
    assert!(names.contains(&"n".into()) && !names.contains(&"later".into()), "{names:?}");
}

#[test]
fn missing_cells_are_offered_with_their_places_to_fill() {
    let text = "test \"t\" {\n  let p = create Person in home { | }\n}";
    assert_eq!(offered(text)[0], "name");
    assert_eq!(snippet("test \"t\" {\n  let p = create |\n}", "Person"), "Person in home { name: ${1:name} \\}");
    assert_eq!(snippet("fn f() -> Status { Status.| }", "claimed"), "claimed(by: ${1:by}, times: ${2:times})");
}

#[test]
fn types_spaces_and_rules_are_offered_where_they_stand() {
    let types = offered("struct S { a: | }");
    assert!(types.contains(&"Person".into()) && types.contains(&"Map".into()) && !types.contains(&"label".into()), "{types:?}");
    assert_eq!(offered("test \"t\" {\n  let p = create Person in | { }\n}"), ["home"]);
    assert!(offered("@allow(|\nfn f() -> Int { 1 }").contains(&"stale-capture".into()));
    assert!(offered("record R in home {\n  handler h() writes Person.| { }\n}").contains(&"members".into()));
}

#[test]
fn what_cannot_be_written_there_comes_last_or_not_at_all() {
    let record = |line: &str| {
        format!(
            "record R in home {{\n  cell n: Int = 0\n  cell p: Person?\n  derived many: Int = self.n\n  derived who: Person? = self.p\n  \
             handler h(q: Person) {{\n    {line}\n  }}\n}}"
        )
    };
    // A statement writes a cell or calls a handler; what is derived is neither.
    let begun = offered(&record("self.|"));
    assert_eq!(begun, ["n", "p", "h", "exists", "space", "many", "who"]);
    assert_eq!(offered(&record("self.| = 1")), begun);
    // A value has the type of what it is written to.
    assert_eq!(offered(&record("self.n = self.|"))[..4], ["many", "n", "p", "who"]);
    assert_eq!(offered(&record("self.p = self.|"))[..4], ["p", "who", "many", "n"]);
    assert_eq!(offered(&record("self.n = q.|"))[..2], ["degree", "members"]);
    assert_eq!(offered(&record("require self.n == self.| else \"no\""))[..2], ["many", "n"]);
}

#[test]
fn a_name_is_not_offered_in_its_own_value() {
    let own = |line: &str| offered(&format!("record R in home {{\n  handler h(p: Person) {{\n    let a = p\n    {line}\n  }}\n}}"));
    for line in
        ["let z = create Person { name: |", "let z = create Person { name: | }", "let z = |", "let z = label(|)", "if let z = | { }"]
    {
        let names = own(line);
        assert!(!names.contains(&"z".into()) && names.contains(&"a".into()) && names.contains(&"p".into()), "{line}: {names:?}");
    }
    assert!(own("let z = p\n    a.link(|)").contains(&"z".into()));
    assert!(own("if let z = a { a.link(|) }").contains(&"z".into()));
}

#[test]
fn a_signature_is_completed_word_by_word() {
    let record = |line: &str| offered(&format!("space other\nrecord R in home {{\n  cell n: Int = 0\n  {line}\n}}"));
    for line in ["handler h() writes |", "handler h() writes | { }", "handler h() -> Int writes Per|", "handler h() writes R.n, | { }"] {
        let records = record(line);
        assert!(records.contains(&"Person".into()) && records.contains(&"R".into()), "{line}: {records:?}");
        assert!(!records.iter().any(|label| ["Status", "home", "writes", "self", "Int"].contains(&label.as_str())), "{line}: {records:?}");
    }
    for line in ["handler h() writes Person.|", "handler h() writes Person.| { }", "internal handler h() writes R.n, Person.na|"] {
        assert_eq!(record(line), ["members", "name", "status"], "what is derived is not written: {line}");
    }
    for line in ["handler h() writes Person across |", "handler h() across | { }", "handler h() across other, |"] {
        assert_eq!(record(line), ["home", "other"], "{line}");
    }
    assert_eq!(record("handler h() |"), ["across", "writes"]);
    assert_eq!(record("handler h() writes R.n |"), ["across", "writes"]);
}

#[test]
fn fields_are_offered_before_the_brace_is_closed() {
    let text = |line: &str| {
        format!(
            "struct M {{ by: Person, text: Text }}\nrecord R in home {{\n  cell last: M?\n  handler h(p: Person) {{\n    {line}\n  }}\n}}"
        )
    };
    for (line, wanted) in [
        ("self.last = M { |", &["by", "text", "all that are missing: by, text"][..]),
        ("self.last = M { | }", &["by", "text", "all that are missing: by, text"]),
        ("self.last = M { by: p, |", &["text"]),
        ("self.last = M { by: p, te|", &["text"]),
        ("let m = M { by: p, |", &["text"]),
        ("let q = create Person { |", &["name", "members", "status"]),
    ] {
        assert_eq!(offered(&text(line)), wanted, "{line}");
    }
}

#[test]
fn places_of_types_and_ends_of_links_are_those_that_fit() {
    let spaces = "space front\nspace back\nspace each[Text]\nrecord Agent { }\nrecord Desk in front { }\nrecord Own in each { }\n";
    for line in [
        "struct S { a: Agent@|",
        "struct S { a: Agent@| }",
        "struct S { a: List<Agent@|> }",
        "fn f(a: Agent@|",
        "fn f(a: Agent@b|) -> Int { 1 }",
    ] {
        assert_eq!(offered(&format!("{spaces}{line}")), ["back", "front", "home", "any"], "{line}");
    }
    for line in ["cell a: Agent@|", "cell a: Agent@b|", "handler h(a: Agent@|", "handler h() {\n    let a: Agent@|\n  }"] {
        assert_eq!(offered(&format!("{spaces}record R in front {{\n  {line}\n}}")), ["back", "front", "home", "any"], "{line}");
    }
    assert_eq!(offered(&format!("{spaces}struct S {{ a: Desk@| }}")), ["front", "any"]);
    assert_eq!(offered(&format!("{spaces}struct S {{ a: Own@| }}")), ["any"], "a family is no place");

    let text = |mark: &str| {
        format!(
            "record A in home {{\n  cell name: Text = \"\"\n  cell bs: Set<B> = Set[]\n  cell one: B?\n  cell others: Set<A> = Set[]\n  \
             derived all: Set<B> = self.bs\n}}\nrecord B in home {{\n  cell a: A? {mark}\n}}"
        )
    };
    assert_eq!(offered(&text("inverse |")), ["bs", "one"]);
    assert_eq!(offered(&text("inverse b|")), ["bs", "one"]);
}

#[test]
fn arms_are_offered_that_are_not_there_yet() {
    let stmt = |arms: &str| {
        format!("record R in home {{\n  cell p: Person\n  handler h() {{\n    match self.p.status {{\n      {arms}\n    }}\n  }}\n}}")
    };
    assert_eq!(offered(&stmt("|")), ["Status.claimed", "Status.open", "_"]);
    assert_eq!(snippet(&stmt("|"), "Status.claimed"), "Status.claimed(${1:by}, ${2:times}) => { $0 \\}");
    assert_eq!(offered(&stmt("Status.open => { }\n      |")), ["Status.claimed", "_"]);
    assert_eq!(offered(&stmt("Status.claimed(by, 1) => { }\n      St|")), ["Status.claimed", "Status.open", "_"], "it leaves some");
    assert_eq!(snippet(&stmt("Status.|"), "open"), "open => { $0 \\}");
    assert_eq!(snippet(&stmt("Status.| => { }"), "claimed"), "claimed(${1:by}, ${2:times})");
    let value = "fn f(p: Person) -> Int { match p.status { Status.open => 1, | } }";
    assert_eq!(snippet(value, "Status.claimed"), "Status.claimed(${1:by}, ${2:times}) => $0,");
    assert_eq!(offered("fn f(b: Bool) -> Int { match b { true => 1, | } }")[0], "false");
}

#[test]
fn what_the_outside_answers_is_offered() {
    assert_eq!(offered("test \"t\" {\n  given |\n}"), ["payments.charge"]);
    assert_eq!(snippet("test \"t\" {\n  given pay|\n}", "payments.charge"), "payments.charge(${1:agent}, ${2:amount}) => $0");
    assert_eq!(offered("test \"t\" {\n  given payments.|\n}"), ["charge"]);
    assert_eq!(offered("test \"t\" { given payments.| }"), ["charge"]);
    assert_eq!(offered("test \"t\" {\n  given payments.ch|\n}"), ["charge"]);
    assert_eq!(offered("test \"t\" {\n  given payments.|\n  expect 1 == 1\n}"), ["charge"]);
    assert_eq!(offered("test \"t\" {\n  given payments.| => 1\n}"), ["charge"]);
    assert_eq!(offered("test \"t\" {\n  hold {\n    given payments.|\n    let x = 1\n  }\n}"), ["charge"]);
    let marks = offered("extern e {\n  f(x: Int) -> Int |\n}");
    assert_eq!(marks, ["idempotent", "readonly"]);
    assert_eq!(offered("extern e {\n  |\n}"), ["operation"]);
}

#[test]
fn steps_are_offered_with_what_undoes_them() {
    let saga = |step: &str| {
        format!(
            "record R in home {{\n  internal handler take() {{ }}\n  internal handler give(n: Int) {{ }}\n  saga s(p: Person) {{\n    {step}\n  }}\n}}"
        )
    };
    let first = offered(&saga("step x|"));
    assert!(first.starts_with(&["p.link".into(), "p.touch".into(), "self.give".into()]), "{first:?}");
    assert_eq!(offered(&saga("step self.take() undo x|"))[0], "self.give");
    assert_eq!(snippet(&saga("step self.take() undo x|"), "self.give"), "self.give(${1:n})");
    assert!(!offered(&saga("step self.take() undo x|")).contains(&"self.take".into()));
    assert_eq!(offered(&saga("step self.take() un|")), ["undo"]);
    let words = offered(&saga("|"));
    assert!(words.contains(&"step".into()) && words.contains(&"pivot".into()), "{words:?}");
}

#[test]
fn what_follows_a_send_is_offered() {
    let handler = |stmt: &str| {
        format!("use \"people.pattern\" {{ Person, home }}\nrecord R in home {{\n  cell p: Person\n  handler h() {{\n    {stmt}\n  }}\n}}")
    };
    assert_eq!(offered(&handler("send self.p.link(self.p) |")), ["after", "then"]);
    assert_eq!(offered(&handler("send self.p.link(self.p) th|")), ["after", "then"]);
    assert_eq!(offered(&handler("return send self.p.link(self.p) |")), ["after", "then"]);
    assert_eq!(offered(&handler("send create Person in home { name: \"a\" } |")), ["after", "then"]);
    assert_eq!(offered(&handler("send self.p.link(self.p) after 5m |")), ["then"]);
    assert!(!offered(&handler("send self.p.link(|)")).contains(&"then".to_owned()));
}

#[test]
fn cells_are_offered_before_the_brackets_of_a_condition_are_closed() {
    let handler = |stmt: &str| {
        format!(
            "use \"people.pattern\" {{ Person, home }}\nrecord R in home {{\n  cell ps: Set<Person> = Set[]\n  handler h() {{\n    {stmt}\n  }}\n}}"
        )
    };
    for stmt in ["if let c = self.ps.find(o => o.|", "if self.ps.any(o => o.|", "for o in self.ps.filter(o => o.|"] {
        let found = offered(&handler(stmt));
        assert!(found.contains(&"degree".to_owned()) && !found.contains(&"Person".to_owned()), "{stmt}: {found:?}");
    }
}

#[test]
fn records_and_spaces_of_other_files_come_with_their_imports() {
    let (mut db, file, at) = project("test \"t\" {\n  let p = create Pers|\n}");
    let items = complete(&mut db, &mut Scratch::default(), file, at).items;
    let person = items.iter().find(|item| item.label == "Person").expect("it is offered");
    assert_eq!(person.snippet, "Person in home { name: ${1:name} \\}");
    assert_eq!(person.imports, [(Span::new(0, 0), "use \"people.pattern\" { Person, home }\n".to_owned())]);

    let text = "use \"people.pattern\" { Person }\ntest \"t\" {\n  let p = create Person in | { }\n}";
    let (mut db, file, at) = project(text);
    let items = complete(&mut db, &mut Scratch::default(), file, at).items;
    assert_eq!((items[0].label.as_str(), items[0].imports[0].1.as_str()), ("home", ", home"));
}

#[test]
fn names_of_rules_are_replaced_whole() {
    let (mut db, file, at) = project("@allow(late-ch|)\nfn f() -> Int { 1 }");
    let found = complete(&mut db, &mut Scratch::default(), file, at);
    assert_eq!(found.replaced.slice(file.text(&db)), "late-ch");
    assert_eq!(found.items.iter().find(|item| item.label == "late-check").map(|item| &*item.snippet), Some("late-check, \"${1:why}\""));
}

#[test]
fn nothing_is_offered_in_comments_and_texts() {
    assert!(offered("// a |").is_empty());
    assert!(offered("fn f() -> Text { \"a | b\" }").is_empty());
    assert!(offered("fn f(person: Person) -> Text { \"a {pers|} b\" }").contains(&"person".into()));
}

#[test]
fn what_is_typed_from_left_to_right_is_understood_at_each_point() {
    let inside = |line: &str| offered(&format!("record R in home {{\n  handler h(p: Person) {{\n    {line}\n  }}\n}}"));
    for line in [
        "if p.|",
        "if p.n|",
        "for x in p.|",
        "match p.|",
        "if true { } else if p.|",
        "try {\n p.|\n }",
        "try {\n if p.|\n }",
        "require p.|",
        "let q = p.|",
    ] {
        let offered = inside(line);
        assert!(offered.contains(&"name".into()) && !offered.contains(&"self".into()), "{line}: {offered:?}");
    }
    for line in ["for x in |", "for x in p|", "if |", "match |"] {
        let offered = inside(line);
        assert!(offered.contains(&"p".into()) && !offered.contains(&"home".into()), "{line}: {offered:?}");
    }
    let types = |offered: Vec<String>, line: &str| {
        assert!(offered.contains(&"Person".into()) && offered.contains(&"List".into()), "{line}: {offered:?}");
        assert!(!offered.iter().any(|label| ["self", "p", "caller", "create", "false"].contains(&label.as_str())), "{line}: {offered:?}");
    };
    for line in ["let q: |", "let q: L|", "let q: Person = p\n let r: |"] {
        types(inside(line), line);
    }
    for line in ["fn z(p: |", "fn z(p: Person) -> |", "fn z(p: Person, q: |", "fn z(p: Person) -> |\n\nspace other"] {
        types(offered(line), line);
    }
    for line in ["handler g(q: |\n", "handler g(q: |) { }", "handler g() -> |\n", "internal handler g(q: |\n"] {
        types(offered(&format!("record R in home {{\n  {line}\n}}")), line);
    }
    for line in ["cell m: List<|", "cell m: List<P|", "cell m: List<P|>", "cell m: Map<Text, |", "derived m: Map<Text, Set<|"] {
        let offered = offered(&format!("record R in home {{\n  {line}\n}}"));
        assert!(offered.contains(&"Person".into()) && !offered.contains(&"key".into()), "{line}: {offered:?}");
    }
    for line in ["mirror m of |", "mirror m of Per|", "mirror m of | to payments { }"] {
        let offered = offered(line);
        assert!(offered.contains(&"Person".into()) && !offered.contains(&"payments".into()), "{line}: {offered:?}");
    }
    for line in ["mirror m of Person to |", "mirror m of Person to pay|", "mirror m of Person to | { }"] {
        assert_eq!(offered(line), ["payments"], "{line}");
    }
}

#[test]
fn a_call_knows_which_argument_is_written() {
    let text =
        "use \"people.pattern\" { payments, home }\nrecord R in home {\n  handler h() {\n    send payments.charge(\"a, (\", |)\n  }\n}";
    let (db, file, at) = project(text);
    let call = call::call_at(&db, file, at).expect("a call is around");
    assert_eq!((call.active, call.params.as_slice()), (1, &["agent: Text".to_owned(), "amount: Int".to_owned()][..]));
}

#[test]
fn methods_functions_and_creations_have_signatures() {
    let help = |text: &str| {
        let imported = format!("use \"people.pattern\" {{ Person, home }}\n{text}");
        let (db, file, at) = project(&imported);
        call::call_at(&db, file, at).map(|call| (call.label, call.active))
    };
    let said = |label: &str, active| Some((label.to_owned(), active));
    assert_eq!(help("fn f(p: Person) -> Int { p.members.fold(0, |) }"), said("fold(start, (all, x) => …)", 1));
    assert_eq!(help("fn f(p: Person) -> Int { p.name.slice(1, | }"), said("slice(from, to)", 1));
    assert_eq!(help("fn f() -> Int { range(|).len() }"), said("range(n)", 0));
    let create = "create Person { name: Text, members: Set<Person>, status: Status }";
    assert_eq!(help("test \"t\" {\n  let p = create Person in home { |"), said(create, 0));
    assert_eq!(help("test \"t\" {\n  let p = create Person in home { name: \"a\", sta|"), said(create, 2));
    assert_eq!(help("fn f(x: Int) -> Int { if x > 1 { | } else { 2 } }"), None);
}

#[test]
fn hints_say_types_and_what_calls_write() {
    let (db, _, _) = project("");
    let people = file(&db, "people.pattern");
    let all = hints::hints(&db, people, Span::new(0, PEOPLE.len()));
    let labels: Vec<&str> = all.iter().map(|hint| hint.label.as_str()).collect();
    assert_eq!(labels, [": List<Person>", ": Person", "writes Person.name"]);
}

#[test]
fn symbols_and_folds_are_those_of_the_text() {
    let (db, _, _) = project("");
    let people = file(&db, "people.pattern");
    let symbols: Vec<String> = outline::symbols(&db, people).iter().map(|symbol| symbol.name.clone()).collect();
    assert_eq!(symbols, ["home", "user", "Person", "Status", "label", "payments", "linking"]);
    let record = &outline::symbols(&db, people)[2];
    assert_eq!(record.children.len(), 6);
    let folds = outline::folds(&db, people);
    assert_eq!(folds.len(), 5, "record, two handlers, extern, test: {folds:?}");
    assert!(matches!(names(&db, people).at(6).map(|reference| reference.to), Some(Definition::Item(_))));
}
