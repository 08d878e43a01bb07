use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use salsa::plumbing::AsId;

use super::*;

const LABEL: &str = "fn label(x: Int) -> Text { \"{x}\" }\n";
const RECORD: &str =
    "use \"label.pattern\" { label }\n\nspace home\n\nrecord R in home {\n  cell n: Int = 0\n  derived name: Text = label(self.n)\n}\n";
const COUNTER: &str = "space far\n\nrecord Counter in far {\n  cell n: Int = 0\n  handler add(by: Int) { self.n += by }\n}\n";

/// A project on disk, in a database that hears which queries run.
struct Watched {
    folder: tempfile::TempDir,
    projects: Vec<Loaded>,
    ran: Arc<Mutex<Vec<String>>>,
}

impl Watched {
    fn new() -> Watched {
        let folder = tempfile::tempdir().expect("there is room");
        let texts = [(CONFIG, "project: p\n"), ("label.pattern", LABEL), ("record.pattern", RECORD), ("counter.pattern", COUNTER)];
        texts.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).expect("there is room"));
        let mut projects = load(&[folder.path().to_path_buf()], Vec::new()).expect("it was just made");
        let ran = Arc::new(Mutex::new(Vec::new()));
        let heard = ran.clone();
        let mut db = Database::watched(Box::new(move |event: salsa::Event| {
            if let salsa::EventKind::WillExecute { database_key } = event.kind {
                heard.lock().expect("nothing panics").push(format!("{database_key:?}"));
            }
        }));
        let mut patterns = texts[1..].to_vec();
        patterns.sort_unstable();
        db.set_project(&patterns, Some(texts[0]));
        projects[0].db = db;
        let mut watched = Watched { folder, projects, ran };
        assert!(!watched.look().0, "nothing has changed");
        watched
    }

    /// Looks at the disk as `check --watch` does: whether anything has changed, how many findings there are, and the files of which a query ran.
    fn look(&mut self) -> (bool, usize, BTreeSet<String>) {
        let paths = [self.folder.path().to_path_buf()];
        let changed = refresh(&paths, &mut self.projects).expect("the disk is read");
        let found = self.projects[0].findings(&CheckOptions::default()).len();
        let db = &self.projects[0].db;
        let ran = std::mem::take(&mut *self.ran.lock().expect("nothing panics"));
        let files = Project::get(db).files(db).iter().copied().chain(Project::get(db).config(db));
        let of = |file: SourceFile| ran.iter().any(|query| query.ends_with(&format!("({:?})", file.as_id())));
        (changed, found, files.filter(|file| of(*file)).map(|file| file.path(db).to_string()).collect())
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("there is room");
    }
}

fn files(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn after_a_change_only_what_depends_on_it_is_looked_at_again() {
    let mut watched = Watched::new();
    assert_eq!(watched.look(), (false, 0, files(&[])));
    // Saved as it was.
    watched.write("counter.pattern", COUNTER);
    assert_eq!(watched.look(), (false, 0, files(&[])));
    // Inside a body, nothing that others see.
    watched.write("counter.pattern", &COUNTER.replace("+= by", "+= by + nothing"));
    assert_eq!(watched.look(), (true, 1, files(&["counter.pattern"])));
    watched.write("counter.pattern", COUNTER);
    assert_eq!(watched.look(), (true, 0, files(&["counter.pattern"])));
    // What others see is looked at again by who uses it, and by nobody else.
    watched.write("label.pattern", &LABEL.replace("x: Int", "x: Text"));
    let (changed, found, looked) = watched.look();
    assert!(changed && found > 0 && looked.contains("record.pattern") && looked.contains("label.pattern"), "{looked:?}");
    assert!(!looked.contains("counter.pattern") && !looked.contains(CONFIG), "{looked:?}");
}

#[test]
fn a_file_that_comes_or_goes_is_nothing_to_those_that_import_nothing() {
    let mut watched = Watched::new();
    watched.write("more.pattern", "space more\n");
    let (changed, found, looked) = watched.look();
    assert_eq!((changed, found), (true, 0));
    assert!(looked.contains("more.pattern") && !looked.contains("counter.pattern"), "{looked:?}");
    std::fs::remove_file(watched.folder.path().join("more.pattern")).expect("it is there");
    let (changed, found, looked) = watched.look();
    assert_eq!((changed, found), (true, 0));
    assert!(!looked.contains("counter.pattern"), "{looked:?}");
}
