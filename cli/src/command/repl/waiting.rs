//! Waiting at the prompt: says what for when it takes longer, and gives up when the person does.

use std::time::Duration;

use patternc_interpreter::engine::Stage;
use patternc_interpreter::interrupt::Interrupt;
use patternc_interpreter::runtime::{Patience, Runtime};

/// How long an entry may take before the prompt comes back.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it is waited in silence.
const SILENCE: Duration = Duration::from_secs(1);
/// How long between two notices that say the same.
const AGAIN: Duration = Duration::from_secs(10);
/// Events that a notice names.
const NAMED: usize = 3;

/// See the module's documentation.
pub struct Waiting {
    interrupt: Interrupt,
    quiet: bool,
    /// What was said last, and when.
    told: Option<(String, Duration)>,
    gave_up: bool,
}

impl Waiting {
    pub fn new(interrupt: Interrupt, quiet: bool) -> Self {
        Waiting { interrupt, quiet, told: None, gave_up: false }
    }

    /// Whether patience has ended.
    pub fn gave_up(&self) -> bool {
        self.gave_up
    }
}

impl Patience for Waiting {
    fn lasts(&mut self, waited: Duration, runtime: &Runtime) -> bool {
        self.gave_up = self.interrupt.is_raised() || waited >= PATIENCE;
        if self.gave_up {
            return false;
        }
        let since = self.told.as_ref().map_or(Duration::ZERO, |(_, told)| *told);
        if !self.quiet && waited.saturating_sub(since) >= SILENCE {
            let notice = notice(runtime);
            let fresh = self.told.as_ref().is_none_or(|(told, _)| *told != notice);
            if fresh || waited.saturating_sub(since) >= AGAIN {
                eprintln!("{notice}. Ctrl-C gives up waiting; what is durable goes on");
                self.told = Some((notice, waited));
            }
        }
        true
    }
}

/// What is waited for.
fn notice(runtime: &Runtime) -> String {
    let status = runtime.status();
    let busy = status
        .flights
        .iter()
        .filter(|flight| matches!(flight.stage, Stage::Calling | Stage::Delivering | Stage::Settling | Stage::Elsewhere));
    let all: Vec<String> = busy
        .map(|flight| {
            let what = runtime.describe(&flight.event.action);
            match (&flight.trouble, flight.stage) {
                (Some(trouble), _) => format!("{what} ({trouble})"),
                (None, Stage::Calling) => format!("{what}, which has not answered yet"),
                (None, _) => what,
            }
        })
        .collect();
    match all.as_slice() {
        [] => "still running".to_owned(),
        some if some.len() <= NAMED => format!("waiting for {}", some.join("; ")),
        many => format!("waiting for {}; and {} more", many[..NAMED].join("; "), many.len() - NAMED),
    }
}
