//! Every page for users is true: its patterns check, its commands print what it says, its settings are read.
//!
//! A page is a session in an empty folder (a page of a project or of the repository: in a copy of the project, or in the repository). In its
//! order, by what stands behind the fence:
//!
//! - `file=NAME`: saved.
//! - `pattern`: checks clean on its own, and its tests pass. With `refused=RULE` it is refused by that rule.
//! - `console`: the `$` lines run, and what follows each is what a person sees.
//! - `repl`: a prompt over the folder's project, entries at their prompts, and what follows each.
//! - `sh`: runs and succeeds. With `needs=spicedb` or `needs=oauth` against a server of the tests, with the last pattern above it; with
//!   `needs=postgres` in the suite over PostgreSQL. With `unrun=WHY` it does not run.
//! - `sql`: runs in the suite over PostgreSQL.
//! - `yaml`: is a `patternc.yaml`, unless `file=` says what else it is. `json`: one value, or one a line.
//! - `toml`, `lua`: are read by a parser; the Lua runs where there is a Neovim that is new enough.
//! - `ts`: its types are checked by `tests/pages`.
//! - `text`: stands as it is in the file that `in=` names. With `unrun=WHY` nowhere.
//!
//! A line `…` stands for any lines, `…` in a line for any text.

pub mod blocks;
mod editors;
mod outside;

use std::path::{Path, PathBuf};
use std::process::Command;

use self::blocks::{Block, blocks, pages};
use self::outside::run_against_a_server;
use crate::patternc::{patternc, repository, run_with_input, seen};

/// What cannot run, with the reason, and what runs only where something is installed.
const EXCEPTIONS: &[&str] = &[
    "CONTRIBUTING.md: text unrun=a-drawing",
    "docs/src/architecture.md: text unrun=a-drawing",
    "docs/src/coming-from/convex.md: ts",
    "docs/src/coming-from/sql.md: sql",
    "docs/src/coming-from/typescript.md: ts",
    "docs/src/guide/postgres.md: sh needs=postgres",
    "docs/src/guide/postgres.md: sh needs=postgres",
    "docs/src/guide/postgres.md: sql",
    "docs/src/tutorial.md: sh unrun=compiles-everything-anew",
    "editors/vscode/README.md: sh unrun=installs-into-an-editor",
    "patterns/permissioned_spaces/README.md: sh unrun=installs-a-package",
];

#[test]
fn the_pages_are_true() {
    let repository = repository();
    let mut wrong = Vec::new();
    for page in pages(&repository) {
        let text = std::fs::read_to_string(&page).expect("a page is text");
        let project = page.parent().filter(|p| p.parent().is_some_and(|g| g.ends_with("patterns")));
        wrong.extend(run_page(&text, &page, project).into_iter().map(|w| format!("{}: {w}", shown(&page))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_does_not_run_says_why_and_is_known() {
    let mut found = Vec::new();
    for page in pages(&repository()) {
        let (blocks, unseen) = blocks(&std::fs::read_to_string(&page).expect("a page is text"));
        assert!(unseen.is_empty(), "{}: the fences at lines {unseen:?} do not start their line, or are not closed", shown(&page));
        for block in blocks {
            let language = block.language();
            let exception = match (block.attribute("unrun"), block.attribute("needs")) {
                (Some(why), _) => Some(format!(" unrun={why}")),
                (_, Some("postgres")) => Some(" needs=postgres".to_owned()),
                _ => matches!(language, "sql" | "ts").then(String::new),
            };
            found.extend(exception.map(|exception| format!("{}: {language}{exception}", shown(&page))));
        }
    }
    found.sort();
    assert_eq!(found, EXCEPTIONS);
}

/// A page as it is named in the repository.
fn shown(page: &Path) -> String {
    page.strip_prefix(repository()).expect("it is part of the repository").display().to_string()
}

fn run_page(text: &str, page: &Path, project: Option<&Path>) -> Vec<String> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    if let Some(project) = project {
        copy(project, folder.path());
    }
    // Commands of the repository's own pages are about the repository.
    let is_about_repository = page.parent().is_some_and(|parent| parent == repository());
    let mut place = if is_about_repository { repository() } else { folder.path().to_path_buf() };
    let mut last_pattern = String::new();
    let mut wrong = Vec::new();
    for block in blocks(text).0 {
        let mut found: Vec<String> = Vec::new();
        if let Some(name) = block.attribute("file") {
            let path = place.join(name);
            std::fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("there is room");
            std::fs::write(path, &block.text).expect("there is room");
        }
        match (block.language(), block.attribute("file")) {
            _ if block.attribute("unrun").is_some() => {}
            ("pattern", None) => {
                found.extend(check_alone(&block));
                last_pattern.clone_from(&block.text);
            }
            ("pattern", Some(_)) => {}
            ("repl", _) => found.extend(run_repl(&block.text, &place)),
            ("console", _) => found = run_console(&block.text, &mut place),
            // Run where a page calls it.
            ("sh", Some(_)) => {}
            ("sh", None) => match block.attribute("needs") {
                Some("postgres") => {}
                Some(need) => found.extend(run_against_a_server(need, &block.text, &place, &last_pattern)),
                None => found.extend(run_sh(&block.text, &place)),
            },
            // In the suite over PostgreSQL, and in `tests/pages`.
            ("sql" | "ts", _) => {}
            ("yaml", Some("patternc.yaml") | None) => found.extend(read_as_configuration(&block.text)),
            ("yaml", Some(_)) => found.extend(serde_yaml::from_str::<serde_yaml::Value>(&block.text).err().map(|error| error.to_string())),
            ("json", _) => {
                let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
                let is_read = is_json(&block.text) || block.text.lines().all(is_json);
                found.extend((!is_read).then(|| "this is no JSON".to_owned()));
            }
            ("toml", _) => found.extend(block.text.parse::<toml::Table>().err().map(|error| error.to_string())),
            ("lua", _) => {
                let lua = mlua::Lua::new();
                found.extend(lua.load(&block.text).into_function().err().map(|error| error.to_string()));
            }
            ("text", _) => found.extend(stands_elsewhere(&block)),
            (other, _) => found.push(format!("nothing tests a block of {other:?}: say in `tests/cli/docs` how, or mark it `unrun=WHY`")),
        }
        wrong.extend(found.into_iter().map(|w| format!("line {}: {w}", block.line)));
    }
    wrong
}

/// A block that stands as it is in the file that it names.
fn stands_elsewhere(block: &Block) -> Option<String> {
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let Some(path) = block.attribute("in") else { return Some("`in=` does not say which file this is part of".to_owned()) };
    let Ok(text) = std::fs::read_to_string(repository().join(path)) else { return Some(format!("there is no {path}")) };
    let (whole, part) = (lines(&text), lines(&block.text));
    let stands = whole.windows(part.len()).any(|lines| lines == part);
    (!stands).then(|| format!("these lines are not in {path}"))
}

/// Reads it as the `patternc.yaml` of a project that has neither its spaces nor its externs.
fn read_as_configuration(text: &str) -> Option<String> {
    let folder = crate::patternc::folder(&[("patternc.yaml", text), ("a.pattern", "space home\n")]);
    let output = patternc(folder.path()).args(["check", "--output-format", "concise"]).output().expect("the binary of the test starts");
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_of_the_project = |line: &str| ["there is no extern `", "there is no space `"].iter().any(|text| line.contains(text));
    let wrong: Vec<&str> = found.lines().filter(|line| !is_of_the_project(line)).collect();
    let is_read = output.status.code().is_some_and(|code| code < 2);
    (!wrong.is_empty() || !is_read).then(|| format!("as patternc.yaml: {}{}", wrong.join("\n"), seen(&output)))
}

/// Runs a script that succeeds.
fn run_sh(script: &str, place: &Path) -> Option<String> {
    let output = shell(script, place).output().expect("there is a shell");
    (!output.status.success()).then(|| format!("`{}` fails: {}", script.trim(), seen(&output)))
}

/// A shell in which `patternc` is the binary of the tests, and `cargo` the stand-in for what would compile everything anew.
fn shell(script: &str, place: &Path) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_patternc")).parent().expect("a binary lies in a folder");
    let path =
        format!("{}:{}:{}", repository().join("tests/cli/docs/bin").display(), binary.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command.args(["-euc", script]).current_dir(place).env("PATH", path).env("NO_COLOR", "1");
    command
}

/// Copies a folder with what is in it, but not what runs have left.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("it was listed").flatten().filter(|entry| entry.file_name() != ".patternc") {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&to).expect("there is room for a copy");
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("there is room for a copy");
        }
    }
}

fn check_alone(block: &Block) -> Option<String> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("page.pattern"), &block.text).expect("there is room");
    let output = patternc(folder.path()).args(["check", "--output-format", "concise"]).output().expect("the binary of the test starts");
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    match block.attribute("refused") {
        Some(rule) if found.contains(&format!("[{rule}]")) => None,
        Some(rule) => Some(format!("expected `{rule}`, found:\n{found}")),
        None if found.is_empty() && block.text.contains("\ntest \"") => {
            let tested = patternc(folder.path()).arg("test").output().expect("the binary of the test starts");
            (!tested.status.success()).then(|| seen(&tested))
        }
        None if found.is_empty() => None,
        None => Some(found),
    }
}

/// Enters what stands at the prompts of a transcript, and compares the whole.
fn run_repl(text: &str, place: &Path) -> Option<String> {
    let entry = |line: &str| -> Option<String> {
        if let Some(rest) = line.strip_prefix(". ") {
            return Some(rest.to_owned());
        }
        let (sign, rest) = line.split_once("> ")?;
        // The sign has names and marks in brackets; a line of output with this mark is indented, or drawn.
        let is_sign = sign.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '(' | ')')) && !sign.starts_with(' ');
        is_sign.then(|| rest.to_owned())
    };
    let script: String = text.lines().filter_map(entry).map(|line| line + "\n").collect();
    let mut command = patternc(place);
    command.args(["repl", "--echo"]);
    let found = seen(&run_with_input(command, &script));
    let found: Vec<&str> = found.trim_end().lines().map(str::trim_end).collect();
    let expected: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    (!lines_match(&expected, &found)).then(|| format!("the prompt shows\n{}\nnot\n{}", found.join("\n"), expected.join("\n")))
}

fn run_console(text: &str, place: &mut PathBuf) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, Vec::new())),
            (None, Some((_, expected))) => expected.push(line),
            (None, None) => wrong.push(format!("a console block starts with a `$` line, not {line:?}")),
        }
    }
    for (command, expected) in commands {
        if let Some(folder) = command.strip_prefix("cd ") {
            place.push(folder.trim());
            continue;
        }
        let output = shell(&format!("{{ {command}\n}} 2>&1"), place).output().expect("there is a shell");
        let found = seen(&output);
        let lines: Vec<&str> = found.trim_end().lines().map(str::trim_end).collect();
        let mut expected: Vec<&str> = expected.iter().map(|l| l.trim_end()).collect();
        while expected.last() == Some(&"") {
            expected.pop();
        }
        if !lines_match(&expected, &lines) {
            wrong.push(format!("`{command}` prints\n{}\nnot\n{}", lines.join("\n"), expected.join("\n")));
        }
    }
    wrong
}

fn lines_match(expected: &[&str], found: &[&str]) -> bool {
    match (expected.split_first(), found.split_first()) {
        (None, None) => true,
        (Some((&"…", rest)), _) => (0..=found.len()).any(|skip| lines_match(rest, &found[skip..])),
        (Some((want, more)), Some((have, rest))) => line_matches(want, have) && lines_match(more, rest),
        _ => false,
    }
}

fn line_matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().expect("a split has a part");
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
