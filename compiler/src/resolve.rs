//! Names across files: what a name of a file means, and types as written turned into types with places.

use patternc_grammar::syntax::{Ident, ItemKind, Name, PlaceExpr, Span, TypeExpr, TypeKind};
use rustc_hash::FxHashMap;

use crate::db::{Db, Project, SourceFile};
use crate::diagnostic::{Diagnostic, Location, Safety};
use crate::items::{ItemHead, head, items, parsed, record_head_of};
use crate::signature::Home;
use crate::types::{ItemId, Place, Ty};

/// The names that a file can use: its own declarations and what it imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    names: FxHashMap<Name, ItemId>,
    /// In the order of the text.
    pub imports: Vec<Import>,
}

/// A `use` item, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Position among the items of the file.
    pub item: u32,
    /// `None` if there is no such file.
    pub file: Option<SourceFile>,
    /// What each name imports; `None` if the file declares no such name.
    pub names: Vec<(Name, Option<ItemId>)>,
}

impl Scope {
    /// What `name` means in the file.
    pub fn lookup(&self, name: Name) -> Option<ItemId> {
        self.names.get(&name).copied()
    }

    /// Every name that means something in the file.
    pub fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.names.keys().copied()
    }
}

/// What each name of `file` means. Own declarations come before imported ones; only what a file declares itself can be imported from it.
#[salsa::tracked(returns(ref))]
pub fn scope(db: &dyn Db, file: SourceFile) -> Scope {
    let own = items(db, file);
    let mut scope = Scope::default();
    for (index, head) in own.heads.iter().enumerate() {
        if let Some(name) = head.name() {
            scope.names.entry(name).or_insert(ItemId { file, index: index as u32 });
        }
    }
    for (index, head) in own.heads.iter().enumerate() {
        let ItemHead::Use(import) = head else { continue };
        let from = imported_path(file.path(db), &import.path).and_then(|path| files_by_path(db).get(&*path).copied());
        let names = import.names.iter().map(|&name| {
            let found = from.and_then(|from| Some(ItemId { file: from, index: items(db, from).named(name)? }));
            if let Some(item) = found {
                scope.names.entry(name).or_insert(item);
            }
            (name, found)
        });
        let names = names.collect();
        scope.imports.push(Import { item: index as u32, file: from, names });
    }
    scope
}

/// The names that a line typed at the REPL can use: all that the project declares. Of several of one name, that of the first file counts.
#[salsa::tracked(returns(ref))]
pub fn project_scope(db: &dyn Db) -> Scope {
    let mut scope = Scope::default();
    for &file in Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default() {
        for (index, head) in items(db, file).heads.iter().enumerate() {
            if let Some(name) = head.name() {
                scope.names.entry(name).or_insert(ItemId { file, index: index as u32 });
            }
        }
    }
    scope
}

/// The files of the project by path.
#[salsa::tracked(returns(ref))]
pub fn files_by_path(db: &dyn Db) -> FxHashMap<Box<str>, SourceFile> {
    match Project::try_get(db) {
        Some(project) => project.files(db).iter().map(|&file| (file.path(db).clone(), file)).collect(),
        None => FxHashMap::default(),
    }
}

/// Where `use "path"` in the file `importing` leads, relative to the project: `.` and `..` are followed by their names alone. `None` for
/// an absolute path.
pub fn imported_path(importing: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = importing.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Which spaces the instances of a record can be in, found from heads alone: signatures may ask it of one another's files.
pub fn home(db: &dyn Db, record: ItemId) -> Home {
    let space = record_head_of(db, record).and_then(|record| record.space);
    let Some(space) = space.and_then(|space| scope(db, record.file).lookup(space)) else { return Home::Floating };
    match head(db, space) {
        Some(ItemHead::Space { family: false, .. }) => Home::Plain(space),
        Some(ItemHead::Space { family: true, .. }) => Home::Family(space),
        _ => Home::Floating,
    }
}

/// What *here* is where a type is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// In a record: its handlers, sagas, cells.
    In(Home),
    /// There is a here, but which is decided elsewhere: structs, enums, functions, invariants, mirrors.
    Open,
    /// There is none: tests, extern operations. A plain `R` is somewhere.
    Nowhere,
}

impl From<Option<Home>> for Here {
    fn from(home: Option<Home>) -> Self {
        home.map_or(Here::Open, Here::In)
    }
}

/// Types that need no declaration, with the number of their arguments.
const BUILT_IN: [(&str, usize); 12] = [
    ("Bool", 0),
    ("Int", 0),
    ("Float", 0),
    ("Text", 0),
    ("Bytes", 0),
    ("Time", 0),
    ("Duration", 0),
    ("Space", 0),
    ("Failure", 0),
    ("List", 1),
    ("Set", 1),
    ("Map", 2),
];

/// Whether a type of this name needs no declaration, so that none may take it.
pub fn is_built_in(name: Name) -> bool {
    BUILT_IN.iter().any(|(built_in, _)| *built_in == name.as_str())
}

/// The types that need no declaration, with the number of their arguments.
pub fn built_in_types() -> impl Iterator<Item = (&'static str, usize)> {
    BUILT_IN.iter().copied()
}

/// The type that `ty` says, written in `file`. What is wrong with it goes to `diagnostics`, and the type is then as good as it can be.
pub fn resolve_type(db: &dyn Db, file: SourceFile, ty: &TypeExpr, here: impl Into<Here>, diagnostics: &mut Vec<Diagnostic>) -> Ty {
    resolve_type_in(db, scope(db, file), file, ty, here, diagnostics)
}

/// The same with the names of another scope than that of the file.
pub fn resolve_type_in(
    db: &dyn Db,
    scope: &Scope,
    file: SourceFile,
    ty: &TypeExpr,
    here: impl Into<Here>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Ty {
    TypeResolver { db, scope, file, here: here.into(), diagnostics }.resolve(ty)
}

struct TypeResolver<'a> {
    db: &'a dyn Db,
    scope: &'a Scope,
    file: SourceFile,
    here: Here,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl TypeResolver<'_> {
    fn resolve(&mut self, ty: &TypeExpr) -> Ty {
        match &ty.kind {
            TypeKind::Error => Ty::Error,
            TypeKind::Optional(inner) => match self.resolve(inner) {
                Ty::Error => Ty::Error,
                Ty::Optional(inner) => {
                    self.error("type-mismatch", ty.span, "a type is optional once: `T??` says no more than `T?`");
                    Ty::Optional(inner)
                }
                inner => Ty::Optional(inner.into()),
            },
            TypeKind::Named { name, args, place } => self.named(ty.span, *name, args, *place),
        }
    }

    fn named(&mut self, span: Span, name: Ident, args: &[TypeExpr], place: Option<PlaceExpr>) -> Ty {
        if let Some(&(_, wanted)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name.name.as_str()) {
            return self.built_in(span, name, wanted, args, place);
        }
        let Some(id) = self.scope.lookup(name.name) else {
            if cased_as(name.name, true) {
                let finding = self.unknown_type(name);
                self.diagnostics.extend(finding);
            }
            for arg in args {
                self.resolve(arg);
            }
            return Ty::Error;
        };
        if !args.is_empty() {
            self.error("wrong-arguments", span, format!("`{}` takes no types in `<>`: only List, Set and Map do", name.name));
        }
        match head(self.db, id) {
            Some(ItemHead::Struct { .. }) => Ty::Struct(id, self.holder_place(place)),
            Some(ItemHead::Enum { .. }) => Ty::Enum(id, self.holder_place(place)),
            Some(ItemHead::Record(_)) => Ty::Record(id, self.record_place(id, name, place)),
            Some(other) => {
                let message = format!("`{}` is {}, not a type", name.name, other.describe());
                self.error("type-mismatch", name.span, message);
                Ty::Error
            }
            None => Ty::Error,
        }
    }

    fn built_in(&mut self, span: Span, name: Ident, wanted: usize, args: &[TypeExpr], place: Option<PlaceExpr>) -> Ty {
        if let Some(place) = place {
            let (PlaceExpr::Any(at) | PlaceExpr::Space(Ident { span: at, .. })) = place;
            let message = format!("`{}` is a value and in no space: only records, structs and enums can be given a place", name.name);
            let mut finding = Diagnostic::error("type-mismatch", self.file, at, message);
            if wanted > 0 {
                finding = finding.help(format!("give the place to what is inside: `{}<R@any>`", name.name));
            }
            self.diagnostics.push(finding);
        }
        let mut inner: Vec<Ty> = args.iter().map(|arg| self.resolve(arg)).collect();
        if inner.len() != wanted {
            let message = match wanted {
                0 => format!("`{}` takes no types in `<>`", name.name),
                1 => format!("`{}` takes one type: `{}<T>`", name.name, name.name),
                _ => format!("`{}` takes two types: `{}<K, V>`", name.name, name.name),
            };
            self.error("wrong-arguments", span, message);
            inner.resize(wanted, Ty::Error);
        }
        let mut inner = inner.into_iter();
        let mut next = || std::sync::Arc::new(inner.next().unwrap_or(Ty::Error));
        match name.name.as_str() {
            "Bool" => Ty::Bool,
            "Int" => Ty::Int,
            "Float" => Ty::Float,
            "Text" => Ty::Text,
            "Bytes" => Ty::Bytes,
            "Time" => Ty::Time,
            "Duration" => Ty::Duration,
            "Space" => Ty::Space,
            "Failure" => Ty::Failure,
            "List" => Ty::List(next()),
            "Set" => Ty::Set(next()),
            "Map" => Ty::Map(next(), next()),
            _ => Ty::Error,
        }
    }

    /// Where the plain references in a struct or enum are.
    fn holder_place(&mut self, place: Option<PlaceExpr>) -> Place {
        match place {
            None if self.here == Here::Nowhere => Place::Any,
            None => Place::Here,
            Some(PlaceExpr::Any(_)) => Place::Any,
            Some(PlaceExpr::Space(space)) => self.plain_space(space).map_or(Place::Any, Place::Plain),
        }
    }

    fn record_place(&mut self, record: ItemId, name: Ident, place: Option<PlaceExpr>) -> Place {
        let home = home(self.db, record);
        match (place, home) {
            (Some(PlaceExpr::Space(space)), _) => {
                let Some(space_id) = self.plain_space(space) else { return Place::Any };
                match home {
                    Home::Plain(of) if of != space_id => {
                        let message = format!("every `{}` is in `{}`, never in `{}`", name.name, item_name(self.db, of), space.name);
                        self.diagnostics.push(
                            Diagnostic::error("space-escape", self.file, space.span, message)
                                .label(Location::Item(record), format!("`{}` is declared here", name.name))
                                .help(format!("write `{}` alone", name.name)),
                        );
                        Place::Plain(of)
                    }
                    Home::Family(of) => {
                        let of = item_name(self.db, of);
                        let message = format!("every `{}` is in a space of the family `{of}`, never in `{}`", name.name, space.name);
                        self.diagnostics.push(
                            Diagnostic::error("space-escape", self.file, space.span, message)
                                .label(Location::Item(record), format!("`{}` is declared here", name.name))
                                .help(format!("write `{}@any`", name.name)),
                        );
                        Place::Any
                    }
                    Home::Plain(_) | Home::Floating => Place::Plain(space_id),
                }
            }
            (_, Home::Plain(space)) => Place::Plain(space),
            (Some(PlaceExpr::Any(_)), _) => Place::Any,
            (None, Home::Floating) => match self.here {
                Here::Nowhere => Place::Any,
                Here::In(_) | Here::Open => Place::Here,
            },
            (None, Home::Family(of)) => match self.here {
                Here::Nowhere => Place::Any,
                Here::In(Home::Plain(own)) => self.never_here(record, name, of, own),
                Here::In(Home::Family(own)) if own != of => self.never_here(record, name, of, own),
                Here::In(_) | Here::Open => Place::Here,
            },
        }
    }

    /// A plain `R` of a family, where the space of the holder is never one of that family.
    fn never_here(&mut self, record: ItemId, name: Ident, of: ItemId, own: ItemId) -> Place {
        let (of, own) = (item_name(self.db, of), item_name(self.db, own));
        let message = format!("a plain `{0}` is one of this record's space, `{own}`, but every `{0}` is in a space of `{of}`", name.name);
        let end = Span { start: name.span.end, end: name.span.end };
        self.diagnostics.push(
            Diagnostic::error("space-escape", self.file, name.span, message)
                .saying(format!("no `{}` can ever be here", name.name))
                .label(Location::Item(record), format!("in the family `{of}`"))
                .help(format!("write `{0}@any` for a `{0}` somewhere; it can be read and sent to, not written", name.name))
                .replace(format!("write `{}@any`", name.name), Safety::Safe, self.file, end, "@any"),
        );
        Place::Any
    }

    fn plain_space(&mut self, space: Ident) -> Option<ItemId> {
        plain_space_in(self.db, self.scope, self.file, space, self.diagnostics)
    }

    fn unknown_type(&self, name: Ident) -> Option<Diagnostic> {
        let names: Vec<Name> = self.scope.names().collect();
        let known = names
            .iter()
            .map(|name| name.as_str())
            .filter(|name| name.starts_with(char::is_uppercase))
            .chain(BUILT_IN.iter().map(|(name, _)| *name));
        let finding = unknown_name(self.db, self.file, name, "type", known)?;
        Some(match patternc_grammar::type_elsewhere(name.name.as_str()) {
            // Unless another file declares it.
            Some(meant) if finding.fixes.iter().all(|fix| fix.safety == Safety::Unsafe) => Diagnostic { fixes: Vec::new(), ..finding }
                .help(format!("the type is called `{meant}` here"))
                .replace(format!("write `{meant}`"), Safety::Unsafe, self.file, name.span, meant),
            _ => finding,
        })
    }

    fn error(&mut self, rule: &'static str, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(rule, self.file, span, message));
    }
}

/// Whether a name is cased as a type (or else as something else). One that is not was reported where the text was read, and need not be
/// reported again because it means nothing.
pub fn cased_as(name: Name, ty: bool) -> bool {
    name.starts_with(char::is_uppercase) == ty
}

/// "an operation", "a space", "an `Int`".
pub fn with_article(what: &str) -> String {
    let sound = what.trim_start_matches('`').to_ascii_lowercase();
    // "a user", "a unit", "a one-way …".
    let is_vowel =
        sound.starts_with(['a', 'e', 'i', 'o', 'u']) && !["uni", "use", "usa", "one", "eu"].iter().any(|start| sound.starts_with(start));
    format!("{} {what}", if is_vowel { "an" } else { "a" })
}

/// "an `Order`": one of a type.
pub fn one_of(name: &str) -> String {
    with_article(&format!("`{name}`"))
}

/// The plain space that a name means, as in `R@home` or `across home`.
pub fn resolve_plain_space(db: &dyn Db, file: SourceFile, space: Ident, diagnostics: &mut Vec<Diagnostic>) -> Option<ItemId> {
    plain_space_in(db, scope(db, file), file, space, diagnostics)
}

fn plain_space_in(db: &dyn Db, scope: &Scope, file: SourceFile, space: Ident, diagnostics: &mut Vec<Diagnostic>) -> Option<ItemId> {
    if !cased_as(space.name, false) {
        return None;
    }
    let Some(id) = scope.lookup(space.name) else {
        let names: Vec<Name> = scope.names().collect();
        let spaces = names.iter().map(|name| name.as_str()).filter(|name| name.starts_with(char::is_lowercase));
        diagnostics.extend(unknown_name(db, file, space, "space", spaces));
        return None;
    };
    match head(db, id) {
        Some(ItemHead::Space { family: false, .. }) => Some(id),
        Some(ItemHead::Space { family: true, .. }) => {
            let message = format!("`{}` is a family of spaces, one for each key; a plain space is needed here", space.name);
            diagnostics.push(
                Diagnostic::error("type-mismatch", file, space.span, message)
                    .label(Location::Item(id), "declared with a key")
                    .help("name a space declared without a key, or write `@any`"),
            );
            None
        }
        other => {
            let what = other.map_or("unknown", ItemHead::describe);
            let message = format!("`{}` is {what}, not a space", space.name);
            diagnostics.push(Diagnostic::error("type-mismatch", file, space.span, message));
            None
        }
    }
}

/// The name of an item, for messages; empty for imports and tests.
pub fn item_name(db: &dyn Db, item: ItemId) -> Name {
    head(db, item).and_then(ItemHead::name).unwrap_or_default()
}

/// The finding for a name that means nothing: `what` it should have been, and what was meant, from `known` or from another file that
/// declares it.
///
/// Nothing for a name that an import names in vain: that import is the finding.
pub fn unknown_name<'a>(
    db: &dyn Db,
    file: SourceFile,
    name: Ident,
    what: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<Diagnostic> {
    if scope(db, file).imports.iter().any(|import| import.names.contains(&(name.name, None))) {
        return None;
    }
    let finding = Diagnostic::error("unknown-name", file, name.span, format!("there is no {what} `{}` here", name.name));
    if let Some(declaring) = files_declaring(db, name.name, file).next() {
        let path = relative_path(file.path(db), declaring.path(db));
        let (title, at, text) = import_edit(db, file, declaring, &path, &name.name);
        let finding = finding.help(format!("`{path}` declares it: `use \"{path}\" {{ {} }}`", name.name));
        return Some(finding.replace(title, Safety::Safe, file, at, text));
    }
    Some(match did_you_mean(name.name.as_str(), known) {
        Some(meant) => {
            finding.help(format!("did you mean `{meant}`?")).replace(format!("write `{meant}`"), Safety::Unsafe, file, name.span, meant)
        }
        None if let Some(meant) = patternc_grammar::sql_statement(name.name.as_str()) => finding.help(meant),
        None if what == "name" => {
            finding.help("give it with `let`, or as a parameter; what another file declares is imported: `use \"file.pattern\" { … }`")
        }
        None => {
            finding.help(format!("declare the {what}, or import it from the file that does: `use \"file.pattern\" {{ {} }}`", name.name))
        }
    })
}

/// The edit of `file` that imports `names` (`Person`, `Person, home`) from `declaring`: more names of the import that is there, or a line of its
/// own.
pub(crate) fn import_edit(db: &dyn Db, file: SourceFile, declaring: SourceFile, path: &str, names: &str) -> (String, Span, String) {
    let imports = &scope(db, file).imports;
    let items = &parsed(db, file).file.items;
    let tree = |import: &Import| match items.get(import.item as usize).map(|item| (&item.kind, item.span)) {
        Some((ItemKind::Use(tree), span)) => Some((tree, span)),
        _ => None,
    };
    let title = format!("import `{names}` from `{path}`");
    let there = imports.iter().filter(|import| import.file == Some(declaring)).find_map(|import| tree(import)?.0.names.last());
    if let Some(last) = there {
        let end = Span { start: last.span.end, end: last.span.end };
        return (title, end, format!(", {names}"));
    }
    match imports.last().and_then(tree) {
        Some((_, last)) => (title, Span { start: last.end, end: last.end }, format!("\nuse \"{path}\" {{ {names} }}")),
        None => (title, Span { start: 0, end: 0 }, format!("use \"{path}\" {{ {names} }}\n")),
    }
}

/// Other files of the project that declare `name`.
pub fn files_declaring(db: &dyn Db, name: Name, except: SourceFile) -> impl Iterator<Item = SourceFile> + '_ {
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    files.iter().copied().filter(move |&file| file != except && items(db, file).named(name).is_some())
}

/// The path that `use` in the file `from` needs to reach the file `to`.
pub fn relative_path(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').collect();
    let to: Vec<&str> = to.split('/').collect();
    let folders = &from[..from.len() - 1];
    let shared = folders.iter().zip(&to[..to.len() - 1]).take_while(|(a, b)| a == b).count();
    let up = folders.len() - shared;
    std::iter::repeat_n("..", up).chain(to[shared..].iter().copied()).collect::<Vec<_>>().join("/")
}

/// The one of `known` that was probably meant by `name`: the closest, if at most a third of it is different. Any letter is close to any other:
/// of a single one nothing is guessed but its case.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            let one_letter = name.chars().nth(1).is_none() || candidate.chars().nth(1).is_none();
            *distance <= if one_letter { 0 } else { (name.len().max(candidate.len()) / 3).max(1) }
        })
        // By name where equally close, so that the answer does not depend on the order of a hash table.
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_relative_to_the_importing_file() {
        assert_eq!(imported_path("a.pattern", "b.pattern").as_deref(), Some("b.pattern"));
        assert_eq!(imported_path("x/a.pattern", "b.pattern").as_deref(), Some("x/b.pattern"));
        assert_eq!(imported_path("x/a.pattern", "../b.pattern").as_deref(), Some("b.pattern"));
        assert_eq!(imported_path("x/a.pattern", "./y/../b.pattern").as_deref(), Some("x/b.pattern"));
        assert_eq!(imported_path("a.pattern", "../b.pattern").as_deref(), Some("../b.pattern"));
        assert_eq!(imported_path("a.pattern", "/b.pattern"), None);
    }

    #[test]
    fn a_relative_path_leads_to_where_it_was_made_for() {
        for (from, to) in [("a", "b"), ("x/a", "b"), ("x/a", "x/b"), ("x/a", "y/z/b"), ("x/y/a", "x/z/b"), ("a", "x/b")] {
            assert_eq!(imported_path(from, &relative_path(from, to)).as_deref(), Some(to), "{from} {to}");
        }
    }

    #[test]
    fn suggestions_are_close_or_none() {
        let known = ["Person", "Parson", "Note", "members"];
        assert_eq!(did_you_mean("Persn", known), Some("Person"));
        assert_eq!(did_you_mean("person", known), Some("Person"));
        assert_eq!(did_you_mean("Account", known), None);
        assert_eq!(did_you_mean("nte", known), Some("Note"));
        assert_eq!(did_you_mean("x", ["q", "y", "xs"]), None);
        assert_eq!(did_you_mean("q", ["Q"]), Some("Q"));
    }
}
