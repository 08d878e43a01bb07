//! Quick fixes: those of the findings that work.

use std::collections::BTreeMap;

use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::db::SourceFile;
use patternc_compiler::diagnostic::{Diagnostic, Fix, Location, Safety};
use patternc_compiler::fixes::{self, Choice};
use patternc_compiler::location::locate;
use serde_json::{Value, json};

use super::findings::Ticket;
use super::formatting;
use super::position::{Encoding, Lines};
use super::uri;
use crate::project::Loaded;

/// Which fixes work, as far as they were tried, in one state of one project: an editor asks whenever the cursor moves.
#[derive(Default)]
pub struct Tried {
    state: Option<Ticket>,
    works: BTreeMap<Choice, bool>,
}

/// What is asked about.
pub struct Asked<'a> {
    pub state: Ticket,
    pub file: SourceFile,
    pub encoding: Encoding,
    pub params: &'a Value,
}

/// The fixes of the findings in a range, and all safe fixes of the file in one where that is asked for.
pub fn actions(loaded: &mut Loaded, tried: &mut Tried, asked: &Asked<'_>) -> Value {
    let params = asked.params;
    let only: Vec<&str> = params["context"]["only"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let wants = |kind: &str| only.is_empty() || only.iter().any(|one| kind == *one || kind.starts_with(&format!("{one}.")));
    let mut actions = if wants("quickfix") { quick_fixes(loaded, tried, asked) } else { Vec::new() };
    if only.iter().any(|kind| kind.starts_with("source")) && wants("source.fixAll") {
        actions.extend(all_safe_fixes(loaded, asked));
    }
    actions.into()
}

fn quick_fixes(loaded: &mut Loaded, tried: &mut Tried, asked: &Asked<'_>) -> Vec<Value> {
    let lines = Lines::new(asked.file.text(&loaded.db), asked.encoding);
    let Some(range) = lines.span(&asked.params["range"]) else { return Vec::new() };
    let findings = check::check(&loaded.db, &CheckOptions::default());
    let at = |finding: &Diagnostic| match finding.primary.at {
        Location::Span(file, span) if file == asked.file => Some(span).filter(|span| span.start <= range.end && range.start <= span.end),
        _ => None,
    };
    let here = findings.iter().enumerate().filter(|(_, finding)| at(finding).is_some());
    let choices: Vec<Choice> = here.flat_map(|(finding, found)| (0..found.fixes.len()).map(move |fix| Choice { finding, fix })).collect();
    if tried.state != Some(asked.state) {
        *tried = Tried { state: Some(asked.state), works: BTreeMap::new() };
    }
    let unknown: Vec<Choice> = choices.iter().copied().filter(|choice| !tried.works.contains_key(choice)).collect();
    if !unknown.is_empty() {
        let flaws = fixes::flaws(&mut loaded.db, &CheckOptions::default(), &findings, unknown.iter().copied());
        tried.works.extend(unknown.into_iter().map(|choice| (choice, !flaws.contains_key(&choice))));
    }
    let lines = Lines::new(asked.file.text(&loaded.db), asked.encoding);
    let mut preferred = None;
    let mut actions = Vec::new();
    for choice in choices.into_iter().filter(|choice| tried.works[choice]) {
        let (finding, fix) = (&findings[choice.finding], &findings[choice.finding].fixes[choice.fix]);
        // The first of each finding, if nothing can be lost by it.
        let is_first = preferred.replace(choice.finding) != Some(choice.finding);
        let mut action = json!({
            "title": fix.title,
            "kind": "quickfix",
            "isPreferred": is_first && fix.safety == Safety::Safe,
            "edit": edit(loaded, asked.encoding, fix),
        });
        let range = at(finding).map(|span| lines.range(span)).unwrap_or_default();
        if let Some(reported) = reported(asked.params, finding.rule, &range) {
            action["diagnostics"] = json!([reported]);
        }
        actions.push(action);
    }
    actions
}

/// All safe fixes of the file that work, followed to the end.
fn all_safe_fixes(loaded: &mut Loaded, asked: &Asked<'_>) -> Option<Value> {
    let followed = fixes::follow(&mut loaded.db, &CheckOptions::default(), |db, findings| {
        let of_file = |finding: &Diagnostic| locate(db, finding.primary.at).is_some_and(|(file, _)| file == asked.file);
        fixes::choices(findings, |finding, fix| fix.safety == Safety::Safe && of_file(finding))
    });
    let mut changes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (file, old) in followed.before {
        let lines = Lines::new(&old, asked.encoding);
        let edits = formatting::edits(&old, file.text(&loaded.db));
        let edits = edits.into_iter().map(|(span, new)| json!({ "range": lines.range(span), "newText": new })).collect();
        changes.insert(uri(loaded, file), edits);
        // The editor makes the change, and tells of it.
        loaded.db.set_text(file, &old);
    }
    (!changes.is_empty()).then(|| json!({ "title": "apply all safe fixes", "kind": "source.fixAll", "edit": { "changes": changes } }))
}

/// The finding as the editor sent it along.
fn reported(params: &Value, rule: &str, range: &Value) -> Option<Value> {
    let all = params["context"]["diagnostics"].as_array()?;
    all.iter().find(|one| one["code"] == rule && one["range"] == *range).cloned()
}

fn edit(loaded: &Loaded, encoding: Encoding, fix: &Fix) -> Value {
    let mut changes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for edit in &fix.edits {
        let range = Lines::new(edit.file.text(&loaded.db), encoding).range(edit.span);
        changes.entry(uri(loaded, edit.file)).or_default().push(json!({ "range": range, "newText": edit.text }));
    }
    json!({ "changes": changes })
}

fn uri(loaded: &Loaded, file: SourceFile) -> String {
    uri::of_path(&loaded.folder().join(&**file.path(&loaded.db)))
}
