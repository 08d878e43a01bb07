//! The examples on every rule's page do what the page says.

use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::{Diagnostic, Fix, Safety};
use patternc_compiler::rules::{ALL, Fixes};
use patternc_tests::markdown::{Block, Case, cases};

#[test]
fn bad_examples_report_the_rule_and_good_ones_nothing() {
    let mut wrong = Vec::new();
    for rule in ALL {
        let mut examples = (0, 0);
        for case in cases(rule.page) {
            let (_, findings) = case.findings();
            let found: Vec<String> = findings.iter().map(|finding| format!("[{}] {}", finding.rule, finding.message)).collect();
            if case.title.ends_with("Bad") {
                examples.0 += 1;
                if findings.is_empty() || findings.iter().any(|finding| finding.rule != rule.name) {
                    wrong.push(format!("{}: the bad example reports {found:#?}", rule.name));
                }
            } else {
                examples.1 += 1;
                if !findings.is_empty() {
                    wrong.push(format!("{}: the example under \"{}\" reports {found:#?}", rule.name, case.title));
                }
            }
        }
        if examples.0 == 0 || examples.1 == 0 {
            wrong.push(format!("{}: a page has a bad and a good example", rule.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The case with one fix applied.
fn fixed(case: &Case, db: &Database, fix: &Fix) -> Case {
    let mut files: Vec<Block> =
        case.files.iter().map(|block| Block { path: block.path.clone(), text: block.text.clone(), line: block.line }).collect();
    let mut edits: Vec<_> = fix.edits.iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
    for edit in edits {
        let block = files.iter_mut().find(|block| *block.path == **edit.file.path(db)).expect("a fix changes files of the project");
        block.text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    Case { title: case.title.clone(), files, config: None, ignore: case.ignore.clone() }
}

/// What is wrong with the fixes of a project: each ends one finding at least, and brings none of a broken text.
fn wrong_fixes(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let (db, findings) = case.findings();
    let count = |findings: &[Diagnostic], rule: &str| findings.iter().filter(|finding| finding.rule == rule).count();
    for (finding, fix) in findings.iter().flat_map(|finding| finding.fixes.iter().map(move |fix| (finding, fix))) {
        let fixed = fixed(case, &db, fix);
        let (_, after) = fixed.findings();
        let breaks =
            |rule: &&str| count(&after, rule) > count(&findings, rule) && matches!(*rule, "syntax" | "type-mismatch" | "wrong-arguments");
        let broken = after.iter().map(|finding| finding.rule).find(breaks);
        let same = |findings: &[Diagnostic]| {
            findings.iter().filter(|other| other.rule == finding.rule && other.message == finding.message).count()
        };
        if broken.is_some() || same(&after) >= same(&findings) {
            let after: Vec<&str> = after.iter().map(|finding| &*finding.message).collect();
            let text: Vec<&str> = fixed.files.iter().map(|block| &*block.text).collect();
            wrong.push(format!("{}: {}: \"{}\" gives {after:#?} in\n{}", case.title, finding.rule, fix.title, text.join("\n")));
        }
    }
    wrong
}

#[test]
fn a_fix_on_a_page_ends_the_finding_and_breaks_nothing() {
    let wrong: Vec<String> = ALL.iter().flat_map(|rule| cases(rule.page)).flat_map(|case| wrong_fixes(&case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_fix_in_the_suites_of_rules_over_effects_ends_the_finding_and_breaks_nothing() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut wrong = Vec::new();
    for name in ["spaces.md", "atomicity.md", "conflicts.md"] {
        let markdown = std::fs::read_to_string(folder.join(name)).expect("the suite exists");
        wrong.extend(cases(&markdown).iter().flat_map(wrong_fixes));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Over all examples and suites: a rule that says it has fixes has them, one that says it has none has none.
#[test]
fn what_a_rule_says_of_its_fixes_is_so() {
    let mut texts: Vec<String> = ALL.iter().map(|rule| rule.page.to_owned()).collect();
    for folder in ["rules", "language"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let suites = std::fs::read_dir(folder).expect("the suites are there").flatten();
        texts.extend(suites.map(|entry| std::fs::read_to_string(entry.path()).expect("a suite can be read")));
    }
    let mut seen: std::collections::BTreeSet<(&str, bool)> = Default::default();
    for case in texts.iter().flat_map(|text| cases(text)) {
        let (_, findings) = case.findings();
        for finding in findings {
            seen.extend(finding.fixes.iter().map(|fix| (finding.rule, fix.safety == Safety::Safe)));
        }
    }
    let mut wrong = Vec::new();
    for rule in ALL {
        let (safe, other) = (seen.contains(&(rule.name, true)), seen.contains(&(rule.name, false)));
        let is_so = match rule.fixes {
            Fixes::Safe => safe,
            Fixes::Unsafe => !safe && other,
            Fixes::None(why) => !safe && !other && !why.is_empty(),
        };
        if !is_so {
            wrong.push(format!("{}: {:?}, but safe fixes: {safe}, unsafe ones: {other}", rule.name, rule.fixes));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
