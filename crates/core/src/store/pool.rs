//! Connections to Postgres: a bounded pool. Every wait has a deadline.

use deadpool::{Runtime, managed::QueueMode};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool as pooled},
};
use futures_util::{FutureExt, future::BoxFuture};
use rustls::CertificateError;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{error::Error, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::runtime::Handle;
use tokio_postgres::config::SslMode;
use tokio_util::task::AbortOnDropHandle;

use super::{
    Conn, StoreError,
    error::PostgresError,
    postgres_url::{self, Server},
};

/// The section `[postgres]` of every process.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSettings {
    pub url: SecretString,
    /// The only certificate authorities that are trusted, in PEM; empty: the system's.
    pub ca_file: PathBuf,
    pub max_connections: usize,
    pub acquire_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    pub lock_timeout_ms: u64,
    pub idle_in_transaction_timeout_ms: u64,
}

/// After this long without a response, the host is presumed lost.
const HOST_LOST_TIMEOUT: Duration = Duration::from_secs(5);

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct Db(pooled::Pool<Conn>);

pub type PooledConn = pooled::Object<Conn>;

impl Db {
    /// A pool that connects on first use. Fails only on invalid settings, and outside of a runtime.
    ///
    /// Its connections live in the runtime that calls this, whichever uses them: each thread of the API's server has a runtime, which ends
    /// while others still finish requests.
    pub fn new(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let connector = Connector::new(settings)?;
        let mut config = ManagerConfig::default();
        config.recycling_method =
            RecyclingMethod::CustomFunction(Box::new(|conn: &mut Conn| conn.test_after_rest().boxed()));
        config.custom_setup = Box::new(move |_| connector.clone().connect());
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        let acquire = Duration::from_millis(settings.acquire_timeout_ms);
        pooled::Pool::builder(manager)
            .max_size(settings.max_connections)
            .wait_timeout(Some(acquire))
            .create_timeout(Some(acquire))
            .recycle_timeout(Some(acquire))
            .runtime(Runtime::Tokio1)
            // The session that was used last has plans and pages cached. Used in turns, every session would have to load them.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map(Self)
            .map_err(|error| StoreError::Internal(error.to_string()))
    }

    /// A connection, or [`StoreError::Unavailable`] after `acquire_timeout_ms`. Also when the server refuses the connection, for whatever
    /// reason: without a connection nothing can be said about the request.
    pub async fn conn(&self) -> Result<PooledConn, StoreError> {
        self.0.get().await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Connections in use, idle, and allowed: for the metrics.
    pub fn usage(&self) -> (usize, usize, usize) {
        let status = self.0.status();
        (status.size.saturating_sub(status.available), status.available, status.max_size)
    }
}

/// Opens sessions, with TLS as the URL's `sslmode` says, and with the timeouts of the settings.
#[derive(Clone)]
pub(super) struct Connector {
    config: tokio_postgres::Config,
    session: Arc<str>,
    tls: tokio_postgres_rustls::MakeRustlsConnect,
    runtime: Handle,
}

impl Connector {
    pub(super) fn new(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let Server { mut config, tls } = postgres_url::parse(settings.url.expose_secret(), &settings.ca_file)
            .map_err(|error| StoreError::Internal(format!("postgres.{error}")))?;
        config
            .connect_timeout(Duration::from_millis(settings.acquire_timeout_ms))
            // Detects a lost host: Postgres's own timeouts are on its side.
            .tcp_user_timeout(HOST_LOST_TIMEOUT)
            .keepalives_idle(HOST_LOST_TIMEOUT)
            .keepalives_interval(HOST_LOST_TIMEOUT)
            .keepalives_retries(2)
            .application_name("trigrun");
        // Every statement has its index. Postgres has no statistics of a new partition and might read all of it. It overestimates
        // statements over many partitions, and would compile them for longer than they run. One plan serves all parameters, because
        // planning a statement over partitions takes longer than running it. Such a plan takes a limit for a tenth of the rows, so that to
        // read all jobs of a workspace and sort them looks cheaper than to read a page in order.
        let session = format!(
            "set statement_timeout = {}; set lock_timeout = {}; set idle_in_transaction_session_timeout = {}; set timezone = 'UTC';
             set jit = off; set enable_seqscan = off; set enable_incremental_sort = off; set max_parallel_workers_per_gather = 0;
             set plan_cache_mode = force_generic_plan",
            settings.statement_timeout_ms, settings.lock_timeout_ms, settings.idle_in_transaction_timeout_ms
        );
        let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
        let runtime = Handle::try_current().map_err(|error| StoreError::Internal(error.to_string()))?;
        Ok(Self { config, session: session.into(), tls, runtime })
    }

    pub(super) fn connect(self) -> BoxFuture<'static, ConnectionResult<Conn>> {
        let runtime = self.runtime.clone();
        async move {
            let connecting = AbortOnDropHandle::new(runtime.spawn(self.connect_here()));
            connecting.await.unwrap_or_else(|error| Err(ConnectionError::BadConnection(error.to_string())))
        }
        .boxed()
    }

    async fn connect_here(self) -> ConnectionResult<Conn> {
        let refused = |error: tokio_postgres::Error| {
            let hint = certificate_hint(&error).unwrap_or_default();
            ConnectionError::BadConnection(format!("{}{hint}", PostgresError::from(error)))
        };
        let mut conn = if self.config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = self.config.connect(tokio_postgres::NoTls).await.map_err(refused)?;
            Conn::new(client, connection)
        } else {
            let (client, connection) = self.config.connect(self.tls).await.map_err(refused)?;
            Conn::new(client, connection)
        };
        let session = conn.batch_execute(&self.session).await;
        session.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }
}

/// What to set if the server's certificate is not accepted.
fn certificate_hint(error: &tokio_postgres::Error) -> Option<&'static str> {
    // tokio-rustls wraps the error in one of `io`, whose `source` is not what it wraps.
    let io = error.source()?.downcast_ref::<io::Error>()?;
    match io.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Some("; postgres.ca_file names the file of the certificate authority to trust")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("; sslmode=verify-ca accepts a certificate for any name"),
        _ => None,
    }
}
