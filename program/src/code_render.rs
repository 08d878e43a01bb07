//! Statements and expressions as text: see [`crate::Program`]'s `Display`.

use std::fmt::{self, Formatter, Write as _};

use crate::{
    Answer, Binary, Change, Create, Expr, HandlerId, Pattern, Program, SagaId, Send, SendArm, SendEvent, Slot, SpaceExpr, Stmt, TestEvent,
    TestStmt, TextPart, Where,
};

/// Writes code, a statement a line.
pub(crate) struct Code<'a, 'f> {
    program: &'a Program,
    out: &'a mut Formatter<'f>,
    indent: usize,
}

impl<'a, 'f> Code<'a, 'f> {
    pub(crate) fn new(program: &'a Program, out: &'a mut Formatter<'f>) -> Self {
        Code { program, out, indent: 1 }
    }

    fn line(&mut self, text: &str) -> fmt::Result {
        for _ in 0..self.indent {
            self.out.write_str("  ")?;
        }
        self.out.write_str(text)?;
        self.out.write_char('\n')
    }

    /// A body that is one expression.
    pub(crate) fn value_line(&mut self, value: &Expr) -> fmt::Result {
        let text = expr(self.program, value);
        self.line(&text)
    }

    /// Statements, one level deeper than the line before.
    pub(crate) fn block(&mut self, stmts: &[Stmt]) -> fmt::Result {
        stmts.iter().try_for_each(|s| self.stmt(s))
    }

    fn nested(&mut self, stmts: &[Stmt]) -> fmt::Result {
        self.indent += 1;
        self.block(stmts)?;
        self.indent -= 1;
        Ok(())
    }

    fn stmt(&mut self, stmt: &Stmt) -> fmt::Result {
        let p = self.program;
        match stmt {
            Stmt::LetElse { slot, value, otherwise } => {
                self.line(&format!("{} = {} else", slot_text(*slot), expr(p, value)))?;
                self.nested(std::slice::from_ref(otherwise))
            }
            Stmt::If { cond, then, otherwise } => {
                self.line(&format!("if {}", expr(p, cond)))?;
                self.nested(then)?;
                self.otherwise(otherwise)
            }
            Stmt::IfLet { slot, value, then, otherwise } => {
                self.line(&format!("if let {} = {}", slot_text(*slot), expr(p, value)))?;
                self.nested(then)?;
                self.otherwise(otherwise)
            }
            Stmt::For { key, item, iter, body } => {
                self.line(&for_head(p, *key, *item, iter))?;
                self.nested(body)
            }
            Stmt::Match { subject, arms } => {
                self.line(&format!("match {}", expr(p, subject)))?;
                self.indent += 1;
                for (pattern, body) in arms {
                    self.line(&format!("{} =>", pattern_text(p, pattern)))?;
                    self.nested(body)?;
                }
                self.indent -= 1;
                Ok(())
            }
            Stmt::Try { body, error, catch } => {
                self.line("try")?;
                self.nested(body)?;
                self.line(&format!("catch {}", slot_text(*error)))?;
                self.nested(catch)
            }
            flat => {
                let text = flat_stmt(p, flat);
                self.line(&text)
            }
        }
    }

    fn otherwise(&mut self, stmts: &[Stmt]) -> fmt::Result {
        if stmts.is_empty() {
            return Ok(());
        }
        self.line("else")?;
        self.nested(stmts)
    }

    /// Statements of a test.
    pub(crate) fn test_block(&mut self, stmts: &[TestStmt]) -> fmt::Result {
        stmts.iter().try_for_each(|s| self.test_stmt(s))
    }

    fn nested_test(&mut self, stmts: &[TestStmt]) -> fmt::Result {
        self.indent += 1;
        self.test_block(stmts)?;
        self.indent -= 1;
        Ok(())
    }

    fn test_stmt(&mut self, stmt: &TestStmt) -> fmt::Result {
        let p = self.program;
        match stmt {
            TestStmt::Let { slot, value } => self.line(&format!("{} = {}", slot_text(*slot), expr(p, value))),
            TestStmt::LetElse { slot, value, otherwise } => {
                self.line(&format!("{} = {} else", slot_text(*slot), expr(p, value)))?;
                self.nested_test(std::slice::from_ref(otherwise))
            }
            TestStmt::Event { result, event, .. } => {
                let result = result.map(|slot| format!("{} = ", slot_text(slot))).unwrap_or_default();
                self.line(&format!("{result}event {}", test_event(p, event)))
            }
            TestStmt::If { cond, then, otherwise } => {
                self.line(&format!("if {}", expr(p, cond)))?;
                self.nested_test(then)?;
                self.test_otherwise(otherwise)
            }
            TestStmt::IfLet { slot, value, then, otherwise } => {
                self.line(&format!("if let {} = {}", slot_text(*slot), expr(p, value)))?;
                self.nested_test(then)?;
                self.test_otherwise(otherwise)
            }
            TestStmt::For { key, item, iter, body } => {
                self.line(&for_head(p, *key, *item, iter))?;
                self.nested_test(body)
            }
            TestStmt::Match { subject, arms } => {
                self.line(&format!("match {}", expr(p, subject)))?;
                self.indent += 1;
                for (pattern, body) in arms {
                    self.line(&format!("{} =>", pattern_text(p, pattern)))?;
                    self.nested_test(body)?;
                }
                self.indent -= 1;
                Ok(())
            }
            TestStmt::Expect { cond, .. } => self.line(&format!("expect {}", expr(p, cond))),
            TestStmt::ExpectFail { call, with, kind, .. } => {
                let with = with.as_ref().map(|w| format!(" with {}", expr(p, w))).unwrap_or_default();
                let kind = kind.as_ref().map(|k| format!(" kind {k}")).unwrap_or_default();
                self.line(&format!("expect fail {}{with}{kind}", test_event(p, call)))
            }
            TestStmt::Concurrently { times, body, .. } => {
                let times = times.as_ref().map(|t| format!(" {}", expr(p, t))).unwrap_or_default();
                self.line(&format!("concurrently{times}"))?;
                self.nested_test(body)
            }
            TestStmt::Hold { body, .. } => {
                self.line("hold")?;
                self.nested_test(body)
            }
            TestStmt::Crash => self.line("crash"),
            TestStmt::Advance(by) => self.line(&format!("advance {}", expr(p, by))),
            TestStmt::Order { order, .. } => self.line(&format!("order {}", expr(p, order))),
            TestStmt::Given { of, operation, params, answer } => {
                let params: Vec<String> = params.iter().map(|s| slot_text(*s)).collect();
                let answer = match answer {
                    Answer::Value(value) => format!(" => {}", expr(p, value)),
                    Answer::Fails { message, times } => {
                        let times = times.as_ref().map(|t| format!(" {} times", expr(p, t))).unwrap_or_default();
                        format!(" fails {}{times}", expr(p, message))
                    }
                };
                self.line(&format!("given {}({}){answer}", operation_name(p, *of, *operation), params.join(", ")))
            }
            TestStmt::As { caller, body } => {
                self.line(&format!("as {}", expr(p, caller)))?;
                self.nested_test(body)
            }
            TestStmt::Reconcile { mirror, scope, .. } => {
                let name = p.mirrors.get(*mirror as usize).map_or("?", |m| m.name.as_str());
                let scope = scope.as_ref().map(|s| expr(p, s)).unwrap_or_default();
                self.line(&format!("reconcile {name}({scope})"))
            }
            TestStmt::Fail { message, .. } => self.line(&format!("fail {}", expr(p, message))),
        }
    }

    fn test_otherwise(&mut self, stmts: &[TestStmt]) -> fmt::Result {
        if stmts.is_empty() {
            return Ok(());
        }
        self.line("else")?;
        self.nested_test(stmts)
    }
}

fn slot_text(slot: Slot) -> String {
    format!("${}", slot.0)
}

fn for_head(p: &Program, key: Option<Slot>, item: Slot, iter: &Expr) -> String {
    let key = key.map(|k| format!("{}, ", slot_text(k))).unwrap_or_default();
    format!("for {key}{} in {}", slot_text(item), expr(p, iter))
}

fn handler_name(p: &Program, id: HandlerId) -> &str {
    p.handlers.get(id.index()).map_or("?", |h| h.name.as_str())
}

fn saga_name(p: &Program, id: SagaId) -> &str {
    p.sagas.get(id.index()).map_or("?", |s| s.name.as_str())
}

fn operation_name(p: &Program, of: crate::ExternId, operation: u32) -> String {
    match p.externs.get(of.index()) {
        Some(item) => format!("{}.{}", item.name, item.operations.get(operation as usize).map_or("?", |o| o.name.as_str())),
        None => "?".into(),
    }
}

/// A statement without statements in it.
fn flat_stmt(p: &Program, stmt: &Stmt) -> String {
    match stmt {
        Stmt::Let { slot, value } => format!("{} = {}", slot_text(*slot), expr(p, value)),
        Stmt::Call { result, target, handler, args, .. } => {
            let result = result.map(|slot| format!("{} = ", slot_text(slot))).unwrap_or_default();
            format!("{result}call {}.{}({})", operand(p, target), handler_name(p, *handler), list(p, args))
        }
        Stmt::SetCell { record, of, cell, value, .. } => {
            format!("{}.{} = {}", operand(p, record), p.cell_name(*of, *cell), expr(p, value))
        }
        Stmt::ChangeCell { record, of, cell, op, value, .. } => {
            format!("{}.{} {} {}", operand(p, record), p.cell_name(*of, *cell), change(*op), expr(p, value))
        }
        Stmt::SetEntry { record, of, cell, key, value, .. } => {
            format!("{}.{}[{}] = {}", operand(p, record), p.cell_name(*of, *cell), expr(p, key), expr(p, value))
        }
        Stmt::ChangeEntry { record, of, cell, key, op, value, .. } => {
            let cell = p.cell_name(*of, *cell);
            format!("{}.{cell}[{}] {} {}", operand(p, record), expr(p, key), change(*op), expr(p, value))
        }
        Stmt::RemoveEntry { record, of, cell, key, .. } => {
            format!("delete {}.{}[{}]", operand(p, record), p.cell_name(*of, *cell), expr(p, key))
        }
        Stmt::DeleteRecord { record, .. } => format!("delete {}", expr(p, record)),
        Stmt::Require { cond, message, .. } => {
            let message = message.as_ref().map(|m| format!(" else {}", expr(p, m))).unwrap_or_default();
            format!("require {}{message}", expr(p, cond))
        }
        Stmt::Fail { message, .. } => format!("fail {}", expr(p, message)),
        Stmt::Return(None) => "return".into(),
        Stmt::Return(Some(value)) => format!("return {}", expr(p, value)),
        Stmt::Send(send) => send_text(p, send),
        Stmt::Eval(value) => format!("eval {}", expr(p, value)),
        // Only inside an expression: everything on one line.
        Stmt::LetElse { slot, value, otherwise } => {
            format!("{} = {} else {}", slot_text(*slot), expr(p, value), flat_stmt(p, otherwise))
        }
        Stmt::If { cond, then, otherwise } => {
            format!("if {} {{ {} }} else {{ {} }}", expr(p, cond), flat(p, then), flat(p, otherwise))
        }
        Stmt::IfLet { slot, value, then, otherwise } => {
            let value = expr(p, value);
            format!("if let {} = {value} {{ {} }} else {{ {} }}", slot_text(*slot), flat(p, then), flat(p, otherwise))
        }
        Stmt::For { key, item, iter, body } => format!("{} {{ {} }}", for_head(p, *key, *item, iter), flat(p, body)),
        Stmt::Match { subject, arms } => {
            let arms: Vec<String> = arms.iter().map(|(pat, body)| format!("{} => {{ {} }}", pattern_text(p, pat), flat(p, body))).collect();
            format!("match {} {{ {} }}", expr(p, subject), arms.join(" "))
        }
        Stmt::Try { body, error, catch } => {
            format!("try {{ {} }} catch {} {{ {} }}", flat(p, body), slot_text(*error), flat(p, catch))
        }
    }
}

fn flat(p: &Program, stmts: &[Stmt]) -> String {
    stmts.iter().map(|s| flat_stmt(p, s)).collect::<Vec<_>>().join("; ")
}

fn change(op: Change) -> &'static str {
    match op {
        Change::AddInt => "add",
        Change::SubInt => "sub",
        Change::AddValue => "add-value",
        Change::SubValue => "sub-value",
        Change::Concat => "concat",
        Change::Append => "append",
        Change::RemoveFirst => "remove-first",
        Change::Insert => "insert",
        Change::Remove => "remove",
    }
}

fn send_text(p: &Program, send: &Send) -> String {
    let mut text = String::from(if send.answer { "return send " } else { "send " });
    text.push_str(&match &send.event {
        SendEvent::Handler { target, handler, args } => format!("{}.{}({})", operand(p, target), handler_name(p, *handler), list(p, args)),
        SendEvent::Saga { target, saga, args } => format!("{}.{}({})", operand(p, target), saga_name(p, *saga), list(p, args)),
        SendEvent::Extern { of, operation, args } => format!("{}({})", operation_name(p, *of, *operation), list(p, args)),
        SendEvent::Create(create) => create_text(p, create),
    });
    if let Some(after) = &send.after {
        text.push_str(&format!(" after {}", expr(p, after)));
    }
    for (word, arm) in [("ok", &send.ok), ("err", &send.err)] {
        if let Some(SendArm { arm, captures }) = arm {
            let captures: Vec<String> = captures.iter().map(|s| slot_text(*s)).collect();
            text.push_str(&format!(" {word} !{}[{}]", arm.0, captures.join(", ")));
        }
    }
    text
}

fn test_event(p: &Program, event: &TestEvent) -> String {
    match event {
        TestEvent::Handler { target, handler, args } => format!("{}.{}({})", operand(p, target), handler_name(p, *handler), list(p, args)),
        TestEvent::Saga { target, saga, args } => format!("{}.{}({})", operand(p, target), saga_name(p, *saga), list(p, args)),
        TestEvent::Create(create) => create_text(p, create),
    }
}

fn create_text(p: &Program, create: &Create) -> String {
    let cells: Vec<String> =
        create.cells.iter().map(|(cell, value)| format!("{}: {}", p.cell_name(create.record, *cell), expr(p, value))).collect();
    format!("create {} in {} {{ {} }}", p.record_name(create.record), space(p, &create.space), cells.join(", "))
}

fn space(p: &Program, space: &SpaceExpr) -> String {
    match space {
        SpaceExpr::Here => "here".into(),
        SpaceExpr::Plain(id) => p.space_name(*id).to_string(),
        SpaceExpr::Family(id, key) => format!("{}[{}]", p.space_name(*id), expr(p, key)),
        SpaceExpr::Of(of) => expr(p, of),
    }
}

fn list(p: &Program, values: &[Expr]) -> String {
    values.iter().map(|v| expr(p, v)).collect::<Vec<_>>().join(", ")
}

fn pattern_text(p: &Program, pattern: &Pattern) -> String {
    match pattern {
        Pattern::Wildcard => "_".into(),
        Pattern::Bind(slot) => slot_text(*slot),
        Pattern::Variant { of, variant, fields } => {
            let fields: Vec<String> = fields.iter().map(|f| pattern_text(p, f)).collect();
            let fields = if fields.is_empty() { String::new() } else { format!("({})", fields.join(", ")) };
            format!("{}{fields}", variant_name(p, *of, *variant))
        }
        Pattern::Literal(value) => expr(p, value),
    }
}

fn variant_name(p: &Program, of: crate::EnumId, variant: u32) -> String {
    match p.enums.get(of.index()) {
        Some(item) => format!("{}.{}", item.name, item.variants.get(variant as usize).map_or("?", |v| v.name.as_str())),
        None => "?".into(),
    }
}

/// An expression that something stands after or beside: in brackets where it could be read wrongly.
fn operand(p: &Program, value: &Expr) -> String {
    let text = expr(p, value);
    let open = matches!(
        value,
        Expr::And(..)
            | Expr::Or(..)
            | Expr::Coalesce(..)
            | Expr::Binary { .. }
            | Expr::In { .. }
            | Expr::Not(_)
            | Expr::Neg(..)
            | Expr::If { .. }
            | Expr::IfLet { .. }
            | Expr::Create(_)
            | Expr::OptionalMethod { .. }
    );
    if open { format!("({text})") } else { text }
}

fn where_text(p: &Program, query: &Where) -> String {
    let cells: Vec<&str> = query.cells.iter().map(|c| p.cell_name(query.record, *c)).collect();
    let index = query.index.as_ref().map(|(cell, value)| format!(" by {} == {}", p.cell_name(query.record, *cell), expr(p, value)));
    format!(
        "{} in {} where({} => {} reads [{}]{})",
        p.record_name(query.record),
        space(p, &query.space),
        slot_text(query.param),
        expr(p, &query.cond),
        cells.join(", "),
        index.unwrap_or_default()
    )
}

fn binary(op: Binary) -> &'static str {
    match op {
        Binary::Eq => "==",
        Binary::Ne => "!=",
        Binary::Lt => "<",
        Binary::Le => "<=",
        Binary::Gt => ">",
        Binary::Ge => ">=",
        Binary::Add => "+",
        Binary::Sub => "-",
        Binary::Mul => "*",
        Binary::Div => "/",
        Binary::Rem => "%",
    }
}

fn dot(optional: bool) -> &'static str {
    if optional { "?." } else { "." }
}

pub(crate) fn expr(p: &Program, value: &Expr) -> String {
    match value {
        Expr::Bool(b) => b.to_string(),
        Expr::None => "none".into(),
        Expr::Int(n) => n.to_string(),
        Expr::Float(x) => format!("{x:?}"),
        Expr::Text(text) => format!("{text:?}"),
        Expr::Duration(ms) => format!("{ms}ms"),
        Expr::Slot(slot) => slot_text(*slot),
        Expr::Interpolate(parts) => {
            let parts = parts.iter().map(|part| match part {
                TextPart::Text(text) => format!("{text:?}"),
                TextPart::Value(value, _) => expr(p, value),
            });
            format!("text({})", parts.collect::<Vec<_>>().join(", "))
        }
        Expr::Cell { record, of, cell, optional, .. } => format!("{}{}{}", operand(p, record), dot(*optional), p.cell_name(*of, *cell)),
        Expr::Derived { record, of, derived, optional, .. } => {
            let name = p.records.get(of.index()).and_then(|r| r.derived.get(derived.index())).map_or("?", |d| d.name.as_str());
            format!("{}{}{name}", operand(p, record), dot(*optional))
        }
        Expr::Field { base, index, optional } => format!("{}{}{index}", operand(p, base), dot(*optional)),
        Expr::List(items) => format!("[{}]", list(p, items)),
        Expr::Set(items) => format!("Set[{}]", list(p, items)),
        Expr::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|(k, v)| format!("{}: {}", expr(p, k), expr(p, v))).collect();
            format!("Map[{}]", entries.join(", "))
        }
        Expr::Struct { of, fields } => {
            let name = p.structs.get(of.index()).map_or("?", |s| s.name.as_str());
            format!("{name} {{ {} }}", list(p, fields))
        }
        Expr::Update { of, base, fields } => {
            let name = p.structs.get(of.index()).map_or("?", |s| s.name.as_str());
            let fields: Vec<String> = fields.iter().map(|(index, v)| format!(", {index}: {}", expr(p, v))).collect();
            format!("{name} {{ ...{}{} }}", operand(p, base), fields.concat())
        }
        Expr::Variant { of, variant, args } => {
            let name = variant_name(p, *of, *variant);
            if args.is_empty() { name } else { format!("{name}({})", list(p, args)) }
        }
        Expr::Create(create) => create_text(p, create),
        Expr::ListIndex { base, index, .. } => format!("{}[{}]", operand(p, base), expr(p, index)),
        Expr::MapIndex { base, key } => format!("{}[{}?]", operand(p, base), expr(p, key)),
        Expr::Lookup { record, space: at, key } => format!("{}[{}] in {}", p.record_name(*record), expr(p, key), space(p, at)),
        Expr::All { record, space: at } => format!("{}.all in {}", p.record_name(*record), space(p, at)),
        Expr::Where(query) => where_text(p, query),
        Expr::Method { method, base, args, .. } => format!("{}.{}({})", operand(p, base), method.name(), list(p, args)),
        Expr::Apply { method, base, start, lambda, .. } => {
            let start = start.as_ref().map(|s| format!("{}, ", expr(p, s))).unwrap_or_default();
            let params: Vec<String> = lambda.params.iter().map(|s| slot_text(*s)).collect();
            format!("{}.{}({start}({}) => {})", operand(p, base), method.name(), params.join(", "), expr(p, &lambda.body))
        }
        Expr::OptionalMethod { base, slot, then } => format!("{}?.({} => {})", operand(p, base), slot_text(*slot), expr(p, then)),
        Expr::SpaceOf(of) => format!("{}.space", operand(p, of)),
        Expr::Exists(of) => format!("{}.exists()", operand(p, of)),
        Expr::SameSpace(of) => format!("same_space({})", expr(p, of)),
        Expr::CallFn { body, args } => {
            let name = p.bodies.get(body.index()).map_or("?", |b| &*b.name);
            format!("{name}({})", list(p, args))
        }
        Expr::Now => "now()".into(),
        Expr::NewId => "new_id()".into(),
        Expr::Caller => "caller()".into(),
        Expr::Range(n) => format!("range({})", expr(p, n)),
        Expr::Not(of) => format!("!{}", operand(p, of)),
        Expr::Neg(of, _) => format!("-{}", operand(p, of)),
        Expr::And(left, right) => format!("{} && {}", operand(p, left), operand(p, right)),
        Expr::Or(left, right) => format!("{} || {}", operand(p, left), operand(p, right)),
        Expr::Coalesce(left, right) => format!("{} ?? {}", operand(p, left), operand(p, right)),
        Expr::Binary { op, left, right, .. } => format!("{} {} {}", operand(p, left), binary(*op), operand(p, right)),
        Expr::In { element, collection } => format!("{} in {}", operand(p, element), operand(p, collection)),
        Expr::If { cond, then, otherwise } => format!("if {} {{ {} }} else {{ {} }}", expr(p, cond), expr(p, then), expr(p, otherwise)),
        Expr::IfLet { slot, value, then, otherwise } => {
            let value = expr(p, value);
            format!("if let {} = {value} {{ {} }} else {{ {} }}", slot_text(*slot), expr(p, then), expr(p, otherwise))
        }
        Expr::Match { subject, arms } => {
            let arms: Vec<String> = arms.iter().map(|(pat, v)| format!("{} => {}", pattern_text(p, pat), expr(p, v))).collect();
            format!("match {} {{ {} }}", expr(p, subject), arms.join(", "))
        }
        Expr::Block { lets, value } => format!("{{ {}; {} }}", flat(p, lets), expr(p, value)),
        Expr::Forced { stmt, result } => format!("forced({} -> {})", flat_stmt(p, stmt), slot_text(*result)),
    }
}
