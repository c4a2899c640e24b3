//! What only the enclave has: a target on every address, one that is trusted, and a name server.

use base64::{Engine, engine::general_purpose::STANDARD};
use trigrun_testkit::target::{Answers, Certificate, NameServer, Protocol, Target};

use crate::network::{NAME_SERVER, Network};

pub struct Outside {
    pub(super) enclave: Network,
    /// On port 80 of every address.
    pub target: Target,
    /// `https://target.test`, over HTTP/2; the executor trusts its authority.
    pub secure: Target,
    pub names: NameServer,
}

impl Outside {
    pub(super) async fn start(enclave: Network) -> anyhow::Result<Self> {
        let names = NameServer::start_at(format!("{NAME_SERVER}:53").parse()?).await?;
        let public = [93, 184, 216, 34];
        names.set_answers("target.test", Answers::to(&[public.into()]));
        let secure = Target::start_tls_at((public, 443).into(), Certificate::Valid, Protocol::Http2).await?;
        Ok(Self { enclave, target: Target::start_at("[::]:80".parse()?).await?, secure, names })
    }

    /// The certificate that executors must trust, as rfc7468 writes it.
    pub(super) fn authority(&self) -> String {
        let der = STANDARD.encode(self.secure.authority().unwrap_or_default());
        format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
    }
}
