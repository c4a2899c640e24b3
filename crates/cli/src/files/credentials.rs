//! Credentials that stand in a file instead of a secret.

use crate::node::{Node, Place};

const SCHEME: &str = "secret://";

/// Whether a header with this name usually has a credential.
pub fn is_sensitive(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    let words = ["key", "token", "secret", "password", "signature"];
    matches!(name.as_str(), "authorization" | "cookie" | "x-auth" | "apikey")
        || words.iter().any(|word| name.ends_with(&format!("-{word}")))
}

/// The headers of a job that have a credential written out, with their places.
pub fn written_out(job: &Node) -> impl Iterator<Item = (&str, Option<&Place>)> {
    let headers = job.at(&["request", "headers"]).map_or(&[][..], Node::entries);
    headers
        .iter()
        .filter(|entry| is_sensitive(&entry.key))
        .filter(|entry| {
            entry.value.as_str().is_some_and(|value| !value.is_empty() && !value.contains(SCHEME))
        })
        .map(|entry| (entry.key.as_str(), entry.value.place.as_ref()))
}

/// The secrets that the headers of a job name, with the places.
pub fn secrets_of(job: &Node) -> Vec<(String, Option<Place>)> {
    let headers = job.at(&["request", "headers"]).map_or(&[][..], Node::entries);
    let names = |value: &str| {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let end = |text: &str| text.find(|c: char| !is_name(c)).unwrap_or(text.len());
        value.split(SCHEME).skip(1).map(|text| text[..end(text)].to_owned()).collect::<Vec<_>>()
    };
    headers
        .iter()
        .flat_map(|entry| {
            let names = entry.value.as_str().map(names).unwrap_or_default();
            names.into_iter().map(|name| (name, entry.value.place.clone()))
        })
        .collect()
}
