//! What the benchmarks share: a generated project, and the transfers that are measured everywhere alike.

pub mod project;
pub mod transfers;
