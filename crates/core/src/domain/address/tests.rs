//! Both sides of every range boundary, and every alternative form of an address that may not be called.

use super::*;

fn policy(allow: &[&str]) -> EgressPolicy {
    EgressPolicy::new(allow.iter().map(|net| net.parse().unwrap()).collect())
}

/// A list without the quotes.
fn words(list: &str) -> Vec<&str> {
    list.split_whitespace().collect()
}

#[track_caller]
fn allows(policy: &EgressPolicy, addresses: &[&str]) {
    for address in addresses {
        assert_eq!(policy.check(address.parse().unwrap()), Ok(()));
    }
}

#[track_caller]
fn refuses(policy: &EgressPolicy, addresses: &[&str]) {
    for address in addresses {
        assert!(policy.check(address.parse().unwrap()).is_err(), "{address} was allowed");
    }
}

#[test]
fn ipv4_ranges_are_refused_up_to_their_boundaries() {
    let default = EgressPolicy::default();
    refuses(
        &default,
        &words(
            "
            0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1
            127.255.255.255 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0
            192.0.0.255 192.0.2.0 192.0.2.255 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0
            198.19.255.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 224.0.0.0 239.255.255.255
            240.0.0.0 255.255.255.254 255.255.255.255 168.63.129.16",
        ),
    );
    allows(
        &default,
        &words(
            "
            1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
            169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0
            192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255
            198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 8.8.8.8 168.63.129.15",
        ),
    );
}

#[test]
fn ipv6_is_refused_except_global_unicast() {
    let default = EgressPolicy::default();
    refuses(
        &default,
        &words(
            "
            :: ::1 ::2 100::1 100:0:0:1::1 1fff:ffff::1 2001::1 2001:1::1 2001:2::1 2001:10::1 2001:20::1
            2001:1ff:ffff::1 2001:db8:: 2001:db8:ffff::1 3fff::1 3fff:fff:ffff::1 4000::1 5f00::1 fc00::1
            fd00:ec2::254 fdff::1 fe80::1 febf::1 fec0::1 feff::1 ff00::1 ff02::1 ff0e::1",
        ),
    );
    allows(
        &default,
        &words(
            "
            2000::1 2001:200::1 2001:4860:4860::8888 2001:db7:ffff::1 2001:db9::1 2606:4700:4700::1111
            2a00:1450:4001::200e 3ffe::1 3fff:1000::1",
        ),
    );
}

#[test]
fn addresses_that_carry_ipv4_are_checked_by_it() {
    let default = EgressPolicy::default();
    for (form, public) in [
        ("::ffff:{}", true),
        ("64:ff9b::{}", true),
        // Not global unicast themselves, whatever they carry.
        ("::{}", false),
        ("::ffff:0:{}", false),
        ("64:ff9b:1::{}", false),
        // ISATAP under a global prefix.
        ("2606:4700::5efe:{}", true),
        ("2606:4700::200:5efe:{}", true),
    ] {
        let written = |address: &str| form.replace("{}", address);
        for inside in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "168.63.129.16",
        ] {
            refuses(&default, &[&written(inside)]);
        }
        let address: IpAddr = written("8.8.8.8").parse().unwrap();
        assert_eq!(default.check(address).is_ok(), public, "{address}");
    }
    refuses(&default, &words("2002:7f00:1::1 2002:a00:1:: 2002:a9fe:a9fe:: 2002:c0a8:101::1 2002:6440:1::"));
    allows(&default, &["2002:808:808::1"]);
    // Teredo: 8.8.8.8 as the server, 127.0.0.1 inverted as the client.
    refuses(&default, &["2001:0:808:808:0:0:80ff:fffe", "2001:0:7f00:1::1"]);
}

#[test]
fn the_reason_completes_one_sentence() {
    let refused = EgressPolicy::default().check("::ffff:127.0.0.1".parse().unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "::ffff:127.0.0.1 may not be called: it is a loopback address.");
    let refused = EgressPolicy::default().check("64:ff9b::a00:1".parse().unwrap()).unwrap_err();
    assert_eq!(refused.reason, "it carries an IPv4 address that may not be called");
    let refused = EgressPolicy::default().check("64:ff9b::a9fe:a9fe".parse().unwrap()).unwrap_err();
    assert_eq!(refused.reason, "it is the metadata service of a cloud");
}

#[test]
fn an_opened_range_opens_its_addresses_and_their_mapped_form_only() {
    let opened = policy(&["10.1.2.0/24", "fd12:3456::/32"]);
    assert!(opened.opens_anything() && !EgressPolicy::default().opens_anything());
    allows(&opened, &words("10.1.2.0 10.1.2.3 10.1.2.255 ::ffff:10.1.2.3 fd12:3456:7::1 8.8.8.8"));
    refuses(
        &opened,
        &words(
            "
            10.1.1.255 10.1.3.0 10.1.3.3 ::ffff:10.1.3.3 64:ff9b::10.1.2.3 ::10.1.2.3 ::ffff:0:10.1.2.3
            2002:a01:203::1 127.0.0.1 fd12:3457::1",
        ),
    );
    // Written as a mapped range, it means the same.
    allows(&policy(&["::ffff:10.1.2.0/120"]), &["10.1.2.3", "::ffff:10.1.2.3"]);
    // Opening all of IPv6 does not open mapped IPv4 addresses.
    refuses(&policy(&["::/0"]), &["::ffff:10.0.0.1", "10.0.0.1", "::ffff:127.0.0.1"]);
    allows(&policy(&["64:ff9b::/96"]), &["64:ff9b::10.0.0.1"]);
}

#[test]
fn metadata_stays_closed_unless_named_exactly() {
    let wide = policy(&["0.0.0.0/0", "::/0"]);
    allows(&wide, &words("127.0.0.1 10.0.0.1 169.254.1.1 ::1 fd00:ec2::253"));
    refuses(
        &wide,
        &words(
            "
            169.254.169.254 169.254.170.2 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254
            fd20:ce::254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 ::169.254.169.254
            ::ffff:0:169.254.169.254 64:ff9b:1::a9fe:a9fe 64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1:a9:fe:a9fe::
            64:ff9b:1::a9:fea9:fe00:0 2001:0:808:808:0:0:5601:5601",
        ),
    );
    refuses(&policy(&["169.254.169.254/31"]), &["169.254.169.254"]);
    let exact = policy(&["169.254.169.254/32", "fd00:ec2::254/128"]);
    allows(&exact, &["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"]);
    refuses(&exact, &["169.254.170.2", "64:ff9b::a9fe:a9fe", "169.254.169.253"]);
    allows(&policy(&["::ffff:169.254.169.254/128"]), &["169.254.169.254"]);
}

#[test]
fn one_refused_address_refuses_the_name() {
    let default = EgressPolicy::default();
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    assert_eq!(default.check_all(&addresses(&["8.8.8.8", "2606:4700::1"])), Ok(()));
    let refused = default.check_all(&addresses(&["8.8.8.8", "10.0.0.1", "127.0.0.1"])).unwrap_err();
    assert_eq!(refused.address, "10.0.0.1".parse::<IpAddr>().unwrap());
    assert_eq!(default.check_all(&[]).unwrap_err().reason, "the name has no address");
}

#[test]
fn what_the_operator_refuses_stays_refused() {
    let refuse = |policy: EgressPolicy| {
        policy.without(vec!["8.8.8.0/24".parse().unwrap(), "10.0.0.9".parse().unwrap()])
    };
    let opened = refuse(policy(&["10.0.0.0/8", "64:ff9b::/96"]));
    refuses(&opened, &words("8.8.8.8 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 10.0.0.9"));
    allows(&opened, &words("8.8.9.8 10.0.0.8 64:ff9b::8.8.9.8"));
    refuses(&refuse(EgressPolicy::default()), &words("8.8.8.255 10.0.0.8"));
}
