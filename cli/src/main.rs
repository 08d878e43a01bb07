//! `patternc`: checks, tests and runs patterns.
//!
//! One file a command in `command/`, one file an output format in `render/`. Nothing here decides anything about patterns.

mod atomic;
mod baseline;
mod command;
mod confirm;
mod deployment;
mod errors;
mod fault;
mod fingerprint;
mod generate;
mod lsp;
mod owner;
mod project;
mod query;
mod reconciliation;
mod render;
mod rule_name;
mod scene;
mod stores;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::fault::Fault;
use crate::owner::Voice;

/// With the commit that it was built from, where that is known.
const VERSION: &str = env!("PATTERNC_VERSION");

/// A language for data that many people and programs change at once: it refuses what could be half done, and runs the rest
/// transactionally.
#[derive(Parser)]
#[command(name = "patternc", version = VERSION, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print results only.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Tell what happens meanwhile.
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Start a small project that checks, tests and runs.
    New(command::new::Arguments),
    /// Report everything that could go wrong when the patterns run.
    Check(command::check::Arguments),
    /// Bring pattern files into the one style.
    Fmt(command::fmt::Arguments),
    /// Serve an editor: findings while typing, completion and more.
    Lsp(command::lsp::Arguments),
    /// Run the `test` blocks.
    Test(command::test::Arguments),
    /// Try every schedule of the `test` blocks, with crashes, and show the shortest way to what goes wrong.
    Explore(command::explore::Arguments),
    /// Start the patterns and apply events.
    Run(command::run::Arguments),
    /// Repair what the other side of a mirror lacks or has too much.
    Reconcile(command::reconcile::Arguments),
    /// Type statements and expressions on live data.
    Repl(command::repl::Arguments),
    /// Show what is on its way in the stores, and what is parked.
    Status(command::status::Arguments),
    /// Take up again what is parked.
    Retry(command::retry::Arguments),
    /// Look through the stores for what should not be.
    Audit(command::audit::Arguments),
    /// Write all that the stores keep as JSON Lines.
    Export(command::export::Arguments),
    /// Fill empty stores with what was exported.
    Import(command::import::Arguments),
    /// Show what a rule reports, why, and the way out.
    Explain(command::explain::Arguments),
    /// Print the completions for a shell.
    Completions(command::completions::Arguments),
    /// Write the manual pages into a folder.
    Man(command::man::Arguments),
    /// Draw what sets off what, in which space, and which chains are not safe.
    Graph(command::graph::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::New(a) => command::new::run(&a),
        Command::Check(a) => command::check::run(&a, arguments.quiet),
        Command::Fmt(a) => command::fmt::run(&a, arguments.quiet),
        Command::Lsp(a) => command::lsp::run(&a),
        Command::Test(a) => command::test::run(&a, arguments.quiet),
        Command::Explore(a) => command::explore::run(&a, arguments.quiet),
        Command::Run(a) => command::run::run(&a, Voice::of(arguments.quiet, arguments.verbose)),
        Command::Reconcile(a) => command::reconcile::run(&a, Voice::of(arguments.quiet, arguments.verbose)),
        Command::Repl(a) => command::repl::run(&a, arguments.quiet),
        Command::Status(a) => command::status::run(&a, arguments.quiet),
        Command::Retry(a) => command::retry::run(&a, arguments.quiet),
        Command::Audit(a) => command::audit::run(&a, arguments.quiet),
        Command::Export(a) => command::export::run(&a, arguments.quiet),
        Command::Import(a) => command::import::run(&a, arguments.quiet),
        Command::Explain(a) => command::explain::run(&a),
        Command::Completions(a) => command::completions::run(&a, Arguments::command()),
        Command::Man(a) => command::man::run(&a, Arguments::command()),
        Command::Graph(a) => command::graph::run(&a),
    };
    match result {
        Ok(code) => code,
        // The reader of our output went away, as in `patternc check | head`: nothing is left to say.
        Err(Fault::Output(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("patternc: {fault}");
            ExitCode::from(2)
        }
    }
}
