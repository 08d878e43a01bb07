//! All findings: of one file, and of the project.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};

use patternc_grammar::syntax::Span;
use patternc_grammar::{SyntaxError, SyntaxErrorKind};

use crate::bodies::bodies;
use crate::db::{Database, Db, Project, SourceFile};
use crate::diagnostic::{Diagnostic, Edit, Level, Location, Safety};
use crate::items::parsed;
use crate::location::located;
use crate::project_names::duplicates;
use crate::rules::edits;
use crate::signature::signature_diagnostics;
use crate::{allow, config, cycles, declarations, fixes, rules, summary, unused};

/// What is found in one file, at the levels of the rules.
#[salsa::tracked(returns(ref))]
pub fn check_file(db: &dyn Db, file: SourceFile) -> Vec<Diagnostic> {
    let own = own_findings(db, file);
    let mut findings = own.findings.clone();
    rules::run_in_project(db, file, &mut findings);
    cycles::check(db, file, &mut findings);
    unused::declarations(db, file, &mut findings);
    // Most files have none: do not walk their trees.
    if own.allows {
        allow::apply(db, file, &mut findings);
    }
    fixes::casing(db, file, &mut findings);
    fixes::temper(db, file, &mut findings);
    findings
}

/// What is found in one file without a look at the whole project.
#[derive(Debug, PartialEq, Eq)]
struct OwnFindings {
    findings: Vec<Diagnostic>,
    /// There may be an `@allow` in the text.
    allows: bool,
}

/// Apart from what is found in the project, so that edits elsewhere do not ask for it.
#[salsa::tracked(returns(ref))]
fn own_findings(db: &dyn Db, file: SourceFile) -> OwnFindings {
    let errors = parsed(db, file).errors.iter().filter(|error| !is_told_by_body(db, file, error));
    let mut findings: Vec<Diagnostic> = errors.map(|error| syntax_finding(db, file, error)).collect();
    findings.extend_from_slice(signature_diagnostics(db, file));
    findings.extend(bodies(db, file).diagnostics.iter().filter(|finding| !is_remnant(db, file, finding)).cloned());
    rules::run_on_file(db, file, &mut findings);
    findings.retain(|finding| !is_of_awaited(db, file, finding));
    declarations::check(db, file, &mut findings);
    findings.retain(|finding| !is_of_lost(db, file, finding));
    unused::imports(db, file, &mut findings);
    OwnFindings { findings, allows: file.text(db).contains("@allow") }
}

/// Whether a finding is that a value is used for nothing, in a line of which the rest could not be read: that would have used it.
fn is_remnant(db: &dyn Db, file: SourceFile, finding: &Diagnostic) -> bool {
    let Location::Span(_, value) = finding.primary.at else { return false };
    let rest_is_lost = |error: &SyntaxError| {
        let between = file.text(db).get(value.start as usize..error.span.start as usize);
        between.is_some_and(|between| !between.contains('\n'))
    };
    finding.rule == rules::unused_value::RULE.name && parsed(db, file).errors.iter().any(rest_is_lost)
}

/// Whether a finding follows from what could not be read: a name that it was to declare is not unknown, and what is still to be written there may
/// use any name.
fn is_of_lost(db: &dyn Db, file: SourceFile, finding: &Diagnostic) -> bool {
    let Location::Span(of, span) = finding.primary.at else { return false };
    let name = span.slice(of.text(db));
    match finding.rule {
        rule if rule == rules::unknown_name::RULE.name => summary::lost(db).flatten().any(|lost| lost.as_str() == name),
        rule if rule == rules::unused_name::RULE.name => {
            let is_hole = |error: &SyntaxError| error.kind == SyntaxErrorKind::Syntax && error.fix.is_none();
            parsed(db, file).errors.iter().any(is_hole)
        }
        _ => false,
    }
}

/// Whether an error of the text is part of a mistake of which the body has more to say: `await` before a call of the outside, what stands in
/// the brackets of `.then(…)`, or a variant that is written alone, and in another case.
fn is_told_by_body(db: &dyn Db, file: SourceFile, error: &SyntaxError) -> bool {
    let text = file.text(db);
    let is_of_finding = |finding: &Diagnostic| match finding.primary.at {
        Location::Span(_, span) if finding.rule == rules::syntax::RULE.name => {
            // The body knows what the word is compared with.
            if patternc_grammar::is_none_elsewhere(span.slice(text)) {
                return span == error.span;
            }
            // What could not be read ends the call: it goes on behind it, on its line.
            let between = text.get(span.end as usize..error.span.start as usize);
            error.span.start >= span.start && between.is_none_or(|between| !between.contains('\n'))
        }
        Location::Span(_, span) if error.kind == SyntaxErrorKind::WrongCase => {
            finding.rule == rules::unknown_name::RULE.name && span == error.span
        }
        _ => false,
    };
    if bodies(db, file).diagnostics.iter().any(is_of_finding) {
        return true;
    }
    let called = |finding: &Diagnostic| match finding.primary.at {
        Location::Span(_, span) if finding.rule == rules::extern_in_transaction::RULE.name => {
            file.text(db).get(error.span.end as usize..span.start as usize).is_some_and(|between| between.trim().is_empty())
        }
        _ => false,
    };
    error.kind == SyntaxErrorKind::Await && bodies(db, file).diagnostics.iter().any(called)
}

/// Whether a finding is that a call may not write what it does, and the call stands behind an `await`: it is to be sent.
fn is_of_awaited(db: &dyn Db, file: SourceFile, finding: &Diagnostic) -> bool {
    let Location::Span(_, span) = finding.primary.at else { return false };
    let awaits = |error: &SyntaxError| {
        let between = file.text(db).get(error.span.end as usize..span.start as usize);
        error.kind == SyntaxErrorKind::Await && between.is_some_and(|between| between.trim().is_empty())
    };
    [rules::cross_space_write::RULE.name, rules::undeclared_write::RULE.name].contains(&finding.rule)
        && parsed(db, file).errors.iter().any(awaits)
}

/// Levels that a command line sets, over those of `patternc.yaml`.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// The last of a rule counts.
    pub levels: Vec<(&'static str, Level)>,
    pub deployments: Deployments,
}

/// The deployments under which the patterns are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Deployments {
    /// Every one that `patternc.yaml` has.
    #[default]
    All,
    /// The one of this name.
    Only(Box<str>),
    /// As if there were none: what holds wherever the patterns run.
    None,
}

impl Deployments {
    /// Whether a finding is about one of them, or about no deployment.
    fn concern(&self, finding: &Diagnostic) -> bool {
        match (self, &finding.deployment) {
            (_, None) | (Deployments::All, _) => true,
            (Deployments::Only(name), Some(of)) => name == of,
            (Deployments::None, Some(_)) => false,
        }
    }
}

/// Files below which another thread is not worth its start.
const FILES_A_THREAD: usize = 32;

/// Looks at all files on every core of the machine, so that [`check`] has only to gather what was found. An edit cancels it.
pub fn look_at_all(db: &Database) {
    // First what no file waits for another with: what is so in the project is gathered from all of them, by one of the threads.
    on_every_core(db, |db, file| {
        own_findings(db, file);
    });
    on_every_core(db, |db, file| {
        check_file(db, file);
    });
}

fn on_every_core(db: &Database, look: impl Fn(&Database, SourceFile) + Sync) {
    let Some(project) = Project::try_get(db) else { return };
    let files = project.files(db).as_slice();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len() / FILES_A_THREAD);
    if threads < 2 {
        return;
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (db, next, look) = (db.clone(), &next, &look);
            scope.spawn(move || {
                // What an edit cancels here it cancels for who asks for the findings too, who then hears of it.
                let _ = salsa::Cancelled::catch(AssertUnwindSafe(|| {
                    while let Some(&file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        look(&db, file);
                    }
                }));
            });
        }
    });
}

/// What is found in the whole project and in its `patternc.yaml`, at the levels set there and in `options`, every place turned into a span:
/// by file, then in the order of the text.
pub fn check(db: &dyn Db, options: &CheckOptions) -> Vec<Diagnostic> {
    let Some(project) = Project::try_get(db) else { return Vec::new() };
    let mut findings: Vec<Diagnostic> = project
        .files(db)
        .iter()
        .flat_map(|&file| check_file(db, file))
        .chain(duplicates(db))
        .chain(config::diagnostics(db))
        .filter(|finding| options.deployments.concern(finding))
        .filter_map(|finding| at_level(db, finding, options))
        .collect();
    sort(db, &mut findings);
    findings
}

/// The finding as it is shown: at its level, with every place turned into a span. `None` if its rule is off.
pub fn at_level(db: &dyn Db, finding: &Diagnostic, options: &CheckOptions) -> Option<Diagnostic> {
    let level = match finding.level {
        // An error cannot be set lower.
        Level::Error => Level::Error,
        level => {
            let set = options.levels.iter().rev().find(|(rule, _)| *rule == finding.rule).map(|(_, level)| *level);
            set.or_else(|| config::config(db).rules.get(finding.rule).copied()).unwrap_or(level)
        }
    };
    (level != Level::Off).then(|| Diagnostic { level, ..located(db, finding) })
}

/// By path, then in the order of the text, then by rule.
fn sort(db: &dyn Db, findings: &mut [Diagnostic]) {
    findings.sort_by(|a, b| {
        let key = |finding: &Diagnostic| match finding.primary.at {
            Location::Span(file, span) => Some((file.path(db), span.start, span.end)),
            _ => None,
        };
        key(a).cmp(&key(b)).then_with(|| a.rule.cmp(b.rule))
    });
}

/// The finding for a place that is no pattern.
pub fn syntax_finding(db: &dyn Db, file: SourceFile, error: &SyntaxError) -> Diagnostic {
    let rule = match error.kind {
        SyntaxErrorKind::Syntax => rules::syntax::RULE.name,
        SyntaxErrorKind::WrongCase => rules::wrong_case::RULE.name,
        SyntaxErrorKind::NestingLimit => rules::nesting_limit::RULE.name,
        SyntaxErrorKind::Await => rules::extern_in_transaction::RULE.name,
    };
    let mut finding = Diagnostic::error(rule, file, error.span, &*error.message);
    if let Some(help) = &error.help {
        finding = finding.help(&**help);
    }
    let Some(text) = &error.fix else { return finding };
    let edit = |span: Span, text: &str| {
        let span = if text.is_empty() { edits::with_blanks_before(file.text(db), span) } else { span };
        Edit { file, span, text: text.to_owned() }
    };
    // What is sent happens later than what was awaited.
    let safety = if error.kind == SyntaxErrorKind::Await { Safety::Unsafe } else { Safety::Safe };
    let title = if text.is_empty() { "remove it".to_owned() } else { format!("write `{}`", text.trim()) };
    let also = error.also.iter().map(|(span, text)| edit(*span, text));
    finding.fix(title, safety, std::iter::once(edit(error.span, text)).chain(also).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;

    /// Findings as `level rule`, with a configuration and levels from a command line.
    fn levels(text: &str, config: &str, options: &[(&'static str, Level)]) -> Vec<String> {
        let mut db = Database::default();
        db.set_project(&[("main.pattern", text)], Some(("patternc.yaml", config)));
        let options = CheckOptions { levels: options.to_vec(), ..CheckOptions::default() };
        check(&db, &options).into_iter().map(|finding| format!("{} {}", finding.level.name(), finding.rule)).collect()
    }

    const UNUSED: &str = "enum Kind { a }";

    #[test]
    fn the_project_sets_levels_and_the_command_line_sets_them_again() {
        assert_eq!(levels(UNUSED, "", &[]), ["warn unused-name"]);
        assert_eq!(levels(UNUSED, "rules: { unused-name: error }", &[]), ["error unused-name"]);
        assert_eq!(levels(UNUSED, "rules: { unused-name: off }", &[]), [""; 0]);
        assert_eq!(levels(UNUSED, "rules: { unused-name: off }", &[("unused-name", Level::Info)]), ["info unused-name"]);
        assert_eq!(levels(UNUSED, "", &[("unused-name", Level::Error), ("unused-name", Level::Off)]), [""; 0]);
    }

    #[test]
    fn an_error_stays_one() {
        let text = "record Person { cell boss: Boss? }";
        assert_eq!(levels(text, "", &[("unknown-name", Level::Off)]), ["error unknown-name"]);
        let found = levels(text, "rules: { unknown-name: off }", &[]);
        assert_eq!(found, ["error unknown-name", "error configuration"]);
    }
}
