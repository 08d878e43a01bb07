//! Declarations at the top of a file, and the members of records.

use super::types::Commas;
use super::{Builder, Reading};
use crate::habits::Place;
use crate::parse::{Rule, Token};
use crate::syntax::*;

/// What stands before a declaration.
#[derive(Default)]
struct Before {
    docs: Option<Box<str>>,
    /// The first line of them.
    docs_at: Option<Token>,
    allows: Vec<Allow>,
}

impl Builder<'_> {
    /// All that a piece says.
    pub fn file(mut self) -> Reading {
        let mut items = Vec::new();
        let inside = self.enter();
        let mut before = Before::default();
        // Where the one before began.
        let mut before_start = None;
        while let Some(rule) = self.peek() {
            let start = self.tokens[self.at].start;
            let kind = match rule {
                Rule::doc => {
                    before.docs_at = Some(self.tokens[self.at]);
                    before.docs = self.docs();
                    continue;
                }
                Rule::allow => {
                    before.allows.push(self.allow());
                    continue;
                }
                Rule::lost_item => {
                    self.lost(Place::File, before_start.filter(|&at| at < start));
                    before = Before::default();
                    continue;
                }
                Rule::use_decl => ItemKind::Use(self.use_decl()),
                Rule::space_decl => ItemKind::Space(self.space_decl()),
                Rule::struct_decl => ItemKind::Struct(self.struct_decl()),
                Rule::enum_decl => ItemKind::Enum(self.enum_decl()),
                Rule::record_decl => ItemKind::Record(self.record_decl()),
                Rule::fn_decl => ItemKind::Fn(self.fn_decl()),
                Rule::extern_decl => ItemKind::Extern(self.extern_decl()),
                Rule::mirror_decl => ItemKind::Mirror(self.mirror_decl()),
                Rule::invariant_decl => ItemKind::Invariant(self.invariant_decl()),
                Rule::test_decl => ItemKind::Test(self.test_decl()),
                other => unreachable!("{other:?} is no item of the grammar"),
            };
            let Before { docs, allows, .. } = std::mem::take(&mut before);
            before_start = Some(start);
            items.push(Item { docs, allows, kind, span: self.span(start, self.last) });
        }
        self.nothing_follows(before);
        self.leave_closed(inside);
        self.report_suspects();
        let Builder { errors, lost, rewrites, .. } = self;
        Reading { items, errors, lost, rewrites }
    }

    fn use_decl(&mut self) -> Use {
        let inside = self.enter();
        let path = self.plain_text();
        let mut names = Vec::new();
        while self.peek().is_some() {
            let token = self.leaf();
            names.push(self.ident_of(token));
        }
        self.leave_closed(inside);
        Use { path, names }
    }

    fn space_decl(&mut self) -> SpaceDecl {
        let inside = self.enter();
        let name = self.lower();
        let key = self.peek().is_some().then(|| self.type_expr());
        self.leave_closed(inside);
        SpaceDecl { name, key }
    }

    fn struct_decl(&mut self) -> StructDecl {
        let inside = self.enter();
        let name = self.upper();
        let fields = self.param_list("fields");
        self.leave_closed(inside);
        StructDecl { name, fields }
    }

    fn enum_decl(&mut self) -> EnumDecl {
        let inside = self.enter();
        let name = self.upper();
        let mut variants = Vec::new();
        let (mut commas, mut cases, mut values) = (Commas::default(), Vec::new(), Vec::new());
        self.comma(&mut commas);
        while self.sees(Rule::variant) {
            let inside = self.enter();
            let docs = self.docs();
            if let Some(case) = self.leaf_if(Rule::foreign_case) {
                cases.push((self.token_span(case), String::new()));
            }
            let start = self.tokens[self.at].start;
            let name = self.lower();
            let fields = if self.sees(Rule::params) { self.params() } else { Vec::new() };
            let last = self.last;
            if let Some(value) = self.leaf_if(Rule::foreign_value) {
                values.push((self.token_span(value), String::new()));
            }
            self.leave(&inside);
            variants.push(Variant { docs, name, fields, span: self.span(start, last) });
            self.comma(&mut commas);
        }
        self.docs_of_nothing();
        self.leave_closed(inside);
        self.report_commas(commas, "variants");
        self.habit_of(cases, "`case` is not a word of the language", "leave it out: `enum Status { open, done }`");
        let help = "leave it out: `Status.open` is a value; what else it stands for is told by a function that matches it";
        self.habit_of(values, "a variant is given no value", help);
        EnumDecl { name, variants }
    }

    fn fn_decl(&mut self) -> FnDecl {
        let inside = self.enter();
        let name = self.lower();
        let params = self.params();
        let result = self.result();
        let body = self.expr_block();
        self.leave_closed(inside);
        FnDecl { name, params, result, body }
    }

    fn invariant_decl(&mut self) -> InvariantDecl {
        let inside = self.enter();
        let eventually = self.leaf_if(Rule::eventually).is_some();
        let name = self.lower();
        let params = self.params();
        let body = self.expr_block();
        self.leave_closed(inside);
        InvariantDecl { eventually, name, params, body }
    }

    fn test_decl(&mut self) -> TestDecl {
        let inside = self.enter();
        let name = self.plain_text();
        let body = self.block();
        self.leave_closed(inside);
        TestDecl { name, body }
    }

    fn extern_decl(&mut self) -> ExternDecl {
        let inside = self.enter();
        let name = self.lower();
        let mut operations = Vec::new();
        let mut before = Before::default();
        let mut before_start = None;
        while let Some(rule) = self.peek() {
            let start = self.tokens[self.at].start;
            match rule {
                Rule::doc => {
                    before.docs_at = Some(self.tokens[self.at]);
                    before.docs = self.docs();
                }
                Rule::operation => {
                    let Before { docs, .. } = std::mem::take(&mut before);
                    operations.push(self.operation(docs));
                    before_start = Some(start);
                }
                _ => {
                    self.lost(Place::Extern, before_start);
                    before = Before::default();
                }
            }
        }
        self.nothing_follows(before);
        self.leave_closed(inside);
        ExternDecl { name, operations }
    }

    fn operation(&mut self, docs: Option<Box<str>>) -> Operation {
        let inside = self.enter();
        let name = self.lower();
        let params = self.params();
        let result = self.result();
        let repeat = match self.peek() {
            Some(Rule::readonly) => Repeat::Readonly,
            Some(_) => Repeat::Idempotent,
            None => Repeat::Once,
        };
        if repeat != Repeat::Once {
            self.leaf();
        }
        Operation { docs, name, params, result, repeat, span: self.leave_open(inside) }
    }

    fn mirror_decl(&mut self) -> MirrorDecl {
        let inside = self.enter();
        let name = self.lower();
        let record = self.upper();
        let target = self.lower();
        let mut clauses = Vec::new();
        let mut before_start = None;
        while let Some(rule) = self.peek() {
            if rule != Rule::mirror_clause {
                self.lost(Place::Mirror, before_start);
                continue;
            }
            let inside = self.enter();
            before_start = Some(inside.token.start);
            let name = self.lower();
            let params = self.names();
            let first = self.leaf_if(Rule::first).map(|token| self.span(token.start, token.end));
            let value = self.expr();
            clauses.push(MirrorClause { name, params, first, value, span: self.leave_open(inside) });
        }
        self.leave_closed(inside);
        MirrorDecl { name, record, target, clauses }
    }

    fn record_decl(&mut self) -> RecordDecl {
        let inside = self.enter();
        let name = self.upper();
        let space = self.sees(Rule::in_space).then(|| {
            let inside = self.enter();
            let space = self.lower();
            self.leave(&inside);
            space
        });
        let members = self.members();
        self.leave_closed(inside);
        RecordDecl { name, space, members }
    }

    fn members(&mut self) -> Vec<Member> {
        let mut members = Vec::new();
        let mut before = Before::default();
        // Where the one before began.
        let mut before_start = None;
        while let Some(rule) = self.peek() {
            let start = self.tokens[self.at].start;
            let kind = match rule {
                Rule::doc => {
                    before.docs_at = Some(self.tokens[self.at]);
                    before.docs = self.docs();
                    continue;
                }
                Rule::allow => {
                    before.allows.push(self.allow());
                    continue;
                }
                Rule::lost_member => {
                    self.lost(Place::Record, before_start.filter(|&at| at < start));
                    before = Before::default();
                    continue;
                }
                Rule::cell => MemberKind::Cell(self.cell()),
                Rule::derived => MemberKind::Derived(self.derived()),
                Rule::handler => MemberKind::Handler(self.handler()),
                Rule::saga => MemberKind::Saga(self.saga()),
                Rule::creation => {
                    let inside = self.enter();
                    let body = self.block();
                    self.leave_closed(inside);
                    MemberKind::Create(body)
                }
                other => unreachable!("{other:?} is no member of the grammar"),
            };
            let Before { docs, allows, .. } = std::mem::take(&mut before);
            before_start = Some(start);
            members.push(Member { docs, allows, kind, span: self.span(start, self.last) });
        }
        self.nothing_follows(before);
        members
    }

    /// Reports what stands before a declaration that is not there.
    fn nothing_follows(&mut self, before: Before) {
        if let (Some(at), Some(_)) = (before.docs_at, before.docs) {
            self.of_nothing(at);
        }
        self.allows_of_nothing(before.allows);
    }

    /// Reports each `@allow` that nothing follows.
    pub(super) fn allows_of_nothing(&mut self, allows: Vec<Allow>) {
        for allow in allows {
            if self.has_error(allow.span.start, allow.span.end) {
                continue;
            }
            let help = "put it before the declaration, member or statement that it is about";
            self.misspelt(allow.span, "nothing follows that this `@allow` is about", help, "");
        }
    }

    fn cell(&mut self) -> CellDecl {
        let inside = self.enter();
        let name = self.lower();
        let ty = self.type_expr();
        let mut cell = CellDecl { name, ty, default: None, key: None, unique: None, index: None, inverse: None };
        while let Some(rule) = self.peek() {
            match rule {
                Rule::key => cell.key = self.cell_mark(cell.key),
                Rule::unique => cell.unique = self.cell_mark(cell.unique),
                Rule::foreign_mark => self.foreign_mark(&mut cell),
                Rule::foreign_default => {
                    let word = self.leaf();
                    let span = self.span(word.start, word.start + "default".len() as u32);
                    self.misspelt(span, "a default is no word", "write `= value`", "=");
                }
                Rule::index_mark => cell.index = self.cell_mark(cell.index),
                Rule::inverse => {
                    let inside = self.enter();
                    let other = self.lower();
                    let span = self.leave_open(inside);
                    if cell.inverse.replace(other).is_some() {
                        self.wrong(span, "a cell has one `inverse`", "leave one of them out");
                    }
                }
                Rule::lost_value => cell.default = Some(self.lost_value()),
                _ => cell.default = Some(self.expr()),
            }
        }
        self.leave_open(inside);
        cell
    }

    /// A mark as SQL has it.
    fn foreign_mark(&mut self, cell: &mut CellDecl) {
        let token = self.leaf();
        let span = self.token_span(token);
        let message = format!("`{}` is not a word of the language", self.slice(token));
        match self.slice(token).as_bytes()[0].to_ascii_lowercase() {
            b'p' => {
                cell.key = Some(span);
                self.misspelt(span, message, "what a record is found by is marked `key`: `cell id: Text key`", "key");
            }
            b'u' => {
                cell.unique = Some(span);
                self.misspelt(span, message, "write `unique`", "unique");
            }
            _ => self.misspelt(span, message, "leave it out: only a cell whose type ends with `?` may be absent", ""),
        }
    }

    /// A word after the type of a cell; `before` is where it already stood.
    fn cell_mark(&mut self, before: Option<Span>) -> Option<Span> {
        let token = self.leaf();
        let span = self.token_span(token);
        if before.is_some() {
            let word = self.slice(token);
            self.misspelt(span, format!("`{word}` stands here twice"), "once is enough", "");
        }
        Some(span)
    }

    fn derived(&mut self) -> DerivedDecl {
        let inside = self.enter();
        let name = self.lower();
        let ty = self.type_expr();
        let value = self.expr();
        self.leave_open(inside);
        DerivedDecl { name, ty, value }
    }

    fn handler(&mut self) -> HandlerDecl {
        let inside = self.enter();
        let start = inside.token.start;
        let internal = self.leaf_if(Rule::internal).is_some();
        let name = self.lower();
        let params = self.params();
        let result = self.result();
        let writes = self.sees(Rule::writes).then(|| self.writes());
        let mut across = Vec::new();
        if self.sees(Rule::across) {
            let inside = self.enter();
            while self.peek().is_some() {
                across.push(self.lower());
            }
            self.leave(&inside);
        }
        let signature_span = self.span(start, self.last);
        let body = self.block();
        self.leave_closed(inside);
        HandlerDecl { name, internal, params, result, writes, across, body, signature_span }
    }

    fn writes(&mut self) -> WritesClause {
        let inside = self.enter();
        let mut entries = Vec::new();
        while self.peek().is_some() {
            let inside = self.enter();
            let record = self.upper();
            let cell = self.peek().is_some().then(|| self.lower());
            entries.push(WritesEntry { record, cell, span: self.leave_open(inside) });
        }
        WritesClause { entries, span: self.leave_open(inside) }
    }

    fn saga(&mut self) -> SagaDecl {
        let inside = self.enter();
        let start = inside.token.start;
        let name = self.lower();
        let params = self.params();
        let signature_span = self.span(start, self.last);
        let mut prelude = Vec::new();
        let mut steps = Vec::new();
        let mut allows = Vec::new();
        let mut before_start = None;
        while let Some(rule) = self.peek() {
            let start = self.tokens[self.at].start;
            match rule {
                Rule::allow => allows.push(self.allow()),
                Rule::step => steps.push(self.step(std::mem::take(&mut allows))),
                _ => {
                    let errors = self.errors.len();
                    let Some(mut stmt) = self.stmt(Place::Saga, before_start) else {
                        continue;
                    };
                    stmt.allows = std::mem::take(&mut allows);
                    let before_steps = matches!(stmt.kind, StmtKind::Let { .. } | StmtKind::Require { .. } | StmtKind::Error);
                    if self.errors.len() > errors {
                        // What is wrong with it was said already.
                    } else if !before_steps {
                        self.wrong(
                            stmt.span,
                            "a saga consists of steps",
                            "only `let` and `require` may come before the first step; do the rest in a handler and call it in a step",
                        );
                    } else if !steps.is_empty() {
                        self.wrong(
                            stmt.span,
                            "this stands after the first step",
                            "move it before the first step, or into the handler that a step calls",
                        );
                    }
                    prelude.push(stmt);
                }
            }
            before_start = Some(start);
        }
        self.allows_of_nothing(allows);
        self.leave_closed(inside);
        SagaDecl { name, params, prelude, steps, signature_span }
    }

    fn step(&mut self, allows: Vec<Allow>) -> Step {
        let inside = self.enter();
        let word = self.leaf();
        let pivot = self.slice(word).starts_with("pivot");
        if let Some(token) = self.leaf_if(Rule::foreign_step_let) {
            let word = self.slice(token).trim_end();
            let message = format!("no `{word}` stands behind `{}`", if pivot { "pivot" } else { "step" });
            self.misspelt(self.token_span(token), message, "leave it out: `step name = target.handler(…)`", "");
        }
        // The name is told from an action that begins with a name by the `=` between it and the next part.
        let name = match self.tokens.get(self.at + 1).filter(|_| self.at + 1 < self.limit) {
            Some(next) if self.sees(Rule::name) => {
                let name = self.tokens[self.at];
                let between = &self.text[name.end as usize..next.start as usize];
                between.trim_start().starts_with('=').then(|| self.lower())
            }
            _ => None,
        };
        let action = self.expr();
        let undo = self.sees(Rule::undo).then(|| {
            let inside = self.enter();
            let undo = self.expr();
            self.leave_open(inside);
            undo
        });
        Step { allows, pivot, name, action, undo, span: self.leave_open(inside) }
    }
}
