//! The URL of Postgres, as clouds hand it out: libpq's options for TLS, which tokio-postgres does not know, become a TLS client. An option that
//! has no effect here is refused by its name.
//!
//! No error quotes the URL, which holds a password.

use rustls::{
    CertificateError, ClientConfig, Error, RootCertStore, client::danger::ServerCertVerified,
    pki_types::CertificateDer,
};
use std::path::{Path, PathBuf};
use tokio_postgres::Config;

use crate::tls::{self, ClientCertificate, TlsError, Verifier};

/// Where to connect, and how.
pub(super) struct Server {
    pub config: Config,
    pub tls: ClientConfig,
}

/// Of `[postgres]`, without the names of the section.
#[derive(Debug, thiserror::Error)]
pub(super) enum UrlError {
    #[error("url is not of the form postgres://user:password@host:5432/database?sslmode=verify-full")]
    NotAUrl,
    #[error("url is invalid: {0}")]
    Invalid(&'static str),
    #[error("url: the option {0} is not supported: {1}")]
    Unsupported(String, &'static str),
    #[error("url: the value of {0} is invalid{1}")]
    Value(String, &'static str),
    #[error("url: {0} is given without {1}: both are needed")]
    Alone(&'static str, &'static str),
    #[error("url names sslrootcert, and ca_file is set: remove one of them")]
    TwoAuthorities,
    #[error("{0}: {1}")]
    File(&'static str, TlsError),
}

/// Options that tokio-postgres reads itself.
const PASSED_ON: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

const SSL_MODES: &str = ": disable, prefer, require, verify-ca or verify-full";

/// The options of the URL that decide about TLS.
#[derive(Default)]
struct TlsOptions {
    mode: Option<String>,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

pub(super) fn parse(url: &str, ca_file: &Path) -> Result<Server, UrlError> {
    let after_scheme = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let after_user = after_scheme.ok_or(UrlError::NotAUrl)?;
    // As tokio-postgres splits: the first @ ends user and password.
    let after_user = after_user.split_once('@').map_or(after_user, |(_, rest)| rest);
    let Some((_, query)) = after_user.split_once('?') else {
        return finish(url.to_owned(), TlsOptions::default(), ca_file);
    };
    let mut tls = TlsOptions::default();
    let mut others = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(UrlError::Invalid("an option has no value"))?;
        if PASSED_ON.contains(&name) {
            others.push(pair);
        } else {
            tls.set(name, value)?;
        }
    }
    let base = &url[..url.len() - query.len()];
    finish(format!("{base}{}", others.join("&")), tls, ca_file)
}

impl TlsOptions {
    fn set(&mut self, name: &str, value: &str) -> Result<(), UrlError> {
        let value = percent_decode(value).ok_or_else(|| UrlError::Value(name.to_owned(), ""))?;
        let file = Some(PathBuf::from(&value)).filter(|_| !value.is_empty());
        match name {
            "sslmode" => self.mode = Some(value),
            // `system` since libpq 16: the authorities of the system.
            "sslrootcert" => self.authority = file.filter(|file| file.as_os_str() != "system"),
            "sslcert" => self.certificate = file,
            "sslkey" => self.key = file,
            _ => return Err(unsupported(name)),
        }
        Ok(())
    }

    fn is_disabled(&self) -> bool {
        self.mode.as_deref() == Some("disable")
    }
}

fn unsupported(name: &str) -> UrlError {
    let why = match name {
        "sslpassword" => "the file of sslkey must hold a key without a password",
        "sslcrl" | "sslcrldir" => "certificates are not looked up in lists of revoked ones",
        "passfile" => "write the password into the URL",
        "service" | "servicefile" => "write the server into the URL",
        _ => "remove it",
    };
    // Only a name: in a URL that is not well-formed, it could be a part of the password.
    let is_name = name.len() <= 30 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_name {
        UrlError::Unsupported(name.to_owned(), why)
    } else {
        UrlError::Invalid("it has an unknown option")
    }
}

fn finish(url: String, tls: TlsOptions, ca_file: &Path) -> Result<Server, UrlError> {
    let mut config: Config = url.parse().map_err(|error| invalid(&error))?;
    let mode = match tls.mode.as_deref() {
        None | Some("prefer") => tokio_postgres::config::SslMode::Prefer,
        Some("disable") => tokio_postgres::config::SslMode::Disable,
        Some("require" | "verify-ca" | "verify-full") => tokio_postgres::config::SslMode::Require,
        Some("allow") => return Err(UrlError::Value("sslmode".into(), ": write prefer instead of allow")),
        Some(_) => return Err(UrlError::Value("sslmode".into(), SSL_MODES)),
    };
    config.ssl_mode(mode);
    Ok(Server { config, tls: client(tls, ca_file)? })
}

/// The names of tokio-postgres's own options, which it quotes, and not their values.
fn invalid(error: &tokio_postgres::Error) -> UrlError {
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let named = PASSED_ON.iter().find(|name| text == format!("invalid value for option `{name}`"));
    named.map_or(UrlError::NotAUrl, |name| UrlError::Value((*name).to_owned(), ""))
}

fn client(options: TlsOptions, ca_file: &Path) -> Result<ClientConfig, UrlError> {
    if options.is_disabled() {
        // No file is read for a connection without TLS.
        return tls::client(RootCertStore::empty(), None).map_err(|error| UrlError::File("url", error));
    }
    let (name, file) = match (&options.authority, ca_file.as_os_str().is_empty()) {
        (Some(_), false) => return Err(UrlError::TwoAuthorities),
        (Some(file), true) => ("sslrootcert", Some(file.as_path())),
        (None, false) => ("ca_file", Some(ca_file)),
        (None, true) => ("SSL_CERT_FILE", None),
    };
    let roots = tls::roots(file).map_err(|error| UrlError::File(name, error))?;
    let identity = match (&options.certificate, &options.key) {
        (None, None) => None,
        (Some(_), None) => return Err(UrlError::Alone("sslcert", "sslkey")),
        (None, Some(_)) => return Err(UrlError::Alone("sslkey", "sslcert")),
        (Some(certificate), Some(key)) => Some(
            ClientCertificate::read(certificate, key)
                .map_err(|error| UrlError::File("sslcert and sslkey", error))?,
        ),
    };
    let is_any_name = options.mode.as_deref() == Some("verify-ca");
    let verifier = is_any_name.then(|| Verifier::new(roots.clone(), any_name)).transpose();
    let no_authority =
        |_| UrlError::Value("sslmode".into(), ": verify-ca needs a certificate authority, in ca_file");
    let verifier = verifier.map_err(no_authority)?;
    let mut client =
        tls::client(roots, identity).map_err(|error| UrlError::File("sslcert and sslkey", error))?;
    if let Some(verifier) = verifier {
        client.dangerous().set_certificate_verifier(verifier);
    }
    Ok(client)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'%' => u8::try_from(hex(rest.next())? * 16 + hex(rest.next())?).ok()?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// `verify-ca`: an authority that is trusted must have signed the certificate, which may be for any name. Google Cloud SQL's certificates are
/// for the name of the instance, not of the host.
fn any_name(
    _certificate: &CertificateDer<'_>,
    verdict: Result<ServerCertVerified, Error>,
) -> Result<ServerCertVerified, Error> {
    match verdict {
        // The name is compared last, so everything else was verified.
        Err(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Ok(ServerCertVerified::assertion()),
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        parse(url, Path::new("")).err().unwrap_or_else(|| panic!("{url} is accepted")).to_string()
    }

    #[test]
    fn urls_of_clouds_are_accepted() {
        for url in [
            "postgres://trigrun@localhost/trigrun",
            "postgresql://u:p%40%3F@db.example.com:5432/trigrun?sslmode=require",
            "postgres://u:p@a,b:5433/trigrun?sslmode=verify-full&target_session_attrs=read-write",
            "postgres://u:p@db/trigrun?sslrootcert=system&sslmode=verify-full&connect_timeout=10",
            "postgres://u:p@db/trigrun?sslmode=require&channel_binding=require",
            "postgres://u@/trigrun?host=%2Fvar%2Frun%2Fpostgresql&sslmode=disable",
            "postgres://u:a?b=c@db/trigrun?sslmode=prefer&",
            // Without TLS, nothing is read.
            "postgres://u:p@db/trigrun?sslmode=disable&sslrootcert=/nowhere/ca.pem",
        ] {
            parse(url, Path::new("")).unwrap_or_else(|error| panic!("{url}: {error}"));
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_by_its_name() {
        for (options, expected) in [
            ("sslpassword=x", "the option sslpassword is not supported"),
            ("sslcrl=/x", "the option sslcrl is not supported"),
            ("gssencmode=disable", "the option gssencmode is not supported"),
            ("pgbouncer=true", "the option pgbouncer is not supported"),
            ("sslaccept=strict", "the option sslaccept is not supported"),
            ("schema=public", "the option schema is not supported"),
            ("sslmode=allow", "the value of sslmode is invalid: write prefer"),
            ("sslmode=on", "the value of sslmode is invalid: disable, prefer, require"),
            ("connect_timeout=soon", "the value of connect_timeout is invalid"),
            ("sslcert=/c.pem", "sslcert is given without sslkey"),
            ("sslkey=/k.pem", "sslkey is given without sslcert"),
            ("sslrootcert=/nowhere/ca.pem", "sslrootcert: /nowhere/ca.pem: No such file"),
            ("sslrootcert=/dev/null", "sslrootcert: /dev/null: there is no certificate"),
            ("sslcert=/nowhere/c.pem&sslkey=/k.pem", "sslcert and sslkey: /nowhere/c.pem: No such file"),
            ("sslmode", "an option has no value"),
        ] {
            let error = refused(&format!("postgres://u:p@db/trigrun?{options}"));
            assert!(error.contains(expected), "{options}: {error}");
        }
        let both = parse("postgres://u:p@db/trigrun?sslrootcert=/a", Path::new("/b")).err().unwrap();
        assert!(both.to_string().contains("sslrootcert") && both.to_string().contains("ca_file"), "{both}");
        let file = parse("postgres://u:p@db/trigrun", Path::new("/nowhere/ca.pem")).err().unwrap();
        assert!(file.to_string().starts_with("ca_file: /nowhere/ca.pem: "), "{file}");
    }

    #[test]
    fn no_error_tells_the_password() {
        for url in [
            "host=db user=u password=hunter2",
            "hunter2",
            "postgres//u:hunter2@db/trigrun",
            "postgres://u:hunter2@db:hunter2/trigrun",
            "postgres://u:a@b?hunter2=1@db/trigrun",
            "postgres://u:a@b?Hunter2&c@db/trigrun",
            "postgres://u:%ffhunter2@db/trigrun?sslmode=hunter2",
            "postgres://%ffhunter2:p@db/trigrun",
        ] {
            let error = refused(url);
            assert!(!error.to_lowercase().contains("hunter2"), "{url}: {error}");
        }
    }
}
