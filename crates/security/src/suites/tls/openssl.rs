//! Servers that only OpenSSL can play: with keys, signatures and versions of TLS that are not safe any more (openssl(1)).

use anyhow::{Context, ensure};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpStream;
use trigrun_testkit::due;

use super::{SERVER, is_refused};
use crate::{
    case::{Case, Suite},
    suites::responses::attempt,
    system::System,
};

const FIRST_PORT: u16 = 4700;
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// At its default level, OpenSSL refuses to play these servers.
const ANY_SECURITY: [&str; 2] = ["-cipher", "DEFAULT:@SECLEVEL=0"];

struct Row {
    name: &'static str,
    /// Of the key (openssl-genpkey(1)).
    key: &'static [&'static str],
    /// Of the signature.
    digest: &'static str,
    /// Of the server (openssl-s_server(1)).
    options: &'static [&'static str],
    /// Error class and words; `None` if it is to be accepted, which shows that these servers work.
    refusal: Option<(&'static str, &'static str)>,
}

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA_2048: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const RSA_1024: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
const UNSAFE: Option<(&str, &str)> =
    Some(("tls_handshake", "no version or cipher of TLS that is still safe"));

const ROWS: &[Row] = &[
    Row { name: "RSA with 2,048 bits", key: RSA_2048, digest: "-sha256", options: &[], refusal: None },
    Row { name: "TLS 1.2 only", key: P256, digest: "-sha256", options: &["-tls1_2"], refusal: None },
    Row {
        name: "RSA with 1,024 bits",
        key: RSA_1024,
        digest: "-sha256",
        options: &[],
        refusal: Some(("tls_certificate", "a key that is too short to be safe")),
    },
    Row {
        name: "a signature with SHA-1",
        key: P256,
        digest: "-sha1",
        options: &[],
        refusal: Some(("tls_certificate", "is signed with an algorithm that is not safe")),
    },
    Row { name: "TLS 1.1 only", key: RSA_2048, digest: "-sha256", options: &["-tls1_1"], refusal: UNSAFE },
    Row { name: "TLS 1.0 only", key: RSA_2048, digest: "-sha256", options: &["-tls1"], refusal: UNSAFE },
    Row {
        name: "no cipher with forward secrecy",
        key: RSA_2048,
        digest: "-sha256",
        options: &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
        refusal: UNSAFE,
    },
];

pub fn cases() -> Vec<Case> {
    let case = |(port, row): (u16, &'static Row)| {
        let verdict = if row.refusal.is_some() { "refused" } else { "accepted" };
        Case::dialling(Suite::Tls, format!("a server is {verdict}: {}", row.name), move |system| {
            served(system, row, port)
        })
    };
    (FIRST_PORT..).zip(ROWS).map(case).collect()
}

async fn served(system: Arc<System>, row: &'static Row, port: u16) -> anyhow::Result<()> {
    let authority = &system.targets()?.authority;
    let files = Files(system.directory(&format!("openssl-{}", system.number()))?);
    fs::write(files.path("authority.pem"), authority.certificate_pem())?;
    fs::write(files.path("authority.key"), authority.key_pem())?;
    let _server = files.serve(row, SocketAddr::new(SERVER, port)).await?;
    let attempt = attempt(&system, format!("https://target.test:{port}/")).await?;
    match row.refusal {
        Some((class, words)) => {
            ensure!(attempt["status_code"].is_null(), "{attempt}");
            is_refused(&attempt, class, words)
        }
        None => {
            ensure!(attempt["status"] == "success", "{attempt}");
            Ok(())
        }
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// The directory with the key and the certificate of a server.
struct Files(PathBuf);

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn openssl(&self, arguments: &[&str]) -> Command {
        let mut command = trigrun_embed::ends_with_us(Path::new("openssl"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.openssl(arguments).output().context("openssl cannot be run")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "openssl {arguments:?}: {stderr}");
        Ok(())
    }

    /// Makes a certificate for `target.test`, and a server that presents it.
    async fn serve(&self, row: &Row, at: SocketAddr) -> anyhow::Result<Server> {
        fs::write(self.path("names.txt"), "subjectAltName=DNS:target.test\n")?;
        self.run(&[&["genpkey", "-out", "server.key"][..], row.key].concat())?;
        self.run(&["req", "-new", "-key", "server.key", "-subj", "/O=test", "-out", "server.csr"])?;
        let request = ["x509", "-req", "-in", "server.csr", "-days", "30", "-extfile", "names.txt"];
        let authority = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"];
        self.run(&[&request[..], &authority, &[row.digest, "-out", "server.pem"]].concat())?;
        let address = at.to_string();
        let server = ["s_server", "-accept", &address, "-cert", "server.pem", "-key", "server.key", "-www"];
        let mut server = self.openssl(&[&server[..], &ANY_SECURITY, row.options].concat());
        let server = Server(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let listens = async || TcpStream::connect(at).await.is_ok();
        due::until(&format!("openssl listens on {at}"), START_TIMEOUT, listens).await?;
        Ok(server)
    }
}
