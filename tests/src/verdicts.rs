//! What the compiler says of the chains of a pattern, to compare with what happens when it runs.

use patternc_compiler::chains;
use std::fmt::Write as _;

use patternc_compiler::chains::witness::{Given, Witness};
use patternc_compiler::db::{Database, Project};
use patternc_compiler::effects::describe::{body_name, record_name};

/// The verdict on one chain of more than one piece.
pub struct Verdict {
    /// `Left.go0`.
    pub chain: String,
    /// A run in which others observe or break it half way; `None`: it is as good as one transaction, whatever else of the project runs.
    pub broken: Option<Witness>,
    /// A test of that run: its records, and its events at once. For patterns in which every cell has a default, and every record its space.
    pub meeting: Option<String>,
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
            let meeting = broken.as_ref().map(|witness| meeting(&db, witness));
            all.push(Verdict { meeting, chain: body_name(&db, chain.root), broken, unfinished, incomplete: chain.incomplete });
        }
    }
    all
}

/// What different parameters are given: no value that cells start with.
const VALUES: [&str; 8] = ["2", "7", "13", "29", "53", "101", "211", "401"];

/// The statements of a test of a witness.
fn meeting(db: &Database, witness: &Witness) -> String {
    let mut text = String::new();
    for (at, record) in witness.records.iter().enumerate() {
        let name = record_name(db, record.of);
        let space = if matches!(&*name, "A" | "Left") { "left" } else { "right" };
        let _ = writeln!(text, "  let r{at} = create {name} in {space} {{ }}");
    }
    text.push_str("  concurrently {\n");
    for event in &witness.events {
        let name = body_name(db, event.starts);
        let args = event.args.iter().map(|given| match given {
            Given::Record(at) => format!("r{at}"),
            Given::Literal(text) => text.to_string(),
            Given::Value(at) => VALUES[at % VALUES.len()].to_owned(),
        });
        let args: Vec<String> = args.collect();
        let _ = writeln!(text, "    r{}.{}({})", event.on, name.rsplit('.').next().unwrap_or(&name), args.join(", "));
    }
    text.push_str("  }\n  expect true\n");
    text
}
