//! The call around a place.

use super::cursor::around;
use super::definition::Definition;
use super::describe::{headline, params, type_name};
use super::names::names;
use crate::db::{Db, SourceFile};
use crate::signature::{ParamSig, enum_sig, fn_sig, handler_sig, operation_sig};

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

/// The innermost call whose arguments are around `at`.
pub fn call_at(db: &dyn Db, file: SourceFile, at: u32) -> Option<Call> {
    let text = file.text(db);
    let around = around(text, at as usize);
    // A block inside the arguments, such as that of a lambda, is not of the call any more.
    let open = around.open.iter().rev().take_while(|open| open.bracket != b'{').find(|open| open.bracket == b'(')?;
    let meant = names(db, file).at(open.at as u32).filter(|reference| reference.span.end as usize == open.at)?.to;
    let declared = params_of(db, meant)?;
    let shown = declared.iter().map(|param| format!("{}: {}", param.name, type_name(db, &param.ty))).collect();
    let label = headline(db, meant).unwrap_or_else(|| params(db, &declared));
    Some(Call { label, params: shown, active: open.commas, docs: meant.docs(db).map(str::to_owned) })
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
