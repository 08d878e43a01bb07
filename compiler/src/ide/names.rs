//! Every name of a file with what it means.
//!
//! Locals are found by the blocks they stand in, declarations by the scope of the file, and what stands after a `.` by the type of what is
//! before it, which the bodies know.

use patternc_grammar::syntax::{
    Answer, Block, Cond, Else, Expr, ExprKind, FieldInit, Ident, If, Item, ItemKind, Member, MemberKind, Name, Param, Pattern, PatternKind,
    PlaceExpr, Send, SpaceExpr, Span, Stmt, StmtKind, TextPart, TypeExpr, TypeKind,
};
use rustc_hash::FxHashMap;

use super::definition::{Definition, member_name};
use crate::bodies::bodies;
use crate::db::{Db, Project, SourceFile};
use crate::hir;
use crate::items::parsed;
use crate::resolve::{Scope, scope};
use crate::signature::{cell_sig, enum_sig, extern_sig, record_sig, struct_sig};
use crate::types::{CellId, HandlerId, ItemId, OperationId, Ty};
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
        Definition::Local { file, .. } => vec![file],
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

    /// Names declared inside end with `span`.
    fn scoped(&mut self, span: Span, walk: impl FnOnce(&mut Self)) {
        let mark = self.locals.len();
        walk(self);
        if let Some(at) = self.at
            && self.seen.is_none()
            && span.start <= at
            && at <= span.end
        {
            self.seen = Some(self.locals.iter().filter(|(_, declared)| declared.end <= at).copied().collect());
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

    fn file(&mut self) {
        let items: &'db [Item] = &parsed(self.db, self.file).file.items;
        for (index, item) in items.iter().enumerate() {
            self.item_decl(ItemId { file: self.file, index: index as u32 }, item);
        }
    }

    fn item_decl(&mut self, id: ItemId, item: &'db Item) {
        let declares = |walk: &mut Self, name: Ident| walk.add(name.span, Definition::Item(id), Access::Declares);
        match &item.kind {
            ItemKind::Use(it) => {
                let import = self.names.imports.iter().find(|import| import.item == id.index);
                let Some(import) = import else { return };
                if let Some(file) = import.file {
                    self.add(it.path.span, Definition::File(file), Access::Reads);
                }
                for (name, (_, to)) in it.names.iter().zip(&import.names) {
                    self.reads(*name, to.map(Definition::Item));
                }
            }
            ItemKind::Space(it) => {
                declares(self, it.name);
                it.key.iter().for_each(|key| self.ty(key));
            }
            ItemKind::Struct(it) => {
                declares(self, it.name);
                self.fields(&it.fields, |index| Definition::Field { of: id, index });
            }
            ItemKind::Enum(it) => {
                declares(self, it.name);
                for (index, variant) in it.variants.iter().enumerate() {
                    let index = index as u32;
                    self.add(variant.name.span, Definition::Variant { of: id, index }, Access::Declares);
                    self.fields(&variant.fields, |field| Definition::Payload { of: id, variant: index, index: field });
                }
            }
            ItemKind::Record(it) => {
                declares(self, it.name);
                it.space.iter().for_each(|space| self.item_name(*space));
                self.record = Some(id);
                let (mut cells, mut handlers) = (0, 0);
                for member in &it.members {
                    let to = match &member.kind {
                        MemberKind::Cell(_) | MemberKind::Derived(_) => {
                            cells += 1;
                            Some(Definition::Cell(CellId { record: id, index: cells - 1 }))
                        }
                        MemberKind::Handler(_) | MemberKind::Saga(_) => {
                            handlers += 1;
                            Some(Definition::Handler(HandlerId { record: id, index: handlers - 1 }))
                        }
                        MemberKind::Create(_) => None,
                    };
                    if let (Some(name), Some(to)) = (member_name(member), to) {
                        self.add(name.span, to, Access::Declares);
                    }
                    self.scoped(member.span, |walk| walk.member(member, to));
                }
                self.record = None;
            }
            ItemKind::Fn(it) => {
                declares(self, it.name);
                self.scoped(item.span, |walk| {
                    walk.params(&it.params);
                    it.result.iter().for_each(|result| walk.ty(result));
                    walk.expr(&it.body);
                });
            }
            ItemKind::Extern(it) => {
                declares(self, it.name);
                for (index, operation) in it.operations.iter().enumerate() {
                    let to = Definition::Operation(OperationId { of: id, index: index as u32 });
                    self.add(operation.name.span, to, Access::Declares);
                    operation.params.iter().for_each(|param| self.ty(&param.ty));
                    operation.result.iter().for_each(|result| self.ty(result));
                }
            }
            ItemKind::Mirror(it) => {
                declares(self, it.name);
                self.item_name(it.record);
                self.item_name(it.target);
                for clause in &it.clauses {
                    self.scoped(clause.span, |walk| {
                        clause.params.iter().for_each(|param| walk.declare(*param));
                        walk.expr(&clause.value);
                    });
                }
            }
            ItemKind::Invariant(it) => {
                declares(self, it.name);
                self.scoped(item.span, |walk| {
                    walk.params(&it.params);
                    walk.expr(&it.body);
                });
            }
            ItemKind::Test(it) => self.block(&it.body),
        }
    }

    fn fields(&mut self, fields: &'db [Param], to: impl Fn(u32) -> Definition) {
        for (index, field) in fields.iter().enumerate() {
            self.add(field.name.span, to(index as u32), Access::Declares);
            self.ty(&field.ty);
        }
    }

    fn member(&mut self, member: &'db Member, to: Option<Definition>) {
        match &member.kind {
            MemberKind::Cell(it) => {
                self.ty(&it.ty);
                it.default.iter().for_each(|default| self.expr(default));
                if let (Some(name), Some(Definition::Cell(cell))) = (it.inverse, to) {
                    let other = cell_sig(self.db, cell).and_then(|sig| sig.inverse);
                    self.reads(name, other.map(Definition::Cell));
                }
            }
            MemberKind::Derived(it) => {
                self.ty(&it.ty);
                self.expr(&it.value);
            }
            MemberKind::Create(body) => self.block(body),
            MemberKind::Handler(it) => {
                self.params(&it.params);
                it.result.iter().for_each(|result| self.ty(result));
                for entry in it.writes.iter().flat_map(|writes| &writes.entries) {
                    self.item_name(entry.record);
                    if let (Some(record), Some(cell)) = (self.item(entry.record.name), entry.cell) {
                        let index = record_sig(self.db, record).and_then(|sig| sig.cell(cell.name));
                        self.reads(cell, index.map(|index| Definition::Cell(CellId { record, index })));
                    }
                }
                it.across.iter().for_each(|space| self.item_name(*space));
                self.block(&it.body);
            }
            MemberKind::Saga(it) => {
                self.params(&it.params);
                it.prelude.iter().for_each(|stmt| self.stmt(stmt));
                for step in &it.steps {
                    self.expr(&step.action);
                    step.name.iter().for_each(|name| self.declare(*name));
                    step.undo.iter().for_each(|undo| self.expr(undo));
                }
            }
        }
    }

    fn params(&mut self, params: &'db [Param]) {
        for param in params {
            self.ty(&param.ty);
            self.declare(param.name);
        }
    }

    fn ty(&mut self, ty: &'db TypeExpr) {
        match &ty.kind {
            TypeKind::Named { name, args, place } => {
                self.item_name(*name);
                args.iter().for_each(|arg| self.ty(arg));
                if let Some(PlaceExpr::Space(space)) = place {
                    self.item_name(*space);
                }
            }
            TypeKind::Optional(inner) => self.ty(inner),
            TypeKind::Error => {}
        }
    }

    fn block(&mut self, block: &'db Block) {
        self.scoped(block.span, |walk| block.stmts.iter().for_each(|stmt| walk.stmt(stmt)));
    }

    fn stmt(&mut self, stmt: &'db Stmt) {
        match &stmt.kind {
            StmtKind::Let { name, ty, value, otherwise } => {
                ty.iter().for_each(|ty| self.ty(ty));
                self.expr(value);
                otherwise.iter().for_each(|otherwise| self.stmt(otherwise));
                self.declare(*name);
            }
            StmtKind::Assign { target, value, .. } => {
                self.target(target);
                self.expr(value);
            }
            StmtKind::Delete(value) => self.target(value),
            StmtKind::Fail(value) | StmtKind::Expr(value) | StmtKind::Expect(value) | StmtKind::Advance(value) | StmtKind::Order(value) => {
                self.expr(value)
            }
            StmtKind::Require { cond, message } => {
                self.expr(cond);
                self.exprs(message);
            }
            StmtKind::If(it) => self.if_stmt(it),
            StmtKind::For { key, item, iter, body } => {
                self.expr(iter);
                self.scoped(body.span, |walk| {
                    key.iter().for_each(|key| walk.declare(*key));
                    walk.declare(*item);
                    walk.block(body);
                });
            }
            StmtKind::Match { subject, arms } => {
                self.expr(subject);
                for arm in arms {
                    self.scoped(arm.span, |walk| {
                        walk.pattern(&arm.pattern);
                        walk.block(&arm.body);
                    });
                }
            }
            StmtKind::Return(value) => self.exprs(value),
            StmtKind::Send(send) => self.send(send),
            StmtKind::Try { body, error, catch } => {
                self.block(body);
                self.scoped(catch.span, |walk| {
                    walk.declare(*error);
                    walk.block(catch);
                });
            }
            StmtKind::ExpectFail { call, with, .. } => {
                self.stmt(call);
                self.exprs(with);
            }
            StmtKind::Concurrently { times, body } => {
                self.exprs(times);
                self.block(body);
            }
            StmtKind::Hold(body) => self.block(body),
            StmtKind::As { caller, body } => {
                self.expr(caller);
                self.block(body);
            }
            StmtKind::Given(given) => {
                self.item_name(given.of);
                let operation = self.item(given.of.name).and_then(|of| self.operation(of, given.operation.name));
                self.reads(given.operation, operation);
                self.scoped(given.span, |walk| {
                    given.params.iter().for_each(|param| walk.declare(*param));
                    match &given.answer {
                        Answer::Value(value) => walk.expr(value),
                        Answer::Fails { message, times } => {
                            walk.expr(message);
                            walk.exprs(times);
                        }
                    }
                });
            }
            StmtKind::Reconcile { mirror, scope } => {
                self.item_name(*mirror);
                self.exprs(scope);
            }
            StmtKind::Crash | StmtKind::Error => {}
        }
    }

    fn if_stmt(&mut self, it: &'db If) {
        self.scoped(Span { start: it.span.start, end: it.then.span.end }, |walk| {
            walk.cond(&it.cond);
            walk.block(&it.then);
        });
        match &it.otherwise {
            Some(Else::Block(body)) => self.block(body),
            Some(Else::If(inner)) => self.if_stmt(inner),
            None => {}
        }
    }

    fn cond(&mut self, cond: &'db Cond) {
        match cond {
            Cond::Expr(value) => self.expr(value),
            Cond::Let { name, value } => {
                self.expr(value);
                self.declare(*name);
            }
        }
    }

    fn send(&mut self, send: &'db Send) {
        self.expr(&send.event);
        self.exprs(&send.after);
        for arm in send.ok.iter().chain(&send.err) {
            self.scoped(arm.span, |walk| {
                arm.param.iter().for_each(|param| walk.declare(*param));
                walk.block(&arm.body);
            });
        }
    }

    fn pattern(&mut self, pattern: &'db Pattern) {
        match &pattern.kind {
            PatternKind::Bind(name) => self.declare(*name),
            PatternKind::Variant { of, variant, fields } => {
                self.item_name(*of);
                let to = self.item(of.name).and_then(|of| self.variant(of, variant.name));
                self.reads(*variant, to);
                fields.iter().for_each(|field| self.pattern(field));
            }
            PatternKind::Literal(value) => self.expr(value),
            PatternKind::Wildcard => {}
        }
    }

    /// What is written by `self.x = …`, `self.m[k] += …`, `delete r.m[k]`.
    fn target(&mut self, target: &'db Expr) {
        match &target.kind {
            ExprKind::Field { base, name, .. } => {
                self.expr(base);
                if let Some(to) = self.member_of(base, name.name) {
                    self.add(name.span, to, Access::Writes);
                }
            }
            ExprKind::Index { base, index } => {
                self.target(base);
                self.expr(index);
            }
            _ => self.expr(target),
        }
    }

    /// What stands after the `.` of `base`.
    fn member_of(&self, base: &Expr, name: Name) -> Option<Definition> {
        match &base.kind {
            ExprKind::TypeName(of) => return self.variant(self.item(of.name)?, name),
            ExprKind::Name(of) if !self.locals.iter().any(|(local, _)| *local == of.name) => {
                let of = self.item(of.name)?;
                return self.operation(of, name);
            }
            ExprKind::SelfRef => return member(self.db, &Ty::Record(self.record?, crate::types::Place::Here), name),
            _ => {}
        }
        member(self.db, self.types.get(&base.span)?, name)
    }

    fn variant(&self, of: ItemId, name: Name) -> Option<Definition> {
        let index = enum_sig(self.db, of)?.variants.iter().position(|variant| variant.name == name)?;
        Some(Definition::Variant { of, index: index as u32 })
    }

    fn operation(&self, of: ItemId, name: Name) -> Option<Definition> {
        let index = extern_sig(self.db, of)?.operations.iter().position(|operation| operation.name == name)?;
        Some(Definition::Operation(OperationId { of, index: index as u32 }))
    }

    fn inits(&mut self, fields: &'db [FieldInit], to: impl Fn(&Self, Name) -> Option<Definition>) {
        for field in fields {
            let to = to(self, field.name.name);
            self.reads(field.name, to);
            self.expr(&field.value);
        }
    }

    fn exprs(&mut self, values: impl IntoIterator<Item = &'db Expr>) {
        values.into_iter().for_each(|value| self.expr(value));
    }

    fn expr(&mut self, expr: &'db Expr) {
        match &expr.kind {
            ExprKind::Interpolation(parts) => {
                for part in parts {
                    if let TextPart::Expr(value) = part {
                        self.expr(value);
                    }
                }
            }
            ExprKind::Name(name) => {
                let to = self.lookup(name.name);
                self.reads(*name, to);
            }
            ExprKind::TypeName(name) => self.item_name(*name),
            ExprKind::List(values) | ExprKind::Set(values) => self.exprs(values),
            ExprKind::Map(entries) => entries.iter().for_each(|(key, value)| self.exprs([key, value])),
            ExprKind::Struct { name, spread, fields } => {
                self.item_name(*name);
                self.exprs(spread.as_deref());
                let of = self.item(name.name);
                self.inits(fields, |walk, field| {
                    let index = struct_sig(walk.db, of?)?.fields.iter().position(|known| known.name == field)?;
                    Some(Definition::Field { of: of?, index: index as u32 })
                });
            }
            ExprKind::Variant { of, variant, fields } => {
                self.item_name(*of);
                let to = self.item(of.name).and_then(|of| self.variant(of, variant.name));
                self.reads(*variant, to);
                self.inits(fields, |walk, field| {
                    let Some(Definition::Variant { of, index: variant }) = to else { return None };
                    let known = &enum_sig(walk.db, of)?.variants.get(variant as usize)?.fields;
                    let index = known.iter().position(|known| known.name == field)? as u32;
                    Some(Definition::Payload { of, variant, index })
                });
            }
            ExprKind::Create { record, space, fields } => {
                self.item_name(*record);
                match space.as_deref() {
                    Some(SpaceExpr::Named { name, key }) => {
                        let to = self.lookup(name.name);
                        self.reads(*name, to);
                        self.exprs(key);
                    }
                    Some(SpaceExpr::Of(value)) => self.expr(value),
                    None => {}
                }
                let of = self.item(record.name);
                self.inits(fields, |walk, cell| {
                    let index = record_sig(walk.db, of?)?.cell(cell)?;
                    Some(Definition::Cell(CellId { record: of?, index }))
                });
            }
            ExprKind::Field { base, name, .. } => {
                self.expr(base);
                let to = self.member_of(base, name.name);
                self.reads(*name, to);
            }
            ExprKind::Method { base, name, args, .. } => {
                self.expr(base);
                let to = self.member_of(base, name.name);
                self.reads(*name, to);
                self.exprs(args);
            }
            ExprKind::Index { base, index } => self.exprs([&**base, &**index]),
            ExprKind::Call { name, args } => {
                let to = self.lookup(name.name);
                self.reads(*name, to);
                self.exprs(args);
            }
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Binary { left, right, .. } => self.exprs([&**left, &**right]),
            ExprKind::If { cond, then, otherwise } => {
                self.scoped(then.span, |walk| {
                    walk.cond(cond);
                    walk.expr(then);
                });
                self.exprs(otherwise.as_deref());
            }
            ExprKind::Match { subject, arms } => {
                self.expr(subject);
                for arm in arms {
                    self.scoped(arm.span, |walk| {
                        walk.pattern(&arm.pattern);
                        walk.expr(&arm.value);
                    });
                }
            }
            ExprKind::Block { lets, value } => self.scoped(expr.span, |walk| {
                lets.iter().for_each(|stmt| walk.stmt(stmt));
                walk.exprs(value.as_deref());
            }),
            ExprKind::Lambda { params, body } => self.scoped(expr.span, |walk| {
                params.iter().for_each(|param| walk.declare(*param));
                walk.expr(body);
            }),
            ExprKind::True
            | ExprKind::False
            | ExprKind::None
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Text(_)
            | ExprKind::Duration(_)
            | ExprKind::SelfRef
            | ExprKind::Error => {}
        }
    }
}

/// The cell, handler or field that `name` means after a value of a type.
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
        _ => None,
    }
}
