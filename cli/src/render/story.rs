//! What an exploration found: as a timeline with a column a space, and as data.

use std::io::{self, Write};

use patternc_interpreter::explore::{Outcome, Step, Story};
use serde_json::{Value, json};

use super::{Position, count};

/// The widest a column gets.
const COLUMN: usize = 44;

/// A test explored.
pub struct Explored {
    pub name: Box<str>,
    pub path: String,
    pub start: Position,
    pub outcome: Outcome,
    /// The bound that ended the search, as it is written: "--states".
    pub bound: Option<&'static str>,
    pub seconds: f64,
    /// Where the violation is, and a test that shows it again.
    pub violation_at: Option<(String, Position)>,
    pub again: Option<String>,
    /// What runs that test over the same stores: "patternc test --deployment two".
    pub command: String,
    /// For tests that are made up: how many there were of how many, and what was left out.
    pub made: Option<Made>,
}

/// What was made up.
pub struct Made {
    /// Different events, and how many of them come at once at most.
    pub events: usize,
    pub at_once: usize,
    /// Sets of events that were tried, and all that there are.
    pub sets: usize,
    pub all: usize,
    pub left_out: Vec<String>,
}

/// A line for a test; under it, what was found.
pub fn write(out: &mut impl Write, explored: &Explored) -> io::Result<()> {
    let outcome = &explored.outcome;
    let mark = match (&outcome.violation, outcome.complete) {
        (Some(_), _) => "FOUND",
        _ if explored.made.as_ref().is_some_and(|made| made.events == 0) => "none",
        (None, true) => "ok",
        (None, false) => "bound",
    };
    let states = count(outcome.states, "state");
    let mut about = format!("{states}, {} deep", count(outcome.depth as usize, "step"));
    if outcome.symmetries > 1 {
        about += &format!(", {} symmetries", outcome.symmetries);
    }
    if mark == "bound" {
        about += ", not all: a bound was reached";
        about += &explored.bound.map(|bound| format!(", {bound}")).unwrap_or_default();
    }
    match &explored.made {
        None => writeln!(out, "{mark:<6} {}:{}: {} ({about})", explored.path, explored.start.line, explored.name)?,
        Some(made) => {
            let (events, sets) = (count(made.events, "event"), count(made.sets, "set"));
            writeln!(out, "{mark:<6} {}: {} out of {events}, {sets} of {} ({about})", explored.path, explored.name, made.all)?;
            for left_out in &made.left_out {
                writeln!(out, "       left out: {left_out}")?;
            }
        }
    }
    let (Some((violation, story)), Some((path, at))) = (&outcome.violation, &explored.violation_at) else { return Ok(()) };
    match &explored.made {
        None => writeln!(out, "       {path}:{}:{}: {}", at.line, at.column, violation.failure.message)?,
        Some(_) => writeln!(out, "       {}", violation.failure.message)?,
    }
    for note in &violation.failure.notes {
        writeln!(out, "         {note}")?;
    }
    timeline(out, story)?;
    if let Some(again) = &explored.again {
        writeln!(out, "\n       A test that shows it again, with `{}`:\n", explored.command)?;
        for line in again.lines() {
            writeln!(out, "{line}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A column for each space, in the order in which something happens there.
fn timeline(out: &mut impl Write, story: &Story) -> io::Result<()> {
    if story.steps.is_empty() {
        return Ok(());
    }
    let mut spaces: Vec<&str> = Vec::new();
    for space in story.steps.iter().filter_map(|step| step.space.as_deref()) {
        if !spaces.contains(&space) {
            spaces.push(space);
        }
    }
    let cells: Vec<Vec<String>> = story.steps.iter().map(lines).collect();
    let widths: Vec<usize> = spaces
        .iter()
        .map(|space| {
            let texts = story.steps.iter().zip(&cells).filter(|(step, _)| step.space.as_deref() == Some(space)).flat_map(|(_, cell)| cell);
            texts.map(|text| text.chars().count()).max().unwrap_or(0).max(space.chars().count()).min(COLUMN)
        })
        .collect();
    let names = story.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
    let mut head = format!("       {:3} {:names$} ", "", "");
    for (space, width) in spaces.iter().zip(&widths) {
        head += &format!(" │ {space:width$}");
    }
    writeln!(out, "\n{}", head.trim_end())?;
    for (number, (step, cell)) in story.steps.iter().zip(&cells).enumerate() {
        for (line, text) in cell.iter().enumerate() {
            let (number, name) = if line == 0 { (format!("{}.", number + 1), step.name.as_str()) } else { (String::new(), "") };
            let mut row = format!("       {number:3} {name:names$} ");
            match &step.space {
                None => row += &format!(" │ {text}"),
                Some(space) => {
                    for (column, width) in spaces.iter().zip(&widths) {
                        let here = if column == space { text.as_str() } else { "" };
                        row += &format!(" │ {here:width$}");
                    }
                }
            }
            writeln!(out, "{}", row.trim_end())?;
        }
    }
    Ok(())
}

fn lines(step: &Step) -> Vec<String> {
    let mut lines = vec![step.what.clone()];
    lines.extend(step.outcome.iter().map(|outcome| format!("  → {outcome}")));
    lines.extend(step.changes.iter().map(|change| format!("  {change}")));
    lines.extend(step.sends.iter().map(|sent| format!("  send {sent}")));
    lines
}

/// The same as data.
pub fn json(explored: &Explored) -> Value {
    let outcome = &explored.outcome;
    let mut object = json!({
        "name": explored.name,
        "path": explored.path,
        "line": explored.start.line,
        "outcome": match (&outcome.violation, outcome.complete) {
            (Some(_), _) => "violation",
            (None, true) => "complete",
            (None, false) => "bound",
        },
        "states": outcome.states,
        "steps": outcome.steps,
        "depth": outcome.depth,
        "ends": outcome.ends,
        "symmetries": outcome.symmetries,
        "seconds": explored.seconds,
    });
    if let Some(made) = &explored.made {
        object["generated"] = json!({
            "events": made.events, "at_once": made.at_once, "sets": made.sets, "all_sets": made.all, "left_out": made.left_out,
        });
    }
    if let (Some((violation, story)), Some((path, at))) = (&outcome.violation, &explored.violation_at) {
        object["violation"] = json!({
            "kind": violation.kind.name(),
            "message": violation.failure.message,
            "notes": violation.failure.notes,
            "path": path,
            "line": at.line,
            "column": at.column,
            "steps": steps(story),
            "test": explored.again,
            "command": explored.command,
        });
    }
    object
}

/// The steps of a story as data.
pub fn steps(story: &Story) -> Vec<Value> {
    let step = |step: &Step| {
        json!({
            "name": step.name, "space": step.space, "what": step.what,
            "changes": step.changes, "sends": step.sends, "outcome": step.outcome,
        })
    };
    story.steps.iter().map(step).collect()
}
