//! The promise of the language as a property: what `check` accepts never raises an isolation failure from its own code, and leaves every
//! reference where its type says.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use patternc_interpreter::event::{Action, Outcome};
use patternc_interpreter::failure::FailureKind;
use patternc_interpreter::host::Random;
use patternc_interpreter::simulate::Mishaps;
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{CellIndex, HandlerId, Home, Program, RecordId, SpaceId, Type};
use patternc_tests::generate::{Tape, pattern};
use patternc_tests::world::{World, compile, failed_with, fits};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Spaces in which records are created: the plain ones and two of the family.
fn spaces(program: &Program) -> Vec<SpaceRef> {
    let mut spaces = Vec::new();
    for (index, space) in program.spaces.iter().enumerate() {
        let id = SpaceId(index as u32);
        match &space.key {
            None => spaces.push(SpaceRef { space: id, key: None }),
            Some(_) => {
                spaces.extend(["a", "b"].map(|key| SpaceRef { space: id, key: Some(Arc::new(Value::Text(key.into()))) }));
            }
        }
    }
    spaces
}

/// Two of every type, in spaces by chance.
fn populate(world: &mut World, tape: &mut Tape<'_>) -> Vec<RecordRef> {
    let spaces = spaces(&world.program);
    let mut refs = Vec::new();
    for (index, record) in world.program.clone().records.iter().enumerate() {
        let possible: Vec<SpaceRef> = spaces.iter().filter(|s| patternc_tests::world::may_be_in(record.home, s)).cloned().collect();
        let count = if matches!(record.home, Home::Plain(_)) { 2 } else { 4 };
        for number in 0..count {
            let space = possible[(number + tape.below(possible.len())) % possible.len()].clone();
            let action =
                Action::Create { record: RecordId(index as u32), space, id: None, cells: vec![(CellIndex(0), Value::Int(number as i64))] };
            if let Outcome::Committed(Value::Ref(created)) = world.event(action) {
                refs.push(created);
            }
        }
    }
    refs
}

/// A value of the type with references by chance, two in three of them near where they are wanted.
fn value(program: &Program, ty: &Type, here: &SpaceRef, refs: &[RecordRef], tape: &mut Tape<'_>) -> Option<Value> {
    Some(match ty {
        Type::Int => Value::Int(tape.below(3) as i64),
        Type::Text => Value::Text(["k", "l"][tape.below(2)].into()),
        Type::Record(record, _) => {
            let near = tape.below(6) > 0;
            let of_type: Vec<&RecordRef> = refs
                .iter()
                .filter(|r| r.record() == *record && (!near || fits(program, &Value::Ref((*r).clone()), ty, Some(here))))
                .collect();
            Value::Ref((*tape.pick(&of_type)?).clone())
        }
        Type::Optional(of) => match tape.one_in(6) {
            true => Value::None,
            false => value(program, of, here, refs, tape).unwrap_or(Value::None),
        },
        Type::List(of) => Value::List(Arc::new((0..tape.below(3)).filter_map(|_| value(program, of, here, refs, tape)).collect())),
        Type::Set(of) => Value::Set(Arc::new((0..tape.below(3)).filter_map(|_| value(program, of, here, refs, tape)).collect())),
        Type::Map(key, of) => {
            let entries =
                (0..tape.below(3)).filter_map(|_| Some((value(program, key, here, refs, tape)?, value(program, of, here, refs, tape)?)));
            Value::Map(Arc::new(entries.collect()))
        }
        Type::Struct(id, _) => {
            let fields: Option<Vec<Value>> =
                program.structs[id.index()].fields.iter().map(|f| value(program, &f.ty, here, refs, tape)).collect();
            Value::Struct(fields?.into())
        }
        Type::Enum(id, _) => {
            let variants = &program.enums[id.index()].variants;
            let variant = tape.below(variants.len());
            let fields: Option<Vec<Value>> = variants[variant].fields.iter().map(|f| value(program, &f.ty, here, refs, tape)).collect();
            Value::Variant(variant as u32, fields?.into())
        }
        other => panic!("no handler of a generated pattern takes {other:?}"),
    })
}

/// A call by chance, and whether its references are where the handler takes them from.
fn call(program: &Program, refs: &[RecordRef], tape: &mut Tape<'_>) -> Option<(Action, bool)> {
    let to = tape.pick(refs)?.clone();
    let public: Vec<HandlerId> = program.record(to.record()).handlers.iter().copied().filter(|h| !program.handler(*h).internal).collect();
    // Three in four calls are of what was generated whole; the others fill cells.
    let setter = |h: &HandlerId| program.handler(*h).name.starts_with("set");
    let (setters, others): (Vec<HandlerId>, Vec<HandlerId>) = public.into_iter().partition(setter);
    let handler = *if tape.below(4) > 0 && !others.is_empty() { tape.pick(&others)? } else { tape.pick(&setters)? };
    let params = &program.handler(handler).params;
    let args: Option<Vec<Value>> = params.iter().map(|p| value(program, &p.ty, to.space(), refs, tape)).collect();
    let args = args?;
    let fit = params.iter().zip(&args).all(|(p, arg)| fits(program, arg, &p.ty, Some(to.space())));
    Some((Action::Handler { to, handler, args }, fit))
}

/// Isolation failures of events that handlers sent, and of arms. `sent` has the events known to be sent by handlers.
fn isolation_inside(history: &[String], sent: &mut HashSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for line in history {
        let Some((event, rest)) = line.split_once(' ') else { continue };
        if rest.starts_with("was sent by ") {
            sent.insert(event.to_string());
        }
        let failed = rest.starts_with("failed: isolation") && sent.contains(event);
        if failed || rest.starts_with("was parked") && rest.contains("isolation") {
            found.push(line.clone());
        }
    }
    found
}

/// Runs events by chance. What goes against the promise.
fn violations(program: &Arc<Program>, numbers: &[u16]) -> Vec<String> {
    let mut tape = Tape::new(numbers);
    let mut world = World::new(program, numbers.first().copied().unwrap_or(0).into());
    let refs = populate(&mut world, &mut tape);
    let mut violations = Vec::new();
    let mut sent = HashSet::new();
    world.set_mishaps(Mishaps { crash: 4, duplicate: 10, lost_answer: 0 });
    while !tape.ended() {
        let calls: Vec<(Action, bool)> = (0..tape.between(1, 3)).filter_map(|_| call(program, &refs, &mut tape)).collect();
        let (actions, fit): (Vec<Action>, Vec<bool>) = calls.into_iter().unzip();
        let outcomes = world.together(actions.clone());
        for ((action, outcome), fit) in actions.iter().zip(&outcomes).zip(fit) {
            match (fit, failed_with(outcome, FailureKind::Isolation)) {
                (true, true) => violations.push(format!("{}: {outcome:?}", world.engine().describe(action))),
                (false, false) if !failed_with(outcome, FailureKind::Missing) => {
                    violations.push(format!("{} was let in with references from elsewhere: {outcome:?}", world.engine().describe(action)));
                }
                _ => {}
            }
        }
        violations.extend(isolation_inside(&world.take_history(), &mut sent));
        violations.extend(world.broken());
        if !violations.is_empty() {
            break;
        }
    }
    violations
}

/// A tape of choices; what they came to is said elsewhere.
#[derive(Clone)]
struct Choices(Vec<u16>);

impl std::fmt::Debug for Choices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} choices", self.0.len())
    }
}

fn choices(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Choices> {
    prop::collection::vec(any::<u16>(), lengths).prop_map(Choices)
}

#[test]
fn what_check_accepts_never_leaves_its_space() {
    let accepted = AtomicUsize::new(0);
    let tried = AtomicUsize::new(0);
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 600, ..Config::default() });
    let result = runner.run(&(choices(100..2500), choices(60..300)), |(declared, happening)| {
        let text = pattern(&mut Tape::new(&declared.0));
        let compiled = compile(&text);
        tried.fetch_add(1, Ordering::Relaxed);
        if compiled.errors().next().is_some() {
            return Ok(());
        }
        accepted.fetch_add(1, Ordering::Relaxed);
        let violations = violations(&compiled.program, &happening.0);
        prop_assert!(violations.is_empty(), "{}\n{text}", violations.join("\n"));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let (accepted, tried) = (accepted.into_inner(), tried.into_inner());
    assert!(accepted * 4 >= tried, "only {accepted} of {tried} generated patterns were accepted: the property says little");
}

/// The property above would notice a checker that lets too much through: patterns refused for where they write, or for where they keep
/// references, do leave their space when they are run.
#[test]
fn what_check_refuses_leaves_its_space() {
    for rule in ["cross-space-write", "space-escape"] {
        let mut random = Random::seeded(7);
        let mut left = 0;
        for _ in 0..300 {
            let mut draw = |count: usize| (0..count).map(|_| random.draw() as u16).collect::<Vec<u16>>();
            let (declared, happening) = (draw(1200), draw(150));
            let compiled = compile(&pattern(&mut Tape::new(&declared)));
            let rules: Vec<&str> = compiled.errors().map(|e| e.rule).collect();
            if !rules.is_empty() && rules.iter().all(|found| *found == rule) {
                left += usize::from(!violations(&compiled.program, &happening).is_empty());
            }
        }
        assert!(left >= 3, "of 300 patterns, {left} refused for `{rule}` went wrong");
    }
}
