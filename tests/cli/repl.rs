//! The prompt, through a pipe.

use std::path::Path;
use std::process::Output;

use crate::patternc::{patternc, run_with_input, seen};

const BANK: &str = r#"
space bank
space notices

record Account in bank {
  cell owner: Text key
  cell balance: Int = 0
  cell log: List<Text> = []
  cell told: Notices?

  handler deposit(amount: Int) {
    self.balance += amount
    if let told = self.told {
      send told.note(self.owner, amount) then {
        ok() => { self.log += "told" }
        err(e) => { self.log += e.message }
      }
    }
  }

  handler withdraw(amount: Int) -> Int {
    require amount <= self.balance else "only {self.balance} left"
    self.balance -= amount
    return self.balance
  }
}

record Notices in notices {
  cell lines: List<Text> = []
  handler note(owner: Text, amount: Int) { self.lines += "{owner}: {amount}" }
}
"#;

#[test]
fn an_entry_goes_on_behind_an_operator_and_ends_with_a_bracket_that_closes_nothing() {
    let folder = project();
    let output = script(folder.path(), "}{\nlet x = 1 +\n  2 // three\nx ==\n3\n\"{x}\"\n");
    let said = seen(&output);
    assert!(said.contains("this `}` closes nothing"), "{said}");
    assert!(said.contains("true") && said.contains("\"3\""), "what follows is run: {said}");
    // What waits for something until the end is told.
    let said = seen(&script(folder.path(), "1 +\n"));
    assert!(said.contains("expected an expression"), "{said}");
}

/// By themselves they are statements, and so they are where they do something.
#[test]
fn an_if_or_match_that_gives_a_value_prints_it() {
    let lines = format!(
        "{ANN}match 3 {{ 1 => \"a\", n => \"n{{n}}\" }}\nif ann.balance > 50 {{\n  \"rich\"\n}} else {{ \"poor\" }} // so\n\
         if ann.balance > 50 {{ ann.deposit(1) }} else {{ ann.deposit(2) }}\nif false {{ ann.deposit(3) }}\nann.balance\n:save t.pattern\n"
    );
    let folder = project();
    let said = seen(&script(folder.path(), &lines));
    assert!(said.contains("\n\"n3\"\n\"rich\"\n") && said.contains("\n101\n"), "{said}");
    let saved = std::fs::read_to_string(folder.path().join("t.pattern")).expect("it was saved");
    assert!(saved.contains("== \"n3\"") && saved.contains("== \"rich\""), "{saved}");
}

#[test]
fn a_mark_before_a_script_says_nothing() {
    let folder = project();
    let output = script(folder.path(), "\u{feff}1 + 1\n");
    assert_eq!((seen(&output).as_str(), output.status.code()), ("2\n", Some(0)));
    std::fs::write(folder.path().join("script"), "\u{feff}2 + 3\n").expect("there is room");
    assert_eq!(seen(&script(folder.path(), ":load script\n")), "5\n");
}

/// What was bound twice, or never looked at again, is no mistake at the prompt; in a test it would be warned of.
#[test]
fn a_saved_test_has_no_warnings_of_its_own() {
    let folder = project();
    let lines = format!(
        "{ANN}ann.balance\nlet unused = ann.withdraw(1)\n{}ann.balance\n:save t.pattern\n",
        ANN.replace("\"ann\", balance: 100", "\"eve\"")
    );
    let said = seen(&script(folder.path(), &lines));
    assert!(said.ends_with("saved as the test \"t\" in t.pattern\n"), "{said}");
    let saved = std::fs::read_to_string(folder.path().join("t.pattern")).expect("it was saved");
    assert!(saved.contains("let ann_2 = ") && saved.contains("expect ann_2.balance == 0"), "{saved}");
    let checked =
        patternc(folder.path()).args(["check", "--error-on-warning", "t.pattern"]).output().expect("the binary of the test starts");
    assert_eq!(checked.status.code(), Some(0), "{saved}\n{}", seen(&checked));
}

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("bank.pattern"), BANK).expect("there is room for a file");
    folder
}

fn script(folder: &Path, lines: &str) -> Output {
    let mut command = patternc(folder);
    command.arg("repl");
    run_with_input(command, lines)
}

/// Runs a script and looks for lines in what it prints, in this order.
fn says(lines: &str, expected: &[&str]) -> String {
    let said = seen(&script(project().path(), lines));
    let mut rest = said.as_str();
    for line in expected {
        match rest.find(line) {
            // The end of a line may begin the next one.
            Some(at) => rest = &rest[at + line.trim_end().len()..],
            None => panic!("{line:?} does not follow in\n{said}"),
        }
    }
    said
}

const ANN: &str = "let ann = create Account in bank { owner: \"ann\", balance: 100 }\n";
const TOLD: &str = "let n = create Notices in notices { }\nlet bob = create Account in bank { owner: \"bob\", told: n }\n";

#[test]
fn two_sessions_conflict_before_ones_eyes() {
    says(
        &format!("{ANN}:begin ann.withdraw(30)\n:session second\nann.withdraw(80)\n:sessions\n:session main\n:commit\nann.balance\n"),
        &[
            "begun in session main, not committed: Account/",
            "has read Account/",
            "would do: Account/",
            ".balance -= 30",
            "this is the new session second\n",
            ".balance -= 80",
            "\n20\n",
            "  main: Account/",
            ".withdraw(30) is open\n* second",
            "this is again session main\n",
            "conflict: Account/",
            ".balance, which it had read, was changed by #2 Account/",
            ".withdraw(80); it runs again\n",
            "failed: rejected: only 20 left\n",
            "\n20\n",
        ],
    );
}

#[test]
fn what_is_open_and_not_disturbed_commits_as_it_ran() {
    let said = says(
        &format!("{ANN}:begin let left = ann.withdraw(30)\nann.withdraw(1)\nann.balance\n:commit\nleft + 1\nann.balance\n"),
        &["is open in this session: `:commit` or `:rollback` it first", "\n100\n", ".balance -= 30\n71\n70\n"],
    );
    assert!(!said.contains("conflict"), "{said}");
    says(
        &format!("{ANN}:begin ann.withdraw(30)\n:rollback\n:commit\nann.balance\n"),
        &["rolled back: Account/", "nothing is open in session main", "\n100\n"],
    );
    says(&format!("{ANN}:begin ann.withdraw(300)\n:commit\n"), &["would fail: rejected: only 100 left", "failed: rejected: only 100 left"]);
    says(&format!("{ANN}:begin ann.balance\n"), &["one call or `create` can be left open"]);
}

#[test]
fn deliveries_are_held_and_let_through_one_by_one() {
    says(
        &format!(
            "{TOLD}:deliver\n:hold\nbob.deposit(5)\nbob.deposit(6)\nn.lines\n:status\n:deliver\nn.lines\nbob.log\n:deliver\n:deliver all\n\
             n.lines\nbob.log\n:status\n"
        ),
        &[
            "deliveries are not held",
            "deliveries are held",
            ".balance += 5\n  sent Notices/",
            "\n[]\n",
            "on its way Notices/",
            ".note(\"bob\", 5)\n",
            "delivered: Notices/",
            ".note, sent by Account/",
            ".lines += \"bob: 5\"\n",
            "next: ",
            "\n[\"bob: 5\"]\n[]\n",
            "delivered: ",
            "delivered: ",
            "deliveries are no longer held\n",
            "\n[\"bob: 5\", \"bob: 6\"]\n[\"told\", \"told\"]\nnothing is on its way\n",
        ],
    );
}

#[test]
fn a_watched_expression_is_shown_when_it_changes() {
    let said = says(
        &format!(
            "{ANN}:watch ann.balance\n:watch ann.deposit(1)\nann.deposit(7)\nann.balance\n:watch\n:unwatch 1\nann.deposit(1)\n:watch\n"
        ),
        &[
            "ann.balance = 100\n",
            "only an expression can be watched",
            "  ann.balance: 100 → 107\n",
            "\n107\n",
            "1 ann.balance = 107\n",
            "ann.balance is no longer watched\n",
            "nothing is watched",
        ],
    );
    assert_eq!(said.matches('→').count(), 1, "{said}");
}

#[test]
fn undo_takes_data_names_and_history_back() {
    says(
        &format!("{ANN}:watch ann.balance\nann.deposit(7)\n:undo\nann.balance\n:history ann\n:undo\nann\n:undo\n"),
        &[
            "→ 107",
            "undone: ann.deposit(7)\n  ann.balance: 107 → 100\n",
            "\n100\n",
            "#1 create Account (session main)\n  created Account/",
            "undone: let ann",
            "`ann`",
            "there is nothing to undo",
        ],
    );
    let folder = project();
    let config = "deployments:\n  local:\n    stores: { main: { kind: sqlite, path: data.db } }\n    spaces: { \"*\": main }\ndefault-deployment: local\n";
    std::fs::write(folder.path().join("patternc.yaml"), config).expect("there is room");
    let said = seen(&script(folder.path(), &format!("{ANN}:undo\nann.balance\n")));
    assert!(said.contains("only data in memory are undone") && said.contains("\n100\n"), "{said}");
}

#[test]
fn what_changed_nothing_is_not_undone_and_keeps_nothing_from_being_saved() {
    let folder = project();
    let lines = format!(
        "{ANN}ann.deposit(7)\nlet left = ann.withdraw(300)\nfor i in range(3) {{ let z = i }}\n:save one.pattern\n:undo\nann.balance\n"
    );
    let said = seen(&script(folder.path(), &lines));
    assert!(said.contains("undone: ann.deposit(7)") && said.ends_with("100\n"), "{said}");
    assert!(folder.path().join("one.pattern").exists(), "{said}");
}

#[test]
fn what_is_held_or_open_survives_undo_and_new_declarations_as_far_as_it_can() {
    says(
        &format!("{TOLD}:hold\nbob.deposit(5)\n:deliver\n:undo\nn.lines\nrecord Extra in bank {{ }}\n:deliver\nn.lines\n"),
        &["delivered: ", "undone: :deliver\n[]\n", "delivered: ", "[\"bob: 5\"]\n"],
    );
    says(
        &format!("{TOLD}:hold\nbob.deposit(5)\n:deliver all\n:undo\nn.lines\n:deliver\nn.lines\n"),
        &["no longer held", "undone: :deliver all\n[]\n", "delivered: ", "[\"bob: 5\"]\n"],
    );
    says(
        &format!("{ANN}:begin ann.withdraw(1)\nrecord Extra in bank {{ }}\n:commit\nann.balance\n"),
        &["which was open, is rolled back", "nothing is open", "\n100\n"],
    );
}

#[test]
fn the_history_of_a_record_names_what_wrote_it() {
    says(
        &format!("{ANN}ann.withdraw(1)\nann.withdraw(1000)\n:history ann\n:history Account/nobody\n:history x\n"),
        &[
            "#1 create Account (session main)\n",
            "#2 Account/",
            ".withdraw(1) (session main)\n  Account/",
            ".balance -= 1\n",
            ".withdraw(1000) (session main)\n  failed: rejected: only 99 left\n",
            "nothing has written Account/nobody",
        ],
    );
}

#[test]
fn effects_and_the_graph_are_those_of_the_compiler() {
    says(
        ":effects withdraw\n:effects Account.nothing\n:graph\n",
        &[
            "Account.withdraw\n  reads   self.balance, in `bank`, the space of `self`\n",
            "  writes  adds to self.balance",
            "  fails   a `require` that does not hold\n",
            "there is no handler `Account.nothing`; did you mean `Account.",
            "Account.deposit\n",
            "  sends Notices.note\n",
            "  writes Account.balance\n",
        ],
    );
}

#[test]
fn what_was_typed_is_saved_as_a_test_that_passes() {
    let folder = project();
    let lines = format!(
        "{ANN}ann.balance // so far\nann.withdraw(30)\nann.balance > 50 && true\nann.withdraw(1000)\nann.owner\nann\nspace other\n\
         record Extra in other {{ cell n: Int = 1 }}\nlet e = create Extra in other {{ }}\ne.n\n:save saved.pattern\n:save saved.pattern\n\
         :save! saved.pattern\n:save saved\n:save ../x.pattern\n"
    );
    let said = seen(&script(folder.path(), &lines));
    assert!(
        said.contains("saved as the test \"saved\" in saved.pattern\nsaved.pattern is there already: `:save! saved.pattern`"),
        "{said}"
    );
    assert_eq!(said.matches("saved as the test").count(), 2, "{said}");
    assert!(said.contains("lies outside of the project") && said.contains("`:save saved.pattern`"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("saved.pattern")).expect("it was saved");
    let expected = "use \"bank.pattern\" { Account, bank }\n\nspace other\n\nrecord Extra in other {\n  cell n: Int = 1\n}\n\ntest \"saved\" {\n  \
                    let ann = create Account in bank { owner: \"ann\", balance: 100 }\n  expect ann.balance == 100\n  \
                    let answer_1 = ann.withdraw(30)\n  expect answer_1 == 70\n  expect ann.balance > 50 && true\n  \
                    expect fail ann.withdraw(1000) with \"only 70 left\"\n  expect ann.owner == \"ann\"\n  expect ann.exists()\n  \
                    let e = create Extra in other { }\n  expect e.n == 1\n}\n";
    assert_eq!(text, expected);
    let tested = patternc(folder.path()).arg("test").output().expect("the binary of the test starts");
    assert!(seen(&tested).contains("1 passed, 0 failed"), "{}", seen(&tested));
}

#[test]
fn what_would_not_pass_is_left_out_or_refused() {
    let folder = project();
    let lines = format!("{TOLD}:hold\nbob.deposit(5)\nn.lines\n\"{{bob}}\"\n:deliver all\nn.lines\n:save saved.pattern\n");
    let said = seen(&script(folder.path(), &lines));
    assert!(said.contains("1 expectation left out as a comment"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("saved.pattern")).expect("it was saved");
    assert!(text.contains("  hold {\n    bob.deposit(5)\n    expect n.lines == []\n    // Not so when it runs anew: this does not hold\n    // expect \"{bob}\" == ") && text.contains("  expect n.lines == [\"bob: 5\"]\n"), "{text}");
    let tested = patternc(folder.path()).arg("test").output().expect("the binary of the test starts");
    assert!(seen(&tested).contains("1 passed"), "{}", seen(&tested));
    says(
        &format!("{ANN}if true {{ let z = create Account in bank {{ owner: \"z\" }} z.withdraw(200) }}\n:save t.pattern\n"),
        &["failed halfway", "nothing is saved"],
    );
    says(":save t.pattern\n", &["nothing was entered"]);
}

#[test]
fn a_file_of_entries_is_loaded_as_if_it_were_typed() {
    let folder = project();
    std::fs::write(folder.path().join("entries"), format!("{ANN}ann.deposit(1)\nann.balance\n")).expect("there is room");
    std::fs::write(folder.path().join("again"), ":load again\n").expect("there is room");
    let said = seen(&script(folder.path(), ":load entries\nann.balance + 1\n:load nowhere\n:load\n:load again\n"));
    for line in ["\n101\n102\n", "cannot read nowhere", "which file?", "16 files load one another"] {
        assert!(said.contains(line), "{line:?} in\n{said}");
    }
}

#[test]
fn data_in_memory_take_on_a_new_program_or_the_old_one_goes_on() {
    let folder = project();
    let lines =
        format!("{ANN}record Pair in bank {{ cell one: Account }}\nlet p = create Pair in bank {{ one: ann }}\np.one.balance\n:records\n");
    let said = seen(&script(folder.path(), &lines));
    assert!(said.contains("\n100\nAccount                  1\nNotices                  0\nPair                     1\n"), "{said}");
}

#[test]
fn an_unknown_command_names_the_nearest() {
    says(":undoo\n:help\n", &["there is no command `:undoo`; did you mean `:undo`?", ":save FILE", "writes what was entered as a test"]);
}

#[test]
fn what_was_saved_is_loaded_again() {
    let folder = project();
    let saved = seen(&script(folder.path(), &format!("{ANN}ann.deposit(2)\nann.balance\n:save t.pattern\n")));
    assert!(saved.contains("saved as the test \"t\""), "{saved}");
    let output = script(folder.path(), ":load t.pattern\nann.balance\n");
    let said = seen(&output);
    assert!(output.status.success() && said.contains(".balance += 2\n") && said.ends_with("102\n"), "{said}");
    // A file that is none of the project brings what it declares.
    std::fs::create_dir(folder.path().join("inner")).expect("there is room for a folder");
    std::fs::write(folder.path().join("inner/patternc.yaml"), "patterns: [\"**/*.pattern\"]\n").expect("there is room");
    let text =
        "/// One more.\nrecord Extra in bank { cell n: Int = 4 }\ntest \"e\" { let e = create Extra in bank { }\n expect e.n == 4 }\n";
    std::fs::write(folder.path().join("inner/e.pattern"), text).expect("there is room");
    let output = script(folder.path(), ":load inner/e.pattern\ne.n + 1\n");
    let said = seen(&output);
    assert!(output.status.success() && said.ends_with("\n5\n"), "{said}");
}

#[test]
fn what_the_project_declares_needs_no_import_and_is_not_declared_again() {
    let folder = project();
    let output = script(folder.path(), "use \"bank.pattern\" { Account }\nfn two() -> Int { 2 }\nuse \"bank.pattern\" { bank }\ntwo()\n");
    let said = seen(&output);
    assert!(output.status.success() && said == "2\n", "{said}");
    says("use \"bank.pattern\" { Acount }\n", &["bank.pattern declares no `Acount`"]);
    says("use \"none.pattern\" { Acount }\n", &["error[unresolved-import]"]);
    says("record Account in bank { cell n: Int = 0 }\n", &["bank.pattern declares `Account`, which is known here"]);
}

#[test]
fn findings_in_what_is_typed_have_its_lines() {
    let said = says("fn two() -> Int { 2 }\nrecord P in bank {\n  cell n: Int = \"\"\n}\n", &["repl-2.pattern:2:17"]);
    assert!(!said.contains("use \"bank.pattern\""), "{said}");
}

#[test]
fn an_expectation_that_does_not_hold_shows_both_sides() {
    says(&format!("{ANN}expect ann.balance > 1 && ann.balance == 1\n"), &["this does not hold\n  left: 100\n  right: 1\n"]);
}

#[test]
fn commands_say_what_was_meant() {
    let said = says(
        &format!("{ANN}:records account\n:quit now\n:reload\nann.balance\n"),
        &[
            "there is no record type `account`; did you mean `Account`?",
            "`:quit` takes nothing: `now` is too much",
            "no file has changed",
            "100\n",
        ],
    );
    assert!(!said.contains("forgotten"), "{said}");
    let twice = "record Both in bank { handler go(a: Account) writes Account.balance, Account.log { a.balance = a.balance + a.balance\n a.log += \"\" \n a.balance += 1\n a.log += \"\" } }\n";
    let said = says(&format!("{twice}:effects Both.go\n"), &["Both.go\n"]);
    assert_eq!(said.matches("appends to a.log").count(), 1, "{said}");
}
