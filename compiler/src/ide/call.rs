//! The call around a place.

use patternc_program::Method;

use super::cursor::{Open, around};
use super::definition::Definition;
use super::describe::{headline, params, type_name};
use super::names::{names, present, types};
use super::words::{Word, built_in_function, built_in_method};
use crate::bodies::methods_of;
use crate::db::{Db, SourceFile};
use crate::resolve::scope;
use crate::signature::{ParamSig, enum_sig, fn_sig, handler_sig, operation_sig, record_sig};

/// A call that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The declaration that is called, in one line.
    pub label: String,
    /// Its parameters, as they stand in the label.
    pub params: Vec<String>,
    /// Which of them is being written.
    pub active: usize,
    pub docs: Option<String>,
}

/// The innermost call whose arguments are around `at`, or the `create` whose cells are.
pub fn call_at(db: &dyn Db, file: SourceFile, at: u32) -> Option<Call> {
    let text = file.text(db);
    let around = around(text, at as usize);
    for open in around.open.iter().rev() {
        match open.bracket {
            b'(' => return call(db, file, open),
            // A block inside the arguments, such as that of a lambda, is not of the call any more.
            b'{' => return creation(db, file, open, &text[open.at + 1..at as usize]),
            _ => {}
        }
    }
    None
}

fn call(db: &dyn Db, file: SourceFile, open: &Open) -> Option<Call> {
    let meant = names(db, file).at(open.at as u32).filter(|reference| reference.span.end as usize == open.at).map(|reference| reference.to);
    let Some(meant) = meant else { return built_in(db, file, open) };
    let declared = params_of(db, meant)?;
    let shown = declared.iter().map(|param| format!("{}: {}", param.name, type_name(db, &param.ty))).collect();
    let label = headline(db, meant).unwrap_or_else(|| params(db, &declared));
    Some(Call { label, params: shown, active: open.commas, docs: meant.docs(db).map(str::to_owned) })
}

/// A method of a value, or a function that the language has.
fn built_in(db: &dyn Db, file: SourceFile, open: &Open) -> Option<Call> {
    let before = &file.text(db)[..open.at];
    let start = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
    let name = &before[start..];
    let Some(base) = before[..start].strip_suffix('.') else {
        let Word { form, what } = built_in_function(name)?;
        return Some(built_in_signature(form, what, open.commas));
    };
    let end = base.strip_suffix('?').unwrap_or(base).len() as u32;
    // Where the call cannot be understood yet, its value may have no type.
    let ty = types(db, file).into_iter().find(|(span, _)| span.end == end).map(|(_, ty)| present(ty));
    let method = Method::named(name).filter(|method| ty.is_none_or(|ty| methods_of(ty).contains(method)))?;
    let Word { form, what } = built_in_method(method);
    Some(built_in_signature(form, what, open.commas))
}

fn built_in_signature(label: String, what: &str, commas: usize) -> Call {
    let inside = label.find('(').map_or("", |open| &label[open + 1..label.len() - 1]);
    let mut depth = 0;
    let params = inside.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    let params = params.map(|param| param.trim().to_owned()).filter(|param| !param.is_empty()).collect();
    Call { label, params, active: commas, docs: Some(what.to_owned()) }
}

/// The cells of a record that is created, the one that is being written foremost.
fn creation(db: &dyn Db, file: SourceFile, open: &Open, inside: &str) -> Option<Call> {
    let before = &file.text(db)[..open.at];
    let line = &before[before.rfind(['\n', '{', '}', ';']).map_or(0, |newline| newline + 1)..];
    let name = line[line.rfind("create ")? + "create ".len()..].split_whitespace().next()?;
    let record = scope(db, file).lookup(name.into())?;
    let sig = record_sig(db, record)?;
    let cells: Vec<_> = sig.cells.iter().filter(|cell| !cell.derived).collect();
    let params: Vec<String> = cells.iter().map(|cell| format!("{}: {}", cell.name, type_name(db, &cell.ty))).collect();
    let piece = inside.rsplit(',').next().unwrap_or_default();
    let written = piece.split(':').next().unwrap_or_default().trim();
    let given = |cell: &str| inside.split(',').any(|piece| piece.split(':').next().is_some_and(|name| name.trim() == cell));
    let named = cells.iter().position(|cell| !written.is_empty() && cell.name.as_str().starts_with(written));
    let active = named.or_else(|| cells.iter().position(|cell| !given(cell.name.as_str()))).unwrap_or(cells.len());
    let docs = Definition::Item(record).docs(db).map(str::to_owned);
    Some(Call { label: format!("create {name} {{ {} }}", params.join(", ")), params, active, docs })
}

/// The parameters of what can be called.
pub(super) fn params_of(db: &dyn Db, meant: Definition) -> Option<Vec<ParamSig>> {
    Some(match meant {
        Definition::Handler(id) => handler_sig(db, id)?.params.to_vec(),
        Definition::Operation(id) => operation_sig(db, id)?.params.to_vec(),
        Definition::Item(id) => fn_sig(db, id)?.params.to_vec(),
        Definition::Variant { of, index } => enum_sig(db, of)?.variants.get(index as usize)?.fields.to_vec(),
        _ => return None,
    })
}
