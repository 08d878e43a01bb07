//! `patternc reconcile`

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use patternc_compiler::lower;
use patternc_interpreter::engine::{Progress, Reconciled};
use patternc_interpreter::failure::Failure;
use patternc_interpreter::json::{self, Form, Names, Path, Reader};
use patternc_interpreter::value::Value;
use patternc_program::{Program, Type};
use serde_json::{Value as Json, json};

use crate::deployment::{self, Fallback};
use crate::fault::Fault;
use crate::project;
use crate::render::count;

#[derive(clap::Args)]
pub struct Arguments {
    /// The mirror.
    mirror: String,
    /// One scope: a Text as it is, anything else as JSON; all that the mirror has facts of unless given.
    scope: Option<String>,
    /// A file or folder of the project.
    #[arg(long, default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
    /// How results are written.
    #[arg(long, value_enum, default_value_t = Output::Full)]
    output_format: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Full,
    Json,
}

/// How long what is on its way may take to finish in the end.
const FINISH: Duration = Duration::from_secs(30);

/// Exit status 0 when all scopes are as their records say, 1 when one could not be reconciled or the other side refused a repair.
pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    if let Some(code) = super::test::refuse_errors(&project, deployment::judged(&project, arguments.deployment.as_deref())?)? {
        return Ok(code);
    }
    let program = Arc::new(lower::lower(&project.db));
    let mirror = find(&program, &arguments.mirror)?;
    let scope = arguments.scope.as_deref().map(|scope| read_scope(&program, mirror, scope)).transpose()?;
    deployment::require_externs(&project, &program, arguments.deployment.as_deref())?;
    let runtime =
        deployment::open(&project, &program, arguments.deployment.as_deref(), Fallback::File(&project.root.join(deployment::STATE)))?;
    let scopes = match scope {
        Some(scope) => vec![scope],
        None => {
            let scopes = runtime.read(|engine| engine.scopes(mirror)).and_then(|scopes| scopes);
            scopes.map_err(|error| Fault::Use(format!("the store cannot be read: {error}")))?
        }
    };
    let bar = !quiet && io::stderr().is_terminal();
    let mut all_well = true;
    let mut out = io::stdout().lock();
    for (at, scope) in scopes.iter().enumerate() {
        let result = runtime.reconcile(mirror, scope.clone(), |progress| {
            if bar {
                draw(at, scopes.len(), progress);
            }
            true
        });
        if bar {
            eprint!("\r\x1b[K");
        }
        all_well &= result.as_ref().is_ok_and(|report| report.refused.is_empty());
        match arguments.output_format {
            Output::Full => write_report(&mut out, &program, mirror, scope, &result, quiet)?,
            Output::Json => writeln!(out, "{}", to_json(&program, mirror, scope, &result))?,
        }
    }
    runtime.close(FINISH);
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find(program: &Program, name: &str) -> Result<u32, Fault> {
    let names: Vec<&str> = program.mirrors.iter().map(|mirror| mirror.name.as_str()).collect();
    let found = names.iter().position(|known| *known == name);
    found.map(|at| at as u32).ok_or_else(|| {
        let known = if names.is_empty() { "the patterns have none".to_owned() } else { format!("there are {}", names.join(", ")) };
        Fault::Use(format!("there is no mirror `{name}`; {known}"))
    })
}

fn read_scope(program: &Program, mirror: u32, text: &str) -> Result<Value, Fault> {
    let ty = &program.mirrors[mirror as usize].scope_ty;
    if *ty == Type::Text {
        return Ok(Value::Text(text.into()));
    }
    let wrong = |why: String| Fault::Use(format!("{text:?} is no scope of `{}`: {why}", program.mirrors[mirror as usize].name));
    // A reference or a variant is written as a bare text.
    let json: Json = serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned()));
    let names = Names::new(program);
    let reader = Reader { program, names: &names, form: Form::Outside, here: None, keys: None, limits: None };
    reader.value(&json, ty, &Path::Root).map_err(|error| wrong(error.to_string()))
}

fn draw(at: usize, scopes: usize, progress: Progress) {
    const WIDTH: usize = 30;
    let done = match progress.found {
        None => 0,
        Some(0) => WIDTH,
        Some(found) => WIDTH * progress.repaired.min(found) / found,
    };
    let found = progress.found.map_or_else(|| "reading".to_owned(), |found| format!("{} of {found} repaired", progress.repaired));
    eprint!("\r\x1b[K[{}{}] scope {} of {scopes}, {found}", "#".repeat(done), " ".repeat(WIDTH - done), at + 1);
    // A bar that cannot be drawn is not missed.
    let _ = io::stderr().flush();
}

/// Says what a reconciliation found and did.
pub fn write_report(
    out: &mut impl Write,
    program: &Program,
    mirror: u32,
    scope: &Value,
    result: &Result<Reconciled, Failure>,
    quiet: bool,
) -> io::Result<()> {
    let declared = &program.mirrors[mirror as usize];
    let what = format!("{}({})", declared.name, json::to_text(program, scope, &declared.scope_ty));
    let report = match result {
        Ok(report) => report,
        Err(failure) => return writeln!(out, "{what}: not reconciled: {failure}"),
    };
    if report.missing.is_empty() && report.surplus.is_empty() && report.refused.is_empty() {
        return if quiet { Ok(()) } else { writeln!(out, "{what}: {}, all as they should be", count(report.facts, "fact")) };
    }
    let (missing, surplus) = (report.missing.len(), report.surplus.len());
    writeln!(out, "{what}: {}, {missing} missing and added, {surplus} too much and removed", count(report.facts, "fact"))?;
    let fact = |fact: &Value| json::to_text(program, fact, &declared.fact);
    report.missing.iter().try_for_each(|missing| writeln!(out, "  + {}", fact(missing)))?;
    report.surplus.iter().try_for_each(|surplus| writeln!(out, "  - {}", fact(surplus)))?;
    report.refused.iter().try_for_each(|(refused, why)| writeln!(out, "  ! {}: {why}", fact(refused)))
}

fn to_json(program: &Program, mirror: u32, scope: &Value, result: &Result<Reconciled, Failure>) -> Json {
    let declared = &program.mirrors[mirror as usize];
    let value = |value: &Value, ty: &Type| serde_json::from_str(&json::to_text(program, value, ty)).unwrap_or(Json::Null);
    let facts = |facts: &[Value]| facts.iter().map(|fact| value(fact, &declared.fact)).collect::<Vec<Json>>();
    let scope = value(scope, &declared.scope_ty);
    match result {
        Ok(report) => json!({
            "mirror": declared.name.as_str(),
            "scope": scope,
            "facts": report.facts,
            "missing": facts(&report.missing),
            "surplus": facts(&report.surplus),
            "refused": report.refused.iter().map(|(fact, why)| json!({ "fact": value(fact, &declared.fact), "reason": why })).collect::<Vec<_>>(),
        }),
        Err(failure) => json!({
            "mirror": declared.name.as_str(),
            "scope": scope,
            "failure": { "kind": failure.kind.name(), "message": &*failure.message },
        }),
    }
}
