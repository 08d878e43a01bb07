//! Which of the fixes that rules know may be followed as they are.
//!
//! A rule sees the tree. The text holds two things that the tree does not: what could not be parsed, and comments.

use patternc_grammar::SyntaxErrorKind;
use patternc_grammar::syntax::Span;

use crate::check::syntax_finding;
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Edit, Fix, Safety};
use crate::items::parsed;

/// Takes away fixes that would change what is left of a line that could not be parsed, unless they mend it; what would take a comment away is
/// no longer safe.
pub fn temper(db: &dyn Db, file: SourceFile, findings: &mut [Diagnostic]) {
    if findings.iter().all(|finding| finding.fixes.is_empty()) {
        return;
    }
    let text = file.text(db);
    let broken: Vec<(Span, &'static str)> = parsed(db, file)
        .errors
        .iter()
        .filter(|error| error.kind == SyntaxErrorKind::Syntax)
        .map(|error| (whole_lines(text, error.span), syntax_finding(file, error).rule))
        .collect();
    for finding in findings {
        let rule = finding.rule;
        let of_remnant = |edit: &Edit| {
            // Behind the newline is the next line.
            let end = edit.span.end.max(edit.span.start + 1);
            edit.file == file && broken.iter().any(|&(lines, of)| of != rule && edit.span.start <= lines.end && lines.start < end)
        };
        finding.fixes.retain(|fix| !fix.edits.iter().any(of_remnant));
        for fix in &mut finding.fixes {
            if takes_a_comment(text, file, fix) {
                fix.safety = Safety::Unsafe;
            }
        }
    }
}

/// The lines that a span touches.
fn whole_lines(text: &str, span: Span) -> Span {
    let start = text[..span.start as usize].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[span.end as usize..].find('\n').map_or(text.len(), |newline| span.end as usize + newline);
    Span::new(start, end)
}

/// Whether text that looks like a comment goes and does not come back. In doubt it does.
fn takes_a_comment(text: &str, file: SourceFile, fix: &Fix) -> bool {
    fix.edits.iter().filter(|edit| edit.file == file).any(|edit| {
        let gone = &text[edit.span.start as usize..edit.span.end as usize];
        gone.matches("//").count() > edit.text.matches("//").count()
    })
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckOptions, check};
    use crate::db::Database;

    /// The fixes as `rule: safety title`.
    fn fixes(text: &str) -> Vec<String> {
        let mut db = Database::default();
        db.set_project(&[("main.pattern", text)], None);
        let findings = check(&db, &CheckOptions::default());
        let fixes = findings.iter().flat_map(|finding| finding.fixes.iter().map(move |fix| (finding, fix)));
        fixes.map(|(finding, fix)| format!("{}: {:?} {}", finding.rule, fix.safety, fix.title)).collect()
    }

    fn handler(body: &str) -> String {
        format!("space home\nrecord R in home {{\n  cell n: Int = 0\n  cell l: List<Text> = []\n  handler go() {{\n{body}\n  }}\n}}\n")
    }

    #[test]
    fn what_is_left_of_a_broken_line_is_not_removed() {
        assert!(fixes(&handler("self.n")).iter().any(|fix| fix.starts_with("unused-value:")), "it is, where the line is whole");
        for broken in ["self.n =+ 1", "self.n++", "while (true) { self.n += 1 }"] {
            let fixes = fixes(&handler(broken));
            assert!(!fixes.iter().any(|fix| fix.starts_with("unused-value:")), "{broken}: {fixes:?}");
        }
        assert!(fixes(&handler("self.n\nself.n =+ 1")).iter().any(|fix| fix.starts_with("unused-value:")), "other lines are not concerned");
    }

    #[test]
    fn what_takes_a_comment_away_is_not_safe() {
        let append = |comment: &str| handler(&format!("self.l = self.l + [\n\"x\",{comment}\n]"));
        assert_eq!(fixes(&append("")), ["overwrite-append: Safe write `+=`"]);
        assert_eq!(fixes(&append(" // the mark")), ["overwrite-append: Unsafe write `+=`"]);
    }
}
