//! Channels: where a workspace receives notifications.

use serde::{Deserialize, Serialize};

use super::{
    address::EgressPolicy,
    invalid::{Checked, FieldErrors, Invalid},
    string_enum::string_enum,
    target::TargetUrl,
    user,
};

string_enum! {
    ChannelType { Webhook = "webhook", Email = "email", Slack = "slack", Discord = "discord", }
}

/// How many channels a workspace may have.
pub const MAX_CHANNELS: i64 = 100;
const MAX_RECIPIENTS: usize = 10;

/// Where the messages of a channel go. It is sealed as a whole and has no `Debug`, because webhook URLs are credentials.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// A URL of the owner, which receives the complete event as signed JSON.
    Webhook {
        url: String,
    },
    Email {
        to: Vec<String>,
    },
    /// An incoming webhook of Slack or of a compatible service.
    Slack {
        url: String,
    },
    Discord {
        url: String,
    },
}

/// A destination as the client gives it. The channel type decides which fields are allowed.
#[derive(Clone, Default)]
pub struct Wanted {
    pub url: Option<String>,
    pub to: Option<Vec<String>>,
}

impl Destination {
    /// Checks a destination and records every violation, at pointers that begin with `at`.
    pub fn check(
        kind: ChannelType,
        wanted: Wanted,
        policy: &EgressPolicy,
        at: &str,
        errors: &mut FieldErrors,
    ) -> Checked<Self> {
        let Wanted { url, to } = wanted;
        let foreign = if kind == ChannelType::Email {
            url.is_some().then_some("url")
        } else {
            to.is_some().then_some("to")
        };
        if let Some(field) = foreign {
            let detail = format!("is not a field of a channel of type {}", kind.as_str());
            errors.push(format!("{at}/{field}"), Invalid::new("unknown_field", detail));
        }
        if kind == ChannelType::Email {
            let to = errors.take(&format!("{at}/to"), recipients(to))?;
            return Ok(Self::Email { to });
        }
        let url = errors.take(&format!("{at}/url"), target(url, policy))?;
        Ok(match kind {
            ChannelType::Slack => Self::Slack { url },
            ChannelType::Discord => Self::Discord { url },
            ChannelType::Webhook | ChannelType::Email => Self::Webhook { url },
        })
    }

    pub const fn kind(&self) -> ChannelType {
        match self {
            Self::Webhook { .. } => ChannelType::Webhook,
            Self::Email { .. } => ChannelType::Email,
            Self::Slack { .. } => ChannelType::Slack,
            Self::Discord { .. } => ChannelType::Discord,
        }
    }

    /// The destination as it may be shown: a URL is cut after its authority.
    pub fn masked(&self) -> Vec<String> {
        match self {
            Self::Email { to } => to.clone(),
            Self::Webhook { url } | Self::Slack { url } | Self::Discord { url } => {
                let authority = url.match_indices('/').nth(2).map_or(url.as_str(), |(end, _)| &url[..end]);
                vec![format!("{authority}/…")]
            }
        }
    }
}

fn recipients(to: Option<Vec<String>>) -> Result<Vec<String>, Invalid> {
    let to = to.ok_or_else(|| Invalid::new("required", "is required"))?;
    if to.is_empty() || to.len() > MAX_RECIPIENTS {
        return Err(Invalid::new("length", format!("must have 1 to {MAX_RECIPIENTS} addresses")));
    }
    let mut checked: Vec<String> = to.iter().map(|address| user::email(address)).collect::<Result<_, _>>()?;
    checked.sort_unstable();
    checked.dedup();
    Ok(checked)
}

fn target(url: Option<String>, policy: &EgressPolicy) -> Result<String, Invalid> {
    let url = url.ok_or_else(|| Invalid::new("required", "is required"))?;
    TargetUrl::parse(&url, policy).map(|url| url.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: ChannelType, url: Option<&str>, to: Option<&[&str]>) -> Result<Destination, Vec<String>> {
        let wanted = Wanted {
            url: url.map(str::to_owned),
            to: to.map(|to| to.iter().map(ToString::to_string).collect()),
        };
        let mut errors = FieldErrors::default();
        let policy = EgressPolicy::new(Vec::new());
        let checked = Destination::check(kind, wanted, &policy, "/config", &mut errors);
        errors.finish(checked).map_err(|violations| {
            let violations = violations.into_vec().into_iter();
            violations.map(|error| format!("{} {}", error.pointer, error.invalid.code)).collect()
        })
    }

    #[test]
    fn each_type_has_its_fields() {
        let url = Some("https://example.com/hook?token=a");
        for kind in [ChannelType::Webhook, ChannelType::Slack, ChannelType::Discord] {
            let made = check(kind, url, None).unwrap_or_else(|violations| panic!("{violations:?}"));
            assert_eq!((made.kind(), made.masked()), (kind, vec!["https://example.com/…".to_owned()]));
            assert_eq!(check(kind, None, None).err(), Some(vec!["/config/url required".into()]));
            assert_eq!(check(kind, url, Some(&[])).err(), Some(vec!["/config/to unknown_field".into()]));
        }
        let made = check(ChannelType::Email, None, Some(&["Ops@Example.com", "ops@example.com"])).ok();
        assert!(made == Some(Destination::Email { to: vec!["ops@example.com".into()] }));
        let both = check(ChannelType::Email, url, None).err();
        assert_eq!(both, Some(vec!["/config/url unknown_field".into(), "/config/to required".into()]));
    }

    #[test]
    fn destinations_follow_the_egress_policy() {
        let code = |url| check(ChannelType::Webhook, Some(url), None).err().unwrap_or_default().concat();
        assert_eq!(code("http://169.254.169.254/latest"), "/config/url url_address_refused");
        assert_eq!(code("http://localhost/"), "/config/url url_name_refused");
        assert_eq!(code("file:///etc/passwd"), "/config/url url_scheme");
    }

    #[test]
    fn recipients_are_checked_and_limited() {
        let code = |to: &[&str]| check(ChannelType::Email, None, Some(to)).err().unwrap_or_default().concat();
        assert_eq!(code(&[]), "/config/to length");
        assert_eq!(code(&["a@b.c"; 11]), "/config/to length");
        assert_eq!(code(&["a@b.c", "nonsense"]), "/config/to email_invalid");
    }
}
