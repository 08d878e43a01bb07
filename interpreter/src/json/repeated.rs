//! Names that an object has twice. JSON allows it, readers differ in which one counts, and whoever wrote it meant both.

use rustc_hash::FxHashSet;

/// The first name that an object inside `text` has twice. The text is JSON, which has been tested.
pub(crate) fn repeated_name(text: &str) -> Option<String> {
    // The names of each object around the place; arrays have none.
    let mut around: Vec<FxHashSet<String>> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => around.push(FxHashSet::default()),
            b'}' | b']' => {
                around.pop();
            }
            b'"' => {
                let end = end_of_text(bytes, at);
                if bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') {
                    let name: String = serde_json::from_str(&text[at..end]).ok()?;
                    if let Some(repeated) = around.last_mut()?.replace(name) {
                        return Some(repeated);
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Behind the closing quote of the text that opens at `start`.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::repeated_name;

    #[test]
    fn names_are_told_apart_from_texts_and_by_object() {
        for (json, repeated) in [
            (r#"{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}],"d":"a","e":"\"a\":"}"#, None),
            (r#"{"a":1 , "b" : 2, "a" : 3}"#, Some("a")),
            (r#"{"x":[{"a":1,"\u0061":2}]}"#, Some("a")),
            (r#"{"x":{"ü\\":1,"ü\\":2}}"#, Some("ü\\")),
            (r#""a""#, None),
        ] {
            assert_eq!(repeated_name(json).as_deref(), repeated, "{json}");
        }
    }
}
