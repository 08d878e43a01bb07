//! `same-removal`: facts that the other side cannot tell apart, since they are taken away by one call, or one fact that is taken away by two.

use patternc_grammar::syntax::BinaryOp;
use patternc_program::Method;

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context};
use super::edits;
use super::steps;
use crate::bodies;
use crate::db::Db;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::hir::{Arg, Body, BodyKind, BodyOwner, Expr, ExprKind, SendEvent, StmtKind};
use crate::location;
use crate::resolve::item_name;
use crate::signature::mirror_sig;
use crate::summary;
use crate::types::{ItemId, LocalId, OperationId, Ty};
use crate::visit;

pub static RULE: Rule = Rule {
    name: "same-removal",
    level: Level::Warn,
    summary: "different facts of one record that `remove` takes away by the same call, or facts of two mirrors that are added by one operation and removed by two",
    fixes: Fixes::None("by what the other side tells its entries apart only its author knows"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    let mirrors = context.callables.iter().filter_map(|callable| match callable.body.owner {
        BodyOwner::Mirror(item, _) if location::mirror_clause(context.db, item, "facts") == Some(callable.body.owner) => Some((item, callable)),
        _ => None,
    });
    for (item, facts) in mirrors.filter(|(_, callable)| !callable.is_incomplete()) {
        of_one(context, item, facts, findings);
        of_two(context, item, facts, findings);
    }
}

/// A clause of a mirror.
fn clause<'db>(db: &'db dyn Db, mirror: ItemId, word: &str) -> Option<&'db Body> {
    let owner = location::mirror_clause(db, mirror, word)?;
    bodies::bodies(db, mirror.file).get(owner).map(|body| &**body)
}

/// The call that a clause makes of a fact.
struct Call<'db> {
    operation: OperationId,
    args: &'db [Expr],
    /// The fields of the fact that it depends on; `None`: on all of it.
    fields: Option<Vec<u32>>,
}

fn call<'db>(db: &'db dyn Db, mirror: ItemId, word: &str) -> Option<Call<'db>> {
    let BodyKind::Block(block) = &clause(db, mirror, word)?.kind else { return None };
    let [stmt] = &block.stmts[..] else { return None };
    let StmtKind::Send(send) = &stmt.kind else { return None };
    let SendEvent::Extern { operation, args } = &send.event else { return None };
    // What is read of the fact is a part of it, but where it is asked for whole.
    let (mut parts, mut whole) = (Vec::new(), 0);
    for arg in args {
        visit::expr(arg, &mut |part| match &part.kind {
            ExprKind::Field { base, index, .. } if is_fact(base) => parts.push(*index),
            ExprKind::Local(_) if is_fact(part) => whole += 1,
            _ => {}
        });
    }
    let fields = (whole == parts.len()).then_some(parts);
    Some(Call { operation: *operation, args, fields })
}

fn is_fact(value: &Expr) -> bool {
    matches!(value.kind, ExprKind::Local(LocalId(0)))
}

/// What `facts` gives in one place: a fact, or one for each element of a list.
struct Given<'a> {
    fields: &'a [Option<Expr>],
    place: &'a Expr,
    /// What the lambda around it binds.
    each: Option<LocalId>,
}

/// The structs that a list is made of, as far as they are written out there.
fn given<'a>(list: &'a Expr, found: &mut Vec<Given<'a>>) {
    let one = |value: &'a Expr, each| match &value.kind {
        ExprKind::Struct { spread: None, fields, .. } => Some(Given { fields, place: value, each }),
        _ => None,
    };
    match &list.kind {
        ExprKind::List(elements) | ExprKind::Set(elements) => found.extend(elements.iter().filter_map(|element| one(element, None))),
        ExprKind::Binary { op: BinaryOp::Add, left, right } => {
            given(left, found);
            given(right, found);
        }
        ExprKind::Method { method: Method::Map, args, .. } => {
            if let [Arg::Lambda(lambda)] = &args[..]
                && let [param] = lambda.params[..]
            {
                found.extend(one(&lambda.body, Some(param)));
            }
        }
        ExprKind::Method { method: Method::Distinct | Method::Filter | Method::Union, base, args, .. } => {
            given(base, found);
            for arg in args {
                if let Arg::Value(other) = arg {
                    given(other, found);
                }
            }
        }
        ExprKind::Block { value, .. } => given(value, found),
        _ => {}
    }
}

fn facts_of(body: &Body) -> Vec<Given<'_>> {
    let mut found = Vec::new();
    if let BodyKind::Expr(list) = &body.kind {
        given(list, &mut found);
    }
    found
}

/// Facts of one record for which `remove` makes the same call, and `add` another one.
fn of_one(context: &Context<'_>, mirror: ItemId, facts: &Callable<'_>, findings: &mut Vec<Diagnostic>) {
    let db = context.db;
    let (Some(remove), Some(add)) = (call(db, mirror, "remove"), call(db, mirror, "add")) else { return };
    let Some(told_by) = remove.fields else { return };
    let field = |given: &Given<'_>, index: u32| given.fields.get(index as usize).and_then(Option::as_ref).map(|value| text(context, value));
    let added = |given: &Given<'_>| add.fields.clone().unwrap_or_else(|| (0..given.fields.len() as u32).collect());
    let depends = |given: &Given<'_>, index: u32| {
        let mut found = false;
        if let Some(Some(value)) = given.fields.get(index as usize) {
            visit::expr(value, &mut |part| found |= matches!(part.kind, ExprKind::Local(local) if Some(local) == given.each));
        }
        found
    };
    let call = steps::operation_name(db, remove.operation);
    let name = item_name(db, mirror);
    let found = facts_of(facts.body);
    for (index, one) in found.iter().enumerate() {
        let each = one.each.is_some() && !told_by.iter().any(|field| depends(one, *field)) && added(one).iter().any(|field| depends(one, *field));
        let same = |other: &&Given<'_>| {
            other.each.is_none()
                && one.each.is_none()
                && told_by.iter().all(|index| field(one, *index) == field(other, *index))
                && added(one).iter().any(|index| field(one, *index) != field(other, *index))
        };
        let before = found[..index].iter().find(same);
        if !each && before.is_none() {
            continue;
        }
        let message = format!(
            "the mirror `{name}` gives several facts of one record for which `remove` makes the same call of `{call}`: to the other side they are one \
             entry, of which each of them writes its own version, and it never comes to rest"
        );
        let place = Location::Span(context.file, one.place.span);
        let label = if each { "one for each element, removed by one call" } else { "removed by the same call" };
        let mut finding = RULE.at(place, label, message);
        if let Some(before) = before {
            finding = finding.label(Location::Span(context.file, before.place.span), "as this one");
        }
        for arg in remove.args {
            finding = finding.label(Location::Span(mirror.file, arg.span), "does not tell them apart");
        }
        findings.push(finding.help(
            "let `remove` say which of them is meant: give it all of the fact, or what tells them apart; or give one fact that holds all of it",
        ));
    }
}

/// Two mirrors to one extern that add by one operation, and remove by two.
fn of_two(context: &Context<'_>, mirror: ItemId, facts: &Callable<'_>, findings: &mut Vec<Diagnostic>) {
    let db = context.db;
    let (Some(target), Some(ty)) = (mirror_sig(db, mirror).and_then(|sig| sig.target), fact_type(facts.body)) else { return };
    let (Some(remove), Some(add)) = (call(db, mirror, "remove"), call(db, mirror, "add")) else { return };
    let others = summary::mirrors(db).flatten().map(|(_, other)| other);
    for other in others.filter(|other| other.target == target && other.item < mirror) {
        let Some(theirs) = clause(db, other.item, "facts").filter(|body| fact_type(body) == Some(ty)) else { continue };
        let (Some(their_remove), Some(their_add)) = (call(db, other.item, "remove"), call(db, other.item, "add")) else { continue };
        if their_add.operation != add.operation || their_remove.operation == remove.operation || apart(facts.body, theirs) {
            continue;
        }
        let [one, two] = [other.item, mirror].map(|mirror| item_name(db, mirror));
        let [by, their] = [remove.operation, their_remove.operation].map(|operation| steps::operation_name(db, operation));
        let message = format!(
            "the mirrors `{one}` and `{two}` add facts by one operation, `{}`, and take them away by two: when one of them takes away a fact that the \
             other still gives, the runtime does not know it for the same, and it is gone",
            steps::operation_name(db, add.operation)
        );
        let finding = RULE.at(Location::Item(mirror), format!("removes by `{by}`"), message);
        let finding = finding.label(Location::Item(other.item), format!("removes by `{their}`"));
        findings.push(finding.help(
            "take them away by the same operation; or let the facts of the two differ in a field that is a constant in each, so that none is given by both",
        ));
    }
}

fn fact_type(facts: &Body) -> Option<&Ty> {
    match &facts.kind {
        BodyKind::Expr(Expr { ty: Ty::List(of) | Ty::Set(of), .. }) => Some(of),
        _ => None,
    }
}

/// Whether every fact of the one has another constant in some field than every fact of the other.
fn apart(one: &Body, other: &Body) -> bool {
    let (one, other) = (facts_of(one), facts_of(other));
    let constant = |value: &Option<Expr>| match value.as_ref().map(|value| &value.kind) {
        Some(ExprKind::Text(text)) => Some(text.to_string()),
        Some(ExprKind::Int(number)) => Some(number.to_string()),
        Some(ExprKind::Bool(truth)) => Some(truth.to_string()),
        Some(ExprKind::Variant { variant, .. }) => Some(variant.to_string()),
        _ => None,
    };
    let differ = |one: &Given<'_>, other: &Given<'_>| {
        let mut fields = one.fields.iter().zip(other.fields);
        fields.any(|(one, other)| matches!((constant(one), constant(other)), (Some(one), Some(other)) if one != other))
    };
    !one.is_empty() && !other.is_empty() && one.iter().all(|one| other.iter().all(|other| differ(one, other)))
}

/// An expression as it is written, without the spaces.
fn text(context: &Context<'_>, value: &Expr) -> String {
    edits::text(context.db, context.file, value.span).split_whitespace().collect()
}

const PAGE: &str = r##"
## What goes wrong

To the other side, facts are the same for which `remove` makes the same call: that is how an entry is known there. Of two facts under one key the later
one replaces the first; `reconcile` misses the one that was replaced, adds it, and with that replaces the other. Whatever is told, the two sides are never
equal.

The other way round, a fact that two mirrors give stays as long as one of them gives it, but only if both take it away by the same operation: otherwise
the runtime takes it for two facts, and the removal by the one takes it from the other too.

## Bad

```pattern
space docs
struct Entry { key: Text, text: Text }
extern index {
  put(entry: Entry) idempotent
  drop(key: Text) idempotent
  list(prefix: Text) -> List<Entry> readonly
}
record Document in docs {
  cell name: Text
  cell title: Text = ""
  cell summary: Text = ""
}
mirror found of Document to index {
  facts(d)  = [Entry { key: d.name, text: d.title }, Entry { key: d.name, text: d.summary }]
  add(e)    = index.put(e)
  remove(e) = index.drop(e.key)
  actual(n) = index.list(n)
  scope(d)  = d.name
}
```

```pattern
space docs
struct Relation { document: Text, reader: Text }
extern authz {
  touch(f: Relation) idempotent
  remove(f: Relation) idempotent
  forget(f: Relation) idempotent
  read(document: Text) -> List<Relation> readonly
}
record Document in docs {
  cell name: Text
  cell readers: Set<Text> = Set[]
}
record Folder in docs {
  cell name: Text
  cell readers: Set<Text> = Set[]
}
mirror of_documents of Document to authz {
  facts(d)  = d.readers.map(reader => Relation { document: d.name, reader: reader })
  add(f)    = authz.touch(f)
  remove(f) = authz.remove(f)
  actual(n) = authz.read(n)
  scope(d)  = d.name
}
mirror of_folders of Folder to authz {
  facts(d)  = d.readers.map(reader => Relation { document: d.name, reader: reader })
  add(f)    = authz.touch(f)
  remove(f) = authz.forget(f)
  actual(n) = authz.read(n)
  scope(d)  = d.name
}
```

## Good

```pattern
space docs
struct Entry { key: Text, text: Text }
extern index {
  put(entry: Entry) idempotent
  drop(key: Text) idempotent
  list(prefix: Text) -> List<Entry> readonly
}
record Document in docs {
  cell name: Text
  cell title: Text = ""
  cell summary: Text = ""
}
mirror found of Document to index {
  facts(d)  = [Entry { key: "{d.name}/title", text: d.title }, Entry { key: "{d.name}/summary", text: d.summary }]
  add(e)    = index.put(e)
  remove(e) = index.drop(e.key)
  actual(n) = index.list(n)
  scope(d)  = d.name
}
```

## When it is fine

Where at most one of the facts is given at a time, or the mirrors can never give the same fact. Write `@allow` with that reason.
"##;
