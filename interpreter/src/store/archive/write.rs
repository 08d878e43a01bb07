//! From stores to lines.

use std::collections::HashSet;
use std::io::{self, Write};

use patternc_program::{Program, RecordId, Type};

use super::{Counts, VERSION};
use crate::event::{EventId, Received};
use crate::json::{Form, JsonError, write_text, write_value};
use crate::store::format::events::{write_outgoing, write_received, write_state};
use crate::store::state::{ReceivedEvent, State, StoredRecord};
use crate::value::{RecordRef, Value};

/// Why stores cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A value that is not of its type.
    #[error("{what}: {error}")]
    Value { what: String, error: JsonError },
}

/// Writes all that these stores keep. They belong together: what one has sent to another is in one of them.
///
/// The lines say nothing of which store keeps what: the same data give the same bytes, however many stores they are in.
pub fn write(program: &Program, stores: &[State], out: &mut impl Write) -> Result<Counts, ExportError> {
    let mut lines = Lines { out, program, checksum: crc32fast::Hasher::new(), counts: Counts::default(), line: String::new() };
    lines.line.push_str(&format!("{{\"patternc\":\"export\",\"version\":{VERSION}}}"));
    lines.end()?;
    let mut records: Vec<StoredRecord<'_>> = stores.iter().flat_map(State::records).collect();
    // Those of one type and space are in one store, and stay in the order of creation.
    records.sort_by_key(|stored| (stored.cells.is_some(), stored.record.record(), stored.record.space()));
    records.iter().try_for_each(|record| lines.record(record))?;
    drop(records);
    let mut outbox: Vec<_> = stores.iter().flat_map(State::outgoing).collect();
    // Those of one sender stay in the order of sending.
    outbox.sort_by_key(|outgoing| (outgoing.from.record(), outgoing.from.space(), outgoing.from.id()));
    let sent: HashSet<&EventId> = outbox.iter().map(|outgoing| &outgoing.event.id).collect();
    for outgoing in &outbox {
        let id = &outgoing.event.id;
        let ty = outgoing.event.action.result_type(program);
        lines.counts.sent += 1;
        lines.line.push_str("{\"sent\":");
        write_text(&mut lines.line, &id.0);
        lines.line.push_str(",\"event\":");
        let written = write_outgoing(&mut lines.line, program, outgoing).and_then(|()| {
            lines.line.push_str(",\"state\":");
            write_state(&mut lines.line, program, &outgoing.state, &ty)
        });
        written.map_err(|error| ExportError::Value { what: format!("the event {:?}", id.0), error })?;
        lines.line.push('}');
        lines.end()?;
    }
    // In the order in which they are forgotten. An event from outside that several stores know is one.
    let mut received: Vec<(&EventId, ReceivedEvent)> = stores.iter().flat_map(State::inbox).collect();
    received.sort_by(|(a, x), (b, y)| (x.keep_until, a).cmp(&(y.keep_until, b)));
    let mut known: HashSet<&EventId> = HashSet::new();
    received.retain(|(id, _)| known.insert(id));
    for (id, event) in received {
        // Its sender has dealt with it, and died before this could be forgotten.
        let left_behind = event.keep_until.is_none() && matches!(event.received, Received::Done(_)) && !sent.contains(id);
        if !left_behind {
            lines.received(id, &event)?;
        }
    }
    let counts = lines.counts;
    let checksum = lines.checksum.finalize();
    let counted = serde_json::to_string(&counts).expect("numbers are JSON");
    writeln!(out, "{{\"end\":{counted},\"crc32\":{checksum}}}")?;
    out.flush()?;
    Ok(counts)
}

struct Lines<'a, W> {
    out: &'a mut W,
    program: &'a Program,
    checksum: crc32fast::Hasher,
    counts: Counts,
    line: String,
}

impl<W: Write> Lines<'_, W> {
    fn end(&mut self) -> Result<(), ExportError> {
        self.line.push('\n');
        self.checksum.update(self.line.as_bytes());
        self.out.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }

    fn reference(&mut self, record: &RecordRef) -> Result<(), ExportError> {
        let ty = Type::Record(record.record(), patternc_program::Place::Any);
        write_value(&mut self.line, self.program, Form::Stored, &Value::Ref(record.clone()), &ty)
            .map_err(|error| ExportError::Value { what: format!("{record:?}"), error })
    }

    fn record(&mut self, stored: &StoredRecord<'_>) -> Result<(), ExportError> {
        let record = stored.record;
        let Some(cells) = stored.cells.clone() else {
            self.counts.deleted += 1;
            self.line.push_str("{\"deleted\":");
            self.reference(record)?;
            self.line.push('}');
            return self.end();
        };
        self.counts.records += 1;
        self.line.push_str("{\"record\":");
        self.reference(record)?;
        self.line.push_str(",\"cells\":{");
        for (i, (cell, value)) in declared(self.program, record.record()).zip(cells).enumerate() {
            if i > 0 {
                self.line.push(',');
            }
            write_text(&mut self.line, cell.name.as_str());
            self.line.push(':');
            write_value(&mut self.line, self.program, Form::Stored, value, &cell.ty).map_err(|error| ExportError::Value {
                what: format!("the cell `{}` of {}", cell.name, crate::json::reference_text(self.program, record)),
                error,
            })?;
        }
        self.line.push_str("}}");
        self.end()
    }

    fn received(&mut self, id: &EventId, event: &ReceivedEvent) -> Result<(), ExportError> {
        self.counts.received += 1;
        self.line.push_str("{\"received\":");
        write_text(&mut self.line, &id.0);
        self.line.push_str(",\"outcome\":");
        write_received(&mut self.line, self.program, &event.received, &event.ty)
            .map_err(|error| ExportError::Value { what: format!("the outcome of the event {:?}", id.0), error })?;
        self.line.push_str(",\"type\":");
        write_text(&mut self.line, &self.program.ty(&event.ty).to_string());
        if let Some(until) = event.keep_until {
            self.line.push_str(&format!(",\"keep_until\":{until}"));
        }
        self.line.push('}');
        self.end()
    }
}

/// The stored cells of a record type, in the order of the declaration.
pub(super) fn declared(program: &Program, record: RecordId) -> impl Iterator<Item = &patternc_program::Cell> {
    program.record(record).cells.iter()
}
