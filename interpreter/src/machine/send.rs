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
            ok: send.ok.as_ref().map(|arm| self.pending(arm)).transpose()?,
            err: send.err.as_ref().map(|arm| self.pending(arm)).transpose()?,
            answers,
            saga: None,
            state: OutgoingState::Pending,
        };
        self.tx.send(outgoing, decides);
        Ok(send.answer)
    }

    /// What an event does where it arrives.
    pub(super) fn sent_action(&mut self, event: &'a SendEvent) -> Run<Action> {
        let action = match event {
            SendEvent::Handler { target, handler, args } => {
                Action::Handler { to: self.eval_ref(target)?, handler: *handler, args: self.eval_all(args)? }
            }
            SendEvent::Saga { target, saga, args } => Action::Saga { to: self.eval_ref(target)?, saga: *saga, args: self.eval_all(args)? },
            SendEvent::Extern { of, operation, args } => Action::Extern { of: *of, operation: *operation, args: self.eval_all(args)? },
            SendEvent::Create(create) => {
                let (space, cells) = self.create_parts(create)?;
                Action::Create { record: create.record, space, id: None, cells }
            }
        };
        match &action {
            Action::Handler { args, .. } | Action::Saga { args, .. } | Action::Extern { args, .. } => {
                args.iter().try_for_each(|arg| self.weigh(arg))?;
            }
            Action::Create { cells, .. } => cells.iter().try_for_each(|(_, value)| self.weigh(value))?,
        }
        Ok(action)
    }

    fn pending(&mut self, arm: &SendArm) -> Run<PendingArm> {
        let captures: Vec<Value> = arm.captures.iter().map(|slot| self.slot(*slot).clone()).collect();
        captures.iter().try_for_each(|value| self.weigh(value))?;
        Ok(PendingArm { arm: arm.arm, captures })
    }
}
