//! Any text gives a result whose places lie within the text: `cargo +nightly fuzz run parse` in `grammar/`.
//!
//! Good seeds are the files of `patterns/`: `cargo +nightly fuzz run parse corpus ../patterns`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let parsed = patternc_grammar::parse(&text);
    for item in &parsed.file.items {
        assert!(text.get(item.span.start as usize..item.span.end as usize).is_some());
    }
    for error in &parsed.errors {
        assert!(text.get(error.span.start as usize..error.span.end as usize).is_some());
    }
    let _ = patternc_grammar::parse_statements(&text);
});
