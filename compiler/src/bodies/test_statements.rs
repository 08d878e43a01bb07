//! Statements of tests.

use patternc_grammar::syntax::{self as syn, Ident, StmtKind as Syn};

use crate::diagnostic::{Location, Safety};
use crate::hir::{Answer, Block, Expr, ExprKind, LocalKind, Stmt, StmtKind, TestStmt};
use crate::resolve::did_you_mean;
use crate::signature::Signature;
use crate::types::{OperationId, Place, Ty};

use super::checker::{Checker, Mode};
use super::expect::{Role, Want};

/// The kinds of failures.
const FAILURE_KINDS: [&str; 9] =
    ["rejected", "missing", "overflow", "invariant", "isolation", "conflict", "unavailable", "unknown", "budget"];

impl Checker<'_> {
    /// A statement that only tests have.
    pub fn test_stmt(&mut self, stmt: &syn::Stmt) -> StmtKind {
        if !self.cx.mode.is_outside() {
            let what = self.cx.mode.describe();
            let finding = self
                .error("impure-expression", stmt.span, format!("this statement belongs in a test, not in {what}"))
                .help("put it into `test \"…\" { … }`");
            self.push(finding);
        }
        let made = match &stmt.kind {
            Syn::Expect(cond) => TestStmt::Expect(self.condition(cond, "expect")),
            Syn::ExpectFail { call, with, kind } => {
                let mut made = Vec::with_capacity(1);
                self.stmt(call, &mut made);
                let call = made.pop().unwrap_or_else(|| self.error_stmt(call.span));
                let is_event = match &call.kind {
                    StmtKind::Call(_) | StmtKind::LetCall { .. } | StmtKind::Error => true,
                    StmtKind::Expr(Expr { kind, .. }) | StmtKind::Let { value: Expr { kind, .. }, .. } => {
                        matches!(kind, ExprKind::Create(_) | ExprKind::Error | ExprKind::ForbiddenCall(_))
                    }
                    _ => false,
                };
                if !is_event {
                    let finding = self
                        .error("type-mismatch", call.span, "only an event can fail: a call of a handler, or a `create`")
                        .help("say what must hold with `expect`");
                    self.push(finding);
                }
                let with = with.as_ref().map(|with| self.check(with, Want::new(&Ty::Text, Role::Word("with"), with.span)));
                let kind = kind.map(|kind| {
                    self.failure_kind(kind);
                    kind.name
                });
                TestStmt::ExpectFail { call: Box::new(call), with, kind }
            }
            Syn::Concurrently { times, body } => {
                let times = times.as_ref().map(|times| self.check(times, Want::new(&Ty::Int, Role::Word("concurrently"), times.span)));
                TestStmt::Concurrently { times, body: self.block(body) }
            }
            Syn::Hold(body) => TestStmt::Hold(self.block(body)),
            Syn::Crash => TestStmt::Crash,
            Syn::Advance(by) => TestStmt::Advance(self.check(by, Want::new(&Ty::Duration, Role::Word("advance"), by.span))),
            Syn::Order(order) => TestStmt::Order(self.check(order, Want::new(&Ty::Text, Role::Word("order"), order.span))),
            Syn::Given(given) => return self.given(given),
            Syn::As { caller, body } => {
                let caller = self.check(caller, Want::new(&Ty::Text, Role::Word("as"), caller.span));
                TestStmt::As { caller, body: self.block(body) }
            }
            Syn::Reconcile { mirror, scope } => return self.reconcile(*mirror, scope.as_ref()),
            _ => return StmtKind::Error,
        };
        StmtKind::Test(made)
    }

    fn failure_kind(&mut self, kind: Ident) {
        if FAILURE_KINDS.contains(&kind.name.as_str()) {
            return;
        }
        let mut finding = self.error("unknown-name", kind.span, format!("no failure is of kind `{}`", kind.name));
        finding = match did_you_mean(kind.name.as_str(), FAILURE_KINDS) {
            Some(meant) => finding.help(format!("did you mean `{meant}`?")).replace(
                format!("write `{meant}`"),
                Safety::Unsafe,
                self.file,
                kind.span,
                meant,
            ),
            None => finding.help(format!("the kinds are {}", super::show::listed(&FAILURE_KINDS))),
        };
        self.push(finding);
    }

    fn given(&mut self, given: &syn::Given) -> StmtKind {
        let outside = self.is_outside(given.of);
        let sig = outside.and_then(|id| Some((id, self.outside(id)?)));
        let found = match sig {
            Some((id, sig)) => {
                let index = sig.operations.iter().position(|operation| operation.name == given.operation.name);
                if index.is_none() {
                    let owner = format!("`{}`", sig.name);
                    self.unknown_member(
                        &owner,
                        "operation",
                        given.operation,
                        sig.operations.iter().map(|operation| operation.name.as_str()),
                    );
                }
                index.map(|index| (OperationId { of: id, index: index as u32 }, &sig.operations[index]))
            }
            None => {
                self.not_an_extern(given.of);
                None
            }
        };
        if let Some((_, operation)) = found
            && given.params.len() > operation.params.len()
        {
            let at = given.params[operation.params.len()].span;
            let (takes, named) =
                (super::show::counted(operation.params.len(), "argument"), super::show::counted(given.params.len(), "argument"));
            let finding = self.error("wrong-arguments", at, format!("`{}` takes {takes}, but {named} are named here", operation.name));
            self.push(finding);
        }
        let mark = self.enter();
        let mut params = Vec::with_capacity(given.params.len());
        for (index, param) in given.params.iter().enumerate() {
            let ty = match found.and_then(|(_, operation)| operation.params.get(index)) {
                Some(declared) => self.seen(&declared.ty, Place::Any),
                None => Ty::Error,
            };
            let local = self.declare(*param, ty, LocalKind::Bound);
            // It names a position, whether it is used or not.
            self.mark_used(local);
            params.push(local);
        }
        let answer = match &given.answer {
            syn::Answer::Value(value) => {
                let wanted = match found {
                    Some((_, operation)) => self.seen(&operation.result, Place::Any),
                    None => Ty::Error,
                };
                if wanted == Ty::Unit {
                    Answer::Value(self.expr(value))
                } else {
                    let role = Role::Argument { of: given.operation.name, name: "its answer".into() };
                    Answer::Value(self.check(value, Want::new(&wanted, role, given.operation.span)))
                }
            }
            syn::Answer::Fails { message, times } => Answer::Fails {
                message: self.check(message, Want::new(&Ty::Text, Role::Word("fails"), message.span)),
                times: times.as_ref().map(|times| self.check(times, Want::new(&Ty::Int, Role::Word("times"), times.span))),
            },
        };
        self.leave(mark);
        match found {
            Some((operation, _)) => StmtKind::Test(TestStmt::Given { operation, params, answer }),
            None => StmtKind::Error,
        }
    }

    fn not_an_extern(&mut self, name: Ident) {
        match self.names.lookup(name.name) {
            Some(id) => {
                let finding = self
                    .error("type-mismatch", name.span, format!("`{}` is no extern: only the outside can be told what to answer", name.name))
                    .label(Location::Item(id), "declared here");
                self.push(finding);
            }
            None => {
                let known = self.items_where(|sig| matches!(sig, Signature::Extern(_)));
                let finding = crate::resolve::unknown_name(self.db, self.file, name, "extern", known.iter().map(|name| name.as_str()));
                self.diagnostics.extend(finding);
            }
        }
    }

    fn reconcile(&mut self, mirror: Ident, scope: Option<&syn::Expr>) -> StmtKind {
        let found = self.names.lookup(mirror.name);
        let id = found.filter(|id| matches!(self.sig(*id), Signature::Mirror(_)));
        let Some(id) = id else {
            match found {
                Some(id) => {
                    let finding = self
                        .error("type-mismatch", mirror.span, format!("`{}` is no mirror: only mirrors are reconciled", mirror.name))
                        .label(Location::Item(id), "declared here");
                    self.push(finding);
                }
                None => {
                    let known = self.items_where(|sig| matches!(sig, Signature::Mirror(_)));
                    let finding =
                        crate::resolve::unknown_name(self.db, self.file, mirror, "mirror", known.iter().map(|name| name.as_str()));
                    self.diagnostics.extend(finding);
                }
            }
            if let Some(scope) = scope {
                self.expr(scope);
            }
            return StmtKind::Error;
        };
        let wanted = super::owners::mirror_scope(self.db, id).clone();
        let scope = scope
            .map(|scope| self.check(scope, Want::new(&wanted, Role::Argument { of: mirror.name, name: "its scope".into() }, mirror.span)));
        StmtKind::Test(TestStmt::Reconcile { mirror: id, scope })
    }

    /// The names of the items of one kind, for suggestions.
    pub fn items_where(&mut self, fits: impl Fn(&Signature) -> bool) -> Vec<syn::Name> {
        let all = self.all_names();
        all.into_iter().filter(|name| self.names.lookup(*name).is_some_and(|id| fits(self.sig(id)))).collect()
    }

    /// Reports a test that tests nothing.
    pub fn must_expect(&mut self, name: &syn::Str, body: &Block) {
        if self.cx.mode != Mode::Test || expects(body) {
            return;
        }
        let finding = self
            .error("no-expectation", name.span, "this test expects nothing, so it passes whatever the handlers do")
            .saying("no `expect` in it")
            .help("say what must hold afterwards: `expect …`, or what must fail: `expect fail … with \"…\"`");
        self.push(finding);
    }
}

/// Whether anything in the block is expected.
fn expects(block: &Block) -> bool {
    block.stmts.iter().any(stmt_expects)
}

fn stmt_expects(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Test(test) => match test {
            TestStmt::Expect(_) | TestStmt::ExpectFail { .. } => true,
            TestStmt::Concurrently { body, .. } | TestStmt::Hold(body) | TestStmt::As { body, .. } => expects(body),
            _ => false,
        },
        StmtKind::If { then, otherwise, .. } | StmtKind::IfLet { then, otherwise, .. } => {
            expects(then) || otherwise.as_ref().is_some_and(expects)
        }
        StmtKind::For { body, .. } => expects(body),
        StmtKind::Match { arms, .. } => arms.iter().any(|arm| expects(&arm.body)),
        // What could not be understood may have been an expectation; its own error is enough.
        StmtKind::Error => true,
        _ => false,
    }
}
