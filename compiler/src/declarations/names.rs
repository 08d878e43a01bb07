//! Each name once, and imports that lead somewhere.

use patternc_grammar::syntax::{Ident, ItemKind, MemberKind, Name, Param, Span, Stmt, StmtKind, Use};
use rustc_hash::FxHashMap;

use super::Checker;
use crate::db::{Db, Project, SourceFile};
use crate::diagnostic::{Diagnostic, Location, Safety};
use crate::items::{items, parsed};
use crate::resolve::with_article;
use crate::resolve::{did_you_mean, imported_path, is_built_in, scope};
use crate::types::ItemId;

/// Functions that need no declaration.
const BUILT_IN_FUNCTIONS: [&str; 5] = ["now", "new_id", "caller", "same_space", "range"];

/// What every reference has: `x.exists()`. (`x.space` is a reserved word.)
const OF_EVERY_REFERENCE: [&str; 1] = ["exists"];

pub(super) fn check(checker: &mut Checker<'_>) {
    let (db, file) = (checker.db, checker.file);
    let (mut seen, mut tests) = (Names::default(), Names::default());
    for item in &parsed(db, file).file.items {
        let name = match &item.kind {
            ItemKind::Use(_) => continue,
            // Whoever runs one, or reads that one failed, knows it by its name.
            ItemKind::Test(decl) => {
                tests.add(checker, Ident { name: (&*decl.name.value).into(), span: decl.name.span }, "test");
                continue;
            }
            ItemKind::Space(decl) => decl.name,
            ItemKind::Struct(decl) => {
                params(checker, &decl.fields, "field");
                decl.name
            }
            ItemKind::Enum(decl) => {
                let mut variants = Names::default();
                for variant in &decl.variants {
                    variants.add(checker, variant.name, "variant");
                    params(checker, &variant.fields, "field");
                }
                decl.name
            }
            ItemKind::Record(decl) => {
                members(checker, decl);
                decl.name
            }
            ItemKind::Fn(decl) => {
                params(checker, &decl.params, "parameter");
                decl.name
            }
            ItemKind::Extern(decl) => {
                let mut operations = Names::default();
                for operation in &decl.operations {
                    operations.add(checker, operation.name, "operation");
                    params(checker, &operation.params, "parameter");
                }
                decl.name
            }
            ItemKind::Mirror(decl) => decl.name,
            ItemKind::Invariant(decl) => {
                params(checker, &decl.params, "parameter");
                decl.name
            }
        };
        built_in(checker, name);
        seen.add(checker, name, "declaration");
    }
    imports(checker, &mut seen);
}

/// Names of one place, each with where it was first.
#[derive(Default)]
struct Names(FxHashMap<Name, Span>);

impl Names {
    /// Whether the name was there before, which is then reported.
    fn add(&mut self, checker: &mut Checker<'_>, name: Ident, what: &str) -> bool {
        match self.0.entry(name.name) {
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(name.span);
                false
            }
            std::collections::hash_map::Entry::Occupied(taken) => {
                let first = *taken.get();
                checker.report(
                    Diagnostic::error(
                        "duplicate-name",
                        checker.file,
                        name.span,
                        format!("there is {} `{}` already", with_article(what), name.name),
                    )
                    .saying("the second")
                    .label(Location::Span(checker.file, first), "the first")
                    .help("give one of them another name"),
                );
                true
            }
        }
    }
}

fn params(checker: &mut Checker<'_>, params: &[Param], what: &str) {
    if params.len() < 2 {
        return;
    }
    let mut names = Names::default();
    for param in params {
        names.add(checker, param.name, what);
    }
}

/// Cells, derived cells, handlers and sagas share one set of names: all are written after a `.`.
fn members(checker: &mut Checker<'_>, decl: &patternc_grammar::syntax::RecordDecl) {
    let file = checker.file;
    let mut names = Names::default();
    let mut create: Option<Span> = None;
    for member in &decl.members {
        let name = match &member.kind {
            MemberKind::Cell(cell) => cell.name,
            MemberKind::Derived(derived) => derived.name,
            MemberKind::Handler(handler) => {
                params(checker, &handler.params, "parameter");
                handler.name
            }
            MemberKind::Saga(saga) => {
                params(checker, &saga.params, "parameter");
                let mut steps = Names::default();
                for name in saga.prelude.iter().filter_map(let_name).chain(saga.steps.iter().filter_map(|step| step.name)) {
                    steps.add(checker, name, "name");
                }
                saga.name
            }
            MemberKind::Create(block) => {
                let at = Span { start: member.span.start, end: block.span.start.max(member.span.start) };
                match create {
                    None => create = Some(at),
                    Some(first) => checker.report(
                        Diagnostic::error("duplicate-name", file, at, format!("`{}` has two `create` blocks", decl.name.name))
                            .label(Location::Span(file, first), "the first")
                            .help("put both into one block: it runs from top to bottom"),
                    ),
                }
                continue;
            }
        };
        names.add(checker, name, "member");
        if OF_EVERY_REFERENCE.contains(&name.name.as_str()) {
            let message = format!("every reference has a `{}` of its own, which `{}.{}` would hide", name.name, decl.name.name, name.name);
            checker.report(Diagnostic::error("duplicate-name", file, name.span, message).help("give it another name"));
        }
    }
}

fn let_name(stmt: &Stmt) -> Option<Ident> {
    match &stmt.kind {
        StmtKind::Let { name, .. } => Some(*name),
        _ => None,
    }
}

fn built_in(checker: &mut Checker<'_>, name: Ident) {
    if is_built_in(name.name) || BUILT_IN_FUNCTIONS.contains(&name.name.as_str()) {
        let message = format!("`{}` is built in and cannot be declared again", name.name);
        checker.report(Diagnostic::error("duplicate-name", checker.file, name.span, message).help("give it another name"));
    }
}

fn imports(checker: &mut Checker<'_>, seen: &mut Names) {
    let (db, file) = (checker.db, checker.file);
    for import in &scope(db, file).imports {
        let Some(ItemKind::Use(tree)) = crate::location::item(db, ItemId { file, index: import.item }).map(|item| &item.kind) else {
            continue;
        };
        let Some(from) = import.file else {
            let finding = unresolved(db, file, tree);
            checker.report(finding);
            continue;
        };
        if from == file {
            let finding = Diagnostic::error("unresolved-import", file, tree.path.span, "a file cannot import from itself");
            checker.report(finding.help("take the import away: what the file declares is known in all of it"));
            continue;
        }
        for (written, (name, found)) in tree.names.iter().zip(&import.names) {
            if found.is_some() {
                seen.add(checker, *written, "declaration or import");
                continue;
            }
            let known = items(db, from);
            let names: Vec<Name> = known.names().collect();
            let message = format!("{} declares no `{name}`", from.path(db));
            let mut finding = Diagnostic::error("unknown-name", file, written.span, message);
            let indirect = scope(db, from).lookup(*name).filter(|id| id.file != from);
            if let Some(id) = indirect {
                let path = id.file.path(db);
                finding = finding.help(format!("it is imported there from {path}: import it from {path} too"));
            } else if let Some(meant) = did_you_mean(name.as_str(), names.iter().map(|name| name.as_str())) {
                finding = finding.help(format!("did you mean `{meant}`?")).replace(
                    format!("write `{meant}`"),
                    Safety::Unsafe,
                    file,
                    written.span,
                    meant,
                );
            } else {
                finding = finding.help("take it out of the import, or declare it there");
            }
            checker.report(finding);
        }
    }
}

/// The finding for a `use` whose path leads nowhere.
fn unresolved(db: &dyn Db, file: SourceFile, import: &Use) -> Diagnostic {
    let (path, span) = (&*import.path.value, import.path.span);
    let Some(resolved) = imported_path(file.path(db), path) else {
        return Diagnostic::error("unresolved-import", file, span, format!("`{path}` is an absolute path"))
            .help("write a path relative to this file");
    };
    let finding = Diagnostic::error("unresolved-import", file, span, format!("there is no file {resolved} in this project"));
    let Some(meant) = meant_file(db, file, import, &resolved) else { return finding.help(where_files_may_be(db, file, path, &resolved)) };
    let declares_all = import.names.iter().all(|name| items(db, meant).named(name.name).is_some());
    let meant = format!("\"{}\"", crate::resolve::relative_path(file.path(db), meant.path(db)));
    let safety = if declares_all { Safety::Safe } else { Safety::Unsafe };
    finding.help(format!("did you mean {meant}?")).replace(format!("write {meant}"), safety, file, span, meant)
}

/// Why a path may lead nowhere though there is a file: what belongs to a project is not what lies on the disk.
fn where_files_may_be(db: &dyn Db, file: SourceFile, path: &str, resolved: &str) -> String {
    let is_configured = Project::try_get(db).is_some_and(|project| project.config(db).is_some());
    let is_outside = resolved.starts_with("../");
    let name = file.path(db).rsplit('/').next().unwrap_or_default();
    match (is_outside, is_configured) {
        (true, true) => format!("a project is the folder of its patternc.yaml, and {path} leads out of it: move the file into it"),
        (true, false) => format!(
            "without a patternc.yaml a project is one folder, and {path} leads out of it: write a patternc.yaml (it may be empty) into \
             the folder that holds both files"
        ),
        (false, true) => {
            format!(
                "paths are relative to {name}; files that Git ignores, or that the `patterns` of patternc.yaml leave out, do not belong to the project"
            )
        }
        (false, false) => format!("paths are relative to {name}; files that Git ignores do not belong to the project"),
    }
}

/// The file that was probably meant by a path to `resolved`: that path without its ending, a file of that name elsewhere, a similar name, or the only
/// file that declares all that is imported.
fn meant_file(db: &dyn Db, file: SourceFile, import: &Use, resolved: &str) -> Option<SourceFile> {
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    let others = || files.iter().copied().filter(|&other| other != file);
    let complete = if resolved.ends_with(".pattern") { resolved.to_owned() } else { format!("{resolved}.pattern") };
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let declares_all = |other: &SourceFile| import.names.iter().all(|name| items(db, *other).named(name.name).is_some());
    let named = |name: &str| others().find(|other| &**other.path(db) == name);
    let similar = || did_you_mean(&complete, others().map(|other| &**other.path(db))).and_then(named);
    let only = || {
        let mut declaring = others().filter(declares_all);
        declaring.next().filter(|_| !import.names.is_empty() && declaring.next().is_none())
    };
    named(&complete).or_else(|| others().find(|other| last(other.path(db)) == last(&complete))).or_else(similar).or_else(only)
}
