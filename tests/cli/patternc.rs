//! Runs the built binary.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The built binary, ready to be given arguments, in this folder; colours off, nothing of the environment that changes output.
pub fn patternc(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patternc"));
    command.current_dir(folder).env("NO_COLOR", "1").env_remove("COLUMNS");
    command
}

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_path_buf()
}

/// Runs to the end with this standard input.
pub fn run_with_input(mut command: Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary of the test starts");
    let mut stdin = child.stdin.take().expect("the standard input is piped");
    // A command that needs no input may be gone already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the output is text of bounded size")
}

/// What a person sees: results, then messages.
pub fn seen(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
