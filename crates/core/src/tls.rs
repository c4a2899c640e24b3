//! TLS towards the operator's own servers: Postgres, Redis, the collector of spans. Not towards targets, which trust other authorities.

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
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
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
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

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |error| TlsError::File(file.to_owned(), error);
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(read)?.collect();
    let certificates = certificates.map_err(read)?;
    if certificates.is_empty() {
        return Err(TlsError::Empty(file.to_owned()));
    }
    Ok(certificates)
}
