//! What the statements of a test act on: a world whose schedule is drawn by chance, or one whose schedules are all tried.

use std::sync::Arc;

use patternc_program::{RecordId, Source};

use super::order::{EventName, Item};
use super::world::{Request, World};
use crate::engine::Engine;
use crate::event::{Action, Outcome};
use crate::store::StoreError;
use crate::value::RecordRef;

/// An engine in which events from outside take effect.
pub(crate) trait Stage {
    /// The engine of the process that runs.
    fn engine(&self) -> &Engine;

    /// The same, to be changed.
    fn engine_mut(&mut self) -> &mut Engine;

    /// Sends an event from outside. It is sent again, with the same id, after a crash that comes before its outcome.
    fn send(&mut self, name: EventName, caller: Option<Arc<str>>, action: Action) -> Request;

    /// From now on events are those of the next statement, which begins there.
    fn begin_statement(&mut self, at: Source);

    /// What follows happens in this order.
    fn follow(&mut self, order: Vec<Item>);

    /// The outcome of an event from outside, once it is durable.
    fn take_outcome(&mut self, request: Request) -> Option<Outcome>;

    /// From now on, what is sent is not delivered.
    fn hold(&mut self);

    /// Ends a [`Stage::hold`].
    fn release(&mut self);

    /// Whether deliveries wait.
    fn is_held(&self) -> bool;

    /// The process dies: what was durable comes back, and whoever has no outcome yet asks again.
    fn crash(&mut self);

    /// The time in milliseconds since the epoch.
    fn now(&self) -> i64;

    /// Moves the clock on.
    fn set_now(&mut self, now: i64);

    /// Makes everything durable that was committed.
    fn flush(&mut self);

    /// The records of a type in all stores.
    fn records(&self, record: RecordId) -> Result<Vec<RecordRef>, StoreError> {
        let mut records = Vec::new();
        let stores = self.engine().stores();
        for store in 0..stores.len() {
            for space in stores.get(store).spaces()? {
                records.extend(stores.get(store).scan(record, &space, None)?);
            }
        }
        Ok(records)
    }
}

impl Stage for World {
    fn engine(&self) -> &Engine {
        World::engine(self)
    }

    fn engine_mut(&mut self) -> &mut Engine {
        World::engine_mut(self)
    }

    fn send(&mut self, name: EventName, caller: Option<Arc<str>>, action: Action) -> Request {
        World::send_named(self, name, caller, action)
    }

    fn begin_statement(&mut self, _at: Source) {
        World::forget_names(self);
    }

    fn follow(&mut self, order: Vec<Item>) {
        World::follow(self, order);
    }

    fn take_outcome(&mut self, request: Request) -> Option<Outcome> {
        World::take_outcome(self, request)
    }

    fn hold(&mut self) {
        World::hold(self);
    }

    fn release(&mut self) {
        World::release(self);
    }

    fn is_held(&self) -> bool {
        World::is_held(self)
    }

    fn crash(&mut self) {
        World::crash(self);
    }

    fn now(&self) -> i64 {
        World::now(self)
    }

    fn set_now(&mut self, now: i64) {
        World::set_now(self, now);
    }

    fn flush(&mut self) {
        World::flush(self);
    }
}
