//! From the bodies of the syntax tree to typed, placed ones: [`crate::hir`], with every finding of that stage.
//!
//! Whether a write is allowed is a question of types, and this is where it is asked. [`bodies`] reads one file and the signatures of the
//! files it uses, nothing else, so that an edit inside a body checks one file again.
//!
//! | file | what it knows |
//! |---|---|
//! | `checker` | the state of one body: locals, scopes, what is narrowed |
//! | `places` | where records are: seeing a type from elsewhere, joining, comparing |
//! | `expect` | a value where a type is wanted, and what is said when it does not fit |
//! | `expressions`, `operators`, `access`, `names` | expressions |
//! | `calls`, `methods`, `construct` | calls and values made of parts |
//! | `patterns` | patterns, and whether they cover everything |
//! | `statements`, `writes`, `sends`, `tests_only` | statements |
//! | `owners` | the bodies of each declaration |
//! | `snippet` | a line from the REPL or a query |

mod access;
mod calls;
mod checker;
mod construct;
mod expect;
mod expressions;
mod methods;
mod names;
mod operators;
mod owners;
mod patterns;
mod places;
mod sends;
mod show;
mod snippet;
mod statements;
mod test_statements;
mod writes;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::db::{Db, SourceFile};
use crate::diagnostic::Diagnostic;
use crate::hir::{Body, BodyOwner};
use crate::items::parsed;

pub use methods::methods_of;
pub use owners::{mirror_scope, saga_result};
pub use snippet::{Session, Snippet, snippet};

/// The bodies of one file and what is wrong with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileBodies {
    /// In the order of the text.
    pub bodies: Vec<Arc<Body>>,
    /// In the order in which they were found.
    pub diagnostics: Vec<Diagnostic>,
    /// Positions in `bodies`, sorted by owner.
    by_owner: Vec<(BodyOwner, u32)>,
}

impl FileBodies {
    fn new(bodies: Vec<Arc<Body>>, diagnostics: Vec<Diagnostic>) -> Self {
        let mut by_owner: Vec<_> = bodies.iter().enumerate().map(|(index, body)| (body.owner, index as u32)).collect();
        by_owner.sort_unstable_by_key(|(owner, _)| *owner);
        FileBodies { bodies, diagnostics, by_owner }
    }

    /// The body of `owner`; `None` if it has none, as a cell without a default.
    pub fn get(&self, owner: BodyOwner) -> Option<&Arc<Body>> {
        let found = self.by_owner.binary_search_by_key(&owner, |(owner, _)| *owner).ok()?;
        self.bodies.get(self.by_owner[found].1 as usize)
    }
}

/// Every body of `file`, with names, types and places.
// Bodies hold spans, so that an edit that changes none of them hardly exists: comparing old and new would be time lost.
#[salsa::tracked(returns(ref), no_eq)]
pub fn bodies(db: &dyn Db, file: SourceFile) -> FileBodies {
    let mut checker = checker::Checker::new(db, file);
    let bodies = checker.file(&parsed(db, file).file);
    FileBodies::new(bodies, checker.diagnostics)
}
