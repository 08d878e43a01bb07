//! Writes that SpiceDB makes only where something is so, while answers get lost: what is told is what happened.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disturbed::{command, forward};
use super::spicedb::{Server, read_request};
use crate::patternc::{folder, run_with_input, seen};

const PATTERN: &str = r#"
space home
struct Relation { resource: Text, relation: Text, subject: Text }
extern authz { touch(it: Relation, must: Relation, must_not: List<Relation>) -> Text idempotent }
record Desk in home {
  cell told: Text = ""
  handler admit(to: Text, name: Text) {
    let admitted = Relation { resource: "space:{to}", relation: "reader", subject: "user:{name}" }
    let opened = Relation { resource: "space:{to}", relation: "reader", subject: "user:host" }
    @allow(dual-write, "the record only keeps what was told")
    send authz.touch(admitted, opened, [admitted]) then {
      ok(_token) => { self.told = "admitted" }
      err(e) => { self.told = "refused: {e.message}" }
    }
  }
}
"#;

const DEPLOYMENT: &str = r#"
default-deployment: local
deployments:
  local:
    stores: { main: { kind: sqlite, path: state.db } }
    spaces: { "*": main }
    externs: { authz: { kind: spicedb, endpoint: "${SPICEDB_ENDPOINT}", token: "${SPICEDB_TOKEN}" } }
"#;

/// An address that leads to the server, but the answer to the first write gets lost, and then something happens there.
fn losing_the_first_answer(server: &Server, then: impl Fn() + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (behind, then, lost) = (server.address.clone(), Arc::new(then), Arc::new(AtomicBool::new(false)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (behind, then, lost) = (behind.clone(), then.clone(), lost.clone());
            std::thread::spawn(move || serve(&stream, &behind, &*then, &lost));
        }
    });
    address
}

fn serve(mut stream: &TcpStream, behind: &str, then: &(dyn Fn() + Sync), lost: &AtomicBool) {
    while let Some(request) = read_request(stream) {
        let Some(answer) = forward(behind, &request) else { return };
        if request.path == "/v1/relationships/write" && !lost.swap(true, Ordering::SeqCst) {
            return then();
        }
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

/// Whether a space is open at first, and what someone does about it after the first attempt, whose answer is lost. What is told in the end,
/// and who the readers are.
fn admitted(opened: bool, then: Option<&'static str>) -> (String, BTreeSet<String>) {
    let server = Arc::new(Server::start());
    let opening = |server: &Server, operation: &str| server.by_hand(operation, "at://did/space/hall", "reader", ("user", "host"));
    if opened {
        opening(&server, "OPERATION_TOUCH");
    }
    let there = server.clone();
    let address = losing_the_first_answer(&server, move || {
        if let Some(operation) = then {
            opening(&there, operation);
        }
    });
    let project = folder(&[("desk.pattern", PATTERN), ("patternc.yaml", DEPLOYMENT)]);
    let events =
        [r#"{"create":"Desk","as":"d"}"#, r#"{"to":"Desk/d","handler":"admit","args":{"to":"at://did/space/hall","name":"ann"}}"#, ""];
    let run = |events: &str| {
        let mut run = command(project.path(), &address);
        run.arg("run");
        let ran = run_with_input(run, events);
        assert_eq!(ran.status.code(), Some(0), "{}", seen(&ran));
        seen(&ran)
    };
    run(&events.join("\n"));
    let told = run(r#"{"read":"Desk/d"}"#);
    let subject = |fact: String| fact.rsplit_once("user:").map(|(_, name)| name.to_owned());
    (told, server.facts("did").into_iter().filter_map(subject).collect())
}

fn readers<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn a_refusal_whose_answer_is_lost_is_told_when_it_is_asked_again() {
    let (told, found) = admitted(false, None);
    assert!(told.contains("refused: ") && told.contains("precondition"), "{told}");
    assert_eq!(found, readers([]));
}

#[test]
fn what_was_refused_first_and_may_be_meanwhile_is_done_and_told_so() {
    let (told, found) = admitted(false, Some("OPERATION_TOUCH"));
    assert!(told.contains("\"told\":\"admitted\""), "{told}");
    assert_eq!(found, readers(["ann", "host"]));
}

#[test]
fn what_was_done_is_told_so_also_where_it_would_be_refused_by_now() {
    // By what it did itself, and by what others did meanwhile.
    for then in [None, Some("OPERATION_DELETE")] {
        let (told, found) = admitted(true, then);
        assert!(told.contains("\"told\":\"admitted\""), "{told}");
        assert!(found.contains("ann"), "{found:?}");
    }
}
