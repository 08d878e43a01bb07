//! For reading in a terminal.

use std::fmt::Write;

use patternc_compiler::graph::picture::Picture;

/// Each space with its handlers, and below each what it sets off.
pub fn draw(picture: &Picture) -> String {
    let mut out = String::new();
    for (index, cluster) in picture.clusters.iter().enumerate().filter(|(_, cluster)| !cluster.outside) {
        let _ = writeln!(out, "{}{}", if index == 0 { "" } else { "\n" }, cluster.name);
        for (position, node) in picture.nodes.iter().enumerate().filter(|(_, node)| node.cluster == index) {
            let _ = writeln!(out, "  {}{}", node.name, if node.public { "" } else { " (internal)" });
            for arrow in picture.arrows.iter().filter(|arrow| arrow.from == position) {
                let to = &picture.nodes[arrow.to];
                let label = super::label(arrow);
                let _ = write!(out, "    → {}", to.name);
                if !label.is_empty() {
                    let _ = write!(out, " ({label})");
                }
                if to.cluster != index || arrow.crosses {
                    let _ = write!(out, ", in {}", picture.clusters[to.cluster].name);
                }
                if let Some(rule) = arrow.rule {
                    let _ = write!(out, "  ! {rule}");
                }
                if let Some(why) = &arrow.why {
                    let _ = write!(out, " ({})", why.text());
                }
                out.push('\n');
            }
        }
    }
    out
}
