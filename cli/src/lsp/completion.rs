//! What can be written, in the protocol's form.

use patternc_compiler::ide::complete::{Completion, CompletionKind, Completions};
use serde_json::{Value, json};

use super::position::Lines;
use super::server::Client;

/// The offers as a list. Their texts replace the word that is begun.
pub fn items(found: Completions, lines: &Lines<'_>, client: Client) -> Value {
    let range = lines.range(found.replaced);
    let items: Vec<Value> = found.items.iter().map(|one| item(one, &range, lines, client)).collect();
    json!({ "isIncomplete": false, "items": items })
}

fn item(one: &Completion, range: &Value, lines: &Lines<'_>, client: Client) -> Value {
    let text = if client.snippets { one.snippet.clone() } else { plain(&one.snippet) };
    let is_snippet = client.snippets && one.snippet.contains(['$', '\\']);
    let mut item = json!({
        "label": one.label,
        "kind": kind(one.kind),
        "sortText": format!("{}{}", one.rank, one.label),
        "filterText": one.label,
        "insertTextFormat": if is_snippet { 2 } else { 1 },
        "textEdit": { "range": range, "newText": text },
    });
    if let Some(detail) = &one.detail {
        item["detail"] = detail.as_str().into();
    }
    if let Some(docs) = &one.docs {
        item["documentation"] = json!({ "kind": "markdown", "value": docs });
    }
    if !one.imports.is_empty() {
        let edits = one.imports.iter().map(|(span, text)| json!({ "range": lines.range(*span), "newText": text }));
        item["additionalTextEdits"] = edits.collect();
    }
    item
}

/// A snippet for an editor that has none: the names of the places stand for them.
fn plain(snippet: &str) -> String {
    let mut out = String::with_capacity(snippet.len());
    let mut chars = snippet.chars().peekable();
    // Whether the names of a place, or the first of its choices, are being read.
    let mut in_place = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '$' if chars.peek() == Some(&'{') => {
                in_place = true;
                chars.next();
                while chars.next_if(char::is_ascii_digit).is_some() {}
                chars.next_if(|c| matches!(c, ':' | '|'));
            }
            '$' => while chars.next_if(char::is_ascii_digit).is_some() {},
            ',' if in_place && out.ends_with("readonly") => {
                // Of several choices the first counts.
                while chars.next_if(|c| *c != '}').is_some() {}
            }
            '}' if in_place => in_place = false,
            c => out.push(c),
        }
    }
    out
}

/// As the protocol counts the kinds.
fn kind(kind: CompletionKind) -> u8 {
    match kind {
        CompletionKind::Keyword => 14,
        CompletionKind::Snippet => 15,
        CompletionKind::Local => 6,
        CompletionKind::Cell => 10,
        CompletionKind::Field => 5,
        CompletionKind::Handler | CompletionKind::Method | CompletionKind::Operation => 2,
        CompletionKind::Function => 3,
        CompletionKind::Record => 7,
        CompletionKind::Struct => 22,
        CompletionKind::Enum => 13,
        CompletionKind::Variant => 20,
        CompletionKind::Space | CompletionKind::Extern | CompletionKind::Mirror => 9,
        CompletionKind::Type => 25,
        CompletionKind::Rule => 12,
        CompletionKind::File => 17,
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn without_snippets_the_names_of_the_places_stand() {
        assert_eq!(plain("link(${1:target})$0"), "link(target)");
        assert_eq!(plain("{ name: ${1:name} \\}"), "{ name: name }");
        assert_eq!(plain("if $1 {\n  $0\n\\}"), "if  {\n  \n}");
    }
}
