//! Text as it is while someone types: whatever is cut, doubled or swapped, the check gives findings inside the text, and what it keeps
//! from before an edit changes nothing about them.

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::db::{Database, Project};
use patternc_compiler::diagnostic::{Diagnostic, Location};
use patternc_interpreter::host::Random;
use patternc_tests::broken::{Files, corpus, mangle};

/// The findings with the paths of their files: databases number files as they please.
fn findings(db: &Database) -> Vec<String> {
    let place = |at: Location| {
        let Location::Span(file, span) = at else { panic!("a finding of `check` has a span: {at:?}") };
        let text = file.text(db);
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?} is not in {}", file.path(db));
        format!("{}:{span:?}", file.path(db))
    };
    let shown = |finding: &Diagnostic| {
        let labels: Vec<String> = finding.labels.iter().map(|label| format!("{} {}", place(label.at), label.text)).collect();
        for edit in finding.fixes.iter().flat_map(|fix| &fix.edits) {
            place(Location::Span(edit.file, edit.span));
        }
        format!("{} {:?} {} {} {labels:?} {:?}", place(finding.primary.at), finding.level, finding.rule, finding.message, finding.help)
    };
    check(db, &CheckOptions::default()).iter().map(shown).collect()
}

fn cold(files: &Files) -> Vec<String> {
    let mut db = Database::default();
    db.set_project(files, None);
    findings(&db)
}

#[test]
fn after_every_edit_the_findings_are_those_of_a_cold_check() {
    let rounds = std::env::var("PATTERNC_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4);
    for (number, mut files) in corpus().into_iter().enumerate() {
        let mut chance = Random::seeded(number as u64);
        let mut db = Database::default();
        db.set_project(&files, None);
        let original = files.clone();
        for round in 0..rounds {
            let index = chance.below(files.len());
            // Now and then everything is as it was, so that errors do not pile up until nothing is understood.
            let text = if round % 3 == 2 { original[index].1.clone() } else { mangle(&files[index].1, &mut chance) };
            let path = files[index].0.clone();
            let file = Project::get(&db).files(&db).iter().copied().find(|file| **file.path(&db) == *path).expect("it was set");
            db.set_text(file, &text);
            files[index].1 = text;
            assert_eq!(findings(&db), cold(&files), "project {number}, round {round}, {path}:\n{}", files[index].1);
        }
    }
}
