//! Finds credentials in the headers of converted jobs and replaces them with references to secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::builder::Builder;
use crate::domain::{invalid::Invalid, secret};

/// A secret that the jobs need and the source contains.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub name: String,
    pub value: String,
}

impl fmt::Debug for Secret {
    /// Without its value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where a job refers to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// In the job: a pointer (RFC 6901).
    pub pointer: String,
    /// The suggested name of the secret.
    pub name: String,
}

/// The secrets of one conversion. A value that several jobs have is one secret.
#[derive(Default)]
pub(super) struct Secrets {
    by_value: BTreeMap<String, String>,
    names: BTreeSet<String>,
    in_order: Vec<Secret>,
}

/// The names of headers and parameters that hold a credential, by their parts.
const CREDENTIAL_PARTS: [&str; 15] = [
    "authorization",
    "auth",
    "cookie",
    "key",
    "apikey",
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "credential",
    "credentials",
    "sig",
    "signature",
    "jwt",
];
const MAX_NAME_BYTES: usize = 64;

impl Secrets {
    /// Moves the credentials of a job into secrets. `key` is the key of the job.
    pub(super) fn take_from(&mut self, job: &mut Builder, key: &str) -> Vec<Credential> {
        let mut found = Vec::new();
        let mut headers = std::mem::take(&mut job.draft.request.headers);
        for (header, value) in &mut headers {
            let references = secret::references(value).unwrap_or_default();
            if let Some(name) = references.first() {
                found.push(credential(header, name));
            } else if let Some((scheme, credentials)) = split(header, value) {
                let name = self.name_for(credentials, key, header);
                *value = format!("{scheme}secret://{name}");
                let detail = format!("The header {header} has a credential; the job takes it from a secret.");
                let hint = format!("Create the secret {name} before the job runs.");
                job.secret(header.as_str(), Invalid::new("credential", detail).hint(hint));
                found.push(credential(header, &name));
            }
        }
        job.draft.request.headers = headers;
        if let Some(parameter) = credential_in_query(&job.draft.request.url) {
            let detail = format!("The URL has a credential in its parameter {parameter}; it stays there.");
            let hint =
                "Every user who can read the job can read it. If the target allows it, send it in a header.";
            job.secret(parameter.as_str(), Invalid::new("credential_in_url", detail).hint(hint));
        }
        found
    }

    /// The secrets whose values the source has, in its order.
    pub(super) fn into_vec(self) -> Vec<Secret> {
        self.in_order
    }

    fn name_for(&mut self, value: &str, key: &str, header: &str) -> String {
        if let Some(name) = self.by_value.get(value) {
            return name.clone();
        }
        let base: String = format!("{key}-{}", header.to_ascii_lowercase())
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() || char == '_' { char } else { '-' })
            .take(MAX_NAME_BYTES - 6)
            .collect();
        let mut names = std::iter::once(base.clone()).chain((2..).map(|n| format!("{base}-{n}")));
        let name = names.find(|name| !self.names.contains(name)).unwrap_or_default();
        self.names.insert(name.clone());
        self.by_value.insert(value.to_owned(), name.clone());
        self.in_order.push(Secret { name: name.clone(), value: value.to_owned() });
        name
    }
}

fn credential(header: &str, name: &str) -> Credential {
    let header = header.replace('~', "~0").replace('/', "~1");
    Credential { pointer: format!("/request/headers/{header}"), name: name.to_owned() }
}

/// The scheme with a space, and the credential after it.
fn split<'a>(header: &str, value: &'a str) -> Option<(&'a str, &'a str)> {
    // A placeholder is no credential, and a secret may not be longer, or have other characters.
    if !is_credential(header) || value.contains("{{") || secret::value(value).is_err() {
        return None;
    }
    let has_scheme = header.eq_ignore_ascii_case("authorization");
    let scheme = value.find(' ').filter(|_| has_scheme).map_or(0, |at| at + 1);
    let (scheme, credentials) = value.split_at(scheme);
    (!credentials.trim().is_empty()).then_some((scheme, credentials))
}

/// Whether the name of a header or parameter says that its value is a credential.
pub(super) fn is_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let mut parts = lower.split(['-', '_', '.']);
    parts.any(|part| CREDENTIAL_PARTS.contains(&part) || part.ends_with("token") || part.ends_with("apikey"))
        && !matches!(lower.as_str(), "idempotency-key" | "sec-websocket-key")
}

fn credential_in_query(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let found = parameters.find(|(name, value)| is_credential(name) && !value.is_empty())?;
    Some(super::finding::cut(found.0, 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials() {
        for name in
            ["Authorization", "X-Api-Key", "cron_key", "PRIVATE-TOKEN", "access_token", "Cookie", "sig"]
        {
            assert!(is_credential(name), "{name}");
        }
        for name in ["Accept", "Content-Type", "monkey", "Idempotency-Key", "X-Author", "design"] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn a_secret_shows_no_value() {
        let secret = Secret { name: "a".into(), value: "hunter2".into() };
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
