//! What Redis is told: its settings and the first question. It starts nothing by itself.

use std::ffi::OsString;

use nix::sys::signal::Signal;

use crate::leftover::Marks;
use crate::place::Place;
use crate::server::{Launch, Probe, Server};
use crate::{Durability, Options, Programs};

pub(crate) fn server(programs: &Programs, options: &Options, place: &Place) -> Server {
    let socket = place.sockets.join("redis.sock");
    let mut args: Vec<OsString> = vec!["--unixsocket".into(), socket.clone().into()];
    args.extend(["--dir".into(), place.redis().into()]);
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
        dir: place.redis(),
        log: place.dir.join("redis.log"),
        orderly: Signal::SIGTERM,
    };
    let program = programs.redis_server.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let marks = Marks { program, data: place.redis(), argument: socket.clone() };
    // While it loads its data it answers -LOADING.
    let probe =
        Probe { question: b"PING\r\nQUIT\r\n".to_vec(), is_ready: |answer| answer.starts_with(b"+PONG") };
    Server::new(launch, probe, marks, socket)
}
