//! What is declared and never used: imports in their file; functions, structs, enums and `internal` handlers in the project.
//!
//! Every file is summed up once, without spans; the project is judged from the summaries.

use patternc_grammar::syntax::{Ident, ItemKind, Name};
use rustc_hash::FxHashSet;

use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Edit, Location, Safety};
use crate::items::{ItemHead, parsed};
use crate::location::{item, removal};
use crate::mentions;
use crate::resolve::scope;
use crate::rules;
use crate::signature::{HandlerKind, Signature, signatures};
use crate::summary;
use crate::types::{HandlerId, ItemId};

/// What one file uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Uses {
    /// Every name that may mean a declaration.
    names: FxHashSet<Name>,
    in_project: InProject,
}

/// What the project must know of the uses in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InProject {
    /// Functions, structs and enums, of this file and others. Sorted.
    items: Vec<ItemId>,
    /// Names of methods called: a handler may have that of one that is built in. Sorted.
    methods: Vec<Name>,
    /// The text has syntax errors: what could not be understood may use anything.
    broken: bool,
}

#[derive(Default)]
struct Collector {
    names: FxHashSet<Name>,
    methods: FxHashSet<Name>,
}

impl mentions::Visitor<'_> for Collector {
    fn name(&mut self, name: Ident) {
        self.names.insert(name.name);
    }

    fn method(&mut self, name: Ident) {
        self.methods.insert(name.name);
    }
}

#[salsa::tracked(returns(ref))]
fn uses(db: &dyn Db, file: SourceFile) -> Uses {
    let parsed = parsed(db, file);
    let mut collector = Collector::default();
    for item in &parsed.file.items {
        mentions::item(item, &mut collector);
    }
    let scope = scope(db, file);
    let mut items: Vec<ItemId> = collector.names.iter().filter_map(|name| scope.lookup(*name)).filter(|id| judged(db, *id)).collect();
    items.sort_unstable();
    let mut methods: Vec<Name> = collector.methods.into_iter().collect();
    methods.sort_unstable();
    Uses { names: collector.names, in_project: InProject { items, methods, broken: !parsed.errors.is_empty() } }
}

/// Whether an item is of a kind that is reported when nothing uses it.
fn judged(db: &dyn Db, id: ItemId) -> bool {
    matches!(crate::items::head(db, id), Some(ItemHead::Fn { .. } | ItemHead::Struct { .. } | ItemHead::Enum { .. }))
}

/// What the files of the project use, all together.
#[derive(Debug, Default, PartialEq, Eq)]
struct ProjectUses {
    items: FxHashSet<ItemId>,
    methods: FxHashSet<Name>,
    broken: bool,
}

/// What the project must know of the uses in a file.
pub(crate) fn in_project(db: &dyn Db, file: SourceFile) -> InProject {
    uses(db, file).in_project.clone()
}

#[salsa::tracked(returns(ref))]
fn project_uses(db: &dyn Db) -> ProjectUses {
    let mut all = ProjectUses::default();
    for uses in summary::uses(db) {
        all.items.extend(&uses.items);
        all.methods.extend(&uses.methods);
        all.broken |= uses.broken;
    }
    all
}

/// A declaration that is reported when nothing uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// A function, struct or enum.
    Item(ItemId),
    /// An `internal` handler, and its name.
    Handler(HandlerId, Name),
}

impl Declared {
    pub(crate) fn file(self) -> SourceFile {
        match self {
            Declared::Item(item) => item.file,
            Declared::Handler(handler, _) => handler.record.file,
        }
    }
}

/// The declarations of a file that are reported when nothing uses them.
pub(crate) fn judged_in(db: &dyn Db, file: SourceFile) -> Vec<Declared> {
    let mut judged = Vec::new();
    for (index, signature) in signatures(db, file).by_item.iter().enumerate() {
        let id = ItemId { file, index: index as u32 };
        match signature {
            Signature::Fn(_) | Signature::Struct(_) | Signature::Enum(_) => judged.push(Declared::Item(id)),
            Signature::Record(record) => {
                let internal = record.handlers.iter().enumerate().filter(|(_, handler)| handler.kind == HandlerKind::Internal);
                judged.extend(
                    internal.map(|(index, handler)| Declared::Handler(HandlerId { record: id, index: index as u32 }, handler.name)),
                );
            }
            _ => {}
        }
    }
    judged
}

/// What is declared in the project and never used.
#[salsa::tracked(returns(ref))]
pub(crate) fn unused(db: &dyn Db) -> Vec<Declared> {
    let used = project_uses(db);
    let is_unused = |declared: &Declared| match declared {
        Declared::Item(item) => !used.items.contains(item),
        Declared::Handler(_, name) => !used.methods.contains(name),
    };
    if used.broken { Vec::new() } else { summary::judged(db).flatten().copied().filter(is_unused).collect() }
}

/// The findings about unused declarations of one file.
pub fn declarations(db: &dyn Db, file: SourceFile, findings: &mut Vec<Diagnostic>) {
    let unused = summary::said_of(db, file).unused.iter();
    findings.extend(unused.filter_map(|declared| {
        match *declared {
            Declared::Item(id) => {
                let head = crate::items::head(db, id)?;
                let what = match head {
                    ItemHead::Fn { .. } => "function",
                    ItemHead::Struct { .. } => "struct",
                    _ => "enum",
                };
                let message = format!("{what} `{}` is never used in this project", head.name().unwrap_or_default());
                Some(rules::unused_name::RULE.at(Location::Item(id), "never used", message).help("remove it"))
            }
            Declared::Handler(handler, name) => Some(
                rules::unused_name::RULE
                    .at(Location::Handler(handler), "never reached", format!("nothing sends or calls the internal handler `{name}`"))
                    .note("an `internal` handler cannot be reached from outside")
                    .help("remove it, send it, or drop `internal`"),
            ),
        }
    }));
}

/// The findings about imports that nothing in the file uses.
pub fn imports(db: &dyn Db, file: SourceFile, findings: &mut Vec<Diagnostic>) {
    let scope = scope(db, file);
    if scope.imports.is_empty() {
        return;
    }
    let uses = uses(db, file);
    if uses.in_project.broken {
        return;
    }
    let used = &uses.names;
    for import in scope.imports.iter().filter(|import| import.file != Some(file)) {
        let Some(declared) = item(db, ItemId { file, index: import.item }) else { continue };
        let ItemKind::Use(tree) = &declared.kind else { continue };
        let unused: Vec<&Ident> = tree
            .names
            .iter()
            .zip(&import.names)
            // One that is not what the name means here was reported as a duplicate.
            .filter(|(_, (name, found))| found.is_some() && *found == scope.lookup(*name) && !used.contains(name))
            .map(|(written, _)| written)
            .collect();
        let whole = unused.len() == tree.names.len();
        for name in &unused {
            let edit = if whole {
                Edit { file, span: removal(file.text(db), declared.span), text: String::new() }
            } else {
                let rest: Vec<&str> = tree.names.iter().filter(|kept| !unused.contains(kept)).map(|kept| kept.name.as_str()).collect();
                let text = format!("use \"{}\" {{ {} }}", tree.path.value, rest.join(", "));
                Edit { file, span: declared.span, text }
            };
            let title = if whole { "remove the import" } else { "remove it from the import" };
            findings.push(
                rules::unused_import::RULE
                    .at(Location::Span(file, name.span), "imported here", format!("`{}` is imported and never used", name.name))
                    .help(title)
                    .fix(title, Safety::Safe, vec![edit]),
            );
        }
    }
}
