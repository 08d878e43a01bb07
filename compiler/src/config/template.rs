//! Texts of `patternc.yaml` that may refer to the environment, and what they become.

use std::fmt;

/// A text with `${NAME}` references, kept as written. Secrets are never in it, only their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Box<str>);

/// A text that may hold secrets: it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

/// A reference to a variable that the environment does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment has no variable `{name}`, which `{template}` in patternc.yaml needs: set it, or take the reference out")]
pub struct MissingVariable {
    pub name: String,
    /// As written: without any secret.
    pub template: String,
}

impl Template {
    /// A template; the position in the text and what is wrong if a `${` is not closed or holds no name.
    pub fn new(text: &str) -> Result<Self, (usize, &'static str)> {
        for part in Parts(text, 0) {
            part?;
        }
        Ok(Template(text.into()))
    }

    /// As written, references included.
    pub fn source(&self) -> &str {
        &self.0
    }

    /// The text with every reference replaced by what `variable` gives for its name.
    pub fn expand(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Secret, MissingVariable> {
        let mut expanded = String::new();
        for part in Parts(&self.0, 0) {
            match part {
                Ok(Part::Text(text)) => expanded.push_str(text),
                Ok(Part::Variable(name)) => match variable(name) {
                    Some(value) => expanded.push_str(&value),
                    None => return Err(MissingVariable { name: name.to_owned(), template: self.0.to_string() }),
                },
                Err(_) => unreachable!("`new` refuses templates that are not well formed"),
            }
        }
        Ok(Secret(expanded.into()))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Secret {
    /// The text itself, for whoever connects with it. Not for messages.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

enum Part<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The parts of a template: what is left, and its position.
struct Parts<'a>(&'a str, usize);

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, (usize, &'static str)>;

    fn next(&mut self) -> Option<Self::Item> {
        let Parts(text, at) = *self;
        if text.is_empty() {
            return None;
        }
        let Some(inner) = text.strip_prefix("${") else {
            let end = text.find("${").unwrap_or(text.len());
            *self = Parts(&text[end..], at + end);
            return Some(Ok(Part::Text(&text[..end])));
        };
        let Some(end) = inner.find('}') else {
            *self = Parts("", at + text.len());
            return Some(Err((at, "`${` is not closed by `}`")));
        };
        *self = Parts(&inner[end + 1..], at + end + 3);
        let name = &inner[..end];
        let well_formed = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        Some(if well_formed { Ok(Part::Variable(name)) } else { Err((at, "`${…}` holds the name of an environment variable")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, String> {
        let template = Template::new(text).map_err(|(at, problem)| format!("{at}: {problem}"))?;
        let environment = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
        template.expand(environment).map(|secret| secret.reveal().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn references_are_replaced() {
        assert_eq!(expand("Bearer ${TOKEN}!").as_deref(), Ok("Bearer s3cret!"));
        assert_eq!(expand("${TOKEN}${TOKEN}").as_deref(), Ok("s3crets3cret"));
        assert_eq!(expand("$5 {x}").as_deref(), Ok("$5 {x}"));
        assert_eq!(expand("").as_deref(), Ok(""));
    }

    #[test]
    fn what_is_missing_or_broken_is_said() {
        assert!(expand("a ${OTHER}").unwrap_err().contains("no variable `OTHER`"));
        assert_eq!(expand("ab${TOKEN").unwrap_err(), "2: `${` is not closed by `}`");
        assert!(expand("${}").unwrap_err().starts_with("0: "));
        assert!(expand("${1A}").is_err());
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Template::new("${TOKEN}").and_then(|t| t.expand(|_| Some("s3cret".to_owned())).map_err(|_| (0, ""))).unwrap();
        assert!(!format!("{secret:?}").contains("s3cret"));
    }
}
