//! What is specific to Postgres: initdb, settings, the startup packet. Starts nothing by itself.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::account::Account;
use crate::directories::{Directories, POSTGRES_SOCKET};
use crate::launch::{Launch, Probe};
use crate::orphans::{self, ProcessMatch};
use crate::server::{self, Server};
use crate::spawn::Spawner;
use crate::{Durability, EmbedError, Options, Programs};

const USER: &str = "trigrun";
const INITDB_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) fn server(programs: &Programs, options: &Options, directories: &Directories) -> Server {
    let data = directories.postgres();
    let launch = Launch {
        name: "postgres",
        program: programs.postgres.clone(),
        args: arguments(options, directories),
        dir: data.clone(),
        log: directories.dir.join("postgres.log"),
        // Fast shutdown; SIGTERM would wait for the clients.
        stop_signal: Signal::SIGINT,
    };
    let program = "postgres".to_owned();
    let matching = ProcessMatch { program, argument: data.clone(), data };
    Server::new(
        launch,
        Probe { request: startup(), is_ready },
        matching,
        directories.sockets.join(POSTGRES_SOCKET),
    )
}

/// Runs initdb if there is no database cluster yet. It works in a directory of another name, so that a crash
/// leaves nothing that looks complete.
pub(crate) async fn initialise(
    programs: &Programs,
    options: &Options,
    directories: &Directories,
    account: &Account,
    spawner: &Spawner,
) -> Result<(), EmbedError> {
    let data = directories.postgres();
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    let unfinished = directories.dir.join("postgres.new");
    if unfinished.exists() {
        // The initdb of a killed run may not have ended yet.
        for program in ["initdb", "postgres"].map(str::to_owned) {
            let matching = ProcessMatch { program, data: unfinished.clone(), argument: unfinished.clone() };
            orphans::end(&matching, Signal::SIGTERM).await?;
        }
        fs::remove_dir_all(&unfinished).map_err(EmbedError::io("remove", &unfinished))?;
    }
    account.create_private(&unfinished)?;
    let mut args: Vec<OsString> =
        ["-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-instructions", "-D"]
            .map(OsString::from)
            .into();
    args.push(unfinished.clone().into());
    if options.durability == Durability::Tests {
        args.push("-N".into());
    }
    let launch = Launch {
        name: "initdb",
        program: programs.initdb.clone(),
        args,
        dir: directories.dir.clone(),
        log: directories.dir.join("postgres.log"),
        stop_signal: Signal::SIGTERM,
    };
    server::run(&launch, spawner, INITDB_TIMEOUT).await?;
    fs::rename(&unfinished, &data).map_err(EmbedError::io("rename", &unfinished))?;
    File::open(&directories.dir)
        .and_then(|dir| dir.sync_all())
        .map_err(EmbedError::io("sync", &directories.dir))
}

/// Removes files that would keep Postgres from starting although no server runs: it refuses if the process id in
/// postmaster.pid or in the lock of the socket has been reused by another program.
pub(crate) fn remove_stale(directories: &Directories) -> Result<(), EmbedError> {
    remove_reused(&directories.postgres().join("postmaster.pid"))?;
    remove_reused(&directories.sockets.join(format!("{POSTGRES_SOCKET}.lock")))
}

/// Keeps a file whose process has ended: Postgres itself handles that, with more checks.
fn remove_reused(file: &Path) -> Result<(), EmbedError> {
    let pid = fs::read_to_string(file).ok().and_then(|text| text.lines().next()?.trim().parse::<u32>().ok());
    let comm = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    match comm {
        Some(name) if name.trim_end() != "postgres" => {
            fs::remove_file(file).map_err(EmbedError::io("remove", file))
        }
        _ => Ok(()),
    }
}

fn arguments(options: &Options, directories: &Directories) -> Vec<OsString> {
    // unix_socket_directories is a list: quotes keep a comma or a space inside a name.
    let mut sockets = OsString::from("unix_socket_directories=\"");
    sockets.push(&directories.sockets);
    sockets.push("\"");
    let mut args: Vec<OsString> = ["-p", "5432", "-D"].map(OsString::from).into();
    args.extend([directories.postgres().into(), "-c".into(), sockets]);
    let durable = if options.durability == Durability::Production { "on" } else { "off" };
    let settings = [
        "listen_addresses=".to_owned(),
        // The directory of the socket is private as well.
        "unix_socket_permissions=0700".to_owned(),
        format!("max_connections={}", options.max_connections),
        format!("shared_buffers={}MB", options.shared_buffers_mb),
        format!("fsync={durable}"),
        format!("synchronous_commit={durable}"),
        format!("full_page_writes={durable}"),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "log_line_prefix=%m [%p] %q%u@%d ".to_owned(),
    ];
    args.extend(settings.into_iter().flat_map(|setting| [OsString::from("-c"), setting.into()]));
    args
}

/// StartupMessage of protocol 3.0, followed by Terminate (PostgreSQL manual, "Message Formats").
fn startup() -> Vec<u8> {
    let parameters = format!("user\0{USER}\0database\0postgres\0\0");
    let length = u32::try_from(parameters.len() + 8).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), parameters.as_bytes(), b"X\0\0\0\x04"].concat()
}

/// AuthenticationOk comes first; a server in recovery sends ErrorResponse.
fn is_ready(response: &[u8]) -> bool {
    response.first() == Some(&b'R') && response.ends_with(b"Z\0\0\0\x05I")
}
