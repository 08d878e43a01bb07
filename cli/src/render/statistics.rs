//! How often each rule was found, the most frequent first.

use std::collections::BTreeMap;
use std::io::{self, Write};

use patternc_compiler::diagnostic::Level;
use serde_json::{Value, json};

use super::Report;

/// As a table: number, level, rule, and how many of them a fix mends.
pub fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let rows = rows(reports);
    let width = rows.iter().map(|row| row.found.to_string().len()).max().unwrap_or(0);
    for row in rows {
        let fixable = if row.fixable > 0 { format!(" ({} with a fix)", row.fixable) } else { String::new() };
        writeln!(out, "{:>width$} {}[{}]{fixable}", row.found, row.level.name(), row.rule)?;
    }
    Ok(())
}

/// As a JSON array.
pub fn write_json(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let rows: Vec<Value> = rows(reports)
        .iter()
        .map(|row| json!({ "rule": row.rule, "level": row.level.name(), "count": row.found, "fixable": row.fixable }))
        .collect();
    serde_json::to_writer_pretty(&mut *out, &rows)?;
    writeln!(out)
}

struct Row {
    rule: &'static str,
    level: Level,
    found: usize,
    fixable: usize,
}

fn rows(reports: &[Report]) -> Vec<Row> {
    let mut by_rule: BTreeMap<(&'static str, Level), (usize, usize)> = BTreeMap::new();
    for report in reports {
        let (found, fixable) = by_rule.entry((report.finding.rule, report.finding.level)).or_default();
        *found += 1;
        *fixable += usize::from(!report.finding.fixes.is_empty());
    }
    let mut rows: Vec<Row> = by_rule.into_iter().map(|((rule, level), (found, fixable))| Row { rule, level, found, fixable }).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.found), row.rule));
    rows
}
