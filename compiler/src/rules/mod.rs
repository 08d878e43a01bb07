//! The rules: what `patternc check` reports.
//!
//! A rule is one file of this folder: its name, its level, its page, and its [`Check`]. To add one, write the file and name its module in the list
//! below. Those that are found in passing are found where names, types or text are understood; their file is where they are named and explained.

mod context;
pub(crate) mod edits;
mod held;
pub(crate) mod reach;
mod repairs;
mod steps;
mod taken_back;

use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Level, Location};

pub use context::{Callable, Context};

/// Declares the modules of all rules, and [`ALL`].
macro_rules! rules {
    ($($module:ident),* $(,)?) => {
        $(pub mod $module;)*

        /// Every rule there is, in the order of the list.
        pub static ALL: &[&Rule] = &[$(&$module::RULE),*];
    };
}

rules![
    // Spaces.
    cross_space_write,
    not_co_located,
    undeclared_write,
    unused_write,
    invariant_across_spaces,
    space_escape,
    inverse_across_spaces,
    derived_write,
    // Atomicity.
    extern_in_transaction,
    impure_expression,
    dual_write,
    dropped_failure,
    swallowed_failure,
    split_update,
    stale_capture,
    early_answer,
    read_after_send,
    stale_guard,
    split_invariant,
    unserializable_chain,
    send_cycle,
    late_check,
    // Conflicts and liveness.
    overwrite_append,
    overwrite_count,
    read_then_append,
    copied_cell,
    dangling_link,
    missing_key,
    costly_invariant,
    // Sagas, mirrors, externs.
    missing_undo,
    half_done_step,
    fallible_after_pivot,
    fallible_undo,
    unsafe_retry,
    undo_mismatch,
    unread_mirror,
    same_removal,
    // Names, types, hygiene.
    syntax,
    wrong_case,
    unknown_name,
    duplicate_name,
    unresolved_import,
    type_mismatch,
    wrong_arguments,
    missing_cell,
    missing_arm,
    recursive_fn,
    recursive_call,
    derived_cycle,
    no_expectation,
    nesting_limit,
    configuration,
    unused_import,
    unused_name,
    unused_value,
    unreachable_arm,
    constant_condition,
    shadowed_name,
    unused_allow,
    unknown_rule,
    allow_without_reason,
];

/// A rule, declared once in a file of its own.
#[derive(Debug)]
pub struct Rule {
    /// In kebab case, as in `patternc explain NAME`.
    pub name: &'static str,
    /// The level without any configuration. An error cannot be configured away.
    pub level: Level,
    /// What it reports, as the rest of "reports …".
    pub summary: &'static str,
    /// Whether its findings carry their way out as a change of the text.
    pub fixes: Fixes,
    /// Markdown with the sections "What goes wrong", "Bad", "Good" and, for warnings, "When it is fine". The blocks marked `pattern` run as
    /// tests: a bad one reports this rule and no other (but those behind `ignore=`), a good one nothing. Blocks of one section that start with
    /// `// file: name.pattern` are one project.
    pub page: &'static str,
    pub check: Check,
}

/// How the findings of a rule are found.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// While names, types or text are understood.
    InPassing,
    /// By looking at a file, and at what it uses.
    File(fn(&Context<'_>, &mut Vec<Diagnostic>)),
    /// By looking at a file with what is so in the whole project: what others write, delete, demand. Such a rule is asked whether it has to look
    /// again after every edit of any file.
    Project(fn(&Context<'_>, &mut Vec<Diagnostic>)),
}

/// What the compiler knows of the way out of the findings of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixes {
    /// Where it is known, it changes nothing but what is wrong, for some of the findings at least: `--fix` follows it.
    Safe,
    /// Where it is known, it can change what a program does: `--unsafe-fixes` follows it.
    Unsafe,
    /// It is not known, and why.
    None(&'static str),
}

impl Rule {
    /// A finding of this rule at its default level.
    pub fn at(&self, place: Location, label: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.name, self.level, place, label, message)
    }
}

/// The rule of this name.
pub fn named(name: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| rule.name == name)
}

/// What the rules that look at files find in one, at their default levels; `@allow` and configuration come later.
pub fn run_on_file(db: &dyn Db, file: SourceFile, findings: &mut Vec<Diagnostic>) {
    run(&Context::new(db, file), findings, |check| match check {
        Check::File(check) => Some(check),
        Check::Project(_) | Check::InPassing => None,
    });
}

/// What the rules that look at the project find in one file, as [`run_on_file`].
pub fn run_in_project(db: &dyn Db, file: SourceFile, findings: &mut Vec<Diagnostic>) {
    run(&Context::new(db, file), findings, |check| match check {
        Check::Project(check) => Some(check),
        Check::File(_) | Check::InPassing => None,
    });
}

fn run(context: &Context<'_>, findings: &mut Vec<Diagnostic>, which: impl Fn(Check) -> Option<fn(&Context<'_>, &mut Vec<Diagnostic>)>) {
    if context.callables.is_empty() {
        return;
    }
    for check in ALL.iter().filter_map(|rule| which(rule.check)) {
        check(context, findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_kebab_case() {
        for (i, rule) in ALL.iter().enumerate() {
            assert!(rule.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.name);
            assert!(ALL[..i].iter().all(|other| other.name != rule.name), "{} is listed twice", rule.name);
            assert_eq!(named(rule.name).map(|found| found.summary), Some(rule.summary));
        }
    }

    #[test]
    fn every_page_has_its_sections() {
        for rule in ALL {
            let warning = rule.level < Level::Error;
            for (section, needed) in [("## What goes wrong", true), ("## Bad", true), ("## Good", true), ("## When it is fine", warning)] {
                assert_eq!(rule.page.contains(&format!("\n{section}\n")), needed, "`{}` and \"{section}\"", rule.name);
            }
        }
    }
}
