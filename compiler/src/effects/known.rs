//! What is so at a place of a body because of the conditions on the way there: who gets past `require self.open` knows that the cell is true.
//!
//! Only comparisons with constants (of numbers also which is greater), membership in a Set, records under a key and records being different are understood; everything else says nothing. What is
//! known holds when the transaction starts, unless the body itself changed it before.

use super::{BlockId, Given, Layout, Made, Site, Target, Value};
use crate::types::{CellId, ItemId};

/// Something that is so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// The cell holds this value, or another one.
    Holds { target: Target, cell: CellId, value: Const, is: bool },
    /// The element is in the Set, or is not.
    Has { target: Target, cell: CellId, element: Value, is: bool },
    /// There is a record of this type under this key, or there is none.
    There { record: ItemId, key: Value, is: bool },
    /// Two different records.
    Apart(Target, Target),
}

/// A value that is the same whenever the body runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Const {
    Bool(bool),
    /// A number or text, as text.
    Literal(Box<str>),
    /// A variant of an enum, whatever its fields.
    Variant(ItemId, u32),
    /// `none`.
    Absent,
    /// Something that is not `none`.
    Present,
    /// A number less than this.
    Below(i64),
    /// A number that is this or greater.
    AtLeast(i64),
}

impl Const {
    /// Whether a cell that holds `self` can be said to hold `other` (`is`), or not to.
    pub fn allows(&self, other: &Const, is: bool) -> bool {
        if self.is_range() || other.is_range() {
            return self.may_be_in(other, is);
        }
        match (self, other) {
            (Const::Present, Const::Absent) | (Const::Absent, Const::Present) => !is,
            // Something may be anything but nothing.
            (Const::Present, Const::Bool(_) | Const::Literal(_) | Const::Variant(..)) => true,
            (Const::Bool(_) | Const::Literal(_) | Const::Variant(..), Const::Present) => is,
            // Of a variant with fields only the name is known.
            (Const::Variant(..), Const::Variant(..)) => !is || self == other,
            _ => (self == other) == is,
        }
    }

    /// Whether it leaves open which number it is.
    pub fn is_range(&self) -> bool {
        matches!(self, Const::Below(_) | Const::AtLeast(_))
    }

    /// All other numbers than those of a range.
    pub fn beside(&self) -> Option<Const> {
        match self {
            Const::Below(bound) => Some(Const::AtLeast(*bound)),
            Const::AtLeast(bound) => Some(Const::Below(*bound)),
            _ => None,
        }
    }

    /// The least and the greatest number that it can be; `None` of what is no number.
    pub fn numbers(&self) -> Option<(i128, i128)> {
        match self {
            Const::Literal(text) => text.parse().ok().map(|number: i64| (number.into(), number.into())),
            Const::Below(bound) => Some((i64::MIN.into(), i128::from(*bound) - 1)),
            Const::AtLeast(bound) => Some(((*bound).into(), i64::MAX.into())),
            _ => None,
        }
    }

    /// Whether a number can be one of others (`is`), or not be one of them.
    fn may_be_in(&self, others: &Const, is: bool) -> bool {
        let (Some((least, most)), Some((from, to))) = (self.numbers(), others.numbers()) else { return true };
        if is { least <= to && from <= most } else { least < from || to < most }
    }
}

/// A fact and where it holds: at the sites of a block (and those inside) from one on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub fact: Fact,
    pub block: BlockId,
    /// [`Site::index`] of the first.
    pub from: u32,
    /// The transaction fails unless it is so: whatever of the block is committed, this was true.
    pub demanded: bool,
}

impl Layout {
    /// What is known of a site if its transaction commits, from conditions of the same transaction.
    pub fn known_at(&self, site: Site) -> impl Iterator<Item = &Known> {
        let around = self.around_in_piece(site);
        self.known.iter().filter(move |known| (known.demanded || known.from <= site.index) && around.contains(&known.block))
    }

    /// What the transaction of a site demands.
    pub fn demanded_at(&self, site: Site) -> impl Iterator<Item = &Known> {
        let whole = self.around_in_piece(site).last().copied();
        self.known.iter().filter(move |known| known.demanded && self.piece_of(known.block) == whole)
    }

    /// Whether the value of a write depends on nothing that is read.
    pub fn is_blind(&self, site: Site) -> bool {
        self.blind.contains(&site.index)
    }

    /// What a write adds to its cell, or sets it to, where something is known of it.
    pub fn given(&self, site: Site) -> Option<&Given> {
        self.given.iter().find(|(index, _)| *index == site.index).map(|(_, given)| given)
    }

    /// Whether a write that adds to its cell makes it greater, where that is known.
    pub fn adds(&self, site: Site) -> Option<bool> {
        let given = self.given(site)?;
        matches!(&given.value, Some(Value::Literal(number)) if &**number != "0").then_some(!given.less)
    }

    /// What the value of a write is made of, beside what is read, if that is known.
    pub fn made(&self, site: Site) -> Option<&Made> {
        self.made.iter().find(|(index, _)| *index == site.index).map(|(_, made)| made)
    }

    /// The value that a write gives its cell, or adds to it, where it is a constant.
    pub fn written(&self, site: Site) -> Option<&Const> {
        self.written.iter().find(|(index, _)| *index == site.index).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_allows_what_it_may_be() {
        let (one, two) = (Const::Literal("1".into()), Const::Literal("2".into()));
        assert!(one.allows(&one, true) && !one.allows(&one, false));
        assert!(!one.allows(&two, true) && one.allows(&two, false));
        assert!(Const::Present.allows(&one, true) && Const::Present.allows(&one, false));
        assert!(!Const::Present.allows(&Const::Absent, true) && Const::Absent.allows(&Const::Present, false));
        assert!(one.allows(&Const::Present, true) && !one.allows(&Const::Absent, true));
        let (below, above) = (Const::Below(2), Const::AtLeast(2));
        assert!(one.allows(&below, true) && !one.allows(&below, false));
        assert!(!two.allows(&below, true) && two.allows(&above, true));
        assert!(below.allows(&one, true) && below.allows(&one, false) && !below.allows(&two, true) && !below.allows(&above, true));
        assert!(Const::Below(1).allows(&below, true) && !Const::Below(1).allows(&below, false) && below.allows(&Const::Below(1), false));
    }
}
