//! Why there is no response: a class for programs and one plain sentence for users. A sentence contains nothing internal.

use std::{
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use nix::errno::Errno;
use trigrun_core::domain::attempt::{AttemptStatus, Outcome};

const NO_CAPACITY: &str = "no_capacity";
const SHARE_IN_USE: &str = "share_in_use";

/// An attempt that ended without a response, or in the middle of one.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(super) struct Failure {
    pub(super) status: AttemptStatus,
    pub(super) class: &'static str,
    pub(super) sentence: String,
}

impl Failure {
    pub(super) fn blocked(sentence: impl Into<String>) -> Self {
        Self { status: AttemptStatus::Blocked, class: "egress_refused", sentence: sentence.into() }
    }

    pub(super) fn timeout(class: &'static str, sentence: impl Into<String>) -> Self {
        Self { status: AttemptStatus::Timeout, class, sentence: sentence.into() }
    }

    pub(super) fn connection(class: &'static str, sentence: impl Into<String>) -> Self {
        Self { status: AttemptStatus::ConnectionError, class, sentence: sentence.into() }
    }

    /// This process cannot open a connection now. It never becomes an outcome.
    pub(super) fn no_capacity() -> Self {
        Self::connection(NO_CAPACITY, "TrigRun cannot open a connection at the moment; nothing was sent.")
    }

    /// The same, and only for this account: others have connections left.
    pub(super) fn share_in_use() -> Self {
        Self { class: SHARE_IN_USE, ..Self::no_capacity() }
    }

    pub(super) fn is_no_capacity(&self) -> bool {
        self.class == NO_CAPACITY || self.is_share_in_use()
    }

    pub(super) fn is_share_in_use(&self) -> bool {
        self.class == SHARE_IN_USE
    }

    /// Writes the failure into `outcome`, which keeps the rest.
    pub(super) fn write_to(self, outcome: &mut Outcome) {
        outcome.status = self.status;
        outcome.error_class = Some(self.class);
        outcome.error = Some(self.sentence);
    }
}

/// Whether this process or machine lacks what a socket needs: that says nothing about the target.
pub(super) fn is_lack_of_capacity(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS | Errno::ENOSPC))
}

/// Whether this machine has an address from which `peer` can be called: it has no local port left, if it has.
fn has_source_address(peer: SocketAddr) -> bool {
    let any = if peer.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    // This sends nothing: it only selects the address.
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(peer)).is_ok()
}

/// A TCP connection to `peer` that could not be opened.
pub(super) fn of_connect(peer: SocketAddr, error: &io::Error) -> Failure {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut,
    };
    if is_lack_of_capacity(error) {
        return Failure::no_capacity();
    }
    match error.kind() {
        ConnectionRefused => Failure::connection(
            "connect_refused",
            format!("{peer} refused the connection: nothing listens there, or a firewall rejects it."),
        ),
        ConnectionReset => Failure::connection(
            "connect_reset",
            format!("{peer} reset the connection while it was being opened."),
        ),
        AddrNotAvailable if has_source_address(peer) => Failure::no_capacity(),
        HostUnreachable | NetworkUnreachable | AddrNotAvailable => {
            Failure::connection("connect_unreachable", format!("There is no route to {peer}."))
        }
        TimedOut => no_connection(peer),
        _ => Failure::connection("connect_failed", format!("No connection to {peer} could be opened.")),
    }
}

pub(super) fn no_connection(peer: impl std::fmt::Display) -> Failure {
    let likely = "the server may be down, or a firewall drops the packets.";
    Failure::timeout("timeout_connect", format!("{peer} did not accept a connection in time: {likely}"))
}

/// An exchange over an open connection that failed.
pub(super) fn of_exchange(error: &hyper::Error) -> Failure {
    if error.is_parse_too_large() {
        return Failure::connection(
            "response_too_large",
            "The response has more or longer headers than are accepted.",
        );
    }
    if error.is_parse() {
        return not_http();
    }
    if let Some(h2) = source::<h2::Error>(error) {
        return of_http2(h2);
    }
    match source::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Failure::connection(
            "connect_reset",
            "The server reset the connection before the response was complete.",
        ),
        // Hyper's errors for invalid chunks and for endless trailers.
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => not_http(),
        Some(_) => closed_early(),
        None if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => closed_early(),
        None => not_http(),
    }
}

fn not_http() -> Failure {
    Failure::connection("protocol_error", "The response is not valid HTTP.")
}

pub(super) fn closed_early() -> Failure {
    Failure::connection("closed_early", "The server closed the connection before the response was complete.")
}

/// The executor could not be certain that it still owned the execution.
pub(super) fn lease_in_doubt() -> Failure {
    let sentence = "TrigRun lost the connection to its database just before this request; it was not sent.";
    Failure::connection("lease_in_doubt", sentence)
}

fn of_http2(error: &h2::Error) -> Failure {
    if error.is_io() {
        return closed_early();
    }
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM | h2::Reason::ENHANCE_YOUR_CALM) => {
            Failure::connection("closed_early", "The server refused the request: it may be overloaded.")
        }
        Some(h2::Reason::NO_ERROR | h2::Reason::CANCEL | h2::Reason::INTERNAL_ERROR) if error.is_remote() => {
            closed_early()
        }
        _ => Failure::connection(
            "protocol_error",
            "The response is not valid HTTP/2, or its headers are too long.",
        ),
    }
}

/// The first cause of type `E`.
fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_not_the_targets_fault() {
        let of = |errno: Errno, peer: &str| {
            of_connect(peer.parse().unwrap(), &io::Error::from_raw_os_error(errno as i32))
        };
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS, Errno::EADDRNOTAVAIL] {
            assert!(of(errno, "127.0.0.1:80").is_no_capacity(), "{errno}");
        }
        for errno in [Errno::ECONNREFUSED, Errno::ENETUNREACH, Errno::EPERM, Errno::ETIMEDOUT] {
            assert!(!of(errno, "127.0.0.1:80").is_no_capacity(), "{errno}");
        }
        // No interface has an address from which the limited broadcast address can be called.
        assert_eq!(of(Errno::EADDRNOTAVAIL, "255.255.255.255:80").class, "connect_unreachable");
    }
}
