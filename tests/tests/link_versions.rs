//! A new version of a program that makes links of two cells which stood for themselves: the ends that are missing are written, or it is refused.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use patternc_interpreter::event::Outcome;
use patternc_interpreter::simulate::sqlite_disk;
use patternc_interpreter::value::{RecordRef, Value};
use patternc_tests::world::{World, compile, limits};

/// The cells that may be links: of `A`, and of `B`.
fn program(of_a: &str, of_b: &str) -> String {
    format!(
        "space home
        record A in home {{
          {of_a}
          handler set(b: B?) {{ self.b = b }}
        }}
        record B in home {{
          {of_b}
          handler die() {{ delete self }}
        }}"
    )
}

fn open(folder: &Path, text: &str) -> Result<World, String> {
    let compiled = compile(text);
    assert_eq!(compiled.errors().count(), 0, "{:?}", compiled.findings);
    let disk = sqlite_disk(&compiled.program, &limits(), folder, 1);
    // Of another seed each time, so that no event has an id that was given before.
    static SEED: AtomicU64 = AtomicU64::new(1);
    World::on(&compiled.program, SEED.fetch_add(1, Ordering::Relaxed), Box::new(disk), vec![0]).map_err(|error| error.message)
}

/// A store in which `linked` many of `A` link to one `B`, and one links to none.
fn stored(folder: &Path, before: &str, linked: usize) -> (Vec<RecordRef>, RecordRef) {
    let mut world = open(folder, before).expect("a new store opens");
    let b = world.create("B", world.space("home"), &[]);
    let make = |world: &mut World| world.create("A", world.space("home"), &[("b", Value::Ref(b.clone()))]);
    let all = (0..linked).map(|_| make(&mut world)).collect();
    world.create("A", world.space("home"), &[]);
    (all, b)
}

fn references(value: &Value) -> Vec<RecordRef> {
    let reference = |value: &Value| if let Value::Ref(record) = value { Some(record.clone()) } else { None };
    match value {
        Value::Set(items) => items.iter().filter_map(reference).collect(),
        Value::List(items) => items.iter().filter_map(reference).collect(),
        one => reference(one).into_iter().collect(),
    }
}

#[test]
fn the_other_ends_are_written() {
    let stood_alone = [
        ("cell xs: Set<A> = Set[]", "cell xs: Set<A> = Set[]", 2),
        ("cell xs: List<A> = []", "cell xs: List<A> = []", 2),
        ("cell xs: A?", "cell xs: A?", 1),
        // An end that is new.
        ("", "cell xs: Set<A> = Set[]", 2),
        ("", "cell xs: List<A> = []", 2),
        ("", "cell xs: A?", 1),
    ];
    for (before, after, linked) in stood_alone {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let (all, b) = stored(folder.path(), &program("cell b: B?", before), linked);
        let after = program("cell b: B? inverse xs", after);
        // What is seen is what is stored as well.
        for again in 0..2 {
            let world = open(folder.path(), &after).expect("every end can be written");
            let mut back = references(&world.cell(&b, "xs"));
            back.sort();
            let mut wanted = all.clone();
            wanted.sort();
            assert_eq!(back, wanted, "{after}, opened {again} times before");
            assert_eq!(world.broken(), Vec::<String>::new());
        }
        let mut world = open(folder.path(), &after).expect("it has been");
        assert!(matches!(world.call(&all[0], "set", vec![Value::None]), Outcome::Committed(_)));
        assert!(matches!(world.call(&all[0], "set", vec![Value::Ref(b.clone())]), Outcome::Committed(_)));
        drop(world);
        let mut world = open(folder.path(), &after).expect("it has been");
        assert_eq!((references(&world.cell(&b, "xs")).len(), world.broken()), (linked, Vec::new()), "{after}");
        assert!(matches!(world.call(&b, "die", vec![]), Outcome::Committed(_)));
        assert_eq!(world.cell(&all[0], "b"), Value::None);
    }
}

#[test]
fn where_there_is_no_end_to_write_it_is_refused() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let before = program("cell b: B?", "cell xs: A?");
    let (all, b) = stored(folder.path(), &before, 2);
    let after = program("cell b: B? inverse xs", "cell xs: A?");
    let error = open(folder.path(), &after).err().expect("two cannot be one");
    assert!(error.contains("whose `xs`, its `inverse` now, belongs to A/") && error.contains("empty one of the two ends"), "{error}");
    // What it says helps.
    let mut world = open(folder.path(), &before).expect("nothing has changed");
    assert!(matches!(world.call(&all[0], "set", vec![Value::None]), Outcome::Committed(_)));
    drop(world);
    let world = open(folder.path(), &after).expect("one is one");
    assert_eq!(world.cell(&b, "xs"), Value::Ref(all[1].clone()));
}

#[test]
fn a_link_to_what_is_gone_is_refused() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let before = program("cell b: B?", "cell xs: Set<A> = Set[]");
    let (_, b) = stored(folder.path(), &before, 1);
    let mut world = open(folder.path(), &before).expect("nothing has changed");
    assert!(matches!(world.call(&b, "die", vec![]), Outcome::Committed(_)));
    drop(world);
    let error = open(folder.path(), &program("cell b: B? inverse xs", "cell xs: Set<A> = Set[]")).err().expect("there is no other end");
    assert!(error.contains("`b` of A/") && error.contains("which is not there, but has an `inverse` now"), "{error}");
}
