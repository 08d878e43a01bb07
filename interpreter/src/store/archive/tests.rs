//! What is exported and imported is the same, whichever store it was in; a file that is not whole leaves nothing.

use std::sync::Arc;

use patternc_program::Program;
use proptest::prelude::*;

use super::{read, write};
use crate::limits::Limits;
use crate::store::memory::Memory;
use crate::store::sqlite::tests::history::any_request;
use crate::store::sqlite::{Opening, Sqlite};
use crate::store::state::{Schema, State};
use crate::store::{CommitRequest, Store};
use crate::test_program::program;

fn empty(program: &Program) -> Memory {
    Memory::new(Arc::new(Schema::new(program)), &Limits::default())
}

fn exported(program: &Program, stores: &[State]) -> String {
    let mut out = Vec::new();
    write(program, stores, &mut out).expect("what is stored can be written");
    String::from_utf8(out).expect("JSON is text")
}

fn fill(store: &mut dyn Store, requests: &[CommitRequest]) {
    for request in requests {
        store.commit(request, i64::MIN).expect("an empty store takes what another had");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn from_memory_to_a_file_and_back(requests in prop::collection::vec(any_request(), 1..60)) {
        let program = Arc::new(program());
        let mut original = empty(&program);
        for (now, (request, _)) in requests.iter().enumerate() {
            // What the state does not allow is refused, and nothing of it stays.
            let _ = original.commit(request, now as i64);
        }
        let text = exported(&program, &[original.state().clone()]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let archive = read(&program, text.as_bytes()).unwrap();
        let requests = archive.requests(&program, 1, |_| 0, 7).pop().unwrap();
        let mut file = Sqlite::open(&path, Opening::new(program.clone(), Limits::default())).unwrap();
        fill(&mut file, &requests);
        prop_assert_eq!(&exported(&program, &[file.contents().unwrap()]), &text);
        // Looked at by another while it is in use, and when it is opened again.
        file.wait_durable(file.version()).unwrap();
        let seen = Sqlite::look(&path, Opening::new(program.clone(), Limits::default())).unwrap();
        prop_assert_eq!(&exported(&program, &[seen]), &text);
        file.close().unwrap();
        let file = Sqlite::open(&path, Opening::new(program.clone(), Limits::default())).unwrap();
        let again = exported(&program, &[file.contents().unwrap()]);
        prop_assert_eq!(&again, &text);
        let mut memory = empty(&program);
        fill(&mut memory, &read(&program, again.as_bytes()).unwrap().requests(&program, 1, |_| 0, usize::MAX).pop().unwrap());
        prop_assert_eq!(&exported(&program, &[memory.state().clone()]), &text);
    }

    #[test]
    fn what_is_cut_or_changed_is_refused(requests in prop::collection::vec(any_request(), 1..20), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let program = program();
        let mut store = empty(&program);
        for (request, _) in &requests {
            let _ = store.commit(request, 0);
        }
        let text = exported(&program, &[store.state().clone()]);
        let at = at.index(text.len());
        // Without its last line break it is whole.
        if at < text.len() - 1 {
            prop_assert!(read(&program, &text.as_bytes()[..at]).is_err());
        }
        let mut changed = text.clone().into_bytes();
        let before = std::mem::replace(&mut changed[at], to);
        if before != to && !before.is_ascii_whitespace() && !to.is_ascii_whitespace() {
            prop_assert!(read(&program, &changed[..]).is_err(), "{}", String::from_utf8_lossy(&changed));
        }
    }
}

#[test]
fn a_file_is_read_only_if_all_of_it_fits() {
    let program = program();
    let head = "{\"patternc\":\"export\",\"version\":1}\n";
    for (text, expected) in [
        ("", "line 1: the file ends here, without the last line of an export: it is cut off"),
        ("{}\n", "line 1: the file does not begin as an export does: `patternc export` writes one"),
        ("{\"patternc\":\"export\",\"version\":2}\n", "line 1: its format is 2, this patternc knows 1 at most; use a newer one"),
        (head, "line 1: the file ends here, without the last line of an export: it is cut off"),
        (&format!("{head}{{\"record\":"), "line 2: it is cut off: the line ends before its JSON does"),
        (&format!("{head}{{\"x\":1}}\n"), "line 2: it is no line of an export"),
        (
            &format!("{head}{{\"deleted\":\"Nobody/a@home\"}}\n"),
            "line 2: there is no record type \"Nobody\"; there are Person, Profile, Note",
        ),
        (&format!("{head}{{\"deleted\":\"Person/a@away\"}}\n"), "line 2: Person is never in `away`, only in `home`"),
        (&format!("{head}{{\"deleted\":\"Note/a@home\"}}\n{{\"deleted\":\"Note/a@home\"}}\n"), "line 3: Note/a@home is there twice"),
        (
            &format!("{head}{{\"record\":\"Note/a@home\",\"cells\":{{\"id\":\"x\"}}}}\n"),
            "line 2: cells.ref: it is missing; import with the patterns that were exported, then run the new ones on the store",
        ),
        (
            &format!("{head}{{\"record\":\"Note/a@home\",\"cells\":{{\"id\":\"x\",\"ref\":null,\"re\":1}}}}\n"),
            "line 2: cells.re: Note has no such cell",
        ),
        (
            &format!(
                "{head}{{\"deleted\":\"Note/a@home\"}}\n{{\"end\":{{\"records\":0,\"deleted\":0,\"sent\":0,\"received\":0}},\"crc32\":0}}\n"
            ),
            "line 3: it says that there are other lines than those before it: some are missing or were added",
        ),
        (
            &format!("{head}{{\"end\":{{\"records\":0,\"deleted\":0,\"sent\":0,\"received\":0}},\"crc32\":0}}\n"),
            "line 2: its checksum is not that of the lines before it: the file was changed",
        ),
        (&format!("{head}{}\n", "[".repeat(1_000_000)), "line 2: it is nested more than 2000 deep"),
    ] {
        let error = read(&program, text.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{}", &text[..text.len().min(200)]);
    }
}
