//! `patternc check`

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use patternc_compiler::check::{CheckOptions, Deployments};
use patternc_compiler::db::Project;
use patternc_compiler::diagnostic::Level;

use crate::deployment;
use crate::fault::Fault;
use crate::project::{self, Loaded, Overlay};
use crate::render::{self, Report, count};

#[derive(clap::Args)]
pub struct Arguments {
    /// Files or folders; `-` reads one file from the standard input.
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Format::Full)]
    output_format: Format,
    /// Report this rule as an error.
    #[arg(long, value_name = "RULE")]
    error: Vec<String>,
    /// Report this rule as a warning.
    #[arg(long, value_name = "RULE")]
    warn: Vec<String>,
    /// Do not report this rule.
    #[arg(long, value_name = "RULE")]
    ignore: Vec<String>,
    /// Exit with 1 on warnings too.
    #[arg(long)]
    error_on_warning: bool,
    /// Judge the patterns under this deployment of `patternc.yaml` only; under each of them unless given.
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
    /// The name of the file that comes from the standard input.
    #[arg(long, value_name = "PATH")]
    stdin_filename: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Drawn, with both places of a clash.
    Full,
    /// `path:line:column: level[rule] message`.
    Concise,
    /// One JSON array.
    Json,
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let levels = levels(arguments)?;
    let (paths, overlay) = input(arguments)?;
    let projects = project::load(&paths, overlay)?;
    let options = CheckOptions { levels, deployments: deployments(&projects, arguments.deployment.as_deref())? };

    let mut errors = 0;
    let mut warnings = 0;
    let mut files = 0;
    let mut reports = Vec::new();
    for project in &projects {
        files += Project::get(&project.db).files(&project.db).iter().filter(|f| project.is_wanted(**f)).count();
        for finding in project.findings(&options) {
            let report = Report::new(project, finding);
            if !report.is_wanted() {
                continue;
            }
            match report.finding.level {
                Level::Error => errors += 1,
                Level::Warn => warnings += 1,
                Level::Info | Level::Off => {}
            }
            reports.push(report);
        }
    }
    let mut out = std::io::stdout().lock();
    match arguments.output_format {
        Format::Full => render::full::write(&mut out, &reports)?,
        Format::Concise => render::concise::write(&mut out, &reports)?,
        Format::Json => render::json::write(&mut out, &reports)?,
    }
    out.flush()?;
    if !quiet && arguments.output_format != Format::Json {
        eprintln!("{}", summary(files, errors, warnings));
    }
    let failed = errors > 0 || (arguments.error_on_warning && warnings > 0);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn summary(files: usize, errors: usize, warnings: usize) -> String {
    match (files, errors, warnings) {
        (0, ..) => "no pattern files found".to_string(),
        (_, 0, 0) => format!("{} checked, nothing found", count(files, "file")),
        _ => format!("{} checked: {}, {}", count(files, "file"), count(errors, "error"), count(warnings, "warning")),
    }
}

/// Levels from the command line win over those of the configuration.
fn levels(arguments: &Arguments) -> Result<Vec<(&'static str, Level)>, Fault> {
    let mut levels = Vec::new();
    for (names, level) in [(&arguments.error, Level::Error), (&arguments.warn, Level::Warn), (&arguments.ignore, Level::Off)] {
        for name in names {
            let rule = super::explain::rule_named(name)?;
            if rule.level == Level::Error && level != Level::Error {
                return Err(Fault::Use(format!("`{name}` is an error: what it reports would break the promise, so it cannot be lowered")));
            }
            levels.push((rule.name, level));
        }
    }
    Ok(levels)
}

/// The deployments to judge under; one that is named must be there in some project.
fn deployments(projects: &[Loaded], name: Option<&str>) -> Result<Deployments, Fault> {
    let Some(name) = name else { return Ok(Deployments::All) };
    let known = projects.iter().map(|project| deployment::named(project, name)).reduce(|one, other| one.or(other));
    known.unwrap_or(Ok(()))?;
    Ok(Deployments::Only(name.into()))
}

fn input(arguments: &Arguments) -> Result<(Vec<PathBuf>, Option<Overlay>), Fault> {
    let from_stdin = arguments.paths.iter().any(|p| p.as_os_str() == "-");
    if !from_stdin {
        if arguments.stdin_filename.is_some() {
            return Err(Fault::Use("--stdin-filename needs `-` as the path".into()));
        }
        return Ok((arguments.paths.clone(), None));
    }
    if arguments.paths.len() > 1 {
        return Err(Fault::Use("`-` stands alone: the standard input is the one file to check".into()));
    }
    let path = arguments.stdin_filename.clone().unwrap_or_else(|| "stdin.pattern".into());
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|source| Fault::Read { path: "-".into(), source })?;
    Ok((vec![path.clone()], Some(Overlay { path, bytes })))
}
