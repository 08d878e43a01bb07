//! Calls of which nobody knows what came of them: parked where they were made, never made again by themselves or by mistake, and settled by who
//! has found out.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use patternc_interpreter::engine::{CallAnswer, ExternCall, Happened, RetryError};
use patternc_interpreter::event::{EventId, Outcome};
use patternc_interpreter::value::{RecordRef, Value};
use patternc_tests::world::{World, compile};

const PATTERN: &str = r#"
space home
space shop
extern pay {
  once(n: Int) -> Text
  safe(n: Int) -> Text idempotent
}
record Till in shop {
  cell receipt: Text = ""
  cell counted: Int = 0
  internal handler once(n: Int) -> Text {
    return send pay.once(n) then {
      ok(r) => { self.receipt = r  return r }
      err(e) => { fail e.message }
    }
  }
  internal handler safe(n: Int) -> Text {
    return send pay.safe(n) then { ok(r) => { self.receipt = r  return r } }
  }
  internal handler count(n: Int) -> Text {
    self.counted += n
    return send pay.safe(n)
  }
  internal handler through(n: Int) -> Text { return send self.once(n) }
}
record Buyer in home {
  cell held: Int = 0
  cell said: Text = ""
  internal handler hold(n: Int) { self.held += n }
  internal handler release(n: Int) { self.held -= n }
  saga once(till: Till) { step self.hold(1) undo self.release(1)  pivot r = till.through(1) }
  saga safe(till: Till) { step self.hold(1) undo self.release(1)  pivot r = till.safe(1) }
  handler buy_once(till: Till) {
    send self.once(till) then { ok(r) => { self.said = r.r } err(e) => { self.said = "no: {e.message}" } }
  }
  handler buy_safe(till: Till) {
    send self.safe(till) then { ok(r) => { self.said = r.r } err(e) => { self.said = "no: {e.message}" } }
  }
  handler tell(till: Till) { send till.through(2) then { ok(r) => { self.said = r } err(e) => { self.said = "no: {e.message}" } } }
  @allow(dropped-failure, "to see what a retry does")
  handler pay(till: Till) { send pay.safe(1) then { ok(r) => { self.said = r } } }
  @allow(dual-write, "to see what a retry does")
  handler count(till: Till) { send till.count(5) then { ok(r) => { self.said = r } } }
  handler ask(till: Till) -> Text { return send till.through(3) }
}
"#;

/// A shop whose payment service answers from a script; then it takes the money. It keeps the keys it was asked with.
struct Shop {
    world: World,
    buyer: RecordRef,
    till: RecordRef,
    keys: Rc<RefCell<Vec<EventId>>>,
}

impl Shop {
    fn new(answers: Vec<CallAnswer>) -> Shop {
        let compiled = compile(PATTERN);
        assert_eq!(compiled.errors().count(), 0, "{:?}", compiled.findings);
        let mut world = World::with_store_for_each_space(&compiled.program, 1);
        let keys = Rc::new(RefCell::new(Vec::new()));
        let (asked, mut answers) = (keys.clone(), answers.into_iter());
        world.outside(move |call: &ExternCall| {
            asked.borrow_mut().push(call.event.clone());
            answers.next().unwrap_or(CallAnswer::Value(Value::Text("paid".into())))
        });
        let till = world.create("Till", world.space("shop"), &[]);
        let buyer = world.create("Buyer", world.space("home"), &[]);
        Shop { world, buyer, till, keys }
    }

    /// Sends the event; gives the one that is parked.
    fn parked_by(&mut self, handler: &str) -> EventId {
        let outcome = self.world.call(&self.buyer.clone(), handler, vec![Value::Ref(self.till.clone())]);
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
        self.only_parked()
    }

    fn only_parked(&self) -> EventId {
        let parked = self.world.engine().parked();
        let [event] = &parked[..] else { panic!("{:?}", self.world.engine().status()) };
        event.clone()
    }

    fn state(&self) -> (String, i64, String, usize) {
        let text = |record: &RecordRef, cell: &str| match self.world.cell(record, cell) {
            Value::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        let Value::Int(held) = self.world.cell(&self.buyer, "held") else { panic!("a number") };
        (text(&self.buyer, "said"), held, text(&self.till, "receipt"), self.keys.borrow().len())
    }

    /// Nothing is on its way; and this is so.
    fn ends(&mut self, said: &str, held: i64, receipt: &str, asked: usize) {
        self.world.end(Vec::new());
        assert_eq!(self.world.engine().status().flights, []);
        assert_eq!(self.state(), (said.to_owned(), held, receipt.to_owned(), asked));
    }
}

fn lost() -> CallAnswer {
    CallAnswer::Unavailable("the line went dead".into())
}

#[test]
fn a_call_made_by_the_handler_of_a_step_is_not_made_again_by_a_bare_retry() {
    let mut shop = Shop::new(vec![lost()]);
    let event = shop.parked_by("buy_once");
    // It is the call itself that is parked, and not the step whose handler would run again and call under another key.
    assert_eq!(shop.keys.borrow()[..], std::slice::from_ref(&event)[..]);
    for _ in 0..2 {
        let refused = shop.world.engine_mut().retry(&event);
        assert!(matches!(&refused, Err(RetryError::Unsure { .. })), "{refused:?}");
        assert!(refused.is_err_and(|error| error.to_string().contains("--not-done")));
        shop.world.crash();
        shop.world.end(Vec::new());
    }
    assert_eq!(shop.state(), (String::new(), 1, String::new(), 1));
}

#[test]
fn who_found_out_that_it_was_done_says_with_which_result() {
    for handler in ["buy_once", "tell"] {
        let mut shop = Shop::new(vec![lost()]);
        let event = shop.parked_by(handler);
        shop.world.engine_mut().resolve(&event, Happened::Done(Value::Text("r7".into()))).expect("it is parked");
        shop.ends("r7", i64::from(handler == "buy_once"), "r7", 1);
    }
}

/// A service that keeps keys would answer the old one with what it answered first.
#[test]
fn what_was_not_done_is_done_under_a_new_key() {
    for crash in [false, true] {
        let mut shop = Shop::new(vec![lost(), lost(), CallAnswer::Rejected("no money".into())]);
        let first = shop.parked_by("buy_once");
        shop.world.engine_mut().resolve(&first, Happened::NotDone).expect("it is parked");
        shop.world.end(Vec::new());
        let second = shop.only_parked();
        assert_eq!(shop.world.engine_mut().retry(&first), Err(RetryError::Unknown(first.clone())));
        if crash {
            shop.world.crash();
            shop.world.end(Vec::new());
        }
        assert_eq!(shop.only_parked(), second);
        shop.world.engine_mut().resolve(&second, Happened::NotDone).expect("it is parked");
        shop.ends("no: no money", 0, "", 3);
        let keys = shop.keys.borrow();
        assert!(keys[..2] == [first, second.clone()] && keys[2] != second, "{keys:?}");
    }
}

#[test]
fn a_call_that_was_refused_is_made_under_a_new_key() {
    let refused = || CallAnswer::Rejected("no money".into());
    for found in [None, Some(Happened::NotDone)] {
        let mut shop = Shop::new(vec![refused(), refused()]);
        let take_up = |shop: &mut Shop, event: &EventId| match &found {
            None => shop.world.engine_mut().retry(event).expect("it is parked"),
            Some(found) => shop.world.engine_mut().resolve(event, found.clone()).expect("it is parked"),
        };
        let first = shop.parked_by("pay");
        take_up(&mut shop, &first);
        shop.world.end(Vec::new());
        let second = shop.only_parked();
        assert_eq!(shop.world.engine().status().flights[0].instead_of, Some(first));
        take_up(&mut shop, &second);
        shop.ends("paid", 0, "", 3);
        let keys: BTreeSet<EventId> = shop.keys.borrow().iter().cloned().collect();
        assert_eq!(keys.len(), 3);
    }
}

#[test]
fn a_call_that_may_be_repeated_is_asked_again_under_the_same_key() {
    let unusable = || CallAnswer::Unusable("gibberish".into());
    let mut shop = Shop::new(vec![unusable(), unusable()]);
    let event = shop.parked_by("buy_safe");
    shop.world.engine_mut().retry(&event).expect("it may be repeated");
    shop.world.end(Vec::new());
    // Parked again, still as the same call.
    assert_eq!(shop.only_parked(), event);
    shop.world.engine_mut().retry(&event).expect("it may be repeated");
    shop.ends("paid", 1, "paid", 3);
    let keys = shop.keys.borrow();
    assert!(keys.iter().all(|key| *key == event), "{keys:?}");
}

#[test]
fn nobody_is_told_of_an_outcome_that_nobody_knows() {
    let mut shop = Shop::new(vec![lost()]);
    let ask = shop.world.action(&shop.buyer, "ask", vec![Value::Ref(shop.till.clone())]);
    let requests = shop.world.begin(vec![ask]);
    let asked = requests[0];
    assert_eq!(shop.world.end(requests), [None]);
    let id = shop.world.event_id(asked).expect("it has no outcome yet");
    let event = shop.only_parked();
    let (on, why) = shop.world.engine().hangs_on(&id).expect("its answer hangs on the call");
    assert!(on == event && why.contains("not known") && why.contains("--done"), "{on:?} {why}");
    shop.world.engine_mut().resolve(&event, Happened::Done(Value::Text("r8".into()))).expect("it is parked");
    assert_eq!(shop.world.engine().hangs_on(&id), None);
    shop.world.end(Vec::new());
    assert_eq!(shop.world.outcome(asked), Some(Outcome::Committed(Value::Text("r8".into()))));
}

#[test]
fn what_is_known_cannot_be_found_out() {
    // The call was made; its arm, which was rejected, is what is parked.
    let text = "space home\nextern pay { once(n: Int) }\nrecord A in home {\n  cell open: Bool = false\n  cell n: Int = 0\n  handler open() { \
                self.open = true }\n  handler go() { send pay.once(1) then { ok() => { require self.open else \"closed\"  self.n += 1 } } }\n}\n";
    let mut world = World::new(&compile(text).program, 1);
    world.outside(|_| CallAnswer::Value(Value::None));
    let a = world.create("A", world.space("home"), &[]);
    world.call(&a, "go", vec![]);
    let parked = world.engine().parked();
    for happened in [Happened::Done(Value::None), Happened::NotDone] {
        assert_eq!(world.engine_mut().resolve(&parked[0], happened), Err(RetryError::Done(parked[0].clone())));
    }
    world.call(&a, "open", vec![]);
    world.engine_mut().retry(&parked[0]).expect("the arm may run now");
    world.end(Vec::new());
    assert_eq!((world.cell(&a, "n"), world.engine().status().flights), (Value::Int(1), vec![]));
}

#[test]
fn what_may_be_done_by_half_is_not_done_again_by_a_bare_retry() {
    let refused = || CallAnswer::Rejected("no money".into());
    let mut shop = Shop::new(vec![refused()]);
    let event = shop.parked_by("count");
    let counted = |shop: &Shop| shop.world.cell(&shop.till, "counted");
    let error = shop.world.engine_mut().retry(&event);
    assert!(matches!(&error, Err(RetryError::Half { .. })), "{error:?}");
    assert_eq!(counted(&shop), Value::Int(5));
    // Done by hand, as far as it was not.
    shop.world.engine_mut().resolve(&event, Happened::Done(Value::Text("r9".into()))).expect("it is parked");
    shop.ends("r9", 0, "", 1);
    assert_eq!(counted(&shop), Value::Int(5));
    // Or all of it anew, by who has taken back the rest.
    let mut shop = Shop::new(vec![refused()]);
    let event = shop.parked_by("count");
    shop.world.engine_mut().resolve(&event, Happened::NotDone).expect("it is parked");
    shop.ends("paid", 0, "", 2);
    assert_eq!(counted(&shop), Value::Int(10));
}

/// Which calls may follow one that arrived without anyone knowing: only of those is a refusal not believed (the adapters do that).
#[test]
fn a_call_is_doubtful_once_an_earlier_one_may_have_arrived() {
    let doubts = Rc::new(RefCell::new(Vec::new()));
    let compiled = compile(PATTERN);
    let mut world = World::with_store_for_each_space(&compiled.program, 1);
    let answers = [
        CallAnswer::NotSent("no line".into()),
        CallAnswer::NotSent("no line".into()),
        lost(),
        CallAnswer::NotSent("no line".into()),
        CallAnswer::Unusable("gibberish".into()),
        CallAnswer::Unusable("gibberish".into()),
        CallAnswer::Unusable("gibberish".into()),
    ];
    let (seen, mut answers) = (doubts.clone(), answers.into_iter());
    world.outside(move |call: &ExternCall| {
        seen.borrow_mut().push(call.doubtful);
        answers.next().unwrap_or(CallAnswer::Value(Value::Text("paid".into())))
    });
    let till = world.create("Till", world.space("shop"), &[]);
    let buyer = world.create("Buyer", world.space("home"), &[]);
    world.call(&buyer, "buy_safe", vec![Value::Ref(till)]);
    assert_eq!(doubts.borrow()[..], [false, false, false, true, true]);
    let parked = |world: &World| world.engine().parked().pop().expect("it is parked");
    // Asked again after the process died; then by someone who knows that nothing has arrived.
    world.crash();
    world.end(Vec::new());
    let event = parked(&world);
    world.engine_mut().retry(&event).expect("it may be repeated");
    world.end(Vec::new());
    let event = parked(&world);
    world.engine_mut().resolve(&event, Happened::NotDone).expect("it is parked");
    world.end(Vec::new());
    // That it was parked may not have been durable: then it was asked again by itself.
    let doubts = doubts.borrow();
    let (last, before) = doubts[5..].split_last().expect("it was asked");
    assert!(!last && !before.is_empty() && before.iter().all(|doubtful| *doubtful), "{doubts:?}");
}
