//! A cycle in words: what happens, numbered in the order of the commits, and why no order of whole chains explains it.

use std::fmt::Write;

use super::told::{Cycle, Step};
use super::witness::Given;
use crate::db::Db;
use crate::effects::describe::{body_name, cell_name, handler_name, record_name};
use crate::effects::{Site, WriteKind};
use crate::hir::BodyOwner;
use crate::resolve::{item_name, one_of};
use crate::signature::{Home, handler_sig, record_sig};

/// One line of a story.
pub struct Line {
    pub text: String,
    pub site: Site,
}

/// A cycle in words.
pub struct Story {
    pub lines: Vec<Line>,
    /// What is wrong in the end.
    pub end: String,
}

impl Story {
    pub fn of(db: &dyn Db, cycle: &Cycle) -> Story {
        let teller = Teller { db, cycle };
        let lines = cycle.steps.iter().map(|step| Line { text: teller.line(step), site: step.site }).collect();
        Story { lines, end: teller.end() }
    }
}

struct Teller<'a> {
    db: &'a dyn Db,
    cycle: &'a Cycle,
}

impl Teller<'_> {
    fn record(&self, position: usize) -> &str {
        self.cycle.witness.records.get(position).map_or("?", |record| &record.name)
    }

    /// `a.link(b)`, and which of several alike.
    fn event(&self, event: usize) -> String {
        let name = self.name(event);
        let alike: Vec<usize> = (0..self.cycle.witness.events.len()).filter(|other| self.name(*other) == name).collect();
        match alike.iter().position(|other| *other == event) {
            Some(position) if alike.len() > 1 => {
                format!("`{name}` ({})", ["first", "second", "third", "fourth"].get(position).copied().unwrap_or("another"))
            }
            _ => format!("`{name}`"),
        }
    }

    /// `link(a, b)` as `a.link(b)`.
    fn name(&self, event: usize) -> String {
        let of = &self.cycle.witness.events[event];
        let on = self.record(of.on);
        match of.starts {
            BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => {
                let params = handler_sig(self.db, handler).map(|sig| &sig.params[..]).unwrap_or_default();
                let args: Vec<String> = params
                    .iter()
                    .zip(&of.args)
                    .map(|(param, given)| match given {
                        Given::Record(position) => self.record(*position).to_owned(),
                        Given::Literal(text) => text.to_string(),
                        Given::Value(_) => param.name.to_string(),
                    })
                    .collect();
                format!("{on}.{}({})", handler_name(self.db, handler), args.join(", "))
            }
            BodyOwner::Create(record) => format!("create {}", record_name(self.db, record)),
            BodyOwner::Derived(cell) => format!("{on}.{}", cell_name(self.db, cell)),
            other => body_name(self.db, other),
        }
    }

    /// `a.members`.
    fn cell(&self, step: &Step) -> String {
        let on = step.on.map_or_else(|| record_name(self.db, step.record), |on| self.record(on).to_owned());
        match step.cell {
            Some(cell) => format!("{on}.{}", cell_name(self.db, cell)),
            None => on,
        }
    }

    fn space(&self, step: &Step) -> String {
        match record_sig(self.db, step.record).map(|sig| sig.home) {
            Some(Home::Plain(space)) => format!("in `{}`", item_name(self.db, space)),
            _ => match step.on {
                Some(on) => format!("in the space of `{}`", self.record(on)),
                None => "in its space".to_owned(),
            },
        }
    }

    fn line(&self, step: &Step) -> String {
        let turn = &self.cycle.witness.order[step.turn];
        let event = self.event(step.event);
        let who = match (turn.sent, turn.arm) {
            // Where nothing but its own transaction is looked at.
            (None, _) if turn.body != self.cycle.witness.events[step.event].starts => {
                format!("`{}`, set off by {event},", body_name(self.db, turn.body))
            }
            (None, _) => event,
            (Some(_), Some(ok)) => format!("{event} goes on in its `{}` arm and", if ok { "ok" } else { "err" }),
            (Some(_), None) => format!("`{}`, sent by {event},", body_name(self.db, turn.body)),
        };
        let (cell, space) = (self.cell(step), self.space(step));
        let element = step.element.map(|element| self.record(element).to_owned());
        let mut text = who;
        let _ = match (step.write, element) {
            (None, _) if turn.refused => write!(text, " reads `{cell}` {space}, and is rejected"),
            (None, _) => write!(text, " reads `{cell}` {space}"),
            (Some(WriteKind::Insert | WriteKind::Append), Some(element)) => write!(text, " puts `{element}` into `{cell}` {space}"),
            (Some(WriteKind::Insert | WriteKind::Append), None) => write!(text, " adds to `{cell}` {space}"),
            (Some(WriteKind::Remove), Some(element)) => write!(text, " takes `{element}` out of `{cell}` {space}"),
            (Some(WriteKind::Remove), None) => write!(text, " takes something out of `{cell}` {space}"),
            (Some(WriteKind::Add), _) => write!(text, " adds to the number `{cell}` {space}"),
            (Some(WriteKind::Set), _) => write!(text, " writes `{cell}` {space}"),
            (Some(WriteKind::Create), _) => write!(text, " creates {} {space}", one_of(&record_name(self.db, step.record))),
            (Some(WriteKind::Delete), _) => write!(text, " deletes `{cell}` {space}"),
        };
        text
    }

    fn end(&self) -> String {
        if let Some(end) = self.one_sided() {
            return end;
        }
        let first = self.event(0);
        let steps = |event: usize| self.cycle.steps.iter().filter(move |step| step.event == event);
        let own: Vec<&Step> = steps(0).collect();
        let (exit, entry) = match own[..] {
            [exit, entry] => (self.cell(exit), self.cell(entry)),
            _ => return format!("no order of whole events gives this: {first} is neither before nor after the others"),
        };
        let others: Vec<String> = (1..self.cycle.witness.events.len()).map(|event| self.event(event)).collect();
        let come = if others.len() == 1 { "comes" } else { "come" };
        if self.cycle.observed && others.len() == 1 {
            return format!("{} sees `{exit}` with what {first} did, and `{entry}` without it", others[0]);
        }
        if exit == entry {
            return format!(
                "{} {come} between the steps in which {first} uses `{exit}`: no order of whole events gives this",
                others.join(" and ")
            );
        }
        format!("by `{exit}`, {first} came before {}; by `{entry}`, after: no order of whole events gives this", others.join(" and "))
    }

    /// "now `b` lists `a`, and `a` does not list `b`", where a link was put in on one side and taken out on the other.
    fn one_sided(&self) -> Option<String> {
        let mut last: Vec<&Step> = Vec::new();
        for step in self.cycle.steps.iter().filter(|step| step.write.is_some()) {
            last.retain(|other| (other.cell, other.on, other.element) != (step.cell, step.on, step.element));
            last.push(step);
        }
        let [one, other] = last[..] else { return None };
        let put = [one, other].into_iter().find(|step| step.write == Some(WriteKind::Insert))?;
        let taken = [one, other].into_iter().find(|step| step.write == Some(WriteKind::Remove))?;
        let mirrored = put.on.zip(put.element) == taken.element.zip(taken.on);
        let (holder, held) = put.on.zip(put.element).filter(|_| mirrored)?;
        let (holder, held) = (self.record(holder), self.record(held));
        Some(format!(
            "now `{holder}` lists `{held}` in `{}`, and `{held}` does not list `{holder}` in `{}`",
            cell_name(self.db, put.cell?),
            cell_name(self.db, taken.cell?),
        ))
    }
}
