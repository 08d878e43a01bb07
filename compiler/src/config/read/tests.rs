//! What is read of a text, and what is said of mistakes.

use std::time::Duration;

use ustr::ustr;

use super::read;
use crate::config::{Config, Extern, HttpOperation, Problem, Store, Template};

const WHOLE: &str = r#"
project: bounty-board
patterns: ["**/*.pattern", "more/*.pattern"]
default-deployment: local
deployments:
  local:
    stores: { main: { kind: sqlite, path: .patternc/local.db } }
    spaces: { "*": main }
  two-stores:
    stores:
      a: { kind: postgres, url: "${DATABASE_URL}" }
      b: { kind: memory }
    spaces: { claims: a, bounties: b, "user[*]": a }
    externs:
      oauth: { kind: http, base: "https://auth.example", operations: { refresh: { method: PUT, path: /token, reject: [400, 401] }, revoke: {} } }
      payments: { kind: http, base: "https://pay.example", headers: { authorization: "Bearer ${PAY_TOKEN}" }, timeout: 5s, authorities: ca.pem }
      authz: { kind: spicedb, endpoint: "localhost:50051", token: "${SPICEDB_TOKEN}" }
      rates: { kind: command, run: ["./rates.py", 3], timeout: 250ms, replays: true }
"#;

/// Problems as `place: message (help)`.
fn problems(text: &str) -> Vec<String> {
    let problem = |problem: Problem| {
        let at = problem.span.slice(text).to_owned();
        format!("{at}: {}{}", problem.message, problem.help.map(|help| format!(" ({help})")).unwrap_or_default())
    };
    read(text).2.into_iter().map(problem).collect()
}

#[test]
fn a_whole_file_is_read() {
    let (config, _, problems) = read(WHOLE);
    assert_eq!(problems, []);
    assert_eq!(config.project.as_deref(), Some("bounty-board"));
    assert_eq!(config.patterns.len(), 2);
    assert_eq!(config.default_deployment().map(|(name, _)| name), Some("local"));
    let two = &config.deployments["two-stores"];
    assert_eq!(two.store_of(ustr("claims"), false), Some("a"));
    assert_eq!(two.store_of(ustr("user"), true), Some("a"));
    assert_eq!(two.store_of(ustr("user"), false), None);
    assert_eq!(config.deployments["local"].store_of(ustr("anything"), true), Some("main"));
    assert!(matches!(&two.stores["a"], Store::Postgres { url } if url.source() == "${DATABASE_URL}"));
    let Extern::Http(oauth) = &two.externs["oauth"] else { panic!("http") };
    let refresh = HttpOperation { method: "PUT".into(), path: "/token".into(), reject: Some(vec![400, 401]) };
    assert_eq!(oauth.operations["refresh"], refresh);
    assert_eq!(&*oauth.operations["revoke"].path, "/revoke");
    let Extern::Http(payments) = &two.externs["payments"] else { panic!("http") };
    assert_eq!(payments.timeout, Some(Duration::from_secs(5)));
    assert_eq!(payments.authorities.as_ref().map(Template::source), Some("ca.pem"));
    assert_eq!(payments.headers["authorization"].source(), "Bearer ${PAY_TOKEN}");
    let Extern::Command { run, timeout, replays } = &two.externs["rates"] else { panic!("command") };
    assert_eq!((run.len(), run[1].source(), *timeout, *replays), (2, "3", Some(Duration::from_millis(250)), true));
    assert!(!payments.replays);
}

#[test]
fn a_file_half_written_is_no_reason_to_stop() {
    for (at, _) in WHOLE.char_indices() {
        let without_one = format!("{}{}", &WHOLE[..at], &WHOLE[at + 1..]);
        for text in [&WHOLE[..at], &WHOLE[at..], &without_one] {
            for problem in read(text).2 {
                assert!(text.get(problem.span.start as usize..problem.span.end as usize).is_some(), "{problem:?} in\n{text}");
            }
        }
    }
}

#[test]
fn nothing_is_the_default() {
    assert_eq!(read("# later\n").0, Config::default());
    assert_eq!(problems(""), [""; 0]);
}

#[test]
fn mistakes_have_a_place_and_a_way_out() {
    for (text, expected) in [
        ("projekt: x", "projekt: patternc.yaml has no `projekt` (did you mean `project`?)"),
        ("project: [x]", "[: `project` is a text, not a list"),
        ("project: a\nproject: b", "project: patternc.yaml has `project` twice (keep one of them)"),
        ("- x", "- x: patternc.yaml is a mapping, not a list"),
        ("rules: { unused-nam: off }", "unused-nam: there is no rule `unused-nam` (did you mean `unused-name`?)"),
        (
            "rules: { unused-name: loud }",
            "loud: the level of `unused-name` is not one there is (a level is `error`, `warn`, `info` or `off`)",
        ),
        (
            "rules: { space-escape: warn }",
            "warn: `space-escape` is an error: the promise of the language would be broken, so it cannot be set lower (take the entry out)",
        ),
        ("limits: { step: 5 }", "step: there is no limit `step` (did you mean `steps`?)"),
        ("limits: { steps: 0 }", "0: `steps` is a number (write a whole number from 1 on)"),
        ("limits: { keep-outcomes: 5 }", "5: `keep-outcomes` is a duration (write a number and a unit: `250ms`, `5s`, `2m`, `1h`)"),
        (
            "default-deployment: lokal\ndeployments: { local: { stores: {}, spaces: {} } }",
            "lokal: there is no deployment `lokal` (did you mean `local`?)",
        ),
        ("deployments: { a: { storess: {}, spaces: {} } }", "storess: deployment `a` has no `storess` (did you mean `stores`?)"),
        ("deployments: { a: { spaces: {} } }", "a: deployment `a` has no `stores` (write `stores: { main: { kind: memory } }`)"),
        ("deployments: { a: { stores: { m: { kind: sqlite } }, spaces: {} } }", "m: store `m` has no `path` (add `path: …`)"),
        (
            "deployments: { a: { stores: { m: { kind: sqllite } }, spaces: {} } }",
            "sqllite: store `m` cannot be of kind `sqllite` (did you mean `sqlite`?)",
        ),
        (
            "deployments: { a: { stores: { m: { kind: memory, path: x } }, spaces: {} } }",
            "path: a store of kind memory has no `path` (it can have `kind`)",
        ),
        (
            "deployments: { a: { stores: { main: { kind: memory } }, spaces: { home: mian } } }",
            "mian: there is no store `mian` in this deployment (did you mean `main`?)",
        ),
        (
            "deployments: { a: { stores: { m: { kind: memory } }, spaces: { \"user[x]\": m } } }",
            "\"user[x]\": `user[x]` is no space or family (an entry is a space (`home`), a whole family (`\"user[*]\"`), or all others (`\"*\"`))",
        ),
        (
            "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: http, base: \"${X\" } } } }",
            "\"${X\": `base`: `${` is not closed by `}` (write `${NAME}`)",
        ),
        (
            "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: command, run: [] } } } }",
            "[: `run` names no program (write the program and its arguments: `run: [\"./rates.py\"]`)",
        ),
        (
            "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: command, run: [x], timeout: 5 } } } }",
            "5: `timeout` is a duration (write a number and a unit: `250ms`, `5s`, `2m`, `1h`)",
        ),
        (
            "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: command, run: [x], replays: 5 } } } }",
            "5: `replays` is true or false (write `true` or `false`)",
        ),
        (
            "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: http, base: x, operations: { o: { path: t } } } } } }",
            "t: a path starts with `/` (write `/t`: it is appended to `base`)",
        ),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
}
