//! What can be written at a place.
//!
//! A marker is put where the cursor is, so that a name stands there, and the text is parsed and checked as if it were the file's: then the
//! tree says what kind of place it is and the types say what fits. The text with the marker is a file of its own that belongs to no project.

mod declared;
mod members;
mod parts;
mod site;

use patternc_grammar::syntax::{Name, Span};

use super::cursor::{Around, around};
use super::describe::type_name;
use super::names::{locals_at, names, record_at};
use super::words;
use crate::bodies::bodies;
use crate::db::{Database, Db, Project, SourceFile};
use crate::items::{ItemHead, head};
use crate::resolve::{relative_path, scope};
use crate::rules;
use crate::signature::{ParamSig, record_sig};
use crate::types::{ItemId, Ty};
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
    /// Changes elsewhere that belong to it: imports.
    pub imports: Vec<(Span, String)>,
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
    let readings = readings(&text, at, &around);
    let plain = &readings[0].text;
    let scratch = match scratch.0 {
        Some(scratch) => {
            db.set_scratch(scratch, &path, plain);
            scratch
        }
        None => *scratch.0.insert(SourceFile::new(db, path.clone(), plain.as_str().into())),
    };
    let (mut site, mut understood) = site::find(db, scratch, start as u32, &around);
    let mut read = plain;
    for reading in &readings[1..] {
        if understood {
            break;
        }
        db.set_scratch(scratch, &path, &reading.text);
        let (second, found) = site::find(db, scratch, start as u32, &around);
        if found && (reading.makes)(&second.position) {
            (site, understood, read) = (second, true, &reading.text);
        } else {
            db.set_scratch(scratch, &path, plain);
        }
    }
    if let (true, Position::Member { base: base @ Ty::Error, span, .. }) = (understood, &mut site.position) {
        // A value without such a member is not understood; without the `.` it is.
        let dot = text[..start].rfind('.').unwrap_or(start);
        let blank = " ".repeat(at - dot);
        db.set_scratch(scratch, &path, &format!("{}{blank}{}", &read[..dot], &read[at + MARKER.len()..]));
        if let Some(ty) = super::names::types(db, scratch).get(span) {
            *base = (*ty).clone();
        }
        db.set_scratch(scratch, &path, read);
    }
    let replaced = match site.position {
        // The names of rules have words with `-` between.
        Position::Rule => {
            let word = text.as_bytes()[..at].iter().rev().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
            Span::new(at - word, at)
        }
        _ => replaced,
    };
    let db: &Database = db;
    let mut completer = Completer { db, file: scratch, own: file, at: start as u32, site: &site, items: Vec::new() };
    completer.run();
    let mut items = completer.items;
    items.retain(|item| !item.label.contains(MARKER));
    items.sort_by(|a, b| (a.rank, &a.label).cmp(&(b.rank, &b.label)));
    items.dedup_by(|a, b| a.label == b.label && a.kind == b.kind);
    Completions { replaced, items }
}

/// A half-written text as it may go on.
struct Reading {
    text: String,
    /// Whether it is what was meant: the place that it makes of the marker.
    makes: fn(&Position) -> bool,
}

/// The text with the marker as it stands, and then as it can be read where it is not understood so.
fn readings(text: &str, at: usize, around: &Around) -> Vec<Reading> {
    let before = |brace: usize| {
        let start = text[..brace].rfind(['\n', '{', '}']).map_or(0, |newline| newline + 1);
        text[start..brace].trim()
    };
    let braces = || around.open.iter().filter(|open| open.bracket == b'{').map(|open| open.at);
    let mut readings: Vec<Reading> = Vec::new();
    let mut add = |behind: &str, makes| {
        let mut read = format!("{}{MARKER}{behind}{}", &text[..at], &text[at..]);
        // A `try` without its `catch` is nothing: as long as it is not there, it is read as another block.
        for brace in braces().filter(|&brace| !readings.is_empty() && before(brace) == "try" && text[..brace].ends_with(' ')) {
            let word = text[..brace].trim_end().len() - "try".len();
            read.replace_range(word..brace, &format!("{:<1$}", "if 1", brace - word));
        }
        readings.push(Reading { text: read, makes });
    };
    add("", |_| true);
    let innermost = around.open.last().filter(|open| open.bracket == b'{').map(|open| before(open.at));
    if innermost.is_some() && !text[at..].trim_start().starts_with(':') {
        // Between the braces of a struct or record, a name alone is nothing: it has a value.
        add(": none,", |position| matches!(position, Position::Field { .. }));
        // Its closing brace may not be there yet either.
        add(": none }", |position| matches!(position, Position::Field { .. }));
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if innermost.is_some_and(|header| header.split(|c| !is_part(c)).any(|word| word == "match")) {
        // An arm is one with what follows it.
        add(" => { },", |position| matches!(position, Position::Pattern(_)));
    }
    let line = text[..at].rfind(['\n', '{', '}']).map_or(0, |newline| newline + 1);
    match text[line..at].split_whitespace().next() {
        // Their blocks come after what they look at.
        Some("handler" | "internal") => {
            add(" { }", |position| matches!(position, Position::Cell(_) | Position::Space { .. } | Position::Place(_)))
        }
        Some("if" | "else" | "for" | "match") => {
            add(" { }", |_| true);
            // Nor may the brackets in that be closed.
            let inner = around.open.iter().rev().take_while(|open| open.at >= line && open.bracket != b'{');
            let closing: String = inner.map(|open| if open.bracket == b'(' { ')' } else { ']' }).collect();
            if !closing.is_empty() {
                add(&format!("{closing} {{ }}"), |_| true);
            }
        }
        Some("let") if text[line..at].contains(':') => add(" = none", |position| matches!(position, Position::Type | Position::Place(_))),
        _ => {}
    }
    if braces().any(|brace| before(brace) == "try") {
        add("", |_| true);
    }
    readings
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
        Completion { snippet: escaped(&label), label, kind, detail: None, docs: None, rank, imports: Vec::new() }
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
            Position::Member { base, is_send, begins, .. } => self.members(base, *is_send, *begins),
            Position::MemberOf(item) => self.item_members(*item),
            Position::Cell(record) => self.cells_of(*record),
            Position::Type => self.types(),
            Position::Place(of) => self.places(*of),
            Position::Inverse { of, to } => self.inverses(*of, *to),
            Position::Field { of, given } => self.missing_fields(of, given),
            Position::Record => {
                self.declared(|head| matches!(head, ItemHead::Record(_)), CompletionKind::Record);
                self.importable_names(|kind| kind == CompletionKind::Record);
            }
            Position::Space { of } => self.spaces(*of),
            Position::Extern => self.declared(|head| matches!(head, ItemHead::Extern { .. }), CompletionKind::Extern),
            Position::Import(file) => self.importable(*file),
            Position::Rule => self.rules(),
            Position::Pattern(subject) => self.patterns(subject),
            Position::Given { of } => self.given(*of),
            Position::Step { undoes } => {
                self.step(undoes.as_ref());
                self.values();
            }
            Position::Arm { ok, err } => self.words(words::arms(*ok, *err)),
            Position::Item => self.words(words::ITEMS),
            Position::RecordMember => self.words(words::MEMBERS),
            Position::Operation => self.words(words::OPERATIONS),
            Position::OperationMark => self.words(words::OPERATION_MARKS),
            Position::Nothing => {}
            Position::Clause => self.words(words::CLAUSES),
            Position::Signature => self.words(words::SIGNATURE),
            Position::CellMark => self.words(words::CELL_MARKS),
            Position::Statement | Position::Expression if self.site.in_saga && self.is_behind_step() => self.words(words::UNDO),
            Position::Statement | Position::Expression if let Some(marks) = self.behind_send() => self.words(marks),
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
        self.importable_names(|kind| !matches!(kind, CompletionKind::Space));
    }

    /// Whether a step stands before the cursor on its line.
    fn is_behind_step(&self) -> bool {
        let before = &self.own.text(self.db)[..self.at as usize];
        let line = before[before.rfind('\n').map_or(0, |newline| newline + 1)..].trim();
        line.starts_with("step ") && line.ends_with(')')
    }

    /// What can follow a `send` that stands before the word at the cursor.
    fn behind_send(&self) -> Option<&'static [(&'static str, &'static str, &'static str)]> {
        let before = &self.own.text(self.db)[..self.at as usize];
        let line = &before[before.rfind('\n').map_or(0, |newline| newline + 1)..];
        let (_, sent) =
            line.rsplit_once("send ").filter(|(before, _)| !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))?;
        let is_open = !around(sent, sent.len()).open.is_empty();
        let sent = sent.strip_suffix(' ').map(str::trim_end).filter(|_| !is_open)?;
        match sent.rsplit_once(" after ") {
            _ if sent.contains(" then ") => None,
            Some((_, time)) if !time.trim().is_empty() => Some(&words::SEND_MARKS[..1]),
            None if sent.ends_with([')', '}']) => Some(words::SEND_MARKS),
            _ => None,
        }
    }

    /// What stands behind the word at the cursor on its line.
    fn behind(&self) -> &str {
        let after = &self.own.text(self.db)[self.at as usize..];
        let after = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        after.lines().next().unwrap_or_default()
    }

    /// `self.cell` for the cells of the type that is wanted.
    fn own_cells_that_fit(&mut self, record: ItemId, wanted: &Ty) {
        let Some(sig) = record_sig(self.db, record) else { return };
        for cell in sig.cells.iter().filter(|cell| fits(&cell.ty, wanted) && !matches!(wanted, Ty::Text | Ty::Int | Ty::Bool)) {
            let label = format!("self.{}", cell.name);
            self.items.push(Completion::new(label, CompletionKind::Cell, 1).detail(type_name(self.db, &cell.ty)));
        }
    }

    /// Whether the word before the cursor begins a name, whatever the case.
    fn is_begun(&self, name: &str) -> bool {
        let text = self.file.text(self.db);
        let rest = &text[self.at as usize..];
        let word = &rest[..rest.find(MARKER).unwrap_or(0)];
        !word.is_empty() && name.to_lowercase().starts_with(&word.to_lowercase())
    }

    fn rules(&mut self) {
        for rule in rules::ALL.iter().filter(|rule| rule.level != crate::diagnostic::Level::Error) {
            let mut item = Completion::new(rule.name, CompletionKind::Rule, 1).detail(rule.summary);
            if !self.behind().trim_start().starts_with(',') {
                item.snippet = format!("{}, \"${{1:why}}\"", rule.name);
            }
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
