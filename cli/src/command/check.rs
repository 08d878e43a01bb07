//! `patternc check`

mod fix;
mod watch;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ValueEnum, ValueHint};
use patternc_compiler::check::{CheckOptions, Deployments};
use patternc_compiler::diagnostic::Level;

use self::fix::Mended;
use crate::baseline::{self, Baseline};
use crate::confirm;
use crate::deployment;
use crate::fault::Fault;
use crate::project::{self, Loaded, Overlay};
use crate::render::{self, Report, count};
use crate::rule_name::RuleName;

#[derive(clap::Args)]
pub struct Arguments {
    /// Files or folders, the current folder unless given; `-` reads one file from the standard input.
    paths: Vec<PathBuf>,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Format::Full)]
    output_format: Format,
    /// Report this rule as an error.
    #[arg(long, value_name = "RULE", value_parser = RuleName::Any, hide_possible_values = true)]
    error: Vec<String>,
    /// Report this rule as a warning.
    #[arg(long, value_name = "RULE", value_parser = RuleName::Warning, hide_possible_values = true)]
    warn: Vec<String>,
    /// Do not report this rule.
    #[arg(long, value_name = "RULE", value_parser = RuleName::Warning, hide_possible_values = true)]
    ignore: Vec<String>,
    /// Exit with 1 on warnings too.
    #[arg(long)]
    error_on_warning: bool,
    /// Judge the patterns under this deployment of `patternc.yaml` only; under each of them unless given.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// Follow the ways out that change nothing but what is wrong.
    #[arg(long)]
    fix: bool,
    /// Follow also those that can change what a program does.
    #[arg(long)]
    unsafe_fixes: bool,
    /// Write nothing; show what the fixes would change, and exit with 1 if they would.
    #[arg(long)]
    diff: bool,
    /// Check again whenever a file changes.
    #[arg(long, conflicts_with_all = ["write_baseline", "diff"])]
    watch: bool,
    /// Print how often each rule was found instead of the findings.
    #[arg(long)]
    statistics: bool,
    /// Report only what this baseline does not have.
    #[arg(long, value_name = "FILE", conflicts_with = "write_baseline")]
    baseline: Option<PathBuf>,
    /// Write the findings down as a baseline, and report none.
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    /// Run the events of each finding that is about how they get in each other's way, and say whether it happens.
    #[arg(long)]
    confirm: bool,
    /// Read one file from the standard input, as if it stood there.
    #[arg(long, value_name = "PATH")]
    stdin_filename: Option<PathBuf>,
}

impl Arguments {
    /// Whether a finding of this level makes the check fail.
    fn is_failure(&self, level: Level) -> bool {
        level == Level::Error || (level == Level::Warn && self.error_on_warning)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Drawn, with both places of a clash.
    Full,
    /// `path:line:column: level[rule] message`.
    Concise,
    /// One JSON array.
    Json,
    /// One JSON object a line.
    JsonLines,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// A code quality report of GitLab.
    Gitlab,
    /// JUnit XML.
    Junit,
}

impl Format {
    /// Whether it has the fixes of findings.
    fn shows_fixes(self) -> bool {
        matches!(self, Format::Full | Format::Json | Format::JsonLines | Format::Sarif)
    }

    /// Whether it is for people, who are told the sums as well.
    fn is_prose(self) -> bool {
        matches!(self, Format::Full | Format::Concise)
    }
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let (paths, overlay) = input(arguments)?;
    if arguments.watch {
        if overlay.is_some() {
            return Err(Fault::Use("--watch looks at files: the standard input does not change".into()));
        }
        watch::run(&paths, arguments.output_format.is_prose(), |projects| once(arguments, projects, false, quiet).map(|_| ()))?;
    }
    let from_stdin = overlay.is_some();
    let mut projects = project::load(&paths, overlay.into_iter().collect())?;
    once(arguments, &mut projects, from_stdin, quiet)
}

/// Checks projects as they are loaded.
fn once(arguments: &Arguments, projects: &mut [Loaded], from_stdin: bool, quiet: bool) -> Result<ExitCode, Fault> {
    let deployments = deployments(projects, arguments.deployment.as_deref())?;
    let options = CheckOptions { levels: levels(arguments)?, deployments };
    let mut out = std::io::stdout().lock();
    let fixes = arguments.fix || arguments.unsafe_fixes || arguments.diff;
    let baseline = arguments.baseline.as_deref().map(Baseline::read).transpose()?;
    let mut mended = Mended::default();
    if fixes {
        projects.iter_mut().for_each(|project| mended.follow(project, &options, arguments.unsafe_fixes, baseline.as_ref()));
        if arguments.diff {
            mended.show(&mut out)?;
        } else if from_stdin {
            // Fixed text is the result; what is left to say goes where messages go.
            let given = || projects.iter().find_map(Loaded::only_wanted_text).unwrap_or_default();
            out.write_all(mended.only().map_or_else(given, str::to_owned).as_bytes())?;
        } else {
            mended.write()?;
        }
    }
    let mut files: Vec<String> = Vec::new();
    let mut reports = Vec::new();
    for project in &mut *projects {
        files.extend(project.wanted_files());
        let mut found = project.findings(&options);
        if fixes || arguments.statistics || arguments.output_format.shows_fixes() {
            project.withdraw_flawed_fixes(&options, &mut found);
        }
        let confirmed = if arguments.confirm { confirm::all(project, &mut found) } else { vec![None; found.len()] };
        let found = found.into_iter().zip(confirmed).map(|(finding, confirmed)| Report::new(project, finding).confirmed(confirmed));
        reports.extend(found.filter(Report::is_wanted));
    }
    let nothing = project::lacks_files(&arguments.paths, projects);
    if let Some(path) = &arguments.write_baseline {
        nothing?;
        let entries = reports.iter().map(|report| baseline::Entry {
            rule: report.finding.rule,
            path: &report.path,
            message: &report.finding.message,
            fingerprint: report.fingerprint,
        });
        baseline::write(path, entries)?;
        if !quiet {
            eprintln!("{} written to {}: `--baseline {1}` reports what comes after", count(reports.len(), "finding"), path.display());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let all = reports.len();
    let mut gone = 0;
    if let Some(baseline) = &baseline {
        let (is_new, no_longer) = baseline.new_ones(reports.iter().map(|report| report.fingerprint));
        let mut is_new = is_new.into_iter();
        reports.retain(|_| is_new.next().unwrap_or(true));
        gone = no_longer;
    }
    let known = all - reports.len();
    let number = |level| reports.iter().filter(|report| report.finding.level == level).count();
    let (errors, warnings, infos) = (number(Level::Error), number(Level::Warn), number(Level::Info));
    if fixes && from_stdin && !arguments.diff {
        render::concise::write(&mut std::io::stderr().lock(), &reports)?;
    } else if !arguments.diff {
        write(arguments, &mut out, &files, &reports)?;
    }
    out.flush()?;
    // The first file may still be written.
    let nothing = if arguments.watch { nothing.or_else(|fault| Ok(Some(fault.to_string()))) } else { nothing };
    if let Some(said) = nothing?.filter(|_| !quiet) {
        eprintln!("{said}");
    } else if !quiet && (arguments.output_format.is_prose() || fixes) {
        if fixes {
            let (mended_now, files) = (count(mended.findings, "finding"), count(mended.files(), "file"));
            match (arguments.diff, from_stdin) {
                (true, _) => eprintln!("{mended_now} mended, {files} would change"),
                (false, true) => eprintln!("{mended_now} mended"),
                (false, false) => eprintln!("{mended_now} mended, {files} changed"),
            }
            for left in mended.left() {
                eprintln!("left alone: {left}");
            }
            let unsafely = reports.iter().filter(|report| !report.finding.fixes.is_empty()).count();
            if unsafely > 0 && !arguments.unsafe_fixes {
                eprintln!("{} more with --unsafe-fixes", count(unsafely, "finding"));
            }
        }
        eprintln!("{}", summary(files.len(), errors, warnings, infos));
        let seen: Vec<_> = projects.iter().filter(|project| !project.wanted_files().is_empty()).map(Loaded::folder).collect();
        let apart = seen.iter().filter(|one| seen.iter().filter(|other| other == one).count() > 1).count();
        if apart > 0 {
            eprintln!("{apart} programs: without a patternc.yaml, files that declare the same name do not belong together");
        }
        if known > 0 {
            eprintln!("{} of the baseline not shown", count(known, "finding"));
        }
        if gone > 0 {
            eprintln!("{} of the baseline no longer there: write it anew to forget them", count(gone, "finding"));
        }
    }
    let found = reports.iter().any(|report| arguments.is_failure(report.finding.level));
    let failed = found || (arguments.diff && mended.files() > 0);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(arguments: &Arguments, out: &mut impl Write, files: &[String], reports: &[Report]) -> std::io::Result<()> {
    if arguments.statistics {
        return if arguments.output_format.is_prose() {
            render::statistics::write(out, reports)
        } else {
            render::statistics::write_json(out, reports)
        };
    }
    match arguments.output_format {
        Format::Full => render::full::write(out, reports),
        Format::Concise => render::concise::write(out, reports),
        Format::Json => render::json::write(out, reports),
        Format::JsonLines => render::json_lines::write(out, reports),
        Format::Sarif => render::sarif::write(out, reports),
        Format::Github => render::github::write(out, reports),
        Format::Gitlab => render::gitlab::write(out, reports),
        Format::Junit => render::junit::write(out, files, reports, |level| arguments.is_failure(level)),
    }
}

fn summary(files: usize, errors: usize, warnings: usize, infos: usize) -> String {
    let checked = format!("{} checked", count(files, "file"));
    let found = format!("{checked}: {}, {}", count(errors, "error"), count(warnings, "warning"));
    match (errors, warnings, infos) {
        (0, 0, 0) => format!("{checked}, nothing found"),
        (_, _, 0) => found,
        _ => format!("{found}, {}", count(infos, "info")),
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
    if !project::is_from_stdin(&arguments.paths, arguments.stdin_filename.as_deref())? {
        return Ok((arguments.paths.clone(), None));
    }
    let path = arguments.stdin_filename.clone().unwrap_or_else(|| "stdin.pattern".into());
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|source| Fault::Read { path: "-".into(), source })?;
    Ok((vec![path.clone()], Some(Overlay { path, bytes })))
}
