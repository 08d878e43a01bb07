//! How an event can fail.

use std::sync::Arc;

/// Why nothing of a transaction remains, as its sender is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Failure {
    pub kind: FailureKind,
    pub message: Arc<str>,
}

/// The kinds of failure of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// `require` or `fail`.
    Rejected,
    /// A deleted record, an index out of range, an entry that is not there.
    Missing,
    /// Arithmetic, or a collection over its limit.
    Overflow,
    /// An invariant would not hold.
    Invariant,
    /// A second space would be written.
    Isolation,
    /// Others kept changing what it read. Only events from outside end so.
    Conflict,
    /// A store or the outside does not answer. Only events from outside end so.
    Unavailable,
    /// An outside operation that is not safe to repeat may or may not have happened.
    Unknown,
    /// The step budget or another limit ran out.
    Budget,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [FailureKind; 9] = [
        FailureKind::Rejected,
        FailureKind::Missing,
        FailureKind::Overflow,
        FailureKind::Invariant,
        FailureKind::Isolation,
        FailureKind::Conflict,
        FailureKind::Unavailable,
        FailureKind::Unknown,
        FailureKind::Budget,
    ];

    /// Its name in the language.
    pub fn name(self) -> &'static str {
        match self {
            FailureKind::Rejected => "rejected",
            FailureKind::Missing => "missing",
            FailureKind::Overflow => "overflow",
            FailureKind::Invariant => "invariant",
            FailureKind::Isolation => "isolation",
            FailureKind::Conflict => "conflict",
            FailureKind::Unavailable => "unavailable",
            FailureKind::Unknown => "unknown",
            FailureKind::Budget => "budget",
        }
    }

    /// Whether it follows from the pattern and the data alone, not from the state of stores and the outside.
    pub fn is_decided_by_the_program(self) -> bool {
        matches!(self, FailureKind::Rejected | FailureKind::Missing | FailureKind::Overflow | FailureKind::Invariant)
    }

    /// Whether a `try` catches it.
    pub fn is_caught(self) -> bool {
        matches!(self, FailureKind::Rejected | FailureKind::Missing | FailureKind::Overflow)
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, message: impl Into<Arc<str>>) -> Self {
        Failure { kind, message: message.into() }
    }
}
