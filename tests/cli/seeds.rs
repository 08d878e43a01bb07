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
        // What a deployment other than the default refuses is shown below.
        let deployment = default_deployment(&project).map(|name| format!("--deployment={name}"));
        let arguments = ["check", "--error-on-warning"].into_iter().chain(deployment.as_deref());
        let check = patternc(&project).args(arguments).output().expect("the binary of the test starts");
        assert_eq!((check.status.code(), String::from_utf8_lossy(&check.stdout).as_ref()), (Some(0), ""), "{}", project.display());
        let test = patternc(&project).args(["test", "--runs", "20"]).output().expect("the binary of the test starts");
        assert_eq!(test.status.code(), Some(0), "{}\n{}", project.display(), seen(&test));
    }
}

#[test]
fn a_co_write_is_accepted_on_one_store_and_refused_on_two_and_the_saga_is_accepted_on_both() {
    let board = repository().join("patterns/bounty_board");
    let check = |folder: &str, deployment: &str| {
        patternc(&board).args(["check", folder, "--deployment", deployment]).output().expect("the binary of the test starts")
    };
    for (folder, deployment) in [("board.pattern", "local"), ("board.pattern", "two-stores"), ("cowrite", "local")] {
        let output = check(folder, deployment);
        assert_eq!((output.status.code(), seen(&output).as_str()), (Some(0), "1 file checked, nothing found\n"), "{folder} {deployment}");
    }
    let refused = check("cowrite", "two-stores");
    insta::with_settings!({ snapshot_path => "../seeds/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("bounty_board__cowrite", format!("exit {}\n\n{}", refused.status.code().unwrap_or(-1), seen(&refused)));
    });
}

/// What a project runs on unless told otherwise, if it says so.
fn default_deployment(project: &std::path::Path) -> Option<String> {
    let config = std::fs::read_to_string(project.join("patternc.yaml")).expect("an example has a configuration");
    config.lines().find_map(|line| line.strip_prefix("default-deployment: ")).map(|name| name.trim().to_owned())
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
