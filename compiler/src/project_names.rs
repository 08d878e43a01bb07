//! Names that must be unique in the whole project, because they are used where no import says which one is meant.
//!
//! Events and stores name records (`"to": "Person/ada"`), deployments name spaces and externs, `reconcile` names mirrors. Structs, enums,
//! functions and invariants are known by their file: two files may use the same name.

use std::collections::BTreeSet;

use patternc_grammar::syntax::Name;
use rustc_hash::FxHashMap;

use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::items::{ItemHead, head, items};
use crate::resolve::relative_path;
use crate::rules;
use crate::summary;
use crate::types::ItemId;

/// A group of names that must differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    Records,
    Spaces,
    Externs,
    Mirrors,
}

impl Group {
    fn of(head: &ItemHead) -> Option<Group> {
        match head {
            ItemHead::Record(_) => Some(Group::Records),
            ItemHead::Space { .. } => Some(Group::Spaces),
            ItemHead::Extern { .. } => Some(Group::Externs),
            ItemHead::Mirror { .. } => Some(Group::Mirrors),
            ItemHead::Use(_)
            | ItemHead::Struct { .. }
            | ItemHead::Enum { .. }
            | ItemHead::Fn { .. }
            | ItemHead::Invariant { .. }
            | ItemHead::Test => None,
        }
    }

    fn used_by(self) -> &'static str {
        match self {
            Group::Records => "events and stores, which name records,",
            Group::Spaces => "deployments and events, which name spaces,",
            Group::Externs => "deployments, which bind externs by name,",
            Group::Mirrors => "`reconcile`, which names mirrors,",
        }
    }
}

/// The names of a file that must be unique in the project.
pub(crate) fn known_outside(db: &dyn Db, file: SourceFile) -> Vec<(Group, Name, ItemId)> {
    let heads = items(db, file).heads.iter().enumerate();
    heads.filter_map(|(index, head)| Some((Group::of(head)?, head.name()?, ItemId { file, index: index as u32 }))).collect()
}

/// What a file declares of which there may be one in a project, each once.
pub fn names_outside(db: &dyn Db, file: SourceFile) -> BTreeSet<(Group, Name)> {
    known_outside(db, file).into_iter().map(|(group, name, _)| (group, name)).collect()
}

/// What is declared under the same name in several files: a finding for each but the first, in the order of the paths.
#[salsa::tracked(returns(ref))]
pub fn duplicates(db: &dyn Db) -> Vec<Diagnostic> {
    let mut first: FxHashMap<(Group, Name), ItemId> = FxHashMap::default();
    let mut findings = Vec::new();
    for &(group, name, item) in summary::known_outside(db).flatten() {
        let earlier = *first.entry((group, name)).or_insert(item);
        // Two in one file are reported where the file is understood.
        if earlier.file == item.file {
            continue;
        }
        let (what, used_by) = (head(db, item).map(ItemHead::describe).unwrap_or_default(), group.used_by());
        let message = format!("`{name}` is {what} in another file of this project too: {used_by} could not tell them apart");
        let finding = Diagnostic::new(rules::duplicate_name::RULE.name, Level::Error, Location::Item(item), "declared again here", message)
            .label(Location::Item(earlier), "declared first here")
            .help(format!(
                "give one of them another name, or declare it once and import it: `use \"{}\" {{ {name} }}`",
                relative_path(item.file.path(db), earlier.file.path(db))
            ));
        findings.push(finding);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        let mut db = Database::default();
        db.set_project(files, None);
        duplicates(&db).iter().map(|d| format!("{} | {}", d.message, d.help.as_deref().unwrap_or_default())).collect()
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
