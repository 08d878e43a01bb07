//! What is typed, or comes through a pipe: whole entries, over as many lines as brackets are open and operators wait for what follows.

use std::borrow::Cow;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;

use patternc_grammar::goes_on;
use reedline::{
    ColumnarMenu, Emacs, FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch,
    PromptHistorySearchStatus, Reedline, ReedlineEvent, ReedlineMenu, Signal, ValidationResult, Validator, default_emacs_keybindings,
};

use super::complete::Known;
use super::highlight::Colours;
use crate::fault::Fault;
use crate::project::without_mark;

/// Entries that the history file remembers.
const REMEMBERED: usize = 10_000;

/// What was entered.
pub enum Entry {
    Text(String),
    /// The line of this number, from 1, is not UTF-8. It is left out, with the lines of its entry before it.
    NotText(u64),
    /// Ctrl-C on a line.
    Cancelled,
    End,
}

/// Where entries come from.
pub enum Input {
    Terminal(Box<Reedline>),
    Pipe(Script<io::StdinLock<'static>>),
}

impl Input {
    pub fn open() -> Result<Self, Fault> {
        if !io::stdin().is_terminal() {
            return Ok(Input::Pipe(Script::new(io::stdin().lock())));
        }
        let mut keys = default_emacs_keybindings();
        let menu = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu("completion".into()), ReedlineEvent::MenuNext]);
        keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, menu);
        let wanted = std::env::var_os("NO_COLOR").is_none();
        let mut editor = Reedline::create()
            .with_validator(Box::new(Brackets))
            .with_highlighter(Box::new(Colours { wanted }))
            .with_ansi_colors(wanted)
            .use_bracketed_paste(true)
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(ColumnarMenu::default().with_name("completion").with_marker("> "))))
            .with_edit_mode(Box::new(Emacs::new(keys)));
        // Without a file to write to there is still the history of this prompt.
        if let Some(history) = history_file().and_then(|file| FileBackedHistory::with_file(REMEMBERED, file).ok()) {
            editor = editor.with_history(Box::new(history));
        }
        Ok(Input::Terminal(Box::new(editor)))
    }

    pub fn is_terminal(&self) -> bool {
        matches!(self, Input::Terminal(_))
    }

    /// The next entry. `sign` stands before it, `known` completes what is typed.
    pub fn next(&mut self, sign: &str, known: impl FnOnce() -> Known) -> Result<Entry, Fault> {
        match self {
            Input::Terminal(editor) => {
                let taken = std::mem::replace(&mut **editor, Reedline::create());
                **editor = taken.with_completer(Box::new(known()));
                match editor.read_line(&Sign(sign)).map_err(Fault::Output)? {
                    Signal::Success(text) => Ok(Entry::Text(text)),
                    Signal::CtrlC => Ok(Entry::Cancelled),
                    _ => Ok(Entry::End),
                }
            }
            Input::Pipe(script) => script.next().map_err(|source| Fault::Read { path: "-".into(), source }),
        }
    }
}

/// Entries that come one after another, without a person.
pub struct Script<R> {
    lines: R,
    /// Lines read.
    number: u64,
}

impl<R: BufRead> Script<R> {
    pub fn new(lines: R) -> Self {
        Script { lines, number: 0 }
    }

    /// The next entry.
    pub fn next(&mut self) -> io::Result<Entry> {
        let mut text = String::new();
        loop {
            let mut line = Vec::new();
            if self.lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(if text.trim().is_empty() { Entry::End } else { Entry::Text(text) });
            }
            self.number += 1;
            if self.number == 1 {
                line = without_mark(line);
            }
            match std::str::from_utf8(&line) {
                Ok(line) => text.push_str(line),
                Err(_) => return Ok(Entry::NotText(self.number)),
            }
            if text.trim().is_empty() {
                text.clear();
            } else if is_whole(&text) {
                return Ok(Entry::Text(text));
            }
        }
    }
}

/// The entries of a text that was typed or pasted as one. A line that cannot begin an entry goes on with the one before it.
pub fn entries_of(text: &str) -> Vec<String> {
    let continues = |line: &str| {
        let line = line.trim_start();
        !line.starts_with("//") && line.starts_with(['.', '?', '+', '*', '/', '%', '<', '>', '=', '!', '&', '|', ')', ']', '}', ','])
            || ["else", "catch", "then", "in"]
                .iter()
                .any(|word| line.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')))
    };
    let mut entries: Vec<String> = Vec::new();
    let mut open = String::new();
    for line in text.split_inclusive('\n') {
        open.push_str(line);
        if open.trim().is_empty() {
            open.clear();
        } else if is_whole(&open) {
            let entry = std::mem::take(&mut open);
            match entries.last_mut().filter(|before| continues(&entry) && !before.trim_start().starts_with(':')) {
                Some(before) => before.push_str(&entry),
                None => entries.push(entry),
            }
        }
    }
    if !open.trim().is_empty() {
        entries.push(open);
    }
    // Documentation, comments and `@allow` belong to what they stand before.
    let mut joined: Vec<String> = Vec::new();
    for entry in entries {
        let before = |entry: &str| {
            let last = entry.trim_end().lines().last().unwrap_or_default().trim_start().to_owned();
            last.starts_with("//") || last.starts_with("@allow")
        };
        match joined.last_mut().filter(|joined| before(joined) && !entry.trim_start().starts_with(':')) {
            Some(joined) => joined.push_str(&entry),
            None => joined.push(entry),
        }
    }
    joined
}

/// Where what was typed is remembered, by the conventions of the platform.
fn history_file() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| folder("LOCALAPPDATA")).or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("patternc").join("history"))
}

fn is_whole(text: &str) -> bool {
    // A command is one line, unless what it is about goes on. One that names a folder may end like an operator.
    !goes_on(text) || text.trim_start().starts_with(':') && text.trim_end().ends_with('/')
}

struct Brackets;

impl Validator for Brackets {
    fn validate(&self, text: &str) -> ValidationResult {
        if is_whole(text) { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

/// The prompt: whose turn it is.
struct Sign<'s>(&'s str);

impl Prompt for Sign<'_> {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        self.0.into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        ". ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let found = if matches!(search.status, PromptHistorySearchStatus::Failing) { "nothing found for" } else { "search" };
        format!("({found} `{}`) ", search.term).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_is_cut_into_entries() {
        for (text, entries) in [
            ("1 + 1", &["1 + 1"][..]),
            ("let a = 1\nlet b = 2\n", &["let a = 1\n", "let b = 2\n"]),
            ("let a = [1,\n 2]\n  .map(x => x)\n:hold\na\n", &["let a = [1,\n 2]\n  .map(x => x)\n", ":hold\n", "a\n"]),
            ("if a {\n}\nelse { b }\n\n\nelse_where\n", &["if a {\n}\nelse { b }\n", "else_where\n"]),
            ("/// A person.\nrecord P in home {\n}\n// said\n1\n", &["/// A person.\nrecord P in home {\n}\n", "// said\n1\n"]),
            ("  \n", &[]),
            ("f(", &["f("]),
        ] {
            assert_eq!(entries_of(text), entries, "{text:?}");
        }
    }
}
