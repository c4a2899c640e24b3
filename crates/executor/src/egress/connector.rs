//! Our half of a connection to a target: resolve the name, check every address, connect to exactly the checked addresses.
//!
//! It is a connector in hyper's sense, a `Service<Uri>`, so that hyper-rustls adds TLS on top of it. A connector serves one
//! dial: it keeps the dial's deadline and measures its phases. Proxies from the environment are not used: what was checked
//! is what is dialled.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use http::{Uri, uri::Scheme};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tower_service::Service;

use super::{
    connection::Peer,
    destinations::Destinations,
    failure::{self, Failure},
    pool::Pool,
    progress::{Phase, Progress},
    resolve::{self, Resolver},
};
use crate::owner::Owner;

/// After this the next address is tried in parallel with the one that has not accepted yet (RFC 8305 §5).
const NEXT_ADDRESS_INTERVAL: Duration = Duration::from_millis(250);
const MAX_ADDRESSES: usize = 8;
/// How long a dial waits until this process can open another connection.
pub(super) const CAPACITY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Connector {
    pub(super) owner: Owner,
    pub(super) resolver: Arc<Resolver>,
    pub(super) destinations: Arc<Destinations>,
    pub(super) pool: Arc<Pool>,
    pub(super) progress: Progress,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Self::Response, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        async move {
            let Self { owner, resolver, progress, .. } = &connector;
            let is_https = uri.scheme() == Some(&Scheme::HTTPS);
            let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
            let host = uri.host().unwrap_or_default();
            // There is nothing to resolve in an address, so it has no such phase.
            progress.enter(resolve::address_of(host).is_none().then_some(Phase::Resolve));
            let addresses = resolver.resolve(*owner, host, port, progress).await?;
            progress.enter(Some(Phase::AwaitConnection));
            let (socket, peer) = connector.race(host, &addresses, port).await?;
            progress.connected(peer);
            progress.enter(is_https.then_some(Phase::Tls));
            Ok(TokioIo::new(socket))
        }
        .boxed()
    }
}

impl Connector {
    /// The owner may not have another connection; either others may, or none may.
    fn no_share(&self) -> Failure {
        if self.destinations.connections_left() == 0 {
            Failure::no_capacity()
        } else {
            Failure::share_in_use()
        }
    }

    /// The first of these addresses to accept a connection; both families get their chance early (RFC 8305 §4).
    async fn race(&self, host: &str, addresses: &[IpAddr], port: u16) -> Result<(TcpStream, Peer), Failure> {
        let mut waiting = interleave(addresses).into_iter().map(|address| SocketAddr::new(address, port));
        let mut attempts = FuturesUnordered::new();
        let mut reason: Option<Failure> = None;
        loop {
            let started_another = match waiting.next() {
                Some(peer) => {
                    attempts.push(self.connect(host, peer));
                    true
                }
                None => false,
            };
            tokio::select! {
                connected = attempts.next() => match connected {
                    Some(Ok(connected)) => return Ok(connected),
                    Some(Err(failure)) => {
                        // A host without one of the families always gets "no route" for it: any other reason says more.
                        let says_more = failure.is_no_capacity()
                        || reason.as_ref().is_none_or(|known| known.class == "connect_unreachable");
                    if says_more {
                            reason = Some(failure);
                        }
                    }
                    None => {
                        let no_address = || Failure::connection("connect_failed", "There is no address to connect to.");
                        return Err(reason.unwrap_or_else(no_address));
                    }
                },
                () = sleep(NEXT_ADDRESS_INTERVAL), if started_another => {}
            }
        }
    }

    async fn connect(&self, host: &str, address: SocketAddr) -> Result<(TcpStream, Peer), Failure> {
        let shares = || self.destinations.connection(self.owner, host, address);
        let shares = match shares().now_or_never() {
            Some(shares) => shares,
            None => {
                // Idle connections are of use to others only while there is room for all.
                let of_all = self.destinations.connections_left() == 0;
                self.pool.close_idle((!of_all).then(|| self.owner.workspace()));
                self.pool.make_room(host, address.port());
                timeout(CAPACITY_TIMEOUT, shares()).await.map_err(|_| self.no_share())?
            }
        };
        self.progress.begin_to_connect(address);
        let connected =
            TcpStream::connect(address).await.and_then(|socket| socket.set_nodelay(true).map(|()| socket));
        connected
            .map(|socket| (socket, Peer { address, shares }))
            .map_err(|error| Failure { peer: Some(address), ..failure::of_connect(address, &error) })
    }
}

/// Alternates IPv6 and IPv4, each in the order of the response.
fn interleave(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (six, four): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv6());
    let rounds = six.len().max(four.len());
    (0..rounds).flat_map(|at| [six.get(at), four.get(at)]).flatten().copied().take(MAX_ADDRESSES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_tried_early() {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let resolved = parse(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"]);
        assert_eq!(interleave(&resolved), parse(&["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]));
        assert_eq!(interleave(&vec![resolved[0]; 100]).len(), MAX_ADDRESSES);
    }
}
