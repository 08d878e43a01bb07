//! `--fix`: follows the ways out that are known, round by round, until none is left.
//!
//! In a round, the edits of as many findings are made as do not touch one another; what the others come to is seen in the next. A round with
//! fixes that do not end their findings is taken back, and those are left alone. One that does more harm than good is taken back too, its fixes
//! are made one by one, and those that did the harm are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use patternc_compiler::check::CheckOptions;
use patternc_compiler::db::SourceFile;
use patternc_compiler::diagnostic::{Diagnostic, Edit, Fix, Level, Safety};
use patternc_compiler::location::locate;
use patternc_compiler::rules;

use crate::atomic;
use crate::fault::Fault;
use crate::project::Loaded;
use crate::render;

/// Rounds after which something goes in circles.
const ROUNDS: usize = 1000;

/// Rules about the text itself: what they report could not be parsed.
const OF_TEXT: &[&str] = &[rules::syntax::RULE.name, rules::wrong_case::RULE.name, rules::nesting_limit::RULE.name];

/// What was mended.
#[derive(Default)]
pub struct Mended {
    /// Findings that are gone.
    pub findings: usize,
    /// The changed files of all projects.
    files: Vec<Changed>,
}

/// A file that a fix has changed.
struct Changed {
    path: PathBuf,
    shown: String,
    old: String,
    new: String,
}

impl Mended {
    /// Follows the fixes of a project, in its database only.
    pub fn follow(&mut self, project: &mut Loaded, options: &CheckOptions, also_unsafe: bool) {
        let mut before: BTreeMap<SourceFile, String> = BTreeMap::new();
        let mut given_up: BTreeSet<String> = BTreeSet::new();
        let mut findings = project.findings(options);
        let mut at_once = usize::MAX;
        for _ in 0..ROUNDS {
            let mut chosen = choose(project, &findings, also_unsafe, &given_up);
            chosen.truncate(at_once);
            if chosen.is_empty() {
                break;
            }
            let (texts, followed) = apply(project, &findings, &chosen);
            let kept: Vec<(SourceFile, String)> = texts.iter().map(|(file, _)| (*file, file.text(&project.db).to_string())).collect();
            for (file, text) in &texts {
                project.db.set_text(*file, text);
            }
            let after = project.findings(options);
            // What does not end its finding would be made again and again.
            let useless: Vec<String> = chosen
                .iter()
                .zip(&followed)
                .filter(|((index, _), _)| same(&after, &findings[*index]) >= same(&findings, &findings[*index]))
                .map(|(_, name)| name.clone())
                .collect();
            if !useless.is_empty() {
                for (file, text) in &kept {
                    project.db.set_text(*file, text);
                }
                given_up.extend(useless);
                continue;
            }
            let rules: Vec<&str> = chosen.iter().map(|&(index, _)| findings[index].rule).collect();
            if is_worse(project, &findings, &after, &rules) {
                for (file, text) in &kept {
                    project.db.set_text(*file, text);
                }
                // One of them did harm: from here on they are made one by one, and that one is left alone.
                at_once = 1;
                if chosen.len() == 1 {
                    given_up.extend(followed);
                }
                continue;
            }
            for (file, text) in kept {
                before.entry(file).or_insert(text);
            }
            self.findings += findings.len().saturating_sub(after.len());
            findings = after;
        }
        for (file, old) in before {
            let mut new = file.text(&project.db).to_string();
            // Who keeps to the style keeps to it.
            if patternc_grammar::format(&old).is_ok_and(|formatted| formatted == old)
                && let Ok(formatted) = patternc_grammar::format(&new)
            {
                new = formatted;
                project.db.set_text(file, &new);
            }
            if new != old {
                let path = project.root.join(&**file.path(&project.db));
                self.files.push(Changed { path, shown: project.shown(file), old, new });
            }
        }
    }

    /// How many files have changed.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Shows what has changed.
    pub fn show(&self, out: &mut impl Write) -> Result<(), Fault> {
        for file in &self.files {
            render::diff::write(out, &file.shown, &file.old, &file.new)?;
        }
        Ok(())
    }

    /// Writes the changed files, each as a whole.
    pub fn write(&self) -> Result<(), Fault> {
        self.files.iter().try_for_each(|file| atomic::write(&file.path, &file.new))
    }

    /// The new text of the only file; `None` if nothing has changed.
    pub fn only(&self) -> Option<&str> {
        self.files.first().map(|file| file.new.as_str())
    }
}

/// How often a finding is among others, wherever it stands.
fn same(findings: &[Diagnostic], finding: &Diagnostic) -> usize {
    findings.iter().filter(|other| other.rule == finding.rule && other.message == finding.message).count()
}

/// Names a fix, so that it is left alone once it did harm.
fn name(finding: &Diagnostic, fix: &Fix) -> String {
    format!("{}\0{}\0{}", finding.rule, finding.message, fix.title)
}

/// The fixes of a round, as positions in the findings: none of their edits touch.
fn choose(project: &Loaded, findings: &[Diagnostic], also_unsafe: bool, given_up: &BTreeSet<String>) -> Vec<(usize, usize)> {
    let mut taken: Vec<&Edit> = Vec::new();
    let mut chosen = Vec::new();
    for (index, finding) in findings.iter().enumerate() {
        let asked_for = locate(&project.db, finding.primary.at).is_some_and(|(file, _)| project.is_wanted(file));
        if !asked_for {
            continue;
        }
        let may = |fix: &Fix| (also_unsafe || fix.safety == Safety::Safe) && !given_up.contains(&name(finding, fix));
        let Some(which) = finding.fixes.iter().position(may) else { continue };
        let edits = &finding.fixes[which].edits;
        let touches = |edit: &Edit| taken.iter().any(|other| touch(edit, other)) || !project.is_text(edit.file);
        let within = edits.iter().enumerate().any(|(i, edit)| edits[..i].iter().any(|other| touch(edit, other)));
        if !within && !edits.iter().any(touches) {
            taken.extend(edits);
            chosen.push((index, which));
        }
    }
    chosen
}

/// Whether two edits overlap, or stand so close that their order would matter.
fn touch(one: &Edit, other: &Edit) -> bool {
    one.file == other.file && one.span.start <= other.span.end && other.span.start <= one.span.end
}

/// The changed files after the chosen fixes, and the names of those.
fn apply(project: &Loaded, findings: &[Diagnostic], chosen: &[(usize, usize)]) -> (Vec<(SourceFile, String)>, Vec<String>) {
    let mut by_file: BTreeMap<SourceFile, Vec<&Edit>> = BTreeMap::new();
    let mut names = Vec::new();
    for &(index, which) in chosen {
        let fix = &findings[index].fixes[which];
        names.push(name(&findings[index], fix));
        for edit in &fix.edits {
            by_file.entry(edit.file).or_default().push(edit);
        }
    }
    let texts = by_file.into_iter().map(|(file, mut edits)| {
        edits.sort_by_key(|edit| edit.span);
        let mut text = file.text(&project.db).to_string();
        for edit in edits.iter().rev() {
            text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
        }
        (file, text)
    });
    (texts.collect(), names)
}

/// Whether there is a finding that was not there before: by rule and file, which do not move with the text.
///
/// What could not be understood hides what is wrong with it: where the fixes of a round mend that, only the text may not become worse.
fn is_worse(project: &Loaded, before: &[Diagnostic], after: &[Diagnostic], mended: &[&str]) -> bool {
    let understands = |name: &str| rules::named(name).is_some_and(|rule| rule.check.is_none() && rule.level == Level::Error);
    let reveals = mended.iter().any(|rule| understands(rule));
    let matters = |finding: &Diagnostic| finding.level >= Level::Warn && (!reveals || OF_TEXT.contains(&finding.rule));
    let count = |findings: &[Diagnostic]| {
        let mut counts: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
        for finding in findings.iter().filter(|finding| matters(finding)) {
            let file = locate(&project.db, finding.primary.at).map(|(file, _)| file.path(&project.db).to_string());
            *counts.entry((finding.rule, file.unwrap_or_default())).or_default() += 1;
        }
        counts
    };
    let before = count(before);
    count(after).iter().any(|(what, number)| before.get(what).is_none_or(|known| number > known))
}
