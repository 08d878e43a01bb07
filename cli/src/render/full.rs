//! Findings drawn with their source by miette, every place of a clash in view.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity, SourceCode};
use patternc_compiler::diagnostic::Level;

use super::excerpt::Excerpt;
use super::{Place, Report};

/// Draws for the standard output: colours only on a terminal that wants them.
pub fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let handler = handler(colours);
    for report in reports {
        let mut text = String::new();
        handler.render_report(&mut text, &Drawing::of(report)).map_err(io::Error::other)?;
        writeln!(out, "{}", text.trim_end())?;
        writeln!(out)?;
    }
    Ok(())
}

fn handler(colours: bool) -> GraphicalReportHandler {
    let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false).with_context_lines(1).with_wrap_lines(true)
}

/// What miette draws: the labels of one file under the message, those of other files as drawings of their own below.
#[derive(Debug)]
struct Drawing {
    rule: Option<String>,
    level: Level,
    message: String,
    help: Option<String>,
    source: Excerpt,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<Drawing>,
}

impl Drawing {
    fn of(report: &Report) -> Self {
        let finding = &report.finding;
        let first = &report.places[0];
        let mut drawing = Drawing::frame(first, finding.level, finding.message.clone());
        drawing.rule = Some(format!("{}[{}]", finding.level.name(), finding.rule));
        for (i, place) in report.places.iter().enumerate() {
            if place.path == first.path {
                drawing.labels.push(label(place, i == 0));
            } else if let Some(other) = drawing.elsewhere.iter_mut().find(|d| d.source.path == place.path) {
                other.labels.push(label(place, false));
            } else {
                let mut other = Drawing::frame(place, Level::Info, format!("and in {}", place.path));
                other.labels.push(label(place, true));
                drawing.elsewhere.push(other);
            }
        }
        let mut lines = finding.notes.clone();
        lines.extend(finding.help.clone());
        lines.extend(finding.fixes.iter().map(|f| format!("fix: {}", f.title)));
        drawing.help = (!lines.is_empty()).then(|| lines.join("\n"));
        drawing
    }

    fn frame(place: &Place, level: Level, message: String) -> Self {
        Drawing { rule: None, level, message, help: None, source: Excerpt::of(place), labels: Vec::new(), elsewhere: Vec::new() }
    }
}

fn label(place: &Place, primary: bool) -> LabeledSpan {
    let text = (!place.label.is_empty()).then(|| place.label.clone());
    let span = (place.span.start as usize, (place.span.end - place.span.start) as usize);
    if primary { LabeledSpan::new_primary_with_span(text, span) } else { LabeledSpan::new_with_span(text, span) }
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawing {}

impl miette::Diagnostic for Drawing {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.rule.as_ref().map(|r| Box::new(r) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<Severity> {
        Some(match self.level {
            Level::Error => Severity::Error,
            Level::Warn => Severity::Warning,
            Level::Info | Level::Off => Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        if self.elsewhere.is_empty() {
            return None;
        }
        Some(Box::new(self.elsewhere.iter().map(|d| d as &dyn miette::Diagnostic)))
    }
}
