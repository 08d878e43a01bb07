//! The declarations of a file, what can be folded, its tests.

use patternc_grammar::syntax::{ItemKind, MemberKind, Span};

use super::cursor::{Piece, pieces};
use super::definition::member_name;
use crate::db::{Db, SourceFile};
use crate::items::parsed;

/// What kind of thing a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    Space,
    Struct,
    Enum,
    Variant,
    Field,
    Record,
    Cell,
    Derived,
    Create,
    Handler,
    Saga,
    Fn,
    Extern,
    Operation,
    Mirror,
    Invariant,
    Test,
}

/// A declaration, with those inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    pub kind: SymbolKind,
    /// All of it.
    pub span: Span,
    /// Its name.
    pub name_span: Span,
    pub children: Vec<Symbol>,
}

impl Symbol {
    fn new(name: impl Into<String>, kind: SymbolKind, span: Span, name_span: Span) -> Self {
        Symbol { name: name.into(), kind, span, name_span, children: Vec::new() }
    }
}

/// The declarations of a file, in the order of the text.
pub fn symbols(db: &dyn Db, file: SourceFile) -> Vec<Symbol> {
    let items = &parsed(db, file).file.items;
    items
        .iter()
        .filter_map(|item| {
            let (name, kind) = match &item.kind {
                ItemKind::Use(_) => return None,
                ItemKind::Space(it) => (it.name, SymbolKind::Space),
                ItemKind::Struct(it) => (it.name, SymbolKind::Struct),
                ItemKind::Enum(it) => (it.name, SymbolKind::Enum),
                ItemKind::Record(it) => (it.name, SymbolKind::Record),
                ItemKind::Fn(it) => (it.name, SymbolKind::Fn),
                ItemKind::Extern(it) => (it.name, SymbolKind::Extern),
                ItemKind::Mirror(it) => (it.name, SymbolKind::Mirror),
                ItemKind::Invariant(it) => (it.name, SymbolKind::Invariant),
                ItemKind::Test(it) => return Some(Symbol::new(&*it.name.value, SymbolKind::Test, item.span, it.name.span)),
            };
            let mut symbol = Symbol::new(name.name.as_str(), kind, item.span, name.span);
            symbol.children = children(&item.kind);
            Some(symbol)
        })
        .collect()
}

fn children(item: &ItemKind) -> Vec<Symbol> {
    match item {
        ItemKind::Struct(it) => {
            it.fields.iter().map(|field| Symbol::new(field.name.name.as_str(), SymbolKind::Field, field.span, field.name.span)).collect()
        }
        ItemKind::Enum(it) => {
            it.variants.iter().map(|one| Symbol::new(one.name.name.as_str(), SymbolKind::Variant, one.span, one.name.span)).collect()
        }
        ItemKind::Extern(it) => {
            it.operations.iter().map(|one| Symbol::new(one.name.name.as_str(), SymbolKind::Operation, one.span, one.name.span)).collect()
        }
        ItemKind::Record(it) => it
            .members
            .iter()
            .map(|member| {
                let kind = match &member.kind {
                    MemberKind::Cell(_) => SymbolKind::Cell,
                    MemberKind::Derived(_) => SymbolKind::Derived,
                    MemberKind::Create(_) => SymbolKind::Create,
                    MemberKind::Handler(_) => SymbolKind::Handler,
                    MemberKind::Saga(_) => SymbolKind::Saga,
                };
                let start = member.span.start;
                let word = Span { start, end: start + "create".len() as u32 };
                match member_name(member) {
                    Some(name) => Symbol::new(name.name.as_str(), kind, member.span, name.span),
                    None => Symbol::new("create", kind, member.span, word),
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A `test` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    pub name: String,
    pub span: Span,
}

/// The tests of a file.
pub fn tests(db: &dyn Db, file: SourceFile) -> Vec<Test> {
    let items = &parsed(db, file).file.items;
    let tests = items.iter().filter_map(|item| match &item.kind {
        ItemKind::Test(it) => Some(Test { name: it.name.value.to_string(), span: item.span }),
        _ => None,
    });
    tests.collect()
}

/// What can be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// From the end of what stays to be seen to the end of what is hidden.
    pub span: Span,
    pub is_comment: bool,
}

/// What can be folded: brackets over several lines, and comments over several lines.
pub fn folds(db: &dyn Db, file: SourceFile) -> Vec<Fold> {
    let text = file.text(db);
    let mut folds = Vec::new();
    // The comment lines so far, one directly below the other.
    let mut run: Option<(usize, usize)> = None;
    let end_run = |run: &mut Option<(usize, usize)>, folds: &mut Vec<Fold>| {
        if let Some((start, end)) = run.take()
            && text[start..end].contains('\n')
        {
            folds.push(Fold { span: Span::new(start, end), is_comment: true });
        }
    };
    for piece in pieces(text) {
        match piece {
            Piece::Brackets(start, end) => {
                if text[start..end].contains('\n') {
                    folds.push(Fold { span: Span::new(start + 1, end), is_comment: false });
                }
            }
            Piece::Comment(start, end) => {
                let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
                let alone = text[line_start..start].trim().is_empty();
                match &mut run {
                    Some((_, last)) if alone && text[*last..start].trim().is_empty() && text[*last..start].matches('\n').count() == 1 => {
                        *last = end;
                    }
                    _ => {
                        end_run(&mut run, &mut folds);
                        run = alone.then_some((start, end));
                    }
                }
            }
        }
    }
    end_run(&mut run, &mut folds);
    folds.sort_by_key(|fold| (fold.span.start, fold.span.end));
    folds
}
