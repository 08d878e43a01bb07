//! What the compiler says of the chains of a pattern, to compare with what happens when it runs.

use patternc_compiler::chains;
use std::fmt::Write as _;

use patternc_compiler::chains::witness::{Given, Held, Open, Turn, What, Witness};
use patternc_compiler::db::{Database, Project};
use patternc_compiler::effects::describe::{body_name, cell_name, record_name};
use patternc_compiler::effects::known::Const;
use patternc_compiler::signature::{cell_sig, record_sig};
use patternc_compiler::types::{CellId, ItemId, Ty};
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
            let starts = |witness: &Witness| {
                let open = !witness.asked.is_empty() || !witness.open.is_empty();
                (0..if open { STARTS } else { 1 }).map(|start| meeting(&db, witness, start)).collect()
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
const STARTS: u64 = 60;

/// The statements of a test of a witness. Cells are arranged by handlers that `chains::with_tests` adds; those that may have to hold something in
/// particular hold what comes up, and records that are asked for are there as it comes.
fn meeting(db: &Database, witness: &Witness, start: u64) -> String {
    let mut any = Any { db, witness, random: Random::seeded(start), start, numbers: vec![1] };
    let mut text = String::new();
    let is_key = |cell: CellId| cell_sig(db, cell).is_some_and(|sig| sig.key);
    let mut keys: Vec<(ItemId, String)> = Vec::new();
    let mut kept: Vec<(usize, &Held)> = Vec::new();
    for (at, record) in witness.records.iter().enumerate() {
        let name = record_name(db, record.of);
        let literal = |held: &Held| match &held.what {
            What::Value(Const::Literal(text)) if is_key(held.cell) => Some((held.cell, text.to_string())),
            _ => None,
        };
        let linked = record.links.iter().filter(|(cell, _)| is_key(*cell)).map(|(cell, other)| (*cell, format!("r{other}")));
        let key = record.holds.iter().filter_map(literal).chain(linked).next();
        keys.extend(key.iter().map(|(_, value)| (record.of, value.clone())));
        let key = key.map_or_else(String::new, |(cell, value)| format!("{}: {value}", cell_name(db, cell)));
        let _ = writeln!(text, "  let r{at} = {}", crate::chains::created(&name, &key));
    }
    for (at, record) in witness.records.iter().enumerate() {
        for (cell, other) in record.links.iter().filter(|(cell, _)| !is_key(*cell)) {
            let _ = writeln!(text, "  r{at}.set_{}(r{other})", cell_name(db, *cell));
        }
        for held in record.holds.iter().filter(|held| !is_key(held.cell)) {
            if !any.keeps(held) {
                continue;
            }
            kept.push((at, held));
            if let Some(value) = any.held(held, at) {
                let _ = writeln!(text, "  r{at}.set_{}({value})", cell_name(db, held.cell));
            }
        }
    }
    for open in witness.open.iter().filter(|_| start > 0) {
        let held = || kept.iter().filter(|(at, _)| *at == open.record);
        let element = open.element.as_ref();
        let is_open = !is_key(open.cell)
            && !held().any(|(_, held)| {
                held.cell == open.cell && (element.is_none() || element.is_some_and(|element| held.what == What::Element(element.clone())))
            });
        if let Some(value) = is_open.then(|| any.value(open)).flatten() {
            let _ = writeln!(text, "  r{}.set_{}({value})", open.record, cell_name(db, open.cell));
        }
    }
    for &of in witness.asked.iter().filter(|_| start > 0) {
        let Some(sig) = record_sig(db, of) else { continue };
        for at in 0..any.random.below(3) {
            let cells = sig.cells.iter().enumerate().filter_map(|(index, cell)| {
                let name = cell_name(db, CellId { record: of, index: index as u32 });
                any.of_type(&cell.ty).filter(|_| matches!(cell.ty, Ty::Int) || cell.key).map(|value| (cell.key, name, value))
            });
            let cells: Vec<_> = cells.collect();
            let key = cells.iter().find(|(key, ..)| *key).map(|(.., value)| (of, value.clone()));
            if sig.cells.iter().any(|cell| cell.key) && key.as_ref().is_none_or(|key| keys.contains(key)) {
                continue;
            }
            keys.extend(key);
            let cells: Vec<String> = cells.into_iter().map(|(_, name, value)| format!("{name}: {value}")).collect();
            let name = record_name(db, of);
            let _ = writeln!(text, "  let {}{at} = {}", name.to_lowercase(), crate::chains::created(&name, &cells.join(", ")));
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

/// What a start may have that its witness leaves open.
struct Any<'a> {
    db: &'a Database,
    witness: &'a Witness,
    random: Random,
    start: u64,
    /// Numbers that are there already.
    numbers: Vec<i64>,
}

impl Any<'_> {
    /// Whether a start has what the witness says. Other schedules than that of the witness may need other starts.
    fn keeps(&mut self, held: &Held) -> bool {
        self.start == 0 || (held.needed && self.start % 2 == 1) || self.random.below(if held.needed { 5 } else { 2 }) > 0
    }

    /// What a cell of a record holds as the witness says, as far as it can be written.
    fn held(&mut self, held: &Held, at: usize) -> Option<String> {
        Some(match (&held.what, held.is) {
            (What::Value(Const::Bool(value)), is) => (*value == is).to_string(),
            (What::Value(Const::Literal(text)), true) => text.to_string(),
            (What::Value(Const::Literal(_)), false) => "977".to_owned(),
            (What::Value(value @ (Const::Below(bound) | Const::AtLeast(bound))), is) => {
                let below = matches!(value, Const::Below(_)) == is;
                let by = if self.start == 0 { 0 } else { [0, 0, 1, 2, 5][self.random.below(5)] };
                if below { bound - 1 - by } else { bound + by }.to_string()
            }
            (What::Value(Const::Absent), true) => "none".to_owned(),
            (What::Element(element), true) => given(element),
            // Whatever is there: a link to any record of the type.
            (What::Value(Const::Absent), false) | (What::Value(Const::Present), true) => {
                let of = self.witness.records[at].of;
                self.record(|other| other != of).unwrap_or_else(|| "none".to_owned())
            }
            // No set holds anything to begin with, and there are no enums.
            (What::Element(_) | What::Value(_), _) => return None,
        })
    }

    /// What a cell may hold; `None`: what it holds anyway.
    fn value(&mut self, open: &Open) -> Option<String> {
        let ty = &cell_sig(self.db, open.cell)?.ty;
        match ty {
            Ty::Int => self.of_type(ty).filter(|_| self.random.below(3) > 0),
            Ty::Bool => self.of_type(ty),
            // All the entries that are touched, at once.
            Ty::Map(..) => {
                let mut like = self.witness.open.iter().filter(|other| (other.record, other.cell) == (open.record, open.cell));
                if like.clone().next() != Some(open) {
                    return None;
                }
                let keys: Vec<&str> = like
                    .by_ref()
                    .filter_map(|other| match &other.element {
                        Some(Given::Literal(key)) => Some(&**key),
                        _ => None,
                    })
                    .collect();
                let mut entries = Vec::new();
                for key in keys {
                    let number = self.number();
                    entries.extend((self.random.below(3) > 0).then(|| format!("{key}: {number}")));
                }
                Some(format!("Map[{}]", entries.join(", ")))
            }
            Ty::Optional(_) => {
                let of = self.witness.records[open.record].of;
                let other = self.record(|other| other != of).filter(|_| self.random.below(2) == 0);
                Some(other.unwrap_or_else(|| "none".to_owned()))
            }
            Ty::Set(_) => open.element.as_ref().map(given).filter(|_| self.random.below(2) == 0),
            _ => None,
        }
    }

    fn of_type(&mut self, ty: &Ty) -> Option<String> {
        match ty {
            Ty::Int => Some(self.number()),
            Ty::Bool => Some((self.random.below(2) == 0).to_string()),
            Ty::Text => {
                let mut texts: Vec<String> = self.constants().filter(|text| text.starts_with('"')).map(str::to_owned).collect();
                match (texts.is_empty(), self.random.below(3)) {
                    (false, 0) => Some(texts.swap_remove(self.random.below(texts.len()))),
                    // As it is put together of numbers.
                    _ => Some(format!("\"{}\"", self.number())),
                }
            }
            Ty::Record(of, _) => {
                let of = *of;
                self.record(|other| other == of)
            }
            _ => None,
        }
    }

    /// Mostly small, or near what is compared with, or what else there is.
    fn number(&mut self) -> String {
        let known: Vec<i64> = self.constants().filter_map(|text| text.parse().ok()).chain(self.numbers.iter().copied()).collect();
        let number = match self.random.below(2) {
            0 if !known.is_empty() => known[self.random.below(known.len())] + self.random.below(4) as i64 - 1,
            _ => self.random.below(8) as i64 - 2,
        };
        self.numbers.push(number);
        number.to_string()
    }

    fn constants(&self) -> impl Iterator<Item = &str> {
        self.witness.constants.iter().map(|text| &**text)
    }

    /// One of the records of a type.
    fn record(&mut self, of: impl Fn(ItemId) -> bool) -> Option<String> {
        let all: Vec<usize> = (0..self.witness.records.len()).filter(|at| of(self.witness.records[*at].of)).collect();
        (!all.is_empty()).then(|| format!("r{}", all[self.random.below(all.len())]))
    }
}

fn given(given: &Given) -> String {
    match given {
        Given::Record(at) => format!("r{at}"),
        Given::Literal(text) => text.to_string(),
        Given::Value(at) => VALUES[at % VALUES.len()].to_owned(),
    }
}
