//! The prompt and the outside: calls that nobody answers, what is given, what is waited for, and how all of it is saved.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::patternc::{patternc, run_with_input, seen};

const SHOP: &str = r#"
space shop

struct Receipt {
  id: Text,
  amount: Int,
}

extern payments {
  charge(account: Text, amount: Int) -> Receipt idempotent
}

record Account in shop {
  cell owner: Text key
  cell balance: Int = 0
  cell log: List<Text> = []
  cell since: Time = now()

  handler deposit(amount: Int) {
    self.balance += amount
  }

  handler pay(amount: Int) -> Int {
    return send payments.charge(self.owner, amount) then {
      ok(r) => {
        self.balance += r.amount
        return self.balance
      }
      err(e) => { fail e.message }
    }
  }

  handler order(amount: Int) {
    send payments.charge(self.owner, amount) then {
      ok(r) => { self.log += r.id }
      err(e) => { self.log += e.message }
    }
  }

  handler later() -> Int {
    return send self.tick() after 10m
  }

  internal handler tick() -> Int {
    self.balance += 1000
    return self.balance
  }

  handler heavy(n: Int) {
    for i in range(n) {
      for j in range(n) {
        self.balance += i * j
      }
    }
  }

  handler take(amount: Int) -> Int {
    require amount <= self.balance else "only {self.balance} left"
    self.balance -= amount
    return self.balance
  }
}
"#;

const ANN: &str = "let ann = create Account in shop { owner: \"ann\", balance: 100 }\n";

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("shop.pattern"), SHOP).expect("there is room for a file");
    folder
}

/// The same with a deployment in memory, and a command that answers: after `fails` refusals that say to come again, by its input.
fn deployed(script: &str) -> tempfile::TempDir {
    let folder = project();
    let config = "default-deployment: local\ndeployments:\n  local:\n    stores: { main: { kind: memory } }\n    spaces: { \"*\": main }\n    \
                  externs:\n      payments: { kind: command, run: [\"sh\", \"./pay.sh\"] }\n";
    for (name, text) in [("patternc.yaml", config), ("pay.sh", script)] {
        std::fs::write(folder.path().join(name), text).expect("there is room for a file");
    }
    folder
}

fn enter(folder: &Path, lines: &str) -> String {
    let mut command = patternc(folder);
    command.arg("repl");
    seen(&run_with_input(command, lines))
}

/// Looks for lines in what is said, in this order.
fn follow(said: &str, expected: &[&str]) {
    let mut rest = said;
    for line in expected {
        match rest.find(line) {
            Some(at) => rest = &rest[at + line.trim_end().len()..],
            None => panic!("{line:?} does not follow in\n{said}"),
        }
    }
}

/// The saved file, which passes as a test and is formatted.
fn saved(folder: &Path, name: &str) -> String {
    let tested = patternc(folder).arg("test").output().expect("the binary of the test starts");
    let text = std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(seen(&tested).contains("1 passed, 0 failed"), "{}\n{text}", seen(&tested));
    let formatted = patternc(folder).args(["fmt", "--check", name]).output().expect("the binary of the test starts");
    assert!(formatted.status.success(), "{}\n{text}", seen(&formatted));
    text
}

#[test]
fn a_call_that_nobody_answers_is_explained_at_once_and_answered_by_what_is_given() {
    let folder = project();
    let lines = format!(
        "{ANN}ann.pay(5)\nann.order(2)\n:status\ngiven payments.charge(who, n) => Receipt {{ id: who, amount: n }}\nann.log\nann.pay(7)\n\
         given payments.charge fails \"down\" 2 times\nann.pay(1)\nann.order(1)\nann.pay(8)\nann.log\n"
    );
    follow(
        &enter(folder.path(), &lines),
        &[
            ".pay has no answer yet: nobody answers the call that it waits for\n",
            "payments.charge(\"ann\", 5) waits: nothing answers the extern `payments`\n",
            "given payments.charge(account, amount) => Receipt { id: \"\", amount: 0 }\n",
            "given payments.charge fails \"down\" 2 times\n",
            "under `externs` of a deployment in patternc.yaml",
            "sent payments.charge\n",
            "payments.charge(\"ann\", 5): nothing answers the extern `payments`",
            ".balance += 5\n",
            ".pay(5) was answered: 105\n",
            "\n[\"ann\"]\n",
            "\n112\n",
            "payments.charge failed: rejected: down\n  failed: rejected: down\n",
            "payments.charge failed: rejected: down\n",
            "\n120\n[\"ann\", \"down\"]\n",
        ],
    );
}

#[test]
fn what_was_given_outlives_a_declaration_and_goes_with_undo() {
    let folder = project();
    let lines = format!(
        "{ANN}let more = 3\ngiven payments.charge(_who, n) => Receipt {{ id: \"x\", amount: n + more }}\n\
         given payments.charge fails \"down\" 2 times\nann.pay(1)\nrecord First in shop {{ }}\nann.pay(1)\nann.pay(1)\n\
         given payments.charge fails \"later\" 1 times\nann.pay(1)\n:undo\n:undo\nann.pay(2)\n"
    );
    let said = enter(folder.path(), &lines);
    follow(
        &said,
        &[
            "failed: rejected: down",
            "failed: rejected: down",
            "\n104\n",
            "failed: rejected: later",
            "undone: ann.pay(1)",
            "undone: given",
            "\n109\n",
        ],
    );
    assert_eq!(said.matches("\n  failed: rejected: down").count(), 2, "{said}");
}

#[test]
fn what_would_run_too_long_ends_with_the_limit_of_a_transaction() {
    let folder = project();
    let lines = format!(
        "{ANN}range(3000).map(x => range(4000).len())\nfor i in range(3000) {{ let z = range(4000) }}\nann.heavy(4000)\nann.balance\n\
         for i in range(30) {{ ann.deposit(1) }}\nann.balance\n"
    );
    let said = enter(folder.path(), &lines);
    follow(&said, &["\nbudget: this takes", "\nbudget: this takes", "failed: budget: the transaction takes", "\n100\n", "\n130\n"]);
    assert_eq!(said.matches("more than 10000000 steps").count(), 3, "{said}");
    assert_eq!(said.matches("(setting `steps`)").count(), 3, "{said}");
}

#[test]
fn statements_of_tests_work_where_they_make_sense_and_say_the_way_out_where_not() {
    let folder = project();
    let lines = format!(
        "{ANN}ann.later()\n:status\nadvance 9m\nann.balance\nadvance 2m\nann.balance\nhold {{ ann.deposit(1) ann.deposit(2) }}\ncrash\n\
         ann.balance\n:undo\n:undo\nann.balance\nconcurrently {{ ann.deposit(1) ann.deposit(2) }}\norder \"1\"\n\
         for i in range(1) {{ crash }}\nas \"did:x\" {{ ann.deposit(7) }}\nexpect ann.balance == 0\nexpect fail ann.take(5000) with \"left\"\n"
    );
    follow(
        &enter(folder.path(), &lines),
        &[
            "what it waits for is delayed (`:status` shows it; `advance 5m` moves the clock)\n",
            "later",
            "\n100\n",
            ".later() was answered: 1100\n1100\n",
            ".balance += 2\ncrashed, and started again on what was durable\n1103\n",
            "undone: crash\nundone: hold",
            "\n1100\n",
            "`concurrently` is for tests",
            "`order` is for tests",
            "`crash` is an entry of its own here",
            ".balance += 7\n",
            "this does not hold",
            "failed: rejected: only 1107 left\n",
        ],
    );
}

#[test]
fn what_the_outside_was_asked_is_saved_with_calls_that_were_answered_late() {
    let folder = project();
    let lines = format!(
        "{ANN}ann.pay(5)\ngiven payments.charge(who, n) => Receipt {{ id: who, amount: n }}\nann.pay(7)\nann.balance * 2\n\
         given payments.charge fails \"down\" 1 times\nann.pay(8)\nann.since\nlet left = ann.take(1000)\n[1, 2][5]\nann.deposit(1) ann.take(2)\n\
         for a in [ann] {{ a.deposit(2) a.take(30000) }}\nann.later()\nadvance 10m\n:retry\nann.balance\n:save saved.pattern\n"
    );
    let said = enter(folder.path(), &lines);
    assert!(said.contains("saved as the test \"saved\" in saved.pattern, with 4 comments on what no test can say\n"), "{said}");
    let text = saved(folder.path(), "saved.pattern");
    follow(
        &text,
        &[
            "use \"shop.pattern\" { Account, Receipt, payments, shop }\n",
            "  given payments.charge(who, n) => Receipt { id: who, amount: n }\n  let answer_1 = ann.pay(5)\n  expect answer_1 == 105\n",
            "  let answer_2 = ann.pay(7)\n  expect answer_2 == 112\n  expect (ann.balance * 2) == 224\n",
            "  given payments.charge fails \"down\" 1 times\n  expect fail ann.pay(8) with \"down\"\n",
            "  // Not expected: `ann.since` was \"",
            "  expect fail ann.take(1000) with \"only 112 left\"\n",
            "  // Left out: `[1, 2][5]`. It failed",
            "  ann.deposit(1)\n  let answer_3 = ann.take(2)\n  expect answer_3 == 111\n",
            "  ann.deposit(2)\n  expect fail ann.take(30000) with \"only 113 left\"\n",
            "  ann.later()\n  // Left out: `ann.later()`. Its answer, 1113, came only as time passed.\n  advance 10m\n",
            "  // Left out: `:retry`.",
            "  expect ann.balance == 1113\n",
        ],
    );
}

#[test]
fn what_was_given_late_is_saved_before_what_waited_for_it() {
    let folder = project();
    let lines = format!(
        "{ANN}ann.order(5)\n:hold\nann.order(6)\n:deliver all\ngiven payments.charge(who, n) => Receipt {{ id: \"{{who}} {{n}}\", amount: n }}\n\
         ann.log\n:save saved.pattern\n"
    );
    let said = enter(folder.path(), &lines);
    // What was caused shows with what caused it.
    assert!(!said.contains("meanwhile"), "{said}");
    let text = saved(folder.path(), "saved.pattern");
    follow(&text, &["given payments.charge(who, n)", "  ann.order(5)\n", "  ann.order(6)\n", "expect ann.log == [\"ann 5\", \"ann 6\"]\n"]);
}

#[test]
fn a_call_that_failed_only_once_it_was_delivered_is_saved() {
    let folder = project();
    let lines = format!(
        "{ANN}given payments.charge fails \"declined\"\n:hold\nann.pay(5)\nann.order(6)\nlet bob = create Account in shop {{ owner: \"bob\" }}\n\
         ann.log\n:deliver\n:deliver all\nann.log\nbob.balance\n:save saved.pattern\n"
    );
    let said = enter(folder.path(), &lines);
    follow(&said, &["what it waits for is held (`:deliver` lets it through)", ".pay(5) failed: rejected: declined", "saved as the test"]);
    let text = saved(folder.path(), "saved.pattern");
    follow(
        &text,
        &[
            "let bob = create",
            "  hold {\n    ann.order(6)\n    expect ann.log == []\n  }\n",
            "expect fail ann.pay(5) with \"declined\"\n",
            "expect ann.log == [\"declined\"]\n",
        ],
    );
}

#[test]
fn what_adapters_answered_is_saved_as_given() {
    // A refusal, then an answer by what was asked.
    let folder = deployed(
        "input=$(cat)\necho x >> tries\n[ $(wc -l < tries) -gt 1 ] || { echo \"no money\"; exit 65; }\ncase \"$input\" in *50*) echo \
         '{\"id\":\"big\",\"amount\":50}';; *) echo '{\"id\":\"small\",\"amount\":1}';; esac\n",
    );
    let lines = format!(
        "{ANN}given payments.charge fails \"x\"\nadvance 5m\nann.pay(1)\nann.order(50)\nann.order(1)\nann.log\n:save saved.pattern\n"
    );
    let said = enter(folder.path(), &lines);
    follow(
        &said,
        &["an adapter of the deployment answers `payments`: `patternc repl --memory`", "the clock of a deployment is that of the machine"],
    );
    let text = saved(folder.path(), "saved.pattern");
    follow(
        &text,
        &[
            "given payments.charge fails \"no money\" 1 times\n  expect fail ann.pay(1) with \"no money\"\n",
            "given payments.charge(account, amount) => Receipt { id: \"big\", amount: 50 }\n  ann.order(50)\n",
            "expect ann.log == [\"big\", \"small\"]\n",
        ],
    );
    // Without the deployment the same project runs in memory.
    let mut command = patternc(folder.path());
    command.args(["repl", "--memory"]);
    let said = seen(&run_with_input(command, &format!("{ANN}ann.pay(1)\n")));
    assert!(said.contains("nothing answers the extern `payments`"), "{said}");
}

/// A prompt that reads a pipe, and that Ctrl-C is sent to.
struct Piped {
    child: std::process::Child,
    errors: BufReader<std::process::ChildStderr>,
}

impl Piped {
    fn start(folder: &Path) -> Self {
        let mut child = patternc(folder)
            .args(["repl", "--echo"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary of the test starts");
        let errors = BufReader::new(child.stderr.take().expect("the errors are piped"));
        Piped { child, errors }
    }

    fn types(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("the input is piped");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).expect("the prompt reads");
    }

    /// Presses Ctrl-C, and gives what the prompt had printed and how it ended.
    fn interrupted(mut self) -> (String, Option<i32>) {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("`kill` is there");
        assert!(killed.success());
        // The pipe stays open until the prompt has ended by itself.
        let input = self.child.stdin.take();
        let output = self.child.wait_with_output().expect("the output is text of bounded size");
        drop(input);
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_gives_up_waiting_and_ends_a_script() {
    // Asked again and again.
    let folder = deployed("exit 75\n");
    let mut prompt = Piped::start(folder.path());
    prompt.types(&format!("{ANN}ann.pay(5)\nann.balance\n"));
    let mut notice = String::new();
    prompt.errors.read_line(&mut notice).expect("the errors are text");
    assert!(notice.starts_with("waiting for payments.charge ("), "{notice}");
    assert!(notice.ends_with("Ctrl-C gives up waiting; what is durable goes on\n"), "{notice}");
    let (said, code) = prompt.interrupted();
    assert!(said.ends_with(".pay is no longer waited for; it goes on (`:status` shows it)\n"), "{said}");
    assert_eq!(code, Some(130), "{said}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_a_loop_of_a_script() {
    let folder = project();
    let mut prompt = Piped::start(folder.path());
    let mut said = BufReader::new(prompt.child.stdout.take().expect("the output is piped"));
    // It would take minutes.
    prompt.types(&format!("{ANN}for i in range(1000000) {{ ann.deposit(1) }}\nann.balance\n"));
    let mut line = String::new();
    while !line.starts_with("> for i in range") {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("the output is text"), 0, "the prompt has ended");
    }
    let reader = std::thread::spawn(move || {
        let mut rest = String::new();
        said.read_to_string(&mut rest).map(|_| rest)
    });
    let (_, code) = prompt.interrupted();
    let said = reader.join().expect("the reader does not panic").expect("the output is text");
    assert_eq!(code, Some(130), "{said}");
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("interrupted"), "{last}");
}
