//! What the other side of a mirror answers to differences: tokens that say of which moment they are, for who asks it later.
//!
//! Tokens cannot be compared. Of two calls that were under way at once nobody knows which token is the newer one, so that a space keeps several:
//! those that no other is known to be newer than. An answer to a call takes the place of the tokens that were there when the call was made. They
//! are part of the commit that takes note of the answer, beside the ledger.

use std::sync::Arc;

use patternc_program::{Mirror, Repeat};

use super::Engine;
use super::flight::Flight;
use super::mirror::unchanged;
use crate::event::{Action, Outcome, Outgoing};
use crate::store::{CommitRequest, Presence, Read, ReadKey, Seen, StoreError, Write};
use crate::value::{RecordRef, SpaceRef, Value};

/// More than so many are kept as one that nobody can use.
const MOST: usize = 16;

impl Engine {
    /// The record that keeps the tokens of a mirror in a space.
    fn tokens_of(&self, mirror: &Mirror, space: &SpaceRef) -> Option<RecordRef> {
        Some(RecordRef::new(mirror.tokens?, space.clone(), "newest"))
    }

    fn kept_tokens(&self, record: &RecordRef) -> Result<Vec<Value>, StoreError> {
        match self.stores.of(record.space()).cell(record, Mirror::NEWEST)? {
            Some(Value::List(tokens)) => Ok(tokens.iter().cloned().collect()),
            _ => Ok(Vec::new()),
        }
    }

    /// The tokens that are there when a difference is told.
    pub(super) fn tokens_seen(&self, outgoing: &Outgoing) -> Vec<Value> {
        let mirror = self.mirror_of(outgoing).map(|mirror| &self.program.mirrors[mirror as usize]);
        let record = mirror.and_then(|mirror| self.tokens_of(mirror, outgoing.from.space()));
        // Where they cannot be read, none of them is known to be older.
        record.and_then(|record| self.kept_tokens(&record).ok()).unwrap_or_default()
    }

    /// What is to be committed with the answer to a difference.
    pub(super) fn keep_token(&self, flight: &Flight, outcome: &Outcome) -> Result<CommitRequest, StoreError> {
        let mut request = CommitRequest::default();
        let mirror = self.mirror_of(&flight.outgoing).map(|mirror| &self.program.mirrors[mirror as usize]);
        let (Some(mirror), Outcome::Committed(token @ Value::Text(_))) = (mirror, outcome) else { return Ok(request) };
        let space = flight.outgoing.from.space();
        let Some(record) = self.tokens_of(mirror, space) else { return Ok(request) };
        let mut tokens = self.kept_tokens(&record)?;
        tokens.retain(|kept| kept != token && !flight.saw.contains(kept));
        tokens.push(token.clone());
        if tokens.len() > MOST {
            tokens = vec![Value::Text("".into())];
        }
        let tokens = Value::list(tokens);
        request.spaces.push(space.clone());
        if self.stores.of(space).presence(&record)? == Presence::Live {
            request.reads.push(unchanged(&record, Mirror::NEWEST));
            request.writes.push(Write::Set { record, cell: Mirror::NEWEST, value: tokens });
        } else {
            request.reads.push(Read { key: ReadKey::Exists(record.clone()), seen: Seen::Value(None) });
            request.writes.push(Write::Create { record, cells: vec![tokens] });
        }
        Ok(request)
    }

    /// The token of what the space of a call that only reads was answered last, if one is known to be.
    pub(super) fn newest_token(&self, outgoing: &Outgoing) -> Option<Arc<str>> {
        let Action::Extern { of, operation, .. } = &outgoing.event.action else { return None };
        if self.repeat(*of, *operation) != Repeat::Readonly {
            return None;
        }
        let mut newest = None;
        for mirror in self.program.mirrors.iter().filter(|mirror| mirror.target == *of) {
            let Some(record) = self.tokens_of(mirror, outgoing.from.space()) else { continue };
            match &self.kept_tokens(&record).ok()?[..] {
                [] => {}
                [Value::Text(token)] if newest.is_none() && !token.is_empty() => newest = Some(token.clone()),
                _ => return None,
            }
        }
        newest
    }
}
