//! What is known about the name under the pointer, and the call around the cursor.

use patternc_compiler::ide;
use serde_json::{Value, json};

use super::position::Lines;
use super::workspace::At;

pub fn hover(at: At<'_>, lines: &Lines<'_>, offset: u32) -> Value {
    shown(ide::hover::hover(at.db(), at.file, offset), lines)
}

/// What is known about a word of a `patternc.yaml`.
pub fn configuration(at: At<'_>, lines: &Lines<'_>, offset: u32) -> Value {
    shown(ide::configuration::hover(at.db(), at.file, offset), lines)
}

fn shown(hover: Option<ide::hover::Hover>, lines: &Lines<'_>) -> Value {
    match hover {
        Some(hover) => json!({ "contents": { "kind": "markdown", "value": hover.text }, "range": lines.range(hover.span) }),
        None => Value::Null,
    }
}

/// The parameters of the call around the cursor.
pub fn signature_help(at: At<'_>, offset: u32) -> Value {
    let Some(call) = ide::call::call_at(at.db(), at.file, offset) else { return Value::Null };
    let parameters: Vec<Value> = call.params.iter().map(|label| json!({ "label": label })).collect();
    let mut signature = json!({ "label": call.label, "parameters": parameters, "activeParameter": call.active });
    if let Some(docs) = call.docs {
        signature["documentation"] = json!({ "kind": "markdown", "value": docs });
    }
    json!({ "signatures": [signature], "activeSignature": 0, "activeParameter": call.active })
}
