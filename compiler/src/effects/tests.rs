use super::*;
use crate::db::{Database, Project};
use crate::effects::describe::{Describe, body_name};

/// The effects of a handler as text, one line each: what it does, where, and through which calls.
fn effects_of(files: &[(&str, &str)], handler: &str) -> Vec<String> {
    let mut db = Database::default();
    db.set_project(files, None);
    let owner = owner(&db, handler);
    table(&db, owner, effects(&db, owner))
}

fn owner(db: &Database, name: &str) -> BodyOwner {
    let files = Project::get(db).files(db);
    let owners = files.iter().flat_map(|&file| file_effects(db, file).bodies.iter().map(|body| body.owner));
    owners.into_iter().find(|owner| body_name(db, *owner) == name).expect("the project has the body")
}

fn table(db: &Database, owner: BodyOwner, effects: &Effects) -> Vec<String> {
    let file = owner_item(owner).expect("it is declared").file;
    let words = Describe { db, body: bodies::bodies(db, file).get(owner).expect("it has a body") };
    let through = |path: &CallPath| match path.last() {
        Some(last) => format!(" through {} from {}", path.len(), body_name(db, last.body)),
        None => String::new(),
    };
    let mut lines = Vec::new();
    for read in &effects.reads {
        let what = read.cell.map_or("records".to_owned(), |cell| words.cell_of(&read.target, cell));
        lines.push(format!("read {what} in {}{}", words.space(read.space), through(&read.path)));
    }
    for write in &effects.writes {
        let what = write.cell.map_or("record".to_owned(), |cell| words.cell_of(&write.target, cell));
        let end = if write.inverse { " (other end)" } else { "" };
        lines.push(format!("{:?} {what} in {}{end}{}", write.kind, words.space(write.space), through(&write.path)));
    }
    for send in &effects.sends {
        lines.push(format!("send {} in {}{}", words.event(send), words.space(send.space), through(&send.path)));
        for (name, arm) in [("ok", &send.ok), ("err", &send.err)] {
            let lines_of_arm = arm.iter().flat_map(|arm| table(db, owner, arm));
            lines.extend(lines_of_arm.map(|line| format!("  {name}: {line}")).collect::<Vec<_>>());
        }
    }
    for failure in &effects.failures {
        let caught = if failure.caught { ", caught" } else { "" };
        lines.push(format!("fail {:?}{caught}{}", failure.cause, through(&failure.path)));
    }
    lines
}

const PEOPLE: &str = r#"
space home
record Person in home {
  cell name: Text = ""
  cell best: Person?
  cell members: Set<Person> = Set[]
  derived degree: Int = self.members.len()

  handler link(target: Person) writes Person.members {
    require target != self else "not oneself"
    self.members += target
    target.members += self
  }
  handler link_best() writes Person.members {
    if let best = self.best {
      best.link(self)
    }
  }
  handler try_link(target: Person) writes Person.members {
    try {
      self.link(target)
    } catch e {
      self.name = e.message
    }
  }
  handler look(target: Person) -> Int {
    return target.degree + twice(self)
  }
}
fn twice(p: Person) -> Int { p.degree * 2 }
"#;

#[test]
fn a_direct_call_is_seen_from_the_caller() {
    assert_eq!(
        effects_of(&[("people.pattern", PEOPLE)], "Person.link_best"),
        [
            "read self.best in `home`, the space of `self`",
            "Insert self.best.members in `home`, the space of `self` through 1 from Person.link_best",
            "Insert self.members in `home`, the space of `self` through 1 from Person.link_best",
            "fail Require through 1 from Person.link_best",
        ]
    );
}

#[test]
fn what_a_try_catches_is_caught_also_through_calls() {
    let lines = effects_of(&[("people.pattern", PEOPLE)], "Person.try_link");
    assert!(lines.contains(&"fail Require, caught through 1 from Person.try_link".to_owned()), "{lines:#?}");
}

#[test]
fn functions_and_derived_cells_bring_their_reads() {
    let lines = effects_of(&[("people.pattern", PEOPLE)], "Person.look");
    assert!(lines.contains(&"read target.members in `home`, the space of `self` through 1 from Person.look".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"read self.members in `home`, the space of `self` through 2 from twice".to_owned()), "{lines:#?}");
}

#[test]
fn spaces_and_arguments_are_translated_along_a_path() {
    let text = r#"
record Node {
  cell next: Node@any?
  cell count: Int = 0
  handler add() { self.count += 1 }
  handler add_to(other: Node) writes Node.count { other.add() }
  handler add_over(middle: Node@any) writes Node.count { middle.add_to(middle) }
}
"#;
    assert_eq!(
        effects_of(&[("main.pattern", text)], "Node.add_over"),
        ["Add middle.count in the space of `middle` through 2 from Node.add_to", "fail Overflow through 2 from Node.add_to"]
    );
}

#[test]
fn arms_are_pieces_of_their_own() {
    let text = r#"
space home
record Account in home {
  cell token: Text = ""
  handler refresh() -> Text { return "t" }
  handler renew() {
    self.token = ""
    send self.refresh() then {
      ok(token) => { self.token = token }
      err(e) => { fail e.message }
    }
  }
}
"#;
    assert_eq!(
        effects_of(&[("main.pattern", text)], "Account.renew"),
        [
            "Set self.token in `home`, the space of `self`",
            "send self.refresh() in `home`, the space of `self`",
            "  ok: Set self.token in `home`, the space of `self`",
            "  err: fail Fail",
        ]
    );
}

#[test]
fn the_other_end_of_a_link_is_written_by_the_runtime() {
    let text = r#"
space home
record Book in home {
  cell borrower: Member? inverse books
  handler lend(to: Member) { self.borrower = to }
}
record Member in home {
  cell books: Set<Book> = Set[]
}
"#;
    assert_eq!(
        effects_of(&[("main.pattern", text)], "Book.lend"),
        [
            "Set self.borrower in `home`, the space of `self`",
            "Remove self.borrower.books in `home`, the space of `self` (other end)",
            "Insert to.books in `home`, the space of `self` (other end)",
        ]
    );
}

#[test]
fn circles_of_calls_end_whichever_body_is_asked_first() {
    let a = r#"
use "b.pattern" { B }
space home
record A in home {
  cell n: Int = 0
  handler go(b: B) writes A.n { self.n += 1 b.go(self) }
  handler start(b: B) writes A.n { self.go(b) }
  handler own() { self.own() }
}
"#;
    let b = r#"
use "a.pattern" { A, home }
record B in home {
  handler go(a: A) writes A.n { a.go(self) }
}
"#;
    let names = ["A.go", "B.go", "A.start", "A.own"];
    let mut seen = Vec::new();
    for first in names {
        let mut db = Database::default();
        db.set_project(&[("a.pattern", a), ("b.pattern", b)], None);
        effects(&db, owner(&db, first));
        let marks: Vec<bool> = names.iter().map(|name| effects(&db, owner(&db, name)).recursive).collect();
        assert_eq!(marks, [true, true, false, true], "asked for {first} first");
        seen.push(names.map(|name| table(&db, owner(&db, name), effects(&db, owner(&db, name)))));
    }
    assert!(seen.iter().all(|tables| *tables == seen[0]), "{seen:#?}");
}

#[test]
fn what_can_follow_what() {
    let text = r#"
space home
record A in home {
  cell a: Int = 0
  cell b: Int = 0
  cell c: Int = 0
  cell d: Int = 0
  handler go(yes: Bool) {
    if yes {
      self.a = 1
      return
    } else {
      self.b = 1
    }
    try { self.c = 1 } catch _e { self.d = 1 }
  }
}
"#;
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], None);
    let body = own(&db, owner(&db, "A.go")).expect("it has a body");
    let [a, b, c, d] = [0, 1, 2, 3].map(|index| body.own.writes[index].site);
    assert!(body.layout.can_follow(b, c) && body.layout.can_follow(b, d));
    assert!(!body.layout.can_follow(a, b), "only one of two branches runs");
    assert!(!body.layout.can_follow(a, c), "the branch returns");
    assert!(!body.layout.can_follow(c, d), "what was tried is undone when `catch` runs");
    assert!(!body.layout.can_follow(c, b), "the order of the text");
}

#[test]
fn rounds_of_a_loop_go_different_ways() {
    let text = r#"
space home
record A in home {
  cell a: Int = 0
  cell b: Int = 0
  cell c: Int = 0
  cell d: Int = 0
  handler go() {
    for i in range(3) {
      if i == 0 {
        self.a = 1
      } else {
        self.b = 1
      }
      if i == 1 {
        self.c = 1
        return
      } else {
        send self.go() then {
          ok() => {
            if self.d == 0 { self.a = 1 } else { self.b = 1 }
          }
        }
      }
    }
  }
}
"#;
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], None);
    let body = own(&db, owner(&db, "A.go")).expect("it has a body");
    let [a, b, c] = [0, 1, 2].map(|index| body.own.writes[index].site);
    assert!(!body.layout.excludes(a, b), "one round goes one way, the next the other");
    assert!(body.layout.in_earlier_round(b, a) && body.layout.in_earlier_round(a, c));
    assert!(!body.layout.in_earlier_round(c, a), "the branch returns: there is no other round");
    assert!(!body.layout.can_have_happened(c, b));
    let send = body.own.sends[0].site;
    assert!(!body.layout.excludes(send, c), "the send goes out in the round before the one that returns");
    let arm = body.own.sends[0].ok.as_ref().expect("it has an arm");
    let [one, other] = [0, 1].map(|index| arm.writes[index].site);
    assert!(body.layout.excludes(one, other), "the loop is not of the arm's transaction");
}

#[test]
fn chains_of_calls_and_sends_may_be_long() {
    let mut text =
        "space home\nrecord A in home {\n  cell n: Int = 0\n  handler h0() { self.n += 1 }\n  handler s0() { require self.n > 0 }\n"
            .to_owned();
    for i in 1..1500 {
        text.push_str(&format!("  handler h{i}() {{ self.h{}() }}\n  handler s{i}() {{ return send self.s{}() }}\n", i - 1, i - 1));
    }
    text.push_str("  handler last() { self.n += 1 send self.s1499() }\n}\n");
    let mut db = Database::default();
    db.set_project(&[("main.pattern", &text)], None);
    let top = effects(&db, owner(&db, "A.h1499"));
    assert_eq!(top.writes.len(), 1);
    assert_eq!(body_name(&db, top.writes[0].site.body), "A.h0");
    let file = Project::get(&db).files(&db)[0];
    let found = |db: &Database| {
        let mut findings = Vec::new();
        crate::rules::run_in_project(db, file, &mut findings);
        let mut rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
        rules.dedup();
        rules
    };
    // Of every chain that is too long it is said that it is not known.
    let expected = ["dropped-failure", "unserializable-chain"];
    assert_eq!(found(&db), expected);
    db.set_text(file, &text.replace("self.n > 0", "self.n > 1"));
    assert_eq!(found(&db), expected);
}
