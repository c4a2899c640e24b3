//! Both servers: the public way to start, reach and stop them.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::account::Account;
use crate::directories::Directories;
use crate::spawn::Spawner;
use crate::{EmbedError, Frozen, Options, Programs, Server, postgres, redis};

const POSTGRES_STOP_TIMEOUT: Duration = Duration::from_secs(15);
const REDIS_STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How Postgres is stopped (PostgreSQL manual, "Shutting Down the Server").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// SIGINT: ends the sessions, then shuts down cleanly.
    Fast,
    /// SIGQUIT: ends at once; the next start recovers from the log.
    Immediate,
    /// SIGKILL: simulates a crash.
    Kill,
}

/// Both servers. Dropping it stops them too, but [`Services::stop`] waits longer for a clean shutdown.
#[derive(Debug)]
pub struct Services {
    // Dropped in this order: the servers before the thread whose end would signal them; the lock last.
    postgres: Server,
    redis: Server,
    spawner: Spawner,
    ready_timeout: Duration,
    directories: Directories,
}

impl Services {
    /// Starts both and returns when both respond. First ends servers that an earlier run left in the directory.
    ///
    /// # Errors
    /// [`EmbedError`]; if a server did not start, its text contains the tail of the log.
    pub async fn start(programs: &Programs, options: &Options) -> Result<Services, EmbedError> {
        let account = Account::choose()?;
        let directories = Directories::open(&options.dir, &account).await?;
        let spawner = Spawner::start(account.clone())
            .map_err(EmbedError::io("start a thread for", &directories.dir))?;
        let postgres = postgres::server(programs, options, &directories);
        let redis = redis::server(programs, options, &directories);
        let ready_timeout = options.ready_timeout;
        let mut services = Services { postgres, redis, spawner, ready_timeout, directories };
        if !services.spawner.dies_with_parent() {
            let note = "setpriv with --pdeathsig is not available: the servers keep running if this process is killed";
            services.directories.notes.push(note.to_owned());
        }
        let Services { postgres, redis, spawner, directories, .. } = &mut services;
        tokio::try_join!(redis.start(spawner, ready_timeout), async {
            postgres::initialise(programs, options, directories, &account, spawner).await?;
            postgres::remove_stale(directories)?;
            postgres.start(spawner, ready_timeout).await
        })?;
        Ok(services)
    }

    /// A connection URL for libpq, tokio-postgres and diesel; the socket's directory is percent-encoded as host.
    /// The user `trigrun` is a superuser without password. The database `postgres` always exists.
    pub fn postgres_url(&self, database: &str) -> String {
        let host = percent_encode(self.directories.sockets.as_os_str().as_bytes(), b"");
        format!("postgres://trigrun@{host}/{}", percent_encode(database.as_bytes(), b""))
    }

    /// A connection URL for the redis crate: `unix:///path`.
    pub fn redis_url(&self) -> String {
        format!("unix://{}", percent_encode(self.redis.socket().as_os_str().as_bytes(), b"/"))
    }

    /// The actual directory of data and logs. Differs from `Options::dir` if the servers' user cannot access that.
    pub fn dir(&self) -> &Path {
        &self.directories.dir
    }

    /// Notes for the user, one sentence each: a directory that differs from the requested one, a missing setpriv.
    pub fn notes(&self) -> &[String] {
        &self.directories.notes
    }

    pub fn postgres(&self) -> &Server {
        &self.postgres
    }

    pub fn redis(&self) -> &Server {
        &self.redis
    }

    /// Starts Postgres again and waits until it responds. Does nothing if it already responds.
    ///
    /// # Errors
    /// [`EmbedError`] with the log's tail.
    pub async fn start_postgres(&mut self) -> Result<(), EmbedError> {
        postgres::remove_stale(&self.directories)?;
        self.postgres.start(&self.spawner, self.ready_timeout).await
    }

    /// Returns when the process has ended. Kills it after 15 s.
    pub async fn stop_postgres(&mut self, shutdown: Shutdown) {
        let signal = match shutdown {
            Shutdown::Fast => Signal::SIGINT,
            Shutdown::Immediate => Signal::SIGQUIT,
            Shutdown::Kill => Signal::SIGKILL,
        };
        self.postgres.stop(signal, POSTGRES_STOP_TIMEOUT).await;
    }

    /// Suspends all processes of Postgres until the returned value is dropped. Does nothing while Postgres is stopped.
    pub fn freeze_postgres(&self) -> Frozen {
        let pid = self.postgres.pid().and_then(|pid| i32::try_from(pid).ok());
        pid.map_or_else(Frozen::none, Frozen::with_children)
    }

    /// A fast shutdown and a start.
    ///
    /// # Errors
    /// As [`Services::start_postgres`].
    pub async fn restart_postgres(&mut self) -> Result<(), EmbedError> {
        self.stop_postgres(Shutdown::Fast).await;
        self.start_postgres().await
    }

    /// Starts Redis again and waits until it responds. Does nothing if it already responds.
    ///
    /// # Errors
    /// [`EmbedError`] with the log's tail.
    pub async fn start_redis(&mut self) -> Result<(), EmbedError> {
        self.redis.start(&self.spawner, self.ready_timeout).await
    }

    /// Returns when the process has ended. Kills it after 5 s.
    pub async fn stop_redis(&mut self) {
        self.redis.stop(Signal::SIGTERM, REDIS_STOP_TIMEOUT).await;
    }

    /// Stops both at the same time, each within its timeout, then by SIGKILL.
    pub async fn stop(mut self) {
        let Services { postgres, redis, directories, .. } = &mut self;
        tokio::join!(
            postgres.stop(Signal::SIGINT, POSTGRES_STOP_TIMEOUT),
            redis.stop(Signal::SIGTERM, REDIS_STOP_TIMEOUT)
        );
        directories.remove_short_sockets();
    }
}

/// Keeps the unreserved characters of RFC 3986 §2.3 and those in `also`.
fn percent_encode(bytes: &[u8], also: &[u8]) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte);
    bytes
        .iter()
        .map(|&byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
