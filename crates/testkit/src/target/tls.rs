//! TLS for the scripted target.

use std::{io, net::IpAddr, sync::Arc};

use rustls::{
    ServerConfig,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Certificate, Issued};

/// Negotiated by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
    /// As the client prefers.
    Both,
}

/// Presents a certificate of this authority, for a server at this address.
pub(super) fn acceptor(
    authority: &Authority,
    certificate: Certificate,
    address: IpAddr,
    protocol: Protocol,
) -> io::Result<TlsAcceptor> {
    let Issued { chain, key } = authority.issue(certificate, address).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = provider.key_provider.load_private_key(key).map_err(io::Error::other)?;
    // Not `with_single_cert`, which refuses certificates that it cannot read.
    let presented = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(presented));
    let (http1, http2) = (b"http/1.1".to_vec(), b"h2".to_vec());
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![http1],
        Protocol::Http2 => vec![http2],
        Protocol::Both => vec![http2, http1],
    };
    Ok(TlsAcceptor::from(Arc::new(config)))
}
