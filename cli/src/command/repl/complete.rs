//! Completion of commands, names, cells and handlers.

use std::path::Path;
use std::sync::Arc;

use patternc_compiler::bodies::methods_of;
use patternc_compiler::db::{Database, Project};
use patternc_compiler::ide::complete::{Scratch, complete};
use patternc_compiler::types::Ty;
use patternc_grammar::{LexemeKind, lexemes};
use patternc_program::{Field, Program, RecordId, Type};
use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::commands::COMMANDS;
use super::session::{declares, import};

/// What can be completed at the moment.
pub struct Known {
    pub program: Arc<Program>,
    /// Names bound at the prompt, with their types.
    pub variables: Vec<(String, Type)>,
    pub sessions: Vec<String>,
    /// The files of the project, with what was declared here: their paths and texts.
    pub files: Vec<(Box<str>, Arc<str>)>,
}

/// Words that begin a statement or declaration.
const WORDS: &[&str] = &[
    "let",
    "create",
    "for",
    "if",
    "match",
    "expect",
    "given",
    "advance",
    "hold",
    "crash",
    "reconcile",
    "as",
    "record",
    "space",
    "struct",
    "enum",
    "fn",
    "extern",
    "mirror",
    "invariant",
    "test",
];

impl Known {
    /// What can stand where the cursor is: where the word begins, and the words with what each is.
    pub fn candidates(&self, before: &str) -> (usize, Vec<(String, String)>) {
        if let Some((command, argument)) = before.trim_start().strip_prefix(':').and_then(|rest| rest.split_once(char::is_whitespace))
            && let Some(found) = self.arguments(command, argument.trim_start())
        {
            let argument = argument.trim_start();
            return (before.len() - argument.len(), matching(found, argument));
        }
        if declares(before) && before.trim_end().contains(char::is_whitespace) {
            return self.declared(before);
        }
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let word = &before[start..];
        let head = &before[..start];
        let found = match head.chars().last() {
            Some(':') if head.trim() == ":" => COMMANDS.iter().map(|command| (command.name.to_owned(), command.about.to_owned())).collect(),
            Some('.') => self.members(head.trim_end_matches(['.', '?'])),
            _ => self.fields(head).unwrap_or_else(|| self.names(head)),
        };
        (start, matching(found, word))
    }

    /// What can stand in a declaration, as in a file that imports all that is known here.
    fn declared(&self, before: &str) -> (usize, Vec<(String, String)>) {
        let mut db = Database::default();
        db.set_project(&self.files, None);
        let mut text: String = Project::get(&db).files(&db).iter().map(|file| import(&db, *file)).collect();
        let imports = text.len();
        text.push_str(before);
        let path: Box<str> = "declared-here.pattern".into();
        let files: Vec<_> = self.files.iter().cloned().chain([(path.clone(), text.as_str().into())]).collect();
        db.set_project(&files, None);
        let Some(file) = Project::get(&db).files(&db).iter().copied().find(|file| *file.path(&db) == path) else {
            return (before.len(), Vec::new());
        };
        let found = complete(&mut db, &mut Scratch::default(), file, text.len() as u32);
        let start = (found.replaced.start as usize).saturating_sub(imports).min(before.len());
        // As a file would import it, what is declared elsewhere is known here.
        let mut items = found.items;
        items.sort_by(|a, b| (a.rank, &a.label).cmp(&(b.rank, &b.label)));
        let typed = &before[start..];
        let fits = items.into_iter().filter(|item| item.label.starts_with(typed) && item.label != typed);
        (start, fits.map(|item| (item.label, item.detail.or(item.docs).unwrap_or_default())).collect())
    }

    /// What a command can be given; `None` if that is code.
    fn arguments(&self, command: &str, typed: &str) -> Option<Vec<(String, String)>> {
        let program = &self.program;
        let about = |what: &'static str| move |name: String| (name, what.to_owned());
        Some(match command {
            "records" => program.records.iter().map(|record| record.name.to_string()).map(about("record")).collect(),
            "effects" => {
                program.handlers.iter().map(|h| format!("{}.{}", program.record(h.record).name, h.name)).map(about("handler")).collect()
            }
            "show" | "history" => {
                let records = self.variables.iter().filter(|(_, ty)| matches!(ty, Type::Record(..)));
                records.map(|(name, ty)| (name.clone(), self.type_name(ty))).collect()
            }
            "session" => self.sessions.iter().cloned().map(about("session")).collect(),
            "deliver" => vec![("all".to_owned(), "everything that waits".to_owned())],
            "load" | "save" | "save!" => files(typed),
            _ => return None,
        })
    }

    /// The cells or fields of what is being written between braces, where one can begin.
    fn fields(&self, head: &str) -> Option<Vec<(String, String)>> {
        if !head.trim_end().ends_with(['{', ',']) {
            return None;
        }
        let all = lexemes(head);
        let mut depth = 0;
        let opening = all.iter().rposition(|lexeme| {
            match lexeme.kind {
                LexemeKind::Closing => depth += 1,
                LexemeKind::Opening => depth -= 1,
                _ => {}
            }
            depth < 0
        })?;
        let brace = all[opening].span;
        if brace.slice(head) != "{" {
            return None;
        }
        let of = all[..opening].iter().rev().find(|lexeme| lexeme.kind == LexemeKind::Type)?;
        let between = &head[of.span.end as usize..brace.start as usize];
        let name = of.span.slice(head);
        let written = &head[brace.end as usize..];
        let fresh = |field: &str| !written.contains(&format!("{field}:"));
        let created = head[..of.span.start as usize].trim_end().ends_with("create");
        if created && !between.contains(['{', '}']) {
            let record = self.program.record(self.program.record_named(name)?);
            let cells = record.cells.iter().filter(|cell| fresh(cell.name.as_str()));
            return Some(cells.map(|cell| (format!("{}: ", cell.name), self.type_name(&cell.ty))).collect());
        }
        let of = self.program.structs.iter().find(|of| of.name == name).filter(|_| between.trim().is_empty())?;
        let fields = of.fields.iter().filter(|field| fresh(field.name.as_str()));
        Some(fields.map(|field| (format!("{}: ", field.name), self.type_name(&field.ty))).collect())
    }

    /// Names that can begin an expression or statement.
    fn names(&self, head: &str) -> Vec<(String, String)> {
        let program = &self.program;
        let externs = || program.externs.iter().map(|of| (of.name.to_string(), "extern".to_owned()));
        match head.split_whitespace().next_back() {
            Some("given") => return externs().collect(),
            Some("reconcile") => return program.mirrors.iter().map(|of| (of.name.to_string(), "mirror".to_owned())).collect(),
            Some("create") => return program.records.iter().map(|of| (of.name.to_string(), "record".to_owned())).collect(),
            _ => {}
        }
        let mut names: Vec<(String, String)> = self.variables.iter().map(|(name, ty)| (name.clone(), self.type_name(ty))).collect();
        names.extend(program.records.iter().map(|record| (record.name.to_string(), "record".to_owned())));
        names.extend(program.structs.iter().map(|of| (of.name.to_string(), "struct".to_owned())));
        names.extend(program.enums.iter().map(|of| (of.name.to_string(), "enum".to_owned())));
        names.extend(program.spaces.iter().map(|space| (space.name.to_string(), "space".to_owned())));
        names.extend(WORDS.iter().map(|word| ((*word).to_owned(), String::new())));
        names
    }

    /// What can follow the `.` after a path of names; of any record where its type is not known.
    fn members(&self, path: &str) -> Vec<(String, String)> {
        let start = path.trim_end_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '?')).len();
        let path = path.get(start..).unwrap_or_default();
        if let Some(of) = self.program.enums.iter().find(|of| of.name == path) {
            return of.variants.iter().map(|variant| (variant.name.to_string(), "variant".to_owned())).collect();
        }
        if let Some(of) = self.program.externs.iter().find(|of| of.name == path) {
            return of.operations.iter().map(|operation| (operation.name.to_string(), self.params(&operation.params))).collect();
        }
        if self.program.record_named(path).is_some() {
            return vec![("all".to_owned(), "all of them".to_owned()), ("where".to_owned(), "those for which it holds".to_owned())];
        }
        match self.type_of(path) {
            Some(Type::Record(record, _)) => self.members_of(record),
            Some(Type::Struct(of, _)) => {
                let fields = &self.program.structs[of.index()].fields;
                fields.iter().map(|field| (field.name.to_string(), self.type_name(&field.ty))).collect()
            }
            Some(ty) => methods(&ty),
            None => (0..self.program.records.len()).flat_map(|record| self.members_of(RecordId(record as u32))).collect(),
        }
    }

    fn members_of(&self, record: RecordId) -> Vec<(String, String)> {
        let of = self.program.record(record);
        let cells = of.cells.iter().map(|cell| (cell.name.to_string(), self.type_name(&cell.ty)));
        let derived = of.derived.iter().map(|derived| (derived.name.to_string(), self.type_name(&derived.ty)));
        let handlers = of.handlers.iter().map(|handler| self.program.handler(*handler)).filter(|handler| !handler.internal);
        let sagas = of.sagas.iter().map(|saga| &self.program.sagas[saga.index()]).map(|saga| (saga.name, &saga.params));
        let calls = handlers.map(|handler| (handler.name, &handler.params)).chain(sagas);
        let calls = calls.map(|(name, params)| (name.to_string(), self.params(params)));
        let built_in = [("exists", "whether it was not deleted"), ("space", "where it is")];
        let built_in = built_in.into_iter().map(|(name, about)| (name.to_owned(), about.to_owned()));
        cells.chain(derived).chain(calls).chain(built_in).collect()
    }

    fn params(&self, params: &[Field]) -> String {
        let params: Vec<String> = params.iter().map(|p| format!("{}: {}", p.name, self.type_name(&p.ty))).collect();
        format!("({})", params.join(", "))
    }

    fn type_of(&self, path: &str) -> Option<Type> {
        let mut parts = path.split('.').map(|part| part.trim_end_matches('?'));
        let first = parts.next()?;
        let mut ty = self.variables.iter().find(|(name, _)| name == first)?.1.clone();
        for part in parts {
            while let Type::Optional(of) = ty {
                ty = *of;
            }
            ty = match ty {
                Type::Record(record, _) => {
                    let of = self.program.record(record);
                    let cell = of.cell_named(part).map(|cell| of.cells[cell.index()].ty.clone());
                    cell.or_else(|| of.derived_named(part).map(|derived| of.derived[derived.index()].ty.clone()))?
                }
                Type::Struct(of, _) => self.program.structs[of.index()].fields.iter().find(|field| field.name == part)?.ty.clone(),
                _ => return None,
            };
        }
        while let Type::Optional(of) = ty {
            ty = *of;
        }
        Some(ty)
    }

    fn type_name(&self, ty: &Type) -> String {
        let program = &self.program;
        match ty {
            Type::Optional(of) => format!("{}?", self.type_name(of)),
            Type::List(of) => format!("List<{}>", self.type_name(of)),
            Type::Set(of) => format!("Set<{}>", self.type_name(of)),
            Type::Map(key, of) => format!("Map<{}, {}>", self.type_name(key), self.type_name(of)),
            Type::Record(record, _) => program.record(*record).name.to_string(),
            Type::Struct(of, _) => program.structs[of.index()].name.to_string(),
            Type::Enum(of, _) => program.enums[of.index()].name.to_string(),
            other => format!("{other:?}"),
        }
    }
}

/// Those that begin with what was typed.
fn matching(mut found: Vec<(String, String)>, typed: &str) -> Vec<(String, String)> {
    found.retain(|(name, _)| name.starts_with(typed) && name != typed);
    found.sort();
    found.dedup_by(|a, b| a.0 == b.0);
    found
}

/// The methods of values that are no records.
fn methods(ty: &Type) -> Vec<(String, String)> {
    let any = || Arc::new(Ty::Int);
    let ty = match ty {
        Type::List(_) => Ty::List(any()),
        Type::Set(_) => Ty::Set(any()),
        Type::Map(..) => Ty::Map(any(), any()),
        Type::Text => Ty::Text,
        Type::Int => Ty::Int,
        Type::Float => Ty::Float,
        _ => return Vec::new(),
    };
    methods_of(&ty).iter().map(|method| (method.name().to_owned(), "method".to_owned())).collect()
}

/// Folders and files that can be loaded or saved to.
fn files(typed: &str) -> Vec<(String, String)> {
    let folder = typed.rfind('/').map_or("", |at| &typed[..=at]);
    let place = if folder.is_empty() { Path::new(".") } else { Path::new(folder) };
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let entries = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
        let is_folder = entry.file_type().is_ok_and(|ty| ty.is_dir());
        Some((format!("{folder}{name}{}", if is_folder { "/" } else { "" }), if is_folder { "folder" } else { "file" }.to_owned()))
    });
    entries.collect()
}

impl Completer for Known {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let (start, found) = self.candidates(&line[..pos]);
        let suggestions: Vec<Suggestion> = found
            .into_iter()
            .map(|(value, about)| Suggestion {
                value,
                description: (!about.is_empty()).then_some(about),
                span: Span::new(start, pos),
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

#[cfg(test)]
mod tests {
    use patternc_compiler::lower;

    use super::*;

    const TEXT: &str = "space home\nstruct Receipt { id: Text, amount: Int }\nextern payments { charge(amount: Int) -> Receipt idempotent }\n\
        record Person in home {\n  cell name: Text\n  cell likes: List<Text> = []\n  handler like(what: Text) { self.likes += what }\n  \
        internal handler hidden() { self.likes = [] }\n}\n";

    fn completed(before: &str) -> String {
        let mut db = Database::default();
        db.set_project(&[("people.pattern".to_owned(), TEXT.to_owned())], None);
        let program = Arc::new(lower::lower(&db));
        let record = program.record_named("Person").expect("it is declared");
        let variables = vec![("ada".to_owned(), Type::Record(record, patternc_program::Place::Any)), ("n".to_owned(), Type::Int)];
        let files = vec![("people.pattern".into(), TEXT.into())];
        let known = Known { program, variables, sessions: vec!["main".to_owned()], files };
        let (start, found) = known.candidates(before);
        let words: Vec<String> = found.into_iter().map(|(word, _)| word).collect();
        format!("{}|{}", &before[start..], words.join(" "))
    }

    #[test]
    fn what_fits_in_a_declaration_is_offered() {
        for (before, words) in [
            ("rec", "rec|reconcile record"),
            ("record Dog in h", "h|home"),
            ("record Dog in home {\n  cell by: Per", "Per|Person"),
            ("record Dog in home { cell a: Li", "Li|List"),
            ("record Dog in home {\n  ha", "ha|handler"),
            ("record Dog in home {\n  cell by: Person\n  handler go() { self.by.na", "na|name"),
            ("fn f(p: Person) -> Int { p.likes.le", "le|len"),
        ] {
            assert_eq!(completed(before), words, "{before:?}");
        }
    }

    #[test]
    fn what_fits_is_offered() {
        for (before, words) in [
            ("ad", "ad|ada advance"),
            ("adv", "adv|advance"),
            ("ada.", "|exists hidden like likes name space"),
            ("ada.likes.fi", "fi|filter find first"),
            ("given pay", "pay|payments"),
            ("given payments.", "|charge"),
            ("create P", "P|Person"),
            ("let x = create Person in home { ", "|likes:  name: "),
            ("let x = create Person in home { name: \"A\", l", "l|likes: "),
            ("Receipt { i", "i|id: "),
            ("create Person in home { name: a", "a|ada advance as"),
            ("if true { a", "a|ada advance as"),
            (":rec", "rec|records"),
            (":records ", "|Person"),
            (":effects Person.l", "Person.l|Person.like"),
            (":show a", "a|ada"),
            (":session m", "m|main"),
            (":watch ada.n", "n|name"),
            ("日本 ad", "ad|ada advance"),
        ] {
            // Internal handlers cannot be called from outside.
            assert_eq!(completed(before), words.replace(" hidden", ""), "{before:?}");
        }
    }
}
