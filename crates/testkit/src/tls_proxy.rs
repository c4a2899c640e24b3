//! A reverse proxy that adds TLS to an HTTP server on loopback, as an ingress does.

use std::{io, net::SocketAddr, sync::Arc};

use rcgen::CertifiedKey;
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

/// Ends when it is dropped.
pub struct TlsProxy {
    address: SocketAddr,
    certificate: String,
    _stop: DropGuard,
}

impl TlsProxy {
    /// Listens on 127.0.0.1 and forwards every connection to `server`.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key))
            .map_err(io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let accepting = accept(listener, TlsAcceptor::from(Arc::new(config)), server, stop.clone());
        drop(tasks::spawn("tls proxy", stop.clone().run_until_cancelled_owned(accepting)));
        Ok(Self { address, certificate: cert.pem(), _stop: stop.drop_guard() })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// In PEM: what a client must trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr, stop: CancellationToken) {
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        let forwarded = async move {
            let mut client = acceptor.accept(socket).await?;
            copy_bidirectional(&mut client, &mut TcpStream::connect(server).await?).await
        };
        // A client that does not trust the certificate hangs up: that is its test's business.
        drop(tasks::spawn("tls proxy", stop.clone().run_until_cancelled_owned(forwarded)));
    }
}
