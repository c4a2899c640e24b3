//! The pair of servers: the public way to start, reach and stop them.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::account::Account;
use crate::place::Place;
use crate::spawn::Spawner;
use crate::{EmbedError, Frozen, Programs, Server, postgres, redis};

const POSTGRES_STOPS_WITHIN: Duration = Duration::from_secs(15);
const REDIS_STOPS_WITHIN: Duration = Duration::from_secs(5);

/// What a crash of the machine may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Postgres loses no commit (fsync and synchronous_commit on); Redis appends to its file every second.
    Production,
    /// Anything may be lost: fsync, synchronous_commit and full_page_writes off, Redis in memory only.
    Tests,
}

/// How to run the servers. [`Options::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds data and logs. Created when absent; a second start finds the data again.
    pub dir: PathBuf,
    pub durability: Durability,
    /// Postgres's max_connections: 200, or 400 for tests.
    pub max_connections: u32,
    /// Postgres's shared_buffers in MiB: 256, or 128 for tests.
    pub shared_buffers_mb: u32,
    /// How long each server may take until it answers: 30 s. Recovery after a crash counts.
    pub ready_within: Duration,
}

impl Options {
    pub fn new(dir: impl Into<PathBuf>, durability: Durability) -> Options {
        let (max_connections, shared_buffers_mb) = match durability {
            Durability::Production => (200, 256),
            Durability::Tests => (400, 128),
        };
        let ready_within = Duration::from_secs(30);
        Options { dir: dir.into(), durability, max_connections, shared_buffers_mb, ready_within }
    }
}

/// How Postgres is stopped (PostgreSQL manual, "Shutting Down the Server").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// SIGINT: ends the sessions, then an orderly end.
    Fast,
    /// SIGQUIT: at once; the next start recovers from the log.
    NewRun,
    /// SIGKILL: what a crash looks like.
    Kill,
}

/// Both servers. Dropping it stops them too, but [`Services::stop`] gives them more time.
#[derive(Debug)]
pub struct Services {
    // Dropped in this order: the servers before the thread whose end would signal them, the lock last.
    postgres: Server,
    redis: Server,
    spawner: Spawner,
    ready_within: Duration,
    place: Place,
}

impl Services {
    /// Starts both and returns when both answer. Servers that an earlier run left in the directory are ended first.
    ///
    /// # Errors
    /// [`EmbedError`]; the log's tail is in its text when a server did not start.
    pub async fn start(programs: &Programs, options: &Options) -> Result<Services, EmbedError> {
        let account = Account::choose()?;
        let place = Place::open(&options.dir, &account).await?;
        let spawner =
            Spawner::start(account.clone()).map_err(EmbedError::io("start a thread for", &place.dir))?;
        let postgres = postgres::server(programs, options, &place);
        let redis = redis::server(programs, options, &place);
        let ready_within = options.ready_within;
        let mut services = Services { postgres, redis, spawner, ready_within, place };
        if !services.spawner.dies_with_parent() {
            let note = "no setpriv with --pdeathsig here: the servers survive when this process is killed";
            services.place.notes.push(note.to_owned());
        }
        let Services { postgres, redis, spawner, place, .. } = &mut services;
        tokio::try_join!(redis.start(spawner, ready_within), async {
            postgres::initialise(programs, options, place, &account, spawner).await?;
            postgres::remove_stale(place)?;
            postgres.start(spawner, ready_within).await
        })?;
        Ok(services)
    }

    /// A connection URL for libpq, tokio-postgres and diesel; the socket's directory is percent-encoded as host.
    /// The user `trigrun` is a superuser without password. The database `postgres` always exists.
    pub fn postgres_url(&self, database: &str) -> String {
        let host = percent_encode(self.place.sockets.as_os_str().as_bytes(), b"");
        format!("postgres://trigrun@{host}/{}", percent_encode(database.as_bytes(), b""))
    }

    /// A connection URL for the redis crate: `unix:///path`.
    pub fn redis_url(&self) -> String {
        format!("unix://{}", percent_encode(self.redis.socket().as_os_str().as_bytes(), b"/"))
    }

    /// Where data and logs really are: not `Options::dir` when the servers' user cannot get there.
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// What a person should be told, one sentence each: other directories than asked for, a missing setpriv.
    pub fn notes(&self) -> &[String] {
        &self.place.notes
    }

    pub fn postgres(&self) -> &Server {
        &self.postgres
    }

    pub fn redis(&self) -> &Server {
        &self.redis
    }

    /// Starts Postgres again and waits until it answers; nothing happens when it does already.
    ///
    /// # Errors
    /// [`EmbedError`] with the log's tail.
    pub async fn start_postgres(&mut self) -> Result<(), EmbedError> {
        postgres::remove_stale(&self.place)?;
        self.postgres.start(&self.spawner, self.ready_within).await
    }

    /// Returns when the process has ended; after 15 s it is killed.
    pub async fn stop_postgres(&mut self, shutdown: Shutdown) {
        let signal = match shutdown {
            Shutdown::Fast => Signal::SIGINT,
            Shutdown::NewRun => Signal::SIGQUIT,
            Shutdown::Kill => Signal::SIGKILL,
        };
        self.postgres.stop(signal, POSTGRES_STOPS_WITHIN).await;
    }

    /// Postgres stands still, with all its processes, until the answer is dropped. Nothing happens while it is stopped.
    pub fn freeze_postgres(&self) -> Frozen {
        let pid = self.postgres.pid().and_then(|pid| i32::try_from(pid).ok());
        pid.map_or_else(Frozen::nothing, Frozen::with_children)
    }

    /// A fast shutdown and a start.
    ///
    /// # Errors
    /// As [`Services::start_postgres`].
    pub async fn restart_postgres(&mut self) -> Result<(), EmbedError> {
        self.stop_postgres(Shutdown::Fast).await;
        self.start_postgres().await
    }

    /// Starts Redis again and waits until it answers; nothing happens when it does already.
    ///
    /// # Errors
    /// [`EmbedError`] with the log's tail.
    pub async fn start_redis(&mut self) -> Result<(), EmbedError> {
        self.redis.start(&self.spawner, self.ready_within).await
    }

    /// Returns when the process has ended; after 5 s it is killed.
    pub async fn stop_redis(&mut self) {
        self.redis.stop(Signal::SIGTERM, REDIS_STOPS_WITHIN).await;
    }

    /// Stops both in order, each within its deadline, at last by SIGKILL.
    pub async fn stop(mut self) {
        let Services { postgres, redis, place, .. } = &mut self;
        tokio::join!(
            postgres.stop(Signal::SIGINT, POSTGRES_STOPS_WITHIN),
            redis.stop(Signal::SIGTERM, REDIS_STOPS_WITHIN)
        );
        place.remove_short_sockets();
    }
}

/// Keeps the unreserved characters of RFC 3986 and those of `also`.
fn percent_encode(bytes: &[u8], also: &[u8]) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte);
    bytes
        .iter()
        .map(|&byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
