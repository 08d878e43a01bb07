//! Names of declarations, also of those that another file has: they come with their import.

use patternc_grammar::syntax::Name;

use super::{Completer, Completion, CompletionKind, call_snippet, escaped};
use crate::db::{Project, SourceFile};
use crate::ide::definition::Definition;
use crate::ide::describe::headline;
use crate::items::{ItemHead, head, items};
use crate::resolve::{home, import_edit, item_name, relative_path, scope};
use crate::signature::{Home, fn_sig, record_sig};
use crate::types::{ItemId, Ty};

impl Completer<'_> {
    pub(super) fn item(&self, name: &str, id: ItemId, kind: CompletionKind, rank: u8) -> Completion {
        let definition = Definition::Item(id);
        let mut item = Completion::new(name, kind, rank);
        item.detail = headline(self.db, definition);
        item.docs = definition.docs(self.db).map(str::to_owned);
        if let Some(sig) = fn_sig(self.db, id) {
            item.snippet = call_snippet(name, &sig.params);
        }
        item
    }

    /// Names of some kinds that another file declares: they come with their import.
    pub(super) fn importable_names(&mut self, wants: impl Fn(CompletionKind) -> bool) {
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
                    Some(ItemHead::Space { .. }) => CompletionKind::Space,
                    _ => continue,
                };
                // Only what has begun to be written: there may be thousands.
                if !wants(kind) || !self.is_begun(name.as_str()) {
                    continue;
                }
                let item = self.item(name.as_str(), id, kind, 6);
                let mut item = self.imported(item, &[id]);
                if kind == CompletionKind::Record
                    && let Some(cells) = self.create_snippet(id)
                {
                    item.snippet = format!("{name}{cells}");
                    // Its space has to be named as well.
                    if let Home::Plain(space) | Home::Family(space) = home(self.db, id)
                        && known.lookup(item_name(self.db, space)) != Some(space)
                    {
                        item = self.imported(item, &[id, space]);
                    }
                }
                self.items.push(item);
            }
        }
    }

    /// The same with what imports it; the first is what it is about.
    fn imported(&self, mut item: Completion, declared: &[ItemId]) -> Completion {
        let mut files: Vec<SourceFile> = declared.iter().map(|id| id.file).filter(|file| *file != self.own).collect();
        files.dedup();
        let path = |file: SourceFile| relative_path(self.own.path(self.db), file.path(self.db));
        if item.imports.is_empty() {
            item.detail = Some(format!("{} (from {})", item.detail.unwrap_or_default(), path(declared[0].file)));
        }
        item.imports = files
            .into_iter()
            .map(|file| {
                let names = declared.iter().filter(|id| id.file == file).map(|id| item_name(self.db, *id).to_string());
                let names = names.collect::<Vec<_>>().join(", ");
                let (_, span, text) = import_edit(self.db, self.own, file, &path(file), &names);
                (span, text)
            })
            .collect();
        item
    }

    pub(super) fn declared(&mut self, is: impl Fn(&ItemHead) -> bool, kind: CompletionKind) {
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
    pub(super) fn create_snippet(&self, record: ItemId) -> Option<String> {
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

    pub(super) fn types(&mut self) {
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
        self.importable_names(|kind| !matches!(kind, CompletionKind::Function | CompletionKind::Space));
    }

    /// After the `@` of a type: where its records can be.
    pub(super) fn places(&mut self, of: Name) {
        self.items.push(Completion::new("any", CompletionKind::Keyword, 1).detail("somewhere, not known where"));
        let from = self.items.len();
        match scope(self.db, self.file).lookup(of).filter(|id| record_sig(self.db, *id).is_some()) {
            Some(record) => self.spaces(Some(record)),
            None => self.spaces(None),
        }
        // A family is no place: it has many.
        let is_family = |item: &Completion| {
            let id = scope(self.db, self.file).lookup(Name::from(item.label.as_str()));
            id.is_some_and(|id| matches!(head(self.db, id), Some(ItemHead::Space { family: true, .. }))) || item.snippet.contains('[')
        };
        let spaces = self.items.split_off(from);
        let spaces: Vec<Completion> = spaces.into_iter().filter(|item| !is_family(item)).collect();
        self.items.extend(spaces);
    }

    /// After the `in` of a `create` or record.
    pub(super) fn spaces(&mut self, of: Option<ItemId>) {
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
        match home {
            Some(Home::Plain(space) | Home::Family(space)) => {
                let name = item_name(self.db, space);
                if scope(self.db, self.file).lookup(name) != Some(space) && space.file != self.file {
                    let item = self.item(name.as_str(), space, CompletionKind::Space, 0);
                    let mut item = self.imported(item, &[space]);
                    if matches!(home, Some(Home::Family(_))) {
                        item.snippet = format!("{name}[${{1:key}}]");
                    }
                    self.items.push(item);
                }
            }
            Some(Home::Floating) | None => self.importable_names(|kind| kind == CompletionKind::Space),
        }
    }

    pub(super) fn importable(&mut self, file: SourceFile) {
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
}
