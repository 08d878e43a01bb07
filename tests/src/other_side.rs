//! A model of the other side of a mirror, whose facts are a struct of two texts: it does each call once, by its key, however late and often it
//! comes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use patternc_interpreter::engine::{CallAnswer, ExternCall};
use patternc_interpreter::host::Random;
use patternc_interpreter::value::Value;

/// Owner and reader.
pub type Fact = (String, String);

/// The other side. Its operations are `touch`, `remove` and `read`, in this order.
pub struct Other {
    /// What it has.
    pub facts: BTreeSet<Fact>,
    done: HashSet<String>,
    /// What it has refused stays so, whichever copies of it are under way: what is told after it has a key of its own.
    refused: HashSet<String>,
    /// Copies of calls that are still under way.
    pub late: Vec<(String, bool, Fact)>,
    random: Random,
    /// How many calls of a hundred it refuses, and how many arrive late.
    pub refuses: usize,
    pub delays: usize,
    /// Changes of each owner's facts that were asked for.
    pub asked: BTreeMap<String, usize>,
}

impl Other {
    /// With no facts.
    pub fn new(seed: u64) -> Self {
        let random = Random::seeded(seed);
        let (facts, late, asked) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        let (done, refused) = (HashSet::new(), HashSet::new());
        Other { facts, done, refused, late, random, refuses: 0, delays: 0, asked }
    }

    /// Whether something happens that does so in so many of a hundred cases.
    pub fn chance(&mut self, of_a_hundred: usize) -> bool {
        self.random.below(100) < of_a_hundred
    }

    /// A call, or a copy of one, arrives.
    pub fn does(&mut self, (key, adds, fact): (String, bool, Fact)) {
        if !self.refused.contains(&key) && self.done.insert(key) {
            if adds {
                self.facts.insert(fact);
            } else {
                self.facts.remove(&fact);
            }
        }
    }

    /// A call is made, and whatever else comes of it.
    pub fn call(&mut self, call: &ExternCall) -> CallAnswer {
        if !self.late.is_empty() && self.chance(30) {
            let at = self.random.below(self.late.len());
            let copy = self.late.swap_remove(at);
            self.does(copy);
        }
        if call.operation == 2 {
            let Value::Text(owner) = &call.args[0] else { panic!("{call:?}") };
            let facts = self.facts.iter().filter(|fact| *fact.0 == **owner).map(value);
            return CallAnswer::Value(Value::list(facts));
        }
        let fact = fact(&call.args[0]);
        *self.asked.entry(fact.0.clone()).or_default() += 1;
        // One that it has done is answered as it was before.
        if self.refused.contains(&*call.event.0) || !self.done.contains(&*call.event.0) && self.chance(self.refuses) {
            self.refused.insert(call.event.0.to_string());
            // Who does not know that it keeps to what it answered has to take it for unknown.
            if call.doubtful && self.chance(50) {
                return CallAnswer::Unusable("not now; but an earlier attempt may have taken effect".into());
            }
            return CallAnswer::Rejected("not now".into());
        }
        let this = (call.event.0.to_string(), call.operation == 0, fact);
        if self.chance(20) {
            self.late.push(this.clone());
        }
        if self.chance(self.delays) {
            self.late.push(this);
            return CallAnswer::Unavailable("no answer".into());
        }
        self.does(this);
        CallAnswer::Value(Value::Text("token".into()))
    }
}

/// A fact as a value.
pub fn value(fact: &Fact) -> Value {
    Value::Struct([Value::Text(fact.0.as_str().into()), Value::Text(fact.1.as_str().into())].into())
}

/// The fact in a value.
///
/// # Panics
/// If it is none.
pub fn fact(value: &Value) -> Fact {
    match value {
        Value::Struct(fields) => match &fields[..] {
            [Value::Text(owner), Value::Text(reader)] => (owner.to_string(), reader.to_string()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// A text as a value.
pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}
