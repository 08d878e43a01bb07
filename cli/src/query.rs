//! Queries from outside: an expression of the language, compiled once and evaluated on the newest state.

use std::collections::HashMap;
use std::sync::Arc;

use patternc_compiler::bodies::{self, Session};
use patternc_compiler::db::{Database, Project, SourceFile};
use patternc_compiler::diagnostic::Level;
use patternc_compiler::items::{ItemHead, items};
use patternc_compiler::lower::{self, Linker};
use patternc_compiler::signature::Home;
use patternc_compiler::types::ItemId;
use patternc_grammar::syntax::{ExprKind, Stmt, StmtKind};
use patternc_interpreter::failure::{Failure, FailureKind};
use patternc_interpreter::runtime::Runtime;
use patternc_interpreter::value::{SpaceRef, Value};
use patternc_program::{Program, Snippet, Type};

const NO_QUERY: &str = "a query is one expression, and changes nothing";

/// Why a query has no value.
pub enum QueryError {
    /// It is not an expression of the language over this program: what is wrong, and where in its text.
    Refused(String),
    Failed(Failure),
}

/// Compiles queries, each once.
pub struct Queries<'a> {
    db: &'a Database,
    linker: Linker<'a>,
    compiled: HashMap<(String, Option<Home>), Arc<Snippet>>,
}

impl<'a> Queries<'a> {
    pub fn new(db: &'a Database) -> Self {
        Queries { db, linker: Linker::new(db), compiled: HashMap::new() }
    }

    /// The value of the query and its type. `space` is where lists and look-ups look that name none.
    pub fn run(
        &mut self,
        runtime: &Runtime,
        text: &str,
        space: Option<&SpaceRef>,
        caller: Option<&Arc<str>>,
    ) -> Result<(Value, Type), QueryError> {
        let here = space.and_then(|s| home(self.db, runtime.program(), s));
        let snippet = self.compile(text, here)?;
        let Some((expr, ty)) = snippet.value.as_ref().filter(|_| snippet.stmts.is_empty()) else {
            return Err(QueryError::Refused(NO_QUERY.into()));
        };
        let mut frame = vec![Value::None; snippet.slots as usize];
        match runtime.read(|engine| engine.evaluate_in(space, expr, &mut frame, caller)) {
            Ok(Ok(value)) => Ok((value, ty.clone())),
            Ok(Err(failure)) => Err(QueryError::Failed(failure)),
            Err(error) => Err(QueryError::Failed(Failure::new(FailureKind::Unavailable, error.message))),
        }
    }

    fn compile(&mut self, text: &str, here: Option<Home>) -> Result<Arc<Snippet>, QueryError> {
        let key = (text.to_string(), here);
        if let Some(snippet) = self.compiled.get(&key) {
            return Ok(snippet.clone());
        }
        let parsed = patternc_grammar::parse_statements(text);
        if let Some(error) = parsed.errors.first() {
            let help = error.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
            return Err(QueryError::Refused(format!("at character {}: {}{help}", column(text, error.span.start), error.message)));
        }
        if !matches!(&parsed.block.stmts[..], [Stmt { kind: StmtKind::Expr(value), .. }] if !matches!(value.kind, ExprKind::Create { .. }))
        {
            return Err(QueryError::Refused(NO_QUERY.into()));
        }
        let line = SourceFile::new(self.db, "query".into(), Arc::from(text));
        let checked = bodies::snippet(self.db, line, &parsed.block, Session::Query(here));
        if let Some(finding) = checked.diagnostics.iter().find(|d| d.level == Level::Error) {
            let help = finding.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
            return Err(QueryError::Refused(format!("{}{help}", finding.message)));
        }
        let snippet = Arc::new(lower::lower_snippet(&self.linker, &checked.body));
        self.compiled.insert(key, snippet.clone());
        Ok(snippet)
    }
}

/// The declaration of the space, as the checker knows it.
fn home(db: &Database, program: &Program, space: &SpaceRef) -> Option<Home> {
    let declared = &program.spaces[space.space.index()];
    for &file in Project::get(db).files(db) {
        for (index, head) in items(db, file).heads.iter().enumerate() {
            if matches!(head, ItemHead::Space { .. }) && head.name() == Some(declared.name) {
                let item = ItemId { file, index: index as u32 };
                return Some(if declared.key.is_some() { Home::Family(item) } else { Home::Plain(item) });
            }
        }
    }
    None
}

/// Counted from 1, in characters.
fn column(text: &str, byte: u32) -> usize {
    text.char_indices().take_while(|(at, _)| *at < byte as usize).count() + 1
}
