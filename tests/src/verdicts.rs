//! What the compiler says of the chains of a pattern, to compare with what happens when it runs.

use patternc_compiler::chains;
use std::fmt::Write as _;

use patternc_compiler::chains::witness::{Given, Held, Open, Turn, What, Witness};
use patternc_compiler::db::{Database, Project};
use patternc_compiler::effects::describe::{body_name, cell_name, record_name};
use patternc_compiler::effects::known::Const;
use patternc_compiler::signature::cell_sig;
use patternc_compiler::types::{CellId, Ty};
use patternc_interpreter::host::Random;

/// The verdict on one chain of more than one piece.
pub struct Verdict {
    /// `Left.go0`.
    pub chain: String,
    /// A run in which others observe or break it half way; `None`: it is as good as one transaction, whatever else of the project runs.
    pub broken: Option<Witness>,
    /// What commits in that run, in order.
    pub order: Vec<String>,
    /// Tests of that run, from several starts: its records, and its events at once. For patterns in which every cell has a default, and every
    /// record its space.
    pub meetings: Vec<String>,
    /// The search did not come to its end.
    pub unfinished: bool,
    /// It was too long, or not understood: nothing is said of it.
    pub incomplete: bool,
}

/// The verdicts on the chains of a pattern.
pub fn verdicts(text: &str) -> Vec<Verdict> {
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], None);
    let mut all = Vec::new();
    for &file in Project::get(&db).files(&db) {
        let found = chains::verdicts(&db, file);
        for (index, chain) in chains::chains(&db, file).iter().enumerate().filter(|(_, chain)| chain.pieces.len() > 1) {
            let found = found.iter().find(|(of, _)| *of as usize == index).map(|(_, verdict)| verdict);
            let broken = match found {
                Some(chains::Verdict::Broken(cycle)) => Some(cycle.witness.clone()),
                _ => None,
            };
            let unfinished = matches!(found, Some(chains::Verdict::Unfinished(_)));
            let asks = text.contains("Note.");
            let starts = |witness: &Witness| {
                let open = asks || !witness.open.is_empty();
                (0..if open { STARTS } else { 1 }).map(|start| meeting(&db, witness, start, asks)).collect()
            };
            let turn = |turn: &Turn| {
                let arm = turn.arm.map_or("", |ok| if ok { ", ok" } else { ", err" });
                let refused = if turn.refused { ", refused" } else { "" };
                format!("event {}: {}{arm}{refused}", turn.event, body_name(&db, turn.body))
            };
            let order = broken.as_ref().map_or_else(Vec::new, |witness| witness.order.iter().map(turn).collect());
            let meetings = broken.as_ref().map_or_else(Vec::new, starts);
            all.push(Verdict { order, meetings, chain: body_name(&db, chain.root), broken, unfinished, incomplete: chain.incomplete });
        }
    }
    all
}

/// Each space in a store of its own.
const TWO_STORES: &str =
    "deployments:\n  two:\n    stores: { a: { kind: memory }, b: { kind: memory } }\n    spaces: { left: a, right: b }\n";

/// Whether a handler decides by what it reads in another store, where the two spaces of a pattern are in two.
pub fn is_stale_on_two_stores(text: &str) -> bool {
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], Some(("patternc.yaml", TWO_STORES)));
    Project::get(&db).files(&db).iter().any(|&file| !chains::stale_guards(&db, file).is_empty())
}

/// What different parameters are given: no value that cells start with.
const VALUES: [&str; 8] = ["2", "7", "13", "29", "53", "101", "211", "401"];

/// How many starts of a run are tried, the first without anything that it does not say.
const STARTS: u64 = 24;

/// The statements of a test of a witness. Cells are arranged by handlers that `chains::with_tests` adds; those that may have to hold something in
/// particular hold what comes up. `asks`: some decide by which `Note`s there are.
fn meeting(db: &Database, witness: &Witness, start: u64, asks: bool) -> String {
    let mut random = Random::seeded(start);
    let mut text = String::new();
    let is_key = |cell: CellId| cell_sig(db, cell).is_some_and(|sig| sig.key);
    for (at, record) in witness.records.iter().enumerate() {
        let name = record_name(db, record.of);
        let literal = |held: &Held| match &held.what {
            What::Value(Const::Literal(text)) if is_key(held.cell) => Some((held.cell, text.to_string())),
            _ => None,
        };
        let linked = record.links.iter().filter(|(cell, _)| is_key(*cell)).map(|(cell, other)| (*cell, format!("r{other}")));
        let key = record.holds.iter().filter_map(literal).chain(linked).next();
        let key = key.map_or_else(String::new, |(cell, value)| format!("{}: {value}", cell_name(db, cell)));
        let _ = writeln!(text, "  let r{at} = {}", crate::chains::created(&name, &key));
    }
    for (at, record) in witness.records.iter().enumerate() {
        for (cell, other) in record.links.iter().filter(|(cell, _)| !is_key(*cell)) {
            let _ = writeln!(text, "  r{at}.set_{}(r{other})", cell_name(db, *cell));
        }
        for held in record.holds.iter().filter(|held| !is_key(held.cell)) {
            let cell = cell_name(db, held.cell);
            let value = match (&held.what, held.is) {
                (What::Value(Const::Bool(value)), is) => (*value == is).to_string(),
                (What::Value(Const::Literal(text)), true) => text.to_string(),
                (What::Value(Const::Literal(_)), false) => "977".to_owned(),
                (What::Value(value @ (Const::Below(bound) | Const::AtLeast(bound))), is) => {
                    let below = matches!(value, Const::Below(_)) == is;
                    (bound - i64::from(below)).to_string()
                }
                (What::Value(Const::Absent), true) => "none".to_owned(),
                (What::Element(element), true) => given(element),
                // Whatever is there: a link to any record of the type.
                (What::Value(Const::Absent), false) | (What::Value(Const::Present), true) => {
                    let other = witness.records.iter().position(|other| other.of != record.of);
                    other.map_or_else(|| "none".to_owned(), |other| format!("r{other}"))
                }
                // No set holds anything to begin with, and there are no enums.
                (What::Element(_) | What::Value(_), _) => continue,
            };
            let _ = writeln!(text, "  r{at}.set_{cell}({value})");
        }
    }
    for open in witness.open.iter().filter(|_| start > 0) {
        let held = &witness.records[open.record].holds;
        let element = open.element.as_ref();
        let is_open = !held.iter().any(|held| {
            held.cell == open.cell && (element.is_none() || element.is_some_and(|element| held.what == What::Element(element.clone())))
        });
        if let Some(value) = is_open.then(|| any_value(db, witness, open, &mut random)).flatten() {
            let _ = writeln!(text, "  r{}.set_{}({value})", open.record, cell_name(db, open.cell));
        }
    }
    if asks && start > 0 {
        for at in 0..random.below(3) {
            let _ = writeln!(text, "  let n{at} = create Note in right {{ n: {} }}", random.below(8));
        }
    }
    text.push_str("  concurrently {\n");
    for event in &witness.events {
        let name = body_name(db, event.starts);
        let args: Vec<String> = event.args.iter().map(given).collect();
        let _ = writeln!(text, "    r{}.{}({})", event.on, name.rsplit('.').next().unwrap_or(&name), args.join(", "));
    }
    text.push_str("  }\n  expect true\n");
    text
}

/// What a cell may hold; `None`: what it holds anyway.
fn any_value(db: &Database, witness: &Witness, open: &Open, random: &mut Random) -> Option<String> {
    let ty = &cell_sig(db, open.cell)?.ty;
    let number = random.below(8).to_string();
    match ty {
        Ty::Int => Some(number),
        Ty::Bool => Some((random.below(2) == 0).to_string()),
        Ty::Map(..) => match &open.element {
            Some(Given::Literal(key)) => Some(format!("Map[{key}: {number}]")).filter(|_| random.below(3) > 0),
            _ => None,
        },
        Ty::Optional(_) => {
            let of = witness.records[open.record].of;
            let other = witness.records.iter().position(|other| other.of != of);
            Some(other.filter(|_| random.below(2) == 0).map_or_else(|| "none".to_owned(), |other| format!("r{other}")))
        }
        Ty::Set(_) => open.element.as_ref().map(given).filter(|_| random.below(2) == 0),
        _ => None,
    }
}

fn given(given: &Given) -> String {
    match given {
        Given::Record(at) => format!("r{at}"),
        Given::Literal(text) => text.to_string(),
        Given::Value(at) => VALUES[at % VALUES.len()].to_owned(),
    }
}
