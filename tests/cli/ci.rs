//! What CI runs: the steps of the action, and the job for GitLab of the guide, with the binary of the tests in the place of what they install.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use serde_yaml::Value;

use crate::patternc::{repository, seen};

const GOOD: &str = "space home\n\nrecord R in home {\n  cell n: Int = 0\n  handler go() { self.n += 1 }\n}\n\ntest \"one\" {\n  let r = create R in home { }\n  \
                    r.go()\n  expect r.n == 1\n}\n";

/// A project in a folder of its own.
fn project(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("a.pattern"), text).expect("there is room");
    folder
}

/// A shell in which what is installed is there already: `cargo install` and `git clone` only say that they were asked.
fn shell(script: &str, folder: &Path, more: &[(&str, &str)]) -> Output {
    let programs = tempfile::tempdir().expect("there is room for a folder");
    let stub = programs.path().join("cargo");
    std::fs::write(&stub, "#!/bin/sh\necho \"cargo $*\"\n").expect("there is room");
    std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o755)).expect("it was just made");
    symlink(env!("CARGO_BIN_EXE_patternc"), programs.path().join("patternc")).expect("there is room");
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    // As both services start it.
    command
        .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", path)
        .env("NO_COLOR", "1");
    command.envs(more.iter().copied()).output().expect("there is a shell")
}

/// A run of the action: what each step put out, by its name.
struct Run {
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    outcomes: BTreeMap<String, &'static str>,
    said: BTreeMap<String, String>,
    failed: bool,
}

impl Run {
    fn of(folder: &Path, with: &[(&str, &str)]) -> Run {
        let text = std::fs::read_to_string(repository().join("action.yml")).expect("the action is part of the repository");
        let action: Value = serde_yaml::from_str(&text).expect("the action is YAML");
        let defaults = action["inputs"].as_mapping().expect("inputs").iter();
        let defaults = defaults.map(|(name, input)| (name, input["default"].as_str().expect("a default")));
        let mut inputs: BTreeMap<String, String> =
            defaults.map(|(name, value)| (name.as_str().expect("a name").to_owned(), value.to_owned())).collect();
        inputs.extend(with.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        let mut run = Run { inputs, outputs: BTreeMap::new(), outcomes: BTreeMap::new(), said: BTreeMap::new(), failed: false };
        for step in action["runs"]["steps"].as_sequence().expect("steps") {
            run.step(step, folder);
        }
        run
    }

    fn step(&mut self, step: &Value, folder: &Path) {
        let name = step["name"].as_str().expect("each step has a name").to_owned();
        let condition = step["if"].as_str().unwrap_or_default().trim_start_matches("${{").trim_end_matches("}}").trim().to_owned();
        let is_told_of_failures = condition.contains("cancelled()");
        let mut outcome = "skipped";
        if (!self.failed || is_told_of_failures) && self.holds(&condition) {
            outcome = "success";
            // Other actions are not run: nothing is cached.
            if let Some(script) = step["run"].as_str() {
                let output = tempfile::NamedTempFile::new().expect("there is room");
                let given: Vec<(String, String)> = step["env"]
                    .as_mapping()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| {
                        let value = value.as_str().expect("a text").trim_start_matches("${{").trim_end_matches("}}").trim();
                        (name.as_str().expect("a name").to_owned(), self.value(value))
                    })
                    .collect();
                let (action, out) = (repository().display().to_string(), output.path().display().to_string());
                let mut more: Vec<(&str, &str)> = vec![("GITHUB_ACTION_PATH", &action), ("GITHUB_OUTPUT", &out)];
                more.extend(given.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                let ran = shell(script, folder, &more);
                if !ran.status.success() {
                    outcome = "failure";
                    self.failed = true;
                }
                self.said.insert(name, seen(&ran));
                if let Some(id) = step["id"].as_str() {
                    let outputs = std::fs::read_to_string(output.path()).expect("it was just made");
                    let outputs = outputs.lines().filter_map(|line| line.split_once('='));
                    self.outputs.extend(outputs.map(|(name, value)| (format!("steps.{id}.outputs.{name}"), value.to_owned())));
                }
            }
        }
        if let Some(id) = step["id"].as_str() {
            self.outcomes.insert(format!("steps.{id}.outcome"), outcome);
        }
    }

    fn value(&self, expression: &str) -> String {
        let literal = expression.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        let input = || expression.strip_prefix("inputs.").map(|name| self.inputs[name].clone());
        let known = || self.outputs.get(expression).cloned().or_else(|| self.outcomes.get(expression).map(|outcome| outcome.to_string()));
        literal.map(str::to_owned).or_else(input).or_else(known).unwrap_or_default()
    }

    fn holds(&self, condition: &str) -> bool {
        condition.split("&&").map(str::trim).all(|term| match (term.split_once(" == "), term.split_once(" != ")) {
            (Some((one, other)), _) => self.value(one) == self.value(other),
            (_, Some((one, other))) => self.value(one) != self.value(other),
            _ => matches!(term, "" | "!cancelled()") || panic!("{term} is not understood here"),
        })
    }
}

#[test]
fn the_action_installs_checks_and_tests() {
    let folder = project(GOOD);
    let run = Run::of(folder.path(), &[("sarif-file", "patterns.sarif")]);
    assert!(!run.failed, "{:?}", run.said);
    assert!(run.said["install"].starts_with("cargo install --locked --path "), "{:?}", run.said);
    let hash = &run.outputs["steps.sources.outputs.hash"];
    assert!(hash.len() >= 40 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{hash}");
    assert!(run.said["test"].contains("1 passed"), "{:?}", run.said);
    let sarif = std::fs::read_to_string(folder.path().join("patterns.sarif")).expect("it was written");
    assert!(sarif.contains("\"version\": \"2.1.0\""), "{sarif}");
    let run = Run::of(folder.path(), &[("test", "false")]);
    assert!(!run.failed && !run.said.contains_key("test") && !run.said.contains_key("SARIF"), "{:?}", run.said);
}

#[test]
fn the_action_runs_the_tests_also_where_something_was_found() {
    let folder = project(
        &GOOD.replace("cell n: Int = 0\n", "cell n: Int = 0\n  cell l: List<Int> = []\n  handler add() { self.l = self.l + [1] }\n"),
    );
    let run = Run::of(folder.path(), &[("arguments", "--error-on-warning"), ("sarif-file", "out.sarif"), ("paths", "a.pattern")]);
    assert!(run.failed);
    assert_eq!(run.outcomes["steps.check.outcome"], "failure");
    assert!(run.said["check"].contains("::warning file=a.pattern,line=6"), "{:?}", run.said);
    assert!(run.said["test"].contains("1 passed"), "{:?}", run.said);
    // What is given is no command.
    let run = Run::of(folder.path(), &[("paths", "$(touch made)")]);
    assert!(run.failed && !folder.path().join("made").exists(), "{:?}", run.said);
}

#[test]
fn the_job_for_gitlab_reports_findings_and_tests() {
    let page = std::fs::read_to_string(repository().join("docs/src/guide/ci.md")).expect("the page is part of the repository");
    let job = page.split("```yaml file=.gitlab-ci.yml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has the job");
    let job: Value = serde_yaml::from_str(job).expect("the job is YAML");
    let lines: Vec<&str> = job["patterns"]["script"].as_sequence().expect("a script").iter().filter_map(Value::as_str).collect();
    // What installs is left out.
    let script =
        lines.iter().filter(|line| !line.starts_with("git ") && !line.starts_with("cargo ")).copied().collect::<Vec<_>>().join("\n");
    for (text, succeeds) in
        [(GOOD.to_owned(), true), (GOOD.replace("n == 1", "n == 2"), false), (GOOD.replace("self.n += 1", "self.m += 1"), false)]
    {
        let folder = project(&text);
        let output = shell(&script, folder.path(), &[]);
        assert_eq!(output.status.success(), succeeds, "{}", seen(&output));
        let quality = std::fs::read_to_string(folder.path().join("code-quality.json")).expect("findings are reported");
        assert!(serde_json::from_str::<serde_json::Value>(&quality).is_ok_and(|report| report.is_array()), "{quality}");
        assert!(folder.path().join("tests.xml").exists());
    }
}

/// Without `--locked`, cargo would take other versions of the libraries than those that were tested.
#[test]
fn every_page_installs_what_was_tested() {
    let pages =
        ["README.md", "docs/src/tutorial.md", "docs/src/guide/ci.md", "editors/vscode/README.md", "action.yml", ".pre-commit-hooks.yaml"];
    for page in pages {
        let text = std::fs::read_to_string(repository().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        let installs: Vec<&str> = text.lines().filter(|line| line.contains("cargo install")).collect();
        assert!(!installs.is_empty(), "{page} says how to install");
        assert!(installs.iter().all(|line| line.contains("cargo install --locked --path")), "{page}: {installs:?}");
    }
}
