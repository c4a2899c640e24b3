//! Why there is no response: a class for programs and one plain sentence for users. A sentence contains nothing internal.

use std::{error::Error, io};

use trigrun_core::domain::attempt::{AttemptStatus, Outcome};

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

    /// Writes the failure into `outcome`, which keeps the rest.
    pub(super) fn write_to(self, outcome: &mut Outcome) {
        outcome.status = self.status;
        outcome.error_class = Some(self.class);
        outcome.error = Some(self.sentence);
    }
}

/// A TCP connection to `peer` that could not be opened.
pub(super) fn of_connect(peer: impl std::fmt::Display, error: &io::Error) -> Failure {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut,
    };
    match error.kind() {
        ConnectionRefused => Failure::connection(
            "connect_refused",
            format!("{peer} refused the connection: nothing listens there, or a firewall rejects it."),
        ),
        ConnectionReset => Failure::connection(
            "connect_reset",
            format!("{peer} reset the connection while it was being opened."),
        ),
        HostUnreachable | NetworkUnreachable => {
            Failure::connection("connect_unreachable", format!("There is no route to {peer}."))
        }
        TimedOut => no_connection(peer),
        AddrNotAvailable => Failure::connection(
            "connect_failed",
            format!("No local address or port was left to connect to {peer}."),
        ),
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
