//! `patternc new`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::fault::Fault;

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder to make, or an empty one: `.` is the current folder. Its name is that of the project.
    name: PathBuf,
}

/// The files of a new project: where, and what. They are those of the example `library`, which the tests check, test and run.
const FILES: &[(&str, &str)] = &[
    ("library.pattern", include_str!("../../../patterns/library/library.pattern")),
    ("events.jsonl", include_str!("../../../patterns/library/events.jsonl")),
];

/// What version control is to leave out.
const IGNORED: &str = ".patternc/";

pub fn run(arguments: &Arguments) -> Result<ExitCode, Fault> {
    let folder = &arguments.name;
    let whole = std::path::absolute(folder).map_err(|source| Fault::Read { path: folder.clone(), source })?;
    // Through `..`, only the disk knows the name.
    let whole = whole.canonicalize().unwrap_or(whole);
    let name = whole
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .ok_or_else(|| Fault::Use(format!("{} names no folder to make", folder.display())))?;
    if whole.exists() && !whole.is_dir() {
        return Err(Fault::Use(format!("{} is a file: choose another name", folder.display())));
    }
    if let Some(known) = first_visible(&whole)? {
        return Err(Fault::Use(format!("{} is not empty, it has {known}: choose another name, or an empty folder", folder.display())));
    }
    std::fs::create_dir_all(&whole).map_err(|source| Fault::Write { path: folder.clone(), source })?;
    write(&whole.join("patternc.yaml"), &config(&name))?;
    for (path, text) in FILES {
        write(&whole.join(path), text)?;
    }
    ignore(&whole.join(".gitignore"))?;
    let is_here = std::env::current_dir().and_then(|here| here.canonicalize()).is_ok_and(|here| here == whole);
    let mut out = std::io::stdout().lock();
    let shown = folder.to_string_lossy();
    writeln!(out, "Made {}. Next:", if is_here { name.as_str() } else { &*shown })?;
    if !is_here {
        writeln!(out, "  cd {}", quoted(&shown))?;
    }
    writeln!(out, "  patternc check")?;
    writeln!(out, "  patternc test")?;
    writeln!(out, "  patternc run --events events.jsonl")?;
    writeln!(out, "The last shows a rejection as well: its fourth event asks for a book that is lent already, so its exit status is 1.")?;
    Ok(ExitCode::SUCCESS)
}

/// Something in a folder that is not hidden, as what version control keeps there is; `None` where there is no folder yet.
fn first_visible(folder: &Path) -> Result<Option<String>, Fault> {
    let fault = |source| Fault::Read { path: folder.to_path_buf(), source };
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<Result<Vec<String>, _>>().map_err(fault)?;
    Ok(names.into_iter().filter(|name| !name.starts_with('.')).min())
}

/// Adds what is to be left out to a file that may be there.
fn ignore(path: &Path) -> Result<(), Fault> {
    let known = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(Fault::Read { path: path.to_path_buf(), source }),
    };
    if known.lines().any(|line| line.trim() == IGNORED) {
        return Ok(());
    }
    let gap = if known.is_empty() || known.ends_with('\n') { "" } else { "\n" };
    write(path, &format!("{known}{gap}{IGNORED}\n"))
}

/// A path as a shell takes it for one word.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/\\:._-".contains(c);
    if !path.is_empty() && path.chars().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn config(name: &str) -> String {
    let name = serde_json::Value::from(name);
    format!(
        "project: {name}\npatterns: [\"**/*.pattern\"]\ndefault-deployment: local\ndeployments:\n  local:\n    stores: {{ main: {{ kind: sqlite, path: \
         .patternc/state.db }} }}\n    spaces: {{ \"*\": main }}\n"
    )
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    std::fs::write(path, text).map_err(|source| Fault::Write { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_folder_is_one_word_of_a_shell() {
        for (path, word) in [("my/shelf-2", "my/shelf-2"), ("my shelf", "'my shelf'"), ("it's", r"'it'\''s'"), ("", "''")] {
            assert_eq!(quoted(path), word);
        }
    }
}
