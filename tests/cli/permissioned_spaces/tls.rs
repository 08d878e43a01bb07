//! SpiceDB over TLS, with a certificate of an authority of one's own.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use patternc_postgres_server::certify;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::disturbed::{command, events, forward, project, wanted};
use super::spicedb::{Request, Server, TOKEN, read_request};
use super::{read_until, start_open};
use crate::patternc::{folder, patternc, run_with_input, seen};

/// What answers a request with the bytes of an HTTP response.
type Answers = dyn Fn(&Request) -> Option<Vec<u8>> + Send + Sync;

/// Where a server is reached over TLS, with the certificate in a folder.
fn encrypted(certificates: &Path, answers: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificates.join("server.crt"))
        .and_then(Iterator::collect::<Result<_, _>>)
        .expect("openssl wrote certificates");
    let key = PrivateKeyDer::from_pem_file(certificates.join("server.key")).expect("openssl wrote a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .expect("the key is of the certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let answers: Arc<Answers> = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, answers) = (config.clone(), answers.clone());
            std::thread::spawn(move || serve(stream, config, &*answers));
        }
    });
    format!("https://localhost:{port}")
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, answers: &Answers) {
    let connection = ServerConnection::new(config).expect("the configuration is whole");
    let mut stream = StreamOwned::new(connection, stream);
    while let Some(request) = read_request(&mut stream) {
        let Some(answer) = answers(&request) else { return };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

/// The project with a setting at its extern.
fn project_with(setting: &str) -> tempfile::TempDir {
    let folder = project();
    let path = folder.path().join("patternc.yaml");
    let text = fs::read_to_string(&path).expect("it is there");
    let with = text.replace("timeout: 2s", &format!("timeout: 2s{setting}"));
    assert!(setting.is_empty() || text != with, "{text}");
    fs::write(path, with).expect("there is room");
    folder
}

#[test]
fn the_certificate_may_be_of_an_authority_of_ones_own() {
    let certificates = tempfile::tempdir().expect("there is room for a folder");
    certify(certificates.path());
    let server = Server::start();
    let behind = server.address.clone();
    let address = encrypted(certificates.path(), move |request| forward(&behind, request));
    let owner = "did:plc:encrypted";
    // A path in the file is relative to it, wherever the process is.
    let folder = project_with(", authorities: trusted/ca.pem");
    fs::create_dir(folder.path().join("trusted")).expect("there is room");
    fs::copy(certificates.path().join("ca.crt"), folder.path().join("trusted/ca.pem")).expect("there is room");
    let mut run = command(folder.path(), &address);
    run.arg("run").arg(folder.path()).current_dir(certificates.path());
    let ran = run_with_input(run, &events(owner));
    assert_eq!(ran.status.code(), Some(0), "{}", seen(&ran));
    assert_eq!(server.facts(owner), wanted(owner));
}

#[test]
fn an_http_service_may_have_such_a_certificate_too() {
    let certificates = tempfile::tempdir().expect("there is room for a folder");
    certify(certificates.path());
    let address = encrypted(certificates.path(), |request| {
        let body = if request.path == "/quote" { "42" } else { "\"nothing\"" };
        Some(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    });
    let pattern = "space home\nextern rates { quote(agent: Text) -> Int readonly }\nrecord Desk in home {\n  cell last: Int = 0\n  \
         handler ask(agent: Text) { send rates.quote(agent) then { ok(n) => { self.last = n } } }\n}\n";
    let deployment = format!(
        "default-deployment: local\ndeployments:\n  local:\n    stores: {{ main: {{ kind: sqlite, path: state.db }} }}\n    \
         spaces: {{ \"*\": main }}\n    externs: {{ rates: {{ kind: http, base: \"{address}\", authorities: \"${{AUTHORITY}}\" }} }}\n"
    );
    let project = folder(&[("desk.pattern", pattern), ("patternc.yaml", &deployment)]);
    let mut run = patternc(project.path());
    run.arg("run").env("AUTHORITY", certificates.path().join("ca.crt"));
    let events = r#"{"create":"Desk","as":"d"}
{"to":"Desk/d","handler":"ask","args":{"agent":"ann"}}
"#;
    let ran = run_with_input(run, events);
    assert_eq!(ran.status.code(), Some(0), "{}", seen(&ran));
    let mut read = patternc(project.path());
    read.arg("run").env("AUTHORITY", certificates.path().join("ca.crt"));
    let said = seen(&run_with_input(read, r#"{"read":"Desk/d"}"#));
    assert!(said.contains(r#""cells":{"last":42}"#), "{said}");
}

#[test]
fn a_certificate_of_an_authority_that_is_not_trusted_is_told() {
    let certificates = tempfile::tempdir().expect("there is room for a folder");
    certify(certificates.path());
    let address = encrypted(certificates.path(), |_| None);
    let other = format!(", authorities: {}", certificates.path().join("other.crt").display());
    for setting in ["", &other] {
        let folder = project_with(setting);
        let (mut child, mut stdin) = start_open(folder.path(), &address, TOKEN, &["--verbose"]);
        stdin.write_all(events("did:plc:unknown").as_bytes()).expect("it reads");
        let said = read_until(child.stderr.take().expect("it is piped"), "TLS with the `endpoint` of the extern fails");
        assert!(said.contains("name the certificate of the authority with `authorities: FILE`"), "{said}");
        child.kill().expect("it runs");
        child.wait().expect("it was started");
    }
}

#[test]
fn what_is_wrong_with_the_file_of_certificates_is_said_before_anything_runs() {
    let certificates = tempfile::tempdir().expect("there is room for a folder");
    let file = |name: &str, text: &str| fs::write(certificates.path().join(name), text).expect("there is room for a file");
    file("names", "subjectAltName=DNS:localhost\n");
    file("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (name, why) in [("none.pem", "No such file"), ("names", "it holds none (`-----BEGIN CERTIFICATE-----`)"), ("broken", "BadEncoding")]
    {
        let folder = project_with(&format!(", authorities: {}", certificates.path().join(name).display()));
        let mut run = command(folder.path(), "https://localhost:1");
        run.arg("run");
        let ran = run_with_input(run, "");
        let said = seen(&ran);
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(said.contains("extern `authz` of deployment `local`: the certificates in ") && said.contains(name), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn an_endpoint_that_speaks_no_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // What comes is no HTTP either.
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
        }
    });
    let folder = project();
    let (mut child, mut stdin) = start_open(folder.path(), &format!("https://{address}"), TOKEN, &["--verbose"]);
    stdin.write_all(events("did:plc:tls").as_bytes()).expect("it reads");
    read_until(child.stderr.take().expect("it is piped"), "TLS with the `endpoint` of the extern fails");
    child.kill().expect("it runs");
    child.wait().expect("it was started");
}
