//! A runtime that is looked at step by step: deliveries held and let through, transactions left open, data kept and put back.

use std::sync::Arc;

use super::{Answer, Runtime, Slot, Taken};
use crate::engine::{Open, Opened, Receipt, Session, Ticket};
use crate::event::{Action, Event};
use crate::store::StoreError;
use crate::store::state::State;

/// What became of a transaction that was to be left open.
pub enum Begun {
    Open(Box<Open>),
    /// It was refused, or goes on by itself.
    Taken(Taken),
}

impl Runtime {
    /// From now on, what was sent is not delivered until [`Runtime::release`] or [`Runtime::deliver_next`].
    pub fn hold(&self) {
        self.shared.lock().engine().hold();
    }

    /// Ends [`Runtime::hold`]: everything that waits is delivered.
    pub fn release(&self) {
        self.shared.lock().engine().release();
        self.shared.bell.ring();
    }

    /// Whether deliveries are held.
    pub fn is_held(&self) -> bool {
        self.shared.lock().engine().is_held()
    }

    /// What waits to be delivered, in order, in a few words each.
    pub fn waiting_deliveries(&self) -> Vec<String> {
        self.shared.lock().engine().waiting_deliveries()
    }

    /// Delivers the oldest of what waits; says what it was.
    pub fn deliver_next(&self) -> Option<String> {
        let delivered = self.shared.lock().engine().deliver_next();
        self.shared.bell.ring();
        delivered
    }

    /// Runs an event and leaves its transaction open, so that others can come between it and its commit.
    pub fn begin(&self, session: Session, caller: Option<Arc<str>>, action: Action) -> Begun {
        let mut core = self.shared.lock();
        let id = core.engine().fresh_event_id();
        let opened = core.engine().open_transaction(session, Event { id: id.clone(), caller, action });
        let answer = match opened {
            Opened::Open(open) => return Begun::Open(open),
            Opened::Refused(failure) => Answer::Receipt(Receipt::refused(failure)),
            Opened::Pending(ticket) => Answer::Slot(core.pending.entry(ticket).or_default().clone()),
        };
        drop(core);
        self.shared.bell.ring();
        Begun::Taken(Taken { id, answer, shared: self.shared.clone() })
    }

    /// Commits a transaction that was left open; if what it has read was changed meanwhile, it runs again.
    pub fn commit(&self, open: Open) -> Taken {
        let mut core = self.shared.lock();
        let slot = Arc::new(Slot::default());
        core.pending.insert(open.ticket, slot.clone());
        let known = core.engine().commit_open(open.ticket);
        debug_assert!(known, "a transaction is open until it is committed or rolled back");
        drop(core);
        self.shared.bell.ring();
        Taken { id: open.event, answer: Answer::Slot(slot), shared: self.shared.clone() }
    }

    /// Ends a transaction that was left open. Nothing of it remains.
    pub fn roll_back(&self, ticket: Ticket) {
        self.shared.lock().engine().roll_back(ticket);
    }

    /// A copy of what each store keeps, if all of it is in memory and nowhere else.
    pub fn snapshot(&self) -> Result<Option<Vec<State>>, StoreError> {
        self.read(|engine| {
            let stores = engine.stores();
            (0..stores.len()).map(|store| stores.get(store).in_memory().cloned()).collect()
        })
    }
}
