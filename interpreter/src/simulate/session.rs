//! A session of a test: where it stands among its statements, and what it waits for.

use std::sync::Arc;

use patternc_program::{Expr, Slot, Source, TestEvent, TestStmt};

use super::order::EventName;
use super::world::Request;
use crate::engine::Session;
use crate::value::Value;

/// A session. It can stop at every event, so that others go on meanwhile.
#[derive(Clone)]
pub(crate) struct Thread<'p> {
    pub session: Session,
    pub caller: Option<Arc<str>>,
    pub frame: Vec<Value>,
    blocks: Vec<Block<'p>>,
    pub waits: Option<Waits<'p>>,
    /// How the block that was left last has to be ended.
    pub ended: Option<End<'p>>,
    /// `advance`: the time that is to come, what becomes due on the way first.
    pub until: Option<i64>,
    /// The number of its next event among those of the statement, and how many events it has sent.
    pub number: u32,
    pub events: u32,
    /// One of several at once: a rejection is a way to lose, not a failure of the test.
    pub races: bool,
}

#[derive(Clone)]
struct Block<'p> {
    stmts: &'p [TestStmt],
    next: usize,
    end: End<'p>,
}

/// What happens at the end of a block.
#[derive(Clone)]
pub(crate) enum End<'p> {
    Nothing,
    /// The session ends.
    Stop,
    /// The caller is again who it was.
    Caller(Option<Arc<str>>),
    /// What was held is delivered.
    Release,
    Loop {
        key: Option<Slot>,
        item: Slot,
        rest: std::vec::IntoIter<(Value, Value)>,
        body: &'p [TestStmt],
    },
}

/// The event whose outcome a session waits for.
#[derive(Clone)]
pub(crate) struct Waits<'p> {
    pub request: Request,
    pub what: String,
    pub at: Source,
    pub then: Awaited<'p>,
}

impl Waits<'_> {
    /// Tells apart what is to be done with the outcome.
    pub fn kind(&self) -> u64 {
        match &self.then {
            Awaited::Result(None) => 0,
            Awaited::Result(Some(slot)) => 2 + u64::from(slot.0),
            Awaited::Failure { .. } => 1,
        }
    }
}

/// What is to be done with the outcome.
#[derive(Clone)]
pub(crate) enum Awaited<'p> {
    /// It must have committed.
    Result(Option<Slot>),
    /// It must have failed so.
    Failure { with: Option<&'p Expr>, kind: Option<&'p str> },
}

impl<'p> Thread<'p> {
    pub fn new(session: Session, caller: Option<Arc<str>>, frame: Vec<Value>, stmts: &'p [TestStmt]) -> Self {
        let blocks = vec![Block { stmts, next: 0, end: End::Nothing }];
        Thread { session, caller, frame, blocks, waits: None, ended: None, until: None, number: 0, events: 0, races: false }
    }

    /// A session of `concurrently`, the one of this number.
    pub fn racing(session: Session, number: u32, caller: Option<Arc<str>>, frame: Vec<Value>, stmts: &'p [TestStmt]) -> Self {
        Thread { races: true, number, ..Thread::new(session, caller, frame, stmts) }
    }

    /// What its next event is called.
    pub fn next_event(&mut self) -> EventName {
        self.events += 1;
        if self.races {
            return EventName { session: self.session, event: self.events, number: self.number, nth: self.events };
        }
        self.number += 1;
        EventName { session: self.session, event: self.events, number: self.number, nth: 1 }
    }

    /// Whether nobody can tell when it does what it does next: it ends a block, or sends an event that depends on nothing stored.
    pub fn is_unseen(&self) -> bool {
        if self.until.is_some() {
            return false;
        }
        match self.peek() {
            None => true,
            Some(TestStmt::Event { event, .. } | TestStmt::ExpectFail { call: event, .. }) => match event {
                TestEvent::Handler { target, args, .. } | TestEvent::Saga { target, args, .. } => {
                    is_known(target) && args.iter().all(is_known)
                }
                TestEvent::Create(create) => create.cells.iter().all(|(_, value)| is_known(value)),
            },
            Some(_) => false,
        }
    }

    pub fn enter(&mut self, stmts: &'p [TestStmt], end: End<'p>) {
        self.blocks.push(Block { stmts, next: 0, end });
    }

    /// The next statement; `None` at the end of a block (see [`Thread::ended`]) or of the session.
    pub fn next(&mut self) -> Option<&'p TestStmt> {
        let block = self.blocks.last_mut()?;
        if let Some(stmt) = block.stmts.get(block.next) {
            block.next += 1;
            return Some(stmt);
        }
        self.ended = self.blocks.pop().map(|block| block.end);
        None
    }

    /// The statement that [`Thread::next`] would give.
    pub fn peek(&self) -> Option<&'p TestStmt> {
        let block = self.blocks.last().filter(|_| self.ended.is_none())?;
        block.stmts.get(block.next)
    }

    /// Says where it stands, as the place and the next statement of each block; `false` if no statement is left that could tell one frame
    /// from another.
    pub fn position(&self, mut say: impl FnMut(u64, u64)) -> bool {
        let mut left = false;
        let is_idle = |stmt: &TestStmt| matches!(stmt, TestStmt::Expect { cond: Expr::Bool(true), .. });
        for block in &self.blocks {
            let ends = matches!(block.end, End::Nothing) && block.next == block.stmts.len();
            if !ends {
                left |= !matches!(block.end, End::Nothing | End::Release) || !block.stmts[block.next..].iter().all(is_idle);
                say(block.stmts.as_ptr() as u64, block.next as u64);
            }
            if let End::Loop { rest, .. } = &block.end {
                say(rest.len() as u64, 0);
            }
        }
        left || self.ended.is_some() || self.until.is_some()
    }

    pub fn is_done(&self) -> bool {
        self.blocks.is_empty() && self.ended.is_none() && self.until.is_none()
    }

    /// Ends the session where it stands; gives how many `hold`s it leaves.
    pub fn stop(&mut self) -> usize {
        let ends = self.blocks.drain(..).map(|block| block.end).chain(self.ended.take());
        ends.filter(|end| matches!(end, End::Release)).count()
    }

    pub fn set(&mut self, slot: Slot, value: Value) {
        self.frame[slot.index()] = value;
    }
}

/// Whether the value of an expression follows from the session's own names.
pub(super) fn is_known(expr: &Expr) -> bool {
    match expr {
        Expr::Bool(_) | Expr::None | Expr::Int(_) | Expr::Float(_) | Expr::Text(_) | Expr::Duration(_) | Expr::Slot(_) => true,
        Expr::List(items) | Expr::Set(items) | Expr::Struct { fields: items, .. } | Expr::Variant { args: items, .. } => {
            items.iter().all(is_known)
        }
        Expr::Map(entries) => entries.iter().all(|(key, value)| is_known(key) && is_known(value)),
        Expr::Neg(inner, _) => is_known(inner),
        _ => false,
    }
}
