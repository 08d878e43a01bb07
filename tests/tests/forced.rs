//! For every rule that is an error: a program that `check` refuses for it, run all the same, goes wrong.
//!
//! So no error is a matter of taste. What "wrong" is differs: the run fails and leaves nothing, or it works and leaves what should not be.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::config::config;
use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::Level;
use patternc_compiler::lower;
use patternc_compiler::rules;
use patternc_interpreter::engine::CallAnswer;
use patternc_interpreter::event::Outcome;
use patternc_interpreter::failure::FailureKind;
use patternc_interpreter::value::{RecordRef, Value};
use patternc_program::Program;
use patternc_tests::world::{World, compile, compile_project, failed_with};

/// Every error rule with the test of what goes wrong.
const FORCED: &[(&str, fn())] = &[
    ("cross-space-write", cross_space_write),
    ("not-co-located", not_co_located),
    ("space-escape", space_escape),
    ("inverse-across-spaces", inverse_across_spaces),
    ("invariant-across-spaces", invariant_across_spaces),
    ("undeclared-write", undeclared_write),
    ("derived-write", derived_write),
    ("extern-in-transaction", extern_in_transaction),
    ("impure-expression", impure_expression),
    ("split-update", split_update),
    ("dual-write", dual_write),
    ("missing-undo", missing_undo),
    ("half-done-step", half_done_step),
    ("fallible-after-pivot", fallible_after_pivot),
    ("fallible-undo", fallible_undo),
    ("unsafe-retry", unsafe_retry),
    ("syntax", syntax),
    ("wrong-case", wrong_case),
    ("unknown-name", unknown_name),
    ("duplicate-name", duplicate_name),
    ("unresolved-import", unresolved_import),
    ("type-mismatch", type_mismatch),
    ("wrong-arguments", wrong_arguments),
    ("missing-cell", missing_cell),
    ("missing-arm", missing_arm),
    ("recursive-fn", recursive_fn),
    ("recursive-call", recursive_call),
    ("derived-cycle", derived_cycle),
    ("no-expectation", no_expectation),
    ("nesting-limit", nesting_limit),
    ("configuration", configuration),
];

#[test]
fn every_error_goes_wrong_when_it_is_ignored() {
    let mut quiet = Vec::new();
    for (rule, goes_wrong) in FORCED {
        if let Err(panic) = std::panic::catch_unwind(goes_wrong) {
            let why = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            quiet.push(format!("{rule}: {}", why.unwrap_or_default()));
        }
    }
    assert!(quiet.is_empty(), "{}", quiet.join("\n"));
}

#[test]
fn every_error_rule_has_its_counterpart() {
    // Some rules are an error in the worse of their cases only: the suite has those cases.
    let suite = patternc_tests::markdown::selected(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"));
    let found = suite.iter().flat_map(|(_, case)| case.findings().1).filter(|finding| finding.level == Level::Error);
    let errors = rules::ALL.iter().filter(|rule| rule.level == Level::Error).map(|rule| rule.name);
    let all: BTreeSet<&str> = errors.chain(found.map(|finding| finding.rule)).collect();
    let forced: BTreeSet<&str> = FORCED.iter().map(|(name, _)| *name).collect();
    assert_eq!(all, forced, "each error rule has one forced run that shows what it guards against");
}

/// The program, after seeing that `check` refuses it for this rule.
fn refused(rule: &str, text: &str) -> Arc<Program> {
    let compiled = compile(text);
    let found: Vec<&str> = compiled.errors().map(|e| e.rule).collect();
    assert!(found.contains(&rule), "`{rule}` is not reported but {found:?}");
    compiled.program
}

fn int(n: i64) -> Value {
    Value::Int(n)
}

fn link(to: &RecordRef) -> Value {
    Value::Ref(to.clone())
}

#[track_caller]
fn fails(outcome: &Outcome, kind: FailureKind) {
    assert!(failed_with(outcome, kind), "not a failure `{kind}` but {outcome:?}");
}

#[track_caller]
fn commits(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
}

/// A write into another space: the whole transaction fails, and its first write is gone too.
fn cross_space_write() {
    let program = refused(
        "cross-space-write",
        "space home
        space away
        record Far in away { cell n: Int = 0 }
        record Near in home {
          cell n: Int = 0
          cell far: Far
          handler both() writes Far.n { self.n += 1  self.far.n += 1 }
          handler caught() writes Far.n { self.n += 1  try { self.far.n += 1 } catch e { self.n += 10 } }
        }",
    );
    let mut world = World::new(&program, 1);
    let far = world.create("Far", world.space("away"), &[]);
    let near = world.create("Near", world.space("home"), &[("far", link(&far))]);
    fails(&world.call(&near, "both", vec![]), FailureKind::Isolation);
    fails(&world.call(&near, "caught", vec![]), FailureKind::Isolation);
    assert_eq!((world.cell(&near, "n"), world.cell(&far, "n")), (int(0), int(0)));
}

/// A co-write over two stores: it fails every time, and nothing of it is in either.
fn not_co_located() {
    let text = "space home
        space away
        record Far in away { cell n: Int = 0  handler add() { self.n += 1 } }
        record Near in home {
          cell n: Int = 0
          cell far: Far
          handler both() writes Far.n across away { self.n += 1  self.far.n += 1  send self.far.add() }
          handler caught() writes Far.n across away { self.n += 1  try { self.far.n += 1 } catch e { self.n += 10 } }
          handler created() across away { self.n += 1  create Far in away {} }
          handler called() writes Far across away { self.n += 1  self.far.add()  delete self.far }
          handler later() writes Far.n across away { send self.both() }
        }";
    let yaml = "deployments:
  apart:
    stores: { a: { kind: memory }, b: { kind: memory } }
    spaces: { home: a, away: b }
";
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], Some(("patternc.yaml", yaml)));
    let found = check(&db, &CheckOptions::default());
    assert_eq!(found.iter().filter(|e| e.rule == "not-co-located").count(), 5, "{found:#?}");
    let program = Arc::new(lower::lower(&db));
    let mut world = World::with_store_for_each_space(&program, 1);
    let far = world.create("Far", world.space("away"), &[]);
    let near = world.create("Near", world.space("home"), &[("far", link(&far))]);
    for handler in ["both", "caught", "created", "called"] {
        fails(&world.call(&near, handler, vec![]), FailureKind::Isolation);
    }
    // What was sent to it is parked: nothing is half done, nothing goes on for ever.
    commits(&world.call(&near, "later", vec![]));
    assert_eq!(world.engine().parked().len(), 1);
    assert_eq!((world.cell(&near, "n"), world.cell(&far, "n"), world.records().len()), (int(0), int(0), 2));
    // In one store the same program works.
    let mut world = World::new(&program, 1);
    let far = world.create("Far", world.space("away"), &[]);
    let near = world.create("Near", world.space("home"), &[("far", link(&far))]);
    for handler in ["both", "caught", "later"] {
        commits(&world.call(&near, handler, vec![]));
    }
    assert_eq!((world.cell(&near, "n"), world.cell(&far, "n")), (int(3), int(5)));
    commits(&world.call(&near, "called", vec![]));
    assert_eq!(world.records().len(), 1);
}

/// A reference that is kept where one of this space is promised: code that trusts the promise fails.
fn space_escape() {
    let program = refused(
        "space-escape",
        "space home
        space away
        record Person {
          cell n: Int = 0
          cell friend: Person?
          handler keep(other: Person@any) { self.friend = other }
          handler greet() writes Person.n { if let f = self.friend { f.n += 1 } }
        }",
    );
    let mut world = World::new(&program, 1);
    let ada = world.create("Person", world.space("home"), &[]);
    let bob = world.create("Person", world.space("away"), &[]);
    let kept = world.call(&ada, "keep", vec![link(&bob)]);
    let used = world.call(&ada, "greet", vec![]);
    assert!(failed_with(&kept, FailureKind::Isolation) || failed_with(&used, FailureKind::Isolation), "{kept:?} {used:?}");
    assert_eq!(world.cell(&bob, "n"), int(0));
}

/// A link with its other end elsewhere: it cannot be made.
fn inverse_across_spaces() {
    let program = refused(
        "inverse-across-spaces",
        "space homes
        space offices
        record Person in homes { cell team: Team? inverse members  handler join(team: Team) { self.team = team } }
        record Team in offices { cell members: Set<Person> = Set[] }",
    );
    let mut world = World::new(&program, 1);
    let team = world.create("Team", world.space("offices"), &[]);
    let ada = world.create("Person", world.space("homes"), &[]);
    fails(&world.call(&ada, "join", vec![link(&team)]), FailureKind::Isolation);
    assert_eq!(world.cell(&ada, "team"), Value::None);
}

/// An invariant over two spaces: once they are in two stores, the other space changes without asking it.
fn invariant_across_spaces() {
    let program = refused(
        "invariant-across-spaces",
        "space home
        space away
        record Limit in away { cell most: Int = 10  handler lower(to: Int) { self.most = to } }
        record Count in home { cell n: Int = 0  cell limit: Limit  handler add(by: Int) { self.n += by } }
        invariant within(c: Count) { c.n <= c.limit.most }",
    );
    let mut world = World::with_store_for_each_space(&program, 1);
    let limit = world.create("Limit", world.space("away"), &[]);
    let count = world.create("Count", world.space("home"), &[("limit", link(&limit))]);
    commits(&world.call(&count, "add", vec![int(8)]));
    commits(&world.call(&limit, "lower", vec![int(5)]));
    // Eight are counted where five may be.
    assert_eq!((world.cell(&count, "n"), world.cell(&limit, "most")), (int(8), int(5)));
}

/// A write that the signature does not tell of: who reads the signature believes that the other record stays as it is.
fn undeclared_write() {
    let program = refused(
        "undeclared-write",
        "space home
        record Person in home {
          cell n: Int = 0
          handler touch(other: Person) { other.n += 1 }
        }",
    );
    let mut world = World::new(&program, 1);
    let ada = world.create("Person", world.space("home"), &[]);
    let bob = world.create("Person", world.space("home"), &[]);
    commits(&world.call(&ada, "touch", vec![link(&bob)]));
    assert_eq!(world.cell(&bob, "n"), int(1));
}

/// A derived cell has no place to write to.
fn derived_write() {
    let program = refused(
        "derived-write",
        "space home
        record Box in home {
          cell n: Int = 0
          derived twice: Int = self.n * 2
          handler set() { self.n += 1  self.twice = 4 }
        }",
    );
    let mut world = World::new(&program, 1);
    let one = world.create("Box", world.space("home"), &[]);
    fails(&world.call(&one, "set", vec![]), FailureKind::Rejected);
    assert_eq!(world.cell(&one, "n"), int(0));
}

/// The outside cannot answer within a transaction.
fn extern_in_transaction() {
    let program = refused(
        "extern-in-transaction",
        "space home
        extern clock { read() -> Int readonly }
        record Page in home { cell seen: Int = 0  cell n: Int = 0  handler look() { self.n += 1  self.seen = clock.read() } }",
    );
    let mut world = World::new(&program, 1);
    world.outside(|_| CallAnswer::Value(Value::Int(7)));
    let page = world.create("Page", world.space("home"), &[]);
    fails(&world.call(&page, "look", vec![]), FailureKind::Rejected);
    assert_eq!((world.cell(&page, "seen"), world.cell(&page, "n")), (int(0), int(0)));
}

/// Reading changes what is read; and a call is over before it has an answer, or a failure, of what it sends.
fn impure_expression() {
    reading_changes_what_is_read();
    called_before_it_answers();
    created_with_another_answer();
}

fn reading_changes_what_is_read() {
    let program = refused(
        "impure-expression",
        "space home
        record Counter in home {
          cell count: Int = 0
          handler add() -> Int { self.count += 1  return self.count }
          derived next: Int = self.add()
          handler look() -> Int { return self.next + self.next }
        }",
    );
    let mut world = World::new(&program, 1);
    let counter = world.create("Counter", world.space("home"), &[]);
    match world.call(&counter, "look", vec![]) {
        // Each of two equal reads counts.
        Outcome::Committed(_) => assert_ne!(world.cell(&counter, "count"), int(0)),
        Outcome::Failed(_) => assert_eq!(world.cell(&counter, "count"), int(0)),
    }
}

fn called_before_it_answers() {
    let program = refused(
        "impure-expression",
        "space a
        space b
        record Desk in a {
          cell shelf: Shelf
          cell n: Int = 0
          internal handler ask() -> Int { return send self.shelf.take() }
          handler keep() { let v = self.ask()  self.n = v }
          handler forget() { self.n += 1  self.ask() }
        }
        record Shelf in b {
          cell n: Int = 0
          handler take() -> Int { require self.n > 0 else \"empty\"  self.n -= 1  return self.n }
        }",
    );
    let mut world = World::new(&program, 1);
    let shelf = world.create("Shelf", world.space("b"), &[("n", int(7))]);
    let desk = world.create("Desk", world.space("a"), &[("shelf", link(&shelf))]);
    let _ = world.call(&desk, "keep", vec![]);
    assert_ne!(world.cell(&desk, "n"), int(6), "what the shelf answers comes too late");
    let empty = world.create("Shelf", world.space("b"), &[]);
    let other = world.create("Desk", world.space("a"), &[("shelf", link(&empty))]);
    commits(&world.call(&other, "forget", vec![]));
    assert_eq!(world.cell(&other, "n"), int(1), "it commits although what it called has failed");
}

fn created_with_another_answer() {
    let program = refused(
        "impure-expression",
        "space a
        space b
        record Gate in b {
          cell made: A?
          handler pass(a: A) -> Int { self.made = a  require self.made == none else \"closed\"  return 1 }
        }
        record A in a {
          cell gate: Gate
          create { return send self.gate.pass(self) }
        }
        record Maker in a {
          cell made: Int = 0
          handler make(gate: Gate) -> Text { let _a = create A { gate: gate }  self.made += 1  return \"made\" }
        }",
    );
    let mut world = World::new(&program, 1);
    let gate = world.create("Gate", world.space("b"), &[]);
    let maker = world.create("Maker", world.space("a"), &[]);
    let outcome = world.call(&maker, "make", vec![link(&gate)]);
    assert!(matches!(outcome, Outcome::Failed(_)), "the answer of the send is taken for that of `make`: {outcome:?}");
    assert_eq!(world.cell(&maker, "made"), int(1), "what failed has made one");
}

/// One side of a link is undone, the other stays: the invariant stops the whole.
fn split_update() {
    let program = refused(
        "split-update",
        "space home
        record Person in home {
          cell closed: Bool = false
          cell members: Set<Person> = Set[]
          handler link(target: Person) writes Person.members {
            self.members += target
            try { target.accept(self) } catch e { }
          }
          handler accept(from: Person) { require !self.closed else \"closed\"  self.members += from }
        }
        invariant two_way(p: Person) { p.members.all(q => p in q.members) }",
    );
    let mut world = World::new(&program, 1);
    let ada = world.create("Person", world.space("home"), &[]);
    let bob = world.create("Person", world.space("home"), &[("closed", Value::Bool(true))]);
    fails(&world.call(&ada, "link", vec![link(&bob)]), FailureKind::Invariant);
    assert_eq!(
        (world.cell(&ada, "members"), world.cell(&bob, "members")),
        (Value::Set(Default::default()), Value::Set(Default::default()))
    );
}

/// The outside refuses, or nobody knows whether it did it: what was written here stays.
fn dual_write() {
    let program = refused(
        "dual-write",
        "space home
        extern payments { charge(n: Int) }
        record Order in home {
          cell paid: Bool = false
          handler pay() { self.paid = true  send payments.charge(10) }
        }",
    );
    let mut world = World::new(&program, 1);
    world.outside(|_| CallAnswer::Unavailable("the line is cut".into()));
    let order = world.create("Order", world.space("home"), &[]);
    commits(&world.call(&order, "pay", vec![]));
    assert_eq!(world.cell(&order, "paid"), Value::Bool(true));
    assert_eq!(world.engine().parked().len(), 1, "what the outside did is unknown for ever");
}

/// Two spaces and the outside, and a saga over them with these steps.
fn forced_saga(rule: &str, steps: &str) -> (World, RecordRef, RecordRef) {
    let program = refused(
        rule,
        &format!(
            "space claims
            space bounties
            extern payments {{ charge(n: Int) -> Int idempotent  take(n: Int) -> Int }}
            record Bounty in bounties {{
              cell by: Int = 0
              internal handler reserve(n: Int) {{ require self.by == 0 else \"taken\"  self.by = n }}
              internal handler unreserve(n: Int) {{ if self.by == n {{ self.by = 0 }} }}
            }}
            record Agent in claims {{
              cell held: Int = 0
              cell ends: Int = 0
              internal handler hold() {{ self.held += 1 }}
              internal handler release() {{ self.held -= 1 }}
              internal handler take(bounty: Bounty) {{ self.held += 1  return send bounty.reserve(1) }}
              internal handler release_two() {{ require self.held > 1 else \"only one\"  self.held -= 1 }}
              saga claim(bounty: Bounty) {{ {steps} }}
              handler begin(bounty: Bounty) {{
                send self.claim(bounty) then {{ ok(_r) => {{ self.ends += 1 }} err(_e) => {{ self.ends -= 1 }} }}
              }}
            }}"
        ),
    );
    let mut world = World::new(&program, 1);
    let bounty = world.create("Bounty", world.space("bounties"), &[("by", int(7))]);
    let agent = world.create("Agent", world.space("claims"), &[]);
    (world, agent, bounty)
}

/// A step without an undo: it stays when the next one is rejected, although the saga says that nothing was done.
fn missing_undo() {
    let (mut world, agent, bounty) = forced_saga("missing-undo", "step self.hold()  step bounty.reserve(1)");
    commits(&world.call(&agent, "begin", vec![link(&bounty)]));
    assert_eq!((world.cell(&agent, "ends"), world.cell(&agent, "held")), (int(-1), int(1)));
}

/// A step that is rejected after its first half: that stays, although the saga says that nothing was done.
fn half_done_step() {
    let (mut world, agent, bounty) = forced_saga("half-done-step", "step self.take(bounty)");
    commits(&world.call(&agent, "begin", vec![link(&bounty)]));
    assert_eq!((world.cell(&agent, "ends"), world.cell(&agent, "held")), (int(-1), int(1)));
}

/// A step past the pivot that is rejected: the saga neither goes on nor back.
fn fallible_after_pivot() {
    let (mut world, agent, bounty) = forced_saga("fallible-after-pivot", "pivot self.hold()  step bounty.reserve(1)");
    commits(&world.call(&agent, "begin", vec![link(&bounty)]));
    assert_eq!((world.cell(&agent, "ends"), world.cell(&agent, "held")), (int(0), int(1)));
    let status = world.engine().status();
    let trouble = status.flights.iter().find_map(|flight| flight.trouble.clone()).unwrap_or_default();
    assert!(trouble.contains("taken"), "{status:?}");
    past_pivot_without_what_it_needs("self.reads()", "is not there");
    past_pivot_without_what_it_needs("self.shrinks()", "for the mirror sizes: ");
    past_pivot_without_what_it_needs("create Kin in home { far: self.far }", "is not there");
    past_pivot_without_what_it_needs("create Kin in home { near: self }", "alone");
    past_pivot_without_what_it_needs("self.far.leave()", "is not there");
}

/// What a step relies on was deleted, by an event like it too, gives a mirror no facts, or breaks an invariant of another type: it is rejected again and again all the same.
fn past_pivot_without_what_it_needs(step: &str, why: &str) {
    let program = refused(
        "fallible-after-pivot",
        &format!(
            "space home
            struct Entry {{ n: Int }}
            extern index {{ put(e: Entry) idempotent  drop(e: Entry) idempotent  list(n: Int) -> List<Entry> readonly }}
            record Far in home {{ cell n: Int = 1  cell kin: Set<Kin> = Set[] inverse far  handler leave() {{ delete self }} }}
            record Kin in home {{ cell far: Far? inverse kin  cell near: Near? inverse kin }}
            invariant alone(n: Near) {{ n.kin.len() < 1 }}
            record Near in home {{
              cell n: Int = 0
              cell size: Int = 1
              cell far: Far
              cell kin: Set<Kin> = Set[] inverse near
              internal handler begin() {{ self.n += 1 }}
              internal handler reads() {{ self.n = self.far.n }}
              internal handler shrinks() {{ self.size = 0 }}
              saga go() {{ pivot self.begin()  step {step} }}
            }}
            mirror sizes of Near to index {{
              facts(n) = [Entry {{ n: 100 / n.size }}]
              add(e) = index.put(e)
              remove(e) = index.drop(e)
              actual(n) = index.list(n)
              scope(n) = 1
            }}"
        ),
    );
    let mut world = World::new(&program, 1);
    world.outside(|_| CallAnswer::Value(Value::None));
    let far = world.create("Far", world.space("home"), &[]);
    let near = world.create("Near", world.space("home"), &[("far", link(&far))]);
    commits(&world.call(&far, "leave", vec![]));
    let _ = world.together(vec![world.action(&near, "go", vec![])]);
    let status = world.engine().status();
    let trouble = status.flights.iter().find_map(|flight| flight.trouble.clone()).unwrap_or_default();
    assert!(trouble.contains("it was rejected") && trouble.contains(why), "{status:?}");
    assert_eq!((world.cell(&near, "n"), world.cell(&near, "size")), (int(1), int(1)));
}

/// An undo that is rejected: the step stays, and the saga is parked.
fn fallible_undo() {
    let (mut world, agent, bounty) = forced_saga("fallible-undo", "step self.hold() undo self.release_two()  step bounty.reserve(1)");
    commits(&world.call(&agent, "begin", vec![link(&bounty)]));
    assert_eq!((world.cell(&agent, "ends"), world.cell(&agent, "held")), (int(0), int(1)));
    assert_eq!(world.engine().parked().len(), 1);
}

/// A call that must not be repeated as a step: its answer is lost, and nobody knows whether to go on or back.
fn unsafe_retry() {
    let (mut world, agent, bounty) =
        forced_saga("unsafe-retry", "step paid = payments.take(1) undo payments.charge(paid)  step bounty.reserve(1)");
    world.outside(|_| CallAnswer::Unavailable("the line went dead".into()));
    commits(&world.call(&agent, "begin", vec![link(&bounty)]));
    assert_eq!(world.cell(&agent, "ends"), int(0));
    assert_eq!(world.engine().parked().len(), 1);
}

/// A handler of which part was not understood fails rather than leaving that part out.
fn broken_handler(rule: &str, text: &str) {
    let program = refused(rule, text);
    let mut world = World::new(&program, 1);
    let it = world.create("It", world.space("home"), &[]);
    let outcome = world.call(&it, "run", vec![]);
    assert!(matches!(outcome, Outcome::Failed(_)), "`{rule}`: {outcome:?}");
    assert_eq!(world.cell(&it, "n"), int(0), "`{rule}`");
}

fn syntax() {
    broken_handler("syntax", "space home record It in home { cell n: Int = 0 handler run() {\n self.n += 1\n let two 2\n } }");
}

fn wrong_case() {
    broken_handler(
        "wrong-case",
        "space home record It in home { cell n: Int = 0 handler run() {\n self.n += 1\n let Two = 2\n self.n += Two\n } }",
    );
}

fn unknown_name() {
    broken_handler("unknown-name", "space home record It in home { cell n: Int = 0 handler run() { self.n += 1  self.n += unheard } }");
}

/// An event that names a record of a name that two files use reaches one of them, whichever was meant.
fn duplicate_name() {
    let files = [
        ("a.pattern", "space home record Thing in home { cell n: Int = 0 }"),
        ("b.pattern", "space away record Thing in away { cell text: Text = \"\" }"),
    ];
    let compiled = compile_project(&files);
    assert!(compiled.errors().any(|e| e.rule == "duplicate-name"));
    let named = compiled.program.record_named("Thing").expect("there are two");
    assert_eq!(compiled.program.record(named).cells.len(), 1);
    assert_eq!(compiled.program.records.iter().filter(|r| r.name == "Thing").count(), 2, "the other can never be named");
}

fn unresolved_import() {
    broken_handler(
        "unresolved-import",
        "use \"nowhere.pattern\" { twice }
        space home
        record It in home { cell n: Int = 0 handler run() { self.n += 1  self.n += twice(1) } }",
    );
}

fn type_mismatch() {
    broken_handler("type-mismatch", "space home record It in home { cell n: Int = 0 handler run() { self.n += 1  self.n += \"two\" } }");
}

fn wrong_arguments() {
    broken_handler(
        "wrong-arguments",
        "space home
        fn add(a: Int, b: Int) -> Int { a + b }
        record It in home { cell n: Int = 0 handler run() { self.n += 1  self.n += add(1) } }",
    );
}

fn missing_cell() {
    broken_handler(
        "missing-cell",
        "space home
        record Note in home { cell text: Text }
        record It in home { cell n: Int = 0 handler run() { self.n += 1  let note = create Note { }  require note.text == \"\" } }",
    );
}

fn missing_arm() {
    broken_handler(
        "missing-arm",
        "space home
        enum Status { open, done }
        fn label(s: Status) -> Text { match s { Status.open => \"open\" } }
        record It in home { cell n: Int = 0 handler run() { self.n += 1  require label(Status.done) != \"\" } }",
    );
}

/// What never ends, ends at the budget.
fn endless(rule: &str, text: &str) {
    let program = refused(rule, text);
    let mut world = World::new(&program, 1);
    let it = world.create("It", world.space("home"), &[]);
    fails(&world.call(&it, "run", vec![]), FailureKind::Budget);
    assert_eq!(world.cell(&it, "n"), int(0));
}

fn recursive_fn() {
    endless(
        "recursive-fn",
        "space home
        fn forever(n: Int) -> Int { forever(n) + 1 }
        record It in home { cell n: Int = 0 handler run() { self.n += 1  self.n += forever(1) } }",
    );
}

fn recursive_call() {
    endless("recursive-call", "space home record It in home { cell n: Int = 0 handler run() { self.n += 1  self.run() } }");
}

fn derived_cycle() {
    endless(
        "derived-cycle",
        "space home
        record It in home { cell n: Int = 0 derived a: Int = self.b + 1 derived b: Int = self.a + 1 handler run() { self.n += 1  self.n += self.a } }",
    );
}

/// A test that expects nothing passes whatever the program does.
fn no_expectation() {
    let program = refused(
        "no-expectation",
        "space home
        record It in home { cell n: Int = 0 handler add() { self.n -= 1 } }
        test \"adds one\" { let it = create It in home { }  it.add() }",
    );
    let test = &program.tests[0];
    assert!(
        !test
            .body
            .iter()
            .any(|stmt| matches!(stmt, patternc_program::TestStmt::Expect { .. } | patternc_program::TestStmt::ExpectFail { .. }))
    );
    let mut world = World::new(&program, 1);
    let it = world.create("It", world.space("home"), &[]);
    commits(&world.call(&it, "add", vec![]));
    assert_eq!(world.cell(&it, "n"), int(-1), "it takes one away, and no test says so");
}

/// A file nested too deep is not read at all: nothing of it is there.
fn nesting_limit() {
    let deep = format!("{}1{}", "(".repeat(400), ")".repeat(400));
    let text = format!("space home record It in home {{ cell n: Int = 0 handler run() {{ self.n += {deep} }} }}");
    assert_eq!(refused("nesting-limit", &text).record_named("It"), None);
}

/// A space that the deployment forgets is kept nowhere.
fn configuration() {
    let mut db = Database::default();
    let yaml = "deployments:\n  local:\n    stores: { main: { kind: memory } }\n    spaces: { hom: main }\n";
    db.set_project(&[("main.pattern", "space home record It in home { cell n: Int = 0 }")], Some(("patternc.yaml", yaml)));
    assert!(check(&db, &CheckOptions::default()).iter().any(|e| e.rule == "configuration" && e.level == Level::Error));
    let (_, deployment) = config(&db).default_deployment().expect("there is one deployment");
    assert_eq!(deployment.store_of("home".into(), false), None);
}
