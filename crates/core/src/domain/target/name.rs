//! Host names: which can be looked up on the public internet, judged by the name alone.
//!
//! What a name leads to is judged at the dial. Refused here is what cannot be a host name at all, and what only means
//! something inside a network, so that its owner receives of it when the job is saved.

use crate::domain::{address::EgressPolicy, invalid::Invalid};

pub(super) const EXAMPLE: &str = "Write it as example.com.";

/// RFC 1035, 2.3.4, in the form without the last dot.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// Domains that are private to a machine, a network or a cluster: RFC 6761 (localhost), RFC 6762 with its appendix G
/// (local and its like), RFC 7686 (onion), RFC 8375 (home.arpa), systemd's and Kubernetes's own (localdomain, svc).
const PRIVATE: [&str; 12] = [
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

/// Judges a name as the `url` crate writes it: in lower case, international labels in their `xn--` form.
///
/// # Errors
/// `url_host`, `url_name_refused`.
pub(super) fn judge(name: &str, policy: &EgressPolicy) -> Result<(), Invalid> {
    if name.len() > NAME_MAX || !name.split('.').all(is_label) {
        return Err(Invalid::new("url_host", "The host is not a valid name.").hint(EXAMPLE));
    }
    if policy.opens_anything() {
        return Ok(());
    }
    let refused = |why: String| Err(Invalid::new("url_name_refused", why).hint(PUBLIC));
    if !name.contains('.') {
        return refused(format!(
            "{name} may not be called: a name without a dot is known inside a network only."
        ));
    }
    match PRIVATE.iter().find(|domain| is_within(name, domain)) {
        Some(domain) => refused(format!(
            "{name} may not be called: names under {domain} are known inside a network only."
        )),
        None => Ok(()),
    }
}

const PUBLIC: &str = "Use a name that the whole internet knows; whoever runs TrigRun can open private ranges with egress.allow.";

/// Letters, digits, hyphens inside, and the underscores that some hosts have in spite of RFC 952.
fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
