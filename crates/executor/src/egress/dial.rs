//! Opens connections: our connector (resolve, check, connect), TLS by hyper-rustls, then HTTP. Each phase is timed.

use std::{future::poll_fn, sync::Arc, time::Duration};

use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use moka::sync::Cache;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tower_service::Service;
use trigrun_core::domain::{attempt::PhaseTimings, target::TargetUrl};

use super::{
    EgressError, Settings,
    connection::{Multiplexed, Peer},
    connector::Connector,
    destinations::Destinations,
    failure::{self, Failure},
    http1::Exclusive,
    origin,
    pool::Pool,
    progress::{Phase, Progress},
    resolve::{self, Resolver},
    tls::{self, Tls},
};
use crate::owner::Owner;

const MAX_HTTP1_ONLY: u64 = 10_000;
/// Servers change: after this, HTTP/2 is offered again.
const HTTP1_ONLY_TTL: Duration = Duration::from_secs(3600);

pub(super) struct Dialer {
    resolver: Arc<Resolver>,
    tls: Tls,
    /// The origins that asked for HTTP/1.1.
    http1_only: Cache<Box<str>, ()>,
    destinations: Arc<Destinations>,
    pool: Arc<Pool>,
}

pub(super) enum Dialled {
    Http1(Box<Exclusive>),
    Http2(Arc<Multiplexed>),
}

impl Dialer {
    pub(super) fn new(
        settings: Settings,
        destinations: Arc<Destinations>,
        pool: Arc<Pool>,
    ) -> Result<Self, EgressError> {
        let resolver = Resolver::new(settings.policy, &settings.nameservers, settings.max_open_files)
            .map_err(EgressError::Resolver)?;
        let tls = Tls::new(settings.extra_roots)?;
        let http1_only = Cache::builder().max_capacity(MAX_HTTP1_ONLY).time_to_live(HTTP1_ONLY_TTL).build();
        Ok(Self { resolver: Arc::new(resolver), tls, http1_only, destinations, pool })
    }

    /// From now on, connections to this origin are not offered HTTP/2 (HTTP_1_1_REQUIRED, RFC 9113 §7).
    pub(super) fn use_http1(&self, origin: &str) {
        self.http1_only.insert(origin.into(), ());
    }

    pub(super) async fn dial(
        &self,
        owner: Owner,
        url: &TargetUrl,
        deadline: Instant,
        timing: &mut PhaseTimings,
    ) -> Result<Dialled, Failure> {
        let progress = Progress::new(*timing);
        let connected = timeout_at(deadline, self.connect(owner, url, progress.clone())).await;
        let phase = progress.current();
        progress.enter(None);
        *timing = progress.timing();
        let with_peer = |failure: Failure| Failure { peer: failure.peer.or(progress.tried()), ..failure };
        let stream = connected.unwrap_or_else(|_| Err(too_slow(url, phase))).map_err(with_peer)?;
        let peer = progress.take_peer().ok_or_else(failure::closed_early)?;
        let opened = timeout_at(deadline, open(stream, peer)).await;
        let opened = opened
            .map_err(|_| too_slow_tls())
            .and_then(|opened| opened.map_err(|error| failure::of_http2(&error)));
        opened.map_err(with_peer)
    }

    async fn connect(
        &self,
        owner: Owner,
        url: &TargetUrl,
        progress: Progress,
    ) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, Failure> {
        // The path plays no part in a connection, and may hold characters that `Uri` does not take.
        let uri = Uri::builder().scheme(url.scheme()).authority(url.authority()).path_and_query("/").build();
        let uri = uri.map_err(|_| resolve::not_found(url.host()))?;
        let connector = Connector {
            owner,
            resolver: Arc::clone(&self.resolver),
            destinations: Arc::clone(&self.destinations),
            pool: Arc::clone(&self.pool),
            progress,
        };
        let mut connector = self.tls.wrap(connector, self.http1_only.contains_key(origin(url)));
        let connected = async {
            poll_fn(|context| connector.poll_ready(context)).await?;
            connector.call(uri).await
        };
        connected.await.map_err(|error| match error.downcast::<Failure>() {
            Ok(failure) => *failure,
            Err(error) => tls::of_handshake(url.host(), &*error),
        })
    }
}

/// HTTP/2 where the server chose it by ALPN, else HTTP/1.1.
async fn open(stream: MaybeHttpsStream<TokioIo<TcpStream>>, peer: Peer) -> hyper::Result<Dialled> {
    match stream {
        MaybeHttpsStream::Http(socket) => Ok(Dialled::Http1(Exclusive::new(socket.into_inner(), peer))),
        MaybeHttpsStream::Https(stream) => {
            let stream = stream.into_inner();
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Multiplexed::open(stream, peer).await.map(Dialled::Http2),
                _ => Ok(Dialled::Http1(Exclusive::new(stream, peer))),
            }
        }
    }
}

/// The deadline passed in this phase.
fn too_slow(url: &TargetUrl, phase: Option<Phase>) -> Failure {
    match phase {
        Some(Phase::AwaitLookUp) => resolve::not_asked(url.host()),
        Some(Phase::Resolve) => resolve::no_reply(url.host()),
        Some(Phase::Tls) => too_slow_tls(),
        Some(Phase::AwaitConnection) => Failure::share_in_use(),
        Some(Phase::Connect) | None => failure::no_connection(url.authority()),
    }
}

fn too_slow_tls() -> Failure {
    Failure::timeout("timeout_tls", "The server did not complete the TLS handshake in time.")
}
