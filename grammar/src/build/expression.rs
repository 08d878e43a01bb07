//! Expressions: operands, suffixes, and the climbing of precedence over the flat list of operators.

use super::Builder;
use super::types::Commas;
use crate::habits;
use crate::literal;
use crate::parse::Rule;
use crate::syntax::*;
use crate::{SyntaxErrorKind, build::MAX_HEIGHT};

/// How tightly the comparisons bind; they do not chain.
const COMPARISON: u8 = 3;

/// One of the things between two brackets.
enum Arg {
    Plain(Expr),
    /// `key: value`
    Pair(Expr, Expr),
}

impl Builder<'_> {
    /// One expression.
    pub(super) fn expr(&mut self) -> Expr {
        let start = self.tokens[self.at].start;
        let first = self.climb(0);
        if self.sees(Rule::foreign_choice) { self.choice(start, first) } else { first }
    }

    /// `condition ? a : b`, of which the condition, which began at `start`, was read.
    fn choice(&mut self, start: u32, cond: Expr) -> Expr {
        let text = self.text;
        let written = |from: u32, to: u32| &text[from as usize..to as usize];
        let condition = written(start, self.last);
        let mut height = self.height;
        let inside = self.enter();
        let from = self.tokens[self.at].start;
        let then = self.expr();
        let (first, from) = (written(from, self.last), self.tokens[self.at].start);
        height = height.max(self.height);
        let otherwise = self.expr();
        let second = written(from, self.last);
        self.leave_open(inside);
        self.height = height.max(self.height) + 1;
        let span = cond.span.to(otherwise.span);
        let help = "write `if condition { a } else { b }`; for a value that may be absent `x ?? instead`".to_owned();
        // The name of a type before a brace would be a struct.
        let last = condition.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(condition, |before| &condition[before + 1..]);
        let fix =
            (!last.starts_with(|c: char| c.is_ascii_uppercase())).then(|| format!("if {condition} {{ {first} }} else {{ {second} }}"));
        self.report(SyntaxErrorKind::Syntax, span, "there is no `? :`".to_owned(), Some(help), fix);
        let kind = ExprKind::If { cond: Box::new(Cond::Expr(cond)), then: Box::new(then), otherwise: Some(Box::new(otherwise)) };
        let choice = Expr { kind, span };
        if self.height > MAX_HEIGHT { self.cut(choice) } else { choice }
    }

    /// `new Person(…)`.
    fn foreign_new(&mut self) -> Expr {
        let inside = self.enter();
        let name = self.upper();
        if self.sees(Rule::type_args) {
            self.leaf();
        }
        let bare = self.peek().is_none_or(|rule| rule == Rule::args && self.tokens[self.at].next == self.at as u32 + 1);
        let mut made = None;
        match self.peek() {
            Some(Rule::args) => drop(self.bracketed()),
            Some(_) => {
                let object = self.sees(Rule::foreign_object).then(|| self.enter());
                made = Some(self.struct_body());
                if let Some(object) = object {
                    self.leave_closed(object);
                }
            }
            None => {}
        }
        drop(made);
        let span = self.leave_open(inside);
        let (help, fix) = habits::made_elsewhere(&name.name);
        let message = "`new` is not a word of the language".to_owned();
        let (at, fix) = match fix.filter(|_| bare) {
            Some(fix) => (span, Some(fix.to_owned())),
            None => (Span { end: span.start + "new".len() as u32, ..span }, None),
        };
        self.report(SyntaxErrorKind::Syntax, at, message, Some(help), fix);
        self.lose(span);
        Expr { kind: ExprKind::Error, span }
    }

    /// `xs.forEach(…)`, of which `xs`, which began at `start`, was read. What stands in its brackets would stand in a statement, whether it could
    /// be read as an expression or not.
    fn for_each(&mut self, start: u32, walked: &Expr) -> Expr {
        let text = self.text;
        let walked_text = text[start as usize..self.last as usize].trim_end();
        let token = self.leaf();
        let lambda = text[token.end as usize..].trim_start_matches(['(', ' ']);
        let name = Some(habits::word(lambda)).filter(|name| !name.is_empty() && *name != "function").unwrap_or("x");
        let help = format!("write `for {name} in {walked_text} {{ … }}`");
        self.wrong(self.span(token.start + 1, token.end), "there is no `forEach`", help);
        if let Some(args) = self.leaf_if(Rule::args) {
            self.lose(self.token_span(args));
        }
        self.height = 0;
        Expr { kind: ExprKind::Error, span: walked.span.to(self.span(token.start, self.last)) }
    }

    /// An expression of operators that bind at least as tightly as `floor`.
    fn climb(&mut self, floor: u8) -> Expr {
        let mut left = self.operand();
        let mut compared = false;
        while let Some((op, binding)) = self.operator() {
            if binding < floor {
                break;
            }
            let height = self.height;
            let token = self.leaf();
            let op_span = self.token_span(token);
            if matches!(self.slice(token), "===" | "!==") {
                let fix = &self.slice(token)[..2];
                self.misspelt(
                    op_span,
                    format!("`{}` is not an operator here", self.slice(token)),
                    format!("write `{fix}`: it compares values, and records by identity"),
                    fix,
                );
            }
            let right = self.climb(binding + 1);
            self.height = height.max(self.height) + 1;
            if compared && binding == COMPARISON {
                self.wrong(op_span, "comparisons do not chain", "join two comparisons with `&&`, or use brackets");
            }
            compared = binding == COMPARISON;
            let span = left.span.to(right.span);
            left = Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right), op_span }, span };
            if self.height > MAX_HEIGHT {
                left = self.cut(left);
            }
        }
        left
    }

    /// The operator that stands here, and how tightly it binds.
    fn operator(&self) -> Option<(BinaryOp, u8)> {
        if !matches!(self.peek(), Some(Rule::op | Rule::next_op)) {
            return None;
        }
        let op = match self.slice(self.tokens[self.at]) {
            "||" => (BinaryOp::Or, 1),
            "&&" => (BinaryOp::And, 2),
            "==" | "===" => (BinaryOp::Eq, COMPARISON),
            "!=" | "!==" => (BinaryOp::Ne, COMPARISON),
            "<" => (BinaryOp::Lt, COMPARISON),
            "<=" => (BinaryOp::Le, COMPARISON),
            ">" => (BinaryOp::Gt, COMPARISON),
            ">=" => (BinaryOp::Ge, COMPARISON),
            "in" => (BinaryOp::In, COMPARISON),
            "??" => (BinaryOp::Coalesce, 4),
            "+" => (BinaryOp::Add, 5),
            "-" => (BinaryOp::Sub, 5),
            "*" => (BinaryOp::Mul, 6),
            "/" => (BinaryOp::Div, 6),
            "%" => (BinaryOp::Rem, 6),
            other => unreachable!("`{other}` is no operator of the grammar"),
        };
        Some(op)
    }

    /// Reports a tree that grew too high and leaves it out.
    fn cut(&mut self, expr: Expr) -> Expr {
        let what = match expr.kind {
            ExprKind::Binary { .. } => "this chain has more operators",
            ExprKind::Field { .. } | ExprKind::Method { .. } | ExprKind::Index { .. } => "this chain has more names, calls and indexes",
            _ => "this has more parts one inside the other",
        };
        self.cut_as(what, expr)
    }

    fn cut_as(&mut self, what: &str, expr: Expr) -> Expr {
        self.too_high(expr.span, what);
        self.height = 0;
        Expr { kind: ExprKind::Error, span: expr.span }
    }

    /// Reports something that consists of too many parts, of which each is taken apart inside the one before (`what`: "this has more parts"); once, if it goes on after that.
    pub(super) fn too_high(&mut self, span: Span, what: &str) {
        if let Some(last) = self.errors.last_mut()
            && last.kind == SyntaxErrorKind::NestingLimit
            && last.span.start == span.start
        {
            last.span = last.span.to(span);
            return;
        }
        self.report(
            SyntaxErrorKind::NestingLimit,
            span,
            format!("{what} than {MAX_HEIGHT}"),
            Some("give parts of it a name with `let`, or move them to a function".into()),
            None,
        );
    }

    fn operand(&mut self) -> Expr {
        let first = self.at;
        while matches!(self.peek(), Some(Rule::not | Rule::neg)) {
            self.at += 1;
        }
        let mut prefixes = self.at;
        if prefixes == first {
            return self.core();
        }
        let number = self.tokens[self.at];
        let lowest =
            number.rule == Rule::number && self.tokens[prefixes - 1].rule == Rule::neg && self.slice(number) == literal::MIN_DIGITS;
        let mut expr = if lowest {
            prefixes -= 1;
            let start = self.tokens[prefixes].start;
            self.leaf();
            self.height = 0;
            Expr { kind: ExprKind::Int(i64::MIN), span: self.span(start, self.last) }
        } else {
            self.core()
        };
        let end = expr.span.end;
        if (prefixes - first) as u32 + self.height > MAX_HEIGHT {
            let start = self.place(self.tokens[first].start);
            expr.span = Span { start, end };
            return self.cut_as("there are more signs before this", expr);
        }
        for index in (first..prefixes).rev() {
            let token = self.tokens[index];
            let op = if token.rule == Rule::not { UnaryOp::Not } else { UnaryOp::Neg };
            let start = self.place(token.start);
            expr = Expr { kind: ExprKind::Unary { op, operand: Box::new(expr) }, span: Span { start, end } };
            self.height += 1;
        }
        expr
    }

    /// A primary expression and its suffixes.
    fn core(&mut self) -> Expr {
        let start = self.tokens[self.at].start;
        let mut expr = self.primary();
        loop {
            match self.peek() {
                Some(Rule::field) if self.slice(self.tokens[self.at]) == ".forEach" => expr = self.for_each(start, &expr),
                Some(Rule::field) => expr = self.field(expr),
                Some(Rule::index) => {
                    let height = self.height;
                    let (args, span) = self.bracketed();
                    let index = self.one_of(args, span, "an index is one expression");
                    self.height = self.height.max(height) + 1;
                    let span = expr.span.to(span);
                    expr = Expr { kind: ExprKind::Index { base: Box::new(expr), index: Box::new(index) }, span };
                }
                Some(Rule::lost_field) => {
                    let token = self.leaf();
                    let whole = expr.span.to(self.token_span(token));
                    self.lose(whole);
                    let end = Span { start: whole.end, end: whole.end };
                    let sign = self.slice(token);
                    self.wrong(end, format!("expected a name behind the `{sign}`"), "such as that of a cell, a method or a handler");
                    expr = Expr { kind: ExprKind::Error, span: whole };
                    self.height = 0;
                }
                Some(Rule::foreign_cast) => expr = self.cast(&expr),
                Some(Rule::args) => {
                    let (_, span) = self.bracketed();
                    self.not_callable(&expr, span);
                    self.lose(expr.span.to(span));
                    expr = Expr { kind: ExprKind::Error, span: expr.span.to(span) };
                    self.height = 0;
                }
                _ => return expr,
            }
            if self.height > MAX_HEIGHT {
                expr = self.cut(expr);
            }
        }
    }

    /// `value as Int`, of which the value was read.
    fn cast(&mut self, value: &Expr) -> Expr {
        let inside = self.enter();
        let meant = self.slice(self.tokens[self.at]);
        let ty = self.type_expr();
        let start = self.place(inside.token.start);
        self.leave_open(inside);
        let help = match habits::type_elsewhere(meant).unwrap_or(meant) {
            "Int" => "of a text write `text.to_int()`, which is `none` where it is no number; of a Float `x.round()`",
            "Float" => "write `n.to_float()`",
            "Text" => "put it into a text: `\"{value}\"`",
            _ => "look at the variant with `match`, at what may be absent with `if let`",
        };
        self.wrong(Span { start, end: start + "as".len() as u32 }, "there are no casts", help);
        let span = value.span.to(ty.span);
        self.lose(span);
        self.height = 0;
        Expr { kind: ExprKind::Error, span }
    }

    fn not_callable(&mut self, callee: &Expr, span: Span) {
        match &callee.kind {
            ExprKind::TypeName(name) => {
                let name = name.name;
                let help = match name.as_str() {
                    "Int" | "Float" => {
                        format!("of a text write `text.to_{}()`, which is `none` where it is no number", name.to_lowercase())
                    }
                    "Text" => "put it into a text: `\"{value}\"`".to_owned(),
                    "List" => "a list is written `[a, b]`".to_owned(),
                    "Set" => "a set is written `Set[a, b]`".to_owned(),
                    "Map" => "a map is written `Map[key: value]`".to_owned(),
                    _ => format!("write `{name} {{ … }}` for a struct, `create {name} {{ … }}` for a record"),
                };
                self.wrong(callee.span.to(span), format!("`{name}` is a type and cannot be called"), help);
            }
            ExprKind::Error => {}
            _ => self.wrong(span, "this cannot be called", "functions are called by name, methods with a `.`"),
        }
    }

    /// `.name`, `?.name`, and the arguments after it.
    fn field(&mut self, base: Expr) -> Expr {
        let height = self.height;
        let mut token = self.leaf();
        let optional = self.slice(token).starts_with('?');
        token.start += if optional { 2 } else { 1 };
        let name = self.ident_of(token);
        if !self.sees(Rule::args) {
            self.height = height + 1;
            let span = base.span.to(name.span);
            return Expr { kind: ExprKind::Field { base: Box::new(base), name, optional }, span };
        }
        let (args, args_span) = self.bracketed();
        self.height = self.height.max(height) + 1;
        let span = base.span.to(args_span);
        let kind = match base.kind {
            ExprKind::TypeName(of) if !args.is_empty() && args.iter().all(|arg| matches!(arg, Arg::Pair(..))) => {
                let fields = args.into_iter().filter_map(|arg| self.named(arg)).collect();
                ExprKind::Variant { of, variant: name, fields }
            }
            _ => ExprKind::Method { base: Box::new(base), name, args: self.unnamed(args), optional },
        };
        Expr { kind, span }
    }

    /// `name: value` between the brackets of a variant.
    fn named(&mut self, arg: Arg) -> Option<FieldInit> {
        let Arg::Pair(key, value) = arg else {
            return None;
        };
        let span = key.span.to(value.span);
        match key.kind {
            ExprKind::Name(name) => Some(FieldInit { name, value, span }),
            _ => {
                self.wrong(key.span, "expected the name of a field", "write `name: value`");
                None
            }
        }
    }

    /// Arguments without names.
    fn unnamed(&mut self, args: Vec<Arg>) -> Vec<Expr> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(match arg {
                Arg::Plain(value) => value,
                Arg::Pair(key, value) => {
                    let span = Span { start: key.span.start, end: value.span.start };
                    self.wrong(span, "arguments have no names here", "give them in the order of the parameters");
                    value
                }
            });
        }
        values
    }

    /// The one expression that must stand between two brackets.
    fn one_of(&mut self, args: Vec<Arg>, span: Span, problem: &str) -> Expr {
        let mut values = self.unnamed(args);
        if values.len() != 1 {
            self.wrong(span, problem, "write one expression between the brackets");
        }
        if values.is_empty() { Expr { kind: ExprKind::Error, span } } else { values.swap_remove(0) }
    }

    /// The arguments of a call.
    pub(super) fn call_args(&mut self) -> Vec<Expr> {
        let (args, _) = self.bracketed();
        self.unnamed(args)
    }

    /// What stands between two brackets, and where they are. The height is that of the highest.
    fn bracketed(&mut self) -> (Vec<Arg>, Span) {
        let inside = self.enter();
        let mut args = Vec::new();
        let mut height = 0;
        while self.peek().is_some() {
            args.push(self.arg());
            height = height.max(self.height);
        }
        self.height = height;
        (args, self.leave_closed(inside))
    }

    fn arg(&mut self) -> Arg {
        if let Some(params) = self.lambda_params() {
            let start = params.1;
            let inside = self.enter();
            if self.text[inside.token.start as usize..].starts_with("->") {
                let span = self.span(inside.token.start, inside.token.start + 2);
                self.misspelt(span, "a lambda is written with `=>`", "write `=>`", "=>");
            }
            let body = self.expr();
            self.leave_open(inside);
            self.height += 1;
            let span = Span { start, end: body.span.end };
            return Arg::Plain(Expr { kind: ExprKind::Lambda { params: params.0, body: Box::new(body) }, span });
        }
        let expr = self.expr();
        match self.peek() {
            Some(Rule::pair) => {
                let height = self.height;
                let inside = self.enter();
                let value = self.expr();
                self.leave_open(inside);
                self.height = self.height.max(height);
                Arg::Pair(expr, value)
            }
            Some(Rule::lambda_body) => {
                self.wrong(expr.span, "the parameters of a lambda are names", "write `x => …` or `(a, b) => …`");
                let inside = self.enter();
                let body = self.expr();
                self.leave_open(inside);
                let span = expr.span.to(body.span);
                self.lose(span);
                Arg::Plain(Expr { kind: ExprKind::Error, span })
            }
            _ => Arg::Plain(expr),
        }
    }

    /// `x` or `(a, b)` before a `=>`, and where it starts.
    fn lambda_params(&mut self) -> Option<(Vec<Ident>, u32)> {
        let token = *self.tokens.get(self.at)?;
        let after = self.tokens.get(token.next as usize)?;
        if after.rule != Rule::lambda_body || token.next as usize >= self.limit {
            return None;
        }
        let start = self.place(token.start);
        match token.rule {
            Rule::name | Rule::plain_name => Some((vec![self.lower()], start)),
            Rule::paren => {
                let names = self.at + 1..token.next as usize;
                if !names.clone().all(|at| matches!(self.tokens[at].rule, Rule::name | Rule::plain_name)) {
                    return None;
                }
                let inside = self.enter();
                let params = names.map(|_| self.lower()).collect();
                self.leave_closed(inside);
                Some((params, start))
            }
            _ => None,
        }
    }

    fn primary(&mut self) -> Expr {
        self.height = 0;
        let rule = self.peek().expect("an operand stands here");
        match rule {
            Rule::plain_name | Rule::name => self.name_or_call(),
            Rule::upper => self.type_name(),
            Rule::text => self.text(),
            Rule::number => self.number(),
            Rule::paren => {
                let (args, span) = self.bracketed();
                let inner = self.one_of(args, span, "brackets hold one expression: there are no tuples");
                Expr { kind: inner.kind, span }
            }
            Rule::list => {
                let (args, span) = self.bracketed();
                self.height += 1;
                Expr { kind: ExprKind::List(self.unnamed(args)), span }
            }
            Rule::expr_block => self.expr_block(),
            Rule::if_expr => self.if_expr(),
            Rule::match_expr => self.match_expr(),
            Rule::create_expr => self.create_expr(),
            Rule::foreign_new => self.foreign_new(),
            Rule::await_expr => {
                let inside = self.enter();
                let value = self.operand();
                let word = self.span(inside.token.start, inside.token.start + "await".len() as u32);
                let before = self.text[..inside.token.start as usize].trim_end_matches([' ', '\t']);
                let alone = matches!(value.kind, ExprKind::Method { .. }) && before.ends_with(['\n', '{']);
                self.report(
                    SyntaxErrorKind::Await,
                    word,
                    "a transaction cannot wait for an answer".into(),
                    Some("send it, and go on in an arm: `send … then { ok(result) => { … } err(e) => { … } }`".into()),
                    alone.then(|| "send".into()),
                );
                self.leave_open(inside);
                value
            }
            other => unreachable!("{other:?} is no operand of the grammar"),
        }
    }

    fn name_or_call(&mut self) -> Expr {
        let token = self.leaf();
        let span = self.token_span(token);
        let word = self.slice(token);
        let kind = match word {
            "self" => ExprKind::SelfRef,
            "true" => ExprKind::True,
            "false" => ExprKind::False,
            "none" => ExprKind::None,
            _ if literal::is_reserved(word) => {
                self.wrong(span, format!("expected an expression, found the word `{word}`"), "a name cannot be a word of the language");
                ExprKind::Error
            }
            _ if self.sees(Rule::args) => {
                let name = self.ident_of(token);
                let (args, args_span) = self.bracketed();
                self.height += 1;
                let args = self.unnamed(args);
                return Expr { kind: ExprKind::Call { name, args }, span: span.to(args_span) };
            }
            _ => {
                let name = self.ident_of(token);
                if habits::value(word).is_some() {
                    self.suspects.push(name);
                } else if let Some(habit) = habits::prefix(&self.text[token.start as usize..]) {
                    self.habit_at(token.start, habit);
                    return Expr { kind: ExprKind::Error, span: name.span };
                }
                ExprKind::Name(name)
            }
        };
        Expr { kind, span }
    }

    /// A capitalised name and what may stand after it: a struct, `Set[…]`, `Map[…]`.
    fn type_name(&mut self) -> Expr {
        let name = self.upper();
        if self.sees(Rule::struct_body) {
            let (spread, fields, span) = self.struct_body();
            let span = name.span.to(span);
            return Expr { kind: ExprKind::Struct { name, spread, fields }, span };
        }
        if !self.sees(Rule::index) || !matches!(name.name.as_str(), "Set" | "Map" | "List") {
            if habits::value(&name.name).is_some() {
                self.suspects.push(name);
            }
            return Expr { kind: ExprKind::TypeName(name), span: name.span };
        }
        let (args, span) = self.bracketed();
        self.height += 1;
        let span = name.span.to(span);
        let kind = match name.name.as_str() {
            "Set" => ExprKind::Set(self.unnamed(args)),
            "Map" => ExprKind::Map(self.entries(args)),
            _ => {
                self.misspelt(name.span, "a list is written without a name", "write `[a, b]`", "");
                ExprKind::List(self.unnamed(args))
            }
        };
        Expr { kind, span }
    }

    fn entries(&mut self, args: Vec<Arg>) -> Vec<(Expr, Expr)> {
        let mut entries = Vec::with_capacity(args.len());
        for arg in args {
            match arg {
                Arg::Pair(key, value) => entries.push((key, value)),
                Arg::Plain(key) => self.wrong(key.span, "a map consists of entries", "write `key: value`"),
            }
        }
        entries
    }

    fn struct_body(&mut self) -> (Option<Box<Expr>>, Vec<FieldInit>, Span) {
        let inside = self.enter();
        let mut height = 0;
        let spread = self.sees(Rule::spread).then(|| {
            let inside = self.enter();
            let spread = self.expr();
            self.leave_open(inside);
            height = self.height;
            Box::new(spread)
        });
        let mut fields = Vec::new();
        let (mut commas, mut equals, mut short) = (Commas::default(), Vec::new(), Vec::new());
        while self.sees(Rule::field_init) {
            let inside = self.enter();
            let name = self.lower();
            if let Some(token) = self.leaf_if(Rule::foreign_equals) {
                // What stands for `name = value` is `name: value`.
                let span = Span { start: name.span.end, end: self.place(token.end) };
                equals.push((span, ":".to_owned()));
            }
            let value = if self.peek().is_some() {
                self.expr()
            } else {
                let end = name.span.end;
                short.push((Span { start: end, end }, format!(": {}", name.name)));
                self.height = 0;
                Expr { kind: ExprKind::Name(name), span: name.span }
            };
            height = height.max(self.height);
            fields.push(FieldInit { name, value, span: self.leave_open(inside) });
            self.comma(&mut commas);
        }
        self.height = height + 1;
        let span = self.leave_closed(inside);
        self.report_commas(commas, "fields");
        self.habit_of(equals, "a field is given its value with `:`", "write `name: value`");
        self.habit_of(short, "the value of this field is missing", "a field is always written with its value: `name: name`");
        (spread, fields, span)
    }

    fn create_expr(&mut self) -> Expr {
        let inside = self.enter();
        let record = self.upper();
        let space = self.sees(Rule::create_in).then(|| {
            let inside = self.enter();
            let space = self.expr();
            self.leave_open(inside);
            Box::new(match space.kind {
                ExprKind::Name(name) => SpaceExpr::Named { name, key: None },
                ExprKind::Index { base, index } => match base.kind {
                    ExprKind::Name(name) => SpaceExpr::Named { name, key: Some(*index) },
                    kind => SpaceExpr::Of(Expr {
                        kind: ExprKind::Index { base: Box::new(Expr { kind, span: base.span }), index },
                        span: space.span,
                    }),
                },
                _ => SpaceExpr::Of(space),
            })
        });
        let height = self.height;
        let (spread, fields, span) = self.struct_body();
        self.height = self.height.max(height + 1);
        if let Some(spread) = spread {
            self.wrong(spread.span, "a record is not copied from another", "give each cell its value: `name: r.name`");
        }
        self.leave(&inside);
        let span = Span { start: self.place(inside.token.start), end: span.end };
        Expr { kind: ExprKind::Create { record, space, fields }, span }
    }
}
