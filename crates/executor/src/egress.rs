//! The only way out: HTTP requests to the addresses that the egress policy allows, and to no others.
//!
//! There are two calls, so that a request can be sent exactly at its instant: [`Egress::prepare`] does everything that can be
//! done before, and [`Ready::send`] sends immediately and reads the response. A failing target is an [`Outcome`], never an
//! error. Redirects are not followed, proxies from the environment are not used, no request is sent again that the server may have
//! processed, and no connection serves two workspaces.

mod certificates;
mod connection;
mod connector;
mod destinations;
mod dial;
mod exchange;
mod failure;
mod fair_reader;
mod gate;
mod http1;
mod names;
mod own_addresses;
mod pool;
mod progress;
mod readable;
mod resolve;
mod response;
mod tls;

pub use pool::ExchangePermit;

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hickory_resolver::net::NetError;
use http::{HeaderValue, Method};
use rustls::{client::VerifierBuilderError, pki_types::CertificateDer};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::{
    domain::{
        address::EgressPolicy,
        attempt::{AttemptStatus, Outcome, PhaseTimings},
        statuses::Statuses,
        target::TargetUrl,
    },
    telemetry::metrics,
};

pub(crate) use self::failure::{is_caused_by_lack_of_capacity, lacks_capacity};
pub use self::response::fit_headers;
use self::{
    connection::{Connection, spawn_until},
    connector::CAPACITY_TIMEOUT,
    destinations::Destinations,
    dial::{Dialer, Dialled},
    exchange::Exchange,
    failure::Failure,
    pool::Pool,
};
use crate::owner::{Owner, Share};

/// Every wait has a deadline: longer budgets are cut to this.
const MAX_BUDGET: Duration = Duration::from_secs(3600);
const CAPACITY_RETRY_INTERVAL: Duration = Duration::from_millis(200);
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

pub struct Settings {
    pub policy: EgressPolicy,
    /// How long a connection is kept for the next request.
    pub idle_timeout: Duration,
    pub max_idle_per_destination: usize,
    /// Requests in flight to one host and port, over all workspaces and executors.
    pub max_requests_per_destination: usize,
    /// Exchanges with one destination that may be young at the same time, and how long they are.
    pub max_young: usize,
    pub young_time: Duration,
    /// Roots to trust in addition to the system's, for installations with a private authority.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Of connections and look-ups.
    pub max_open_files: usize,
    /// Empty: those of /etc/resolv.conf. Both this and /etc/hosts are read once, by [`Egress::new`].
    pub nameservers: Vec<SocketAddr>,
}

impl Settings {
    pub fn new(policy: EgressPolicy) -> Self {
        Self {
            policy,
            idle_timeout: Duration::from_secs(10),
            max_idle_per_destination: 256,
            max_requests_per_destination: 512,
            max_young: gate::max_young(),
            young_time: gate::YOUNG_TIME,
            extra_roots: Vec::new(),
            max_open_files: wanted_open_files(4096),
            nameservers: Vec::new(),
        }
    }
}

/// How many files it has open at most with so many requests in flight.
pub const fn wanted_open_files(max_in_flight: usize) -> usize {
    max_in_flight + pool::MAX_CONNECTIONS + names::MAX_FILES
}

/// Nothing was sent, because this process cannot open a connection at the moment: it has too many open, or this machine lacks file
/// descriptors, ports or memory. That says nothing about the target, so it is no attempt: the same request can be prepared again later,
/// here or by another executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCapacity;

/// Why a request cannot be sent.
#[derive(Debug)]
pub enum Unprepared {
    /// The target failed, or may not be called: the outcome of the attempt.
    Failed(Box<Outcome>),
    NoCapacity,
}

/// Why no request can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("cannot set up the resolver: {0}")]
    Resolver(#[source] NetError),
    #[error("cannot use an extra root certificate: {0}")]
    Root(#[source] rustls::Error),
    #[error("cannot set up the verification of certificates: {0}")]
    Verifier(#[source] VerifierBuilderError),
    #[error("cannot set up TLS: {0}")]
    Tls(#[source] rustls::Error),
}

/// Cheap to clone. The clones share resolver, TLS sessions and connections, which end with the last clone.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

pub(crate) struct Inner {
    dialer: Dialer,
    pool: Arc<Pool>,
    destinations: Arc<Destinations>,
    /// When a lack of capacity was logged.
    reported: Mutex<Option<Instant>>,
    _purge: DropGuard,
}

impl Egress {
    /// Must be called within a runtime: it starts the task that closes idle connections.
    pub fn new(settings: Settings) -> Result<Self, EgressError> {
        let idle_timeout = settings.idle_timeout;
        let max_requests = settings.max_requests_per_destination;
        let pool = Arc::new(Pool::new(idle_timeout, settings.max_idle_per_destination, max_requests));
        let max_connections = settings.max_open_files - names::max_files(settings.max_open_files);
        let young = (settings.max_young, settings.young_time);
        let destinations = Arc::new(Destinations::new(max_requests, max_connections, young));
        let dialer = Dialer::new(settings, Arc::clone(&destinations), Arc::clone(&pool))?;
        let stop = CancellationToken::new();
        spawn_until(
            stop.clone(),
            pool::purge_repeatedly(Arc::downgrade(&pool), Arc::clone(&destinations), idle_timeout),
        );
        Ok(Self(Arc::new(Inner {
            dialer,
            pool,
            destinations,
            reported: Mutex::default(),
            _purge: stop.drop_guard(),
        })))
    }

    /// How many executors are alive: each may use an equal part of a destination. 1 at first.
    pub fn set_live_executors(&self, executors: usize) {
        self.0.destinations.set_live_executors(executors);
    }

    /// The right to one exchange with this destination. The concurrent exchanges with a destination are limited, those of a workspace
    /// to few at first, and so are those that begin at the same time. Never `None`, except at the end of the process.
    pub async fn permit(&self, owner: &Owner, url: &TargetUrl) -> Option<ExchangePermit> {
        self.0.pool.permit(owner, origin(url), || self.0.destinations.limits(url)).await
    }

    /// Everything that can be done before the instant: takes an idle connection of the same workspace, or resolves, checks,
    /// connects and does the TLS handshake. Takes at most `budget`, and some seconds while this process cannot open a connection.
    pub async fn prepare(
        &self,
        owner: &Owner,
        url: &TargetUrl,
        budget: Duration,
    ) -> Result<Ready, Unprepared> {
        self.prepare_on(Reuse::Allowed, owner, url, budget).await
    }

    /// The same, with or without connections that were kept.
    pub async fn prepare_on(
        &self,
        reuse: Reuse,
        owner: &Owner,
        url: &TargetUrl,
        budget: Duration,
    ) -> Result<Ready, Unprepared> {
        let give_up_at = Instant::now() + CAPACITY_TIMEOUT;
        let (mut started, mut timing, mut connection);
        loop {
            // The time that is lost here does not count against the target.
            (started, timing) = (Instant::now(), PhaseTimings::default());
            let deadline = started + budget.min(MAX_BUDGET);
            let kept = match reuse {
                Reuse::Allowed => self.0.pool.take(owner.workspace(), origin(url)),
                Reuse::Never => None,
            };
            connection = match kept {
                Some(kept) => Ok(kept),
                None => self.0.dial(*owner, url, deadline, &mut timing).await,
            };
            let Some(lack) = connection.as_ref().err().filter(|failure| failure.is_no_capacity()) else {
                break;
            };
            self.0.report(lack);
            if lack.is_share_in_use() || Instant::now() >= give_up_at {
                return Err(Unprepared::NoCapacity);
            }
            self.0.pool.close_idle(None);
            sleep(CAPACITY_RETRY_INTERVAL).await;
        }
        let prepare_time = started.elapsed();
        match connection {
            Ok(connection) => Ok(Ready {
                egress: Arc::clone(&self.0),
                owner: *owner,
                url: url.clone(),
                connection,
                timing,
                prepare_time,
            }),
            Err(failure) => {
                timing.total = prepare_time;
                let mut outcome = Outcome { timing, ..Outcome::of(failure.status) };
                failure.write_to(&mut outcome);
                Err(Unprepared::Failed(Box::new(outcome)))
            }
        }
    }
}

impl Inner {
    /// A lack of capacity. Each time counts, and one a minute is an error in the log.
    fn report(&self, lack: &Failure) {
        if lack.is_share_in_use() {
            return;
        }
        metrics::no_capacity();
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL) {
            *reported = Some(Instant::now());
            tracing::error!(
                connections_left = self.destinations.connections_left(),
                "cannot open connections, requests wait: raise the limit of open files (ulimit -n), or add executors"
            );
        } else {
            tracing::debug!("still cannot open connections");
        }
    }

    async fn dial(
        &self,
        owner: Owner,
        url: &TargetUrl,
        deadline: Instant,
        timing: &mut PhaseTimings,
    ) -> Result<Connection, Failure> {
        // Boxed, because it is large and most requests do not dial: their futures stay small.
        match Box::pin(self.dialer.dial(owner, url, deadline, timing)).await? {
            Dialled::Http1(connection) => Ok(Connection::Exclusive(connection)),
            Dialled::Http2(connection) => {
                let stream = connection.reserve().ok_or_else(failure::closed_early)?;
                self.pool.share(owner.workspace(), origin(url), &connection);
                Ok(Connection::Shared(stream))
            }
        }
    }
}

/// `scheme://host:port`, as the URL begins.
fn origin(url: &TargetUrl) -> &str {
    url.as_str().strip_suffix(url.path_and_query()).unwrap_or(url.as_str())
}

/// Whether a request may use a connection that was kept. The server may close such a connection just when the request is sent, and then
/// it is not certain whether it has processed the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    Allowed,
    Never,
}

/// Names as they are spelled over HTTP/1.1, in the order in which they are sent.
pub type HeaderLines = Vec<(Cow<'static, str>, HeaderValue)>;

/// A request without its URL, which [`Egress::prepare`] received.
pub struct Call {
    pub method: Method,
    /// All except `Host` and `Content-Length`.
    pub headers: HeaderLines,
    pub body: Bytes,
    /// The time by Postgres's clock. A `Retry-After` counts from it if the server does not say what time it is.
    pub at: DateTime<Utc>,
    /// For everything, including `prepare`, but not the wait until the instant.
    pub timeout: Duration,
    pub success_statuses: Statuses,
    /// How much of the response body is kept.
    pub max_preview_bytes: usize,
}

impl Call {
    /// Whether the length is sent although there is no body (RFC 9110 §8.6): where content has a meaning.
    fn sends_length(&self) -> bool {
        matches!(self.method, Method::POST | Method::PUT | Method::PATCH)
    }
}

pub struct Sent {
    /// When the request was handed to the connection; `None` if nothing was sent.
    pub sent_at: Option<std::time::Instant>,
    pub outcome: Outcome,
}

/// An open connection, reserved for one request. Dropping it sends nothing.
pub struct Ready {
    egress: Arc<Inner>,
    owner: Owner,
    url: TargetUrl,
    connection: Connection,
    timing: PhaseTimings,
    prepare_time: Duration,
}

impl Ready {
    /// Whether the server has closed the connection. If so, [`Ready::send`] dials again.
    pub fn is_closed(&mut self) -> bool {
        self.connection.is_closed()
    }

    /// Sends immediately and reads the response to its end or limit.
    pub async fn send(self, call: Call) -> Result<Sent, NoCapacity> {
        self.send_if(call, None, || true).await
    }

    /// The same, with `memory` for what is kept of the body beyond 4 KiB: it grows, or the preview ends. And nothing is sent unless `may_send` returns true immediately before: dialling again may have taken time.
    pub async fn send_if(
        self,
        call: Call,
        memory: Option<&mut Share>,
        may_send: impl Fn() -> bool + Send + Sync,
    ) -> Result<Sent, NoCapacity> {
        let (started, prepare_time) = (Instant::now(), self.prepare_time);
        let deadline = started + call.timeout.min(MAX_BUDGET).saturating_sub(prepare_time);
        let outcome = Outcome { timing: self.timing, ..Outcome::of(AttemptStatus::Success) };
        let max_preview_bytes = call.max_preview_bytes;
        let mut exchange = Exchange { deadline, sent_at: None, outcome, max_preview_bytes, memory };
        let egress = Arc::clone(&self.egress);
        let ended = exchange.run(self, &call, &may_send).await;
        let Exchange { sent_at, mut outcome, .. } = exchange;
        if let Err(failure) = ended {
            if failure.is_no_capacity() {
                egress.report(&failure);
                return Err(NoCapacity);
            }
            failure.write_to(&mut outcome);
        }
        outcome.timing.total = prepare_time + started.elapsed();
        Ok(Sent { sent_at: sent_at.map(Instant::into_std), outcome })
    }
}
