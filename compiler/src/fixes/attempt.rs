//! Whether a fix works: it is made, and the project checked again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rustc_hash::FxHashMap;

use super::{Choice, together, touch};
use crate::check::{CheckOptions, check};
use crate::db::{Database, SourceFile};
use crate::diagnostic::{Diagnostic, Edit, Fix, Level};
use crate::location::locate;
use crate::rules::{self, Check};

/// Rules about the text itself: what they report could not be parsed.
const OF_TEXT: &[&str] = &[rules::syntax::RULE.name, rules::wrong_case::RULE.name, rules::nesting_limit::RULE.name];

/// Why a fix is neither offered nor followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// What it should end would still be found.
    Stays,
    /// This would be found, which is not there now.
    Brings { rule: &'static str, message: String },
    /// Its own edits touch one another.
    Tangled,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Stays => f.write_str("it would not end what is reported"),
            Flaw::Brings { rule, message } => write!(f, "it would bring `{rule}`: {message}"),
            Flaw::Tangled => f.write_str("it would change one place twice, and the outcome depends on which change is made first"),
        }
    }
}

/// Tries fixes, each on the text as it is: those that do not work, with the reason. `findings` are those of the whole project now; the text is
/// the same afterwards.
///
/// As many as do not touch are tried together; where that goes wrong, fewer, until it is known which one is to blame.
pub fn flaws(
    db: &mut Database,
    options: &CheckOptions,
    findings: &[Diagnostic],
    asked: impl IntoIterator<Item = Choice>,
) -> BTreeMap<Choice, Flaw> {
    let mut flaws = BTreeMap::new();
    let mut open: BTreeSet<Choice> = asked.into_iter().collect();
    open.retain(|choice| {
        let tangled = is_tangled(choice.of(findings).1);
        if tangled {
            flaws.insert(*choice, Flaw::Tangled);
        }
        !tangled
    });
    let mut at_once = usize::MAX;
    while !open.is_empty() {
        let mut batch = together(findings, open.iter().copied());
        batch.truncate(at_once);
        let old = make(db, findings, &batch);
        let flaw = judge(db, findings, &check(db, options), &batch);
        restore(db, &old);
        match (flaw, &batch[..]) {
            (Some(flaw), [one]) => {
                open.remove(one);
                flaws.insert(*one, flaw);
            }
            (Some(_), batch) => {
                at_once = batch.len() / 2;
                continue;
            }
            (None, batch) => batch.iter().for_each(|choice| {
                open.remove(choice);
            }),
        }
        at_once = at_once.saturating_mul(2);
    }
    flaws
}

/// Takes out of findings the fixes that do not work.
pub fn withdraw(findings: &mut [Diagnostic], flaws: &BTreeMap<Choice, Flaw>) {
    // From the last to the first, so that positions stay what they are.
    for choice in flaws.keys().rev() {
        findings[choice.finding].fixes.remove(choice.fix);
    }
}

/// Whether the edits of a fix cannot be made independently of their order.
pub(super) fn is_tangled(fix: &Fix) -> bool {
    fix.edits.iter().enumerate().any(|(i, edit)| fix.edits[..i].iter().any(|other| touch(edit, other)))
}

/// Makes some fixes that do not touch; the files that changed, with their texts before.
pub(super) fn make(db: &mut Database, findings: &[Diagnostic], batch: &[Choice]) -> Vec<(SourceFile, String)> {
    let mut by_file: BTreeMap<SourceFile, Vec<&Edit>> = BTreeMap::new();
    for edit in batch.iter().flat_map(|choice| &choice.of(findings).1.edits) {
        by_file.entry(edit.file).or_default().push(edit);
    }
    let changed = by_file.into_iter().map(|(file, mut edits)| {
        let old = file.text(db).to_string();
        let mut new = old.clone();
        edits.sort_by_key(|edit| edit.span);
        for edit in edits.iter().rev() {
            new.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
        }
        db.set_text(file, &new);
        (file, old)
    });
    changed.collect()
}

pub(super) fn restore(db: &mut Database, old: &[(SourceFile, String)]) {
    old.iter().for_each(|(file, text)| db.set_text(*file, text));
}

/// What is wrong with some fixes that were made, if anything is.
///
/// What could not be understood hides what is wrong with it: where a fix mends that, only the text may not become worse.
pub(super) fn judge(db: &Database, before: &[Diagnostic], after: &[Diagnostic], batch: &[Choice]) -> Option<Flaw> {
    let said = |finding: &Diagnostic| (finding.rule, finding.message.clone());
    let (was, is) = (count(before, said), count(after, said));
    let ended = count(batch.iter().map(|choice| choice.of(before).0), said);
    if ended.iter().any(|(what, number)| is.get(what).is_some_and(|left| left + number > was[what])) {
        return Some(Flaw::Stays);
    }
    let known = |finding: &Diagnostic| before.iter().any(|other| other.rule == finding.rule && other.message == finding.message);
    // Of the same rule, where the fix was made: the mistake in other words.
    let in_other_words = |finding: &&Diagnostic| !known(finding) && batch.iter().any(|choice| is_at(db, choice.of(before), finding));
    if let Some(again) = after.iter().find(in_other_words) {
        return Some(Flaw::Brings { rule: again.rule, message: again.message.clone() });
    }
    let understands =
        |name: &str| rules::named(name).is_some_and(|rule| matches!(rule.check, Check::InPassing) && rule.level == Level::Error);
    let reveals = batch.iter().any(|choice| understands(choice.of(before).0.rule));
    // Where one transaction becomes two, others can get in between: that was not there to be seen.
    let splits = batch.iter().any(|choice| choice.of(before).0.rule == rules::extern_in_transaction::RULE.name);
    let is_new = |rule: &str| OF_TEXT.contains(&rule) || splits && rule == rules::unserializable_chain::RULE.name;
    let matters = |finding: &&Diagnostic| finding.level >= Level::Warn && (!reveals || is_new(finding.rule));
    // By rule and file, which do not move with the text.
    let place = |finding: &Diagnostic| (finding.rule, locate(db, finding.primary.at).map(|(file, _)| file));
    let (was, is) = (count(before.iter().filter(matters), place), count(after.iter().filter(matters), place));
    let more = |finding: &&Diagnostic| was.get(&place(finding)).is_none_or(|known| is[&place(finding)] > *known);
    let mut new = after.iter().filter(matters).filter(more);
    let first = new.clone().find(|finding| !known(finding)).or_else(|| new.next())?;
    Some(Flaw::Brings { rule: first.rule, message: first.message.clone() })
}

/// Whether a finding is of the rule of one whose fix was made, and starts in what that one pointed to.
fn is_at(db: &Database, (mended, fix): (&Diagnostic, &Fix), finding: &Diagnostic) -> bool {
    let (Some((file, was)), Some((of, at))) = (locate(db, mended.primary.at), locate(db, finding.primary.at)) else { return false };
    let grown = |until: u32| -> i64 {
        let edits = fix.edits.iter().filter(|edit| edit.file == file && edit.span.start < until);
        edits.map(|edit| edit.text.len() as i64 - i64::from(edit.span.end - edit.span.start)).sum()
    };
    let (start, end) = (i64::from(was.start) + grown(was.start), i64::from(was.end) + grown(was.end));
    finding.rule == mended.rule && of == file && start <= i64::from(at.start) && i64::from(at.start) < end.max(start + 1)
}

fn count<'f, K: std::hash::Hash + Eq>(
    findings: impl IntoIterator<Item = &'f Diagnostic>,
    key: impl Fn(&Diagnostic) -> K,
) -> FxHashMap<K, usize> {
    let mut counts = FxHashMap::default();
    for finding in findings {
        *counts.entry(key(finding)).or_default() += 1;
    }
    counts
}
