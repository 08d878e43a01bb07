//! Declarations that are typed at the prompt: each entry is a file of its own, beside those of the project.

use std::io::Write;
use std::sync::Arc;

use patternc_compiler::check;
use patternc_compiler::db::{Database, Project, SourceFile};
use patternc_compiler::diagnostic::{Diagnostic, Level};
use patternc_compiler::items::items;
use patternc_compiler::location::locate;
use patternc_compiler::lower::{self, Linker};
use patternc_compiler::resolve::imported_path;
use patternc_grammar::parse;
use patternc_grammar::syntax::ItemKind;
use patternc_interpreter::given::Givens;
use patternc_interpreter::json::{Form, Names, Path as JsonPath, Reader};

use super::super::save::Ended;
use super::super::start::carry;
use super::{Session, Variable};
use crate::deployment;
use crate::fault::Fault;
use crate::project::{self, CONFIG, Loaded};

/// How the files are called that hold what is typed.
const TYPED: &str = "repl-";

/// Whether a file of this path holds something that was typed.
pub fn is_typed(path: &str) -> bool {
    path.strip_prefix(TYPED).and_then(|rest| rest.strip_suffix(".pattern")).is_some_and(|at| at.bytes().all(|b| b.is_ascii_digit()))
}

/// The path of what was typed after so many other declarations.
fn typed_path(at: usize) -> String {
    format!("{TYPED}{}.pattern", at + 1)
}

/// A line that imports all names of a file; none if it has none.
pub fn import(db: &Database, file: SourceFile) -> String {
    let names: Vec<String> = items(db, file).names().map(|name| name.to_string()).collect();
    if names.is_empty() { String::new() } else { format!("use \"{}\" {{ {} }}\n", file.path(db), names.join(", ")) }
}

impl Session {
    /// Adds declarations to the program that runs.
    pub fn declare(&mut self, text: &str, out: &mut impl Write) -> Result<bool, Fault> {
        let text = &self.without_imports(text);
        if text.trim().is_empty() {
            return Ok(true);
        }
        if let Some((name, file)) = self.declared_before(text) {
            writeln!(out, "{file} declares `{name}`, which is known here: give this one another name")?;
            return Ok(false);
        }
        self.typed.push(text.to_string());
        self.set_files();
        let findings = check::check(&self.project.db, &self.judged);
        let about = findings.into_iter().filter(|f| f.level == Level::Error || self.is_typed(f));
        let (errors, others): (Vec<_>, Vec<_>) = about.partition(|f| f.level == Level::Error);
        if !errors.is_empty() {
            self.show(errors, out)?;
            self.typed.pop();
            self.set_files();
            return Ok(false);
        }
        // What was just typed is not used yet.
        self.show(others.into_iter().filter(|f| !f.rule.starts_with("unused")).collect(), out)?;
        if let Err(why) = self.restart(true, out)? {
            writeln!(out, "{why}\nit is left out")?;
            self.typed.pop();
            self.set_files();
            return Ok(false);
        }
        self.say(text.trim_end(), Ended::Declared);
        Ok(true)
    }

    /// Reads the files again, keeps what was typed, and runs the new program on the same data.
    pub fn reload(&mut self, out: &mut impl Write) -> Result<bool, Fault> {
        let fresh = project::load_one(&self.path)?;
        if texts(&fresh) == texts(&self.project) {
            writeln!(out, "no file has changed")?;
            return Ok(true);
        }
        let judged = self.settings.judged(&fresh)?;
        if crate::errors::refuse_errors(&fresh, judged.deployments.clone())?.is_some() {
            return Ok(false);
        }
        let old = std::mem::replace(&mut self.project, fresh);
        let typed = self.typed.clone();
        let old_judged = std::mem::replace(&mut self.judged, judged);
        self.set_files();
        let errors: Vec<_> = check::check(&self.project.db, &self.judged).into_iter().filter(|f| f.level == Level::Error).collect();
        if !errors.is_empty() {
            self.show(errors, out)?;
            writeln!(out, "what was typed here no longer fits the files, and is left out")?;
            self.typed.clear();
            self.set_files();
        }
        let bound = !self.variables.is_empty();
        if let Err(why) = self.restart(false, out)? {
            writeln!(out, "{why}\nthe program stays as it was")?;
            self.project = old;
            self.judged = old_judged;
            self.typed = typed;
            return Ok(false);
        }
        if bound {
            writeln!(out, "names bound here are forgotten, and `:save` begins anew")?;
        }
        self.variables.clear();
        self.said.clear();
        Ok(true)
    }

    /// Whether a finding is about what was declared here.
    pub fn is_typed(&self, finding: &Diagnostic) -> bool {
        locate(&self.project.db, finding.primary.at).is_some_and(|(file, _)| is_typed(file.path(&self.project.db)))
    }

    /// The text of declarations, with blanks for imports of what the project has: all of that is known here.
    fn without_imports(&self, text: &str) -> String {
        let db = &self.project.db;
        let files = Project::get(db).files(db);
        let mut kept = text.to_owned();
        for item in &parse(text).file.items {
            let ItemKind::Use(import) = &item.kind else { continue };
            let path = imported_path(&typed_path(0), &import.path.value);
            let Some(file) = files.iter().find(|file| path.as_deref() == Some(&**file.path(db))) else { continue };
            if import.names.iter().all(|name| items(db, *file).names().any(|known| known == name.name)) {
                let range = item.span.start as usize..item.span.end as usize;
                // Lines stay where they are.
                let blank: String =
                    text[range.clone()].chars().flat_map(|c| [if c == '\n' { c } else { ' ' }].repeat(c.len_utf8())).collect();
                kept.replace_range(range, &blank);
            }
        }
        kept
    }

    /// A name of what the text declares that something declares already, and the file that does.
    fn declared_before(&self, text: &str) -> Option<(String, String)> {
        let db = &self.project.db;
        let declared = items(db, SourceFile::new(db, typed_path(self.typed.len()).into(), Arc::from(text)));
        Project::get(db).files(db).iter().find_map(|&file| {
            let name = items(db, file).names().find(|name| declared.names().any(|other| other == *name))?;
            Some((name.to_string(), file.path(db).to_string()))
        })
    }

    /// The files of the project, and each entry that declares as one more, which sees all names of those and of the entries before.
    fn set_files(&mut self) {
        let db = &self.project.db;
        let project = Project::get(db);
        let mut texts: Vec<(String, String)> = Vec::new();
        let mut known = String::new();
        for &file in project.files(db).iter().filter(|file| !is_typed(file.path(db))) {
            known.push_str(&import(db, file));
            texts.push((file.path(db).to_string(), file.text(db).to_string()));
        }
        for (at, text) in self.typed.iter().enumerate() {
            let path = typed_path(at);
            // What it imports stands behind it: findings have the lines that were typed.
            texts.push((path.clone(), format!("{text}\n{known}")));
            known.push_str(&import(db, SourceFile::new(db, path.into(), Arc::from(text.as_str()))));
        }
        let config = project.config(db).map(|file| file.text(db).to_string());
        self.project.db.set_project(&texts, config.as_deref().map(|text| (CONFIG, text)));
    }

    /// Runs the project as it is now on the same data. Values of names are carried over where their types are still there. If the data do not
    /// fit the new program, the old one goes on, and why is given back.
    fn restart(&mut self, keep: bool, out: &mut impl Write) -> Result<Result<(), String>, Fault> {
        let fresh = Arc::new(lower::lower(&self.project.db));
        self.settle(self.runtime().mark());
        let kept = self.runtime().snapshot().map_err(|error| Fault::Use(error.message))?;
        let (held, givens) = (self.runtime().is_held(), self.runtime().givens());
        self.stop();
        let old = std::mem::replace(&mut self.program, fresh);
        let limits = deployment::limits(&self.project);
        let carried = kept.as_ref().map(|states| carry(states, &old, &self.program, &limits)).transpose();
        let started = match carried {
            Ok(carried) => self.start(carried, held, Givens::default(), out),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = started {
            self.program = old;
            self.start(kept, held, givens, out)?;
            return Ok(Err(fault.to_string()));
        }
        self.undo.clear();
        let linker = Linker::new(&self.project.db);
        let names = Names::new(&self.program);
        let reader = Reader { program: &self.program, names: &names, form: Form::Stored, here: None, keys: None, limits: None };
        let carry = |variables: Vec<Variable>| -> Vec<Variable> {
            let carried = variables.into_iter().filter(|_| keep).filter_map(|variable| {
                let text = patternc_interpreter::json::stored_text(&old, &variable.value, &variable.ty)?;
                let ty = linker.ty(&variable.checked);
                let json = serde_json::from_str(&text).ok()?;
                let value = reader.value(&json, &ty, &JsonPath::Root).ok()?;
                Some(Variable { ty, value, ..variable })
            });
            carried.collect()
        };
        self.variables = carry(std::mem::take(&mut self.variables));
        for typed in &mut self.typed_givens {
            typed.variables = carry(std::mem::take(&mut typed.variables));
        }
        self.give_again(&givens, out)?;
        Ok(Ok(()))
    }
}

/// The files of a project and their texts, without what was declared at the prompt.
fn texts(project: &Loaded) -> Vec<(&str, &str)> {
    let db = &project.db;
    let files = Project::get(db).files(db).iter().copied().chain(Project::get(db).config(db));
    let mut texts: Vec<(&str, &str)> = files.map(|file| (&**file.path(db), &**file.text(db))).filter(|(path, _)| !is_typed(path)).collect();
    texts.sort_unstable();
    texts
}
