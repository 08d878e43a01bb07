//! Runs programs: events become transactions, transactions become commits, commits send events.
//!
//! The core is deterministic: time, chance, disk and network come in through the [`host::Host`] and [`store::Store`] traits.
//!
//! The way of an event: [`engine`] takes it, [`machine`] runs the handler over a `transaction`, the transaction becomes a
//! [`store::CommitRequest`], the store commits it, the engine delivers what it sent.

pub mod adapter;
pub mod attempt;
pub mod audit;
mod authorities;
pub mod duration;
pub mod engine;
pub mod event;
mod expectation;
pub mod explore;
pub mod failure;
pub mod given;
pub mod host;
pub mod interrupt;
pub mod json;
pub mod limits;
pub mod machine;
pub mod runtime;
pub mod saga;
pub mod simulate;
pub mod store;
pub mod sync;
#[cfg(test)]
mod test_program;
mod transaction;
pub mod value;
