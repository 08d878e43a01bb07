//! What kind of place the cursor is at.

use patternc_grammar::syntax::{
    Answer, Block, Cond, Else, Expr, ExprKind, FieldInit, Ident, If, ItemKind, Member, MemberKind, Name, Param, Pattern, PatternKind,
    PlaceExpr, Send, SpaceExpr, Span, Stmt, StmtKind, TextPart, TypeExpr, TypeKind,
};
use rustc_hash::FxHashMap;

use super::MARKER;
use crate::bodies::bodies;
use crate::db::{Db, SourceFile};
use crate::ide::call::params_of;
use crate::ide::cursor::Around;
use crate::ide::definition::Definition;
use crate::ide::names::{locals_at, member, names, types};
use crate::items::{ItemHead, head, parsed};
use crate::resolve::scope;
use crate::signature::{enum_sig, extern_sig, record_sig, struct_sig};
use crate::types::{ItemId, Place, Ty};

/// The place of the cursor.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub position: Position,
    /// The type of the value that is wanted here.
    pub wanted: Option<Ty>,
    pub in_test: bool,
    pub in_saga: bool,
    /// After the word `create`.
    pub creates: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Position {
    /// After the `.` of a value.
    Member {
        base: Ty,
        span: Span,
        is_send: bool,
    },
    /// After the `.` of a declaration: a variant, an operation, `all`.
    MemberOf(ItemId),
    /// After the `.` of a `writes` clause.
    Cell(ItemId),
    Type,
    /// After the `@` of a type.
    Place,
    /// The name of a field or cell that is given a value.
    Field {
        of: Definition,
        given: Vec<Name>,
    },
    Record,
    /// After `in`.
    Space {
        of: Option<ItemId>,
    },
    Extern,
    /// Between the braces of a `use`.
    Import(SourceFile),
    /// Between the brackets of an `@allow`.
    Rule,
    /// Before a `=>`.
    Pattern {
        of: Option<ItemId>,
    },
    /// Between the braces of a `then`; which arms are there.
    Arm {
        ok: bool,
        err: bool,
    },
    Item,
    RecordMember,
    Operation,
    Clause,
    /// Between the parameters of a handler and its body.
    Signature,
    /// After the type or default of a cell.
    CellMark,
    Statement,
    Expression,
    /// Where a new name is made up.
    Nothing,
}

/// Looks where the marker of `file` is, in the word that begins at `at`; and whether the tree has that place.
pub(super) fn find(db: &dyn Db, file: SourceFile, at: u32, around: &Around) -> (Site, bool) {
    let mut finder = Finder { db, file, at, types: types(db, file), record: None, in_test: false, in_saga: false, found: None };
    finder.file();
    let (in_test, in_saga) = (finder.in_test, finder.in_saga);
    match finder.found {
        Some(site) => (site, true),
        None => (Site { in_test, in_saga, ..by_brackets(file.text(db), at as usize, around) }, false),
    }
}

/// What the words before the cursor and the brackets around it say, where the tree has no place for it.
fn by_brackets(text: &str, at: usize, around: &Around) -> Site {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..at].trim_start();
    let last = line.trim_end().rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    let innermost = around.open.last();
    let header = innermost.map(|open| {
        let start = text[..open.at].rfind(['\n', '{', '}']).map_or(0, |newline| newline + 1);
        text[start..open.at].trim()
    });
    let first = header.and_then(|header| header.split_whitespace().next()).unwrap_or_default();
    let position = match (innermost.map(|open| open.bracket), first) {
        _ if line.starts_with("@allow(") => Position::Rule,
        _ if matches!(last, "let" | "handler" | "saga" | "cell" | "derived" | "fn" | "struct" | "enum" | "step" | "pivot") => {
            Position::Nothing
        }
        _ if last == "create" => Position::Record,
        _ if last == "in" => Position::Space { of: None },
        (None, _) if line.is_empty() => Position::Item,
        (None, _) => Position::Nothing,
        (Some(b'{'), "record") if line.is_empty() => Position::RecordMember,
        (Some(b'{'), "record") if line.starts_with("cell ") && line.contains(':') => Position::CellMark,
        (Some(b'{'), "record") if line.contains(')') => Position::Signature,
        (Some(b'{'), "extern") => Position::Operation,
        (Some(b'{'), "mirror") => Position::Clause,
        (Some(b'{'), "struct" | "enum") => Position::Nothing,
        (Some(b'{'), _) if header.is_some_and(|header| header.ends_with("then")) => {
            let inside = innermost.map_or("", |open| &text[open.at..at]);
            Position::Arm { ok: inside.contains("ok("), err: inside.contains("err(") }
        }
        (Some(b'{'), _) if line.is_empty() => Position::Statement,
        _ => Position::Expression,
    };
    Site { position, wanted: None, in_test: false, in_saga: false, creates: last == "create" }
}

struct Finder<'db> {
    db: &'db dyn Db,
    file: SourceFile,
    at: u32,
    types: FxHashMap<Span, &'db Ty>,
    record: Option<ItemId>,
    in_test: bool,
    in_saga: bool,
    found: Option<Site>,
}

impl<'db> Finder<'db> {
    fn has(&self, span: Span) -> bool {
        self.found.is_none() && span.start <= self.at && self.at <= span.end
    }

    /// Whether a name is the one with the marker.
    fn is(&self, name: Ident) -> bool {
        self.found.is_none() && name.span.start == self.at && name.name.contains(MARKER)
    }

    fn set(&mut self, position: Position) {
        self.set_wanting(position, None);
    }

    fn set_wanting(&mut self, position: Position, wanted: Option<&Ty>) {
        let site = Site { position, wanted: wanted.cloned(), in_test: self.in_test, in_saga: self.in_saga, creates: false };
        self.found.get_or_insert(site);
    }

    fn item(&self, name: Name) -> Option<ItemId> {
        scope(self.db, self.file).lookup(name)
    }

    fn file(&mut self) {
        let items = &parsed(self.db, self.file).file.items;
        for (index, item) in items.iter().enumerate() {
            for allow in &item.allows {
                if self.is(allow.rule) {
                    self.set(Position::Rule);
                }
            }
            if !self.has(item.span) {
                continue;
            }
            let id = ItemId { file: self.file, index: index as u32 };
            match &item.kind {
                ItemKind::Use(it) => {
                    let import = scope(self.db, self.file).imports.iter().find(|import| import.item == id.index);
                    if let (true, Some(from)) = (it.names.iter().any(|name| self.is(*name)), import.and_then(|import| import.file)) {
                        self.set(Position::Import(from));
                    }
                }
                ItemKind::Space(it) => it.key.iter().for_each(|key| self.ty(key)),
                ItemKind::Struct(it) => self.params(&it.fields),
                ItemKind::Enum(it) => it.variants.iter().for_each(|variant| self.params(&variant.fields)),
                ItemKind::Record(it) => {
                    if it.space.is_some_and(|space| self.is(space)) {
                        self.set(Position::Space { of: None });
                    }
                    self.record = Some(id);
                    it.members.iter().for_each(|member| self.member(member));
                    self.record = None;
                }
                ItemKind::Fn(it) => {
                    self.params(&it.params);
                    it.result.iter().for_each(|result| self.ty(result));
                    let wanted = crate::signature::fn_sig(self.db, id).map(|sig| &sig.result);
                    self.expr(&it.body, wanted);
                }
                ItemKind::Extern(it) => {
                    for operation in &it.operations {
                        self.params(&operation.params);
                        operation.result.iter().for_each(|result| self.ty(result));
                    }
                }
                ItemKind::Mirror(it) => {
                    if self.is(it.record) {
                        self.set(Position::Record);
                    }
                    if self.is(it.target) {
                        self.set(Position::Extern);
                    }
                    it.clauses.iter().for_each(|clause| self.expr(&clause.value, None));
                }
                ItemKind::Invariant(it) => {
                    self.params(&it.params);
                    self.expr(&it.body, Some(&Ty::Bool));
                }
                ItemKind::Test(it) => {
                    self.in_test = true;
                    self.block(&it.body);
                }
            }
        }
    }

    fn member(&mut self, member: &'db Member) {
        for allow in &member.allows {
            if self.is(allow.rule) {
                self.set(Position::Rule);
            }
        }
        if !self.has(member.span) {
            return;
        }
        match &member.kind {
            MemberKind::Cell(it) => {
                self.ty(&it.ty);
                let wanted = self.cell_type(it.name.name);
                it.default.iter().for_each(|default| self.expr(default, wanted));
                if it.inverse.is_some_and(|other| self.is(other))
                    && let Some(Ty::Record(other, _)) = wanted.map(element)
                {
                    self.set(Position::Cell(*other));
                }
            }
            MemberKind::Derived(it) => {
                self.ty(&it.ty);
                let wanted = self.cell_type(it.name.name);
                self.expr(&it.value, wanted);
            }
            MemberKind::Create(body) => self.block(body),
            MemberKind::Handler(it) => {
                self.params(&it.params);
                it.result.iter().for_each(|result| self.ty(result));
                for entry in it.writes.iter().flat_map(|writes| &writes.entries) {
                    if self.is(entry.record) {
                        self.set(Position::Record);
                    }
                    if let (true, Some(record)) = (entry.cell.is_some_and(|cell| self.is(cell)), self.item(entry.record.name)) {
                        self.set(Position::Cell(record));
                    }
                }
                if it.across.iter().any(|space| self.is(*space)) {
                    self.set(Position::Space { of: None });
                }
                self.block(&it.body);
            }
            MemberKind::Saga(it) => {
                self.params(&it.params);
                self.in_saga = true;
                it.prelude.iter().for_each(|stmt| self.stmt(stmt));
                for step in &it.steps {
                    self.event(&step.action);
                    step.undo.iter().for_each(|undo| self.event(undo));
                }
                self.in_saga = self.found.is_some() || self.has(member.span);
            }
        }
    }

    fn cell_type(&self, name: Name) -> Option<&'db Ty> {
        let sig = record_sig(self.db, self.record?)?;
        sig.cells.get(sig.cell(name)? as usize).map(|cell| &cell.ty)
    }

    fn params(&mut self, params: &'db [Param]) {
        for param in params {
            if self.is(param.name) {
                self.set(Position::Nothing);
            }
            self.ty(&param.ty);
        }
    }

    fn ty(&mut self, ty: &'db TypeExpr) {
        match &ty.kind {
            TypeKind::Named { name, args, place } => {
                if self.is(*name) {
                    self.set(Position::Type);
                }
                args.iter().for_each(|arg| self.ty(arg));
                if let Some(PlaceExpr::Space(space)) = place
                    && self.is(*space)
                {
                    self.set(Position::Place);
                }
            }
            TypeKind::Optional(inner) => self.ty(inner),
            TypeKind::Error => {}
        }
    }

    fn block(&mut self, block: &'db Block) {
        if self.has(block.span) {
            block.stmts.iter().for_each(|stmt| self.stmt(stmt));
        }
    }

    fn stmt(&mut self, stmt: &'db Stmt) {
        for allow in &stmt.allows {
            if self.is(allow.rule) {
                self.set(Position::Rule);
            }
        }
        if !self.has(stmt.span) {
            return;
        }
        match &stmt.kind {
            StmtKind::Let { name, ty, value, otherwise } => {
                if self.is(*name) {
                    self.set(Position::Nothing);
                }
                ty.iter().for_each(|ty| self.ty(ty));
                self.expr(value, None);
                otherwise.iter().for_each(|otherwise| self.stmt(otherwise));
            }
            StmtKind::Assign { target, value, .. } => {
                self.expr(target, None);
                let wanted = self.written(target);
                self.expr(value, wanted.as_ref());
            }
            StmtKind::Expr(value) => match &value.kind {
                ExprKind::Name(name) | ExprKind::TypeName(name) if self.is(*name) => self.set(Position::Statement),
                _ => self.expr(value, None),
            },
            StmtKind::Delete(value) | StmtKind::Advance(value) | StmtKind::Order(value) => self.expr(value, None),
            StmtKind::Fail(value) => self.expr(value, Some(&Ty::Text)),
            StmtKind::Expect(value) => self.expr(value, Some(&Ty::Bool)),
            StmtKind::Require { cond, message } => {
                self.expr(cond, Some(&Ty::Bool));
                message.iter().for_each(|message| self.expr(message, Some(&Ty::Text)));
            }
            StmtKind::If(it) => self.if_stmt(it),
            StmtKind::For { iter, body, .. } => {
                self.expr(iter, None);
                self.block(body);
            }
            StmtKind::Match { subject, arms } => {
                self.expr(subject, None);
                for arm in arms {
                    self.pattern(&arm.pattern, subject);
                    self.block(&arm.body);
                }
            }
            StmtKind::Return(value) => value.iter().for_each(|value| self.expr(value, None)),
            StmtKind::Send(send) => self.send(send),
            StmtKind::Try { body, catch, .. } => {
                self.block(body);
                self.block(catch);
            }
            StmtKind::ExpectFail { call, with, .. } => {
                self.stmt(call);
                with.iter().for_each(|with| self.expr(with, Some(&Ty::Text)));
            }
            StmtKind::Concurrently { times, body } => {
                times.iter().for_each(|times| self.expr(times, Some(&Ty::Int)));
                self.block(body);
            }
            StmtKind::Hold(body) => self.block(body),
            StmtKind::As { caller, body } => {
                self.expr(caller, Some(&Ty::Text));
                self.block(body);
            }
            StmtKind::Given(given) => {
                if self.is(given.of) {
                    self.set(Position::Extern);
                }
                let of = self.item(given.of.name);
                if let (true, Some(of)) = (self.is(given.operation), of) {
                    self.set(Position::MemberOf(of));
                }
                let operation = of.and_then(|of| {
                    let sig = extern_sig(self.db, of)?;
                    sig.operations.iter().find(|operation| operation.name == given.operation.name)
                });
                match &given.answer {
                    Answer::Value(value) => self.expr(value, operation.map(|operation| &operation.result)),
                    Answer::Fails { message, times } => {
                        self.expr(message, Some(&Ty::Text));
                        times.iter().for_each(|times| self.expr(times, Some(&Ty::Int)));
                    }
                }
            }
            StmtKind::Reconcile { scope, .. } => scope.iter().for_each(|scope| self.expr(scope, None)),
            StmtKind::Crash | StmtKind::Error => {}
        }
    }

    fn if_stmt(&mut self, it: &'db If) {
        self.cond(&it.cond);
        self.block(&it.then);
        match &it.otherwise {
            Some(Else::Block(body)) => self.block(body),
            Some(Else::If(inner)) => self.if_stmt(inner),
            None => {}
        }
    }

    fn cond(&mut self, cond: &'db Cond) {
        match cond {
            Cond::Expr(value) => self.expr(value, Some(&Ty::Bool)),
            Cond::Let { name, value } => {
                if self.is(*name) {
                    self.set(Position::Nothing);
                }
                self.expr(value, None);
            }
        }
    }

    fn send(&mut self, send: &'db Send) {
        self.event(&send.event);
        send.after.iter().for_each(|after| self.expr(after, Some(&Ty::Duration)));
        for arm in send.ok.iter().chain(&send.err) {
            self.block(&arm.body);
        }
    }

    /// What is sent: after its last `.`, handlers are meant.
    fn event(&mut self, event: &'db Expr) {
        if let ExprKind::Field { base, name, .. } | ExprKind::Method { base, name, .. } = &event.kind
            && self.is(*name)
        {
            self.after_dot(base, true);
        }
        self.expr(event, None);
    }

    fn pattern(&mut self, pattern: &'db Pattern, subject: &'db Expr) {
        if !self.has(pattern.span) {
            return;
        }
        let of = match self.types.get(&subject.span).map(|ty| element(ty)) {
            Some(Ty::Enum(of, _)) => Some(*of),
            _ => None,
        };
        match &pattern.kind {
            PatternKind::Bind(name) if self.is(*name) => self.set(Position::Pattern { of }),
            PatternKind::Variant { of: named, variant, fields } => {
                if self.is(*named) {
                    self.set(Position::Pattern { of });
                }
                if let (true, Some(of)) = (self.is(*variant), self.item(named.name)) {
                    self.set(Position::MemberOf(of));
                }
                if fields.iter().any(|field| self.has(field.span)) {
                    self.set(Position::Nothing);
                }
            }
            _ => {}
        }
    }

    /// The type of what is written by an assignment.
    fn written(&self, target: &Expr) -> Option<Ty> {
        match &target.kind {
            ExprKind::Field { base, name, .. } => {
                let base = self.type_of(base)?;
                match member(self.db, &base, name.name)? {
                    Definition::Cell(cell) => crate::signature::cell_sig(self.db, cell).map(|sig| sig.ty.clone()),
                    _ => None,
                }
            }
            ExprKind::Index { base, .. } => match self.written(base)? {
                Ty::Map(_, value) => Some((*value).clone()),
                _ => None,
            },
            _ => None,
        }
    }

    fn type_of(&self, expr: &Expr) -> Option<Ty> {
        match (&expr.kind, self.record) {
            (ExprKind::SelfRef, Some(record)) => Some(Ty::Record(record, Place::Here)),
            _ => match self.types.get(&expr.span) {
                Some(Ty::Error) | None => self.type_by_form(expr),
                Some(ty) => Some((*ty).clone()),
            },
        }
    }

    /// The type of a path, where the body around was not understood.
    fn type_by_form(&self, expr: &Expr) -> Option<Ty> {
        match &expr.kind {
            ExprKind::Name(name) => {
                let locals = locals_at(self.db, self.file, self.at);
                let (_, declared) = locals.iter().rev().find(|(local, _)| *local == name.name)?;
                let (owner, id) = names(self.db, self.file).local(*declared)?;
                Some(bodies(self.db, self.file).get(owner)?.locals.get(id.0 as usize)?.ty.clone())
            }
            ExprKind::Field { base, name, .. } => match member(self.db, &self.type_of(base)?, name.name)? {
                Definition::Cell(cell) => crate::signature::cell_sig(self.db, cell).map(|sig| sig.ty.clone()),
                Definition::Field { of, index } => struct_sig(self.db, of)?.fields.get(index as usize).map(|field| field.ty.clone()),
                _ => None,
            },
            ExprKind::Index { base, .. } => match self.type_of(base)? {
                Ty::List(element) | Ty::Map(_, element) => Some((*element).clone()),
                _ => None,
            },
            _ => None,
        }
    }

    fn after_dot(&mut self, base: &'db Expr, is_send: bool) {
        if let ExprKind::TypeName(name) | ExprKind::Name(name) = &base.kind
            && let Some(item) = self.item(name.name)
            && !self.types.contains_key(&base.span)
        {
            return self.set(Position::MemberOf(item));
        }
        match &base.kind {
            ExprKind::TypeName(name) => match self.item(name.name) {
                Some(item) => self.set(Position::MemberOf(item)),
                None => self.set(Position::Nothing),
            },
            _ => {
                let (span, base) = (base.span, self.type_of(base).unwrap_or(Ty::Error));
                self.set(Position::Member { base, span, is_send });
            }
        }
    }

    fn inits(&mut self, of: Option<Definition>, fields: &'db [FieldInit]) {
        for field in fields {
            if self.is(field.name) {
                let given = fields.iter().map(|field| field.name.name).filter(|name| !name.contains(MARKER)).collect();
                match of {
                    Some(of) => self.set(Position::Field { of, given }),
                    None => self.set(Position::Nothing),
                }
            }
            let wanted = of.and_then(|of| self.field_type(of, field.name.name));
            self.expr(&field.value, wanted.as_ref());
        }
    }

    fn field_type(&self, of: Definition, name: Name) -> Option<Ty> {
        match of {
            Definition::Item(id) => match head(self.db, id)? {
                ItemHead::Record(_) => {
                    let sig = record_sig(self.db, id)?;
                    sig.cells.get(sig.cell(name)? as usize).map(|cell| cell.ty.clone())
                }
                _ => struct_sig(self.db, id)?.fields.iter().find(|field| field.name == name).map(|field| field.ty.clone()),
            },
            Definition::Variant { of, index } => {
                let variant = enum_sig(self.db, of)?.variants.get(index as usize)?;
                variant.fields.iter().find(|field| field.name == name).map(|field| field.ty.clone())
            }
            _ => None,
        }
    }

    fn exprs(&mut self, values: impl IntoIterator<Item = &'db Expr>) {
        values.into_iter().for_each(|value| self.expr(value, None));
    }

    /// The arguments of what is called by a name at a place.
    fn args(&mut self, callee: Option<Definition>, args: &'db [Expr]) {
        let params = callee.and_then(|callee| params_of(self.db, callee)).unwrap_or_default();
        for (index, arg) in args.iter().enumerate() {
            let wanted = params.get(index).map(|param| param.ty.clone());
            self.expr(arg, wanted.as_ref());
        }
    }

    fn expr(&mut self, expr: &'db Expr, wanted: Option<&Ty>) {
        if !self.has(expr.span) {
            return;
        }
        match &expr.kind {
            ExprKind::Name(name) | ExprKind::TypeName(name) if self.is(*name) => self.set_wanting(Position::Expression, wanted),
            ExprKind::Interpolation(parts) => {
                for part in parts {
                    if let TextPart::Expr(value) = part {
                        self.expr(value, None);
                    }
                }
            }
            ExprKind::List(values) | ExprKind::Set(values) => {
                let inner = wanted.map(element).cloned();
                values.iter().for_each(|value| self.expr(value, inner.as_ref()));
            }
            ExprKind::Map(entries) => entries.iter().for_each(|(key, value)| self.exprs([key, value])),
            ExprKind::Struct { name, spread, fields } => {
                if self.is(*name) {
                    self.set_wanting(Position::Expression, wanted);
                }
                self.exprs(spread.as_deref());
                let of = self.item(name.name).map(Definition::Item);
                self.inits(of, fields);
                self.in_braces(expr, of, fields);
            }
            ExprKind::Variant { of, variant, fields } => {
                if let (true, Some(of)) = (self.is(*variant), self.item(of.name)) {
                    self.set(Position::MemberOf(of));
                }
                let of = self.item(of.name).and_then(|of| {
                    let index = enum_sig(self.db, of)?.variants.iter().position(|known| known.name == variant.name)?;
                    Some(Definition::Variant { of, index: index as u32 })
                });
                self.inits(of, fields);
            }
            ExprKind::Create { record, space, fields } => {
                if self.is(*record) {
                    self.set(Position::Record);
                    if let Some(found) = &mut self.found {
                        found.creates = true;
                    }
                }
                let of = self.item(record.name);
                match space.as_deref() {
                    Some(SpaceExpr::Named { name, key }) => {
                        if self.is(*name) {
                            self.set(Position::Space { of });
                        }
                        self.exprs(key);
                    }
                    Some(SpaceExpr::Of(value)) => self.expr(value, None),
                    None => {}
                }
                let of = of.map(Definition::Item);
                self.inits(of, fields);
                self.in_braces(expr, of, fields);
            }
            ExprKind::Field { base, name, .. } => {
                if self.is(*name) {
                    self.after_dot(base, false);
                }
                self.expr(base, None);
            }
            ExprKind::Method { base, name, args, .. } => {
                if self.is(*name) {
                    self.after_dot(base, false);
                }
                self.expr(base, None);
                let callee = names(self.db, self.file).at(name.span.start).map(|reference| reference.to);
                // The one argument of a half-written variant is the name of a field.
                if let (Some(Definition::Variant { .. }), [Expr { kind: ExprKind::Name(field), .. }]) = (callee, args.as_slice())
                    && self.is(*field)
                    && let Some(of) = callee
                {
                    self.set(Position::Field { of, given: Vec::new() });
                }
                self.args(callee, args);
            }
            ExprKind::Index { base, index } => self.exprs([&**base, &**index]),
            ExprKind::Call { name, args } => {
                if self.is(*name) {
                    self.set_wanting(Position::Expression, wanted);
                }
                let callee = self.item(name.name).map(Definition::Item);
                self.args(callee, args);
            }
            ExprKind::Unary { operand, .. } => self.expr(operand, wanted),
            ExprKind::Binary { left, right, op, .. } => {
                use patternc_grammar::syntax::BinaryOp as B;
                let inner = match op {
                    B::And | B::Or => Some(Ty::Bool),
                    B::Eq | B::Ne | B::Lt | B::Le | B::Gt | B::Ge => self.type_of(left),
                    B::In => None,
                    _ => wanted.cloned(),
                };
                self.expr(left, if matches!(op, B::And | B::Or) { Some(&Ty::Bool) } else { None });
                self.expr(right, inner.as_ref());
            }
            ExprKind::If { cond, then, otherwise } => {
                self.cond(cond);
                self.expr(then, wanted);
                otherwise.iter().for_each(|otherwise| self.expr(otherwise, wanted));
            }
            ExprKind::Match { subject, arms } => {
                self.expr(subject, None);
                for arm in arms {
                    self.pattern(&arm.pattern, subject);
                    self.expr(&arm.value, wanted);
                }
            }
            ExprKind::Block { lets, value } => {
                lets.iter().for_each(|stmt| self.stmt(stmt));
                value.iter().for_each(|value| self.expr(value, wanted));
            }
            ExprKind::Lambda { params, body } => {
                if params.iter().any(|param| self.is(*param)) {
                    self.set(Position::Nothing);
                }
                self.expr(body, None);
            }
            _ => {}
        }
    }

    /// Between the braces of a struct or record, where the grammar could not see a field: the cursor is alone there.
    fn in_braces(&mut self, expr: &'db Expr, of: Option<Definition>, fields: &'db [FieldInit]) {
        let text = expr.span.slice(self.file.text(self.db));
        let inside = text.find('{').is_some_and(|brace| self.at as usize > expr.span.start as usize + brace);
        let in_value = fields.iter().any(|field| field.value.span.start <= self.at && self.at <= field.value.span.end);
        if let (true, false, Some(of)) = (inside, in_value, of) {
            self.set(Position::Field { of, given: fields.iter().map(|field| field.name.name).collect() });
        }
    }
}

/// The type of the elements of a collection, or of what may be absent; else the type itself.
fn element(ty: &Ty) -> &Ty {
    match ty {
        Ty::List(inner) | Ty::Set(inner) | Ty::Optional(inner) => inner,
        ty => ty,
    }
}
