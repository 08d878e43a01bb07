//! Fixes over the bad example of every rule, over every project of the suites, and over generated programs, whole and broken: what they leave
//! parses as well as before, is better, keeps to the style where it did, and is left alone by fixing it again.

use std::collections::BTreeMap;
use std::path::Path;

use patternc_compiler::diagnostic::Level;
use patternc_compiler::rules::{self, Check};
use patternc_interpreter::host::Random;
use patternc_tests::broken::{corpus, mangle};
use patternc_tests::generate::{Tape, pattern};
use serde_json::Value;

use crate::patternc::{patternc, seen};

/// The projects of the section "Bad" of a page: blocks that name a file are one, others stand alone.
fn bad_examples(page: &str) -> Vec<Vec<(String, String)>> {
    let section = page.split("\n## Bad\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut together = Vec::new();
    let mut alone = Vec::new();
    for block in section.split("```pattern").skip(1) {
        let Some((info, rest)) = block.split_once('\n') else { continue };
        let text = rest.split("```").next().unwrap_or_default().to_owned();
        match text.lines().next().and_then(|line| line.strip_prefix("// file: ")) {
            Some(name) => together.push((name.trim().to_owned(), text)),
            // One that needs a configuration beside it is tried with its rule.
            None if info.contains("config") => {}
            None => alone.push(vec![("example.pattern".to_owned(), text)]),
        }
    }
    if !together.is_empty() {
        alone.push(together);
    }
    alone
}

fn findings(folder: &Path) -> Vec<Value> {
    let output = patternc(folder).args(["check", "--output-format", "json"]).output().expect("the binary of the test starts");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(&output)))
}

fn by_rule(findings: &[Value]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding["rule"].as_str().expect("a finding has a rule")).or_default() += 1;
    }
    counts
}

fn fix(folder: &Path, arguments: &[&str]) {
    let output = patternc(folder).args(["check", "--quiet"]).args(arguments).output().expect("the binary of the test starts");
    assert_ne!(output.status.code(), Some(2), "{}", seen(&output));
}

#[test]
fn what_fixes_leave_is_better() {
    let mut mended = 0;
    for rule in rules::ALL {
        for example in bad_examples(rule.page) {
            let folder = tempfile::tempdir().expect("there is room for a folder");
            for (name, text) in &example {
                std::fs::write(folder.path().join(name), text).expect("there is room for a file");
            }
            patternc(folder.path()).args(["fmt", "--quiet"]).output().expect("the binary of the test starts");
            let is_formatted = || {
                let output = patternc(folder.path()).args(["fmt", "--check"]).output().expect("the binary of the test starts");
                output.status.success()
            };
            let (formatted, before) = (is_formatted(), findings(folder.path()));
            let offered = |finding: &Value| finding["fixes"].as_array().is_some_and(|fixes| !fixes.is_empty());
            if !before.iter().any(offered) {
                continue;
            }
            fix(folder.path(), &["--fix"]);
            fix(folder.path(), &["--fix", "--unsafe-fixes"]);
            let after = findings(folder.path());
            let text = || -> String {
                example.iter().map(|(name, _)| std::fs::read_to_string(folder.path().join(name)).expect("it is there")).collect()
            };
            let (was, is) = (by_rule(&before), by_rule(&after));
            for text_rule in ["syntax", "wrong-case", "nesting-limit"] {
                assert!(is.get(text_rule) <= was.get(text_rule), "`{}`: the text is worse:\n{}", rule.name, text());
            }
            // What could not be understood may have hidden other findings; all else is new.
            if !matches!(rule.check, Check::InPassing) {
                for (name, number) in &is {
                    assert!(was.get(name) >= Some(number), "`{}`: `{name}` is new:\n{}", rule.name, text());
                }
            }
            assert!(!formatted || is_formatted(), "`{}`: the style is lost:\n{}", rule.name, text());
            mended += usize::from(is.values().sum::<usize>() < was.values().sum());
        }
    }
    assert!(mended >= 12, "only {mended} of the bad examples are better after their fixes");
}

/// The code of a line and the comment behind it.
fn halves(line: &str) -> (&str, Option<&str>) {
    match line.split_once("// c") {
        Some((code, comment)) => (code.trim(), Some(comment.trim())),
        None => (line.trim(), None),
    }
}

#[test]
fn comments_stay_with_what_they_are_about() {
    let mut kept = 0;
    for rule in rules::ALL {
        for example in bad_examples(rule.page) {
            let folder = tempfile::tempdir().expect("there is room for a folder");
            let mut comments = 0;
            let mut before = Vec::new();
            for (name, text) in &example {
                let mut noted = String::new();
                for line in text.lines() {
                    comments += 1;
                    noted.push_str(&format!("{line} // c{comments}\n"));
                }
                std::fs::write(folder.path().join(name), &noted).expect("there is room for a file");
                before.push(noted);
            }
            let found = findings(folder.path());
            // What cannot be read may be a comment that was written into it.
            if found.iter().any(|finding| finding["rule"] == "syntax") {
                continue;
            }
            fix(folder.path(), &["--unsafe-fixes"]);
            let after: String =
                example.iter().map(|(name, _)| std::fs::read_to_string(folder.path().join(name)).expect("it is there")).collect();
            let lines: Vec<(&str, Option<&str>)> = after.lines().map(halves).collect();
            for (code, comment) in before.iter().flat_map(|text| text.lines()).map(halves) {
                let places: Vec<&str> = lines.iter().filter(|(_, known)| *known == comment).map(|(code, _)| *code).collect();
                assert_eq!(places.len(), 1, "`{}`: the comment behind `{code}` is there {} times:\n{after}", rule.name, places.len());
                let stays = lines.iter().any(|(other, _)| *other == code);
                assert!(
                    !stays || places[0] == code,
                    "`{}`: the comment behind `{code}` stands behind `{}`:\n{after}",
                    rule.name,
                    places[0]
                );
                kept += 1;
            }
        }
    }
    assert!(kept > 300, "{kept}");
}

/// Another name is in the way of what the rule would write.
const HARMFUL: &str = "space home\n\nrecord R in home {\n  cell l: List<Text> = []\n  cell m: List<Text> = []\n\n  handler go(each: Text) {\n    \
                       self.l = self.l + self.m\n    self.m = self.m + [each]\n  }\n}\n";

#[test]
fn a_fix_that_does_harm_is_neither_offered_nor_counted_nor_followed() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("a.pattern"), HARMFUL).expect("there is room for a file");
    let run = |arguments: &[&str]| {
        let output = patternc(folder.path()).arg("check").args(arguments).output().expect("the binary of the test starts");
        seen(&output)
    };
    let offered: Vec<usize> = findings(folder.path()).iter().map(|finding| finding["fixes"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(offered, [0, 1]);
    assert!(run(&["--statistics"]).contains("2 warn[overwrite-append] (1 with a fix)"), "{}", run(&["--statistics"]));
    let full = run(&[]);
    assert_eq!((full.matches("fix: write `+=`").count(), full.matches("fix: add the elements").count()), (1, 0), "{full}");
    let said = run(&["--fix", "--unsafe-fixes"]);
    assert!(said.contains("1 finding mended, 1 file changed\n"), "{said}");
    let left = "left alone: a.pattern:8:5: overwrite-append: the fix \u{201c}add the elements one by one\u{201d}: it would bring `shadowed-name`: ";
    assert!(said.contains(left), "{said}");
}

#[test]
fn a_fix_that_says_the_same_mistake_in_other_words_is_not_offered() {
    for cell in [
        "cell name: Text not blank\n  handler rename(to: Text) { self.name = to }",
        "cell n: Int = 0\n  cell o: P?\n  handler a() { self.n = self.o.n }",
    ] {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("a.pattern"), format!("space home\n\nrecord P in home {{\n  {cell}\n}}\n"))
            .expect("there is room");
        let found = findings(folder.path());
        assert!(!found.is_empty() && found.iter().all(|finding| finding["fixes"].as_array().is_none_or(Vec::is_empty)), "{found:#?}");
    }
}

#[test]
fn what_takes_more_than_safe_fixes_is_said() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("a.pattern"), HARMFUL.replace("each: Text", "other: Text").replace("[each]", "[other]"))
        .expect("there is room");
    let output = patternc(folder.path()).args(["check", "--fix"]).output().expect("the binary of the test starts");
    let said = seen(&output);
    assert!(said.contains("1 finding mended, 1 file changed\n1 finding more with --unsafe-fixes\n"), "{said}");
}

#[test]
fn a_write_that_becomes_an_event_needs_no_entry_any_more() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let text = "space a\nspace b\n\nrecord Account in a {\n  cell token: Text = \"\"\n  cell used: Int = 0\n}\n\nrecord Agent in b {\n  cell account: Account\n\n  \
                handler renew(token: Text) writes Account.token, Account.used {\n    self.account.token = token\n    self.account.used += 1\n  }\n}\n";
    std::fs::write(folder.path().join("a.pattern"), text).expect("there is room for a file");
    fix(folder.path(), &["--unsafe-fixes"]);
    let fixed = std::fs::read_to_string(folder.path().join("a.pattern")).expect("it is there");
    assert!(fixed.contains("handler renew(token: Text) {") && fixed.contains("send self.account.set_token(token)"), "{fixed}");
    assert_eq!(findings(folder.path()).iter().filter(|finding| finding["rule"] == "unused-write").count(), 0, "{fixed}");
}

/// What a text has become once the fixes are followed.
fn fixed(text: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("a.pattern"), text).expect("there is room for a file");
    fix(folder.path(), arguments);
    std::fs::read_to_string(folder.path().join("a.pattern")).expect("it is there")
}

#[test]
fn no_fix_asks_whether_two_families_are_one_space() {
    let text = "space user[Text]\nspace room[Text]\n\nrecord User in user {\n  cell last: Room@any?\n}\n\nrecord Room in room {\n  \
                cell authors: Set<User@any> = Set[]\n  cell next: Room?\n\n  handler come(who: User@any) writes User.last {\n    \
                self.authors += who\n    who.last = self\n  }\n\n  handler lead(user: User@any) {\n    self.next = user.last\n  }\n}\n";
    let fixed = fixed(text, &["--unsafe-fixes"]);
    assert!(!fixed.contains("same_space"), "{fixed}");
}

/// A name in the wrong case hides nothing else on its line, and is mended with it.
#[test]
fn a_type_in_lower_case_hides_no_other_mistake() {
    for (wrong, right, cased) in [
        ("n: string[] = []", "n: List<Text> = []", 0),
        ("n: number = 0;", "n: Int = 0", 1),
        ("n: boolean = false;", "n: Bool = false", 1),
        ("n: string = 'a'", "n: Text = \"a\"", 1),
    ] {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let text = |cell: &str| format!("space a\n\nrecord R in a {{\n  cell {cell}\n}}\n");
        std::fs::write(folder.path().join("a.pattern"), text(wrong)).expect("there is room for a file");
        let expected = BTreeMap::from_iter([("syntax", 1), ("wrong-case", cased)].into_iter().filter(|(_, count)| *count > 0));
        assert_eq!(by_rule(&findings(folder.path())), expected, "{wrong}");
        assert_eq!(fixed(&text(wrong), &["--unsafe-fixes"]), text(right));
    }
}

/// What is written out of habit is written as it is here, with no word lost; what else is broken in the file stays as it is.
#[test]
fn habits_are_mended_where_the_rest_is_broken() {
    let wrong = "space a\nenum S { Open | Done }\nclass Item {\n  n Int\n  cell names: string[] = []\n  cell s: S = S.Open\n  \
                 handler total(): Int { return self.n }\n  handler add(by: Int) {\n    self.names += `x ${by}`\n    self.n += = by\n  }\n}\n";
    let right = "space a\nenum S { open, done }\nrecord Item {\n  cell n: Int\n  cell names: List<Text> = []\n  cell s: S = S.open\n  \
                 handler total() -> Int { return self.n }\n  handler add(by: Int) {\n    self.names += \"x {by}\"\n    self.n += = by\n  }\n}\n";
    assert_eq!(fixed(wrong, &["--fix"]), right);
}

/// `not` of other languages reaches further than `!`: what it negates is the same afterwards.
#[test]
fn not_negates_the_same_afterwards() {
    let text = |condition: &str| {
        format!(
            "space a\n\nrecord R in a {{\n  cell ok: Bool = false\n  cell n: Int = 0\n  cell l: List<Int> = []\n\n  handler go(k: Int) {{\n    \
             if {condition} {{\n      self.n += k\n    }}\n  }}\n}}\n"
        )
    };
    for (wrong, right) in [
        ("not self.ok", "!self.ok"),
        ("not self.l.contains(k + 1) && self.ok", "!self.l.contains(k + 1) && self.ok"),
        ("not k in self.l", "!(k in self.l)"),
        ("self.ok || not k == 3 and self.n > 1", "self.ok || !(k == 3) && self.n > 1"),
        ("(not k > 3) && self.ok", "(!(k > 3)) && self.ok"),
    ] {
        assert_eq!(fixed(&text(wrong), &["--fix"]), text(right));
    }
}

/// A variant alone, in whatever case, would take everything: it is told once, and no arm is taken out for it.
#[test]
fn a_variant_that_stands_alone_loses_no_arm() {
    let text = |open: &str, shut: &str| {
        format!(
            "space a\n\nenum Kind {{ open, shut }}\n\nrecord R in a {{\n  cell kind: Kind = Kind.open\n  cell n: Int = 0\n\n  handler go() {{\n    \
             match self.kind {{\n      {open} => {{\n        self.n = 1\n      }}\n      {shut} => {{\n        self.n = 2\n      }}\n    }}\n  }}\n}}\n"
        )
    };
    for (open, shut) in [("open", "shut"), ("Open", "Shut"), ("OPEN", "Shut")] {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("a.pattern"), text(open, shut)).expect("there is room for a file");
        assert_eq!(by_rule(&findings(folder.path())), BTreeMap::from([("unknown-name", 2)]), "{open}");
        assert_eq!(fixed(&text(open, shut), &["--fix"]), text(open, shut));
        assert_eq!(fixed(&text(open, shut), &["--unsafe-fixes"]), text("Kind.open", "Kind.shut"));
    }
}

/// Where something is still to be written, any name may be used there.
#[test]
fn no_name_is_unused_where_something_is_still_to_be_written() {
    let text = "space a\n\nrecord R in a {\n  cell n: Int = 0\n\n  handler go(k: Int) {\n    let base = 3\n    self.n = self.\n  }\n}\n";
    assert_eq!(fixed(text, &["--fix"]), text);
}

/// What takes a word out of a line that cannot be parsed takes its blanks with it.
#[test]
fn a_word_that_is_removed_leaves_no_blanks() {
    let text = |cells: [&str; 4]| format!("space a\n\nrecord R in a {{\n  cell {}\n}}\n", cells.join("\n  cell "));
    let wrong = text(["n: int not null default 0", "m: string NOT NULL", "o: Text NOT NULL unique", "p: Text NOT NULL // it is"]);
    let right = text(["n: Int = 0", "m: Text", "o: Text unique", "p: Text // it is"]);
    assert_eq!(fixed(&wrong, &["--fix"]), right);
}

#[test]
fn a_condition_without_its_lambda_is_one_finding_with_the_lambda_as_its_fix() {
    let text = |condition: &str| {
        format!(
            "space a\n\nrecord W in a {{\n  cell sku: Text = \"\"\n  cell n: Int = 0\n\n  handler count(most: Int) {{\n    \
             self.n = W.where({condition}).len()\n  }}\n}}\n"
        )
    };
    for (wrong, right) in [
        ("sku == \"a\" && n < most", "w => w.sku == \"a\" && w.n < most"),
        ("sku.contains(\"{n}{most}\")", "w => w.sku.contains(\"{w.n}{most}\")"),
    ] {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("a.pattern"), text(wrong)).expect("there is room for a file");
        let found = findings(folder.path());
        assert_eq!(found.iter().filter(|finding| finding["level"] == "error").count(), 1, "{found:#?}");
        assert_eq!(fixed(&text(wrong), &["--fix"]), text(wrong));
        assert_eq!(fixed(&text(wrong), &["--unsafe-fixes"]), text(right));
    }
}

/// What a guarded handler calls outside is sent, and the rest stays one transaction; where the answer is used, that would tear test and write
/// apart, and nothing is done.
#[test]
fn a_call_of_the_outside_is_sent_without_what_stands_around_it() {
    let text = |call: &str| {
        format!(
            "space library\n\nextern mailer {{\n  post(to: Text, text: Text) -> Text idempotent\n}}\n\nrecord Book in library {{\n  \
             cell lent: Bool = false\n  cell told: Text = \"\"\n\n  handler lend(to: Text) {{\n    require !self.lent else \"lent\"\n    \
             {call}\n    self.lent = true // until it is back\n  }}\n}}\n"
        )
    };
    let sent = fixed(&text("mailer.post(to, \"you have it\")"), &["--unsafe-fixes"]);
    assert_eq!(sent, text("send mailer.post(to, \"you have it\")"));
    let used = text("let answer = mailer.post(to, \"you have it\")\n    self.told = answer");
    assert_eq!(fixed(&used, &["--unsafe-fixes"]), used);
}

/// A path that leads nowhere is one finding, whatever is done with the names, and mending it mends all.
#[test]
fn a_wrong_path_of_an_import_is_one_finding_that_is_mended() {
    let uses = "{ Person, home }\n\nrecord Club in home {\n  cell first: Person\n}\n\ntest \"a club\" {\n  let ada = create Person in home { name: \"Ada\" }\n  \
                let club = create Club in home { first: ada }\n  expect club.first == ada\n}\n";
    for path in ["./people", "people", "person.pattern", "folk/people.pattern", "folk.pattern"] {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("people.pattern"), "space home\n\nrecord Person in home {\n  cell name: Text\n}\n")
            .expect("there is room");
        let written = folder.path().join("m.pattern");
        std::fs::write(&written, format!("use \"{path}\" {uses}")).expect("there is room");
        let found = findings(folder.path());
        assert_eq!(by_rule(&found), BTreeMap::from([("unresolved-import", 1)]), "{path}");
        fix(folder.path(), &["--fix"]);
        assert_eq!(std::fs::read_to_string(&written).expect("it is there"), format!("use \"people.pattern\" {uses}"));
        assert!(findings(folder.path()).is_empty());
    }
}

/// The texts of all projects below a folder, by path.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).expect("it is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pattern") {
                let name = path.strip_prefix(folder).expect("it lies below").to_string_lossy().into_owned();
                found.insert(name, std::fs::read_to_string(path).expect("it is text"));
            }
        }
    }
    found
}

/// How often each rule is found in each project, notices left out.
fn by_project(findings: &[Value]) -> BTreeMap<String, BTreeMap<&str, usize>> {
    let mut counts: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding["level"] != "info") {
        let project = finding["path"].as_str().and_then(|path| path.split('/').next()).expect("each project has its folder");
        let rule = finding["rule"].as_str().expect("a finding has a rule");
        *counts.entry(project.to_owned()).or_default().entry(rule).or_default() += 1;
    }
    counts
}

/// Whether what a rule reports keeps other findings from being found.
fn hides(rule: &str) -> bool {
    rules::named(rule).is_some_and(|rule| matches!(rule.check, Check::InPassing) && rule.level == Level::Error)
}

#[test]
fn what_fixes_leave_is_better_in_any_program() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let mut projects = corpus();
    let mut chance = Random::seeded(7);
    for _ in 0..6 {
        let numbers: Vec<u16> = (0..150).map(|_| chance.below(1 << 16) as u16).collect();
        projects.push(vec![("main.pattern".to_owned(), pattern(&mut Tape::new(&numbers)))]);
    }
    // Some again, as they are while somebody types.
    let broken = projects.clone().into_iter().step_by(4).map(|mut files| {
        let index = chance.below(files.len());
        files[index].1 = mangle(&files[index].1, &mut chance);
        files
    });
    projects.extend(broken.collect::<Vec<_>>());
    for (number, files) in projects.iter().enumerate() {
        let place = folder.path().join(format!("p{number}"));
        std::fs::create_dir(&place).expect("there is room");
        std::fs::write(place.join("patternc.yaml"), format!("project: p{number}\n")).expect("there is room");
        for (name, text) in files {
            let path = place.join(name);
            std::fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("there is room");
            // Some in the style, some not.
            let formatted = if number % 3 == 0 { None } else { patternc_grammar::format(text).ok() };
            std::fs::write(path, formatted.as_ref().unwrap_or(text)).expect("there is room");
        }
    }
    let before = findings(folder.path());
    let was = by_project(&before);
    let old = texts(folder.path());
    let mut safely = None;
    for arguments in [&["--fix"][..], &["--fix", "--unsafe-fixes"]] {
        fix(folder.path(), arguments);
        let new = texts(folder.path());
        fix(folder.path(), arguments);
        let again = texts(folder.path());
        for (name, text) in &new {
            assert_eq!(again.get(name), Some(text), "{name}: fixing it again changes it");
            let (had_style, has_style) = (in_style(&old[name]), in_style(text));
            assert!(!had_style || has_style, "{name}: the style is lost:\n{text}\nwas\n{}", old[name]);
        }
        let after = findings(folder.path());
        let is = by_project(&after);
        for (project, rules) in &is {
            let was = was.get(project).cloned().unwrap_or_default();
            let may_show = was.keys().any(|rule| hides(rule));
            for (rule, number) in rules {
                let of_text = ["syntax", "wrong-case", "nesting-limit"].contains(rule);
                let text = || -> String {
                    new.iter().filter(|(name, _)| name.starts_with(&format!("{project}/"))).map(|(_, text)| text.as_str()).collect()
                };
                assert!(
                    (may_show && !of_text) || was.get(rule) >= Some(number),
                    "{project}: `{rule}` is new after {arguments:?}:\n{}",
                    text()
                );
            }
        }
        assert!(after.len() < before.len(), "{} findings, and {} were there before", after.len(), before.len());
        safely.get_or_insert(after.len());
    }
    let unsafely = findings(folder.path()).len();
    assert!(Some(unsafely) < safely, "{unsafely} findings are left, {safely:?} after safe fixes alone");
}

fn in_style(text: &str) -> bool {
    patternc_grammar::format(text).is_ok_and(|formatted| formatted == text)
}
