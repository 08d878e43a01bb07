//! Calls of a real HTTP server and of real commands: fast, slow, failing, babbling and silent ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use patternc_program::{Extern, ExternId, Name, Operation, Place, Program, Repeat, Type};

use super::{Command, Http, HttpOperation};
use crate::engine::{CallAnswer, ExternCall};
use crate::event::EventId;
use crate::runtime::Callee;
use crate::test_program::{self, field, text};
use crate::value::Value;

/// `charge(amount: Int, note: Text?) -> Text`, `status() -> Status`, `tell(text: Text)`, `tree() -> Tree`.
fn program() -> Program {
    let mut program = test_program::program();
    let optional = Type::Optional(Box::new(Type::Text));
    let operation = |name: &str, params, result, repeat| Operation { name: Name::from(name), params, result, repeat };
    let status = Type::Enum(test_program::STATUS, Place::Here);
    program.externs = vec![Extern {
        name: Name::from("bank"),
        operations: vec![
            operation("charge", vec![field("amount", Type::Int), field("note", optional)], Some(Type::Text), Repeat::Once),
            operation("status", vec![], Some(status), Repeat::Readonly),
            operation("tell", vec![field("text", Type::Text)], None, Repeat::Idempotent),
            operation("tree", vec![], Some(Type::Struct(test_program::TREE, Place::Here)), Repeat::Readonly),
        ],
    }];
    program
}

fn call(operation: u32, args: Vec<Value>) -> ExternCall {
    ExternCall {
        event: EventId("e 1/é".into()),
        attempt: 2,
        doubtful: false,
        of: ExternId(0),
        operation,
        args,
        timeout: 10_000,
        after: None,
        ends_refused: false,
    }
}

fn charge() -> ExternCall {
    call(0, vec![Value::Int(10), Value::None])
}

/// A request as the server saw it: the first line, the headers in small letters, the body.
type Seen = Arc<Mutex<Vec<(String, Vec<String>, String)>>>;

/// A server that gives each connection the next of these, byte for byte; nothing and no end for `None`.
fn server(answers: Vec<Option<String>>) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let record = seen.clone();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            record.lock().unwrap().push(request(&stream));
            match answer {
                Some(answer) => {
                    let _ = stream.write_all(answer.as_bytes());
                }
                None => silent.push(stream),
            }
        }
        std::thread::sleep(Duration::from_secs(20));
    });
    (base, seen)
}

fn request(stream: &TcpStream) -> (String, Vec<String>, String) {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = line();
    let headers: Vec<String> = std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty())).map(|h| h.to_lowercase()).collect();
    let length = headers.iter().find_map(|header| header.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first, headers, String::from_utf8(body).unwrap())
}

fn response(status: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()))
}

fn http(base: &str) -> Http {
    Http::new(base, vec![("Authorization".into(), "Bearer s3cret".into())], Some(Duration::from_millis(400)), None).unwrap()
}

#[test]
fn an_operation_is_a_post_with_json() {
    let (base, seen) = server(vec![response("200 OK", "\"r1\""), response("201 Created", ""), response("200 OK", "\"open\"")]);
    let service =
        http(&format!("{base}/v1/")).operation("status", HttpOperation { method: "GET".into(), path: "/state".into(), reject: None });
    let program = program();
    assert_eq!(service.call(&program, &call(0, vec![Value::Int(10), text("a \"b\"")])), CallAnswer::Value(text("r1")));
    assert_eq!(service.call(&program, &call(2, vec![text("hi")])), CallAnswer::Value(Value::None));
    assert_eq!(service.call(&program, &call(1, vec![])), CallAnswer::Value(Value::Variant(0, [].into())));
    let seen = seen.lock().unwrap();
    let (first, headers, body) = &seen[0];
    assert_eq!(first, "POST /v1/charge HTTP/1.1");
    assert_eq!(body, r#"{"amount":10,"note":"a \"b\""}"#);
    for header in ["authorization: bearer s3cret", "idempotency-key: e%201/%c3%a9", "content-type: application/json"] {
        assert!(headers.iter().any(|seen| seen == header), "{header} in {headers:?}");
    }
    assert_eq!(seen[2].0, "GET /v1/state HTTP/1.1");
    assert_eq!(seen[2].2, "");
}

/// A service may answer more than it did when the operation was declared; it took effect all the same.
#[test]
fn an_answer_may_have_more_fields_than_are_declared() {
    let tree = |n, kids: Vec<Value>| Value::Struct([Value::list(kids), Value::Int(n)].into());
    let answer = |script: &str, operation| shell(script).call(&program(), &call(operation, vec![]));
    let more = r#"echo '{"n":1,"extra":{"a":[]},"kids":[{"kids":[],"n":2,"colour":"red"}]}'"#;
    assert_eq!(answer(more, 3), CallAnswer::Value(tree(1, vec![tree(2, vec![])])));
    let claimed = r#"echo '{"claimed":{"by":"ann","until":"2030-01-01T00:00:00Z","since":1}}'"#;
    let until_of = || Value::Time(1_893_456_000_000);
    assert_eq!(answer(claimed, 1), CallAnswer::Value(Value::Variant(1, [text("ann"), until_of()].into())));
    // However they are: nobody reads them.
    let twice = r#"echo '{"n":1,"x":{"a":1,"a":2},"x":3,"kids":[{"kids":[],"n":2,"x":[{"n":1,"n":2}]}]}'"#;
    assert_eq!(answer(twice, 3), CallAnswer::Value(tree(1, vec![tree(2, vec![])])));
    let beside = r#"echo '{"version":2,"claimed":{"by":"ann","until":"2030-01-01T00:00:00Z","x":1,"x":1},"version":3}'"#;
    assert_eq!(answer(beside, 1), CallAnswer::Value(Value::Variant(1, [text("ann"), until_of()].into())));
    let claimed = r#"{"by":"ann","until":"2030-01-01T00:00:00Z"}"#;
    let unusable = [
        (r#"{"n":1,"extra":2}"#.to_owned(), 3, "\"kids\" is missing"),
        (r#"{"n":1,"kids":[],"n":2}"#.to_owned(), 3, "it has \"n\" twice"),
        (r#"{"n":1,"kids":[{"n":1,"kids":[]},{"n":1,"kids":[],"kids":[]}]}"#.to_owned(), 3, "it has \"kids\" twice"),
        (format!(r#"{{"claimed":{claimed},"claimed":{claimed}}}"#), 1, "it has \"claimed\" twice"),
        (format!(r#"{{"claimed":{claimed},"open":{{}}}}"#), 1, "expected a Status"),
        (r#"{"version":2,"other":{}}"#.to_owned(), 1, "expected a Status"),
    ];
    for (said, operation, expected) in unusable {
        let answer = answer(&format!("echo '{said}'"), operation);
        assert!(matches!(&answer, CallAnswer::Unusable(message) if message.contains(expected)), "{said}: {answer:?}");
    }
}

/// What a service says too much would be the answer to the next call.
#[test]
fn each_call_has_a_connection_of_its_own() {
    let kept = |body: &str| Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let (base, seen) = server(vec![kept(r#""open""#), kept(r#""done""#), kept(""), kept("")]);
    let (service, program) = (http(&base), program());
    for variant in [0, 2] {
        assert_eq!(service.call(&program, &call(1, vec![])), CallAnswer::Value(Value::Variant(variant, [].into())));
    }
    for _ in 0..2 {
        assert_eq!(service.call(&program, &call(2, vec![text("hi")])), CallAnswer::Value(Value::None));
    }
    assert_eq!(seen.lock().unwrap().len(), 4);
}

#[test]
fn arguments_can_be_a_query() {
    let (base, seen) = server(vec![response("200 OK", "\"r\"")]);
    let get = HttpOperation { method: "GET".into(), path: "/charge".into(), reject: None };
    let service = http(&base).operation("charge", get);
    service.call(&program(), &call(0, vec![Value::Int(10), text("a&b=c é")]));
    assert_eq!(seen.lock().unwrap()[0].0, "GET /charge?amount=10&note=a%26b%3Dc%20%C3%A9 HTTP/1.1");
}

#[test]
fn statuses_decide() {
    let rejected = |message: &str| CallAnswer::Rejected(message.to_owned());
    let unavailable = |message: &str| CallAnswer::Unavailable(message.to_owned());
    let cases = [
        (response("400 Bad Request", r#"{"message":"no such card"}"#), rejected("no such card")),
        (response("402 Payment Required", r#"{"error":"empty"}"#), rejected("empty")),
        (response("404 Not Found", "nowhere\n"), rejected("nowhere")),
        (response("422 Unprocessable Entity", ""), rejected("HTTP status 422 Unprocessable Entity")),
        (response("408 Request Timeout", ""), unavailable("HTTP status 408 Request Timeout")),
        (response("425 Too Early", ""), unavailable("HTTP status 425 Too Early")),
        (response("429 Too Many Requests", "slow down"), unavailable("HTTP status 429 Too Many Requests")),
        (response("500 Internal Server Error", "oops"), unavailable("HTTP status 500 Internal Server Error")),
        (response("302 Found", ""), unavailable("HTTP status 302 Found")),
    ];
    let (base, _) = server(cases.iter().map(|(answer, _)| answer.clone()).collect());
    for (answer, expected) in &cases {
        assert_eq!(&http(&base).call(&program(), &charge()), expected, "{answer:?}");
    }
    // What is told replaces the rule.
    let (base, _) = server(vec![response("404 Not Found", ""), response("503 Service Unavailable", "closed")]);
    let told = HttpOperation { reject: Some(vec![503]), ..HttpOperation::named("charge") };
    let service = http(&base).operation("charge", told);
    assert_eq!(service.call(&program(), &charge()), unavailable("HTTP status 404 Not Found"));
    assert_eq!(service.call(&program(), &charge()), rejected("closed"));
}

#[test]
fn a_refusal_of_a_repetition_says_nothing_of_the_attempt_before() {
    let program = program();
    let again = |operation: u32, args: Vec<Value>| ExternCall { doubtful: true, ..call(operation, args) };
    let tell = || again(2, vec![text("hi")]);
    let refusals = ["400 Bad Request", "401 Unauthorized", "404 Not Found", "409 Conflict", "422 Unprocessable Entity"];
    let (base, _) = server(refusals.iter().map(|status| response(status, "no")).collect());
    for status in refusals {
        let answer = http(&base).call(&program, &tell());
        assert!(matches!(&answer, CallAnswer::Unusable(said) if said.starts_with("no; but an earlier attempt")), "{status}: {answer:?}");
    }
    // A service that answers a known key with its first answer is believed, unless it did not come so far as to look for the key.
    let (base, _) = server(refusals.iter().map(|status| response(status, "no")).collect());
    for (status, believed) in refusals.into_iter().zip([true, false, true, false, true]) {
        let answer = http(&base).replays(true).call(&program, &tell());
        match believed {
            true => assert_eq!(answer, CallAnswer::Rejected("no".into()), "{status}"),
            false => assert!(matches!(&answer, CallAnswer::Unavailable(said) if said.contains(status)), "{status}: {answer:?}"),
        }
    }
    // Statuses that are told are told for good; what changes nothing can be refused at any time.
    let (base, _) = server(vec![response("401 Unauthorized", "no"), response("404 Not Found", "no")]);
    let told = http(&base).replays(true).operation("tell", HttpOperation { reject: Some(vec![401]), ..HttpOperation::named("tell") });
    assert_eq!(told.call(&program, &tell()), CallAnswer::Rejected("no".into()));
    assert_eq!(told.call(&program, &again(1, vec![])), CallAnswer::Rejected("no".into()));
    // Commands the same.
    let command = |replays| Command { replays, ..shell("echo no; exit 65") };
    assert!(matches!(command(false).call(&program, &tell()), CallAnswer::Unusable(_)));
    assert_eq!(command(true).call(&program, &tell()), CallAnswer::Rejected("no".into()));
}

#[test]
fn answers_that_cannot_be_used_are_not_asked_for_again() {
    let deep = "[".repeat(100_000);
    for (body, expected) in [
        ("{", "the answer cannot be used: it is not JSON"),
        ("5", "the answer cannot be used: expected a Text, found 5"),
        ("", "the answer cannot be used: it is not JSON"),
        (deep.as_str(), "the answer cannot be used: it is nested 100000 deep"),
    ] {
        let (base, _) = server(vec![response("200 OK", body)]);
        let answer = http(&base).call(&program(), &charge());
        assert!(matches!(&answer, CallAnswer::Unusable(message) if message.starts_with(expected)), "{answer:?}");
    }
    let (base, _) = server(vec![response("200 OK", &"x".repeat((16 << 20) + 1))]);
    let slow = Http::new(&base, vec![], Some(Duration::from_secs(20)), None).unwrap();
    let answer = slow.call(&program(), &charge());
    assert!(matches!(&answer, CallAnswer::Unusable(message) if message.contains("more than 16777216 bytes")), "{answer:?}");
}

#[test]
fn silence_and_nonsense_leave_it_open() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n\"r".to_owned();
    let (base, _) = server(vec![None, Some("no http at all\r\n\r\n".into()), Some(String::new()), Some(cut)]);
    for expected in ["no answer in time", "", "", ""] {
        let began = Instant::now();
        let answer = http(&base).call(&program(), &charge());
        assert!(matches!(&answer, CallAnswer::Unavailable(message) if message.contains(expected)), "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(!format!("{answer:?} {:?}", http(&base)).contains("s3cret"));
    }
}

#[test]
fn what_never_left_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://user:s3cret@{}", listener.local_addr().unwrap());
    drop(listener);
    let answer = http(&base).call(&program(), &charge());
    assert!(matches!(&answer, CallAnswer::NotSent(message) if !message.contains("s3cret")), "{answer:?}");
}

#[test]
fn a_bad_configuration_is_said() {
    for base in ["", "pay.example", "ftp://pay.example", "http://", "http://a b"] {
        assert!(Http::new(base, vec![], None, None).is_err(), "{base}");
    }
    let error = Http::new("http://a", vec![("X-Key".into(), "s3cret\n".into())], None, None).unwrap_err();
    assert_eq!(error, "the value of the header X-Key has characters that a header cannot have");
}

fn shell(script: &str) -> Command {
    Command { run: vec!["sh".into(), "-c".into(), script.into()], folder: None, timeout: Some(Duration::from_secs(5)), replays: false }
}

#[test]
fn a_command_is_given_a_line_and_prints_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let command = Command { folder: Some(folder.path().into()), ..shell("cat > seen; echo '\"r1\"'") };
    assert_eq!(command.call(&program(), &charge()), CallAnswer::Value(text("r1")));
    let seen = std::fs::read_to_string(folder.path().join("seen")).unwrap();
    assert_eq!(seen, "{\"operation\":\"charge\",\"args\":{\"amount\":10,\"note\":null},\"key\":\"e 1/é\",\"attempt\":2}\n");
    assert_eq!(shell("true").call(&program(), &call(2, vec![text("x")])), CallAnswer::Value(Value::None));
}

#[test]
fn the_exit_status_of_a_command_decides() {
    let answer = |script: &str| shell(script).call(&program(), &charge());
    assert_eq!(answer("echo 'no money'; exit 65"), CallAnswer::Rejected("no money".into()));
    assert_eq!(answer("echo '{\"message\":\"none\"}'; exit 65"), CallAnswer::Rejected("none".into()));
    assert_eq!(answer("echo 'quietly' >&2; exit 65"), CallAnswer::Rejected("quietly".into()));
    assert_eq!(answer("exit 65"), CallAnswer::Rejected("the command sh rejects it".into()));
    for (script, expected) in [
        ("exit 75", "ended with exit status: 75: it said nothing"),
        ("echo 'Traceback' >&2; exit 1", "ended with exit status: 1: Traceback"),
        ("kill -9 $$", "ended with signal: 9"),
    ] {
        let answer = answer(script);
        assert!(matches!(&answer, CallAnswer::Unavailable(message) if message.contains(expected)), "{answer:?}");
    }
    assert!(matches!(answer("echo hm"), CallAnswer::Unusable(_)));
    let missing = Command { run: vec!["/nowhere/at/all".into()], folder: None, timeout: None, replays: false };
    assert!(matches!(missing.call(&program(), &charge()), CallAnswer::NotSent(_)));
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let script = "(sleep 1; touch late) & sleep 30";
    let command = Command { folder: Some(folder.path().into()), timeout: Some(Duration::from_millis(200)), ..shell(script) };
    let began = Instant::now();
    let answer = command.call(&program(), &charge());
    assert!(matches!(&answer, CallAnswer::Unavailable(message) if message.contains("took too long")), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!folder.path().join("late").exists());
}

#[test]
fn a_command_may_say_much() {
    // More than a pipe holds, on both outputs, without reading the input.
    let script = "yes | head -c 3000000 >&2; printf '\"'; yes a | tr -d '\\n' | head -c 1000000; printf '\"'";
    let answer = shell(script).call(&program(), &call(0, vec![Value::Int(1), text(&"x".repeat(1 << 20))]));
    assert!(matches!(&answer, CallAnswer::Value(Value::Text(text)) if text.len() == 1_000_000), "{:?}", std::mem::discriminant(&answer));
}
