//! A network of its own without a way out: public and private addresses lie on its loopback, everything else leads into a cable that
//! ends in nothing, and the packet filter counts what leaves for addresses that may not be called.
//!
//! network_namespaces(7), veth(4), nft(8).

use anyhow::{Context, ensure};
use std::{
    fs,
    io::{Error, Write},
    net::IpAddr,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

/// The name server of the enclave; its own traffic is not counted.
pub const NAME_SERVER: &str = "127.0.0.53";
/// Ports of the product on 127.0.0.1; what goes there and back is not counted.
pub const OURS: &str = "8080-8089";
/// Of the API that the cases ask: nearly without limits.
pub const API: u16 = 8080;
/// Of another one, with the limits that everybody has.
pub const STRICT_API: u16 = 8081;
/// Of the probes of the first.
pub const PROBES: u16 = 8082;
/// Of a replica like the first, which logs at level trace.
pub const TRACED_API: u16 = 8085;
/// Where spans are collected.
pub const COLLECTOR: u16 = 8089;

/// Everybody may call these; the targets listen on them.
pub const PUBLIC: &[&str] = &[
    "93.184.216.34",
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "191.255.255.255",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.254",
    "2606:4700::1111",
    "2a00:1450:4001::200e",
];

/// Nobody may call these, and somebody listens on them all the same: what gets out arrives.
const INSIDE: &[&str] = &[
    "10.0.0.1",
    "10.1.2.3",
    "10.1.3.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "198.18.0.1",
    "203.0.113.1",
    "fd00:ec2::254",
    "fd12::1",
    "2001:db8::1",
];

/// RFC 6890 and the registries that it began; written down again, so that the tables of the product are not judged by themselves.
const REFUSED_4: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24,
    192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/3, 168.63.129.16/32";
const REFUSED_6: &str = "::/16, 64:ff9b::/96, 64:ff9b:1::/48, 100::/64, 2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20, fc00::/7, fe80::/9";

/// This process lives in it, with all that it starts.
pub struct Network(());

/// Whether this machine lets us: namespaces, a cable, and a packet filter.
pub fn can_be_made() -> bool {
    let try_all = "ip link add cable type veth peer name end && nft add table inet siege";
    let tried = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", try_all])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// Starts this program again in namespaces of its own. Returns only when that fails.
pub fn enter() -> Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let arguments = std::env::args_os().skip(1);
    Command::new("unshare").args(["--net", "--mount"]).arg(program).arg("--inside").args(arguments).exec()
}

impl Network {
    /// Builds the network round this process.
    pub fn build() -> anyhow::Result<Self> {
        // A header of two lines, and loopback.
        let interfaces = fs::read_to_string("/proc/self/net/dev")?.lines().count();
        ensure!(interfaces <= 3, "this is not a network of its own: start it without --inside");
        for line in [
            "link set lo up",
            "link add cable type veth peer name end",
            "link set cable up",
            "link set end up",
            "addr add 198.51.100.254/31 dev cable",
            "neigh add 198.51.100.255 lladdr 02:00:00:00:00:01 dev cable",
            "route add default via 198.51.100.255 dev cable onlink",
            "-6 neigh add fe80::ffff lladdr 02:00:00:00:00:01 dev cable",
            "-6 route add default via fe80::ffff dev cable onlink",
        ] {
            run("ip", line)?;
        }
        for address in PUBLIC.iter().chain(INSIDE) {
            let address: IpAddr = address.parse()?;
            let (bits, nodad) = if address.is_ipv4() { (32, "") } else { (128, " nodad") };
            run("ip", &format!("addr add {address}/{bits} dev lo{nodad}"))?;
        }
        filter(&format!(
            "table inet siege {{
                counter refused {{ }}
                set refused4 {{
                    type ipv4_addr
                    flags interval
                    elements = {{ {REFUSED_4} }}
                }}
                set refused6 {{
                    type ipv6_addr
                    flags interval
                    elements = {{ {REFUSED_6} }}
                }}
                chain out {{
                    type filter hook output priority 0
                    ip daddr {NAME_SERVER} udp dport 53 accept
                    ip daddr {NAME_SERVER} icmp type destination-unreachable accept
                    ip saddr {NAME_SERVER} udp sport 53 accept
                    ip daddr 127.0.0.1 tcp dport {OURS} accept
                    ip saddr 127.0.0.1 tcp sport {OURS} accept
                    icmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report }} accept
                    ip daddr @refused4 counter name refused
                    ip6 daddr @refused6 counter name refused
                }}
            }}\n"
        ))?;
        instead_of("/etc/resolv.conf", &format!("nameserver {NAME_SERVER}\noptions timeout:2 attempts:2\n"))?;
        instead_of("/etc/hosts", "127.0.0.1 localhost\n10.0.0.1 hosts.attack.example\n")?;
        Ok(Self(()))
    }

    /// How many packets have left so far for addresses that may not be called.
    pub fn packets(&self) -> anyhow::Result<u64> {
        let list =
            Command::new("nft").args(["--json", "list", "counter", "inet", "siege", "refused"]).output()?;
        let list: serde_json::Value = serde_json::from_slice(&list.stdout)?;
        let counters = list["nftables"].as_array().context("nft lists nothing")?;
        counters.iter().find_map(|entry| entry["counter"]["packets"].as_u64()).context("there is no counter")
    }
}

fn run(program: &str, arguments: &str) -> anyhow::Result<()> {
    let ended = Command::new(program).args(arguments.split_whitespace()).output();
    let ended = ended.with_context(|| format!("{program} is missing: apt-get install iproute2 nftables"))?;
    ensure!(
        ended.status.success(),
        "{program} {arguments}: {}",
        String::from_utf8_lossy(&ended.stderr).trim()
    );
    Ok(())
}

fn filter(rules: &str) -> anyhow::Result<()> {
    let nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut nft = nft.context("nft is missing: apt-get install nftables")?;
    nft.stdin.take().context("no pipe")?.write_all(rules.as_bytes())?;
    let ended = nft.wait_with_output()?;
    ensure!(ended.status.success(), "nft: {}", String::from_utf8_lossy(&ended.stderr).trim());
    Ok(())
}

/// In this mount namespace, `path` has this text.
fn instead_of(path: &str, text: &str) -> anyhow::Result<()> {
    let name = path.trim_start_matches('/').replace('/', "-");
    let file = std::env::temp_dir().join(format!("siege-{}-{name}", std::process::id()));
    fs::write(&file, text)?;
    let mounted = run("mount", &format!("--bind {} {path}", file.display()));
    // What is mounted stays when its name goes.
    fs::remove_file(&file)?;
    mounted
}
