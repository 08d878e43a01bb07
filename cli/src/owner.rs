//! While a deployment runs: does what other processes ask its owner for, and says what is tried again and again.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use patternc_interpreter::engine::{Health, Trouble};
use patternc_interpreter::event::EventId;
use patternc_interpreter::runtime::{Caretaker, Desk, Found, Owner, Resumed, Resumption};
use patternc_interpreter::store::StoreError;
use patternc_interpreter::store::sqlite::Sqlite;
use patternc_interpreter::store::sqlite::requests::{self, Asked, Requests};
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::reconciliation::Reconciliation;
use crate::render::count;
use crate::stores::{Place, Site};

/// How often requests of other processes are looked for.
const LISTEN: Duration = Duration::from_millis(100);
/// The same while others ask.
const HURRY: Duration = Duration::from_millis(2);
/// How often what goes wrong is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long something is tried before it is told.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nothing is said of what is still tried.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);
/// How long `retry` waits for what becomes of an event.
const RESUME: Duration = Duration::from_secs(10);
/// How long to wait for an owner to say that it listens.
const GREETING: Duration = Duration::from_secs(5);
/// How long to wait for the answer of an owner.
const ANSWER: Duration = Duration::from_secs(20);

/// How much is told on the standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Nothing but results.
    Quiet,
    Normal,
    /// Also each failure of what is tried again, as it happens.
    Verbose,
}

impl Voice {
    /// As the options say.
    pub fn of(quiet: bool, verbose: bool) -> Self {
        match (quiet, verbose) {
            (true, _) => Voice::Quiet,
            (false, true) => Voice::Verbose,
            (false, false) => Voice::Normal,
        }
    }
}

/// The thread that does it; it ends when this is dropped.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to listen beside every file of the deployment, and to report to those who look at its servers.
    pub fn start(places: &[Place], caretaker: Caretaker, voice: Voice) -> Result<Watch, Fault> {
        let files = places.iter().filter_map(|place| place.file());
        let listening = files.map(Requests::listen).collect::<Result<Vec<_>, _>>().map_err(|error| Fault::Use(error.message))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let shared = places.iter().any(|place| matches!(place.site, Site::Server(_)));
        let thread = std::thread::Builder::new().name("patternc-watch".to_owned());
        let thread = thread.spawn(move || watch(&listening, &caretaker, voice, shared, &stopped));
        let thread = Some(thread.map_err(Fault::Output)?);
        Ok(Watch { stop, thread })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed; nothing depends on it.
            let _ = thread.join();
        }
    }
}

/// Nothing that it does waits for the patterns: who asks for something else would wait as well.
fn watch(listening: &[Requests], caretaker: &Caretaker, voice: Voice, shared: bool, stopped: &AtomicBool) {
    let (mut reconciling, mut resuming, mut desk) = (Reconciling::default(), Resuming::default(), Desk::default());
    let mut troubles = Troubles { voice, known: HashMap::new() };
    let mut said = LastSaid::default();
    let mut looked = Instant::now();
    while !stopped.load(Ordering::Relaxed) {
        let mut asked = false;
        for (of, requests) in listening.iter().enumerate() {
            // What cannot be read now is read the next time; who asks gives up by itself.
            let waiting = requests.waiting().unwrap_or_default().into_iter().map(|request| (of, request));
            for at in waiting.filter(|at| !resuming.has_in_hand(at)).collect::<Vec<_>>() {
                asked = true;
                let request = serde_json::from_str(&at.1.text).unwrap_or(Value::Null);
                let answer = if request["do"] == "retry" {
                    match resuming.begin(caretaker.clone(), at.clone(), request) {
                        Ok(()) => continue,
                        Err(error) => json!({ "error": error }),
                    }
                } else {
                    answer(caretaker, &mut reconciling, &mut desk, &request).unwrap_or_else(not_understood)
                };
                let _ = requests.answer(&at.1, &answer.to_string());
            }
        }
        for ((of, request), answer) in resuming.answers() {
            let _ = listening[of].answer(&request, &answer.to_string());
        }
        reconciling.forget();
        desk.forget();
        let pause = if voice == Voice::Verbose { LISTEN } else { LOOK };
        if looked.elapsed() >= pause {
            looked = Instant::now();
            if let Some(health) = caretaker.health() {
                let status = status(&health);
                if voice != Voice::Quiet {
                    troubles.look(health.troubles);
                }
                if shared {
                    caretaker.report(&status.to_string());
                }
                said.look(listening, &status);
            }
        }
        std::thread::sleep(if desk.is_busy() || asked { HURRY } else { LISTEN });
    }
}

/// What keeps going wrong, as those are told who look when the process is no more.
#[derive(Default)]
struct LastSaid(serde_json::Map<String, Value>);

impl LastSaid {
    fn look(&mut self, listening: &[Requests], status: &Value) {
        let Some(troubles) = status["troubles"].as_object() else { return };
        // How often it is tried is of no interest then.
        let same = |(id, trouble): (&String, &Value)| self.0.get(id).is_some_and(|known| known["why"] == trouble["why"]);
        if troubles.len() == self.0.len() && troubles.iter().all(same) {
            return;
        }
        self.0.clone_from(troubles);
        for requests in listening {
            // What is not written down is only not told.
            let _ = requests.report(&json!({ "troubles": troubles }).to_string());
        }
    }
}

/// What keeps going wrong, and what was said of it.
struct Troubles {
    voice: Voice,
    known: HashMap<EventId, Known>,
}

struct Known {
    since: Instant,
    /// What was said last.
    said: Option<String>,
    /// After how long it is said next: each time after twice as long, up to [`LONGEST_SILENCE`] more.
    next: Duration,
}

impl Troubles {
    fn look(&mut self, now: Vec<Trouble>) {
        self.known.retain(|of, _| now.iter().any(|trouble| trouble.known_as == *of));
        for Trouble { known_as, what, calls, why, .. } in now {
            let known = self.known.entry(known_as.clone()).or_insert_with(|| Known { since: Instant::now(), said: None, next: PATIENCE });
            let since = known.since.elapsed();
            let is_new = match self.voice {
                Voice::Verbose => known.said.as_deref() != Some(&why),
                Voice::Normal | Voice::Quiet => since >= known.next,
            };
            if is_new {
                let seconds = since.as_secs();
                let times = if calls > 0 {
                    format!("asked {} in {seconds} s", count(calls as usize, "time"))
                } else {
                    format!("for {seconds} s now")
                };
                eprintln!("patternc: {what} is tried again and again, {times} (event {}): {why}", known_as.0);
                known.said = Some(why);
                known.next = since + since.clamp(PATIENCE, LONGEST_SILENCE);
            }
        }
    }
}

/// Does what is asked; `None` if it is not understood, or the runtime has stopped.
fn answer(caretaker: &Caretaker, reconciling: &mut Reconciling, desk: &mut Desk, request: &Value) -> Option<Value> {
    match request.get("do")?.as_str()? {
        "listen" => Some(json!({})),
        "events" => desk.answer(caretaker, request),
        "status" => Some(status(&caretaker.health()?)),
        "reconcile" => {
            let scope = request.get("scope").and_then(Value::as_str);
            let patience = Duration::from_millis(request.get("timeout")?.as_u64()?);
            Some(match Reconciliation::begin(caretaker.clone(), request.get("mirror")?.as_str()?, scope, patience) {
                Ok(begun) => json!({ "reconciliation": reconciling.begin(begun) }),
                Err(error) => json!({ "error": error }),
            })
        }
        "reconciled" => Some(reconciling.look(request.get("id")?.as_u64()?)),
        _ => None,
    }
}

fn not_understood() -> Value {
    json!({ "error": "the owner of the store does not know what is asked" })
}

/// What only the process that runs the patterns knows of what is on its way.
fn status(health: &Health) -> Value {
    let trouble = |trouble: &Trouble| {
        let told = json!({ "why": trouble.why, "since": trouble.since, "next": trouble.next });
        (trouble.event.0.to_string(), told)
    };
    let troubles: serde_json::Map<String, Value> = health.troubles.iter().map(trouble).collect();
    let broken: Vec<&str> = health.broken.iter().map(|(_, why)| why.as_str()).collect();
    json!({ "waiting": health.waiting, "troubles": troubles, "broken": broken })
}

/// Where a request came in, among those who are listened to, and what it is.
type At = (usize, Asked);

/// Parked events that others have had taken up. What becomes of them may take its time: each request waits for that on a thread of its own.
struct Resuming {
    in_hand: HashSet<At>,
    sender: Sender<(At, Value)>,
    answered: Receiver<(At, Value)>,
}

impl Default for Resuming {
    fn default() -> Self {
        let (sender, answered) = channel();
        Resuming { in_hand: HashSet::new(), sender, answered }
    }
}

impl Resuming {
    fn has_in_hand(&self, at: &At) -> bool {
        self.in_hand.contains(at)
    }

    fn begin(&mut self, caretaker: Caretaker, at: At, request: Value) -> Result<(), String> {
        let (sender, of) = (self.sender.clone(), at.clone());
        let work = move || {
            let found = match request["found"].as_str() {
                Some("done") => Some(Found::Done(request["result"].as_str().map(str::to_owned))),
                Some("not-done") => Some(Found::NotDone),
                _ => None,
            };
            let answer = retry(&caretaker, request["id"].as_str(), found.as_ref()).unwrap_or_else(not_understood);
            // Nobody listens once the runtime has stopped.
            let _ = sender.send((of, answer));
        };
        let thread = std::thread::Builder::new().name("patternc-retry".to_owned()).spawn(work);
        thread.map_err(|error| format!("no thread to take the event up on: {error}"))?;
        self.in_hand.insert(at);
        Ok(())
    }

    /// Those that have come since.
    fn answers(&mut self) -> Vec<(At, Value)> {
        let answered: Vec<(At, Value)> = self.answered.try_iter().collect();
        for (at, _) in &answered {
            self.in_hand.remove(at);
        }
        answered
    }
}

/// Reconciliations that others have asked for, with when they were asked about last.
#[derive(Default)]
struct Reconciling {
    next: u64,
    begun: HashMap<u64, (Instant, Reconciliation)>,
}

impl Reconciling {
    fn begin(&mut self, begun: Reconciliation) -> u64 {
        self.next += 1;
        self.begun.insert(self.next, (Instant::now(), begun));
        self.next
    }

    fn look(&mut self, id: u64) -> Value {
        let Some((asked, work)) = self.begun.get_mut(&id) else {
            return json!({ "error": "the reconciliation was given up, since nobody asked about it; reconcile again" });
        };
        *asked = Instant::now();
        let news = work.look();
        if news["done"] == true {
            self.begun.remove(&id);
        }
        news
    }

    /// Gives up those whose askers are gone.
    fn forget(&mut self) {
        self.begun.retain(|_, (asked, _)| asked.elapsed() < ANSWER * 2);
    }
}

/// Takes one parked event up again, or all: what `retry` prints, or an error. `None` once the runtime has stopped.
pub fn retry(caretaker: &Caretaker, event: Option<&str>, found: Option<&Found>) -> Option<Value> {
    let event = event.map(|event| EventId(event.into()));
    Some(match caretaker.resume(event.as_ref(), found, RESUME)? {
        Ok(resumed) => json!({ "resumed": resumed.iter().map(line).collect::<Vec<_>>() }),
        Err(error) => json!({ "error": error.to_string() }),
    })
}

fn line(resumed: &Resumed) -> Value {
    let (outcome, parked, reason) = match &resumed.now {
        Resumption::Done => ("done", None, None),
        Resumption::Parked { on, why } => ("parked", Some(&*on.0), Some(why.as_str())),
        Resumption::Refused(why) => ("refused", Some(&*resumed.event.0), Some(why.as_str())),
        Resumption::OnItsWay(reason) => ("on-its-way", None, reason.as_deref()),
    };
    json!({ "id": &*resumed.event.0, "what": resumed.what, "outcome": outcome, "parked": parked, "reason": reason })
}

/// Who owns all these files, as "the process 123".
pub fn of(files: &[&Path]) -> Option<String> {
    let mut owners = files.iter().map(|file| Sqlite::owner(file));
    let first = owners.next()??;
    owners.all(|owner| owner.as_ref() == Some(&first)).then_some(first)
}

/// Whether nobody owns these stores any more.
pub fn is_gone(places: &[Place]) -> bool {
    let files: Vec<&Path> = places.iter().filter_map(Place::file).collect();
    of(&files).is_none()
}

/// Whether the owner of the store takes events of other processes.
pub fn takes_events(store: &Path) -> Result<bool, Fault> {
    let answer = requests::ask(store, &json!({ "do": "listen" }).to_string(), GREETING).map_err(|error| Fault::Use(error.message))?;
    Ok(answer.is_some())
}

/// The owner of a store, for those who follow it.
pub struct Link {
    store: PathBuf,
}

impl Link {
    /// To the owner of the store at this path.
    pub fn new(store: &Path) -> Self {
        Link { store: store.to_owned() }
    }
}

impl Owner for Link {
    fn ask(&mut self, request: &str) -> Result<Option<String>, StoreError> {
        let asked = Instant::now();
        let answer = requests::ask(&self.store, request, ANSWER)?;
        match Sqlite::owner(&self.store) {
            Some(owner) if answer.is_none() && asked.elapsed() >= ANSWER => {
                let message = format!("{owner} owns the store and has not answered for {} s", ANSWER.as_secs());
                Err(StoreError { message, transient: true })
            }
            _ => Ok(answer),
        }
    }
}

/// What the last owner of the store has said of what it tried again and again; `None` if nothing.
pub fn last_said(store: &Path) -> Option<Value> {
    serde_json::from_str(&requests::last_report(store)?).ok()
}

/// Asks the owner of the store; `None` if it has none, or one that does not listen.
pub fn ask(store: &Path, request: &Value) -> Result<Option<Value>, Fault> {
    let answer = requests::ask(store, &request.to_string(), ANSWER).map_err(|error| Fault::Use(error.message))?;
    let Some(answer) = answer else { return Ok(None) };
    let answer: Value = serde_json::from_str(&answer)
        .map_err(|error| Fault::Use(format!("the owner of {} answers what is no JSON: {error}", store.display())))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(Fault::Use(error.to_owned())),
        None => Ok(Some(answer)),
    }
}
