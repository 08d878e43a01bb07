//! A new version of a program with sends in flight: what follows on their answers is what was meant when they were sent, or is refused.

use patternc_interpreter::engine::CallAnswer;
use patternc_interpreter::simulate::sqlite_disk;
use patternc_interpreter::value::Value;
use patternc_tests::world::{World, compile, limits};

const BEFORE: &str = r#"
space home
extern bank { pay(n: Int) -> Int idempotent  check(n: Int) -> Int readonly }
record C in home {
  cell log: List<Text> = []
  handler go(a: Int, b: Int) {
    send bank.pay(a) then { ok(v) => { self.log += "paid {v} of {a}" } err(e) => { self.log += "{e.message} {b}" } }
  }
}
"#;

/// The outside does not answer until the second program runs. What the log says in the end, or why that program is refused.
fn changed(from: &str, to: &str) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let before = compile(from).program;
    let disk = sqlite_disk(&before, &limits(), folder.path(), 1);
    let mut world = World::on(&before, 1, Box::new(disk), vec![0]).expect("a new store opens");
    world.outside(|_| CallAnswer::NotSent("not yet".into()));
    let c = world.create("C", world.space("home"), &[]);
    let go = world.action(&c, "go", vec![Value::Int(10), Value::Int(3)]);
    world.begin(vec![go]);
    for _ in 0..100 {
        world.step();
    }
    drop(world);

    let after = compile(to).program;
    let disk = sqlite_disk(&after, &limits(), folder.path(), 1);
    let mut world = World::on(&after, 2, Box::new(disk), vec![0]).map_err(|error| error.message)?;
    world.outside(|call| match call.args.first() {
        Some(Value::Int(13)) => CallAnswer::Rejected("unlucky".into()),
        _ => CallAnswer::Value(Value::Int(7)),
    });
    world.end(Vec::new());
    assert_eq!(world.engine().status().flights, []);
    let Value::List(log) = world.cell(&c, "log") else { panic!("a list") };
    Ok(log.iter().map(|line| if let Value::Text(line) = line { line.to_string() } else { panic!("{line:?}") }).collect())
}

/// The program with something replaced.
fn with(from: &str, to: &str) -> String {
    assert!(BEFORE.contains(from), "{from}");
    BEFORE.replace(from, to)
}

fn said(lines: &[&str]) -> Result<Vec<String>, String> {
    Ok(lines.iter().map(|line| (*line).to_owned()).collect())
}

fn refused(from: &str, to: &str, why: &str) {
    let error = changed(from, to).expect_err(why);
    assert!(error.contains(why) && error.contains("Drain first"), "{error}\nnot: {why}");
}

/// Another send of the same before the one that is under way.
const SENT_BEFORE: &str = "send bank.pay(b) then { ok(v) => { self.log += \"first {v} {b}\" } err(_e) => { } }\n    send bank.pay(a)";

#[test]
fn what_stands_around_an_arm_may_change() {
    let same = said(&["paid 7 of 10"]);
    assert_eq!(changed(BEFORE, BEFORE), same);
    for to in [
        with(
            "send bank.pay(a)",
            "send bank.check(b) then { ok(v) => { self.log += \"checked {v}\" } err(_e) => { } }\n    send bank.pay(a)",
        ),
        with("send bank.pay(a)", SENT_BEFORE),
        with("send bank.pay(a)", "let half = a / 2\n    require half > b else \"too little\"\n    send bank.pay(half)"),
        with("ok(v) => { self.log +=", "ok(v) => {\n      // What was paid.\n      self.log +="),
        with("go(a: Int, b: Int)", "go(b: Int, a: Int)"),
    ] {
        assert_eq!(changed(BEFORE, &to), same, "{to}");
    }
}

#[test]
fn an_arm_that_was_alone_may_be_mended() {
    let mended = with("paid {v} of {a}", "{a}: paid {v}");
    assert_eq!(changed(BEFORE, &mended), said(&["10: paid 7"]));
    // What it no longer needs stays behind.
    assert_eq!(changed(BEFORE, &with("paid {v} of {a}", "paid {v}")), said(&["paid 7"]));
}

#[test]
fn two_sends_of_the_same_may_change_places() {
    let (one, other) = (
        "send bank.pay(a) then { ok(v) => { self.log += \"one {v} {a}\" } err(_e) => { } }",
        "send bank.pay(b) then { ok(v) => { self.log += \"other {v} {b}\" } err(_e) => { } }",
    );
    let handler = |first: &str, second: &str| {
        let sent = "send bank.pay(a) then { ok(v) => { self.log += \"paid {v} of {a}\" } err(e) => { self.log += \"{e.message} {b}\" } }";
        with(sent, &format!("{first}\n    {second}"))
    };
    for after in [handler(one, other), handler(other, one)] {
        let mut log = changed(&handler(one, other), &after).expect("both are there");
        log.sort();
        assert_eq!(log, ["one 7 10", "other 7 3"]);
    }
    // Which of them is left, or was changed, is told by its text alone.
    refused(&handler(one, other), &handler(one, ""), "cannot be told which it is");
    refused(&handler(one, other), &handler(one, &other.replace("other {v}", "another {v}")), "cannot be told which it is");
    refused(BEFORE, &handler(one, other), "cannot be told which it is");
}

#[test]
fn what_an_arm_takes_along_is_found_by_its_name() {
    refused(BEFORE, &with("of {a}", "of {b}"), "needs `b`, which was not taken along when it was sent");
    refused(BEFORE, &with("go(a: Int, b: Int)", "go(a: Text, b: Int)").replace("pay(n: Int)", "pay(n: Text)"), "a Text");
    refused(BEFORE, &with("send bank.pay(a)", "send bank.check(a)"), "no arm \"C.go/bank.pay/ok\" any more");
    refused(BEFORE, &BEFORE.replace("handler go(", "handler went("), "no arm \"C.go/bank.pay/ok\" any more");
    // It would answer what nobody asks, or not answer what someone does.
    let answering = with("send bank.pay(a)", "return send bank.pay(a)");
    refused(BEFORE, &answering, "no arm");
    refused(&answering, BEFORE, "no arm");
}

#[test]
fn an_arm_inside_an_arm_is_found_as_well() {
    let inside = |arm: &str| {
        format!(
            "space home
            extern bank {{ pay(n: Int) -> Int idempotent }}
            record C in home {{
              cell log: List<Text> = []
              handler here() -> Int {{ return 1 }}
              handler go(a: Int, b: Int) {{
                send self.here() then {{
                  ok(_n) => {{ {arm}send bank.pay(a) then {{ ok(v) => {{ self.log += \"{{v}} {{a}} {{b}}\" }} err(_e) => {{ }} }} }}
                  err(_e) => {{ }}
                }}
              }}
            }}"
        )
    };
    let more = "let c = b + 1\n send bank.pay(c) then { ok(_v) => { self.log += \"more {c}\" } err(_e) => { } }\n ";
    assert_eq!(changed(&inside(""), &inside(more)), said(&["7 10 3"]));
}

/// An answer that was given by another version of the program.
#[test]
fn an_answer_must_fit_where_it_is_taken() {
    let program = |result: &str, taken: &str| {
        format!(
            "space home
            space other
            extern bank {{ pay(n: Int) -> Int idempotent }}
            record R {{
              cell n: Int = 0
              cell near: R?
              cell far: R@any?
              handler me() -> R {{ return send bank.pay(1) then {{ ok(_n) => {{ return self }} err(e) => {{ fail e.message }} }} }}
              handler ask(x: R@any) -> {result} {{ return send x.me() }}
              handler go(x: R@any) {{ send self.ask(x) then {{ ok(r) => {{ self.{taken} = r }} err(e) => {{ self.n = -1 }} }} }}
            }}"
        )
    };
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let before = compile(&program("R@any", "far")).program;
    let disk = sqlite_disk(&before, &limits(), folder.path(), 1);
    let mut world = World::on(&before, 1, Box::new(disk), vec![0; 2]).expect("a new store opens");
    world.outside(|_| CallAnswer::NotSent("not yet".into()));
    let here = world.create("R", world.space("home"), &[]);
    let there = world.create("R", world.space("other"), &[]);
    let go = world.action(&here, "go", vec![Value::Ref(there)]);
    world.begin(vec![go]);
    for _ in 0..100 {
        world.step();
    }
    drop(world);

    let after = compile(&program("R", "near")).program;
    let disk = sqlite_disk(&after, &limits(), folder.path(), 1);
    let mut world = World::on(&after, 2, Box::new(disk), vec![0; 2]).expect("nothing that is stored says that it does not fit");
    world.outside(|_| CallAnswer::Value(Value::Int(7)));
    for _ in 0..1000 {
        world.step();
    }
    assert_eq!(world.cell(&here, "near"), Value::None);
    assert_eq!(world.broken(), Vec::<String>::new());
    let status = world.engine().status();
    let trouble: Vec<&str> = status.flights.iter().filter_map(|flight| flight.trouble.as_deref()).collect();
    assert!(matches!(trouble[..], [why] if why.contains("isolation") && why.contains("the answer is R")), "{trouble:?}");
}
