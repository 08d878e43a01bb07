//! Binds the externs of a program to what the deployment says stands behind them.

use std::path::Path;
use std::sync::Arc;

use patternc_compiler::config::{self, Deployment, Extern};
use patternc_interpreter::adapter::{Command, Http, HttpOperation};
use patternc_interpreter::runtime::Callee;
use patternc_program::{ExternId, Program};
use rustc_hash::FxHashMap;

use crate::deployment::expand;
use crate::fault::Fault;

/// What each extern of the program is bound to. One that the deployment does not name stays unbound: calls of it wait until it is.
pub fn bind(root: &Path, program: &Program, deployment: &Deployment) -> Result<FxHashMap<ExternId, Arc<dyn Callee>>, Fault> {
    let mut bound: FxHashMap<ExternId, Arc<dyn Callee>> = FxHashMap::default();
    for (i, declared) in program.externs.iter().enumerate() {
        let Some(config) = deployment.externs.get(declared.name.as_str()) else { continue };
        let name = declared.name.as_str();
        let callee: Arc<dyn Callee> = match config {
            Extern::Http(http) => Arc::new(self::http(name, http)?),
            Extern::Command { run, timeout } => {
                let words = run.iter().map(|word| expand(word, &format!("extern `{name}`"))).collect::<Result<Vec<_>, _>>()?;
                let command = Command::new(words, root, *timeout).map_err(|e| Fault::Use(format!("extern `{name}`: {e}")))?;
                Arc::new(command)
            }
            Extern::SpiceDb { .. } => {
                return Err(Fault::Use(format!("extern `{name}` is kind `spicedb`, which this version cannot call: use `http` or `command`")));
            }
        };
        bound.insert(ExternId(i as u32), callee);
    }
    Ok(bound)
}

fn http(name: &str, config: &config::Http) -> Result<Http, Fault> {
    let what = format!("extern `{name}`");
    let base = expand(&config.base, &what)?;
    let headers = config
        .headers
        .iter()
        .map(|(header, value)| Ok((header.to_string(), expand(value, &what)?)))
        .collect::<Result<Vec<_>, Fault>>()?;
    let operations = config.operations.iter().map(|(operation, c)| {
        let told = HttpOperation { method: c.method.to_string(), path: c.path.to_string(), reject: c.reject.clone() };
        (operation.to_string(), told)
    });
    Http::new(base, headers, config.timeout, operations.collect()).map_err(|e| Fault::Use(format!("{what}: {e}")))
}
