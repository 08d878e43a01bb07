//! What constants say of the cells: what is needed of them, and whether it is so.

use super::bindings::{Bindings, Class};
use super::prepared::{Change, Thing};
use crate::effects::known::{Const, Fact};
use crate::effects::{Form, WriteKind};
use crate::types::{CellId, ItemId};

/// Something that must be so of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Need<'a> {
    Holds(Class, CellId, &'a Const, bool),
    Has(Class, CellId, Class, bool),
    /// Whether there is a record of a type under a key.
    There(ItemId, Key, bool),
}

/// A key of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub class: Class,
    pub form: Form,
}

/// What is known of cells, as far as constants say.
#[derive(Clone, Debug, Default)]
pub(super) struct State<'a> {
    holds: Vec<(Class, CellId, &'a Const)>,
    not: Vec<(Class, CellId, &'a Const)>,
    has: Vec<(Class, CellId, Class, bool)>,
    there: Vec<(ItemId, Key, bool)>,
}

impl<'a> Need<'a> {
    /// What a fact needs, if it is about a cell.
    pub(super) fn of(event: usize, fact: &'a Fact, bindings: &mut Bindings<'_>) -> Option<Self> {
        match fact {
            Fact::Holds { target, cell, value, is } => Some(Need::Holds(bindings.record(event, target), *cell, value, *is)),
            Fact::Has { target, cell, element, is } => {
                Some(Need::Has(bindings.record(event, target), *cell, bindings.value(event, element), *is))
            }
            Fact::There { record, key, is } => {
                Some(Need::There(*record, Key { class: bindings.value(event, key), form: Form::of_value(key) }, *is))
            }
            Fact::Apart(..) => None,
        }
    }

    /// That it is not so.
    pub(super) fn not(self) -> Self {
        match self {
            Need::Holds(record, cell, value, is) => Need::Holds(record, cell, value, !is),
            Need::Has(record, cell, element, is) => Need::Has(record, cell, element, !is),
            Need::There(of, key, is) => Need::There(of, key, !is),
        }
    }

    pub(super) fn thing(&self) -> Thing {
        match *self {
            Need::Holds(record, cell, ..) => {
                Thing { record: Some(record), of: cell.record, cell: Some(cell), element: None, form: Form::default(), fresh: false }
            }
            Need::Has(record, cell, element, _) => Thing {
                record: Some(record),
                of: cell.record,
                cell: Some(cell),
                element: Some(element),
                form: Form::default(),
                fresh: false,
            },
            Need::There(of, key, _) => Thing { record: None, of, cell: None, element: Some(key.class), form: key.form, fresh: false },
        }
    }
}

impl<'a> State<'a> {
    /// Whether it is known if a need can be met.
    pub(super) fn knows(&self, need: &Need<'_>) -> bool {
        match *need {
            Need::Holds(record, cell, value, is) => {
                let mut held = self.holds.iter().filter(|(of, at, _)| (*of, *at) == (record, cell));
                let mut not = self.not.iter().filter(|(of, at, _)| (*of, *at) == (record, cell));
                held.any(|(.., held)| *held == value || !held.allows(value, is) || !held.allows(value, !is))
                    || not.any(|(.., held)| {
                        *held == value || held.beside().is_some_and(|held| !held.allows(value, is) || !held.allows(value, !is))
                    })
            }
            Need::Has(record, cell, element, _) => self.has.iter().any(|(of, at, what, _)| (*of, *at, *what) == (record, cell, element)),
            Need::There(of, key, _) => self.there.iter().any(|(record, under, _)| (*record, under.class) == (of, key.class)),
        }
    }

    /// Whether a need can be met.
    pub(super) fn allows(&self, need: &Need<'_>) -> bool {
        match *need {
            Need::Holds(record, cell, value, is) => {
                let held = self.holds.iter().filter(|(of, at, _)| (*of, *at) == (record, cell));
                let mut not = self.not.iter().filter(|(of, at, _)| (*of, *at) == (record, cell));
                held.into_iter().all(|(.., held)| held.allows(value, is))
                    && not.all(|(.., held)| (!is || *held != value) && held.beside().is_none_or(|held| held.allows(value, is)))
            }
            Need::Has(record, cell, element, is) => {
                self.has.iter().all(|(of, at, what, there)| (*of, *at, *what) != (record, cell, element) || *there == is)
            }
            Need::There(of, key, is) => {
                self.there.iter().all(|(record, under, there)| (*record, under.class) != (of, key.class) || *there == is)
            }
        }
    }

    /// What was needed and met was so.
    pub(super) fn learn(&mut self, need: &Need<'a>) {
        match *need {
            // Several ranges say more than one; which value it is says all.
            Need::Holds(record, cell, value, true) if !self.knows(need) => self.holds.push((record, cell, value)),
            Need::Holds(_, _, _, true) => {}
            // Not absent is present, not false is true.
            Need::Holds(record, cell, Const::Absent, false) => self.learn(&Need::Holds(record, cell, &Const::Present, true)),
            Need::Holds(record, cell, Const::Bool(true), false) => self.learn(&Need::Holds(record, cell, &Const::Bool(false), true)),
            Need::Holds(record, cell, Const::Bool(false), false) => self.learn(&Need::Holds(record, cell, &Const::Bool(true), true)),
            Need::Holds(record, cell, value, false) => self.not.push((record, cell, value)),
            Need::Has(record, cell, element, is) => {
                if !self.has.iter().any(|(of, at, what, _)| (*of, *at, *what) == (record, cell, element)) {
                    self.has.push((record, cell, element, is));
                }
            }
            Need::There(of, key, is) => {
                if !self.knows(need) {
                    self.there.push((of, key, is));
                }
            }
        }
    }

    /// `sure`: it happens, and not only perhaps.
    pub(super) fn apply(&mut self, change: &Change<'a>, sure: bool) {
        let Thing { record, of, element, form, fresh, .. } = change.thing;
        let Some(cell) = change.access.cell else {
            // One that is deleted is of a type of which constants do not tell which there are.
            if change.access.write == Some(WriteKind::Create) {
                let other = |key: &Key| element.is_some_and(|element| element != key.class) || !form.may_be(key.form);
                self.there.retain(|(known, key, there)| *there || *known != of || other(key));
                if let (Some(class), true) = (element, sure) {
                    self.learn(&Need::There(of, Key { class, form }, true));
                }
            }
            return;
        };
        if fresh {
            return;
        }
        let hits = |of: Class| record.is_none_or(|record| record == of);
        match (change.access.write, element) {
            (Some(WriteKind::Insert | WriteKind::Remove), Some(element)) => {
                let is = change.access.write == Some(WriteKind::Insert);
                if record.is_some_and(|record| self.has.contains(&(record, cell, element, is))) {
                    return;
                }
                self.has.retain(|(of, at, what, _)| !(hits(*of) && *at == cell && *what == element));
                if let (Some(record), true) = (record, sure) {
                    self.has.push((record, cell, element, change.access.write == Some(WriteKind::Insert)));
                }
            }
            _ => {
                // Whether it happens or not, the same is there.
                let same = change.access.write == Some(WriteKind::Set) && change.access.fixed && change.thing.element.is_none();
                let value = change.access.value.as_ref().filter(|_| same);
                if let (Some(record), Some(value)) = (record, value)
                    && self.holds.iter().any(|(of, at, held)| (*of, *at, *held) == (record, cell, value))
                {
                    return;
                }
                self.holds.retain(|(of, at, _)| !(hits(*of) && *at == cell));
                self.not.retain(|(of, at, _)| !(hits(*of) && *at == cell));
                self.has.retain(|(of, at, ..)| !(hits(*of) && *at == cell));
                if let (Some(record), true, Some(value)) = (record, sure, &change.access.value) {
                    self.holds.push((record, cell, value));
                }
            }
        }
    }
}
