//! The flowcharts of Mermaid, as Markdown shows them.

use std::fmt::Write;

use patternc_compiler::graph::picture::Picture;

/// A flowchart with a subgraph for each space.
pub fn draw(picture: &Picture) -> String {
    let mut out = String::from("flowchart LR\n");
    for (index, cluster) in picture.clusters.iter().enumerate() {
        let _ = writeln!(out, "  subgraph s{index}[\"{}\"]", escaped(&cluster.name));
        for (position, node) in picture.nodes.iter().enumerate().filter(|(_, node)| node.cluster == index) {
            let (open, close) = if node.public || cluster.outside { ("[", "]") } else { ("(", ")") };
            let _ = writeln!(out, "    n{position}{open}\"{}\"{close}", escaped(&node.name));
        }
        out.push_str("  end\n");
    }
    for (number, arrow) in picture.arrows.iter().enumerate() {
        let mut label = super::label(arrow);
        if let Some(rule) = arrow.rule {
            label = if label.is_empty() { rule.to_owned() } else { format!("{label}, {rule}") };
        }
        // There is nowhere else to say it.
        if let Some(why) = &arrow.why {
            label = format!("{label}<br/>{}", why.text());
        }
        let label = if label.is_empty() { String::new() } else { format!("|\"{}\"|", escaped(&label)) };
        let _ = writeln!(out, "  n{} -->{label} n{}", arrow.from, arrow.to);
        let look = match (arrow.rule, arrow.crosses) {
            (Some(_), _) => "stroke:#c0262d,stroke-width:3px",
            (None, true) => "stroke:#1f5fbf,stroke-width:2px",
            (None, false) => continue,
        };
        let _ = writeln!(out, "  linkStyle {number} {look}");
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('"', "#quot;")
}
