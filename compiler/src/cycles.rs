//! Functions that call themselves, and derived cells that depend on themselves.
//!
//! Both are judged by declaration: a derived cell that reads the same cell of another record is a cycle too. Each file is summed up
//! without spans; cycles are the strongly connected components of all summaries together.

// Not `tarjan_scc`, which goes down the call stack: chains of calls have any length.
use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;
use rustc_hash::FxHashMap;

use crate::bodies::bodies;
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Location};
use crate::hir::{BodyOwner, ExprKind};
use crate::resolve::item_name;
use crate::rules;
use crate::signature::cell_sig;
use crate::summary;
use crate::types::{CellId, ItemId};
use crate::visit;

/// What can depend on itself. Derived cells come first: a cycle through both is told from the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Node {
    Derived(CellId),
    Fn(ItemId),
}

impl Node {
    pub(crate) fn file(self) -> SourceFile {
        match self {
            Node::Fn(item) => item.file,
            Node::Derived(cell) => cell.record.file,
        }
    }

    fn location(self) -> Location {
        match self {
            Node::Fn(item) => Location::Item(item),
            Node::Derived(cell) => Location::Cell(cell),
        }
    }

    fn name(self, db: &dyn Db) -> String {
        match self {
            Node::Fn(item) => item_name(db, item).to_string(),
            Node::Derived(cell) => {
                let name = cell_sig(db, cell).map(|cell| cell.name).unwrap_or_default();
                format!("{}.{name}", item_name(db, cell.record))
            }
        }
    }
}

/// What each function and derived cell of a file calls and reads, sorted.
pub(crate) fn dependencies(db: &dyn Db, file: SourceFile) -> Vec<(Node, Node)> {
    let mut edges = Vec::new();
    for body in &bodies(db, file).bodies {
        let from = match body.owner {
            BodyOwner::Fn(item) => Node::Fn(item),
            BodyOwner::Derived(cell) => Node::Derived(cell),
            _ => continue,
        };
        visit::body(body, &mut |expr| match expr.kind {
            ExprKind::CallFn { of, .. } => edges.push((from, Node::Fn(of))),
            ExprKind::Cell { cell, .. } if cell_sig(db, cell).is_some_and(|cell| cell.derived) => edges.push((from, Node::Derived(cell))),
            _ => {}
        });
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The cycles of the project, each from its first node once around.
#[salsa::tracked(returns(ref))]
pub(crate) fn project_cycles(db: &dyn Db) -> Vec<Vec<Node>> {
    let dependencies = summary::dependencies(db).flatten();
    let graph: DiGraphMap<Node, ()> = dependencies.map(|(from, to)| (*from, *to, ())).collect();
    let mut cycles: Vec<Vec<Node>> = kosaraju_scc(&graph)
        .into_iter()
        .filter(|component| component.len() > 1 || graph.contains_edge(component[0], component[0]))
        .map(|mut component| {
            component.sort_unstable();
            shortest_cycle(&graph, component[0])
        })
        .collect();
    cycles.sort_unstable();
    cycles
}

/// The nodes on a shortest way from `start` back to it. There is one: its component is strongly connected.
fn shortest_cycle(graph: &DiGraphMap<Node, ()>, start: Node) -> Vec<Node> {
    let mut before: FxHashMap<Node, Node> = FxHashMap::default();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<Node> = graph.neighbors(node).collect();
        next.sort_unstable();
        if next.contains(&start) {
            let mut cycle = vec![node];
            while let Some(&earlier) = before.get(cycle.last().expect("it has a node")) {
                cycle.push(earlier);
            }
            cycle.reverse();
            return cycle;
        }
        for node_after in next {
            if node_after != start && !before.contains_key(&node_after) {
                before.insert(node_after, node);
                queue.push_back(node_after);
            }
        }
    }
    vec![start]
}

/// The findings about cycles that are reported in `file`.
pub fn check(db: &dyn Db, file: SourceFile, findings: &mut Vec<Diagnostic>) {
    for cycle in &summary::said_of(db, file).cycles {
        let (first, rest) = (cycle[0], &cycle[1..]);
        let derived = cycle.iter().any(|node| matches!(node, Node::Derived(_)));
        let rule = if derived { &rules::derived_cycle::RULE } else { &rules::recursive_fn::RULE };
        let way: Vec<String> = cycle.iter().chain([&first]).map(|node| format!("`{}`", node.name(db))).collect();
        let (what, label) = match first {
            Node::Fn(_) => ("function", "calls itself"),
            Node::Derived(_) => ("derived cell", "depends on itself"),
        };
        let through = if rest.is_empty() { String::new() } else { format!(": {}", way.join(" → ")) };
        let message = format!("the {what} {} {label}{through}", way[0]);
        let mut finding = rule.at(first.location(), label, message);
        for node in rest {
            finding = finding.label(node.location(), "on the way");
        }
        findings.push(if derived {
            finding
                .note("derived cells are judged by declaration: the cell of another record counts as the same cell")
                .help("keep one of them in a stored cell, and write it where it changes")
        } else {
            finding.help("walk a collection with `map`, `filter` or `fold`, or `range(n)`: every function ends")
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::db::Database;

    #[test]
    fn chains_of_functions_may_be_long() {
        let mut text = "fn f0(x: Int) -> Int { x }\n".to_owned();
        for i in 1..5_000 {
            writeln!(text, "fn f{i}(x: Int) -> Int {{ f{}(x) }}", i - 1).expect("a text takes everything");
        }
        let mut db = Database::default();
        db.set_project(&[("main.pattern", &text)], None);
        assert_eq!(*project_cycles(&db), Vec::<Vec<Node>>::new());
        db.set_project(&[("main.pattern", &text.replace("{ x }", "{ f4999(x) }"))], None);
        assert_eq!(project_cycles(&db).iter().map(Vec::len).collect::<Vec<_>>(), [5_000]);
    }
}
