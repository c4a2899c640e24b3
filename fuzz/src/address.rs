//! The address policy, compared with an independent reading of IANA's registries, with the predicates of the standard library,
//! and with itself: in all notations, and with any ranges that an operator allows.
//!
//! Fields: an address, and allowed ranges. An input that does not start with an address is read as the bytes of one.

use crate::first_fields;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use trigrun_core::domain::{address::EgressPolicy, target::TargetUrl};

/// Addresses of metadata services, which hand out credentials. One of them is public.
const METADATA: &[&str] = &[
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.42.42",
    "169.254.0.23",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
];

pub fn run(input: &[u8]) {
    let [address, ranges] = first_fields(input);
    let mut addresses: Vec<IpAddr> = address.parse().into_iter().collect();
    if addresses.is_empty() {
        addresses.extend(input.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)));
        addresses.extend(input.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)));
    }
    let ranges: Vec<IpNet> = ranges.split(' ').filter_map(|range| range.parse().ok()).collect();
    let default = EgressPolicy::default();
    let opened = EgressPolicy::new(ranges.clone());
    assert_eq!(opened.opens_anything(), !ranges.is_empty());
    for address in &addresses {
        let is_open = is_public(*address) && !is_metadata(*address);
        check(&default, *address, is_open);
        let is_opened = if is_metadata(*address) {
            ranges.iter().any(|range| names(*range, *address))
        } else {
            is_open || ranges.iter().any(|range| opens(*range, *address))
        };
        check(&opened, *address, is_opened);
    }
    for policy in [default, opened] {
        let each = addresses.iter().all(|address| policy.check(*address).is_ok());
        assert_eq!(policy.check_all(&addresses).is_ok(), each && !addresses.is_empty());
    }
}

/// The address, and a URL with it as host, get the same decision. In other notations it is refused.
fn check(policy: &EgressPolicy, address: IpAddr, is_open: bool) {
    let decision = policy.check(address);
    assert_eq!(decision.is_ok(), is_open, "{address}: {decision:?}");
    if let Err(refused) = decision {
        assert_eq!(refused.address, address);
        assert!(!refused.reason.is_empty() && !refused.reason.ends_with('.'));
    }
    let mut hosts = vec![match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }];
    if let IpAddr::V4(v4) = address.to_canonical() {
        let bits = v4.to_bits();
        let mapped = v4.to_ipv6_mapped();
        assert_eq!(policy.check(mapped.into()).is_ok(), is_open, "{mapped}");
        hosts.push(format!("[{mapped}]"));
        let octal = v4.octets().map(|byte| format!("0{byte:o}")).join(".");
        // Spellings that most people read as another address, or as none.
        for host in [format!("{bits}"), format!("{bits:#x}"), format!("0{bits:o}"), octal] {
            let refused =
                TargetUrl::parse(&format!("http://{host}/"), policy).err().map(|invalid| invalid.code);
            assert_eq!(refused, Some(if is_open { "url_host" } else { "url_address_refused" }), "{host}");
        }
    }
    for host in hosts {
        let url = TargetUrl::parse(&format!("http://{host}/"), policy);
        assert_eq!(url.is_ok(), is_open, "{host}: {url:?}");
        let read = url.ok().and_then(|url| url.address());
        assert!(read.is_none_or(|read| read.to_canonical() == address.to_canonical()), "{host}");
    }
}

/// Whether an allowed range contains the address, or its mapped form.
fn opens(range: IpNet, address: IpAddr) -> bool {
    match (range, address.to_canonical()) {
        (IpNet::V6(range), IpAddr::V4(v4)) => {
            range.prefix_len() >= 96 && range.contains(&v4.to_ipv6_mapped())
        }
        (range, address) => range.contains(&address),
    }
}

/// Whether the range contains only this address.
fn names(range: IpNet, address: IpAddr) -> bool {
    opens(range, address) && range.prefix_len() == range.max_prefix_len()
}

fn is_metadata(address: IpAddr) -> bool {
    let is_listed = |address: IpAddr| METADATA.iter().any(|listed| listed.parse() == Ok(address));
    let address = address.to_canonical();
    let carried = if let IpAddr::V6(v6) = address { carried(v6) } else { Vec::new() };
    is_listed(address) || carried.into_iter().any(|v4| is_listed(v4.into()))
}

/// Whether the registries list the address as globally reachable.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let set_apart = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || match address.octets() {
            // This network; carrier-grade NAT; protocol assignments; 6to4 relays; benchmarks; reserved and broadcast.
            [0, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [240..=255, ..] => true,
            [100, second, ..] => second & 0b1100_0000 == 64,
            _ => false,
        };
    !set_apart
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let is_given_out = match address.segments() {
        // The well-known prefix of NAT64: the embedded address decides.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => true,
        // Protocol assignments (including Teredo and ORCHID), documentation.
        [0x2001, 0..0x200 | 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        [first, ..] => first >> 13 == 1,
    };
    let std_says_no = address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_multicast();
    is_given_out && !std_says_no && carried(address).into_iter().all(is_public_v4)
}

/// IPv4 addresses that a gateway on the way may extract.
fn carried(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bytes = address.octets();
    let at = |place: [usize; 4]| Ipv4Addr::from(place.map(|index| bytes[index]));
    let last = at([12, 13, 14, 15]);
    let mut carried = match address.segments() {
        // Compatible; translated; NAT64.
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![last],
        // NAT64 of one network, with a prefix of 96, 64, 56 or 48 bits (RFC 6052 §2.2).
        [0x64, 0xff9b, 1, ..] => {
            vec![last, at([9, 10, 11, 12]), at([7, 9, 10, 11]), at([6, 7, 9, 10])]
        }
        [0x2002, ..] => vec![at([2, 3, 4, 5])],
        // Teredo: the server, and the client with inverted bits.
        [0x2001, 0, ..] => vec![at([4, 5, 6, 7]), Ipv4Addr::from_bits(!last.to_bits())],
        _ => Vec::new(),
    };
    // ISATAP.
    if matches!(address.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, ..]) {
        carried.push(last);
    }
    carried
}
