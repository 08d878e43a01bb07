//! What can stand after a `.`.

use super::{Completer, Completion, CompletionKind, call_snippet, fits};
use crate::bodies::methods_of;
use crate::ide::definition::Definition;
use crate::ide::describe::{headline, type_name};
use crate::ide::names::present;
use crate::ide::words::built_in;
use crate::items::{ItemHead, head};
use crate::signature::{HandlerKind, enum_sig, extern_sig, record_sig, struct_sig};
use crate::types::{CellId, HandlerId, ItemId, OperationId, Ty};

impl Completer<'_> {
    /// After a value of a type.
    pub(super) fn members(&mut self, base: &Ty, is_send: bool, begins: bool) {
        match present(base) {
            Ty::Record(record, _) => self.record_members(*record, is_send, begins),
            Ty::Struct(of, _) => {
                let fields = struct_sig(self.db, *of).map(|sig| sig.fields.clone());
                for field in fields.iter().flat_map(|fields| fields.iter()) {
                    let is_other = self.site.wanted.as_ref().is_some_and(|wanted| !fits(&field.ty, wanted));
                    let item = Completion::new(field.name.as_str(), CompletionKind::Field, if is_other { 2 } else { 0 });
                    self.items.push(item.detail(type_name(self.db, &field.ty)));
                }
            }
            Ty::Failure => {
                for (name, what) in [("message", "Text, why"), ("kind", "Text, such as \"rejected\"")] {
                    self.items.push(Completion::new(name, CompletionKind::Field, 0).detail(what));
                }
            }
            Ty::SagaResult(_, results) => {
                for (name, ty) in results.iter() {
                    self.items.push(Completion::new(name.as_str(), CompletionKind::Field, 0).detail(type_name(self.db, ty)));
                }
            }
            ty => {
                for method in methods_of(ty) {
                    let (snippet, what) = built_in(method.name());
                    self.items.push(Completion::new(method.name(), CompletionKind::Method, 1).detail(what).inserting(snippet));
                }
            }
        }
    }

    /// A statement writes cells, where it `begins` with one, and sends to handlers; elsewhere what has the wanted type comes first.
    fn record_members(&mut self, record: ItemId, is_send: bool, begins: bool) {
        let Some(sig) = record_sig(self.db, record) else { return };
        for (index, cell) in sig.cells.iter().enumerate() {
            let definition = Definition::Cell(CellId { record, index: index as u32 });
            let rank = match &self.site.wanted {
                _ if is_send => 2,
                _ if begins && cell.derived => 4,
                Some(wanted) if !fits(&cell.ty, wanted) => 2,
                _ => 0,
            };
            let mut item = Completion::new(cell.name.as_str(), CompletionKind::Cell, rank);
            item.detail = Some(type_name(self.db, &cell.ty));
            item.docs = definition.docs(self.db).map(str::to_owned);
            self.items.push(item);
        }
        for (index, handler) in sig.handlers.iter().enumerate() {
            // A saga is sent or a step, never called.
            let rank = match (is_send, handler.kind) {
                (true, _) => 0,
                (false, HandlerKind::Saga) => 3,
                // A call stands alone.
                (false, _) if self.site.wanted.is_some() => 3,
                (false, _) => 1,
            };
            let definition = Definition::Handler(HandlerId { record, index: index as u32 });
            let mut item = Completion::new(handler.name.as_str(), CompletionKind::Handler, rank);
            item.detail = headline(self.db, definition);
            item.docs = definition.docs(self.db).map(str::to_owned);
            item.snippet = call_snippet(handler.name.as_str(), &handler.params);
            self.items.push(item);
        }
        if !is_send {
            let exists = Completion::new("exists", CompletionKind::Method, 3).detail("Bool, whether it was not deleted");
            self.items.push(exists.inserting("exists()"));
            self.items.push(Completion::new("space", CompletionKind::Method, 3).detail("Space, where it is"));
        }
    }

    /// After the name of a declaration.
    pub(super) fn item_members(&mut self, id: ItemId) {
        match head(self.db, id) {
            Some(ItemHead::Enum { .. }) => {
                let Some(sig) = enum_sig(self.db, id) else { return };
                for (index, variant) in sig.variants.iter().enumerate() {
                    let holes: Vec<String> = variant
                        .fields
                        .iter()
                        .enumerate()
                        .map(|(index, field)| format!("{0}: ${{{1}:{0}}}", field.name, index + 1))
                        .collect();
                    let snippet =
                        if holes.is_empty() { variant.name.to_string() } else { format!("{}({})", variant.name, holes.join(", ")) };
                    let mut item = Completion::new(variant.name.as_str(), CompletionKind::Variant, 0).inserting(snippet);
                    item.docs = Definition::Variant { of: id, index: index as u32 }.docs(self.db).map(str::to_owned);
                    self.items.push(item);
                }
            }
            Some(ItemHead::Record(_)) => {
                let all = Completion::new("all", CompletionKind::Method, 0).detail("a list of all in the space");
                self.items.push(all);
                let some = Completion::new("where", CompletionKind::Method, 0).detail("a list of those for which it holds");
                self.items.push(some.inserting("where(${1:r} => $0)"));
            }
            Some(ItemHead::Extern { .. }) => {
                let Some(sig) = extern_sig(self.db, id) else { return };
                for (index, operation) in sig.operations.iter().enumerate() {
                    let definition = Definition::Operation(OperationId { of: id, index: index as u32 });
                    let mut item = Completion::new(operation.name.as_str(), CompletionKind::Operation, 0);
                    item.detail = headline(self.db, definition);
                    item.docs = definition.docs(self.db).map(str::to_owned);
                    item.snippet = call_snippet(operation.name.as_str(), &operation.params);
                    self.items.push(item);
                }
            }
            _ => {}
        }
    }
}
