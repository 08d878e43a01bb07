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

    /// Applies the changes of a `didChange`, in their order, up to the first that is none; the whole text without a range. `None` if the text
    /// is not open.
    pub fn change(&mut self, path: &Path, version: Option<i64>, changes: &Value, encoding: Encoding) -> Option<Changed<'_>> {
        let document = self.0.get_mut(path)?;
        document.version = version;
        let apply = |text: &mut String, change: &Value| -> Option<()> {
            let new = change.get("text")?.as_str()?;
            match change.get("range").filter(|range| !range.is_null()) {
                None => *text = new.to_owned(),
                Some(range) => {
                    let span = Lines::new(text, encoding).span(range)?;
                    text.replace_range(span.start as usize..span.end as usize, new);
                }
            }
            Some(())
        };
        let understood = changes.as_array().is_some_and(|all| all.iter().all(|change| apply(&mut document.text, change).is_some()));
        Some(Changed { text: &document.text, understood })
    }
}

/// What became of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Changed<'d> {
    pub text: &'d str,
    /// Whether all changes could be applied. If not, the editor has another text than this.
    pub understood: bool,
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
        let understood = |text| Some(Changed { text, understood: true });
        assert_eq!(documents.change(path, Some(2), &changes, Encoding::Utf16), understood("one\nzwei\nDrei\n"));
        assert_eq!(documents.change(path, Some(3), &json!([{ "text": "all" }]), Encoding::Utf16), understood("all"));
        let wrong = json!([{ "text": "some" }, { "no": "text" }, { "text": "never" }]);
        assert_eq!(documents.change(path, Some(4), &wrong, Encoding::Utf16), Some(Changed { text: "some", understood: false }));
        assert_eq!(documents.change(path, Some(5), &json!(7), Encoding::Utf16), Some(Changed { text: "some", understood: false }));
        assert_eq!(documents.change(Path::new("/b"), Some(5), &json!([]), Encoding::Utf16), None);
    }
}
