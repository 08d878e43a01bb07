//! `patternc explain`

use std::io::Write;
use std::process::ExitCode;

use clap::ValueEnum;
use patternc_compiler::resolve::did_you_mean;
use patternc_compiler::rules::{self, Fixes, Rule};

use crate::fault::Fault;
use crate::rule_name::RuleName;

#[derive(clap::Args)]
pub struct Arguments {
    /// The name of the rule.
    #[arg(required_unless_present = "list", value_parser = RuleName::Any, hide_possible_values = true)]
    rule: Option<String>,
    /// Every rule, a line each.
    #[arg(long)]
    list: bool,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Fault> {
    let mut out = std::io::stdout().lock();
    match &arguments.rule {
        Some(name) => {
            let rule = rule_named(name)?;
            match arguments.output_format {
                Format::Text => writeln!(out, "# {} ({})\n\n{}\n\n{}", rule.name, rule.level.name(), rule.summary, rule.page.trim())?,
                Format::Json => writeln!(out, "{}", json(rule, true))?,
            }
        }
        None => match arguments.output_format {
            Format::Text => {
                for rule in rules::ALL {
                    writeln!(out, "{:<26} {:<6} {}", rule.name, rule.level.name(), rule.summary)?;
                }
            }
            Format::Json => {
                let all: Vec<_> = rules::ALL.iter().map(|r| json(r, false)).collect();
                writeln!(out, "{}", serde_json::Value::from(all))?;
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn json(rule: &Rule, page: bool) -> serde_json::Value {
    let fixes = match rule.fixes {
        Fixes::Safe => "safe",
        Fixes::Unsafe => "unsafe",
        Fixes::None(_) => "none",
    };
    let mut object = serde_json::json!({ "rule": rule.name, "level": rule.level.name(), "fixes": fixes, "summary": rule.summary });
    if page {
        object["page"] = rule.page.trim().into();
    }
    object
}

/// The rule of this name, or a fault that names the nearest one.
pub fn rule_named(name: &str) -> Result<&'static Rule, Fault> {
    rules::named(name).ok_or_else(|| {
        let names = || rules::ALL.iter().map(|rule| rule.name);
        let meant = did_you_mean(name, names()).or_else(|| names().find(|known| name.len() > 2 && known.contains(name)));
        let hint = meant.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        Fault::Use(format!("there is no rule `{name}`{hint} (`patternc explain --list` shows all)"))
    })
}
