//! A picture. Spaces stand beside one another, handlers in them below one another, ordered so that what belongs together is near.

use std::fmt::Write;

use patternc_compiler::graph::picture::{Arrow, Picture};

/// Sizes in pixels.
const LETTER: f64 = 7.3;
const BOX_HEIGHT: f64 = 30.0;
const ROW: f64 = 54.0;
const PADDING: f64 = 26.0;
const TITLE: f64 = 34.0;
/// Between two spaces: room for arrows and what is written at them.
const GAP: f64 = 190.0;
/// How far an arrow within a space goes out.
const BULGE: f64 = 58.0;
const SMALL_LETTER: f64 = 6.6;
const LEGEND: f64 = 44.0;

const CROSSING: &str = "#1f5fbf";
const UNSAFE: &str = "#c0262d";
const PLAIN: &str = "#6b7280";

/// Where a node is drawn.
#[derive(Clone, Copy, Default)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
}

/// The picture as SVG.
pub fn draw(picture: &Picture) -> String {
    let columns = columns(picture);
    let rows = rows(picture, &columns);
    let width_of = |name: &str| name.chars().count() as f64 * LETTER + 24.0;
    let mut places = vec![Place::default(); picture.nodes.len()];
    let mut frames = Vec::new();
    let (mut x, mut bottom) = (20.0, 0.0_f64);
    for (column, &cluster) in columns.iter().enumerate() {
        let nodes = &rows[column];
        let title = width_of(&picture.clusters[cluster].name);
        let inner = nodes.iter().map(|node| width_of(&picture.nodes[*node].name)).fold(title, f64::max);
        // Arrows within a space bulge to the right of its boxes, and what is written at them stands there.
        let within = picture.arrows.iter().filter(|arrow| nodes.contains(&arrow.from) && nodes.contains(&arrow.to));
        let bulge = within.map(|arrow| BULGE + widest(&written_at(arrow)) * SMALL_LETTER).fold(0.0, f64::max);
        for (row, &node) in nodes.iter().enumerate() {
            places[node] = Place { x: x + PADDING, y: 20.0 + TITLE + row as f64 * ROW, width: inner };
        }
        let height = TITLE + nodes.len() as f64 * ROW + 6.0;
        frames.push((cluster, x, inner + 2.0 * PADDING + bulge, height));
        bottom = bottom.max(20.0 + height);
        x += inner + 2.0 * PADDING + bulge + GAP;
    }
    let (width, height) = ((x - GAP + 20.0).max(460.0), bottom + LEGEND);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"12\">"
    );
    out.push_str("  <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n  <defs>\n");
    for (name, color) in [("plain", PLAIN), ("crossing", CROSSING), ("unsafe", UNSAFE)] {
        let _ = writeln!(
            out,
            "    <marker id=\"{name}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
             <path d=\"M0 0 L10 5 L0 10 z\" fill=\"{color}\"/></marker>"
        );
    }
    out.push_str("  </defs>\n");
    for (cluster, x, width, height) in frames {
        let cluster = &picture.clusters[cluster];
        let (fill, dash) = if cluster.outside { ("#ffffff", " stroke-dasharray=\"5 4\"") } else { ("#f5f7fa", "") };
        let _ = writeln!(
            out,
            "  <rect x=\"{x:.0}\" y=\"20\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"10\" fill=\"{fill}\" stroke=\"#c3cad5\"{dash}/>\n  \
             <text x=\"{:.0}\" y=\"41\" font-weight=\"bold\" fill=\"#374151\">{}</text>",
            x + 14.0,
            escaped(&cluster.name)
        );
    }
    let mut labels = String::new();
    for (number, arrow) in picture.arrows.iter().enumerate() {
        draw_arrow(&places, number, arrow, &mut out, &mut labels);
    }
    for (node, place) in picture.nodes.iter().zip(&places) {
        let dash = if node.public || picture.clusters[node.cluster].outside { "" } else { " stroke-dasharray=\"4 3\"" };
        let _ = writeln!(
            out,
            "  <rect x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{BOX_HEIGHT}\" rx=\"6\" fill=\"#ffffff\" stroke=\"#374151\"{dash}/>\n  \
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#111827\">{}</text>",
            place.x,
            place.y,
            place.width,
            place.x + place.width / 2.0,
            place.y + 19.5,
            escaped(&node.name)
        );
    }
    out.push_str(&labels);
    let y = height - 16.0;
    for (x, color, text) in [(20.0, PLAIN, "in one space"), (170.0, CROSSING, "to another space"), (350.0, UNSAFE, "not safe")] {
        let _ = writeln!(
            out,
            "  <line x1=\"{x:.0}\" y1=\"{:.0}\" x2=\"{:.0}\" y2=\"{:.0}\" stroke=\"{color}\" stroke-width=\"2\"/>\n  \
             <text x=\"{:.0}\" y=\"{y:.0}\" fill=\"#374151\">{text}</text>",
            y - 4.0,
            x + 24.0,
            y - 4.0,
            x + 32.0
        );
    }
    out.push_str("</svg>\n");
    out
}

/// The spaces from left to right: those that send before those that are sent to, the outside last.
fn columns(picture: &Picture) -> Vec<usize> {
    let lead = |cluster: usize| {
        let of = |node: usize| picture.nodes[node].cluster == cluster;
        let out = picture.arrows.iter().filter(|arrow| of(arrow.from) && !of(arrow.to)).count() as isize;
        let into = picture.arrows.iter().filter(|arrow| !of(arrow.from) && of(arrow.to)).count() as isize;
        into - out
    };
    let mut columns: Vec<usize> = (0..picture.clusters.len()).collect();
    columns.sort_by_key(|&cluster| (picture.clusters[cluster].outside, lead(cluster), cluster));
    columns
}

/// The nodes of each column from top to bottom: near what they are joined with, by the mean of its positions, a few rounds.
fn rows(picture: &Picture, columns: &[usize]) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> =
        columns.iter().map(|&cluster| (0..picture.nodes.len()).filter(|&node| picture.nodes[node].cluster == cluster).collect()).collect();
    for _ in 0..4 {
        for column in 0..rows.len() {
            let mut height = vec![0.0; picture.nodes.len()];
            rows.iter().for_each(|row| row.iter().enumerate().for_each(|(index, &node)| height[node] = index as f64));
            let mean = |node: usize| {
                let ends = picture.arrows.iter().filter_map(|arrow| match (arrow.from == node, arrow.to == node) {
                    (true, false) => Some(arrow.to),
                    (false, true) => Some(arrow.from),
                    _ => None,
                });
                let found: Vec<f64> = ends.map(|end| height[end]).collect();
                if found.is_empty() { height[node] } else { found.iter().sum::<f64>() / found.len() as f64 }
            };
            let mut ordered: Vec<(f64, usize)> = rows[column].iter().map(|&node| (mean(node), node)).collect();
            ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            rows[column] = ordered.into_iter().map(|(_, node)| node).collect();
        }
    }
    rows
}

fn draw_arrow(places: &[Place], number: usize, arrow: &Arrow, out: &mut String, labels: &mut String) {
    let (from, to) = (places[arrow.from], places[arrow.to]);
    let (color, marker, width) = match (arrow.rule, arrow.crosses) {
        (Some(_), _) => (UNSAFE, "unsafe", 2.5),
        (None, true) => (CROSSING, "crossing", 2.0),
        (None, false) => (PLAIN, "plain", 1.5),
    };
    // Several arrows at one box are set a little apart.
    let spread = (number % 3) as f64 * 6.0 - 6.0;
    let (y1, y2) = (from.y + BOX_HEIGHT / 2.0 + spread, to.y + BOX_HEIGHT / 2.0 + spread);
    let (x1, x2, c1, c2) = if from.x == to.x {
        let (x, bulge) = (from.x + from.width, 40.0 + (number % 4) as f64 * 9.0);
        (x, x, x + bulge, x + bulge)
    } else if from.x < to.x {
        let (x1, x2) = (from.x + from.width, to.x);
        let bend = (x2 - x1) / 2.0;
        (x1, x2, x1 + bend, x2 - bend)
    } else {
        let (x1, x2) = (from.x, to.x + to.width);
        let bend = (x1 - x2) / 2.0;
        (x1, x2, x1 - bend, x2 + bend)
    };
    // An arrow to itself leaves above and comes back below.
    let (y1, y2) = if arrow.from == arrow.to { (from.y + 8.0, from.y + BOX_HEIGHT - 8.0) } else { (y1, y2) };
    let dash = if matches!(super::label(arrow).as_str(), "call") { " stroke-dasharray=\"2 3\"" } else { "" };
    // Whoever points at it is told why.
    let title = arrow.why.as_ref().map(|why| format!("<title>{}</title>", escaped(&why.text()))).unwrap_or_default();
    let _ = writeln!(
        out,
        "  <path d=\"M{x1:.0} {y1:.0} C{c1:.0} {y1:.0} {c2:.0} {y2:.0} {x2:.0} {y2:.0}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\"{dash} \
         marker-end=\"url(#{marker})\">{title}</path>"
    );
    let lines = written_at(arrow);
    // The middle of the curve.
    let (x, y) = ((x1 + 3.0 * c1 + 3.0 * c2 + x2) / 8.0, (y1 + y2) / 2.0 - 4.0 - (lines.len().saturating_sub(1)) as f64 * 12.0);
    let (x, y, anchor) = if from.x == to.x { (x + 5.0, y + 8.0, "start") } else { (x, y, "middle") };
    for (index, line) in lines.iter().enumerate() {
        // First a white seam, so that it can be read over a line.
        for look in ["stroke=\"#ffffff\" stroke-width=\"3\" fill=\"#ffffff\"".to_owned(), format!("fill=\"{color}\"")] {
            let _ = writeln!(
                labels,
                "  <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"{anchor}\" font-size=\"10.5\" {look}>{}</text>",
                y + index as f64 * 12.0,
                escaped(line)
            );
        }
    }
}

/// The lines that are written at an arrow.
fn written_at(arrow: &Arrow) -> Vec<String> {
    let label = Some(super::label(arrow)).filter(|label| !label.is_empty());
    label.into_iter().chain(arrow.rule.map(str::to_owned)).collect()
}

fn widest(lines: &[String]) -> f64 {
    lines.iter().map(|line| line.chars().count()).max().unwrap_or_default() as f64
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
