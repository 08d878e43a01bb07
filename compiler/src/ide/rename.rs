//! Another name for a declaration, everywhere at once.

use patternc_grammar::syntax::Span;
use ustr::ustr;

use super::definition::Definition;
use super::names::{Access, names, references};
use crate::config::{SpacePattern, config};
use crate::db::{Db, Project, SourceFile};
use crate::diagnostic::Edit;
use crate::items::{ItemHead, head};
use crate::resolve::{is_built_in, scope};
use crate::signature::{enum_sig, extern_sig, record_sig, struct_sig};

/// Why a name cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// The name at a place, if it can be changed: where it stands, and what it is.
pub fn can_rename(db: &dyn Db, file: SourceFile, at: u32) -> Option<(Span, Definition)> {
    let reference = names(db, file).at(at)?;
    (!matches!(reference.to, Definition::File(_))).then_some((reference.span, reference.to))
}

/// The edits that give `definition` the name `new`, in all files of the project.
///
/// # Errors
///
/// `new` is no name, a word of the language, cased wrongly, or means something else where the old name is used.
pub fn rename(db: &dyn Db, definition: Definition, new: &str) -> Result<Vec<Edit>, Refused> {
    let refuse = |reason: String| Err(Refused(reason));
    let Some(old) = definition.name(db) else { return refuse("this has no name of its own".into()) };
    if old == new {
        return Ok(Vec::new());
    }
    well_formed(new, definition.is_type(db))?;
    if let Some(taken) = sibling(db, definition, new) {
        return refuse(taken);
    }
    let uses = references(db, definition);
    match definition {
        Definition::Item(id) => {
            if is_built_in(ustr(new)) {
                return refuse(format!("`{new}` is a type of the language"));
            }
            let mut files: Vec<SourceFile> = uses.iter().map(|(file, _)| *file).collect();
            files.dedup();
            for file in files {
                if scope(db, file).lookup(ustr(new)).is_some_and(|other| other != id) {
                    return refuse(format!("`{new}` means something else in {}", file.path(db)));
                }
                if declares_local(db, file, new).is_some() {
                    return refuse(format!("a local `{new}` in {} would hide it there", file.path(db)));
                }
            }
            if let Some(what) = deployed(db, definition, &old) {
                return refuse(format!("patternc.yaml says where the {what} `{old}` is kept; change it there first"));
            }
        }
        Definition::Local { file, span } => {
            if scope(db, file).lookup(ustr(new)).is_some() {
                return refuse(format!("`{new}` means something in this file already, and would be hidden"));
            }
            let owner = names(db, file).local(span).map(|(owner, _)| owner);
            let same_body = |other: Span| names(db, file).local(other).map(|(owner, _)| owner) == owner;
            if declares_locals(db, file, new).any(same_body) {
                return refuse(format!("there is a `{new}` here already; one would hide the other"));
            }
        }
        _ => {}
    }
    Ok(uses.into_iter().map(|(file, reference)| Edit { file, span: reference.span, text: new.to_owned() }).collect())
}

/// Whether `new` can be a name at all.
fn well_formed(new: &str, is_type: bool) -> Result<(), Refused> {
    let letters = !new.is_empty() && new.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !new.as_bytes()[0].is_ascii_digit();
    let upper = new.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
    let reason = if !letters {
        format!("`{new}` is no name: a name has letters, digits and `_`, and begins with no digit")
    } else if patternc_grammar::is_reserved(new) {
        format!("`{new}` is a word of the language")
    } else if is_type && (!upper || new.contains('_')) {
        format!("a type is written in UpperCamel, which `{new}` is not")
    } else if !is_type && new.bytes().any(|b| b.is_ascii_uppercase()) {
        format!("only types have capital letters: write `{}`", patternc_grammar::lower_snake(new))
    } else {
        return Ok(());
    };
    Err(Refused(reason))
}

/// What is already called so beside the definition.
fn sibling(db: &dyn Db, definition: Definition, new: &str) -> Option<String> {
    let name = ustr(new);
    let taken = |what: &str, of: &str| Some(format!("`{of}` has {what} `{new}` already"));
    match definition {
        Definition::Cell(crate::types::CellId { record, .. }) | Definition::Handler(crate::types::HandlerId { record, .. }) => {
            let sig = record_sig(db, record)?;
            if sig.cell(name).is_some() {
                return taken("a cell", &sig.name);
            }
            sig.handler(name)?;
            taken("a handler", &sig.name)
        }
        Definition::Field { of, .. } => {
            let sig = struct_sig(db, of)?;
            sig.fields.iter().find(|field| field.name == name)?;
            taken("a field", &sig.name)
        }
        Definition::Variant { of, .. } => {
            let sig = enum_sig(db, of)?;
            sig.variants.iter().find(|variant| variant.name == name)?;
            taken("a variant", &sig.name)
        }
        Definition::Payload { of, variant, .. } => {
            let sig = enum_sig(db, of)?.variants.get(variant as usize)?;
            sig.fields.iter().find(|field| field.name == name)?;
            taken("a field", &sig.name)
        }
        Definition::Operation(operation) => {
            let sig = extern_sig(db, operation.of)?;
            sig.operations.iter().find(|operation| operation.name == name)?;
            taken("an operation", &sig.name)
        }
        Definition::Item(id) => {
            let other = crate::items::items(db, id.file).named(name)?;
            let what = crate::items::items(db, id.file).heads.get(other as usize).map_or("something", ItemHead::describe);
            Some(format!("{} declares {what} `{new}` already", id.file.path(db)))
        }
        Definition::Local { .. } | Definition::File(_) => None,
    }
}

fn declares_local(db: &dyn Db, file: SourceFile, name: &str) -> Option<Span> {
    declares_locals(db, file, name).next()
}

fn declares_locals<'a>(db: &'a dyn Db, file: SourceFile, name: &'a str) -> impl Iterator<Item = Span> + 'a {
    let locals = names(db, file)
        .references
        .iter()
        .filter(|reference| reference.access == Access::Declares && matches!(reference.to, Definition::Local { .. }));
    locals.map(|reference| reference.span).filter(move |span| span.slice(file.text(db)) == name)
}

/// What `patternc.yaml` names of a definition: a space or extern.
fn deployed(db: &dyn Db, definition: Definition, old: &str) -> Option<&'static str> {
    let Definition::Item(id) = definition else { return None };
    Project::try_get(db)?.config(db)?;
    let deployments = &config(db).deployments;
    match head(db, id)? {
        ItemHead::Space { .. } => deployments
            .values()
            .any(|deployment| {
                deployment
                    .spaces
                    .keys()
                    .any(|pattern| matches!(pattern, SpacePattern::Plain(name) | SpacePattern::Family(name) if *name == old))
            })
            .then_some("space"),
        ItemHead::Extern { .. } => deployments.values().any(|deployment| deployment.externs.contains_key(old)).then_some("extern"),
        _ => None,
    }
}
