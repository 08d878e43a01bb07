//! The language of Graphviz.

use std::fmt::Write;

use patternc_compiler::graph::picture::Picture;

/// A directed graph with a cluster for each space.
pub fn draw(picture: &Picture) -> String {
    let mut out = String::from(
        "digraph patterns {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n",
    );
    for (index, cluster) in picture.clusters.iter().enumerate() {
        let style = if cluster.outside { "dashed" } else { "rounded" };
        let _ = writeln!(out, "  subgraph cluster_{index} {{\n    label={};\n    style={style};", quoted(&cluster.name));
        for (position, node) in picture.nodes.iter().enumerate().filter(|(_, node)| node.cluster == index) {
            let style = if node.public || cluster.outside { "" } else { ", style=\"rounded,dashed\"" };
            let _ = writeln!(out, "    n{position} [label={}{style}];", quoted(&node.name));
        }
        out.push_str("  }\n");
    }
    for arrow in &picture.arrows {
        let mut label = super::label(arrow);
        let look = match (arrow.rule, arrow.crosses) {
            (Some(rule), _) => {
                label = if label.is_empty() { rule.to_owned() } else { format!("{label}\n{rule}") };
                ", color=\"#c0262d\", fontcolor=\"#c0262d\", penwidth=2"
            }
            (None, true) => ", color=\"#1f5fbf\", penwidth=1.5",
            (None, false) => "",
        };
        let tip = arrow.why.as_ref().map(|why| format!(", tooltip={}", quoted(&why.text()))).unwrap_or_default();
        let _ = writeln!(out, "  n{} -> n{} [label={}{look}{tip}];", arrow.from, arrow.to, quoted(&label));
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
