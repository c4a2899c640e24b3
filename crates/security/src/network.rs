//! A network namespace without a route out. Public and private addresses are assigned to its loopback, everything else is routed into a veth pair
//! that leads nowhere, and the packet filter counts the packets to forbidden addresses.
//!
//! network_namespaces(7), veth(4), nft(8).

use anyhow::{Context, ensure};
use std::{
    fs,
    io::{self, Error, Write},
    net::IpAddr,
    os::unix::process::CommandExt,
    process::{Command, ExitStatus, Stdio},
};

/// The name server of the namespace; its traffic is not counted.
pub const NAME_SERVER: &str = "127.0.0.53";
/// Ports of the product on 127.0.0.1; their traffic is not counted.
const PRODUCT_PORTS: &str = "8080-8089";
/// Ports that the kernel assigns (ip(7)). The API's tests listen on these and call from these; no case names one.
const EPHEMERAL_PORTS: &str = "32768-60999";
/// The API that most cases call.
pub const API: u16 = 8080;
/// The probes of that API.
pub const PROBES: u16 = 8082;
/// APIs with a plan that allows little.
pub const SMALL_API: u16 = 8083;
pub const OTHER_SMALL_API: u16 = 8084;
/// An API that logs at level `trace`.
pub const TRACED_API: u16 = 8085;
/// The collector of spans.
pub const COLLECTOR: u16 = 8089;

/// Public addresses of this machine itself, which are forbidden.
pub const OWN: &[&str] = &["5.9.9.9", OWN_V6];
const OWN_V6: &str = "2600::1";

/// Allowed addresses. The targets listen on them.
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

/// Forbidden addresses. The targets listen on them too, so that a request that gets out arrives.
const PRIVATE: &[&str] = &[
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

/// RFC 6890 and the registries that it established; written separately, so that the product's tables are not checked against themselves.
const FORBIDDEN_4: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24,
    192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/3, 168.63.129.16/32";
const FORBIDDEN_6: &str = "::/16, 64:ff9b::/96, 64:ff9b:1::/48, 100::/64, 2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20, fc00::/7, fe80::/9";

/// The namespace of this process and of all that it starts.
pub struct Network(());

/// The tools, and the packages that have them.
const TOOLS: [(&str, &str); 4] =
    [("unshare", "util-linux"), ("ip", "iproute2"), ("nft", "nftables"), ("openssl", "openssl")];
/// What the network needs, each step in its own namespace; and what this machine does not allow if the step fails.
const STEPS: [(&str, &str); 3] = [
    ("true", "create network namespaces: run as root, with CAP_SYS_ADMIN"),
    ("ip link add veth0 type veth peer name veth1", "create veth pairs: load the kernel module veth"),
    ("nft add table inet security", "use the packet filter: load the kernel module nf_tables"),
];

/// Why the network cannot be built on this machine; `None` if it can.
pub fn obstacle() -> Option<String> {
    obstacle_with(|program, arguments| {
        Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status()
    })
}

fn obstacle_with(run: impl Fn(&str, &[&str]) -> io::Result<ExitStatus>) -> Option<String> {
    let is_missing = |tool: &str| run(tool, &["--version"]).is_err();
    if let Some((tool, package)) = TOOLS.into_iter().find(|(tool, _)| is_missing(tool)) {
        return Some(format!("the tool {tool} is missing: apt-get install {package}"));
    }
    let fails = |step: &str| {
        !run("unshare", &["--net", "--mount", "sh", "-c", step]).is_ok_and(|status| status.success())
    };
    let (_, what) = STEPS.into_iter().find(|(step, _)| fails(step))?;
    Some(format!("this machine does not let this process {what}"))
}

/// Starts this program again in new namespaces. Returns only if that fails.
pub fn enter() -> Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let arguments = std::env::args_os().skip(1);
    Command::new("unshare").args(["--net", "--mount"]).arg(program).arg("--inside").args(arguments).exec()
}

impl Network {
    /// Builds the network of the namespace in which this process runs.
    pub fn build() -> anyhow::Result<Self> {
        // A header of two lines, and loopback.
        let interfaces = fs::read_to_string("/proc/self/net/dev")?.lines().count();
        ensure!(interfaces <= 3, "this is not a new network namespace: start it without --inside");
        for line in [
            "link set lo up",
            "link add veth0 type veth peer name veth1",
            "link set veth0 up",
            "link set veth1 up",
            "addr add 198.51.100.254/31 dev veth0",
            "neigh add 198.51.100.255 lladdr 02:00:00:00:00:01 dev veth0",
            "route add default via 198.51.100.255 dev veth0 onlink",
            "-6 neigh add fe80::ffff lladdr 02:00:00:00:00:01 dev veth0",
            "-6 route add default via fe80::ffff dev veth0 onlink",
        ] {
            run("ip", line)?;
        }
        for address in OWN.iter().chain(PRIVATE) {
            let address: IpAddr = address.parse()?;
            let (bits, nodad) = if address.is_ipv4() { (32, "") } else { (128, " nodad") };
            run("ip", &format!("addr add {address}/{bits} dev lo{nodad}"))?;
        }
        // No interface has them, so that they are not this machine's own, but packets to them stay here.
        for address in PUBLIC {
            let address: IpAddr = address.parse()?;
            let route = if address.is_ipv4() {
                format!("route add local {address}/32 dev lo")
            } else {
                format!("-6 route add local {address}/128 dev lo src {OWN_V6}")
            };
            run("ip", &route)?;
        }
        fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1")?;
        filter(&format!(
            "table inet security {{
                counter forbidden {{ }}
                set forbidden4 {{
                    type ipv4_addr
                    flags interval
                    elements = {{ {FORBIDDEN_4} }}
                }}
                set forbidden6 {{
                    type ipv6_addr
                    flags interval
                    elements = {{ {FORBIDDEN_6} }}
                }}
                chain out {{
                    type filter hook output priority 0
                    ip daddr {NAME_SERVER} udp dport 53 accept
                    ip daddr {NAME_SERVER} icmp type destination-unreachable accept
                    ip saddr {NAME_SERVER} udp sport 53 accept
                    ip daddr 127.0.0.1 tcp dport {PRODUCT_PORTS} accept
                    ip saddr 127.0.0.1 tcp sport {PRODUCT_PORTS} accept
                    ip saddr 127.0.0.0/8 ip daddr 127.0.0.0/8 tcp sport {EPHEMERAL_PORTS} tcp dport {EPHEMERAL_PORTS} accept
                    icmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report }} accept
                    ip daddr @forbidden4 counter name forbidden
                    ip6 daddr @forbidden6 counter name forbidden
                }}
            }}\n"
        ))?;
        replace_file(
            "/etc/resolv.conf",
            &format!("nameserver {NAME_SERVER}\noptions timeout:2 attempts:2\n"),
        )?;
        replace_file("/etc/hosts", "127.0.0.1 localhost\n10.0.0.1 hosts.attack.example\n")?;
        Ok(Self(()))
    }

    /// Packets to forbidden addresses so far.
    pub fn packets(&self) -> anyhow::Result<u64> {
        let list = Command::new("nft")
            .args(["--json", "list", "counter", "inet", "security", "forbidden"])
            .output()?;
        let list: serde_json::Value = serde_json::from_slice(&list.stdout)?;
        let counters = list["nftables"].as_array().context("nft lists no counters")?;
        counters.iter().find_map(|entry| entry["counter"]["packets"].as_u64()).context("there is no counter")
    }
}

fn run(program: &str, arguments: &str) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments.split_whitespace()).output();
    let output =
        output.with_context(|| format!("{program} is missing: apt-get install iproute2 nftables"))?;
    ensure!(
        output.status.success(),
        "{program} {arguments}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn filter(rules: &str) -> anyhow::Result<()> {
    let nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut nft = nft.context("nft is missing: apt-get install nftables")?;
    nft.stdin.take().context("no pipe")?.write_all(rules.as_bytes())?;
    let output = nft.wait_with_output()?;
    ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// In this mount namespace, `path` has this text.
fn replace_file(path: &str, text: &str) -> anyhow::Result<()> {
    let name = path.trim_start_matches('/').replace('/', "-");
    let file = std::env::temp_dir().join(format!("security-{}-{name}", std::process::id()));
    fs::write(&file, text)?;
    let mounted = run("mount", &format!("--bind {} {path}", file.display()));
    // The mount keeps the file.
    fs::remove_file(&file)?;
    mounted
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    /// A machine on which everything works, except what is named.
    fn machine(missing: &'static str, failing: &'static str) -> Option<String> {
        obstacle_with(|program, arguments| match arguments.last() {
            _ if program == missing => Err(io::ErrorKind::NotFound.into()),
            Some(step) if *step == failing => Ok(ExitStatus::from_raw(256)),
            _ => Ok(ExitStatus::from_raw(0)),
        })
    }

    #[test]
    fn the_obstacle_is_named() {
        assert_eq!(machine("", ""), None);
        for (tool, package) in TOOLS {
            let why = machine(tool, "true").unwrap();
            assert!(why.contains(tool) && why.contains(package) && !why.contains("machine"), "{why}");
        }
        for (step, what) in STEPS {
            assert!(machine("", step).unwrap().ends_with(what));
        }
    }
}
