//! Every page for users is true: its patterns check, its commands print what it says.
//!
//! A page is a session in an empty folder. In its order, a block with `file=NAME` is saved; a `yaml` block is read; a `pattern` block
//! without checks clean on its own and its tests pass, or with `refused=RULE` is refused by that rule; a `console` block runs its `$` lines, and what follows each
//! is what a person sees; a `repl` block is a prompt over the folder's project, entries at their prompts, and what follows each (a line `…` stands for any lines, `…` in a line for any text).

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::patternc::{patternc, repository, run_with_input, seen};

#[test]
fn the_pages_are_true() {
    let repository = repository();
    // The examples of the rules are tested with the rules.
    let mut pages = markdown_below(&repository.join("docs/src"));
    pages.retain(|page| !page.parent().is_some_and(|p| p.ends_with("rules")));
    pages.extend(markdown_below(&repository.join("patterns")));
    pages.push(repository.join("README.md"));
    let mut wrong = Vec::new();
    for page in &pages {
        let shown = page.strip_prefix(&repository).expect("it was listed below").display().to_string();
        let text = std::fs::read_to_string(page).expect("a page is text");
        // Commands of a project's page run in a copy of the project; those of the README would build the whole again.
        let project = page.parent().filter(|p| p.parent().is_some_and(|g| g.ends_with("patterns")));
        if page.ends_with("README.md") && project.is_none() {
            continue;
        }
        wrong.extend(run_page(&text, project).into_iter().map(|w| format!("{shown}: {w}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn run_page(text: &str, project: Option<&Path>) -> Vec<String> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    if let Some(project) = project {
        copy(project, folder.path());
    }
    let mut place = folder.path().to_path_buf();
    let mut wrong = Vec::new();
    for block in blocks(text) {
        let at = format!("line {}", block.line);
        if block.language() == "yaml"
            && let Err(error) = serde_yaml::from_str::<serde_yaml::Value>(&block.text)
        {
            wrong.push(format!("{at}: {error}"));
        }
        // One value, or one on each line.
        let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
        if block.language() == "json" && !is_json(&block.text) && !block.text.lines().all(is_json) {
            wrong.push(format!("{at}: this is no JSON"));
        }
        if let Some(name) = block.attribute("file") {
            let path = place.join(name);
            std::fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("there is room");
            std::fs::write(path, &block.text).expect("there is room");
        } else if block.language() == "pattern" {
            wrong.extend(check_alone(&block).map(|w| format!("{at}: {w}")));
        } else if block.language() == "repl" {
            wrong.extend(run_repl(&block.text, &place).map(|w| format!("{at}: {w}")));
        } else if block.language() == "console" {
            wrong.extend(run_console(&block.text, &mut place).into_iter().map(|w| format!("{at}: {w}")));
        }
    }
    wrong
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
        let binary = Path::new(env!("CARGO_BIN_EXE_patternc")).parent().expect("a binary lies in a folder");
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("sh")
            .args(["-c", &format!("{{ {command}\n}} 2>&1")])
            .current_dir(&*place)
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .output()
            .expect("there is a shell");
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

struct Block {
    info: String,
    text: String,
    line: usize,
}

impl Block {
    fn language(&self) -> &str {
        self.info.split_whitespace().next().unwrap_or("")
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.info.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The fenced blocks of a page.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (i, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info: info.to_string(), text: String::new(), line: i + 1 }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

fn markdown_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is part of the repository").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
