use patternc_grammar::syntax::Span;

use super::{NOTES, PEOPLE, file};
use crate::db::{Database, Project, SourceFile};
use crate::ide::hover;
use crate::ide::names::{Reference, references};
use crate::ide::rename::{can_rename, rename};

fn renamed(of: &str, new: &str) -> Result<String, String> {
    renamed_in([("people.pattern", PEOPLE), ("notes.pattern", NOTES)], of, new)
}

/// What both texts are with another name for what the first declares. They have no errors then.
fn renamed_in(files: [(&str, &str); 2], of: &str, new: &str) -> Result<String, String> {
    let mut db = Database::default();
    db.set_project(&files, None);
    let at = files[0].1.find(of).expect("it is declared") + of.len();
    let (_, definition) = can_rename(&db, file(&db, files[0].0), at as u32).expect("it has a name");
    let mut edits = rename(&db, definition, new).map_err(|refused| refused.to_string())?;
    edits.sort_by_key(|edit| std::cmp::Reverse((edit.file, edit.span)));
    let mut texts = files.map(|(path, text)| (file(&db, path), text.to_owned()));
    for edit in edits {
        let (_, text) = texts.iter_mut().find(|(file, _)| *file == edit.file).expect("one of both");
        text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    let mut changed = Database::default();
    changed.set_project(&[(files[0].0, &texts[0].1), (files[1].0, &texts[1].1)], None);
    let findings = crate::check::check(&changed, &crate::check::CheckOptions::default());
    let errors: Vec<String> = findings.iter().filter(|f| f.level == crate::diagnostic::Level::Error).map(|f| f.message.clone()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{}{}", texts[0].1, texts[1].1);
    Ok(format!("{}{}", texts[0].1, texts[1].1))
}

#[test]
fn everything_can_get_another_name_and_still_checks() {
    for (of, new) in [
        ("record Person", "Human"),
        ("space home", "house"),
        ("cell name", "title"),
        ("cell members", "friends"),
        ("handler link", "befriend"),
        ("handler touch", "poke"),
        ("link(target", "other"),
        ("let known", "seen"),
        ("for one", "each"),
        ("enum Status", "State"),
        ("{ open", "free"),
        ("claimed(by", "who"),
        ("fn label", "caption"),
        ("extern payments", "bank"),
        ("derived degree", "links"),
    ] {
        let changed = renamed(of, new).unwrap_or_else(|refused| panic!("{of}: {refused}"));
        assert!(changed.contains(new), "{of}");
    }
}

/// A saga whose first result a later step, an `undo` and a test name.
const TRIPS: &str = r#"space home
space hotels

record Hotel in hotels {
  cell free: Int
  internal handler take() -> Int {
    require self.free > 0 else "full"
    self.free -= 1
    return self.free
  }
  internal handler give_back(room: Int) { self.free = room + 1 }
}

record Trip in home {
  cell room: Int = 0
  internal handler note(room: Int) { self.room = room }
  saga book(hotel: Hotel) {
    step room = hotel.take() undo hotel.give_back(room)
    step self.note(room) undo self.note(0)
  }
}

test "booked" {
  let hotel = create Hotel in hotels { free: 2 }
  let trip = create Trip in home { }
  let r = trip.book(hotel)
  expect r.room == 1 && trip.room == 1
}
"#;

/// Sends it.
const DESK: &str = r#"use "trips.pattern" { Trip, Hotel, home }

record Desk in home {
  cell last: Int = 0
  handler order(trip: Trip, hotel: Hotel) {
    send trip.book(hotel) then {
      ok(r) => { self.last = r.room }
      err(e) => { }
    }
  }
}
"#;

#[test]
fn a_step_of_a_saga_is_found_by_who_sends_it_too() {
    let mut db = Database::default();
    db.set_project(&[("trips.pattern", TRIPS), ("desk.pattern", DESK)], None);
    let (trips, desk) = (file(&db, "trips.pattern"), file(&db, "desk.pattern"));
    let declared = Span::new(TRIPS.find("room = hotel").expect("it is declared"), TRIPS.find(" = hotel").expect("it is declared"));

    let read = (DESK.find("r.room").expect("it is read") + "r.".len()) as u32;
    let (span, step) = can_rename(&db, desk, read).expect("it has a name");
    assert_eq!((span.start, span.slice(DESK)), (read, "room"));
    assert_eq!(step.place(&db), Some((trips, declared)));
    assert_eq!(hover::hover(&db, desk, read).expect("something is known").text, "```pattern\nstep room: Int\n```");

    let lines =
        |(file, reference): (SourceFile, Reference)| (file, file.text(&db)[..reference.span.start as usize].matches('\n').count() + 1);
    let places: Vec<(SourceFile, usize)> = references(&db, step).into_iter().map(lines).collect();
    let mut expected = vec![(trips, 18), (trips, 18), (trips, 19), (trips, 27), (desk, 7)];
    expected.sort_by_key(|(file, _)| Project::get(&db).files(&db).iter().position(|known| known == file));
    assert_eq!(places, expected, "neither the cell nor the parameters");
}

#[test]
fn a_step_of_a_saga_gets_another_name_wherever_it_is_used() {
    let files = [("trips.pattern", TRIPS), ("desk.pattern", DESK)];
    let changed = renamed_in(files, "step room", "number").expect("it is renamed");
    assert!(changed.contains("step number = hotel.take() undo hotel.give_back(number)\n    step self.note(number)"), "{changed}");
    assert!(changed.contains("expect r.number == 1 && trip.room == 1") && changed.contains("self.last = r.number"), "{changed}");
    assert_eq!(renamed_in(files, "step room", "hotel"), Err("there is a `hotel` here already; one would hide the other".into()));
}

#[test]
fn clashes_are_refused_with_the_reason() {
    let refused = |of: &str, new: &str| renamed(of, new).expect_err(of);
    assert_eq!(refused("cell name", "members"), "`Person` has a cell `members` already");
    assert_eq!(refused("handler link", "degree"), "`Person` has a cell `degree` already");
    assert_eq!(refused("record Person", "Status"), "people.pattern declares an enum `Status` already");
    assert!(refused("record Person", "Note").contains("means something else in notes.pattern"));
    assert!(refused("record Person", "Text").contains("a type of the language"));
    assert!(refused("record Person", "person").contains("UpperCamel"));
    assert!(refused("cell name", "Name").contains("write `name`"));
    assert!(refused("cell name", "send").contains("a word of the language"));
    assert!(refused("let known", "target").contains("already"));
    assert!(refused("let known", "label").contains("means something in this file"));
    assert!(refused("fn label", "target").contains("would hide it"));
}
