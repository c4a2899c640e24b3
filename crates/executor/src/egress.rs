//! The one door to the outside: HTTP requests to the addresses that the policy allows, and to no others.
//!
//! Three steps, so that a request can leave at its instant: [`Egress::prepare`] does all that can be done before, the caller
//! holds the [`Ready`] connection, [`Ready::send`] sends at once and reads the answer. A failing target is an [`Outcome`],
//! never an error. Redirects are not followed, environment proxies not used, nothing is sent twice, and no connection
//! serves two workspaces.

mod connection;
mod connector;
mod dial;
mod exchange;
mod failure;
mod fair_reader;
mod pool;
mod resolve;
mod response;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use hickory_resolver::net::NetError;
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::domain::{
    address::EgressPolicy,
    attempt::{AttemptStatus, Outcome, PhaseTimings},
    id::WorkspaceId,
    target::TargetUrl,
};

pub use self::pool::Turn;
use self::{
    connection::{Connection, drive},
    dial::{Dialer, Dialled},
    exchange::Exchange,
    failure::Failure,
    pool::Pool,
};

/// Longer budgets are cut to this: no wait is without a deadline.
const LONGEST: Duration = Duration::from_secs(3600);

pub struct Settings {
    pub policy: EgressPolicy,
    /// How long a connection is kept for the next request.
    pub idle_timeout: Duration,
    pub max_idle_per_destination: usize,
    /// Roots to trust beside the system's, for self-hosters with an authority of their own.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// None: those of /etc/resolv.conf. Both this and /etc/hosts are read once, by [`Egress::new`].
    pub nameservers: Vec<SocketAddr>,
}

impl Settings {
    pub fn new(policy: EgressPolicy) -> Self {
        Self {
            policy,
            idle_timeout: Duration::from_secs(10),
            max_idle_per_destination: 256,
            extra_roots: Vec::new(),
            nameservers: Vec::new(),
        }
    }
}

/// Why the door cannot be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("the resolver cannot be set up: {0}")]
    Resolver(#[source] NetError),
    #[error("an extra root certificate cannot be used: {0}")]
    Root(#[source] rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
}

/// Cheap to clone; the clones share resolver, TLS sessions and connections. Those end with the last clone.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

pub(crate) struct Inner {
    dialer: Dialer,
    pool: Arc<Pool>,
    _sweeper: DropGuard,
}

impl Egress {
    /// Must be called within a runtime: it starts the task that closes idle connections.
    pub fn new(settings: Settings) -> Result<Self, EgressError> {
        let idle_timeout = settings.idle_timeout;
        let pool = Arc::new(Pool::new(idle_timeout, settings.max_idle_per_destination));
        let dialer = Dialer::new(settings)?;
        let stop = CancellationToken::new();
        drive(stop.clone(), pool::keep_swept(Arc::downgrade(&pool), idle_timeout));
        Ok(Self(Arc::new(Inner { dialer, pool, _sweeper: stop.drop_guard() })))
    }

    /// The right to one exchange with this destination, first come, first served: there is a bound to how many one workspace may have
    /// with it at the same time.
    pub async fn turn(&self, workspace: WorkspaceId, url: &TargetUrl) -> Option<Turn> {
        self.0.pool.turn(workspace, origin(url)).await
    }

    /// All that can be done before the instant: an idle connection of the same workspace, or judge, resolve, connect, TLS.
    /// Takes at most `budget`.
    pub async fn prepare(
        &self,
        workspace: WorkspaceId,
        url: &TargetUrl,
        budget: Duration,
    ) -> Result<Ready, Box<Outcome>> {
        let started = Instant::now();
        let deadline = started + budget.min(LONGEST);
        let mut timing = PhaseTimings::default();
        let connection = match self.0.pool.take(workspace, origin(url), deadline).await {
            Some(kept) => Ok(kept),
            None => self.0.dial(workspace, url, deadline, &mut timing).await,
        };
        let used = started.elapsed();
        match connection {
            Ok(connection) => Ok(Ready {
                egress: Arc::clone(&self.0),
                workspace,
                url: url.clone(),
                connection,
                timing,
                used,
            }),
            Err(failure) => {
                timing.total = used;
                let mut outcome = Outcome { timing, ..Outcome::of(failure.status) };
                failure.end(&mut outcome);
                Err(Box::new(outcome))
            }
        }
    }
}

impl Inner {
    async fn dial(
        &self,
        workspace: WorkspaceId,
        url: &TargetUrl,
        deadline: Instant,
        timing: &mut PhaseTimings,
    ) -> Result<Connection, Failure> {
        // Boxed, because it is large and most requests do without: the futures of all others stay small.
        match Box::pin(self.dialer.dial(url, deadline, timing)).await? {
            Dialled::Http1(connection) => Ok(Connection::Exclusive(connection)),
            Dialled::Http2(connection) => {
                let lease = connection.lease().ok_or_else(failure::closed_early)?;
                self.pool.share(workspace, origin(url), &connection);
                Ok(Connection::Shared(lease))
            }
        }
    }
}

/// `scheme://host:port` of a URL, as it stands at its beginning.
fn origin(url: &TargetUrl) -> &str {
    url.as_str().strip_suffix(url.path_and_query()).unwrap_or(url.as_str())
}

/// A request but for its URL, which [`Egress::prepare`] was told.
pub struct Call {
    pub method: http::Method,
    /// All of them but `Host` and `Content-Length`.
    pub headers: http::HeaderMap,
    pub body: Bytes,
    /// For everything, the time that `prepare` took included; the hold is not.
    pub timeout: Duration,
    pub success_statuses: Vec<u16>,
    /// How much of the answer's body is kept.
    pub keep: usize,
}

pub struct Sent {
    /// When the request was handed to the connection; `None` if that never happened.
    pub departed: Option<std::time::Instant>,
    pub outcome: Outcome,
}

/// An open connection, held for one request. Dropping it sends nothing.
pub struct Ready {
    egress: Arc<Inner>,
    workspace: WorkspaceId,
    url: TargetUrl,
    connection: Connection,
    timing: PhaseTimings,
    used: Duration,
}

impl Ready {
    /// Whether the server has hung up meanwhile; [`Ready::send`] connects anew then.
    pub fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// Sends at once and reads the answer to its end or cap.
    pub async fn send(self, call: Call) -> Sent {
        self.send_while(call, || true).await
    }

    /// The same, but nothing is sent unless `may_send` says so at the very moment: connecting anew may have taken time.
    pub async fn send_while(self, call: Call, may_send: impl Fn() -> bool + Send + Sync) -> Sent {
        let (started, used) = (Instant::now(), self.used);
        let deadline = started + call.timeout.min(LONGEST).saturating_sub(used);
        let outcome = Outcome { timing: self.timing, ..Outcome::of(AttemptStatus::Success) };
        let mut exchange = Exchange { deadline, departed: None, outcome, keep: call.keep };
        let ended = exchange.run(self, call, &may_send).await;
        let Exchange { departed, mut outcome, .. } = exchange;
        if let Err(failure) = ended {
            failure.end(&mut outcome);
        }
        outcome.timing.total = used + started.elapsed();
        Sent { departed: departed.map(Instant::into_std), outcome }
    }
}
