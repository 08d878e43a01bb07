//! Events and requests from outside, one a line.
//!
//! Reading is done in two steps: [`parse`] takes a line apart; [`EventLine::resolve`] finds what it names, with the keys that there are when
//! its turn comes.

use std::sync::Arc;

use patternc_program::{CellIndex, DerivedIndex, Home, Program, RecordId, Type};
use serde_json::Value as Json;

use super::error::{JsonError, Path, meant, shown};
use super::read::Reader;
use super::repeated::repeated_name;
use super::write::named;
use crate::event::{Action, EventId};
use crate::limits::Limits;
use crate::value::{RecordRef, SpaceRef};

/// A line taken apart, before the names in it are looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct EventLine {
    pub id: Option<EventId>,
    /// Who sends it.
    pub caller: Option<Arc<str>>,
    kind: Kind,
    fields: serde_json::Map<String, Json>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    To,
    Read,
    Query,
}

/// What a line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Event(Action),
    Read {
        record: RecordRef,
        cells: Vec<CellName>,
    },
    /// An expression of the language, to be compiled by whoever has the compiler.
    Query {
        text: Box<str>,
        /// Where it stands: the space of lists and look-ups that are not fixed.
        space: Option<SpaceRef>,
    },
}

/// A cell that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellName {
    Stored(CellIndex),
    Derived(DerivedIndex),
}

impl CellName {
    /// Its name and type.
    pub fn describe(self, program: &Program, record: RecordId) -> (&str, &Type) {
        let of = program.record(record);
        match self {
            CellName::Stored(cell) => (of.cells[cell.index()].name.as_str(), &of.cells[cell.index()].ty),
            CellName::Derived(cell) => (of.derived[cell.index()].name.as_str(), &of.derived[cell.index()].ty),
        }
    }
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Create, Kind::To, Kind::Read, Kind::Query];

    /// The field that makes a line of this kind, and those it may have beside `id` and `caller`.
    fn fields(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Kind::Create => ("create", &["as", "in", "cells"]),
            Kind::To => ("to", &["handler", "args"]),
            Kind::Read => ("read", &["cells"]),
            Kind::Query => ("query", &["in"]),
        }
    }
}

/// A line that cannot be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidLine {
    /// Its id, if it has one that can be read: whoever sent it knows it by that.
    pub id: Option<EventId>,
    /// What is wrong with it.
    pub error: JsonError,
}

impl From<JsonError> for InvalidLine {
    fn from(error: JsonError) -> Self {
        InvalidLine { id: None, error }
    }
}

/// Takes a line apart: JSON within the limits, of one of the four kinds, with the fields of its kind.
pub fn parse(line: &str, limits: &Limits) -> Result<EventLine, InvalidLine> {
    let here = Path::Root;
    if line.len() > limits.event_size {
        return Err(here
            .error(format!("the event has {} bytes, more than the limit `event-size` of {}", line.len(), limits.event_size))
            .into());
    }
    let depth = nesting(line);
    if depth > limits.event_nesting {
        let limit = limits.event_nesting;
        return Err(here.error(format!("the event is nested {depth} deep, more than the limit `event-nesting` of {limit}")).into());
    }
    let fields = match from_text(line) {
        Ok(Json::Object(fields)) => fields,
        Ok(other) => return Err(here.error(format!("expected an event as a JSON object, found {}", shown(&other))).into()),
        Err(error) => return Err(here.error(not_json(line, &error)).into()),
    };
    let repeated = repeated_name(line);
    // Which of two ids is meant is not known.
    let id = fields.get("id").and_then(Json::as_str).filter(|id| !id.is_empty() && repeated.as_deref() != Some("id"));
    let id = id.map(|id| EventId(id.into()));
    take_apart(fields, repeated.as_deref()).map_err(|error| InvalidLine { id, error })
}

fn take_apart(mut fields: serde_json::Map<String, Json>, repeated: Option<&str>) -> Result<EventLine, JsonError> {
    let here = Path::Root;
    if let Some(name) = repeated {
        return Err(here.error(format!("{name:?} stands twice in one object: which of them is meant?")));
    }
    let mut kinds = Kind::ALL.into_iter().filter(|kind| fields.contains_key(kind.fields().0));
    let kind = match (kinds.next(), kinds.next()) {
        (Some(kind), None) => kind,
        (Some(first), Some(second)) => {
            let message = format!("an event has either {:?} or {:?}, not both", first.fields().0, second.fields().0);
            return Err(here.error(message));
        }
        (None, _) => return Err(here.error("an event has one of \"create\", \"to\", \"read\" and \"query\"")),
    };
    let (own, others) = kind.fields();
    let known = ["id", "caller", own].into_iter().chain(others.iter().copied());
    if let Some(unknown) = fields.keys().find(|name| !known.clone().any(|k| k == name.as_str())) {
        return Err(here.error(format!("an event with {own:?} has no {unknown:?}{}", meant(unknown, known))));
    }
    let id = take_text(&mut fields, "id")?;
    let caller = take_text(&mut fields, "caller")?;
    if id.as_deref() == Some("") {
        return Err(here.name("id").error("an id is not empty"));
    }
    Ok(EventLine { id: id.map(EventId), caller, kind, fields })
}

fn take_text(fields: &mut serde_json::Map<String, Json>, name: &str) -> Result<Option<Arc<str>>, JsonError> {
    match fields.shift_remove(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.into())),
        Some(other) => Err(Path::Root.name(name).error(format!("expected a text, found {}", shown(&other)))),
    }
}

/// Reads JSON of any depth: what bounds it has been tested, or what wrote it kept to a bound.
pub(crate) fn from_text(text: &str) -> serde_json::Result<Json> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    let json = serde::Deserialize::deserialize(&mut reader)?;
    reader.end()?;
    Ok(json)
}

/// Why a line is not JSON, and where.
fn not_json(line: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "this is not JSON: the line ends before the event does; an event is one line, and every bracket and text in it is closed"
            .to_owned();
    }
    // The library counts bytes, and tells the last that it has read.
    let mut at = error.column().saturating_sub(1).min(line.len());
    while !line.is_char_boundary(at) {
        at -= 1;
    }
    let column = line[..at].chars().count() + 1;
    match line[at..].chars().next() {
        Some(found) => format!(
            "this is not JSON: it cannot go on with {found:?} at character {column}; names and texts stand in double quotes, entries are \
             parted by commas"
        ),
        None => format!("this is not JSON: it is wrong at character {column}"),
    }
}

/// How deep the brackets of a JSON text go. Of a text that is not JSON, at least as deep as a reader would.
pub(crate) fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl EventLine {
    /// Finds what the line names. `reader` reads the outside form; what it has for `here` is replaced by the space of the record.
    pub fn resolve(&self, reader: &Reader<'_>) -> Result<Request, JsonError> {
        match self.kind {
            Kind::Create => self.create(reader),
            Kind::To => self.handler(reader),
            Kind::Read => self.read(reader),
            Kind::Query => {
                let space = self.text("in")?.map(|text| reader.space(text, &Path::Root.name("in"))).transpose()?;
                Ok(Request::Query { text: self.required("query")?.into(), space })
            }
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, JsonError> {
        match self.fields.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(Path::Root.name(name).error(format!("expected a text, found {}", shown(other)))),
        }
    }

    fn required(&self, name: &'static str) -> Result<&str, JsonError> {
        self.text(name)?.ok_or_else(|| Path::Root.error(format!("{name:?} is missing")))
    }

    fn object(&self, name: &'static str) -> Result<serde_json::Map<String, Json>, JsonError> {
        match self.fields.get(name) {
            None | Some(Json::Null) => Ok(serde_json::Map::new()),
            Some(Json::Object(object)) => Ok(object.clone()),
            Some(other) => Err(Path::Root.name(name).error(format!("expected an object, found {}", shown(other)))),
        }
    }

    fn handler(&self, reader: &Reader<'_>) -> Result<Request, JsonError> {
        let to = reader.reference(self.required("to")?, &Path::Root.name("to"))?;
        let reader = Reader { here: Some(to.space()), ..*reader };
        let program = reader.program;
        let of = program.record(to.record());
        let name = self.required("handler")?;
        let args = self.object("args")?;
        let path = Path::Root.name("args");
        if let Some(&handler) = of.handlers.iter().find(|h| program.handler(**h).name == name) {
            let args = reader.fields(&args, named(&program.handler(handler).params), &path)?;
            return Ok(Request::Event(Action::Handler { to, handler, args }));
        }
        if let Some(&saga) = of.sagas.iter().find(|s| program.sagas[s.index()].name == name) {
            let args = reader.fields(&args, named(&program.sagas[saga.index()].params), &path)?;
            return Ok(Request::Event(Action::Saga { to, saga, args }));
        }
        let handlers = of.handlers.iter().map(|h| program.handler(*h)).filter(|h| !h.internal).map(|h| h.name.as_str());
        let names = handlers.chain(of.sagas.iter().map(|s| program.sagas[s.index()].name.as_str()));
        Err(Path::Root.name("handler").error(format!("{} has no handler {name:?}{}", of.name, meant(name, names))))
    }

    fn create(&self, reader: &Reader<'_>) -> Result<Request, JsonError> {
        let program = reader.program;
        let record = reader.names.record(program, self.required("create")?, &Path::Root.name("create"))?;
        let of = program.record(record);
        let path = Path::Root.name("in");
        let written = self.text("in")?.map(|text| reader.space(text, &path)).transpose()?;
        let space = match (of.home, written) {
            (Home::Plain(space), None) => SpaceRef { space, key: None },
            (Home::Plain(home) | Home::Family(home), Some(space)) if space.space != home => {
                let (home, wrong) = (program.spaces[home.index()].name, program.spaces[space.space.index()].name);
                return Err(path.error(format!("{} is never in `{wrong}`, only in `{home}`", of.name)));
            }
            (_, Some(space)) => space,
            (Home::Family(family), None) => {
                let family = program.spaces[family.index()].name;
                return Err(path.error(format!("a {} is in a space of `{family}`: say which, like \"{family}[…]\"", of.name)));
            }
            (Home::Floating, None) => {
                return Err(path.error(format!("a {} can be in any space: say which, like \"in\":\"home\"", of.name)));
            }
        };
        let id: Option<Arc<str>> = self.text("as")?.map(Into::into);
        if id.as_deref() == Some("") {
            return Err(Path::Root.name("as").error("an id is not empty"));
        }
        let reader = Reader { here: Some(&space), ..*reader };
        let given = self.object("cells")?;
        let path = Path::Root.name("cells");
        let mut cells = Vec::with_capacity(given.len());
        for (name, json) in &given {
            let Some(cell) = of.cell_named(name) else {
                if of.derived_named(name).is_some() {
                    return Err(path.name(name).error(format!("`{name}` is derived: it is not given but computed")));
                }
                let names = of.cells.iter().map(|c| c.name.as_str());
                return Err(path.error(format!("{} has no cell {name:?}{}", of.name, meant(name, names))));
            };
            cells.push((cell, reader.value(json, &of.cells[cell.index()].ty, &path.name(name))?));
        }
        for cell in &of.cells {
            if cell.default.is_none() && !matches!(cell.ty, Type::Optional(_)) && !given.contains_key(cell.name.as_str()) {
                return Err(path.error(format!("{:?} is missing: it has no default", cell.name.as_str())));
            }
        }
        Ok(Request::Event(Action::Create { record, space, id, cells }))
    }

    fn read(&self, reader: &Reader<'_>) -> Result<Request, JsonError> {
        let record = reader.reference(self.required("read")?, &Path::Root.name("read"))?;
        let of = reader.program.record(record.record());
        let stored = (0..of.cells.len()).map(|i| CellName::Stored(CellIndex(i as u32)));
        let derived = (0..of.derived.len()).map(|i| CellName::Derived(DerivedIndex(i as u32)));
        let path = Path::Root.name("cells");
        let cells = match self.fields.get("cells") {
            None | Some(Json::Null) => stored.chain(derived).collect(),
            Some(Json::Array(names)) => {
                let find = |(i, name): (usize, &Json)| {
                    let path = path.index(i);
                    let Json::String(name) = name else {
                        return Err(path.error(format!("expected the name of a cell, found {}", shown(name))));
                    };
                    let cell = of.cell_named(name).map(CellName::Stored).or_else(|| of.derived_named(name).map(CellName::Derived));
                    cell.ok_or_else(|| {
                        let names = of.cells.iter().map(|c| c.name.as_str()).chain(of.derived.iter().map(|d| d.name.as_str()));
                        path.error(format!("{} has no cell {name:?}{}", of.name, meant(name, names)))
                    })
                };
                names.iter().enumerate().map(find).collect::<Result<Vec<_>, _>>()?
            }
            Some(other) => return Err(path.error(format!("expected an array of names, found {}", shown(other)))),
        };
        Ok(Request::Read { record, cells })
    }
}

#[cfg(test)]
mod tests {
    use super::nesting;

    #[test]
    fn nesting_is_counted_outside_of_texts() {
        assert_eq!(nesting(r#"{"a":[[1],[2]],"b":"[[[[\"[["}"#), 3);
        assert_eq!(nesting("]]]["), 1);
        assert_eq!(nesting("5"), 0);
    }
}
