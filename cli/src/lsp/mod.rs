//! The language server: what an editor asks over standard input and output, answered from the database that `check` uses.
//!
//! One thread reads messages, one owns the projects and answers in order, one looks for findings on a copy of the database: an edit cancels
//! it. What anything means is decided in [`patternc_compiler::ide`]; here is the protocol alone.
//!
//! The messages are taken apart by hand: the protocol's own types need numbers that serde_json reads in another way with the features that
//! values of patterns need, and a server that must answer broken messages has to see them.

mod actions;
mod completion;
mod documents;
mod findings;
mod formatting;
mod hover;
mod navigation;
mod outline;
mod position;
mod rename;
mod run_tests;
mod server;
mod tokens;
mod transport;
mod uri;
mod workspace;

use std::process::ExitCode;
use std::sync::mpsc;

use crate::fault::Fault;

/// Serves one editor until it says goodbye. Exit status 1 if it went without.
pub fn run() -> Result<ExitCode, Fault> {
    let (events, inbox) = mpsc::channel();
    let reader = events.clone();
    // It ends with the input; nobody waits for it.
    std::thread::spawn(move || transport::read_all(&mut std::io::stdin().lock(), |message| reader.send(message.into()).is_ok()));
    let jobs = findings::start(events.clone());
    server::Server::new(std::io::stdout(), jobs, events).serve(&inbox)
}
