//! What an editor does with any text: it asks about every place, and formats.

use patternc_compiler::db::{Database, Project};
use patternc_compiler::ide::complete::{Scratch, complete};
use patternc_compiler::ide::names::{locals_at, names, references};
use patternc_compiler::ide::rename::rename;
use patternc_compiler::ide::{call, highlight, hints, hover, outline};
use patternc_grammar::syntax::Span;
use patternc_grammar::{format, parse};
use patternc_interpreter::host::Random;
use patternc_tests::broken::{corpus, mangle};
use patternc_tests::generate::{Tape, pattern};
use proptest::prelude::*;

/// Questions about text that is cut, doubled and swapped are answered or not, and places are inside the text.
#[test]
fn every_question_about_any_text_is_answered() {
    for (number, mut files) in corpus().into_iter().enumerate() {
        let mut chance = Random::seeded(number as u64);
        let index = chance.below(files.len());
        files[index].1 = mangle(&files[index].1, &mut chance);
        let mut db = Database::default();
        db.set_project(&files, None);
        let path = &files[index].0;
        let file = *Project::get(&db).files(&db).iter().find(|file| **file.path(&db) == **path).expect("it was set");
        let text = files[index].1.clone();
        let inside = |span: Span| assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?} is not in\n{text}");
        hints::hints(&db, file, Span::new(0, text.len())).iter().for_each(|hint| inside(Span { start: hint.at, end: hint.at }));
        highlight::highlights(&db, file).iter().for_each(|highlight| inside(highlight.span));
        outline::symbols(&db, file).iter().for_each(|symbol| inside(symbol.name_span));
        outline::folds(&db, file).iter().for_each(|fold| inside(fold.span));
        let mut scratch = Scratch::default();
        for _ in 0..8 {
            let mut at = chance.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let at = at as u32;
            hover::hover(&db, file, at).iter().for_each(|hover| inside(hover.span));
            hover::type_at(&db, file, at);
            call::call_at(&db, file, at);
            locals_at(&db, file, at);
            if let Some(reference) = names(&db, file).at(at).copied() {
                let uses = references(&db, reference.to);
                assert!(uses.contains(&(file, reference)), "a use is among the uses of what it means: {reference:?} in\n{text}");
                let _ = rename(&db, reference.to, "something_else");
            }
            inside(complete(&mut db, &mut scratch, file, at).replaced);
        }
    }
}

/// A text without what the formatter may change.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_patterns_are_formatted_once_and_for_all(numbers in prop::collection::vec(any::<u16>(), 50..400)) {
        let text = pattern(&mut Tape::new(&numbers));
        let formatted = format(&text).expect("what is generated parses");
        prop_assert!(parse(&formatted).errors.is_empty(), "{formatted}");
        prop_assert_eq!(bare(&text), bare(&formatted));
        prop_assert_eq!(&format(&formatted).expect("it parses"), &formatted);
        let too_long = formatted.lines().find(|line| line.chars().count() > 100 && !line.contains('"') && !line.contains("//"));
        prop_assert_eq!(too_long, None);
    }
}
