//! Checks a history for isolation: from what each transaction read and wrote, and the order of versions that the store assigned, follows which
//! transaction depends on which; a cycle is an anomaly.
//!
//! The anomalies are those of Adya ("Weak Consistency", 1999), found as Elle does (Kingsbury and Alvaro 2020): every write is of a value that
//! nobody else writes, so that a read tells which version it saw.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::{has_path_connecting, tarjan_scc};
use petgraph::graph::{DiGraph, NodeIndex};

/// What a transaction did with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets a register.
    Write {
        key: String,
        value: i64,
    },
    /// Adds to the end of a list.
    Append {
        key: String,
        value: i64,
    },
    /// `None`: what was there at the beginning.
    Read {
        key: String,
        seen: Option<i64>,
    },
    ReadList {
        key: String,
        seen: Vec<i64>,
    },
}

/// A transaction as its client and the store know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    pub name: String,
    pub ops: Vec<Op>,
    /// Its place in the order of the store's commits; `None`: it failed.
    pub version: Option<u64>,
    /// When the client asked and when it was answered, on one clock; `None`: it was never answered.
    pub asked: u64,
    pub answered: Option<u64>,
}

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// A read of a list that is no beginning of the versions the store assigned, or of a value that nobody wrote.
    Incompatible,
    /// Writes of two transactions in one order here and in the other there.
    G0,
    /// A read of what a failed transaction wrote.
    G1a,
    /// A read of what its transaction wrote over later.
    G1b,
    /// A cycle of writes and reads of them.
    G1c,
    /// A cycle with one read that was overwritten: read skew, a lost update.
    GSingle,
    /// A cycle with several: write skew.
    G2,
    /// A transaction that began after another was answered comes before it.
    RealTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    /// The next version of what it wrote.
    Ww,
    /// Read what it wrote.
    Wr,
    /// Wrote the version after the one that it read.
    Rw,
    /// Began after it was answered.
    Rt,
}

/// The writers of one key, oldest first, and the values they left.
type Versions<'a> = BTreeMap<&'a str, Vec<(NodeIndex, i64)>>;

/// What is wrong with a history, each kind with the transactions of one example.
pub fn anomalies(history: &[Txn]) -> Vec<(Anomaly, Vec<String>)> {
    Checker::new(history).check()
}

struct Checker<'a> {
    history: &'a [Txn],
    graph: DiGraph<usize, Edge>,
    found: Vec<(Anomaly, Vec<String>)>,
}

impl<'a> Checker<'a> {
    fn new(history: &'a [Txn]) -> Self {
        let mut graph = DiGraph::new();
        (0..history.len()).for_each(|at| {
            graph.add_node(at);
        });
        Checker { history, graph, found: Vec::new() }
    }

    fn check(mut self) -> Vec<(Anomaly, Vec<String>)> {
        let versions = self.versions();
        for writers in versions.values() {
            for pair in writers.windows(2) {
                if pair[0].0 != pair[1].0 {
                    self.graph.add_edge(pair[0].0, pair[1].0, Edge::Ww);
                }
            }
        }
        for at in 0..self.history.len() {
            self.reads_of(at, &versions);
        }
        self.real_time();
        self.cycles();
        self.found.sort();
        self.found.dedup_by_key(|(anomaly, _)| *anomaly);
        self.found
    }

    fn report(&mut self, anomaly: Anomaly, of: impl IntoIterator<Item = usize>) {
        let names = of.into_iter().map(|at| self.history[at].name.clone()).collect();
        self.found.push((anomaly, names));
    }

    /// The versions of each key in the order of the commits; of several writes of one transaction, the last.
    fn versions(&self) -> Versions<'a> {
        let mut committed: Vec<(u64, usize)> = self.history.iter().enumerate().filter_map(|(at, txn)| Some((txn.version?, at))).collect();
        committed.sort_unstable();
        let mut versions: Versions<'a> = BTreeMap::new();
        for (_, at) in committed {
            for op in &self.history[at].ops {
                match op {
                    Op::Write { key, value } => {
                        let writers = versions.entry(key).or_default();
                        writers.retain(|(node, _)| node.index() != at);
                        writers.push((NodeIndex::new(at), *value));
                    }
                    // Every element of a list stays: each is a version.
                    Op::Append { key, value } => versions.entry(key).or_default().push((NodeIndex::new(at), *value)),
                    Op::Read { .. } | Op::ReadList { .. } => {}
                }
            }
        }
        versions
    }

    fn reads_of(&mut self, at: usize, versions: &Versions<'a>) {
        // Who failed was told nothing that it could rely on.
        if self.history[at].version.is_none() {
            return;
        }
        let history = self.history;
        for op in &history[at].ops {
            match op {
                Op::Read { key, seen } => {
                    let writers = versions.get(key.as_str()).map_or(&[][..], Vec::as_slice);
                    match seen {
                        None => self.saw(at, writers, None),
                        Some(value) => match writers.iter().position(|(_, written)| written == value) {
                            Some(position) => self.saw(at, writers, Some(position)),
                            None => self.unknown(at, key, *value),
                        },
                    }
                }
                Op::ReadList { key, seen } => {
                    let writers = versions.get(key.as_str()).map_or(&[][..], Vec::as_slice);
                    for value in seen {
                        if !writers.iter().any(|(_, written)| written == value) {
                            self.unknown(at, key, *value);
                        }
                    }
                    let known: Vec<i64> = writers.iter().map(|(_, value)| *value).collect();
                    if !known.starts_with(seen) {
                        self.report(Anomaly::Incompatible, [at]);
                    }
                    // The middle of what one transaction appended.
                    if let (Some(last), Some(next)) = (seen.len().checked_sub(1).and_then(|l| writers.get(l)), writers.get(seen.len()))
                        && last.0 == next.0
                        && last.0.index() != at
                    {
                        self.report(Anomaly::G1b, [last.0.index(), at]);
                    }
                    self.saw(at, writers, seen.len().checked_sub(1).filter(|last| *last < writers.len()));
                }
                Op::Write { .. } | Op::Append { .. } => {}
            }
        }
    }

    /// A value that is no version: of a failed transaction, or written over by its own.
    fn unknown(&mut self, at: usize, key: &str, value: i64) {
        let wrote = |op: &Op| match op {
            Op::Write { key: k, value: v } | Op::Append { key: k, value: v } => k == key && *v == value,
            Op::Read { .. } | Op::ReadList { .. } => false,
        };
        match self.history.iter().position(|txn| txn.ops.iter().any(wrote)) {
            Some(writer) if writer == at => {}
            Some(writer) if self.history[writer].version.is_none() => self.report(Anomaly::G1a, [writer, at]),
            Some(writer) => self.report(Anomaly::G1b, [writer, at]),
            None => self.report(Anomaly::Incompatible, [at]),
        }
    }

    /// The transaction read this version, or the beginning.
    fn saw(&mut self, at: usize, writers: &[(NodeIndex, i64)], position: Option<usize>) {
        let reader = NodeIndex::new(at);
        if let Some(position) = position
            && writers[position].0 != reader
        {
            self.graph.add_edge(writers[position].0, reader, Edge::Wr);
        }
        let next = position.map_or(0, |position| position + 1);
        // Its own write is what it did with what it read; whoever comes after that comes after it anyway.
        if let Some((writer, _)) = writers.get(next)
            && *writer != reader
        {
            self.graph.add_edge(reader, *writer, Edge::Rw);
        }
    }

    fn real_time(&mut self) {
        for (before, first) in self.history.iter().enumerate() {
            let Some(answered) = first.answered.filter(|_| first.version.is_some()) else { continue };
            for (after, second) in self.history.iter().enumerate() {
                if second.version.is_some() && second.asked > answered {
                    self.graph.add_edge(NodeIndex::new(before), NodeIndex::new(after), Edge::Rt);
                }
            }
        }
    }

    fn cycles(&mut self) {
        self.cycle_of(Anomaly::G0, &[Edge::Ww]);
        self.cycle_of(Anomaly::G1c, &[Edge::Ww, Edge::Wr]);
        let settled = self.only(&[Edge::Ww, Edge::Wr]);
        let overwritten: Vec<(NodeIndex, NodeIndex)> =
            self.graph.edge_indices().filter(|e| self.graph[*e] == Edge::Rw).filter_map(|e| self.graph.edge_endpoints(e)).collect();
        for (reader, writer) in overwritten {
            if has_path_connecting(&settled, writer, reader, None) {
                self.report(Anomaly::GSingle, [reader.index(), writer.index()]);
                break;
            }
        }
        self.cycle_of(Anomaly::G2, &[Edge::Ww, Edge::Wr, Edge::Rw]);
        self.cycle_of(Anomaly::RealTime, &[Edge::Ww, Edge::Wr, Edge::Rw, Edge::Rt]);
    }

    /// Reports a cycle of these edges, unless one of fewer kinds was.
    fn cycle_of(&mut self, anomaly: Anomaly, edges: &[Edge]) {
        let known: BTreeSet<Anomaly> = self.found.iter().map(|(anomaly, _)| *anomaly).collect();
        if known.iter().any(|known| (Anomaly::G0..anomaly).contains(known) && !matches!(known, Anomaly::G1a | Anomaly::G1b)) {
            return;
        }
        if let Some(cycle) = tarjan_scc(&self.only(edges)).into_iter().find(|component| component.len() > 1) {
            self.report(anomaly, cycle.into_iter().map(NodeIndex::index));
        }
    }

    fn only(&self, edges: &[Edge]) -> DiGraph<usize, Edge> {
        let mut graph = self.graph.clone();
        graph.retain_edges(|graph, edge| edges.contains(&graph[edge]));
        graph
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transactions of the words `w x 1`, `a l 1`, `r x 1`, `r x -`, `l l 1,2`, by name, version (`-`: failed) and times.
    fn history(lines: &[(&str, &str)]) -> Vec<Txn> {
        let txn = |(at, (head, ops)): (usize, &(&str, &str))| {
            let mut head = head.split(' ');
            let name = head.next().expect("a name").to_owned();
            let version = head.next().expect("a version").parse().ok();
            let times: Vec<u64> = head.map(|time| time.parse().expect("a time")).collect();
            let op = |op: &str| {
                let words: Vec<&str> = op.split_whitespace().collect();
                let key = words[1].to_owned();
                match words[0] {
                    "w" => Op::Write { key, value: words[2].parse().expect("a number") },
                    "a" => Op::Append { key, value: words[2].parse().expect("a number") },
                    "r" => Op::Read { key, seen: words[2].parse().ok() },
                    _ => Op::ReadList {
                        key,
                        seen: words.get(2).map_or(Vec::new(), |l| l.split(',').map(|n| n.parse().expect("a number")).collect()),
                    },
                }
            };
            let (asked, answered) = match times[..] {
                [asked, answered] => (asked, Some(answered)),
                _ => (at as u64, None),
            };
            Txn { name, ops: ops.split(';').map(op).collect(), version, asked, answered }
        };
        lines.iter().enumerate().map(txn).collect()
    }

    fn kinds(lines: &[(&str, &str)]) -> Vec<Anomaly> {
        anomalies(&history(lines)).into_iter().map(|(anomaly, _)| anomaly).collect()
    }

    #[test]
    fn good_histories_have_none() {
        assert_eq!(kinds(&[("a 1", "w x 1; r y -"), ("b 2", "r x 1; w x 2"), ("c 3", "r x 2; r y -"), ("d -", "w x 9")]), []);
        assert_eq!(kinds(&[("a 1", "a l 1; a l 2"), ("b 2", "l l 1,2; a l 3"), ("c 3", "l l 1,2,3")]), []);
        assert_eq!(kinds(&[("a 2 5 9", "w x 1"), ("b 1 1 6", "r x -")]), []);
    }

    #[test]
    fn every_anomaly_is_noticed() {
        // Elements are in an order that the store's versions do not have.
        assert_eq!(kinds(&[("a 1", "a l 1"), ("b 2", "a l 2"), ("c 3", "l l 2,1")]), [Anomaly::Incompatible]);
        assert_eq!(kinds(&[("a 1", "r x 7")]), [Anomaly::Incompatible]);
        assert_eq!(kinds(&[("a -", "w x 1"), ("b 1", "r x 1")]), [Anomaly::G1a]);
        assert_eq!(kinds(&[("a 1", "w x 1; w x 2"), ("b 2", "r x 1")]), [Anomaly::G1b]);
        assert_eq!(kinds(&[("a 1", "a l 1; a l 2"), ("b 2", "l l 1")])[..1], [Anomaly::G1b]);
        assert_eq!(kinds(&[("a 1", "w x 1; r y 2"), ("b 2", "w y 2; r x 1")]), [Anomaly::G1c]);
        // A lost update: both read the beginning.
        assert_eq!(kinds(&[("a 1", "r x -; w x 1"), ("b 2", "r x -; w x 2")]), [Anomaly::GSingle]);
        // Read skew: x from before, y from after.
        assert_eq!(kinds(&[("a 1", "w x 1; w y 1"), ("b 2", "r x -; r y 1")]), [Anomaly::GSingle]);
        // Write skew.
        assert_eq!(kinds(&[("a 1", "r x -; r y -; w x 1"), ("b 2", "r x -; r y -; w y 2")]), [Anomaly::G2]);
        // A long fork: two readers see two writes in opposite orders.
        let fork = [("a 1", "w x 1"), ("b 2", "w y 2"), ("c 3", "r x 1; r y -"), ("d 4", "r x -; r y 2")];
        assert_eq!(kinds(&fork), [Anomaly::G2]);
        // It began after the write was answered, and does not see it.
        assert_eq!(kinds(&[("a 1 1 2", "w x 1"), ("b 2 3 4", "r x -")]), [Anomaly::RealTime]);
    }

    #[test]
    fn writes_in_two_orders_are_noticed() {
        // Versions of a store are one order; two stores can disagree. Their numbers are given by hand here.
        let mut checker_history = history(&[("a 1", "w x 1"), ("b 2", "w x 2")]);
        checker_history[0].ops.push(Op::Write { key: "y".into(), value: 1 });
        checker_history[1].ops.push(Op::Write { key: "y".into(), value: 2 });
        let mut checker = Checker::new(&checker_history);
        checker.graph.add_edge(NodeIndex::new(0), NodeIndex::new(1), Edge::Ww);
        checker.graph.add_edge(NodeIndex::new(1), NodeIndex::new(0), Edge::Ww);
        checker.cycles();
        assert_eq!(checker.found.iter().map(|(anomaly, _)| *anomaly).next(), Some(Anomaly::G0));
    }
}
