//! Every finding of the language and of the rules, from Markdown: see `patternc_tests::markdown`.

use std::path::Path;

#[test]
fn language() {
    patternc_tests::markdown::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("language"));
}

#[test]
fn rules() {
    patternc_tests::markdown::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"));
}
