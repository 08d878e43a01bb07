//! Any text lowers to a program, and any such program runs: what makes no sense fails, and nothing crashes.

use std::sync::Arc;

use patternc_interpreter::host::Random;
use patternc_interpreter::simulate::{Options, run_test};
use patternc_program::Program;
use patternc_tests::broken::{Files, corpus, mangle};
use patternc_tests::generate::{Tape, pattern};
use patternc_tests::workload::{call, populate};
use patternc_tests::world::{World, compile_project};

/// Runs the tests of a program, and events by chance.
fn run(program: &Arc<Program>, random: &mut Random) {
    for test in &program.tests {
        run_test(program, test, Options::seeded(random.draw()));
    }
    let numbers: Vec<u16> = (0..120).map(|_| random.draw() as u16).collect();
    let mut tape = Tape::new(&numbers);
    let mut world = World::new(program, random.draw());
    let refs = populate(&mut world, &mut tape);
    while !tape.ended() {
        let calls = (0..tape.between(1, 3)).filter_map(|_| call(program, &refs, &mut tape));
        let actions: Vec<_> = calls.map(|(action, _)| action).collect();
        // A broken text may well have events that set off one another without end.
        if world.try_together(actions).is_err() {
            return;
        }
    }
}

fn rounds() -> usize {
    std::env::var("PATTERNC_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

/// Breaks the project, again and again, and runs what is left.
fn break_and_run(files: &Files, number: usize) {
    let mut random = Random::seeded(number as u64);
    for _ in 0..rounds() {
        let mut files = files.clone();
        for _ in 0..=random.below(2) {
            let index = random.below(files.len());
            files[index].1 = mangle(&files[index].1, &mut random);
        }
        let shown: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        // A panic below names no text: this does.
        let text = shown.iter().map(|(path, text)| format!("{path}:\n{text}")).collect::<Vec<_>>().join("\n");
        let _told = Told(&text);
        run(&compile_project(&shown).program, &mut random);
    }
}

/// Prints its text if a panic drops it.
struct Told<'a>(&'a str);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

#[test]
fn the_corpus_broken() {
    for (number, files) in corpus().iter().enumerate() {
        break_and_run(files, number);
    }
}

#[test]
fn generated_patterns_broken() {
    for number in 0..60 {
        let mut random = Random::seeded(1_000 + number as u64);
        let numbers: Vec<u16> = (0..900).map(|_| random.draw() as u16).collect();
        break_and_run(&vec![("main.pattern".to_string(), pattern(&mut Tape::new(&numbers)))], number);
    }
}
