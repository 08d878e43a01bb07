//! Whether a finding of the analyses happens when its events are run: every schedule of them is tried.

mod drawn;
mod made;
mod witness;

use std::cell::OnceCell;
use std::fmt::Write as _;

use patternc_compiler::diagnostic::Diagnostic;
use patternc_interpreter::explore::Story;

use crate::project::Loaded;

/// How many states each finding is followed for.
const STATES: usize = 50_000;

/// What is wrong where schedules are compared with orders of whole events.
const UNEXPLAINED: &str = "no order of whole events, each with all that it causes, ends so";

/// What running a finding showed.
#[derive(Clone, Debug, PartialEq)]
pub enum Confirmed {
    /// It happens, in this way. `end`: what is wrong then.
    Shown { story: Story, end: String },
    /// What it is about happened in runs, of which every schedule was tried, and nothing was wrong: how many.
    NotFound(String),
    /// It could not be run, or not to the end, or what it is about never happened: why.
    Possible(String),
}

impl Confirmed {
    /// As written in findings.
    pub fn name(&self) -> &'static str {
        match self {
            Confirmed::Shown { .. } => "shown",
            Confirmed::NotFound(_) => "not found",
            Confirmed::Possible(_) => "possible",
        }
    }

    /// The notes that a finding gets.
    fn notes(&self) -> Vec<String> {
        match self {
            Confirmed::Shown { story, end } => {
                let mut notes = vec!["shown by running it:".to_owned()];
                // What is there to begin with goes without saying.
                let steps = story.steps.iter().skip_while(|step| step.what.starts_with("create "));
                for (number, step) in steps.enumerate() {
                    let mut line = format!("  {}. {}", number + 1, step.what);
                    if let Some(space) = &step.space {
                        let _ = write!(line, " in {space}");
                    }
                    if !step.changes.is_empty() {
                        let _ = write!(line, ": {}", step.changes.join(", "));
                    }
                    if let Some(outcome) = &step.outcome {
                        let _ = write!(line, " ({outcome})");
                    }
                    notes.push(line);
                }
                notes.push(end.clone());
                notes
            }
            Confirmed::NotFound(within) => vec![format!("not found by running it: {within}")],
            Confirmed::Possible(why) => vec![format!("possible, not shown: {why}")],
        }
    }
}

/// Runs the findings of the analyses, and notes with each what that showed. `None`: it is about something else.
pub fn all(project: &Loaded, findings: &mut [Diagnostic]) -> Vec<Option<Confirmed>> {
    let makes = OnceCell::new();
    let makes = || makes.get_or_init(|| made::Makes::new(project));
    let one = |finding: &mut Diagnostic| {
        let confirmed = match &finding.witness {
            Some(witness) => witness::confirm(project, witness, &makes),
            None => {
                let question = made::question(finding.rule)?;
                makes().confirm(finding, question)
            }
        };
        finding.notes.extend(confirmed.notes());
        Some(confirmed)
    };
    findings.iter_mut().map(one).collect()
}
