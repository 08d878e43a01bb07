//! SARIF 2.1.0 (OASIS): findings with their rules and fixes, as code hosts and editors read them.

use std::io::{self, Write};

use patternc_compiler::diagnostic::Level;
use patternc_compiler::rules::{self, Rule};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Place, Report};

pub fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "patternc",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules::ALL.iter().map(|rule| describe(rule)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": reports.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn describe(rule: &Rule) -> Value {
    json!({
        "id": rule.name,
        "shortDescription": { "text": rule.summary },
        "help": { "text": rule.page.trim(), "markdown": rule.page.trim() },
        "defaultConfiguration": { "enabled": rule.level != Level::Off, "level": level(rule.level) },
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "note",
        Level::Off => "none",
    }
}

fn result(report: &Report) -> Value {
    let finding = &report.finding;
    let mut text = finding.message.clone();
    for line in finding.notes.iter().chain(&finding.help) {
        text.push('\n');
        text.push_str(line);
    }
    let mut object = json!({
        "ruleId": finding.rule,
        "level": level(finding.level),
        "message": { "text": text },
        "locations": [location(&report.places[0])],
        "partialFingerprints": { "patternc/v1": report.fingerprint.to_string() },
    });
    if let Some(confirmed) = &report.confirmed {
        object["properties"] = json!({ "confirmed": super::json::confirmed_value(confirmed) });
    }
    if let Some(index) = rules::ALL.iter().position(|rule| rule.name == finding.rule) {
        object["ruleIndex"] = index.into();
    }
    let related = report.places[1..].iter().enumerate().map(|(id, place)| {
        let mut related = location(place);
        related["id"] = (id + 1).into();
        related
    });
    let related: Vec<Value> = related.collect();
    if !related.is_empty() {
        object["relatedLocations"] = related.into();
    }
    let fixes = finding
        .fixes
        .iter()
        .zip(&report.edits)
        .map(|(fix, edits)| json!({ "description": { "text": fix.title }, "artifactChanges": changes(edits) }));
    let fixes: Vec<Value> = fixes.collect();
    if !fixes.is_empty() {
        object["fixes"] = fixes.into();
    }
    object
}

/// Edits by file, each file once.
fn changes(edits: &[Place]) -> Vec<Value> {
    let mut files: Vec<(&str, Vec<Value>)> = Vec::new();
    for edit in edits {
        let replacement = json!({ "deletedRegion": region(edit), "insertedContent": { "text": edit.label } });
        match files.iter_mut().find(|(path, _)| *path == edit.path) {
            Some((_, replacements)) => replacements.push(replacement),
            None => files.push((&edit.path, vec![replacement])),
        }
    }
    let change = |(path, replacements)| json!({ "artifactLocation": { "uri": uri(path) }, "replacements": replacements });
    files.into_iter().map(change).collect()
}

fn location(place: &Place) -> Value {
    let mut object = json!({ "physicalLocation": { "artifactLocation": { "uri": uri(&place.path) }, "region": region(place) } });
    if !place.label.is_empty() {
        object["message"] = json!({ "text": place.label });
    }
    object
}

fn region(place: &Place) -> Value {
    json!({
        "startLine": place.start.line,
        "startColumn": place.start.column,
        "endLine": place.end.line,
        "endColumn": place.end.column,
    })
}

/// A path as a URI reference: what such a reference may not have is percent-encoded (RFC 3986).
fn uri(path: &str) -> String {
    const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    utf8_percent_encode(path, &ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_uris() {
        assert_eq!(super::uri("a b/ü.pattern"), "a%20b/%C3%BC.pattern");
    }
}
