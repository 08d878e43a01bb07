//! Hundreds of edits: what is known afterwards is what a server that starts anew would know.

use std::collections::BTreeMap;

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::Location;
use serde_json::{Value, json};

use super::{Editor, NOTES, PEOPLE, at, change_all, project};
use crate::patternc::repository;

/// Numbers that look like chance (xorshift, Marsaglia 2003), the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// What is found in texts by a check that never saw others: by file, rule, level, first line of the message, and where.
fn cold(files: &BTreeMap<&str, String>) -> BTreeMap<String, Vec<Value>> {
    let mut db = Database::default();
    let texts: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    db.set_project(&texts, Some(("patternc.yaml", "project: people\n")));
    let mut by_file: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for finding in check(&db, &CheckOptions::default()) {
        let Location::Span(file, span) = finding.primary.at else { panic!("{finding:?} is nowhere") };
        let (path, text) = (file.path(&db).to_string(), file.text(&db));
        let place = json!({ "start": at(text, span.start as usize), "end": at(text, span.end as usize) });
        by_file.entry(path).or_default().push(json!([finding.rule, finding.level.name(), finding.message.lines().next(), place]));
    }
    by_file
}

/// The same of a finding that was published.
fn summary(finding: &Value) -> Value {
    let level = match finding["severity"].as_u64() {
        Some(1) => "error",
        Some(2) => "warn",
        _ => "info",
    };
    let message = finding["message"].as_str().and_then(|message| message.lines().next());
    json!([finding["code"], level, message, finding["range"]])
}

/// What an editor asks about a file whenever it changes, and a few questions about places in it.
fn answers(editor: &mut Editor, file: &str, text: &str) -> Vec<(String, Value)> {
    let document = json!({ "uri": editor.uri(file) });
    let mut all = Vec::new();
    for method in ["semanticTokens/full", "documentSymbol", "foldingRange", "inlayHint", "codeLens"] {
        let answer = editor.request(&format!("textDocument/{method}"), json!({ "textDocument": document }));
        all.push((method.to_owned(), answer));
    }
    for (byte, _) in text.char_indices().step_by(97) {
        for method in ["hover", "definition", "references", "completion", "signatureHelp"] {
            let params = json!({ "textDocument": document, "position": at(text, byte), "context": { "includeDeclaration": true } });
            let answer = editor.request(&format!("textDocument/{method}"), params);
            assert_ne!(answer["code"], -32603, "{method} at {byte} is a mistake of the server:\n{text}");
            all.push((format!("{method} at {byte}"), answer));
        }
    }
    all
}

/// Hundreds of chance edits in two files that are open, each a few characters or a piece of a line: after each the findings of all files are
/// those of a check that starts anew, and now and then all answers are those of a server that starts anew.
#[test]
fn after_every_edit_findings_are_those_of_a_cold_check() {
    let corpus = std::fs::read_to_string(repository().join("patterns/library/library.pattern")).expect("an example");
    let pieces = [
        "",
        "",
        " ",
        "\n",
        "\r\n",
        "}",
        "{",
        "(",
        "\"",
        "self.",
        "send ",
        "😀",
        "ü",
        "// ",
        "require ",
        "target",
        "Int",
        "@any",
        " = ",
        "1",
        "let x = ",
        "\n\n",
        "writes Person.members ",
        "in home",
        "delete self\n",
        ".name",
        ", ",
    ];
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for (round, first) in [("people.pattern", PEOPLE), ("library.pattern", &corpus)].into_iter().enumerate() {
        let folder = project();
        let mut editor = Editor::start(folder.path());
        editor.initialize(json!({}));
        let start = BTreeMap::from([first, ("notes.pattern", NOTES)]);
        start.iter().for_each(|(file, text)| editor.open(file, 0, text));
        let mut texts = BTreeMap::from([("people.pattern", PEOPLE.to_owned())]);
        texts.extend(start.iter().map(|(file, text)| (*file, text.to_string())));
        for version in 1..=120 {
            let file = if chance.below(3) == 0 { "notes.pattern" } else { first.0 };
            // Now and then back to a text without errors, so that edits do not only pile up.
            if version % 12 == 0 {
                change_all(&mut editor, file, version, start[file]);
                texts.insert(file, start[file].to_owned());
            } else {
                let text = texts.get_mut(file).expect("it is open");
                // No editor has a place between the two characters of an end of a line.
                let boundary = |mut byte: usize, text: &str| {
                    while !text.is_char_boundary(byte) || text[..byte].ends_with('\r') && text[byte..].starts_with('\n') {
                        byte -= 1;
                    }
                    byte
                };
                let from = boundary(chance.below(text.len() + 1), text);
                let to = boundary((from + chance.below(12)).min(text.len()), text).max(from);
                let new = pieces[chance.below(pieces.len())];
                let range = json!({ "start": at(text, from), "end": at(text, to) });
                let uri = editor.uri(file);
                editor.notify(
                    "textDocument/didChange",
                    json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": [{ "range": range, "text": new }] }),
                );
                text.replace_range(from..to, new);
                editor.settled(file, version);
            }
            let expected = cold(&texts);
            for (name, text) in &texts {
                let uri = editor.uri(name);
                let shown: Vec<Value> = editor.findings.get(&uri).and_then(Value::as_array).into_iter().flatten().map(summary).collect();
                let expected = expected.get(*name).cloned().unwrap_or_default();
                assert_eq!(Value::from(shown), Value::from(expected), "{name} at version {version} of round {round}\n{text}");
            }
            if version % 40 == 7 {
                let mut fresh = Editor::start(folder.path());
                fresh.initialize(json!({}));
                start.keys().for_each(|file| fresh.open(file, 0, &texts[file]));
                for file in start.keys() {
                    let (old, new) = (answers(&mut editor, file, &texts[file]), answers(&mut fresh, file, &texts[file]));
                    old.iter().zip(&new).for_each(|(old, new)| assert_eq!(old, new, "{file} at version {version}\n{}", texts[file]));
                }
                assert_eq!(fresh.end(), Some(0));
            }
        }
        assert_eq!(editor.end(), Some(0));
    }
}
