//! The name of a rule on a command line.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use patternc_compiler::diagnostic::Level;
use patternc_compiler::rules;

/// Takes any name, so that a wrong one can be answered with the one that was meant; shells offer those that there are.
#[derive(Clone, Copy)]
pub enum RuleName {
    Any,
    /// Those whose level can be lowered.
    Warning,
}

impl TypedValueParser for RuleName {
    type Value = String;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        value.to_str().map(str::to_owned).ok_or_else(|| Error::new(ErrorKind::InvalidUtf8).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let offered = rules::ALL.iter().filter(|rule| matches!(self, RuleName::Any) || rule.level != Level::Error);
        Some(Box::new(offered.map(|rule| PossibleValue::new(rule.name))))
    }
}
