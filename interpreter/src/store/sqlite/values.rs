//! Values of columns, as SQLite gives and takes them.

use rusqlite::types::{ToSql, ToSqlOutput, Value as SqlValue, ValueRef};

use crate::store::format::load::LoadError;
use crate::store::format::native::{Native, NativeRef};

impl ToSql for Native {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Native::Null => ToSqlOutput::Owned(SqlValue::Null),
            Native::Integer(n) => ToSqlOutput::Owned(SqlValue::Integer(*n)),
            Native::Real(x) => ToSqlOutput::Owned(SqlValue::Real(*x)),
            Native::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// What a column holds.
pub(super) fn native(column: ValueRef<'_>) -> Result<NativeRef<'_>, LoadError> {
    Ok(match column {
        ValueRef::Null => NativeRef::Null,
        ValueRef::Integer(n) => NativeRef::Integer(n),
        ValueRef::Real(x) => NativeRef::Real(x),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text);
            NativeRef::Text(text.map_err(|error| LoadError::Damaged(format!("a text that is not UTF-8: {error}")))?)
        }
        ValueRef::Blob(_) => return Err(LoadError::Damaged("a column holds a BLOB, which no value is".to_owned())),
    })
}
