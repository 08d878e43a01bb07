//! Whether what undoes a step takes back what the step did.

use super::context::Callable;
use super::held::{self, Held, Symbol};
use super::{reach, steps};
use crate::db::Db;
use crate::effects::always::Loops;
use crate::effects::known::{Const, Fact};
use crate::effects::{
    self, CallEffect, Effects, Entry, Frame, Given, Grain, Layout, SendEffect, SendRole, SendTarget, Site, Target, Value, WriteEffect,
    WriteKind,
};
use crate::facts;
use crate::hir::{ExprKind, SendEvent};
use crate::types::{CellId, ItemId, LocalId, OperationId};
use crate::visit;

/// What a step does, and what is wrong with its undo.
pub struct Mismatch<'a> {
    pub done: Done<'a>,
    /// The write of the undo that is there for it.
    pub other: Option<&'a WriteEffect>,
    pub why: Why,
}

/// Something that a step does.
#[derive(Clone, Copy)]
pub enum Done<'a> {
    Write(&'a WriteEffect),
    Outside(OperationId),
}

pub enum Why {
    /// Nothing at all is changed.
    NoEffect,
    /// Nothing outside is changed.
    Inside,
    /// Nothing that the step writes is written.
    Nothing,
    /// Something else that the step writes is.
    Stays,
    /// By something that does not take back what was done.
    Kind,
    /// Of another record.
    Record,
    /// Another amount, element or entry.
    Other,
    /// The step may have changed nothing: what it inserts was in already, what it removes was not.
    NoChange,
    /// The step may go another way, on which it does not write.
    Skipped,
    /// An `err` arm of the step takes it back already, and the step counts as done all the same.
    Twice(Site),
    /// The cell is not set to what it held before.
    Before,
    /// The step goes on where the cell holds what it sets already: then somebody else has set it. `given`: that is no constant.
    HeldAlready { given: bool },
    /// The step goes on where the cell holds something else than what it is set back to.
    HeldByOther,
    /// What says which record or how much may have changed since the step.
    Reread(CellId),
}

/// What is wrong with the undo of a step, if anything is.
pub fn mismatch<'a>(callable: &'a Callable<'_>, step: &steps::SagaStep<'a>, undo: &'a SendEffect) -> Option<Mismatch<'a>> {
    let (no_effect, outside) = match left_behind(callable.db, step, undo) {
        Some(found) if matches!(found.why, Why::NoEffect) => (Some(found), None),
        outside => (None, outside),
    };
    no_effect.or_else(|| left_inside(callable, step, undo)).or(outside)
}

/// What stays since the undo changes nothing at all, or nothing outside where the step does.
fn left_behind<'a>(db: &'a dyn Db, step: &steps::SagaStep<'a>, undo: &SendEffect) -> Option<Mismatch<'a>> {
    let incomplete = |all: &steps::Everything<'_>| all.pieces.iter().any(|piece| piece.incomplete || piece.recursive);
    let (done, taken_back) = (steps::everything(db, step.action, false), steps::everything(db, undo, true));
    if incomplete(&done) || incomplete(&taken_back) {
        return None;
    }
    let outside = done.outside.first().map(|operation| Done::Outside(*operation));
    let written = || done.pieces.iter().flat_map(|piece| &piece.writes).find(|write| !write.inverse).map(Done::Write);
    let found = |done, why| Some(Mismatch { done, other: None, why });
    if steps::change(db, undo).is_none() && taken_back.outside.is_empty() {
        return found(outside.or_else(written)?, Why::NoEffect);
    }
    // What is written may be told outside by a mirror.
    let mirrored = |write: &WriteEffect| {
        facts::mirrors_of_record(db, write.record).any(|mirror| write.cell.is_none_or(|cell| mirror.cells.contains(&cell)))
    };
    let tells = || taken_back.pieces.iter().flat_map(|piece| &piece.writes).any(mirrored);
    if taken_back.outside.is_empty() && !tells() { found(outside?, Why::Inside) } else { None }
}

/// What stays of what the step writes, or is taken back and more.
fn left_inside<'a>(callable: &'a Callable<'_>, step: &steps::SagaStep<'a>, undo: &'a SendEffect) -> Option<Mismatch<'a>> {
    let done = Side::of(callable, step.action)?;
    let taken_back = Side::of(callable, undo)?;
    let whole = done.whole && taken_back.whole;
    let writes = || done.writes.iter().filter(|write| !write.effect.inverse);
    let found = |write: &Write<'a>, other, why| Mismatch { done: Done::Write(write.effect), other, why };
    if whole && !writes().any(|write| taken_back.touches(write)) {
        return writes().next().map(|write| found(write, None, Why::Nothing));
    }
    let wrong = writes().find_map(|write| {
        let (other, why) = one(callable, step, &done, write, &taken_back)?;
        Some(found(write, Some(other), why))
    });
    let reread = || Some(found(writes().next()?, None, Why::Reread(reread(callable.db, step)?)));
    let stays = || {
        let write = writes().find(|write| !taken_back.touches(write)).filter(|_| whole)?;
        Some(found(write, None, Why::Stays))
    };
    let twice = || {
        let (write, again, arm) = twice(callable.db, step, undo)?;
        Some(Mismatch { done: Done::Write(write), other: Some(again), why: Why::Twice(arm) })
    };
    wrong.or_else(twice).or_else(reread).or_else(stays)
}

/// What the step does, takes back itself in an `err` arm after which it counts as done, and what the undo then takes back once more; with the place in
/// the arm.
fn twice<'a>(db: &'a dyn Db, step: &steps::SagaStep<'_>, undo: &SendEffect) -> Option<(&'a WriteEffect, &'a WriteEffect, Site)> {
    let (does, undoes) = (effects::receiver(db, step.action)?, effects::receiver(db, undo)?);
    let everything = steps::everything(db, step.action, false);
    let told = is_told(step);
    for send in effects::effects(db, does).pieces().into_iter().flat_map(|piece| &piece.sends) {
        let Some(err) = send.err.as_deref().filter(|_| !send.delayed) else { continue };
        for back in &err.writes {
            let goes_on = match send.role {
                // What is answered with says whether it was taken back.
                SendRole::Answer => !told && layout(db, back).is_some_and(|at| !at.always_fails(back.site)),
                SendRole::Send => true,
                SendRole::Step { .. } | SendRole::Undo => false,
            };
            let same = |write: &&WriteEffect| write.cell.is_some() && write.cell == back.cell && !write.inverse && write.site != back.site;
            let done = everything.pieces.iter().flat_map(|piece| &piece.writes).filter(same).find(|write| restores(write.kind, back.kind));
            let Some(done) = done.filter(|_| goes_on) else { continue };
            let always = |write: &&WriteEffect| {
                layout(db, write).is_some_and(|at| at.always_in_piece(&[write.site], Loops::MayHaveNone)) && write.path.is_empty()
            };
            let again =
                effects::effects(db, undoes).writes.iter().filter(same).filter(always).find(|write| restores(done.kind, write.kind));
            if let Some(again) = again {
                return Some((done, again, back.site));
            }
        }
    }
    None
}

/// Whether the undo is given what the step answers.
fn is_told(step: &steps::SagaStep<'_>) -> bool {
    let mut told = false;
    if let (Some(answer), Some(undo)) = (step.step.name, &step.step.undo) {
        visit::event(undo, &mut |part| told |= matches!(part.kind, ExprKind::Local(local) if local == answer));
    }
    told
}

/// What an event writes, itself and in its arms.
struct Side<'a> {
    db: &'a dyn Db,
    call: CallEffect,
    /// The plain space of the saga.
    home: Option<ItemId>,
    writes: Vec<Write<'a>>,
    /// It sends nothing, so that this is all.
    whole: bool,
}

/// A write, and what is known of it in the words of the saga.
struct Write<'a> {
    effect: &'a WriteEffect,
    seen: WriteEffect,
    given: Option<(Option<Value>, bool)>,
}

impl<'a> Side<'a> {
    fn of(callable: &'a Callable<'_>, send: &SendEffect) -> Option<Self> {
        let db = callable.db;
        let call = reach::as_call(db, send)?;
        let home = effects::home(db, callable.body.owner);
        let frame = Frame { call: &call, home };
        let pieces: Vec<&Effects> = effects::effects(db, call.callee).pieces();
        if pieces.iter().any(|piece| piece.incomplete || piece.recursive) {
            return None;
        }
        let created = matches!(send.to, SendTarget::Create(_));
        // The cells of a record that the event itself makes are part of making it.
        let part =
            |write: &&WriteEffect| write.cell.is_some() && (write.target == Target::Fresh || created && write.target == Target::SelfRecord);
        let seen = |effect: &'a WriteEffect| {
            let given = layout(db, effect).and_then(|layout| layout.given(effect.site));
            let given = given.filter(|_| is_own(effect)).and_then(|Given { value, less }| match value {
                None => Some((None, *less)),
                Some(value) => frame.value(value).map(|value| (Some(value), *less)),
            });
            Write { effect, seen: frame.write(effect), given }
        };
        let writes = pieces.iter().flat_map(|piece| &piece.writes).filter(|write| !part(write)).map(seen).collect();
        Some(Side { db, writes, whole: pieces.iter().all(|piece| piece.sends.is_empty()), call, home })
    }

    /// The event in the words of the saga.
    fn frame(&self) -> Frame<'_> {
        Frame { call: &self.call, home: self.home }
    }

    /// Whether anything of what a step wrote is written again: the cell, or the record that was made or deleted.
    fn touches(&self, write: &Write<'_>) -> bool {
        let gone = |other: &Write<'_>| other.effect.kind == WriteKind::Delete;
        self.writes.iter().any(|other| match (write.effect.cell, other.effect.cell) {
            (Some(cell), Some(other)) => cell == other,
            _ => (gone(other) || write.effect.cell.is_none()) && other.effect.record == write.effect.record,
        })
    }

    /// The writes of a cell that are no other ends of links.
    fn of_cell<'s>(&'s self, write: &Write<'_>) -> impl Iterator<Item = &'s Write<'a>> {
        let cell = write.effect.cell;
        self.writes.iter().filter(move |other| cell.is_some() && other.effect.cell == cell && !other.effect.inverse)
    }
}

/// Whether it stands in the body itself, so that it is known how it stands there.
fn is_own(write: &WriteEffect) -> bool {
    write.path.is_empty() && !write.several
}

fn layout<'a>(db: &'a dyn Db, write: &WriteEffect) -> Option<&'a Layout> {
    effects::body(db, write.site.body).map(|body| &*body.layout)
}

/// What is wrong with what the undo does to the cell of one write.
fn one<'a>(
    callable: &Callable<'_>,
    step: &steps::SagaStep<'_>,
    done: &Side<'a>,
    write: &Write<'a>,
    taken_back: &Side<'a>,
) -> Option<(&'a WriteEffect, Why)> {
    let others: Vec<&Write<'a>> = taken_back.of_cell(write).collect();
    let first = others.first()?;
    if !others.iter().any(|other| restores(write.effect.kind, other.effect.kind)) {
        return Some((first.effect, Why::Kind));
    }
    // Of several, which belongs to which is not known.
    let ([other], 1) = (&others[..], done.of_cell(write).count()) else { return None };
    let in_loop = |write: &WriteEffect| layout(done.db, write).is_none_or(|layout| layout.in_loop(write.site));
    if !is_own(write.effect) || !is_own(other.effect) || in_loop(write.effect) || in_loop(other.effect) {
        return None;
    }
    let held = || held_before(callable, (done, write), (taken_back, other));
    let skipped = || may_be_skipped(done.db, step, write.effect, other.effect).then_some(Why::Skipped);
    pair(callable, write, other).or_else(held).or_else(skipped).map(|why| (other.effect, why))
}

fn pair(callable: &Callable<'_>, write: &Write<'_>, other: &Write<'_>) -> Option<Why> {
    let named = |target: &Target| match target {
        Target::SelfRecord => true,
        Target::Local(local) => is_param(callable, *local),
        _ => false,
    };
    if write.seen.target != other.seen.target {
        return (named(&write.seen.target) && named(&other.seen.target)).then_some(Why::Record);
    }
    if matches!(write.seen.target, Target::Fresh | Target::Unknown) {
        return None;
    }
    let db = callable.db;
    if let Some(cell) = depends(write).into_iter().find(|cell| facts::is_changed(db, *cell) && depends(other).contains(cell)) {
        return Some(Why::Reread(cell));
    }
    if let (Grain::Element(element), Grain::Element(back)) = (&write.seen.grain, &other.seen.grain) {
        if let (Some(element), Some(back)) = (element, back)
            && differ(callable, element, back)
        {
            return Some(Why::Other);
        }
        return may_change_nothing(callable, write, other).then_some(Why::NoChange);
    }
    match (write.effect.kind, other.effect.kind) {
        (WriteKind::Add, WriteKind::Add) => is_other_amount(callable, write, other).then_some(Why::Other),
        (WriteKind::Set, WriteKind::Set) => is_not_before(db, write, other).then_some(Why::Before),
        _ => None,
    }
}

/// Whether the second can take back the first and leave what others did in between.
fn restores(step: WriteKind, undo: WriteKind) -> bool {
    match step {
        WriteKind::Insert | WriteKind::Append => undo == WriteKind::Remove,
        WriteKind::Remove => matches!(undo, WriteKind::Insert | WriteKind::Append | WriteKind::Set),
        WriteKind::Add => undo == WriteKind::Add,
        WriteKind::Set => matches!(undo, WriteKind::Set | WriteKind::Remove),
        WriteKind::Create | WriteKind::Delete => true,
    }
}

fn is_param(callable: &Callable<'_>, local: LocalId) -> bool {
    local.0 < callable.body.params
}

/// Whether two values of a saga are surely meant to be different ones.
fn differ(callable: &Callable<'_>, one: &Value, other: &Value) -> bool {
    let given = |value: &Value| match value {
        Value::Local(local) => is_param(callable, *local),
        Value::Cell(_) | Value::SelfRecord => true,
        Value::Literal(_) => false,
    };
    match (one, other) {
        (Value::Literal(one), Value::Literal(other)) => one != other,
        (Value::Literal(_), other) | (other, Value::Literal(_)) => given(other),
        (Value::Local(one), Value::Local(other)) => one != other && is_param(callable, *one) && is_param(callable, *other),
        _ => false,
    }
}

fn is_other_amount(callable: &Callable<'_>, write: &Write<'_>, other: &Write<'_>) -> bool {
    let (Some((added, less)), Some((back, back_less))) = (&write.given, &other.given) else { return false };
    let literal = |value: &Option<Value>| matches!(value, Some(Value::Literal(_)));
    match (added, back) {
        (Some(added), Some(back)) if added == back => less == back_less,
        (Some(added), Some(back)) => differ(callable, added, back),
        // What is computed is no constant.
        _ => literal(added) || literal(back),
    }
}

/// Whether a cell is set back to what it cannot have held, or to what the step set it to.
fn is_not_before(db: &dyn Db, write: &Write<'_>, other: &Write<'_>) -> bool {
    let (Some(at), Some(at_other)) = (layout(db, write.effect), layout(db, other.effect)) else { return false };
    let (set, back) = (at.written(write.effect.site), at_other.written(other.effect.site));
    let plain = |value: Option<&Const>| matches!(value, Some(Const::Bool(_) | Const::Literal(_) | Const::Absent));
    let same_value = write.given.as_ref().is_some_and(|(value, _)| value.is_some()) && write.given == other.given;
    if plain(set) && set == back || same_value {
        return true;
    }
    let held = at.known_at(write.effect.site).find_map(|known| match &known.fact {
        Fact::Holds { target, cell, value, is: true } if *target == write.effect.target && Some(*cell) == write.effect.cell => Some(value),
        _ => None,
    });
    held.zip(back).is_some_and(|(held, back)| !held.allows(back, true))
}

/// Whether the step goes on where somebody holds the cell already, and the undo frees it all the same.
fn held_before(
    callable: &Callable<'_>,
    (done, write): (&Side<'_>, &Write<'_>),
    (taken_back, other): (&Side<'_>, &Write<'_>),
) -> Option<Why> {
    let sets = |write: &Write<'_>| write.effect.kind == WriteKind::Set && write.effect.grain == Grain::Whole;
    let cell = write.effect.cell.filter(|_| sets(write) && sets(other) && write.effect.target == Target::SelfRecord)?;
    let (step, undo) = (done.frame(), taken_back.frame());
    let taken = held::set_to(done.db, &step, write.effect.site)?;
    let free = held::set_to(done.db, &undo, other.effect.site)?;
    // What is no constant is no sign of being free; one that is not there from the start is a mark of its own.
    if taken == free || held::default(done.db, cell).as_ref() != Some(&free) {
        return None;
    }
    let new = matches!(&taken, Symbol::Given(Value::Local(local)) if held::is_new(callable.body, *local));
    let cell = held::Cell { cell, taken, free };
    let frees = |before: Held| {
        let after = held::after(done.db, &step, &cell, before)?;
        held::after(done.db, &undo, &cell, after).filter(|after| *after == Held::Free)
    };
    if frees(Held::Other).is_some() && !matches!(cell.free, Symbol::Const(Const::Bool(_))) {
        return Some(Why::HeldByOther);
    }
    (!new && frees(Held::Taken).is_some()).then_some(Why::HeldAlready { given: matches!(cell.taken, Symbol::Given(_)) })
}

/// Whether the step has a way on which it does not write, and the undo writes on all of its ways, without knowing which way the step went.
fn may_be_skipped(db: &dyn Db, step: &steps::SagaStep<'_>, write: &WriteEffect, other: &WriteEffect) -> bool {
    let (Some(at), Some(at_other)) = (layout(db, write), layout(db, other)) else { return false };
    // What is set to something that is no constant may be set to what it held.
    let known = other.kind != WriteKind::Set || at_other.written(other.site).is_some();
    let always = |at: &Layout, write: &WriteEffect| at.always_in_piece(&[write.site], Loops::MayHaveNone);
    !is_told(step) && known && !always(at, write) && always(at_other, other)
}

/// Whether the step may find what it inserts, or not find what it removes, and go on, and the undo takes no notice.
fn may_change_nothing(callable: &Callable<'_>, write: &Write<'_>, other: &Write<'_>) -> bool {
    let db = callable.db;
    let (Some(at), Some(at_other)) = (layout(db, write.effect), layout(db, other.effect)) else { return false };
    let inserts = match (write.effect.kind, other.effect.kind) {
        // Of an entry that is set, only one that is deleted says what was there before.
        (WriteKind::Insert | WriteKind::Set, WriteKind::Remove) => true,
        (WriteKind::Remove, WriteKind::Insert | WriteKind::Append) => false,
        _ => return false,
    };
    let new = |value: &Value| matches!(value, Value::Local(local) if !is_param(callable, *local));
    match &write.seen.grain {
        // Which it is has no name here; or a step before has given it, and may have made it.
        Grain::Element(None) => return false,
        Grain::Element(Some(value)) if inserts && new(value) => return false,
        _ => {}
    }
    at_other.is_unconditional(other.effect.site) && !is_demanded(db, at, write.effect)
}

/// Whether the body that writes is rejected, or may be, by what it finds in the cell.
pub fn is_demanded(db: &dyn Db, at: &Layout, write: &WriteEffect) -> bool {
    let Some(body) = effects::body(db, write.site.body) else { return true };
    let pieces = body.own.pieces();
    let mut reads = pieces.iter().flat_map(|piece| &piece.reads).filter(|read| read.cell == write.cell);
    reads.any(|read| at.decided_by(read.here()).any(|decision| decision.rejects))
}

/// The cells on which it depends which record a write falls on, and what is written.
fn depends(write: &Write<'_>) -> Vec<CellId> {
    let mut cells = Vec::new();
    of_target(&write.effect.target, &mut cells);
    match &write.effect.grain {
        Grain::Element(Some(value)) => of_value(value, &mut cells),
        _ if write.effect.kind == WriteKind::Add => {
            if let Some((Some(value), _)) = &write.given {
                of_value(value, &mut cells);
            }
        }
        _ => {}
    }
    cells
}

fn of_target(target: &Target, cells: &mut Vec<CellId>) {
    match target {
        Target::Path(path) => {
            cells.push(path.1);
            of_target(&path.0, cells);
        }
        Target::Key(_, value) => of_value(value, cells),
        Target::SelfRecord | Target::Local(_) | Target::Fresh | Target::Unknown => {}
    }
}

fn of_value(value: &Value, cells: &mut Vec<CellId>) {
    if let Value::Cell(path) = value {
        cells.push(path.1);
        of_target(&path.0, cells);
    }
}

/// A cell that the saga reads for the step, and again for its undo, and that may be another one by then.
fn reread(db: &dyn Db, step: &steps::SagaStep<'_>) -> Option<CellId> {
    let read = |event: &SendEvent| {
        let mut cells = Vec::new();
        visit::event(event, &mut |part| {
            if let ExprKind::Cell { cell, .. } = &part.kind {
                cells.push(*cell);
            }
        });
        cells
    };
    let before = read(&step.step.action);
    read(step.step.undo.as_ref()?).into_iter().find(|cell| before.contains(cell) && facts::is_changed(db, *cell))
}
