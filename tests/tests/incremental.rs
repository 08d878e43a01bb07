//! Which queries run again after an edit: an edit inside one body stays inside one file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use patternc_compiler::check::{CheckOptions, check};
use patternc_compiler::db::{Database, Project, SourceFile};
use patternc_compiler::resolve::files_by_path;

const A: &str = r#"
space home

record Person in home {
  cell name: Text = ""
  cell friends: Set<Person> = Set[]

  handler rename(to: Text) {
    require to != "" else "a name is needed"
    self.name = to
  }

  handler befriend(other: Person) writes Person.friends {
    require other != self else "not oneself"
    self.friends += other
    other.friends += self
  }
}

fn label(p: Person) -> Text { p.name }
"#;

const B: &str = r#"
use "a.pattern" { home, Person, label }

record Club in home {
  cell head: Person
  derived title: Text = label(self.head)

  handler crown(name: Text) writes Person.name {
    self.head.rename(name)
  }
}
"#;

const C: &str = r#"
record Counter {
  cell count: Int = 0
  handler add(n: Int) { self.count += n }
}
"#;

const D: &str = r#"
space front
space back

record Right in back {
  cell y: Int = 1
  internal handler add(n: Int) { self.y = self.y * 3 + n }
}

record Left in front {
  cell right: Right
  cell x: Int = 1
  handler work() {
    self.x = self.x * 5 + 1
    send self.right.add(1)
  }
}
"#;

/// A database that writes down which queries run, as `query(file)` (or `query` for those that are not of one file).
struct Watched {
    db: Database,
    ran: Arc<Mutex<Vec<String>>>,
}

impl Watched {
    fn new() -> Self {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let listener = {
            let ran = Arc::clone(&ran);
            move |event: salsa::Event| {
                if let salsa::EventKind::WillExecute { database_key } = event.kind {
                    ran.lock().expect("no test panics while it holds the lock").push(format!("{database_key:?}"));
                }
            }
        };
        let mut db = Database::watched(Box::new(listener));
        db.set_project(&[("a.pattern", A), ("b.pattern", B), ("c.pattern", C), ("d.pattern", D)], None);
        let mut watched = Watched { db, ran };
        let opened = watched.file("a.pattern");
        watched.db.open(opened);
        assert_eq!(watched.check(), Vec::<String>::new(), "the project is clean");
        watched.take();
        watched
    }

    fn file(&self, path: &str) -> SourceFile {
        let files = Project::get(&self.db).files(&self.db);
        *files.iter().find(|file| &**file.path(&self.db) == path).expect("the file is in the project")
    }

    fn check(&self) -> Vec<String> {
        check(&self.db, &CheckOptions::default()).into_iter().map(|finding| format!("{}: {}", finding.rule, finding.message)).collect()
    }

    /// Replaces a text that occurs once, checks, and gives the findings.
    fn edit(&mut self, path: &str, from: &str, to: &str) -> Vec<String> {
        let file = self.file(path);
        let text = file.text(&self.db).to_string();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        self.db.set_text(file, &text.replace(from, to));
        self.check()
    }

    /// The queries that ran since the last time, each once.
    fn take(&self) -> BTreeSet<String> {
        let names: Vec<(String, String)> = ["a.pattern", "b.pattern", "c.pattern", "d.pattern"]
            .into_iter()
            .map(|path| (format!("({:?})", salsa::plumbing::AsId::as_id(&self.file(path))), format!("({path})")))
            .collect();
        let ran = std::mem::take(&mut *self.ran.lock().expect("no test panics while it holds the lock"));
        ran.into_iter().map(|key| names.iter().fold(key, |key, (id, path)| key.replace(id, path))).collect()
    }
}

/// How many results of each query an edit has looked at again, in a project with that many files that have nothing to do with the edited one.
fn looked_at_again(others: usize) -> BTreeMap<String, usize> {
    let looked = Arc::new(Mutex::new(Vec::new()));
    let listener = {
        let looked = Arc::clone(&looked);
        move |event: salsa::Event| {
            if let salsa::EventKind::DidValidateMemoizedValue { database_key } = event.kind {
                looked.lock().expect("no test panics while it holds the lock").push(format!("{database_key:?}"));
            }
        }
    };
    let mut db = Database::watched(Box::new(listener));
    let own_names =
        |n: usize| ["front", "back", "Left", "Right"].iter().fold(D.to_owned(), |text, name| text.replace(name, &format!("{name}{n}")));
    let others: Vec<(String, String)> = (0..others).map(|n| (format!("other{n}.pattern"), own_names(n))).collect();
    let mut files: Vec<(&str, &str)> = others.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.extend([("a.pattern", A), ("b.pattern", B)]);
    db.set_project(&files, None);
    let file = files_by_path(&db)["a.pattern"];
    db.open(file);
    assert_eq!(check(&db, &CheckOptions::default()).len(), 0);
    db.set_text(file, &A.replace("a name is needed", "a name is needed, please"));
    looked.lock().expect("no test panics while it holds the lock").clear();
    assert_eq!(check(&db, &CheckOptions::default()).len(), 0);
    let mut counts = BTreeMap::new();
    for query in looked.lock().expect("no test panics while it holds the lock").drain(..) {
        let name = query.split('(').next().unwrap_or_default().to_owned();
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}

/// Queries of one file among those that ran.
fn of_file(ran: &BTreeSet<String>, path: &str) -> Vec<String> {
    ran.iter().filter(|query| query.contains(&format!("({path})"))).cloned().collect()
}

#[test]
fn an_edit_inside_a_body_is_checked_in_its_file_alone() {
    let mut watched = Watched::new();
    assert_eq!(watched.edit("a.pattern", "a name is needed", "a name is needed, please"), [""; 0]);
    let ran = watched.take();
    assert!(ran.contains("parsed(a.pattern)") && ran.contains("check_file(a.pattern)"), "{ran:#?}");
    assert_eq!(of_file(&ran, "b.pattern"), [""; 0], "{ran:#?}");
    assert_eq!(of_file(&ran, "c.pattern"), [""; 0], "{ran:#?}");
}

#[test]
fn white_space_and_comments_move_everything_and_change_nothing() {
    let mut watched = Watched::new();
    watched.edit("a.pattern", "space home\n", "// Where people live.\n\n\nspace home\n");
    let ran = watched.take();
    assert_eq!(of_file(&ran, "b.pattern"), [""; 0], "{ran:#?}");
    assert_eq!(of_file(&ran, "c.pattern"), [""; 0], "{ran:#?}");
}

#[test]
fn an_error_in_a_body_is_found_and_gone_without_other_files() {
    let mut watched = Watched::new();
    watched.edit("a.pattern", "self.name = to", "self.name = 5");
    let ran = watched.take();
    // What a handler writes is part of the chains of who calls it; they come out as before, so nothing else of that file runs.
    assert_eq!(of_file(&ran, "b.pattern"), ["file_chains(b.pattern)", "owners_within_reach(b.pattern)", "reach(b.pattern)"], "{ran:#?}");
    assert_eq!(of_file(&ran, "c.pattern"), [""; 0], "{ran:#?}");
    assert_eq!(watched.edit("a.pattern", "self.name = 5", "self.name = to"), [""; 0]);
}

#[test]
fn what_a_handler_newly_does_reaches_its_callers() {
    let mut watched = Watched::new();
    let found = watched.edit("a.pattern", "self.name = to", "self.name = to\n    self.friends = Set[]");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("undeclared-write: `Club.crown`") && found[0].contains("`Person.friends`"), "{found:#?}");
    let ran = watched.take();
    assert!(!ran.contains("parsed(b.pattern)") && !ran.contains("bodies(b.pattern)"), "b's text and types are what they were: {ran:#?}");
    assert_eq!(of_file(&ran, "c.pattern"), [""; 0], "{ran:#?}");
    // The same effects elsewhere in the text are the same effects.
    watched.edit("a.pattern", "self.name = to\n    self.friends = Set[]", "self.name = to // as asked\n\n    self.friends = Set[]");
    let ran = watched.take();
    assert_eq!(of_file(&ran, "b.pattern"), [""; 0], "{ran:#?}");
}

#[test]
fn a_new_cell_reaches_the_files_that_import_the_record() {
    let mut watched = Watched::new();
    assert_eq!(watched.edit("a.pattern", "  cell name: Text = \"\"\n", "  cell name: Text = \"\"\n  cell age: Int = 0\n"), [""; 0]);
    let ran = watched.take();
    assert!(ran.contains("signatures(a.pattern)"), "{ran:#?}");
    assert!(!ran.contains("parsed(b.pattern)") && !ran.contains("items(b.pattern)"), "what b says is what it said: {ran:#?}");
    assert_eq!(of_file(&ran, "c.pattern"), [""; 0], "{ran:#?}");
}

#[test]
fn a_name_that_goes_away_is_missed_where_it_was_imported() {
    let mut watched = Watched::new();
    let found = watched.edit("a.pattern", "fn label(", "fn caption(");
    assert!(found.iter().any(|finding| finding.contains("a.pattern declares no `label`")), "{found:?}");
    let ran = watched.take();
    assert!(ran.contains("check_file(b.pattern)"), "{ran:#?}");
    // What the project uses is another set now, but not for what `c` declares.
    assert!(!ran.contains("check_file(c.pattern)"), "{ran:#?}");
}

#[test]
fn a_file_that_comes_and_goes() {
    let mut watched = Watched::new();
    watched.db.set_project(&[("a.pattern", A), ("c.pattern", C)], None);
    assert_eq!(watched.check(), ["unused-name: function `label` is never used in this project"]);
    watched.db.set_project(&[("a.pattern", A), ("b.pattern", B), ("c.pattern", C)], None);
    assert_eq!(watched.check(), [""; 0]);
    watched.db.set_project(&[("b.pattern", B), ("c.pattern", C)], None);
    assert!(watched.check().iter().any(|finding| finding.starts_with("unresolved-import")));
}

#[test]
fn chains_are_judged_again_only_where_an_edit_touches_what_they_do() {
    let mut watched = Watched::new();
    let judges = |ran: &BTreeSet<String>| {
        let queries = ["file_chains(d.pattern)", "neighbours(d.pattern)", "verdicts(d.pattern)"];
        queries.into_iter().filter(|query| ran.contains(*query)).map(str::to_owned).collect::<Vec<_>>()
    };
    // A message: no body does anything else.
    watched.edit("a.pattern", "a name is needed", "a name is needed, please");
    let ran = watched.take();
    assert!(ran.contains("bodies(a.pattern)"), "{ran:#?}");
    assert_eq!(judges(&ran), [""; 0], "{ran:#?}");
    // Bodies that do other things, to records that no chain of `d` touches: who is near is looked up, and nothing judged.
    watched.edit("a.pattern", "    self.name = to\n", "    self.name = to // as asked\n    self.friends = Set[]\n");
    watched.edit("c.pattern", "self.count += n", "self.count = self.count * n");
    let ran = watched.take();
    assert!(ran.contains("file_chains(a.pattern)") && ran.contains("file_chains(c.pattern)"), "{ran:#?}");
    assert_eq!(judges(&ran), ["neighbours(d.pattern)"], "{ran:#?}");
    // White space in its own file moves the chain, and changes nothing of it.
    watched.edit("d.pattern", "space back\n", "space back\n\n// The front sends, the back counts.\n");
    let ran = watched.take();
    assert!(!judges(&ran).contains(&"verdicts(d.pattern)".to_owned()), "{ran:#?}");
    // What its first piece does is another thing now.
    watched.edit("d.pattern", "self.x = self.x * 5 + 1", "self.x += 1");
    let ran = watched.take();
    assert_eq!(judges(&ran), ["file_chains(d.pattern)", "neighbours(d.pattern)", "verdicts(d.pattern)"], "{ran:#?}");
}

#[test]
fn an_edit_looks_at_few_results_of_each_other_file() {
    let (few, more) = (looked_at_again(10), looked_at_again(20));
    let of_each: BTreeMap<&String, usize> =
        more.iter().map(|(query, count)| (query, (count - few.get(query).unwrap_or(&0)) / 10)).collect();
    // Of a query that is asked of every body of a file, there would be several.
    assert!(of_each.values().all(|count| *count <= 1), "{of_each:#?}");
}
