//! A session of a test: where it stands among its statements, and what it waits for.

use std::sync::Arc;

use patternc_program::{Expr, Slot, Source, TestStmt};

use super::world::Request;
use crate::engine::Session;
use crate::value::Value;

/// A session. It can stop at every event, so that others go on meanwhile.
pub(super) struct Thread<'p> {
    pub session: Session,
    pub caller: Option<Arc<str>>,
    pub frame: Vec<Value>,
    blocks: Vec<Block<'p>>,
    pub waits: Option<Waits<'p>>,
    /// How the block that was left last has to be ended.
    pub ended: Option<End<'p>>,
    /// One of several at once: a rejection is a way to lose, not a failure of the test.
    pub races: bool,
}

struct Block<'p> {
    stmts: &'p [TestStmt],
    next: usize,
    end: End<'p>,
}

/// What happens at the end of a block.
pub(super) enum End<'p> {
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
pub(super) struct Waits<'p> {
    pub request: Request,
    pub what: String,
    pub at: Source,
    pub then: Awaited<'p>,
}

/// What is to be done with the outcome.
pub(super) enum Awaited<'p> {
    /// It must have committed.
    Result(Option<Slot>),
    /// It must have failed so.
    Failure { with: Option<&'p Expr>, kind: Option<&'p str> },
}

impl<'p> Thread<'p> {
    pub fn new(session: Session, caller: Option<Arc<str>>, frame: Vec<Value>, stmts: &'p [TestStmt]) -> Self {
        let blocks = vec![Block { stmts, next: 0, end: End::Nothing }];
        Thread { session, caller, frame, blocks, waits: None, ended: None, races: false }
    }

    /// A session of `concurrently`.
    pub fn racing(session: Session, caller: Option<Arc<str>>, frame: Vec<Value>, stmts: &'p [TestStmt]) -> Self {
        Thread { races: true, ..Thread::new(session, caller, frame, stmts) }
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

    pub fn is_done(&self) -> bool {
        self.blocks.is_empty() && self.ended.is_none()
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
