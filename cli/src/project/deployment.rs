//! What a project says of its deployments.

use patternc_compiler::config::{Config, Deployment, Template};

use crate::fault::Fault;

/// Where `run` keeps data when no deployment says so, in the project's folder.
pub const STATE: &str = ".patternc/state.db";

/// The deployment of this name, or the default one; `None` without any.
pub fn choose<'c>(config: &'c Config, name: Option<&'c str>) -> Result<Option<(&'c str, &'c Deployment)>, Fault> {
    let known = || config.deployments.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => match config.deployments.get(name) {
            Some(deployment) => Ok(Some((name, deployment))),
            None if config.deployments.is_empty() => Err(Fault::Use(format!("there is no deployment `{name}`: patternc.yaml has none"))),
            None => Err(Fault::Use(format!("there is no deployment `{name}`; there are {}", known()))),
        },
        None if config.deployments.len() > 1 && config.default_deployment().is_none() => {
            Err(Fault::Use(format!("which deployment? Name one with --deployment, or set `default-deployment`: {}", known())))
        }
        None => Ok(config.default_deployment()),
    }
}

/// The text with `${NAME}` taken from the environment.
pub fn expand(template: &Template, what: &str) -> Result<String, Fault> {
    let secret = template.expand(|name| std::env::var(name).ok()).map_err(|missing| Fault::Use(format!("{what}: {missing}")))?;
    Ok(secret.reveal().to_string())
}
