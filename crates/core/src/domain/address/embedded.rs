//! IPv4 addresses inside IPv6 addresses.
//!
//! A gateway or the host itself extracts them, so an ordinary-looking IPv6 address can lead to 127.0.0.1.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::tables;

/// Every IPv4 address that a gateway would extract from `address`; empty for an ordinary address. Mapped
/// addresses (`::ffff:a.b.c.d`) are not handled here: the caller treats them as IPv4 addresses.
pub(super) fn carried(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bits = address.to_bits();
    let last = bits as u32;
    let mut carried = Vec::new();
    let mut carry = |bits: u32| carried.push(Ipv4Addr::from_bits(bits));
    match bits >> 32 {
        // IPv4-compatible (RFC 4291, 2.5.5.1) and IPv4-translated (RFC 2765, 2.1).
        0 | 0xffff_0000 => carry(last),
        _ => {}
    }
    if tables::NAT64.contains(&address) {
        carry(last);
    }
    if tables::NAT64_LOCAL.contains(&address) {
        // The operator chooses the length of the prefix, and with it the position of the address: at the end, or
        // split around bits 64 to 71, which stay zero (RFC 6052, 2.2).
        carry(last);
        for prefix_length in [48, 56, 64] {
            let (high, low) = ((bits >> 64) as u64, (bits as u64) << 8);
            let joined = u128::from(high) << 64 | u128::from(low);
            carry((joined << prefix_length >> 96) as u32);
        }
    }
    if tables::SIX_TO_FOUR.contains(&address) {
        carry((bits >> 80) as u32);
    }
    if tables::TEREDO.contains(&address) {
        // The server, and the client with its bits inverted (RFC 4380, 4).
        carry((bits >> 64) as u32);
        carry(!last);
    }
    // ISATAP puts the address after its own interface identifier, under any prefix (RFC 5214, 6.1).
    if matches!((bits >> 32) as u32, 0x0000_5efe | 0x0200_5efe) {
        carry(last);
    }
    carried
}

/// Converts a range of mapped addresses to the IPv4 range that it means; other ranges are returned unchanged.
pub(super) fn unmapped_net(net: IpNet) -> IpNet {
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => Ipv4Net::new(v4, v6.prefix_len() - 96).map_or(net, IpNet::V4),
            None => net,
        },
        _ => net,
    }
}
