//! Certificates of targets: how they are verified, and what is wrong with one in plain words.

use std::sync::Arc;

use chrono::DateTime;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, ExtendedKeyPurpose, OtherError, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use webpki::EndEntityCert;

/// How many names of a certificate a sentence lists.
const MAX_NAMES: usize = 3;

/// rustls' own verifier, which does not tell a self-signed certificate from one of an unknown authority.
#[derive(Debug)]
pub(super) struct Verifier(pub(super) Arc<WebPkiServerVerifier>);

#[derive(Debug, thiserror::Error)]
#[error("the certificate is self-signed")]
struct SelfSigned;

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| match error {
            // A certificate that is also an authority's is refused as such before its issuer is looked for.
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_))
                if is_self_signed(end_entity) =>
            {
                CertificateError::Other(OtherError(Arc::new(SelfSigned))).into()
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(certificate).is_ok_and(|parsed| parsed.issuer() == parsed.subject())
}

pub(super) fn sentence(host: &str, why: &CertificateError) -> String {
    use CertificateError as Why;
    let text = match why {
        Why::ExpiredContext { not_after, .. } => {
            return format!("The server's certificate expired on {}.", date(*not_after));
        }
        Why::Expired => "has expired",
        Why::NotValidYetContext { not_before, .. } => {
            return format!("The server's certificate is not valid before {}.", date(*not_before));
        }
        Why::NotValidYet => "is not valid yet",
        Why::NotValidForNameContext { presented, .. } => return other_name(host, presented),
        Why::NotValidForName => return other_name(host, &[]),
        Why::UnknownIssuer => {
            "comes from an authority that is not trusted here, or the server does not send an intermediate certificate"
        }
        Why::Other(OtherError(other)) if other.is::<SelfSigned>() => {
            "is self-signed: no authority that is trusted here has issued it"
        }
        Why::InvalidPurposeContext { required: ExtendedKeyPurpose::ServerAuth, .. } | Why::InvalidPurpose => {
            "is for another purpose: its extended key usage does not include server authentication"
        }
        Why::InvalidPurposeContext { .. } => "is for another purpose than a server",
        Why::Revoked => "was revoked",
        Why::BadSignature => "has a wrong signature",
        Why::UnsupportedSignatureAlgorithmContext { .. }
        | Why::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed with an algorithm that is not safe or not supported, such as SHA-1"
        }
        Why::UnhandledCriticalExtension => "has a critical extension that is not supported",
        Why::BadEncoding => "cannot be read",
        Why::Other(OtherError(other))
            if matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            "is that of an authority and not of a server"
        }
        _ => "is not valid",
    };
    format!("The server's certificate {text}.")
}

fn other_name(host: &str, presented: &[String]) -> String {
    let names: Vec<&str> = presented.iter().take(MAX_NAMES).map(|name| shown(name)).collect();
    let its = match (names.is_empty(), presented.len() > MAX_NAMES) {
        (true, _) => return format!("The server's certificate is for another name than {host}."),
        (false, true) => format!("{} and others", names.join(", ")),
        (false, false) => names.join(", "),
    };
    format!("The server's certificate is for another name than {host}: it is for {its}.")
}

/// `DnsName("example.com")` as `example.com`.
fn shown(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

fn date(time: UnixTime) -> String {
    let date = i64::try_from(time.as_secs()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    date.map_or_else(|| "an unknown date".to_owned(), |date| date.format("%Y-%m-%d").to_string())
}
