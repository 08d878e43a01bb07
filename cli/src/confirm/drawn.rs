//! Other runs of the events of a finding: records that begin otherwise, other arguments, events before them, drawn by chance.
//!
//! The story of a finding is one of many, and what it needs of the start is known in part. So before a finding is said not to happen, its
//! events meet in runs that nobody has thought of.

use std::sync::Arc;

use patternc_compiler::chains::witness::{Turn, Witness};
use patternc_compiler::db::Database;
use patternc_compiler::effects::describe::body_name;
use patternc_compiler::hir::BodyOwner;
use patternc_interpreter::explore::{Bounds, Comparison, Explorer, Step, Story};
use patternc_interpreter::host::Random;
use patternc_program::Program;

use super::made::Makes;
use super::witness::ordered;
use super::{Confirmed, STATES, UNEXPLAINED};
use crate::generate::{Files, Meeting};
use crate::project::Loaded;

/// How many runs are drawn for a finding, how many are compiled at once, and how far each is followed.
pub const TESTS: usize = 300;
pub const BATCH: usize = 60;
const STATES_OF_ONE: usize = 5_000;

/// What drawn runs came to.
pub struct Drawn {
    pub tests: usize,
    pub states: usize,
    pub shown: Option<Confirmed>,
}

/// Has the events of a witness meet in drawn runs, until one shows that its first event is not as good as one transaction. `None`: no events can
/// be made up.
pub fn meet(project: &Loaded, makes: &Makes<'_>, witness: &Witness, seen: &mut Seen) -> Option<Drawn> {
    let (program, generated) = makes.made.as_ref().ok()?;
    if generated.events() == 0 {
        return None;
    }
    let told = witness.events.iter().map(|event| generated.of_handler(&body_name(&project.db, event.starts)));
    let told: Vec<Vec<usize>> = told.collect();
    // The first may be got in the way of by others than those of the story.
    let others = (1..told.len()).map(|_| (0..generated.events()).collect());
    let others: Vec<Vec<usize>> = told.first().cloned().into_iter().chain(others).collect();
    let mut random = Random::seeded(0);
    // Of ways that are as short, those are found first in which the first event of the test begins: each comes first in turn.
    let mut meetings: Vec<(Meeting, usize, bool)> = Vec::new();
    for at in 0..TESTS {
        let of_story = at % 4 < 3;
        let mut meeting = generated.draw(if of_story { &told } else { &others }, &mut random);
        let first = at % meeting.at_once.len();
        meeting.at_once.rotate_right(first);
        if !meetings.iter().any(|(known, ..)| *known == meeting) {
            meetings.push((meeting, first, of_story));
        }
    }
    // One that reads first and commits later is one transaction: if others get between, it is as much between theirs.
    let looks_first = witness.order.iter().filter(|turn| turn.event == 0 && turn.sent.is_none()).count() > 1;
    let mut files = Files::new(project, program);
    let mut drawn = Drawn { tests: 0, states: 0, shown: None };
    for batch in meetings.chunks(BATCH) {
        let compiled = files.compile(generated, batch.iter().map(|(meeting, ..)| meeting));
        for (test, (meeting, first, of_story)) in compiled.program.tests.iter().zip(batch) {
            let places = (0..compiled.program.spaces.len()).collect();
            let bounds = Bounds { states: STATES_OF_ONE, ..Bounds::default() };
            let explorer = Explorer::new(compiled.program.clone(), places, bounds).ordering(ordered(project, witness, &compiled.program));
            let Ok(comparison) = explorer.compare(test, &mut |_| {}) else { continue };
            if *of_story {
                seen.note(&compiled.program, &comparison, meeting.earlier.len(), *first);
            }
            drawn.tests += 1;
            drawn.states += comparison.states;
            let is_about_it = |story: &Story| is_interrupted(story, first + 1) || *of_story && looks_first;
            if let Some(story) = comparison.anomaly.filter(is_about_it) {
                drawn.shown = Some(Confirmed::Shown { story, end: UNEXPLAINED.to_owned() });
                return Some(drawn);
            }
            if drawn.states >= STATES {
                return Some(drawn);
            }
        }
    }
    Some(drawn)
}

/// Whether others come between the steps of the session of this number: of what the events do to each other, only that is about its own.
fn is_interrupted(story: &Story, session: usize) -> bool {
    let Some((_, order)) = story.orders.last() else { return false };
    let order: Vec<&str> = order.split(' ').collect();
    // An order ends where nothing is left to choose; the steps do not.
    let begins = story.steps.windows(order.len()).rposition(|steps| steps.iter().map(|step| &*step.name).eq(order.iter().copied()));
    let session = session.to_string();
    let is_own = |step: &Step| step.name.split(['.', '/']).next() == Some(&*session);
    let own: Vec<bool> = story.steps[begins.unwrap_or_default()..].iter().map(is_own).collect();
    match (own.iter().position(|own| *own), own.iter().rposition(|own| *own)) {
        (Some(from), Some(to)) => own[from..to].iter().any(|own| !own),
        _ => false,
    }
}

/// What of a story has happened in some run.
pub struct Seen {
    /// By event, with what it is called: whether it is taken in the story, and was in some run.
    taken: Vec<(String, bool, bool)>,
    /// What is sent in the story, and whether it was in some run.
    sent: Vec<(String, bool)>,
}

impl Seen {
    pub fn new(db: &Database, witness: &Witness) -> Self {
        let begins = |event: usize| move |turn: &&Turn| turn.event == event && turn.sent.is_none();
        let taken = witness.events.iter().enumerate().map(|(event, of)| {
            let refused = witness.order.iter().find(begins(event)).is_some_and(|turn| turn.refused);
            (body_name(db, of.starts), !refused, false)
        });
        let handlers = witness.order.iter().filter(|turn| turn.sent.is_some() && turn.arm.is_none());
        let handlers = handlers.filter(|turn| matches!(turn.body, BodyOwner::Handler(_)));
        let mut sent: Vec<(String, bool)> = handlers.map(|turn| (body_name(db, turn.body), false)).collect();
        sent.dedup();
        Seen { taken: taken.collect(), sent }
    }

    /// What happened in the runs of a test. `before`: how many sessions come before those of the events, of which the first is at position `first`.
    pub fn note(&mut self, program: &Arc<Program>, comparison: &Comparison, before: usize, first: usize) {
        let events = self.taken.len();
        for (event, (_, _, taken)) in self.taken.iter_mut().enumerate() {
            let session = before + (event + first) % events + 1;
            *taken |= comparison.states > 0 && comparison.taken.has_number(session as u64);
        }
        for handler in &comparison.sent_to {
            let handler = program.handler(*handler);
            let name = format!("{}.{}", program.record(handler.record).name, handler.name);
            self.sent.iter_mut().filter(|(of, _)| *of == name).for_each(|(_, sent)| *sent = true);
        }
    }

    /// What the story needs and did not happen in any run.
    pub fn missing(&self) -> Option<String> {
        let refused =
            self.taken.iter().find(|(_, needed, taken)| *needed && !taken).map(|(name, ..)| format!("`{name}` was always refused"));
        let unsent = || self.sent.iter().find(|(_, sent)| !sent).map(|(name, _)| format!("`{name}` was never sent"));
        refused.or_else(unsent)
    }
}
