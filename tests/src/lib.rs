//! What the suites of this folder share.

pub mod bounty;
pub mod broken;
pub mod chains;
pub mod generate;
pub mod history;
pub mod markdown;
pub mod other_side;
pub mod railroad;
pub mod running;
pub mod servers;
pub mod verdicts;
pub mod workload;
pub mod world;
