//! Values of the YAML tree as they are wanted: with what is wrong where they are not.

use std::time::Duration;

use super::{At, Entry, Reader};
use crate::config::words::{self, Word};
use crate::config::yaml::{Node, Part, locate};
use crate::config::{Problem, Template};
use crate::resolve::did_you_mean;

impl Reader<'_> {
    pub(super) fn problem(&mut self, path: &[usize], part: Part, message: impl Into<String>, help: Option<String>) {
        self.problems.push(Problem { span: locate(self.text, path, part), message: message.into(), help, deployment: None, also: None });
    }

    pub(super) fn wrong(&mut self, at: &At<'_>, what: &str, wanted: &str) {
        let message = format!("{what} is {wanted}, not {}", at.node.describe());
        self.problem(&at.path, Part::Value, message, None);
    }

    /// The entries of a mapping, each key once.
    pub(super) fn entries<'n>(&mut self, at: &At<'n>, what: &str) -> Vec<Entry<'n>> {
        let entries = match at.node {
            Node::Map(entries) => entries,
            Node::Null => return Vec::new(),
            _ => {
                self.wrong(at, what, "a mapping");
                return Vec::new();
            }
        };
        let mut all: Vec<Entry<'n>> = Vec::new();
        for (index, (key, node)) in entries.iter().enumerate() {
            let mut path = at.path.clone();
            path.push(index);
            if all.iter().any(|earlier| earlier.key == key) {
                self.problem(&path, Part::Key, format!("{what} has `{key}` twice"), Some("keep one of them".to_owned()));
                continue;
            }
            all.push(Entry { key, value: At { node, path } });
        }
        all
    }

    /// The entries of a mapping that knows its keys; others are reported.
    pub(super) fn fields<'n>(&mut self, at: &At<'n>, what: &str, known: &[Word]) -> Vec<Entry<'n>> {
        let mut entries = self.entries(at, what);
        let known = &words::names(known);
        entries.retain(|entry| {
            let is_known = known.contains(&entry.key);
            if !is_known {
                let help = match did_you_mean(entry.key, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("it can have {}", list(known)),
                };
                self.problem(&entry.value.path, Part::Key, format!("{what} has no `{}`", entry.key), Some(help));
            }
            is_known
        });
        entries
    }

    pub(super) fn text<'n>(&mut self, at: &At<'n>, what: &str) -> Option<&'n str> {
        match at.node {
            Node::Text(text) => Some(text),
            _ => {
                self.wrong(at, what, "a text");
                None
            }
        }
    }

    pub(super) fn template(&mut self, at: &At<'_>, what: &str) -> Option<Template> {
        let text = match at.node {
            // A port or a flag written without quotes is a text here all the same.
            Node::Int(number) => number.to_string(),
            _ => self.text(at, what)?.to_owned(),
        };
        match Template::new(&text) {
            Ok(template) => Some(template),
            Err((_, problem)) => {
                self.problem(&at.path, Part::Value, format!("{what}: {problem}"), Some("write `${NAME}`".to_owned()));
                None
            }
        }
    }

    pub(super) fn texts(&mut self, at: &At<'_>, what: &str) -> Vec<Template> {
        self.elements(at, what).iter().filter_map(|element| self.template(element, what)).collect()
    }

    pub(super) fn elements<'n>(&mut self, at: &At<'n>, what: &str) -> Vec<At<'n>> {
        let Node::List(elements) = at.node else {
            self.wrong(at, what, "a list");
            return Vec::new();
        };
        let element = |(index, node)| {
            let mut path = at.path.clone();
            path.push(index);
            At { node, path }
        };
        elements.iter().enumerate().map(element).collect()
    }

    /// True or false; false where it is neither, which is reported.
    pub(super) fn truth(&mut self, at: &At<'_>, what: &str) -> bool {
        let Node::Bool(truth) = at.node else {
            self.problem(&at.path, Part::Value, format!("{what} is true or false"), Some("write `true` or `false`".to_owned()));
            return false;
        };
        *truth
    }

    pub(super) fn duration(&mut self, at: &At<'_>, what: &str) -> Option<Duration> {
        let help = || Some("write a number and a unit: `250ms`, `5s`, `2m`, `1h`".to_owned());
        let Node::Text(text) = at.node else {
            self.problem(&at.path, Part::Value, format!("{what} is a duration"), help());
            return None;
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = match unit {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            "d" => Some(86_400_000),
            _ => None,
        };
        let milliseconds = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit): (u64, u64)| number.checked_mul(unit));
        match milliseconds {
            None => self.problem(&at.path, Part::Value, format!("{what} is a duration, not `{text}`"), help()),
            Some(0) => self.problem(&at.path, Part::Value, format!("{what} is longer than nothing"), help()),
            Some(milliseconds) => return Some(Duration::from_millis(milliseconds)),
        }
        None
    }

    /// The value of `kind`, which decides what else there can be.
    pub(super) fn kind<'n>(&mut self, entry: &Entry<'n>, what: &str, kinds: &[Word]) -> Option<&'n str> {
        let kinds = &words::names(kinds);
        let fields = match entry.value.node {
            Node::Map(fields) => fields,
            _ => {
                self.wrong(&entry.value, what, "a mapping with a `kind`");
                return None;
            }
        };
        let Some(index) = fields.iter().position(|(key, _)| key == "kind") else {
            let help = Some(format!("write `kind: {}`", kinds.join("` or `kind: ")));
            self.problem(&entry.value.path, Part::Key, format!("{what} has no `kind`"), help);
            return None;
        };
        let mut path = entry.value.path.clone();
        path.push(index);
        let at = At { node: &fields[index].1, path };
        let kind = self.text(&at, "a `kind`")?;
        if !kinds.contains(&kind) {
            let help = did_you_mean(kind, kinds.iter().copied()).map(|meant| format!("did you mean `{meant}`?"));
            let help = help.or_else(|| Some(format!("the kinds are {}", list(kinds))));
            self.problem(&at.path, Part::Value, format!("{what} cannot be of kind `{kind}`"), help);
            return None;
        }
        Some(kind)
    }

    /// A field that must be there.
    pub(super) fn required<T>(&mut self, value: Option<T>, entry: &Entry<'_>, what: &str, field: &str, present: bool) -> Option<T> {
        if value.is_none() && !present {
            self.problem(&entry.value.path, Part::Key, format!("{what} has no `{field}`"), Some(format!("add `{field}: …`")));
        }
        value
    }
}

/// Names with backquotes: "`a`, `b` and `c`".
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}
