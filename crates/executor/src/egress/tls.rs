//! TLS towards targets: which authorities are trusted, and what a failed handshake means in plain words.

use std::{error::Error as StdError, io, sync::Arc};

use http::Uri;
use hyper_rustls::{HttpsConnector, ResolveServerName};
use rustls::{
    AlertDescription, ClientConfig, Error, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, ServerName},
};
use trigrun_core::tls::Verifier;

use super::{EgressError, certificates, connector::Connector, failure::Failure};

/// Kept for resumption, over all hosts.
const MAX_SESSIONS: usize = 4096;

pub(super) struct Tls {
    config: Arc<ClientConfig>,
    /// Offers no HTTP/2.
    http1: Arc<ClientConfig>,
    names: Arc<dyn ResolveServerName + Send + Sync>,
}

impl Tls {
    /// Trusts the system's roots (Mozilla's where the system has none) and `extra_roots`.
    pub(super) fn new(extra_roots: Vec<CertificateDer<'static>>) -> Result<Self, EgressError> {
        let mut roots = RootCertStore::empty();
        // A root that cannot be parsed is not trusted; the others are.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for root in extra_roots {
            roots.add(root).map_err(EgressError::Root)?;
        }
        let verifier = Verifier::new(roots, certificates::review).map_err(EgressError::Verifier)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder
            .map_err(EgressError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Ok(Self { config: Arc::new(config), http1, names: Arc::new(server_name) })
    }

    /// TLS on top of this connector for `https`, and nothing for `http`.
    pub(super) fn wrap(&self, connector: Connector, http1_only: bool) -> HttpsConnector<Connector> {
        let config = if http1_only { &self.http1 } else { &self.config };
        HttpsConnector::new(connector, Arc::clone(config), false, Arc::clone(&self.names))
    }
}

/// The name that the certificate must be for: the host without the brackets of an IPv6 address or a final dot.
fn server_name(uri: &Uri) -> Result<ServerName<'static>, Failure> {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    ServerName::try_from(bare.to_owned())
        .map_err(|_| certificate(format!("No certificate can be issued for the name {host}.")))
}

fn certificate(sentence: String) -> Failure {
    Failure::connection("tls_certificate", sentence)
}

/// A handshake that failed: rustls' own reason, if it has one, is inside of two or more `io::Error`s.
pub(super) fn of_handshake(host: &str, error: &(dyn StdError + Send + Sync + 'static)) -> Failure {
    let sentence = match reason(error) {
        Some(Error::InvalidCertificate(why)) => return certificate(certificates::sentence(host, why)),
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

fn reason<'a>(mut error: &'a (dyn StdError + Send + Sync + 'static)) -> Option<&'a Error> {
    while let Some(outer) = error.downcast_ref::<io::Error>() {
        // Not `source`, which leaves out the error that is wrapped.
        error = outer.get_ref()?;
    }
    error.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_certificate() {
        let name = |uri: &'static str| {
            server_name(&Uri::from_static(uri))
                .map(|name| name.to_str().into_owned())
                .map_err(|why| why.class)
        };
        assert_eq!(name("https://example.com:8443/"), Ok("example.com".to_owned()));
        assert_eq!(name("https://example.com./"), Ok("example.com".to_owned()));
        assert_eq!(name("https://[2001:db8::1]/"), Ok("2001:db8::1".to_owned()));
        assert_eq!(name("https://192.0.2.1/"), Ok("192.0.2.1".to_owned()));
        assert_eq!(name("https://no..name/"), Err("tls_certificate"));
    }
}
