//! Transactions against a model that executes the same steps on plain maps.

mod model;
mod program;
mod random;
