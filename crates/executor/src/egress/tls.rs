//! TLS towards targets: whom we trust, and what a failed handshake means in plain words.

use std::{io, sync::Arc};

use chrono::DateTime;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{EgressError, failure::Failure};

/// Sessions kept for resumption, over all hosts.
const SESSIONS: usize = 4096;

pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the system's roots (Mozilla's where the system has none) and `extra_roots`.
    pub(super) fn new(extra_roots: Vec<CertificateDer<'static>>) -> Result<Self, EgressError> {
        let mut roots = RootCertStore::empty();
        // A root that cannot be read is one that is not trusted; the others remain.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for root in extra_roots {
            roots.add(root).map_err(EgressError::Root)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config =
            builder.map_err(EgressError::Tls)?.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn connect(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let name = ServerName::try_from(bare.to_owned());
        let name =
            name.map_err(|_| certificate(format!("No certificate can be issued for the name {host}.")))?;
        self.0.connect(name, socket).await.map_err(|error| of_handshake(host, &error))
    }
}

fn certificate(sentence: String) -> Failure {
    Failure::connection("tls_certificate", sentence)
}

fn of_handshake(host: &str, error: &io::Error) -> Failure {
    let sentence = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => return certificate(of_certificate(host, why)),
        Some(Error::InvalidMessage(_)) => {
            "The server does not speak TLS on this port: is it http:// instead?"
        }
        Some(Error::PeerIncompatible(_)) => {
            "The server offers no version or cipher of TLS that is still safe."
        }
        Some(Error::AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        )) => "The server accepts no version or cipher of TLS that is still safe.",
        Some(Error::AlertReceived(AlertDescription::UnrecognisedName)) => {
            "The server does not know this host name."
        }
        Some(Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            "The server asks for a client certificate, which TrigRun does not send."
        }
        Some(_) => "The TLS handshake with the server failed.",
        None => "The server closed the connection during the TLS handshake: is it http:// instead?",
    };
    Failure::connection("tls_handshake", sentence)
}

fn of_certificate(host: &str, why: &CertificateError) -> String {
    use CertificateError as Why;
    match why {
        Why::ExpiredContext { not_after, .. } => {
            format!("The server's certificate expired on {}.", date(*not_after))
        }
        Why::Expired => "The server's certificate has expired.".to_owned(),
        Why::NotValidYetContext { not_before, .. } => {
            format!("The server's certificate is not valid before {}.", date(*not_before))
        }
        Why::NotValidYet => "The server's certificate is not valid yet.".to_owned(),
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            format!("The server's certificate is for another name than {host}.")
        }
        Why::UnknownIssuer => "The server's certificate comes from no authority that is trusted here: \
            it is self-signed, or an intermediate certificate is missing."
            .to_owned(),
        Why::Revoked => "The server's certificate was revoked.".to_owned(),
        _ => "The server's certificate is not valid.".to_owned(),
    }
}

fn date(time: UnixTime) -> String {
    let date = i64::try_from(time.as_secs()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    date.map_or_else(|| "an unknown date".to_owned(), |date| date.format("%Y-%m-%d").to_string())
}
