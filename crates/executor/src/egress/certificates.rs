//! Certificates of targets: how they are verified, and what is wrong with one in plain words.

use std::sync::Arc;

use chrono::DateTime;
use rustls::{
    CertificateError, Error, ExtendedKeyPurpose, OtherError,
    client::danger::ServerCertVerified,
    pki_types::{CertificateDer, UnixTime},
};
use webpki::{EndEntityCert, KeyUsage};

/// How many names of a certificate a sentence lists.
const MAX_NAMES: usize = 3;
/// RFC 1035 §2.3.4.
const MAX_NAME_BYTES: usize = 255;
const NOT_VALID: &str = "is not valid";
const CANNOT_BE_READ: &str =
    "cannot be read: it is not a certificate of X.509, or has invalid or repeated extensions";

#[derive(Debug, thiserror::Error)]
#[error("the certificate is self-signed")]
struct SelfSigned;

/// When it expired.
#[derive(Debug, thiserror::Error)]
#[error("the certificate of an issuer expired")]
struct IssuerExpired(UnixTime);

/// Tells a self-signed certificate from one of an unknown authority, and an expired one from one whose issuer expired. rustls does not.
pub(super) fn review(
    certificate: &CertificateDer<'_>,
    verdict: Result<ServerCertVerified, Error>,
) -> Result<ServerCertVerified, Error> {
    verdict.map_err(|error| match error {
        // A certificate that is also an authority's is refused as such before its issuer is looked for.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_))
            if is_self_signed(certificate) =>
        {
            CertificateError::Other(OtherError(Arc::new(SelfSigned))).into()
        }
        Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after })
            if !has_expired(certificate, time) =>
        {
            CertificateError::Other(OtherError(Arc::new(IssuerExpired(not_after)))).into()
        }
        other => other,
    })
}

/// Whether this certificate itself has expired, which webpki checks before it looks for an issuer.
fn has_expired(certificate: &CertificateDer<'_>, time: UnixTime) -> bool {
    let Ok(parsed) = EndEntityCert::try_from(certificate) else { return false };
    let verified = parsed.verify_for_usage(&[], &[], &[], time, KeyUsage::server_auth(), None, None);
    matches!(verified, Err(webpki::Error::CertExpired { .. }))
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
        Why::BadSignature => "has a wrong signature, or a key that is too short to be safe",
        Why::UnsupportedSignatureAlgorithmContext { .. }
        | Why::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed with an algorithm that is not safe or not supported, such as SHA-1"
        }
        Why::BadEncoding => CANNOT_BE_READ,
        Why::Other(OtherError(other)) => match other.downcast_ref() {
            Some(IssuerExpired(not_after)) => {
                return format!("A certificate that issued the server's expired on {}.", date(*not_after));
            }
            None => other.downcast_ref().map_or(NOT_VALID, of_webpki),
        },
        _ => NOT_VALID,
    };
    format!("The server's certificate {text}.")
}

/// Errors for which rustls has no word.
fn of_webpki(error: &webpki::Error) -> &'static str {
    use webpki::Error as Why;
    match error {
        Why::CaUsedAsEndEntity => "is that of an authority and not of a server",
        Why::EndEntityUsedAsCa | Why::PathLenConstraintViolated => {
            "was issued by a certificate that may not issue others"
        }
        Why::NameConstraintViolation => "has a name for which its authority may not issue certificates",
        Why::MaximumPathDepthExceeded
        | Why::MaximumPathBuildCallsExceeded
        | Why::MaximumSignatureChecksExceeded
        | Why::MaximumNameConstraintComparisonsExceeded => "has too many intermediate certificates",
        Why::UnsupportedCriticalExtension => "has a critical extension that is not supported",
        Why::ExtensionValueInvalid
        | Why::MalformedDnsIdentifier
        | Why::MalformedExtensions
        | Why::MalformedNameConstraint
        | Why::UnsupportedCertVersion => CANNOT_BE_READ,
        _ => NOT_VALID,
    }
}

fn other_name(host: &str, presented: &[String]) -> String {
    let names: Vec<&str> = presented.iter().filter_map(|name| shown(name)).take(MAX_NAMES).collect();
    let its = match (names.is_empty(), presented.len() > names.len()) {
        (true, _) => return format!("The server's certificate is for another name than {host}."),
        (false, true) => format!("{} and others", names.join(", ")),
        (false, false) => names.join(", "),
    };
    format!("The server's certificate is for another name than {host}: it is for {its}.")
}

/// `DnsName("example.com")` as `example.com`. The server decides what is in its certificate: what is too long for a name, or has other
/// characters, is not shown.
fn shown(name: &str) -> Option<&str> {
    let name = name.split('"').nth(1).unwrap_or(name);
    Some(name).filter(|name| name.len() <= MAX_NAME_BYTES && name.chars().all(|c| c.is_ascii_graphic()))
}

fn date(time: UnixTime) -> String {
    let date = i64::try_from(time.as_secs()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    date.map_or_else(|| "an unknown date".to_owned(), |date| date.format("%Y-%m-%d").to_string())
}
