//! What belongs to a declaration that is known: arms, fields, cells, operations, steps.

use patternc_grammar::syntax::Name;

use super::site::Subject;
use super::{Completer, Completion, CompletionKind, call_snippet};
use crate::ide::definition::Definition;
use crate::ide::describe::{headline, type_name};
use crate::ide::names::{locals_at, present, record_at};
use crate::items::ItemHead;
use crate::resolve::scope;
use crate::signature::{HandlerKind, enum_sig, extern_sig, record_sig};
use crate::types::{CellId, HandlerId, ItemId, OperationId, Ty};

impl Completer<'_> {
    /// Before the `=>` of an arm: what no other arm takes.
    pub(super) fn patterns(&mut self, subject: &Subject) {
        // Where the arm is not there yet, it comes with the pattern.
        let arrow = match (self.behind().contains("=>"), subject.is_value) {
            (true, _) => "",
            (false, true) => " => $0,",
            (false, false) => " => { $0 \\}",
        };
        let from = self.items.len();
        let (inner, is_optional) = match &subject.ty {
            Some(Ty::Optional(inner)) => (Some(&**inner), true),
            ty => (ty.as_ref(), false),
        };
        match inner {
            Some(Ty::Enum(of, _)) => self.variants(*of, false),
            Some(Ty::Bool) => {
                for word in ["true", "false"] {
                    self.items.push(Completion::new(word, CompletionKind::Keyword, 0));
                }
            }
            None | Some(Ty::Error | Ty::Unknown) => self.declared(|head| matches!(head, ItemHead::Enum { .. }), CompletionKind::Enum),
            _ => {}
        }
        if is_optional {
            self.items.push(Completion::new("none", CompletionKind::Keyword, 1).detail("what is absent"));
        }
        if !subject.named {
            self.items.push(Completion::new("_", CompletionKind::Keyword, 4).detail("everything else"));
        }
        let mut offered = self.items.split_off(from);
        offered.retain(|item| !subject.covered.contains(&item.label));
        for mut item in offered {
            if item.kind != CompletionKind::Enum {
                item.snippet.push_str(arrow);
            }
            if subject.named {
                let after_dot = |text: &str| text.split_once('.').map_or_else(|| text.to_owned(), |(_, rest)| rest.to_owned());
                (item.label, item.snippet) = (after_dot(&item.label), after_dot(&item.snippet));
            }
            self.items.push(item);
        }
    }

    /// After `given`: what the outside can be asked.
    pub(super) fn given(&mut self, only: Option<Name>) {
        let names: Vec<Name> = scope(self.db, self.file).names().collect();
        for name in names {
            let Some(id) = scope(self.db, self.file).lookup(name).filter(|_| only.is_none_or(|only| only == name)) else { continue };
            let Some(sig) = extern_sig(self.db, id) else { continue };
            for (index, operation) in sig.operations.iter().enumerate() {
                let label = if only.is_some() { operation.name.to_string() } else { format!("{name}.{}", operation.name) };
                let answer = if operation.result == Ty::Unit { "none" } else { "$0" };
                let mut item = Completion::new(label.as_str(), CompletionKind::Operation, 0);
                item.detail = headline(self.db, Definition::Operation(OperationId { of: id, index: index as u32 }));
                if !self.behind().trim_start().starts_with(['(', '=']) {
                    item.snippet = format!("{} => {answer}", call_snippet(&label, &operation.params));
                }
                self.items.push(item);
            }
        }
    }

    /// What a step can send: handlers of the records that have a name here. What undoes a step goes where the step went.
    pub(super) fn step(&mut self, undoes: Option<&(String, Name)>) {
        let mut targets: Vec<(String, ItemId)> =
            record_at(self.db, self.file, self.at).map(|record| ("self".to_owned(), record)).into_iter().collect();
        for (name, span) in locals_at(self.db, self.file, self.at) {
            if let Some(Ty::Record(record, _)) = self.local_type(span).as_ref().map(present) {
                targets.push((name.to_string(), *record));
            }
        }
        for (target, record) in targets {
            let Some(sig) = record_sig(self.db, record) else { continue };
            for (index, handler) in sig.handlers.iter().enumerate() {
                let fits = match undoes {
                    Some((of, done)) => *of == target && *done != handler.name && handler.kind != HandlerKind::Saga,
                    None => true,
                };
                if fits {
                    let label = format!("{target}.{}", handler.name);
                    let definition = Definition::Handler(HandlerId { record, index: index as u32 });
                    let mut item = Completion::new(label.as_str(), CompletionKind::Handler, 0);
                    item.detail = headline(self.db, definition);
                    item.docs = definition.docs(self.db).map(str::to_owned);
                    item.snippet = call_snippet(&label, &handler.params);
                    self.items.push(item);
                }
            }
        }
    }

    /// `Status.claimed(…)`: as values, or as patterns.
    pub(super) fn variants(&mut self, of: ItemId, as_value: bool) {
        let Some(sig) = enum_sig(self.db, of) else { return };
        for (index, variant) in sig.variants.iter().enumerate() {
            let label = format!("{}.{}", sig.name, variant.name);
            let holes: Vec<String> = variant
                .fields
                .iter()
                .enumerate()
                .map(|(index, field)| {
                    if as_value {
                        format!("{0}: ${{{1}:{0}}}", field.name, index + 1)
                    } else {
                        format!("${{{}:{}}}", index + 1, field.name)
                    }
                })
                .collect();
            let snippet = if holes.is_empty() { label.clone() } else { format!("{label}({})", holes.join(", ")) };
            let mut item = Completion::new(label, CompletionKind::Variant, 0).inserting(snippet);
            item.docs = Definition::Variant { of, index: index as u32 }.docs(self.db).map(str::to_owned);
            self.items.push(item);
        }
    }

    pub(super) fn missing_fields(&mut self, of: &Definition, given: &[Name]) {
        let fields: Vec<(Name, Ty, bool)> = match of {
            Definition::Item(id) => match record_sig(self.db, *id) {
                Some(sig) => {
                    let cells = sig.cells.iter().filter(|cell| !cell.derived);
                    cells.map(|cell| (cell.name, cell.ty.clone(), !cell.has_default && !matches!(cell.ty, Ty::Optional(_)))).collect()
                }
                None => crate::signature::struct_sig(self.db, *id)
                    .map(|sig| sig.fields.iter().map(|field| (field.name, field.ty.clone(), true)).collect())
                    .unwrap_or_default(),
            },
            Definition::Variant { of, index } => enum_sig(self.db, *of)
                .and_then(|sig| sig.variants.get(*index as usize))
                .map(|variant| variant.fields.iter().map(|field| (field.name, field.ty.clone(), true)).collect())
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        let missing: Vec<&(Name, Ty, bool)> = fields.iter().filter(|(name, ..)| !given.contains(name)).collect();
        for (name, ty, needed) in &missing {
            let kind = if matches!(of, Definition::Item(id) if record_sig(self.db, *id).is_some()) {
                CompletionKind::Cell
            } else {
                CompletionKind::Field
            };
            let item = Completion::new(name.as_str(), kind, if *needed { 0 } else { 2 });
            self.items.push(item.detail(type_name(self.db, ty)).inserting(format!("{name}: $0")));
        }
        let needed: Vec<Name> = missing.iter().filter(|(_, _, needed)| *needed).map(|(name, ..)| *name).collect();
        if needed.len() > 1 {
            let holes: Vec<String> = needed.iter().enumerate().map(|(index, name)| format!("{name}: ${{{}:{name}}}", index + 1)).collect();
            let label = format!("all that are missing: {}", needed.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "));
            self.items.push(Completion::new(label, CompletionKind::Snippet, 1).inserting(holes.join(", ")));
        }
    }

    /// After `inverse`: the cells of a record that lead to another one.
    pub(super) fn inverses(&mut self, of: ItemId, to: ItemId) {
        let Some(sig) = record_sig(self.db, of) else { return };
        let leads_back = |ty: &Ty| match ty {
            Ty::List(inner) | Ty::Set(inner) | Ty::Optional(inner) => matches!(**inner, Ty::Record(record, _) if record == to),
            Ty::Record(record, _) => *record == to,
            _ => false,
        };
        let fitting: Vec<Name> = sig.cells.iter().filter(|cell| !cell.derived && leads_back(&cell.ty)).map(|cell| cell.name).collect();
        let from = self.items.len();
        self.cells_of(of);
        let cells = self.items.split_off(from);
        self.items.extend(cells.into_iter().filter(|cell| fitting.iter().any(|name| name.as_str() == cell.label)));
    }

    pub(super) fn cells_of(&mut self, record: ItemId) {
        let Some(sig) = record_sig(self.db, record) else { return };
        for (index, cell) in sig.cells.iter().enumerate().filter(|(_, cell)| !cell.derived) {
            let definition = Definition::Cell(CellId { record, index: index as u32 });
            let mut item = Completion::new(cell.name.as_str(), CompletionKind::Cell, 0).detail(type_name(self.db, &cell.ty));
            item.docs = definition.docs(self.db).map(str::to_owned);
            self.items.push(item);
        }
    }
}
