//! Which URLs are accepted, how they are stored, and which alternative forms of private hosts are refused.

use proptest::prelude::*;

use super::*;

fn opened(nets: &[&str]) -> EgressPolicy {
    EgressPolicy::new(nets.iter().map(|net| net.parse().unwrap()).collect())
}

fn code(text: &str, policy: &EgressPolicy) -> Option<&'static str> {
    TargetUrl::parse(text, policy).err().map(|invalid| invalid.code)
}

#[track_caller]
fn refuses(expected: &str, urls: &[&str]) {
    for url in urls {
        assert_eq!(code(url, &EgressPolicy::default()), Some(expected), "{url:?}");
    }
}

#[track_caller]
fn becomes(text: &str, expected: &str) {
    let url =
        TargetUrl::parse(text, &EgressPolicy::default()).unwrap_or_else(|why| panic!("{text:?}: {why}"));
    assert_eq!(url.as_str(), expected);
}

#[test]
fn other_spellings_of_the_same_url_are_accepted() {
    becomes("https://example.com", "https://example.com/");
    becomes("HTTPS://EXAMPLE.com:443/A?b=C", "https://example.com/A?b=C");
    becomes("http://example.com:8080/a/../b/./c", "http://example.com:8080/b/c");
    becomes("https://bücher.example/ä?ö=ü", "https://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC");
    becomes("https://example.com?q=1", "https://example.com/?q=1");
    becomes("http://[2606:4700:4700:0::1111]/", "http://[2606:4700:4700::1111]/");
    becomes("http://8.8.8.8/", "http://8.8.8.8/");
    becomes("https://under_score.example.com/a%20b", "https://under_score.example.com/a%20b");
}

#[test]
fn a_url_has_its_parts() {
    let url = TargetUrl::parse("https://example.com:8443/a?b=1", &EgressPolicy::default()).unwrap();
    assert_eq!((url.scheme(), url.host(), url.port()), ("https", "example.com", 8443));
    assert_eq!((url.authority(), url.path_and_query()), ("example.com:8443", "/a?b=1"));
    assert_eq!(url.address(), None);
    let url = TargetUrl::parse("http://[2606:4700:4700::1111]", &EgressPolicy::default()).unwrap();
    assert_eq!((url.host(), url.port(), url.path_and_query()), ("[2606:4700:4700::1111]", 80, "/"));
    assert_eq!(url.address(), Some("2606:4700:4700::1111".parse().unwrap()));
    assert_eq!(
        (url.to_string(), format!("{url:?}")),
        ("http://[2606:4700:4700::1111]/".to_owned(), "TargetUrl(http://[2606:4700:4700::1111]/)".to_owned())
    );
}

#[test]
fn other_schemes_are_refused() {
    refuses("url_empty", &[""]);
    refuses(
        "url_scheme",
        &[
            "file:///etc/passwd",
            "gopher://example.com/",
            "ftp://example.com/",
            "javascript:alert(1)",
            "data:,x",
            "example.com",
            "//example.com/",
            "/path",
            "ws://example.com/",
            "httpss://example.com/",
            "h://example.com",
        ],
    );
}

#[test]
fn urls_that_would_be_silently_repaired_are_refused() {
    refuses(
        "url_slashes",
        &["http:example.com", "http:/example.com", "http:///example.com", "https:////example.com/"],
    );
    refuses(
        "url_character",
        &[
            "http:\\\\example.com",
            "http://example.com\\a",
            " http://example.com/",
            "http://example.com/ ",
            "http://exa\tmple.com/",
            "http://example.com/a\nb",
            "http://example.com/a b",
            "http://example.com/\0",
            "http://example.com/\u{a0}",
            "http://example.com/\u{7f}",
        ],
    );
    refuses("url_fragment", &["http://example.com/#a", "http://example.com/a?b#c"]);
}

#[test]
fn hosts_that_would_be_silently_repaired_are_refused() {
    let addresses = [
        "8.8",
        "1.2.3",
        "8.8.2056",
        "134744072",
        "0x8080808",
        "0x8.8.8.8",
        "010.8.8.8",
        "8.8.8.08",
        "８.8.8.8",
        "8。8。8。8",
    ];
    let ignored =
        ['\u{ad}', '\u{200b}', '\u{2060}', '\u{feff}', '\u{fe0f}', '\u{34f}', '\u{180b}', '\u{2064}'];
    let names = [
        "ｅxample.com",
        "example。com",
        "example．com",
        "ⓔxample.com",
        "℡.example.com",
        "bu\u{308}cher.example",
    ];
    let hosts = addresses.into_iter().chain(names).map(str::to_owned);
    let hosts = hosts.chain(ignored.map(|character| format!("exa{character}mple.com")));
    for host in hosts {
        for policy in [EgressPolicy::default(), opened(&["0.0.0.0/0", "::/0"])] {
            assert_eq!(code(&format!("https://{host}/"), &policy), Some("url_host"), "{host:?}");
        }
    }
    let hint = TargetUrl::parse("http://exa\u{ad}mple.com/", &EgressPolicy::default()).unwrap_err().hint;
    assert_eq!(hint.as_deref(), Some("Write it as example.com, if that is what you mean."));
    becomes("https://faß.example/", "https://xn--fa-hia.example/");
    becomes("https://BÜCHER.example/", "https://xn--bcher-kva.example/");
    becomes("https://xn--bcher-kva.Bücher.example/", "https://xn--bcher-kva.xn--bcher-kva.example/");
    becomes("https://XN--BCHER-KVA.example/", "https://xn--bcher-kva.example/");
    becomes("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/");
    becomes("https://παράδειγμα.δοκιμή/", "https://xn--hxajbheg2az3al.xn--jxalpdlp/");
}

#[test]
fn ports_of_other_protocols_are_refused_on_public_hosts() {
    let ports = [22, 23, 25, 110, 143, 445, 465, 587, 993, 1433, 3306, 3389, 5432, 6379, 11211, 27017];
    for port in ports {
        for host in ["example.com", "8.8.8.8", "[2606:4700:4700::1111]"] {
            refuses("url_port_refused", &[&format!("http://{host}:{port}/")]);
        }
        let url = format!("http://example.com:{port}/");
        assert_eq!(code(&url, &EgressPolicy::default().with_ports(vec![port])), None);
        let policy = opened(&["10.1.2.0/24"]);
        assert_eq!(code(&format!("http://10.1.2.3:{port}/"), &policy), None, "the operator opened the range");
        assert_eq!(code(&format!("http://8.8.8.8:{port}/"), &policy), Some("url_port_refused"));
        assert_eq!(code(&url, &policy), None, "the address decides when it is dialled");
    }
    for port in [80, 443, 81, 3000, 5000, 8000, 8080, 8443, 9000, 9200, 15672, 65535] {
        assert_eq!(code(&format!("http://example.com:{port}/"), &EgressPolicy::default()), None, "{port}");
    }
}

#[test]
fn invalid_user_information_ports_and_hosts_are_refused() {
    refuses(
        "url_userinfo",
        &[
            "http://user:pass@example.com/",
            "http://user@example.com/",
            "http://@example.com/",
            "http://a:b@127.0.0.1",
        ],
    );
    refuses(
        "url_port",
        &[
            "http://example.com:0/",
            "http://example.com:65536/",
            "http://example.com:-1/",
            "http://example.com:/",
            "http://example.com:+80/",
            "http://example.com:80a/",
            "http://8.8.8.8:99999/",
        ],
    );
    refuses(
        "url_host",
        &[
            "http://",
            "http://./",
            "http://../",
            "http://a..b/",
            "http://.example.com/",
            "http://example.com./",
            "http://example.com\u{3002}/",
            "http://exa%6dple.com/",
            "http://%31%32%37.0.0.1/",
            "http://?a",
            "http://:80/",
            "http://-a.example/",
            "http://a-.example/",
            "http://exa*mple.com/",
            "http://1.2.3.4.5/",
            "http://256.1.1.1/",
            "http://[::1/",
            "http://[zz]/",
            "http://[fe80::1%25eth0]/",
            "http://exam<ple.com/",
            "http://a$b.example/",
        ],
    );
    let label = |length: usize| format!("http://{}.example.com/", "a".repeat(length));
    assert_eq!(code(&label(63), &EgressPolicy::default()), None);
    assert_eq!(code(&label(64), &EgressPolicy::default()), Some("url_host"));
    let long = format!("http://{}com/", "abc.".repeat(63));
    assert_eq!(code(&long, &EgressPolicy::default()), Some("url_host"));
}

#[test]
fn the_length_is_limited_as_written_and_as_stored() {
    let path =
        |length: usize| format!("https://example.com/{}", "a".repeat(length - "https://example.com/".len()));
    assert_eq!(code(&path(MAX_URL_CHARS), &EgressPolicy::default()), None);
    assert_eq!(code(&path(MAX_URL_CHARS + 1), &EgressPolicy::default()), Some("url_too_long"));
    assert_eq!(code(&path(10_240), &EgressPolicy::default()), Some("url_too_long"));
    let encoded = format!("https://example.com/{}", "ä".repeat(500));
    assert_eq!(
        code(&encoded, &EgressPolicy::default()),
        Some("url_too_long"),
        "six characters each when encoded"
    );
}

#[test]
fn every_spelling_of_a_refused_address_is_refused() {
    refuses(
        "url_address_refused",
        &[
            "http://127.0.0.1/",
            "http://127.1/",
            "http://127.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://017700000001/",
            "http://①②⑦.0.0.1/",
            "http://127。0。0。1/",
            "http://0/",
            "http://0.0.0.0/",
            "http://10.0.0.1/",
            "http://172.16.0.1/",
            "http://192.168.0.1/",
            "http://100.64.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0xa9fea9fe/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://255.255.255.255/",
        ],
    );
    for url in ["http://172.15.255.255/", "http://172.32.0.1/", "http://[2606:4700:4700::1111]/"] {
        assert_eq!(code(url, &EgressPolicy::default()), None, "{url}");
    }
}

#[test]
fn private_names_are_refused_unless_a_range_is_open() {
    let inner = [
        "http://localhost/",
        "http://LOCALHOST/",
        "http://a.localhost/",
        "http://metadata.google.internal/",
        "http://printer.local/",
        "http://api.default.svc/",
        "http://api.default.svc.cluster.local/",
        "http://db/",
        "http://router.lan/",
        "http://wiki.corp/",
        "http://nas.home.arpa/",
        "http://x.onion/",
        "http://localhost.localdomain/",
    ];
    refuses("url_name_refused", &inner);
    for url in inner {
        assert_eq!(
            code(url, &opened(&["10.1.2.0/24"])),
            None,
            "{url}: the address decides when it is dialled"
        );
    }
    assert_eq!(code("http://notlocal.example/", &EgressPolicy::default()), None);
    assert_eq!(code("http://internal.example.com/", &EgressPolicy::default()), None);
}

#[test]
fn an_open_range_opens_only_its_addresses() {
    let policy = opened(&["10.1.2.0/24", "127.0.0.0/8"]);
    for url in ["http://10.1.2.3/", "http://127.0.0.1:8080/", "http://[::ffff:10.1.2.3]/"] {
        assert_eq!(code(url, &policy), None, "{url}");
    }
    for url in ["http://10.1.3.3/", "http://[::1]/", "http://169.254.169.254/"] {
        assert_eq!(code(url, &policy), Some("url_address_refused"), "{url}");
    }
}

proptest! {
    #[test]
    fn the_stored_form_parses_to_itself(text in "https?://[a-z0-9.:\\[\\]@%\\-]{1,20}(/[ -~]{0,20})?") {
        let policy = opened(&["0.0.0.0/0", "::/0"]);
        if let Ok(url) = TargetUrl::parse(&text, &policy) {
            let again = TargetUrl::parse(url.as_str(), &policy);
            prop_assert_eq!(again.as_ref().map(TargetUrl::as_str), Ok(url.as_str()));
            prop_assert_eq!(again.unwrap().address(), url.address());
        }
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC{0,60}") {
        let _result = TargetUrl::parse(&text, &EgressPolicy::default());
    }
}

#[test]
fn the_host_of_a_stored_url_is_that_of_the_parsed_url() {
    for url in [
        "https://EXAMPLE.com",
        "https://example.com:8443/a:b?c=d@e",
        "http://example.com?x=/",
        "https://b\u{fc}cher.example/{{uuid}}",
        "http://8.8.8.8:8080/",
        "http://[2606:4700::1111]:8080/",
        "http://[2606:4700::1111]/",
    ] {
        let policy = EgressPolicy::default();
        let (parsed, stored) =
            (TargetUrl::parse(url, &policy).unwrap(), template::check(url, &policy).unwrap());
        assert_eq!(host_of(&stored), parsed.host(), "{url}");
    }
}

#[test]
fn hosts_that_the_operator_refuses_cannot_be_written() {
    for policy in [EgressPolicy::default(), opened(&["10.0.0.0/8"])] {
        let policy = policy
            .without(["trigrun.example.com", "203.0.112.0/24"].map(|text| text.parse().unwrap()).into());
        for url in [
            "https://trigrun.example.com/v1/jobs",
            "http://TRIGRUN.example.com:8080/",
            "https://eu.trigrun.example.com/",
        ] {
            assert_eq!(code(url, &policy), Some("url_name_refused"), "{url}");
        }
        assert_eq!(code("http://203.0.112.9/", &policy), Some("url_address_refused"));
        assert_eq!(code("https://mytrigrun.example.com/", &policy), None);
    }
}
