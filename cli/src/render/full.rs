//! Findings drawn with their source by miette, every place of a clash in view.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity, SourceCode};
use patternc_compiler::diagnostic::Level;

use super::excerpt::{Excerpt, Shown};
use super::visible;
use super::{Place, Report};

/// Files as they are shown, by path.
type Files = HashMap<String, Arc<Shown>>;

/// Of a place with more lines than this, the first is shown.
const LINES: usize = 12;

/// Draws for the standard output: colours only on a terminal that wants them.
pub fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let handler = handler(colours);
    let mut files = Files::new();
    for report in reports {
        let mut text = String::new();
        handler.render_report(&mut text, &Drawing::of(report, &mut files)).map_err(io::Error::other)?;
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
    fn of(report: &Report, files: &mut Files) -> Self {
        let finding = &report.finding;
        let first = &report.places[0];
        let mut drawing = Drawing::frame(first, files, finding.level, visible::line(&finding.message).into_owned());
        drawing.rule = Some(format!("{}[{}]", finding.level.name(), finding.rule));
        for (i, place) in report.places.iter().enumerate() {
            if place.path == first.path {
                let label = label(place, &drawing.source, i == 0);
                drawing.labels.push(label);
                continue;
            }
            let name = visible::line(&place.path);
            let known = drawing.elsewhere.iter().position(|other| other.source.name() == name);
            let at = known.unwrap_or_else(|| {
                drawing.elsewhere.push(Drawing::frame(place, files, Level::Info, format!("and in {name}")));
                drawing.elsewhere.len() - 1
            });
            let other = &mut drawing.elsewhere[at];
            let label = label(place, &other.source, known.is_none());
            other.labels.push(label);
        }
        let fixes = finding.fixes.iter().map(|fix| format!("fix: {}", visible::line(&fix.title)));
        let said = finding.notes.iter().chain(&finding.help).map(|line| visible::line(line).into_owned());
        let lines: Vec<String> = said.chain(fixes).collect();
        drawing.help = (!lines.is_empty()).then(|| lines.join("\n"));
        drawing
    }

    fn frame(place: &Place, files: &mut Files, level: Level, message: String) -> Self {
        let file = files.entry(place.path.clone()).or_insert_with(|| Arc::new(Shown::of(place)));
        let source = Excerpt::of(Arc::clone(file));
        Drawing { rule: None, level, message, help: None, source, labels: Vec::new(), elsewhere: Vec::new() }
    }
}

fn label(place: &Place, source: &Excerpt, primary: bool) -> LabeledSpan {
    let text = (!place.label.is_empty()).then(|| visible::line(&place.label).into_owned());
    let covered = place.span.slice(&place.text);
    let end = match covered.lines().nth(LINES) {
        Some(_) => place.span.start as usize + covered.lines().next().map_or(0, str::len),
        None => place.span.end as usize,
    };
    let start = source.place(place.span.start as usize);
    let span = (start, source.place(end) - start);
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
