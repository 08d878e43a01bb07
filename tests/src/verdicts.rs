//! What the compiler says of the chains of a pattern, to compare with what happens when it runs.

use patternc_compiler::chains;
use patternc_compiler::chains::witness::Witness;
use patternc_compiler::db::{Database, Project};
use patternc_compiler::effects::describe::body_name;

/// The verdict on one chain of more than one piece.
pub struct Verdict {
    /// `Left.go0`.
    pub chain: String,
    /// A run in which others observe or break it half way; `None`: it is as good as one transaction, whatever else of the project runs.
    pub broken: Option<Witness>,
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
            all.push(Verdict { chain: body_name(&db, chain.root), broken, unfinished, incomplete: chain.incomplete });
        }
    }
    all
}
