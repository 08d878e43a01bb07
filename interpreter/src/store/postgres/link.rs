//! A connection, and the runtime of one thread that drives it while someone waits.

use std::future::Future;
use std::time::Duration;

use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::statements as sql;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the other side may be silent before the connection counts as lost.
const SILENCE: Duration = Duration::from_secs(20);

/// What a query was answered with.
pub(super) type Answer<T> = Result<T, tokio_postgres::Error>;
type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Where the server is. Never shown: it may hold a password.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
    /// Host, port and database, for messages.
    pub(super) shown: String,
}

impl Address {
    /// Reads a `postgres://` address.
    pub(super) fn parse(url: &str) -> Result<Address, String> {
        // What libpq calls so is what this does for `require`: the certificate and the name in it are verified.
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            // The library's message names the option, never the address.
            format!("it is no address of a PostgreSQL server: {}", source(&error))
        })?;
        config.connect_timeout(CONNECT).keepalives(true).keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(SILENCE);
        if config.get_application_name().is_none() {
            config.application_name("patternc");
        }
        let hosts = config.get_hosts().iter().map(|host| match host {
            tokio_postgres::config::Host::Tcp(host) => host.clone(),
            tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
        });
        let ports: Vec<String> = config.get_ports().iter().map(u16::to_string).collect();
        let hosts: Vec<String> = hosts.collect();
        let port = if ports.is_empty() { "5432".to_owned() } else { ports.join(",") };
        let shown = format!("{}:{port}/{}", hosts.join(","), config.get_dbname().unwrap_or_default());
        Ok(Address { config, shown })
    }
}

/// What an error of the driver says, with its cause.
pub(super) fn source(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(db), _) => format!("{} ({})", db.message(), db.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// Whether asking again later can help.
pub(super) fn is_transient(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else { return true };
    // Lost connections, conflicts, lack of resources, a server that starts or stops.
    ["08", "40", "53", "55", "57"].iter().any(|class| code.code().starts_with(class)) || *code == SqlState::READ_ONLY_SQL_TRANSACTION
}

/// A connection. It is used by one thread at a time.
pub(super) struct Link {
    runtime: tokio::runtime::Runtime,
    client: Client,
    pub(super) turn: TurnStatements,
}

/// The statements of a turn, prepared.
pub(super) struct TurnStatements {
    pub(super) lock: Statement,
    pub(super) tail: Statement,
    pub(super) append: Statement,
    pub(super) shift: Statement,
}

impl Link {
    /// Connects. The tables must be there.
    pub(super) fn open(address: &Address) -> Answer<Link> {
        let (runtime, client) = connect(address)?;
        let turn = runtime.block_on(async {
            Ok::<_, tokio_postgres::Error>(TurnStatements {
                lock: client.prepare(sql::LOCK).await?,
                tail: client.prepare(sql::TAIL).await?,
                append: client.prepare(sql::APPEND).await?,
                shift: client.prepare(sql::MOVE).await?,
            })
        })?;
        Ok(Link { runtime, client, turn })
    }

    /// Runs what waits for the connection.
    pub(super) fn wait<'a, T, F: Future<Output = T>>(&'a self, ask: impl FnOnce(&'a Client, &'a TurnStatements) -> F) -> T {
        self.runtime.block_on(ask(&self.client, &self.turn))
    }

    pub(super) fn query(&self, sql: &str, parameters: Parameters<'_>) -> Answer<Vec<Row>> {
        self.runtime.block_on(self.client.query(sql, parameters))
    }

    pub(super) fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Answer<u64> {
        self.runtime.block_on(self.client.execute(sql, parameters))
    }

    /// Statements without parameters or answers.
    pub(super) fn batch(&self, sql: &str) -> Answer<()> {
        self.runtime.block_on(self.client.batch_execute(sql))
    }
}

/// Connects and makes the tables if they are not there.
pub(super) fn prepare(
    address: &Address,
    create: impl FnOnce(&dyn Fn(&str, Parameters<'_>) -> Answer<Vec<Row>>) -> Answer<()>,
) -> Answer<()> {
    let (runtime, client) = connect(address)?;
    create(&|sql, parameters| runtime.block_on(client.query(sql, parameters)))
}

fn connect(address: &Address) -> Answer<(tokio::runtime::Runtime, Client)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime of one thread can be made");
    let client = runtime.block_on(async {
        // Without `sslmode=require` nobody asks for TLS, and a certificate that nobody verifies would be no help.
        let client = if address.config.get_ssl_mode() == SslMode::Require {
            let (client, connection) = address.config.connect(tls()).await?;
            tokio::spawn(connection);
            client
        } else {
            let mut plain = address.config.clone();
            let (client, connection) = plain.ssl_mode(SslMode::Disable).connect(NoTls).await?;
            tokio::spawn(connection);
            client
        };
        client.batch_execute(sql::SESSION).await?;
        Ok::<_, tokio_postgres::Error>(client)
    })?;
    Ok((runtime, client))
}

/// TLS that trusts the public authorities and those in the file that `SSL_CERT_FILE` names.
fn tls() -> MakeRustlsConnect {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = std::env::var_os("SSL_CERT_FILE")
        && let Ok(certificates) = CertificateDer::pem_file_iter(file)
    {
        roots.add_parsable_certificates(certificates.flatten());
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the versions of TLS that are safe")
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}
