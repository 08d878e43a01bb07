//! What the suites of this folder share.

pub mod generate;
pub mod markdown;
pub mod running;
pub mod world;
