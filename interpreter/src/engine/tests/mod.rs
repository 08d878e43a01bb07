#[allow(dead_code, reason = "the tests that use all of it follow")]
mod program;
