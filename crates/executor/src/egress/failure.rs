//! Why there is no response: a class for programs and one plain sentence for users. A sentence contains nothing internal.

use std::{
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use hyper::client::conn::TrySendError;
use nix::errno::Errno;
use trigrun_core::domain::attempt::{AttemptStatus, Outcome};

use super::http1::{Http1Error, Sending};

const NO_CAPACITY: &str = "no_capacity";
const SHARE_IN_USE: &str = "share_in_use";

/// An attempt that ended without a response, or in the middle of one.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(super) struct Failure {
    pub(super) status: AttemptStatus,
    pub(super) class: &'static str,
    pub(super) sentence: String,
    /// The address that was called, or tried last. `None` before one was.
    pub(super) peer: Option<SocketAddr>,
}

impl Failure {
    pub(super) fn new(status: AttemptStatus, class: &'static str, sentence: impl Into<String>) -> Self {
        Self { status, class, sentence: sentence.into(), peer: None }
    }

    pub(super) fn blocked(sentence: impl Into<String>) -> Self {
        Self::new(AttemptStatus::Blocked, "egress_refused", sentence)
    }

    pub(super) fn timeout(class: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(AttemptStatus::Timeout, class, sentence)
    }

    pub(super) fn connection(class: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(AttemptStatus::ConnectionError, class, sentence)
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
        if let Some(peer) = self.peer {
            outcome.remote_address = Some(peer.to_string());
        }
    }
}

/// Whether this process or machine lacks what a socket needs: that says nothing about the target.
pub(super) fn is_lack_of_capacity(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS | Errno::ENOSPC))
}

/// Whether one of the causes of this error is that.
pub(crate) fn is_caused_by_lack_of_capacity(error: &(dyn Error + 'static)) -> bool {
    source::<io::Error>(error).is_some_and(is_lack_of_capacity)
}

/// Whether this process cannot open a socket now.
pub(crate) fn lacks_capacity() -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).is_err_and(|error| is_lack_of_capacity(&error))
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

/// No response arrived, or not all of its head.
pub(super) struct Unanswered {
    pub(super) failure: Failure,
    pub(super) resend: Resend,
}

/// Whether the request may be sent again at once, as part of the same attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resend {
    No,
    /// The server has closed a connection that had rested, without any response: it probably closed it before the request arrived
    /// (RFC 9112 §9.5), but that is not certain.
    Probable,
    /// The server has not processed the request: no byte of it was sent, or the protocol says so (RFC 9113 §8.7).
    Unprocessed,
    /// Likewise, and the server wants it over HTTP/1.1.
    OverHttp1,
}

impl Unanswered {
    pub(super) fn failed(failure: Failure) -> Self {
        Self { failure, resend: Resend::No }
    }

    pub(super) fn of_http1(sending: &Sending, has_rested: bool) -> Self {
        let was_closed = matches!(sending.error, Http1Error::ClosedEarly | Http1Error::Io(_));
        let is_probable = has_rested && was_closed && !sending.has_responded;
        let resend = if is_probable { Resend::Probable } else { Resend::No };
        Self { failure: of_http1(&sending.error), resend }
    }

    pub(super) fn of_http2<M>(mut error: TrySendError<M>, has_rested: bool) -> Self {
        let was_sent = error.take_message().is_none();
        let h2 = source::<h2::Error>(error.error());
        let resend = match h2.and_then(h2::Error::reason) {
            _ if !was_sent => Resend::Unprocessed,
            // A stream that fails with a GOAWAY is above the last one that the server processed (RFC 9113 §6.8).
            Some(h2::Reason::HTTP_1_1_REQUIRED) if h2.is_some_and(h2::Error::is_remote) => Resend::OverHttp1,
            Some(h2::Reason::REFUSED_STREAM) if h2.is_some_and(h2::Error::is_remote) => Resend::Unprocessed,
            Some(_) if h2.is_some_and(|h2| h2.is_go_away() && h2.is_remote()) => Resend::Unprocessed,
            None if has_rested => Resend::Probable,
            _ => Resend::No,
        };
        Self { failure: of_http2(error.error()), resend }
    }
}

/// An exchange over HTTP/1.1 that failed.
pub(super) fn of_http1(error: &Http1Error) -> Failure {
    match error {
        Http1Error::NotHttp => not_http(),
        Http1Error::HeadTooLarge => {
            Failure::connection("response_too_large", "The head of the response is larger than 256 KiB.")
        }
        Http1Error::Io(error)
            if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) =>
        {
            Failure::connection(
                "connect_reset",
                "The server reset the connection before the response was complete.",
            )
        }
        Http1Error::Io(_) | Http1Error::ClosedEarly => closed_early(),
    }
}

/// An exchange over HTTP/2 that failed.
pub(super) fn of_http2(error: &hyper::Error) -> Failure {
    let Some(h2) = source::<h2::Error>(error) else { return closed_early() };
    if h2.is_io() {
        return closed_early();
    }
    match h2.reason() {
        // h2 ends the connection for a head of too many frames.
        Some(h2::Reason::ENHANCE_YOUR_CALM) if !h2.is_remote() => {
            Failure::connection("response_too_large", "The head of the response is larger than 64 KiB.")
        }
        Some(h2::Reason::REFUSED_STREAM | h2::Reason::ENHANCE_YOUR_CALM) => {
            Failure::connection("closed_early", "The server refused the request: it may be overloaded.")
        }
        Some(h2::Reason::NO_ERROR | h2::Reason::CANCEL | h2::Reason::INTERNAL_ERROR) if h2.is_remote() => {
            closed_early()
        }
        _ => Failure::connection(
            "protocol_error",
            "The response is not valid HTTP/2, or its head is larger than 64 KiB.",
        ),
    }
}

/// The request has characters that its protocol cannot express.
pub(super) fn unwritable() -> Failure {
    let sentence = "The URL or a header cannot be written into a request; nothing was sent.";
    Failure::new(AttemptStatus::Blocked, "invalid_request", sentence)
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
