//! Blocks that need a server: the addresses that the page names are those of a server of the tests.

use std::path::Path;

use super::{run_sh, shell};
use crate::patternc::seen;
use crate::permissioned_spaces::{disturbed::events, spicedb};
use crate::token_refresh::Provider;

/// A page on mirrors has only the patterns; this is what a reader has beside them.
const DEPLOYMENT: &str = "deployments:
  local:
    stores: { main: { kind: sqlite, path: .patternc/local.db } }
    spaces: { \"*\": main }
    externs:
      authz: { kind: spicedb, endpoint: \"localhost:8443\", token: \"somerandomkey\" }
default-deployment: local
";

const NOTED: &str = "{\"create\":\"Doc\",\"cells\":{\"name\":\"plan\",\"owner\":\"ann\"}}\n";

/// Runs a script of a page against the server that it needs.
pub fn run_against_a_server(need: &str, script: &str, place: &Path, pattern: &str) -> Option<String> {
    match need {
        "spicedb" => {
            let server = spicedb::Server::alike();
            let here = |text: &str| text.replace("localhost:8443", &server.address);
            let is_project = place.join("patternc.yaml").exists();
            if is_project {
                std::fs::write(place.join("events.jsonl"), events("did:plc:ann")).expect("there is room");
            } else {
                std::fs::write(place.join("page.pattern"), pattern).expect("there is room");
                std::fs::write(place.join("patternc.yaml"), here(DEPLOYMENT)).expect("there is room");
                let filled = shell(&format!("printf '%s' '{NOTED}' | patternc run"), place).output().expect("there is a shell");
                if !filled.status.success() {
                    return Some(seen(&filled));
                }
            }
            // The project's page says once where the server is.
            let script = format!("export SPICEDB_ENDPOINT=localhost:8443 SPICEDB_TOKEN={}\n{script}", spicedb::TOKEN);
            run_sh(&here(&script), place)
        }
        "oauth" => {
            let provider = Provider::start(&[]);
            let script = script.replace("https://oauth.example", &provider.address).replace("https://gmail.example", &provider.address);
            run_sh(&script, place)
        }
        other => Some(format!("the tests have no {other}")),
    }
}
