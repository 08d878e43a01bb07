//! Types and effects that are not written.

use patternc_grammar::syntax::Span;

use super::describe::{effect_lines, place_of, type_name};
use crate::bodies::bodies;
use crate::db::{Db, SourceFile};
use crate::effects::describe::cell_path;
use crate::effects::effects;
use crate::hir::{Block, Body, BodyKind, BodyOwner, Expr, ExprKind, HandlerCall, LocalKind, StmtKind};
use crate::signature::handler_sig;
use crate::types::{LocalId, Ty};

/// So many written cells are named at a call.
const SHOWN_WRITES: usize = 3;

/// Something to show between the words of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// After which byte.
    pub at: u32,
    pub label: String,
    /// What it means, as Markdown.
    pub tooltip: Option<String>,
    pub is_type: bool,
}

/// The hints for a part of a file, in the order of the text.
pub fn hints(db: &dyn Db, file: SourceFile, within: Span) -> Vec<Hint> {
    let mut hints = Vec::new();
    for body in &bodies(db, file).bodies {
        if body.span.end < within.start || body.span.start > within.end {
            continue;
        }
        let mut hinter = Hinter { db, body, text: file.text(db), hints: &mut hints };
        match &body.kind {
            BodyKind::Block(block) => hinter.block(block),
            BodyKind::Saga { prelude, .. } => hinter.block(prelude),
            BodyKind::Expr(expr) => hinter.expr(expr),
        }
    }
    hints.retain(|hint| within.start <= hint.at && hint.at <= within.end);
    hints.sort_by_key(|hint| hint.at);
    hints
}

struct Hinter<'a> {
    db: &'a dyn Db,
    body: &'a Body,
    text: &'a str,
    hints: &'a mut Vec<Hint>,
}

impl Hinter<'_> {
    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Let { local, value } | StmtKind::LetElse { local, value, .. } => {
                    if !is_plain(value) {
                        self.local(*local);
                    }
                    self.expr(value);
                }
                StmtKind::LetCall { local, call } => {
                    self.local(*local);
                    self.call(call);
                }
                StmtKind::Call(call) => self.call(call),
                StmtKind::If { then, otherwise, .. } | StmtKind::IfLet { then, otherwise, .. } => {
                    if let StmtKind::IfLet { local, .. } = &stmt.kind {
                        self.local(*local);
                    }
                    self.block(then);
                    otherwise.iter().for_each(|block| self.block(block));
                }
                StmtKind::For { key, item, body, .. } => {
                    key.iter().for_each(|key| self.local(*key));
                    self.local(*item);
                    self.block(body);
                }
                StmtKind::Match { arms, .. } => arms.iter().for_each(|arm| self.block(&arm.body)),
                StmtKind::Send(send) => {
                    for arm in send.ok.iter().chain(&send.err) {
                        arm.param.iter().for_each(|param| self.local(*param));
                        self.block(&arm.body);
                    }
                }
                StmtKind::Try { body, catch, .. } => {
                    self.block(body);
                    self.block(catch);
                }
                _ => {}
            }
        }
    }

    /// The `let`s of a value.
    fn expr(&mut self, expr: &Expr) {
        if let ExprKind::Block { lets, .. } = &expr.kind {
            for stmt in lets {
                if let StmtKind::Let { local, value } = &stmt.kind
                    && !is_plain(value)
                {
                    self.local(*local);
                }
            }
        }
    }

    /// The type of a name that was declared without one.
    fn local(&mut self, id: LocalId) {
        let Some(local) = self.body.locals.get(id.0 as usize) else { return };
        let written = self.text[local.span.end as usize..].trim_start().starts_with(':');
        let known = !matches!(local.ty, Ty::Error | Ty::Unknown | Ty::Unit | Ty::None | Ty::SagaResult(..) | Ty::Failure);
        if written || !known || local.kind == LocalKind::Param || local.name.starts_with('_') {
            return;
        }
        let tooltip = place_of(self.db, Some(self.body), &local.ty);
        let label = format!(": {}", type_name(self.db, &local.ty));
        self.hints.push(Hint { at: local.span.end, label, tooltip, is_type: true });
    }

    /// What a direct call writes: it becomes the caller's. In a test a call is an event of its own.
    fn call(&mut self, call: &HandlerCall) {
        if matches!(self.body.owner, BodyOwner::Test(_) | BodyOwner::Snippet) {
            return;
        }
        let owner = BodyOwner::Handler(call.handler);
        let mut cells: Vec<String> = Vec::new();
        for write in &effects(self.db, owner).writes {
            let cell = match write.cell {
                Some(cell) => cell_path(self.db, cell),
                None => crate::effects::describe::record_name(self.db, write.record),
            };
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        if cells.is_empty() {
            return;
        }
        let more = if cells.len() > SHOWN_WRITES { ", …" } else { "" };
        let label = format!("writes {}{more}", cells[..cells.len().min(SHOWN_WRITES)].join(", "));
        let name = handler_sig(self.db, call.handler).map(|sig| sig.name).unwrap_or_default();
        let tooltip = bodies(self.db, call.handler.record.file).get(owner).map(|callee| {
            let lines: Vec<String> = effect_lines(self.db, callee).iter().map(|line| format!("- {line}")).collect();
            format!("`{name}` runs in this transaction:\n\n{}", lines.join("\n"))
        });
        self.hints.push(Hint { at: call.span.end, label, tooltip, is_type: false });
    }
}

/// Whether the type of a value is plain to see.
fn is_plain(value: &Expr) -> bool {
    matches!(
        value.kind,
        ExprKind::Bool(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Text(_)
            | ExprKind::Interpolation(_)
            | ExprKind::Duration(_)
            | ExprKind::Struct { .. }
            | ExprKind::Variant { .. }
            | ExprKind::Create(_)
            | ExprKind::SelfRef
    )
}
