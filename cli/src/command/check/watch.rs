//! `--watch`: checks again when a file changes. The database stays, so that only what depends on the change is looked at again.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::fault::Fault;
use crate::project;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Checks now and after every change, until the process is ended. What is `prose` says where the next look begins.
pub fn run(paths: &[PathBuf], prose: bool, mut check: impl FnMut(&mut [project::Loaded]) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut projects = project::load(paths, Vec::new())?;
    let mut again = false;
    loop {
        separate(again && prose)?;
        again = true;
        check(&mut projects)?;
        eprintln!("watching for changes; Ctrl-C ends");
        loop {
            std::thread::sleep(PAUSE);
            // A file that is just being replaced may be missing for a moment: it is there at the next look.
            if project::refresh(paths, &mut projects).unwrap_or(false) {
                break;
            }
        }
    }
}

/// An empty screen, where there is one; else a line, if it is wanted.
fn separate(line: bool) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        write!(out, "\x1b[2J\x1b[3J\x1b[H")?;
    } else if line {
        writeln!(out, "--- checked again")?;
    }
    out.flush()?;
    Ok(())
}
