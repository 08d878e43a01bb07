//! Every name of a file with what it means.
//!
//! Locals are found by the blocks they stand in, declarations by the scope of the file, and what stands after a `.` by the type of what is
//! before it, which the bodies know.

mod declarations;
mod statements;

use patternc_grammar::syntax::{Ident, ItemKind, MemberKind, Name, Span};
use rustc_hash::FxHashMap;

use super::definition::{Definition, handler_member};
use crate::bodies::bodies;
use crate::db::{Db, Project, SourceFile};
use crate::hir;
use crate::items::parsed;
use crate::resolve::{Scope, scope};
use crate::signature::{record_sig, struct_sig};
use crate::types::{CellId, HandlerId, ItemId, Ty};
use crate::visit;

/// A name that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    pub span: Span,
    pub to: Definition,
    pub access: Access,
}

/// What a name is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Declares,
    Reads,
    Writes,
}

/// The names of a file.
#[derive(Clone, Debug, Default)]
pub struct FileNames {
    /// In the order of the text.
    pub references: Vec<Reference>,
    /// The types of locals, by where they are declared.
    locals: FxHashMap<Span, (hir::BodyOwner, crate::types::LocalId)>,
}

impl FileNames {
    /// The name at a place, or directly before it.
    pub fn at(&self, at: u32) -> Option<&Reference> {
        let after = self.references.partition_point(|reference| reference.span.start <= at);
        self.references[..after].iter().rev().take(4).find(|reference| reference.span.start <= at && at <= reference.span.end)
    }

    /// The body and local declared at a place.
    pub fn local(&self, span: Span) -> Option<(hir::BodyOwner, crate::types::LocalId)> {
        self.locals.get(&span).copied()
    }
}

/// The names of `file`.
#[salsa::tracked(returns(ref), no_eq)]
pub fn names(db: &dyn Db, file: SourceFile) -> FileNames {
    let mut walk = Walk::new(db, file, None);
    walk.file();
    let mut references = walk.found;
    references.sort_by_key(|reference| (reference.span.start, reference.span.end));
    references.dedup_by_key(|reference| (reference.span, reference.to));
    let mut locals = FxHashMap::default();
    for body in &bodies(db, file).bodies {
        for (index, local) in body.locals.iter().enumerate() {
            locals.insert(local.span, (body.owner, crate::types::LocalId(index as u32)));
        }
    }
    FileNames { references, locals }
}

/// Every place of the project that names `definition`, its declaration among them; by file, then in the order of the text.
pub fn references(db: &dyn Db, definition: Definition) -> Vec<(SourceFile, Reference)> {
    let Some(name) = definition.name(db) else { return Vec::new() };
    let files = match definition {
        Definition::Local { file, span } if !is_step(db, file, span) => vec![file],
        _ => Project::try_get(db).map(|project| project.files(db).clone()).unwrap_or_default(),
    };
    let mut found = Vec::new();
    for file in files {
        let is_file = matches!(definition, Definition::File(_));
        if is_file || file.text(db).contains(&name) {
            let names = names(db, file).references.iter().filter(|reference| reference.to == definition);
            found.extend(names.map(|reference| (file, *reference)));
        }
    }
    found
}

/// Whether the local declared at a place is the result of a saga's step, which who sends the saga can name too, in any file.
fn is_step(db: &dyn Db, file: SourceFile, span: Span) -> bool {
    let local = names(db, file).local(span);
    let body = local.and_then(|(owner, id)| Some((bodies(db, file).get(owner)?, id)));
    body.and_then(|(body, id)| body.locals.get(id.0 as usize)).is_some_and(|local| local.kind == hir::LocalKind::Step)
}

/// The local names that can be used at a place, the innermost last.
pub fn locals_at(db: &dyn Db, file: SourceFile, at: u32) -> Vec<(Name, Span)> {
    let mut walk = Walk::new(db, file, Some(at));
    walk.file();
    walk.seen.unwrap_or_default()
}

/// The record whose declaration is around a place.
pub fn record_at(db: &dyn Db, file: SourceFile, at: u32) -> Option<ItemId> {
    let items = &parsed(db, file).file.items;
    let index = items.iter().position(|item| item.span.start <= at && at <= item.span.end)?;
    matches!(items[index].kind, ItemKind::Record(_)).then_some(ItemId { file, index: index as u32 })
}

/// The types of the expressions of a file, by where they stand.
pub fn types(db: &dyn Db, file: SourceFile) -> FxHashMap<Span, &Ty> {
    let mut types = FxHashMap::default();
    for body in &bodies(db, file).bodies {
        visit::body(body, &mut |expr| {
            types.entry(expr.span).or_insert(&expr.ty);
        });
    }
    types
}

/// The type without its `?`.
pub(super) fn present(ty: &Ty) -> &Ty {
    match ty {
        Ty::Optional(inner) => inner,
        ty => ty,
    }
}

struct Walk<'db> {
    db: &'db dyn Db,
    file: SourceFile,
    names: &'db Scope,
    types: FxHashMap<Span, &'db Ty>,
    /// Whose `self` it is.
    record: Option<ItemId>,
    /// Local names in scope, the innermost last.
    locals: Vec<(Name, Span)>,
    /// Those of `let`s around the place that is asked for: their values do not have them yet.
    unfinished: Vec<Span>,
    found: Vec<Reference>,
    /// The place whose local names are asked for.
    at: Option<u32>,
    seen: Option<Vec<(Name, Span)>>,
}

impl<'db> Walk<'db> {
    fn new(db: &'db dyn Db, file: SourceFile, at: Option<u32>) -> Self {
        Walk {
            db,
            file,
            names: scope(db, file),
            types: types(db, file),
            record: None,
            locals: Vec::new(),
            unfinished: Vec::new(),
            found: Vec::new(),
            at,
            seen: None,
        }
    }

    fn add(&mut self, span: Span, to: Definition, access: Access) {
        self.found.push(Reference { span, to, access });
    }

    fn reads(&mut self, name: Ident, to: Option<Definition>) {
        if let Some(to) = to {
            self.add(name.span, to, Access::Reads);
        }
    }

    fn declare(&mut self, name: Ident) {
        self.add(name.span, Definition::Local { file: self.file, span: name.span }, Access::Declares);
        self.locals.push((name.name, name.span));
    }

    /// The name that a `let` gives to a value, from its end on.
    fn declare_after(&mut self, name: Ident, end: u32) {
        if self.at.is_some_and(|at| name.span.start <= at && at <= end) {
            self.unfinished.push(name.span);
        }
        self.declare(name);
    }

    /// Names declared inside end with `span`.
    fn scoped(&mut self, span: Span, walk: impl FnOnce(&mut Self)) {
        let mark = self.locals.len();
        walk(self);
        if let Some(at) = self.at
            && self.seen.is_none()
            && span.start <= at
            && at <= span.end
        {
            let is_there = |declared: &Span| declared.end <= at && !self.unfinished.contains(declared);
            self.seen = Some(self.locals.iter().filter(|(_, declared)| is_there(declared)).copied().collect());
        }
        self.locals.truncate(mark);
    }

    /// What a name means here.
    fn lookup(&self, name: Name) -> Option<Definition> {
        match self.locals.iter().rev().find(|(local, _)| *local == name) {
            Some((_, span)) => Some(Definition::Local { file: self.file, span: *span }),
            None => self.item(name).map(Definition::Item),
        }
    }

    fn item(&self, name: Name) -> Option<ItemId> {
        self.names.lookup(name)
    }

    fn item_name(&mut self, name: Ident) {
        let to = self.item(name.name).map(Definition::Item);
        self.reads(name, to);
    }
}

/// The cell, handler, field or step that `name` means after a value of a type.
pub(super) fn member(db: &dyn Db, base: &Ty, name: Name) -> Option<Definition> {
    match present(base) {
        Ty::Record(record, _) => {
            let (record, sig) = (*record, record_sig(db, *record)?);
            match sig.cell(name) {
                Some(index) => Some(Definition::Cell(CellId { record, index })),
                None => Some(Definition::Handler(HandlerId { record, index: sig.handler(name)? })),
            }
        }
        Ty::Struct(of, _) => {
            let index = struct_sig(db, *of)?.fields.iter().position(|field| field.name == name)?;
            Some(Definition::Field { of: *of, index: index as u32 })
        }
        Ty::SagaResult(saga, _) => {
            let MemberKind::Saga(decl) = &handler_member(db, *saga)?.kind else { return None };
            let step = decl.steps.iter().filter_map(|step| step.name).find(|step| step.name == name)?;
            Some(Definition::Local { file: saga.record.file, span: step.span })
        }
        _ => None,
    }
}
