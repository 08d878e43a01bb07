//! Transactions beside a model that executes the same steps on plain maps, and what nests deeply.

mod deep;
mod model;
mod program;
mod random;
