//! True findings of hand-written programs (`tests/confirmed`): each is shown by running it, each space in a store of its own.

use std::path::Path;

use serde_json::Value;

use crate::patternc::{folder, patternc, repository, seen};

/// What `check --confirm` says of each finding that it runs: "names.pattern: `create Local` can fail …: shown".
fn verdicts(pattern: &Path) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(pattern).expect("the program can be read");
    let spaces: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("space ")).collect();
    let each = |what: &dyn Fn(&str) -> String| spaces.iter().map(|space| what(space)).collect::<Vec<_>>().join(", ");
    let (stores, kept) = (each(&|space| format!("at_{space}: {{ kind: memory }}")), each(&|space| format!("{space}: at_{space}")));
    let config = format!("project: confirmed\ndeployments:\n  apart:\n    stores: {{ {stores} }}\n    spaces: {{ {kept} }}\n");
    let project = folder(&[("it.pattern", &text), ("patternc.yaml", &config)]);
    let output = patternc(project.path()).args(["check", "--confirm", "--output-format", "json"]).output().expect("it starts");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(&output)));
    let findings = all.as_array().expect("JSON has the findings").iter();
    let named = |finding: &Value| format!("{}: {} {}", pattern.display(), finding["rule"], finding["message"]);
    findings.filter(|finding| !finding["confirmed"].is_null()).map(|finding| (named(finding), finding.clone())).collect()
}

#[test]
fn true_findings_are_shown() {
    let programs = std::fs::read_dir(repository().join("tests/confirmed")).expect("there are programs");
    let mut programs: Vec<_> = programs.map(|entry| entry.expect("it can be listed").path()).collect();
    programs.sort();
    let all: Vec<_> = programs.iter().flat_map(|program| verdicts(program)).collect();
    let is_shown = |finding: &Value| finding["confirmed"].to_string().contains("shown");
    let others: Vec<String> =
        all.iter().filter(|(_, finding)| !is_shown(finding)).map(|(name, finding)| format!("{name} {:#}", finding)).collect();
    assert!(all.len() >= 16, "{} findings of {} programs", all.len(), programs.len());
    assert!(others.is_empty(), "{} of {} are not shown:\n{}", others.len(), all.len(), others.join("\n"));
}
