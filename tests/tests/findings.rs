//! Every finding of the language and of the rules, from Markdown: see `patternc_tests::markdown`.

use std::path::Path;

use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::{Diagnostic, Fix, Safety};
use patternc_tests::markdown::{Block, Case, cases};

#[test]
fn language() {
    patternc_tests::markdown::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("language"));
}

#[test]
fn rules() {
    patternc_tests::markdown::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"));
}

/// The case with one fix applied.
fn fixed(case: &Case, db: &Database, fix: &Fix) -> Case {
    let copy = |block: &Block| Block { path: block.path.clone(), text: block.text.clone(), line: block.line };
    let mut fixed = Case {
        title: case.title.clone(),
        files: case.files.iter().map(copy).collect(),
        config: case.config.as_ref().map(copy),
        ignore: case.ignore.clone(),
    };
    let mut edits: Vec<_> = fix.edits.iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
    for edit in edits {
        let files = fixed.files.iter_mut().chain(&mut fixed.config);
        let block = files.into_iter().find(|block| *block.path == **edit.file.path(db)).expect("a fix changes files of the project");
        block.text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    fixed
}

#[test]
fn a_safe_fix_ends_its_finding() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for folder in ["language", "rules"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).expect("the suites are there").flatten() {
            let markdown = std::fs::read_to_string(entry.path()).expect("a suite can be read");
            for case in cases(&markdown) {
                let (db, before) = case.findings();
                let fixes = before.iter().flat_map(|finding| finding.fixes.iter().map(move |fix| (finding, fix)));
                for (finding, fix) in fixes.filter(|(_, fix)| fix.safety == Safety::Safe) {
                    tried += 1;
                    let fixed = fixed(&case, &db, fix);
                    let (_, after) = fixed.findings();
                    // What it hid may show now, but not the same again, and the text still reads.
                    let same = |of: &[Diagnostic]| of.iter().filter(|other| other.message == finding.message).count();
                    let syntax = |of: &[Diagnostic]| of.iter().filter(|other| other.rule == "syntax").count();
                    if same(&after) >= same(&before) || syntax(&after) > syntax(&before) {
                        let found: Vec<String> = after.iter().map(|finding| format!("{}: {}", finding.rule, finding.message)).collect();
                        let texts: Vec<&str> = fixed.files.iter().map(|block| &*block.text).collect();
                        wrong.push(format!("{}: {} — {}\n{found:#?}\n{}", case.title, finding.message, fix.title, texts.join("\n")));
                    }
                }
            }
        }
    }
    assert!(tried > 20, "{tried} fixes");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn an_event_is_not_offered_for_a_receiver_that_may_be_none() {
    let text = "# s\n\n## c\n\n```pattern\nspace home\nspace other\nrecord H in home {\n  handler go(o: O) {\n    let xs = [o]\n    \
                xs.first()?.poke()\n    o.poke()\n  }\n}\nrecord O in other { cell n: Int = 0 handler poke() { self.n += 1 } }\n```\n";
    let case = cases(text).pop().expect("there is one case");
    let (_, findings) = case.findings();
    let fixes = findings.iter().filter(|finding| finding.rule == "cross-space-write").flat_map(|finding| &finding.fixes);
    let sends: Vec<&str> = fixes.map(|fix| &*fix.title).filter(|title| title.starts_with("send ")).collect();
    assert_eq!(sends, ["send `o.poke()` as an event"]);
}
