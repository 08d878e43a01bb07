//! Lines from a file or the standard input, and the wish to stop.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::fault::Fault;
use crate::project::without_mark;

/// What comes next.
pub enum Line {
    /// A line, counted from 1.
    Text(u64, String),
    /// A line that is not UTF-8 from this byte on.
    NotText(u64, usize),
    /// There is no more.
    End,
    /// Ctrl-C: finish what runs.
    Stop,
    /// Reading failed.
    Broken(io::Error),
}

/// Lines are read on a thread of their own, so that Ctrl-C is heard while nothing comes.
pub struct Input(Receiver<Line>);

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C was pressed.
pub fn stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

impl Input {
    /// The lines of the file, or of the standard input, which `-` names too.
    pub fn open(path: Option<&Path>) -> Result<Self, Fault> {
        let (sender, receiver) = sync_channel(1024);
        let on_interrupt = sender.clone();
        ctrlc::set_handler(move || {
            if STOPPED.swap(true, Ordering::Relaxed) {
                // The second time: at once. What was acknowledged is durable.
                std::process::exit(130);
            }
            // A full channel has lines that come first anyhow; the flag is looked at between them.
            let _ = on_interrupt.try_send(Line::Stop);
        })
        .map_err(|e| Fault::Use(format!("cannot listen for Ctrl-C: {e}")))?;
        match path.filter(|path| path.as_os_str() != "-") {
            Some(path) => {
                let file = File::open(path).map_err(|source| Fault::Read { path: path.to_path_buf(), source })?;
                std::thread::spawn(move || read(BufReader::new(file), &sender));
            }
            None => {
                std::thread::spawn(move || read(io::stdin().lock(), &sender));
            }
        }
        Ok(Input(receiver))
    }

    /// Waits for the next line, at most for so long.
    pub fn next(&self, patience: Option<Duration>) -> Option<Line> {
        if stopped() {
            return Some(Line::Stop);
        }
        let line = match patience {
            None => self.0.recv().ok(),
            Some(patience) => match self.0.recv_timeout(patience) {
                Err(RecvTimeoutError::Timeout) if !stopped() => return None,
                line => line.ok(),
            },
        };
        Some(match line {
            _ if stopped() => Line::Stop,
            Some(line) => line,
            None => Line::End,
        })
    }
}

fn read(mut reader: impl BufRead, sender: &SyncSender<Line>) {
    for number in 1.. {
        let mut bytes = Vec::new();
        let line = match reader.read_until(b'\n', &mut bytes) {
            Ok(0) => Line::End,
            Ok(_) => match String::from_utf8(if number == 1 { without_mark(bytes) } else { bytes }) {
                Ok(text) => Line::Text(number, text),
                Err(error) => Line::NotText(number, error.utf8_error().valid_up_to()),
            },
            Err(error) => Line::Broken(error),
        };
        let is_last = !matches!(line, Line::Text(..) | Line::NotText(..));
        if sender.send(line).is_err() || is_last {
            return;
        }
    }
}
