//! Types of which values can exist where they are wanted.

use patternc_grammar::syntax::{ExternDecl, Ident, MemberKind, Name, Param, RecordDecl, TypeExpr, TypeKind};
use rustc_hash::FxHashSet;

use super::Checker;
use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Location};
use crate::resolve::{home, item_name, one_of, scope};
use crate::signature::{ExternSig, Home, ParamSig, RecordSig, Signature, signature};
use crate::types::{ItemId, Place, Ty};

/// Whether values of a type can be kept in an index: as a key, they must be there.
pub(super) fn can_be_indexed(db: &dyn Db, ty: &Ty, key: bool) -> bool {
    match ty {
        Ty::Bool | Ty::Int | Ty::Text | Ty::Bytes | Ty::Time | Ty::Duration | Ty::Space | Ty::Record(..) | Ty::Error => true,
        Ty::Optional(inner) => !key && can_be_indexed(db, inner, true),
        Ty::Enum(id, _) => match signature(db, *id) {
            Signature::Enum(sig) => sig
                .variants
                .iter()
                .flat_map(|variant| &*variant.fields)
                // An enum in an enum would have to be followed for ever where they hold one another.
                .all(|field| !matches!(field.ty, Ty::Enum(..)) && can_be_indexed(db, &field.ty, true)),
            _ => true,
        },
        _ => false,
    }
}

/// A struct or enum that holds another of itself without end.
pub(super) fn finite(checker: &mut Checker<'_>, id: ItemId, name: Ident) {
    if can_exist(checker.db, id) {
        return;
    }
    let message = format!("{} holds another `{}`, and so on without end: none can ever be made", one_of(&name.name), name.name);
    checker.report(
        Diagnostic::error("type-mismatch", checker.file, name.span, message)
            .help("make the field that leads back optional, or a List, Set or Map"),
    );
}

/// Whether a value of the struct or enum can be made without having one already.
fn can_exist(db: &dyn Db, id: ItemId) -> bool {
    let needed = |field: &ParamSig| match field.ty {
        Ty::Struct(inner, _) | Ty::Enum(inner, _) => Some(inner),
        _ => None,
    };
    // Everything that a value can need, each after what first needed it: what is needed is mostly settled before who needs it.
    let mut needs = vec![id];
    let mut seen = FxHashSet::from_iter([id]);
    let mut next = 0;
    while let Some(&id) = needs.get(next) {
        let fields: Vec<&ParamSig> = match signature(db, id) {
            Signature::Struct(sig) => sig.fields.iter().collect(),
            Signature::Enum(sig) => sig.variants.iter().flat_map(|variant| &*variant.fields).collect(),
            _ => Vec::new(),
        };
        needs.extend(fields.into_iter().filter_map(needed).filter(|inner| seen.insert(*inner)));
        next += 1;
    }
    // From what needs nothing to what can be made of it, until nothing more can.
    let mut made = FxHashSet::default();
    loop {
        let before = made.len();
        for &id in needs.iter().rev() {
            let fields_exist = |fields: &[ParamSig]| fields.iter().filter_map(needed).all(|inner| made.contains(&inner));
            let exists = match signature(db, id) {
                Signature::Struct(sig) => fields_exist(&sig.fields),
                Signature::Enum(sig) => sig.variants.is_empty() || sig.variants.iter().any(|variant| fields_exist(&variant.fields)),
                _ => true,
            };
            if exists {
                made.insert(id);
            }
        }
        if made.contains(&id) || made.len() == before {
            return made.contains(&id);
        }
    }
}

/// Results of extern operations hold no references: the outside knows none.
pub(super) fn results(checker: &mut Checker<'_>, decl: &ExternDecl, sig: &ExternSig) {
    for (tree, operation) in decl.operations.iter().zip(&*sig.operations) {
        let Some(written) = &tree.result else { continue };
        let mut held = None;
        references(checker.db, &operation.result, &mut FxHashSet::default(), &mut |record, _| held = held.or(Some(record)));
        if let Some(record) = held {
            let name = item_name(checker.db, record);
            let message = format!("the outside cannot answer with a reference, and `{}` gives a `{name}`", operation.name);
            checker.report(
                Diagnostic::error("type-mismatch", checker.file, written.span, message)
                    .label(Location::Item(record), format!("`{name}` is a record"))
                    .help("give what the record is found by, as its key, and look it up in the arm that gets the answer"),
            );
        }
    }
}

/// Structs and enums with a plain `R` of a family, in a record that is never in a space of that family.
pub(super) fn in_record(checker: &mut Checker<'_>, decl: &RecordDecl, sig: &RecordSig) {
    if sig.home == Home::Floating {
        return;
    }
    for cell in &*sig.cells {
        let ty = match decl.members.get(cell.member as usize).map(|member| &member.kind) {
            Some(MemberKind::Cell(tree)) => &tree.ty,
            Some(MemberKind::Derived(tree)) => &tree.ty,
            _ => continue,
        };
        held_here(checker, sig, &cell.ty, ty);
    }
    for handler in &*sig.handlers {
        let (params, result): (&[Param], _) = match decl.members.get(handler.member as usize).map(|member| &member.kind) {
            Some(MemberKind::Handler(tree)) => (&tree.params, tree.result.as_ref()),
            Some(MemberKind::Saga(tree)) => (&tree.params, None),
            _ => continue,
        };
        for (param, tree) in handler.params.iter().zip(params) {
            held_here(checker, sig, &param.ty, &tree.ty);
        }
        if let Some(tree) = result {
            held_here(checker, sig, &handler.result, tree);
        }
    }
}

fn held_here(checker: &mut Checker<'_>, sig: &RecordSig, ty: &Ty, written: &TypeExpr) {
    let (Home::Plain(own) | Home::Family(own)) = sig.home else { return };
    let db = checker.db;
    let mut never = None;
    inside(db, ty, &mut FxHashSet::default(), &mut |record, place, field| {
        if place == Place::Here
            && let Home::Family(of) = home(db, record)
            && of != own
        {
            never = never.or(Some((record, of, field)));
        }
    });
    let Some((record, of, (holder, field))) = never else { return };
    let (name, of, own) = (item_name(db, record), item_name(db, of), item_name(db, own));
    let text = written.span.slice(checker.file.text(db));
    let message =
        format!("a `{text}` in `{}` holds a plain `{name}`, which is never in `{own}`: every `{name}` is in a space of `{of}`", sig.name);
    checker.report(
        Diagnostic::error("space-escape", checker.file, written.span, message)
            .label(Location::Item(record), format!("in the family `{of}`"))
            .help(format!(
                "write `{name}@any` for `{field}` of `{}`, where it is held; or `{}` here, for all that it holds",
                item_name(db, holder),
                anywhere(db, checker.file, written),
            )),
    );
}

/// A type as it is written, with `@any` for its structs and enums.
fn anywhere(db: &dyn Db, file: SourceFile, written: &TypeExpr) -> String {
    let text = written.span.slice(file.text(db));
    match &written.kind {
        TypeKind::Optional(inner) => format!("{}?", anywhere(db, file, inner)),
        TypeKind::Named { name, args, .. } if !args.is_empty() => {
            let args: Vec<String> = args.iter().map(|arg| anywhere(db, file, arg)).collect();
            format!("{}<{}>", name.name, args.join(", "))
        }
        TypeKind::Named { name, place: None, .. } => {
            let holds = scope(db, file).lookup(name.name).map(|id| signature(db, id));
            if matches!(holds, Some(Signature::Struct(_) | Signature::Enum(_))) { format!("{text}@any") } else { text.to_owned() }
        }
        TypeKind::Named { .. } | TypeKind::Error => text.to_owned(),
    }
}

/// A field: the struct or enum, and its name there.
type Held = (ItemId, Name);

/// The references inside the structs and enums of a type that are held here, with the fields that hold them; those that the type names itself
/// are judged where it is resolved.
fn inside(db: &dyn Db, ty: &Ty, seen: &mut FxHashSet<ItemId>, see: &mut dyn FnMut(ItemId, Place, Held)) {
    match ty {
        Ty::List(inner) | Ty::Set(inner) | Ty::Optional(inner) => inside(db, inner, seen, see),
        Ty::Map(key, value) => {
            inside(db, key, seen, see);
            inside(db, value, seen, see);
        }
        Ty::Struct(id, Place::Here) | Ty::Enum(id, Place::Here) => fields(db, *id, seen, &mut |field, seen| {
            each(&field.ty, &mut |part| match part {
                Ty::Record(record, place) => see(*record, *place, (*id, field.name)),
                part => inside(db, part, seen, see),
            });
        }),
        _ => {}
    }
}

/// Every reference that a value of the type may hold.
fn references(db: &dyn Db, ty: &Ty, seen: &mut FxHashSet<ItemId>, see: &mut dyn FnMut(ItemId, Place)) {
    each(ty, &mut |part| match part {
        Ty::Record(record, place) => see(*record, *place),
        Ty::Struct(id, _) | Ty::Enum(id, _) => fields(db, *id, seen, &mut |field, seen| references(db, &field.ty, seen, see)),
        _ => {}
    });
}

/// The parts of a type that are no collection or optional.
fn each<'a>(ty: &'a Ty, see: &mut dyn FnMut(&'a Ty)) {
    match ty {
        Ty::List(inner) | Ty::Set(inner) | Ty::Optional(inner) => each(inner, see),
        Ty::Map(key, value) => {
            each(key, see);
            each(value, see);
        }
        ty => see(ty),
    }
}

/// The fields of a struct or enum, unless they have been looked at already.
fn fields(db: &dyn Db, id: ItemId, seen: &mut FxHashSet<ItemId>, see: &mut dyn FnMut(&ParamSig, &mut FxHashSet<ItemId>)) {
    if !seen.insert(id) {
        return;
    }
    match signature(db, id) {
        Signature::Struct(sig) => sig.fields.iter().for_each(|field| see(field, seen)),
        Signature::Enum(sig) => {
            sig.variants.iter().flat_map(|variant| &*variant.fields).for_each(|field| see(field, seen));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::check::{CheckOptions, check};
    use crate::db::Database;

    #[test]
    fn types_that_share_their_parts_are_looked_at_once() {
        // Followed along every way, the last struct would be reached 2^60 times.
        let mut text = "space user[Text]\nrecord Profile in user { cell s: S0? }\n".to_owned();
        for i in 0..60 {
            writeln!(text, "struct S{i} {{ a: S{0}, b: S{0}, c: List<S{0}> }}", i + 1).expect("a text takes everything");
        }
        text.push_str(
            "struct S60 { of: Profile }\nextern there { get() -> S0 readonly }\nspace home\nrecord Note in home { cell s: S0? }\n",
        );
        let mut db = Database::default();
        db.set_project(&[("main.pattern", &text)], None);
        let found: Vec<&str> = check(&db, &CheckOptions::default()).iter().map(|finding| finding.rule).collect();
        assert_eq!(found, ["type-mismatch", "space-escape"], "the answer of the outside, and what a note can never hold");
    }
}
