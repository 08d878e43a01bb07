//! The tree that later stages see: types and places of names, what forced runs are given, lines typed at the REPL.

use patternc_grammar::parse_statements;
use ustr::ustr;

use super::*;
use crate::db::{Database, Project};
use crate::hir::{BodyKind, Expr, ExprKind, SendEvent, Stmt, StmtKind};
use crate::resolve::item_name;
use crate::types::{ItemId, Place, Ty};
use crate::visit;

fn database(text: &str) -> (Database, SourceFile) {
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], None);
    let file = Project::get(&db).files(&db)[0];
    (db, file)
}

/// The type with the place of each reference: `Node@here`, `Node@x`, `Node@any`, `Node@home`.
fn placed(db: &Database, body: &Body, ty: &Ty) -> String {
    let at = |id: ItemId, place: Place| {
        let place = match place {
            Place::Here => "here".to_owned(),
            Place::Any => "any".to_owned(),
            Place::Plain(space) => item_name(db, space).to_string(),
            Place::Of(local) => body.locals[local.0 as usize].name.to_string(),
        };
        format!("{}@{place}", item_name(db, id))
    };
    match ty {
        Ty::Record(id, place) | Ty::Struct(id, place) | Ty::Enum(id, place) => at(*id, *place),
        Ty::List(inner) => format!("List<{}>", placed(db, body, inner)),
        Ty::Set(inner) => format!("Set<{}>", placed(db, body, inner)),
        Ty::Map(key, value) => format!("Map<{}, {}>", placed(db, body, key), placed(db, body, value)),
        Ty::Optional(inner) => format!("{}?", placed(db, body, inner)),
        Ty::SagaResult(_, steps) => {
            let steps: Vec<String> = steps.iter().map(|(name, ty)| format!("{name}: {}", placed(db, body, ty))).collect();
            format!("{{ {} }}", steps.join(", "))
        }
        ty => format!("{ty:?}"),
    }
}

/// The locals of each body: `name: type`.
fn locals(text: &str) -> Vec<String> {
    let (db, file) = database(text);
    let bodies = &bodies(&db, file).bodies;
    let lines = bodies.iter().filter(|body| !body.locals.is_empty()).map(|body| {
        let locals: Vec<String> = body.locals.iter().map(|local| format!("{}: {}", local.name, placed(&db, body, &local.ty))).collect();
        locals.join(", ")
    });
    lines.collect()
}

#[test]
fn names_remember_where_their_records_are() {
    let text = "
        record Node {
          cell next: Node?
          cell far: List<Node@any> = []
          handler go(x: Node@any, h: Node, all: Set<Node>) {
            let a = x
            let b = x.next
            let c = h.next
            let d = self.far[0]
            let e = d.next
            let f = [x, self]
            let g = self.far.map(o => o.next)
            if same_space(x) { let i = x  let j = b }
            let k = b
          }
        }";
    assert_eq!(
        locals(text),
        ["x: Node@any, h: Node@here, all: Set<Node@here>, a: Node@x, b: Node@x?, c: Node@here?, d: Node@any, e: Node@d?, \
          f: List<Node@any>, o: Node@any, g: List<Node@any?>, i: Node@here, j: Node@here?, k: Node@x?"]
    );
}

#[test]
fn in_a_plain_space_here_is_that_space() {
    let text = "
        space home
        record Person in home { cell note: Note?  handler go(n: Note, far: Note@any) { let a = far.next } }
        record Note { cell next: Note? }
        invariant fine(p: Person) { p.note?.next == none }
        test \"t\" { let p = create Person { }  let n = create Note in home { }  p.go(n, n)  expect p.note == n }";
    assert_eq!(locals(text), ["n: Note@home, far: Note@any, a: Note@far?", "p: Person@home", "p: Person@home, n: Note@home"]);
}

#[test]
fn functions_give_what_is_where_their_arguments_are() {
    let text = "
        record Node {
          cell next: Node?
          handler go(x: Node@any) {
            let a = pick(self, self)
            let b = pick(x, x)
            let c = pick(x, self)
            let d = pick(x, x.next ?? x)
          }
        }
        fn pick(a: Node, b: Node) -> Node { if a == b { a } else { b } }";
    assert_eq!(locals(text)[0], "x: Node@any, a: Node@here, b: Node@x, c: Node@any, d: Node@x");
}

#[test]
fn the_results_of_a_saga_are_seen_from_its_record() {
    let text = "
        record Node {
          cell next: Node?
          handler give() -> Node { return self }
          handler name() -> Text { return \"\" }
          saga all(x: Node@any) {
            step a = self.give()
            step b = x.give()
            step x.name()
            pivot c = self.name()
          }
          handler go(x: Node@any) { send x.all(self) then { ok(r) => { let d = r.a } } }
        }";
    let all = locals(text);
    assert_eq!(all[0], "x: Node@any, a: Node@here, b: Node@x, c: Text");
    assert_eq!(all[1], "x: Node@any, r: { a: Node@x, b: Node@any, c: Text }, d: Node@x");
}

#[test]
fn sagas_that_are_steps_of_one_another_give_nothing() {
    let text = "
        record Node {
          saga one() { step a = self.two() }
          saga two() { step b = self.one() }
          handler go() { send self.one() then { ok(r) => { let _c = r.a } } }
        }";
    let (db, file) = database(text);
    let found = &bodies(&db, file).diagnostics;
    assert!(found.iter().any(|finding| finding.rule == "unknown-name"), "{found:?}");
}

/// The expressions that only forced runs execute.
fn forbidden(body: &Body) -> Vec<&StmtKind> {
    let mut found = Vec::new();
    visit::body(body, &mut |expr: &Expr| {
        if let ExprKind::ForbiddenCall(call) = &expr.kind {
            found.push(&**call);
        }
    });
    found
}

#[test]
fn what_is_refused_is_there_for_forced_runs() {
    let text = "
        extern api { get(n: Int) -> Int idempotent }
        record Node {
          cell n: Int = 0
          handler give() -> Int { return self.n }
          handler go() { self.n = api.get(1) + self.give() }
          derived twice: Int = self.give() * 2
        }
        fn f(n: Node) -> Int { let x = n.give()  x }";
    let (db, file) = database(text);
    let bodies = bodies(&db, file);
    let of = |index: usize| forbidden(&bodies.bodies[index]);
    assert!(matches!(of(2)[..], [StmtKind::Send(send), StmtKind::Call(_)] if matches!(send.event, SendEvent::Extern { .. })));
    assert!(matches!(of(3)[..], [StmtKind::Call(_)]));
    assert_eq!(bodies.diagnostics.iter().map(|finding| finding.rule).collect::<Vec<_>>().len(), 4);
    // The `let` of the function stands, so that what uses it has a value.
    let BodyKind::Expr(Expr { kind: ExprKind::Block { lets, .. }, .. }) = &bodies.bodies[4].kind else { panic!("a block") };
    assert!(matches!(&lets[..], [Stmt { kind: StmtKind::Let { .. }, .. }]), "{lets:?}");
}

#[test]
fn clauses_of_mirrors_that_call_are_one_send() {
    let text = "
        extern outside { add(f: Text) idempotent  remove(f: Text) idempotent  read(s: Int) -> List<Text> readonly }
        record Doc { cell name: Text  cell owner: Int }
        mirror names of Doc to outside {
          facts(r) = [r.name]
          add(f) = outside.add(f)
          remove(f) = outside.remove(f)
          actual(s) = outside.read(s)
          scope(r) = r.owner
        }";
    let (db, file) = database(text);
    let found = bodies(&db, file);
    assert_eq!(found.diagnostics, []);
    let sends = found.bodies.iter().filter(|body| match &body.kind {
        BodyKind::Block(block) => matches!(&block.stmts[..], [Stmt { kind: StmtKind::Send(_), .. }]),
        _ => false,
    });
    assert_eq!(sends.count(), 3);
    let mirror = ItemId { file, index: 2 };
    assert_eq!(*mirror_scope(&db, mirror), Ty::Int);
}

#[test]
fn a_handler_call_with_else_is_a_call_and_then_a_choice() {
    let text = "
        record Node {
          cell next: Node?
          handler give() -> Node? { return self.next }
          handler go() { let n = self.give() else fail \"none\"  self.next = n }
        }";
    let (db, file) = database(text);
    let found = bodies(&db, file);
    assert_eq!(found.diagnostics, []);
    let BodyKind::Block(block) = &found.bodies[1].kind else { panic!("a handler") };
    assert!(matches!(&block.stmts[0].kind, StmtKind::LetCall { .. }));
    assert!(matches!(&block.stmts[1].kind, StmtKind::LetElse { value: Expr { kind: ExprKind::Local(_), .. }, .. }));
}

const PEOPLE: &str = "
    space home
    record Person in home {
      cell name: Text key
      cell friend: Person?
      handler meet(p: Person) -> Int { self.friend = p  return 1 }
    }
    record Note { cell text: Text  cell next: Note? }";

fn typed(db: &Database, session: Session<'_>, text: &str) -> Snippet {
    let line = SourceFile::new(db, "line".into(), Arc::from(text));
    let parsed = parse_statements(text);
    assert_eq!(parsed.errors, [], "{text}");
    snippet(db, line, &parsed.block, session)
}

#[test]
fn a_line_is_an_expression_or_statements() {
    let (db, _) = database(PEOPLE);
    let none = Session::Prompt(&[]);
    let value = typed(&db, none, "Person.where(p => p.friend == none).len() + 1");
    assert_eq!((value.diagnostics.len(), &value.value), (0, &Ty::Int));
    assert!(matches!(value.body.kind, BodyKind::Expr(_)));

    let line = typed(&db, none, "let ada = create Person { name: \"Ada\" }\nlet n = ada.meet(ada)");
    assert_eq!(line.diagnostics, []);
    let names: Vec<&str> = line.bindings.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(names, ["ada", "n"]);

    let locals: Vec<_> = line.bindings.iter().map(|(_, name, ty)| (*name, ty.clone())).collect();
    let next = typed(&db, Session::Prompt(&locals), "ada.meet(ada)");
    assert_eq!((next.diagnostics.len(), &next.value, next.body.params), (0, &Ty::Int, 2));
    assert!(matches!(next.body.kind, BodyKind::Block(_)));

    let wrong = typed(&db, none, "let p: Person = Person[\"Ada\"] else fail \"nobody\"\np.nme");
    assert_eq!(wrong.diagnostics.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["unknown-name"]);
}

#[test]
fn places_do_not_outlive_a_line() {
    let (db, _) = database(PEOPLE);
    let note = bodies_item(&db, "Note");
    let locals = [(ustr("n"), Ty::Record(note, Place::Any))];
    let line = typed(&db, Session::Prompt(&locals), "let m = n.next");
    assert_eq!(line.bindings[0].2, Ty::Optional(Ty::Record(note, Place::Any).into()));
}

#[test]
fn a_query_has_a_space_to_look_in() {
    let (db, _) = database(PEOPLE);
    let query = "Note.where(n => n.text != \"\").len()";
    let told = |session| typed(&db, session, query).diagnostics[0].help.clone().unwrap_or_default().to_string();
    assert!(told(Session::Prompt(&[])).contains("`let`"));
    assert_eq!(told(Session::Query(None)), "say which space: `\"in\":\"…\"`, such as `home` or `user[ann]`");
    let here = Session::Query(Some(crate::signature::Home::Floating));
    assert_eq!(typed(&db, here, query).diagnostics, []);
}

fn bodies_item(db: &Database, name: &str) -> ItemId {
    crate::resolve::project_scope(db).lookup(ustr(name)).expect("it is declared")
}
