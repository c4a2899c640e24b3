//! What only the network namespace has: a target on every address, a trusted one with TLS, and a name server.

use std::sync::Arc;

use trigrun_testkit::target::{Answers, Authority, Certificate, NAMES, NameServer, Protocol, Target};

use crate::network::NAME_SERVER;

pub struct Targets {
    /// On port 80 of every address.
    pub plain: Target,
    /// `https://target.test`, over HTTP/2; the executor trusts its certificate authority.
    pub tls: Target,
    pub names: NameServer,
    /// The certificate authority that executors trust.
    pub authority: Arc<Authority>,
}

impl Targets {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let names = NameServer::start_at(format!("{NAME_SERVER}:53").parse()?).await?;
        let public = [93, 184, 216, 34];
        for name in NAMES {
            names.set_answers(name, Answers::to(&[public.into()]));
        }
        let authority = Arc::new(Authority::new()?);
        let at = (public, 443).into();
        let tls =
            Target::start_tls_of(Arc::clone(&authority), at, Certificate::Valid, Protocol::Http2).await?;
        Ok(Self { plain: Target::start_at("[::]:80".parse()?).await?, tls, names, authority })
    }
}
