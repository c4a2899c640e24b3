//! From a host to the addresses that may be dialled. Looks up and checks; it must not connect.
//!
//! Names are looked up as absolute: the search list of resolv.conf(5) is ignored, hosts(5) is honoured.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::net::NetError;
use trigrun_core::domain::address::{EgressPolicy, Refused};

use super::{
    failure::Failure,
    names::{Names, Unresolved},
    own_addresses::OwnAddresses,
    progress::Progress,
};
use crate::owner::Owner;

pub(super) struct Resolver {
    names: Names,
    policy: EgressPolicy,
    own: OwnAddresses,
}

impl Resolver {
    pub(super) fn new(
        policy: EgressPolicy,
        nameservers: &[SocketAddr],
        max_open_files: usize,
    ) -> Result<Self, NetError> {
        Ok(Self { names: Names::new(nameservers, max_open_files)?, policy, own: OwnAddresses::new() })
    }

    /// Every address of a URL's host. A single address that is not allowed refuses the host, also if it was known before.
    pub(super) async fn resolve(
        &self,
        owner: Owner,
        host: &str,
        port: u16,
        progress: &Progress,
    ) -> Result<Vec<IpAddr>, Failure> {
        let literal = address_of(host);
        let addresses = match literal {
            Some(address) => [address].into(),
            None => self.names.addresses(owner, host, progress).await.map_err(|why| unresolved(host, why))?,
        };
        match self.policy.check_all(&addresses).and_then(|()| self.check_own(&addresses)) {
            Ok(()) if self.refuses_port(port, &addresses) => Err(Failure::blocked(format!(
                "Port {port} of {host} may not be called: it is used for mail, shells, databases or the like; nothing was sent."
            ))),
            // `::ffff:a.b.c.d` was checked as the IPv4 address that it is, and is dialled as such.
            Ok(()) => Ok(addresses.iter().map(IpAddr::to_canonical).collect()),
            Err(refused) => Err(refusal(host, literal.is_some(), &refused)),
        }
    }

    /// Addresses of this machine are refused even if they are public, unless the operator opened them.
    fn check_own(&self, addresses: &[IpAddr]) -> Result<(), Refused> {
        let own =
            addresses.iter().find(|address| !self.policy.opens(**address) && self.own.contains(**address));
        let reason = "it is an address of the machine that TrigRun runs on";
        own.map_or(Ok(()), |address| Err(Refused { address: *address, reason }))
    }

    /// Of a name, too: see [`EgressPolicy::refuses_port`].
    fn refuses_port(&self, port: u16, addresses: &[IpAddr]) -> bool {
        self.policy.refuses_port(port) && !addresses.iter().all(|address| self.policy.opens(*address))
    }
}

/// What a name server answers can be known inside a network only, so a tenant does not learn it; the log of the operator has it.
fn refusal(host: &str, is_literal: bool, Refused { address, reason }: &Refused) -> Failure {
    if is_literal {
        return Failure::blocked(format!("{address} may not be called: {reason}; nothing was sent."));
    }
    tracing::info!(host, %address, reason, "refused an address of a name");
    Failure::blocked(format!("{host} leads to an address that may not be called; nothing was sent."))
}

/// The host of a URL as an address, if it is not a name. An IPv6 address is in brackets.
pub(super) fn address_of(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn unresolved(host: &str, why: Unresolved) -> Failure {
    match why {
        Unresolved::NotFound => not_found(host),
        Unresolved::NoReply => no_reply(host),
        Unresolved::NoCapacity => Failure::no_capacity(),
        Unresolved::Failed => {
            let likely = "the name servers of its domain, or TrigRun's own, may be out of order.";
            Failure::connection(
                "dns_failed",
                format!("the address of {host} could not be looked up: {likely}"),
            )
        }
    }
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

/// The deadline passed before the name servers were asked.
pub(super) fn not_asked(host: &str) -> Failure {
    let why = "many other names that this account calls were being looked up, and no name server responded.";
    Failure::timeout("timeout_dns", format!("the address of {host} was not looked up in time: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_of_this_machine_is_refused_unless_it_is_opened() {
        let resolver = |policy: EgressPolicy| Resolver {
            names: Names::new(&[], 100).unwrap(),
            policy,
            own: OwnAddresses::known(vec!["192.0.78.9".parse().unwrap(), "2600::1".parse().unwrap()]),
        };
        let id = uuid::Uuid::nil();
        let owner = Owner::alone(
            trigrun_core::domain::id::WorkspaceId::from_uuid(id),
            trigrun_core::domain::id::JobId::from_uuid(id),
        );
        let progress = Progress::new(Default::default());
        for host in ["192.0.78.9", "[2600::1]", "[::ffff:192.0.78.9]"] {
            let closed = resolver(EgressPolicy::default()).resolve(owner, host, 80, &progress).await;
            let sentence = closed.unwrap_err().sentence;
            assert!(sentence.contains("of the machine that TrigRun runs on"), "{sentence}");
            let open =
                EgressPolicy::new(vec!["192.0.78.0/24".parse().unwrap(), "2600::/64".parse().unwrap()]);
            assert!(resolver(open).resolve(owner, host, 80, &progress).await.is_ok(), "{host}");
        }
        let other = resolver(EgressPolicy::default()).resolve(owner, "192.0.78.10", 80, &progress).await;
        assert!(other.is_ok());
    }
}
