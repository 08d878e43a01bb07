//! Findings without a witness: their events are made up from the signatures of the handlers that they are about.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use patternc_compiler::bodies::bodies;
use patternc_compiler::check::CheckOptions;
use patternc_compiler::diagnostic::{Diagnostic, Level, Location};
use patternc_compiler::effects::describe::body_name;
use patternc_compiler::hir::BodyOwner;
use patternc_compiler::location::locate;
use patternc_compiler::lower;
use patternc_interpreter::explore::{Bounds, End, Explorer, Kind};
use patternc_interpreter::host::Random;
use patternc_program::Program;

use super::drawn::{BATCH, TESTS as DRAWN};
use super::{Confirmed, STATES};
use crate::generate::{Files, Generated, Meeting};
use crate::project::Loaded;
use crate::render::count;

/// How many events at once, and how many tests, each finding gets.
const EVENTS: usize = 2;
const TESTS: usize = 300;

/// In how many ways the records of tests that are drawn may begin.
const SETUPS: u64 = 32;

/// How long a way has to be for what goes on to be without an end.
const ENDLESS: u32 = 60;

/// How the runtime ends what it says of a test that waits for an answer that does not come.
const NEVER: &str = "was never answered";

/// What must happen for a finding to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// An `eventually` invariant does not hold when nothing is on its way.
    Broken,
    /// An event is parked, or tried again without an end.
    Parked,
    /// Events cause one another without an end.
    Endless,
    /// What was refused is neither wholly undone nor without trace.
    HalfDone,
    /// The outside refused, and the records are as if it had not; or it did it, and they are not as if it had.
    Parted,
    /// It shows outside only.
    Outside,
}

/// The question of a rule; `None` of those that are about something else than what happens.
pub fn question(rule: &str) -> Option<Question> {
    Some(match rule {
        "split-invariant" => Question::Broken,
        "dropped-failure" | "fallible-undo" | "fallible-after-pivot" => Question::Parked,
        "send-cycle" => Question::Endless,
        "missing-undo" | "undo-mismatch" => Question::HalfDone,
        "dual-write" => Question::Parted,
        "unsafe-retry" => Question::Outside,
        // Their findings have witnesses, where a run can be found.
        "unserializable-chain" | "stale-guard" => Question::Outside,
        _ => return None,
    })
}

/// The events of a project.
pub struct Makes<'a> {
    project: &'a Loaded,
    pub made: Result<(Arc<Program>, Generated), String>,
}

impl<'a> Makes<'a> {
    pub fn new(project: &'a Loaded) -> Self {
        Makes { project, made: made(project) }
    }

    /// Asks the question of the tests that the finding is about.
    pub fn confirm(&self, finding: &Diagnostic, question: Question) -> Confirmed {
        if question == Question::Outside {
            return Confirmed::Possible("it shows in what the outside does, which is not run".to_owned());
        }
        let (program, generated) = match &self.made {
            Ok(made) => made,
            Err(why) => return Confirmed::Possible(why.clone()),
        };
        let about = self.about(finding);
        let concerned: BTreeSet<usize> = (0..generated.events()).filter(|&call| about.contains(generated.handler(call))).collect();
        let whole = if concerned.is_empty() { (0..generated.events()).collect() } else { concerned };
        let mut meetings = meetings(generated, &whole, question);
        let (tried, all) = (meetings.len().min(TESTS), meetings.len());
        meetings.truncate(TESTS);
        meetings.extend(drawn(generated, &whole));
        let drawn = meetings.len() - tried;
        let mut files = Files::new(self.project, program);
        let (mut states, mut complete) = (0, all <= TESTS);
        // Small ones first, then those that are drawn.
        for (number, chunk) in meetings[..tried].chunks(BATCH).chain(meetings[tried..].chunks(BATCH)).enumerate() {
            let compiled = files.compile(generated, chunk);
            for test in &compiled.program.tests {
                // Where every space has a store of its own, nothing is validated that need not be.
                let places: Vec<usize> = (0..compiled.program.spaces.len()).collect();
                let left = STATES.saturating_sub(states).max(1);
                let bounds = Bounds { states: left, crashes: 0, duplicates: 0, failures: 1, ..Bounds::default() };
                let explorer = |bounds| Explorer::new(compiled.program.clone(), places.clone(), bounds);
                match ask(question, &explorer, bounds, test) {
                    Ok(Answer { shown: Some(shown), .. }) => return shown,
                    Ok(answer) => {
                        states += answer.states;
                        complete &= answer.complete || number >= tried.div_ceil(BATCH);
                    }
                    Err(why) => return Confirmed::Possible(why),
                }
            }
            if states >= STATES {
                complete &= number + 1 >= tried.div_ceil(BATCH);
                break;
            }
        }
        match (tried, complete) {
            (0, _) => Confirmed::Possible(match generated.left_out.first() {
                Some(why) => format!("no event from outside can be made up: {why}"),
                None => "no event from outside leads there".to_owned(),
            }),
            (_, true) => {
                let tests = format!("{} of up to {EVENTS} events made up, {drawn} more drawn by chance", count(tried, "test"));
                Confirmed::NotFound(format!("{tests}, {}", count(states, "state")))
            }
            (_, false) => Confirmed::Possible(format!("{tried} of {all} tests made up, {states} states, and it was not among them")),
        }
    }

    /// The handlers and sagas that the places of a finding stand in.
    fn about(&self, finding: &Diagnostic) -> HashSet<String> {
        let db = &self.project.db;
        let owner = |at: Location| match at {
            Location::Site(site) => Some(site.body),
            Location::Handler(handler) => Some(BodyOwner::Handler(handler)),
            at => locate(db, at).and_then(|(file, span)| {
                let mut bodies = bodies(db, file).bodies.iter();
                bodies.find(|body| body.span.start <= span.start && span.end <= body.span.end).map(|body| body.owner)
            }),
        };
        let labels = std::iter::once(&finding.primary).chain(&finding.labels);
        labels.filter_map(|label| owner(label.at)).map(|owner| body_name(db, owner)).collect()
    }
}

fn made(project: &Loaded) -> Result<(Arc<Program>, Generated), String> {
    let findings = project.findings(&CheckOptions::default());
    if let Some(error) = findings.iter().find(|finding| finding.level == Level::Error && question(finding.rule).is_none()) {
        return Err(format!("the patterns have other errors: {}", error.message));
    }
    let program = Arc::new(lower::lower(&project.db));
    let generated = Files::new(project, &program).generate_with(2, SETUPS)?;
    Ok((program, generated))
}

/// The tests that a question is asked of, small ones first.
fn meetings(generated: &Generated, concerned: &BTreeSet<usize>, question: Question) -> Vec<Meeting> {
    let alone = concerned.iter().map(|&call| Meeting::at_once(vec![call]));
    let all = 0..generated.events();
    let more: Vec<Meeting> = match question {
        // What comes before decides whether it is refused.
        Question::HalfDone | Question::Parted | Question::Endless => {
            let after = |before| concerned.iter().map(move |&call| Meeting { before: vec![before], ..Meeting::at_once(vec![call]) });
            all.flat_map(after).collect()
        }
        _ => generated.sets(EVENTS).filter(|set| set.iter().any(|call| concerned.contains(call))).map(Meeting::at_once).collect(),
    };
    alone.chain(more).collect()
}

/// Tests drawn by chance: of records that begin otherwise, with others before.
fn drawn(generated: &Generated, concerned: &BTreeSet<usize>) -> Vec<Meeting> {
    if concerned.is_empty() {
        return Vec::new();
    }
    let mut random = Random::seeded(0);
    let sets = [concerned.iter().copied().collect::<Vec<_>>(), (0..generated.events()).collect()];
    let one = |at: usize| {
        let Meeting { setup, earlier, at_once, .. } = generated.draw(&sets[..1 + at % EVENTS], &mut random);
        // What is asked is what the events at once do, by themselves.
        Meeting { setup, before: earlier, earlier: Vec::new(), at_once }
    };
    (0..DRAWN).map(one).collect()
}

/// What one test says.
struct Answer {
    shown: Option<Confirmed>,
    states: usize,
    complete: bool,
}

fn ask(question: Question, explorer: &dyn Fn(Bounds) -> Explorer, bounds: Bounds, test: &patternc_program::Test) -> Result<Answer, String> {
    let given = Bounds { failures: 0, ..bounds };
    let shown = |story, end: &str| Some(Confirmed::Shown { story, end: end.to_owned() });
    match question {
        Question::Broken => {
            let outcome = explorer(given).explore(test, &mut |_| {}).map_err(|error| error.message)?;
            let found = outcome.violation.filter(|(violation, _)| violation.kind == Kind::Eventually);
            let confirmed = found.map(|(violation, story)| Confirmed::Shown { story, end: violation.failure.message });
            Ok(Answer { shown: confirmed, states: outcome.states, complete: outcome.complete })
        }
        Question::Parked => {
            let ends = explorer(Bounds { depth: ENDLESS, ..bounds }).ends(test, &mut |end| end.parked).map_err(|error| error.message)?;
            let parked = ends.found.and_then(|story| shown(story, "it is parked: nobody takes it"));
            let stuck = ends.stuck.filter(|(why, _)| why.failure.message.ends_with(NEVER)).map(|(why, story)| (story, why.failure.message));
            let stuck = || stuck.and_then(|(story, why)| shown(story, &format!("{why}: it is tried again and again")));
            let again = || ends.endless.and_then(|story| shown(story, "and so on: it is tried again without an end"));
            Ok(Answer { shown: parked.or_else(stuck).or_else(again), states: ends.states, complete: ends.complete })
        }
        Question::Endless => {
            let ends = explorer(Bounds { depth: ENDLESS, ..given }).ends(test, &mut |_| false).map_err(|error| error.message)?;
            let end = "and so on: no schedule comes to an end";
            Ok(Answer { shown: ends.endless.and_then(|story| shown(story, end)), states: ends.states, complete: ends.complete })
        }
        Question::HalfDone => {
            let mut half = |end: End| (end.failed || end.refused > 0) && (end.parked || end.records != end.before);
            let ends = explorer(bounds).ends(test, &mut half).map_err(|error| error.message)?;
            let end = "it was refused, and what it did is not undone";
            Ok(Answer { shown: ends.found.and_then(|story| shown(story, end)), states: ends.states, complete: ends.complete })
        }
        Question::Parted => {
            let mut done = HashSet::new();
            let mut note = |end: End| {
                if !end.failed && end.records != end.before {
                    done.insert(end.records);
                }
                false
            };
            let all = explorer(given).ends(test, &mut note).map_err(|error| error.message)?;
            let mut refused = false;
            let mut parted = |end: End| {
                refused = end.refused > 0;
                match (end.refused, end.lost) {
                    (0, 0) => false,
                    (0, _) => !done.contains(&end.records),
                    _ => done.contains(&end.records),
                }
            };
            let ends = explorer(Bounds { duplicates: 1, ..bounds }).ends(test, &mut parted).map_err(|error| error.message)?;
            let end = match refused {
                true => "the outside refused, and the records are as if it had done it",
                false => "the outside did it and its answer was lost, and the records are not as if it had done it",
            };
            let (states, complete) = (all.states + ends.states, all.complete && ends.complete);
            Ok(Answer { shown: ends.found.and_then(|story| shown(story, end)), states, complete })
        }
        Question::Outside => Ok(Answer { shown: None, states: 0, complete: false }),
    }
}
