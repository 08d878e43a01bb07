//! The words in the book are those that editors show. `UPDATE_DOCS=1 cargo test -p patternc-tests --test word_page` writes them.

use std::fmt::Write;
use std::path::Path;

use patternc_compiler::ide::words;

#[test]
fn the_book_has_the_words_that_editors_show() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository");
    let (path, page) = (root.join("docs/src/reference/words.md"), page());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("the book can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == page, "docs/src/reference/words.md is not as generated; run this test with UPDATE_DOCS=1");
}

fn page() -> String {
    let mut out = String::from(
        "# Words and methods\n\nWhat an editor shows when the pointer rests on a word. [The language](language.md) says how they go together.\n",
    );
    for (title, words) in words::tables() {
        let _ = write!(out, "\n## {title}\n\n| written | what it is |\n|---|---|\n");
        for word in words {
            let _ = writeln!(out, "| {} | {} |", form(&word.form), word.what);
        }
    }
    out.push_str("\n## Methods\n\n| written | of | what it gives |\n|---|---|---|\n");
    for (method, types) in words::methods() {
        assert!(!types.is_empty() && !method.what.is_empty(), "{method:?}: no value has it, or nothing is said of it");
        let _ = writeln!(out, "| {} | {} | {} |", form(&method.form), types.join(", "), method.what);
    }
    out
}

/// In one line, as code in a table.
fn form(text: &str) -> String {
    format!("`{}`", text.split_whitespace().collect::<Vec<_>>().join(" "))
}
