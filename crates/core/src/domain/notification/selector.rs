//! The jobs that a rule of a workspace is about.

use crate::domain::{
    invalid::Invalid,
    job,
    string_enum::string_enum,
    target::{self, host_of},
};

string_enum! {
    SelectorKind { All = "all", Tag = "tag", Host = "host", }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    All,
    /// Jobs with this tag.
    Tag(String),
    /// Jobs that call this host; without a port, at any.
    Host(String),
}

impl Selector {
    pub fn check(kind: SelectorKind, value: Option<String>) -> Result<Self, Invalid> {
        match (kind, value) {
            (SelectorKind::All, None) => Ok(Self::All),
            (SelectorKind::All, Some(_)) => {
                Err(Invalid::new("not_with_selector", "goes with the selectors tag and host only"))
            }
            (_, None) => Err(Invalid::new("required", "is required with the selectors tag and host")),
            (SelectorKind::Tag, Some(tag)) => Ok(Self::Tag(job::tags(vec![tag])?.remove(0))),
            (SelectorKind::Host, Some(host)) => target::host(&host).map(Self::Host),
        }
    }

    pub const fn kind(&self) -> SelectorKind {
        match self {
            Self::All => SelectorKind::All,
            Self::Tag(_) => SelectorKind::Tag,
            Self::Host(_) => SelectorKind::Host,
        }
    }

    pub fn value(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Tag(value) | Self::Host(value) => Some(value),
        }
    }

    /// `authority` is the host that the job calls, perhaps with a port.
    pub fn matches(&self, tags: &[String], authority: &str) -> bool {
        match self {
            Self::All => true,
            Self::Tag(tag) => tags.contains(tag),
            Self::Host(host) => authority == host || host_of(authority) == host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_has_a_value_if_it_needs_one() {
        let check = |kind, value: Option<&str>| Selector::check(kind, value.map(str::to_owned));
        assert_eq!(check(SelectorKind::All, None), Ok(Selector::All));
        assert_eq!(check(SelectorKind::All, Some("x")).unwrap_err().code, "not_with_selector");
        assert_eq!(check(SelectorKind::Tag, None).unwrap_err().code, "required");
        assert_eq!(check(SelectorKind::Host, Some("EXAMPLE.com")), Ok(Selector::Host("example.com".into())));
        assert!(check(SelectorKind::Host, Some("https://example.com/")).is_err());
    }

    #[test]
    fn jobs_match_by_tag_and_by_host() {
        let tags = ["billing".to_owned()];
        let matches = |selector: Selector, authority: &str| selector.matches(&tags, authority);
        assert!(matches(Selector::All, "a.example"));
        assert!(matches(Selector::Tag("billing".into()), "a.example"));
        assert!(!matches(Selector::Tag("bill".into()), "a.example"));
        assert!(matches(Selector::Host("a.example".into()), "a.example:8443"));
        assert!(matches(Selector::Host("a.example:8443".into()), "a.example:8443"));
        assert!(!matches(Selector::Host("a.example:8443".into()), "a.example"));
    }
}
