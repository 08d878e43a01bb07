//! The effect table for reading: what each handler reads, writes and sends, where, and how it can fail.

use crate::bodies::bodies;
use crate::db::{Db, Project};
use crate::effects::describe::{Describe, body_name, cell_path, failing_steps, failures, record_name};
use crate::effects::{self, Effects, Grain, WriteKind};
use crate::graph::picture::space_of;
use crate::hir::BodyOwner;
use crate::types::{CellId, ItemId};

/// What one handler does, itself and through everything it calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub handler: String,
    /// The space it runs in.
    pub space: String,
    pub entries: Vec<Entry>,
}

/// One thing that a handler does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `None`: in its own transaction. Otherwise in the `ok` or `err` arm of a send, a transaction of its own.
    pub arm: Option<bool>,
    /// `reads`, `sets`, `adds`, `appends`, `inserts`, `removes`, `creates`, `deletes`, `sends`, `fails`.
    pub what: &'static str,
    /// The cell, record, event or reason.
    pub on: String,
    /// The space it falls in; empty for failures.
    pub at: String,
}

/// The rows of all handlers, sagas and `create` blocks, by name.
pub fn table(db: &dyn Db) -> Vec<Row> {
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    let mut rows = Vec::new();
    for &file in files {
        for body in &effects::file_effects(db, file).bodies {
            let record = match body.owner {
                BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler.record,
                BodyOwner::Create(record) => record,
                _ => continue,
            };
            let Some(tree) = bodies(db, file).get(body.owner) else { continue };
            let words = Describe { db, body: tree };
            let mut entries = Vec::new();
            piece(&words, effects::effects(db, body.owner), None, &mut entries);
            rows.push(Row { handler: body_name(db, body.owner), space: space_of(db, record), entries });
        }
    }
    rows.sort_by(|a, b| a.handler.cmp(&b.handler));
    rows
}

fn piece(words: &Describe<'_>, effects: &Effects, arm: Option<bool>, entries: &mut Vec<Entry>) {
    let db = words.db;
    let mut add = |entry: Entry| {
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    };
    let named = |target: &effects::Target, record: ItemId, cell: Option<CellId>| match cell {
        Some(cell) if words.target(target).is_some() => words.cell_of(target, cell),
        Some(cell) => cell_path(db, cell),
        None => words.target(target).unwrap_or_else(|| record_name(db, record)),
    };
    for read in &effects.reads {
        let mut on = named(&read.target, read.record, read.cell);
        match (read.cell, &read.grain) {
            (None, Grain::Query) => on = format!("which {on} there are"),
            (None, _) => on = format!("whether {on} is there"),
            (Some(_), Grain::Query) => on = format!("{on} of each"),
            _ => {}
        }
        add(Entry { arm, what: "reads", on, at: words.space(read.space) });
    }
    for write in &effects.writes {
        let what = match write.kind {
            WriteKind::Set => "sets",
            WriteKind::Append => "appends",
            WriteKind::Add => "adds",
            WriteKind::Insert => "inserts",
            WriteKind::Remove => "removes",
            WriteKind::Create => "creates",
            WriteKind::Delete => "deletes",
        };
        add(Entry { arm, what, on: named(&write.target, write.record, write.cell), at: words.space(write.space) });
    }
    for on in failures(db, effects) {
        add(Entry { arm, what: "fails", on, at: String::new() });
    }
    for (step, ways) in failing_steps(db, effects) {
        for way in ways {
            add(Entry { arm, what: "fails", on: format!("{way}, in {}", words.event(step)), at: String::new() });
        }
    }
    for send in &effects.sends {
        let outside = matches!(send.to, effects::SendTarget::Extern(_));
        let at = if outside { "the outside".to_owned() } else { words.space(send.space) };
        let entry = Entry { arm, what: "sends", on: words.event(send), at };
        if !entries.contains(&entry) {
            entries.push(entry);
        }
        for (ok, effects) in [(true, &send.ok), (false, &send.err)] {
            if let Some(effects) = effects {
                piece(words, effects, Some(ok), entries);
            }
        }
    }
}
