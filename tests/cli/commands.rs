//! What commands take, print and end with.

use std::path::Path;
use std::process::Output;

use crate::patternc::{patternc, run_with_input, seen};

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("there is room for a file");
    }
    folder
}

fn call(folder: &Path, arguments: &[&str]) -> Output {
    patternc(folder).args(arguments).output().expect("the binary of the test starts")
}

#[test]
fn exit_statuses_tell_findings_from_wrong_use() {
    let files = folder(&[("good.pattern", b"space a\n"), ("bad.pattern", b"space\n")]);
    for (arguments, status) in [
        (&["check", "good.pattern"][..], 0),
        (&["check"], 1),
        (&["check", "nowhere.pattern"], 2),
        (&["check", "--warn", "no-such-rule"], 2),
        (&["check", "--ignore", "syntax"], 2),
        (&["check", "--no-such-flag"], 2),
        (&["explain", "split-updat"], 2),
        (&["explain", "split-update"], 0),
        (&["run", "bad.pattern"], 1),
        (&["run", "good.pattern", "--deployment", "nowhere"], 2),
    ] {
        let output = run_with_input(
            {
                let mut command = patternc(files.path());
                command.args(arguments);
                command
            },
            "",
        );
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{}", seen(&output));
    }
    assert!(seen(&call(files.path(), &["explain", "split-updat"])).contains("did you mean `split-update`?"));
}

#[test]
fn where_no_patterns_are_it_says_where_it_looked() {
    let nothing = folder(&[("notes.txt", b"none")]);
    let here = "no pattern files found: looked in . for `**/*.pattern`, leaving out what Git ignores\n";
    // Nobody said that there are any: a hook that has no files to name is content.
    for arguments in [
        &["check"][..],
        &["check", "--output-format", "github"],
        &["check", "--fix"],
        &["fmt"],
        &["fmt", "--check"],
        &["test"],
        &["explore"],
    ] {
        let output = call(nothing.path(), arguments);
        assert!(seen(&output).ends_with(here), "{arguments:?}\n{}", seen(&output));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    assert_eq!(seen(&call(nothing.path(), &["check", "--quiet"])), "");
    // A path says so, and to run or draw nothing is none of the things that may be meant.
    for arguments in [
        &["check", "--quiet", "."][..],
        &["check", ".", "--write-baseline", "known.json"],
        &["fmt", "."],
        &["test", "."],
        &["explore", "."],
        &["run", "--quiet"],
        &["graph"],
    ] {
        let output = call(nothing.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{}", seen(&output));
        assert!(seen(&output).contains(here.trim_end()), "{arguments:?}\n{}", seen(&output));
    }
    assert!(!nothing.path().join(".patternc").exists(), "no store is made for nothing");
    assert!(!nothing.path().join("known.json").exists(), "nothing is known of nothing");
}

#[test]
fn a_configuration_whose_patterns_match_no_file_is_wrong() {
    let elsewhere = folder(&[("a.pattern", b"space a\n"), ("patternc.yaml", b"patterns: [\"src/*.pattern\"]\n")]);
    let looked =
        "no pattern files found: looked in . for `src/*.pattern` (the `patterns` of patternc.yaml), leaving out what Git ignores\n";
    for command in ["check", "fmt", "test", "explore"] {
        let output = call(elsewhere.path(), &[command, "--quiet"]);
        assert_eq!(output.status.code(), Some(2), "{command}\n{}", seen(&output));
        assert!(seen(&output).ends_with(looked), "{command}\n{}", seen(&output));
    }
    let json = call(elsewhere.path(), &["check", "--output-format", "json"]);
    assert_eq!((json.status.code(), &*String::from_utf8_lossy(&json.stdout)), (Some(2), "[]\n"));
    // What is named is there.
    assert_eq!(seen(&call(elsewhere.path(), &["check", "a.pattern"])), "1 file checked, nothing found\n");
    assert_eq!(call(elsewhere.path(), &["check", "patternc.yaml"]).status.code(), Some(2), "nothing is fine about this one");
}

#[test]
fn one_of_several_projects_without_patterns_is_told() {
    let files = folder(&[]);
    for (name, text) in [("a/patternc.yaml", "patterns: [\"src/*.pattern\"]\n"), ("b/patternc.yaml", ""), ("b/b.pattern", "space b\n")] {
        let path = files.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("there is room");
        std::fs::write(path, text).expect("there is room");
    }
    for command in ["check", "test"] {
        let output = call(files.path(), &[command]);
        assert_eq!(output.status.code(), Some(2), "{command}\n{}", seen(&output));
        assert!(seen(&output).contains("looked in a for `src/*.pattern` (the `patterns` of a/patternc.yaml)"), "{}", seen(&output));
    }
    assert_eq!(call(files.path(), &["check", "b"]).status.code(), Some(0));
    // One around others may have none of its own.
    std::fs::remove_dir_all(files.path().join("a")).expect("it was made");
    std::fs::write(files.path().join("patternc.yaml"), "rules: { late-check: warn }\n").expect("there is room");
    let output = call(files.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
}

#[test]
fn without_a_configuration_files_that_declare_one_name_are_programs_of_their_own() {
    let one = b"space s\nrecord R in s { cell n: Int = 0 }\n";
    let other = b"space t\nrecord R in t { cell a: Int = 1 }\n";
    let files =
        folder(&[("a.pattern", one), ("b.pattern", other), ("user.pattern", b"use \"b.pattern\" { R }\nfn one(r: R) -> Int { r.a }\n")]);
    let checked = call(files.path(), &["check"]);
    assert_eq!(checked.status.code(), Some(0), "{}", seen(&checked));
    assert!(seen(&checked).ends_with("2 programs: without a patternc.yaml, files that declare the same name do not belong together\n"));
    assert_eq!(seen(&call(files.path(), &["check", "a.pattern"])), "1 file checked, nothing found\n");
    for arguments in [&["run"][..], &["repl"], &["export"], &["status"]] {
        let refused = run_with_input(
            {
                let mut command = patternc(files.path());
                command.args(arguments);
                command
            },
            "",
        );
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}\n{}", seen(&refused));
        let why = ". is 2 programs, not one: there is no patternc.yaml, and `a.pattern` and `b.pattern` declare the same name.";
        assert!(seen(&refused).contains(why), "{arguments:?}\n{}", seen(&refused));
    }
    assert!(!files.path().join(".patternc").exists());
    // What is named is run, with what it imports and what imports it.
    for name in ["a.pattern", "b.pattern", "user.pattern"] {
        let output = run_with_input(
            {
                let mut command = patternc(files.path());
                command.args(["repl", name]);
                command
            },
            "",
        );
        assert_eq!(output.status.code(), Some(0), "{name}\n{}", seen(&output));
    }
    // Where someone says that they belong together, that is the judgement of every command.
    std::fs::write(files.path().join("patternc.yaml"), "project: both\n").expect("there is room");
    for arguments in [&["check"][..], &["run"]] {
        let output = call(files.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
        assert!(seen(&output).contains("duplicate-name"), "{}", seen(&output));
    }
}

#[test]
fn an_event_that_is_not_utf8_is_refused_and_those_around_it_are_taken() {
    let files = folder(&[("a.pattern", b"space home\nrecord K in home { cell t: Text = \"\" handler set(x: Text) { self.t = x } }\n")]);
    let events = b"{\"id\":\"k\",\"create\":\"K\",\"as\":\"k\"}\n\
        {\"id\":\"e\xff\",\"to\":\"K/k\",\"handler\":\"set\",\"args\":{\"x\":\"one\"}}\n\
        {\"id\":\"e\",\"to\":\"K/k\",\"handler\":\"set\",\"args\":{\"x\":\"two\"}}\n\
        {\"read\":\"K/k\"}\n";
    std::fs::write(files.path().join("events.jsonl"), events).expect("there is room for a file");
    let output = call(files.path(), &["run", "--events", "events.jsonl"]);
    let said = seen(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with('{')).collect();
    assert!(lines[1].contains(r#""line":2,"outcome":"invalid""#) && lines[1].contains("not UTF-8 from byte 9 on"), "{said}");
    assert!(lines[2].contains("committed") && lines[3].contains("two"), "{said}");
}

#[test]
fn events_may_begin_with_a_mark_and_have_no_number_that_is_none() {
    let files = folder(&[("a.pattern", b"space home\nrecord K in home { cell x: Float = 0.5 }\n")]);
    let events = "\u{feff}{\"create\":\"K\",\"as\":\"a\",\"cells\":{\"x\":1.5}}\n\
                  {\"create\":\"K\",\"as\":\"b\",\"cells\":{\"x\":\"NaN\"}}\n\
                  {\"create\":\"K\",\"as\":\"c\",\"cells\":{\"x\":\"-Infinity\"}}\n{\"read\":\"K/a\"}\n";
    let mut command = patternc(files.path());
    command.args(["run", "--events", "-"]);
    let output = run_with_input(command, events);
    let said = seen(&output);
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with('{')).collect();
    assert!(lines[0].contains("committed") && lines[3].contains("1.5"), "{said}");
    for (line, number) in [(1, "NaN"), (2, "-Infinity")] {
        let what = format!("a Float is always finite: there is no {number}");
        assert!(lines[line].contains("\"outcome\":\"invalid\"") && lines[line].contains(&what), "{said}");
    }
}

#[test]
fn json_findings_count_from_one_in_characters() {
    let files = folder(&[("a.pattern", "// ü\nrecord A in nowhere { }\n".as_bytes())]);
    let output = call(files.path(), &["check", "--output-format", "json"]);
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the output is JSON");
    let first = &findings[0];
    assert_eq!(
        (&first["rule"], &first["path"], &first["line"], &first["column"], &first["end_column"]),
        (&"unknown-name".into(), &"a.pattern".into(), &2.into(), &13.into(), &20.into()),
        "{findings}"
    );
}

#[test]
fn standard_input_stands_for_a_file_of_the_project() {
    let files = folder(&[("spaces.pattern", b"space home\n")]);
    let mut command = patternc(files.path());
    command.args(["check", "-", "--stdin-filename", "new.pattern", "--output-format", "concise"]);
    let output = run_with_input(command, "use \"spaces.pattern\" { home }\nrecord A in hom { }\n");
    assert!(seen(&output).contains("\nnew.pattern:2:13: error[unknown-name]"), "{}", seen(&output));
    let mut command = patternc(files.path());
    command.args(["check", "--stdin-filename", "new.pattern", "--output-format", "concise"]);
    let alone = run_with_input(command, "use \"spaces.pattern\" { home }\nrecord A in hom { }\n");
    assert_eq!(seen(&alone), seen(&output), "the name alone says that the standard input is meant");
}

#[test]
fn a_file_that_is_no_text_is_a_finding_and_leaves_the_others_alone() {
    let files = folder(&[("good.pattern", b"space a\n"), ("bad.pattern", b"space b // \xff\n")]);
    assert_eq!(call(files.path(), &["check", "good.pattern"]).status.code(), Some(0));
    let output = call(files.path(), &["check", "--output-format", "concise"]);
    assert!(seen(&output).starts_with("bad.pattern:1:12: error[syntax] from here the file is not UTF-8"), "{}", seen(&output));
}

#[test]
fn errors_of_another_file_do_not_keep_a_file_from_its_tests() {
    let test = b"test \"sums\" { expect 1 + 1 == 2 }\n";
    let files = folder(&[("good.pattern", test), ("bad.pattern", b"record A in nowhere { }\n")]);
    let output = call(files.path(), &["test", "good.pattern"]);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    assert_eq!(call(files.path(), &["test"]).status.code(), Some(1));
}

#[test]
fn a_script_at_the_prompt_shows_what_it_did() {
    let text =
        b"space home\nrecord Person in home {\n  cell name: Text key\n  cell likes: Int = 0\n  handler like() { self.likes += 1 }\n}\n";
    let files = folder(&[("people.pattern", text)]);
    let mut command = patternc(files.path());
    command.arg("repl");
    let script = "let ada = create Person in home { name: \"Ada\" }\nada.like()\nada.likes + 1\n\
                  record Note in home {\n  cell by: Person\n}\nlet note = create Note in home { by: ada }\nnote.by.name\nnote.by.nam\n";
    let output = run_with_input(command, script);
    let said = seen(&output);
    for line in [".likes += 1\n", "\n2\n", "created Note/", "\"Ada\"\n", "`Person` has no cell `nam`"] {
        assert!(said.contains(line), "{line:?} in\n{said}");
    }
    assert_eq!(output.status.code(), Some(1), "a line of the script was wrong");
}

const UNFORMATTED: &[u8] = b"record A in home {cell a: Int // one\n}\nspace home\n";
const FORMATTED: &str = "record A in home {\n  cell a: Int // one\n}\n\nspace home\n";

#[test]
fn what_is_formatted_from_the_standard_input_has_a_name() {
    let files = folder(&[]);
    let format = |arguments: &[&str], text: &str| {
        let mut command = patternc(files.path());
        command.arg("fmt").args(arguments);
        run_with_input(command, text)
    };
    let formatted = format(&["-", "--stdin-filename", "src/a.pattern"], "space   home\n");
    assert_eq!((formatted.status.code(), &*String::from_utf8_lossy(&formatted.stdout)), (Some(0), "space home\n"));
    let broken = format(&["-", "--stdin-filename", "src/a.pattern"], "space\n");
    assert!(broken.status.code() == Some(1) && seen(&broken).contains("src/a.pattern:1:6: left as it is: "), "{}", seen(&broken));
    let checked = format(&["--check", "-", "--stdin-filename", "src/a.pattern"], "space   home\n");
    assert_eq!((checked.status.code(), &*String::from_utf8_lossy(&checked.stdout)), (Some(1), "src/a.pattern\n"));
    // The name alone says that the standard input is meant.
    let alone = format(&["--stdin-filename", "src/a.pattern"], "space   home\n");
    assert_eq!((alone.status.code(), &*String::from_utf8_lossy(&alone.stdout)), (Some(0), "space home\n"));
    for command in ["fmt", "check"] {
        let both = call(files.path(), &[command, "--stdin-filename", "src/a.pattern", "b.pattern"]);
        assert!(both.status.code() == Some(2) && seen(&both).contains("no other file can be meant"), "{}", seen(&both));
        let both = call(files.path(), &[command, "-", "b.pattern"]);
        assert!(both.status.code() == Some(2) && seen(&both).contains("`-` stands alone"), "{}", seen(&both));
    }
}

#[test]
fn files_are_formatted_in_place_and_broken_ones_left_alone() {
    let files = folder(&[("a.pattern", UNFORMATTED), ("bad.pattern", b"space  \n"), ("notes.txt", b"a  b")]);
    let read = |name: &str| std::fs::read_to_string(files.path().join(name)).expect("the file stays");
    let checked = call(files.path(), &["fmt", "--check", "a.pattern"]);
    assert_eq!((checked.status.code(), &*String::from_utf8_lossy(&checked.stdout)), (Some(1), "a.pattern\n"));
    let shown = call(files.path(), &["fmt", "--diff", "a.pattern"]);
    assert!(seen(&shown).contains("\n-record A in home {cell a: Int // one\n"), "{}", seen(&shown));
    assert!(seen(&shown).contains("\n+  cell a: Int // one\n"), "{}", seen(&shown));
    assert_eq!(read("a.pattern").as_bytes(), UNFORMATTED, "neither writes");

    let all = call(files.path(), &["fmt"]);
    assert_eq!(all.status.code(), Some(1), "one is broken");
    assert!(seen(&all).contains("bad.pattern:1:6: left as it is: "), "{}", seen(&all));
    assert!(seen(&all).contains("1 file formatted, 1 file with errors left as it is\n"), "{}", seen(&all));
    assert_eq!((read("a.pattern").as_str(), read("bad.pattern").as_str()), (FORMATTED, "space  \n"));
    assert_eq!(std::fs::read_dir(files.path()).expect("a folder").count(), 3, "nothing is left behind");
    assert_eq!(call(files.path(), &["fmt", "--check", "a.pattern"]).status.code(), Some(0));
}

#[test]
fn the_standard_input_is_formatted_to_the_standard_output() {
    let files = folder(&[]);
    let format = |input: &str| {
        let mut command = patternc(files.path());
        command.args(["fmt", "-"]);
        run_with_input(command, input)
    };
    let output = format(std::str::from_utf8(UNFORMATTED).expect("text"));
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stdout)), (Some(0), FORMATTED));
    let output = format("record");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{}", seen(&output));
}

#[test]
fn a_script_goes_on_after_a_line_that_is_no_text() {
    let files = folder(&[("a.pattern", b"space home\n")]);
    let script = files.path().join("script");
    std::fs::write(&script, b"1 + 1\n\"\xff\"\n2 + 3\n").expect("there is room");
    let mut command = patternc(files.path());
    let output =
        command.arg("repl").stdin(std::fs::File::open(&script).expect("it was written")).output().expect("the binary of the test starts");
    assert_eq!(seen(&output), "2\nline 2 is not UTF-8 text, and is left out\n5\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_test_is_run_by_its_whole_name_or_a_part_of_it() {
    let files = folder(&[("a.pattern", b"test \"sums\" { expect 1 + 1 == 2 }\ntest \"sums of sums\" { expect 2 + 2 == 4 }\n")]);
    for (arguments, passed) in [
        (&["test", "--filter", "sums"][..], "2 passed"),
        (&["test", "--filter", "sums", "--exact"], "1 passed"),
        (&["explore", "--filter", "sums"], "2 tests explored"),
        (&["explore", "--filter", "sums", "--exact"], "1 test explored"),
    ] {
        let output = call(files.path(), arguments);
        assert!(output.status.success() && seen(&output).contains(passed), "{arguments:?}\n{}", seen(&output));
    }
    for command in ["test", "explore"] {
        let part = call(files.path(), &[command, "--filter", "sum", "--exact"]);
        assert_eq!((part.status.code(), seen(&part).contains("no test has the name `sum`")), (Some(2), true), "{}", seen(&part));
        let none = call(files.path(), &[command, "--filter", "difference"]);
        assert_eq!((none.status.code(), seen(&none).contains("no test has `difference` in its name")), (Some(2), true), "{}", seen(&none));
        assert_eq!(call(files.path(), &[command, "--exact"]).status.code(), Some(2), "there is no name");
    }
}

const ENDLESS: &[u8] = br#"
space home

record Ping in home {
  cell count: Int = 0

  handler go() {
    self.count += 1
    send self.go()
  }
}

test "this never ends" {
  let ping = create Ping in home {}
  ping.go()
  expect ping.count > 0
}
"#;

#[test]
fn a_test_that_never_ends_is_ended() {
    let files = folder(&[("a.pattern", ENDLESS)]);
    let told = call(files.path(), &["test", "--runs", "1"]);
    assert_eq!(told.status.code(), Some(1));
    assert!(seen(&told).contains("handlers still set off one another: this never ends"), "{}", seen(&told));
}

#[test]
fn a_query_stands_in_the_space_that_it_names() {
    let pattern = b"space user[Text]\nrecord Profile in user { cell name: Text key }\nrecord Note { cell n: Int = 1 }\n";
    let events = br#"{"id":"1","create":"Profile","in":"user[a]","as":"x","cells":{"name":"ann"}}
{"id":"2","create":"Profile","in":"user[b]","as":"y","cells":{"name":"bob"}}
{"id":"3","create":"Note","in":"user[b]"}
{"query":"Profile.all.map(p => p.name)","in":"user[a]"}
{"query":"Profile[\"bob\"]","in":"user[b]"}
{"query":"Profile.where(p => p.name != \"\").map(p => Note.all.len())","in":"user[b]"}
"#;
    let folder = folder(&[("a.pattern", pattern), ("events.jsonl", events)]);
    let output = call(folder.path(), &["run", "--events", "events.jsonl"]);
    let out = String::from_utf8(output.stdout).unwrap();
    let values: Vec<&str> = out.lines().filter(|line| line.contains("\"value\"")).collect();
    let expected = [
        r#"{"outcome":"value","value":["ann"]}"#,
        r#"{"outcome":"value","value":{"ref":"Profile/y@user[b]"}}"#,
        r#"{"outcome":"value","value":[1]}"#,
    ];
    assert_eq!(values, expected, "{out}");
}

#[test]
fn a_query_that_cannot_stand_is_told_what_its_event_lacks() {
    let pattern = b"space user[Text]\nrecord Profile in user { cell name: Text key }\nrecord Note { cell n: Int = 1 }\n";
    let events = br#"{"query":"Profile.all"}
{"query":"Profile[\"ann\"]"}
{"query":"Note.all.len()"}
{"query":"create Profile { name: \"ann\" }"}
{"query":"let x = 1"}
"#;
    let folder = folder(&[("a.pattern", pattern), ("events.jsonl", events)]);
    let output = call(folder.path(), &["run", "--events", "events.jsonl"]);
    let out = String::from_utf8(output.stdout).unwrap();
    insta::assert_snapshot!(out);
}

#[test]
fn a_byte_order_mark_before_a_file_says_nothing() {
    let folder = folder(&[("a.pattern", "\u{feff}space home\n\nrecord Note in home {\n  cell n: Int = 1\n}\n".as_bytes())]);
    assert_eq!(call(folder.path(), &["check"]).status.code(), Some(0));
    assert_eq!(call(folder.path(), &["fmt", "--check"]).status.code(), Some(0));
}

#[test]
fn a_new_project_needs_a_folder_without_files() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let make = |place: &std::path::Path, name: &str| {
        let output = patternc(place).args(["new", name]).output().expect("the binary of the test starts");
        (output.status.code(), seen(&output))
    };
    // In the current folder, which version control has been at.
    let here = folder.path().join("my shelf");
    std::fs::create_dir_all(here.join(".git")).expect("there is room");
    std::fs::write(here.join(".gitignore"), "*.bak").expect("there is room");
    let (code, said) = make(&here, ".");
    assert_eq!((code, said.contains("cd "), said.starts_with("Made my shelf.")), (Some(0), false, true), "{said}");
    assert!(std::fs::read_to_string(here.join("patternc.yaml")).is_ok_and(|text| text.starts_with("project: \"my shelf\"\n")));
    assert_eq!(std::fs::read_to_string(here.join(".gitignore")).ok().as_deref(), Some("*.bak\n.patternc/\n"));
    let tested = patternc(&here).arg("test").output().expect("the binary of the test starts");
    assert!(tested.status.success(), "{}", seen(&tested));

    // Through a path, into a folder that is there and empty; its name is the project's.
    std::fs::create_dir(folder.path().join("empty")).expect("there is room");
    let (code, said) = make(folder.path(), "empty/../empty/.");
    assert_eq!(code, Some(0), "{said}");
    assert!(std::fs::read_to_string(folder.path().join("empty/patternc.yaml")).is_ok_and(|text| text.starts_with("project: \"empty\"\n")));

    // What is there stays as it is.
    let before = std::fs::read(here.join("library.pattern")).expect("it was made");
    for (name, reason) in
        [(".", "is not empty, it has events.jsonl"), ("library.pattern", "library.pattern is a file"), ("/", "names no folder")]
    {
        let (code, said) = make(&here, name);
        assert_eq!((code, said.contains(reason)), (Some(2), true), "{name}: {said}");
    }
    assert_eq!(std::fs::read(here.join("library.pattern")).ok(), Some(before));
}

#[test]
fn shells_complete_the_names_of_rules() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let output = patternc(folder.path()).args(["completions", "bash"]).output().expect("the binary of the test starts");
    let script = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = |option: &str| {
        let check = &script[script.find("patternc__subcmd__check)").expect("check has its completions")..];
        let at = check.find(&format!("{option})")).unwrap_or_else(|| panic!("{option} has completions"));
        check[at..].lines().nth(1).unwrap_or_default().to_owned()
    };
    assert!(after("--error").contains("cross-space-write") && after("--error").contains("late-check"));
    assert!(!after("--ignore").contains("cross-space-write") && after("--ignore").contains("late-check"));
    assert!(!after("--deployment").contains("compgen") && after("--baseline").contains("compgen"), "a deployment is no file");
    let help = patternc(folder.path()).args(["check", "--help"]).output().expect("the binary of the test starts");
    assert!(!seen(&help).contains("cross-space-write"), "all the names would be too many there");
    let wrong = patternc(folder.path()).args(["check", "--ignore", "late-chek"]).output().expect("the binary of the test starts");
    assert!(seen(&wrong).contains("did you mean `late-check`?"), "{}", seen(&wrong));
}
