//! The systems the project started from, where they broke: half a link, and a chat that dies after a conflict.

use std::sync::Arc;

use patternc_interpreter::event::Outcome;
use patternc_interpreter::failure::FailureKind;
use patternc_interpreter::limits::Limits;
use patternc_interpreter::simulate::{self, Options, ReopenedDisk};
use patternc_interpreter::store::Store;
use patternc_interpreter::store::sqlite::{Opening, Sqlite};
use patternc_interpreter::value::{SpaceRef, Value};
use patternc_program::Program;
use patternc_tests::world::{World, compile};

/// Two people, each in a space of their own, and a handler that writes both: `check` refuses it, here it is forced to run.
fn forced_link(body: &str) -> (Outcome, Value, Value) {
    let text = format!(
        "space user[Text]
        record Person in user {{
          cell members: Set<Person@any> = Set[]
          cell note: Text = \"\"
          handler link(target: Person@any) writes Person.members {{
            {body}
          }}
        }}"
    );
    let compiled = compile(&text);
    assert!(compiled.errors().any(|f| f.rule == "cross-space-write"), "{:?}", compiled.findings);
    let mut world = World::new(&compiled.program, 1);
    let user = world.space("user").space;
    let [ada, bob] = ["ada", "bob"].map(|name| {
        let space = SpaceRef { space: user, key: Some(Arc::new(Value::Text(name.into()))) };
        world.create("Person", space, &[])
    });
    let outcome = world.call(&ada, "link", vec![Value::Ref(bob.clone())]);
    (outcome, world.cell(&ada, "members"), world.cell(&bob, "members"))
}

#[test]
fn the_bad_link_leaves_nothing_when_its_second_write_fails_or_is_caught_or_it_throws() {
    let empty = || Value::Set(Default::default());
    for (body, kind) in [
        ("self.members += target  target.members += self", FailureKind::Isolation),
        (
            "self.members += target  try { target.members += self } catch e { self.note = \"Reverse link failed: {e.message}\" }",
            FailureKind::Isolation,
        ),
        ("self.members += target  if true { fail \"thrown\" }  target.members += self", FailureKind::Rejected),
    ] {
        let (outcome, ada, bob) = forced_link(body);
        match outcome {
            Outcome::Failed(failure) => assert_eq!(failure.kind, kind, "{body}: {failure}"),
            Outcome::Committed(value) => panic!("{body}: committed with {value:?}"),
        }
        assert_eq!((ada, bob), (empty(), empty()), "{body}");
    }
}

#[test]
fn an_event_that_names_records_of_two_spaces_writes_nothing() {
    let compiled = compile(
        "space user[Text]
        record Person in user {
          cell members: Set<Person> = Set[]
          handler link(target: Person) writes Person.members {
            self.members += target
            target.members += self
          }
        }",
    );
    assert_eq!(compiled.findings, [], "what is written here is fine: it can only be called wrongly");
    let mut world = World::new(&compiled.program, 1);
    let user = world.space("user").space;
    let [ada, bob] = ["ada", "bob"].map(|name| {
        let space = SpaceRef { space: user, key: Some(Arc::new(Value::Text(name.into()))) };
        world.create("Person", space, &[])
    });
    match world.call(&ada, "link", vec![Value::Ref(bob.clone())]) {
        Outcome::Failed(failure) => assert_eq!(failure.kind, FailureKind::Isolation, "{failure}"),
        Outcome::Committed(value) => panic!("committed with {value:?}"),
    }
    for person in [&ada, &bob] {
        assert_eq!(world.cell(person, "members"), Value::Set(Default::default()));
    }
}

/// Two sessions alternate, each sending bursts of 20, at the same time as the other and as renames, with the process dying in between.
const SOAK: &str = r#"
test "soak" {
  let room = create Room in lobby { topic: "tea" }
  let ada = create User in lobby { name: "Ada" }
  let bob = create User in lobby { name: "Bob" }
  let left = create Session in lobby { user: ada, room: room }
  let right = create Session in lobby { user: bob, room: room }
  for round in range(25) {
    left.burst("left {2 * round}", 20)
    right.burst("right {2 * round}", 20)
    concurrently {
      left.burst("left {2 * round + 1}", 20)
      right.burst("right {2 * round + 1}", 20)
      ada.rename("Ada {round}")
      bob.rename("Bob {round}")
    }
    if round % 5 == 4 { crash }
  }
  expect room.messages.len() == 2000
  let mine = room.messages.filter(m => m.author == ada).map(m => m.text)
  let theirs = room.messages.filter(m => m.author == bob).map(m => m.text)
  expect mine == range(50).fold([], (all, round) => all + range(20).map(i => "left {round} {i}"))
  expect theirs == range(50).fold([], (all, round) => all + range(20).map(i => "right {round} {i}"))
  let bursts = range(100).map(i => room.messages.skip(20 * i).take(20).map(m => m.author).distinct().len())
  expect bursts.all(authors => authors == 1)
  expect room.messages.all(m => m.author.name == "Ada 24" || m.author.name == "Bob 24")
  left.say("still here")
  right.say("so am I")
  expect room.messages.len() == 2002
}
"#;

fn chat() -> Arc<Program> {
    let compiled = compile(&format!("{}{SOAK}", include_str!("../../patterns/chat/chat.pattern")));
    assert_eq!(compiled.errors().count(), 0, "{:?}", compiled.findings);
    compiled.program
}

fn soak(program: &Arc<Program>, options: Options) {
    let test = program.tests.iter().find(|t| &*t.name == "soak").expect("it was appended");
    let report = simulate::run_test(program, test, options);
    assert!(report.passed(), "seed {}: {:?}", report.seed, report.failure);
    assert_eq!(report.crashes, 5);
}

#[test]
fn chat_survives_conflicts_crashes_and_renames_in_memory() {
    let program = chat();
    for seed in 0..30 {
        soak(&program, Options::seeded(seed));
    }
}

#[test]
fn chat_survives_conflicts_crashes_and_renames_on_sqlite() {
    let program = chat();
    for seed in 0..12 {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().join("chat.db");
        let opened = program.clone();
        let disk = ReopenedDisk::new(vec![Box::new(move || {
            let store = Sqlite::open(&path, Opening::new(opened.clone(), Limits::default()))?;
            Ok(Box::new(store) as Box<dyn Store>)
        })]);
        soak(&program, Options { disk: Some(Box::new(disk)), ..Options::seeded(seed) });
    }
}
