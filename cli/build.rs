//! Says which commit the binary is built from. Without git, or outside of a checkout, the version stands alone.

use std::path::Path;
use std::process::Command;

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    let shown = commit().map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=PATTERNC_VERSION={shown}");
    println!("cargo::rerun-if-changed=build.rs");
    // Where the commit of a checkout is written down; a packed branch moves with the log of HEAD.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// The commit and its day, such as `1f2e3d4c5 2026-11-22`.
fn commit() -> Option<String> {
    // A source archive may lie inside another repository, whose commits say nothing about it.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    git(&["log", "-1", "--abbrev=9", "--format=%h %cs"]).filter(|commit| !commit.is_empty())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
