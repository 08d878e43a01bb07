//! Commands that say what happens when: sessions, open transactions, deliveries.

use std::io::Write;

use patternc_interpreter::engine::{FlightStatus, Mark, Stage};
use patternc_interpreter::event::Outcome;
use patternc_interpreter::runtime::{Begun as Opened, SnippetError};
use patternc_interpreter::value::Value;
use patternc_program::TestStmt;

use super::super::clients::Begun;
use super::super::save::Ended;
use super::super::session::Session;
use super::super::show;
use crate::fault::Fault;
use crate::render::{self, count};

/// `:session NAME`
pub fn session(session: &mut Session, name: &str, out: &mut impl Write) -> Result<bool, Fault> {
    if name.is_empty() {
        return sessions(session, out);
    }
    if name.contains(char::is_whitespace) {
        writeln!(out, "the name of a session is one word")?;
        return Ok(false);
    }
    let fresh = session.runtime().session();
    let is_new = session.clients.switch(name, fresh);
    writeln!(out, "{} session {name}", if is_new { "this is the new" } else { "this is again" })?;
    Ok(true)
}

/// `:sessions`
pub fn sessions(session: &Session, out: &mut impl Write) -> Result<bool, Fault> {
    for client in session.clients.all() {
        let mark = if client.name == session.clients.current().name { "*" } else { " " };
        let open = client.open.as_ref().map(|begun| format!(": {} is open", begun.what)).unwrap_or_default();
        writeln!(out, "{mark} {}{open}", client.name)?;
    }
    Ok(true)
}

/// `:begin CALL`
pub fn begin(session: &mut Session, text: &str, out: &mut impl Write) -> Result<bool, Fault> {
    if let Some(begun) = &session.clients.current().open {
        writeln!(out, "`{}` is open in this session: `:commit` or `:rollback` it first, or `:session NAME`", begun.what)?;
        return Ok(false);
    }
    let (findings, compiled) = session.compile(text);
    session.show(findings, out)?;
    let Some(compiled) = compiled else { return Ok(false) };
    let [TestStmt::Event { event, .. }] = compiled.lowered.stmts.as_slice() else {
        writeln!(out, "one call or `create` can be left open, as in `:begin ada.like()`")?;
        return Ok(false);
    };
    let mut frame: Vec<Value> = session.variables.iter().map(|v| v.value.clone()).collect();
    frame.resize(compiled.lowered.slots.max(compiled.lowered.params) as usize, Value::None);
    let action = session.runtime().read(|engine| engine.action(event, &mut frame, None)).map_err(|error| Fault::Use(error.message))?;
    let action = match action {
        Ok(action) => action,
        Err(failure) => {
            writeln!(out, "{failure}")?;
            return Ok(false);
        }
    };
    let program = session.program.clone();
    let what = show::action(&program, &action);
    match session.runtime().begin(session.clients.current().events, None, action.clone()) {
        Opened::Open(open) => {
            writeln!(out, "begun in session {}, not committed: {what}", session.clients.current().name)?;
            let mut reads: Vec<String> = open.reads.iter().map(|key| show::read(&program, key)).collect();
            reads.dedup();
            reads.iter().try_for_each(|read| writeln!(out, "  has read {read}"))?;
            open.writes.iter().try_for_each(|change| writeln!(out, "  would do: {}", show::change(&program, change).2))?;
            open.sends.iter().try_for_each(|sent| writeln!(out, "  would send {}", show::action(&program, sent)))?;
            if let Some(failure) = &open.failure {
                writeln!(out, "  would fail: {failure}")?;
            }
            session.journal.name(open.event.clone(), what.clone(), &session.clients.current().name);
            let begun = Begun { open: *open, action, what, text: text.to_owned(), frame, compiled };
            session.clients.current_mut().open = Some(begun);
            Ok(true)
        }
        Opened::Taken(taken) => {
            let result = session.runtime().answer(taken, &action, session.runtime().mark(), &mut session.waiting());
            session.show_effects(out)?;
            match result {
                Ok((_, Outcome::Failed(failure))) => writeln!(out, "{failure}")?,
                Ok((_, Outcome::Committed(_))) => writeln!(out, "it could not be left open, and is committed")?,
                Err(error) => writeln!(out, "{error}")?,
            }
            Ok(false)
        }
    }
}

/// `:commit`
pub fn commit(session: &mut Session, out: &mut impl Write) -> Result<bool, Fault> {
    if session.clients.current().open.is_none() {
        return nothing_open(session, out);
    }
    session.remember(":commit")?;
    let Some(Begun { open, action, text, mut frame, compiled, .. }) = session.clients.current_mut().open.take() else {
        return nothing_open(session, out);
    };
    let (event, since) = (open.event.clone(), session.runtime().mark());
    let taken = session.runtime().commit(open);
    let result = session.runtime().answer(taken, &action, since, &mut session.waiting());
    if result.is_err() {
        session.journal.expect(event.clone(), action.result_type(&session.program));
    }
    session.show_effects(out)?;
    session.explain_unanswered(out)?;
    let ended = match result {
        Ok((_, Outcome::Committed(value))) => {
            if let [TestStmt::Event { result: Some(slot), .. }] = compiled.lowered.stmts.as_slice() {
                if let Some((_, ty)) = compiled.lowered.value.as_ref().filter(|_| !matches!(value, Value::None)) {
                    writeln!(out, "{}", render::value::text(&session.program, &value, ty))?;
                }
                frame[slot.index()] = value;
            }
            session.bind(compiled.bindings, &frame);
            Ended::Done
        }
        Ok((_, Outcome::Failed(failure))) if compiled.bindings.is_empty() => Ended::Failed(failure),
        // It was shown, and left nothing.
        Ok((_, Outcome::Failed(_))) => return Ok(false),
        Err(error) => {
            writeln!(out, "{}", session.why(&error, 1))?;
            if !matches!(error, SnippetError::NoAnswer { .. }) {
                return Ok(false);
            }
            Ended::Pending
        }
    };
    let well = !matches!(ended, Ended::Failed(_) | Ended::Pending);
    let pending = matches!(ended, Ended::Pending);
    session.say(&text, ended).event = Some(event).filter(|_| pending);
    Ok(well)
}

/// `:rollback`
pub fn rollback(session: &mut Session, out: &mut impl Write) -> Result<bool, Fault> {
    match session.clients.current_mut().open.take() {
        Some(begun) => {
            session.runtime().roll_back(begun.open.ticket);
            writeln!(out, "rolled back: {}", begun.what)?;
            Ok(true)
        }
        None => nothing_open(session, out),
    }
}

fn nothing_open(session: &Session, out: &mut impl Write) -> Result<bool, Fault> {
    writeln!(out, "nothing is open in session {}: `:begin CALL` leaves a transaction open", session.clients.current().name)?;
    Ok(false)
}

/// `:hold`
pub fn hold(session: &mut Session, out: &mut impl Write) -> Result<bool, Fault> {
    session.runtime().hold();
    session.say(":hold", Ended::Hold);
    writeln!(out, "deliveries are held: `:deliver` lets one through, `:deliver all` the rest")?;
    Ok(true)
}

/// `:deliver`
pub fn deliver(session: &mut Session, what: &str, out: &mut impl Write) -> Result<bool, Fault> {
    if !matches!(what, "" | "all") {
        writeln!(out, "`:deliver` lets one through, `:deliver all` the rest")?;
        return Ok(false);
    }
    if !session.runtime().is_held() {
        writeln!(out, "deliveries are not held: `:hold` begins")?;
        return Ok(false);
    }
    let entry = if what == "all" { ":deliver all" } else { ":deliver" };
    session.remember(entry)?;
    session.say(entry, Ended::Deliver);
    if what == "all" {
        // One by one, so that it shows what each has caused.
        while !session.is_interrupted() && deliver_one(session, out)? {}
        session.runtime().release();
        writeln!(out, "deliveries are no longer held")?;
        session.settle(Mark::default());
        session.show_effects(out)?;
        session.explain_unanswered(out)?;
        return Ok(true);
    }
    if !deliver_one(session, out)? {
        writeln!(out, "nothing waits to be delivered")?;
    }
    session.explain_unanswered(out)?;
    match session.runtime().waiting_deliveries().as_slice() {
        [] => {}
        [next, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            writeln!(out, "next: {next}{more}")?;
        }
    }
    Ok(true)
}

fn deliver_one(session: &mut Session, out: &mut impl Write) -> Result<bool, Fault> {
    let Some(what) = session.runtime().deliver_next() else { return Ok(false) };
    writeln!(out, "delivered: {what}")?;
    session.settle(Mark::default());
    session.show_effects(out)?;
    Ok(true)
}

/// `:retry`
pub fn retry(session: &mut Session, out: &mut impl Write) -> Result<bool, Fault> {
    if session.owner().is_some() {
        writeln!(out, "the process that runs the patterns does that: `patternc retry` asks it")?;
        return Ok(false);
    }
    session.remember(":retry")?;
    session.say(":retry", Ended::Unsayable("taking up what is parked is nothing that a test can do".to_owned()));
    let parked = session.runtime().status().flights.into_iter().filter(|flight| flight.stage == Stage::Parked);
    let (mut taken, mut left): (usize, Vec<(FlightStatus, String)>) = (0, Vec::new());
    for flight in parked {
        match session.runtime().retry(&flight.event.id) {
            Ok(()) => taken += 1,
            Err(error) => left.push((flight, error.to_string())),
        }
    }
    writeln!(out, "{} taken up again", count(taken, "event"))?;
    session.settle(Mark::default());
    session.show_effects(out)?;
    for (flight, why) in &left {
        writeln!(out, "left parked: {}: {why}", show::action(&session.program, &flight.event.action))?;
    }
    session.explain_unanswered(out)?;
    // What was parked again was shown as it happened.
    Ok(session.runtime().status().flights.iter().all(|flight| flight.stage != Stage::Parked))
}

/// `:status`
pub fn status(session: &Session, out: &mut impl Write) -> Result<bool, Fault> {
    let status = session.runtime().status();
    if status.flights.is_empty() && status.waiting == 0 {
        writeln!(out, "nothing is on its way")?;
    }
    for flight in &status.flights {
        let state = if flight.outcome.is_some() {
            "parked"
        } else if flight.stage == Stage::Timer {
            "later"
        } else {
            "on its way"
        };
        let why = flight.trouble.as_ref().map(|t| format!(": {t}")).unwrap_or_default();
        writeln!(out, "{state:<10} {}{why}", show::action(&session.program, &flight.event.action))?;
    }
    if session.runtime().is_held() {
        writeln!(out, "deliveries are held, and {} could go", count(session.runtime().waiting_deliveries().len(), "event"))?;
    }
    Ok(true)
}
