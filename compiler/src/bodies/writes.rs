//! Writing cells: `=`, `+=`, `-=`, `delete`.

use patternc_grammar::syntax::{self as syn, AssignOp, ExprKind as S, ItemKind, MemberKind, Name, Span};

use crate::diagnostic::{Diagnostic, Location, Safety};
use crate::hir::{BodyOwner, Expr, ExprKind, StmtKind, Write, WriteOp};
use crate::items::parsed;
use crate::resolve::{home, item_name};
use crate::signature::Home;
use crate::types::{CellId, ItemId, Place, Ty};

use super::checker::{Checker, Mode};
use super::expect::{Role, Want};
use super::places::unwrap;

/// What an assignment writes.
struct Target {
    record: Expr,
    cell: CellId,
    key: Option<Expr>,
    /// The declared type of what is written, seen from its record.
    ty: Ty,
    /// Where the record is.
    place: Place,
}

impl Checker<'_> {
    /// `target = value`, `+=`, `-=`.
    pub fn assign(&mut self, target: &syn::Expr, op: AssignOp, value: &syn::Expr, span: Span) -> StmtKind {
        let Some(into) = self.target(target, op) else {
            self.expr(value);
            return StmtKind::Error;
        };
        self.may_write(span);
        if self.is_derived(into.cell) {
            self.derived_write(into.cell, target.span, Some(into.record.span));
        }
        let name = self.cell_name(into.cell);
        let role = Role::Cell { of: into.cell.record, name };
        let at = if matches!(into.record.kind, ExprKind::SelfRef) { target.span } else { into.record.span };
        let place = self.wanted_at(into.place);
        let value = match op {
            AssignOp::Set => {
                let wanted = self.seen(&into.ty, place);
                self.check(value, Want::new(&wanted, role, at))
            }
            AssignOp::Add | AssignOp::Sub => {
                let role = Role::Added { of: into.cell.record, name };
                // What is taken out is told by equality: where its records are does not matter.
                let place = if op == AssignOp::Sub { Place::Any } else { place };
                match self.changed_by(&into, op, target) {
                    Some(wanted) => {
                        let wanted = self.seen(&wanted, place);
                        self.check(value, Want::new(&wanted, role, at))
                    }
                    None => self.expr(value),
                }
            }
        };
        StmtKind::Write(Write {
            record: into.record,
            cell: into.cell,
            key: into.key,
            op: WriteOp::Assign { op, value },
            target_span: target.span,
        })
    }

    /// `delete self.m[k]`, `delete r`.
    pub fn delete(&mut self, target: &syn::Expr, span: Span) -> StmtKind {
        if let S::Index { base, .. } = &target.kind
            && matches!(base.kind, S::Field { .. })
        {
            // Which entry is meant is told by equality: where the records of its key are does not matter.
            let Some(into) = self.target(target, AssignOp::Sub) else { return StmtKind::Error };
            self.may_write(span);
            if self.is_derived(into.cell) {
                self.derived_write(into.cell, target.span, Some(into.record.span));
            }
            return StmtKind::Write(Write {
                record: into.record,
                cell: into.cell,
                key: into.key,
                op: WriteOp::Delete,
                target_span: target.span,
            });
        }
        let record = self.expr(target);
        match &record.ty {
            Ty::Record(..) | Ty::Error | Ty::Unknown => {}
            ty => {
                let ty = ty.clone();
                let found = self.quoted(&ty);
                let mut finding = self.error(
                    "type-mismatch",
                    record.span,
                    format!("`delete` takes a record or an entry of a Map cell, but this is {found}"),
                );
                finding = match (unwrap(&ty).0, &record.kind) {
                    (Ty::Record(..), _) => finding.help("it may be `none`: take it apart first with `if let` or `let … else`"),
                    (_, ExprKind::Cell { .. }) => {
                        finding.help("a cell is not deleted, it is written: `= none`, `= []`, or `-=` for one element")
                    }
                    (Ty::List(of) | Ty::Set(of), _) if let Ty::Record(of, _) = **of => {
                        let name = crate::resolve::item_name(self.db, of).to_lowercase();
                        let taken = patternc_grammar::is_reserved(&name) || self.local_named(name.as_str().into()).is_some();
                        let name = if taken { format!("{name}_here") } else { name };
                        let each = format!("for {name} in {} {{ delete {name} }}", self.text(record.span));
                        finding.help(format!("delete each of them: `{each}`")).replace(
                            "delete each of them",
                            Safety::Unsafe,
                            self.file,
                            span,
                            each,
                        )
                    }
                    _ => finding,
                };
                self.push(finding);
                return StmtKind::Error;
            }
        }
        self.may_write(span);
        StmtKind::DeleteRecord(record)
    }

    /// Reports a write where nothing may be written.
    fn may_write(&mut self, span: Span) {
        let mode = self.cx.mode;
        let (message, help) = if mode.is_outside() {
            (
                format!("{} writes nothing itself: each write belongs to a handler, whose transaction it is part of", mode.describe()),
                "call a handler that does it",
            )
        } else if mode == Mode::Saga {
            (
                "a saga writes nothing itself: before its steps stand only `let` and `require`".to_owned(),
                "let a step call a handler that writes",
            )
        } else if !mode.writes() {
            (format!("{} only computes and may run any number of times, so it cannot write", mode.describe()), "write in a handler")
        } else if self.cx.blocks > 0 || self.cx.lambdas > 0 {
            (
                "this block only computes a value, so it cannot write".to_owned(),
                "write in a statement of the handler, or use `if` and `match` as statements",
            )
        } else {
            return;
        };
        let finding = self.error("impure-expression", span, message).saying("a write").help(help);
        self.push(finding);
    }

    /// What is written, if it can be.
    fn target(&mut self, target: &syn::Expr, op: AssignOp) -> Option<Target> {
        match &target.kind {
            S::Field { base, name, optional } => {
                self.cx.written = true;
                let field = self.field(base, *name, *optional, target.span);
                self.cx.written = false;
                match field.kind {
                    ExprKind::Cell { base, cell, .. } => {
                        if *optional {
                            self.maybe_nobody(&base);
                        }
                        let place = self.base_place(&base.ty);
                        let ty = self.cell_type(cell);
                        Some(Target { record: *base, cell, key: None, ty, place })
                    }
                    ExprKind::Error => None,
                    _ => {
                        let finding = self.not_a_cell(&field, target.span);
                        self.push(finding);
                        None
                    }
                }
            }
            S::Index { base, index } => {
                self.cx.written = true;
                let base_expr = self.expr(base);
                self.cx.written = false;
                let (inner, was_optional) = unwrap(&base_expr.ty);
                let inner = inner.clone();
                // Through `?.` it is reported below, as a way that does not write.
                if was_optional && !matches!(base.kind, S::Field { optional: true, .. }) {
                    let ty = self.quoted(&base_expr.ty);
                    let finding = self
                        .error("type-mismatch", base.span, "this may be `none`, which has no entries")
                        .saying(ty)
                        .help("write the whole Map first where it is `none`");
                    self.push(finding);
                }
                match (base_expr.kind, inner) {
                    (ExprKind::Cell { base: record, cell, .. }, Ty::Map(key_ty, _)) => {
                        if matches!(base.kind, S::Field { optional: true, .. }) {
                            self.maybe_nobody(&record);
                        }
                        let place = self.base_place(&record.ty);
                        let into = self.wanted_at(place);
                        let declared = self.cell_type(cell);
                        let (declared_key, declared_value) = match unwrap(&declared).0 {
                            Ty::Map(key, value) => ((**key).clone(), (**value).clone()),
                            _ => ((*key_ty).clone(), Ty::Error),
                        };
                        let key = if op == AssignOp::Set {
                            let wanted = self.seen(&declared_key, into);
                            self.check(index, Want::new(&wanted, Role::Key, index.span))
                        } else {
                            self.looked_up(index, &key_ty)
                        };
                        Some(Target { record: *record, cell, key: Some(key), ty: declared_value, place })
                    }
                    (_, Ty::Error | Ty::Unknown) => {
                        self.expr(index);
                        None
                    }
                    (_, Ty::List(_)) => {
                        self.expr(index);
                        let list = self.text(base.span);
                        let finding = self
                            .error("type-mismatch", target.span, "the elements of a List cannot be written one by one")
                            .help(format!("write the whole List (`{list} = …`), append with `+=`, or keep the elements in a Map"));
                        self.push(finding);
                        None
                    }
                    (_, Ty::Map(..)) => {
                        self.expr(index);
                        let finding = self
                            .error(
                                "type-mismatch",
                                target.span,
                                "only entries of a Map cell can be written; this Map is a value, and values never change",
                            )
                            .label(self.at(base.span), "a value, not a cell");
                        self.push(finding);
                        None
                    }
                    (_, ty) => {
                        self.expr(index);
                        let found = self.quoted(&ty);
                        let finding =
                            self.error("type-mismatch", target.span, format!("`[…]` writes an entry of a Map cell, but this is {found}"));
                        self.push(finding);
                        None
                    }
                }
            }
            S::Name(name) => {
                match self.local_named(name.name) {
                    Some(local) => {
                        self.mark_used(local);
                        let at = self.local(local).span;
                        let own_cell =
                            self.cx.self_record.and_then(|record| self.record(record)).is_some_and(|sig| sig.cell(name.name).is_some());
                        let mut finding = self
                            .error("type-mismatch", target.span, format!("`{}` is a name for a value, and names never change", name.name))
                            .label(self.at(at), format!("`{}` is given its value here", name.name));
                        finding = if own_cell {
                            finding.help(format!("the cell is `self.{}`", name.name)).replace(
                                format!("write `self.{}`", name.name),
                                Safety::Unsafe,
                                self.file,
                                target.span,
                                format!("self.{}", name.name),
                            )
                        } else {
                            finding.help(
                                "give the new value a name of its own with `let`, use `if` or `match` as an expression, or `fold` over a collection; what is to last is a cell",
                            )
                        };
                        self.push(finding);
                    }
                    None => {
                        self.name(*name);
                    }
                }
                None
            }
            S::SelfRef => {
                let finding = self
                    .error("type-mismatch", target.span, "`self` always is the record whose handler runs")
                    .help("write one of its cells: `self.cell = …`");
                self.push(finding);
                None
            }
            _ => {
                let made = self.expr(target);
                if made.ty != Ty::Error {
                    let finding = self.not_a_cell(&made, target.span);
                    self.push(finding);
                }
                None
            }
        }
    }

    fn maybe_nobody(&mut self, record: &Expr) {
        let finding = self
            .error("type-mismatch", record.span, "a write goes to a record that is there, so `?.` does not write")
            .help("see first that it is there: `if let x = … { x.cell = … }`, or `if x.exists() { … }`");
        self.push(finding);
    }

    fn not_a_cell(&mut self, made: &Expr, span: Span) -> Diagnostic {
        let finding = self.error("type-mismatch", span, "only cells of records are written, and this is none");
        match &made.kind {
            ExprKind::Field { base, of, index, .. } => {
                let Some(sig) = self.structure(*of) else { return finding };
                let help = self.with_changed(base, *of, *index, "…");
                finding.saying(format!("a field of the struct `{}`, which is a value", sig.name)).help(help)
            }
            ExprKind::SpaceOf(_) => finding.saying("the space of a record is chosen at `create` and never changes"),
            _ => finding,
        }
    }

    /// How the struct at `base` gets another value for a field: the whole of what keeps it is written.
    fn with_changed(&mut self, base: &Expr, of: ItemId, index: u32, value: &str) -> String {
        let Some(sig) = self.structure(of) else { return String::new() };
        let (name, field) = (sig.name, sig.fields[index as usize].name);
        let whole = self.text(base.span).to_owned();
        let changed = format!("{name} {{ ...{whole}, {field}: {value} }}");
        match &base.kind {
            ExprKind::Cell { .. } => format!("write the whole struct: `{whole} = {changed}`"),
            ExprKind::Field { base, of, index, .. } => self.with_changed(base, *of, *index, &changed),
            ExprKind::ListIndex { base, .. } => in_list(self.text(base.span), name, field, value),
            ExprKind::MapIndex { .. } => {
                format!("write the whole entry: `if let x = {whole} {{ {whole} = {name} {{ ...x, {field}: {value} }} }}`")
            }
            _ => match self.keeper(of) {
                Some((cell, Ty::List(_))) => in_list(&format!("self.{cell}"), name, field, value),
                Some((cell, Ty::Map(..))) => {
                    format!("a struct is a value: write the entry of the Map that keeps it: `self.{cell}[…] = {changed}`")
                }
                Some((cell, _)) => format!("a struct is a value: write the cell that keeps it: `self.{cell} = {changed}`"),
                None => format!("a struct is a value: make another, `{changed}`, and write it where this one is kept"),
            },
        }
    }

    /// The only cell of `self` that keeps structs of a type: itself, or in a List or Map.
    fn keeper(&mut self, of: ItemId) -> Option<(Name, Ty)> {
        let is_kept = |ty: &Ty| matches!(unwrap(ty).0, Ty::Struct(id, _) if *id == of);
        let keeps = |ty: &Ty| match ty {
            Ty::List(element) => is_kept(element),
            Ty::Map(_, value) => is_kept(value),
            ty => is_kept(ty),
        };
        let sig = self.cx.self_record.and_then(|record| self.record(record))?;
        let mut cells = sig.cells.iter().filter(|cell| !cell.derived && keeps(&cell.ty));
        let cell = cells.next().filter(|_| cells.next().is_none())?;
        Some((cell.name, cell.ty.clone()))
    }

    /// What `+=` or `-=` takes on the target; reports where there is no such thing.
    fn changed_by(&mut self, into: &Target, op: AssignOp, target: &syn::Expr) -> Option<Ty> {
        let (symbol, verb) = if op == AssignOp::Add { ("+=", "add to") } else { ("-=", "take from") };
        match (&into.ty, op) {
            (Ty::Int, _) => Some(Ty::Int),
            (Ty::Float, _) => Some(Ty::Float),
            (Ty::Duration | Ty::Time, _) => Some(Ty::Duration),
            (Ty::Text, AssignOp::Add) => Some(Ty::Text),
            (Ty::List(element) | Ty::Set(element), _) => Some((**element).clone()),
            (Ty::Error | Ty::Unknown, _) => None,
            (ty, _) => {
                let ty = ty.clone();
                let found = self.quoted(&ty);
                let text = self.text(target.span).to_owned();
                let finding = self.error("type-mismatch", target.span, format!("`{symbol}` cannot {verb} {found}"));
                let finding = match (&ty, op) {
                    (Ty::Map(..), AssignOp::Add) => finding.help(format!("an entry is written with `{text}[key] = value`")),
                    (Ty::Map(..), _) => finding.help(format!("an entry is removed with `delete {text}[key]`")),
                    (Ty::Optional(_), _) => finding.help(format!("it may be `none`: write `{text} = (… ?? …)`")),
                    (Ty::Text, _) => finding.help("`.replace(part, \"\")` gives the text without a part"),
                    _ => finding,
                };
                self.push(finding);
                None
            }
        }
    }

    fn cell_type(&mut self, cell: CellId) -> Ty {
        self.record(cell.record).and_then(|sig| sig.cells.get(cell.index as usize)).map_or(Ty::Error, |cell| cell.ty.clone())
    }

    fn cell_name(&mut self, cell: CellId) -> syn::Name {
        self.record(cell.record).and_then(|sig| sig.cells.get(cell.index as usize)).map_or_else(Default::default, |cell| cell.name)
    }

    fn is_derived(&mut self, cell: CellId) -> bool {
        self.record(cell.record).and_then(|sig| sig.cells.get(cell.index as usize)).is_some_and(|cell| cell.derived)
    }

    /// Reports a write to a derived cell, with what it is derived from. `record` is where the record is named that is written.
    pub fn derived_write(&mut self, cell: CellId, span: Span, record: Option<Span>) {
        let Some(sig) = self.record(cell.record) else { return };
        let name = sig.cells[cell.index as usize].name;
        let owner = record.map_or(sig.name.as_str(), |record| self.text(record));
        let source = self.derivation(cell, owner);
        let place = match home(self.db, cell.record) {
            Home::Plain(space) => format!("in the space `{}`", item_name(self.db, space)),
            Home::Family(_) | Home::Floating if owner == "self" => "in the space of `self`".to_owned(),
            Home::Family(_) | Home::Floating => format!("in the space of `{owner}`"),
        };
        let by = match self.cx.owner {
            BodyOwner::Handler(_) => format!(" by a transaction in {}", self.space_of_self()),
            _ => String::new(),
        };
        let mut finding = self
            .error(
                "derived-write",
                span,
                format!("`{}.{name}` is derived: it always is what it is computed from, so nothing can write it", sig.name),
            )
            .saying(format!("a derived cell, written{by}"))
            .label(
                Location::Cell(cell),
                match &source {
                    Some((text, _)) => format!("derived from `{text}`, {place}"),
                    None => format!("derived here, {place}"),
                },
            );
        finding = match source {
            Some((_, cells)) if !cells.is_empty() => {
                finding.help(format!("write what it is derived from: {}", super::show::listed(&cells)))
            }
            _ => finding.help("write what it is derived from, or declare it as a `cell`"),
        };
        self.push(finding);
    }

    /// The text of what a derived cell is computed from, and the cells in it, as cells of `owner`.
    fn derivation(&self, cell: CellId, owner: &str) -> Option<(String, Vec<String>)> {
        // Only for a finding: nothing else looks into the text of another file.
        let file = cell.record.file;
        let item = parsed(self.db, file).file.items.get(cell.record.index as usize)?;
        let ItemKind::Record(record) = &item.kind else { return None };
        let mut cells = record.members.iter().filter(|member| matches!(member.kind, MemberKind::Cell(_) | MemberKind::Derived(_)));
        let MemberKind::Derived(derived) = &cells.nth(cell.index as usize)?.kind else { return None };
        let text = file.text(self.db).get(derived.value.span.start as usize..derived.value.span.end as usize)?;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut sources: Vec<String> = Vec::new();
        for part in text.split("self.").skip(1) {
            let end = part.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.')).unwrap_or(part.len());
            let mut path = part[..end].trim_end_matches('.');
            if part[end..].starts_with('(') {
                // The last name is that of a method.
                path = path.rsplit_once('.').map_or("", |(path, _)| path);
            }
            let source = format!("{owner}.{path}");
            if !path.is_empty() && !sources.contains(&source) {
                sources.push(source);
            }
        }
        Some((text, sources))
    }
}

/// How one element of a List gets another value for a field.
fn in_list(list: &str, of: Name, field: Name, value: &str) -> String {
    format!(
        "the elements of a List are values: write the whole List, `{list} = {list}.map(x => if … {{ {of} {{ ...x, {field}: {value} }} }} else {{ x }})`, or \
         keep them in a Map, whose entries are written one by one"
    )
}
