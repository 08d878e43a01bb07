//! Names that must be unique in the whole project, because they are used where no import says which one is meant.
//!
//! Events and stores name records (`"to": "Person/ada"`), deployments name spaces and externs, `reconcile` names mirrors. Structs, enums,
//! functions and invariants are known by their file: two files may use the same name.

use patternc_grammar::syntax::Name;
use rustc_hash::FxHashMap;

use crate::db::{Db, Project};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::items::{ItemHead, items};
use crate::resolve::relative_path;
use crate::rules;
use crate::types::ItemId;

/// What is declared under the same name in several files: a finding for each but the first, in the order of the paths.
#[salsa::tracked(returns(ref))]
pub fn duplicates(db: &dyn Db, project: Project) -> Vec<Diagnostic> {
    let mut first: FxHashMap<(u8, Name), ItemId> = FxHashMap::default();
    let mut findings = Vec::new();
    for &file in project.files(db) {
        for (index, head) in items(db, file).heads.iter().enumerate() {
            let Some((kind, named_by)) = known_outside(head) else { continue };
            let Some(name) = head.name() else { continue };
            let item = ItemId { file, index: index as u32 };
            let earlier = *first.entry((kind, name)).or_insert(item);
            // Two in one file are reported where the file is understood.
            if earlier.file == file {
                continue;
            }
            let what = head.describe();
            let message = format!("`{name}` is {what} in another file of this project too: {named_by} could not tell them apart");
            let finding =
                Diagnostic::new(rules::duplicate_name::RULE.name, Level::Error, Location::Item(item), "declared again here", message)
                    .label(Location::Item(earlier), "declared first here")
                    .help(format!(
                        "give one of them another name, or declare it once and import it: `use \"{}\" {{ {name} }}`",
                        relative_path(item.file.path(db), earlier.file.path(db))
                    ));
            findings.push(finding);
        }
    }
    findings
}

/// The group of names that must differ, and who uses them.
fn known_outside(head: &ItemHead) -> Option<(u8, &'static str)> {
    match head {
        ItemHead::Record(_) => Some((0, "events and stores, which name records,")),
        ItemHead::Space { .. } => Some((1, "deployments and events, which name spaces,")),
        ItemHead::Extern { .. } => Some((2, "deployments, which bind externs by name,")),
        ItemHead::Mirror { .. } => Some((3, "`reconcile`, which names mirrors,")),
        ItemHead::Use(_)
        | ItemHead::Struct { .. }
        | ItemHead::Enum { .. }
        | ItemHead::Fn { .. }
        | ItemHead::Invariant { .. }
        | ItemHead::Test => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        let mut db = Database::default();
        db.set_project(files, None);
        duplicates(&db, Project::get(&db)).iter().map(|d| format!("{} | {}", d.message, d.help.as_deref().unwrap_or_default())).collect()
    }

    #[test]
    fn records_of_one_name_in_two_files_are_reported_once_with_a_path_to_the_first() {
        let found =
            messages(&[("people/a.pattern", "record Person { cell name: Text }"), ("b.pattern", "record Person { cell age: Int }")]);
        // Files are taken in the order of their paths: `b.pattern` comes first.
        let [message] = found.as_slice() else { panic!("one finding, not {found:?}") };
        assert!(message.starts_with("`Person` is a record in another file"), "{message}");
        assert!(message.ends_with("`use \"../b.pattern\" { Person }`"), "{message}");
    }

    #[test]
    fn names_that_only_their_file_uses_may_repeat() {
        let text = "enum Status { open } struct Note { text: Text } fn twice(n: Int) -> Int { n * 2 }";
        assert_eq!(messages(&[("a.pattern", text), ("b.pattern", text)]), Vec::<String>::new());
    }

    #[test]
    fn a_record_and_a_space_do_not_clash() {
        assert_eq!(messages(&[("a.pattern", "space home"), ("b.pattern", "record Home { cell n: Int = 0 }")]), Vec::<String>::new());
    }
}
