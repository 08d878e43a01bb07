//! The sessions at the prompt: whose events take effect one after the other, and what each has left open.

use patternc_interpreter::engine::{self, Open};
use patternc_interpreter::event::Action;
use patternc_interpreter::runtime::Runtime;
use patternc_interpreter::value::Value;

use super::session::Compiled;

/// The name of the first session.
pub const FIRST: &str = "main";

/// One that sends events.
pub struct Client {
    pub name: String,
    pub events: engine::Session,
    /// A transaction that has run and is not committed.
    pub open: Option<Begun>,
}

/// A transaction left open, with what its commit binds.
pub struct Begun {
    pub open: Open,
    pub action: Action,
    pub what: String,
    /// What was typed.
    pub text: String,
    /// The names and values that it ran with, and what its commit binds.
    pub frame: Vec<Value>,
    pub compiled: Compiled,
}

/// All of them, one of which types.
pub struct Clients {
    all: Vec<Client>,
    current: usize,
}

impl Clients {
    pub fn new(runtime: &Runtime) -> Self {
        Clients { all: vec![Client { name: FIRST.to_owned(), events: runtime.session(), open: None }], current: 0 }
    }

    pub fn current(&self) -> &Client {
        &self.all[self.current]
    }

    pub fn current_mut(&mut self) -> &mut Client {
        &mut self.all[self.current]
    }

    pub fn all(&self) -> &[Client] {
        &self.all
    }

    /// From now on the session of this name types. Whether it is new: then it sends its events as `fresh`.
    pub fn switch(&mut self, name: &str, fresh: engine::Session) -> bool {
        let known = self.all.iter().position(|client| client.name == name);
        self.current = known.unwrap_or(self.all.len());
        if known.is_none() {
            self.all.push(Client { name: name.to_owned(), events: fresh, open: None });
        }
        known.is_none()
    }

    /// The same sessions with another runtime; what they had left open is gone, and given back in a few words each.
    pub fn move_to(&mut self, runtime: &Runtime) -> Vec<String> {
        let mut lost = Vec::new();
        for client in &mut self.all {
            client.events = runtime.session();
            lost.extend(client.open.take().map(|begun| begun.what));
        }
        lost
    }
}
