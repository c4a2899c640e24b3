//! TLS towards the operator's own servers: Postgres, Redis, the collector of spans. Connections to targets share the [`Verifier`] only: they
//! trust other authorities.

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        VerifierBuilderError, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem, pem::PemObject},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {}", .0.display(), pem_problem(.1))]
    File(PathBuf, pem::Error),
    #[error("{}: there is no certificate in this file", .0.display())]
    Empty(PathBuf),
    #[error("{path}: {why}", path = .0.display(), why = .1)]
    Certificate(PathBuf, rustls::Error),
}

/// An error of the PEM parser may quote the file, which may be a key.
fn pem_problem(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        _ => "it is not a file in PEM format with what is needed".to_owned(),
    }
}

/// The authorities in `ca_file`, and no others; without a file, those of the system (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
pub fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            for certificate in certificates(file)? {
                let added = roots.add(certificate);
                added.map_err(|error| TlsError::Certificate(file.to_owned(), error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

/// A client certificate with the chain that leads to its authority, and its key: two files in PEM format.
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    file: PathBuf,
}

impl ClientCertificate {
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self {
            chain: certificates(certificate)?,
            key: PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File(key.to_owned(), error))?,
            file: certificate.to_owned(),
        })
    }
}

/// A client that trusts these authorities, and that presents this certificate if there is one.
pub fn client(roots: RootCertStore, identity: Option<ClientCertificate>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots);
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some(ClientCertificate { chain, key, file }) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| TlsError::Certificate(file, error))
        }
    }
}

/// What a [`Verifier`] makes of rustls' verdict on this certificate of a server.
pub type Review =
    fn(&CertificateDer<'_>, Result<ServerCertVerified, Error>) -> Result<ServerCertVerified, Error>;

/// rustls' own verifier, whose verdict on a certificate is reviewed. What it says of the signatures of a handshake always counts.
#[derive(Debug)]
pub struct Verifier {
    rustls: Arc<WebPkiServerVerifier>,
    review: Review,
}

impl Verifier {
    /// Trusts these authorities. Without any, this is an error.
    pub fn new(roots: RootCertStore, review: Review) -> Result<Arc<Self>, VerifierBuilderError> {
        let provider = Arc::new(ring::default_provider());
        let rustls = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Arc::new(Self { rustls, review }))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.rustls.verify_server_cert(certificate, intermediates, name, ocsp, now);
        (self.review)(certificate, verdict)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rustls.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rustls.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rustls.supported_verify_schemes()
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |error| TlsError::File(file.to_owned(), error);
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(read)?.collect();
    let certificates = certificates.map_err(read)?;
    if certificates.is_empty() {
        return Err(TlsError::Empty(file.to_owned()));
    }
    Ok(certificates)
}
