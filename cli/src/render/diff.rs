//! The difference between two versions of a file, as `diff -u` and `git apply` know it.

use std::io::{self, IsTerminal, Write};

use similar::{ChangeTag, TextDiff};

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

/// Writes what makes `new` of `old`; nothing where they are the same.
pub fn write(out: &mut impl Write, path: &str, old: &str, new: &str) -> io::Result<()> {
    let diff = TextDiff::from_lines(old, new);
    let colours = std::env::var_os("NO_COLOR").is_none() && io::stdout().is_terminal();
    let mut first = true;
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        if std::mem::take(&mut first) {
            writeln!(out, "--- {path}\n+++ {path}")?;
        }
        writeln!(out, "{}", hunk.header())?;
        for change in hunk.iter_changes() {
            let (sign, colour) = match change.tag() {
                ChangeTag::Delete => ('-', "\x1b[31m"),
                ChangeTag::Insert => ('+', "\x1b[32m"),
                ChangeTag::Equal => (' ', ""),
            };
            let (start, end) = if colours && !colour.is_empty() { (colour, "\x1b[0m") } else { ("", "") };
            let line = change.value();
            writeln!(out, "{start}{sign}{}{end}", line.strip_suffix('\n').unwrap_or(line))?;
            if change.missing_newline() {
                writeln!(out, "\\ No newline at end of file")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::write;

    fn shown(old: &str, new: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, "a.pattern", old, new).expect("memory does not fail");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn it_is_what_diff_writes() {
        assert_eq!(shown("a\nb\n", "a\nc\n"), "--- a.pattern\n+++ a.pattern\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        assert_eq!(shown("a", "a\n"), "--- a.pattern\n+++ a.pattern\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
        assert_eq!(shown("a\n", "a\n"), "");
    }
}
