//! One JSON object a line, as in `json`.

use std::io::{self, Write};

use super::{Report, json};

pub fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    for report in reports {
        serde_json::to_writer(&mut *out, &json::value(report))?;
        writeln!(out)?;
    }
    Ok(())
}
