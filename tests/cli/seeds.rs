//! The bad variants of the example projects: what `check` refuses, as a person sees it. The good ones: nothing.

use std::path::PathBuf;

use crate::patternc::{patternc, repository, seen};

#[test]
fn every_bad_variant_is_refused_as_in_its_snapshot() {
    let folder = repository().join("tests/seeds");
    let mut seen_any = false;
    for system in folders(&folder) {
        for variant in patterns(&system) {
            seen_any = true;
            let name = format!("{}__{}", stem(&system), stem(&variant));
            let path = variant.strip_prefix(&folder).expect("it was listed below").to_path_buf();
            let output = patternc(&folder).arg("check").arg(&path).output().expect("the binary of the test starts");
            insta::with_settings!({ snapshot_path => "../seeds/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(name, format!("exit {}\n\n{}", output.status.code().unwrap_or(-1), seen(&output)));
            });
        }
    }
    assert!(seen_any);
}

#[test]
fn the_example_projects_are_clean_and_their_tests_pass() {
    for project in folders(&repository().join("patterns")) {
        let check = patternc(&project).args(["check", "--error-on-warning"]).output().expect("the binary of the test starts");
        assert_eq!((check.status.code(), String::from_utf8_lossy(&check.stdout).as_ref()), (Some(0), ""), "{}", project.display());
        let test = patternc(&project).args(["test", "--runs", "20"]).output().expect("the binary of the test starts");
        assert_eq!(test.status.code(), Some(0), "{}\n{}", project.display(), seen(&test));
    }
}

/// Keeps claims and bounties apart.
const TWO_STORES: &str = "\
deployments:
  two-stores:
    stores:
      claims: { kind: sqlite, path: .patternc/claims.db }
      bounties: { kind: sqlite, path: .patternc/bounties.db }
    spaces: { bounties: bounties, handoffs: bounties, \"*\": claims }
";

#[test]
fn a_co_write_is_accepted_on_one_store_and_refused_on_two_and_the_saga_is_accepted_on_both() {
    let board = repository().join("patterns/bounty_board");
    let accepted = |output: std::process::Output, what: &str| {
        assert_eq!((output.status.code(), seen(&output).as_str()), (Some(0), "1 file checked, nothing found\n"), "{what}");
    };
    let check = |arguments: &[&str]| patternc(&board).arg("check").args(arguments).output().expect("the binary of the test starts");
    accepted(check(&["board.pattern", "--deployment", "local"]), "the saga on one store");
    accepted(check(&["board.pattern", "--deployment", "two-stores"]), "the saga on two stores");
    accepted(check(&["cowrite"]), "the co-write on one store");
    let apart = tempfile::tempdir().expect("there is room for a folder");
    std::fs::copy(board.join("cowrite/board.pattern"), apart.path().join("board.pattern")).expect("there is room");
    std::fs::write(apart.path().join("patternc.yaml"), TWO_STORES).expect("there is room");
    let refused = patternc(apart.path()).arg("check").output().expect("the binary of the test starts");
    insta::with_settings!({ snapshot_path => "../seeds/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("bounty_board__cowrite", format!("exit {}\n\n{}", refused.status.code().unwrap_or(-1), seen(&refused)));
    });
}

fn folders(of: &std::path::Path) -> Vec<PathBuf> {
    list(of, |p| p.is_dir() && p.file_name().is_some_and(|n| n != "snapshots"))
}

fn patterns(of: &std::path::Path) -> Vec<PathBuf> {
    list(of, |p| p.extension().is_some_and(|e| e == "pattern"))
}

fn list(of: &std::path::Path, keep: impl Fn(&PathBuf) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).expect("the folder is part of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("it can be listed").path()).filter(keep).collect();
    paths.sort();
    paths
}

fn stem(path: &std::path::Path) -> String {
    path.file_stem().expect("it has a name").to_string_lossy().into_owned()
}
