//! Declarations: what the runtime has to know beside the code.

use patternc_program::{
    Body, BodyId, Cell, Code, Derived, Enum, Expr, Extern, Handler, Invariant, Inverse, Kept, Mirror, Name, Operation, Program, Record,
    RecordId, Repeat, Saga, SagaCall, SagaStep, Send, Space, Stmt, Struct, Type, Variant,
};

use patternc_grammar::syntax::ItemKind;

use super::frame::{FrameLowering, NOT_UNDERSTOOD, Output};
use super::linker::{Callable, CellRef, Linker, member_name};
use crate::bodies::{self, FileBodies};
use crate::db::SourceFile;
use crate::hir::{self, BodyKind, BodyOwner, ExprKind, StmtKind};
use crate::location;
use crate::rules::half_done_step;
use crate::signature::{self, HandlerKind, RecordSig, Signature};
use crate::types::{self, CellId, ItemId, LocalId, Ty};

/// The program of a project.
pub(super) fn lower(linker: &Linker<'_>) -> Program {
    let mut lowering = ProgramLowering { linker, program: Program::default(), out: Output::default() };
    lowering.program.files = linker.files.iter().map(|file| file.path(linker.db).clone()).collect();
    lowering.functions();
    lowering.declarations();
    lowering.tests();
    lowering.out.tell_arms_apart();
    Program { bodies: lowering.out.bodies, arms: lowering.out.arms, ..lowering.program }
}

/// Builds a program: the declarations of one file after the other.
struct ProgramLowering<'a, 'db> {
    linker: &'a Linker<'db>,
    program: Program,
    out: Output,
}

impl<'db> ProgramLowering<'_, 'db> {
    /// Bodies of functions: they are called by position, and come first.
    fn functions(&mut self) {
        for (item, signature, bodies) in self.items() {
            if let Signature::Fn(function) = signature {
                let called = (function.params.len(), None);
                let id = self.called_body(bodies, BodyOwner::Fn(item), item.file, function.name.as_str().into(), called);
                debug_assert_eq!(id, self.linker.function(item));
            }
        }
    }

    /// Everything else.
    fn declarations(&mut self) {
        for (item, signature, bodies) in self.items() {
            match signature {
                Signature::Space(space) => {
                    self.program.spaces.push(Space { name: space.name, key: space.key.as_ref().map(|k| self.linker.ty(k)) });
                }
                Signature::Struct(s) => {
                    self.program.structs.push(Struct { name: s.name, fields: self.linker.fields(&s.fields) });
                }
                Signature::Enum(e) => {
                    let variants = e.variants.iter().map(|v| Variant { name: v.name, fields: self.linker.fields(&v.fields) });
                    self.program.enums.push(Enum { name: e.name, variants: variants.collect() });
                }
                Signature::Extern(e) => {
                    let operations = e.operations.iter().map(|op| Operation {
                        name: op.name,
                        params: self.linker.fields(&op.params),
                        result: self.linker.result(&op.result),
                        repeat: match op.repeat {
                            patternc_grammar::syntax::Repeat::Readonly => Repeat::Readonly,
                            patternc_grammar::syntax::Repeat::Idempotent => Repeat::Idempotent,
                            patternc_grammar::syntax::Repeat::Once => Repeat::Once,
                        },
                    });
                    self.program.externs.push(Extern { name: e.name, operations: operations.collect() });
                }
                Signature::Record(record) => self.record(item, record, bodies),
                Signature::Fn(_) | Signature::Mirror(_) | Signature::Invariant(_) | Signature::Other => {}
            }
        }
        // These belong to records, which may stand in any file.
        for (item, signature, bodies) in self.items() {
            match signature {
                Signature::Invariant(invariant) => self.invariant(item, invariant, bodies),
                Signature::Mirror(mirror) => self.mirror(item, mirror, bodies),
                _ => {}
            }
        }
    }

    /// Every item of the project with its signature and the bodies of its file, in order.
    fn items(&self) -> impl Iterator<Item = (ItemId, &'db Signature, &'db FileBodies)> + use<'db> {
        let db = self.linker.db;
        let files: Vec<_> = self.linker.files.iter().copied().zip(self.linker.signatures.iter().copied()).collect();
        files.into_iter().flat_map(move |(file, signatures)| {
            let bodies = bodies::bodies(db, file);
            signatures.by_item.iter().enumerate().map(move |(i, sig)| (ItemId { file, index: i as u32 }, sig, bodies))
        })
    }

    fn record(&mut self, item: ItemId, signature: &RecordSig, bodies: &FileBodies) {
        let id = self.linker.record(item);
        let mut cells = Vec::new();
        let mut derived = Vec::new();
        for (index, cell) in signature.cells.iter().enumerate() {
            let cell_id = CellId { record: item, index: index as u32 };
            let name = member_name(signature.name, &cell.name);
            let ty = self.linker.ty(&cell.ty);
            if cell.derived {
                let body = self.body(bodies, BodyOwner::Derived(cell_id), item.file, name);
                derived.push(Derived { name: cell.name, ty, body });
                continue;
            }
            let default = cell.has_default.then(|| self.body(bodies, BodyOwner::Default(cell_id), item.file, name));
            let inverse = cell.inverse.and_then(|other| match self.linker.cell(other) {
                CellRef::Stored(record, cell) => Some(Inverse { record, cell }),
                // A derived cell has no end to keep: an error.
                CellRef::Derived(..) => None,
            });
            let unique = cell.key || cell.unique;
            cells.push(Cell { name: cell.name, ty, default, unique, index: unique || cell.index, inverse });
        }
        let key = signature.key().and_then(|index| match self.linker.cells(id)[index as usize] {
            CellRef::Stored(_, cell) => Some(cell),
            CellRef::Derived(..) => None,
        });
        let create =
            signature.has_create.then(|| self.body(bodies, BodyOwner::Create(item), item.file, member_name(signature.name, "create")));
        let mut record = Record {
            name: signature.name,
            home: self.linker.home(signature),
            cells,
            derived,
            key,
            create,
            handlers: Vec::new(),
            sagas: Vec::new(),
            invariants: Vec::new(),
            mirrors: Vec::new(),
        };
        for (index, handler) in signature.handlers.iter().enumerate() {
            let handler_id = types::HandlerId { record: item, index: index as u32 };
            let name = member_name(signature.name, &handler.name);
            let params = self.linker.fields(&handler.params);
            match self.linker.callable(handler_id) {
                Callable::Handler(dense) => {
                    let result = self.linker.result(&handler.result);
                    let called = (params.len() + 1, result.clone());
                    let body = self.called_body(bodies, BodyOwner::Handler(handler_id), item.file, name, called);
                    let internal = handler.kind == HandlerKind::Internal;
                    let across = handler.across.iter().map(|space| self.linker.space(*space)).collect();
                    debug_assert_eq!(dense.index(), self.program.handlers.len());
                    let halfway = half_done_step::of_handler(self.linker.db, handler_id).is_some();
                    let handler = Handler { name: handler.name, record: id, internal, params, result, body, across, halfway };
                    self.program.handlers.push(handler);
                    record.handlers.push(dense);
                }
                Callable::Saga(dense) => {
                    let saga = self.saga(bodies, handler_id, handler, id, &name);
                    debug_assert_eq!(dense.index(), self.program.sagas.len());
                    self.program.sagas.push(saga);
                    record.sagas.push(dense);
                }
            }
        }
        self.program.records.push(record);
    }

    fn saga(
        &mut self,
        bodies: &FileBodies,
        id: types::HandlerId,
        signature: &signature::HandlerSig,
        record: patternc_program::RecordId,
        name: &str,
    ) -> Saga {
        let params = self.linker.fields(&signature.params);
        let body = bodies.get(BodyOwner::Saga(id));
        let Some((body, BodyKind::Saga { prelude, steps })) = body.map(|body| (&**body, &body.kind)) else {
            let prelude = self.missing(name, id.record.file, params.len() as u32 + 1);
            let slots = params.len() as u32 + 1;
            return Saga { name: signature.name, record, slots, params, prelude, steps: Vec::new(), kept: Vec::new() };
        };
        let file = self.linker.file(id.record.file);
        let mut frame = FrameLowering::new(self.linker, &mut self.out, body, file, name.to_string());
        frame.keep_slots();
        let prelude_code = Code::Block(frame.stmts(&prelude.stmts));
        let mut kept: Vec<Kept> = (0..body.params).filter_map(|param| kept_local(&frame, LocalId(param))).collect();
        kept.extend(prelude.stmts.iter().filter_map(|stmt| match &stmt.kind {
            StmtKind::Let { local, .. } | StmtKind::LetElse { local, .. } => kept_local(&frame, *local),
            _ => None,
        }));
        let mut made = vec![frame.finish(params.len() as u32 + 1, prelude_code, prelude.span)];
        let mut lowered = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            frame.name = match step.name {
                Some(local) => format!("{name}/{}", body.locals[local.0 as usize].name),
                None => format!("{name}/step {}", number + 1),
            };
            let action = step_code(&mut frame, &step.action, step.span);
            made.push(frame.finish(0, action, step.span));
            let mut uses = vec![frame.slots_of(&step.action)];
            // The result is there for what undoes the step, and for the steps after it.
            let result = step.name.map(|local| (frame.bind(local), frame.local_ty(local)));
            kept.extend(step.name.and_then(|local| kept_local(&frame, local)));
            if let Some(undo) = &step.undo {
                frame.name.push_str("/undo");
                let span = step.undo_span.unwrap_or(step.span);
                let undo = step_code(&mut frame, undo, span);
                made.push(frame.finish(0, undo, span));
                uses.extend(step.undo.as_ref().map(|undo| frame.slots_of(undo)));
            }
            let name = step.name.map(|local| body.locals[local.0 as usize].name);
            lowered.push((name, step.pivot, result, uses));
        }
        let slots = frame.size();
        let mut ids = made.into_iter().enumerate().map(|(index, body)| {
            // They run on one frame that is kept between them.
            let params = if index == 0 { body.params } else { slots };
            self.out.push(Body { slots, params, ..body })
        });
        let mut next = || ids.next().expect("a body was made for the prelude, every step and every undo");
        let prelude = next();
        let steps = lowered.into_iter().map(|(name, pivot, result, uses)| {
            let mut calls = uses.into_iter().map(|uses| SagaCall { body: next(), uses });
            let action = calls.next().expect("a step has an action");
            SagaStep { name, pivot, result, action, undo: calls.next() }
        });
        let steps = steps.collect();
        Saga { name: signature.name, record, params, prelude, steps, slots, kept }
    }

    fn invariant(&mut self, item: ItemId, signature: &signature::InvariantSig, bodies: &FileBodies) {
        // Without a record there is nothing it could hold for: an error was reported.
        let Some(record) = signature.record else { return };
        let record = self.linker.record(record);
        let body = self.body(bodies, BodyOwner::Invariant(item), item.file, signature.name.as_str().into());
        if !signature.eventually {
            let index = self.program.invariants.len() as u32;
            self.program.records[record.index()].invariants.push(index);
        }
        self.program.invariants.push(Invariant { name: signature.name, record, eventually: signature.eventually, body });
    }

    fn mirror(&mut self, item: ItemId, signature: &signature::MirrorSig, bodies: &FileBodies) {
        let (Some(record), Some(target)) = (signature.record, signature.target) else { return };
        let record = self.linker.record(record);
        let mut lower = |word: &str| {
            let name = member_name(signature.name, word);
            let found = location::mirror_clause(self.linker.db, item, word).and_then(|owner| bodies.get(owner));
            let ty = found.and_then(|body| match &body.kind {
                BodyKind::Expr(value) => Some(value.ty.clone()),
                _ => None,
            });
            let id = match found {
                Some(body) => self.lower_body(body, item.file, name, None),
                None => self.missing(&name, item.file, 1),
            };
            (id, ty)
        };
        let (facts, facts_ty) = lower("facts");
        let (add, _) = lower("add");
        let (remove, _) = lower("remove");
        let (actual, _) = lower("actual");
        let (scope, scope_ty) = lower("scope");
        let fact = match facts_ty {
            Some(Ty::List(of) | Ty::Set(of)) => self.linker.ty(&of),
            _ => Type::Unknown,
        };
        let scope_ty = scope_ty.map_or(Type::Unknown, |ty| self.linker.ty(&ty));
        let target = self.linker.extern_(target);
        debug_assert_eq!(self.linker.mirror(item), Some(self.program.mirrors.len() as u32));
        self.program.records[record.index()].mirrors.push(self.program.mirrors.len() as u32);
        let cell =
            |name: &str, ty: Type, index: bool| Cell { name: Name::from(name), ty, default: None, unique: false, index, inverse: None };
        let ledger = vec![
            cell("scope", scope_ty.clone(), true),
            cell("fact", fact.clone(), false),
            cell("given", Type::Int, false),
            cell("there", Type::Optional(Box::new(Type::Bool)), false),
        ];
        let ledger = self.kept_by_mirror(signature.name, "facts", record, ledger);
        let tells = ["add", "remove"].map(|word| location::mirror_clause(self.linker.db, item, word).and_then(|owner| bodies.get(owner)));
        let tokens = tells.iter().all(|body| body.is_some_and(|body| answers_with_text(&body.kind))).then(|| {
            let newest = cell("newest", Type::List(Box::new(Type::Text)), false);
            self.kept_by_mirror(signature.name, "tokens", record, vec![newest])
        });
        let remove_first = signature.remove_first;
        self.program.mirrors.push(Mirror {
            name: signature.name,
            record,
            target,
            facts,
            scope,
            add,
            remove,
            actual,
            fact,
            scope_ty,
            ledger,
            tokens,
            remove_first,
        });
    }

    /// A type of records that a mirror keeps beside those that it is of. No declared name has a dot.
    fn kept_by_mirror(&mut self, name: Name, what: &str, of: RecordId, cells: Vec<Cell>) -> RecordId {
        self.program.records.push(Record {
            name: Name::from(&format!("{name}.{what}")),
            home: self.program.record(of).home,
            cells,
            derived: Vec::new(),
            key: None,
            create: None,
            handlers: Vec::new(),
            sagas: Vec::new(),
            invariants: Vec::new(),
            mirrors: Vec::new(),
        });
        RecordId(self.program.records.len() as u32 - 1)
    }

    /// The body of something that takes nothing but the record it belongs to.
    fn body(&mut self, bodies: &FileBodies, owner: BodyOwner, file: SourceFile, name: Box<str>) -> BodyId {
        self.called_body(bodies, owner, file, name, (1, None))
    }

    /// The body of something with these many slots to fill and this result.
    fn called_body(
        &mut self,
        bodies: &FileBodies,
        owner: BodyOwner,
        file: SourceFile,
        name: Box<str>,
        (params, result): (usize, Option<Type>),
    ) -> BodyId {
        match bodies.get(owner) {
            Some(body) => self.lower_body(body, file, name, result),
            None => self.missing(&name, file, params as u32),
        }
    }

    fn lower_body(&mut self, body: &hir::Body, file: SourceFile, name: Box<str>, result: Option<Type>) -> BodyId {
        // A body before its arms, so that a listing reads in the order of the text.
        let id = self.out.push(Body {
            name: name.clone(),
            params: 0,
            slots: 0,
            code: Code::Block(Vec::new()),
            at: self.linker.source(self.linker.file(file), body.span),
        });
        let mut frame = FrameLowering::new(self.linker, &mut self.out, body, self.linker.file(file), name.into());
        frame.result = result;
        let params = frame.size();
        let code = match &body.kind {
            BodyKind::Block(block) => Code::Block(frame.block(block)),
            BodyKind::Expr(hir::Expr { kind: ExprKind::ForbiddenCall(kind), .. }) if is_clause_send(body.owner, kind) => {
                let StmtKind::Send(send) = &**kind else { unreachable!("matched above") };
                Code::Block(vec![frame.send(send)])
            }
            BodyKind::Expr(value) => Code::Expr(frame.expr(value)),
            BodyKind::Saga { .. } => unreachable!("sagas are lowered step by step"),
        };
        let lowered = frame.finish(params, code, body.span);
        self.out.bodies[id.index()] = lowered;
        id
    }

    /// What stands in for a body that is not there, because its text was not understood.
    fn missing(&mut self, name: &str, file: SourceFile, slots: u32) -> BodyId {
        let at = self.linker.source(self.linker.file(file), Default::default());
        let fail = Stmt::Fail { message: Expr::Text(NOT_UNDERSTOOD.into()), at };
        self.out.push(Body { name: name.into(), params: slots, slots, code: Code::Block(vec![fail]), at })
    }

    /// The tests of every file.
    fn tests(&mut self) {
        for file in &self.linker.files {
            for body in &bodies::bodies(self.linker.db, *file).bodies {
                let (BodyOwner::Test(item), BodyKind::Block(block)) = (body.owner, &body.kind) else { continue };
                let name = test_name(self.linker, item);
                let file = self.linker.file(item.file);
                let mut frame = FrameLowering::new(self.linker, &mut self.out, body, file, name.clone());
                frame.keep_slots();
                let stmts = frame.test_block(block);
                let (at, slots, names) = (frame.at(body.span), frame.size(), frame.slot_names());
                let test = patternc_program::Test { name: name.into(), at, slots, names, body: stmts };
                self.program.tests.push(test);
            }
        }
    }
}

/// A local of a saga that its steps may use.
fn kept_local(frame: &FrameLowering<'_, '_>, local: LocalId) -> Option<Kept> {
    Some(Kept { slot: frame.slot(local)?, name: frame.body.locals[local.0 as usize].name, ty: frame.local_ty(local) })
}

fn step_code(frame: &mut FrameLowering<'_, '_>, event: &hir::SendEvent, span: patternc_grammar::syntax::Span) -> Code {
    let at = frame.at(span);
    Code::Block(vec![match frame.event(event) {
        Ok(event) => Stmt::Send(Box::new(Send { answer: false, event, after: None, ok: None, err: None, at })),
        Err(refused) => frame.refuse(refused.0, span),
    }])
}

/// The calls of the outside that a mirror declares.
fn is_clause_send(owner: BodyOwner, kind: &StmtKind) -> bool {
    matches!(owner, BodyOwner::Mirror(..)) && matches!(kind, StmtKind::Send(_))
}

/// Whether the call that a clause of a mirror makes gives a Text.
fn answers_with_text(clause: &BodyKind) -> bool {
    match clause {
        BodyKind::Block(block) => {
            matches!(&block.stmts[..], [hir::Stmt { kind: StmtKind::Send(send), .. }] if send.result == Ty::Text)
        }
        _ => false,
    }
}

/// The position of a mirror's clause.
fn test_name(linker: &Linker<'_>, test: ItemId) -> String {
    match location::item(linker.db, test).map(|item| &item.kind) {
        Some(ItemKind::Test(test)) => test.name.value.to_string(),
        _ => String::new(),
    }
}
