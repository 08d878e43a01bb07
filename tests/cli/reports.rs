//! Findings for other programs: each format as it is, and valid by its own rules; fixes, baselines, statistics, watching.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::patternc::{patternc, run_with_input, seen};

/// An error with two places and a safe fix, one without a fix, and a warning with a fix.
const BAD: &str = "space home\n\nrecord Person in home {\n  cell members: Set<Person> = Set[]\n  handler link(target: Person) {\n    \
                   self.members += target\n    target.members += self // <\"ü\"> & 100%\n  }\n  handler count() -> Int {\n    let unused = 1\n    \
                   return self.memberz.len()\n  }\n}\n";

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("there is room for a file");
    }
    folder
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    patternc(folder).arg("check").args(arguments).output().expect("the binary of the test starts")
}

/// What the format prints for the bad file and a good one.
fn printed(format: &str) -> String {
    let folder = project(&[("bad name.pattern", BAD), ("good.pattern", "space other\n")]);
    let output = check(folder.path(), &["--output-format", format]);
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    String::from_utf8(output.stdout).expect("reports are text")
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings
}

#[test]
fn json_lines() {
    let printed = printed("json-lines");
    settings().bind(|| insta::assert_snapshot!("json_lines", printed));
    let findings: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let all: Vec<Value> = serde_json::from_str(&self::printed("json")).expect("it is JSON");
    assert_eq!(findings, all);
}

#[test]
fn sarif() {
    let mut log: Value = serde_json::from_str(&printed("sarif")).expect("it is JSON");
    let run = &log["runs"][0];
    assert_eq!((&log["version"], &run["columnKind"]), (&"2.1.0".into(), &"unicodeCodePoints".into()));
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules are described").clone();
    let ids: HashSet<&str> = rules.iter().filter_map(|rule| rule["id"].as_str()).collect();
    assert_eq!(ids.len(), rules.len(), "a rule is described once");
    for rule in &rules {
        let level = rule["defaultConfiguration"]["level"].as_str().expect("a rule has a level");
        assert!(["none", "note", "warning", "error"].contains(&level) && rule["shortDescription"]["text"].is_string(), "{rule}");
    }
    let results = run["results"].as_array().expect("there are results");
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("a rule is named by its place") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let places = result["locations"].as_array().into_iter().chain(result["relatedLocations"].as_array()).flatten();
        for place in places {
            let physical = &place["physicalLocation"];
            assert_eq!(physical["artifactLocation"]["uri"], "bad%20name.pattern");
            let number = |name: &str| physical["region"][name].as_u64().expect("a region has numbers");
            let (start, end) = ((number("startLine"), number("startColumn")), (number("endLine"), number("endColumn")));
            assert!(start.0 >= 1 && start.1 >= 1 && start <= end, "{physical}");
        }
    }
    assert!(
        results.iter().any(|result| result["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"].is_string())
    );
    // The rules are in their own pages.
    log["runs"][0]["tool"]["driver"]["rules"] = "…".into();
    let text = serde_json::to_string_pretty(&log).expect("it was JSON");
    settings().bind(|| insta::assert_snapshot!("sarif", text));
}

#[test]
fn github() {
    let printed = printed("github");
    settings().bind(|| insta::assert_snapshot!("github", printed));
    for line in printed.lines() {
        let (command, rest) = line.strip_prefix("::").and_then(|line| line.split_once(' ')).expect("a command has properties");
        assert!(["error", "warning", "notice"].contains(&command), "{line}");
        let (properties, text) = rest.split_once("::").expect("then comes the text");
        assert!(properties.contains("file=bad name.pattern,line=") && properties.contains("title=patternc["), "{line}");
        assert!(!text.contains('\r') && !text.is_empty(), "{line}");
    }
}

#[test]
fn gitlab() {
    let printed = printed("gitlab");
    settings().bind(|| insta::assert_snapshot!("gitlab", printed));
    let issues: Vec<Value> = serde_json::from_str(&printed).expect("it is JSON");
    let mut fingerprints = HashSet::new();
    for issue in &issues {
        let severity = issue["severity"].as_str().expect("it has a severity");
        assert!(["info", "minor", "major", "critical", "blocker"].contains(&severity));
        assert!(issue["description"].is_string() && issue["check_name"].is_string() && issue["location"]["path"].is_string());
        assert!(issue["location"]["lines"]["begin"].is_u64());
        assert!(fingerprints.insert(issue["fingerprint"].as_str().expect("it has a fingerprint").to_owned()), "{issue}");
    }
}

#[test]
fn junit() {
    let printed = printed("junit");
    settings().bind(|| insta::assert_snapshot!("junit", printed));
    well_formed(&printed);
    assert!(printed.contains("<testcase name=\"no findings\" classname=\"good.pattern\"/>"), "{printed}");
    let folder = project(&[("t.pattern", "test \"one < two\" { expect 1 < 2 }\ntest \"wrong\" { expect 1 + 1 == 3 }\n")]);
    let output = patternc(folder.path()).args(["test", "--output-format", "junit"]).output().expect("the binary of the test starts");
    let tested = String::from_utf8(output.stdout).expect("reports are text");
    well_formed(&tested);
    assert!(tested.contains("<testsuite name=\"t.pattern\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\">"), "{tested}");
    assert!(tested.contains("<testcase name=\"one &lt; two\" classname=\"t.pattern\"/>") && tested.contains("--seed 1"), "{tested}");
    assert!(tested.contains("message=\"this does not hold: `expect 1 + 1 == 3`\""), "{tested}");
    let output = patternc(folder.path()).args(["test", "--output-format", "github"]).output().expect("the binary of the test starts");
    let tested = String::from_utf8(output.stdout).expect("annotations are text");
    let failed = "::error file=t.pattern,line=2,col=16,title=test \"wrong\"::this does not hold: `expect 1 + 1 == 3`%0A";
    assert!(tested.starts_with(failed) && tested.ends_with("\n1 passed, 1 failed\n"), "{tested}");
}

#[test]
fn what_does_not_fail_the_check_is_no_failure_of_junit() {
    let told = "space home\n\nrecord Note in home {\n  cell tags: List<Text> = []\n\n  handler count() -> Int {\n    let unused = 1\n    return self.tags.len()\n  }\n}\n";
    let folder = project(&[("a.pattern", told)]);
    let count = |arguments: &[&str]| {
        let output = check(folder.path(), arguments);
        let printed = String::from_utf8(output.stdout).expect("reports are text");
        well_formed(&printed);
        let numbers = ["<failure ", "<system-out>warn: a.pattern:7:9: "].map(|part| printed.matches(part).count());
        (output.status.code(), numbers)
    };
    assert_eq!(count(&["--output-format", "junit"]), (Some(0), [0, 1]));
    assert_eq!(count(&["--output-format", "junit", "--error-on-warning"]), (Some(1), [1, 0]));
}

#[test]
fn paths_are_relative_to_the_current_folder_and_in_a_baseline_to_the_project() {
    let folder = project(&[("patternc.yaml", "patterns: [\"**/*.pattern\"]\n"), ("other.pattern", BAD)]);
    let sub = folder.path().join("sub");
    std::fs::create_dir(&sub).expect("there is room");
    std::fs::write(sub.join("a.pattern"), BAD.replace("home", "elsewhere").replace("Person", "Member")).expect("there is room");
    let whole = folder.path().to_string_lossy().into_owned();
    for format in ["full", "concise", "json", "json-lines", "sarif", "github", "gitlab", "junit"] {
        let printed = check(&sub, &["--output-format", format]).stdout;
        let printed = String::from_utf8(printed).expect("reports are text");
        assert!(printed.contains("a.pattern") && !printed.contains("sub/") && !printed.contains(&whole), "{format}: {printed}");
    }
    let above = String::from_utf8(check(&sub, &["..", "--output-format", "concise"]).stdout).expect("reports are text");
    let paths: HashSet<&str> = above.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(paths, HashSet::from(["a.pattern", "../other.pattern"]));
    let written = |from: &Path, path: &str| {
        let base = folder.path().join("base.json");
        check(from, &[path, "--write-baseline", &base.to_string_lossy()]);
        std::fs::read_to_string(base).expect("it was written")
    };
    let base = written(&sub, "..");
    assert!(
        base.contains("\"path\": \"sub/a.pattern\"") && base == written(folder.path(), ".") && base == written(Path::new("/"), &whole),
        "{base}"
    );
}

#[test]
fn what_is_mended_on_the_standard_output_has_changed_no_file() {
    let folder = project(&[]);
    let mut command = patternc(folder.path());
    command.args(["check", "-", "--fix"]);
    let output = run_with_input(command, BAD);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(" mended\n") && !said.contains("changed"), "{said}");
}

/// Whether every element is closed in its turn, and nothing stands where XML does not allow it.
fn well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("XML says so first");
    while let Some(at) = rest.find('<') {
        let between = &rest[..at];
        assert!(!between.contains('>') && (!open.is_empty() || between.trim().is_empty()), "{between:?}");
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        match (tag.strip_prefix('/'), tag.strip_suffix('/')) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name), "{text}"),
            (None, Some(_)) => {}
            (None, None) => open.push(tag.split(' ').next().expect("a tag has a name")),
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?}");
    for entity in text.split('&').skip(1) {
        let name = entity.split(';').next().expect("a split has a part");
        assert!(["amp", "lt", "gt", "quot", "#10", "#9"].contains(&name), "&{name}");
    }
}

#[test]
fn statistics_count_by_rule() {
    let folder = project(&[("bad.pattern", BAD)]);
    let table = seen(&check(folder.path(), &["--statistics", "--quiet"]));
    assert!(table.contains("1 error[undeclared-write] (1 with a fix)\n") && !table.contains('│'), "{table}");
    let rows: Vec<Value> =
        serde_json::from_slice(&check(folder.path(), &["--statistics", "--output-format", "json"]).stdout).expect("it is JSON");
    assert!(rows.iter().any(|row| row["rule"] == "undeclared-write" && row["count"] == 1), "{rows:?}");
}

#[test]
fn a_baseline_hides_what_was_there_and_nothing_else() {
    let folder = project(&[("bad.pattern", BAD)]);
    let refused = check(folder.path(), &["--write-baseline", "bad.pattern"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(seen(&refused).contains("bad.pattern is there already and is no baseline"), "{}", seen(&refused));
    assert_eq!(std::fs::read_to_string(folder.path().join("bad.pattern")).expect("it is there"), BAD, "nothing was written over it");
    check(folder.path(), &["--write-baseline", "base.json"]);
    let written = check(folder.path(), &["--write-baseline", "base.json"]);
    assert_eq!(written.status.code(), Some(0), "{}", seen(&written));
    let hidden = check(folder.path(), &["--baseline", "base.json"]);
    assert_eq!(hidden.status.code(), Some(0), "{}", seen(&hidden));
    assert!(seen(&hidden).contains("findings of the baseline not shown"), "{}", seen(&hidden));
    // Lines that move, and what is found elsewhere, change nothing.
    std::fs::write(folder.path().join("bad.pattern"), format!("// one more line\n\n{BAD}")).expect("there is room");
    assert_eq!(check(folder.path(), &["--baseline", "base.json"]).status.code(), Some(0));
    let again = BAD.replace("  handler count", "  handler more(target: Person) { target.members += self }\n  handler count");
    std::fs::write(folder.path().join("bad.pattern"), again).expect("there is room");
    let new = check(folder.path(), &["--baseline", "base.json", "--output-format", "concise"]);
    assert_eq!(new.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&new.stdout).lines().count(), 1, "{}", seen(&new));
    std::fs::write(folder.path().join("bad.pattern"), "space home\n").expect("there is room");
    assert!(seen(&check(folder.path(), &["--baseline", "base.json"])).contains("no longer there"));
    std::fs::write(folder.path().join("base.json"), "{}").expect("there is room");
    assert_eq!(check(folder.path(), &["--baseline", "base.json"]).status.code(), Some(2));
}

#[test]
fn what_a_baseline_hides_is_not_mended() {
    let known = "space home\nrecord Log in home {\n  cell lines: List<Text> = []\n  handler add(x: Text) {\n    self.lines = self.lines + [x]\n  }\n}\n";
    let folder = project(&[("log.pattern", known)]);
    check(folder.path(), &["--write-baseline", "base.json"]);
    let fixed = check(folder.path(), &["--fix", "--baseline", "base.json"]);
    let now = || std::fs::read_to_string(folder.path().join("log.pattern")).expect("it is there");
    assert_eq!(now(), known, "{}", seen(&fixed));
    assert!(
        seen(&fixed).contains("0 findings mended, 0 files changed") && seen(&fixed).contains("1 finding of the baseline not shown"),
        "{}",
        seen(&fixed)
    );
    // Of two that are alike the baseline has one: the other is reported, and mended.
    let handler = "  handler add(x: Text) {\n    self.lines = self.lines + [x]\n  }\n";
    let twice = known.replace(handler, &format!("{handler}{}", handler.replace("add", "append")));
    std::fs::write(folder.path().join("log.pattern"), &twice).expect("there is room");
    let diff = check(folder.path(), &["--diff", "--baseline", "base.json"]);
    let fixed = check(folder.path(), &["--fix", "--baseline", "base.json"]);
    assert!(seen(&fixed).starts_with("1 finding mended, 1 file changed\n1 file checked, nothing found\n"), "{}", seen(&fixed));
    assert_eq!((now().matches("self.lines + [x]").count(), now().matches("self.lines += x").count()), (1, 1), "{}", now());
    assert_eq!(seen(&diff).matches("\n+    self.lines += x").count(), 1, "{}", seen(&diff));
}

#[test]
fn findings_that_go_with_a_fix_count_and_those_that_it_reveals_do_not() {
    // One import mends two names.
    let folder = project(&[
        ("there.pattern", "space home\nrecord Person in home { cell n: Int = 0 }\n"),
        ("here.pattern", "use \"there.pattern\" { home }\nrecord Pair in home {\n  cell one: Person\n  cell other: Person\n}\n"),
    ]);
    let fixed = check(folder.path(), &["--unsafe-fixes"]);
    assert_eq!(seen(&fixed), "2 findings mended, 1 file changed\n2 files checked, nothing found\n");
    // What is misspelt hides what is wrong with it.
    let hidden = "space home\nrecord A in home {\n  cell n: Int = 0\n  handler h(other: A) {\n    var unused = 1\n    let also = 2\n    other.n = null\n  }\n}\n";
    let folder = project(&[("a.pattern", hidden)]);
    let before = seen(&check(folder.path(), &["--output-format", "concise"]));
    assert!(before.ends_with("1 file checked: 3 errors, 2 warnings\n") && !before.contains("type-mismatch"), "{before}");
    // The five, and not the one that is seen only then.
    let fixed = seen(&check(folder.path(), &["--fix", "--output-format", "concise"]));
    assert!(
        fixed.contains("error[type-mismatch]") && fixed.contains("5 findings mended, 1 file changed\n1 file checked: 1 error,"),
        "{fixed}"
    );
}

#[test]
fn fixes_are_shown_then_made_and_nothing_new_is_found() {
    let folder = project(&[("bad.pattern", BAD)]);
    let path = folder.path().join("bad.pattern");
    let shown = check(folder.path(), &["--diff"]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(seen(&shown).contains("+  handler link(target: Person) writes Person.members {"), "{}", seen(&shown));
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), BAD, "--diff writes nothing");
    let fixed = check(folder.path(), &["--fix", "--output-format", "concise"]);
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert!(text.contains("writes Person.members"), "{text}");
    assert!(!seen(&fixed).contains("undeclared-write") && seen(&fixed).contains("mended, 1 file changed"), "{}", seen(&fixed));
    let before = text;
    check(folder.path(), &["--fix", "--quiet"]);
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), before, "what is fixed stays");
    // From the standard input to the standard output.
    let mut command = patternc(folder.path());
    command.args(["check", "-", "--fix", "--quiet"]);
    let piped = run_with_input(command, BAD);
    assert!(String::from_utf8_lossy(&piped.stdout).contains("writes Person.members {\n"), "{}", seen(&piped));
}

#[test]
fn many_fixes_in_one_file_are_made_in_rounds() {
    let handlers: String = (0..20).map(|i| format!("  handler h{i}(other: Person) {{ other.n{} += 1 }}\n", i % 5)).collect();
    let cells: String = (0..5).map(|i| format!("  cell n{i}: Int = 0\n")).collect();
    let there = format!("space home\nrecord Person in home {{\n{cells}}}\n");
    let here = format!("use \"there.pattern\" {{ home }}\nrecord Other in home {{\n{handlers}}}\n");
    // The record is not imported yet: each fix wants to import it, once.
    let folder = project(&[("there.pattern", &there), ("here.pattern", &here)]);
    check(folder.path(), &["--fix", "--unsafe-fixes", "--quiet"]);
    let left = check(folder.path(), &["--output-format", "concise"]);
    let text = std::fs::read_to_string(folder.path().join("here.pattern")).expect("it is there");
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "{text}");
    assert_eq!(text.matches("Person }").count() + text.matches("Person,").count(), 1, "{text}");
}

#[test]
fn what_is_only_told_is_counted_too() {
    let text = "space home\n\nfn f(x: Int) -> Int {\n  let y = x\n  x\n}\n";
    let folder = project(&[("a.pattern", text), ("patternc.yaml", "rules: { unused-name: info }\n")]);
    let output = check(folder.path(), &["--output-format", "concise"]);
    assert_eq!(output.status.code(), Some(0));
    let said = seen(&output);
    assert!(said.contains("info[unused-name]") && said.contains("1 file checked: 0 errors, 0 warnings, 2 infos\n"), "{said}");
    assert!(!said.contains("nothing found"), "{said}");
    let hidden = seen(&check(folder.path(), &["--ignore", "unused-name"]));
    assert!(hidden.contains("1 file checked, nothing found"), "{hidden}");
}

#[test]
fn a_change_is_seen_while_watching() {
    let folder = project(&[("a.pattern", "space home\n"), ("b.pattern", "space other\n")]);
    let mut child = patternc(folder.path())
        .args(["check", "--watch", "--output-format", "concise"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary of the test starts");
    let mut messages = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let mut wait_for = |what: &str| messages.by_ref().map_while(Result::ok).any(|line| line.contains(what));
    assert!(wait_for("2 files checked, nothing found") && wait_for("watching"));
    std::fs::write(folder.path().join("b.pattern"), "space\n").expect("there is room");
    assert!(wait_for("2 files checked: 1 error") && wait_for("watching"));
    std::fs::write(folder.path().join("c.pattern"), "space third\n").expect("there is room");
    assert!(wait_for("3 files checked: 1 error") && wait_for("watching"));
    std::fs::write(folder.path().join("b.pattern"), "space fourth\n").expect("there is room");
    assert!(wait_for("3 files checked, nothing found"));
    child.kill().expect("it runs until it is ended");
    let output = child.wait_with_output().expect("it was ended");
    let lines = String::from_utf8(output.stdout).expect("it is text");
    let lines: Vec<&str> = lines.lines().map(|line| line.split(" error[").next().unwrap_or(line)).collect();
    let again = "--- checked again";
    assert_eq!(lines, [again, "b.pattern:1:6:", again, "b.pattern:1:6:", again]);
}

#[test]
fn completions_pages_and_version_are_there() {
    let folder = project(&[]);
    for shell in ["bash", "zsh", "fish", "nushell", "powershell", "elvish"] {
        let output = patternc(folder.path()).args(["completions", shell]).output().expect("the binary of the test starts");
        assert!(seen(&output).contains("unsafe-fixes"), "{shell}");
    }
    assert!(patternc(folder.path()).args(["man", "pages"]).status().expect("the binary of the test starts").success());
    let page = std::fs::read_to_string(folder.path().join("pages/patternc-check.1")).expect("there is a page for each command");
    assert!(page.contains("baseline"), "{page}");
    let elsewhere = project(&[]);
    let output = patternc(elsewhere.path()).arg("man").output().expect("the binary of the test starts");
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && page.contains(".TH patternc 1") && page.contains("patternc\\-check(1)"), "{page}");
    for arguments in [&["man"][..], &["completions", "zsh"], &["completions"]] {
        patternc(elsewhere.path()).args(arguments).output().expect("the binary of the test starts");
        assert_eq!(std::fs::read_dir(elsewhere.path()).expect("it is there").count(), 0, "{arguments:?} writes no file unasked");
    }
    let unnamed = patternc(elsewhere.path()).arg("completions").output().expect("the binary of the test starts");
    assert!(unnamed.status.code() == Some(2) && seen(&unnamed).contains("<SHELL>"), "{}", seen(&unnamed));
    let version = seen(&patternc(folder.path()).arg("--version").output().expect("the binary of the test starts"));
    assert!(version.starts_with(concat!("patternc ", env!("CARGO_PKG_VERSION"))), "{version}");
}

#[test]
fn places_far_apart_are_two_pieces_and_what_steers_a_terminal_is_written_out() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let filler: String = (0..200).map(|number| format!("fn f{number}(x: Int) -> Int {{ x }}\n")).collect();
    let text =
        format!("enum Kind {{ a, b }}\n{filler}fn g(k: Kind) -> Text {{ match k {{ Kind.b(\"\u{1b}[2Jx\") => \"\", _ => \"\" }} }}\n");
    std::fs::write(folder.path().join("a.pattern"), text).expect("there is room");
    for format in ["full", "concise"] {
        let arguments = ["check", "--ignore", "unused-name", "--output-format", format];
        let output = patternc(folder.path()).args(arguments).output().expect("the binary of the test starts");
        let said = seen(&output);
        assert!(said.contains("wrong-arguments") && !said.contains('\u{1b}'), "{said:?}");
        if format == "full" {
            assert!(said.lines().count() < 30, "{said}");
            assert!(said.contains("\\u{1b}[2Jx") && said.contains("enum Kind"), "{said}");
        }
    }
}
