//! Lowered programs as text, a snapshot for each part of the language.

use std::sync::Arc;

use patternc_grammar::syntax::ItemKind;
use ustr::ustr;

use super::{Linker, lower, lower_snippet};
use crate::bodies::{Session, snippet};
use crate::db::{Database, SourceFile};

/// A snapshot of the program of one file.
macro_rules! lowered {
    ($text:expr) => {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(project(&[("main.pattern", $text)]));
        })
    };
}

fn project(files: &[(&str, &str)]) -> String {
    let mut db = Database::default();
    db.set_project(files, None);
    lower(&db).to_string()
}

#[test]
fn cells_their_defaults_and_what_is_derived_from_them() {
    lowered!(
        r#"
        space home
        space user[Text]
        enum Status { open, claimed(by: Text, until: Time) }
        struct Message { author: Person, text: Text }
        record Person in home {
          cell id: Text key
          cell slug: Text? unique
          cell status: Status = Status.open index
          cell friends: Set<Person> = Set[] inverse friends
          derived degree: Int = self.friends.len()
          derived open: Bool = self.status == Status.open
          create { require self.id != "" else "an id is needed" }
        }
        record Profile in user {
          cell owner: Person
          cell seen: List<Message@any> = []
        }
        record Note { cell next: Note?  cell anywhere: Note@any? }
        "#
    );
}

#[test]
fn operations_by_the_type_of_the_cell() {
    lowered!(
        r#"
        space home
        record All in home {
          cell int: Int = 0
          cell float: Float = 0.5
          cell text: Text = ""
          cell at: Time = now()
          cell took: Duration = 5m
          cell list: List<Int> = []
          cell set: Set<Int> = Set[]
          cell map: Map<Text, Int> = Map["a": 1]
          handler change(n: Int) {
            self.int += n
            self.int -= 1
            self.float += 1.5
            self.float -= 1.5
            self.text += "more"
            self.at += 1h
            self.took -= 1s
            self.list += n
            self.list -= n
            self.set += n
            self.set -= n
            self.map["b"] = -n
            self.map["b"] += 1
            delete self.map["a"]
            self.int = -1
          }
        }
        "#
    );
}

#[test]
fn statements_and_the_slots_they_share() {
    lowered!(
        r#"
        space home
        enum Status { open, claimed(by: Text) }
        record Task in home {
          cell id: Text key
          cell status: Status = Status.open
          cell next: Task?
          cell tags: Map<Text, Int> = Map[]
          handler walk(id: Text, again: Int) -> Text writes Task {
            let other = Task[id] else fail "no task {id}"
            require other != self
            if let next = other.next { next.status = Status.claimed(by: id) } else { let gone = 1  self.tags["gone"] = gone }
            for tag, count in self.tags { let twice = count * 2  self.tags[tag] = twice }
            for i in range(again) { let t = i  self.tags["n"] = t }
            match other.status {
              Status.claimed(by) => { return by }
              _ => { delete other }
            }
            try { fail "no" } catch e { return e.message }
            let lets = { let a = again + 1  a * a }
            let pick = if lets > 3 && again != 0 { "many" } else { "few" }
            let word = match other.status { Status.open => "open", Status.claimed(by) => by }
            return "{pick} {word} {lets}"
          }
        }
        "#
    );
}

#[test]
fn sends_and_what_their_arms_take_along() {
    lowered!(
        r#"
        space home
        space away
        extern payments { charge(agent: Text, amount: Int) -> Text idempotent }
        record Auth in away {
          cell token: Text = ""
          handler refresh(hint: Text) -> Text {
            return send payments.charge(hint, 1) then {
              ok(t) => { self.token = t  return t }
              err(e) => { self.token = ""  fail e.message }
            }
          }
          internal handler tick() { send self.tick() after 5m }
        }
        record Agent in home {
          cell auth: Auth
          cell status: Text = ""
          handler start(a: Text, b: Int, unused: Int) {
            let c = b + 1
            send self.auth.refresh(a) then {
              ok(token) => {
                let d = "{token}{c}"
                self.status = d
                send self.auth.refresh(d) then { ok(again) => { self.status = "{again}{a}{d}" } }
              }
              err(e) => { self.status = e.message }
            }
            send create Auth in away { token: a }
          }
        }
        "#
    );
}

#[test]
fn calls_functions_methods_and_lambdas() {
    lowered!(
        r#"
        space home
        fn label(p: Person) -> Text { "{p.name}!" }
        record Person in home {
          cell name: Text
          cell friends: List<Person> = []
          cell best: Person?
          handler greet(other: Person, n: Int) -> Int writes Person.name {
            let r = other.count(n)
            other.rename("x")
            return r
          }
          handler count(n: Int) -> Int { return self.friends.len() + n }
          handler rename(name: Text) { self.name = name }
          derived names: List<Text> = self.friends.filter(f => f.name != "").sort_by(f => f.name).map(f => label(f))
          derived total: Int = self.friends.fold(0, (sum, f) => sum + f.friends.len())
          derived first: Text = self.best?.name ?? "none"
          derived loud: Text? = self.best?.name?.upper()
          derived known: Bool = self.best != none && self in self.friends || !self.friends.contains(self)
        }
        "#
    );
}

#[test]
fn queries_say_what_they_read_and_which_index_answers_them() {
    lowered!(
        r#"
        space home
        record Owner in home { cell id: Text key }
        record Task in home {
          cell owner: Owner index
          cell state: Text = "" index
          cell size: Int = 0
          cell parent: Task?
          derived big: Bool = self.size > 10 && self.parent == none
          handler find(owner: Owner, n: Int) -> Int {
            let a = Task.where(t => t.owner == owner)
            let b = Task.where(t => t.size > n && "open" == t.state)
            let c = Task.where(t => t.big)
            let d = Task.where(t => describe(t) == "x")
            let e = Task.where(t => t.state == t.owner.id)
            let f = Task.where(t => t == self || t.size == n)
            let g = Task.all
            return a.len() + b.len() + c.len() + d.len() + e.len() + f.len() + g.len()
          }
        }
        fn describe(t: Task) -> Text { t.state }
        "#
    );
}

#[test]
fn a_saga_is_steps_over_one_frame() {
    lowered!(
        r#"
        space claims
        space bounties
        extern payments { charge(agent: Text, amount: Int) -> Text idempotent }
        record Bounty in bounties {
          cell by: Text = ""
          internal handler reserve(agent: Text) -> Int { self.by = agent  return 1 }
          internal handler unreserve(agent: Text) { self.by = "" }
          internal handler finish(n: Int) { self.by = "{n}" }
        }
        record Claim in claims {
          cell lease: Int = 0
          internal handler take() -> Int { self.lease += 1  return self.lease }
          internal handler release(lease: Int) { self.lease -= lease }
          saga claim(bounty: Bounty, agent: Text) {
            let who = agent.trim()
            require who != "" else "who?"
            step lease = self.take() undo self.release(lease)
            step mark = bounty.reserve(who) undo bounty.unreserve(who)
            pivot paid = payments.charge(who, 10)
            step bounty.finish(mark)
          }
          handler begin(bounty: Bounty) {
            send self.claim(bounty, "ann") then { ok(r) => { self.lease = r.lease } }
          }
        }
        "#
    );
}

#[test]
fn mirrors_and_invariants_belong_to_their_records() {
    lowered!(
        r#"
        space home
        struct Relation { resource: Text, subject: Text }
        extern authz {
          touch(r: Relation) idempotent
          forget(r: Relation) idempotent
          read(owner: Text) -> List<Relation> readonly
        }
        record Doc in home { cell uri: Text  cell parent: Text  cell owner: Text }
        mirror ownership of Doc to authz {
          facts(r) = [Relation { resource: r.uri, subject: r.parent }]
          add(f) = authz.touch(f)
          remove(f) = authz.forget(f)
          actual(owner) = authz.read(owner)
          scope(r) = r.owner
        }
        invariant named(d: Doc) { d.uri != "" }
        eventually invariant owned(d: Doc) { d.owner != "" }
        "#
    );
}

#[test]
fn every_call_of_a_test_is_an_event() {
    lowered!(
        r#"
        space home
        extern payments { charge(agent: Text, amount: Int) -> Text }
        record Person in home {
          cell name: Text
          cell friends: Set<Person> = Set[]
          handler link(target: Person) { require target != self else "self"  self.friends += target }
          handler pay() { send payments.charge(self.name, 1) }
        }
        test "all of it" {
          let ada = create Person in home { name: "Ada" }
          let pair = [create Person in home { name: "Bob" }, create Person in home { name: "Cy" }]
          ada.link(pair[0])
          ada.link(create Person in home { name: "Di" })
          for other in pair { other.link(ada) }
          expect pair[0] in ada.friends && ada.friends.len() == 2
          expect fail ada.link(ada) with "self"
          expect fail create Person in home { name: "" } kind invariant
          given payments.charge(who, n) => "{who} paid {n}"
          given payments.charge fails "down" 2 times
          concurrently { ada.pay() pair[1].pay() }
          concurrently 50 { ada.pay() }
          hold { ada.pay() crash }
          advance 30m
          as "did:plc:ann" { ada.pay() }
          if ada.friends.is_empty() { fail "nobody" }
          let bob = Person.where(p => p.name == "Bob").first() else fail "no Bob"
          expect bob.name == "Bob"
        }
        "#
    );
}

#[test]
fn what_check_refuses_is_lowered_to_run_or_to_fail_saying_so() {
    lowered!(
        r#"
        space home
        extern oauth { refresh(t: Text) -> Text }
        struct Pair { a: Int, b: Int }
        record Person in home {
          cell name: Text
          cell friends: List<Person> = []
          derived size: Int = self.friends.len()
          handler bad(x: Person) {
            self.size = 3
            let t = oauth.refresh(self.name)
            let n = 1 + x.count()
            let p = Pair { a: 1 }
            self.name = unheard
            self.nothing = 1
            self.name -= "x"
            let y = create Person in home { name: "x", size: 3 }
          }
          handler count() -> Int { return 1 }
        }
        "#
    );
}

#[test]
fn the_same_text_gives_the_same_program_in_any_order_and_after_any_edit() {
    let a =
        ("a.pattern", "use \"b.pattern\" { Thing }\nspace home\nrecord Holder in home { cell thing: Thing@any? }\nfn one() -> Int { 1 }");
    let b = ("b.pattern", "space away\nrecord Thing in away { cell n: Int = two() }\nfn two() -> Int { 2 }");
    let expected = project(&[a, b]);
    assert_eq!(project(&[b, a]), expected);

    let mut db = Database::default();
    db.set_project(&[a, ("b.pattern", "space elsewhere")], None);
    let other = lower(&db).to_string();
    assert_ne!(other, expected);
    db.set_project(&[b, a], None);
    assert_eq!(lower(&db).to_string(), expected);
}

#[test]
fn a_line_typed_uses_the_ids_of_the_program_and_what_earlier_lines_bound() {
    let mut db = Database::default();
    db.set_project(
        &[(
            "main.pattern",
            "space home
            record Person in home {
              cell name: Text
              cell friends: Set<Person> = Set[]
              handler link(target: Person) -> Int { self.friends += target  return self.friends.len() }
            }",
        )],
        None,
    );
    let line = |locals: &[(&str, crate::types::Ty)], text: &str| {
        let locals: Vec<_> = locals.iter().map(|(name, ty)| (ustr(name), ty.clone())).collect();
        // Statements as they stand in a test.
        let text = format!("test \"line\" {{ {text} }}");
        let parsed = patternc_grammar::parse(&text);
        let ItemKind::Test(test) = &parsed.file.items[0].kind else { panic!("a test is a test") };
        let file = SourceFile::new(&db, "line".into(), Arc::from(text.as_str()));
        let checked = snippet(&db, file, &test.body, Session::Prompt(&locals));
        assert_eq!(checked.diagnostics, Vec::new());
        let lowered = lower_snippet(&Linker::new(&db), &checked.body);
        (checked, lowered)
    };
    let (ada, lowered) = line(&[], "let ada = create Person in home { name: \"Ada\" }");
    let names: Vec<_> = lowered.bindings.iter().map(|(name, slot, _)| (name.as_str(), slot.0)).collect();
    assert_eq!((names, lowered.stmts.len(), lowered.value), (vec![("ada", 0)], 1, None));

    let ty = ada.bindings[0].2.clone();
    let (_, lowered) = line(&[("ada", ty.clone())], "ada.link(ada)");
    // The result of the event is the value of the line.
    assert_eq!((lowered.params, lowered.stmts.len()), (1, 1));
    assert!(matches!(lowered.value, Some((patternc_program::Expr::Slot(_), patternc_program::Type::Int))));

    let (_, lowered) = line(&[("ada", ty)], "Person.where(p => p in ada.friends).len()");
    assert_eq!((lowered.stmts.len(), lowered.bindings.len()), (0, 0));
    assert!(lowered.value.is_some());
}
