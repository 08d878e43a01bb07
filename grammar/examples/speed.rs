//! How fast `parse` and `format` are: `cargo run --release -p patternc-grammar --example speed -- [LINES] [FILE]`.
//!
//! Without a file it parses text made from the sample below, with other names in each copy.

use std::fmt::Write;
use std::time::Instant;

/// Realistic text: about 27 bytes a line.
const SAMPLE: &str = include_str!("sample.pattern");

fn generate(lines: usize) -> String {
    let per_copy = SAMPLE.lines().count();
    let mut text = String::new();
    for copy in 0..lines.div_ceil(per_copy) {
        // Every copy has names of its own, as a real project would.
        let mut rest = SAMPLE;
        while let Some(at) = rest.find("Item") {
            let _ = write!(text, "{}Item{copy}", &rest[..at]);
            rest = &rest[at + 4..];
        }
        text.push_str(rest);
    }
    text
}

fn main() -> std::io::Result<()> {
    let lines = std::env::args().nth(1).and_then(|lines| lines.parse().ok()).unwrap_or(80_000);
    let text = match std::env::args().nth(2) {
        Some(path) => std::fs::read_to_string(path)?,
        None => generate(lines),
    };
    let lines = text.lines().count();
    println!("{} bytes, {lines} lines, {:.1} bytes a line", text.len(), text.len() as f64 / lines as f64);
    let runs = if lines > 1_000_000 { 1 } else { 7 };
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        let parsed = patternc_grammar::parse(&text);
        let seconds = start.elapsed().as_secs_f64();
        best = best.min(seconds);
        let items = parsed.file.items.len();
        let start = Instant::now();
        let errors = parsed.errors.len();
        drop(parsed);
        let dropped = start.elapsed().as_secs_f64();
        println!("{items} items, {errors} errors, {:.1} ms, dropped in {:.1} ms", seconds * 1e3, dropped * 1e3);
    }
    println!("parse, best: {:.1} MB/s, {:.0} lines/s", text.len() as f64 / best / 1e6, lines as f64 / best);
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        let formatted = patternc_grammar::format(&text).map_or(0, |formatted| formatted.len());
        best = best.min(start.elapsed().as_secs_f64());
        println!("{formatted} bytes formatted");
    }
    println!("format (which parses), best: {:.1} MB/s", text.len() as f64 / best / 1e6);
    Ok(())
}
