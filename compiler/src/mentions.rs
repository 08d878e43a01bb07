//! Goes through the names in the syntax tree of an item that may mean a declaration, bodies included.

use patternc_grammar::syntax::{
    Allow, Answer, Block, Cond, Else, Expr, ExprKind, FieldInit, Ident, If, Item, ItemKind, MemberKind, Param, Pattern, PatternKind,
    PlaceExpr, Send, SpaceExpr, Stmt, StmtKind, TextPart, TypeExpr, TypeKind,
};

/// What wants to see names.
pub trait Visitor<'a> {
    /// A name that may mean a declaration (or a local).
    fn name(&mut self, _name: Ident) {}
    /// The name of a method that is called.
    fn method(&mut self, _name: Ident) {}
    /// A statement, before what is in it.
    fn stmt(&mut self, _stmt: &'a Stmt) {}
    /// The value of a block, with what is allowed in it, before what is in it.
    fn value(&mut self, _allows: &'a [Allow], _value: &'a Expr) {}
}

/// Everything in an item but its own name.
pub fn item<'a>(item: &'a Item, to: &mut impl Visitor<'a>) {
    match &item.kind {
        ItemKind::Use(_) => {}
        ItemKind::Space(decl) => types(decl.key.as_ref(), to),
        ItemKind::Struct(decl) => params(&decl.fields, to),
        ItemKind::Enum(decl) => decl.variants.iter().for_each(|variant| params(&variant.fields, to)),
        ItemKind::Record(decl) => {
            idents(decl.space, to);
            for member in &decl.members {
                member_kind(&member.kind, to);
            }
        }
        ItemKind::Fn(decl) => {
            params(&decl.params, to);
            types(decl.result.as_ref(), to);
            expr(&decl.body, to);
        }
        ItemKind::Extern(decl) => {
            for operation in &decl.operations {
                params(&operation.params, to);
                types(operation.result.as_ref(), to);
            }
        }
        ItemKind::Mirror(decl) => {
            idents([decl.record, decl.target], to);
            decl.clauses.iter().for_each(|clause| expr(&clause.value, to));
        }
        ItemKind::Invariant(decl) => {
            params(&decl.params, to);
            expr(&decl.body, to);
        }
        ItemKind::Test(decl) => block(&decl.body, to),
    }
}

fn member_kind<'a>(member: &'a MemberKind, to: &mut impl Visitor<'a>) {
    match member {
        MemberKind::Cell(cell) => {
            types([&cell.ty], to);
            exprs(cell.default.as_ref(), to);
        }
        MemberKind::Derived(derived) => {
            types([&derived.ty], to);
            expr(&derived.value, to);
        }
        MemberKind::Create(body) => block(body, to),
        MemberKind::Handler(handler) => {
            params(&handler.params, to);
            types(handler.result.as_ref(), to);
            let writes = handler.writes.iter().flat_map(|clause| &clause.entries);
            idents(writes.map(|entry| entry.record), to);
            idents(handler.across.iter().copied(), to);
            block(&handler.body, to);
        }
        MemberKind::Saga(saga) => {
            params(&saga.params, to);
            saga.prelude.iter().for_each(|s| stmt(s, to));
            for step in &saga.steps {
                expr(&step.action, to);
                exprs(step.undo.as_ref(), to);
            }
        }
    }
}

fn block<'a>(block: &'a Block, to: &mut impl Visitor<'a>) {
    block.stmts.iter().for_each(|s| stmt(s, to));
}

fn stmt<'a>(stmt: &'a Stmt, to: &mut impl Visitor<'a>) {
    to.stmt(stmt);
    match &stmt.kind {
        StmtKind::Let { ty, value, otherwise, .. } => {
            types(ty.as_ref(), to);
            expr(value, to);
            if let Some(otherwise) = otherwise {
                self::stmt(otherwise, to);
            }
        }
        StmtKind::Assign { target, value, .. } => exprs([target, value], to),
        StmtKind::Delete(value)
        | StmtKind::Fail(value)
        | StmtKind::Expr(value)
        | StmtKind::Expect(value)
        | StmtKind::Advance(value)
        | StmtKind::Order(value) => {
            expr(value, to);
        }
        StmtKind::Require { cond, message } => exprs([cond].into_iter().chain(message), to),
        StmtKind::If(branch) => if_stmt(branch, to),
        StmtKind::For { iter, body, .. } => {
            expr(iter, to);
            block(body, to);
        }
        StmtKind::Match { subject, arms } => {
            expr(subject, to);
            for arm in arms {
                pattern(&arm.pattern, to);
                block(&arm.body, to);
            }
        }
        StmtKind::Return(value) => exprs(value, to),
        StmtKind::Send(event) => send(event, to),
        StmtKind::Try { body, catch, .. } => {
            block(body, to);
            block(catch, to);
        }
        StmtKind::ExpectFail { call, with, .. } => {
            self::stmt(call, to);
            exprs(with, to);
        }
        StmtKind::Concurrently { times, body } => {
            exprs(times, to);
            block(body, to);
        }
        StmtKind::Hold(body) => block(body, to),
        StmtKind::As { caller, body } => {
            expr(caller, to);
            block(body, to);
        }
        StmtKind::Given(given) => {
            to.name(given.of);
            match &given.answer {
                Answer::Value(value) => expr(value, to),
                Answer::Fails { message, times } => exprs([message].into_iter().chain(times), to),
            }
        }
        StmtKind::Reconcile { mirror, scope } => {
            to.name(*mirror);
            exprs(scope, to);
        }
        StmtKind::Crash | StmtKind::Error => {}
    }
}

fn if_stmt<'a>(branch: &'a If, to: &mut impl Visitor<'a>) {
    cond(&branch.cond, to);
    block(&branch.then, to);
    match &branch.otherwise {
        Some(Else::Block(otherwise)) => block(otherwise, to),
        Some(Else::If(otherwise)) => if_stmt(otherwise, to),
        None => {}
    }
}

fn send<'a>(send: &'a Send, to: &mut impl Visitor<'a>) {
    expr(&send.event, to);
    exprs(&send.after, to);
    for arm in [&send.ok, &send.err].into_iter().flatten() {
        block(&arm.body, to);
    }
}

fn cond<'a>(cond: &'a Cond, to: &mut impl Visitor<'a>) {
    match cond {
        Cond::Expr(value) | Cond::Let { value, .. } => expr(value, to),
    }
}

fn pattern<'a>(pattern: &'a Pattern, to: &mut impl Visitor<'a>) {
    match &pattern.kind {
        PatternKind::Variant { of, fields, .. } => {
            to.name(*of);
            fields.iter().for_each(|field| self::pattern(field, to));
        }
        PatternKind::Literal(value) => expr(value, to),
        PatternKind::Wildcard | PatternKind::Bind(_) => {}
    }
}

fn expr<'a>(expr: &'a Expr, to: &mut impl Visitor<'a>) {
    match &expr.kind {
        ExprKind::True
        | ExprKind::False
        | ExprKind::None
        | ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::Text(_)
        | ExprKind::Duration(_)
        | ExprKind::SelfRef
        | ExprKind::Error => {}
        ExprKind::Interpolation(parts) => {
            for part in parts {
                if let TextPart::Expr(value) = part {
                    self::expr(value, to);
                }
            }
        }
        ExprKind::Name(name) | ExprKind::TypeName(name) => to.name(*name),
        ExprKind::List(elements) | ExprKind::Set(elements) => exprs(elements, to),
        ExprKind::Map(entries) => entries.iter().for_each(|(key, value)| exprs([key, value], to)),
        ExprKind::Struct { name, spread, fields } => {
            to.name(*name);
            exprs(spread.as_deref(), to);
            inits(fields, to);
        }
        ExprKind::Variant { of, fields, .. } => {
            to.name(*of);
            inits(fields, to);
        }
        ExprKind::Create { record, space, fields } => {
            to.name(*record);
            match space.as_deref() {
                Some(SpaceExpr::Named { name, key }) => {
                    to.name(*name);
                    exprs(key, to);
                }
                Some(SpaceExpr::Of(value)) => self::expr(value, to),
                None => {}
            }
            inits(fields, to);
        }
        ExprKind::Field { base, .. } => self::expr(base, to),
        ExprKind::Index { base, index } => exprs([&**base, &**index], to),
        ExprKind::Method { base, name, args, .. } => {
            self::expr(base, to);
            to.method(*name);
            exprs(args, to);
        }
        ExprKind::Call { name, args } => {
            to.name(*name);
            exprs(args, to);
        }
        ExprKind::Unary { operand, .. } => self::expr(operand, to),
        ExprKind::Binary { left, right, .. } => exprs([&**left, &**right], to),
        ExprKind::If { cond, then, otherwise } => {
            self::cond(cond, to);
            self::expr(then, to);
            exprs(otherwise.as_deref(), to);
        }
        ExprKind::Match { subject, arms } => {
            self::expr(subject, to);
            for arm in arms {
                pattern(&arm.pattern, to);
                self::expr(&arm.value, to);
            }
        }
        ExprKind::Block { lets, value, allows } => {
            lets.iter().for_each(|s| stmt(s, to));
            value.iter().for_each(|value| to.value(allows, value));
            exprs(value.as_deref(), to);
        }
        ExprKind::Lambda { body, .. } => self::expr(body, to),
    }
}

fn exprs<'a>(values: impl IntoIterator<Item = &'a Expr>, to: &mut impl Visitor<'a>) {
    values.into_iter().for_each(|value| expr(value, to));
}

fn inits<'a>(fields: &'a [FieldInit], to: &mut impl Visitor<'a>) {
    fields.iter().for_each(|field| expr(&field.value, to));
}

fn idents<'a>(names: impl IntoIterator<Item = Ident>, to: &mut impl Visitor<'a>) {
    names.into_iter().for_each(|name| to.name(name));
}

fn params<'a>(params: &'a [Param], to: &mut impl Visitor<'a>) {
    types(params.iter().map(|param| &param.ty), to);
}

fn types<'a>(values: impl IntoIterator<Item = &'a TypeExpr>, to: &mut impl Visitor<'a>) {
    for value in values {
        match &value.kind {
            TypeKind::Named { name, args, place } => {
                to.name(*name);
                types(args, to);
                if let Some(PlaceExpr::Space(space)) = place {
                    to.name(*space);
                }
            }
            TypeKind::Optional(inner) => types([&**inner], to),
            TypeKind::Error => {}
        }
    }
}
