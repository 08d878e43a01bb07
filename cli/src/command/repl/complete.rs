//! Completion of commands, names, cells and handlers.

use std::sync::Arc;

use patternc_program::{Program, RecordId, Type};
use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::commands::COMMANDS;

/// What can be completed at the moment.
pub struct Known {
    pub program: Arc<Program>,
    /// Names bound at the prompt, with their types.
    pub variables: Vec<(String, Type)>,
}

/// Words that begin a statement.
const WORDS: &[&str] =
    &["let", "create", "delete", "for", "if", "match", "expect", "record", "space", "struct", "enum", "fn", "test", "invariant"];

impl Known {
    /// What can stand where the cursor is: where the word begins, and the words with what each is.
    pub fn candidates(&self, before: &str) -> (usize, Vec<(String, String)>) {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let word = &before[start..];
        let head = &before[..start];
        let mut found = match head.chars().last() {
            Some(':') if head.trim() == ":" => COMMANDS.iter().map(|command| (command.name.to_owned(), command.about.to_owned())).collect(),
            Some('.') => self.members(head.trim_end_matches(['.', '?'])),
            _ => self.names(),
        };
        found.retain(|(name, _)| name.starts_with(word) && name != word);
        found.sort();
        found.dedup_by(|a, b| a.0 == b.0);
        (start, found)
    }

    /// Names that can begin an expression or statement.
    fn names(&self) -> Vec<(String, String)> {
        let mut names: Vec<(String, String)> = self.variables.iter().map(|(name, ty)| (name.clone(), self.type_name(ty))).collect();
        let program = &self.program;
        names.extend(program.records.iter().map(|record| (record.name.to_string(), "record".to_owned())));
        names.extend(program.structs.iter().map(|of| (of.name.to_string(), "struct".to_owned())));
        names.extend(program.enums.iter().map(|of| (of.name.to_string(), "enum".to_owned())));
        names.extend(program.spaces.iter().map(|space| (space.name.to_string(), "space".to_owned())));
        names.extend(WORDS.iter().map(|word| ((*word).to_owned(), String::new())));
        names
    }

    /// What can follow the `.` after a path of names; of any record where its type is not known.
    fn members(&self, path: &str) -> Vec<(String, String)> {
        let start = path.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '?'))).map_or(0, |at| at + 1);
        let path = path.get(start..).unwrap_or_default();
        if let Some(of) = self.program.enums.iter().find(|of| of.name == path) {
            return of.variants.iter().map(|variant| (variant.name.to_string(), "variant".to_owned())).collect();
        }
        match self.type_of(path) {
            Some(Type::Record(record, _)) => self.members_of(record),
            Some(Type::Struct(of, _)) => {
                let fields = &self.program.structs[of.index()].fields;
                fields.iter().map(|field| (field.name.to_string(), self.type_name(&field.ty))).collect()
            }
            Some(_) => Vec::new(),
            None => (0..self.program.records.len()).flat_map(|record| self.members_of(RecordId(record as u32))).collect(),
        }
    }

    fn members_of(&self, record: RecordId) -> Vec<(String, String)> {
        let of = self.program.record(record);
        let cells = of.cells.iter().map(|cell| (cell.name.to_string(), self.type_name(&cell.ty)));
        let derived = of.derived.iter().map(|derived| (derived.name.to_string(), self.type_name(&derived.ty)));
        let handlers = of.handlers.iter().map(|handler| self.program.handler(*handler)).filter(|handler| !handler.internal);
        let sagas = of.sagas.iter().map(|saga| &self.program.sagas[saga.index()]).map(|saga| (saga.name, &saga.params));
        let calls = handlers.map(|handler| (handler.name, &handler.params)).chain(sagas).map(|(name, params)| {
            let params: Vec<String> = params.iter().map(|p| format!("{}: {}", p.name, self.type_name(&p.ty))).collect();
            (name.to_string(), format!("({})", params.join(", ")))
        });
        cells.chain(derived).chain(calls).collect()
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
