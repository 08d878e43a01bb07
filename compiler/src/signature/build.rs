//! From the syntax tree of a file to its signatures.
//!
//! Other files are seen through their heads and scopes alone, never through their signatures: files may import one another.

use std::sync::Arc;

use patternc_grammar::syntax::{
    self, CellDecl, HandlerDecl, Ident, ItemKind, MemberKind, Name, Param, RecordDecl, SagaDecl, Span, TypeExpr, WritesEntry,
};

use super::{
    CellSig, EnumSig, ExternSig, FileSignatures, FnSig, HandlerKind, HandlerSig, InvariantSig, MirrorSig, OperationSig, ParamSig,
    RecordSig, Signature, SpaceSig, StructSig, VariantSig, WriteSig,
};
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Location, Safety};
use crate::items::{ItemHead, head, parsed, record_head_of};
use crate::resolve::{Here, cased_as, did_you_mean, home, resolve_plain_space, resolve_type, scope, unknown_name, with_article};
use crate::types::{CellId, HandlerId, ItemId, Ty};

/// The signatures of `file` and what is wrong with them.
pub(super) fn build(db: &dyn Db, file: SourceFile) -> (FileSignatures, Vec<Diagnostic>) {
    let mut builder = Builder { db, file, diagnostics: Vec::new() };
    let items = &parsed(db, file).file.items;
    let by_item = items.iter().enumerate().map(|(index, item)| builder.item(ItemId { file, index: index as u32 }, item)).collect();
    (FileSignatures { by_item }, builder.diagnostics)
}

struct Builder<'db> {
    db: &'db dyn Db,
    file: SourceFile,
    diagnostics: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn item(&mut self, id: ItemId, item: &syntax::Item) -> Signature {
        match &item.kind {
            ItemKind::Use(_) | ItemKind::Test(_) => Signature::Other,
            ItemKind::Space(decl) => {
                Signature::Space(SpaceSig { name: decl.name.name, key: decl.key.as_ref().map(|key| self.ty(key, Here::Nowhere)) })
            }
            ItemKind::Struct(decl) => Signature::Struct(StructSig { name: decl.name.name, fields: self.params(&decl.fields, Here::Open) }),
            ItemKind::Enum(decl) => {
                let variants = decl.variants.iter();
                let variants =
                    variants.map(|variant| VariantSig { name: variant.name.name, fields: self.params(&variant.fields, Here::Open) });
                Signature::Enum(EnumSig { name: decl.name.name, variants: variants.collect() })
            }
            ItemKind::Record(decl) => Signature::Record(self.record(id, decl)),
            ItemKind::Fn(decl) => Signature::Fn(FnSig {
                name: decl.name.name,
                params: self.params(&decl.params, Here::Open),
                result: match &decl.result {
                    Some(result) => self.ty(result, Here::Open),
                    None => {
                        let message = format!("function `{}` does not say what it gives", decl.name.name);
                        self.diagnostics.push(
                            Diagnostic::error("type-mismatch", self.file, decl.name.span, message)
                                .help("write `-> Type` after the parameters: a function is pure, its result is all it is for"),
                        );
                        Ty::Error
                    }
                },
            }),
            ItemKind::Extern(decl) => {
                let operations = decl.operations.iter().map(|operation| OperationSig {
                    name: operation.name.name,
                    params: self.params(&operation.params, Here::Nowhere),
                    result: self.result(operation.result.as_ref(), Here::Nowhere),
                    repeat: operation.repeat,
                });
                Signature::Extern(ExternSig { name: decl.name.name, operations: operations.collect() })
            }
            ItemKind::Mirror(decl) => Signature::Mirror(MirrorSig {
                name: decl.name.name,
                record: self.named(decl.record, "record", |head| matches!(head, ItemHead::Record(_))),
                target: self.named(decl.target, "extern", |head| matches!(head, ItemHead::Extern { .. })),
                remove_first: decl.clauses.iter().any(|clause| clause.name.name == "remove" && clause.first.is_some()),
            }),
            ItemKind::Invariant(decl) => {
                let params = self.params(&decl.params, Here::Open);
                let record = match (&*params, &*decl.params) {
                    ([ParamSig { ty: Ty::Record(record, _), .. }], _) => Some(*record),
                    ([ParamSig { ty: Ty::Error, .. }], _) => None,
                    ([_], [param]) => {
                        let message = format!("an invariant holds for every record of a type; `{}` is of no record type", param.name.name);
                        self.error("type-mismatch", param.ty.span, message);
                        None
                    }
                    _ => {
                        let message = "an invariant has one parameter: the record it holds for, as in `invariant name(r: R) { … }`";
                        self.error("wrong-arguments", decl.name.span, message);
                        None
                    }
                };
                Signature::Invariant(InvariantSig { name: decl.name.name, eventually: decl.eventually, record })
            }
        }
    }

    fn record(&mut self, id: ItemId, decl: &RecordDecl) -> RecordSig {
        if let Some(space) = decl.space {
            self.named(space, "space", |head| matches!(head, ItemHead::Space { .. }));
        }
        let home = home(self.db, id);
        let here = Here::In(home);
        let (mut cells, mut handlers, mut has_create) = (Vec::new(), Vec::new(), false);
        for (member, declared) in decl.members.iter().enumerate() {
            let member = member as u32;
            match &declared.kind {
                MemberKind::Cell(cell) => {
                    let this = CellId { record: id, index: cells.len() as u32 };
                    cells.push(CellSig {
                        name: cell.name.name,
                        ty: self.ty(&cell.ty, here),
                        derived: false,
                        has_default: cell.default.is_some(),
                        key: cell.key.is_some(),
                        unique: cell.unique.is_some(),
                        index: cell.index.is_some(),
                        inverse: self.inverse(this, cell),
                        member,
                    });
                }
                MemberKind::Derived(derived) => cells.push(CellSig {
                    name: derived.name.name,
                    ty: self.ty(&derived.ty, here),
                    derived: true,
                    has_default: false,
                    key: false,
                    unique: false,
                    index: false,
                    inverse: None,
                    member,
                }),
                MemberKind::Create(_) => has_create = true,
                MemberKind::Handler(handler) => handlers.push(self.handler(handler, here, member)),
                MemberKind::Saga(saga) => {
                    let this = HandlerId { record: id, index: handlers.len() as u32 };
                    handlers.push(self.saga(this, saga, here, member));
                }
            }
        }
        RecordSig { name: decl.name.name, home, cells: cells.into(), handlers: handlers.into(), has_create }
    }

    fn handler(&mut self, decl: &HandlerDecl, here: Here, member: u32) -> HandlerSig {
        HandlerSig {
            name: decl.name.name,
            kind: if decl.internal { HandlerKind::Internal } else { HandlerKind::Public },
            params: self.params(&decl.params, here),
            result: self.result(decl.result.as_ref(), here),
            writes: decl.writes.as_ref().map(|clause| clause.entries.iter().filter_map(|entry| self.write(entry)).collect()),
            across: self.across(&decl.across),
            member,
        }
    }

    /// The spaces of an `across` clause, each once.
    fn across(&mut self, spaces: &[Ident]) -> Arc<[ItemId]> {
        let mut resolved = Vec::new();
        for (index, space) in spaces.iter().enumerate() {
            let Some(id) = resolve_plain_space(self.db, self.file, *space, &mut self.diagnostics) else { continue };
            if resolved.contains(&id) {
                let message = format!("`{}` is named twice in `across`", space.name);
                let (before, remove) = (spaces[index - 1].span, "remove it");
                let span = Span { start: before.end, end: space.span.end };
                let finding = Diagnostic::error("duplicate-name", self.file, space.span, message).help(remove);
                self.diagnostics.push(finding.replace(remove, Safety::Safe, self.file, span, ""));
            } else {
                resolved.push(id);
            }
        }
        resolved.into()
    }

    fn saga(&mut self, this: HandlerId, decl: &SagaDecl, here: Here, member: u32) -> HandlerSig {
        let steps: Vec<(Name, Ty)> = decl.steps.iter().filter_map(|step| Some((step.name?.name, Ty::Unknown))).collect();
        HandlerSig {
            name: decl.name.name,
            kind: HandlerKind::Saga,
            params: self.params(&decl.params, here),
            result: Ty::SagaResult(this, steps.into()),
            writes: None,
            across: Arc::new([]),
            member,
        }
    }

    /// One entry of a `writes` clause.
    fn write(&mut self, entry: &WritesEntry) -> Option<WriteSig> {
        let record = self.named(entry.record, "record", |head| matches!(head, ItemHead::Record(_)))?;
        let Some(cell) = entry.cell else { return Some(WriteSig { record, cell: None }) };
        let head = record_head_of(self.db, record)?;
        let Some(index) = head.cells.iter().position(|candidate| candidate.name == cell.name) else {
            let cells = head.cells.iter().map(|cell| cell.name.as_str());
            let finding = self.unknown_cell(record, head.name, cell, cells);
            self.diagnostics.push(finding);
            return None;
        };
        let index = index as u32;
        if head.cells[index as usize].derived {
            let message = format!("`{}.{}` is derived: nothing ever writes it", head.name, cell.name);
            self.diagnostics.push(
                Diagnostic::error("derived-write", self.file, entry.span, message)
                    .label(Location::Cell(CellId { record, index }), "derived here")
                    .help("name the cells it is derived from, if those are written"),
            );
            return None;
        }
        Some(WriteSig { record, cell: Some(index) })
    }

    /// The cell at the other end of the link that `cell` is: the one it names, or one there that names it.
    fn inverse(&mut self, this: CellId, cell: &CellDecl) -> Option<CellId> {
        let (db, file) = (self.db, self.file);
        let link = record_head_of(db, this.record)?.cells.get(this.index as usize)?.link.as_ref();
        let target = link.and_then(|link| scope(db, file).lookup(link.to)).filter(|target| record_head_of(db, *target).is_some());
        let Some(target) = target else {
            if let Some(inverse) = cell.inverse {
                let message = format!("`inverse` needs a link, and `{}` is none", cell.name.name);
                self.diagnostics.push(
                    Diagnostic::error("type-mismatch", file, cell.ty.span, message)
                        .label(Location::Span(file, inverse.span), "the cell at the other end of the link")
                        .help("a link is a reference `R`, an optional one `R?`, a `Set<R>` or a `List<R>`"),
                );
            }
            return None;
        };
        let head = record_head_of(db, target)?;
        let other = match cell.inverse {
            Some(inverse) => {
                let found = head.cells.iter().position(|candidate| candidate.name == inverse.name);
                if found.is_none() {
                    let cells = head.cells.iter().filter(|cell| !cell.derived).map(|cell| cell.name.as_str());
                    let finding = self.unknown_cell(target, head.name, inverse, cells);
                    self.diagnostics.push(finding);
                }
                found?
            }
            // The record of this file that a link of the other file leads to is found in the scope of that file.
            None => head.cells.iter().position(|candidate| {
                candidate.inverse == Some(cell.name.name)
                    && candidate.link.as_ref().and_then(|link| scope(db, target.file).lookup(link.to)) == Some(this.record)
            })?,
        };
        // Where the two ends do not fit, declaration checks say so, and neither is kept from the other.
        Some(CellId { record: target, index: other as u32 })
    }

    fn unknown_cell<'a>(&self, record: ItemId, name: Name, cell: Ident, cells: impl Iterator<Item = &'a str>) -> Diagnostic {
        let finding = Diagnostic::error("unknown-name", self.file, cell.span, format!("`{name}` has no cell `{}`", cell.name))
            .label(Location::Item(record), format!("`{name}` is declared here"));
        match did_you_mean(cell.name.as_str(), cells) {
            Some(meant) => finding.help(format!("did you mean `{meant}`?")),
            None => finding,
        }
    }

    /// The item that a name means, if it is of the right kind.
    fn named(&mut self, name: Ident, what: &str, fits: impl Fn(&ItemHead) -> bool) -> Option<ItemId> {
        let (db, file) = (self.db, self.file);
        let Some(id) = scope(db, file).lookup(name.name) else {
            let fitting = scope(db, file)
                .names()
                .filter(|name| scope(db, file).lookup(*name).and_then(|id| head(db, id)).is_some_and(&fits))
                .collect::<Vec<Name>>();
            if cased_as(name.name, what == "record") {
                let finding = unknown_name(db, file, name, what, fitting.iter().map(|name| name.as_str()));
                self.diagnostics.extend(finding);
            }
            return None;
        };
        let found = head(db, id)?;
        if fits(found) {
            return Some(id);
        }
        if !cased_as(name.name, what == "record") {
            return None;
        }
        let message = format!("`{}` is {}; {} is needed here", name.name, found.describe(), with_article(what));
        self.diagnostics.push(Diagnostic::error("type-mismatch", file, name.span, message).label(Location::Item(id), "declared here"));
        None
    }

    fn params(&mut self, params: &[Param], here: Here) -> Arc<[ParamSig]> {
        params.iter().map(|param| ParamSig { name: param.name.name, ty: self.ty(&param.ty, here) }).collect()
    }

    fn result(&mut self, result: Option<&TypeExpr>, here: Here) -> Ty {
        result.map_or(Ty::Unit, |result| self.ty(result, here))
    }

    fn ty(&mut self, ty: &TypeExpr, here: Here) -> Ty {
        resolve_type(self.db, self.file, ty, here, &mut self.diagnostics)
    }

    fn error(&mut self, rule: &'static str, span: syntax::Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(rule, self.file, span, message));
    }
}
