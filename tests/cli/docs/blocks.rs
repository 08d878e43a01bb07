//! The code blocks of the pages for users.

use std::path::{Path, PathBuf};

/// A fenced block: what stands behind its fence, and its text.
pub struct Block {
    info: String,
    pub text: String,
    /// Of its fence, from 1.
    pub line: usize,
}

impl Block {
    pub fn language(&self) -> &str {
        self.info.split_whitespace().next().unwrap_or("")
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.info.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The blocks of a page, and the lines of fences that are not seen as such: indented, of tildes, or never closed.
pub fn blocks(text: &str) -> (Vec<Block>, Vec<usize>) {
    let (mut blocks, mut unseen) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    for (i, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info: info.to_string(), text: String::new(), line: i + 1 }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") => unseen.push(i + 1),
            (None, None) => {}
        }
    }
    unseen.extend(open.map(|block| block.line));
    (blocks, unseen)
}

/// Every page that a person reads, except those of the rules, which are tested with the rules.
pub fn pages(repository: &Path) -> Vec<PathBuf> {
    let mut pages = markdown_below(&repository.join("docs/src"));
    pages.retain(|page| !page.parent().is_some_and(|folder| folder.ends_with("rules")));
    pages.extend(markdown_below(&repository.join("patterns")));
    pages.extend(markdown_below(&repository.join("editors")));
    pages.push(repository.join("README.md"));
    pages.push(repository.join("CONTRIBUTING.md"));
    pages
}

fn markdown_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is part of the repository").flatten() {
            let path = entry.path();
            // What npm brings has pages of its own.
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_fence_that_is_not_at_the_start_of_its_line_or_never_closed_is_told() {
    let (found, unseen) = blocks("```sh needs=x\na\n```\n  ```sh\n  b\n  ```\n~~~\n```pattern\n");
    assert_eq!((found.len(), found[0].language(), found[0].attribute("needs"), &*found[0].text), (1, "sh", Some("x"), "a\n"));
    assert_eq!(unseen, [4, 6, 7, 8]);
}
