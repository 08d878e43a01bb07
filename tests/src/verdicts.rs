//! What the compiler says of the chains of a pattern, to compare with what happens when it runs.

use patternc_compiler::chains::witness::Witness;
use patternc_compiler::chains::{chains, cycles};
use patternc_compiler::db::{Database, Project};
use patternc_compiler::effects::describe::body_name;

/// The verdict on one chain of more than one piece.
pub struct Verdict {
    /// `Left.go0`.
    pub chain: String,
    /// A run in which others observe or break it half way; `None`: it is as good as one transaction, whatever else of the project runs.
    pub broken: Option<Witness>,
    /// It was too long, or not understood: nothing is said of it.
    pub incomplete: bool,
}

/// The verdicts on the chains of a pattern.
pub fn verdicts(text: &str) -> Vec<Verdict> {
    let mut db = Database::default();
    db.set_project(&[("main.pattern", text)], None);
    let mut all = Vec::new();
    for &file in Project::get(&db).files(&db) {
        let broken = cycles(&db, file);
        for (index, chain) in chains(&db, file).iter().enumerate().filter(|(_, chain)| chain.pieces.len() > 1) {
            let cycle = broken.iter().find(|(of, _)| *of as usize == index);
            let broken = cycle.map(|(_, cycle)| cycle.witness.clone());
            all.push(Verdict { chain: body_name(&db, chain.root), broken, incomplete: chain.incomplete });
        }
    }
    all
}
