//! What is typed, or comes through a pipe: whole entries, over as many lines as brackets are open.

use std::borrow::Cow;
use std::io::{self, BufRead, IsTerminal};

use reedline::{
    ColumnarMenu, DefaultCompleter, Emacs, KeyCode, KeyModifiers, MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, ValidationResult, Validator, default_emacs_keybindings,
};

use crate::fault::Fault;

/// What was entered.
pub enum Entry {
    Text(String),
    /// Ctrl-C on a line.
    Cancelled,
    End,
}

/// Where entries come from.
pub enum Input {
    Terminal(Box<Reedline>),
    Pipe(io::StdinLock<'static>),
}

impl Input {
    pub fn open() -> Result<Self, Fault> {
        if !io::stdin().is_terminal() {
            return Ok(Input::Pipe(io::stdin().lock()));
        }
        let mut keys = default_emacs_keybindings();
        let menu = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu("completion".into()), ReedlineEvent::MenuNext]);
        keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, menu);
        let editor = Reedline::create()
            .with_validator(Box::new(Brackets))
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(ColumnarMenu::default().with_name("completion"))))
            .with_edit_mode(Box::new(Emacs::new(keys)));
        Ok(Input::Terminal(Box::new(editor)))
    }

    pub fn is_terminal(&self) -> bool {
        matches!(self, Input::Terminal(_))
    }

    /// The next entry. `names` complete what is typed.
    pub fn next(&mut self, names: &[String]) -> Result<Entry, Fault> {
        match self {
            Input::Terminal(editor) => {
                let mut completer = DefaultCompleter::with_inclusions(&['_', ':', '-']).set_min_word_len(1);
                completer.insert(names.to_vec());
                let taken = std::mem::replace(&mut **editor, Reedline::create());
                **editor = taken.with_completer(Box::new(completer));
                match editor.read_line(&Sign).map_err(Fault::Output)? {
                    Signal::Success(text) => Ok(Entry::Text(text)),
                    Signal::CtrlC => Ok(Entry::Cancelled),
                    _ => Ok(Entry::End),
                }
            }
            Input::Pipe(lines) => {
                let mut text = String::new();
                loop {
                    let read = lines.read_line(&mut text).map_err(|source| Fault::Read { path: "-".into(), source })?;
                    if read == 0 {
                        return Ok(if text.trim().is_empty() { Entry::End } else { Entry::Text(text) });
                    }
                    if text.trim().is_empty() {
                        text.clear();
                    } else if !is_open(&text) {
                        return Ok(Entry::Text(text));
                    }
                }
            }
        }
    }
}

/// Whether a bracket, or a text, waits to be closed.
fn is_open(text: &str) -> bool {
    // What stands around: `{` of an interpolation inside a text is `true`.
    let mut open: Vec<char> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if open.last() == Some(&'"') {
            match c {
                '\\' => {
                    chars.next();
                }
                '"' => {
                    open.pop();
                }
                '{' => open.push('{'),
                _ => {}
            }
            continue;
        }
        match c {
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' | '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    // A text ends on its line: one that is open is a mistake to be told, not a reason to wait.
    open.iter().any(|c| *c != '"') && open.last() != Some(&'"')
}

struct Brackets;

impl Validator for Brackets {
    fn validate(&self, text: &str) -> ValidationResult {
        if is_open(text) { ValidationResult::Incomplete } else { ValidationResult::Complete }
    }
}

/// The prompt.
struct Sign;

impl Prompt for Sign {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "".into()
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
        format!("search {}: ", search.term).into()
    }
}

#[cfg(test)]
mod tests {
    use super::is_open;

    #[test]
    fn an_entry_goes_on_while_brackets_are_open() {
        assert!(is_open("record Person in home {"));
        assert!(is_open("f([1,"));
        assert!(is_open("test \"x {1} {\" {"));
        assert!(!is_open("ada.name"));
        assert!(!is_open("1 + 2 // {"));
        assert!(!is_open("let x = \"a b"));
        assert!(!is_open("\"{f(1)} \\{\""));
    }
}
