//! From checked bodies to a [`Program`]: names become dense ids, locals become slots, and nothing is left of the syntax tree.
//!
//! Every project can be lowered, also one with errors: tests force programs to run that `check` refuses. What could not be understood
//! becomes code that fails and says so.

mod declarations;
mod expression;
mod fingerprint;
mod frame;
mod linker;
mod query;
mod send;
mod statement;
mod test_statement;

#[cfg(test)]
mod tests;

use patternc_program::{Program, Snippet};

use crate::db::Db;
use crate::hir::{self, BodyKind};

pub use linker::Linker;

/// The whole project as a program. The same text gives the same program, whatever was lowered before.
pub fn lower(db: &dyn Db) -> Program {
    declarations::lower(&Linker::new(db))
}

/// A line typed at the REPL, or a query from outside, as bodies checked it. Its ids are those of the program that [`lower`] makes of the
/// same database. Locals bound by earlier lines are its parameters.
pub fn lower_snippet(linker: &Linker<'_>, body: &hir::Body) -> Snippet {
    // Nothing outlives the line: it has no sends, so that no arms are made for it.
    let mut out = frame::Output::default();
    let file = linker.no_file();
    let mut frame = frame::FrameLowering::new(linker, &mut out, body, file, "snippet".into());
    frame.keep_slots();
    let (stmts, value) = match &body.kind {
        BodyKind::Expr(value) => frame.test_value(value),
        BodyKind::Block(block) => match block.stmts.split_last() {
            Some((hir::Stmt { kind: hir::StmtKind::Expr(value), .. }, before)) => {
                let mut stmts = frame.test_stmts(before);
                let (mut last, value) = frame.test_value(value);
                stmts.append(&mut last);
                (stmts, value)
            }
            Some((hir::Stmt { kind: hir::StmtKind::Call(call), .. }, before)) => {
                let mut stmts = frame.test_stmts(before);
                let value = frame.test_call(call, &mut stmts);
                (stmts, value)
            }
            _ => (frame.test_block(block), None),
        },
        BodyKind::Saga { .. } => unreachable!("a snippet is statements or an expression"),
    };
    let bindings = match &body.kind {
        BodyKind::Block(block) => block.stmts.iter().filter_map(|stmt| frame.binding(stmt)).collect(),
        BodyKind::Expr(_) | BodyKind::Saga { .. } => Vec::new(),
    };
    Snippet { slots: frame.size(), params: body.params, stmts, value, bindings, at: frame.at(body.span) }
}
