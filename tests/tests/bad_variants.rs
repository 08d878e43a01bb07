//! The bad variants of the example projects: what is found in each says where, in which spaces, and how to get out, and who follows that is out.

use std::path::{Path, PathBuf};

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::{Diagnostic, Fix, Label, Level};

/// A variant with what it imports.
struct Variant {
    name: String,
    /// Path and text; its own first.
    files: Vec<(String, String)>,
}

/// Files that several variants have in common.
const SHARED: [&str; 1] = ["auth.pattern"];

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of a system, `below` its folder, with the shared ones.
fn variant(system: &Path, file: &Path, below: &str) -> Variant {
    let name = file.file_name().expect("it was listed").to_string_lossy().into_owned();
    let mut files = vec![(format!("{below}{name}"), read(file))];
    for shared in SHARED.iter().filter(|shared| system.join(shared).exists()) {
        files.push(((*shared).to_owned(), read(&system.join(shared))));
    }
    Variant { name: format!("{}/{below}{name}", system.file_name().expect("it was listed").to_string_lossy()), files }
}

fn variants() -> Vec<(PathBuf, PathBuf, Variant)> {
    let mut all = Vec::new();
    for system in listed(&seeds()).into_iter().filter(|path| path.is_dir() && !path.ends_with("snapshots")) {
        for file in listed(&system).into_iter().filter(|path| path.extension().is_some_and(|end| end == "pattern")) {
            if !SHARED.iter().any(|shared| file.ends_with(shared)) {
                let made = variant(&system, &file, "");
                all.push((system.clone(), file, made));
            }
        }
    }
    assert!(all.len() > 15, "{}", all.len());
    all
}

impl Variant {
    fn findings(&self) -> (Database, Vec<Diagnostic>) {
        let mut db = Database::default();
        let files: Vec<(&str, &str)> = self.files.iter().map(|(path, text)| (&**path, &**text)).collect();
        db.set_project(&files, None);
        let findings = check(&db, &CheckOptions::default()).into_iter().filter(|finding| finding.level > Level::Info).collect();
        (db, findings)
    }

    fn fixed(&self, db: &Database, fix: &Fix) -> Variant {
        let mut files = self.files.clone();
        let mut edits: Vec<_> = fix.edits.iter().collect();
        edits.sort_by_key(|edit| std::cmp::Reverse((edit.span.start, edit.span.end)));
        for edit in edits {
            let (_, text) = files.iter_mut().find(|(path, _)| **path == **edit.file.path(db)).expect("a fix changes files of the project");
            text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
        }
        Variant { name: format!("{}, {}", self.name, fix.title), files }
    }
}

/// Whether a label says in which space its place is, or that it is in none.
fn names_a_space(label: &Label) -> bool {
    ["the space of `", "the space `", "of the spaces `", "the outside", "no space keeps"].iter().any(|words| label.text.contains(words))
}

#[test]
fn what_is_found_shows_both_places_with_their_spaces_and_a_way_out() {
    let mut wrong = Vec::new();
    for (_, _, variant) in variants() {
        let (_, findings) = variant.findings();
        if findings.is_empty() {
            wrong.push(format!("{}: nothing is found", variant.name));
        }
        for finding in findings {
            let labels: Vec<&Label> = std::iter::once(&finding.primary).chain(&finding.labels).collect();
            let mut places: Vec<_> = labels.iter().filter(|label| names_a_space(label)).map(|label| format!("{:?}", label.at)).collect();
            places.sort();
            places.dedup();
            if places.len() < 2 || finding.help.is_none() || labels.iter().any(|label| label.text.is_empty()) {
                wrong.push(format!("{}: {}: {:#?} {:?}", variant.name, finding.rule, labels, finding.help));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_fix_ends_its_finding_and_leaves_a_text_that_can_be_read() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (_, _, variant) in variants() {
        let (db, before) = variant.findings();
        let same = |findings: &[Diagnostic], finding: &Diagnostic| {
            findings.iter().filter(|other| (other.rule, &other.message) == (finding.rule, &finding.message)).count()
        };
        for (finding, fix) in before.iter().flat_map(|finding| finding.fixes.iter().map(move |fix| (finding, fix))) {
            tried += 1;
            let fixed = variant.fixed(&db, fix);
            let (_, after) = fixed.findings();
            let broken =
                after.iter().any(|finding| matches!(finding.rule, "syntax" | "type-mismatch" | "unknown-name" | "wrong-arguments"));
            if same(&after, finding) >= same(&before, finding) || broken {
                let found: Vec<&String> = after.iter().map(|finding| &finding.message).collect();
                wrong.push(format!("{}: {}\n{found:#?}\n{}", fixed.name, finding.message, fixed.files[0].1));
            }
        }
    }
    assert!(tried > 10, "{tried}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn who_follows_the_way_out_is_out() {
    let mut wrong = Vec::new();
    for (system, file, variant_of) in variants() {
        let followed = system.join("followed").join(file.file_name().expect("it was listed"));
        if !followed.exists() {
            wrong.push(format!("{}: nothing shows its way out", variant_of.name));
            continue;
        }
        let (_, bad) = variant_of.findings();
        let out = variant(&system, &followed, "followed/");
        let (_, findings) = out.findings();
        for finding in findings {
            // What events that others can see half way may show is another question than the one that the variant asks.
            if finding.rule != "unserializable-chain" || bad.iter().any(|other| other.rule == finding.rule) {
                wrong.push(format!("{}: {}: {}", out.name, finding.rule, finding.message));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
