//! Opens connections: resolve and judge, connect to exactly the judged addresses, TLS, HTTP. Each phase is timed.
//!
//! Proxies from the environment are not used: what was judged is what is dialled.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};
use trigrun_core::domain::{attempt::PhaseTimings, target::TargetUrl};

use super::{
    EgressError, Settings,
    connection::{Exclusive, Multiplexed},
    failure::{self, Failure},
    resolve::{self, Resolver},
    tls::Tls,
};

/// After this the next address is tried beside the one that has not answered (RFC 8305 §5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);
const MAX_ADDRESSES: usize = 8;

pub(super) struct Dialer {
    resolver: Resolver,
    tls: Tls,
}

pub(super) enum Dialled {
    Http1(Exclusive),
    Http2(Arc<Multiplexed>),
}

impl Dialer {
    pub(super) fn new(settings: Settings) -> Result<Self, EgressError> {
        Ok(Self {
            resolver: Resolver::new(settings.policy, &settings.nameservers).map_err(EgressError::Resolver)?,
            tls: Tls::new(settings.extra_roots)?,
        })
    }

    pub(super) async fn dial(
        &self,
        url: &TargetUrl,
        deadline: Instant,
        timing: &mut PhaseTimings,
    ) -> Result<Dialled, Failure> {
        let addresses = self.resolve(url, deadline, timing).await?;
        let started = Instant::now();
        let connected = timeout_at(deadline, race(&addresses, url.port())).await;
        timing.connect = Some(started.elapsed());
        let (socket, peer) = connected.unwrap_or_else(|_| Err(failure::no_connection(url.authority())))?;
        if url.scheme() == "https" {
            self.encrypt(url, socket, peer, deadline, timing).await
        } else {
            Exclusive::open(socket, peer)
                .await
                .map(Dialled::Http1)
                .map_err(|error| failure::of_exchange(&error))
        }
    }

    async fn resolve(
        &self,
        url: &TargetUrl,
        deadline: Instant,
        timing: &mut PhaseTimings,
    ) -> Result<Vec<IpAddr>, Failure> {
        let started = Instant::now();
        let resolved = timeout_at(deadline, self.resolver.resolve(url)).await;
        if url.address().is_none() {
            timing.dns = Some(started.elapsed());
        }
        resolved.unwrap_or_else(|_| Err(resolve::no_answer(url.host())))
    }

    async fn encrypt(
        &self,
        url: &TargetUrl,
        socket: TcpStream,
        peer: SocketAddr,
        deadline: Instant,
        timing: &mut PhaseTimings,
    ) -> Result<Dialled, Failure> {
        let started = Instant::now();
        let encrypted = timeout_at(deadline, self.tls.connect(url.host(), socket)).await;
        timing.tls = Some(started.elapsed());
        let too_slow =
            || Failure::timeout("timeout_tls", "The server did not complete the TLS handshake in time.");
        let stream = encrypted.unwrap_or_else(|_| Err(too_slow()))?;
        let opened = async {
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Multiplexed::open(stream, peer).await.map(Dialled::Http2),
                _ => Exclusive::open(stream, peer).await.map(Dialled::Http1),
            }
        };
        let opened = timeout_at(deadline, opened).await.map_err(|_| too_slow())?;
        opened.map_err(|error| failure::of_exchange(&error))
    }
}

/// The first of these addresses to accept a connection; both families get their chance early (RFC 8305 §4).
async fn race(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut waiting = interleave(addresses).into_iter().map(|address| SocketAddr::new(address, port));
    let mut attempts = FuturesUnordered::new();
    let mut reason: Option<Failure> = None;
    loop {
        let started_another = match waiting.next() {
            Some(peer) => {
                attempts.push(connect(peer));
                true
            }
            None => false,
        };
        tokio::select! {
            connected = attempts.next() => match connected {
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(failure)) => {
                    // "No route" is what the family that this host lacks always says: any other reason tells more.
                    if reason.as_ref().is_none_or(|known| known.class == "connect_unreachable") {
                        reason = Some(failure);
                    }
                }
                None => {
                    let nowhere = || Failure::connection("connect_failed", "There is no address to connect to.");
                    return Err(reason.unwrap_or_else(nowhere));
                }
            },
            () = sleep(NEXT_ADDRESS_AFTER), if started_another => {}
        }
    }
}

async fn connect(peer: SocketAddr) -> Result<(TcpStream, SocketAddr), Failure> {
    let connected =
        TcpStream::connect(peer).await.and_then(|socket| socket.set_nodelay(true).map(|()| socket));
    connected.map(|socket| (socket, peer)).map_err(|error| failure::of_connect(peer, &error))
}

/// IPv6 and IPv4 in turn, each in the order of the answer.
fn interleave(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (six, four): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv6());
    let longest = six.len().max(four.len());
    (0..longest).flat_map(|at| [six.get(at), four.get(at)]).flatten().copied().take(MAX_ADDRESSES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_tried_early() {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let answer = parse(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"]);
        assert_eq!(interleave(&answer), parse(&["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]));
        assert_eq!(interleave(&vec![answer[0]; 100]).len(), MAX_ADDRESSES);
    }
}
