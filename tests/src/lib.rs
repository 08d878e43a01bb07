//! What the suites of this folder share.

pub mod markdown;
