//! Expressions that are looked at again after every entry, and shown when they have changed.

use std::io::Write;

use patternc_interpreter::value::Value;

use super::session::{Compiled, Session};
use crate::fault::Fault;
use crate::render::{count, value::text};

/// A watched expression.
pub struct Watch {
    expression: String,
    /// What it was when it was shown last.
    shown: String,
}

impl Session {
    /// `:watch`: lists what is watched; `:watch EXPR`: watches it from now on.
    pub fn watch(&mut self, expression: &str, out: &mut impl Write) -> Result<bool, Fault> {
        if expression.is_empty() {
            if self.watches.is_empty() {
                writeln!(out, "nothing is watched; `:watch EXPR` begins")?;
            }
            for (index, watch) in self.watches.iter().enumerate() {
                writeln!(out, "{} {} = {}", index + 1, watch.expression, watch.shown)?;
            }
            return Ok(true);
        }
        let (findings, compiled) = self.compile(expression);
        self.show(findings, out)?;
        let Some(compiled) = compiled else { return Ok(false) };
        if compiled.acts() || compiled.lowered.value.is_none() {
            writeln!(out, "only an expression can be watched: this would do something each time")?;
            return Ok(false);
        }
        let shown = self.look(&compiled);
        writeln!(out, "{expression} = {shown}")?;
        self.watches.push(Watch { expression: expression.to_owned(), shown });
        Ok(true)
    }

    /// `:unwatch`: watches nothing any more; `:unwatch N`: all but one.
    pub fn unwatch(&mut self, which: &str, out: &mut impl Write) -> Result<bool, Fault> {
        if which.is_empty() {
            writeln!(out, "{} no longer watched", count(self.watches.len(), "expression"))?;
            self.watches.clear();
            return Ok(true);
        }
        match which.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|index| *index < self.watches.len()) {
            Some(index) => {
                let watch = self.watches.remove(index);
                writeln!(out, "{} is no longer watched", watch.expression)?;
                Ok(true)
            }
            None => {
                writeln!(out, "nothing is watched under `{which}`; `:watch` lists the numbers")?;
                Ok(false)
            }
        }
    }

    /// Shows what has changed.
    pub fn show_watches(&mut self, out: &mut impl Write) -> Result<(), Fault> {
        let mut watches = std::mem::take(&mut self.watches);
        for watch in &mut watches {
            let now = match self.compile(&watch.expression).1 {
                Some(compiled) if !compiled.acts() => self.look(&compiled),
                _ => "no value: it speaks of a name that is gone".to_owned(),
            };
            if now != watch.shown {
                writeln!(out, "  {}: {} → {now}", watch.expression, watch.shown)?;
                watch.shown = now;
            }
        }
        self.watches = watches;
        Ok(())
    }

    /// The value of an expression as text, or why it has none.
    fn look(&self, compiled: &Compiled) -> String {
        let Some((expr, ty)) = &compiled.lowered.value else { return String::new() };
        let mut frame: Vec<Value> = self.variables.iter().map(|v| v.value.clone()).collect();
        frame.resize(compiled.lowered.slots.max(compiled.lowered.params) as usize, Value::None);
        match self.runtime().read(|engine| engine.evaluate(expr, &mut frame, None)) {
            Ok(Ok(value)) => self.shown(text(&self.program, &value, ty)),
            Ok(Err(failure)) => failure.to_string(),
            Err(error) => error.message,
        }
    }
}
