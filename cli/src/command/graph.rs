//! `patternc graph`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ValueEnum, ValueHint};
use patternc_compiler::graph::picture::picture;
use patternc_compiler::graph::table::table;

use crate::fault::Fault;
use crate::project;
use crate::render::graph::{dot, effects, json, mermaid, svg, text};

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only what leads to this handler, and what it leads to: `Person.link`.
    #[arg(long, value_name = "HANDLER", value_hint = ValueHint::Other)]
    of: Option<String>,
    /// A table of what each handler reads, writes and sends, where, and how it can fail.
    #[arg(long)]
    effects: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading in a terminal.
    Text,
    /// For Graphviz.
    Dot,
    /// For Markdown.
    Mermaid,
    /// One object.
    Json,
    /// A picture.
    Svg,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    if project.is_empty() {
        return Err(project::no_files(std::slice::from_ref(&arguments.path)));
    }
    let unknown = |name: &str| Fault::Use(format!("there is no handler `{name}` here (`patternc graph` names them all)"));
    let shown = if arguments.effects {
        let mut rows = table(&project.db);
        if let Some(name) = &arguments.of {
            rows.retain(|row| row.handler == *name);
            if rows.is_empty() {
                return Err(unknown(name));
            }
        }
        match arguments.format {
            Format::Text => effects::text(&rows),
            Format::Json => effects::json(&rows),
            Format::Dot | Format::Mermaid | Format::Svg => {
                return Err(Fault::Use("the table of effects is written as `--format text` or `json`".into()));
            }
        }
    } else {
        let mut picture = picture(&project.db);
        if let Some(name) = &arguments.of {
            picture = picture.of(name).ok_or_else(|| unknown(name))?;
        }
        match arguments.format {
            Format::Text => text::draw(&picture),
            Format::Dot => dot::draw(&picture),
            Format::Mermaid => mermaid::draw(&picture),
            Format::Json => json::draw(&picture),
            Format::Svg => svg::draw(&picture),
        }
    };
    std::io::stdout().lock().write_all(shown.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
