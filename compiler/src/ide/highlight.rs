//! What each name is, for colours.

use patternc_grammar::syntax::Span;

use super::definition::Definition;
use super::names::{Access, names};
use crate::bodies::bodies;
use crate::db::{Db, SourceFile};
use crate::hir::LocalKind;
use crate::items::{ItemHead, head};
use crate::signature::{HandlerKind, cell_sig, handler_sig};

/// What a name means, as far as its colour depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Space,
    Struct,
    Enum,
    Variant,
    Record,
    /// A cell or field.
    Property,
    Handler,
    Saga,
    Function,
    Extern,
    Operation,
    Mirror,
    Invariant,
    Parameter,
    Local,
}

/// A name with its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Highlight {
    pub span: Span,
    pub role: Role,
    pub declares: bool,
    pub writes: bool,
    /// A `derived` cell, a local: what is never assigned.
    pub read_only: bool,
}

/// The names of a file, in the order of the text, none inside another.
pub fn highlights(db: &dyn Db, file: SourceFile) -> Vec<Highlight> {
    let mut all: Vec<Highlight> = Vec::new();
    for reference in &names(db, file).references {
        let Some((role, read_only)) = role(db, reference.to) else { continue };
        if all.last().is_some_and(|last| last.span.end > reference.span.start) {
            continue;
        }
        let (declares, writes) = (reference.access == Access::Declares, reference.access == Access::Writes);
        all.push(Highlight { span: reference.span, role, declares, writes, read_only });
    }
    all
}

fn role(db: &dyn Db, definition: Definition) -> Option<(Role, bool)> {
    Some(match definition {
        Definition::Item(id) => {
            let role = match head(db, id)? {
                ItemHead::Space { .. } => Role::Space,
                ItemHead::Struct { .. } => Role::Struct,
                ItemHead::Enum { .. } => Role::Enum,
                ItemHead::Record(_) => Role::Record,
                ItemHead::Fn { .. } => Role::Function,
                ItemHead::Extern { .. } => Role::Extern,
                ItemHead::Mirror { .. } => Role::Mirror,
                ItemHead::Invariant { .. } => Role::Invariant,
                ItemHead::Use(_) | ItemHead::Test => return None,
            };
            (role, false)
        }
        Definition::Cell(cell) => (Role::Property, cell_sig(db, cell)?.derived),
        Definition::Handler(handler) => match handler_sig(db, handler)?.kind {
            HandlerKind::Saga => (Role::Saga, false),
            HandlerKind::Public | HandlerKind::Internal => (Role::Handler, false),
        },
        Definition::Field { .. } | Definition::Payload { .. } => (Role::Property, false),
        Definition::Variant { .. } => (Role::Variant, true),
        Definition::Operation(_) => (Role::Operation, false),
        Definition::Local { file, span } => {
            let (owner, id) = names(db, file).local(span)?;
            let local = bodies(db, file).get(owner)?.locals.get(id.0 as usize)?;
            match local.kind {
                LocalKind::Param | LocalKind::LambdaParam => (Role::Parameter, true),
                _ => (Role::Local, true),
            }
        }
        Definition::File(_) => return None,
    })
}
