//! Host names: which of them the public internet can resolve, decided by the name alone.
//!
//! The addresses of a name are checked when it is dialled. Names that are invalid, or that exist only inside a network,
//! are refused here, so that the owner sees the error when the job is saved.

use crate::domain::{address::EgressPolicy, invalid::Invalid};

pub(super) const EXAMPLE_HINT: &str = "Write it as example.com.";

/// RFC 1035, 2.3.4, without the trailing dot.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Domains that are private to a machine, a network or a cluster: RFC 6761 (localhost), RFC 6762 with its appendix G
/// (local and similar names), RFC 7686 (onion), RFC 8375 (home.arpa), and those of systemd and Kubernetes (localdomain, svc).
const PRIVATE_DOMAINS: [&str; 12] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "onion",
    "svc",
];

/// Checks a name as the `url` crate serialises it: in lower case, international labels in their `xn--` form.
///
/// # Errors
/// `url_host`, `url_name_refused`.
pub(super) fn check(name: &str, policy: &EgressPolicy) -> Result<(), Invalid> {
    if name.len() > MAX_NAME_BYTES || !name.split('.').all(is_label) {
        return Err(Invalid::new("url_host", "The host is not a valid name.").hint(EXAMPLE_HINT));
    }
    if policy.refuses_name(name) {
        let why = format!("{name} may not be called: the operator of TrigRun refuses it.");
        return Err(Invalid::new("url_name_refused", why));
    }
    if policy.opens_anything() {
        return Ok(());
    }
    let refused = |why: String| Err(Invalid::new("url_name_refused", why).hint(PUBLIC_NAME_HINT));
    if !name.contains('.') {
        return refused(format!(
            "{name} may not be called: a name without a dot exists only inside a network."
        ));
    }
    match PRIVATE_DOMAINS.iter().find(|domain| is_within(name, domain)) {
        Some(domain) => {
            refused(format!("{name} may not be called: names under {domain} exist only inside a network."))
        }
        None => Ok(()),
    }
}

/// A name must be written in its `xn--` form or in its own alphabet. UTS 46 also reads other characters as these, such as full-width
/// letters, and leaves some out, such as the soft hyphen and the zero-width space: a reader does not see which host is called.
///
/// # Errors
/// `url_host`.
pub(super) fn check_spelling(written: &str, name: &str) -> Result<(), Invalid> {
    let lower = written.to_lowercase();
    let unicode = url::quirks::domain_to_unicode(name);
    let mut spellings = name.split('.').zip(unicode.split('.'));
    let is_same = lower.split('.').count() == name.split('.').count()
        && lower
            .split('.')
            .all(|label| spellings.next().is_some_and(|(ascii, unicode)| label == ascii || label == unicode));
    if is_same {
        return Ok(());
    }
    let detail = "The host has characters that are not part of its name.";
    Err(Invalid::new("url_host", detail).hint(format!("Write it as {unicode}, if that is what you mean.")))
}

const PUBLIC_NAME_HINT: &str =
    "Use a public name. The operator of TrigRun can open private ranges with egress.allow.";

/// Letters, digits, inner hyphens, and underscores, which some hosts use despite RFC 952.
fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
