//! Runs a whole test: which session goes on next.

use patternc_program::{Source, Test};

use super::{Moved, Run, Script, failure};
use crate::engine::Session;
use crate::simulate::order::Item;
use crate::simulate::report::TestReport;
use crate::simulate::session::Thread;
use crate::simulate::world::World;
use crate::value::Value;

impl<'p> Script<'p, World> {
    /// Runs the test to its end, or to the first thing that is not as expected.
    pub fn run(mut self, test: &'p Test, seed: u64) -> TestReport {
        let frame = vec![Value::None; test.slots as usize];
        let mut thread = Thread::new(Session(0), None, frame, &test.body);
        let ended = self.run_alone(&mut thread, test.at);
        let engine = self.world.engine();
        let parked = engine.status().flights.into_iter().filter(|flight| flight.outcome.is_some());
        let parked = parked.map(|flight| format!("{}: {}", engine.describe(&flight.event.action), flight.trouble.unwrap_or_default()));
        let parked: Vec<String> = parked.collect();
        // What nobody takes has not been done, whatever else is as expected.
        let nothing_is_parked = |()| match parked.len() {
            0 => Ok(()),
            _ => failure(test.at, "at the end an event is parked: it is rejected, and no `err` arm takes that"),
        };
        let mut failure = ended.and_then(nothing_is_parked).err();
        if let Some(failure) = &mut failure {
            failure.notes.extend(parked.iter().map(|parked| format!("parked: {parked}")));
        }
        TestReport {
            name: test.name.clone(),
            seed,
            failure,
            expectations: self.expectations,
            parked,
            counters: self.world.counters(),
            crashes: self.world.crashes(),
            history: self.world.take_history(),
        }
    }

    /// Runs the session of the test itself: what an event has sent is delivered before the next statement.
    fn run_alone(&mut self, thread: &mut Thread<'p>, at: Source) -> Run<()> {
        loop {
            match self.step(thread)? {
                Moved::On => {}
                Moved::Done => break,
                Moved::Rests => self.rest(at)?,
                Moved::Joins(threads, at) => self.run_together(threads, at)?,
                Moved::Reconciles(mirror, scopes, at) => self.reconcile_all(mirror, &scopes, at)?,
                Moved::Waits => {
                    let waits = thread.waits.take().expect("a session that waits says for what");
                    let at = waits.at;
                    self.world.run_until_idle(&mut self.outside);
                    self.check_trouble(at)?;
                    self.check_order(at)?;
                    match self.world.take_outcome(waits.request) {
                        Some(outcome) => self.resume(thread, &waits, outcome)?,
                        None => self.answer_later(waits)?,
                    }
                    self.check_late()?;
                    self.check_eventually(at)?;
                }
            }
        }
        self.world.run_until_idle(&mut self.outside);
        self.check_trouble(at)?;
        self.check_late()?;
        if let Some(waits) = self.late.first() {
            return failure(waits.at, format!("{} was never answered", waits.what));
        }
        self.check_eventually(at)
    }

    /// Runs sessions side by side: chance decides whose turn it is, and what is delivered in between.
    fn run_together(&mut self, mut threads: Vec<Thread<'p>>, at: Source) -> Run<()> {
        loop {
            for thread in &mut threads {
                if let Some(waits) = thread.waits.take_if(|waits| self.world.has_outcome(waits.request)) {
                    let outcome = self.world.take_outcome(waits.request).expect("it has one");
                    self.resume(thread, &waits, outcome)?;
                }
            }
            let able: Vec<usize> = (0..threads.len()).filter(|&i| threads[i].waits.is_none() && !threads[i].is_done()).collect();
            let chosen = match self.world.order_left() {
                None => able.get(self.world.random().below(able.len() + 1)).copied(),
                Some(Item::Next(number)) => {
                    let number = *number;
                    able.iter().copied().find(|&index| threads[index].is_unseen() || threads[index].number == number)
                }
                Some(_) => able.iter().copied().find(|&index| threads[index].is_unseen()),
            };
            if let Some(index) = chosen {
                if !threads[index].is_unseen() {
                    self.world.happened_in_order();
                }
                match self.step(&mut threads[index])? {
                    Moved::Rests => self.rest(at)?,
                    Moved::Joins(threads, at) => self.run_together(threads, at)?,
                    Moved::Reconciles(mirror, scopes, at) => self.reconcile_all(mirror, &scopes, at)?,
                    Moved::On | Moved::Waits | Moved::Done => {}
                }
                continue;
            }
            let happened = self.world.happen(&mut self.outside);
            self.check_trouble(at)?;
            if !happened && self.world.order_left().is_some() {
                self.check_order(at)?;
            }
            if !happened && able.is_empty() {
                let Some(thread) =
                    threads.iter_mut().find(|thread| thread.waits.as_ref().is_some_and(|w| !self.world.has_outcome(w.request)))
                else {
                    if threads.iter().all(Thread::is_done) {
                        break;
                    }
                    continue;
                };
                let waits = thread.waits.take().expect("it was just found waiting");
                self.answer_later(waits)?;
            }
        }
        self.rest(at)
    }

    /// What an order names must happen.
    fn check_order(&mut self, at: Source) -> Run<()> {
        match self.world.order_left() {
            Some(item) if !self.world.is_held() => {
                failure(at, format!("the order cannot be followed: `{item}` is nothing that can happen now"))
            }
            _ => Ok(()),
        }
    }

    fn reconcile_all(&mut self, mirror: u32, scopes: &[Value], at: Source) -> Run<()> {
        scopes.iter().try_for_each(|scope| self.reconcile(mirror, scope, at))
    }

    /// Reconciles a scope; once more if the process dies meanwhile.
    fn reconcile(&mut self, mirror: u32, scope: &Value, at: Source) -> Run<()> {
        loop {
            let crashes = self.world.crashes();
            let reconciled = match self.world.engine_mut().reconcile(mirror, scope.clone()) {
                Ok(id) => {
                    self.world.run_until_idle(&mut self.outside);
                    self.check_trouble(at)?;
                    self.check_late()?;
                    self.world.engine_mut().take_reconciled(id)
                }
                Err(failure) => Some(Err(failure)),
            };
            let declared = &self.program.mirrors[mirror as usize];
            let what = format!("{}({})", declared.name, self.show(scope, &declared.scope_ty));
            match reconciled {
                Some(Ok(_)) => return Ok(()),
                Some(Err(why)) => return failure(at, format!("{what} cannot be reconciled: {why}")),
                None if self.world.crashes() > crashes => {}
                None => return failure(at, format!("{what} cannot be reconciled: what is on its way for it does not arrive")),
            }
        }
    }

    /// Lets things happen until nothing more can.
    pub(super) fn rest(&mut self, at: Source) -> Run<()> {
        self.world.run_until_idle(&mut self.outside);
        self.check_trouble(at)?;
        self.check_order(at)?;
        self.check_late()
    }

    fn check_trouble(&mut self, at: Source) -> Run<()> {
        match self.world.take_trouble() {
            Some(trouble) => failure(at, trouble),
            None => Ok(()),
        }
    }
}
