//! Habits from other languages: what was meant, and how it is written here.

mod elsewhere;
mod first_word;
mod token;

use crate::SyntaxErrorKind;

pub use elsewhere::{function_elsewhere, is_none_elsewhere, is_word_elsewhere, sql_statement, type_elsewhere};
pub(crate) use elsewhere::{is_no_result, made_elsewhere, value};
pub(crate) use first_word::{first_word, lone_word};
pub(crate) use token::{prefix, token};

/// In what a text was found that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    File,
    Record,
    Extern,
    Mirror,
    Saga,
    Block,
    /// A block whose last expression is its value.
    ValueBlock,
    StmtArms,
    ExprArms,
    SendArms,
}

/// A habit that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Habit {
    pub kind: SyntaxErrorKind,
    /// Where it is in the text looked at.
    pub start: usize,
    pub end: usize,
    pub message: String,
    pub help: String,
    /// What to write instead of it, where that is certain.
    pub fix: Option<String>,
    /// Other places that the fix changes as well, behind this one.
    pub also: Vec<(usize, usize, String)>,
    /// As what it is read on, where that is no fix: something of it is lost, or may have been meant otherwise.
    pub meant: Option<String>,
    /// It is a habit; otherwise it says no more than where reading stopped.
    pub known: bool,
}

impl Habit {
    fn new(start: usize, end: usize, message: impl Into<String>, help: impl Into<String>) -> Self {
        let kind = SyntaxErrorKind::Syntax;
        Habit { kind, start, end, message: message.into(), help: help.into(), fix: None, also: Vec::new(), meant: None, known: true }
    }

    /// What says no more than where reading stopped.
    pub fn stopped(start: usize, end: usize, message: String, help: &str) -> Self {
        Habit { known: false, ..Habit::new(start, end, message, help) }
    }

    /// Changes another place as well, behind this one.
    fn and(mut self, start: usize, end: usize, text: impl Into<String>) -> Self {
        self.also.push((start, end, text.into()));
        self
    }

    /// Reads it as something else that is no fix.
    fn meant(mut self, meant: impl Into<String>) -> Self {
        self.meant = Some(meant.into());
        self
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// The word at the start of a text, which may be empty.
pub(crate) fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// The word that ends at a place of a text, which may be empty.
fn word_before(text: &str, at: usize) -> &str {
    let before = &text[..at];
    &before[before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_replaces_what_the_habit_covers() {
        let mend = |text: &str, place| {
            let habit = first_word(text, place).expect("a habit");
            format!("{}{}", habit.fix.expect("a fix"), &text[habit.end..])
        };
        assert_eq!(mend("const x = 1", Place::Block), "let x = 1");
        assert_eq!(mend("throw \"why\"", Place::Block), "fail \"why\"");
        assert_eq!(mend("throw new Error('why') }", Place::Block), "fail \"why\" }");
        assert_eq!(mend("elif x { }", Place::Block), "else if x { }");
        assert_eq!(mend("async handler f() { }", Place::Record), "handler f() { }");
        assert_eq!(mend("private handler f() { }", Place::Record), "internal handler f() { }");
        assert_eq!(mend("name: Text", Place::Record), "cell name: Text");
        assert_eq!(mend("case Status.open => 1", Place::ExprArms), "Status.open => 1");
        assert_eq!(mend("return x", Place::ValueBlock), "x");
    }

    #[test]
    fn tokens_are_found_around_the_place_where_reading_stopped() {
        let habit = token("if a AND b { }", 0, 5, Place::Block).expect("a habit");
        assert_eq!((habit.start, habit.end, habit.fix.as_deref()), (5, 8, Some("&&")));
        let habit = token("a === b", 0, 4, Place::Block).expect("a habit");
        assert_eq!((habit.start, habit.end, habit.fix.as_deref()), (2, 5, Some("==")));
        let habit = token("x = 'a b' + c", 0, 4, Place::Block).expect("a habit");
        assert_eq!((habit.start, habit.end, habit.fix.as_deref()), (4, 9, Some("\"a b\"")));
        for (text, at, fixed) in [
            ("fn f(x: [Text]) -> Int", 8, "List<Text>"),
            ("cell t: Text[] = []", 12, "List<Text>"),
            ("cell t: [ R? ]", 8, "List<R?>"),
            ("cell t: string[]", 14, "List<Text>"),
            ("cell t: [line_item]", 8, "List<LineItem>"),
        ] {
            let habit = token(text, 0, at, Place::File).expect("a habit");
            assert_eq!((habit.start, habit.fix.as_deref()), (8, Some(fixed)), "{text}");
        }
        let habit = token("x: [a + b]", 0, 3, Place::File).expect("a habit");
        assert_eq!((habit.fix, &*habit.help), (None, "write `List<Text>`, with the type of the elements"));
        let habit = token("x++", 0, 2, Place::Block).expect("a habit");
        assert_eq!((habit.start, habit.end, habit.fix.as_deref()), (1, 3, Some(" += 1")));
    }
}
