//! The names of declarations, of their parts, and of types.

use patternc_grammar::syntax::{Ident, Item, ItemKind, Member, MemberKind, Param, PlaceExpr, TypeExpr, TypeKind};

use super::{Access, Walk};
use crate::ide::definition::{Definition, member_name};
use crate::items::parsed;
use crate::signature::{cell_sig, record_sig};
use crate::types::{CellId, HandlerId, ItemId, OperationId};

impl<'db> Walk<'db> {
    pub(super) fn file(&mut self) {
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

    pub(super) fn fields(&mut self, fields: &'db [Param], to: impl Fn(u32) -> Definition) {
        for (index, field) in fields.iter().enumerate() {
            self.add(field.name.span, to(index as u32), Access::Declares);
            self.ty(&field.ty);
        }
    }

    pub(super) fn member(&mut self, member: &'db Member, to: Option<Definition>) {
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

    pub(super) fn params(&mut self, params: &'db [Param]) {
        for param in params {
            self.ty(&param.ty);
            self.declare(param.name);
        }
    }

    pub(super) fn ty(&mut self, ty: &'db TypeExpr) {
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
}
