//! PostgreSQL servers for tests and benchmarks: made, started, stopped, killed and thrown away.
//!
//! Needs PostgreSQL's server binaries: in the folder that `PATTERNC_POSTGRES_BIN` names, on the `PATH`, or where Debian puts them. A server
//! must not run as root: started by root it runs as `nobody`.

mod certificates;
mod proxy;

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;

pub use self::certificates::certify;
pub use self::proxy::{Cut, Packet, Proxy};

/// `nobody` and `nogroup` on Debian.
const NOBODY: u32 = 65_534;
/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a free port of this machine, with its own data. It ends with the value.
pub struct Server {
    bin: PathBuf,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    process: Option<Child>,
    /// Ends the server when this process ends, however that happens: it waits for the end of its input.
    guard: Option<Child>,
}

impl Server {
    /// Starts a server, or says why there is none. `options`: settings as `name=value`.
    ///
    /// # Panics
    /// If the binaries are there and the server does not start.
    pub fn start(options: &[&str]) -> Option<Server> {
        Server::start_with(options, &[])
    }

    /// The same with files in the folder of its data: `pg_hba.conf`, `server.crt` and `server.key` for `ssl=on`.
    ///
    /// # Panics
    /// If the binaries are there and the server does not start.
    pub fn start_with(options: &[&str], files: &[(&str, &str)]) -> Option<Server> {
        let bin = binaries()?;
        let folder = tempfile::Builder::new().prefix("patternc-pg").tempdir().expect("there is room");
        fs::create_dir(folder.path().join("data")).expect("there is room");
        if getuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give files away");
            chown(folder.path().join("data"), Some(NOBODY), Some(NOBODY)).expect("root may give files away");
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("there is a free port").port();
        let mut server =
            Server { bin, folder, port, options: options.iter().map(|o| (*o).to_owned()).collect(), process: None, guard: None };
        let data = server.data();
        let mut initdb = server.command("initdb");
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync"]);
        let made = initdb.stdout(Stdio::null()).output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        for (name, text) in files {
            let path = server.data().join(name);
            // A server takes no key that others may read.
            let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&path).expect("there is room");
            file.write_all(text.as_bytes()).expect("there is room");
            if getuid().is_root() {
                chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
            }
        }
        server.guard();
        server.run();
        Some(server)
    }

    /// A value in a `static` is never dropped, and a killed test drops nothing.
    fn guard(&mut self) {
        let script = "cat > /dev/null; read -r pid < data/postmaster.pid && kill -QUIT \"$pid\"; rm -rf data log";
        let mut guard = self.command("sh");
        // Its own group: what is typed at the terminal reaches the tests, not it.
        guard.arg("-c").arg(script).process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.guard = Some(guard.spawn().expect("a shell runs"));
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = if name == "sh" { Command::new(name) } else { Command::new(self.bin.join(name)) };
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        if getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// The address of a database, made if it is not there.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn url(&self, database: &str) -> String {
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}", self.port);
        if database != "postgres" {
            let made = self.sql("postgres", &format!("CREATE DATABASE \"{database}\""));
            assert!(made.is_ok() || made.as_ref().is_err_and(|error| error.contains("already exists")), "{made:?}");
        }
        url
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL with `psql`; gives what it prints, unaligned and without headers.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = self.command("psql");
        psql.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-p"]);
        psql.arg(self.port.to_string()).args(["-d", database, "-c", sql]);
        let output = psql.output().map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    /// Starts the server, which is not running.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn run(&mut self) {
        let data = self.data();
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(&data).arg("-p").arg(self.port.to_string());
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200"]);
        for option in &self.options {
            postgres.arg("-c").arg(option);
        }
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).expect("there is room");
        postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(postgres.spawn().expect("the server runs"));
        let began = Instant::now();
        while self.sql("postgres", "SELECT 1").is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "the server does not start: {}", log());
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// Stops the server at once, as in a crash: what it does is cut off, what it had told is kept.
    pub fn crash(&mut self) {
        self.end(Signal::QUIT);
    }

    /// Stops the server after it has ended all connections.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut process) = self.process.take() else { return };
        if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
            // One that has ended already needs no signal.
            let _ = kill_process(pid, signal);
        }
        let began = Instant::now();
        while matches!(process.try_wait(), Ok(None)) {
            if began.elapsed() > PATIENCE {
                // It is thrown away; what is left to do is to end it.
                let _ = process.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(Signal::QUIT);
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            // There is nothing left for it to do.
            let _ = guard.wait();
        }
    }
}

/// The folder of the server's binaries.
fn binaries() -> Option<PathBuf> {
    let has = |folder: &Path| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
    if let Some(named) = env::var_os("PATTERNC_POSTGRES_BIN").map(PathBuf::from) {
        assert!(has(&named), "PATTERNC_POSTGRES_BIN is {}, where no server is", named.display());
        return Some(named);
    }
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).chain(debian).find(|folder| has(folder));
    if found.is_none() {
        let message = "PostgreSQL's server is not installed (Debian: `apt-get install postgresql`), so nothing is tested on it";
        assert!(env::var_os("CI").is_none(), "{message}; in CI that is a failure");
        eprintln!("{message}");
    }
    found
}
