//! Follows fixes, round by round, until none is left.
//!
//! In a round, as many are made as do not touch one another; what the others come to is seen in the next. A round that does harm is taken back
//! and tried again with fewer; one that does harm by itself is left alone from then on.

use std::collections::{BTreeMap, BTreeSet};

use super::attempt::{is_tangled, judge, make, restore};
use super::{Choice, Flaw, together};
use crate::check::{CheckOptions, check};
use crate::db::{Database, SourceFile};
use crate::diagnostic::{Diagnostic, Fix};

/// Rounds after which something goes in circles.
const ROUNDS: usize = 1000;

/// What became of the fixes of a project.
#[derive(Default)]
pub struct Followed {
    /// Findings that are gone.
    pub mended: usize,
    /// The files that changed, with their texts before.
    pub before: BTreeMap<SourceFile, String>,
    /// Findings whose fixes do not work, in the order of the text.
    pub left: Vec<Left>,
}

/// A finding whose fix was left alone.
pub struct Left {
    pub finding: Diagnostic,
    /// The title of the fix.
    pub title: String,
    pub flaw: Flaw,
}

/// Follows fixes, of each finding the first that works. `asked`: of the findings of a round, the fixes that may be followed, in order. Files that
/// were in the style stay in it.
pub fn follow(db: &mut Database, options: &CheckOptions, asked: impl Fn(&Database, &[Diagnostic]) -> Vec<Choice>) -> Followed {
    let mut followed = Followed::default();
    let mut given_up: BTreeMap<Name, Flaw> = BTreeMap::new();
    let mut findings = check(db, options);
    let mut at_once = usize::MAX;
    for _ in 0..ROUNDS {
        let asked = asked(db, &findings);
        let mut batch = together(&findings, next(&findings, asked, &mut given_up));
        batch.truncate(at_once);
        if batch.is_empty() {
            break;
        }
        let old = make(db, &findings, &batch);
        let after = check(db, options);
        match (judge(db, &findings, &after, &batch), &batch[..]) {
            (Some(flaw), [one]) => {
                restore(db, &old);
                given_up.insert(name(one.of(&findings)), flaw);
            }
            (Some(_), batch) => {
                restore(db, &old);
                at_once = batch.len() / 2;
                continue;
            }
            (None, batch) => {
                for (file, text) in old {
                    followed.before.entry(file).or_insert(text);
                }
                followed.mended += gone(&findings, &after, batch);
                findings = after;
            }
        }
        at_once = at_once.saturating_mul(2);
    }
    for (file, old) in &followed.before {
        let is_style = patternc_grammar::format(old).is_ok_and(|formatted| formatted == *old);
        if is_style && let Ok(formatted) = patternc_grammar::format(file.text(db)) {
            db.set_text(*file, &formatted);
        }
    }
    followed.before.retain(|file, old| **file.text(db) != **old);
    for finding in check(db, options) {
        let flawed = finding.fixes.iter().find_map(|fix| Some((fix.title.clone(), given_up.get(&name((&finding, fix)))?.clone())));
        if let Some((title, flaw)) = flawed {
            followed.left.push(Left { finding, title, flaw });
        }
    }
    followed
}

/// The next fix of each finding.
fn next(findings: &[Diagnostic], asked: Vec<Choice>, given_up: &mut BTreeMap<Name, Flaw>) -> Vec<Choice> {
    let mut next: Vec<Choice> = Vec::new();
    for choice in asked {
        if next.last().is_some_and(|last| last.finding == choice.finding) {
            continue;
        }
        let (finding, fix) = choice.of(findings);
        if is_tangled(fix) {
            given_up.insert(name((finding, fix)), Flaw::Tangled);
        }
        if !given_up.contains_key(&name((finding, fix))) {
            next.push(choice);
        }
    }
    next
}

/// How many findings a round has ended: those whose fixes were made, and those that went with them. What could not be seen before, because
/// it was behind them, makes them no fewer.
fn gone(before: &[Diagnostic], after: &[Diagnostic], batch: &[Choice]) -> usize {
    let rules: BTreeSet<&str> = before.iter().map(|finding| finding.rule).collect();
    let of = |findings: &[Diagnostic], rule: &str| findings.iter().filter(|finding| finding.rule == rule).count();
    let made = |rule: &str| batch.iter().filter(|choice| choice.of(before).0.rule == rule).count();
    rules.into_iter().map(|rule| of(before, rule).saturating_sub(of(after, rule)).max(made(rule))).sum()
}

/// Knows a fix again wherever it stands by then: its rule, what is said, and its title.
type Name = (&'static str, String, String);

fn name((finding, fix): (&Diagnostic, &Fix)) -> Name {
    (finding.rule, finding.message.clone(), fix.title.clone())
}
