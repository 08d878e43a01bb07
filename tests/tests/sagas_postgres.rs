//! The sagas of the bounty board on PostgreSQL: all done or all undone after a crash at any point, and when answers are lost. Without the binaries
//! of a server there is nothing to run on, and it says so.
//!
//! Every third point, so that it does not take long; `ALL_POINTS=1` takes them all.

use patternc_interpreter::simulate::Fault;
use patternc_postgres_server::Cut;
use patternc_tests::bounty::{Case, Mishap, at_every_point, board, claimed_and_settled};
use patternc_tests::servers::Servers;

fn is_left_out(point: usize) -> bool {
    std::env::var_os("ALL_POINTS").is_none() && !point.is_multiple_of(3)
}

#[test]
fn sagas_end_all_done_or_all_undone_after_a_crash_at_any_point_on_postgres() {
    if Servers::new(0).is_none() {
        return;
    }
    let program = board();
    for (stores, refuses) in [(1, true), (2, false)] {
        let case = Case { seed: 3, stores, refuses, loses_first_answers: true, mishap: Mishap::Crash };
        at_every_point(case, |point| {
            if is_left_out(point) {
                return true;
            }
            let servers = Servers::new(stores).expect("there is a server");
            claimed_and_settled(&program, case, point, servers.disk(&program), &|_, _| {})
        });
    }
}

/// The connection ends before the server has a commit, or before its answer is back: then nobody knows, at first.
#[test]
fn sagas_end_all_done_or_all_undone_whichever_commit_is_cut_off_on_postgres() {
    if Servers::new(0).is_none() {
        return;
    }
    let program = board();
    let faults = [Fault::Refused, Fault::AnswerLost];
    let of = |stores, store, refuses| {
        faults.map(|fault| Case { seed: 5, stores, refuses, loses_first_answers: !refuses, mishap: Mishap::Store(store, fault) })
    };
    let cases = [of(1, 0, true), of(2, 0, false), of(2, 1, false)].concat();
    // They wait for the server more than they compute.
    std::thread::scope(|scope| {
        for case in cases {
            let program = &program;
            scope.spawn(move || {
                let mut cuts = 0;
                at_every_point(case, |point| {
                    if is_left_out(point) {
                        return true;
                    }
                    let servers = Servers::new(case.stores).expect("there is a server");
                    let (disk, proxies) = servers.through_proxies(program);
                    let cut = |store: usize, fault| {
                        proxies[store].cut_next(if fault == Fault::Refused { Cut::Request(0) } else { Cut::Answer(0) });
                    };
                    let reached = claimed_and_settled(program, case, point, disk, &cut);
                    cuts += proxies.iter().map(patternc_postgres_server::Proxy::cuts).sum::<usize>();
                    reached
                });
                assert!(cuts > 10, "{case:?}: only {cuts} cuts");
            });
        }
    });
}
