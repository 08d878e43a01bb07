//! The syntax tree as S-expressions, and a walk over all of its parts with their spans.

#![allow(dead_code, reason = "each test uses its part")]

use patternc_grammar::syntax::*;

/// A node of the tree: what it is, and its parts.
pub struct Node {
    /// `if`, `let x`, `12`.
    pub label: String,
    pub sort: Sort,
    pub span: Option<Span>,
    pub parts: Vec<Node>,
}

/// What a node can be parsed as on its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    Item,
    Member,
    Stmt,
    Expr,
    Type,
    Other,
}

fn node(label: impl Into<String>, parts: Vec<Node>) -> Node {
    Node { label: label.into(), sort: Sort::Other, span: None, parts }
}

fn leaf(label: impl Into<String>) -> Node {
    node(label, Vec::new())
}

impl Node {
    fn at(mut self, sort: Sort, span: Span) -> Self {
        self.sort = sort;
        self.span = Some(span);
        self
    }

    fn spanned(self, span: Span) -> Self {
        self.at(Sort::Other, span)
    }

    /// `(label part part)`; a node without parts is its label.
    pub fn show(&self) -> String {
        if self.parts.is_empty() {
            return self.label.clone();
        }
        let parts: Vec<String> = self.parts.iter().map(Node::show).collect();
        let gap = if self.label.is_empty() { "" } else { " " };
        format!("({}{gap}{})", self.label, parts.join(" "))
    }

    /// Calls `visit` for this node and all in it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Node, Option<Span>), outer: Option<Span>) {
        visit(self, outer);
        for part in &self.parts {
            part.walk(visit, self.span.or(outer));
        }
    }
}

pub fn file(file: &File) -> Node {
    node("file", file.items.iter().map(item).collect())
}

fn docs(docs: &Option<Box<str>>) -> Vec<Node> {
    docs.iter().map(|docs| leaf(format!("docs {docs:?}"))).collect()
}

fn allows(allows: &[Allow]) -> Vec<Node> {
    allows
        .iter()
        .map(|allow| node(format!("allow {}", allow.rule.name), allow.reason.iter().map(text).collect()).spanned(allow.span))
        .collect()
}

fn text(text: &Str) -> Node {
    leaf(format!("{:?}", text.value)).spanned(text.span)
}

fn ident(ident: &Ident) -> Node {
    leaf(ident.name.as_str()).spanned(ident.span)
}

fn idents(label: &str, names: &[Ident]) -> Node {
    node(label, names.iter().map(ident).collect())
}

pub fn item(item: &Item) -> Node {
    let mut parts = docs(&item.docs);
    parts.extend(allows(&item.allows));
    let (label, inner) = match &item.kind {
        ItemKind::Use(it) => ("use", vec![text(&it.path), idents("", &it.names)]),
        ItemKind::Space(it) => ("space", std::iter::once(ident(&it.name)).chain(it.key.iter().map(ty)).collect()),
        ItemKind::Struct(it) => ("struct", std::iter::once(ident(&it.name)).chain(it.fields.iter().map(param)).collect()),
        ItemKind::Enum(it) => ("enum", std::iter::once(ident(&it.name)).chain(it.variants.iter().map(variant)).collect()),
        ItemKind::Record(it) => {
            let mut parts = vec![ident(&it.name)];
            parts.extend(it.space.iter().map(|space| node("in", vec![ident(space)])));
            parts.extend(it.members.iter().map(member));
            ("record", parts)
        }
        ItemKind::Fn(it) => {
            let mut parts = vec![ident(&it.name), params(&it.params)];
            parts.extend(it.result.iter().map(|result| node("->", vec![ty(result)])));
            parts.push(expr(&it.body));
            ("fn", parts)
        }
        ItemKind::Extern(it) => ("extern", std::iter::once(ident(&it.name)).chain(it.operations.iter().map(operation)).collect()),
        ItemKind::Mirror(it) => {
            let mut parts = vec![ident(&it.name), node("of", vec![ident(&it.record)]), node("to", vec![ident(&it.target)])];
            parts.extend(it.clauses.iter().map(|clause| {
                let mut parts = vec![idents("params", &clause.params)];
                parts.extend(clause.first.map(|first| node("first", Vec::new()).spanned(first)));
                parts.push(expr(&clause.value));
                node(clause.name.name.as_str(), parts).spanned(clause.span)
            }));
            ("mirror", parts)
        }
        ItemKind::Invariant(it) => {
            let label = if it.eventually { "eventually" } else { "invariant" };
            (label, vec![ident(&it.name), params(&it.params), expr(&it.body)])
        }
        ItemKind::Test(it) => ("test", vec![text(&it.name), block(&it.body)]),
    };
    parts.extend(inner);
    node(label, parts).at(Sort::Item, item.span)
}

fn variant(variant: &Variant) -> Node {
    let mut parts = docs(&variant.docs);
    parts.extend(variant.fields.iter().map(param));
    node(variant.name.name.as_str(), parts).spanned(variant.span)
}

fn param(param: &Param) -> Node {
    node(format!("{}:", param.name.name), vec![ty(&param.ty)]).spanned(param.span)
}

fn params(params: &[Param]) -> Node {
    node("params", params.iter().map(param).collect())
}

fn operation(operation: &Operation) -> Node {
    let mut parts = docs(&operation.docs);
    parts.push(params(&operation.params));
    parts.extend(operation.result.iter().map(|result| node("->", vec![ty(result)])));
    parts.push(leaf(format!("{:?}", operation.repeat).to_lowercase()));
    node(operation.name.name.as_str(), parts).spanned(operation.span)
}

pub fn member(member: &Member) -> Node {
    let mut parts = docs(&member.docs);
    parts.extend(allows(&member.allows));
    let (label, inner) = match &member.kind {
        MemberKind::Cell(it) => {
            let mut parts = vec![ident(&it.name), ty(&it.ty)];
            parts.extend(it.default.iter().map(|default| node("=", vec![expr(default)])));
            for (word, span) in [("key", it.key), ("unique", it.unique), ("index", it.index)] {
                parts.extend(span.map(|span| leaf(word).spanned(span)));
            }
            parts.extend(it.inverse.iter().map(|other| node("inverse", vec![ident(other)])));
            ("cell", parts)
        }
        MemberKind::Derived(it) => ("derived", vec![ident(&it.name), ty(&it.ty), expr(&it.value)]),
        MemberKind::Create(body) => ("create", vec![block(body)]),
        MemberKind::Handler(it) => {
            let mut parts = vec![ident(&it.name).spanned(it.name.span), params(&it.params)];
            parts.extend(it.result.iter().map(|result| node("->", vec![ty(result)])));
            parts.extend(it.writes.iter().map(|writes| {
                let entries = writes.entries.iter().map(|entry| {
                    let cell = entry.cell.map_or(String::new(), |cell| format!(".{}", cell.name));
                    leaf(format!("{}{cell}", entry.record.name)).spanned(entry.span)
                });
                node("writes", entries.collect()).spanned(writes.span)
            }));
            if !it.across.is_empty() {
                parts.push(idents("across", &it.across));
            }
            parts.push(block(&it.body));
            (if it.internal { "internal handler" } else { "handler" }, parts)
        }
        MemberKind::Saga(it) => {
            let mut parts = vec![ident(&it.name), params(&it.params)];
            parts.extend(it.prelude.iter().map(stmt));
            parts.extend(it.steps.iter().map(|step| {
                let mut parts = allows(&step.allows);
                parts.extend(step.name.iter().map(ident));
                parts.push(expr(&step.action));
                parts.extend(step.undo.iter().map(|undo| node("undo", vec![expr(undo)])));
                node(if step.pivot { "pivot" } else { "step" }, parts).spanned(step.span)
            }));
            ("saga", parts)
        }
    };
    parts.extend(inner);
    node(label, parts).at(Sort::Member, member.span)
}

pub fn ty(ty_: &TypeExpr) -> Node {
    let shown = match &ty_.kind {
        TypeKind::Named { name, args, place } => {
            let place = match place {
                Some(PlaceExpr::Any(_)) => "@any".to_owned(),
                Some(PlaceExpr::Space(space)) => format!("@{}", space.name),
                None => String::new(),
            };
            node(format!("{}{place}", name.name), args.iter().map(ty).collect())
        }
        TypeKind::Optional(inner) => node("?", vec![ty(inner)]),
        TypeKind::Error => leaf("ERROR"),
    };
    shown.at(Sort::Type, ty_.span)
}

fn block(block: &Block) -> Node {
    node("do", block.stmts.iter().map(stmt).collect()).spanned(block.span)
}

pub fn stmt(stmt_: &Stmt) -> Node {
    let mut parts = allows(&stmt_.allows);
    let (label, inner): (String, Vec<Node>) = match &stmt_.kind {
        StmtKind::Let { name, ty: kind, value, otherwise } => {
            let mut parts = vec![ident(name)];
            parts.extend(kind.iter().map(|kind| node(":", vec![ty(kind)])));
            parts.push(expr(value));
            parts.extend(otherwise.iter().map(|other| node("else", vec![stmt(other)])));
            ("let".into(), parts)
        }
        StmtKind::Assign { target, op, value } => {
            let op = match op {
                AssignOp::Set => "set",
                AssignOp::Add => "add",
                AssignOp::Sub => "sub",
            };
            (op.into(), vec![expr(target), expr(value)])
        }
        StmtKind::Delete(target) => ("delete".into(), vec![expr(target)]),
        StmtKind::Require { cond, message } => ("require".into(), std::iter::once(cond).chain(message).map(expr).collect()),
        StmtKind::Fail(message) => ("fail".into(), vec![expr(message)]),
        StmtKind::If(it) => {
            let shown = if_stmt(it);
            (shown.label, shown.parts)
        }
        StmtKind::For { key, item, iter, body } => {
            let key = key.map_or(String::new(), |key| format!("{}, ", key.name));
            (format!("for {key}{}", item.name), vec![expr(iter), block(body)])
        }
        StmtKind::Match { subject, arms } => {
            let mut parts = vec![expr(subject)];
            parts.extend(arms.iter().map(|arm| node("=>", vec![pattern(&arm.pattern), block(&arm.body)]).spanned(arm.span)));
            ("match".into(), parts)
        }
        StmtKind::Return(value) => ("return".into(), value.iter().map(expr).collect()),
        StmtKind::Send(it) => {
            let mut parts = vec![expr(&it.event)];
            parts.extend(it.after.iter().map(|after| node("after", vec![expr(after)])));
            for (word, arm) in [("ok", &it.ok), ("err", &it.err)] {
                parts.extend(arm.iter().map(|arm| {
                    let param = arm.param.map_or(String::new(), |param| format!(" {}", param.name));
                    node(format!("{word}{param}"), vec![block(&arm.body)]).spanned(arm.span)
                }));
            }
            (if it.answer { "answer" } else { "send" }.into(), parts)
        }
        StmtKind::Try { body, error, catch } => ("try".into(), vec![block(body), node("catch", vec![ident(error), block(catch)])]),
        StmtKind::Expr(value) => ("eval".into(), vec![expr(value)]),
        StmtKind::Expect(value) => ("expect".into(), vec![expr(value)]),
        StmtKind::ExpectFail { call, with, kind } => {
            let mut parts = vec![stmt(call)];
            parts.extend(with.iter().map(|with| node("with", vec![expr(with)])));
            parts.extend(kind.iter().map(|kind| node("kind", vec![ident(kind)])));
            ("expect-fail".into(), parts)
        }
        StmtKind::Concurrently { times, body } => {
            ("concurrently".into(), times.iter().map(expr).chain(std::iter::once(block(body))).collect())
        }
        StmtKind::Hold(body) => ("hold".into(), vec![block(body)]),
        StmtKind::Crash => ("crash".into(), Vec::new()),
        StmtKind::Advance(by) => ("advance".into(), vec![expr(by)]),
        StmtKind::Order(order) => ("order".into(), vec![expr(order)]),
        StmtKind::Given(it) => {
            let mut parts = vec![ident(&it.of), ident(&it.operation), idents("params", &it.params)];
            match &it.answer {
                Answer::Value(value) => parts.push(node("=>", vec![expr(value)])),
                Answer::Fails { message, times } => {
                    parts.push(node("fails", std::iter::once(message).chain(times).map(expr).collect()));
                }
            }
            ("given".into(), parts)
        }
        StmtKind::As { caller, body } => ("as".into(), vec![expr(caller), block(body)]),
        StmtKind::Reconcile { mirror, scope } => {
            ("reconcile".into(), std::iter::once(ident(mirror)).chain(scope.iter().map(expr)).collect())
        }
        StmtKind::Error => ("ERROR".into(), Vec::new()),
    };
    parts.extend(inner);
    node(label, parts).at(Sort::Stmt, stmt_.span)
}

fn cond(cond: &Cond) -> Node {
    match cond {
        Cond::Expr(value) => expr(value),
        Cond::Let { name, value } => node("let", vec![ident(name), expr(value)]),
    }
}

fn if_stmt(it: &If) -> Node {
    let mut parts = vec![cond(&it.cond), block(&it.then)];
    parts.extend(it.otherwise.iter().map(|other| match other {
        Else::Block(body) => block(body),
        Else::If(inner) => if_stmt(inner),
    }));
    node("if", parts).spanned(it.span)
}

fn pattern(pattern_: &Pattern) -> Node {
    let shown = match &pattern_.kind {
        PatternKind::Wildcard => leaf("_"),
        PatternKind::Bind(name) => leaf(format!("bind {}", name.name)),
        PatternKind::Variant { of, variant, fields } => node(format!("{}.{}", of.name, variant.name), fields.iter().map(pattern).collect()),
        PatternKind::Literal(value) => expr(value),
    };
    shown.spanned(pattern_.span)
}

pub fn expr(expr_: &Expr) -> Node {
    let all = |values: &[Expr]| values.iter().map(expr).collect::<Vec<_>>();
    let fields = |fields: &[FieldInit]| {
        fields.iter().map(|field| node(format!("{}:", field.name.name), vec![expr(&field.value)]).spanned(field.span)).collect::<Vec<_>>()
    };
    let shown = match &expr_.kind {
        ExprKind::True => leaf("true"),
        ExprKind::False => leaf("false"),
        ExprKind::None => leaf("none"),
        ExprKind::Int(value) => leaf(value.to_string()),
        ExprKind::Float(value) => leaf(format!("{value:?}")),
        ExprKind::Text(value) => leaf(format!("{value:?}")),
        ExprKind::Interpolation(parts) => node(
            "text",
            parts
                .iter()
                .map(|part| match part {
                    TextPart::Text(value) => leaf(format!("{value:?}")),
                    TextPart::Expr(value) => expr(value),
                })
                .collect(),
        ),
        ExprKind::Duration(ms) => leaf(format!("{ms}ms")),
        ExprKind::SelfRef => leaf("self"),
        ExprKind::Name(name) => leaf(name.name.as_str()),
        ExprKind::TypeName(name) => leaf(name.name.as_str()),
        ExprKind::List(values) => node("list", all(values)),
        ExprKind::Set(values) => node("set-of", all(values)),
        ExprKind::Map(entries) => node("map-of", entries.iter().map(|(key, value)| node(":", vec![expr(key), expr(value)])).collect()),
        ExprKind::Struct { name, spread, fields: inits } => {
            let mut parts: Vec<Node> = spread.iter().map(|spread| node("...", vec![expr(spread)])).collect();
            parts.extend(fields(inits));
            node(format!("new {}", name.name), parts)
        }
        ExprKind::Variant { of, variant, fields: inits } => node(format!("{}.{}", of.name, variant.name), fields(inits)),
        ExprKind::Create { record, space, fields: inits } => {
            let mut parts: Vec<Node> = space
                .iter()
                .map(|space| match &**space {
                    SpaceExpr::Named { name, key } => node("in", std::iter::once(ident(name)).chain(key.iter().map(expr)).collect()),
                    SpaceExpr::Of(value) => node("in-of", vec![expr(value)]),
                })
                .collect();
            parts.extend(fields(inits));
            node(format!("create {}", record.name), parts)
        }
        ExprKind::Field { base, name, optional } => node(format!("{}{}", if *optional { "?." } else { "." }, name.name), vec![expr(base)]),
        ExprKind::Index { base, index } => node("at", vec![expr(base), expr(index)]),
        ExprKind::Method { base, name, args, optional } => {
            let mut parts = vec![expr(base)];
            parts.extend(all(args));
            node(format!("{}{}()", if *optional { "?." } else { "." }, name.name), parts)
        }
        ExprKind::Call { name, args } => node(format!("{}()", name.name), all(args)),
        ExprKind::Unary { op, operand } => node(format!("{op:?}").to_lowercase(), vec![expr(operand)]),
        ExprKind::Binary { op, left, right, .. } => node(operator(*op), vec![expr(left), expr(right)]),
        ExprKind::If { cond: test, then, otherwise } => {
            let mut parts = vec![cond(test), expr(then)];
            parts.extend(otherwise.iter().map(|other| expr(other)));
            node("if", parts)
        }
        ExprKind::Match { subject, arms } => {
            let mut parts = vec![expr(subject)];
            parts.extend(arms.iter().map(|arm| node("=>", vec![pattern(&arm.pattern), expr(&arm.value)]).spanned(arm.span)));
            node("match", parts)
        }
        ExprKind::Block { lets, value, allows } => {
            let mut parts: Vec<Node> = lets.iter().map(stmt).collect();
            parts.extend(self::allows(allows));
            parts.extend(value.iter().map(|value| expr(value)));
            node("block", parts)
        }
        ExprKind::Lambda { params, body } => node("fn", vec![idents("params", params), expr(body)]),
        ExprKind::Error => leaf("ERROR"),
    };
    shown.at(Sort::Expr, expr_.span)
}

fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "||",
        BinaryOp::And => "&&",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::In => "in",
        BinaryOp::Coalesce => "??",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
    }
}
