//! What a picture of a project shows: handlers by the space they run in, what they send and call, and where a chain of theirs is not safe.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::chains::{Cycle, Verdict, verdicts};
use crate::db::{Db, Project};
use crate::effects::describe::{body_name, cell_path, record_name};
use crate::effects::receiver;
use crate::effects::{self, Effects, SendEffect, SendRole, SendTarget, Site};
use crate::hir::BodyOwner;
use crate::resolve::item_name;
use crate::signature::{HandlerKind, Home, extern_sig, handler_sig, operation_sig, record_sig};
use crate::types::{HandlerId, ItemId, OperationId};

/// A project as a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// In the order of their names, the outside last.
    pub clusters: Vec<Cluster>,
    /// In the order of their names.
    pub nodes: Vec<Actor>,
    pub arrows: Vec<Arrow>,
}

/// A space, a family of spaces, or the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// `home`, `user[…]`, `any space`, `outside`.
    pub name: String,
    pub outside: bool,
}

/// A handler, saga, creation or operation of the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub name: String,
    /// By position in [`Picture::clusters`].
    pub cluster: usize,
    /// Whether events from outside reach it.
    pub public: bool,
}

/// What sets off what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// By position in [`Picture::nodes`].
    pub from: usize,
    pub to: usize,
    pub kind: ArrowKind,
    /// It is sent by an arm.
    pub arm: Option<bool>,
    /// The event leaves the space of who sends it, or may.
    pub crosses: bool,
    /// The rule that reports the chain it is part of.
    pub rule: Option<&'static str>,
    /// Why it does.
    pub why: Option<Why>,
}

/// Why a chain is not as good as one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What gets in its way: `Person.unlink`. In the order of the story.
    pub with: Vec<String>,
    /// What they meet in: `Person.members`.
    pub cells: Vec<String>,
}

impl Why {
    fn new(db: &dyn Db, cycle: &Cycle) -> Self {
        let mut why = Why { with: Vec::new(), cells: Vec::new() };
        let with = cycle.witness.events.iter().skip(1).map(|event| body_name(db, event.starts));
        let cells = cycle.steps.iter().map(|step| match step.cell {
            Some(cell) => cell_path(db, cell),
            None => record_name(db, step.record),
        });
        let add = |to: &mut Vec<String>, name: String| {
            if !to.contains(&name) {
                to.push(name);
            }
        };
        with.for_each(|name| add(&mut why.with, name));
        cells.for_each(|name| add(&mut why.cells, name));
        why
    }

    /// `with Person.unlink, by Person.members`.
    pub fn text(&self) -> String {
        format!("with {}, by {}", self.with.join(" and "), self.cells.join(" and "))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArrowKind {
    /// A direct call: the same transaction.
    Call,
    Send,
    /// `return send`: its outcome is the answer.
    Answer,
    /// After some time.
    Timer,
    /// A step of a saga.
    Step,
    Undo,
}

impl ArrowKind {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            ArrowKind::Call => "call",
            ArrowKind::Send => "send",
            ArrowKind::Answer => "return send",
            ArrowKind::Timer => "send after",
            ArrowKind::Step => "step",
            ArrowKind::Undo => "undo",
        }
    }
}

impl Picture {
    /// The part around one handler: what leads to it, and what it leads to. `None` if there is none of that name.
    pub fn of(&self, name: &str) -> Option<Picture> {
        let start = self.nodes.iter().position(|node| node.name == name)?;
        let mut kept: FxHashSet<usize> = FxHashSet::from_iter([start]);
        for forward in [true, false] {
            let mut open = vec![start];
            let mut seen: FxHashSet<usize> = FxHashSet::default();
            while let Some(node) = open.pop() {
                let ends = self.arrows.iter().map(|arrow| if forward { (arrow.from, arrow.to) } else { (arrow.to, arrow.from) });
                open.extend(ends.filter(|(from, to)| *from == node && seen.insert(*to)).map(|(_, to)| to));
            }
            kept.extend(seen);
        }
        let mut nodes: Vec<usize> = kept.into_iter().collect();
        nodes.sort_unstable();
        let mut clusters: Vec<usize> = nodes.iter().map(|node| self.nodes[*node].cluster).collect();
        clusters.sort_unstable();
        clusters.dedup();
        let place = |all: &[usize], one: usize| all.iter().position(|other| *other == one);
        Some(Picture {
            clusters: clusters.iter().map(|cluster| self.clusters[*cluster].clone()).collect(),
            nodes: nodes
                .iter()
                .map(|node| &self.nodes[*node])
                .map(|node| Actor { cluster: place(&clusters, node.cluster).unwrap_or_default(), ..node.clone() })
                .collect(),
            arrows: self
                .arrows
                .iter()
                .filter_map(|arrow| Some(Arrow { from: place(&nodes, arrow.from)?, to: place(&nodes, arrow.to)?, ..arrow.clone() }))
                .collect(),
        })
    }
}

/// Who stands in the picture.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Body(BodyOwner),
    Operation(OperationId),
}

/// An arrow before its ends have places in the picture.
struct Found {
    from: Who,
    to: Who,
    kind: ArrowKind,
    arm: Option<bool>,
    crosses: bool,
    /// Where it is sent.
    site: Option<Site>,
}

/// The picture of the whole project.
pub fn picture(db: &dyn Db) -> Picture {
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    let mut found: Vec<Found> = Vec::new();
    let mut actors: Vec<Who> = Vec::new();
    let mut unsafe_sends: FxHashMap<Site, Why> = FxHashMap::default();
    for &file in files {
        for body in &effects::file_effects(db, file).bodies {
            if matches!(body.owner, BodyOwner::Handler(_) | BodyOwner::Saga(_) | BodyOwner::Create(_)) {
                // Creations are shown where they set something off, or are set off.
                if !matches!(body.owner, BodyOwner::Create(_)) {
                    actors.push(Who::Body(body.owner));
                }
                arrows_of(db, body.owner, &body.own, None, &mut found);
            }
        }
        for (_, verdict) in verdicts(db, file) {
            let Verdict::Broken(cycle) = verdict else { continue };
            let why = Why::new(db, cycle);
            for site in cycle.witness.order.iter().filter(|turn| turn.event == 0).filter_map(|turn| turn.sent) {
                unsafe_sends.entry(site).or_insert_with(|| why.clone());
            }
        }
    }
    actors.extend(found.iter().flat_map(|arrow| [arrow.from, arrow.to]));
    let mut named: Vec<(bool, String, String, Who)> = Vec::new();
    let mut seen: FxHashSet<Who> = FxHashSet::default();
    for actor in actors.into_iter().filter(|actor| seen.insert(*actor)) {
        let (outside, cluster) = cluster_of(db, actor);
        named.push((outside, cluster, name_of(db, actor), actor));
    }
    named.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
    let mut picture = Picture::default();
    let mut positions: FxHashMap<Who, usize> = FxHashMap::default();
    for (outside, cluster, name, actor) in named {
        if picture.clusters.last().is_none_or(|last| last.name != cluster) {
            picture.clusters.push(Cluster { name: cluster, outside });
        }
        positions.insert(actor, picture.nodes.len());
        let public = match actor {
            Who::Body(BodyOwner::Handler(handler)) => handler_sig(db, handler).is_some_and(|sig| sig.kind == HandlerKind::Public),
            Who::Body(_) => true,
            Who::Operation(_) => false,
        };
        picture.nodes.push(Actor { name, cluster: picture.clusters.len() - 1, public });
    }
    for Found { from, to, kind, arm, crosses, site } in found {
        let why = site.and_then(|site| unsafe_sends.get(&site)).cloned();
        let rule = why.as_ref().map(|_| crate::rules::unserializable_chain::RULE.name);
        let arrow = Arrow { from: positions[&from], to: positions[&to], kind, arm, crosses, rule, why };
        match picture.arrows.iter_mut().find(|known| (known.from, known.to, known.kind, known.arm) == (arrow.from, arrow.to, kind, arm)) {
            Some(known) => {
                known.rule = known.rule.or(rule);
                known.why = known.why.take().or(arrow.why);
                known.crosses |= crosses;
            }
            None => picture.arrows.push(arrow),
        }
    }
    picture.arrows.sort_by_key(|arrow| (arrow.from, arrow.to, arrow.kind, arrow.arm));
    picture
}

fn arrows_of(db: &dyn Db, owner: BodyOwner, piece: &Effects, arm: Option<bool>, found: &mut Vec<Found>) {
    let from = Who::Body(owner);
    for call in piece.calls.iter().filter(|call| matches!(call.callee, BodyOwner::Handler(_))) {
        found.push(Found { from, to: Who::Body(call.callee), kind: ArrowKind::Call, arm, crosses: false, site: None });
    }
    for send in &piece.sends {
        let kind = match send.role {
            _ if send.delayed => ArrowKind::Timer,
            SendRole::Send => ArrowKind::Send,
            SendRole::Answer => ArrowKind::Answer,
            SendRole::Step { .. } => ArrowKind::Step,
            SendRole::Undo => ArrowKind::Undo,
        };
        if let Some(to) = actor_of(db, send) {
            let outside = matches!(to, Who::Operation(_));
            let crosses = outside || send.space != effects::EffectSpace::Here;
            found.push(Found { from, to, kind, arm, crosses, site: Some(send.site) });
        }
        for (ok, effects) in [(true, &send.ok), (false, &send.err)] {
            if let Some(effects) = effects {
                arrows_of(db, owner, effects, Some(ok), found);
            }
        }
    }
}

fn actor_of(db: &dyn Db, send: &SendEffect) -> Option<Who> {
    match send.to {
        SendTarget::Extern(operation) => Some(Who::Operation(operation)),
        _ => receiver(db, send).map(Who::Body),
    }
}

fn name_of(db: &dyn Db, actor: Who) -> String {
    match actor {
        Who::Body(owner) => body_name(db, owner),
        Who::Operation(operation) => {
            let of = extern_sig(db, operation.of).map(|sig| sig.name);
            let name = operation_sig(db, operation).map(|sig| sig.name);
            of.zip(name).map_or_else(String::new, |(of, name)| format!("{of}.{name}"))
        }
    }
}

/// Whether it is outside, and the name of where it runs.
fn cluster_of(db: &dyn Db, actor: Who) -> (bool, String) {
    let Who::Body(BodyOwner::Handler(HandlerId { record, .. }) | BodyOwner::Saga(HandlerId { record, .. }) | BodyOwner::Create(record)) =
        actor
    else {
        return (true, "outside".to_owned());
    };
    (false, space_of(db, record))
}

/// `home`, `user[…]`, `any space`: where the instances of a record are.
pub fn space_of(db: &dyn Db, record: ItemId) -> String {
    match record_sig(db, record).map(|sig| sig.home) {
        Some(Home::Plain(space)) => item_name(db, space).to_string(),
        Some(Home::Family(space)) => format!("{}[…]", item_name(db, space)),
        Some(Home::Floating) | None => "any space".to_owned(),
    }
}
