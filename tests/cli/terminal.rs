//! The prompt in a real terminal, typed key by key. tmux is the terminal; without it there is nothing to type into, and the test says so.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PATTERN: &str =
    "space home\n\nrecord Person in home {\n  cell name: Text key\n  cell likes: Int = 0\n  handler like() { self.likes += 1 }\n}\n";

/// How long the screen may take to show something.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal of its own with the prompt in it.
struct Terminal {
    server: String,
    folder: tempfile::TempDir,
}

impl Terminal {
    /// `None` without tmux.
    fn open() -> Option<Terminal> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "tmux is missing: CI has to run the prompt in a terminal");
            eprintln!("SKIPPED: tmux is not installed, so that the prompt was not tried in a terminal");
            return None;
        }
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("people.pattern"), PATTERN).expect("there is room for a file");
        let server = format!("patternc-{}-{}", std::process::id(), folder.path().file_name().expect("it has a name").to_string_lossy());
        let terminal = Terminal { server, folder };
        let state = terminal.folder.path().join("state");
        let start =
            format!("XDG_STATE_HOME={} NO_COLOR= TERM=screen {} repl people.pattern", state.display(), env!("CARGO_BIN_EXE_patternc"));
        // The variable is there and empty: colours are off only where it is set at all, so it is taken out.
        let start = start.replace("NO_COLOR= ", "env -u NO_COLOR ").replacen("XDG", "env XDG", 1);
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-s",
            "t",
            "-x",
            "100",
            "-y",
            "40",
            &format!("{start}; echo ended $?; cat"),
        ]);
        terminal.shows("Ctrl-D ends.");
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.server])
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("tmux was found before");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types text, one key after the other.
    fn types(&self, text: &str) {
        for key in text.chars() {
            self.tmux(&["send-keys", "-t", "t", "-l", &key.to_string()]);
        }
    }

    /// Presses a key by its name.
    fn presses(&self, key: &str) {
        self.tmux(&["send-keys", "-t", "t", key]);
    }

    fn screen(&self) -> String {
        let screen = self.tmux(&["capture-pane", "-p", "-t", "t"]);
        screen.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// Waits until the screen shows this.
    fn shows(&self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.screen().contains(what) {
            assert!(Instant::now() < deadline, "{what:?} does not show on\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn enters(&self, text: &str, shows: &str) {
        self.types(text);
        self.presses("Enter");
        self.shows(shows);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It is gone already where the test has ended it.
        let _ = Command::new("tmux").args(["-L", &self.server, "kill-server"]).output();
    }
}

fn history(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("state/patternc/history")).unwrap_or_default()
}

#[test]
fn the_prompt_as_it_is_typed() {
    let Some(terminal) = Terminal::open() else { return };

    // An entry goes on while a bracket is open.
    terminal.types("let ada = create Person in home {");
    terminal.presses("Enter");
    terminal.shows("in home {\n.");
    terminal.types("name: \"Ada\" }");
    terminal.presses("Enter");
    terminal.shows("created Person/");

    // What is typed is coloured: the word `let` is not in the colour of the name after it.
    terminal.types("let x = 1");
    terminal.shows("> let x = 1");
    let coloured = terminal.tmux(&["capture-pane", "-p", "-e", "-t", "t"]);
    assert!(coloured.lines().any(|line| line.contains("x =") && !line.contains("let x")), "{coloured}");

    // Ctrl-C leaves the entry, not the prompt.
    terminal.presses("C-c");
    terminal.shows("> let x = 1\n>");
    terminal.enters("1 + 41", "\n42\n");

    // Completion knows the cells and handlers of what is bound.
    terminal.types("ada.li");
    terminal.presses("Tab");
    terminal.shows("likes");
    // As far as all that fit agree, it is written.
    terminal.shows("ada.like\nlikes");
    terminal.presses("C-c");
    terminal.shows("> ada.like\n>");
    terminal.enters("ada.likes", "> ada.likes\n0\n");
    terminal.enters("ada.like()", ".likes += 1");

    // Commands are completed too.
    terminal.types(":rec");
    terminal.presses("Tab");
    terminal.shows("> :records");
    terminal.presses("Enter");
    terminal.shows("Person                   1");

    // Search in what was typed before.
    terminal.presses("C-r");
    terminal.types("+ 41");
    terminal.shows("(search `+ 41`)");
    terminal.presses("Enter");
    terminal.presses("Enter");
    terminal.shows("> 1 + 41\n42\n>");

    // Another session, and what is open, show in the prompt.
    terminal.enters(":session b", "\nb>");
    terminal.enters(":begin ada.like()", "\nb (open) >");
    terminal.enters(":hold", "\nb (open) (held) >");

    terminal.presses("C-d");
    terminal.shows("ended 0");
    let remembered = history(terminal.folder.path());
    assert!(remembered.contains("1 + 41") && remembered.contains("let ada = create Person in home {"), "{remembered}");
}

#[test]
fn ctrl_c_ends_what_runs_and_keeps_the_prompt_and_its_data() {
    let Some(terminal) = Terminal::open() else { return };
    terminal.enters("let ada = create Person in home { name: \"Ada\" }", "created Person/");

    // Events of a loop: it would take minutes. The sign is gone while it runs.
    terminal.types("for i in range(1000000) { ada.like() }");
    terminal.presses("Enter");
    terminal.shows("ada.like() }\n\n");
    terminal.presses("C-c");
    terminal.shows("interrupted");
    terminal.shows("\n>");
    terminal.enters("ada.name + \"!\"", "\"Ada!\"");

    // One computation.
    terminal.types("range(9000).map(x => range(900).map(y => \"{x}{y}\").len()).len() + 0 * 7");
    terminal.presses("Enter");
    terminal.shows("0 * 7\n\n");
    terminal.presses("C-c");
    terminal.shows("0 * 7\n^C\ninterrupted\n>");
    terminal.enters("ada.name + \"?\"", "\"Ada?\"");

    // What is pasted is entered line by line.
    terminal.tmux(&["set-buffer", "let a = [1,\n  2]\n  .map(n => n * 21)\n:watch a\na.last()\n"]);
    terminal.tmux(&["paste-buffer", "-p", "-t", "t"]);
    terminal.shows(". a.last()");
    terminal.presses("Enter");
    terminal.shows("\na = [21, 42]\n42\n");

    // A name of a command, and a habit of other prompts.
    terminal.enters("help", "commands begin with a colon: `:help`");
    terminal.enters("b = \"日本\"", "a name is bound with `let`: `let b = \"日本\"`");
    terminal.enters("let b = \"日本 👩\" b.len()", "\n4\n");
    terminal.enters("range(100000)", "more: take a part, as with `.take(20)`, or read it through a pipe)\n>");
    terminal.presses("C-d");
    terminal.shows("ended 0");
}
