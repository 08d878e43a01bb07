//! Fixes: changes of the text that follow the way out of a finding.
//!
//! A rule sees the tree, and offers what it knows. What that is worth is decided here, and nowhere else: [`temper`] looks at what the tree does
//! not show, [`flaws`] says which fixes do not work, for whoever shows them, and [`follow`] makes those that do.

mod attempt;
mod casing;
mod follow;
mod temper;

use crate::diagnostic::{Diagnostic, Edit, Fix};

pub use attempt::{Flaw, flaws, withdraw};
pub use casing::casing;
pub use follow::{Followed, Left, follow};
pub use temper::temper;

/// One fix of one finding, by their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    pub finding: usize,
    pub fix: usize,
}

impl Choice {
    fn of(self, findings: &[Diagnostic]) -> (&Diagnostic, &Fix) {
        let finding = &findings[self.finding];
        (finding, &finding.fixes[self.fix])
    }
}

/// The fixes of findings for which something holds.
pub fn choices(findings: &[Diagnostic], may: impl Fn(&Diagnostic, &Fix) -> bool) -> Vec<Choice> {
    let all = findings.iter().enumerate().flat_map(|(finding, it)| (0..it.fixes.len()).map(move |fix| Choice { finding, fix }));
    all.filter(|choice| may(choice.of(findings).0, choice.of(findings).1)).collect()
}

/// Of some fixes those that can be made together: one for each finding, none of whose edits touch.
fn together(findings: &[Diagnostic], choices: impl IntoIterator<Item = Choice>) -> Vec<Choice> {
    let mut taken: Vec<&Edit> = Vec::new();
    let mut chosen: Vec<Choice> = Vec::new();
    for choice in choices {
        let (_, fix) = choice.of(findings);
        let again = chosen.last().is_some_and(|last| last.finding == choice.finding);
        if !again && !fix.edits.iter().any(|edit| taken.iter().any(|other| touch(edit, other))) {
            taken.extend(&fix.edits);
            chosen.push(choice);
        }
    }
    chosen
}

/// Whether two edits overlap, or stand so close that their order would matter.
fn touch(one: &Edit, other: &Edit) -> bool {
    one.file == other.file && one.span.start <= other.span.end && other.span.start <= one.span.end
}
