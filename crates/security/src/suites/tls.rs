//! Suite G: nothing is sent to a server that cannot prove its identity, and the attempt says why.
//!
//! Each certificate is signed by an authority that the executor trusts, so that only its own defect can be the reason.

mod openssl;

use anyhow::ensure;
use serde_json::Value;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};
use trigrun_testkit::target::{Certificate, Protocol, REVOCATION_LIST, Target};

use super::responses::attempt;
use crate::{
    case::{Case, Suite},
    system::System,
};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 216, 34));
const FIRST_PORT: u16 = 4600;

pub fn cases() -> Vec<Case> {
    let certificate = |(port, certificate): (u16, &Certificate)| {
        let certificate = *certificate;
        let verdict = if certificate.refusal().is_some() { "refused" } else { "accepted" };
        let name = format!("a certificate is {verdict}: {certificate:?}");
        Case::dialling(Suite::Tls, name, move |system| presented(system, certificate, port, Protocol::Http1))
    };
    let over_http2 = Case::dialling(Suite::Tls, "an unknown authority, over HTTP/2", |system| {
        presented(system, Certificate::UnknownIssuer, FIRST_PORT - 1, Protocol::Http2)
    });
    let plain = Case::dialling(Suite::Tls, "no TLS on an https URL", |system| async move {
        let attempt = attempt(&system, "https://93.184.216.34:80/".into()).await?;
        // The target waits for the rest of what it takes for a request.
        ensure!(
            ["tls_handshake", "timeout_tls"].contains(&attempt["error_class"].as_str().unwrap_or_default()),
            "{attempt}"
        );
        Ok(())
    });
    let certificates = (FIRST_PORT..).zip(Certificate::ALL).map(certificate);
    certificates.chain([over_http2, plain]).chain(openssl::cases()).collect()
}

async fn presented(
    system: Arc<System>,
    certificate: Certificate,
    port: u16,
    protocol: Protocol,
) -> anyhow::Result<()> {
    let targets = system.targets()?;
    let at = SocketAddr::new(SERVER, port);
    let target = Target::start_tls_of(Arc::clone(&targets.authority), at, certificate, protocol).await?;
    let attempt = attempt(&system, format!("https://{}:{port}/", certificate.host(SERVER))).await?;
    let Some(words) = certificate.refusal() else {
        ensure!(attempt["status"] == "success" && target.hits().len() == 1, "{attempt}");
        let asked = targets.plain.hits().into_iter().any(|hit| REVOCATION_LIST.ends_with(&hit.path));
        ensure!(!asked, "TrigRun looks for revocations: say so in docs/security.md");
        return Ok(());
    };
    is_refused(&attempt, "tls_certificate", words)?;
    ensure!(target.hits().is_empty(), "it was sent");
    Ok(())
}

fn is_refused(attempt: &Value, class: &str, words: &str) -> anyhow::Result<()> {
    ensure!(attempt["status"] == "connection_error" && attempt["error_class"] == class, "{attempt}");
    let why = attempt["error"].as_str().unwrap_or_default();
    ensure!(why.contains(words), "{attempt}");
    // The server decides what is in its certificate.
    ensure!(why.len() < 500 && !why.contains(char::is_control), "{attempt}");
    Ok(())
}
