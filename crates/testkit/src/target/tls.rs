//! Valid and invalid certificates, made for the test.

use std::{io, sync::Arc};

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

/// The server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// For 127.0.0.1 and `target.test`, signed by the target's authority.
    Valid,
    /// Valid until 2021-01-01.
    Expired,
    /// Valid from 2100 on.
    NotYetValid,
    /// For `other.test`.
    WrongName,
    /// Signed by its own key and not by the authority.
    SelfSigned,
    /// Self-signed, and that of an authority, as `openssl req -x509` makes it.
    SelfSignedAuthority,
    /// Signed by an authority that the client does not know.
    UnknownIssuer,
    /// For clients.
    WrongPurpose,
}

/// Negotiated by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
    /// As the client prefers.
    Both,
}

pub(super) struct Prepared {
    pub(super) acceptor: TlsAcceptor,
    /// The authority's certificate in DER.
    pub(super) authority: Bytes,
}

pub(super) fn prepare(certificate: Certificate, protocol: Protocol) -> io::Result<Prepared> {
    let made = make(certificate).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![made.chain], made.key))
        .map_err(io::Error::other)?;
    let (http1, http2) = (b"http/1.1".to_vec(), b"h2".to_vec());
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![http1],
        Protocol::Http2 => vec![http2],
        Protocol::Both => vec![http2, http1],
    };
    Ok(Prepared { acceptor: TlsAcceptor::from(Arc::new(config)), authority: made.authority })
}

struct Made {
    chain: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    authority: Bytes,
}

fn make(certificate: Certificate) -> Result<Made, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    // With a unique name; otherwise certificates that it did not sign would look forged, not unknown.
    authority.distinguished_name.push(DnType::CommonName, "authority of a test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_der = Bytes::copy_from_slice(authority.self_signed(&authority_key)?.der());
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate()?;
    let params = params(certificate)?;
    let signed = match certificate {
        Certificate::SelfSigned | Certificate::SelfSignedAuthority => params.self_signed(&key)?,
        Certificate::UnknownIssuer => {
            let mut unknown = CertificateParams::new(Vec::new())?;
            unknown.distinguished_name.push(DnType::CommonName, "an unknown authority");
            params.signed_by(&key, &Issuer::new(unknown, KeyPair::generate()?))?
        }
        _ => params.signed_by(&key, &issuer)?,
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(Made { chain: signed.der().clone(), key, authority: authority_der })
}

fn params(certificate: Certificate) -> Result<CertificateParams, rcgen::Error> {
    let names: &[&str] = match certificate {
        Certificate::WrongName => &["other.test"],
        _ => &["127.0.0.1", "target.test"],
    };
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    (params.not_before, params.not_after) = match certificate {
        Certificate::Expired => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
        Certificate::NotYetValid => (date_time_ymd(2100, 1, 1), date_time_ymd(2101, 1, 1)),
        _ => (date_time_ymd(2020, 1, 1), date_time_ymd(2100, 1, 1)),
    };
    match certificate {
        Certificate::SelfSignedAuthority => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        Certificate::WrongPurpose => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        _ => {}
    }
    Ok(params)
}
