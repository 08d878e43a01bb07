//! Outcomes in the order of their events, each as soon as it is durable.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use patternc_interpreter::event::{Action, EventId};
use patternc_interpreter::failure::Failure;
use patternc_interpreter::json::{CellName, JsonError, OutcomeLine};
use patternc_interpreter::runtime::{Hanging, Taken};
use patternc_interpreter::sync::lock;
use patternc_interpreter::value::{RecordRef, Value};
use patternc_program::{Program, Type};

use super::input::stopped;
use crate::fault::Fault;
use crate::query::QueryError;

/// What one line of the input is answered with.
pub enum Answer {
    Event { taken: Taken, action: Action },
    Cells { id: Option<EventId>, record: RecordRef, cells: Vec<CellName>, values: Result<Vec<Value>, Failure> },
    Query { line: u64, id: Option<EventId>, result: Result<(Value, Type), QueryError> },
    Invalid { line: u64, id: Option<EventId>, error: JsonError },
}

/// Waits for outcomes and prints them on a thread of its own, so that the next events are taken meanwhile.
pub struct Printer {
    sender: Sender<Answer>,
    thread: JoinHandle<io::Result<bool>>,
    open: Arc<Open>,
}

/// How many answers are not printed yet.
#[derive(Default)]
struct Open {
    count: Mutex<usize>,
    changed: Condvar,
}

/// How often who waits looks whether somebody wants to stop.
const STOPPED_POLL: Duration = Duration::from_millis(100);
/// Answers that may wait to be printed before the input is held up.
const MOST_OPEN: usize = 4096;

impl Printer {
    pub fn start(program: Arc<Program>) -> Self {
        let (sender, receiver) = channel();
        let open = Arc::new(Open::default());
        let counted = open.clone();
        let thread = std::thread::spawn(move || print_all(&program, &receiver, &counted));
        Printer { sender, thread, open }
    }

    /// Prints the answer after those before it.
    pub fn print(&self, answer: Answer) {
        // Who wants to stop does not wait: no more than one follows.
        let _ = self.open.wait_until(|count| count < MOST_OPEN);
        self.open.add();
        if self.sender.send(answer).is_err() {
            // The output is broken; `finish` says how.
            self.open.clear();
        }
    }

    /// Waits until everything before is decided and printed; `false` when the wish to stop came first.
    pub fn wait_for_all(&self) -> bool {
        self.open.wait_until(|count| count == 0)
    }

    /// Whether every event went well.
    pub fn finish(self) -> Result<bool, Fault> {
        drop(self.sender);
        let printed = self.thread.join().expect("printing does not panic");
        Ok(printed?)
    }
}

impl Open {
    fn add(&self) {
        *lock(&self.count) += 1;
    }

    fn done(&self) {
        let mut count = lock(&self.count);
        *count = count.saturating_sub(1);
        drop(count);
        self.changed.notify_all();
    }

    fn clear(&self) {
        *lock(&self.count) = 0;
        self.changed.notify_all();
    }

    /// Waits until that is so, or somebody wants to stop; whether it is so.
    fn wait_until(&self, enough: impl Fn(usize) -> bool) -> bool {
        let mut count = lock(&self.count);
        while !enough(*count) && !stopped() {
            count = self.changed.wait_timeout(count, STOPPED_POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
        enough(*count)
    }
}

fn print_all(program: &Program, answers: &Receiver<Answer>, open: &Open) -> io::Result<bool> {
    let result = print_each(program, answers, open);
    if result.is_err() {
        open.clear();
    }
    result
}

fn print_each(program: &Program, answers: &Receiver<Answer>, open: &Open) -> io::Result<bool> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut all_well = true;
    loop {
        let answer = match answers.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => {
                out.flush()?;
                let Ok(answer) = answers.recv() else { break };
                answer
            }
            Err(TryRecvError::Disconnected) => break,
        };
        all_well &= print_one(program, &mut out, answer)?;
        open.done();
    }
    out.flush()?;
    Ok(all_well)
}

/// Prints one line; whether it went well.
fn print_one(program: &Program, out: &mut impl Write, answer: Answer) -> io::Result<bool> {
    match answer {
        Answer::Event { mut taken, action } => {
            let decided = match taken.poll() {
                Some(outcome) => Ok((taken.id().clone(), outcome)),
                None => {
                    // It may take long: what is decided is told first.
                    out.flush()?;
                    taken.wait_unless_parked()
                }
            };
            let (id, outcome) = match decided {
                Ok(decided) => decided,
                Err(Hanging { event, on, why }) => {
                    writeln!(out, "{}", OutcomeLine::Pending { id: &event, on: &on, why: &why }.to_text(program))?;
                    return Ok(false);
                }
            };
            let created = matches!(action, Action::Create { .. });
            let ty = action.result_type(program);
            writeln!(out, "{}", OutcomeLine::of(&id, &outcome, created, &ty).to_text(program))?;
            Ok(matches!(outcome, patternc_interpreter::event::Outcome::Committed(_)))
        }
        Answer::Cells { id, record, cells, values } => match values {
            Ok(values) => {
                let described = cells.iter().zip(values).map(|(cell, value)| {
                    let (name, ty) = cell.describe(program, record.record());
                    (name, ty, value)
                });
                let line = OutcomeLine::Cells { id: id.as_ref(), cells: described.collect() };
                writeln!(out, "{}", line.to_text(program))?;
                Ok(true)
            }
            Err(failure) => failed(program, out, id.as_ref(), &failure),
        },
        Answer::Query { line, id, result } => match result {
            Ok((value, ty)) => {
                let line = OutcomeLine::Value { id: id.as_ref(), value: &value, ty: &ty };
                writeln!(out, "{}", line.to_text(program))?;
                Ok(true)
            }
            Err(QueryError::Failed(failure)) => failed(program, out, id.as_ref(), &failure),
            Err(QueryError::Refused(message)) => {
                let error = JsonError { path: "query".into(), message };
                let line = OutcomeLine::Invalid { line, id: id.as_ref(), error: &error };
                writeln!(out, "{}", line.to_text(program))?;
                Ok(false)
            }
        },
        Answer::Invalid { line, id, error } => {
            let line = OutcomeLine::Invalid { line, id: id.as_ref(), error: &error };
            writeln!(out, "{}", line.to_text(program))?;
            Ok(false)
        }
    }
}

fn failed(program: &Program, out: &mut impl Write, id: Option<&EventId>, failure: &Failure) -> io::Result<bool> {
    writeln!(out, "{}", OutcomeLine::Failed { id, failure }.to_text(program))?;
    Ok(false)
}
