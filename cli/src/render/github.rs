//! Workflow commands: GitHub shows each finding at its line of a change.

use std::io::{self, Write};

use patternc_compiler::diagnostic::Level;

use super::{Position, Report};

pub fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    for report in reports {
        let (place, finding) = (&report.places[0], &report.finding);
        let command = match finding.level {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info | Level::Off => "notice",
        };
        let mut text = finding.message.clone();
        for label in report.places.iter().filter(|place| !place.label.is_empty()) {
            text.push_str(&format!("\n{}:{}:{}: {}", label.path, label.start.line, label.start.column, label.label));
        }
        if let Some(help) = &finding.help {
            text.push_str(&format!("\nhelp: {help}"));
        }
        let mut properties = vec![("file", place.path.clone()), ("line", place.start.line.to_string())];
        if place.start.line == place.end.line {
            // Columns are only understood within one line.
            properties.push(("col", place.start.column.to_string()));
            properties.push(("endColumn", place.end.column.to_string()));
        }
        properties.push(("endLine", place.end.line.to_string()));
        properties.push(("title", format!("patternc[{}]", finding.rule)));
        let properties: Vec<String> = properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
        writeln!(out, "::{command} {}::{}", properties.join(","), data(&text))?;
    }
    Ok(())
}

/// An error at a place.
pub fn error(out: &mut impl Write, path: &str, at: Position, title: &str, text: &str) -> io::Result<()> {
    let (line, column) = (at.line, at.column);
    writeln!(out, "::error file={},line={line},col={column},title={}::{}", property(path), property(title), data(text))
}

/// Escaped as GitHub's own toolkit does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(super::data("100 %\na::b"), "100 %25%0Aa::b");
        assert_eq!(super::property("a,b:c"), "a%2Cb%3Ac");
    }
}
