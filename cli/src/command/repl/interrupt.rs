//! Ctrl-C while an entry runs. At a prompt that waits for a line, the line editor takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use patternc_interpreter::interrupt::Interrupt;

use crate::fault::Fault;

/// The exit status of what was interrupted.
pub const INTERRUPTED: u8 = 130;

/// Listens for Ctrl-C.
#[derive(Clone)]
pub struct Breaks {
    /// Raised while an entry is to end.
    pub interrupt: Interrupt,
    running: Arc<AtomicBool>,
    /// How often it was pressed during this entry.
    pressed: Arc<AtomicU32>,
}

impl Breaks {
    /// Listens from now on. Without a terminal, Ctrl-C between two entries ends the process.
    pub fn listen(terminal: bool) -> Result<Self, Fault> {
        let breaks = Breaks { interrupt: Interrupt::default(), running: Arc::default(), pressed: Arc::default() };
        let heard = breaks.clone();
        ctrlc::set_handler(move || heard.press(terminal)).map_err(|e| Fault::Use(format!("cannot listen for Ctrl-C: {e}")))?;
        Ok(breaks)
    }

    fn press(&self, terminal: bool) {
        if !self.running.load(Ordering::SeqCst) {
            // What was acknowledged is durable, and nothing runs.
            if !terminal {
                std::process::exit(INTERRUPTED.into());
            }
            return;
        }
        if terminal {
            // The terminal has shown `^C`.
            eprintln!();
        }
        self.interrupt.raise();
        match self.pressed.fetch_add(1, Ordering::SeqCst) {
            0 => {}
            1 => eprintln!("the entry is being ended; Ctrl-C once more leaves the prompt at once"),
            _ => std::process::exit(INTERRUPTED.into()),
        }
    }

    /// An entry begins.
    pub fn begin(&self) {
        self.pressed.store(0, Ordering::SeqCst);
        self.interrupt.lower();
        self.running.store(true, Ordering::SeqCst);
    }

    /// The entry has ended: whether it was interrupted.
    pub fn end(&self) -> bool {
        self.running.store(false, Ordering::SeqCst);
        let interrupted = self.interrupt.is_raised();
        self.interrupt.lower();
        interrupted
    }
}
