//! Runs the built binary.

#![allow(dead_code, reason = "each suite uses its part")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

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

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("there is room for a file");
    }
    folder
}

/// A process that goes on until its input is closed.
pub struct Running {
    child: Child,
    input: ChildStdin,
    lines: BufReader<ChildStdout>,
    /// What it says on the standard error.
    said: Arc<Mutex<String>>,
}

impl Running {
    /// Starts it with this in its environment.
    pub fn start(mut command: Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary of the test starts");
        let input = child.stdin.take().expect("it is piped");
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let said = Arc::new(Mutex::new(String::new()));
        let heard = said.clone();
        std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(|line| *heard.lock().expect("nothing panics") += &line));
        Running { child, input, lines, said }
    }

    /// Its number as a process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its input.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it reads");
    }

    /// The next line of its output.
    pub fn answer(&mut self) -> String {
        let mut answer = String::new();
        self.lines.read_line(&mut answer).expect("it answers");
        answer
    }

    /// What it answers to a line.
    pub fn event(&mut self, line: &str) -> String {
        self.tell(line);
        self.answer()
    }

    pub fn said(&self) -> String {
        self.said.lock().expect("nothing panics").clone()
    }

    /// Closes its input and waits until it has ended.
    pub fn end(mut self) {
        drop(self.input);
        self.child.wait().expect("it ends");
    }

    /// `kill -9`
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

/// Looks again and again until it is so.
#[track_caller]
pub fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it never was so");
}
