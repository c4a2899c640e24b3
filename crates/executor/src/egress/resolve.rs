//! From a host name to the addresses that may be dialled. Looks up and checks; it must not connect.
//!
//! Names are looked up as absolute: the search list of resolv.conf(5) is ignored, hosts(5) is honoured.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::rr::Name,
    system_conf::read_system_conf,
};
use trigrun_core::domain::address::{EgressPolicy, Refused};

use super::failure::Failure;

/// A name that was just created or corrected is found soon after.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(10);
/// Queries in flight over one connection to a name server.
const MAX_ACTIVE_REQUESTS: usize = 512;

pub(super) struct Resolver {
    names: TokioResolver,
    policy: EgressPolicy,
}

impl Resolver {
    /// With no `nameservers`, those of /etc/resolv.conf, or one on this machine if there is no such file (resolv.conf(5)).
    pub(super) fn new(policy: EgressPolicy, nameservers: &[SocketAddr]) -> Result<Self, NetError> {
        let (servers, mut options) = if nameservers.is_empty() {
            system()?
        } else {
            (nameservers.iter().copied().map(name_server).collect(), ResolverOpts::default())
        };
        options.negative_max_ttl = Some(MAX_NEGATIVE_TTL);
        options.max_active_requests = MAX_ACTIVE_REQUESTS;
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        Ok(Self { names: builder.with_options(options).build()?, policy })
    }

    /// Every address of a URL's host. A single address that is not allowed refuses the host.
    pub(super) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let literal = address_of(host);
        let addresses = match literal {
            Some(address) => vec![address],
            None => self.look_up(host).await?,
        };
        match self.policy.check_all(&addresses) {
            // `::ffff:a.b.c.d` was checked as the IPv4 address that it is, and is dialled as such.
            Ok(()) => Ok(addresses.iter().map(IpAddr::to_canonical).collect()),
            Err(Refused { address, reason }) => {
                let whose = if literal.is_some() {
                    String::new()
                } else {
                    format!("{host} leads to an address that is refused: ")
                };
                Err(Failure::blocked(format!(
                    "{whose}{address} may not be called: {reason}; nothing was sent."
                )))
            }
        }
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let unknown = || not_found(host);
        let mut name = Name::from_ascii(host).map_err(|_| unknown())?;
        name.set_fqdn(true);
        let addresses: Vec<IpAddr> = match self.names.lookup_ip(name).await {
            Ok(found) => found.iter().collect(),
            Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords { .. }))) => return Err(unknown()),
            Err(NetError::Timeout) => return Err(no_reply(host)),
            Err(_) => {
                let likely = "the name servers of its domain, or TrigRun's own, may be out of order.";
                return Err(Failure::connection(
                    "dns_failed",
                    format!("the address of {host} could not be looked up: {likely}"),
                ));
            }
        };
        if addresses.is_empty() { Err(unknown()) } else { Ok(addresses) }
    }
}

/// The host of a URL as an address, if it is not a name. An IPv6 address is in brackets.
pub(super) fn address_of(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// A host of one label is looked up as it stands: where it leads must not depend on the search domains of this machine.
pub(super) fn not_found(host: &str) -> Failure {
    let hint = if host.contains('.') { "check the spelling" } else { "write its full name, with the domain" };
    Failure::connection("dns_not_found", format!("{host} has no address: {hint}."))
}

pub(super) fn no_reply(host: &str) -> Failure {
    Failure::timeout(
        "timeout_dns",
        format!("the address of {host} was not found in time: no name server responded."),
    )
}

fn system() -> Result<(Vec<NameServerConfig>, ResolverOpts), NetError> {
    match read_system_conf() {
        Ok((config, options)) => Ok((config.name_servers, options)),
        Err(NetError::Io(missing)) if missing.kind() == std::io::ErrorKind::NotFound => {
            Ok((vec![name_server(SocketAddr::from(([127, 0, 0, 1], 53)))], ResolverOpts::default()))
        }
        Err(other) => Err(other),
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(
        address.ip(),
        true,
        vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())],
    )
}
