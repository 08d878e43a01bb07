//! Explores tests that are made up: few events first, so that what is found is as small as can be.

use std::sync::Arc;
use std::time::Instant;

use patternc_interpreter::explore::{Bounds, Outcome};
use patternc_program::Program;

use super::{Searcher, again};
use crate::fault::Fault;
use crate::generate::{self, FILE, Files, Meeting};
use crate::project::Loaded;
use crate::render::story::{Explored, Made};
use crate::render::{Position, count};

/// Tests in one file: each compilation looks at the whole project.
const TESTS: usize = 256;

/// Tries every set of at most so many events. Ends with the sets of the smallest size that has a violation, and gives the shortest.
pub(super) fn explore(searcher: &Searcher<'_>, project: &Loaded, program: &Arc<Program>, events: u8) -> Result<Option<Explored>, Fault> {
    let began = Instant::now();
    let mut files = Files::new(project, program);
    let generated = files.generate(usize::from(searcher.arguments.records)).map_err(Fault::Use)?;
    if generated.events() == 0 && generated.left_out.is_empty() {
        return Ok(None);
    }
    let sizes = 1..=usize::from(events);
    let all = sizes.clone().map(|size| generate::count(generated.events(), size)).fold(0, usize::saturating_add);
    let mut sum = Outcome { states: 0, steps: 0, depth: 0, ends: 0, symmetries: 1, complete: true, violation: None };
    let mut tried = 0;
    let mut again_text = None;
    let mut at_once = 0;
    // Whether there were too many states, of all sets together.
    let mut cut = false;
    'sizes: for size in sizes {
        at_once = size;
        let mut sets = generated.sets(size);
        loop {
            let left = searcher.arguments.sets.saturating_sub(tried).min(TESTS);
            let batch: Vec<Meeting> = sets.by_ref().take(left).map(Meeting::at_once).collect();
            if batch.is_empty() {
                break;
            }
            let compiled = files.compile(&generated, &batch);
            for test in &compiled.program.tests {
                // Only what is shorter than what was found is of interest.
                let shortest = sum.violation.as_ref().map(|_| sum.depth);
                let bounds = searcher.bounds();
                let states = bounds.states.saturating_sub(sum.states);
                if states == 0 {
                    cut = true;
                    break 'sizes;
                }
                let bounds = Bounds { states, ..bounds };
                let bounds = Bounds { depth: shortest.map_or(bounds.depth, |depth| depth.saturating_sub(1)), ..bounds };
                let name = format!("{size} at once, {} of {all} sets", tried + 1);
                searcher.tell(&name);
                let outcome = searcher.explore(&compiled.program, test, &name, bounds)?;
                tried += 1;
                sum.states += outcome.states;
                sum.steps += outcome.steps;
                sum.ends += outcome.ends;
                sum.symmetries = sum.symmetries.max(outcome.symmetries);
                if let Some((violation, story)) = outcome.violation {
                    again_text = Some(again(&compiled.text, test, &story.orders));
                    sum.depth = outcome.depth + 1;
                    sum.violation = Some((violation, story));
                } else if shortest.is_none() {
                    sum.depth = sum.depth.max(outcome.depth);
                    sum.complete &= outcome.complete;
                }
                if searcher.stop.load(std::sync::atomic::Ordering::Relaxed) {
                    sum.complete = false;
                    break 'sizes;
                }
            }
        }
        if sum.violation.is_some() {
            break;
        }
    }
    sum.complete &= tried == all && !cut;
    let made = Made { events: generated.events(), at_once, sets: tried, all, left_out: generated.left_out.clone() };
    let start = Position { line: 1, column: 1 };
    let path = match project.shown_path("").trim_end_matches('/') {
        "" => ".".to_owned(),
        path => path.to_owned(),
    };
    let violation_at = sum.violation.as_ref().map(|_| (format!("{FILE} test"), start));
    let again = again_text.map(|test| files.alone(&test));
    let seconds = began.elapsed().as_secs_f64();
    Ok(Some(Explored {
        name: format!("{} at once", count(at_once, "event")).into(),
        path,
        start,
        bound: if tried < all && !cut { Some("--sets") } else { searcher.arguments.reached(&sum) },
        outcome: sum,
        seconds,
        violation_at,
        again,
        command: searcher.command(),
        made: Some(made),
    }))
}
