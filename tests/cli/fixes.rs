//! Fixes over the bad example of every rule: what they leave parses, is better, and keeps to the style where it did before.

use std::collections::BTreeMap;
use std::path::Path;

use patternc_compiler::rules;
use serde_json::Value;

use crate::patternc::{patternc, seen};

/// The projects of the section "Bad" of a page: blocks that name a file are one, others stand alone.
fn bad_examples(page: &str) -> Vec<Vec<(String, String)>> {
    let section = page.split("\n## Bad\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut together = Vec::new();
    let mut alone = Vec::new();
    for block in section.split("```pattern").skip(1) {
        let Some((info, rest)) = block.split_once('\n') else { continue };
        let text = rest.split("```").next().unwrap_or_default().to_owned();
        match text.lines().next().and_then(|line| line.strip_prefix("// file: ")) {
            Some(name) => together.push((name.trim().to_owned(), text)),
            // One that needs a configuration beside it is tried with its rule.
            None if info.contains("config") => {}
            None => alone.push(vec![("example.pattern".to_owned(), text)]),
        }
    }
    if !together.is_empty() {
        alone.push(together);
    }
    alone
}

fn findings(folder: &Path) -> Vec<Value> {
    let output = patternc(folder).args(["check", "--output-format", "json"]).output().expect("the binary of the test starts");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(&output)))
}

fn by_rule(findings: &[Value]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding["rule"].as_str().expect("a finding has a rule")).or_default() += 1;
    }
    counts
}

fn fix(folder: &Path, arguments: &[&str]) {
    let output = patternc(folder).args(["check", "--quiet"]).args(arguments).output().expect("the binary of the test starts");
    assert_ne!(output.status.code(), Some(2), "{}", seen(&output));
}

#[test]
fn what_fixes_leave_is_better() {
    let mut mended = 0;
    for rule in rules::ALL {
        for example in bad_examples(rule.page) {
            let folder = tempfile::tempdir().expect("there is room for a folder");
            for (name, text) in &example {
                std::fs::write(folder.path().join(name), text).expect("there is room for a file");
            }
            patternc(folder.path()).args(["fmt", "--quiet"]).output().expect("the binary of the test starts");
            let is_formatted = || {
                let output = patternc(folder.path()).args(["fmt", "--check"]).output().expect("the binary of the test starts");
                output.status.success()
            };
            let (formatted, before) = (is_formatted(), findings(folder.path()));
            let offered = |finding: &Value| finding["fixes"].as_array().is_some_and(|fixes| !fixes.is_empty());
            if !before.iter().any(offered) {
                continue;
            }
            fix(folder.path(), &["--fix"]);
            fix(folder.path(), &["--fix", "--unsafe-fixes"]);
            let after = findings(folder.path());
            let text = || -> String {
                example.iter().map(|(name, _)| std::fs::read_to_string(folder.path().join(name)).expect("it is there")).collect()
            };
            let (was, is) = (by_rule(&before), by_rule(&after));
            for text_rule in ["syntax", "wrong-case", "nesting-limit"] {
                assert!(is.get(text_rule) <= was.get(text_rule), "`{}`: the text is worse:\n{}", rule.name, text());
            }
            // What could not be understood may have hidden other findings; all else is new.
            if rule.check.is_some() {
                for (name, number) in &is {
                    assert!(was.get(name) >= Some(number), "`{}`: `{name}` is new:\n{}", rule.name, text());
                }
            }
            assert!(!formatted || is_formatted(), "`{}`: the style is lost:\n{}", rule.name, text());
            mended += usize::from(is.values().sum::<usize>() < was.values().sum());
        }
    }
    assert!(mended >= 12, "only {mended} of the bad examples are better after their fixes");
}
