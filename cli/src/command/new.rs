//! `patternc new`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::fault::Fault;

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder to make; its last part is the name of the project.
    name: PathBuf,
}

/// The files of a new project: where, and what. They are those of the example `library`, which the tests check, test and run.
const FILES: &[(&str, &str)] = &[
    ("library.pattern", include_str!("../../../patterns/library/library.pattern")),
    ("events.jsonl", include_str!("../../../patterns/library/events.jsonl")),
    (".gitignore", ".patternc/\n"),
];

pub fn run(arguments: &Arguments) -> Result<ExitCode, Fault> {
    let folder = &arguments.name;
    let name = folder
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .ok_or_else(|| Fault::Use(format!("{} names no folder to make", folder.display())))?;
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Fault::Use(format!("{} exists and is not empty: choose another name", folder.display())));
    }
    std::fs::create_dir_all(folder).map_err(|source| Fault::Write { path: folder.clone(), source })?;
    write(&folder.join("patternc.yaml"), &config(&name))?;
    for (path, text) in FILES {
        write(&folder.join(path), text)?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "Made {}. Next:", folder.display())?;
    writeln!(out, "  cd {}", quoted(&folder.to_string_lossy()))?;
    writeln!(out, "  patternc check")?;
    writeln!(out, "  patternc test")?;
    writeln!(out, "  patternc run --events events.jsonl")?;
    Ok(ExitCode::SUCCESS)
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
