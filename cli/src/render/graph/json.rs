//! One JSON object: `spaces`, `nodes`, `edges`.

use patternc_compiler::graph::picture::Picture;
use serde_json::{Value, json};

/// Nodes and edges name one another by their names.
pub fn draw(picture: &Picture) -> String {
    let spaces: Vec<&str> = picture.clusters.iter().filter(|cluster| !cluster.outside).map(|cluster| &*cluster.name).collect();
    let space = |cluster: usize| {
        let cluster = &picture.clusters[cluster];
        if cluster.outside { Value::Null } else { cluster.name.as_str().into() }
    };
    let nodes: Vec<Value> =
        picture.nodes.iter().map(|node| json!({ "name": node.name, "space": space(node.cluster), "public": node.public })).collect();
    let arm = |arm: Option<bool>| arm.map(|ok| if ok { "ok" } else { "err" });
    let edges = picture.arrows.iter().map(|arrow| {
        json!({
            "from": picture.nodes[arrow.from].name,
            "to": picture.nodes[arrow.to].name,
            "kind": arrow.kind.name(),
            "arm": arm(arrow.arm),
            "crosses": arrow.crosses,
            "rule": arrow.rule,
            "why": arrow.why.as_ref().map(|why| json!({ "with": why.with, "cells": why.cells })),
        })
    });
    format!("{:#}\n", json!({ "spaces": spaces, "nodes": nodes, "edges": edges.collect::<Vec<_>>() }))
}
