//! An extern that is a command.
//!
//! It is started for every call, with one line of JSON on its standard input:
//! `{"operation":"charge","args":{"amount":10},"key":"e1","attempt":1}`. What it prints on its standard output is the result as JSON. Its exit
//! status says how the call ended:
//!
//! | status | means |
//! |---|---|
//! | 0 | it took effect; the output is the result |
//! | 65 | rejected: it did nothing, and would do nothing if asked again. The output (or what it wrote to its standard error) is the message |
//! | 75 | try again later |
//! | any other, or a signal | it is not known whether it took effect: tried again where that is safe |
//!
//! When an earlier attempt may have arrived, 65 is believed only of a command that answers a known key with its first answer
//! ([`Command::replays`]): otherwise it may reject what it has done already.
//!
//! (65 and 75 are `EX_DATAERR` and `EX_TEMPFAIL` of `sysexits.h`; 1 and 2 are what scripts end with when they crash.) A command that
//! takes too long is killed with everything that it has started.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use patternc_program::Program;

use super::{LARGEST_ANSWER, arguments, message, object, operation, refused, result, time_out};
use crate::engine::{CallAnswer, ExternCall};
use crate::json::write_text;
use crate::runtime::Callee;

/// The exit status that rejects.
const REJECTED: i32 = 65;
/// How often a command whose output has ended is asked whether it has.
const POLL: Duration = Duration::from_millis(2);
/// Bytes of the standard error that are kept.
const LONGEST_ERROR: usize = 64 << 10;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; there is a first.
    pub run: Vec<String>,
    /// Where it runs; where this process does unless given.
    pub folder: Option<PathBuf>,
    pub timeout: Option<Duration>,
    /// Whether it answers a key that it knows with what it answered first.
    pub replays: bool,
}

/// What a command did in its time.
struct Ended {
    status: ExitStatus,
    output: Vec<u8>,
    error: Vec<u8>,
}

impl Command {
    fn start(&self) -> io::Result<Child> {
        let (program, arguments) = self.run.split_first().ok_or_else(|| io::Error::other("no command is given"))?;
        let mut command = std::process::Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn()
    }

    fn input(program: &Program, call: &ExternCall) -> Result<String, String> {
        let arguments = arguments(program, call).map_err(|error| error.to_string())?;
        let mut line = String::from("{\"operation\":");
        write_text(&mut line, operation(program, call).name.as_str());
        line.push_str(",\"args\":");
        line.push_str(&object(&arguments));
        line.push_str(",\"key\":");
        write_text(&mut line, &call.event.0);
        line.push_str(&format!(",\"attempt\":{}}}\n", call.attempt));
        Ok(line)
    }
}

impl Callee for Command {
    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn call(&self, program: &Program, call: &ExternCall) -> CallAnswer {
        let input = match Command::input(program, call) {
            Ok(input) => input,
            Err(error) => return CallAnswer::Rejected(format!("the arguments cannot be sent: {error}")),
        };
        let name = self.run.first().map_or("", String::as_str);
        let mut child = match self.start() {
            Ok(child) => child,
            Err(error) => return CallAnswer::NotSent(format!("the command {name} does not start: {error}")),
        };
        let ended = wait(&mut child, input, time_out(self.timeout, call));
        let ended = match ended {
            Ok(Some(ended)) => ended,
            Ok(None) => {
                kill(&mut child);
                return CallAnswer::Unavailable(format!("the command {name} took too long and was killed"));
            }
            Err(error) => {
                kill(&mut child);
                return CallAnswer::Unavailable(format!("the command {name}: {error}"));
            }
        };
        let said = || String::from_utf8_lossy(&ended.error).trim().to_owned();
        match ended.status.code() {
            Some(0) if ended.output.len() > LARGEST_ANSWER => {
                CallAnswer::Unusable(format!("the answer has more than {LARGEST_ANSWER} bytes, which is the most"))
            }
            Some(0) => result(program, call, &ended.output),
            Some(REJECTED) => {
                let error = said();
                let otherwise = || if error.is_empty() { format!("the command {name} rejects it") } else { error };
                refused(program, call, self.replays, message(&ended.output, otherwise))
            }
            _ => {
                let error = message(said().as_bytes(), || "it said nothing".to_owned());
                CallAnswer::Unavailable(format!("the command {name} ended with {}: {error}", ended.status))
            }
        }
    }
}

/// Gives the command its input and waits for its end; `None` when it takes too long.
fn wait(child: &mut Child, input: String, timeout: Duration) -> io::Result<Option<Ended>> {
    let deadline = Instant::now() + timeout;
    let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("it has no standard input"))?;
    thread::Builder::new().spawn(move || {
        // A command may end, or answer, without reading it.
        let _ = stdin.write_all(input.as_bytes());
    })?;
    let output = gather(child.stdout.take(), LARGEST_ANSWER + 1)?;
    let error = gather(child.stderr.take(), LONGEST_ERROR)?;
    let left = || deadline.saturating_duration_since(Instant::now());
    let end = |received: Result<Vec<u8>, RecvTimeoutError>| match received {
        Ok(bytes) => Ok(Some(bytes)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("its output cannot be read")),
    };
    let Some(output) = end(output.recv_timeout(left()))? else { return Ok(None) };
    let Some(error) = end(error.recv_timeout(left()))? else { return Ok(None) };
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(Ended { status, output, error }));
        }
        if left().is_zero() {
            return Ok(None);
        }
        thread::sleep(POLL.min(left()));
    }
}

/// Reads to the end on a thread of its own, keeping so many bytes.
fn gather(from: Option<impl Read + Send + 'static>, at_most: usize) -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let from = from.ok_or_else(|| io::Error::other("it has no output"))?;
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let mut from = from;
        let read = from.by_ref().take(at_most as u64).read_to_end(&mut bytes);
        // What is beyond is read too, so that the command can go on and end.
        if read.and_then(|_| io::copy(&mut from, &mut io::sink())).is_ok() {
            // Nobody waits any more when it took too long.
            let _ = sender.send(bytes);
        }
    })?;
    Ok(receiver)
}

/// Ends the command and everything that it has started.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It fails only if all have ended.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}
