//! `patternc audit`

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ValueEnum, ValueHint};
use patternc_compiler::lower;
use patternc_interpreter::audit::{Audit, audit};
use patternc_interpreter::host::{Host, SystemHost};
use patternc_interpreter::json::reference_text;
use patternc_program::Program;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::render::count;
use crate::{deployment, project, stores};

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Format::Full)]
    output_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Two lines a finding: what, and what to do.
    Full,
    /// One JSON object.
    Json,
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    let name = arguments.deployment.as_deref();
    if let Some(code) = crate::errors::refuse_errors(&project, deployment::judged(&project, name)?)? {
        return Ok(code);
    }
    let program = Arc::new(lower::lower(&project.db));
    let limits = deployment::limits(&project);
    let states = stores::look(&stores::places(&project, name)?, &program, &limits, "audit")?;
    let placement = deployment::placement(&project, &program, name)?;
    let audited = audit(&program, &states, &placement, &limits, SystemHost::new().now()).map_err(|error| Fault::Use(error.message))?;
    let mut out = io::stdout().lock();
    match arguments.output_format {
        Format::Full => write_full(&mut out, &audited)?,
        Format::Json => {
            let findings: Vec<Value> = audited.findings.iter().map(|finding| json(&program, finding)).collect();
            let all = json!({ "findings": findings, "records": audited.records, "in_flight": audited.in_flight, "later": audited.later });
            serde_json::to_writer_pretty(&mut out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    let errors = audited.findings.iter().filter(|finding| finding.kind.is_error()).count();
    if !quiet {
        let eventually = program.invariants.iter().any(|invariant| invariant.eventually);
        if audited.in_flight > 0 && eventually {
            let events = count(audited.in_flight, "event");
            let later = if audited.later > 0 { format!(" ({} for later)", audited.later) } else { String::new() };
            eprintln!("{events} in flight{later}: `eventually` invariants need not hold now, and were not looked at");
        }
        let warnings = audited.findings.len() - errors;
        eprintln!("{} audited: {}, {}", count(audited.records, "record"), count(errors, "error"), count(warnings, "warning"));
    }
    Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Draws findings.
pub fn write_full(out: &mut impl Write, audited: &Audit) -> io::Result<()> {
    for finding in &audited.findings {
        let level = if finding.kind.is_error() { "error" } else { "warn" };
        writeln!(out, "{level}[{}] {}", finding.kind.name(), finding.message)?;
        writeln!(out, "  {}", finding.help)?;
    }
    Ok(())
}

fn json(program: &Program, finding: &patternc_interpreter::audit::Finding) -> Value {
    json!({
        "kind": finding.kind.name(),
        "level": if finding.kind.is_error() { "error" } else { "warn" },
        "record": reference_text(program, &finding.record),
        "message": finding.message,
        "help": finding.help,
    })
}
