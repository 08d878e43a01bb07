//! `split-update`: a `try` that can undo what is done to one of two records, while what is done to the other stays.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context, with_path};
use super::edits;
use super::steps;
use crate::db::Db;
use crate::diagnostic::{Diagnostic, Edit, Level as Severity, Location, Safety};
use crate::effects::depth::{Level, bottom_up};
use crate::effects::always::{self, Done};
use crate::effects::{
    self, BlockId, CallEffect, Effects, Entry, FailureCause, SendEffect, SendTarget, Site, Target, Value, WriteEffect, WriteKind,
};
use crate::facts;
use crate::hir::{Block, BodyOwner, ExprKind, Stmt, StmtKind};
use crate::types::{ItemId, LocalId};
use crate::visit;

pub static RULE: Rule = Rule {
    name: "split-update",
    level: Severity::Warn,
    summary: "a `try` that can undo the write of one record, or a `send`, while that of another, outside it, stays (an error if an invariant covers both)",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::Project(check),
};

/// One half of an update: a write, or an event that changes something where it arrives.
#[derive(Clone, Copy)]
pub enum Half<'e> {
    Write(&'e WriteEffect),
    Send(&'e SendEffect),
}

/// The two halves that a `try` can tear apart.
pub struct Split<'e> {
    pub undone: Half<'e>,
    pub stays: Half<'e>,
    /// An invariant that reads both.
    pub invariant: Option<ItemId>,
}

impl Half<'_> {
    fn here(self) -> Site {
        match self {
            Half::Write(write) => write.here(),
            Half::Send(send) => send.here(),
        }
    }

    fn is_send(self) -> bool {
        matches!(self, Half::Send(_))
    }

    fn is_create(self) -> bool {
        match self {
            Half::Write(write) => write.kind == WriteKind::Create,
            Half::Send(send) => matches!(send.to, SendTarget::Create(_)),
        }
    }

    /// The type that is written, or that the event goes to.
    fn of(self) -> Option<ItemId> {
        match self {
            Half::Write(write) => Some(write.record),
            Half::Send(send) => match send.to {
                SendTarget::Handler(handler) => Some(handler.record),
                SendTarget::Create(record) => Some(record),
                SendTarget::Extern(operation) => Some(operation.of),
                SendTarget::Unknown => None,
            },
        }
    }

    fn target(&self) -> &Target {
        match self {
            Half::Write(write) => &write.target,
            Half::Send(send) => &send.target,
        }
    }

    /// Whether both are of the same record, as far as is known.
    fn is_with(self, other: Half<'_>) -> bool {
        self.of() == other.of() && self.target() == other.target() && !(self.is_create() && other.is_create())
    }
}

/// What is written, and what is sent that changes something.
fn halves<'e>(db: &dyn Db, writes: &'e [WriteEffect], sends: &'e [SendEffect]) -> Vec<Half<'e>> {
    let changing = sends.iter().filter(|send| steps::change(db, send).is_some());
    writes.iter().map(Half::Write).chain(changing.map(Half::Send)).collect()
}

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        let pieces = &callable.pieces;
        for (of, stmt) in callable.tries() {
            if let Some(split) = pieces.iter().find_map(|piece| split(callable, piece, of)) {
                findings.push(finding(context, callable, stmt, &split));
            }
        }
        for piece in pieces.iter().copied().filter(|piece| piece.tries) {
            for call in piece.calls.iter().filter(|call| !is_told(callable, call)) {
                let tears: Vec<Tear> =
                    tears(context.db, call.callee).iter().map(|tear| seen(context.db, callable.body.owner, call, tear)).collect();
                if let Some(split) = split_by_call(callable, piece, call, &tears) {
                    findings.push(call_finding(context, callable, call, &split));
                }
            }
        }
    }
}

/// Whether something inside a `try` of the piece can fail in a way that it catches: a write of another record can, because that may be gone.
pub fn can_fail(callable: &Callable<'_>, piece: &Effects, of: BlockId) -> bool {
    let inside = |entry: &dyn Entry| callable.is_in(entry.here(), of);
    piece.failures.iter().any(|failure| failure.cause != FailureCause::Overflow && inside(failure))
        || piece.writes.iter().any(|write| is_elsewhere(write) && inside(write))
        || piece.reads.iter().any(|read| !matches!(read.target, Target::SelfRecord | Target::Unknown) && inside(read))
}

fn is_elsewhere(write: &WriteEffect) -> bool {
    write.kind != WriteKind::Create && !matches!(write.target, Target::SelfRecord | Target::Fresh)
}

/// What a `try` can tear apart.
pub fn split<'e>(callable: &Callable<'_>, piece: &'e Effects, of: BlockId) -> Option<Split<'e>> {
    let (catch, fails) = callable.catch_of(of)?;
    if fails || !can_fail(callable, piece, of) {
        return None;
    }
    let (inside, outside): (Vec<_>, Vec<_>) =
        halves(callable.db, &piece.writes, &piece.sends).into_iter().partition(|half| callable.is_in(half.here(), of));
    let certain = certain(callable, catch);
    let mut found: Option<Split<'e>> = None;
    for stays in outside.into_iter().filter(|half| !callable.is_in(half.here(), catch)) {
        for &undone in &inside {
            let rounds = match beside(callable, of, stays.here(), undone.here()) {
                Beside::Never => continue,
                Beside::InOneRound => Rounds::One,
                Beside::InTwoRounds => Rounds::of(callable, stays, undone),
            };
            if !handled(callable, catch, &certain, stays, undone, rounds) {
                torn_apart(callable, stays, undone, rounds, &mut found);
            }
        }
    }
    found
}

/// Whether what stays can happen in the transaction in which what is undone fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Never,
    InOneRound,
    /// In another round of a loop only.
    InTwoRounds,
}

/// Whether what is named alike in two halves is one record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounds {
    One,
    /// The name means another record in each round.
    Differ,
}

impl Rounds {
    /// What two rounds of a loop mean by the names of two halves: one that is bound in the loop means another record in each.
    fn of(callable: &Callable<'_>, stays: Half<'_>, undone: Half<'_>) -> Rounds {
        let Some(bound) = root(undone.target()).map(|local| callable.body.locals[local.0 as usize].span) else { return Rounds::One };
        let parts = [bound, callable.span(stays.here()), callable.span(undone.here())];
        let has_all = |stmt: &&Stmt| {
            matches!(stmt.kind, StmtKind::For { .. }) && parts.iter().all(|part| stmt.span.start <= part.start && part.end <= stmt.span.end)
        };
        if callable.statements().iter().any(has_all) { Rounds::Differ } else { Rounds::One }
    }
}

/// The local that a record is named by, or reached from.
fn root(target: &Target) -> Option<LocalId> {
    match target {
        Target::Local(local) | Target::Key(_, Value::Local(local)) => Some(*local),
        Target::Path(path) => root(&path.0),
        Target::Key(_, Value::Cell(cell)) => root(&cell.0),
        Target::Key(_, Value::Literal(_) | Value::SelfRecord) | Target::SelfRecord | Target::Fresh | Target::Unknown => None,
    }
}

fn beside(callable: &Callable<'_>, of: BlockId, stays: Site, undone: Site) -> Beside {
    // What comes after the `try` happens beside a failure only where the `catch` goes on to it.
    if callable.can_follow(stays, undone) || callable.can_follow_catch(of, undone, stays) {
        return Beside::InOneRound;
    }
    // One round of a loop may go one way, and the next the other. Where one round does both, that round alone is looked at: an earlier one was
    // whole when it ended.
    let in_two = callable.in_earlier_round(stays, undone) || callable.caught_in_earlier_round(of, undone, stays);
    if in_two && !callable.can_follow(undone, stays) { Beside::InTwoRounds } else { Beside::Never }
}

/// Keeps two halves as what is torn apart, unless they belong to one record, or something worse was found.
fn torn_apart<'e>(callable: &Callable<'_>, stays: Half<'e>, undone: Half<'e>, rounds: Rounds, found: &mut Option<Split<'e>>) {
    let invariant = covering(callable, stays, undone);
    if rounds == Rounds::One && stays.is_with(undone) || is_of_inverse(stays, undone) && invariant.is_none() {
        return;
    }
    if found.as_ref().is_none_or(|found| found.invariant.is_none() && invariant.is_some()) {
        *found = Some(Split { undone, stays, invariant });
    }
}

/// What a `catch` writes and sends, where what it calls does that on every way.
fn certain(callable: &Callable<'_>, catch: BlockId) -> Done {
    let mut certain = Done::default();
    for piece in callable.own.pieces() {
        let parts = always::parts(callable.db, callable.body.owner, piece);
        certain.writes.extend(parts.writes.into_iter().filter(|write| callable.is_in(write.here(), catch)));
        certain.sends.extend(parts.sends.into_iter().filter(|send| callable.is_in(send.here(), catch)));
    }
    certain
}

/// Whether every way through a `catch` settles what becomes of the two halves.
fn handled(callable: &Callable<'_>, catch: BlockId, certain: &Done, stays: Half<'_>, undone: Half<'_>, rounds: Rounds) -> bool {
    let repairs = halves(callable.db, &certain.writes, &certain.sends);
    let settling = repairs.into_iter().filter(|half| handles(*half, stays, undone, rounds));
    let sites: Vec<Site> = settling.map(Half::here).collect();
    callable.always(catch, &sites)
}

/// Whether what a `catch` does settles what becomes of the two halves: it writes the cell that stays, or the one that was undone. A note in
/// another cell settles nothing. What an event does is done later and elsewhere, so it can settle only what an event has a part in.
fn handles(repair: Half<'_>, stays: Half<'_>, undone: Half<'_>, rounds: Rounds) -> bool {
    // What is written of a record that was made says what became of that.
    let is_about = |half: Half<'_>| match (repair, half) {
        (Half::Write(write), Half::Write(half)) => half.cell.is_none() || write.cell.is_none() || write.cell == half.cell,
        _ => stays.is_send() || undone.is_send(),
    };
    let settles = |half: Half<'_>| repair.is_with(half) && is_about(half);
    // What stays from another round the `catch` has no name for, if names mean other records there.
    settles(undone) || settles(stays) && !(rounds == Rounds::Differ && stays.is_with(undone))
}

/// Whether one of them is the other end of an `inverse`. The runtime keeps both ends equal: half of a link is never committed, but what an
/// invariant says of an end may be broken.
fn is_of_inverse(stays: Half<'_>, undone: Half<'_>) -> bool {
    [stays, undone].into_iter().any(|half| matches!(half, Half::Write(write) if write.inverse))
}

/// What a `try` undoes without the caller of the body being told, as the body sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tear {
    undone: Done,
    /// What the `catch` does on every way through it.
    repairs: Done,
}

#[salsa::interned(debug)]
struct Torn<'db> {
    #[returns(copy)]
    owner: BodyOwner,
}

/// What a body and those that it calls undo, and then return as if nothing had been.
fn tears(db: &dyn Db, owner: BodyOwner) -> &[Tear] {
    tears_of(db, Torn::new(db, owner))
}

#[salsa::tracked(returns(deref), cycle_result = no_tears)]
fn tears_of<'db>(db: &'db dyn Db, key: Torn<'db>) -> Vec<Tear> {
    let owner = key.owner(db);
    let Some(callable) = Callable::of(db, owner).filter(|_| matches!(owner, BodyOwner::Handler(_) | BodyOwner::Create(_))) else {
        return Vec::new();
    };
    let level = Level::enter();
    if level.is_deep() {
        for callee in bottom_up(owner, |owner| effects::own(db, owner).map(|body| callees(&body.own)).unwrap_or_default()) {
            tears(db, callee);
        }
    }
    let piece = callable.effects;
    let mut found = Vec::new();
    for of in callable.try_blocks() {
        let Some((catch, false)) = callable.catch_of(of) else { continue };
        if !can_fail(&callable, piece, of) {
            continue;
        }
        let mut repairs = certain(&callable, catch);
        let all = repairs.writes.clone();
        repairs.writes.retain(|write| {
            let again = all.iter().filter(|other| always::covers(other, write)).map(Entry::here);
            callable.always(catch, &again.collect::<Vec<_>>())
        });
        repairs.sends.retain(|send| callable.always(catch, &[send.here()]));
        let undone = Done {
            writes: piece.writes.iter().filter(|write| callable.is_in(write.here(), of)).cloned().collect(),
            sends: piece.sends.iter().filter(|send| callable.is_in(send.here(), of)).cloned().collect(),
        };
        if !undone.writes.is_empty() || !undone.sends.is_empty() {
            found.push(Tear { undone, repairs });
        }
    }
    for call in piece.calls.iter().filter(|call| !is_told(&callable, call)) {
        found.extend(tears(db, call.callee).iter().map(|tear| seen(db, owner, call, tear)));
    }
    found
}

fn no_tears<'db>(_: &'db dyn Db, _: salsa::Id, _: Torn<'db>) -> Vec<Tear> {
    Vec::new()
}

fn callees(effects: &Effects) -> Vec<BodyOwner> {
    effects.calls.iter().map(|call| call.callee).collect()
}

/// Whether a caller looks at what a called handler returns, which can say there what became of it.
fn is_told(callable: &Callable<'_>, call: &CallEffect) -> bool {
    let result = callable.statements().into_iter().find_map(|stmt| match &stmt.kind {
        StmtKind::LetCall { local, call: made } if made.span == callable.span(call.site) => Some(*local),
        _ => None,
    });
    let mut looks = false;
    visit::body(callable.body, &mut |part| looks |= matches!(part.kind, ExprKind::Local(local) if Some(local) == result));
    looks
}

/// A tear of a callee as its caller sees it.
fn seen(db: &dyn Db, caller: BodyOwner, call: &CallEffect, tear: &Tear) -> Tear {
    Tear { undone: always::seen(db, caller, call, &tear.undone), repairs: always::seen(db, caller, call, &tear.repairs) }
}

/// What a direct call can tear apart: something that it undoes and does not tell of, and something that its caller does.
fn split_by_call<'e>(callable: &Callable<'_>, piece: &'e Effects, call: &CallEffect, tears: &'e [Tear]) -> Option<Split<'e>> {
    if tears.is_empty() {
        return None;
    }
    let db = callable.db;
    let both = |half, call| callable.can_have_happened(half, call) || callable.can_have_happened(call, half);
    let beside = |half: &Half<'_>| half.here() != call.site && both(half.here(), call.site);
    let stay: Vec<Half<'e>> = halves(db, &piece.writes, &piece.sends).into_iter().filter(beside).collect();
    let mut found: Option<Split<'e>> = None;
    for Tear { undone, repairs } in tears {
        let repairs = halves(db, &repairs.writes, &repairs.sends);
        for undone in halves(db, &undone.writes, &undone.sends) {
            for &stays in &stay {
                let in_one = callable.can_follow(stays.here(), call.site) || callable.can_follow(call.site, stays.here());
                let rounds = if in_one { Rounds::One } else { Rounds::of(callable, stays, undone) };
                if !repairs.iter().any(|repair| handles(*repair, stays, undone, rounds)) {
                    torn_apart(callable, stays, undone, rounds, &mut found);
                }
            }
        }
    }
    found
}

/// An invariant that reads what both change.
fn covering(callable: &Callable<'_>, one: Half<'_>, other: Half<'_>) -> Option<ItemId> {
    let (Half::Write(one), Half::Write(other)) = (one, other) else { return None };
    let others = facts::invariants_on(callable.db, other.cell?);
    facts::invariants_on(callable.db, one.cell?).iter().copied().find(|invariant| others.contains(invariant))
}

fn finding(context: &Context<'_>, callable: &Callable<'_>, stmt: &Stmt, split: &Split<'_>) -> Diagnostic {
    let start = format!("when the `try` in `{}` fails", callable.name());
    let mut finding = torn(context, callable, &start, split);
    finding = finding.help("do both inside the `try`, or let `catch` fail, or let it take back what stays");
    if let StmtKind::Try { error, catch, .. } = &stmt.kind {
        let edit = fail_in(context, callable, catch, *error);
        finding = finding.fix("let `catch` fail, so that nothing of the transaction stays", Safety::Unsafe, vec![edit]);
    }
    finding
}

fn call_finding(context: &Context<'_>, callable: &Callable<'_>, call: &CallEffect, split: &Split<'_>) -> Diagnostic {
    let called = crate::effects::describe::body_name(context.db, call.callee);
    let start = format!("when a `try` fails in `{called}`, which `{}` calls and which does not tell", callable.name());
    torn(context, callable, &start, split)
        .help("let the `catch` there fail; or return from it what became of it, and let the caller `require` that")
}

fn torn(context: &Context<'_>, callable: &Callable<'_>, start: &str, split: &Split<'_>) -> Diagnostic {
    let words = callable.words();
    let name = |write: &WriteEffect| match write.cell {
        Some(cell) => format!("`{}`", words.cell_of(&write.target, cell)),
        None => format!("the `{}`", crate::effects::describe::record_name(context.db, write.record)),
    };
    let (undone, undone_here) = match split.undone {
        Half::Write(write) => {
            let name = name(write);
            (format!("its write of {name} is undone"), format!("undone by a failure: writes {name} in {}", words.space(write.space)))
        }
        Half::Send(send) => {
            (format!("`{}` is not sent", words.event(send)), format!("not sent after a failure, to {}", steps::reached(callable, send)))
        }
    };
    let (stays, stays_here) = match split.stays {
        Half::Write(write) => {
            let name = name(write);
            (format!("the write of {name} stays"), format!("stays: writes {name} in {}", words.space(write.space)))
        }
        Half::Send(send) => {
            (format!("`{}` is sent all the same", words.event(send)), format!("stays: sent to {}", steps::reached(callable, send)))
        }
    };
    // Two rounds of a loop, in which one name means two records.
    let stays = match (split.undone, split.stays) {
        (Half::Write(one), Half::Write(other)) if name(one) == name(other) => format!("the write of {} of another round stays", name(other)),
        _ => stays,
    };
    let message = format!("{start}, {undone} and {stays}: half of the update is committed");
    let mut finding = RULE.at(callable.place(split.undone.here()), undone_here, message);
    finding = half_with_path(finding, context.db, split.undone);
    finding = finding.label(callable.place(split.stays.here()), stays_here);
    finding = half_with_path(finding, context.db, split.stays);
    if let Some(invariant) = split.invariant {
        finding.level = Severity::Error;
        let name = crate::effects::describe::body_name(context.db, BodyOwner::Invariant(invariant));
        finding = finding.label(Location::Item(invariant), format!("`{name}` reads both"));
    }
    finding
}

fn half_with_path(finding: Diagnostic, db: &dyn Db, half: Half<'_>) -> Diagnostic {
    match half {
        Half::Write(write) => with_path(finding, db, write, "written here"),
        Half::Send(send) => with_path(finding, db, send, "sent here"),
    }
}

/// Adds a `fail` at the end of a `catch`, or puts it in the place of a `return` there.
pub(super) fn fail_in(context: &Context<'_>, callable: &Callable<'_>, catch: &Block, error: LocalId) -> Edit {
    let fail = format!("fail {}.message", callable.words().local(error));
    let text = context.file.text(context.db);
    let (insert, replace) = (|at, text: String| edits::insert(context.file, at, text), |span, text| Edit { file: context.file, span, text });
    let Some(last) = catch.stmts.last() else {
        let inside = &text[catch.span.start as usize + 1..catch.span.end as usize - 1];
        return if inside.trim().is_empty() {
            replace(catch.span, format!("{{ {fail} }}"))
        } else {
            // Comments end with their line, so the brace stands on one of its own.
            insert(catch.span.end - 1, format!("  {fail}\n{}", edits::indent_at(text, catch.span.end)))
        };
    };
    if matches!(last.kind, StmtKind::Return(_)) {
        return replace(last.span, fail);
    }
    let before = &text[catch.span.start as usize..last.span.start as usize];
    let gap = before.rsplit(|c: char| !c.is_whitespace()).next().filter(|gap| !gap.is_empty()).unwrap_or(" ");
    let end = edits::after_comment(text, last.span.end);
    if end > last.span.end && !gap.contains('\n') {
        return insert(end, format!("\n{}  {fail}", edits::indent_at(text, end)));
    }
    insert(end, format!("{gap}{fail}"))
}

const PAGE: &str = r##"
## What goes wrong

A `try` is a savepoint. When something inside it fails, what it wrote is undone, and the transaction goes on and commits the rest. If the rest
is the other half of one update, half an update is committed: a link that is seen from one side only, money that left one account and
reached no other.

The same happens where the `try` stands in a handler that this one calls directly, and that returns as if nothing had been.

If an invariant reads both sides, the commit is refused when it runs, every time; then this is an error.

The other half may be an event: what was sent inside a `try` that fails is never delivered, and what is sent outside it is. Only events that change
something count.

## Bad

```pattern
space home
record Person in home {
  cell members: Set<Person> = Set[]
  handler link(target: Person) writes Person.members {
    self.members += target
    try {
      target.members += self
    } catch _e {
    }
  }
}
```

## Good

```pattern
space home
record Person in home {
  cell members: Set<Person> = Set[]
  handler link(target: Person) writes Person.members {
    self.members += target
    target.members += self
  }
}
```

A failure then takes back all of it, and the sender is told.

## Bad

```pattern
space shop
space stock
record Order in shop {
  cell item: Item@stock
  cell amount: Int
  cell state: Text = "new"
  cell note: Text = ""
  handler confirm() {
    self.state = "confirmed"
    try {
      require self.amount < 100 else "ask first"
      send self.item.reserve(self.amount)
    } catch e {
      self.note = e.message
    }
  }
}
record Item in stock {
  cell reserved: Int = 0
  handler reserve(amount: Int) { self.reserved += amount }
}
```

## Good

```pattern
space shop
space stock
record Order in shop {
  cell item: Item@stock
  cell amount: Int
  cell state: Text = "new"
  cell note: Text = ""
  handler confirm() {
    self.state = "confirmed"
    try {
      require self.amount < 100 else "ask first"
      send self.item.reserve(self.amount)
    } catch e {
      self.state = "to be asked"
      self.note = e.message
    }
  }
}
record Item in stock {
  cell reserved: Int = 0
  handler reserve(amount: Int) { self.reserved += amount }
}
```

## When it is fine

When the `catch` settles it, on every way through it: it fails, or takes back the write that stays, or writes the one that was undone in another way;
where one half is an event, sending another one to the same record settles it too. A note of the failure in another cell settles nothing, half of
the update is still there.

When the write outside the `try` means something by itself, such as a count of attempts: write it in the `try` and again in the `catch`, or write
`@allow` with the reason. Where it is known beforehand that the second write is not to be made, ask for that with an `if` instead of a `try`.
"##;
