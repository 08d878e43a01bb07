//! What it costs to go through a whole value. Parts that values share count each time: whoever writes them down or compares them meets them so.

use super::Machine;
use crate::failure::FailureKind;
use crate::transaction::{Run, fail};
use crate::value::{Excess, Value};

impl Machine<'_> {
    /// Counts a step for every part of a value, and for each 64 bytes of its texts. To be done before it is gone through.
    pub(super) fn weigh(&mut self, value: &Value) -> Run<()> {
        if value.is_small() {
            return Ok(());
        }
        let left = self.left();
        match weight(value, left) {
            Some(weight) => self.take_steps(weight),
            None => self.take_steps(left.saturating_add(1)),
        }
    }

    /// The same for two values that are compared: no further than the smaller one goes.
    pub(super) fn weigh_both(&mut self, one: &Value, other: &Value) -> Run<()> {
        if one.is_small() || other.is_small() {
            return Ok(());
        }
        let left = self.left();
        let one = weight(one, left).unwrap_or(left.saturating_add(1));
        let other = weight(other, one).unwrap_or(one);
        self.take_steps(one.min(other))
    }

    /// A value that was just made, unless it is nested too deep: what takes values apart must not run out of stack.
    pub(super) fn nested(&mut self, value: Value) -> Run<Value> {
        let (limit, left) = (self.env.limits.value_nesting, self.left());
        let mut unused = left;
        match value.weigh(&mut unused, limit) {
            Ok(()) => self.take_steps(left - unused)?,
            Err(Excess::Weight) => self.take_steps(left.saturating_add(1))?,
            Err(Excess::Nesting) => {
                return fail(FailureKind::Overflow, format!("a value is nested deeper than {limit} (setting `value-nesting`)"));
            }
        }
        Ok(value)
    }

    /// The steps that are left.
    pub(super) fn left(&self) -> usize {
        usize::try_from(self.steps + self.reserve).unwrap_or(usize::MAX)
    }
}

/// `None` if it is more than `limit`.
fn weight(value: &Value, limit: usize) -> Option<usize> {
    let mut unused = limit;
    value.weigh(&mut unused, usize::MAX).ok().map(|()| limit - unused)
}
