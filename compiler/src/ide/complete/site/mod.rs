//! What kind of place the cursor is at.

mod brackets;
mod expressions;

use patternc_grammar::syntax::{
    Answer, Block, Cond, Else, Expr, ExprKind, Ident, If, ItemKind, Member, MemberKind, Name, Param, Pattern, PatternKind, PlaceExpr, Send,
    Span, Stmt, StmtKind, TypeExpr, TypeKind,
};
use rustc_hash::FxHashMap;

use super::MARKER;
use crate::db::{Db, SourceFile};
use crate::ide::cursor::Around;
use crate::ide::definition::Definition;
use crate::ide::names::types;
use crate::items::parsed;
use crate::resolve::scope;
use crate::signature::{extern_sig, record_sig};
use crate::types::{ItemId, Ty};

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
        /// A statement begins with it: what is named is written or called.
        begins: bool,
    },
    /// After the `.` of a declaration: a variant, an operation, `all`.
    MemberOf(ItemId),
    /// After the `.` of a `writes` clause.
    Cell(ItemId),
    /// After `inverse`: what leads back to the record that is declared.
    Inverse {
        of: ItemId,
        to: ItemId,
    },
    Type,
    /// After the `@` of this type.
    Place(Name),
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
    Pattern(Subject),
    /// Between the braces of a `then`; which arms are there.
    Arm {
        ok: bool,
        err: bool,
    },
    /// After `given`, or after the name of an extern and a `.` there.
    Given {
        of: Option<Name>,
    },
    /// What a step sends, or its `undo`: then the step's target, as written, and its handler.
    Step {
        undoes: Option<(String, Name)>,
    },
    Item,
    RecordMember,
    Operation,
    /// Behind an operation.
    OperationMark,
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

/// What is matched, as far as an arm has to know.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    pub ty: Option<Ty>,
    /// What other arms take, as written.
    pub covered: Vec<String>,
    /// The name of the enum stands before the cursor.
    pub named: bool,
    /// The arms are values, not blocks.
    pub is_value: bool,
}

/// Looks where the marker of `file` is, in the word that begins at `at`; and whether the tree has that place.
pub(super) fn find(db: &dyn Db, file: SourceFile, at: u32, around: &Around) -> (Site, bool) {
    let mut finder = Finder { db, file, at, types: types(db, file), record: None, in_test: false, in_saga: false, found: None };
    finder.file();
    let (in_test, in_saga) = (finder.in_test, finder.in_saga);
    match finder.found {
        Some(site) => (site, true),
        None => (Site { in_test, in_saga, ..brackets::by_brackets(file.text(db), at as usize, around) }, false),
    }
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
                    && let (Some(Ty::Record(other, _)), Some(own)) = (wanted.map(element), self.record)
                {
                    self.set(Position::Inverse { of: *other, to: own });
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
                    self.step(&step.action, None);
                    step.undo.iter().for_each(|undo| self.step(undo, Some(&step.action)));
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
                    self.set(Position::Place(name.name));
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
                if self.has(target.span) {
                    self.expr(target, None);
                    self.begins_statement();
                }
                let wanted = self.written(target);
                self.expr(value, wanted.as_ref());
            }
            StmtKind::Expr(value) => match &value.kind {
                ExprKind::Name(name) | ExprKind::TypeName(name) if self.is(*name) => self.set(Position::Statement),
                ExprKind::Field { name, .. } | ExprKind::Method { name, .. } if self.is(*name) => {
                    self.expr(value, None);
                    self.begins_statement();
                }
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
                let patterns: Vec<&Pattern> = arms.iter().map(|arm| &arm.pattern).collect();
                for arm in arms {
                    self.pattern(&arm.pattern, subject, &patterns, false);
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

    /// What was just found is the first of its statement.
    fn begins_statement(&mut self) {
        if let Some(Site { position: Position::Member { begins, .. }, .. }) = &mut self.found {
            *begins = true;
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
            self.after_dot(base, true, None);
        }
        self.expr(event, None);
    }

    /// What a step sends, or the `undo` of one.
    fn step(&mut self, event: &'db Expr, undone: Option<&'db Expr>) {
        if let ExprKind::Name(name) = &event.kind
            && self.is(*name)
        {
            let undoes = undone.and_then(|action| match &action.kind {
                ExprKind::Method { base, name, .. } => Some((base.span.slice(self.file.text(self.db)).to_owned(), name.name)),
                _ => None,
            });
            self.set(Position::Step { undoes });
        }
        self.event(event);
    }

    fn pattern(&mut self, pattern: &'db Pattern, subject: &'db Expr, all: &[&'db Pattern], is_value: bool) {
        if !self.has(pattern.span) {
            return;
        }
        let text = self.file.text(self.db);
        // An arm that takes some of a variant leaves the rest.
        let takes_all = |pattern: &&&Pattern| match &pattern.kind {
            PatternKind::Variant { fields, .. } => {
                fields.iter().all(|field| matches!(field.kind, PatternKind::Wildcard | PatternKind::Bind(_)))
            }
            _ => true,
        };
        let written = |pattern: &&Pattern| {
            let text = pattern.span.slice(text);
            text[..text.find('(').unwrap_or(text.len())].to_owned()
        };
        let others = all.iter().filter(|other| other.span != pattern.span).filter(takes_all);
        let covered = others.map(written).collect();
        let ty = self.types.get(&subject.span).map(|ty| (*ty).clone());
        let found = Subject { ty, covered, named: false, is_value };
        match &pattern.kind {
            PatternKind::Bind(name) if self.is(*name) => self.set(Position::Pattern(found)),
            PatternKind::Variant { of, variant, fields } => {
                if self.is(*of) {
                    self.set(Position::Pattern(found));
                } else if let (true, Some(id)) = (self.is(*variant), self.item(of.name)) {
                    let ty = Some(Ty::Enum(id, crate::types::Place::Here));
                    self.set(Position::Pattern(Subject { ty, named: true, ..found }));
                }
                if fields.iter().any(|field| self.has(field.span)) {
                    self.set(Position::Nothing);
                }
            }
            _ => {}
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
