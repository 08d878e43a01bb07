//! What happens next, chosen by chance.

use std::sync::atomic::Ordering;

use super::{Outside, World};
use crate::engine::CallAnswer;

/// How much may happen without an event from outside and without the passing of time. What goes on for longer never ends, or looks so to
/// whoever waits for it.
const ENDLESS: u32 = 20_000;

/// One thing that can happen next.
#[derive(Clone, Copy)]
enum Choice {
    Step(usize),
    Answer(usize),
    Flush(usize),
    EndPauses,
}

/// Everything that can happen next, without a list of what may be many.
struct Choices {
    /// How many, from the first on.
    steps: usize,
    answers: usize,
    others: Vec<Choice>,
}

impl Choices {
    fn len(&self) -> usize {
        self.steps + self.answers + self.others.len()
    }

    fn at(&self, index: usize) -> Choice {
        match index.checked_sub(self.steps) {
            None => Choice::Step(index),
            Some(index) if index < self.answers => Choice::Answer(index),
            Some(index) => self.others[index - self.answers],
        }
    }
}

impl World {
    /// Moves the clock on, past everything that becomes due on the way.
    pub fn advance(&mut self, milliseconds: i64, outside: &mut dyn Outside) {
        let target = self.now().saturating_add(milliseconds);
        self.note(|| format!("{milliseconds} ms pass"));
        while self.trouble.is_none()
            && let Some(due) = self.engine().next_delayed()
            && due <= target
        {
            self.clock.fetch_max(due, Ordering::Relaxed);
            self.unprompted = 0;
            self.engine_mut().wake();
            self.run_until_idle(outside);
            if self.is_held() {
                break;
            }
        }
        self.clock.fetch_max(target, Ordering::Relaxed);
        self.run_until_idle(outside);
    }

    /// Lets things happen until nothing more can, unless time passes.
    pub fn run_until_idle(&mut self, outside: &mut dyn Outside) {
        while self.happen(outside) {}
    }

    /// Lets one thing happen, chosen by chance; `false` if there is none.
    pub fn happen(&mut self, outside: &mut dyn Outside) -> bool {
        if self.trouble.is_some() {
            return false;
        }
        if !self.order.is_empty() {
            return self.happen_in_order(outside);
        }
        self.look();
        let choices = self.choices();
        if self.trouble.is_some() || choices.len() == 0 {
            return false;
        }
        self.unprompted += 1;
        if self.unprompted > ENDLESS {
            self.trouble = Some(format!(
                "after {ENDLESS} steps, handlers still set off one another: this never ends; let a condition end it, or a delay (`after`) space it out"
            ));
            return false;
        }
        if self.chance(self.mishaps.crash) {
            self.crash();
            return true;
        }
        if self.chance(self.mishaps.duplicate) {
            let which = self.random.draw();
            self.engine_mut().deliver_again(which);
        }
        match choices.at(self.random.below(choices.len())) {
            Choice::Step(index) => self.engine_mut().step_at(index),
            Choice::Answer(index) => self.answer(index, outside),
            Choice::Flush(store) => {
                self.disk.flush(store);
            }
            Choice::EndPauses => self.engine_mut().end_pauses(),
        }
        self.look();
        true
    }

    pub(super) fn chance(&mut self, of_a_thousand: u32) -> bool {
        of_a_thousand > 0 && self.random.below(1000) < of_a_thousand as usize
    }

    fn choices(&self) -> Choices {
        let held = self.is_held();
        let engine = self.engine();
        let waits = engine.waits_for_durability() || self.asked.values().any(|asked| asked.receipt.is_some());
        let mut others = Vec::new();
        if waits {
            let stores = (0..self.disk.stores()).filter(|&store| self.disk.is_controlled(store) && self.has_unflushed(store));
            others.extend(stores.map(Choice::Flush));
        }
        let mut choices = Choices { steps: engine.steps(), answers: 0, others };
        if held {
            choices.steps = 0;
            choices.others.extend((0..engine.steps()).filter(|&step| engine.is_outside_step(step)).map(Choice::Step));
        } else {
            choices.answers = self.calls.len();
        }
        if choices.len() == 0 && engine.has_pauses(held) {
            choices.others.push(Choice::EndPauses);
        }
        choices
    }

    pub(super) fn answer(&mut self, index: usize, outside: &mut dyn Outside) {
        if self.chance(self.mishaps.lost_answer) {
            let call = self.calls.remove(index);
            // It took effect all the same.
            if let Err(trouble) = outside.call(self.engine.as_mut().expect("a process runs"), &call) {
                self.trouble = Some(trouble);
            }
            return self.engine_mut().answer(&call.event, call.attempt, CallAnswer::Unavailable("the answer was lost".to_owned()));
        }
        self.answer_given(index, outside);
    }

    pub(super) fn answer_given(&mut self, index: usize, outside: &mut dyn Outside) {
        let call = self.calls.remove(index);
        match outside.call(self.engine.as_mut().expect("a process runs"), &call) {
            Ok(answer) => self.engine_mut().answer(&call.event, call.attempt, answer),
            Err(trouble) => self.trouble = Some(trouble),
        }
    }
}
