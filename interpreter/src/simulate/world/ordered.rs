//! What happens in the order that a test names, rather than by chance.

use super::super::order::{Item, Names};
use super::{Outside, World};
use crate::engine::{CallAnswer, Doing};

impl World {
    /// What follows happens in this order, by the names of the events of the next statement.
    pub(in super::super) fn follow(&mut self, order: Vec<Item>) {
        self.collect_history();
        self.order = order.into();
        self.engine_mut().record_history();
    }

    /// What is left of the order.
    pub(in super::super) fn order_left(&self) -> Option<&Item> {
        self.order.front()
    }

    /// What was next in the order has happened.
    pub(in super::super) fn happened_in_order(&mut self) {
        self.order.pop_front();
    }

    /// Names count from 1 again.
    pub(in super::super) fn forget_names(&mut self) {
        self.names = Names::default();
    }

    /// Lets happen what the order says is next, or what nobody can tell; `false` if it cannot happen.
    pub(super) fn happen_in_order(&mut self, outside: &mut dyn Outside) -> bool {
        self.flush();
        self.collect_history();
        let Some(item) = self.order.front().cloned() else { return false };
        if item == Item::Crash {
            self.order.pop_front();
            self.crash();
            return true;
        }
        if let Some((call, reply)) = self.call_in_order(&item) {
            self.order.pop_front();
            match reply {
                None => self.answer_given(call, outside),
                Some(answer) => {
                    let call = self.calls.remove(call);
                    if let CallAnswer::Rejected(_) = answer {
                        outside.answered(&call, &answer);
                    }
                    self.engine_mut().answer(&call.event, call.attempt, answer);
                }
            }
            return true;
        }
        match self.step_in_order(&item) {
            Some((step, ends)) => {
                if ends {
                    self.order.pop_front();
                }
                self.engine_mut().step_at(step);
                true
            }
            None => match self.unseen_step() {
                Some(step) => {
                    self.engine_mut().step_at(step);
                    true
                }
                None => {
                    self.engine().has_pauses(self.is_held()) && {
                        self.engine_mut().end_pauses();
                        true
                    }
                }
            },
        }
    }

    /// The call that the item answers, and with what if not as the test says.
    fn call_in_order(&self, item: &Item) -> Option<(usize, Option<CallAnswer>)> {
        if self.is_held() {
            return None;
        }
        let (name, answer) = match item {
            Item::Done(name) => (name, None),
            Item::Lost(name) => (name, Some(CallAnswer::Unavailable("the answer was lost".to_owned()))),
            Item::Refuses(name) => (name, Some(CallAnswer::Rejected("the outside refuses".to_owned()))),
            _ => return None,
        };
        let call = self.calls.iter().position(|call| self.names.of(&call.event) == Some(name))?;
        Some((call, answer))
    }

    /// The step that the item is, and whether the item has happened with it.
    fn step_in_order(&self, item: &Item) -> Option<(usize, bool)> {
        let held = self.is_held();
        let mut steps = self.engine().next_steps().enumerate().filter(|(_, step)| !held || step.outside);
        steps.find_map(|(at, step)| {
            let name = self.names.of_step(step.event?, step.doing)?;
            match (item, step.doing) {
                (Item::Tried(tried), Doing::MarkTried) if *tried == name => Some((at, step.commit)),
                (_, Doing::MarkTried) => None,
                (Item::Reads(reads), _) if *reads == name && !step.commit => Some((at, true)),
                (Item::Done(done), _) if *done == name => Some((at, step.commit)),
                _ => None,
            }
        })
    }

    /// A step that only tidies up, or an event that arrives where it was received before.
    fn unseen_step(&self) -> Option<usize> {
        let held = self.is_held();
        let engine = self.engine();
        engine.next_steps().position(|step| match (step.event, step.doing) {
            (None, _) | (_, Doing::Forget) => true,
            (Some(event), Doing::Receive) => !held && !step.outside && engine.was_received(event),
            _ => false,
        })
    }
}
