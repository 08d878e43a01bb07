#[path = "../../benches/src/project.rs"]
mod project;
use std::time::Duration;
#[derive(Clone, Copy)]
struct Cpu(u64);
impl Cpu {
    fn now() -> Self {
        let s = std::fs::read_to_string("/proc/self/schedstat").unwrap();
        Cpu(s.split(' ').next().unwrap().parse().unwrap())
    }
    fn elapsed(self) -> Duration {
        Duration::from_nanos(Cpu::now().0 - self.0)
    }
}
use patternc_compiler::{
    bodies::bodies,
    check::{CheckOptions, check},
    db::{Database, Project},
    items::parsed,
    signature::signatures,
};
fn main() {
    let files = project::generate(1000);
    let lines: usize = files.iter().map(|f| f.1.lines().count()).sum();
    for _ in 0..4 {
        let mut db = Database::default();
        db.set_project(&files, None);
        let all = Project::get(&db).files(&db).clone();
        let t = Cpu::now();
        for &f in &all {
            parsed(&db, f);
        }
        let a = t.elapsed();
        let t = Cpu::now();
        for &f in &all {
            signatures(&db, f);
        }
        let b = t.elapsed();
        let t = Cpu::now();
        let mut n = 0;
        for &f in &all {
            n += bodies(&db, f).diagnostics.len();
        }
        let c = t.elapsed();
        let t = Cpu::now();
        let m = check(&db, &CheckOptions::default()).len();
        let d = t.elapsed();
        let us = |d: Duration| d.as_secs_f64() * 1e6 / lines as f64;
        println!("{lines} lines: parse {:.3} sigs {:.3} bodies {:.3} rest {:.3} us/line; {n} {m}", us(a), us(b), us(c), us(d));
    }
}
