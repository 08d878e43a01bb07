//! What is wrong with a JSON text, and where in it.

use std::fmt;

/// A JSON text that is not what was expected: "args.target: expected …, found …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", Prefix(path))]
pub struct JsonError {
    /// Where in the text, like `args.people[2].name`; empty for the whole.
    pub path: String,
    /// What is wrong and the way out.
    pub message: String,
}

struct Prefix<'a>(&'a str);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

/// The way from the root of a text to a value in it. Costs nothing until it is shown.
#[derive(Clone, Copy)]
pub enum Path<'a> {
    Root,
    Name(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    /// The value under this name.
    pub fn name(&'a self, name: &'a str) -> Path<'a> {
        Path::Name(self, name)
    }

    /// The element at this position.
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }

    /// An error here.
    pub fn error(&self, message: impl Into<String>) -> JsonError {
        JsonError { path: self.to_string(), message: message.into() }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Name(base, name) => {
                let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
                match (plain, base) {
                    (true, Path::Root) => f.write_str(name),
                    (true, _) => write!(f, "{base}.{name}"),
                    (false, _) => write!(f, "{base}[{name:?}]"),
                }
            }
            Path::Index(base, index) => write!(f, "{base}[{index}]"),
        }
    }
}

/// `; did you mean "…"?` when one of the names is near to what was written, else the names there are.
pub(super) fn meant<'n>(written: &str, names: impl Iterator<Item = &'n str> + Clone) -> String {
    let near = names
        .clone()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance);
    if let Some((_, name)) = near {
        return format!("; did you mean {name:?}?");
    }
    let all: Vec<&str> = names.take(13).collect();
    match all.as_slice() {
        [] => "; there is none".to_owned(),
        [only] => format!("; there is only {only:?}"),
        all if all.len() <= 12 => format!("; there are {}", all.join(", ")),
        _ => String::new(),
    }
}

/// The value as it stands in the text, cut where it is long.
pub(super) fn shown(json: &serde_json::Value) -> String {
    const LONGEST: usize = 60;
    let text = match json {
        serde_json::Value::Array(items) if items.len() > 8 => return format!("an array of {}", items.len()),
        serde_json::Value::Object(map) if map.len() > 8 => return format!("an object of {}", map.len()),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
