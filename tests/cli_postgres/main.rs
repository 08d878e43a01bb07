//! Several processes of the built binary on one PostgreSQL server: nothing is lost, nothing happens twice, whatever ends in the middle.

mod process;
mod proxy;
mod suite;
