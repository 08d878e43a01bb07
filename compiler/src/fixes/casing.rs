//! A name in the wrong case is mended wherever it is used, or not at all.

use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Location};
use crate::ide::definition::Definition;
use crate::ide::names::names;
use crate::ide::rename::rename;
use crate::rules;

/// Reports a name in the wrong case where it is declared, and there alone, with a fix that changes all of its uses.
pub fn casing(db: &dyn Db, file: SourceFile, findings: &mut Vec<Diagnostic>) {
    if findings.iter().all(|finding| finding.rule != rules::wrong_case::RULE.name) {
        return;
    }
    findings.retain_mut(|finding| {
        let Location::Span(of, span) = finding.primary.at else { return true };
        if finding.rule != rules::wrong_case::RULE.name || of != file {
            return true;
        }
        let Some(named) = names(db, file).at(span.start).filter(|named| named.span == span) else { return true };
        let Some(declared) = named.to.place(db) else { return true };
        if declared != (file, span) {
            return !is_wrong(db, named.to);
        }
        // Where it is not known what to write, nothing is.
        if let Some(fix) = finding.fixes.first_mut() {
            match rename(db, named.to, &fix.edits[0].text) {
                Ok(edits) => fix.edits = edits,
                Err(_) => finding.fixes.clear(),
            }
        }
        true
    });
}

/// Whether a declaration is itself in the wrong case: then it is reported there.
fn is_wrong(db: &dyn Db, declared: Definition) -> bool {
    let Some(name) = declared.name(db) else { return false };
    match declared.is_type(db) {
        true => !name.starts_with(|c: char| c.is_ascii_uppercase()) || name.contains('_'),
        false => name.contains(|c: char| c.is_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckOptions, check};
    use crate::db::Database;
    use crate::diagnostic::Safety;
    use crate::fixes::{choices, follow};

    #[test]
    fn a_name_is_changed_wherever_it_is_used() {
        let mut db = Database::default();
        let main = "use \"state.pattern\" { State }\nspace home\nrecord order in home {\n  cell lastState: Int = 0\n  cell state: State = State.Draft\n  \
                    cell before: order?\n  handler placeOrder(theCount: Int) {\n    self.lastState = theCount\n    self.state = State.Placed\n  }\n  \
                    handler again() { self.placeOrder(1) }\n}\n";
        db.set_project(&[("main.pattern", main), ("state.pattern", "enum State { Draft, Placed }\n")], None);
        let options = CheckOptions::default();
        let names: Vec<String> = check(&db, &options).iter().map(|finding| finding.message.clone()).collect();
        assert_eq!(names.len(), 6, "each where it is declared: {names:#?}");
        follow(&mut db, &options, |_, findings| choices(findings, |_, fix| fix.safety == Safety::Safe));
        assert_eq!(check(&db, &options), []);
    }

    #[test]
    fn what_is_named_so_already_is_left_alone() {
        let mut db = Database::default();
        db.set_project(&[("main.pattern", "space home\nrecord R in home {\n  cell n_a: Int = 0\n  cell nA: Int = 0\n}\n")], None);
        let findings = check(&db, &CheckOptions::default());
        assert_eq!(findings.iter().map(|finding| (finding.rule, finding.fixes.len())).collect::<Vec<_>>(), [("wrong-case", 0)]);
    }
}
