//! `patternc status`

mod chain;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{ValueEnum, ValueHint};
use patternc_compiler::lower;
use patternc_interpreter::json::time_text;
use patternc_interpreter::store::format::glance::{Glance, StoredEvent};
use patternc_interpreter::store::postgres::{self, Looked};
use patternc_interpreter::store::sqlite::{self, Sqlite};
use patternc_program::Handler;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::project::{self, Loaded};
use crate::render::count;
use crate::stores::{self, Place, Site};
use crate::{owner, render};

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Full)]
    output_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Full,
    /// One JSON object.
    Json,
}

/// A store, looked at.
struct Seen {
    place: Place,
    /// "the process 123".
    owner: Option<String>,
    /// `None` of one that is not there, or cannot be looked at from outside.
    glance: Option<Glance>,
    /// As the events of the glance.
    events: Vec<Event>,
    /// Events from outside that wait at the owner, and why its store no longer works.
    waiting: u64,
    broken: Vec<String>,
}

/// An event on its way.
struct Event {
    id: String,
    from: String,
    what: String,
    args: Map<String, Value>,
    /// The step of a saga that it does.
    step: Option<chain::Step>,
    answers: Option<chain::Answers>,
    /// The id of the parked event on which its own answer hangs.
    hangs_on: Option<String>,
    state: State,
    sent: Option<i64>,
    due: Option<i64>,
    reason: Option<String>,
    /// What someone has to do for it.
    way_out: Option<String>,
    /// Of one that is tried again and again: since when, and when next.
    since: Option<i64>,
    next: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    OnItsWay,
    /// Its time has not come.
    Later,
    Retrying,
    /// It waits for the answer of one that is parked.
    Hanging,
    Parked,
}

impl State {
    const ALL: [State; 5] = [State::OnItsWay, State::Later, State::Retrying, State::Hanging, State::Parked];

    fn name(self) -> &'static str {
        match self {
            State::OnItsWay => "on-its-way",
            State::Later => "later",
            State::Retrying => "retrying",
            State::Hanging => "hanging",
            State::Parked => "parked",
        }
    }

    fn words(self) -> &'static str {
        match self {
            State::OnItsWay => "on the way",
            State::Later => "for later",
            State::Retrying => "tried again and again",
            State::Hanging => "hanging on what is parked",
            State::Parked => "parked",
        }
    }
}

pub fn run(arguments: &Arguments, _quiet: bool) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    let places = stores::places(&project, arguments.deployment.as_deref())?;
    let mut seen = places.into_iter().map(look).collect::<Result<Vec<_>, _>>()?;
    find_ways_out(&project, &mut seen);
    chain::find(&mut seen);
    let mut out = io::stdout().lock();
    match arguments.output_format {
        Format::Full => seen.iter().try_for_each(|seen| write_full(&mut out, seen))?,
        Format::Json => {
            let stores: Vec<Value> = seen.iter().map(json_store).collect();
            let events: Vec<Value> = seen.iter().flat_map(|seen| seen.events.iter().map(|event| json_event(seen, event))).collect();
            serde_json::to_writer_pretty(&mut out, &json!({ "stores": stores, "events": events })).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    let wants_someone = |seen: &Seen| !seen.broken.is_empty() || seen.count(State::Parked) > 0;
    Ok(if seen.iter().any(wants_someone) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn look(place: Place) -> Result<Seen, Fault> {
    let mut seen = Seen { place, owner: None, glance: None, events: Vec::new(), waiting: 0, broken: Vec::new() };
    // What it has tried only who runs the patterns knows.
    let (glance, known) = match &seen.place.site {
        Site::Memory => return Ok(seen),
        Site::File(file) if !file.exists() => return Ok(seen),
        Site::File(file) => {
            seen.owner = Sqlite::owner(file);
            let known = match owner::ask(file, &json!({ "do": "status" }))? {
                None if seen.owner.is_none() => owner::last_said(file),
                known => known,
            };
            (sqlite::glance(file).map_err(|error| seen.place.fault(error))?, Vec::from_iter(known))
        }
        Site::Server(url) => {
            let Some(Looked { glance, processes, last_said }) = postgres::glance(url).map_err(|error| seen.place.fault(error))? else {
                return Ok(seen);
            };
            let (names, reports): (Vec<String>, Vec<String>) = processes.into_iter().unzip();
            seen.owner = (!names.is_empty()).then(|| names.join(", "));
            // One that has just begun has said nothing yet. Of those that are no more, only what kept going wrong is of interest.
            let said = |report: &String| serde_json::from_str::<Value>(report).ok();
            let last = last_said.iter().filter_map(said).map(|said| json!({ "troubles": said["troubles"] }));
            (glance, reports.iter().filter_map(said).chain(last).collect::<Vec<Value>>())
        }
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let trouble = |id: &str| known.iter().find_map(|known| known["troubles"].get(id));
    seen.events = glance.events.iter().map(|event| describe(event, trouble(&event.id), now)).collect();
    if seen.owner.is_none() {
        // It was to be tried next by who is no more.
        seen.events.iter_mut().for_each(|event| event.next = None);
    }
    seen.waiting = known.iter().filter_map(|known| known["waiting"].as_u64()).sum();
    let broken = known.iter().filter_map(|known| known["broken"].as_array()).flatten().filter_map(Value::as_str);
    seen.broken = broken.map(str::to_owned).collect();
    seen.glance = Some(glance);
    Ok(seen)
}

fn describe(stored: &StoredEvent, known: Option<&Value>, now: i64) -> Event {
    let text = |name: &str| stored.event.get(name).and_then(Value::as_str).unwrap_or_default();
    let member = |name: &str| text(name).rsplit('.').next().unwrap_or_default().to_owned();
    let what = match (text("handler"), text("saga"), text("extern"), text("create")) {
        ("", "", "", created) => format!("create {created} in {}", text("in")),
        ("", "", called, _) => called.to_owned(),
        ("", ..) => format!("{}.{}", text("to"), member("saga")),
        _ => format!("{}.{}", text("to"), member("handler")),
    };
    let (sent, due) = (stored.event.get("at").and_then(Value::as_i64), stored.event.get("due").and_then(Value::as_i64));
    let (since, next) = (known.and_then(|known| known["since"].as_i64()), known.and_then(|known| known["next"].as_i64()));
    let trouble = known
        .and_then(|known| known["why"].as_str())
        .map(str::to_owned)
        .or_else(|| stored.rejections().map(|rejections| rejections.to_string()));
    let state = match (&stored.parked, &trouble, due) {
        (Some(_), ..) => State::Parked,
        (None, Some(_), _) => State::Retrying,
        (None, None, Some(due)) if due > now => State::Later,
        _ => State::OnItsWay,
    };
    let reason = stored.parked.clone().or(trouble);
    let id = stored.known_as().to_owned();
    let (args, step) = (chain::arguments(stored), chain::Step::of(stored));
    let (answers, hangs_on, way_out) = (None, None, None);
    Event { id, from: text("from").to_owned(), what, args, step, answers, hangs_on, state, sent, due, reason, way_out, since, next }
}

/// Says of each event what someone has to do for it.
fn find_ways_out(project: &Loaded, seen: &mut [Seen]) {
    let mut halves: Option<HashSet<String>> = None;
    for Seen { glance, events, .. } in seen {
        for (stored, event) in glance.iter().flat_map(|glance| &glance.events).zip(events) {
            let mut is_half = |handler: &str| halves.get_or_insert_with(|| may_fail_half_way(project)).contains(handler);
            let half = stored.failed.is_some() && stored.event.get("handler").and_then(Value::as_str).is_some_and(&mut is_half);
            event.way_out = way_out(stored, &event.id, half);
        }
    }
}

/// The handlers of the patterns, as `Account.pay`, of which some may stay when they fail: they are not simply repeated.
fn may_fail_half_way(project: &Loaded) -> HashSet<String> {
    let program = lower::lower(&project.db);
    let name = |handler: &Handler| format!("{}.{}", program.record(handler.record).name, handler.name);
    program.handlers.iter().filter(|handler| handler.halfway).map(name).collect()
}

/// What goes on by itself has none. Whoever takes up again what was rejected, and has mended nothing, sees it rejected again.
fn way_out(stored: &StoredEvent, id: &str, half: bool) -> Option<String> {
    const MENDED: &str = "(change the data, or run a new version of the patterns)";
    let retry = format!("`patternc retry {id}");
    if stored.parked.is_none() {
        return stored
            .rejections()
            .map(|_| format!("it goes on by itself once what rejects it is mended {MENDED}; else it is parked soon"));
    }
    // A record of a ledger sends what a mirror tells: what is true by then is told.
    let from = stored.event.get("from").and_then(Value::as_str).unwrap_or_default();
    let told = from.split('/').next().is_some_and(|record| record.contains('.'));
    Some(match stored.failed.as_deref() {
        _ if told => format!("once that is mended: {retry}`; if the other side is as it should be: {retry} --done`"),
        Some("unknown") => format!("if it took effect: {retry} --done [RESULT]`; if not: {retry} --not-done`"),
        Some("unavailable") => format!("take it up again: {retry}`"),
        Some(_) if half => format!(
            "some of it may have been done before it failed: look, and once what rejects it is mended {MENDED}: {retry} --not-done` does all of it anew; if \
             it is to be taken for done as it is: {retry} --done [RESULT]`"
        ),
        Some(_) => {
            format!("once what rejects it is mended {MENDED}: {retry}`; if it is to be taken for done as it is: {retry} --done [RESULT]`")
        }
        None => format!("once what rejects it is mended {MENDED}: {retry}`"),
    })
}

impl Seen {
    fn count(&self, state: State) -> usize {
        self.events.iter().filter(|event| event.state == state).count()
    }
}

fn write_full(out: &mut impl Write, seen: &Seen) -> io::Result<()> {
    let at = seen.place.file().map_or_else(String::new, |file| format!(", {}", file.display()));
    write!(out, "{} ({}{at}): ", seen.place.name, seen.place.kind())?;
    let Some(glance) = &seen.glance else {
        return writeln!(out, "{}", if matches!(seen.place.site, Site::Memory) { "nothing to look into" } else { "not there yet" });
    };
    let user = seen.owner.as_ref().map_or_else(|| "nobody uses it".to_owned(), |owner| format!("in use by {owner}"));
    writeln!(out, "{}, {user}", count(glance.records as usize, "record"))?;
    for broken in &seen.broken {
        writeln!(out, "  broken: {broken}")?;
    }
    for event in seen.events.iter().filter(|event| event.state != State::OnItsWay) {
        writeln!(out, "  {:<9} {}  {} -> {}{}", event.state.name(), event.id, event.from, event.what, chain::shown(&event.args))?;
        if let Some(step) = &event.step {
            writeln!(out, "            {}", step.words())?;
        }
        match &event.answers {
            // A step that is shown under the id of its saga.
            Some(chain::Answers { id, .. }) if *id == event.id => {}
            Some(chain::Answers { id, what: Some(what) }) => writeln!(out, "            its answer is for {id}: {what}")?,
            Some(chain::Answers { id, what: None }) => writeln!(out, "            its answer is for the event {id} from outside")?,
            None => {}
        }
        if let Some(parked) = &event.hangs_on {
            let parked = if *parked == event.id { "its step" } else { parked };
            writeln!(out, "            it goes on once {parked} is taken up")?;
        }
        if let (State::Later, Some(due)) = (event.state, event.due) {
            writeln!(out, "            due {}", time_text(due))?;
        }
        if let Some(reason) = &event.reason {
            writeln!(out, "            {reason}")?;
        }
        if let (State::Retrying, Some(since)) = (event.state, event.since) {
            let next = match event.next {
                _ if seen.owner.is_none() => "tried again when the patterns are run next".to_owned(),
                None => "it is being tried now".to_owned(),
                Some(next) => format!("tried next at {}", time_text(next)),
            };
            writeln!(out, "            since {}, {next}", time_text(since))?;
        }
        if let Some(way_out) = &event.way_out {
            writeln!(out, "            {way_out}")?;
        }
    }
    let mut parts: Vec<String> = Vec::new();
    if seen.waiting > 0 {
        parts.push(format!("{} waiting to be taken", render::count(seen.waiting as usize, "event")));
    }
    for state in State::ALL {
        match seen.count(state) {
            0 => {}
            n => parts.push(format!("{n} {}", state.words())),
        }
    }
    writeln!(out, "  {}", if parts.is_empty() { "nothing is on its way".to_owned() } else { parts.join(", ") })?;
    let waiting = || seen.events.iter().filter(|event| event.state == State::OnItsWay);
    if let (None, Some(oldest)) = (&seen.owner, waiting().filter_map(|event| event.sent).min()) {
        writeln!(out, "  on the way since {}: `patternc run` goes on with it, and tells what stands in its way", time_text(oldest))?;
    }
    Ok(())
}

fn json_store(seen: &Seen) -> Value {
    let mut store = json!({
        "name": seen.place.name,
        "kind": seen.place.kind(),
        "path": seen.place.file(),
        "owner": seen.owner,
        "there": seen.glance.is_some(),
    });
    if let Some(glance) = &seen.glance {
        store["records"] = glance.records.into();
        store["received"] = glance.received.into();
        store["waiting"] = seen.waiting.into();
        store["broken"] = json!(seen.broken);
        for state in State::ALL {
            store[state.name()] = seen.count(state).into();
        }
    }
    store
}

fn json_event(seen: &Seen, event: &Event) -> Value {
    json!({
        "store": seen.place.name,
        "id": event.id,
        "from": event.from,
        "what": event.what,
        "args": event.args,
        "saga": event.step.as_ref().map(|step| &step.saga),
        "step": event.step.as_ref().map(|step| &step.step),
        "undoing": event.step.as_ref().map(|step| step.undoing),
        "answers": event.answers.as_ref().map(|answers| &answers.id),
        "hangs-on": event.hangs_on,
        "state": event.state.name(),
        "sent": event.sent.map(time_text),
        "due": event.due.map(time_text),
        "reason": event.reason,
        "way-out": event.way_out,
        "since": event.since.map(time_text),
        "next": event.next.map(time_text),
    })
}
