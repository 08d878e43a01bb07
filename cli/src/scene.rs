//! Tests that are made up: records and values of a program, written as its language has them.

use std::fmt::Write as _;

use patternc_compiler::db::{Database, Project};
use patternc_grammar::syntax::ItemKind;
use patternc_program::{Home, Program, RecordId, SpaceId, Type};

/// Names for keys, in their order.
const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// Who writes values of a program's types.
pub struct Scene<'a> {
    pub db: &'a Database,
    pub program: &'a Program,
}

/// Says what a record is called; `None` if there is none of the type.
pub type Called<'c> = &'c dyn Fn(RecordId) -> Option<String>;

impl Scene<'_> {
    /// The `use` lines for every declaration of the project whose name stands in the text; empty lines for none.
    pub fn imports(&self, text: &str) -> String {
        let mut imports = String::new();
        for file in Project::get(self.db).files(self.db) {
            let items = patternc_grammar::parse(file.text(self.db)).file.items;
            let names = items.iter().filter_map(|item| match &item.kind {
                ItemKind::Space(it) => Some(it.name.name),
                ItemKind::Struct(it) => Some(it.name.name),
                ItemKind::Enum(it) => Some(it.name.name),
                ItemKind::Record(it) => Some(it.name.name),
                ItemKind::Extern(it) => Some(it.name.name),
                _ => None,
            });
            let names: Vec<String> = names.map(|name| name.to_string()).filter(|name| names_it(text, name)).collect();
            if !names.is_empty() {
                let _ = writeln!(imports, "use \"{}\" {{ {} }}", file.path(self.db), names.join(", "));
            }
        }
        imports
    }

    /// The space of the record of this number: each of a family is in one of its own, those that may be anywhere take turns.
    pub fn space(&self, of: RecordId, number: usize) -> Result<String, String> {
        match self.program.record(of).home {
            Home::Plain(space) => Ok(self.program.spaces[space.index()].name.to_string()),
            Home::Family(space) => self.family(space, number),
            Home::Floating => {
                let space = SpaceId((number % self.program.spaces.len().max(1)) as u32);
                match self.program.spaces.get(space.index()) {
                    Some(declared) if declared.key.is_none() => Ok(declared.name.to_string()),
                    Some(_) => self.family(space, number),
                    None => Err("there is no space for it".to_owned()),
                }
            }
        }
    }

    fn family(&self, space: SpaceId, number: usize) -> Result<String, String> {
        let declared = &self.program.spaces[space.index()];
        let key = declared.key.as_ref().ok_or("a space without keys is no family")?;
        Ok(format!("{}[{}]", declared.name, self.value(key, number, &|_| None)?))
    }

    /// A value of the type; those of different numbers differ where the type has room.
    pub fn value(&self, ty: &Type, number: usize, called: Called<'_>) -> Result<String, String> {
        let fields = |fields: &[patternc_program::Field], named: bool| -> Result<String, String> {
            let one = |field: &patternc_program::Field| {
                let value = self.value(&field.ty, number, called)?;
                Ok(if named { format!("{}: {value}", field.name) } else { value })
            };
            Ok(fields.iter().map(one).collect::<Result<Vec<_>, String>>()?.join(", "))
        };
        Ok(match ty {
            Type::Bool => "true".to_owned(),
            Type::Int => (number + 1).to_string(),
            Type::Float => format!("{number}.5"),
            Type::Text => format!("\"{}\"", name(number)),
            Type::Duration => "1m".to_owned(),
            Type::Optional(_) => "none".to_owned(),
            Type::List(_) => "[]".to_owned(),
            Type::Set(_) => "Set[]".to_owned(),
            Type::Map(..) => "Map[]".to_owned(),
            Type::Struct(of, _) => {
                let declared = &self.program.structs[of.index()];
                format!("{} {{ {} }}", declared.name, fields(&declared.fields, true)?)
            }
            Type::Enum(of, _) => {
                let declared = &self.program.enums[of.index()];
                let variant = declared.variants.first().ok_or("an enum without variants has no value")?;
                self.variant(&declared.name, variant, &fields(&variant.fields, true)?)
            }
            Type::Record(of, _) => {
                called(*of).ok_or_else(|| format!("it needs a {} that it does not say", self.program.record(*of).name))?
            }
            _ => return Err("it needs a value that cannot be made up".to_owned()),
        })
    }

    /// A variant with these fields.
    pub fn variant(&self, of: &str, variant: &patternc_program::Variant, fields: &str) -> String {
        if fields.is_empty() { format!("{of}.{}", variant.name) } else { format!("{of}.{}({fields})", variant.name) }
    }
}

/// The name of this number: `a`, `b`, …
pub fn name(number: usize) -> String {
    match NAMES.get(number) {
        Some(name) => (*name).to_owned(),
        None => format!("n{number}"),
    }
}

/// Whether a text has the name as a word.
fn names_it(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}
