//! The dense ids of everything declared in a project.
//!
//! They follow from the files in the order of their paths and the items in the order of the text alone, so that a linker made anew over the
//! same database gives the same ids.

use patternc_program::{
    BodyId, CellIndex, DerivedIndex, EnumId, ExternId, Field, FileId, HandlerId, Home, Name, Place, RecordId, SagaId, Source, SpaceId,
    StructId, Type,
};
use rustc_hash::FxHashMap;

use crate::db::{Db, Project, SourceFile};
use crate::hir;
use crate::signature::{self, FileSignatures, HandlerKind, RecordSig, Signature};
use crate::types::{self, CellId, ItemId, Ty};

/// What a cell of the language is in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellRef {
    Stored(RecordId, CellIndex),
    Derived(RecordId, DerivedIndex),
}

/// What a handler or saga of the language is in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callable {
    Handler(HandlerId),
    Saga(SagaId),
}

/// The program's ids of a project's declarations.
pub struct Linker<'db> {
    pub(super) db: &'db dyn Db,
    pub(super) files: Vec<SourceFile>,
    pub(super) signatures: Vec<&'db FileSignatures>,
    file_ids: FxHashMap<SourceFile, FileId>,
    /// By item: the position in the program's list of its kind.
    items: FxHashMap<ItemId, u32>,
    /// By record.
    records: Vec<RecordIds>,
    /// How many functions there are: their bodies come first.
    pub(super) functions: u32,
}

struct RecordIds {
    cells: Box<[CellRef]>,
    handlers: Box<[Callable]>,
}

impl<'db> Linker<'db> {
    /// Numbers the declarations of the project.
    pub fn new(db: &'db dyn Db) -> Self {
        let mut files = Project::get(db).files(db).clone();
        files.sort_by(|a, b| a.path(db).cmp(b.path(db)));
        let signatures: Vec<_> = files.iter().map(|file| signature::signatures(db, *file)).collect();
        let mut linker = Linker {
            db,
            file_ids: files.iter().enumerate().map(|(i, file)| (*file, FileId(i as u32))).collect(),
            items: FxHashMap::default(),
            records: Vec::new(),
            functions: 0,
            files,
            signatures,
        };
        linker.number();
        linker
    }

    fn number(&mut self) {
        let [mut spaces, mut structs, mut enums, mut externs, mut mirrors] = [0; 5];
        let [mut handlers, mut sagas] = [0; 2];
        let next = |counter: &mut u32| {
            *counter += 1;
            *counter - 1
        };
        for (file, signatures) in self.files.iter().zip(&self.signatures) {
            for (index, signature) in signatures.by_item.iter().enumerate() {
                let id = match signature {
                    Signature::Space(_) => next(&mut spaces),
                    Signature::Struct(_) => next(&mut structs),
                    Signature::Enum(_) => next(&mut enums),
                    Signature::Extern(_) => next(&mut externs),
                    Signature::Fn(_) => next(&mut self.functions),
                    Signature::Mirror(mirror) if mirror.record.is_some() && mirror.target.is_some() => next(&mut mirrors),
                    Signature::Record(record) => {
                        let id = RecordId(self.records.len() as u32);
                        self.records.push(record_ids(id, record, &mut handlers, &mut sagas));
                        id.0
                    }
                    Signature::Mirror(_) | Signature::Invariant(_) | Signature::Other => continue,
                };
                self.items.insert(ItemId { file: *file, index: index as u32 }, id);
            }
        }
    }

    fn item(&self, id: ItemId) -> u32 {
        *self.items.get(&id).expect("a resolved name is declared in a file of the project")
    }

    pub(super) fn space(&self, id: ItemId) -> SpaceId {
        SpaceId(self.item(id))
    }

    pub(super) fn struct_(&self, id: ItemId) -> StructId {
        StructId(self.item(id))
    }

    pub(super) fn enum_(&self, id: ItemId) -> EnumId {
        EnumId(self.item(id))
    }

    pub(super) fn record(&self, id: ItemId) -> RecordId {
        RecordId(self.item(id))
    }

    pub(super) fn extern_(&self, id: ItemId) -> ExternId {
        ExternId(self.item(id))
    }

    /// `None` for a mirror whose record or target is unknown.
    pub(super) fn mirror(&self, id: ItemId) -> Option<u32> {
        self.items.get(&id).copied()
    }

    /// The body of a function.
    pub(super) fn function(&self, id: ItemId) -> BodyId {
        BodyId(self.item(id))
    }

    pub(super) fn cell(&self, id: CellId) -> CellRef {
        self.records[self.record(id.record).index()].cells[id.index as usize]
    }

    /// By position among the record's cells, stored and derived.
    pub(super) fn cells(&self, record: RecordId) -> &[CellRef] {
        &self.records[record.index()].cells
    }

    pub(super) fn callable(&self, id: types::HandlerId) -> Callable {
        self.callables(self.record(id.record))[id.index as usize]
    }

    pub(super) fn callables(&self, record: RecordId) -> &[Callable] {
        &self.records[record.index()].handlers
    }

    pub(super) fn record_sig(&self, id: ItemId) -> &'db RecordSig {
        match self.signature(id) {
            Signature::Record(record) => record,
            _ => unreachable!("a name resolved to a record is one"),
        }
    }

    pub(super) fn signature(&self, id: ItemId) -> &'db Signature {
        &self.signatures[self.file(id.file).index()].by_item[id.index as usize]
    }

    /// `Person.members`: for messages.
    pub(super) fn cell_name(&self, id: CellId) -> String {
        let record = self.record_sig(id.record);
        format!("{}.{}", record.name, record.cells[id.index as usize].name)
    }

    /// `Person.link`: for messages.
    pub(super) fn handler_name(&self, id: types::HandlerId) -> String {
        let record = self.record_sig(id.record);
        format!("{}.{}", record.name, record.handlers[id.index as usize].name)
    }

    /// `payments.charge`: for messages.
    pub(super) fn operation_name(&self, id: types::OperationId) -> String {
        match self.signature(id.of) {
            Signature::Extern(item) => format!("{}.{}", item.name, item.operations[id.index as usize].name),
            _ => unreachable!("a name resolved to an extern is one"),
        }
    }

    /// What is sent, in words: `Person.link`, `payments.charge`, `create Person`.
    pub(super) fn event_name(&self, event: &hir::SendEvent) -> String {
        match event {
            hir::SendEvent::Handler { handler, .. } => self.handler_name(*handler),
            hir::SendEvent::Extern { operation, .. } => self.operation_name(*operation),
            hir::SendEvent::Create(create) => format!("create {}", self.record_sig(create.record).name),
            hir::SendEvent::Error => String::new(),
        }
    }

    pub(super) fn home(&self, record: &RecordSig) -> Home {
        match record.home {
            signature::Home::Plain(space) => Home::Plain(self.space(space)),
            signature::Home::Family(space) => Home::Family(self.space(space)),
            signature::Home::Floating => Home::Floating,
        }
    }

    pub(super) fn file(&self, file: SourceFile) -> FileId {
        *self.file_ids.get(&file).expect("declarations are in files of the project")
    }

    /// What text from elsewhere is in: a file after all others.
    pub(super) fn no_file(&self) -> FileId {
        FileId(self.files.len() as u32)
    }

    /// The text there.
    pub(super) fn text(&self, file: FileId, span: patternc_grammar::syntax::Span) -> &'db str {
        &self.files[file.index()].text(self.db)[span.start as usize..span.end as usize]
    }

    pub(super) fn source(&self, file: FileId, span: patternc_grammar::syntax::Span) -> Source {
        Source { file, start: span.start, end: span.end }
    }

    pub(super) fn place(&self, place: types::Place) -> Place {
        match place {
            types::Place::Here => Place::Here,
            types::Place::Plain(space) => Place::Plain(self.space(space)),
            // Where another record is, is known to the checker alone.
            types::Place::Of(_) | types::Place::Any => Place::Any,
        }
    }

    pub fn ty(&self, ty: &Ty) -> Type {
        match ty {
            Ty::Bool => Type::Bool,
            Ty::Int => Type::Int,
            Ty::Float => Type::Float,
            Ty::Text => Type::Text,
            Ty::Bytes => Type::Bytes,
            Ty::Time => Type::Time,
            Ty::Duration => Type::Duration,
            Ty::Space => Type::Space,
            Ty::Failure => Type::Failure,
            Ty::List(of) => Type::List(Box::new(self.ty(of))),
            Ty::Set(of) => Type::Set(Box::new(self.ty(of))),
            Ty::Map(key, value) => Type::Map(Box::new(self.ty(key)), Box::new(self.ty(value))),
            Ty::Optional(of) => Type::Optional(Box::new(self.ty(of))),
            Ty::Struct(id, place) => Type::Struct(self.struct_(*id), self.place(*place)),
            Ty::Enum(id, place) => Type::Enum(self.enum_(*id), self.place(*place)),
            Ty::Record(id, place) => {
                // However it was come by, a record with a plain space is there.
                let place = match self.record_sig(*id).home {
                    signature::Home::Plain(space) => Place::Plain(self.space(space)),
                    signature::Home::Family(_) | signature::Home::Floating => self.place(*place),
                };
                Type::Record(self.record(*id), place)
            }
            Ty::SagaResult(_, steps) => Type::SagaResult(steps.iter().map(|(name, ty)| Field { name: *name, ty: self.ty(ty) }).collect()),
            Ty::None | Ty::Unknown | Ty::Unit | Ty::Error => Type::Unknown,
        }
    }

    /// The type of a result: `None` where there is no value.
    pub(super) fn result(&self, ty: &Ty) -> Option<Type> {
        match ty {
            Ty::Unit => None,
            ty => Some(self.ty(ty)),
        }
    }

    pub(super) fn field(&self, param: &signature::ParamSig) -> patternc_program::Field {
        patternc_program::Field { name: param.name, ty: self.ty(&param.ty) }
    }

    pub(super) fn fields(&self, params: &[signature::ParamSig]) -> Vec<patternc_program::Field> {
        params.iter().map(|param| self.field(param)).collect()
    }
}

fn record_ids(id: RecordId, record: &RecordSig, handlers: &mut u32, sagas: &mut u32) -> RecordIds {
    let [mut stored, mut derived] = [0; 2];
    let cells = record.cells.iter().map(|cell| {
        let counter = if cell.derived { &mut derived } else { &mut stored };
        *counter += 1;
        if cell.derived { CellRef::Derived(id, DerivedIndex(*counter - 1)) } else { CellRef::Stored(id, CellIndex(*counter - 1)) }
    });
    let cells = cells.collect();
    let handlers = record.handlers.iter().map(|handler| {
        let counter = if handler.kind == HandlerKind::Saga { &mut *sagas } else { &mut *handlers };
        *counter += 1;
        if handler.kind == HandlerKind::Saga { Callable::Saga(SagaId(*counter - 1)) } else { Callable::Handler(HandlerId(*counter - 1)) }
    });
    RecordIds { cells, handlers: handlers.collect() }
}

/// A name of a body, for messages and step budgets.
pub(super) fn member_name(record: Name, member: &str) -> Box<str> {
    format!("{record}.{member}").into()
}
