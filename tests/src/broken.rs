//! Projects whose text is as it is while someone types.

use std::path::Path;

use patternc_interpreter::host::Random;

use crate::markdown::cases;

/// A project: path and text of each file.
pub type Files = Vec<(String, String)>;

/// The example projects, and every case of the suites.
pub fn corpus() -> Vec<Files> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the repository").to_owned();
    let mut projects = Vec::new();
    for entry in std::fs::read_dir(root.join("patterns")).expect("the example projects are there").flatten() {
        let Ok(folder) = std::fs::read_dir(entry.path()) else { continue };
        let mut files: Files = folder
            .flatten()
            .filter(|file| file.path().extension().is_some_and(|extension| extension == "pattern"))
            .map(|file| {
                let text = std::fs::read_to_string(file.path()).expect("an example can be read");
                (file.file_name().to_string_lossy().into_owned(), text)
            })
            .collect();
        files.sort();
        projects.push(files);
    }
    for folder in ["language", "rules"] {
        for entry in std::fs::read_dir(root.join("tests").join(folder)).expect("the suites are there").flatten() {
            let markdown = std::fs::read_to_string(entry.path()).expect("a suite can be read");
            projects
                .extend(cases(&markdown).into_iter().map(|case| case.files.into_iter().map(|block| (block.path, block.text)).collect()));
        }
    }
    projects.retain(|files| !files.is_empty());
    assert!(projects.len() > 10);
    projects
}

/// Positions where words, numbers, runs of spaces and signs begin.
fn boundaries(text: &str) -> Vec<usize> {
    let class = |c: char| if c.is_alphanumeric() || c == '_' { 0 } else { 1 + u32::from(c.is_whitespace()) * c as u32 };
    let mut last = u32::MAX;
    let mut all: Vec<usize> = text
        .char_indices()
        .filter(|(_, c)| {
            let this = class(*c);
            let begins = this != last || this == 1;
            last = this;
            begins
        })
        .map(|(index, _)| index)
        .collect();
    all.push(text.len());
    all
}

/// The text with some tokens cut, doubled, or put elsewhere.
pub fn mangle(text: &str, chance: &mut Random) -> String {
    let at = boundaries(text);
    let from = chance.below(at.len());
    let to = (from + 1 + chance.below(6)).min(at.len() - 1);
    let (from, to) = (at[from.min(to)], at[to]);
    let piece = &text[from..to];
    match chance.below(4) {
        0 => format!("{}{}", &text[..from], &text[to..]),
        1 => format!("{}{piece}{}", &text[..to], &text[to..]),
        2 => {
            let other = at[chance.below(at.len())];
            format!("{}{piece}{}", &text[..other], &text[other..])
        }
        _ => {
            let signs = ["{", "}", "(", ")", "\"", "@any", " then ", "self", ".", "=", "none", "\n", "/", "é", "record "];
            format!("{}{}{}", &text[..from], signs[chance.below(signs.len())], &text[from..])
        }
    }
}
