//! Which addresses may be called: one policy for jobs, channels, channel tests and imports.
//!
//! It checks a resolved address at the moment it is dialled; it does not resolve or dial. By default only global
//! unicast addresses may be called. The tables follow the IANA special-purpose address registries (RFC 6890 and
//! the RFCs at each row).

mod embedded;
mod ports;
mod refused;
mod tables;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

pub use refused::{InvalidDestination, RefusedDestination};

/// The policy of an installation: global unicast addresses and the ranges that its operator opened, without what the operator refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    allow: Vec<IpNet>,
    allow_ports: Vec<u16>,
    refuse: Vec<RefusedDestination>,
}

/// An address that may not be called, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} may not be called: {reason}.")]
pub struct Refused {
    pub address: IpAddr,
    /// Continues "it may not be called:", without a full stop.
    pub reason: &'static str,
}

impl EgressPolicy {
    /// The policy of `egress.allow`. An IPv4 range also opens its addresses when they are written as
    /// `::ffff:a.b.c.d`, which is the same destination to every system; it opens no other IPv6 form that
    /// carries them (NAT64, 6to4), because those go through a gateway: name the IPv6 range to open that. The
    /// metadata services of clouds stay closed unless one is named exactly, as a /32 or /128.
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self { allow: allow.into_iter().map(embedded::unmapped_net).collect(), ..Self::default() }
    }

    /// Also opens these ports, which are refused otherwise (`egress.allow_ports`).
    #[must_use]
    pub fn with_ports(self, allow_ports: Vec<u16>) -> Self {
        Self { allow_ports, ..self }
    }

    /// Also refuses these destinations, although they are public or opened (`egress.refuse`).
    #[must_use]
    pub fn without(self, refuse: Vec<RefusedDestination>) -> Self {
        Self { refuse, ..self }
    }

    /// Whether the operator refuses this host name, which is in the form that the `url` crate serialises.
    pub fn refuses_name(&self, name: &str) -> bool {
        self.refuse.iter().any(|refused| refused.covers(name))
    }

    /// Whether this port of a public host is refused. In a range that the operator opened, no port is: see [`EgressPolicy::opens`].
    pub fn refuses_port(&self, port: u16) -> bool {
        ports::REFUSED.binary_search(&port).is_ok() && !self.allow_ports.contains(&port)
    }

    /// Whether the address is in a range that the operator opened.
    pub fn opens(&self, address: IpAddr) -> bool {
        let destination = address.to_canonical();
        self.allow.iter().any(|net| net.contains(&destination))
    }

    /// Whether the operator opened any range. If so, a name can be refused only for the addresses it resolves
    /// to, not for the name itself.
    pub fn opens_anything(&self) -> bool {
        !self.allow.is_empty()
    }

    /// Checks the address that is about to be dialled.
    ///
    /// # Errors
    /// [`Refused`], with the reason.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let refuse = |reason| Err(Refused { address, reason });
        // `::ffff:a.b.c.d` is dialled over IPv4, so the IPv4 address is checked.
        let destination = address.to_canonical();
        if is_metadata(destination) && !self.names_exactly(destination) {
            return refuse("it is the metadata service of a cloud");
        }
        let is_refused = |address| self.refuse.iter().any(|refused| refused.contains(address));
        if holds_of_any_form(destination, is_refused) {
            return refuse("the operator of TrigRun refuses it");
        }
        if self.opens(destination) {
            return Ok(());
        }
        match refusal(destination) {
            Some(reason) => refuse(reason),
            None => Ok(()),
        }
    }

    /// Checks all addresses of one name. One refused address refuses the name, because the next look-up may
    /// return it first.
    ///
    /// # Errors
    /// The first [`Refused`]. The caller should report a name without addresses itself; an empty list is
    /// refused here too (with the unspecified address), so that an unchecked name is never accepted.
    pub fn check_all(&self, addresses: &[IpAddr]) -> Result<(), Refused> {
        if addresses.is_empty() {
            let reason = "the name has no address";
            return Err(Refused { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), reason });
        }
        addresses.iter().try_for_each(|address| self.check(*address))
    }

    fn names_exactly(&self, address: IpAddr) -> bool {
        self.allow.contains(&IpNet::from(address))
    }
}

/// Whether the address is a metadata service, or carries the address of one.
fn is_metadata(address: IpAddr) -> bool {
    holds_of_any_form(address, |address| tables::METADATA.contains(&address))
}

/// Whether it holds of the address, or of an IPv4 address that it carries.
fn holds_of_any_form(address: IpAddr, holds: impl Fn(IpAddr) -> bool) -> bool {
    holds(address)
        || match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => {
                embedded::carried(address).into_iter().any(|carried| holds(carried.into()))
            }
        }
}

/// Why the address may not be called unless the operator opened it; `None` for a public address.
fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    tables::REFUSED_V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, reason)| *reason)
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some((_, reason)) = tables::REFUSED_V6.iter().find(|(net, _)| net.contains(&address)) {
        return Some(reason);
    }
    if embedded::carried(address).into_iter().any(|carried| refusal_v4(carried).is_some()) {
        return Some("it carries an IPv4 address that may not be called");
    }
    // A host without IPv4 calls IPv4 addresses through the well-known NAT64 prefix, and the carried address was
    // checked above.
    let is_global = tables::GLOBAL_UNICAST_V6.contains(&address) || tables::NAT64.contains(&address);
    (!is_global).then_some("it is not a global unicast address")
}

#[cfg(test)]
mod tests;
