//! What is known about the name at a place.

use patternc_grammar::syntax::Span;
use patternc_program::Method;

use super::cursor::around;
use super::definition::Definition;
use super::describe::{body_of, effect_lines, headline, place_of, type_name};
use super::names::{names, record_at, types};
use super::words;
use crate::bodies::bodies;
use crate::db::{Db, SourceFile};
use crate::effects::{self, Effects};
use crate::hir::{Body, LocalKind};
use crate::resolve::item_name;
use crate::rules;
use crate::signature::{Home, cell_sig};
use crate::types::{CellId, ItemId, Place, Ty};

/// What is said about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub span: Span,
    /// Markdown.
    pub text: String,
}

/// What is known about the name or expression at `at`.
pub fn hover(db: &dyn Db, file: SourceFile, at: u32) -> Option<Hover> {
    if let Some(reference) = names(db, file).at(at) {
        return Some(Hover { span: reference.span, text: about(db, reference.to)? });
    }
    rule(db, file, at).or_else(|| self_word(db, file, at)).or_else(|| word(db, file, at)).or_else(|| expression(db, file, at))
}

/// A word of the language, or the name of a built-in method.
fn word(db: &dyn Db, file: SourceFile, at: u32) -> Option<Hover> {
    let text = file.text(db);
    let span = word_at(text, at).filter(|span| !around(text, span.start as usize).in_words)?;
    let (before, name, behind) = (&text[..span.start as usize], span.slice(text), text[span.end as usize..].trim_start());
    let word = if before.ends_with('.') {
        words::built_in_method(Method::named(name).filter(|_| behind.starts_with('('))?)
    } else {
        words::word(name, behind.starts_with('{'))?
    };
    // A call has a type of its own, and so has a value.
    let gives = expression(db, file, at).filter(|_| behind.starts_with('(') || matches!(name, "true" | "false" | "none"));
    let gives = gives.map_or_else(String::new, |hover| format!("\n\nHere:\n\n{}", hover.text));
    Some(Hover { span, text: format!("{}\n\n{}{gives}", code(&word.form), word.what) })
}

/// What is known about a definition, as Markdown.
pub fn about(db: &dyn Db, definition: Definition) -> Option<String> {
    let mut text = match definition {
        Definition::Local { file, span } => return local(db, file, span),
        Definition::File(file) => return Some(format!("`{}`", file.path(db))),
        definition => code(&headline(db, definition)?),
    };
    if let Some(docs) = definition.docs(db) {
        text.push_str("\n\n");
        text.push_str(docs);
    }
    let typed = match definition {
        Definition::Cell(id) => cell_sig(db, id).map(|sig| &sig.ty),
        _ => None,
    };
    if let Some(place) = typed.and_then(|ty| place_of(db, None, ty)) {
        text.push_str(&format!("\n\nThe record is {place}."));
    }
    if let Definition::Cell(id) = definition
        && cell_sig(db, id).is_some_and(|sig| !sig.derived)
    {
        text.push_str(&format!("\n\n{}", kept(db, id)));
    }
    if let Some(body) = body_of(db, definition) {
        let lines = effect_lines(db, body);
        if !lines.is_empty() {
            text.push_str("\n\n");
            text.push_str(&lines.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n"));
        }
    }
    Some(text)
}

/// Where a cell is kept, and who writes it, as far as its own file says.
fn kept(db: &dyn Db, cell: CellId) -> String {
    let space = match crate::resolve::home(db, cell.record) {
        Home::Plain(space) => format!("Kept in `{}`", item_name(db, space)),
        Home::Family(space) => format!("Kept in a space of `{}`", item_name(db, space)),
        Home::Floating => "Kept in the space of its record".to_owned(),
    };
    let writes = |piece: &&Effects| piece.writes.iter().any(|write| write.cell == Some(cell) && write.path.is_empty());
    let writes_it = |owner| effects::own(db, owner).is_some_and(|body| body.own.pieces().iter().any(writes));
    let mut writers: Vec<String> = Vec::new();
    for body in &bodies(db, cell.record.file).bodies {
        let name = format!("`{}`", effects::describe::body_name(db, body.owner));
        if writes_it(body.owner) && !writers.contains(&name) {
            writers.push(name);
        }
    }
    match &writers[..] {
        [] => format!("{space}."),
        writers => format!("{space}, written by {}.", writers.join(", ")),
    }
}

fn local(db: &dyn Db, file: SourceFile, span: Span) -> Option<String> {
    let (owner, id) = names(db, file).local(span)?;
    let body = bodies(db, file).get(owner)?;
    let local = body.locals.get(id.0 as usize)?;
    let word = match local.kind {
        LocalKind::Let => "let ",
        LocalKind::Step => "step ",
        LocalKind::Param | LocalKind::Bound | LocalKind::LambdaParam | LocalKind::Outcome => "",
    };
    Some(typed(db, Some(body), &format!("{word}{}", local.name), &local.ty))
}

/// A name with its type and where it is.
fn typed(db: &dyn Db, body: Option<&Body>, name: &str, ty: &Ty) -> String {
    let mut text = code(&format!("{name}: {}", type_name(db, ty)));
    if let Some(place) = place_of(db, body, ty) {
        text.push_str(&format!("\n\n{}{}.", place[..1].to_uppercase(), &place[1..]));
    }
    text
}

fn self_word(db: &dyn Db, file: SourceFile, at: u32) -> Option<Hover> {
    let span = word_at(file.text(db), at).filter(|span| span.slice(file.text(db)) == "self")?;
    let record = record_at(db, file, at)?;
    let home = crate::resolve::home(db, record);
    let place = match home {
        crate::signature::Home::Plain(space) => Place::Plain(space),
        _ => Place::Here,
    };
    let ty = Ty::Record(record, place);
    let body = bodies(db, file).bodies.iter().find(|body| body.span.start <= at && at <= body.span.end);
    Some(Hover { span, text: typed(db, body.map(|body| &**body), "self", &ty) })
}

/// The name of a rule in an `@allow`.
fn rule(db: &dyn Db, file: SourceFile, at: u32) -> Option<Hover> {
    let text = file.text(db);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let before = text.get(..at as usize)?;
    let start = before.len() - before.chars().rev().take_while(|c| is_part(*c)).count();
    let end = at as usize + text[at as usize..].chars().take_while(|c| is_part(*c)).count();
    if !text[..start].ends_with("@allow(") {
        return None;
    }
    let rule = rules::named(&text[start..end])?;
    Some(Hover { span: Span::new(start, end), text: format!("**{}** ({}): {}", rule.name, rule.level.name(), rule.summary) })
}

/// The innermost expression at a place that is no name: its type.
fn expression(db: &dyn Db, file: SourceFile, at: u32) -> Option<Hover> {
    let types = types(db, file);
    let (span, ty) = types.iter().filter(|(span, _)| span.start <= at && at < span.end).min_by_key(|(span, _)| span.end - span.start)?;
    if matches!(ty, Ty::Error | Ty::Unknown | Ty::Unit) {
        return None;
    }
    let body = bodies(db, file).bodies.iter().find(|body| body.span.start <= at && at <= body.span.end);
    Some(Hover { span: *span, text: typed(db, body.map(|body| &**body), "_", ty).replacen("_: ", "", 1) })
}

fn code(line: &str) -> String {
    format!("```pattern\n{line}\n```")
}

/// The word around a place.
pub(super) fn word_at(text: &str, at: u32) -> Option<Span> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let bytes = text.as_bytes();
    let at = (at as usize).min(bytes.len());
    let start = at - bytes[..at].iter().rev().take_while(|b| is_part(b)).count();
    let end = at + bytes[at..].iter().take_while(|b| is_part(b)).count();
    (start < end).then(|| Span::new(start, end))
}

/// The declaration of the type of the name or expression at a place: the record, struct or enum that it is, or is a collection of.
pub fn type_at(db: &dyn Db, file: SourceFile, at: u32) -> Option<ItemId> {
    let of_local = |file: SourceFile, span: Span| {
        let (owner, id) = names(db, file).local(span)?;
        Some(bodies(db, file).get(owner)?.locals.get(id.0 as usize)?.ty.clone())
    };
    let ty = match names(db, file).at(at).map(|reference| reference.to) {
        Some(Definition::Local { file, span }) => of_local(file, span)?,
        Some(Definition::Cell(cell)) => crate::signature::cell_sig(db, cell)?.ty.clone(),
        Some(Definition::Item(item)) => return Some(item),
        _ => {
            let types = types(db, file);
            let around = types.iter().filter(|(span, _)| span.start <= at && at <= span.end);
            (*around.min_by_key(|(span, _)| span.end - span.start)?.1).clone()
        }
    };
    named(&ty)
}

fn named(ty: &Ty) -> Option<ItemId> {
    match ty {
        Ty::Record(id, _) | Ty::Struct(id, _) | Ty::Enum(id, _) => Some(*id),
        Ty::List(inner) | Ty::Set(inner) | Ty::Optional(inner) | Ty::Map(_, inner) => named(inner),
        _ => None,
    }
}
