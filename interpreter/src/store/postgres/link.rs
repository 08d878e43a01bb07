//! A connection, and the runtime of one thread that drives it while someone waits.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::statements as sql;
use crate::authorities;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the other side may be silent before the connection counts as lost.
const SILENCE: Duration = Duration::from_secs(20);

/// What a query was answered with.
pub(super) type Answer<T> = Result<T, LinkError>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// Nothing was asked: this process has no room for a connection.
    #[error("no connection can be made: {0}")]
    NoRoom(std::io::Error),
    #[error(transparent)]
    Server(#[from] tokio_postgres::Error),
}

impl LinkError {
    fn code(&self) -> Option<&SqlState> {
        match self {
            LinkError::NoRoom(_) => None,
            LinkError::Server(error) => error.code(),
        }
    }

    /// What the server has answered, if it has.
    pub(super) fn as_db_error(&self) -> Option<&DbError> {
        match self {
            LinkError::NoRoom(_) => None,
            LinkError::Server(error) => error.as_db_error(),
        }
    }
}

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Where the server is. Never shown: it may hold a password.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
    /// If the connection is to be encrypted.
    tls: Option<MakeRustlsConnect>,
    /// Host, port and database, for messages.
    pub(super) shown: String,
}

impl Address {
    /// Reads a `postgres://` address.
    pub(super) fn parse(url: &str) -> Result<Address, String> {
        let (url, security) = without_security(url)?;
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            // The library's message names the option, never the address.
            format!("it is no address of a PostgreSQL server: {}", source(&error.into()))
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
        config.ssl_mode(if security.tls { SslMode::Require } else { SslMode::Disable });
        let tls = security.tls.then(|| tls(security.authorities.as_deref())).transpose()?;
        Ok(Address { config, tls, shown })
    }
}

/// What an address says of TLS. Without `sslmode` nobody asks for it, and a certificate that nobody verifies would be no help.
#[derive(Default)]
struct Security {
    tls: bool,
    /// The file of `sslrootcert`.
    authorities: Option<PathBuf>,
}

/// The address without what it says of TLS, and that.
fn without_security(url: &str) -> Result<(String, Security), String> {
    let mut security = Security::default();
    let Some((before, parameters)) = url.split_once('?') else { return Ok((url.to_owned(), security)) };
    let mut kept = Vec::new();
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some(("sslrootcert", path)) => {
                let path = percent_decode_str(path).decode_utf8().map_err(|_| "`sslrootcert` is no text")?;
                security.authorities = Some(PathBuf::from(&*path));
            }
            Some(("sslmode", mode)) => security.tls = verifies(mode)?,
            _ => kept.push(parameter),
        }
    }
    let separator = if kept.is_empty() { "" } else { "?" };
    Ok((format!("{before}{separator}{}", kept.join("&")), security))
}

/// Whether a connection of this `sslmode` is encrypted, and the certificate and the name in it verified.
fn verifies(mode: &str) -> Result<bool, String> {
    match mode {
        // What libpq calls so is what this does for `require`.
        "require" | "verify-full" => Ok(true),
        "disable" => Ok(false),
        "prefer" | "allow" => Err(format!(
            "it says `sslmode={mode}`, which goes on without TLS where the server offers none, and nobody is told: write `sslmode=require`, or \
             `sslmode=disable` where nobody listens on the way"
        )),
        other => Err(format!(
            "it is no address of a PostgreSQL server that can be used: `sslmode` is `{other}`, and can be `require` (TLS, and the certificate and \
             its name are verified) or `disable`"
        )),
    }
}

/// What an error says, with its cause and the way out.
pub(super) fn source(error: &LinkError) -> String {
    let said = match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(db), _) => format!("{} ({})", db.message(), db.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    };
    match way_out(error, &said) {
        Some(way_out) => format!("{said}. {way_out}"),
        None => said,
    }
}

fn way_out(error: &LinkError, said: &str) -> Option<&'static str> {
    let by_code = error.code().map(|code| match code.code() {
        "28000" | "28P01" => Some("Check the user and the password in the address"),
        "3D000" => Some("Make it with `createdb`, or name another in the address"),
        "42501" => Some("The user in the address must be allowed to make tables and views in the database"),
        "53300" => Some("Each process keeps two connections to each store: raise `max_connections` of the server, or run fewer processes"),
        "53100" => Some("The disk of the server is full: make room there. What was told as committed is kept"),
        "25006" => Some("The server only reads, as a standby does: give the address of the one that writes"),
        _ => None,
    });
    by_code.unwrap_or_else(|| {
        let known = [
            (
                "UnknownIssuer",
                "Who signed the certificate of the server is not known: name the authority's certificate with `sslrootcert=FILE`",
            ),
            ("CaUsedAsEndEntity", "The server shows the certificate of an authority: give it one of its own (`basicConstraints=CA:FALSE`)"),
            ("not valid for name", "The certificate of the server is for another name: use that as the host of the address"),
            ("NotValidForName", "The certificate of the server is for another name: use that as the host of the address"),
            ("xpired", "Give the server a new certificate"),
            (
                "does not support TLS",
                "Switch `ssl` on at the server; or, where nobody listens on the way, take `sslmode` out of the address",
            ),
            ("error connecting to server", "Check that the server runs, and the host and port of the address"),
        ];
        known.into_iter().find(|(words, _)| said.contains(words)).map(|(_, way_out)| way_out)
    })
}

/// Whether asking again later can help.
pub(super) fn is_transient(error: &LinkError) -> bool {
    let Some(code) = error.code() else { return true };
    // Lost connections, conflicts, lack of resources, a server that starts or stops.
    ["08", "40", "53", "55", "57"].iter().any(|class| code.code().starts_with(class)) || *code == SqlState::READ_ONLY_SQL_TRANSACTION
}

/// Whether the server has answered that what it was asked has not happened, and will not. What it says as it ends a session (57), of lost
/// connections (08) or of itself (XX) leaves that open, as does 40003.
pub(super) fn is_refusal(error: &LinkError) -> bool {
    let Some(code) = error.code() else { return false };
    ["22", "23", "25", "40", "42", "53", "55"].iter().any(|class| code.code().starts_with(class)) && code.code() != "40003"
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
            })
        })?;
        Ok(Link { runtime, client, turn })
    }

    /// Runs what waits for the connection.
    pub(super) fn wait<'a, T, F>(&'a self, ask: impl FnOnce(&'a Client, &'a TurnStatements) -> F) -> Answer<T>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        Ok(self.runtime.block_on(ask(&self.client, &self.turn))?)
    }

    pub(super) fn query(&self, sql: &str, parameters: Parameters<'_>) -> Answer<Vec<Row>> {
        Ok(self.runtime.block_on(self.client.query(sql, parameters))?)
    }

    pub(super) fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Answer<u64> {
        Ok(self.runtime.block_on(self.client.execute(sql, parameters))?)
    }

    /// Statements without parameters or answers.
    pub(super) fn batch(&self, sql: &str) -> Answer<()> {
        Ok(self.runtime.block_on(self.client.batch_execute(sql))?)
    }
}

/// Connects and makes the tables if they are not there.
pub(super) fn prepare(
    address: &Address,
    create: impl FnOnce(&dyn Fn(&str, Parameters<'_>) -> Answer<Vec<Row>>) -> Answer<()>,
) -> Answer<()> {
    let (runtime, client) = connect(address)?;
    create(&|sql, parameters| Ok(runtime.block_on(client.query(sql, parameters))?))
}

/// Connects to a store; `None` if there is none yet: the head of the journal is what is made last.
pub(super) fn existing(address: &Address) -> Answer<Option<Link>> {
    let whole = || -> Answer<Option<Link>> {
        let link = Link::open(address)?;
        let is_made = !link.query(sql::HEAD, &[])?.is_empty();
        Ok(is_made.then_some(link))
    };
    match whole() {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        link => link,
    }
}

fn connect(address: &Address) -> Answer<(tokio::runtime::Runtime, Client)> {
    // It opens files of its own, of which a process may have too many.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LinkError::NoRoom)?;
    let client = runtime.block_on(async {
        let client = match &address.tls {
            Some(tls) => {
                let (client, connection) = address.config.connect(tls.clone()).await?;
                tokio::spawn(connection);
                client
            }
            None => {
                let (client, connection) = address.config.connect(NoTls).await?;
                tokio::spawn(connection);
                client
            }
        };
        client.batch_execute(sql::SESSION).await?;
        Ok::<_, tokio_postgres::Error>(client)
    })?;
    Ok((runtime, client))
}

/// TLS that trusts the authorities of a file; without one, those of the file that `SSL_CERT_FILE` names and the public ones.
fn tls(authorities: Option<&Path>) -> Result<MakeRustlsConnect, String> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let mut roots = rustls::RootCertStore::empty();
    if authorities.is_none() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(file) = authorities.map(Path::to_owned).or(named) {
        roots.add_parsable_certificates(authorities::read(&file)?);
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the versions of TLS that are safe")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_says_of_tls_is_read_where_it_says_it() {
        let read = |url: &str| Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        for (parameters, tls) in [("", false), ("?sslmode=disable", false), ("?sslmode=require", true), ("?a=b&sslmode=verify-full", true)]
        {
            let parameters = parameters.replace("a=b", "application_name=desk");
            let address = read(&format!("postgres://ann:sslmode=verify-full@db/shop{parameters}"));
            assert_eq!(address.tls.is_some(), tls, "{parameters}");
            assert_eq!(address.config.get_ssl_mode(), if tls { SslMode::Require } else { SslMode::Disable });
            assert_eq!(address.config.get_password(), Some("sslmode=verify-full".as_bytes()), "a password is left as it is");
            assert_eq!(address.shown, "db:5432/shop");
        }
    }

    #[test]
    fn a_mode_that_leaves_it_to_the_server_is_refused() {
        for mode in ["prefer", "allow", "verify-ca"] {
            let Err(said) = Address::parse(&format!("postgres://db/shop?sslmode={mode}")) else { panic!("{mode} is taken") };
            assert!(said.contains(mode) && said.contains("disable`"), "{said}");
        }
    }

    #[test]
    fn a_path_of_an_authority_is_decoded() {
        let (url, security) = without_security("postgres://db/shop?sslrootcert=%2Fetc%2Fca%20file.crt&sslmode=require").unwrap();
        assert_eq!((url.as_str(), security.tls), ("postgres://db/shop", true));
        assert_eq!(security.authorities.as_deref(), Some(Path::new("/etc/ca file.crt")));
    }
}
