//! What is known while a body is checked.

use std::sync::Arc;

use patternc_grammar::syntax::{Ident, Name, Span};
use rustc_hash::FxHashMap;

use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Edit, Location, Safety};
use crate::hir::{Body, BodyKind, BodyOwner, Local, LocalKind};
use crate::resolve::{Scope, scope};
use crate::signature::{EnumSig, ExternSig, FileSignatures, FnSig, HandlerSig, Home, RecordSig, Signature, StructSig, signatures};
use crate::types::{HandlerId, ItemId, LocalId, Place, Ty};

/// Which kind of body it is: what may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Handler,
    Create,
    Saga,
    Fn,
    Default,
    Derived,
    Invariant,
    Mirror,
    Test,
    Snippet,
    Query,
}

impl Mode {
    /// Whether it may write, create, send and call handlers as part of a transaction.
    pub fn writes(self) -> bool {
        matches!(self, Mode::Handler | Mode::Create)
    }

    /// Whether its calls are events from outside.
    pub fn is_outside(self) -> bool {
        matches!(self, Mode::Test | Mode::Snippet | Mode::Query)
    }

    /// Whether `now()`, `new_id()` and `caller()` mean something.
    pub fn has_event(self) -> bool {
        matches!(self, Mode::Handler | Mode::Create | Mode::Saga | Mode::Default) || self.is_outside()
    }

    /// For messages: "a `fn`".
    pub fn describe(self) -> &'static str {
        match self {
            Mode::Handler => "a handler",
            Mode::Create => "a `create` block",
            Mode::Saga => "a saga, outside its steps,",
            Mode::Fn => "a `fn`",
            Mode::Default => "the default of a cell",
            Mode::Derived => "a `derived` cell",
            Mode::Invariant => "an invariant",
            Mode::Mirror => "a mirror",
            Mode::Test => "a test",
            Mode::Snippet => "a line typed here",
            Mode::Query => "a query",
        }
    }
}

/// What `return` may give.
#[derive(Clone, Debug)]
pub(super) enum Returns {
    /// There is nothing to return from.
    Nothing,
    /// `return` alone ends it early: a handler without result, an arm whose outcome nobody waits for.
    Unit,
    /// As [`Returns::Unit`], in a `create` block: what waits is answered with the record, by nothing else.
    Creation,
    /// The result that was declared at the span.
    Value(Ty, Span),
}

/// The state of one body.
pub(super) struct Context {
    pub owner: BodyOwner,
    pub mode: Mode,
    pub self_record: Option<ItemId>,
    /// The record that *here* is the space of, where that is no `self`: "p" of an invariant.
    pub here: Place,
    /// Whether anything is *here*: a test has none.
    pub has_here: bool,
    pub home: Option<Home>,
    pub locals: Vec<Local>,
    /// By local: whether it was read.
    pub used: Vec<bool>,
    /// The names in scope, innermost last.
    pub scope: Vec<(Name, LocalId)>,
    /// Places known to be *here*: where a local is, or a plain space. Innermost last.
    pub narrowed: Vec<Place>,
    /// Locals that hold a space, of which it is known where something is.
    pub spaces: FxHashMap<LocalId, Place>,
    pub returns: Returns,
    /// How many lambdas stand around.
    pub lambdas: u32,
    /// The expression is the place that is written, or the way to it.
    pub written: bool,
    /// How many blocks that give a value stand around.
    pub blocks: u32,
    /// The innermost statement being looked at.
    pub stmt: Span,
    /// What comes after it in its block.
    pub rest: Span,
    /// The value of the `let` or statement being looked at: only there may a test create a record.
    pub event: Span,
    /// The only record whose cells may be read: the parameter of a mirror's `facts` or `scope`.
    pub only_cells_of: Option<LocalId>,
    /// Where a lambda is missing: what it would be given.
    pub implied: Option<Implied>,
}

/// An element that is meant without a name, as in SQL.
pub(super) struct Implied {
    pub ty: Ty,
    /// The names found that mean nothing but a cell or field of it.
    pub members: Vec<Ident>,
}

/// Where a scope began.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    scope: usize,
    narrowed: usize,
    /// Locals from here on end with the scope.
    pub locals: u32,
}

/// Checks the bodies of one file.
pub(super) struct Checker<'db> {
    pub db: &'db dyn Db,
    pub file: SourceFile,
    /// What the names of items mean.
    pub names: &'db Scope,
    /// Signatures of the files met so far: few, so that a list is quickest.
    signatures: Vec<(SourceFile, &'db FileSignatures)>,
    /// Whether a struct or enum holds references whose place is that of the value.
    pub sensitive: FxHashMap<ItemId, bool>,
    pub diagnostics: Vec<Diagnostic>,
    pub cx: Context,
}

impl<'db> Checker<'db> {
    /// A checker that knows what the names of `file` mean.
    pub fn new(db: &'db dyn Db, file: SourceFile) -> Self {
        Self::with_names(db, file, scope(db, file))
    }

    pub fn with_names(db: &'db dyn Db, file: SourceFile, names: &'db Scope) -> Self {
        Checker {
            db,
            file,
            names,
            signatures: Vec::new(),
            sensitive: FxHashMap::default(),
            diagnostics: Vec::new(),
            cx: Context::new(BodyOwner::Snippet, Mode::Snippet),
        }
    }

    /// Checks one body: `check` gets a fresh context.
    pub fn body(&mut self, cx: Context, params: usize, span: Span, check: impl FnOnce(&mut Self) -> BodyKind) -> Arc<Body> {
        self.cx = cx;
        let kind = check(self);
        self.unused_locals();
        let locals = std::mem::take(&mut self.cx.locals);
        Arc::new(Body { owner: self.cx.owner, self_record: self.cx.self_record, locals, params: params as u32, kind, span })
    }

    /// The signature of an item.
    pub fn sig(&mut self, id: ItemId) -> &'db Signature {
        let found = self.signatures.iter().find(|(file, _)| *file == id.file);
        let file = match found {
            Some((_, file)) => *file,
            None => {
                let file = signatures(self.db, id.file);
                self.signatures.push((id.file, file));
                file
            }
        };
        file.by_item.get(id.index as usize).unwrap_or(&Signature::Other)
    }

    pub fn record(&mut self, id: ItemId) -> Option<&'db RecordSig> {
        match self.sig(id) {
            Signature::Record(sig) => Some(sig),
            _ => None,
        }
    }

    pub fn structure(&mut self, id: ItemId) -> Option<&'db StructSig> {
        match self.sig(id) {
            Signature::Struct(sig) => Some(sig),
            _ => None,
        }
    }

    pub fn enumeration(&mut self, id: ItemId) -> Option<&'db EnumSig> {
        match self.sig(id) {
            Signature::Enum(sig) => Some(sig),
            _ => None,
        }
    }

    pub fn function(&mut self, id: ItemId) -> Option<&'db FnSig> {
        match self.sig(id) {
            Signature::Fn(sig) => Some(sig),
            _ => None,
        }
    }

    pub fn outside(&mut self, id: ItemId) -> Option<&'db ExternSig> {
        match self.sig(id) {
            Signature::Extern(sig) => Some(sig),
            _ => None,
        }
    }

    pub fn handler(&mut self, id: HandlerId) -> Option<&'db HandlerSig> {
        self.record(id.record)?.handlers.get(id.index as usize)
    }

    /// The space of records of the type; floating for what is no record.
    pub fn home(&mut self, record: ItemId) -> Home {
        self.record(record).map_or(Home::Floating, |sig| sig.home)
    }

    /// The declared name of an item.
    pub fn item_name(&mut self, id: ItemId) -> Name {
        match self.sig(id) {
            Signature::Space(sig) => sig.name,
            Signature::Struct(sig) => sig.name,
            Signature::Enum(sig) => sig.name,
            Signature::Record(sig) => sig.name,
            Signature::Fn(sig) => sig.name,
            Signature::Extern(sig) => sig.name,
            Signature::Mirror(sig) => sig.name,
            Signature::Invariant(sig) => sig.name,
            Signature::Other => Name::default(),
        }
    }

    /// Begins a scope.
    pub fn enter(&self) -> Mark {
        Mark { scope: self.cx.scope.len(), narrowed: self.cx.narrowed.len(), locals: self.cx.locals.len() as u32 }
    }

    /// Ends the scope that began at `mark`: its names and what was narrowed in it.
    pub fn leave(&mut self, mark: Mark) {
        self.cx.scope.truncate(mark.scope);
        self.cx.narrowed.truncate(mark.narrowed);
    }

    /// Forgets everything since `mark`, findings included, so that it can be checked again with more knowledge.
    pub fn forget(&mut self, mark: Mark, diagnostics: usize) {
        self.leave(mark);
        self.cx.locals.truncate(mark.locals as usize);
        self.cx.used.truncate(mark.locals as usize);
        self.diagnostics.truncate(diagnostics);
    }

    /// Declares a local and brings its name into scope.
    pub fn declare(&mut self, name: Ident, ty: Ty, kind: LocalKind) -> LocalId {
        let id = self.hidden(name, ty, kind);
        if name.name.as_str() != "_" {
            self.shadowing(name, id);
            self.cx.scope.push((name.name, id));
        }
        id
    }

    /// Declares a local that no name leads to.
    pub fn hidden(&mut self, name: Ident, ty: Ty, kind: LocalKind) -> LocalId {
        let id = LocalId(self.cx.locals.len() as u32);
        self.cx.locals.push(Local { name: name.name, ty, span: name.span, kind });
        self.cx.used.push(false);
        id
    }

    pub fn local(&self, id: LocalId) -> &Local {
        &self.cx.locals[id.0 as usize]
    }

    /// The local that a name means.
    pub fn local_named(&self, name: Name) -> Option<LocalId> {
        self.cx.scope.iter().rev().find(|(other, _)| *other == name).map(|(_, id)| *id)
    }

    pub fn mark_used(&mut self, id: LocalId) {
        self.cx.used[id.0 as usize] = true;
    }

    fn shadowing(&mut self, name: Ident, id: LocalId) {
        let Some(other) = self.local_named(name.name) else { return };
        let (kind, other_kind, other) = (self.local(id).kind, self.local(other).kind, self.local(other).span);
        // Two parameters of one name are an error in the signature.
        let reported = kind == LocalKind::Param && other_kind == LocalKind::Param;
        if name.name.as_str().starts_with('_') || matches!(self.cx.mode, Mode::Snippet | Mode::Query) || reported {
            return;
        }
        let what = if kind == LocalKind::Let { "`let`" } else { "name" };
        let finding = Diagnostic::warn(
            "shadowed-name",
            self.file,
            name.span,
            format!("from here on `{0}` means this {what}; the `{0}` from before cannot be reached", name.name),
        )
        .saying("hides the one before")
        .label(self.at(other), format!("the `{}` from before", name.name))
        .help("give one of the two another name");
        self.diagnostics.push(finding);
    }

    fn unused_locals(&mut self) {
        // The parameters of a mirror's clauses are part of their form.
        if matches!(self.cx.mode, Mode::Snippet | Mode::Query | Mode::Mirror) {
            return;
        }
        for index in 0..self.cx.locals.len() {
            let local = &self.cx.locals[index];
            let name = local.name;
            if self.cx.used[index] || local.kind == LocalKind::Step || name.as_str().is_empty() || name.as_str().starts_with('_') {
                continue;
            }
            let (what, safety) = match local.kind {
                // Events from outside give the arguments by name.
                LocalKind::Param => ("parameter", Safety::Unsafe),
                LocalKind::Let => ("`let`", Safety::Safe),
                _ => ("name", Safety::Safe),
            };
            let span = local.span;
            let edits = vec![Edit { file: self.file, span: Span { start: span.start, end: span.start }, text: "_".into() }];
            let finding = Diagnostic::warn("unused-name", self.file, span, format!("the {what} `{name}` is never used"))
                .saying("never read")
                .help(match local.kind {
                    LocalKind::Let | LocalKind::Param => format!("remove it, or call it `_{name}` to say that this is meant"),
                    _ => format!("call it `_`, or `_{name}`, to say that this is meant"),
                })
                .fix(format!("rename it to `_{name}`"), safety, edits);
            self.diagnostics.push(finding);
        }
    }

    /// A place in the file being checked.
    pub fn at(&self, span: Span) -> Location {
        Location::Span(self.file, span)
    }

    /// An error at `span`, to be completed and pushed.
    pub fn error(&self, rule: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(rule, self.file, span, message)
    }

    /// A warning at `span`, to be completed and pushed.
    pub fn warn(&self, rule: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warn(rule, self.file, span, message)
    }

    pub fn push(&mut self, finding: Diagnostic) {
        self.diagnostics.push(finding);
    }

    /// The text at `span`, for messages.
    pub fn text(&self, span: Span) -> &'db str {
        self.file.text(self.db).get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The text from a place on.
    pub fn text_after(&self, at: u32) -> &'db str {
        self.file.text(self.db).get(at as usize..).unwrap_or_default()
    }

    /// What to remove so that nothing is left of a span, not even its line.
    pub fn removal(&self, span: Span) -> Span {
        crate::location::removal(self.file.text(self.db), span)
    }
}

impl Context {
    /// The context of a body without `self`, *here* or result.
    pub fn new(owner: BodyOwner, mode: Mode) -> Self {
        Context {
            owner,
            mode,
            self_record: None,
            here: Place::Any,
            has_here: false,
            home: None,
            locals: Vec::new(),
            used: Vec::new(),
            scope: Vec::new(),
            narrowed: Vec::new(),
            spaces: FxHashMap::default(),
            returns: Returns::Nothing,
            lambdas: 0,
            written: false,
            blocks: 0,
            stmt: Span::default(),
            rest: Span::default(),
            event: Span::default(),
            only_cells_of: None,
            implied: None,
        }
    }

    /// *Here* is a space of `home`.
    pub fn here(mut self, home: Home) -> Self {
        self.here = match home {
            Home::Plain(space) => Place::Plain(space),
            Home::Family(_) | Home::Floating => Place::Here,
        };
        self.has_here = true;
        self.home = Some(home);
        self
    }

    /// `self` is a `record`.
    pub fn of(mut self, record: ItemId, home: Home) -> Self {
        self.self_record = Some(record);
        self.here(home)
    }

    pub fn returning(mut self, returns: Returns) -> Self {
        self.returns = returns;
        self
    }
}
