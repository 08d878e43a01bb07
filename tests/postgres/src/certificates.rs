//! Certificates for servers under test.

use std::path::Path;
use std::process::Command;

/// Writes two authorities into a folder (`ca.crt`, `other.crt`), and a certificate for `localhost` that the first has signed (`server.crt`,
/// `server.key`). `names` beside them is no certificate.
///
/// # Panics
/// If `openssl` is not installed.
pub fn certify(folder: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().expect("openssl is installed");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n").expect("there is room");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    for name in ["ca", "other"] {
        openssl(&format!("req -x509 {key} -keyout {name}.key -out {name}.crt -subj /CN={name} -addext basicConstraints=critical,CA:TRUE"));
    }
    openssl(&format!("req {} -keyout server.key -out server.csr -subj /CN=localhost", key.trim_end_matches(" -days 2")));
    openssl("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt -extfile names");
}
