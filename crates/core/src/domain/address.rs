//! Which addresses may be called: the one guard behind jobs, channels, channel tests and imports.
//!
//! It judges a resolved address at the moment it is dialled; it resolves nothing and dials nothing. By
//! default only global unicast may be called. The tables follow the IANA special-purpose address registries
//! (RFC 6890 and the RFCs at each row).

mod embedded;
mod tables;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The rule of an installation: global unicast, and what its operator opened besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    allow: Vec<IpNet>,
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
    /// The policy of `egress.allow`. An IPv4 range opens its addresses also when they are written as
    /// `::ffff:a.b.c.d`, which is the same destination to every system; it opens no other IPv6 form that
    /// carries them (NAT64, 6to4), because those go through a gateway: name the IPv6 range to open that. The
    /// metadata services of clouds stay closed unless one is named exactly, as a /32 or /128.
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self { allow: allow.into_iter().map(embedded::unmapped_net).collect() }
    }

    /// Whether the operator opened anything: then a name cannot be refused by its looks, only by what it
    /// resolves to.
    pub fn opens_anything(&self) -> bool {
        !self.allow.is_empty()
    }

    /// Judges the very address that is about to be dialled.
    ///
    /// # Errors
    /// [`Refused`], with the reason.
    pub fn judge(&self, address: IpAddr) -> Result<(), Refused> {
        let refuse = |reason| Err(Refused { address, reason });
        // `::ffff:a.b.c.d` is dialled over IPv4: from here on it is that address.
        let destination = address.to_canonical();
        if is_metadata(destination) && !self.names_exactly(destination) {
            return refuse("it is the metadata service of a cloud");
        }
        if self.allow.iter().any(|net| net.contains(&destination)) {
            return Ok(());
        }
        match refusal(destination) {
            Some(reason) => refuse(reason),
            None => Ok(()),
        }
    }

    /// Judges all the answers for one name: one address that is refused refuses the name, because the next
    /// look-up may put it first.
    ///
    /// # Errors
    /// The first [`Refused`]. A name without an answer is the caller's own error to report; asked all the
    /// same, this refuses (with the unspecified address) rather than to let nothing pass for something that
    /// was judged.
    pub fn judge_all(&self, addresses: &[IpAddr]) -> Result<(), Refused> {
        if addresses.is_empty() {
            let reason = "the name has no address";
            return Err(Refused { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), reason });
        }
        addresses.iter().try_for_each(|address| self.judge(*address))
    }

    fn names_exactly(&self, address: IpAddr) -> bool {
        self.allow.contains(&IpNet::from(address))
    }
}

/// Whether the address is a metadata service, or carries the address of one.
fn is_metadata(address: IpAddr) -> bool {
    let listed = |address: IpAddr| tables::METADATA.contains(&address);
    listed(address)
        || match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => {
                embedded::carried(address).into_iter().any(|carried| listed(carried.into()))
            }
        }
}

/// Why nobody may call the address unless it was opened; `None` if everybody may.
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
    // The well-known NAT64 prefix is how a host without IPv4 calls an IPv4 address: what it carries was all
    // there is to judge.
    let is_global = tables::GLOBAL_UNICAST_V6.contains(&address) || tables::NAT64.contains(&address);
    (!is_global).then_some("it is not a global unicast address")
}

#[cfg(test)]
mod tests;
