//! What programs do when they run: the `test` blocks of the Markdown files in `runtime/`, over several schedules and stores.

use std::path::Path;

#[test]
fn runtime() {
    patternc_tests::running::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("runtime"));
}
