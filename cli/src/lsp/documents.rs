//! The texts that the editor has open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::position::{Encoding, Lines};

/// A text that the editor has open: its own words count, not those on disk.
pub struct Document {
    /// As the editor names it.
    pub uri: String,
    pub version: Option<i64>,
    pub text: String,
}

/// The open texts, by path.
#[derive(Default)]
pub struct Documents(BTreeMap<PathBuf, Document>);

impl Documents {
    pub fn open(&mut self, path: PathBuf, document: Document) {
        self.0.insert(path, document);
    }

    pub fn close(&mut self, path: &Path) {
        self.0.remove(path);
    }

    pub fn get(&self, path: &Path) -> Option<&Document> {
        self.0.get(path)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&PathBuf, &Document)> {
        self.0.iter()
    }

    /// Applies the changes of a `didChange`, in their order; the whole text without a range. `None` if one of them is no change.
    pub fn change(&mut self, path: &Path, version: Option<i64>, changes: &Value, encoding: Encoding) -> Option<&str> {
        let document = self.0.get_mut(path)?;
        document.version = version;
        for change in changes.as_array()? {
            let new = change.get("text")?.as_str()?;
            match change.get("range").filter(|range| !range.is_null()) {
                None => document.text = new.to_owned(),
                Some(range) => {
                    let span = Lines::new(&document.text, encoding).span(range)?;
                    document.text.replace_range(span.start as usize..span.end as usize, new);
                }
            }
        }
        Some(&document.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_apply_one_after_the_other() {
        let mut documents = Documents::default();
        let path = Path::new("/a");
        documents.open(path.into(), Document { uri: "file:///a".into(), version: None, text: "one\ntwo\n".into() });
        let at = |line, from, to| json!({ "start": { "line": line, "character": from }, "end": { "line": line, "character": to } });
        let changes = json!([{ "range": at(1, 0, 3), "text": "zwei\ndrei" }, { "range": at(2, 0, 1), "text": "D" }]);
        assert_eq!(documents.change(path, Some(2), &changes, Encoding::Utf16), Some("one\nzwei\nDrei\n"));
        assert_eq!(documents.change(path, Some(3), &json!([{ "text": "all" }]), Encoding::Utf16), Some("all"));
        assert_eq!(documents.change(path, Some(3), &json!([{ "no": "text" }]), Encoding::Utf16), None);
    }
}
