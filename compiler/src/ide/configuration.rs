//! What the words of a `patternc.yaml` mean, and which can be written at a place.
//!
//! The text is half written most of the time, so it is not parsed: a place is known by the keys around it, which indentation and the braces of
//! its line tell.

mod place;

use patternc_grammar::syntax::Span;
use ustr::ustr;

use self::place::{Place, place};
use super::complete::{Completion, CompletionKind, Completions};
use super::definition::Definition;
use super::hover::{Hover, about};
use crate::config::words::{self, LIMITS, Word};
use crate::config::{self, Deployment};
use crate::db::{Db, Project, SourceFile};
use crate::diagnostic::Level;
use crate::items::{ItemHead, items};
use crate::rules;
use crate::signature::extern_sig;
use crate::types::{ItemId, OperationId};

/// Something that can stand at a place.
struct Offer {
    name: String,
    kind: CompletionKind,
    what: Option<String>,
}

impl Offer {
    fn word(word: &Word) -> Offer {
        Offer { name: word.name.to_owned(), kind: CompletionKind::Keyword, what: Some(word.what.to_owned()) }
    }

    fn plain(name: &str) -> Offer {
        Offer { name: name.to_owned(), kind: CompletionKind::Keyword, what: None }
    }
}

/// What is said about the word at `at`.
pub fn hover(db: &dyn Db, file: SourceFile, at: u32) -> Option<Hover> {
    let text = file.text(db);
    let span = word_around(text, at as usize)?;
    let name = span.slice(text);
    let place = place(text, span.start as usize);
    let offer = offers(db, &place).into_iter().find(|offer| offer.name == name)?;
    Some(Hover { span, text: format!("`{name}`: {}", offer.what?) })
}

/// What can be written at `at`.
pub fn complete(db: &dyn Db, file: SourceFile, at: u32) -> Completions {
    let text = file.text(db);
    let at = (at as usize).min(text.len());
    let start = at - text[..at].bytes().rev().take_while(|byte| is_word(*byte)).count();
    let place = place(text, start);
    let quoted = text[..start].ends_with(['"', '\'']);
    let item = |offer: Offer| {
        // Only plain words can stand without quotes.
        let needs_quotes = !quoted && !offer.name.bytes().all(is_word);
        let name = if needs_quotes { format!("\"{}\"", offer.name) } else { offer.name.clone() };
        let is_begun = text[at..].trim_start_matches(['"', '\'']).starts_with(':');
        Completion {
            label: offer.name,
            kind: offer.kind,
            detail: None,
            docs: offer.what,
            snippet: if place.is_key && !quoted && !is_begun { format!("{name}: ") } else { name },
            rank: 0,
            imports: Vec::new(),
        }
    };
    let items = if place.is_said { Vec::new() } else { offers(db, &place).into_iter().map(item).collect() };
    Completions { replaced: Span::new(start, at), items }
}

/// What a place can hold: the keys of a mapping, or the values of a key.
fn offers(db: &dyn Db, place: &Place) -> Vec<Offer> {
    let keys: Vec<&str> = place.keys.iter().map(String::as_str).collect();
    let config = config::config(db);
    let deployment = |name: &str| config.deployments.get(name);
    let all = |words: &[Word]| words.iter().map(Offer::word).collect();
    let plain = |names: &[&str]| names.iter().map(|name| Offer::plain(name)).collect();
    if place.is_key {
        return match keys[..] {
            [] => all(words::PROJECT),
            ["rules"] => rules::ALL.iter().map(rule).collect(),
            ["limits"] => LIMITS.iter().map(|(limit, _)| Offer::word(limit)).collect(),
            ["deployments", _] => all(words::DEPLOYMENT),
            ["deployments", _, "stores", _] => of_kind(place, words::STORE_KINDS),
            ["deployments", _, "spaces"] => spaces(db),
            ["deployments", _, "spaces", _] => all(words::KEEPERS),
            ["deployments", _, "externs"] => externs(db),
            ["deployments", _, "externs", _] => of_kind(place, words::EXTERN_KINDS),
            ["deployments", _, "externs", name, "operations"] => operations(db, name),
            ["deployments", _, "externs", _, "operations", _] => all(words::OPERATION),
            _ => Vec::new(),
        };
    }
    match keys[..] {
        ["default-deployment"] => config.deployments.keys().map(|name| Offer::plain(name)).collect(),
        ["rules", _] => plain(&[Level::Error, Level::Warn, Level::Info, Level::Off].map(Level::name)),
        ["deployments", _, "stores", _, "kind"] => all(words::STORE_KINDS),
        ["deployments", name, "spaces", _] | ["deployments", name, "spaces", _, "shard"] => stores(deployment(name)),
        ["deployments", _, "externs", _, "kind"] => all(words::EXTERN_KINDS),
        ["deployments", _, "externs", _, "replays"] => plain(&["true", "false"]),
        ["deployments", _, "externs", _, "operations", _, "method"] => plain(&words::METHODS),
        _ => Vec::new(),
    }
}

fn rule(rule: &&rules::Rule) -> Offer {
    Offer {
        name: rule.name.to_owned(),
        kind: CompletionKind::Rule,
        what: Some(format!("{}; {} unless set", rule.summary, rule.level.name())),
    }
}

/// The fields of a store or extern of the kind that it says, or of all of them.
fn of_kind(place: &Place, kinds: &[Word]) -> Vec<Offer> {
    let known: Vec<&[Word]> = match place.kind.as_deref().and_then(words::of_kind) {
        Some(fields) => vec![fields],
        None => kinds.iter().filter_map(|kind| words::of_kind(kind.name)).collect(),
    };
    let mut offers: Vec<Offer> = Vec::new();
    for word in known.into_iter().flatten() {
        if !offers.iter().any(|offer| offer.name == word.name) {
            offers.push(Offer::word(word));
        }
    }
    offers
}

fn stores(deployment: Option<&Deployment>) -> Vec<Offer> {
    let stores = deployment.into_iter().flat_map(|deployment| &deployment.stores);
    stores
        .map(|(name, store)| Offer {
            name: name.to_string(),
            kind: CompletionKind::Space,
            what: Some(format!("a store of kind {}", store.kind())),
        })
        .collect()
}

/// The declarations of the patterns, with what they are.
fn declared(db: &dyn Db) -> impl Iterator<Item = (ItemId, &ItemHead)> {
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    files.iter().flat_map(move |&file| {
        items(db, file).heads.iter().enumerate().map(move |(index, head)| (ItemId { file, index: index as u32 }, head))
    })
}

fn spaces(db: &dyn Db) -> Vec<Offer> {
    let space = |(id, head): (ItemId, &ItemHead)| match head {
        ItemHead::Space { name, family } => Some(Offer {
            name: if *family { format!("{name}[*]") } else { name.to_string() },
            kind: CompletionKind::Space,
            what: about(db, Definition::Item(id)),
        }),
        _ => None,
    };
    let all = Offer { name: "*".into(), kind: CompletionKind::Space, what: Some("all spaces that no other entry names".into()) };
    declared(db).filter_map(space).chain([all]).collect()
}

fn externs(db: &dyn Db) -> Vec<Offer> {
    let outside = |(id, head): (ItemId, &ItemHead)| match head {
        ItemHead::Extern { name } => {
            Some(Offer { name: name.to_string(), kind: CompletionKind::Extern, what: about(db, Definition::Item(id)) })
        }
        _ => None,
    };
    declared(db).filter_map(outside).collect()
}

fn operations(db: &dyn Db, of: &str) -> Vec<Offer> {
    let wanted = ustr(of);
    let found = declared(db).find(|(_, head)| matches!(head, ItemHead::Extern { name } if *name == wanted));
    let Some((of, sig)) = found.and_then(|(id, _)| Some((id, extern_sig(db, id)?))) else { return Vec::new() };
    let operation = |(index, operation): (usize, &crate::signature::OperationSig)| Offer {
        name: operation.name.to_string(),
        kind: CompletionKind::Operation,
        what: about(db, Definition::Operation(OperationId { of, index: index as u32 })),
    };
    sig.operations.iter().enumerate().map(operation).collect()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// The word at a place; `user[*]` is one.
fn word_around(text: &str, at: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let at = at.min(bytes.len());
    let start = at - bytes[..at].iter().rev().take_while(|byte| is_word(**byte)).count();
    let mut end = at + bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
    if text[end..].starts_with("[*]") {
        end += "[*]".len();
    }
    (start < end).then(|| Span::new(start, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;

    const PATTERN: &str =
        "/// Where all live.\nspace home\nspace user[Text]\nextern pay {\n  /// Takes money.\n  charge(n: Int) -> Int idempotent\n}\n";

    /// The project with this configuration, in which a `|` is the cursor.
    fn project(config: &str) -> (Database, SourceFile, u32) {
        let at = config.find('|').expect("a place is meant");
        let mut db = Database::default();
        db.set_project(&[("a.pattern", PATTERN)], Some(("patternc.yaml", &config.replacen('|', "", 1))));
        let file = Project::get(&db).config(&db).expect("it was given");
        (db, file, at as u32)
    }

    /// What is offered, as it is inserted.
    fn offered(config: &str) -> Vec<String> {
        let (db, file, at) = project(config);
        complete(&db, file, at).items.into_iter().map(|item| item.snippet).collect()
    }

    #[test]
    fn what_can_be_written_is_offered() {
        assert_eq!(offered("|")[..2], ["project: ", "patterns: "]);
        assert!(offered("rules:\n  late-|").contains(&"late-check: ".to_owned()));
        assert_eq!(offered("rules: { late-check: | }"), ["error", "warn", "info", "off"]);
        assert!(offered("limits:\n  |").contains(&"keep-outcomes: ".to_owned()));
        let deployment = "default-deployment: other\ndeployments:\n  local:\n    stores:\n      main: { kind: memory }\n";
        assert_eq!(offered(&format!("{deployment}    spaces: {{ home: | }}")), ["main"]);
        assert_eq!(offered(&format!("{deployment}    spaces:\n      |")), ["home: ", "\"user[*]\": ", "\"*\": "]);
        assert_eq!(offered(&format!("{deployment}    spaces:\n      \"|\": main")), ["home", "user[*]", "*"]);
        assert_eq!(offered(&deployment.replace("other", "|")), ["local"]);
        assert_eq!(offered(&deployment.replace("memory", "|")), ["memory", "sqlite", "postgres"]);
        assert_eq!(offered(&deployment.replace("memory", "sqlite, |")), ["kind: ", "path: "]);
        let outside = "deployments:\n  local:\n    externs:\n      pay:\n        kind: http\n        operations:\n          charge: { method: POST }\n";
        assert_eq!(offered(&outside.replace("pay:", "|:")), ["pay"]);
        assert_eq!(offered(&outside.replace("charge:", "|")), ["charge: "]);
        assert_eq!(offered(&outside.replace("POST", "|"))[..2], ["GET", "POST"]);
        assert!(offered("project: x # |").is_empty() && offered("project: |").is_empty());
    }

    #[test]
    fn a_word_says_what_it_means() {
        let said = |config: &str| {
            let (db, file, at) = project(config);
            hover(&db, file, at).map(|hover| (hover.span.slice(file.text(&db)).to_owned(), hover.text))
        };
        let (span, text) = said("default-dep|loyment: local\n").expect("it is known");
        assert_eq!(span, "default-deployment");
        assert!(text.starts_with("`default-deployment`: the deployment that `run`"), "{text}");
        assert!(said("rules: { late-|check: off }").is_some_and(|(_, text)| text.contains("unless set")));
        let spaces = "deployments: { l: { stores: { m: { kind: sq|lite } }, spaces: { \"user[*]\": m } } }";
        assert!(said(spaces).is_some_and(|(_, text)| text.contains("one file")));
        let family = spaces.replace('|', "").replace("user", "us|er");
        assert!(said(&family).is_some_and(|(span, text)| span == "user[*]" && text.contains("space user[Text]")));
        assert_eq!(said("proj|: x\n"), None);
    }
}
