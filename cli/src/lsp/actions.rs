//! Quick fixes: those that findings carry.

use std::collections::BTreeMap;

use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::diagnostic::{Diagnostic, Fix, Location, Safety};
use serde_json::{Value, json};

use super::navigation::Places;
use super::position::Lines;

/// The fixes of the findings in a range, and one of all safe fixes of the file where that is asked for.
pub fn actions(places: &Places<'_>, params: &Value) -> Value {
    let (db, file) = (places.at.db(), places.at.file);
    let lines = Lines::new(places.at.text(), places.encoding);
    let Some(range) = lines.span(&params["range"]) else { return json!([]) };
    let only: Vec<&str> = params["context"]["only"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let wants = |kind: &str| only.is_empty() || only.iter().any(|one| kind == *one || kind.starts_with(&format!("{one}.")));
    let options = CheckOptions::default();
    let findings: Vec<Diagnostic> = check::check_file(db, file)
        .iter()
        .filter_map(|finding| check::at_level(db, finding, &options))
        .filter(|finding| !finding.fixes.is_empty())
        .collect();
    let mut actions = Vec::new();
    if wants("quickfix") {
        for finding in &findings {
            let Location::Span(at, span) = finding.primary.at else { continue };
            if at != file || span.end < range.start || span.start > range.end {
                continue;
            }
            let reported = reported(params, finding.rule, &lines.range(span));
            for (index, fix) in finding.fixes.iter().enumerate() {
                let mut action = json!({
                    "title": fix.title,
                    "kind": "quickfix",
                    "isPreferred": index == 0 && fix.safety == Safety::Safe,
                    "edit": edit(places, std::iter::once(fix)),
                });
                if let Some(reported) = &reported {
                    action["diagnostics"] = json!([reported]);
                }
                actions.push(action);
            }
        }
    }
    if only.iter().any(|kind| kind.starts_with("source")) && wants("source.fixAll") {
        let safe = disjoint(findings.iter().filter_map(|finding| finding.fixes.iter().find(|fix| fix.safety == Safety::Safe)));
        if !safe.is_empty() {
            actions.push(json!({ "title": "apply all safe fixes", "kind": "source.fixAll", "edit": edit(places, safe.into_iter()) }));
        }
    }
    actions.into()
}

/// The finding as the editor sent it along.
fn reported(params: &Value, rule: &str, range: &Value) -> Option<Value> {
    let all = params["context"]["diagnostics"].as_array()?;
    all.iter().find(|one| one["code"] == rule && one["range"] == *range).cloned()
}

/// Of fixes that touch the same text, the first.
fn disjoint<'f>(fixes: impl Iterator<Item = &'f Fix>) -> Vec<&'f Fix> {
    let mut taken: Vec<&Fix> = Vec::new();
    for fix in fixes {
        let touches = |other: &&Fix| {
            other
                .edits
                .iter()
                .any(|a| fix.edits.iter().any(|b| a.file == b.file && a.span.start <= b.span.end && b.span.start <= a.span.end))
        };
        if !taken.iter().any(touches) {
            taken.push(fix);
        }
    }
    taken
}

fn edit<'f>(places: &Places<'_>, fixes: impl Iterator<Item = &'f Fix>) -> Value {
    let db = places.at.db();
    let mut changes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for edit in fixes.flat_map(|fix| &fix.edits) {
        let range = Lines::new(edit.file.text(db), places.encoding).range(edit.span);
        changes.entry(places.uri(edit.file)).or_default().push(json!({ "range": range, "newText": edit.text }));
    }
    json!({ "changes": changes })
}
