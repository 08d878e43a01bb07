//! What can be written at a place.
//!
//! A marker is put where the cursor is, so that a name stands there, and the text is parsed and checked as if it were the file's: then the
//! tree says what kind of place it is and the types say what fits. The text with the marker is a file of its own that belongs to no project.

mod members;
mod site;
mod words;

use patternc_grammar::syntax::{Name, Span};

use super::cursor::around;
use super::definition::Definition;
use super::describe::{headline, type_name};
use super::names::{locals_at, names, record_at};
use crate::bodies::bodies;
use crate::db::{Database, Db, Project, SourceFile};
use crate::items::{ItemHead, head, items};
use crate::resolve::{home, relative_path, scope};
use crate::rules;
use crate::signature::{Home, ParamSig, enum_sig, fn_sig, record_sig};
use crate::types::{CellId, ItemId, Ty};
use site::{Position, Site};

/// What is put where the cursor is: part of a name, whatever stands before it, that nobody would choose.
const MARKER: &str = "zqzq";

/// Something that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub label: String,
    pub kind: CompletionKind,
    /// A type, a declaration in one line.
    pub detail: Option<String>,
    /// Markdown.
    pub docs: Option<String>,
    /// What is inserted: with `$1`, `${1:name}` and `$0` for the places to go on at.
    pub snippet: String,
    /// Lower comes first.
    pub rank: u8,
    /// A change elsewhere that belongs to it: an import.
    pub import: Option<(Span, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionKind {
    Keyword,
    Snippet,
    Local,
    Cell,
    Field,
    Handler,
    Method,
    Function,
    Record,
    Struct,
    Enum,
    Variant,
    Space,
    Extern,
    Operation,
    Mirror,
    Type,
    Rule,
    File,
}

/// What can be written, and what it replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// The word that is begun before the cursor.
    pub replaced: Span,
    pub items: Vec<Completion>,
}

/// The file that a text with a marker is checked as; one is used again and again, since what a database holds once it holds for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scratch(Option<SourceFile>);

/// What can be written at `at` in `file`.
pub fn complete(db: &mut Database, scratch: &mut Scratch, file: SourceFile, at: u32) -> Completions {
    let text = file.text(db).clone();
    let at = (at as usize).min(text.len());
    let start = at - text.as_bytes()[..at].iter().rev().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let replaced = Span::new(start, at);
    let around = around(&text, at);
    if around.in_words {
        let items = if around.in_text { import_paths(db, file, &text, at) } else { Vec::new() };
        // A path is replaced whole.
        let open = text[..at].rfind('"').map_or(at, |quote| quote + 1);
        return Completions { replaced: Span::new(open, at), items };
    }
    let path = file.path(db).clone();
    let with = |marker: &str| format!("{}{marker}{}", &text[..at], &text[at..]);
    let scratch = match scratch.0 {
        Some(scratch) => {
            db.set_scratch(scratch, &path, &with(MARKER));
            scratch
        }
        None => *scratch.0.insert(SourceFile::new(db, path.clone(), with(MARKER).as_str().into())),
    };
    let (mut site, mut understood) = site::find(db, scratch, start as u32, &around);
    if !understood && around.open.last().is_some_and(|open| open.bracket == b'{') && !text[at..].trim_start().starts_with(':') {
        // Between the braces of a struct or record, a name alone is nothing: it has a value.
        db.set_scratch(scratch, &path, &with(&format!("{MARKER}: none,")));
        let (second, found) = site::find(db, scratch, start as u32, &around);
        if found && matches!(second.position, Position::Field { .. }) {
            (site, understood) = (second, true);
        } else {
            db.set_scratch(scratch, &path, &with(MARKER));
        }
    }
    if let (true, Position::Member { base: base @ Ty::Error, span, .. }) = (understood, &mut site.position) {
        // A value without such a member is not understood; without the `.` it is.
        let dot = text[..start].rfind('.').unwrap_or(start);
        let blank = " ".repeat(at - dot);
        db.set_scratch(scratch, &path, &format!("{}{blank}{}", &text[..dot], &text[at..]));
        if let Some(ty) = super::names::types(db, scratch).get(span) {
            *base = (*ty).clone();
        }
        db.set_scratch(scratch, &path, &with(MARKER));
    }
    let db: &Database = db;
    let mut completer = Completer { db, file: scratch, own: file, at: start as u32, site: &site, items: Vec::new() };
    completer.run();
    let mut items = completer.items;
    items.retain(|item| !item.label.contains(MARKER));
    items.sort_by(|a, b| (a.rank, &a.label).cmp(&(b.rank, &b.label)));
    items.dedup_by(|a, b| a.label == b.label && a.kind == b.kind);
    Completions { replaced, items }
}

/// The files that a `use` can name, while its path is written.
fn import_paths(db: &dyn Db, file: SourceFile, text: &str, at: usize) -> Vec<Completion> {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    if !text[line..at].trim_start().starts_with("use ") {
        return Vec::new();
    }
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    let others = files.iter().filter(|other| **other != file);
    others.map(|other| Completion::new(relative_path(file.path(db), other.path(db)), CompletionKind::File, 0)).collect()
}

impl Completion {
    fn new(label: impl Into<String>, kind: CompletionKind, rank: u8) -> Self {
        let label = label.into();
        Completion { snippet: escaped(&label), label, kind, detail: None, docs: None, rank, import: None }
    }

    fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    fn inserting(mut self, snippet: impl Into<String>) -> Self {
        self.snippet = snippet.into();
        self
    }
}

/// Text that stands for itself in a snippet.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('$', "\\$").replace('}', "\\}")
}

/// `name(${1:a}, ${2:b})`.
fn call_snippet(name: &str, params: &[ParamSig]) -> String {
    let holes: Vec<String> = params.iter().enumerate().map(|(index, param)| format!("${{{}:{}}}", index + 1, param.name)).collect();
    format!("{name}({})", holes.join(", "))
}

struct Completer<'a> {
    db: &'a Database,
    /// The file with the marker.
    file: SourceFile,
    /// The file that it is of.
    own: SourceFile,
    at: u32,
    site: &'a Site,
    items: Vec<Completion>,
}

impl Completer<'_> {
    fn run(&mut self) {
        match &self.site.position {
            Position::Member { base, is_send, .. } => self.members(base, *is_send),
            Position::MemberOf(item) => self.item_members(*item),
            Position::Cell(record) => self.cells_of(*record),
            Position::Type => self.types(),
            Position::Place => self.places(),
            Position::Field { of, given } => self.missing_fields(of, given),
            Position::Record => self.declared(|head| matches!(head, ItemHead::Record(_)), CompletionKind::Record),
            Position::Space { of } => self.spaces(*of),
            Position::Extern => self.declared(|head| matches!(head, ItemHead::Extern { .. }), CompletionKind::Extern),
            Position::Import(file) => self.importable(*file),
            Position::Rule => self.rules(),
            Position::Pattern { of } => self.patterns(*of),
            Position::Arm { ok, err } => self.words(words::arms(*ok, *err)),
            Position::Item => self.words(words::ITEMS),
            Position::RecordMember => self.words(words::MEMBERS),
            Position::Operation | Position::Nothing => {}
            Position::Clause => self.words(words::CLAUSES),
            Position::Signature => self.words(words::SIGNATURE),
            Position::CellMark => self.words(words::CELL_MARKS),
            Position::Statement => {
                self.words(if self.site.in_test { words::TEST_STATEMENTS } else { words::STATEMENTS });
                if self.site.in_saga {
                    self.words(words::STEPS);
                }
                self.values();
            }
            Position::Expression => {
                self.words(words::EXPRESSIONS);
                self.values();
            }
        }
    }

    fn words(&mut self, words: &[(&str, &str, &str)]) {
        for (label, snippet, what) in words {
            let kind = if label == snippet { CompletionKind::Keyword } else { CompletionKind::Snippet };
            self.items.push(Completion::new(*label, kind, 5).detail(*what).inserting(*snippet));
        }
    }

    /// The names that mean something here: locals, functions, types. What fits the type that is wanted comes first.
    fn values(&mut self) {
        let wanted = self.site.wanted.clone();
        for (name, span) in locals_at(self.db, self.file, self.at) {
            let ty = self.local_type(span);
            let fits = ty.as_ref().is_some_and(|ty| wanted.as_ref().is_some_and(|wanted| fits(ty, wanted)));
            let mut item = Completion::new(name.as_str(), CompletionKind::Local, if fits { 0 } else { 2 });
            item.detail = ty.map(|ty| type_name(self.db, &ty));
            self.items.push(item);
        }
        if record_at(self.db, self.file, self.at).is_some() && !self.site.in_test {
            self.items.push(Completion::new("self", CompletionKind::Keyword, 1).detail("the record"));
            if let (Some(wanted), Some(record)) = (&wanted, record_at(self.db, self.file, self.at)) {
                self.own_cells_that_fit(record, wanted);
            }
        }
        match wanted.as_ref().map(super::names::present) {
            Some(Ty::Bool) => {
                for word in ["true", "false"] {
                    self.items.push(Completion::new(word, CompletionKind::Keyword, 1));
                }
            }
            Some(Ty::Enum(of, _)) => self.variants(*of, true),
            _ => {}
        }
        if matches!(wanted, Some(Ty::Optional(_))) {
            self.items.push(Completion::new("none", CompletionKind::Keyword, 1));
        }
        let names: Vec<Name> = scope(self.db, self.file).names().collect();
        for name in names {
            let Some(id) = scope(self.db, self.file).lookup(name) else { continue };
            let kind = match head(self.db, id) {
                Some(ItemHead::Fn { .. }) => CompletionKind::Function,
                Some(ItemHead::Record(_)) => CompletionKind::Record,
                Some(ItemHead::Struct { .. }) => CompletionKind::Struct,
                Some(ItemHead::Enum { .. }) => CompletionKind::Enum,
                Some(ItemHead::Extern { .. }) => CompletionKind::Extern,
                _ => continue,
            };
            let wanted_here = matches!((wanted.as_ref().map(super::names::present), kind),
                (Some(Ty::Struct(of, _)), CompletionKind::Struct) if *of == id);
            let item = self.item(name.as_str(), id, kind, if wanted_here { 1 } else { 4 });
            self.items.push(item);
        }
        self.words(words::FUNCTIONS);
        self.importable_names();
    }

    /// `self.cell` for the cells of the type that is wanted.
    fn own_cells_that_fit(&mut self, record: ItemId, wanted: &Ty) {
        let Some(sig) = record_sig(self.db, record) else { return };
        for cell in sig.cells.iter().filter(|cell| fits(&cell.ty, wanted) && !matches!(wanted, Ty::Text | Ty::Int | Ty::Bool)) {
            let label = format!("self.{}", cell.name);
            self.items.push(Completion::new(label, CompletionKind::Cell, 1).detail(type_name(self.db, &cell.ty)));
        }
    }

    fn item(&self, name: &str, id: ItemId, kind: CompletionKind, rank: u8) -> Completion {
        let definition = Definition::Item(id);
        let mut item = Completion::new(name, kind, rank);
        item.detail = headline(self.db, definition);
        item.docs = definition.docs(self.db).map(str::to_owned);
        if let Some(sig) = fn_sig(self.db, id) {
            item.snippet = call_snippet(name, &sig.params);
        }
        item
    }

    /// Types and functions that another file declares: they come with their import.
    fn importable_names(&mut self) {
        let files = Project::try_get(self.db).map(|project| project.files(self.db).as_slice()).unwrap_or_default();
        let known = scope(self.db, self.file);
        for &other in files.iter().filter(|other| **other != self.own) {
            for name in items(self.db, other).names() {
                if known.lookup(name).is_some() {
                    continue;
                }
                let Some(index) = items(self.db, other).named(name) else { continue };
                let id = ItemId { file: other, index };
                let kind = match head(self.db, id) {
                    Some(ItemHead::Fn { .. }) => CompletionKind::Function,
                    Some(ItemHead::Record(_)) => CompletionKind::Record,
                    Some(ItemHead::Struct { .. }) => CompletionKind::Struct,
                    Some(ItemHead::Enum { .. }) => CompletionKind::Enum,
                    _ => continue,
                };
                // Only what has begun to be written: there may be thousands.
                if !self.is_begun(name.as_str()) {
                    continue;
                }
                let path = relative_path(self.own.path(self.db), other.path(self.db));
                let (_, span, text) = crate::resolve::import_edit(self.db, self.own, other, &path, name);
                let mut item = self.item(name.as_str(), id, kind, 6);
                item.detail = Some(format!("{} (from {path})", item.detail.unwrap_or_default()));
                item.import = Some((span, text));
                self.items.push(item);
            }
        }
    }

    /// Whether the word before the cursor begins a name, whatever the case.
    fn is_begun(&self, name: &str) -> bool {
        let text = self.file.text(self.db);
        let rest = &text[self.at as usize..];
        let word = &rest[..rest.find(MARKER).unwrap_or(0)];
        !word.is_empty() && name.to_lowercase().starts_with(&word.to_lowercase())
    }

    fn declared(&mut self, is: impl Fn(&ItemHead) -> bool, kind: CompletionKind) {
        let names: Vec<Name> = scope(self.db, self.file).names().collect();
        for name in names {
            let id = scope(self.db, self.file).lookup(name);
            if let Some(id) = id.filter(|id| head(self.db, *id).is_some_and(&is)) {
                let mut item = self.item(name.as_str(), id, kind, 1);
                if kind == CompletionKind::Record
                    && let Some(cells) = self.create_snippet(id)
                {
                    item.snippet = format!("{name}{cells}");
                }
                self.items.push(item);
            }
        }
    }

    /// ` in space { cell: … }` for a record that is created: the cells that must be given. `None` where the braces are there.
    fn create_snippet(&self, record: ItemId) -> Option<String> {
        let sig = record_sig(self.db, record)?;
        let text = self.file.text(self.db);
        let after = text[self.at as usize..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let line = after.lines().next().unwrap_or_default();
        if line.contains('{') || line.trim_start().starts_with("in ") || !self.site.creates {
            return None;
        }
        let mut hole = 0;
        let mut next = |name: &str| {
            hole += 1;
            format!("${{{hole}:{name}}}")
        };
        let place = match home(self.db, record) {
            Home::Plain(space) => format!(" in {}", crate::resolve::item_name(self.db, space)),
            Home::Family(space) => format!(" in {}[{}]", crate::resolve::item_name(self.db, space), next("key")),
            Home::Floating if self.site.in_test => format!(" in {}", next("space")),
            Home::Floating => String::new(),
        };
        let given = sig.cells.iter().filter(|cell| !cell.derived && !cell.has_default && !matches!(cell.ty, Ty::Optional(_)));
        let cells: Vec<String> = given.map(|cell| format!("{}: {}", cell.name, next(cell.name.as_str()))).collect();
        Some(if cells.is_empty() { format!("{place} {{ \\}}") } else { format!("{place} {{ {} \\}}", cells.join(", ")) })
    }

    fn types(&mut self) {
        for (name, arguments) in crate::resolve::built_in_types() {
            let snippet = match arguments {
                0 => name.to_owned(),
                1 => format!("{name}<${{1:T}}>"),
                _ => format!("{name}<${{1:K}}, ${{2:V}}>"),
            };
            self.items.push(Completion::new(name, CompletionKind::Type, 3).inserting(snippet));
        }
        self.declared(|head| matches!(head, ItemHead::Struct { .. }), CompletionKind::Struct);
        self.declared(|head| matches!(head, ItemHead::Enum { .. }), CompletionKind::Enum);
        self.declared(|head| matches!(head, ItemHead::Record(_)), CompletionKind::Record);
        self.importable_names();
    }

    /// After the `@` of a type.
    fn places(&mut self) {
        self.items.push(Completion::new("any", CompletionKind::Keyword, 0).detail("somewhere, not known where"));
        self.declared(|head| matches!(head, ItemHead::Space { family: false, .. }), CompletionKind::Space);
    }

    /// After the `in` of a `create` or record.
    fn spaces(&mut self, of: Option<ItemId>) {
        let home = of.map(|record| home(self.db, record));
        let names: Vec<Name> = scope(self.db, self.file).names().collect();
        for name in names {
            let Some(id) = scope(self.db, self.file).lookup(name) else { continue };
            let Some(ItemHead::Space { family, .. }) = head(self.db, id) else { continue };
            let possible = match home {
                Some(Home::Plain(space) | Home::Family(space)) => space == id,
                Some(Home::Floating) | None => true,
            };
            if possible {
                let mut item = self.item(name.as_str(), id, CompletionKind::Space, 0);
                if *family && of.is_some() {
                    item.snippet = format!("{name}[${{1:key}}]");
                }
                self.items.push(item);
            }
        }
    }

    fn importable(&mut self, file: SourceFile) {
        for (index, head) in items(self.db, file).heads.iter().enumerate() {
            if let Some(name) = head.name() {
                let kind = match head {
                    ItemHead::Record(_) => CompletionKind::Record,
                    ItemHead::Struct { .. } => CompletionKind::Struct,
                    ItemHead::Enum { .. } => CompletionKind::Enum,
                    ItemHead::Space { .. } => CompletionKind::Space,
                    ItemHead::Extern { .. } => CompletionKind::Extern,
                    ItemHead::Mirror { .. } => CompletionKind::Mirror,
                    _ => CompletionKind::Function,
                };
                let mut item = self.item(name.as_str(), ItemId { file, index: index as u32 }, kind, 1);
                item.snippet = escaped(name.as_str());
                self.items.push(item);
            }
        }
    }

    fn rules(&mut self) {
        for rule in rules::ALL.iter().filter(|rule| rule.level != crate::diagnostic::Level::Error) {
            let mut item = Completion::new(rule.name, CompletionKind::Rule, 1).detail(rule.summary);
            item.snippet = format!("{}, \"${{1:why}}\"", rule.name);
            self.items.push(item);
        }
    }

    /// Before the `=>` of a match over an enum.
    fn patterns(&mut self, of: Option<ItemId>) {
        self.items.push(Completion::new("_", CompletionKind::Keyword, 4).detail("everything else"));
        match of {
            Some(of) => self.variants(of, false),
            None => self.declared(|head| matches!(head, ItemHead::Enum { .. }), CompletionKind::Enum),
        }
    }

    /// `Status.claimed(…)`: as values, or as patterns.
    fn variants(&mut self, of: ItemId, as_value: bool) {
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

    fn missing_fields(&mut self, of: &Definition, given: &[Name]) {
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

    fn cells_of(&mut self, record: ItemId) {
        let Some(sig) = record_sig(self.db, record) else { return };
        for (index, cell) in sig.cells.iter().enumerate().filter(|(_, cell)| !cell.derived) {
            let definition = Definition::Cell(CellId { record, index: index as u32 });
            let mut item = Completion::new(cell.name.as_str(), CompletionKind::Cell, 0).detail(type_name(self.db, &cell.ty));
            item.docs = definition.docs(self.db).map(str::to_owned);
            self.items.push(item);
        }
    }

    fn local_type(&self, span: Span) -> Option<Ty> {
        let (owner, id) = names(self.db, self.file).local(span)?;
        Some(bodies(self.db, self.file).get(owner)?.locals.get(id.0 as usize)?.ty.clone())
    }
}

/// Whether a value of one type can stand where another is wanted, as far as an offer has to know.
fn fits(ty: &Ty, wanted: &Ty) -> bool {
    let (ty, wanted) = (super::names::present(ty), super::names::present(wanted));
    match (ty, wanted) {
        (Ty::Record(a, _), Ty::Record(b, _)) | (Ty::Struct(a, _), Ty::Struct(b, _)) | (Ty::Enum(a, _), Ty::Enum(b, _)) => a == b,
        (Ty::List(a), Ty::List(b)) | (Ty::Set(a), Ty::Set(b)) => fits(a, b),
        (Ty::Map(..), Ty::Map(..)) => true,
        (a, b) => a == b,
    }
}
