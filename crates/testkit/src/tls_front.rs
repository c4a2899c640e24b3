//! TLS in front of the Postgres or Redis of the tests, which listen on unix sockets: with its own authority, and its own client's certificate.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;
use uuid::Uuid;

/// How a client asks for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negotiation {
    /// TLS from the first byte.
    Direct,
    /// The client sends an `SSLRequest` first (PostgreSQL's protocol, "SSL Session Encryption").
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    Any,
    /// Only with a certificate of this authority.
    WithCertificate,
}

/// Ends when it is dropped, with its files.
pub struct TlsFront {
    address: SocketAddr,
    dir: PathBuf,
    _stop: DropGuard,
}

impl TlsFront {
    /// Listens on 127.0.0.1, with a certificate for `name`, and forwards to this socket.
    pub async fn start(
        socket: &Path,
        negotiation: Negotiation,
        name: &str,
        clients: Clients,
    ) -> io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("trigrun-tls-{}", Uuid::new_v4().simple()));
        fs::create_dir(&dir)?;
        let acceptor = acceptor(&dir, name, clients).map_err(io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let accepting = accept(listener, acceptor, socket.to_owned(), negotiation, stop.clone());
        drop(tasks::spawn("tls front", stop.clone().run_until_cancelled_owned(accepting)));
        Ok(Self { address, dir, _stop: stop.drop_guard() })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn authority_file(&self) -> PathBuf {
        self.dir.join("authority.pem")
    }

    /// The certificate and the key of a client that is let in.
    pub fn client_files(&self) -> (PathBuf, PathBuf) {
        (self.dir.join("client.pem"), self.dir.join("client.key"))
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        // What remains lies in the directory of temporary files.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Writes the files of a client, and returns the server's side.
fn acceptor(dir: &Path, name: &str, clients: Clients) -> Result<TlsAcceptor, AnyError> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    // With a unique name; otherwise certificates that it did not sign would look forged, not unknown.
    authority.distinguished_name.push(DnType::CommonName, dir.display().to_string());
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key)?;
    fs::write(dir.join("authority.pem"), authority_certificate.pem())?;
    let issuer = Issuer::new(authority, authority_key);

    let client_key = KeyPair::generate()?;
    let client = CertificateParams::new(vec!["client.test".to_owned()])?.signed_by(&client_key, &issuer)?;
    fs::write(dir.join("client.pem"), client.pem())?;
    fs::write(dir.join("client.key"), client_key.serialize_pem())?;

    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &issuer)?;
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Clients::Any => builder.with_no_client_auth(),
        Clients::WithCertificate => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(authority_certificate.der().to_vec()))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    Ok(TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key)?)))
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    socket: PathBuf,
    negotiation: Negotiation,
    stop: CancellationToken,
) {
    while let Ok((client, _)) = listener.accept().await {
        let forwarded = forward(client, acceptor.clone(), socket.clone(), negotiation);
        // A client that does not trust the certificate hangs up: that is its test's business.
        drop(tasks::spawn("tls front", stop.clone().run_until_cancelled_owned(forwarded)));
    }
}

async fn forward(
    mut client: TcpStream,
    acceptor: TlsAcceptor,
    socket: PathBuf,
    negotiation: Negotiation,
) -> io::Result<()> {
    if negotiation == Negotiation::Postgres {
        // A length and a code, each of four bytes; the response is one byte.
        client.read_exact(&mut [0; 8]).await?;
        client.write_all(b"S").await?;
    }
    let mut client = acceptor.accept(client).await?;
    copy_bidirectional(&mut client, &mut UnixStream::connect(socket).await?).await?;
    Ok(())
}
