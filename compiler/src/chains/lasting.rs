//! Records that a chain makes and goes on with in later pieces. While the piece that makes one runs, nobody else has it; after that everybody can find
//! it: by its key, among all, or by a link.

use std::sync::Arc;

use super::Access;
use super::collect::Collector;
use crate::effects::{Argument, Effects, SendEffect, SendTarget, Target, WriteKind};
use crate::signature::handler_sig;
use crate::types::{ItemId, LocalId, Ty};

/// The first number of the locals that stand for records that a chain has made. No body has that many.
const MADE: u32 = 1 << 26;

impl Collector<'_> {
    /// To whom something is sent.
    pub(super) fn lasting_receiver(&mut self, send: &SendEffect, after: usize) -> Target {
        match send.to {
            SendTarget::Handler(handler) => self.lasting(&send.target, handler.record, after),
            SendTarget::Create(_) | SendTarget::Extern(_) | SendTarget::Unknown => send.target.clone(),
        }
    }

    /// What is sent along.
    pub(super) fn lasting_args(&mut self, send: &SendEffect, after: usize) -> Arc<[Argument]> {
        let fresh = |arg: &Argument| matches!(arg, Argument::Record { target: Target::Fresh, .. });
        let params = match send.to {
            SendTarget::Handler(handler) => handler_sig(self.db, handler).map(|sig| &sig.params[..]).unwrap_or_default(),
            _ => &[],
        };
        if !send.args.iter().any(fresh) {
            return Arc::clone(&send.args);
        }
        let lasting = |(index, arg): (usize, &Argument)| match (arg, params.get(index).map(|param| &param.ty)) {
            (Argument::Record { target, space, there }, Some(Ty::Record(of, _))) => {
                Argument::Record { target: self.lasting(target, *of, after), space: *space, there: *there }
            }
            (arg, _) if fresh(arg) => Argument::Unknown,
            (arg, _) => arg.clone(),
        };
        send.args.iter().enumerate().map(lasting).collect()
    }

    /// An arm that goes on with what was made before it; `None` if it does not.
    pub(super) fn lasting_in(&mut self, arm: &Effects, after: usize) -> Option<Effects> {
        let made = |of: ItemId| arm.writes.iter().any(|write| write.kind == WriteKind::Create && write.record == of);
        let before = |target: &Target, of: ItemId| *target == Target::Fresh && !made(of);
        let reads = arm.reads.iter().any(|read| before(&read.target, read.record));
        if !reads && !arm.writes.iter().any(|write| before(&write.target, write.record)) {
            return None;
        }
        let mut lasting = arm.clone();
        let mut named: Vec<(ItemId, Target)> = Vec::new();
        let mut name = |target: &mut Target, of: ItemId| {
            if before(target, of) {
                let known = named.iter().find(|(known, _)| *known == of).map(|(_, known)| known.clone());
                *target = known.unwrap_or_else(|| {
                    named.push((of, self.lasting(target, of, after)));
                    named[named.len() - 1].1.clone()
                });
            }
        };
        lasting.reads.iter_mut().for_each(|read| name(&mut read.target, read.record));
        lasting.writes.iter_mut().for_each(|write| name(&mut write.target, write.record));
        Some(lasting)
    }

    /// What a later piece calls a record that is new to the one that sends.
    fn lasting(&mut self, target: &Target, of: ItemId, after: usize) -> Target {
        if *target != Target::Fresh {
            return target.clone();
        }
        let makes = |access: &Access| access.write == Some(WriteKind::Create) && access.record == of;
        let way = std::iter::successors(Some(after), |&piece| self.chain.pieces[piece].parent);
        // Of several the first, before which it surely is not there.
        let Some(maker) = way.filter(|piece| self.chain.pieces[*piece].accesses.iter().any(makes)).last() else { return Target::Unknown };
        let made = Target::Local(LocalId(MADE + self.number()));
        self.chain.pieces[maker].makes.push(made.clone());
        made
    }
}
