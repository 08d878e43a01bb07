//! Which of the records and values that several events name are the same.
//!
//! Everything is different until a conflict needs it to be the same: what must not be the same then contradicts, and what follows (a link that
//! nobody changes leads from one record to one record) is drawn.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use crate::effects::{Target, Value};
use crate::types::{CellId, ItemId};

/// What stands for a record or value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Term {
    /// As one event names it.
    Of(usize, Target),
    Literal(Box<str>),
    /// The one record of its type.
    Single(ItemId),
}

/// A class of terms that are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Class(usize);

/// The terms of several events, in classes.
#[derive(Clone)]
pub(super) struct Bindings<'a> {
    terms: Vec<Term>,
    parent: Vec<usize>,
    apart: Vec<(usize, usize)>,
    /// Whether a cell never changes after its record is created.
    fixed: &'a dyn Fn(CellId) -> bool,
}

impl<'a> Bindings<'a> {
    pub(super) fn new(fixed: &'a dyn Fn(CellId) -> bool) -> Self {
        Bindings { terms: Vec::new(), parent: Vec::new(), apart: Vec::new(), fixed }
    }

    /// The class of a record that an event names.
    pub(super) fn record(&mut self, event: usize, target: &Target) -> Class {
        let node = self.node(event, target);
        Class(self.find(node))
    }

    /// The class of a value that an event names.
    pub(super) fn value(&mut self, event: usize, value: &Value) -> Class {
        let node = match value {
            Value::Literal(text) => self.add(Term::Literal(text.clone())),
            Value::Local(local) => self.node(event, &Target::Local(*local)),
            Value::SelfRecord => self.node(event, &Target::SelfRecord),
            Value::Cell(path) => self.node(event, &Target::Path(path.clone())),
        };
        Class(self.find(node))
    }

    /// Says that the record an event starts on is the only one of its type.
    pub(super) fn single(&mut self, event: usize, record: ItemId) -> bool {
        let one = self.node(event, &Target::SelfRecord);
        let single = self.add(Term::Single(record));
        self.union(one, single) && self.agrees()
    }

    /// Says that two records of one event are different.
    pub(super) fn apart(&mut self, event: usize, one: &Target, other: &Target) -> bool {
        let pair = (self.node(event, one), self.node(event, other));
        self.apart.push(pair);
        self.agrees()
    }

    /// Says that the records which two events start on are different.
    pub(super) fn start_apart(&mut self, one: usize, other: usize) -> bool {
        let pair = (self.node(one, &Target::SelfRecord), self.node(other, &Target::SelfRecord));
        self.apart.push(pair);
        self.agrees()
    }

    /// Says that two classes are one; false if they cannot be.
    pub(super) fn same(&mut self, one: Class, other: Class) -> bool {
        self.union(one.0, other.0) && self.agrees()
    }

    /// The class as it is now.
    pub(super) fn now(&self, class: Class) -> Class {
        Class(self.find(class.0))
    }

    /// A name for which terms are the same, whatever order they were named in.
    pub(super) fn shape(&self) -> u64 {
        let mut classes: FxHashMap<usize, u64> = FxHashMap::default();
        for (node, term) in self.terms.iter().enumerate() {
            let class = classes.entry(self.find(node)).or_default();
            *class = class.wrapping_add(hashed(term));
        }
        classes.into_values().map(|class| hashed(&class)).fold(0, u64::wrapping_add)
    }

    /// Links that must hold: a class, a cell of it, and the class that the cell links to.
    pub(super) fn links(&self) -> Vec<(Class, CellId, Class)> {
        let mut links = Vec::new();
        for (node, term) in self.terms.iter().enumerate() {
            if let Term::Of(event, Target::Path(path)) = term
                && let Some(base) = self.terms.iter().position(|term| *term == Term::Of(*event, path.0.clone()))
            {
                links.push((Class(self.find(base)), path.1, Class(self.find(node))));
            }
        }
        links.sort_unstable();
        links.dedup();
        links
    }

    /// The literal in a class.
    pub(super) fn literal(&self, class: Class) -> Option<&str> {
        self.terms.iter().enumerate().find_map(|(node, term)| match term {
            Term::Literal(text) if self.find(node) == self.find(class.0) => Some(&**text),
            _ => None,
        })
    }

    fn add(&mut self, term: Term) -> usize {
        if let Some(known) = self.terms.iter().position(|known| *known == term) {
            return known;
        }
        self.terms.push(term);
        self.parent.push(self.parent.len());
        self.parent.len() - 1
    }

    fn node(&mut self, event: usize, target: &Target) -> usize {
        match target {
            Target::Path(path) => {
                self.node(event, &path.0);
            }
            Target::Key(_, value) => {
                self.value(event, value);
            }
            _ => {}
        }
        let known = self.terms.len();
        let node = self.add(Term::Of(event, target.clone()));
        if node == known {
            // What follows from what is the same already. A contradiction shows when the next thing is said.
            self.follow();
        }
        node
    }

    fn find(&self, mut node: usize) -> usize {
        while self.parent[node] != node {
            node = self.parent[node];
        }
        node
    }

    fn union(&mut self, one: usize, other: usize) -> bool {
        let (one, other) = (self.find(one), self.find(other));
        if one != other {
            self.parent[one.max(other)] = one.min(other);
        }
        self.follow()
    }

    /// Joins what is the same because other things are: what fixed cells of one record link to, and records and keys of one type.
    fn follow(&mut self) -> bool {
        loop {
            let joined = (0..self.terms.len()).find_map(|one| {
                let others = one + 1..self.terms.len();
                others.into_iter().find_map(|other| self.implied(one, other))
            });
            match joined {
                Some((one, other)) => self.parent[one.max(other)] = one.min(other),
                None => return true,
            }
        }
    }

    /// Two classes that must be one because of two terms.
    fn implied(&self, one: usize, other: usize) -> Option<(usize, usize)> {
        let (Term::Of(event, target), Term::Of(of, like)) = (&self.terms[one], &self.terms[other]) else { return None };
        let differ = |one: usize, other: usize| Some((self.find(one), self.find(other))).filter(|(one, other)| one != other);
        match (target, like) {
            (Target::Path(path), Target::Path(way)) if path.1 == way.1 && (event == of || (self.fixed)(path.1)) => {
                let base = self.find(self.position(&Term::Of(*event, path.0.clone()))?);
                (base == self.find(self.position(&Term::Of(*of, way.0.clone()))?)).then(|| differ(one, other)).flatten()
            }
            (Target::Key(record, key), Target::Key(same, by)) if record == same => {
                let key = self.find(self.value_position(*event, key)?);
                let by = self.find(self.value_position(*of, by)?);
                if key == by {
                    differ(one, other)
                } else if self.find(one) == self.find(other) {
                    Some((key, by))
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    fn position(&self, term: &Term) -> Option<usize> {
        self.terms.iter().position(|known| known == term)
    }

    fn value_position(&self, event: usize, value: &Value) -> Option<usize> {
        self.position(&match value {
            Value::Literal(text) => Term::Literal(text.clone()),
            Value::Local(local) => Term::Of(event, Target::Local(*local)),
            Value::SelfRecord => Term::Of(event, Target::SelfRecord),
            Value::Cell(path) => Term::Of(event, Target::Path(path.clone())),
        })
    }

    /// Whether nothing contradicts.
    pub(super) fn agrees(&self) -> bool {
        let literals: Vec<(usize, &Term)> =
            self.terms.iter().enumerate().filter(|(_, term)| matches!(term, Term::Literal(_))).map(|(n, t)| (self.find(n), t)).collect();
        let clash = literals.iter().any(|(class, one)| literals.iter().any(|(of, other)| class == of && one != other));
        !clash && self.apart.iter().all(|(one, other)| self.find(*one) != self.find(*other))
    }
}

fn hashed(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}
