//! What Postgres is told: initdb, settings, the startup packet. It starts nothing by itself.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::account::Account;
use crate::leftover::{self, Marks};
use crate::place::{POSTGRES_SOCKET, Place};
use crate::server::{self, Launch, Probe, Server};
use crate::spawn::Spawner;
use crate::{Durability, EmbedError, Options, Programs};

const USER: &str = "trigrun";
const INITDB_WITHIN: Duration = Duration::from_secs(120);

pub(crate) fn server(programs: &Programs, options: &Options, place: &Place) -> Server {
    let data = place.postgres();
    let launch = Launch {
        name: "postgres",
        program: programs.postgres.clone(),
        args: arguments(options, place),
        dir: data.clone(),
        log: place.dir.join("postgres.log"),
        // Fast shutdown: SIGTERM would wait for the clients.
        orderly: Signal::SIGINT,
    };
    let program = "postgres".to_owned();
    let marks = Marks { program, argument: data.clone(), data };
    Server::new(launch, Probe { question: startup(), is_ready }, marks, place.sockets.join(POSTGRES_SOCKET))
}

/// Runs initdb if there is no database cluster yet. It works in a directory of another name, so that a crash
/// leaves nothing that looks finished.
pub(crate) async fn initialise(
    programs: &Programs,
    options: &Options,
    place: &Place,
    account: &Account,
    spawner: &Spawner,
) -> Result<(), EmbedError> {
    let data = place.postgres();
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    let unfinished = place.dir.join("postgres.new");
    if unfinished.exists() {
        // A killed run's initdb may still be on its way out.
        for program in ["initdb", "postgres"].map(str::to_owned) {
            let marks = Marks { program, data: unfinished.clone(), argument: unfinished.clone() };
            leftover::end(&marks, Signal::SIGTERM).await?;
        }
        fs::remove_dir_all(&unfinished).map_err(EmbedError::io("remove", &unfinished))?;
    }
    account.own(&unfinished)?;
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
        dir: place.dir.clone(),
        log: place.dir.join("postgres.log"),
        orderly: Signal::SIGTERM,
    };
    server::run(&launch, spawner, INITDB_WITHIN).await?;
    fs::rename(&unfinished, &data).map_err(EmbedError::io("rename", &unfinished))?;
    File::open(&place.dir).and_then(|dir| dir.sync_all()).map_err(EmbedError::io("sync", &place.dir))
}

/// Removes what would keep Postgres from starting although no server runs: it refuses when the process id in
/// postmaster.pid or in the socket's lock is alive again, as somebody else's.
pub(crate) fn remove_stale(place: &Place) -> Result<(), EmbedError> {
    remove_reused(&place.postgres().join("postmaster.pid"))?;
    remove_reused(&place.sockets.join(format!("{POSTGRES_SOCKET}.lock")))
}

/// A dead process id stays in its file: Postgres handles that itself, with more care.
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

fn arguments(options: &Options, place: &Place) -> Vec<OsString> {
    // unix_socket_directories is a list: quotes keep a comma or a space inside a name.
    let mut sockets = OsString::from("unix_socket_directories=\"");
    sockets.push(&place.sockets);
    sockets.push("\"");
    let mut args: Vec<OsString> = ["-p", "5432", "-D"].map(OsString::from).into();
    args.extend([place.postgres().into(), "-c".into(), sockets]);
    let durable = if options.durability == Durability::Production { "on" } else { "off" };
    let settings = [
        "listen_addresses=".to_owned(),
        // The directory of the socket is closed to others as well.
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

/// AuthenticationOk comes first; a server that still recovers sends ErrorResponse.
fn is_ready(answer: &[u8]) -> bool {
    answer.first() == Some(&b'R') && answer.ends_with(b"Z\0\0\0\x05I")
}
