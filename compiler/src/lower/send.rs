//! Sends, and their arms: bodies of their own with what they take along.

use patternc_program::{Arm, ArmId, Code, Field, Send, SendArm, SendEvent, Stmt};

use super::expression::Refused;
use super::fingerprint::fingerprint;
use super::frame::{FrameLowering, NOT_UNDERSTOOD};
use super::linker::Callable;
use crate::hir::{self, ExprKind};
use crate::types::LocalId;
use crate::visit;

impl FrameLowering<'_, '_> {
    pub(super) fn send(&mut self, send: &hir::Send) -> Stmt {
        let event = match self.event(&send.event) {
            Ok(event) => event,
            Err(Refused(why)) => return self.refuse(why, send.span),
        };
        let after = self.option(send.after.as_ref());
        self.sends += 1;
        let ok = send.ok.as_ref().map(|arm| self.send_arm(send, arm, "ok"));
        let err = send.err.as_ref().map(|arm| self.send_arm(send, arm, "err"));
        Stmt::Send(Box::new(Send { answer: send.answer, event, after, ok, err, at: self.at(send.span) }))
    }

    pub(super) fn event(&mut self, event: &hir::SendEvent) -> Result<SendEvent, Refused> {
        Ok(match event {
            hir::SendEvent::Handler { target, handler, args } => {
                let (target, args) = (self.expr(target), self.exprs(args));
                match self.linker.callable(*handler) {
                    Callable::Handler(handler) => SendEvent::Handler { target, handler, args },
                    Callable::Saga(saga) => SendEvent::Saga { target, saga, args },
                }
            }
            hir::SendEvent::Extern { operation, args } => {
                SendEvent::Extern { of: self.linker.extern_(operation.of), operation: operation.index, args: self.exprs(args) }
            }
            hir::SendEvent::Create(create) => SendEvent::Create(self.create(create)?),
            hir::SendEvent::Error => return Err(Refused(NOT_UNDERSTOOD.into())),
        })
    }

    fn send_arm(&mut self, send: &hir::Send, arm: &hir::SendArm, word: &str) -> SendArm {
        let captured = self.captures(&arm.body);
        let slots = captured.iter().map(|(slot, _)| *slot).collect();
        let locals: Vec<LocalId> = captured.into_iter().map(|(_, local)| local).collect();
        let captures = locals.iter().map(|local| Field { name: self.local_name(*local), ty: self.local_ty(*local) }).collect();
        let result = if send.answer { self.result.clone() } else { None };
        let binds = arm.param.map(|param| self.local_ty(param));
        let name = format!("{}/send {}/{word}", self.name, self.sends);
        // An arm that answers does more than its text says.
        let sent = if send.answer { "return " } else { "" }.to_owned() + &self.linker.event_name(&send.event);
        let known_as = format!("{}/{sent}/{word}", self.known_as);
        let fingerprint = fingerprint(self.linker.text(self.file, arm.span));

        let mut frame = self.arm(name, known_as, &locals);
        if let Some(param) = arm.param {
            frame.bind(param);
        }
        let params = frame.size();
        let code = Code::Block(frame.block(&arm.body));
        let body = frame.finish(params, code, arm.span);
        let (name, known_as) = (body.name.clone(), frame.known_as.into());
        let body = self.out.push(body);
        self.out.arms.push(Arm { name, known_as, alone: true, fingerprint, body, captures, binds, result });
        SendArm { arm: ArmId(self.out.arms.len() as u32 - 1), captures: slots }
    }

    /// The slots of this frame that an event reads, but `self`.
    pub(super) fn slots_of(&self, event: &hir::SendEvent) -> Vec<patternc_program::Slot> {
        let mut slots = Vec::new();
        visit::event(event, &mut |expr| {
            if let ExprKind::Local(local) = expr.kind {
                slots.extend(self.slot(local));
            }
        });
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// The locals of this frame that the block uses (itself, or in arms inside it), by slot.
    fn captures(&self, block: &hir::Block) -> Vec<(patternc_program::Slot, LocalId)> {
        let mut captured = Vec::new();
        // What the block binds itself has no slot in this frame, since locals are numbered once for the whole body.
        visit::block(block, &mut |expr| {
            if let ExprKind::Local(local) = expr.kind
                && let Some(slot) = self.slot(local)
            {
                captured.push((slot, local));
            }
        });
        captured.sort_unstable();
        captured.dedup();
        captured
    }
}
