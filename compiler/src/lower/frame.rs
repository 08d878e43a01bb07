//! Frames: which slot a local is in, and the bodies made from one.

use patternc_grammar::syntax::Span;
use patternc_program::{Arm, Body, BodyId, Code, Expr, FileId, Slot, Source, Stmt, TestStmt, Type};
use rustc_hash::FxHashMap;

use super::linker::Linker;
use crate::hir;
use crate::types::LocalId;

/// Bodies and arms made so far.
#[derive(Default)]
pub(super) struct Output {
    pub(super) bodies: Vec<Body>,
    pub(super) arms: Vec<Arm>,
}

impl Output {
    pub(super) fn push(&mut self, body: Body) -> BodyId {
        self.bodies.push(body);
        BodyId(self.bodies.len() as u32 - 1)
    }

    /// Finds out which arms are known as the same, once there are all of them.
    pub(super) fn tell_arms_apart(&mut self) {
        let mut count: FxHashMap<&str, u32> = FxHashMap::default();
        for arm in &self.arms {
            *count.entry(&arm.known_as).or_default() += 1;
        }
        let alone: Vec<bool> = self.arms.iter().map(|arm| count[&*arm.known_as] == 1).collect();
        for (arm, alone) in self.arms.iter_mut().zip(alone) {
            arm.alone = alone;
        }
    }
}

/// Lowers the code of one frame: a body, or an arm of a send.
pub(super) struct FrameLowering<'a, 'db> {
    pub(super) linker: &'a Linker<'db>,
    pub(super) out: &'a mut Output,
    pub(super) body: &'a hir::Body,
    pub(super) file: FileId,
    /// "Person.link", "Agent.start/send 1/ok".
    pub(super) name: String,
    /// What an arm in it is known as begins with: "Agent.start/Auth.refresh/ok".
    pub(super) known_as: String,
    /// What the running event answers with: the type an answering arm gives.
    pub(super) result: Option<Type>,
    /// By local; those of other frames of the body have none.
    slots: Vec<Option<Slot>>,
    next: u32,
    size: u32,
    /// Whether the slots of a block are free again after it. Not where what a block bound outlives it.
    reuse: bool,
    /// Sends so far: they number the arms.
    pub(super) sends: u32,
    /// In a test: events that have to happen before the statement being lowered, since its expressions need their results.
    pub(super) events: Option<Vec<TestStmt>>,
    /// How many branches and lambdas enclose the expression being lowered: it may not be evaluated, or more than once.
    pub(super) branches: u32,
}

impl<'a, 'db> FrameLowering<'a, 'db> {
    /// A frame of `body` with `self` in slot 0 where there is one, and the parameters after it.
    pub(super) fn new(linker: &'a Linker<'db>, out: &'a mut Output, body: &'a hir::Body, file: FileId, name: String) -> Self {
        let mut frame = FrameLowering {
            linker,
            out,
            body,
            file,
            known_as: name.clone(),
            name,
            result: None,
            slots: vec![None; body.locals.len()],
            next: 0,
            size: 0,
            reuse: true,
            sends: 0,
            events: None,
            branches: 0,
        };
        if has_self(body) {
            frame.temp();
        }
        for param in 0..body.params {
            frame.bind(LocalId(param));
        }
        frame
    }

    /// The frame of an arm: `self`, then the captures.
    pub(super) fn arm<'b>(&'b mut self, name: String, known_as: String, captures: &[LocalId]) -> FrameLowering<'b, 'db> {
        let mut frame = FrameLowering {
            linker: self.linker,
            out: &mut *self.out,
            body: self.body,
            file: self.file,
            name,
            known_as,
            result: self.result.clone(),
            slots: vec![None; self.body.locals.len()],
            next: 1,
            size: 1,
            reuse: true,
            sends: 0,
            events: None,
            branches: 0,
        };
        for capture in captures {
            frame.bind(*capture);
        }
        frame
    }

    /// Keeps every slot for one local to the end: what a test's `given` or a saga's step binds is needed later.
    pub(super) fn keep_slots(&mut self) {
        self.reuse = false;
    }

    /// The names of the locals that have a slot.
    pub(super) fn slot_names(&self) -> Vec<(Slot, patternc_program::Name)> {
        let slots = self.slots.iter().zip(&self.body.locals);
        slots.filter_map(|(slot, local)| Some(((*slot)?, local.name))).collect()
    }

    /// A slot of its own for the local.
    pub(super) fn bind(&mut self, local: LocalId) -> Slot {
        let slot = self.temp();
        self.slots[local.0 as usize] = Some(slot);
        slot
    }

    /// A slot that has no name.
    pub(super) fn temp(&mut self) -> Slot {
        let slot = Slot(self.next);
        self.next += 1;
        self.size = self.size.max(self.next);
        slot
    }

    /// Where the local is; `None` for one of another frame.
    pub(super) fn slot(&self, local: LocalId) -> Option<Slot> {
        self.slots[local.0 as usize]
    }

    /// The slots so far, to be given to [`Self::release`] where what was bound since is no longer needed.
    pub(super) fn mark(&self) -> u32 {
        self.next
    }

    pub(super) fn release(&mut self, mark: u32) {
        if self.reuse {
            self.next = mark;
        }
    }

    /// Size of the frame.
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn at(&self, span: Span) -> Source {
        self.linker.source(self.file, span)
    }

    pub(super) fn local_name(&self, local: LocalId) -> patternc_program::Name {
        self.body.locals[local.0 as usize].name
    }

    pub(super) fn local_ty(&self, local: LocalId) -> Type {
        self.linker.ty(&self.body.locals[local.0 as usize].ty)
    }

    /// The finished body. `params` slots are filled by the caller.
    pub(super) fn finish(&self, params: u32, code: Code, span: Span) -> Body {
        Body { name: self.name.as_str().into(), params, slots: self.size, code, at: self.at(span) }
    }

    /// What stands in for code that has no meaning: it fails, saying so.
    pub(super) fn refuse(&self, why: impl Into<String>, span: Span) -> Stmt {
        Stmt::Fail { message: Expr::Text(why.into().into()), at: self.at(span) }
    }

    /// The same, where a value is expected.
    pub(super) fn refuse_value(&mut self, why: impl Into<String>, span: Span) -> Expr {
        let stmt = Box::new(self.refuse(why, span));
        Expr::Forced { stmt, result: self.temp() }
    }
}

/// Whether slot 0 of a body's frame is `self`.
pub(super) fn has_self(body: &hir::Body) -> bool {
    body.self_record.is_some()
}

/// What an error that was reported becomes when the program is run all the same.
pub(super) const NOT_UNDERSTOOD: &str = "this part of the pattern could not be understood: `patternc check` says why";
