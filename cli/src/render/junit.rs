//! JUnit's XML, as build servers read it.

use std::io::{self, Write};

use patternc_compiler::diagnostic::Level;

use super::Report;

/// A suite: a file.
pub struct Suite {
    pub name: String,
    pub cases: Vec<Case>,
}

/// One thing that went well or not.
pub struct Case {
    pub name: String,
    pub outcome: Outcome,
}

/// How it went.
pub enum Outcome {
    Passed,
    /// It went well, and something is said of it.
    Said(String),
    Failed(Failure),
}

/// Why it did not go well.
pub struct Failure {
    pub kind: String,
    pub message: String,
    pub text: String,
}

/// Findings: a suite for each file that was checked, with a case for each finding of it, or one that says that there are none. A finding is a
/// failure where it `fails` the check.
pub fn write(out: &mut impl Write, files: &[String], reports: &[Report], fails: impl Fn(Level) -> bool) -> io::Result<()> {
    let mut names: Vec<&str> =
        files.iter().map(String::as_str).chain(reports.iter().map(|report| report.places[0].path.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let suite = |name: &str| {
        let of = reports.iter().filter(|report| report.places[0].path == name);
        let mut cases: Vec<Case> = of.map(|report| case(report, fails(report.finding.level))).collect();
        if cases.is_empty() {
            cases.push(Case { name: "no findings".to_owned(), outcome: Outcome::Passed });
        }
        Suite { name: name.to_owned(), cases }
    };
    let suites: Vec<Suite> = names.into_iter().map(suite).collect();
    write_suites(out, "patternc check", &suites)
}

fn case(report: &Report, fails: bool) -> Case {
    let (place, finding) = (&report.places[0], &report.finding);
    let mut text = format!("{}:{}:{}: {}", place.path, place.start.line, place.start.column, finding.message);
    for label in report.places.iter().filter(|place| !place.label.is_empty()) {
        text.push_str(&format!("\n{}:{}:{}: {}", label.path, label.start.line, label.start.column, label.label));
    }
    for line in finding.notes.iter().chain(&finding.help) {
        text.push_str(&format!("\n{line}"));
    }
    let level = finding.level.name();
    let outcome = if fails {
        Outcome::Failed(Failure { kind: level.to_owned(), message: finding.message.clone(), text })
    } else {
        Outcome::Said(format!("{level}: {text}"))
    };
    Case { name: format!("{}:{}:{}", finding.rule, place.start.line, place.start.column), outcome }
}

/// Writes suites under one roof.
pub fn write_suites(out: &mut impl Write, name: &str, suites: &[Suite]) -> io::Result<()> {
    let failures = |suite: &Suite| suite.cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed(_))).count();
    let (tests, failed): (usize, usize) = (suites.iter().map(|s| s.cases.len()).sum(), suites.iter().map(failures).sum());
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\">", escaped(name))?;
    for suite in suites {
        let (name, cases) = (escaped(&suite.name), suite.cases.len());
        writeln!(out, "  <testsuite name=\"{name}\" tests=\"{cases}\" failures=\"{}\" errors=\"0\" skipped=\"0\">", failures(suite))?;
        for case in &suite.cases {
            write!(out, "    <testcase name=\"{}\" classname=\"{name}\"", escaped(&case.name))?;
            match &case.outcome {
                Outcome::Passed => writeln!(out, "/>")?,
                Outcome::Said(text) => {
                    writeln!(out, ">")?;
                    writeln!(out, "      <system-out>{}</system-out>", escaped(text))?;
                    writeln!(out, "    </testcase>")?;
                }
                Outcome::Failed(failure) => {
                    writeln!(out, ">")?;
                    let (kind, message, text) = (escaped(&failure.kind), escaped(&failure.message), escaped(&failure.text));
                    writeln!(out, "      <failure type=\"{kind}\" message=\"{message}\">{text}</failure>")?;
                    writeln!(out, "    </testcase>")?;
                }
            }
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

/// For an attribute or text. What XML 1.0 cannot have at all is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_xml_cannot_have_is_escaped_or_replaced() {
        assert_eq!(super::escaped("a<b>&\"\n\u{1}ü"), "a&lt;b&gt;&amp;&quot;&#10;\u{fffd}ü");
    }
}
