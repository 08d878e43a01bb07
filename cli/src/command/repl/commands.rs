//! The commands of the prompt, `:help` and others.

mod flow;
mod look;
mod program;

use std::io::Write;

use patternc_compiler::resolve::did_you_mean;

use super::Next;
use super::session::Session;
use crate::fault::Fault;

/// A command.
pub struct Command {
    pub name: &'static str,
    /// What stands after it.
    pub takes: &'static str,
    pub about: &'static str,
}

/// Every command, as `:help` lists them.
pub const COMMANDS: &[Command] = &[
    command("records", "[Type]", "the records of a type, or how many there are of each"),
    command("show", "REF", "the cells of a record: `:show Person/ada`, or `:show ada` for a name bound here"),
    command("history", "REF", "what wrote a record, or failed at it, since the prompt began"),
    command("spaces", "", "the spaces that have records"),
    command("watch", "[EXPR]", "shows an expression whenever it changes; lists what is watched"),
    command("unwatch", "[N]", "ends a watch, or all of them"),
    command("undo", "", "takes the last entry that changed data back (data in memory only)"),
    command("session", "NAME", "goes on as another session; its events overlap with those of others"),
    command("sessions", "", "the sessions, and what each has left open"),
    command("begin", "CALL", "runs a call or `create` and leaves its transaction open"),
    command("commit", "", "commits it; if what it read has changed, it runs again"),
    command("rollback", "", "drops it"),
    command("hold", "", "holds deliveries: what is sent waits"),
    command("deliver", "[all]", "delivers the next of what waits; all of it, which ends the hold"),
    command("status", "", "what is on its way, and what is parked"),
    command("retry", "", "takes parked events up again"),
    command("effects", "HANDLER", "what a handler reads, writes, sends, and how it can fail: `:effects Person.link`"),
    command("graph", "", "what calls, sends to, reads and writes what"),
    command("check", "", "the findings of the project"),
    command("reload", "", "reads the files again"),
    command("load", "FILE", "enters what a file has, as if it were typed"),
    command("save", "FILE", "writes what was entered as a test; `:save!` replaces a file"),
    command("help", "", "this"),
    command("quit", "", "ends (Ctrl-D)"),
];

const fn command(name: &'static str, takes: &'static str, about: &'static str) -> Command {
    Command { name, takes, about }
}

/// Commands that look at, or change, how the patterns run: only the process that owns the stores can.
const OWNERS: &[&str] = &["history", "undo", "begin", "commit", "rollback", "hold", "deliver"];

const INTRODUCTION: &str = "\
An expression prints its value. Every call and every `create` of a statement is a transaction of its own; what it wrote and sent is shown.
Declarations are checked as in a file and join the program. An entry goes on over lines while brackets are open.
";

/// Runs a command, given without its `:`.
pub fn run(session: &mut Session, command: &str, out: &mut impl Write) -> Result<Next, Fault> {
    let (name, argument) = command.trim().split_once(char::is_whitespace).unwrap_or((command.trim(), ""));
    let argument = argument.trim();
    if !matches!(name, "quit" | "q" | "exit") {
        session.catch_up(out)?;
    }
    let takes_nothing = |known: &&Command| known.name == name && known.takes.is_empty();
    if !argument.is_empty() && COMMANDS.iter().any(|known| takes_nothing(&known)) {
        writeln!(out, "`:{name}` takes nothing: `{argument}` is too much")?;
        return Ok(Next::Go(false));
    }
    if session.owner().is_some() && OWNERS.contains(&name) {
        writeln!(out, "{}", session.owner_only(&format!("`:{name}`")))?;
        return Ok(Next::Go(false));
    }
    let well = match name {
        "help" | "h" | "?" => {
            writeln!(out, "{INTRODUCTION}")?;
            for command in COMMANDS {
                writeln!(out, ":{:<18} {}", format!("{} {}", command.name, command.takes), command.about)?;
            }
            true
        }
        "quit" | "q" | "exit" => return Ok(Next::Quit),
        "records" => look::records(session, argument, out)?,
        "show" => look::show(session, argument, out)?,
        "history" => look::history(session, argument, out)?,
        "spaces" => look::spaces(session, out)?,
        "watch" => session.watch(argument, out)?,
        "unwatch" => session.unwatch(argument, out)?,
        "undo" => session.undo(out)?,
        "session" => flow::session(session, argument, out)?,
        "sessions" => flow::sessions(session, out)?,
        "begin" => flow::begin(session, argument, out)?,
        "commit" => flow::commit(session, out)?,
        "rollback" => flow::rollback(session, out)?,
        "hold" => flow::hold(session, out)?,
        "deliver" => flow::deliver(session, argument, out)?,
        "status" => flow::status(session, out)?,
        "retry" => flow::retry(session, out)?,
        "effects" => program::effects(session, argument, out)?,
        "graph" => program::graph(session, out)?,
        "check" => program::check(session, out)?,
        "reload" => session.reload(out)?,
        "load" => return program::load(session, argument, out),
        "save" => session.save(argument, false, out)?,
        "save!" => session.save(argument, true, out)?,
        _ => {
            let names = COMMANDS.iter().map(|command| command.name);
            let hint = did_you_mean(name, names).map(|meant| format!("; did you mean `:{meant}`?")).unwrap_or_default();
            writeln!(out, "there is no command `:{name}`{hint} (`:help` lists them)")?;
            false
        }
    };
    Ok(Next::Go(well))
}
