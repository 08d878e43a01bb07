//! The pages of the rules in the book are those of the rules. `UPDATE_DOCS=1 cargo test -p patternc-tests --test rule_docs` writes them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use patternc_compiler::rules::{self, Fixes, Rule};

#[test]
fn the_book_has_the_pages_of_the_rules() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src");
    let mut pages: Vec<(PathBuf, String)> = rules::ALL.iter().map(|rule| (format!("rules/{}.md", rule.name).into(), page(rule))).collect();
    pages.push(("rules/index.md".into(), index()));
    pages.push(("SUMMARY.md".into(), summary(&std::fs::read_to_string(folder.join("SUMMARY.md")).expect("the book has a summary"))));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        for (path, text) in &pages {
            std::fs::write(folder.join(path), text).expect("the book can be written");
        }
    }
    let stale: Vec<_> = pages
        .iter()
        .filter(|(path, text)| std::fs::read_to_string(folder.join(path)).ok().as_ref() != Some(text))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(stale.is_empty(), "not as generated: {stale:?}; run this test with UPDATE_DOCS=1");
    let known: Vec<PathBuf> = pages.into_iter().map(|(path, _)| folder.join(path)).collect();
    for entry in std::fs::read_dir(folder.join("rules")).expect("the book has rules").flatten() {
        assert!(known.contains(&entry.path()), "{} is no page of a rule", entry.path().display());
    }
}

fn page(rule: &Rule) -> String {
    let fixes = match rule.fixes {
        Fixes::Safe => "*Fix*: `--fix` follows the way out where it is known and changes nothing else.".to_owned(),
        Fixes::Unsafe => "*Fix*: `--unsafe-fixes` follows the way out where it is known; it can change what a program does.".to_owned(),
        Fixes::None(why) => format!("*Fix*: none, because {why}."),
    };
    format!("# {}\n\n*{}*: {}\n\n{}\n\n{fixes}\n", rule.name, rule.level.name(), rule.summary, rule.page.trim())
}

fn index() -> String {
    let mut out = String::from(
        "# Rules\n\nWhat `patternc check` reports. An *error* would break the promise of the language and cannot be switched off; warnings can be, for \
         a project in `patternc.yaml`, and at one place with `@allow(rule-name, \"why\")`. A *safe* fix is made by `--fix`, an *unsafe* one by \
         `--unsafe-fixes`; where there is none, the page of the rule says why.\n\n| rule | level | fix | reports |\n|---|---|---|---|\n",
    );
    for rule in rules::ALL {
        let fixes = match rule.fixes {
            Fixes::Safe => "safe",
            Fixes::Unsafe => "unsafe",
            Fixes::None(_) => "",
        };
        let _ = writeln!(out, "| [{0}]({0}.md) | {1} | {fixes} | {2} |", rule.name, rule.level.name(), rule.summary.replace('|', "\\|"));
    }
    out
}

/// The summary with an entry for every rule below the one of their index.
fn summary(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with("  - [") || !line.contains("](rules/")) {
        out.push_str(line);
        out.push('\n');
        if line.contains("](rules/index.md)") {
            for rule in rules::ALL {
                let _ = writeln!(out, "  - [{0}](rules/{0}.md)", rule.name);
            }
        }
    }
    out
}
