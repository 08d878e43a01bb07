//! Test suites as Markdown: the text says what is tested, code blocks are the tests, comments in them say what is expected.
//!
//! - Blocks marked `pattern` are pattern files. Under one heading, blocks whose first line is `// file: name.pattern` form one project
//!   with the others (one without that line is `main.pattern`). Where no block names its file, each is a project of its own.
//! - A block marked `yaml` is the `patternc.yaml` of the project above or below it, under the same heading.
//! - `// error: [rule-name] "part of the message"` (or `warn`, `info`; in YAML behind `#`) expects a finding that starts on this line.
//!   Several can follow one another; the text can be left out. Behind the text, `help "part of the help"` expects that as the way out.
//! - `ignore=rule-a,rule-b` behind `pattern` leaves findings of these rules out.

use std::fmt::Write as _;
use std::path::Path;

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::{Diagnostic, Location};

/// A project in a Markdown file.
#[derive(Debug, Default)]
pub struct Case {
    /// The headings above it, joined.
    pub title: String,
    pub files: Vec<Block>,
    pub config: Option<Block>,
    pub ignore: Vec<String>,
}

/// A code block.
#[derive(Debug)]
pub struct Block {
    /// The file it stands for.
    pub path: String,
    pub text: String,
    /// Line of its first line in the Markdown file, from 1.
    pub line: usize,
}

/// A finding that a comment expects.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    level: String,
    rule: String,
    text: String,
    help: String,
    path: String,
    /// From 1, in the block.
    line: usize,
}

/// The projects of a Markdown text.
pub fn cases(markdown: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut headings: Vec<String> = Vec::new();
    let mut section: Vec<(Block, Option<String>, Vec<String>)> = Vec::new();
    let mut lines = markdown.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if let Some(heading) = line.strip_prefix('#') {
            close(&headings, std::mem::take(&mut section), &mut cases);
            let depth = heading.chars().take_while(|c| *c == '#').count();
            headings.truncate(depth);
            headings.push(heading.trim_start_matches('#').trim().to_owned());
        } else if let Some(info) = line.strip_prefix("```") {
            let mut text = String::new();
            for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
                text.push_str(line);
                text.push('\n');
            }
            let mut words = info.split_whitespace();
            let language = words.next().unwrap_or_default();
            if !matches!(language, "pattern" | "yaml") {
                continue;
            }
            let ignore = words.filter_map(|word| word.strip_prefix("ignore=")).flat_map(|rules| rules.split(','));
            let ignore = ignore.map(str::to_owned).collect();
            let named = text.lines().next().and_then(|first| first.strip_prefix("// file: ")).map(|name| name.trim().to_owned());
            let named = if language == "yaml" { Some("patternc.yaml".to_owned()) } else { named };
            let path = named.clone().unwrap_or_else(|| "main.pattern".to_owned());
            section.push((Block { path, text, line: index + 2 }, named, ignore));
        }
    }
    close(&headings, section, &mut cases);
    cases
}

/// The projects of one section.
fn close(headings: &[String], section: Vec<(Block, Option<String>, Vec<String>)>, cases: &mut Vec<Case>) {
    let title = headings.iter().filter(|heading| !heading.is_empty()).cloned().collect::<Vec<_>>().join(" / ");
    let together = section.iter().any(|(_, named, _)| named.is_some());
    let mut whole = Case { title: title.clone(), ..Case::default() };
    for (block, _, ignore) in section {
        if !together {
            cases.push(Case { title: title.clone(), files: vec![block], config: None, ignore });
            continue;
        }
        whole.ignore.extend(ignore);
        if block.path == "patternc.yaml" {
            whole.config = Some(block);
        } else {
            whole.files.push(block);
        }
    }
    if together {
        cases.push(whole);
    }
}

impl Case {
    /// Every block, that of the configuration included.
    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.files.iter().chain(&self.config)
    }

    /// The findings of its project.
    pub fn findings(&self) -> (Database, Vec<Diagnostic>) {
        let mut db = Database::default();
        let files: Vec<(&str, &str)> = self.files.iter().map(|block| (&*block.path, &*block.text)).collect();
        db.set_project(&files, self.config.as_ref().map(|block| (&*block.path, &*block.text)));
        let findings = check(&db, &CheckOptions::default())
            .into_iter()
            .filter(|finding| self.ignore.iter().all(|rule| rule != finding.rule))
            .collect();
        (db, findings)
    }

    /// What differs between the findings and what is expected; `None` if nothing does.
    pub fn difference(&self) -> Option<String> {
        let mut expected: Vec<Expected> = self.blocks().flat_map(expectations).collect();
        let (db, findings) = self.findings();
        let mut difference = String::new();
        for finding in findings {
            let Location::Span(file, span) = finding.primary.at else { panic!("a finding of `check` has a span: {finding:?}") };
            let path = &**file.path(&db);
            let line = file.text(&db)[..span.start as usize].matches('\n').count() + 1;
            let matching = expected.iter().position(|expected| {
                expected.rule == finding.rule
                    && expected.level == finding.level.name()
                    && expected.path == path
                    && expected.line == line
                    && finding.message.contains(&expected.text)
                    && finding.help.as_deref().unwrap_or_default().contains(&expected.help)
            });
            // What does not fit says in its message what would.
            let says = matches!(finding.rule, "type-mismatch" | "wrong-arguments") || !finding.notes.is_empty();
            if !says && finding.help.is_none() && finding.fixes.is_empty() {
                let at = self.place(path, line);
                let _ = writeln!(difference, "  {at}: [{}] {:?} says no way out", finding.rule, finding.message);
            }
            if let Some(index) = matching {
                expected.remove(index);
                continue;
            }
            let at = self.place(path, line);
            let slice = span.slice(file.text(&db));
            let _ =
                writeln!(difference, "  + {at}: {}: [{}] {:?}\n        at `{slice}`", finding.level.name(), finding.rule, finding.message);
            for label in &finding.labels {
                let _ = writeln!(difference, "        {}", label.text);
            }
            if let Some(help) = &finding.help {
                let _ = writeln!(difference, "        help: {help}");
            }
        }
        for missing in expected {
            let at = self.place(&missing.path, missing.line);
            let _ = writeln!(difference, "  - {at}: {}: [{}] {:?}", missing.level, missing.rule, missing.text);
            if !missing.help.is_empty() {
                let _ = writeln!(difference, "        help: {}", missing.help);
            }
        }
        (!difference.is_empty()).then_some(difference)
    }

    /// Where a line of a file of the project is in the Markdown file.
    pub fn place(&self, path: &str, line: usize) -> String {
        match self.blocks().find(|block| block.path == path) {
            Some(block) => format!("line {} ({path})", block.line + line - 1),
            None => path.to_owned(),
        }
    }
}

/// What the comments of a block expect.
fn expectations(block: &Block) -> Vec<Expected> {
    let comment = if block.path == "patternc.yaml" { "# " } else { "// " };
    let mut all = Vec::new();
    for (index, line) in block.text.lines().enumerate() {
        for comment in line.split(comment).skip(1) {
            let Some((level, rest)) = comment.split_once(": [") else { continue };
            if !matches!(level, "error" | "warn" | "info") {
                continue;
            }
            let (rule, rest) = rest.split_once(']').unwrap_or_else(|| panic!("an expectation names a [rule]: {line}"));
            let (text, help) = match rest.trim().strip_prefix('"').map(|text| text.strip_suffix('"')) {
                Some(Some(quoted)) => quoted.split_once("\" help \"").unwrap_or((quoted, "")),
                Some(None) => panic!("an expectation ends with its text in quotes: {line}"),
                None => ("", ""),
            };
            let (level, rule) = (level.to_owned(), rule.to_owned());
            let (text, help) = (text.replace("\\\"", "\""), help.replace("\\\"", "\""));
            all.push(Expected { level, rule, text, help, path: block.path.clone(), line: index + 1 });
        }
    }
    all
}

/// The cases of every Markdown file of a folder, each with the name of its file. `PATTERNC_CASE` selects those whose file or title contains
/// it.
///
/// # Panics
/// If the folder cannot be read, or holds no such case.
pub fn selected(folder: &Path) -> Vec<(String, Case)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.sort();
    let only = std::env::var("PATTERNC_CASE").unwrap_or_default();
    let mut selected = Vec::new();
    for path in files {
        let markdown = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        selected.extend(cases(&markdown).into_iter().map(|case| (name.clone(), case)));
    }
    selected.retain(|(name, case)| name.contains(&only) || case.title.contains(&only));
    assert!(!selected.is_empty(), "no case in {} contains {only:?}", folder.display());
    selected
}

/// Runs every Markdown file of a folder, and says of all cases what differs. [`selected`] says which.
///
/// # Panics
/// If anything differs, or the folder holds no case.
pub fn run(folder: &Path) {
    let cases = selected(folder);
    let (mut failed, mut report) = (0, String::new());
    for (name, case) in &cases {
        if let Some(difference) = case.difference() {
            failed += 1;
            let _ = writeln!(report, "{name}: {}\n{difference}", case.title);
        }
    }
    assert!(failed == 0, "{failed} of {} cases differ (+ found, - expected)\n\n{report}", cases.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: &str = "\
# Names

Text.

```pattern
space home
record A in hom {} // error: [unknown-name] \"no space `hom`\"
```

## Of files

```pattern
// file: a.pattern
use \"b.pattern\" { B }
```

```pattern ignore=unused-name
// file: b.pattern
record B {}
```

```yaml
project: x # warn: [a] // not this
```
";

    #[test]
    fn a_suite_is_read() {
        let cases = cases(SUITE);
        assert_eq!(cases.len(), 2);
        assert_eq!((cases[0].title.as_str(), cases[0].files.len(), cases[0].files[0].line), ("Names", 1, 6));
        let expected = expectations(&cases[0].files[0]);
        assert_eq!(expected.len(), 1);
        assert_eq!((expected[0].line, &*expected[0].text), (2, "no space `hom`"));
        assert_eq!(cases[1].title, "Names / Of files");
        assert_eq!(cases[1].files.iter().map(|block| &*block.path).collect::<Vec<_>>(), ["a.pattern", "b.pattern"]);
        assert_eq!(cases[1].ignore, ["unused-name"]);
        assert!(cases[1].config.is_some());
    }

    #[test]
    fn a_finding_that_is_not_expected_and_one_that_is_not_found_differ() {
        let unexpected = cases("```pattern\nrecord A in hom {}\n```\n");
        assert!(unexpected[0].difference().unwrap_or_default().contains("+ line 2 (main.pattern): error: [unknown-name]"));
        let missing = cases("```pattern\nspace home // error: [unknown-name] \"x\"\n```\n");
        assert!(missing[0].difference().unwrap_or_default().contains("- line 2 (main.pattern): error: [unknown-name] \"x\""));
        let helped =
            |help| cases(&format!("```pattern\nrecord A in hom {{}} // error: [unknown-name] \"no space\" help \"{help}\"\n```\n"));
        assert!(helped("declare the space")[0].difference().is_none() && helped("do nothing")[0].difference().is_some());
    }
}
