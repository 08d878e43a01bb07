//! Verdicts on chains whose pieces are not all in the text: those of loops, of handlers that send to themselves, and on records that a chain has made.

use patternc_tests::verdicts::{is_stale_on_two_stores, verdicts};

/// Whether some chain of a pattern can be seen, or broken, half way.
fn is_broken(text: &str) -> bool {
    let verdicts = verdicts(text);
    assert!(verdicts.iter().all(|verdict| !verdict.unfinished && !verdict.incomplete), "not decided\n{text}");
    verdicts.iter().any(|verdict| verdict.broken.is_some())
}

/// Lamps that are switched one after the other, and whoever compares two of them.
const LAMPS: &str = r#"
space left
space right
record Lamp in right {
  cell on: Bool = false
  cell uses: Int = 0
  internal handler switch(on: Bool) { self.on = on }
  internal handler count() { self.uses += 1 }
}
record Room in left {
  cell lamps: List<Lamp>
  handler all_on() { for lamp in self.lamps { send lamp.switch(true) } }
}
record Eye in right {
  cell odd: Bool = false
  handler look(one: Lamp, other: Lamp) { self.odd = one.on != other.on }
}
"#;

#[test]
fn what_is_sent_in_a_loop_is_sent_in_several_pieces() {
    assert!(is_broken(LAMPS));
    // Who compares what the loop does not change sees nothing of it.
    assert!(!is_broken(&LAMPS.replace("one.on != other.on", "one.uses != other.uses")));
    assert!(!is_broken(&LAMPS.replace("one.on != other.on", "one.on")));
}

#[test]
fn who_sends_to_all_in_a_loop_meets_another_who_does() {
    let text = LAMPS
        .replace("handler all_on() {", "handler all(on: Bool) {")
        .replace("switch(true)", "switch(on)")
        .replace("one.on != other.on", "true");
    assert!(is_broken(&text));
    // The same of every sender: in any order the same is left.
    assert!(!is_broken(&LAMPS.replace("one.on != other.on", "true")));
    assert!(!is_broken(&text.replace("switch(on)", "count()")));
}

#[test]
fn what_a_callee_sends_twice_is_two_pieces() {
    let text = LAMPS.replace(
        "handler all_on() { for lamp in self.lamps { send lamp.switch(true) } }",
        "handler twice(lamp: Lamp) { self.two(lamp) }\n  internal handler two(lamp: Lamp) {\n    send lamp.count()\n    send lamp.count()\n  }",
    );
    assert!(is_broken(&text.replace("one.on != other.on", "one.uses > 1 && other.on")));
}

/// In one transaction several records are written in a loop: another event can come in by one and go out by another.
#[test]
fn one_piece_writes_several_records_in_a_loop() {
    let text = r#"
space left
space right
record Lamp in right {
  cell on: Bool = false
  internal handler switch() { self.on = true }
}
record Room in left {
  cell n: Int = 0
  handler both(one: Lamp, other: Lamp) {
    require one != other else "the same"
    send one.switch() then { ok() => { send other.switch() } }
  }
}
record Hall in right {
  cell lamps: List<Lamp>
  handler dark() writes Lamp.on { for lamp in self.lamps { lamp.on = false } }
}
"#;
    assert!(is_broken(text));
}

#[test]
fn a_record_that_was_made_is_everybodys_in_the_next_piece() {
    let text = r#"
space left
record Order in left {
  cell id: Text key
  cell total: Int = 0
  internal handler fill() { self.total = 5 }
}
record Shop in left {
  handler place(id: Text) {
    let order = create Order { id: id }
    send order.fill()
  }
}
record Eye in left {
  cell seen: Int = -1
  handler look(id: Text) {
    let order = Order[id] else fail "none"
    self.seen = order.total
  }
}
"#;
    assert!(is_broken(text));
    let writes = text
        .replace("handler look(id: Text) {", "handler look(id: Text) writes Order.total {")
        .replace("self.seen = order.total", "order.total += 1");
    assert!(is_broken(&writes));
    assert!(!is_broken(&text.replace("self.seen = order.total", "self.seen = 1").replace("self.total = 5", "")));
}

#[test]
fn who_sends_to_itself_goes_on_in_several_pieces() {
    let batch = r#"
space left
record Job in left {
  cell todo: Int = 3
  cell done: Int = 0
  handler start() {
    if self.todo > 0 {
      self.todo -= 1
      self.done += 1
      send self.start()
    }
  }
}
record Eye in left {
  cell mid: Bool = false
  handler look(job: Job) { self.mid = job.todo == 1 }
}
"#;
    assert!(is_broken(batch));
    let walk = r#"
space left
record Node in left {
  cell next: Node?
  cell v: Int = 0
  handler set(v: Int) {
    self.v = v
    if let next = self.next { send next.set(v) }
  }
}
record Eye in left {
  cell mid: Bool = false
  handler look(one: Node, other: Node) { self.mid = one.v != other.v }
}
"#;
    assert!(is_broken(walk));
}

#[test]
fn a_handler_that_was_sent_to_is_where_its_record_is() {
    let text = r#"
space left
space right
record L in left {
  cell on: Bool = true
  internal handler leave(other: R) {
    require other.on else "stay"
    self.on = false
  }
}
record R in right {
  cell on: Bool = true
  internal handler leave(other: L) {
    require other.on else "stay"
    self.on = false
  }
}
record Boss in right {
  cell tick: Int = 0
  handler dismiss(l: L, r: R) { send l.leave(r) then { err(_e) => { self.tick += 1 } } }
}
record Chief in left {
  cell tick: Int = 0
  handler dismiss(l: L, r: R) { send r.leave(l) then { err(_e) => { self.tick += 1 } } }
}
"#;
    assert!(is_stale_on_two_stores(text));
    // The other reads nothing elsewhere.
    assert!(!is_stale_on_two_stores(&text.replace("require other.on else \"stay\"", "require self.on else \"stay\"")));
}
