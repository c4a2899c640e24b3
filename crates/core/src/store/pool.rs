//! Connections to Postgres: a bounded pool in which every wait has a deadline.

use deadpool::{Runtime, managed::QueueMode};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool as pooled},
};
use futures_util::{FutureExt, future::BoxFuture};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio_postgres::config::SslMode;

use super::{Conn, StoreError};

/// The section `[postgres]` of every process.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSettings {
    pub url: SecretString,
    pub max_connections: usize,
    pub acquire_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    pub lock_timeout_ms: u64,
    pub idle_in_transaction_timeout_ms: u64,
}

const VANISHED: Duration = Duration::from_secs(5);

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct Db(pooled::Pool<AsyncPgConnection>);

pub type PooledConn = pooled::Object<AsyncPgConnection>;

impl Db {
    /// A pool that connects when first asked. Fails only on settings that cannot be understood.
    pub fn new(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let connector = Connector::new(settings)?;
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(move |_| connector.clone().connect());
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        let acquire = Duration::from_millis(settings.acquire_timeout_ms);
        pooled::Pool::builder(manager)
            .max_size(settings.max_connections)
            .wait_timeout(Some(acquire))
            .create_timeout(Some(acquire))
            .recycle_timeout(Some(acquire))
            .runtime(Runtime::Tokio1)
            // The session used last has its plans, and the pages that it works on, at hand; in turns, every one would have to fetch them.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map(Self)
            .map_err(|error| StoreError::Internal(error.to_string()))
    }

    /// A connection, or [`StoreError::Unavailable`] after `acquire_timeout_ms`.
    pub async fn conn(&self) -> Result<PooledConn, StoreError> {
        self.0.get().await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Connections in use, open and not in use, and allowed: for the metrics.
    pub fn usage(&self) -> (usize, usize, usize) {
        let status = self.0.status();
        (status.size.saturating_sub(status.available), status.available, status.max_size)
    }
}

/// Opens sessions with TLS as the URL's `sslmode` asks, and with the timeouts of the settings.
#[derive(Clone)]
pub(super) struct Connector {
    config: tokio_postgres::Config,
    session: Arc<str>,
    tls: tokio_postgres_rustls::MakeRustlsConnect,
}

impl Connector {
    pub(super) fn new(settings: &PostgresSettings) -> Result<Self, StoreError> {
        // tokio-postgres knows no `verify-full`, and needs none: whenever TLS is used, the certificate is verified.
        let url = settings.url.expose_secret().replace("sslmode=verify-full", "sslmode=require");
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|error| StoreError::Internal(format!("postgres.url cannot be understood: {error}")))?;
        config
            .connect_timeout(Duration::from_millis(settings.acquire_timeout_ms))
            // A host that vanishes without a word is noticed: Postgres's own timeouts are on its side.
            .tcp_user_timeout(VANISHED)
            .keepalives_idle(VANISHED)
            .keepalives_interval(VANISHED)
            .keepalives_retries(2)
            .application_name("trigrun");
        // Every statement has its index. Of a partition that is new Postgres knows nothing yet and may read all of it; and it
        // overrates statements over many partitions, so that compiling them takes longer than they do. One plan serves all parameters:
        // to plan a statement over partitions takes longer than to run it.
        let session = format!(
            "set statement_timeout = {}; set lock_timeout = {}; set idle_in_transaction_session_timeout = {}; set timezone = 'UTC';
             set jit = off; set enable_seqscan = off; set max_parallel_workers_per_gather = 0;
             set plan_cache_mode = force_generic_plan",
            settings.statement_timeout_ms, settings.lock_timeout_ms, settings.idle_in_transaction_timeout_ms
        );
        Ok(Self {
            config,
            session: session.into(),
            tls: tokio_postgres_rustls::MakeRustlsConnect::new(tls_config()),
        })
    }

    pub(super) fn connect(self) -> BoxFuture<'static, ConnectionResult<Conn>> {
        async move {
            let bad = |error: tokio_postgres::Error| ConnectionError::BadConnection(with_causes(&error));
            let mut conn = if self.config.get_ssl_mode() == SslMode::Disable {
                let (client, connection) = self.config.connect(tokio_postgres::NoTls).await.map_err(bad)?;
                Conn::try_from_client_and_connection(client, connection).await?
            } else {
                let (client, connection) = self.config.connect(self.tls).await.map_err(bad)?;
                Conn::try_from_client_and_connection(client, connection).await?
            };
            let session = conn.batch_execute(&self.session).await;
            session.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        }
        .boxed()
    }
}

fn tls_config() -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// tokio-postgres says only "error connecting to server"; the reason is in its source.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
