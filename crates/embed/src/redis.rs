//! What is specific to Redis: its settings and the readiness probe. Starts nothing by itself.

use std::ffi::OsString;

use nix::sys::signal::Signal;

use crate::directories::Directories;
use crate::launch::{Launch, Probe};
use crate::orphans::ProcessMatch;
use crate::server::Server;
use crate::{Durability, Options, Programs};

pub(crate) fn server(programs: &Programs, options: &Options, directories: &Directories) -> Server {
    let socket = directories.sockets.join("redis.sock");
    let mut args: Vec<OsString> = vec!["--unixsocket".into(), socket.clone().into()];
    args.extend(["--dir".into(), directories.redis().into()]);
    let appends = if options.durability == Durability::Production { "yes" } else { "no" };
    #[rustfmt::skip]
    let settings = [
        "--unixsocketperm", "700", "--port", "0", "--daemonize", "no", "--save", "",
        "--appendonly", appends, "--appendfsync", "everysec", "--maxmemory-policy", "noeviction",
    ];
    args.extend(settings.map(OsString::from));
    let launch = Launch {
        name: "redis",
        program: programs.redis_server.clone(),
        args,
        dir: directories.redis(),
        log: directories.dir.join("redis.log"),
        stop_signal: Signal::SIGTERM,
    };
    let program = programs.redis_server.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let matching = ProcessMatch { program, data: directories.redis(), argument: socket.clone() };
    // While it loads its data, it responds with -LOADING.
    let probe =
        Probe { request: b"PING\r\nQUIT\r\n".to_vec(), is_ready: |response| response.starts_with(b"+PONG") };
    Server::new(launch, probe, matching, socket)
}
