//! Declarations and the members of records.

use super::{Gap, Printer};
use crate::format::layout::Piece;
use crate::syntax::*;

impl Printer<'_> {
    pub(super) fn file(&mut self, file: &File) {
        for (index, item) in file.items.iter().enumerate() {
            if index == 0 {
                self.comments_here(Gap::Between);
            } else {
                self.gap(Gap::Between);
            }
            self.allows_before(item.span.start);
            self.layout.push(Piece::Begin);
            self.item(item);
            self.layout.push(Piece::End);
        }
        // What documents or allows nothing, and the comments at the end.
        if self.at < self.tokens.len() {
            if self.at > 0 {
                self.gap(Gap::Next);
            }
            self.rest(self.end);
        }
        self.comments_here(Gap::Next);
    }

    fn item(&mut self, item: &Item) {
        match &item.kind {
            ItemKind::Use(it) => {
                self.tok();
                self.word();
                self.gap(Gap::Space);
                self.list(&it.names, Gap::Line, |this, _| this.tok());
            }
            ItemKind::Space(it) => {
                self.tok();
                self.word();
                if let Some(key) = &it.key {
                    self.tok();
                    self.ty(key);
                    self.tok();
                }
            }
            ItemKind::Struct(it) => {
                self.tok();
                self.word();
                self.gap(Gap::Space);
                self.list(&it.fields, Gap::Line, Self::param);
            }
            ItemKind::Enum(it) => {
                self.tok();
                self.word();
                self.gap(Gap::Space);
                self.list(&it.variants, Gap::Line, |this, variant| {
                    this.tok();
                    if this.start() < variant.span.end && this.sees("(") {
                        this.list(&variant.fields, Gap::Soft, Self::param);
                    }
                });
            }
            ItemKind::Record(it) => {
                self.tok();
                self.word();
                if it.space.is_some() {
                    self.word();
                    self.word();
                }
                self.gap(Gap::Space);
                self.layout.open();
                self.lines(&it.members, Gap::Between, true, Self::member);
                self.layout.close();
            }
            ItemKind::Fn(it) => {
                self.tok();
                self.word();
                self.list(&it.params, Gap::Soft, Self::param);
                self.result(it.result.as_ref());
                self.gap(Gap::Space);
                self.layout.open();
                self.value_block(&it.body);
                self.layout.close();
            }
            ItemKind::Extern(it) => {
                self.tok();
                self.word();
                self.gap(Gap::Space);
                self.layout.open();
                self.lines(&it.operations, Gap::Next, true, |this, operation| {
                    this.tok();
                    this.list(&operation.params, Gap::Soft, Self::param);
                    this.result(operation.result.as_ref());
                    if this.start() < operation.span.end {
                        this.word();
                    }
                });
                self.layout.close();
            }
            ItemKind::Mirror(it) => {
                self.tok();
                for _ in 0..5 {
                    self.word();
                }
                self.gap(Gap::Space);
                self.layout.open();
                self.lines(&it.clauses, Gap::Next, true, |this, clause| {
                    this.tok();
                    this.list(&clause.params, Gap::Soft, |this, _| this.tok());
                    if clause.first.is_some() {
                        this.word();
                    }
                    this.word();
                    this.gap(Gap::Space);
                    this.expr(&clause.value);
                });
                self.layout.close();
            }
            ItemKind::Invariant(it) => {
                self.tok();
                if it.eventually {
                    self.word();
                }
                self.word();
                self.list(&it.params, Gap::Soft, Self::param);
                self.gap(Gap::Space);
                self.layout.open();
                self.value_block(&it.body);
                self.layout.close();
            }
            ItemKind::Test(it) => {
                self.tok();
                self.word();
                self.gap(Gap::Space);
                self.block(&it.body);
            }
        }
    }

    fn param(&mut self, param: &Param) {
        self.tok();
        self.tok();
        self.gap(Gap::Space);
        self.ty(&param.ty);
    }

    fn result(&mut self, result: Option<&TypeExpr>) {
        if let Some(ty) = result {
            self.word();
            self.gap(Gap::Space);
            self.ty(ty);
        }
    }

    fn member(&mut self, member: &Member) {
        self.allows_before(member.span.start);
        self.layout.push(Piece::Begin);
        match &member.kind {
            MemberKind::Cell(it) => {
                self.tok();
                self.word();
                self.tok();
                self.gap(Gap::Space);
                self.ty(&it.ty);
                while self.start() < member.span.end {
                    let value = it.default.as_ref().filter(|_| self.sees("="));
                    self.word();
                    if let Some(value) = value {
                        self.gap(Gap::Space);
                        self.expr(value);
                    }
                }
            }
            MemberKind::Derived(it) => {
                self.tok();
                self.word();
                self.tok();
                self.gap(Gap::Space);
                self.ty(&it.ty);
                self.word();
                self.gap(Gap::Space);
                self.expr(&it.value);
            }
            MemberKind::Create(body) => {
                self.tok();
                self.gap(Gap::Space);
                self.block(body);
            }
            MemberKind::Handler(it) => self.handler(it),
            MemberKind::Saga(it) => self.saga(it),
        }
        self.layout.push(Piece::End);
    }

    fn handler(&mut self, it: &HandlerDecl) {
        self.tok();
        if it.internal {
            self.word();
        }
        self.word();
        self.list(&it.params, Gap::Soft, Self::param);
        self.result(it.result.as_ref());
        if let Some(writes) = &it.writes {
            self.word();
            self.gap(Gap::Space);
            self.fill(&writes.entries, |entry| entry.span.end);
        }
        if !it.across.is_empty() {
            self.word();
            self.gap(Gap::Space);
            self.fill(&it.across, |space| space.span.end);
        }
        self.gap(Gap::Space);
        self.block(&it.body);
    }

    /// Names between commas, as many on a line as fit.
    fn fill<T>(&mut self, parts: &[T], end: impl Fn(&T) -> u32) {
        self.layout.push(Piece::Indent);
        self.layout.push(Piece::Indent);
        for (index, part) in parts.iter().enumerate() {
            self.layout.open();
            if index > 0 {
                self.tok();
                self.gap(Gap::Line);
            }
            self.touching(end(part));
            self.layout.close();
        }
        self.layout.push(Piece::Dedent);
        self.layout.push(Piece::Dedent);
    }

    fn saga(&mut self, it: &SagaDecl) {
        enum Part<'a> {
            Before(&'a Stmt),
            Step(&'a Step),
        }
        self.tok();
        self.word();
        self.list(&it.params, Gap::Soft, Self::param);
        self.gap(Gap::Space);
        let parts: Vec<Part> = it.prelude.iter().map(Part::Before).chain(it.steps.iter().map(Part::Step)).collect();
        self.layout.open();
        self.lines(&parts, Gap::Next, false, |this, part| match part {
            Part::Before(stmt) => this.stmt(stmt),
            Part::Step(step) => this.step(step),
        });
        self.layout.close();
    }

    fn step(&mut self, step: &Step) {
        self.allows_before(step.span.start);
        self.layout.open();
        self.tok();
        self.gap(Gap::Space);
        if step.name.is_some() {
            self.tok();
            self.word();
            self.gap(Gap::Space);
        }
        self.expr(&step.action);
        if let Some(undo) = &step.undo {
            self.layout.push(Piece::Indent);
            self.gap(Gap::Line);
            self.tok();
            self.gap(Gap::Space);
            self.expr(undo);
            self.layout.push(Piece::Dedent);
        }
        self.layout.close();
    }
}
