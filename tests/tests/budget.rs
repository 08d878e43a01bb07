//! Every transaction ends within its budget of steps, whatever the values are that it makes: values that share parts are small in memory, and
//! without bounds for whoever goes through them.

use patternc_interpreter::event::Outcome;
use patternc_interpreter::failure::FailureKind;
use patternc_interpreter::value::Value;
use patternc_tests::world::{World, compile, failed_with};

const PATTERN: &str = r#"
space home
struct T { kids: List<T>, more: T? }
struct P { a: List<Int>, b: List<Int> }
record Other in home { cell l: List<List<List<Int>>> = []  handler take(_l: List<List<List<Int>>>) { } }
record R in home {
  cell t: T?
  cell p: P?
  cell deep: List<List<List<Int>>> = []
  cell entries: Map<Text, List<List<List<Int>>>> = Map[]
  cell other: Other?
  cell n: Int = 0

  handler nested(k: Int) { self.t = range(k).fold(T { kids: [], more: none }, (a, _x) => T { kids: [a, a], more: none }) }
  handler chained(k: Int) { self.t = range(k).fold(T { kids: [], more: none }, (a, _x) => T { kids: [a], more: a }) }

  handler equal(k: Int) -> Int { let l = range(k)  let m = range(k)  return range(k).filter(_i => l == m).len() }
  handler unequal(k: Int) -> Int { let l = P { a: range(k), b: [] }  let m = P { a: range(k), b: [] }  return range(k).filter(_i => l != m).len() }
  handler less(k: Int) -> Int { let l = range(k).map(i => "{i}").join(",")  return range(k).filter(_i => l < l + "x").len() }
  handler concat(k: Int) -> Int { let l = range(k)  return range(k).filter(_i => (l + [1]).len() > 0).len() }
  handler among(k: Int) -> Int { let l = range(k)  let s = [l, l]  return range(k).filter(_i => l in s).len() }
  handler in_set(k: Int) -> Int { let l = range(k)  let s = Set[l]  return range(k).filter(_i => l in s).len() }
  handler key(k: Int) -> Int { let l = range(k)  let m = Map[l: 1]  return range(k).map(_i => m[l] ?? 0).sum() }
  handler best(k: Int) -> Int { let l = range(k)  return (range(k).map(_i => "{l}").max() ?? "").len() }
  handler sorted(k: Int) -> Int { let l = range(k).map(i => "{i}").join(",")  return range(k).sort_by(_i => l).len() }
  handler distinct(k: Int) -> Int { let l = range(k)  return range(k).map(_i => l).distinct().len() }
  handler said(k: Int) -> Int { let l = range(k).map(_i => range(k))  return "{l}".len() }

  handler stored(k: Int) { let l = range(k)  let m = range(k).map(_i => l)  self.deep = range(k).map(_i => m) }
  handler appended(k: Int) { let l = range(k)  let m = range(k).map(_i => l)  for _x in range(k) { self.deep += m } }
  handler entered(k: Int) { let l = range(k)  let m = range(k).map(_i => l)  self.entries["a"] = range(k).map(_i => m) }
  handler created(k: Int) { let l = range(k)  let m = range(k).map(_i => l)  create Other { l: range(k).map(_i => m) } }
  handler answered(k: Int) -> List<List<List<Int>>> { let l = range(k)  let m = range(k).map(_i => l)  return range(k).map(_i => m) }
  handler sent(k: Int) {
    let l = range(k)
    let m = range(k).map(_i => l)
    if let o = self.other { send o.take(range(k).map(_i => m)) }
  }
  handler taken_along(k: Int) {
    let l = range(k)
    let m = range(k).map(_i => l)
    let n = range(k).map(_i => m)
    if let o = self.other { send o.take([]) then { ok() => { self.n = n.len() } err(_e) => { } } }
  }
}
"#;

#[test]
fn whoever_goes_through_a_value_pays_for_it() {
    let compiled = compile(PATTERN);
    assert_eq!(compiled.errors().count(), 0, "{:?}", compiled.errors().collect::<Vec<_>>());
    let mut world = World::new(&compiled.program, 1);
    let other = world.create("Other", world.space("home"), &[]);
    let r = world.create("R", world.space("home"), &[("other", Value::Ref(other))]);
    for (handler, few, many) in [
        ("nested", 5, 40),
        ("chained", 5, 40),
        ("equal", 20, 20_000),
        ("unequal", 20, 20_000),
        ("less", 20, 10_000),
        ("concat", 20, 20_000),
        ("among", 20, 20_000),
        ("in_set", 20, 20_000),
        ("key", 20, 20_000),
        ("best", 20, 5_000),
        ("sorted", 20, 10_000),
        ("distinct", 20, 20_000),
        ("said", 20, 20_000),
        ("stored", 5, 5_000),
        ("appended", 5, 5_000),
        ("entered", 5, 5_000),
        ("created", 5, 5_000),
        ("answered", 5, 5_000),
        ("sent", 5, 5_000),
        ("taken_along", 5, 5_000),
    ] {
        let outcome = world.call(&r, handler, vec![Value::Int(few)]);
        assert!(matches!(outcome, Outcome::Committed(_)), "{handler}({few}): {outcome:?}");
        let outcome = world.call(&r, handler, vec![Value::Int(many)]);
        assert!(failed_with(&outcome, FailureKind::Budget), "{handler}({many}): {outcome:?}");
    }
}

/// What looks at a part of a collection costs as much as that part, however long the rest is.
#[test]
fn whoever_looks_at_the_ends_pays_for_no_more() {
    let text = "space home
record R in home {
  cell n: Int = 0
  handler ends(k: Int) { let l = range(k)  for i in range(k) { if l.last() == i || l.first() == i { self.n += 1 } } }
  handler found(k: Int) { let l = range(k)  for _i in range(k) { if l.any(x => x == 1) && 1 in l && l.find(x => x == 1) == 1 { self.n += 1 } } }
  handler joined(k: Int) { self.n = range(k).fold(Set[0], (a, x) => a.union(Set[x])).len() }
}
";
    let compiled = compile(text);
    assert_eq!(compiled.errors().count(), 0, "{:?}", compiled.errors().collect::<Vec<_>>());
    let mut world = World::new(&compiled.program, 1);
    let r = world.create("R", world.space("home"), &[]);
    for handler in ["ends", "found", "joined"] {
        let outcome = world.call(&r, handler, vec![Value::Int(2_000)]);
        assert!(matches!(outcome, Outcome::Committed(_)), "{handler}: {outcome:?}");
    }
}
