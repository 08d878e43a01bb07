//! `path:line:column: level[rule] message`, a line a finding; after it what running it showed, if it was run.

use std::io::{self, Write};

use super::{Report, visible};

pub fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    for report in reports {
        let place = &report.places[0];
        let finding = &report.finding;
        writeln!(
            out,
            "{}:{}:{}: {}[{}] {}{}",
            visible::line(&place.path),
            place.start.line,
            place.start.column,
            finding.level.name(),
            finding.rule,
            visible::line(&finding.message),
            report.confirmed.as_ref().map_or_else(String::new, |confirmed| format!(" ({})", confirmed.name()))
        )?;
    }
    Ok(())
}
