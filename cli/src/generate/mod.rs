//! Tests that are made up from the signatures of handlers: a few records of each type, and a few events that come at once.

mod events;

use std::sync::Arc;

use patternc_compiler::check::{CheckOptions, Deployments, check};
use patternc_compiler::db::{Database, Project};
use patternc_compiler::diagnostic::{Diagnostic, Level};
use patternc_compiler::location::locate;
use patternc_compiler::lower;
use patternc_interpreter::explore::{Bounds, Explorer};
use patternc_program::{Program, RecordId};

pub use self::events::{Generated, Meeting, count};
use crate::project::Loaded;
use crate::scene::Scene;

/// The file of the tests, and their name; no pattern file can have that name.
pub const FILE: &str = "generated";

/// A compiled file of tests.
pub struct Compiled {
    pub program: Arc<Program>,
    pub text: String,
}

/// The project with a file of tests.
pub struct Files<'a> {
    project: &'a Loaded,
    program: &'a Program,
    texts: Vec<(String, String)>,
    db: Database,
}

impl<'a> Files<'a> {
    pub fn new(project: &'a Loaded, program: &'a Program) -> Self {
        let files = Project::get(&project.db).files(&project.db);
        // Their own tests are not explored, and would only be compiled again and again.
        let texts = files.iter().map(|file| (file.path(&project.db).to_string(), file.text(&project.db).to_string())).collect();
        Files { project, program, texts, db: Database::default() }
    }

    /// Compiles a test of each set.
    pub fn compile<'m>(&mut self, generated: &Generated, meetings: impl IntoIterator<Item = &'m Meeting>) -> Compiled {
        let tests: String = meetings.into_iter().map(|meeting| generated.test(FILE, meeting)).collect();
        let text = self.scene().imports(&tests) + "\n" + &tests;
        self.set(&text);
        let mut program = lower::lower(&self.db);
        program.tests.retain(|test| &*test.name == FILE);
        Compiled { program: Arc::new(program), text }
    }

    fn set(&mut self, text: &str) {
        self.texts.push((format!("{FILE}.pattern"), text.to_owned()));
        self.db.set_project(&self.texts, None);
        self.texts.pop();
    }

    fn scene(&self) -> Scene<'a> {
        Scene { db: &self.project.db, program: self.program }
    }

    /// Makes up `records` of each type and the events that a test can send to them. A type whose records cannot be made, or leave the data not as
    /// it must be, is left out, and what needs it.
    ///
    /// # Errors
    /// Why nothing can be made up.
    pub fn generate(&mut self, records: usize) -> Result<Generated, String> {
        self.generate_with(records, 1)
    }

    /// The same, with records that begin in so many ways.
    ///
    /// # Errors
    /// Why nothing can be made up.
    pub fn generate_with(&mut self, records: usize, setups: u64) -> Result<Generated, String> {
        let (db, program) = (&self.project.db, self.program);
        let mut out: Vec<(RecordId, String)> = Vec::new();
        let mut generated = loop {
            let all = events::generate(db, program, records, setups > 1, &|of| out.iter().all(|(other, _)| *other != of));
            let Some(why) = self.trouble(&all)? else { break all };
            let mut blamed = None;
            for (at, of) in all.types.iter().enumerate() {
                let first = events::generate(db, program, records, setups > 1, &|of| all.types[..=at].contains(&of));
                if let Some(why) = self.trouble(&first)? {
                    blamed = Some((*of, why));
                    break;
                }
            }
            out.push(blamed.ok_or_else(|| format!("the records that the events need cannot be made up: {why}"))?);
        };
        for (of, why) in out.into_iter().rev() {
            generated.left_out.insert(0, format!("no {} is made: {why}", program.record(of).name));
        }
        let alone = |call| Meeting::at_once(vec![call]);
        let bad: Vec<(usize, String)> =
            (0..generated.events()).filter_map(|call| Some((call, self.errors(&generated, &alone(call))?))).collect();
        generated.leave_out(bad);
        for seed in 1..setups {
            let Some(setup) = events::another_setup(db, program, records, &generated.types, seed) else { continue };
            generated.add_setup(setup);
            let begins = Meeting { setup: generated.setups() - 1, ..Meeting::default() };
            if self.errors(&generated, &begins).is_some() || self.trouble_of(&generated, &begins)?.is_some() {
                generated.drop_setup();
            }
        }
        Ok(generated)
    }

    /// What is not as it must be when the records are made and nothing comes.
    fn trouble(&mut self, generated: &Generated) -> Result<Option<String>, String> {
        if let Some(error) = self.errors(generated, &Meeting::default()) {
            return Ok(Some(error));
        }
        self.trouble_of(generated, &Meeting::default())
    }

    fn trouble_of(&mut self, generated: &Generated, meeting: &Meeting) -> Result<Option<String>, String> {
        let compiled = self.compile(generated, [meeting]);
        let explorer = Explorer::new(compiled.program.clone(), Vec::new(), Bounds { crashes: 0, duplicates: 0, ..Bounds::default() });
        let idle = explorer.explore(&compiled.program.tests[0], &mut |_| {}).map_err(|error| error.message)?;
        Ok(idle.violation.map(|(violation, _)| violation.failure.message))
    }

    /// What is wrong with a test.
    fn errors(&mut self, generated: &Generated, meeting: &Meeting) -> Option<String> {
        let test = generated.test(FILE, meeting);
        let text = self.scene().imports(&test) + "\n" + &test;
        self.set(&text);
        let options = CheckOptions { deployments: Deployments::None, ..CheckOptions::default() };
        let file = format!("{FILE}.pattern");
        let here = |finding: &Diagnostic| locate(&self.db, finding.primary.at).is_some_and(|(at, _)| **at.path(&self.db) == *file);
        check(&self.db, &options).into_iter().find(|finding| finding.level == Level::Error && here(finding)).map(|finding| finding.message)
    }

    /// The test with what it needs to stand in a file: by itself where the project has one file, which it can be added to.
    pub fn alone(&self, test: &str) -> String {
        match self.texts.len() {
            1 => test.to_owned(),
            _ => format!("{}\n{test}", self.scene().imports(test)),
        }
    }
}
