//! YAML as a tree in which every node can be found again in the text.

use std::fmt;

use patternc_grammar::syntax::Span;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Problem;

/// A node of a YAML document. Entries keep their order, and keys that come twice.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// With its article, for messages.
    pub fn describe(&self) -> &'static str {
        match self {
            Node::Null => "nothing",
            Node::Bool(_) => "true or false",
            Node::Int(_) | Node::Float(_) => "a number",
            Node::Text(_) => "a text",
            Node::List(_) => "a list",
            Node::Map(_) => "a mapping",
        }
    }
}

/// The way from the top of a document to a node: positions among the elements or entries.
pub(super) type Path = Vec<usize>;

/// Which part of an entry is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

/// Reads a document. An empty one is [`Node::Null`].
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node::Null);
    }
    serde_yaml::from_str(text).map_err(|error| {
        let at = error.location().map_or(0, |location| offset(text, location.line(), location.column()));
        let message = error.to_string();
        // The place is shown anyway.
        let message = message.split(" at line ").next().unwrap_or_default();
        Problem { span: token(text, at), message: format!("not YAML: {message}"), help: None, deployment: None, also: None }
    })
}

/// Where a node (or the key of an entry) is in the text it was read from.
///
/// The library tells places in errors only. So the text is read once more, down to the node, where an error is raised; the library adds the
/// place. Nodes are located when something is wrong with them, so this costs nothing when all is well.
pub(super) fn locate(text: &str, path: &[usize], part: Part) -> Span {
    let found = Raise { path, part }.deserialize(serde_yaml::Deserializer::from_str(text));
    let location = found.err().and_then(|error| error.location());
    let at = location.map_or(0, |location| offset(text, location.line(), location.column()));
    token(text, at)
}

/// The byte at a line and column, both from 1, columns in characters.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start = match line.checked_sub(2) {
        None => 0,
        Some(before) => text.match_indices('\n').nth(before).map_or(text.len(), |(newline, _)| newline + 1),
    };
    let rest = &text[start..];
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(index, _)| index)
}

/// The scalar that starts at a byte, quotes included; the opening bracket of a collection.
fn token(text: &str, start: usize) -> Span {
    let rest = &text[start..];
    let length = match rest.chars().next() {
        None => 0,
        Some(bracket @ ('{' | '[')) => bracket.len_utf8(),
        Some(quote @ ('"' | '\'')) => {
            let mut escaped = false;
            let close = rest[1..].find(|c| {
                let ends = c == quote && !escaped;
                escaped = c == '\\' && !escaped && quote == '"';
                ends
            });
            close.map_or(rest.len(), |close| close + 2)
        }
        Some(_) => {
            let line = rest.lines().next().unwrap_or_default();
            let ends = [": ", " #", ",", "}", "]"].into_iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
            line[..ends].trim_end().trim_end_matches(':').len()
        }
    };
    Span::new(start, start + length)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(i64::try_from(value).map_or(Node::Float(value as f64), Node::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Node, Node>()? {
            let key = match key {
                Node::Text(key) => key,
                Node::Int(key) => key.to_string(),
                Node::Bool(key) => key.to_string(),
                Node::Float(key) => key.to_string(),
                Node::Null | Node::List(_) | Node::Map(_) => return Err(de::Error::custom("a key is a text")),
            };
            map.push((key, value));
        }
        Ok(Node::Map(map))
    }
}

/// Goes down a path and raises an error at its end.
struct Raise<'a> {
    path: &'a [usize],
    part: Part,
}

/// The text of an error that no one sees.
const HERE: &str = "here";

impl<'de> DeserializeSeed<'de> for Raise<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Raise<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to a node")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Some((first, path)) = self.path.split_first() else { return Err(de::Error::custom(HERE)) };
        for _ in 0..*first {
            elements.next_element::<de::IgnoredAny>()?;
        }
        elements.next_element_seed(Raise { path, part: self.part })?;
        Err(de::Error::custom(HERE))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((first, path)) = self.path.split_first() else { return Err(de::Error::custom(HERE)) };
        for _ in 0..*first {
            entries.next_entry::<de::IgnoredAny, de::IgnoredAny>()?;
        }
        if path.is_empty() && self.part == Part::Key {
            entries.next_key_seed(Raise { path, part: self.part })?;
        } else {
            entries.next_key::<de::IgnoredAny>()?;
            entries.next_value_seed(Raise { path, part: self.part })?;
        }
        Err(de::Error::custom(HERE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# ä\nproject: \"ä b\"\nrules: { late-check: warn, stale: off }\ndeep:\n  - one\n  - two: 2\n    three: [x, yy]\n";

    fn at(path: &[usize], part: Part) -> &'static str {
        locate(TEXT, path, part).slice(TEXT)
    }

    #[test]
    fn nodes_and_keys_are_found_again() {
        assert_eq!(at(&[0], Part::Key), "project");
        assert_eq!(at(&[0], Part::Value), "\"ä b\"");
        assert_eq!(at(&[1], Part::Value), "{");
        assert_eq!(at(&[1, 0], Part::Key), "late-check");
        assert_eq!(at(&[1, 0], Part::Value), "warn");
        assert_eq!(at(&[1, 1], Part::Key), "stale");
        assert_eq!(at(&[2, 1, 0], Part::Value), "2");
        assert_eq!(at(&[2, 1, 1], Part::Key), "three");
        assert_eq!(at(&[2, 1, 1, 1], Part::Value), "yy");
    }

    #[test]
    fn keys_that_come_twice_are_kept() {
        let Ok(Node::Map(entries)) = parse("a: 1\na: 2\n") else { panic!("a mapping") };
        assert_eq!(entries.len(), 2);
        assert_eq!(locate("a: 1\na: 2\n", &[1], Part::Key), Span::new(5, 6));
    }

    #[test]
    fn what_is_no_yaml_has_a_place() {
        let problem = parse("a: [1,\nb: }\n").unwrap_err();
        assert!(problem.message.starts_with("not YAML"), "{problem:?}");
        assert!(problem.span.start > 0);
        assert_eq!(parse("# nothing\n"), Ok(Node::Null));
    }
}
