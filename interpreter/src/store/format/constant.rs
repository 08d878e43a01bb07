//! Values of defaults that need no run.

use std::sync::Arc;

use patternc_program::{Body, Code, Expr};

use crate::value::Value;

/// The value of a body that is a constant.
pub(in crate::store) fn of_body(body: &Body) -> Option<Value> {
    match &body.code {
        Code::Expr(expr) => of_expr(expr),
        Code::Block(_) => None,
    }
}

fn of_expr(expr: &Expr) -> Option<Value> {
    let all = |exprs: &[Expr]| exprs.iter().map(of_expr).collect::<Option<Vec<Value>>>();
    Some(match expr {
        Expr::None => Value::None,
        Expr::Bool(b) => Value::Bool(*b),
        Expr::Int(n) => Value::Int(*n),
        Expr::Float(x) => Value::Float(*x),
        Expr::Text(text) => Value::Text(Arc::from(&**text)),
        Expr::Duration(ms) => Value::Duration(*ms),
        Expr::List(items) => Value::List(Arc::new(all(items)?.into())),
        Expr::Set(items) => Value::Set(Arc::new(all(items)?.into_iter().collect())),
        Expr::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| Some((of_expr(key)?, of_expr(value)?)));
            Value::Map(Arc::new(entries.collect::<Option<_>>()?))
        }
        Expr::Struct { fields, .. } => Value::Struct(all(fields)?.into()),
        Expr::Variant { variant, args, .. } => Value::Variant(*variant, all(args)?.into()),
        Expr::Neg(of, _) => match of_expr(of)? {
            Value::Int(n) => Value::Int(n.checked_neg()?),
            Value::Float(x) => Value::Float(-x),
            Value::Duration(ms) => Value::Duration(ms.checked_neg()?),
            _ => return None,
        },
        _ => return None,
    })
}
