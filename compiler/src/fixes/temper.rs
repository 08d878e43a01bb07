//! A rule sees the tree. The text holds two things that the tree does not: what could not be parsed, and comments.

use patternc_grammar::SyntaxErrorKind;
use patternc_grammar::syntax::Span;

use super::touch;
use crate::check::syntax_finding;
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Edit, Fix, Safety};
use crate::ide::cursor::{Piece, pieces};
use crate::items::parsed;
use crate::rules::edits::indent_at;

/// Takes away fixes that would change what is left of a line that could not be parsed, unless they mend it; and sees to it that comments stay.
pub fn temper(db: &dyn Db, file: SourceFile, findings: &mut [Diagnostic]) {
    if findings.iter().all(|finding| finding.fixes.is_empty()) {
        return;
    }
    let text = file.text(db);
    let broken: Vec<(Span, &'static str)> = parsed(db, file)
        .errors
        .iter()
        .filter(|error| error.kind == SyntaxErrorKind::Syntax)
        .map(|error| (whole_lines(text, error.span), syntax_finding(db, file, error).rule))
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
            keep_comments(text, file, fix);
        }
    }
}

/// The lines that a span touches.
fn whole_lines(text: &str, span: Span) -> Span {
    let start = text[..span.start as usize].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[span.end as usize..].find('\n').map_or(text.len(), |newline| span.end as usize + newline);
    Span::new(start, end)
}

/// Puts comments inside of what a fix replaces before it. Where the fix takes away what they belong to, they go with it, and it is not safe.
fn keep_comments(text: &str, file: SourceFile, fix: &mut Fix) {
    let takes = |edit: &Edit| edit.file == file && edit.span.slice(text).contains("//");
    for index in 0..fix.edits.len() {
        if !takes(&fix.edits[index]) {
            continue;
        }
        let edit = &fix.edits[index];
        let inside = |piece| match piece {
            Piece::Comment(start, end) if edit.span.start as usize <= start && end <= edit.span.end as usize => {
                Some(text[start..end].trim_end())
            }
            _ => None,
        };
        let lost: Vec<&str> = pieces(text).into_iter().filter_map(inside).filter(|comment| !edit.text.contains(comment)).collect();
        if lost.is_empty() {
            continue;
        }
        let indent = indent_at(text, edit.span.start);
        let lines: String = lost.iter().map(|comment| format!("{comment}\n{indent}")).collect();
        let line = text[..edit.span.start as usize].rfind('\n').map_or(0, |newline| newline + 1);
        let begin = Span::new(line + indent.len(), line + indent.len());
        let before = Edit { file, span: begin, text: lines };
        if edit.text.is_empty() || fix.edits.iter().any(|other| other.span != edit.span && touch(other, &before)) {
            fix.safety = Safety::Unsafe;
        } else if begin.start == edit.span.start {
            fix.edits[index].text.insert_str(0, &before.text);
        } else {
            fix.edits.push(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckOptions, check};
    use crate::db::Database;
    use crate::diagnostic::Safety;

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
    fn comments_stay_or_the_fix_is_not_safe() {
        let mut db = Database::default();
        let file = "main.pattern";
        db.set_project(&[(file, handler("    self.l = self.l + [\n      \"x\", // the mark\n    ]"))], None);
        let findings = check(&db, &CheckOptions::default());
        let fix = &findings[0].fixes[0];
        assert_eq!((&*fix.edits[0].text, fix.safety), ("// the mark\n    self.l += \"x\"", Safety::Safe));
        let gone = fixes("use \"other.pattern\" { // why\n  R }\nspace home\nrecord S in home { }\n");
        assert!(gone.iter().all(|fix| !fix.contains("Safe") || !fix.contains("remove the import")), "{gone:?}");
    }
}
