//! Where in a `patternc.yaml` a place is.

/// What is around a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The keys that lead there, from the top.
    pub keys: Vec<String>,
    /// Whether a key of the mapping under them stands there; else a value of the last of them.
    pub is_key: bool,
    /// It is in a comment: nothing of the file stands there.
    pub is_said: bool,
    /// What the mapping that it is in says of its `kind`.
    pub kind: Option<String>,
}

/// Something that is open at a place.
#[derive(Debug)]
enum Open {
    /// An entry of a mapping by lines: how far its key is indented.
    Entry { indent: usize, key: String },
    /// `{`, and the key of the entry in it that is read.
    Braces { key: Option<String>, kind: Option<String> },
    /// `[`
    Brackets,
}

/// Where `at` is, before which a word may have begun.
pub(super) fn place(text: &str, at: usize) -> Place {
    let mut open: Vec<Open> = Vec::new();
    let mut start = 0;
    let mut in_comment = false;
    // Whether a key by lines stands before the place on its line.
    let mut after_key = false;
    for line in text[..at].split('\n') {
        let is_last = start + line.len() == at;
        (in_comment, after_key) = (false, false);
        let content = line.trim_start_matches([' ', '-']);
        let indent = line.len() - content.len();
        if open.iter().all(|open| matches!(open, Open::Entry { .. }))
            && (is_last || !(content.trim().is_empty() || content.starts_with('#')))
        {
            open.retain(|open| matches!(open, Open::Entry { indent: outer, .. } if *outer < indent));
        }
        read_line(content, indent, &mut open, &mut in_comment, &mut after_key);
        start += line.len() + 1;
    }
    let in_braces = open.iter().rev().find_map(|open| match open {
        Open::Braces { key, .. } => Some(key.is_none()),
        Open::Brackets => Some(false),
        Open::Entry { .. } => None,
    });
    let is_key = in_braces.unwrap_or(!after_key);
    let kind = match open.iter().rev().find(|open| matches!(open, Open::Braces { .. })) {
        Some(Open::Braces { kind, .. }) => kind.clone().or_else(|| kind_behind(&text[at..])),
        _ => kind_among(text, at),
    };
    let keys = open.into_iter().filter_map(|open| match open {
        Open::Entry { key, .. } => Some(key),
        Open::Braces { key, .. } => key,
        Open::Brackets => None,
    });
    Place { keys: keys.collect(), is_key, is_said: in_comment, kind }
}

/// Follows the braces and keys of a line.
fn read_line(content: &str, indent: usize, open: &mut Vec<Open>, in_comment: &mut bool, after_key: &mut bool) {
    let mut word = String::new();
    let mut quote = None;
    let mut before = ' ';
    let mut chars = content.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            _ if quote == Some(c) => quote = None,
            _ if quote.is_some() => word.push(c),
            '"' | '\'' if word.trim().is_empty() => quote = Some(c),
            '#' if before.is_whitespace() => {
                *in_comment = true;
                return;
            }
            ':' if chars.peek().is_none_or(|next| next.is_whitespace()) => {
                let key = std::mem::take(&mut word).trim().to_owned();
                match open.last_mut() {
                    Some(Open::Braces { key: known, .. }) => *known = Some(key),
                    Some(Open::Brackets) => {}
                    Some(Open::Entry { .. }) | None if !*after_key => {
                        open.push(Open::Entry { indent, key });
                        *after_key = true;
                    }
                    _ => {}
                }
            }
            '{' => {
                open.push(Open::Braces { key: None, kind: None });
                word.clear();
            }
            '[' if word.trim().is_empty() => open.push(Open::Brackets),
            ',' | '}' => {
                if let Some(Open::Braces { key, kind }) = open.last_mut() {
                    if key.take().as_deref() == Some("kind") {
                        *kind = Some(word.trim().to_owned());
                    }
                    if c == '}' {
                        open.pop();
                    }
                }
                word.clear();
            }
            ']' if matches!(open.last(), Some(Open::Brackets)) => {
                open.pop();
                word.clear();
            }
            c => word.push(c),
        }
        before = c;
    }
}

/// The `kind` that stands further on in the same braces.
fn kind_behind(rest: &str) -> Option<String> {
    let mut depth = 0;
    let end = rest.find(|c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth < 0 || c == '\n'
    });
    kind_of(&rest[..end.unwrap_or(rest.len())])
}

/// The `kind` on a line of its own beside the line of a place.
fn kind_among(text: &str, at: usize) -> Option<String> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let indent = |line: &str| line.len() - line.trim_start().len();
    let here = text[start..].lines().next().unwrap_or_default();
    let own = indent(here);
    let beside = |line: &&str| line.trim().is_empty() || indent(line) >= own;
    let before = text[..start].lines().rev().take_while(beside);
    let behind = text[start..].lines().skip(1).take_while(beside);
    before.chain(behind).filter(|line| indent(line) == own && line.trim_start().starts_with("kind:")).find_map(kind_of)
}

fn kind_of(text: &str) -> Option<String> {
    let rest = &text[text.find("kind:")? + "kind:".len()..];
    let word: String = rest.trim_start().chars().take_while(char::is_ascii_alphanumeric).collect();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::place;

    /// The keys around the `|`, then `:` where another key stands there, with the kind.
    fn at(text: &str) -> String {
        let at = text.find('|').expect("a place is meant");
        let place = place(&text.replacen('|', "", 1), at);
        let kind = place.kind.map_or_else(String::new, |kind| format!(" ({kind})"));
        format!("{}{}{kind}", place.keys.join("/"), if place.is_key { "/:" } else { "" })
    }

    #[test]
    fn a_place_is_known_by_the_keys_around_it() {
        assert_eq!(at("|"), "/:");
        assert_eq!(at("project: x\n|"), "/:");
        assert_eq!(at("default-deployment: |"), "default-deployment");
        assert_eq!(at("rules: { |"), "rules/:");
        assert_eq!(at("rules: { late-check: |"), "rules/late-check");
        assert_eq!(at("rules:\n  late-check: off\n  |"), "rules/:");
        assert_eq!(at("rules:\n  late-check: off\n|"), "/:");
        assert_eq!(at("deployments:\n  local:\n    # so\n\n    |\nrules: {}\n"), "deployments/local/:");
        assert_eq!(at("deployments:\n  local:\n    stores: { main: { kind: |"), "deployments/local/stores/main/kind");
        assert_eq!(at("deployments:\n  local:\n    stores: { a: { kind: memory }, b: { | } }"), "deployments/local/stores/b/:");
        assert_eq!(at("deployments:\n  local:\n    spaces: { \"user[*]\": |"), "deployments/local/spaces/user[*]");
        assert_eq!(at("deployments:\n  l:\n    spaces: { \"user[*]\": { shard: [a, |] } }"), "deployments/l/spaces/user[*]/shard");
    }

    #[test]
    fn the_kind_beside_a_place_is_known() {
        assert_eq!(at("x: { kind: sqlite, | }"), "x/: (sqlite)");
        assert_eq!(at("x: { |, kind: sqlite }"), "x/: (sqlite)");
        assert_eq!(at("x:\n  a:\n    kind: http\n    |\n  b:\n    kind: command\n"), "x/a/: (http)");
        assert_eq!(at("x:\n  a:\n    kind: http\n  b:\n    |\n    kind: command\n"), "x/b/: (command)");
    }
}
