//! One JSON array of findings. Positions count from 1, in characters.

use std::io::{self, Write};

use patternc_compiler::diagnostic::Safety;
use serde_json::{Value, json};

use super::{Place, Report};
use crate::confirm::Confirmed;

pub fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let all: Vec<Value> = reports.iter().map(value).collect();
    serde_json::to_writer_pretty(&mut *out, &all)?;
    writeln!(out)
}

/// The finding as a JSON object.
pub fn value(report: &Report) -> Value {
    let finding = &report.finding;
    let mut object = json!({ "rule": finding.rule, "level": finding.level.name(), "message": finding.message });
    extend(&mut object, range(&report.places[0]));
    object["labels"] = report.places.iter().map(|p| with(range(p), "message", p.label.clone().into())).collect();
    object["notes"] = finding.notes.clone().into();
    object["help"] = finding.help.clone().into();
    if let Some(confirmed) = &report.confirmed {
        object["confirmed"] = confirmed_value(confirmed);
    }
    object["fixes"] = finding
        .fixes
        .iter()
        .zip(&report.edits)
        .map(|(fix, edits)| {
            json!({
                "title": fix.title,
                "safety": match fix.safety { Safety::Safe => "safe", Safety::Unsafe => "unsafe" },
                "edits": edits.iter().map(|p| with(range(p), "text", p.label.clone().into())).collect::<Vec<_>>(),
            })
        })
        .collect();
    object
}

/// What running a finding showed.
pub fn confirmed_value(confirmed: &Confirmed) -> Value {
    match confirmed {
        Confirmed::Shown { story, end } => json!({ "verdict": confirmed.name(), "steps": super::story::steps(story), "end": end }),
        Confirmed::NotFound(within) => json!({ "verdict": confirmed.name(), "within": within }),
        Confirmed::Possible(why) => json!({ "verdict": confirmed.name(), "why": why }),
    }
}

fn range(place: &Place) -> Value {
    json!({
        "path": place.path,
        "line": place.start.line,
        "column": place.start.column,
        "end_line": place.end.line,
        "end_column": place.end.column,
    })
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
