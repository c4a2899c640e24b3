//! The ranges that may not be called, each with the RFC that reserves it.
//!
//! Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), multicast and unicast
//! assignments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// RFC 4291, 2.4: the only part of IPv6 from which global unicast addresses are assigned.
pub(super) const GLOBAL_UNICAST_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// RFC 6052: NAT64, the well-known prefix.
pub(super) const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
/// RFC 8215: NAT64 inside one network.
pub(super) const NAT64_LOCAL: Ipv6Net = v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
/// RFC 3056.
pub(super) const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);
/// RFC 4380.
pub(super) const TEREDO: Ipv6Net = v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);

pub(super) const REFUSED_V4: &[(Ipv4Net, &str)] = &[
    // RFC 791 and RFC 1122, 3.2.1.3: "this network"; connecting to 0.0.0.0 reaches the host itself.
    (v4([0, 0, 0, 0], 8), "it is unspecified"),
    // RFC 1918.
    (v4([10, 0, 0, 0], 8), PRIVATE),
    (v4([172, 16, 0, 0], 12), PRIVATE),
    (v4([192, 168, 0, 0], 16), PRIVATE),
    // RFC 6598.
    (v4([100, 64, 0, 0], 10), "it is behind carrier-grade NAT"),
    // RFC 1122, 3.2.1.3.
    (v4([127, 0, 0, 0], 8), LOOPBACK),
    // RFC 3927.
    (v4([169, 254, 0, 0], 16), LINK_LOCAL),
    // RFC 6890, 2.1.
    (v4([192, 0, 0, 0], 24), "it is reserved for protocol assignments"),
    // RFC 5737.
    (v4([192, 0, 2, 0], 24), DOCUMENTATION),
    (v4([198, 51, 100, 0], 24), DOCUMENTATION),
    (v4([203, 0, 113, 0], 24), DOCUMENTATION),
    // RFC 7526: the anycast address of 6to4 relays, withdrawn.
    (v4([192, 88, 99, 0], 24), "it was the address of 6to4 relays"),
    // RFC 2544.
    (v4([198, 18, 0, 0], 15), "it is reserved for benchmarks"),
    // RFC 5771.
    (v4([224, 0, 0, 0], 4), MULTICAST),
    // RFC 1112, 4, and RFC 8190 for the broadcast address at its end.
    (v4([240, 0, 0, 0], 4), "it is reserved or the broadcast address"),
];

/// Ranges inside [`GLOBAL_UNICAST_V6`], and ranges outside it that deserve a specific reason. All other addresses
/// outside [`GLOBAL_UNICAST_V6`] are refused as well.
pub(super) const REFUSED_V6: &[(Ipv6Net, &str)] = &[
    // RFC 4291, 2.5.2 and 2.5.3.
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "it is unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), LOOPBACK),
    (NAT64_LOCAL, "it is a NAT64 address for use inside one network"),
    // RFC 6666.
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "it is discarded by every router"),
    // RFC 2928: protocol assignments. Teredo, ORCHID (RFC 4843 and 7343), benchmarks (RFC 5180), anycast
    // services.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "it is reserved for protocol assignments"),
    // RFC 3849 and RFC 9637.
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), DOCUMENTATION),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), DOCUMENTATION),
    // RFC 4193.
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), PRIVATE),
    // RFC 4291, 2.5.6, and RFC 3879.
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LINK_LOCAL),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "it is a site-local address"),
    // RFC 4291, 2.7.
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), MULTICAST),
];

/// The metadata services of clouds, which give credentials to any process that can reach them. Some lie inside
/// ranges that operators open for good reasons, and one (Azure's) is a public address.
pub(super) const METADATA: &[IpAddr] = &[
    // EC2, Google, Azure, DigitalOcean, Hetzner, OpenStack and others.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // Tasks on ECS, pods on EKS.
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    // Scaleway.
    IpAddr::V4(Ipv4Addr::new(169, 254, 42, 42)),
    // Tencent.
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),
    // Alibaba.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Oracle Cloud at Customer.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // Azure's host agent ("WireServer").
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // EC2 and EKS over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // Google over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Scaleway over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
];

const PRIVATE: &str = "it is a private address";
const LOOPBACK: &str = "it is a loopback address";
const LINK_LOCAL: &str = "it is a link-local address";
const DOCUMENTATION: &str = "it is reserved for documentation";
const MULTICAST: &str = "it is a multicast address";

const fn v4([a, b, c, d]: [u8; 4], prefix_length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix_length)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix_length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix_length)
}
