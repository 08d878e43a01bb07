//! From lines to what stores are filled with.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::sync::Arc;

use patternc_program::{Program, Type};
use serde_json::{Map, Value as Json};

use super::write::declared;
use super::{Counts, VERSION};
use crate::event::{Action, EventId, Outgoing, Received};
use crate::json::{Form, JsonError, Names, Path, Reader, from_text, nesting};
use crate::limits::Limits;
use crate::store::format::{events::EventReader, type_text};
use crate::store::memory::Memory;
use crate::store::state::{ReceivedEvent, Schema, State};
use crate::store::{CommitRequest, InboxChange, OutboxChange, Refused, Store, Write};
use crate::value::{RecordRef, SpaceRef, Value};

/// Brackets inside one another that a line may have: more than any value within the limits needs.
const DEEPEST: usize = 2_000;

/// What is wrong with a file, and where. Nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ImportError {
    /// From 1.
    pub line: u64,
    pub message: String,
}

/// What a file says, read whole.
#[derive(Debug, Default)]
pub struct Archive {
    deleted: Vec<RecordRef>,
    records: Vec<(RecordRef, Vec<Value>)>,
    sent: Vec<Arc<Outgoing>>,
    received: Vec<(EventId, ReceivedEvent)>,
}

/// Reads a file that was written for a program with the same declarations.
///
/// # Errors
/// If it is no export, cut off, changed, or does not fit the program: with the line.
pub fn read(program: &Program, input: impl BufRead) -> Result<Archive, ImportError> {
    let names = Names::new(program);
    let mut file = File { program, names: &names, archive: Archive::default(), known: HashSet::new(), events: HashSet::new() };
    let mut checksum = crc32fast::Hasher::new();
    let mut ended = false;
    let mut number = 0;
    for line in input.split(b'\n') {
        number += 1;
        let wrong = |message: String| ImportError { line: number, message };
        let line = line.map_err(|error| wrong(format!("the file cannot be read: {error}")))?;
        let text = std::str::from_utf8(&line).map_err(|_| wrong("it is not UTF-8 text".to_owned()))?;
        if ended {
            return Err(wrong("something follows after the last line of the export".to_owned()));
        }
        let mut fields = object(text).map_err(wrong)?;
        match number {
            1 => header(&fields).map_err(wrong)?,
            _ if fields.contains_key("end") => {
                let found = file.archive.counts();
                let said = fields.shift_remove("end").and_then(|end| serde_json::from_value::<Counts>(end).ok());
                if said != Some(found) {
                    return Err(wrong(
                        "it says that there are other lines than those before it: some are missing or were added".to_owned(),
                    ));
                }
                if fields.get("crc32").and_then(Json::as_u64) != Some(u64::from(checksum.clone().finalize())) {
                    return Err(wrong("its checksum is not that of the lines before it: the file was changed".to_owned()));
                }
                ended = true;
            }
            _ => file.line(&mut fields).map_err(wrong)?,
        }
        checksum.update(&line);
        checksum.update(b"\n");
    }
    if !ended {
        let message = "the file ends here, without the last line of an export: it is cut off".to_owned();
        return Err(ImportError { line: number.max(1), message });
    }
    Ok(file.archive)
}

fn object(text: &str) -> Result<Map<String, Json>, String> {
    if nesting(text) > DEEPEST {
        return Err(format!("it is nested more than {DEEPEST} deep"));
    }
    match from_text(text) {
        Ok(Json::Object(fields)) => Ok(fields),
        Ok(_) => Err("it is not a JSON object".to_owned()),
        Err(error) if error.is_eof() => Err("it is cut off: the line ends before its JSON does".to_owned()),
        Err(_) => Err("it is not JSON".to_owned()),
    }
}

fn header(fields: &Map<String, Json>) -> Result<(), String> {
    if fields.get("patternc").and_then(Json::as_str) != Some("export") {
        return Err("the file does not begin as an export does: `patternc export` writes one".to_owned());
    }
    match fields.get("version").and_then(Json::as_u64) {
        Some(VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(format!("its format is {newer}, this patternc knows {VERSION} at most; use a newer one")),
        _ => Err("its format never was".to_owned()),
    }
}

struct File<'a> {
    program: &'a Program,
    names: &'a Names,
    archive: Archive,
    known: HashSet<RecordRef>,
    events: HashSet<(char, Box<str>)>,
}

impl<'a> File<'a> {
    fn reader(&self) -> Reader<'a> {
        Reader { program: self.program, names: self.names, form: Form::Stored, here: None, keys: None, limits: None }
    }

    fn line(&mut self, fields: &mut Map<String, Json>) -> Result<(), String> {
        let shown = |error: JsonError| error.to_string();
        let events = EventReader { program: self.program, names: self.names };
        let text = |fields: &Map<String, Json>, name: &str| {
            let text = fields.get(name).and_then(Json::as_str).map(str::to_owned);
            text.ok_or_else(|| format!("{name:?} is missing, or no text"))
        };
        if fields.contains_key("record") {
            let record = self.record(&text(fields, "record")?)?;
            let Some(Json::Object(mut cells)) = fields.shift_remove("cells") else { return Err("\"cells\" is missing".to_owned()) };
            let values = self.cells(&record, &mut cells)?;
            self.archive.records.push((record, values));
        } else if fields.contains_key("deleted") {
            let record = self.record(&text(fields, "deleted")?)?;
            self.archive.deleted.push(record);
        } else if fields.contains_key("sent") {
            let id = text(fields, "sent")?;
            let event = fields.get("event").map(Json::to_string).ok_or("\"event\" is missing")?;
            let state = match fields.get("state") {
                Some(Json::String(state)) => state.clone(),
                Some(state) => state.to_string(),
                None => return Err("\"state\" is missing".to_owned()),
            };
            self.once('s', &id)?;
            self.archive.sent.push(Arc::new(events.outgoing(&id, &event, &state).map_err(shown)?));
        } else if fields.contains_key("received") {
            let id = EventId(text(fields, "received")?.into());
            self.once('r', &id.0)?;
            let ty = text(fields, "type")?;
            let ty = type_text::parse(self.program, &ty).ok_or_else(|| format!("the patterns have no type {ty}"))?;
            let outcome = fields.get("outcome").map(Json::to_string).ok_or("\"outcome\" is missing")?;
            let received = events.received(&outcome, &ty).map_err(shown)?;
            let keep_until = match fields.get("keep_until") {
                None => None,
                Some(until) => Some(until.as_i64().ok_or("\"keep_until\" is no time")?),
            };
            self.archive.received.push((id, ReceivedEvent { received, ty, keep_until }));
        } else {
            return Err("it is no line of an export".to_owned());
        }
        Ok(())
    }

    /// An event that is not in the file yet among those of its kind.
    fn once(&mut self, kind: char, id: &str) -> Result<(), String> {
        if self.events.insert((kind, id.into())) { Ok(()) } else { Err(format!("the event {id:?} is there twice")) }
    }

    /// A record that is not in the file yet.
    fn record(&mut self, text: &str) -> Result<RecordRef, String> {
        let record = self.reader().reference(text, &Path::Root).map_err(|error| error.to_string())?;
        if !self.known.insert(record.clone()) {
            return Err(format!("{text} is there twice"));
        }
        Ok(record)
    }

    fn cells(&self, record: &RecordRef, given: &mut Map<String, Json>) -> Result<Vec<Value>, String> {
        let root = Path::Root;
        let path = root.name("cells");
        let of = self.program.record(record.record());
        let mut values = Vec::with_capacity(of.cells.len());
        for cell in declared(self.program, record.record()) {
            let name = cell.name.as_str();
            let path = path.name(name);
            let Some(json) = given.shift_remove(name) else {
                return Err(format!(
                    "{path}: it is missing; import with the patterns that were exported, then run the new ones on the store"
                ));
            };
            let value = self.reader().value(&json, &cell.ty, &path).map_err(|error| error.to_string())?;
            values.push(value);
        }
        match given.keys().next() {
            Some(unknown) => Err(format!("{}: {} has no such cell", path.name(unknown), of.name)),
            None => Ok(values),
        }
    }
}

impl Archive {
    /// How much there is of each kind.
    pub fn counts(&self) -> Counts {
        Counts {
            records: self.records.len() as u64,
            deleted: self.deleted.len() as u64,
            sent: self.sent.len() as u64,
            received: self.received.len() as u64,
        }
    }

    /// What is wrong with filling empty stores with these requests: a unique value that two records have, a collection that is too long.
    ///
    /// Gives the filled stores, in memory.
    pub fn rehearse(program: &Program, limits: &Limits, requests: &[Vec<CommitRequest>]) -> Result<Vec<State>, Refused> {
        let schema = Arc::new(Schema::new(program));
        let fill = |requests: &Vec<CommitRequest>| {
            let mut store = Memory::new(schema.clone(), limits);
            requests.iter().try_for_each(|request| store.commit(request, i64::MIN).map(|_| ()))?;
            Ok(store.into_state())
        };
        requests.iter().map(fill).collect()
    }

    /// What fills `stores` empty stores, for each of them in order. `place` tells which store keeps a space; a request makes at most
    /// `at_once` changes.
    pub fn requests(self, program: &Program, stores: usize, place: impl Fn(&SpaceRef) -> usize, at_once: usize) -> Vec<Vec<CommitRequest>> {
        let mut filled: Vec<Filling> = (0..stores).map(|_| Filling { requests: Vec::new(), at_once }).collect();
        // First, so that what they are filled with for a moment is in nobody's way.
        for record in &self.deleted {
            let cells = declared(program, record.record()).map(|cell| blank(program, &cell.ty, record)).collect();
            let request = filled[place(record.space())].next();
            request.writes.push(Write::Create { record: record.clone(), cells });
            request.writes.push(Write::Delete { record: record.clone() });
        }
        for (record, cells) in self.records {
            filled[place(record.space())].next().writes.push(Write::Create { record, cells });
        }
        let mut sent: HashMap<EventId, Arc<Outgoing>> = HashMap::new();
        for outgoing in self.sent {
            sent.insert(outgoing.event.id.clone(), outgoing.clone());
            filled[place(outgoing.from.space())].next().outbox.push(OutboxChange::Add(outgoing));
        }
        for (event, ReceivedEvent { received, ty, keep_until }) in self.received {
            let known = match (&received, sent.get(&event)) {
                (_, Some(outgoing)) => receiver(&outgoing.event.action).map(&place),
                (Received::Deferred(decider), None) => sent.get(decider).map(|outgoing| place(outgoing.from.space())),
                (Received::Done(_), None) => None,
            };
            // An outside event that may be sent again: to whom is not kept, so every store knows it for its time.
            let stores = known.map_or(0..stores, |store| store..store + 1);
            for store in stores {
                let (event, received, ty) = (event.clone(), received.clone(), ty.clone());
                filled[store].next().inbox.push(InboxChange::Record { event, received, ty, keep_until });
            }
        }
        filled.into_iter().map(Filling::end).collect()
    }
}

fn receiver(action: &Action) -> Option<&SpaceRef> {
    match action {
        Action::Handler { to, .. } | Action::Saga { to, .. } => Some(to.space()),
        Action::Create { space, .. } => Some(space),
        Action::Extern { .. } => None,
    }
}

/// Requests of a bounded size, in order.
struct Filling {
    requests: Vec<CommitRequest>,
    at_once: usize,
}

impl Filling {
    /// The request for the next change.
    fn next(&mut self) -> &mut CommitRequest {
        let size = |request: &CommitRequest| request.writes.len() + request.outbox.len() + request.inbox.len();
        if self.requests.last().is_none_or(|last| size(last) >= self.at_once) {
            self.requests.push(CommitRequest::default());
        }
        self.requests.last_mut().expect("one was just pushed")
    }

    fn end(mut self) -> Vec<CommitRequest> {
        for request in &mut self.requests {
            let spaces: HashSet<&SpaceRef> = request.writes.iter().map(|write| write.record().space()).collect();
            let mut spaces: Vec<SpaceRef> = spaces.into_iter().cloned().collect();
            spaces.sort();
            request.spaces = spaces;
        }
        self.requests
    }
}

/// Some value of a type, for the moment in which a deleted record is there.
fn blank(program: &Program, ty: &Type, record: &RecordRef) -> Value {
    match ty {
        Type::Bool => Value::Bool(false),
        Type::Int => Value::Int(0),
        Type::Float => Value::Float(0.0),
        Type::Text => Value::text(""),
        Type::Bytes => Value::Bytes(Arc::new([])),
        Type::Time => Value::Time(0),
        Type::Duration => Value::Duration(0),
        Type::Space => Value::Space(record.space().clone()),
        Type::Record(..) => Value::Ref(record.clone()),
        Type::List(_) => Value::list([]),
        Type::Set(_) => Value::set([]),
        Type::Map(..) => Value::map([]),
        Type::Optional(_) | Type::Unknown => Value::None,
        Type::Struct(id, _) => {
            let fields = &program.structs[id.index()].fields;
            Value::Struct(fields.iter().map(|field| blank(program, &field.ty, record)).collect())
        }
        Type::Enum(id, _) => {
            let first = program.enums[id.index()].variants.first();
            Value::Variant(
                0,
                first.map_or_else(
                    || Arc::new([]) as Arc<[Value]>,
                    |first| first.fields.iter().map(|f| blank(program, &f.ty, record)).collect(),
                ),
            )
        }
        Type::Failure => Value::Struct(Arc::new([Value::text("rejected"), Value::text("")])),
        Type::SagaResult(results) => Value::Struct(results.iter().map(|result| blank(program, &result.ty, record)).collect()),
    }
}
