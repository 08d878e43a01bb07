//! A new version of a program with sagas in flight: it goes on with what still fits, and is refused what does not.

use patternc_interpreter::engine::CallAnswer;
use patternc_interpreter::simulate::sqlite_disk;
use patternc_interpreter::value::Value;
use patternc_tests::world::{World, compile, limits};

const BEFORE: &str = r#"
space home
extern pay { charge(n: Int) -> Int idempotent }
record Root in home {
  cell log: List<Text> = []
  internal handler take(n: Int) -> Int { self.log += "took {n}"  return n * 10 }
  internal handler give(n: Int) { self.log += "gave {n}" }
  internal handler note(n: Int) { self.log += "noted {n}" }
  internal handler drop(n: Int) { self.log += "dropped {n}" }
  saga go(n: Int) {
    let twice = n * 2
    step held = self.take(n)  undo self.give(held)
    step paid = pay.charge(twice)  undo self.drop(twice)
    step self.note(paid)
  }
  handler begin(n: Int) { send self.go(n) then { ok(_r) => { self.log += "ok" } err(e) => { self.log += e.message } } }
}
"#;

/// Runs a saga under the first program until the outside is asked, then goes on under the second, where the outside answers this. What the log
/// says in the end, or why the second program is refused.
fn changed(from: &str, to: &str, answer: &CallAnswer) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let before = compile(from).program;
    let disk = sqlite_disk(&before, &limits(), folder.path(), 1);
    let mut world = World::on(&before, 1, Box::new(disk), vec![0]).expect("a new store opens");
    world.outside(|_| CallAnswer::NotSent("not yet".into()));
    let root = world.create("Root", world.space("home"), &[]);
    let begin = world.action(&root, "begin", vec![Value::Int(1)]);
    world.begin(vec![begin]);
    for _ in 0..100 {
        world.step();
    }
    drop(world);

    let after = compile(to).program;
    let disk = sqlite_disk(&after, &limits(), folder.path(), 1);
    let mut world = World::on(&after, 2, Box::new(disk), vec![0]).map_err(|error| error.message)?;
    let answer = answer.clone();
    world.outside(move |_| answer.clone());
    world.end(Vec::new());
    assert_eq!(world.engine().status().flights, []);
    let Value::List(log) = world.cell(&root, "log") else { panic!("a list") };
    Ok(log.iter().map(|line| if let Value::Text(line) = line { line.to_string() } else { panic!("{line:?}") }).collect())
}

fn paid() -> CallAnswer {
    CallAnswer::Value(Value::Int(7))
}

fn refused() -> CallAnswer {
    CallAnswer::Rejected("no money".into())
}

/// The saga with something replaced.
fn with(from: &str, to: &str) -> String {
    assert!(BEFORE.contains(from), "{from}");
    BEFORE.replace(from, to)
}

#[test]
fn the_same_program_goes_on() {
    assert_eq!(changed(BEFORE, BEFORE, &paid()), Ok(vec!["took 1".into(), "noted 7".into(), "ok".into()]));
    assert_eq!(changed(BEFORE, BEFORE, &refused()), Ok(vec!["took 1".into(), "gave 10".into(), "no money".into()]));
}

#[test]
fn what_is_still_to_come_may_have_changed() {
    // Steps that have not begun, and what undoes those that have, are those of the new program.
    let more = with("step self.note(paid)", "step more = self.take(twice) undo self.give(more)\n    step self.note(paid + held)");
    assert_eq!(changed(BEFORE, &more, &paid()), Ok(vec!["took 1".into(), "took 2".into(), "noted 17".into(), "ok".into()]));
    let undone = with("undo self.give(held)", "undo self.drop(held + twice)");
    assert_eq!(changed(BEFORE, &undone, &refused()), Ok(vec!["took 1".into(), "dropped 12".into(), "no money".into()]));
    // What the prelude does now was not done then, and nobody needs it.
    let prelude = with("let twice = n * 2", "let twice = n * 2\n    require n > 100 else \"too small\"");
    assert_eq!(changed(BEFORE, &prelude, &paid()), Ok(vec!["took 1".into(), "noted 7".into(), "ok".into()]));
    // What is bound anew, wherever it stands, is missed by nobody.
    for more in ["let quarter = n / 4\n    let twice = n * 2", "let twice = n * 2\n    let maybe = if n > 4 { n } else { none }"] {
        let more = with("let twice = n * 2", more);
        assert_eq!(changed(BEFORE, &more, &paid()), Ok(vec!["took 1".into(), "noted 7".into(), "ok".into()]));
        assert_eq!(changed(BEFORE, &more, &refused()), Ok(vec!["took 1".into(), "gave 10".into(), "no money".into()]));
    }
    // The steps behind it may go: then it is over.
    let shorter = with("    step self.note(paid)\n", "");
    assert_eq!(changed(BEFORE, &shorter, &paid()), Ok(vec!["took 1".into(), "ok".into()]));
}

/// What is bound before the steps, or by them, is kept; what is computed in the `undo` is computed by the version that undoes.
#[test]
fn what_an_undo_takes_back_is_kept_where_it_is_bound() {
    let priced = |steps: &str| {
        let from = "let twice = n * 2\n    step held = self.take(n)  undo self.give(held)";
        format!("fn price() -> Int {{ 1 }}\n{}", with(from, &format!("let twice = n * 2\n    {steps}")))
    };
    for (steps, gave) in [
        ("step self.take(price())  undo self.give(price())", "gave 2"),
        ("let price = price()\n    step self.take(price)  undo self.give(price)", "gave 1"),
        ("step held = self.take(price())  undo self.give(held)", "gave 10"),
    ] {
        let before = priced(steps);
        let after = before.replace("Int { 1 }", "Int { 2 }");
        assert_eq!(changed(&before, &after, &refused()), Ok(vec!["took 1".into(), gave.into(), "no money".into()]), "{steps}");
    }
}

#[test]
fn what_was_begun_must_be_what_it_was() {
    for (changed_to, why) in [
        (BEFORE.replace("saga go(", "saga went(").replace("self.go(", "self.went("), "no saga Root.go any more"),
        (
            with("step held = self.take(n)  undo self.give(held)", "step took = self.take(n)  undo self.give(took)"),
            "was at `held: Root.take` as its step 1, which is now `took: Root.take`",
        ),
        (
            with("step paid = pay.charge(twice)  undo self.drop(twice)", "step paid = self.take(twice)  undo self.give(paid)"),
            "which is now `paid: Root.take`",
        ),
        (
            with("    let twice = n * 2\n", "    let twice = n * 2\n    let three = n * 3\n")
                .replace("self.note(paid)", "self.note(three)"),
            "needs `three`, which there was not when it began",
        ),
        (
            with("-> Int { self.log += \"took {n}\"  return n * 10 }", "-> Text { self.log += \"took {n}\"  return \"ten\" }")
                .replace("give(n: Int)", "give(n: Text)"),
            "held",
        ),
    ] {
        let error = changed(BEFORE, &changed_to, &paid()).expect_err(why);
        assert!(error.contains(why) && error.contains("Drain first"), "{error}\nnot: {why}");
    }
}

#[test]
fn what_is_being_undone_goes_on_by_the_same_undo() {
    // The outside is asked by what undoes the step.
    let undoing = with("undo self.give(held)", "undo pay.charge(held)")
        .replace("step self.note(paid)", "step self.must(paid)")
        .replace("step paid = pay.charge(twice)  undo self.drop(twice)", "step paid = self.take(twice)  undo self.drop(twice)")
        .replace("internal handler drop", "internal handler must(n: Int) { require n < 0 else \"never\" }\n  internal handler drop");
    let wanted = ["took 1", "took 2", "dropped 2", "never"].map(String::from).to_vec();
    assert_eq!(changed(&undoing, &undoing, &paid()), Ok(wanted.clone()));
    // What it undid already need not be there any more; nor what it never came to.
    let later = undoing.replace("undo self.drop(twice)", "undo self.drop(n)").replace("require n < 0", "require n < -5");
    assert_eq!(changed(&undoing, &later, &paid()), Ok(wanted));
    let other = undoing.replace("undo pay.charge(held)", "undo self.give(held)");
    let error = changed(&undoing, &other, &paid()).expect_err("another undo");
    assert!(error.contains("was undoing `held` by `pay.charge`, which is now undone by `Root.give`"), "{error}");
}
