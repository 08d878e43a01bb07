//! The sagas of the bounty board on PostgreSQL: all done or all undone after a crash at any point, and when answers are lost. Without the binaries
//! of a server there is nothing to run on, and it says so.
//!
//! Every third point, so that it does not take long; `ALL_POINTS=1` takes them all.

use patternc_tests::bounty::{Case, Mishap, at_every_point, board, claimed_and_settled};
use patternc_tests::servers::Servers;

#[test]
fn sagas_end_all_done_or_all_undone_after_a_crash_at_any_point_on_postgres() {
    if Servers::new(0).is_none() {
        return;
    }
    let program = board();
    let apart = if std::env::var_os("ALL_POINTS").is_some() { 1 } else { 3 };
    for (stores, refuses) in [(1, true), (2, false)] {
        let case = Case { seed: 3, stores, refuses, loses_first_answers: true, mishap: Mishap::Crash };
        at_every_point(case, |point| {
            if point % apart != 0 {
                return true;
            }
            let servers = Servers::new(stores).expect("there is a server");
            claimed_and_settled(&program, case, point, servers.disk(&program), &|_, _| {})
        });
    }
}
