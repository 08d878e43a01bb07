//! Sends: events stored with the transaction.

use std::sync::Arc;

use patternc_program::{Send, SendArm, SendEvent};

use super::Machine;
use crate::event::{Action, Event, EventId, Outgoing, OutgoingState, PendingArm};
use crate::transaction::Run;
use crate::value::Value;

impl<'a> Machine<'a> {
    /// Stores the event with the transaction. True if its outcome is that of the running event.
    pub(super) fn send(&mut self, send: &'a Send) -> Run<bool> {
        let Value::Ref(from) = self.slot(patternc_program::Slot(0)).clone() else {
            return self.mistyped("a record that sends", &Value::None);
        };
        let action = self.sent_action(&send.event)?;
        let due = match &send.after {
            None => None,
            Some(after) => match self.eval(after)? {
                Value::Duration(after) => Some(self.env.now.saturating_add(after)),
                other => return self.mistyped("a Duration", &other),
            },
        };
        // Inside a direct call the event that is answered is the caller's, and the caller answers it.
        let answers = if send.answer && self.calls == 0 { self.env.answers.cloned() } else { None };
        let decides = answers.is_some();
        let id = EventId(Arc::from(self.next_id()));
        let outgoing = Outgoing {
            event: Event { id, caller: self.env.caller.cloned(), action },
            from,
            at: self.env.now,
            due,
            ok: send.ok.as_ref().map(|arm| self.pending(arm)),
            err: send.err.as_ref().map(|arm| self.pending(arm)),
            answers,
            saga: None,
            state: OutgoingState::Pending,
        };
        self.tx.send(outgoing, decides);
        Ok(send.answer)
    }

    /// What an event does where it arrives.
    pub(super) fn sent_action(&mut self, event: &'a SendEvent) -> Run<Action> {
        Ok(match event {
            SendEvent::Handler { target, handler, args } => {
                Action::Handler { to: self.eval_ref(target)?, handler: *handler, args: self.eval_all(args)? }
            }
            SendEvent::Saga { target, saga, args } => Action::Saga { to: self.eval_ref(target)?, saga: *saga, args: self.eval_all(args)? },
            SendEvent::Extern { of, operation, args } => Action::Extern { of: *of, operation: *operation, args: self.eval_all(args)? },
            SendEvent::Create(create) => {
                let (space, cells) = self.create_parts(create)?;
                Action::Create { record: create.record, space, id: None, cells }
            }
        })
    }

    fn pending(&self, arm: &SendArm) -> PendingArm {
        PendingArm { arm: arm.arm, captures: arm.captures.iter().map(|slot| self.slot(*slot).clone()).collect() }
    }
}
