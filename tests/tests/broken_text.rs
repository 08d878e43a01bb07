//! Text as it is while someone types: whatever is cut, doubled or swapped, the check gives findings inside the text, and what it keeps
//! from before an edit changes nothing about them.

use std::path::Path;

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::db::{Database, Project};
use patternc_compiler::diagnostic::{Diagnostic, Location};
use patternc_tests::markdown::cases;

/// A small generator of numbers that look random, the same for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

/// A project: path and text of each file.
type Files = Vec<(String, String)>;

/// The example projects, and every case of the suites.
fn corpus() -> Vec<Files> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the repository").to_owned();
    let mut projects = Vec::new();
    for entry in std::fs::read_dir(root.join("patterns")).expect("the example projects are there").flatten() {
        let Ok(folder) = std::fs::read_dir(entry.path()) else { continue };
        let mut files: Files = folder
            .flatten()
            .filter(|file| file.path().extension().is_some_and(|extension| extension == "pattern"))
            .map(|file| {
                let text = std::fs::read_to_string(file.path()).expect("an example can be read");
                (file.file_name().to_string_lossy().into_owned(), text)
            })
            .collect();
        files.sort();
        projects.push(files);
    }
    for folder in ["language", "rules"] {
        for entry in std::fs::read_dir(root.join("tests").join(folder)).expect("the suites are there").flatten() {
            let markdown = std::fs::read_to_string(entry.path()).expect("a suite can be read");
            projects
                .extend(cases(&markdown).into_iter().map(|case| case.files.into_iter().map(|block| (block.path, block.text)).collect()));
        }
    }
    projects.retain(|files| !files.is_empty());
    assert!(projects.len() > 10);
    projects
}

/// Positions where words, numbers, runs of spaces and signs begin.
fn boundaries(text: &str) -> Vec<usize> {
    let class = |c: char| if c.is_alphanumeric() || c == '_' { 0 } else { 1 + u32::from(c.is_whitespace()) * c as u32 };
    let mut last = u32::MAX;
    let mut all: Vec<usize> = text
        .char_indices()
        .filter(|(_, c)| {
            let this = class(*c);
            let begins = this != last || this == 1;
            last = this;
            begins
        })
        .map(|(index, _)| index)
        .collect();
    all.push(text.len());
    all
}

/// The text with some tokens cut, doubled, or put elsewhere.
fn mangle(text: &str, chance: &mut Chance) -> String {
    let at = boundaries(text);
    let from = chance.below(at.len());
    let to = (from + 1 + chance.below(6)).min(at.len() - 1);
    let (from, to) = (at[from.min(to)], at[to]);
    let piece = &text[from..to];
    match chance.below(4) {
        0 => format!("{}{}", &text[..from], &text[to..]),
        1 => format!("{}{piece}{}", &text[..to], &text[to..]),
        2 => {
            let other = at[chance.below(at.len())];
            format!("{}{piece}{}", &text[..other], &text[other..])
        }
        _ => {
            let signs = ["{", "}", "(", ")", "\"", "@any", " then ", "self", ".", "=", "none", "\n", "/", "é", "record "];
            format!("{}{}{}", &text[..from], signs[chance.below(signs.len())], &text[from..])
        }
    }
}

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
        let mut chance = Chance(number as u64);
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
