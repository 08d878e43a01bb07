//! Whether declarations make sense: each name once, imports that lead somewhere, cells that can be keys, links whose ends fit, types of
//! which values can exist.
//!
//! What a declaration *says* is resolved in [`crate::signature`]; here it is judged, with the signatures of other files at hand.

mod links;
mod names;
mod values;

use patternc_grammar::Lost;
use patternc_grammar::syntax::{ItemKind, MemberKind, MirrorDecl, RecordDecl, SagaDecl};

use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Location};
use crate::items::parsed;
use crate::resolve::did_you_mean;
use crate::signature::{RecordSig, Signature, signatures};
use crate::types::{ItemId, Ty};

/// What is wrong with the declarations of `file`, apart from their types.
pub fn check(db: &dyn Db, file: SourceFile, findings: &mut Vec<Diagnostic>) {
    let mut checker = Checker { db, file, findings };
    names::check(&mut checker);
    for (index, item) in parsed(db, file).file.items.iter().enumerate() {
        let id = ItemId { file, index: index as u32 };
        let signature = &signatures(db, file).by_item[index];
        match (&item.kind, signature) {
            (ItemKind::Space(decl), Signature::Space(sig)) => {
                if let (Some(key), Some(ty)) = (&decl.key, &sig.key)
                    && !matches!(ty, Ty::Text | Ty::Int | Ty::Error)
                {
                    checker.report(
                        Diagnostic::error("type-mismatch", file, key.span, "the key of a family of spaces is a Text or an Int")
                            .help(format!("write `space {}[Text]`", decl.name.name)),
                    );
                }
            }
            (ItemKind::Record(decl), Signature::Record(sig)) => {
                record(&mut checker, decl, sig);
                links::check(&mut checker, id, decl, sig);
                values::in_record(&mut checker, decl, sig);
            }
            (ItemKind::Struct(decl), Signature::Struct(_)) => values::finite(&mut checker, id, decl.name),
            (ItemKind::Enum(decl), Signature::Enum(_)) => values::finite(&mut checker, id, decl.name),
            (ItemKind::Extern(decl), Signature::Extern(sig)) => values::results(&mut checker, decl, sig),
            (ItemKind::Mirror(decl), Signature::Mirror(_)) => mirror(&mut checker, decl),
            _ => {}
        }
    }
}

struct Checker<'a> {
    db: &'a dyn Db,
    file: SourceFile,
    findings: &'a mut Vec<Diagnostic>,
}

impl Checker<'_> {
    fn report(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }
}

/// Keys, `unique` and `index`; sagas.
fn record(checker: &mut Checker<'_>, decl: &RecordDecl, sig: &RecordSig) {
    let file = checker.file;
    let mut key = None;
    for cell in sig.cells.iter().filter(|cell| !cell.derived) {
        let Some(MemberKind::Cell(tree)) = decl.members.get(cell.member as usize).map(|member| &member.kind) else { continue };
        if let Some(span) = tree.key {
            match key {
                None => key = Some(span),
                Some(first) => checker.report(
                    Diagnostic::error(
                        "duplicate-name",
                        file,
                        span,
                        format!("`{}` has two keys: `{}[…]` looks in one cell", sig.name, sig.name),
                    )
                    .label(Location::Span(file, first), "the first")
                    .help("make this one `unique`: no two records have the same value, and `where` finds it fast"),
                ),
            }
        }
        let words = [(tree.key, "key"), (tree.unique, "unique"), (tree.index, "index")];
        for (span, word) in words.into_iter().filter_map(|(span, word)| Some((span?, word))) {
            if !values::can_be_indexed(checker.db, &cell.ty, word == "key") {
                let message = format!("`{}` cannot be {}: {}", cell.name, as_cell(word), why_not_indexed(&cell.ty, word));
                checker.report(
                    Diagnostic::error("type-mismatch", file, span, message)
                        .label(Location::Span(file, tree.ty.span), "the type")
                        .help(format!("{} can be of Bool, Int, Text, Bytes, Time, Duration, a record, or an enum of these", as_cell(word))),
                );
            }
        }
        if let (Some(key), Some(unique)) = (tree.key, tree.unique) {
            checker.report(
                Diagnostic::error("duplicate-name", file, unique, "a key is unique already")
                    .label(Location::Span(file, key), "the key")
                    .help("leave `unique` out"),
            );
        }
    }
    for member in &decl.members {
        if let MemberKind::Saga(tree) = &member.kind {
            saga(checker, tree);
        }
    }
}

fn as_cell(word: &str) -> String {
    match word {
        "unique" => "unique".to_owned(),
        "index" => "an index".to_owned(),
        word => format!("a {word}"),
    }
}

fn why_not_indexed(ty: &Ty, word: &str) -> String {
    match ty {
        Ty::List(_) | Ty::Set(_) | Ty::Map(..) => "a collection is never looked for as a whole".to_owned(),
        Ty::Optional(_) if word == "key" => "a record without it could never be found".to_owned(),
        Ty::Float => "a Float is seldom exactly the same twice".to_owned(),
        _ => "values of its type are not compared as a whole".to_owned(),
    }
}

fn saga(checker: &mut Checker<'_>, decl: &SagaDecl) {
    let file = checker.file;
    let mut pivots = decl.steps.iter().filter(|step| step.pivot);
    if let (Some(first), Some(second)) = (pivots.next(), pivots.next()) {
        checker.report(
            Diagnostic::error(
                "syntax",
                file,
                second.span,
                format!("saga `{}` has two pivots: there is one point of no return", decl.name.name),
            )
            .label(Location::Span(file, first.span), "the first")
            .help("make the later one a `step`: after the pivot a saga only goes forward, and what is rejected is tried again"),
        );
    }
    // One that could not be read was reported.
    let last = decl.prelude.last().map_or(decl.signature_span.end, |stmt| stmt.span.end);
    let is_lost = |lost: &Lost| decl.signature_span.start <= lost.span.start && lost.span.start < last;
    if decl.steps.is_empty() && !parsed(checker.db, file).lost.iter().any(is_lost) {
        checker.report(
            Diagnostic::error("syntax", file, decl.name.span, format!("saga `{}` has no step", decl.name.name))
                .help("write `step name = target.handler(…) undo target.other(…)`, or make it a handler"),
        );
    }
}

/// The clauses of a mirror with their parameters, and whether a mirror needs them.
const CLAUSES: [(&str, &str); 5] = [("facts", "r"), ("add", "f"), ("remove", "f"), ("actual", "owner"), ("scope", "r")];

fn mirror(checker: &mut Checker<'_>, decl: &MirrorDecl) {
    let file = checker.file;
    for (index, clause) in decl.clauses.iter().enumerate() {
        let name = clause.name.name.as_str();
        let Some((_, param)) = CLAUSES.iter().find(|(known, _)| *known == name) else {
            let mut finding = Diagnostic::error("unknown-name", file, clause.name.span, format!("a mirror has no clause `{name}`"));
            finding = match did_you_mean(name, CLAUSES.iter().map(|(known, _)| *known)) {
                Some(meant) => finding.help(format!("did you mean `{meant}`?")),
                None => finding.help("the clauses are `facts`, `add`, `remove`, `actual` and `scope`"),
            };
            checker.report(finding);
            continue;
        };
        if let Some(first) = decl.clauses[..index].iter().find(|earlier| earlier.name.name == clause.name.name) {
            checker.report(
                Diagnostic::error("duplicate-name", file, clause.name.span, format!("mirror `{}` says `{name}` twice", decl.name.name))
                    .help("keep one of them")
                    .label(Location::Span(file, first.name.span), "the first"),
            );
        }
        if let Some(first) = clause.first.filter(|_| name != "remove") {
            checker.report(
                Diagnostic::error("wrong-arguments", file, first, format!("`{name}` of a mirror is not said to be `first`"))
                    .help("only what is taken away can come too late: `remove(f) first = …`"),
            );
        }
        if clause.params.len() != 1 {
            checker.report(
                Diagnostic::error("wrong-arguments", file, clause.name.span, format!("`{name}` of a mirror has one parameter"))
                    .help(format!("write `{name}({param}) = …`")),
            );
        }
    }
    let missing: Vec<String> = CLAUSES
        .iter()
        .filter(|(known, _)| decl.clauses.iter().all(|clause| clause.name.name.as_str() != *known))
        .map(|(known, param)| format!("`{known}({param}) = …`"))
        .collect();
    if !missing.is_empty() {
        checker.report(
            Diagnostic::error("wrong-arguments", file, decl.name.span, format!("mirror `{}` is not complete", decl.name.name))
                .help(format!("it also needs {}", missing.join(", "))),
        );
    }
}
