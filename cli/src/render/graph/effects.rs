//! The table of effects.

use std::fmt::Write;

use patternc_compiler::graph::table::Row;
use serde_json::{Value, json};

/// Each handler with what it does, a line each; what arms do is set apart.
pub fn text(rows: &[Row]) -> String {
    let mut out = String::new();
    for (index, row) in rows.iter().enumerate() {
        let _ = writeln!(out, "{}{}  in {}", if index == 0 { "" } else { "\n" }, row.handler, row.space);
        let width = row.entries.iter().map(|entry| entry.on.chars().count()).max().unwrap_or_default();
        for entry in &row.entries {
            let arm = match entry.arm {
                Some(true) => "ok",
                Some(false) => "err",
                None => "",
            };
            let padding = " ".repeat(width - entry.on.chars().count());
            let line = format!("  {arm:<3} {:<8} {}{padding}  {}", entry.what, entry.on, entry.at);
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    out
}

/// One array of objects `handler space effects[]`.
pub fn json(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let arm = |arm: Option<bool>| arm.map(|ok| if ok { "ok" } else { "err" });
        let entries = row.entries.iter().map(|entry| json!({ "arm": arm(entry.arm), "what": entry.what, "on": entry.on, "at": entry.at }));
        json!({ "handler": row.handler, "space": row.space, "effects": entries.collect::<Vec<Value>>() })
    };
    format!("{:#}\n", Value::from(rows.iter().map(row).collect::<Vec<Value>>()))
}
