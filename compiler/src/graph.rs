//! The dependency graph of a project: what calls, sends to, reads and writes what.
//!
//! Built from the effect tables when it is asked for. `check` does not build it: after an edit a rule asks for the effects of the few bodies
//! it needs.

pub mod picture;
pub mod table;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use rustc_hash::FxHashMap;

use crate::db::{Db, Project};
use crate::effects::describe::{body_name, cell_path, record_name};
use crate::effects::{self, EffectSpace, Effects, SendEffect, SendRole, SendTarget, WriteKind, home};
use crate::hir::BodyOwner;
use crate::signature::{HandlerKind, extern_sig, handler_sig, operation_sig};
use crate::types::{CellId, ItemId, OperationId};

/// What stands in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// A handler, saga, `create` block or mirror clause: a piece of work that is one transaction.
    Body(BodyOwner),
    /// An arm of a send, a transaction of its own: its body, and its number there.
    Arm(BodyOwner, u32),
    Operation(OperationId),
    Record(ItemId),
    Cell(CellId),
}

/// How one thing depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Edge {
    Reads,
    /// With the space it falls in, as seen from the body.
    Writes(WriteKind, EffectSpace),
    /// A direct call: part of the same transaction.
    Calls,
    /// An event, or a step of a saga.
    Sends {
        role: SendRole,
        delayed: bool,
    },
    /// From a body or arm to an arm that runs when a send of it has been answered well, or not.
    Then {
        ok: bool,
    },
}

/// The graph of a project.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub graph: DiGraph<Node, Edge>,
    by_node: FxHashMap<Node, NodeIndex>,
}

/// The graph of the whole project, own effects of each body only: what a body does through others is a path.
pub fn graph(db: &dyn Db) -> Graph {
    let mut graph = Graph::default();
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    for &file in files {
        for body in &effects::file_effects(db, file).bodies {
            let node = Node::Body(body.owner);
            let mut arms = 0;
            graph.piece(db, node, body.owner, &body.own, &mut arms);
        }
    }
    graph
}

impl Graph {
    /// The place of a node.
    pub fn find(&self, node: Node) -> Option<NodeIndex> {
        self.by_node.get(&node).copied()
    }

    /// What `node` leads to, with how.
    pub fn from(&self, node: Node) -> impl Iterator<Item = (Edge, Node)> + '_ {
        self.around(node, Direction::Outgoing)
    }

    /// What leads to `node`, with how.
    pub fn to(&self, node: Node) -> impl Iterator<Item = (Edge, Node)> + '_ {
        self.around(node, Direction::Incoming)
    }

    fn around(&self, node: Node, direction: Direction) -> impl Iterator<Item = (Edge, Node)> + '_ {
        let edges = self.find(node).into_iter().flat_map(move |node| self.graph.edges_directed(node, direction));
        edges.map(move |edge| {
            let other = if direction == Direction::Outgoing { edge.target() } else { edge.source() };
            (*edge.weight(), self.graph[other])
        })
    }

    fn node(&mut self, node: Node) -> NodeIndex {
        *self.by_node.entry(node).or_insert_with(|| self.graph.add_node(node))
    }

    fn edge(&mut self, from: Node, to: Node, edge: Edge) {
        let (from, to) = (self.node(from), self.node(to));
        if !self.graph.edges_connecting(from, to).any(|known| *known.weight() == edge) {
            self.graph.add_edge(from, to, edge);
        }
    }

    fn piece(&mut self, db: &dyn Db, node: Node, owner: BodyOwner, effects: &Effects, arms: &mut u32) {
        self.node(node);
        for read in &effects.reads {
            let to = read.cell.map_or(Node::Record(read.record), Node::Cell);
            self.edge(node, to, Edge::Reads);
        }
        for write in &effects.writes {
            let to = write.cell.map_or(Node::Record(write.record), Node::Cell);
            self.edge(node, to, Edge::Writes(write.kind, write.space));
        }
        for call in &effects.calls {
            self.edge(node, Node::Body(call.callee), Edge::Calls);
        }
        for send in &effects.sends {
            if let Some(to) = receiver(db, send) {
                self.edge(node, to, Edge::Sends { role: send.role, delayed: send.delayed });
            }
            for (ok, arm) in [(true, &send.ok), (false, &send.err)] {
                let Some(arm) = arm else { continue };
                let to = Node::Arm(owner, *arms);
                *arms += 1;
                self.edge(node, to, Edge::Then { ok });
                self.piece(db, to, owner, arm, arms);
            }
        }
    }
}

fn receiver(db: &dyn Db, send: &SendEffect) -> Option<Node> {
    match send.to {
        SendTarget::Handler(handler) => match handler_sig(db, handler)?.kind {
            HandlerKind::Saga => Some(Node::Body(BodyOwner::Saga(handler))),
            HandlerKind::Public | HandlerKind::Internal => Some(Node::Body(BodyOwner::Handler(handler))),
        },
        SendTarget::Extern(operation) => Some(Node::Operation(operation)),
        SendTarget::Create(record) => Some(Node::Body(BodyOwner::Create(record))),
        SendTarget::Unknown => None,
    }
}

impl Node {
    /// What it is called.
    pub fn name(self, db: &dyn Db) -> String {
        match self {
            Node::Body(owner) => body_name(db, owner),
            Node::Arm(owner, number) => format!("{} arm {}", body_name(db, owner), number + 1),
            Node::Operation(operation) => {
                let of = extern_sig(db, operation.of).map(|sig| sig.name);
                let name = operation_sig(db, operation).map(|sig| sig.name);
                of.zip(name).map_or_else(String::new, |(of, name)| format!("{of}.{name}"))
            }
            Node::Record(record) => record_name(db, record),
            Node::Cell(cell) => cell_path(db, cell),
        }
    }

    /// The plain space it is in; `None` where the space differs from record to record, and for the outside.
    pub fn space(self, db: &dyn Db) -> Option<ItemId> {
        match self {
            Node::Body(owner) | Node::Arm(owner, _) => home(db, owner),
            Node::Operation(_) => None,
            Node::Record(record) | Node::Cell(CellId { record, .. }) => home(db, BodyOwner::Create(record)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;

    const TEXT: &str = r#"
space home
extern mail {
  post(text: Text) idempotent
}
record Person in home {
  cell name: Text = ""
  handler rename(name: Text) { self.name = name }
  handler swap(other: Person, name: Text) writes Person.name {
    other.rename(name)
    send mail.post(self.name) then {
      err(e) => { self.name = e.message }
    }
  }
  handler ping(other: Person) { other.pong(self) }
  handler pong(other: Person) { other.ping(self) }
}
"#;

    fn named(db: &Database, graph: &Graph, name: &str) -> Node {
        graph.graph.node_weights().copied().find(|node| node.name(db) == name).expect("the graph has the node")
    }

    #[test]
    fn nodes_lead_to_what_they_touch() {
        let mut db = Database::default();
        db.set_project(&[("main.pattern", TEXT)], None);
        let graph = graph(&db);
        let from = |name: &str| -> Vec<String> {
            let mut edges: Vec<String> =
                graph.from(named(&db, &graph, name)).map(|(edge, to)| format!("{edge:?} {}", to.name(&db))).collect();
            edges.sort();
            edges
        };
        assert_eq!(from("Person.rename"), ["Writes(Set, Here) Person.name"]);
        assert_eq!(
            from("Person.swap"),
            [
                "Calls Person.rename",
                "Reads Person.name",
                "Sends { role: Send, delayed: false } mail.post",
                "Then { ok: false } Person.swap arm 1",
            ]
        );
        assert_eq!(from("Person.swap arm 1"), ["Writes(Set, Here) Person.name"]);
        assert_eq!(graph.to(named(&db, &graph, "Person.name")).count(), 3);
        let home = named(&db, &graph, "Person.swap").space(&db).expect("people are in a plain space");
        assert_eq!(crate::resolve::item_name(&db, home).as_str(), "home");
    }
}
