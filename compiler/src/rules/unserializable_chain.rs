//! `unserializable-chain`: a chain of sends that others can see, or break, half way.

use std::sync::Arc;

use super::{Check, Fixes, Rule};
use super::context::Context;
use super::overwrite_count::counts;
use super::{early_answer, read_after_send, stale_capture};
use crate::chains::{Access, Chain, Cycle, Piece, Story, LONGEST_CHAIN, Verdict, Way, WayOut, chains, verdicts};
use crate::diagnostic::{Diagnostic, Edit, Level, Location, Safety};
use crate::effects::{Site, WriteKind, site_span};
use crate::effects::describe::{body_name, cell_path, record_name};
use crate::hir::BodyOwner;
use crate::location::{locate, owner_item};

pub static RULE: Rule = Rule {
    name: "unserializable-chain",
    level: Level::Warn,
    summary: "a chain of sends or saga steps that others can see, or break, half way, or that a rejection leaves half done",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    let all = chains(context.db, context.file);
    if all.iter().all(|chain| chain.pieces.len() < 2) {
        return;
    }
    for (index, verdict) in verdicts(context.db, context.file) {
        let chain = &all[*index as usize];
        match verdict {
            Verdict::Broken(cycle) => {
                let finding = broken(context, chain, cycle);
                if !is_told(context, cycle, &finding, findings) {
                    findings.push(finding);
                }
            }
            Verdict::Unfinished(events @ ..4) => {
                findings.push(undecided(context, chain, &format!("{events} events at once have more orders than are tried")));
            }
            // Cycles of four are rare, and their orders often too many: all that are of three were looked at.
            Verdict::Unfinished(_) => {}
        }
    }
    for chain in all.iter().filter(|chain| chain.incomplete && chain.pieces.len() >= LONGEST_CHAIN) {
        findings.push(undecided(context, chain, &format!("it has more than {LONGEST_CHAIN} transactions")));
    }
    for chain in all.iter().filter(|chain| !chain.incomplete) {
        findings.extend(half_done(context, chain));
    }
}

/// The place in the file where a chain is cut: what its own text sends first on the way.
fn cut(context: &Context<'_>, chain: &Chain, sites: impl Iterator<Item = Site>) -> Location {
    let own = sites.into_iter().find(|site| site.body == chain.root);
    match (own, chain.root) {
        (Some(site), _) => Location::Site(site),
        (None, BodyOwner::Handler(handler) | BodyOwner::Saga(handler)) => Location::Handler(handler),
        (None, BodyOwner::Create(record)) => Location::Item(record),
        (None, BodyOwner::Derived(cell) | BodyOwner::Default(cell)) => Location::Cell(cell),
        (None, _) => Location::Span(context.file, Default::default()),
    }
}

fn broken(context: &Context<'_>, chain: &Chain, cycle: &Cycle) -> Diagnostic {
    let story = Story::of(context.db, cycle);
    let name = body_name(context.db, chain.root);
    let how = if cycle.observed { "see" } else { "break" };
    let message = format!(
        "`{name}` is not one transaction but {}, and others can {how} it half way: {}",
        counted(chain),
        story.end,
    );
    let turns = &cycle.witness.order;
    let sent = turns.iter().filter(|turn| turn.event == 0).filter_map(|turn| turn.sent);
    let mut finding = RULE.at(cut(context, chain, sent), "others can come in between here", message);
    // One place can be more than one line of the story.
    let mut labels: Vec<(Site, Vec<String>)> = Vec::new();
    for (number, line) in story.lines.iter().enumerate() {
        let number = (number + 1).to_string();
        match labels.iter_mut().find(|(site, _)| *site == line.site) {
            Some((_, numbers)) => numbers.push(number),
            None => labels.push((line.site, vec![number])),
        }
    }
    for (site, numbers) in labels {
        finding = finding.label(Location::Site(site), format!("step {}", numbers.join(" and ")));
    }
    for (number, line) in story.lines.iter().enumerate() {
        finding = finding.note(format!("{}. {}", number + 1, line.text));
    }
    finding = finding.note(format!("{}. {}", story.lines.len() + 1, story.end));
    finding.witness = Some(Arc::new(cycle.witness.clone()));
    for way in &cycle.ways_out {
        if let WayOut::Commute(cell, sites) = way
            && let Some(edits) = operations(context, sites)
        {
            finding = finding.fix(format!("change `{}` by an operation", cell_path(context.db, *cell)), Safety::Unsafe, edits);
        }
    }
    finding.help(ways_out(context, chain, cycle))
}

/// Whether the mistake is one that a rule with a narrower view has told: a value that an arm captured, where reading it again there is enough;
/// or a read that comes before what it looks for is done, where that is the read which others get in the way of.
fn is_told(context: &Context<'_>, cycle: &Cycle, finding: &Diagnostic, told: &[Diagnostic]) -> bool {
    // Of other files nothing is asked: where something is in their text would be another answer after each edit.
    let is_here = |at: &Location| match at {
        Location::Span(file, _) => *file == context.file,
        Location::Site(site) => owner_item(site.body).is_some_and(|item| item.file == context.file),
        _ => false,
    };
    let place = |at: Location| Some(at).filter(is_here).and_then(|at| locate(context.db, at));
    let cut = place(finding.primary.at);
    let reads_again = cycle.ways_out.iter().any(|way| matches!(way, WayOut::ReadAgain(_)));
    let reads = || cycle.steps.iter().filter(|step| step.event == 0 && step.write.is_none()).map(|step| place(Location::Site(step.site)));
    told.iter().any(|other| match other.rule {
        rule if rule == stale_capture::RULE.name => reads_again && cut.is_some() && other.labels.iter().any(|label| place(label.at) == cut),
        rule if rule == early_answer::RULE.name || rule == read_after_send::RULE.name => {
            let early = place(other.primary.at);
            early.is_some() && reads().any(|read| read == early)
        }
        _ => false,
    })
}

/// The edits that make an operation of every one of these writes; `None` if one is more than an addition to what was there.
fn operations(context: &Context<'_>, sites: &[Site]) -> Option<Vec<Edit>> {
    let counts: Vec<_> = context.transactions().flat_map(|callable| counts(context, callable)).collect();
    let mut edits = Vec::new();
    for site in sites {
        let (file, span) = site_span(context.db, *site).filter(|(file, _)| *file == context.file)?;
        let count = counts.iter().find(|count| count.replacement.span == span)?;
        edits.extend(count.edits.iter().filter(|edit| edit.file == file).cloned());
    }
    Some(edits)
}

/// A chain of which nothing was found, without having looked at everything.
fn undecided(context: &Context<'_>, chain: &Chain, why: &str) -> Diagnostic {
    let name = body_name(context.db, chain.root);
    let message = format!("whether others can see, or break, `{name}` half way is not known: {why}");
    let sent = chain.pieces.iter().filter_map(|piece| match &piece.way {
        Way::Sent { at, .. } => Some(*at),
        Way::Start | Way::Arm { .. } | Way::Undo { .. } => None,
    });
    let mut finding = RULE.at(cut(context, chain, sent), "others come in between here", message);
    finding.level = Level::Info;
    finding.help("try all orders of such events: `patternc explore` on a `test` that has them in `concurrently`")
}

/// How many transactions a run of a chain has, at most.
fn counted(chain: &Chain) -> String {
    match chain.longest_run() {
        _ if chain.pieces.iter().any(|piece| piece.again) => "several, one after the other".to_owned(),
        2 => "two, one after the other".to_owned(),
        3 => "three, one after the other".to_owned(),
        more => format!("{more}, one after the other"),
    }
}

/// What ends every cycle of the chain, or what is to be decided where nothing does.
fn ways_out(context: &Context<'_>, chain: &Chain, cycle: &Cycle) -> String {
    let db = context.db;
    let is_saga = chain.pieces.iter().any(|piece| matches!(piece.body, BodyOwner::Saga(_)));
    let ways: Vec<String> = cycle
        .ways_out
        .iter()
        .filter_map(|way| match way {
            // What is replaced by more than an addition is no operation: it would be another program.
            WayOut::Commute(_, sites) if operations(context, sites).is_none() => None,
            way => Some(way),
        })
        .map(|way| match way {
            WayOut::OneSpace if is_saga => {
                format!("keep {} in one space, and call in one handler what the saga has as steps", records(context, chain))
            }
            WayOut::OneSpace => format!("keep {} in one space, and call there what is sent now", records(context, chain)),
            WayOut::Call if is_saga => "all of it is in one space: call in one handler what the saga has as steps".to_owned(),
            WayOut::Call => "all of it is in one space: call what is sent now, without `send`, and it is one transaction".to_owned(),
            WayOut::ReadAgain(cell) => format!("read `{}` again in the arm, instead of what it was before the send", cell_path(db, *cell)),
            WayOut::Commute(cell, _) => format!("change `{}` by `+=` instead of replacing it", cell_path(db, *cell)),
            WayOut::Eventually => {
                "declare with an `eventually invariant` over both what must hold once all is done: that accepts the in-between".to_owned()
            }
        })
        .collect();
    if !ways.is_empty() {
        return ways.join("; or ");
    }
    let mut others: Vec<String> = Vec::new();
    for event in &cycle.witness.events[1..] {
        let name = format!("`{}`", body_name(db, event.starts));
        if !others.contains(&name) {
            others.push(name);
        }
    }
    let name = body_name(db, chain.root);
    format!(
        "decide whether {} may come in between. If not, let a cell say that `{name}` is under way: its first transaction requires it to be free and \
         sets it, its last ones set it back, and {} too require it to be free. If so, say why with `@allow`",
        others.join(" and "),
        if others.len() == 1 && others[0] == format!("`{name}`") { "whoever else writes there must".to_owned() } else { others.join(" and ") },
    )
}

/// The types of the records on which the transactions of a chain run.
fn records(context: &Context<'_>, chain: &Chain) -> String {
    let mut names: Vec<String> = Vec::new();
    for piece in &chain.pieces {
        let name = owner_item(piece.body).map(|record| format!("`{}`", record_name(context.db, record)));
        names.extend(name.filter(|name| !names.contains(name)));
    }
    match &names[..] {
        [one] => format!("every {one}"),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
        [] => "all of it".to_owned(),
    }
}

/// Rejections in later pieces that leave what earlier ones wrote, with nothing that repairs it.
fn half_done(context: &Context<'_>, chain: &Chain) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, piece) in chain.pieces.iter().enumerate() {
        let Some(rejects) = piece.rejects else { continue };
        let Some(written) = written_before(chain, index) else { continue };
        let (parked, at) = match &piece.way {
            // What a saga sends it undoes, and what has no `err` arm is a dropped failure.
            Way::Sent { at, answer, .. } if !matches!(at.body, BodyOwner::Saga(_)) => {
                if !*answer && arms(chain, *at).is_none() || is_repaired(chain, index) {
                    continue;
                }
                // An `err` arm that fails in its turn is told nobody, but where its outcome is the answer.
                (!*answer, *at)
            }
            Way::Arm { of, answer, .. } if !is_repaired(chain, index) => (!*answer, *of),
            Way::Start | Way::Sent { .. } | Way::Arm { .. } | Way::Undo { .. } => continue,
        };
        found.push(left(context, chain, index, rejects, &chain.pieces[written], at, parked));
        break;
    }
    found
}

/// The last piece before another one that has written something which nothing has taken back since.
fn written_before(chain: &Chain, piece: usize) -> Option<usize> {
    let way = std::iter::successors(chain.pieces[piece].parent, |&before| chain.pieces[before].parent);
    let mut way: Vec<usize> = way.collect();
    way.reverse();
    let mut open: Vec<(usize, &Access)> = Vec::new();
    for before in way {
        let this = &chain.pieces[before];
        // What is written on the way of a failure takes back what was written on the way to it, or says that it failed.
        let failed = this.outcomes.iter().any(|(_, ok)| !ok);
        let writes = || this.accesses.iter().filter(|access| !access.reads());
        if failed {
            open.retain(|(_, was)| !writes().any(|write| takes_back(write, was)));
        } else {
            open.extend(writes().map(|write| (before, write)));
        }
    }
    open.last().map(|(before, _)| *before)
}

/// Whether one write puts another one right: it writes the same cell, or deletes the record.
fn takes_back(write: &Access, was: &Access) -> bool {
    write.target == was.target && write.record == was.record && (write.cell == was.cell || write.write == Some(WriteKind::Delete))
}

/// The `err` arm of a send.
fn arms(chain: &Chain, of: Site) -> Option<&Piece> {
    chain.pieces.iter().find(|piece| matches!(piece.way, Way::Arm { of: site, ok: false, .. } if site == of))
}

/// Whether an `err` arm on the way to a piece changes or sends something when that piece rejects.
fn is_repaired(chain: &Chain, piece: usize) -> bool {
    let mut at = Some(piece);
    while let Some(index) = at {
        let this = &chain.pieces[index];
        let (of, answer) = match &this.way {
            Way::Sent { at, answer, .. } => (*at, *answer),
            Way::Arm { of, answer, .. } => (*of, *answer),
            Way::Start | Way::Undo { .. } => return false,
        };
        // An arm is not repaired by its own send's other arm: that has been answered.
        if matches!(this.way, Way::Sent { .. })
            && let Some(err) = arms(chain, of)
        {
            let acts = err.accesses.iter().any(|access| !access.reads()) || !err.conditions.is_empty();
            if acts || err.rejects.is_none() {
                return acts;
            }
        } else if !answer {
            return false;
        }
        // The failure is that of the event whose handler waits for this answer.
        at = sender(chain, index);
    }
    false
}

/// The piece that was itself sent and whose event has the outcome of this one.
fn sender(chain: &Chain, piece: usize) -> Option<usize> {
    let of = match chain.pieces[piece].way {
        Way::Sent { at, .. } => at.body,
        Way::Arm { of, .. } => of.body,
        Way::Start | Way::Undo { .. } => return None,
    };
    let mut at = chain.pieces[piece].parent;
    while let Some(before) = at {
        if chain.pieces[before].body == of && !chain.pieces[before].refused && matches!(chain.pieces[before].way, Way::Sent { .. } | Way::Start) {
            return Some(before);
        }
        at = chain.pieces[before].parent;
    }
    None
}

fn left(context: &Context<'_>, chain: &Chain, index: usize, rejects: Site, written: &Piece, at: Site, parked: bool) -> Diagnostic {
    let piece = &chain.pieces[index];
    let name = body_name(context.db, chain.root);
    let what = match piece.way {
        Way::Arm { ok, .. } => format!("the `{}` arm of `{}`", if ok { "ok" } else { "err" }, body_name(context.db, piece.body)),
        _ => format!("`{}`", body_name(context.db, piece.body)),
    };
    let write = written.accesses.iter().find(|access| !access.reads());
    let (stays, back) = match write.map(|write| (write.cell, write.write, record_name(context.db, write.record))) {
        Some((Some(cell), ..)) => {
            let cell = cell_path(context.db, cell);
            (format!("what was written to `{cell}` before stays"), format!("take `{cell}` back"))
        }
        Some((None, Some(WriteKind::Create), record)) => (format!("the `{record}` that was created before stays"), format!("delete the `{record}`")),
        Some((None, Some(WriteKind::Delete), record)) => {
            (format!("the `{record}` that was deleted before stays deleted"), format!("create the `{record}` again"))
        }
        _ => ("what was written before stays".to_owned(), "take what was written back".to_owned()),
    };
    let then = if parked { "the rejection is parked" } else { "whoever called is told that it failed" };
    let message = format!("when {what} rejects, `{name}` is left half done: {then}, and {stays}");
    let mut finding = RULE.at(cut(context, chain, std::iter::once(at)), "half of the chain is committed here", message);
    finding = finding.label(Location::Site(rejects), "can reject");
    if let Some(write) = write {
        finding = finding.label(Location::Site(write.site), "committed before, and stays");
    }
    let in_vain = piece.accesses.iter().any(|access| write.is_some_and(|write| !access.reads() && takes_back(access, write)));
    finding.help(match piece.way {
        Way::Arm { answer: true, .. } if in_vain => format!(
            "an arm that fails leaves none of its own writes: {back} in a handler of its own, `return send` to it, and `fail` in the `ok` arm of that"
        ),
        _ => format!(
            "check in the first transaction, before anything is written; or {back} in an `err` arm; or make it a `saga`, whose steps have an `undo`"
        ),
    })
}

const PAGE: &str = r##"
## What goes wrong

A handler commits, then what it sent runs, each piece a transaction of its own. Between two pieces others run. If they touch what both pieces
touch, they can see one half without the other, or do their own two halves in the other order: then no order of the whole chains gives what is
in the store. The finding tells such a run, step by step.

It is reported only for a run that can happen: events from one record to one record arrive in the order they were sent, operations that commute
(`+=` on numbers and sets, and on lists of which nobody looks what comes first) do not get in each other's way, conditions (`require`, `if`, `match`) that cannot be met in between are
respected, and so are records that are known to be different.

A rejection in a later piece is reported too, when nothing repairs what the pieces before it wrote.

What a receiver has read when it rejects counts as well: an `err` arm, or what undoes a step of a saga, rests on it.

Up to four events at once are looked at, with a bound on the orders that are tried: where it is met before all of two and three events were looked
at, an info says so.
`patternc explore` on a `test` with such events in `concurrently` tries all orders, within bounds that it prints.

## Bad

```pattern
space user[Text]
record Person in user {
  cell name: Text
  cell members: Set<Person@any> = Set[]
  handler link(target: Person@any) {
    require target != self else "not oneself"
    self.members += target
    send target.linked(self)
  }
  internal handler linked(other: Person@any) { self.members += other }
  handler unlink(target: Person@any) {
    self.members -= target
    send target.unlinked(self)
  }
  internal handler unlinked(other: Person@any) { self.members -= other }
}
```

## Good

In one space both ends are written in one transaction.

```pattern
space home
record Person in home {
  cell name: Text
  cell members: Set<Person> = Set[]
  handler link(target: Person) writes Person.members {
    require target != self else "not oneself"
    self.members += target
    target.members += self
  }
  handler unlink(target: Person) writes Person.members {
    self.members -= target
    target.members -= self
  }
}
```

In two spaces one end can be the one that decides: what is sent then only repeats it, in order.

```pattern
space user[Text]
record Group in user {
  cell members: Set<Person@any> = Set[]
  handler add(who: Person@any) {
    self.members += who
    send who.joined(self)
  }
  handler remove(who: Person@any) {
    self.members -= who
    send who.left(self)
  }
}
record Person in user {
  cell groups: Set<Group@any> = Set[]
  internal handler joined(group: Group@any) { self.groups += group }
  internal handler left(group: Group@any) { self.groups -= group }
}
```

## When it is fine

When the in-between may be seen and nobody decides by it: say so with an `eventually invariant` over what both pieces write (readers are then no
longer reported), or with `@allow`. That goes for a status that shows how far the chain is as well:
`eventually invariant ends(o: Order) { o.stage != Stage.packing }` says that who reads it may find it `packing`, and that it does not stay so.

After Shasha, Llirbat, Simon and Valduriez, *Transaction Chopping* (1995), and Zhang et al., *Transaction Chains* (2013).
"##;
