//! What only the network namespace has: a target on every address, a trusted one with TLS, and a name server.

use base64::{Engine, engine::general_purpose::STANDARD};
use trigrun_testkit::target::{Answers, Certificate, NameServer, Protocol, Target};

use crate::network::NAME_SERVER;

pub struct Targets {
    /// On port 80 of every address.
    pub plain: Target,
    /// `https://target.test`, over HTTP/2; the executor trusts its certificate authority.
    pub tls: Target,
    pub names: NameServer,
}

impl Targets {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let names = NameServer::start_at(format!("{NAME_SERVER}:53").parse()?).await?;
        let public = [93, 184, 216, 34];
        names.set_answers("target.test", Answers::to(&[public.into()]));
        let tls = Target::start_tls_at((public, 443).into(), Certificate::Valid, Protocol::Http2).await?;
        Ok(Self { plain: Target::start_at("[::]:80".parse()?).await?, tls, names })
    }

    /// The certificate authority that executors have to trust (RFC 7468).
    pub(super) fn authority(&self) -> String {
        let der = STANDARD.encode(self.tls.authority().unwrap_or_default());
        format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
    }
}
