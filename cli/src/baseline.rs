//! A baseline: the findings that a project starts with. Only what comes after is reported.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::atomic;
use crate::fault::Fault;
use crate::fingerprint::Fingerprint;

const VERSION: u64 = 1;

/// A finding to be written down.
pub struct Entry<'f> {
    pub rule: &'f str,
    /// In its project: the same wherever the baseline is written from.
    pub path: &'f str,
    pub message: &'f str,
    pub fingerprint: Fingerprint,
}

/// Writes the findings down.
///
/// # Errors
/// If there is a file that is no baseline: it may be one of the patterns. If it cannot be written.
pub fn write<'f>(path: &Path, found: impl Iterator<Item = Entry<'f>>) -> Result<(), Fault> {
    if path.is_file() {
        let text = std::fs::read(path).map_err(|source| Fault::Read { path: path.to_path_buf(), source })?;
        let before: Value = serde_json::from_slice(&text).unwrap_or_default();
        let is_baseline = before["version"].is_u64() && before["findings"].is_array();
        if !text.is_empty() && !is_baseline {
            let shown = path.display();
            return Err(Fault::Use(format!("{shown} is there already and is no baseline: name another file, or remove this one first")));
        }
    }
    let mut findings: Vec<(String, Value)> = found
        .map(|Entry { rule, path, message, fingerprint }| {
            let fingerprint = fingerprint.to_string();
            let finding = json!({ "rule": rule, "path": path, "message": message, "fingerprint": fingerprint });
            (format!("{path}\0{rule}\0{fingerprint}"), finding)
        })
        .collect();
    // By what does not move, so that two versions of the file can be compared.
    findings.sort_by(|a, b| a.0.cmp(&b.0));
    let findings: Vec<Value> = findings.into_iter().map(|(_, finding)| finding).collect();
    let text = serde_json::to_string_pretty(&json!({ "version": VERSION, "findings": findings })).expect("it has only text and numbers");
    atomic::write(path, &(text + "\n"))
}

/// What was found when the baseline was written.
pub struct Baseline {
    /// How often each fingerprint is in it.
    known: HashMap<String, usize>,
}

impl Baseline {
    /// Reads what was written.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let text = std::fs::read_to_string(path).map_err(|source| Fault::Read { path: path.to_path_buf(), source })?;
        let known = read(&text).map_err(|what| {
            Fault::Use(format!("{} is no baseline: {what}; `patternc check --write-baseline {0}` makes one", path.display()))
        })?;
        Ok(Baseline { known })
    }

    /// Of findings in the order in which they are shown, which are new; and how many of the baseline are no longer there.
    pub fn new_ones(&self, found: impl Iterator<Item = Fingerprint>) -> (Vec<bool>, usize) {
        let mut known = self.known.clone();
        let is_new = found.map(|fingerprint| match known.get_mut(&fingerprint.to_string()) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        });
        (is_new.collect(), known.values().sum())
    }
}

/// How often each fingerprint is in it.
fn read(text: &str) -> Result<HashMap<String, usize>, String> {
    let baseline: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match baseline["version"].as_u64() {
        Some(VERSION) => {}
        Some(other) => return Err(format!("its version is {other}, and this program knows {VERSION}")),
        None => return Err("it has no `version`".to_owned()),
    }
    let findings = baseline["findings"].as_array().ok_or("it has no list `findings`")?;
    let mut known = HashMap::new();
    for finding in findings {
        let fingerprint = finding["fingerprint"].as_str().ok_or("a finding has no `fingerprint`")?;
        *known.entry(fingerprint.to_owned()).or_default() += 1;
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_is_no_baseline_says_why() {
        assert!(read("{").is_err());
        for (text, why) in [("{}", "no `version`"), (r#"{"version":2}"#, "its version is 2"), (r#"{"version":1}"#, "no list")] {
            assert!(read(text).expect_err("it is none").contains(why), "{text}");
        }
        let known = read(r#"{"version":1,"findings":[{"fingerprint":"a"},{"fingerprint":"a"}]}"#).expect("it is one");
        assert_eq!(known["a"], 2);
    }
}
