//! GitLab's code quality report: a subset of what Code Climate defined.

use std::collections::HashMap;
use std::io::{self, Write};

use patternc_compiler::diagnostic::Level;
use serde_json::{Value, json};

use super::Report;

pub fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let issues = reports.iter().map(|report| {
        let (place, finding) = (&report.places[0], &report.finding);
        // GitLab takes two issues of one fingerprint for one.
        let times = seen.entry(report.fingerprint.to_string()).or_default();
        *times += 1;
        let fingerprint = if *times == 1 { report.fingerprint.to_string() } else { format!("{}-{times}", report.fingerprint) };
        json!({
            "type": "issue",
            "description": finding.message,
            "check_name": finding.rule,
            "categories": ["Bug Risk"],
            "fingerprint": fingerprint,
            "severity": match finding.level {
                Level::Error => "critical",
                Level::Warn => "minor",
                Level::Info | Level::Off => "info",
            },
            "location": {
                "path": place.path,
                "positions": {
                    "begin": { "line": place.start.line, "column": place.start.column },
                    "end": { "line": place.end.line, "column": place.end.column },
                },
                "lines": { "begin": place.start.line, "end": place.end.line },
            },
        })
    });
    let issues: Vec<Value> = issues.collect();
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}
