//! What the e-mails of accounts say. They are plain text, and name no one: an address may belong to another person than the one who typed it.

use chrono::{DateTime, SecondsFormat, Utc};
use trigrun_console::BasePath;
use trigrun_core::domain::{access::TokenSecret, verification::Purpose};

use crate::origin::Origin;

pub struct Text {
    pub subject: &'static str,
    pub text: String,
}

/// Where links lead.
pub struct Links {
    pub origin: Origin,
    /// `None` if this server has no console: then the text says what to send to the API.
    pub console: Option<BasePath>,
}

impl Links {
    /// With the secret of a verification. It is behind the #, so that no server logs it.
    pub fn verification(&self, purpose: Purpose, email: &str, secret: &TokenSecret) -> Text {
        let server = self.origin.as_str();
        match purpose {
            Purpose::SignUp => Text {
                subject: "Confirm your e-mail address for TrigRun",
                text: format!(
                    "This address was used to sign up at {server}:\n{email}\n\n{}\
                     If you did not sign up, ignore this message.\n\
                     No account is created without this step.\n",
                    self.step("To create the account", "24 hours", "signup", "/v1/auth/signup", secret),
                ),
            },
            Purpose::EmailChange => Text {
                subject: "Confirm the new e-mail address of your TrigRun account",
                text: format!(
                    "An account at {server}\nis to have this address:\n{email}\n\n{}\
                     If you did not request this, ignore this message: nothing changes.\n",
                    self.step("To change the address", "one hour", "email", "/v1/auth/email", secret),
                ),
            },
            Purpose::PasswordReset => Text {
                subject: "Reset your TrigRun password",
                text: format!(
                    "A new password was requested at {server}\nfor the account {email}.\n\n{}\
                     A new password ends all your sessions.\n\
                     If you did not request one, ignore this message: your password stays.\n",
                    self.step("To choose it", "one hour", "reset", "/v1/auth/password", secret),
                ),
            },
        }
    }

    /// It names the inviting user by the e-mail address, which is known to be theirs, and not the workspace, whose name may say anything.
    pub fn invitation(&self, by: &str, secret: &TokenSecret) -> Text {
        let (server, secret) = (self.origin.as_str(), secret.reveal());
        let step = match self.page("accept") {
            Some(page) => format!("To join, open this link within seven days:\n\n{page}#{secret}\n\n"),
            None => format!(
                "To join, send this within seven days as \"invitation\" to\nPOST {server}/v1/auth/signup, or with an account to\n\
                 POST {server}/v1/invitations/accept:\n\n{secret}\n\n"
            ),
        };
        let text = format!(
            "{by} invites you to a workspace at\n{server}.\n\n{step}\
             If you do not know the sender, ignore this message.\n"
        );
        Text { subject: "An invitation to a TrigRun workspace", text }
    }

    /// What to open, or to send to the API.
    fn step(&self, goal: &str, time: &str, page: &str, path: &str, secret: &TokenSecret) -> String {
        let (server, secret) = (self.origin.as_str(), secret.reveal());
        match self.page(page) {
            Some(page) => format!(
                "{goal}, open this link within {time}:\n\n{page}#{secret}\n\n\
                 With the API, send this as \"verification\" to\nPOST {path} instead:\n\n{secret}\n\n"
            ),
            None => format!(
                "{goal}, send this within {time} as \"verification\" to\nPOST {server}{path}:\n\n{secret}\n\n"
            ),
        }
    }

    /// For a sign-up with an address that has an account.
    pub fn has_account(&self) -> Text {
        let server = self.origin.as_str();
        let instead = match (self.page("login"), self.page("forgot")) {
            (Some(login), Some(forgot)) => format!(
                "If that was you, log in instead:\n\n{login}\n\nIf you forgot the password, replace it:\n\n{forgot}\n\n"
            ),
            _ => "If that was you, log in instead.\n\n".to_owned(),
        };
        let text = format!(
            "This address was used to sign up at {server}.\nIt already has an account there.\n\n{instead}\
             If that was not you, ignore this message. Nothing was changed.\n"
        );
        Text { subject: "You already have a TrigRun account", text }
    }

    /// For a change to an address that has an account.
    pub fn is_in_use(&self) -> Text {
        let server = self.origin.as_str();
        let text = format!(
            "Another account at {server}\nwas to have this address. It already has an account there,\n\
             so nothing was changed.\n\nIf that was not you, ignore this message.\n"
        );
        Text { subject: "You already have a TrigRun account", text }
    }

    /// For the previous address.
    pub fn email_changed(&self, email: &str, at: DateTime<Utc>) -> Text {
        let (server, at) = (self.origin.as_str(), at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let text = format!(
            "The address of your account at {server}\nwas changed at {at}, to\n{email}.\n\n\
             This address cannot log in any more.\n\
             If that was not you, tell the administrator of the server.\n"
        );
        Text { subject: "The e-mail address of your TrigRun account was changed", text }
    }

    pub fn password_changed(&self, email: &str, at: DateTime<Utc>) -> Text {
        let (server, at) = (self.origin.as_str(), at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let replace = match self.page("forgot") {
            Some(forgot) => {
                format!("If that was not you, replace it, and tell the administrator:\n\n{forgot}\n")
            }
            None => "If that was not you, tell the administrator of the server.\n".to_owned(),
        };
        let text = format!(
            "The password of the account {email}\nat {server} was changed\nat {at}.\n\n\
             Other sessions were ended. API tokens stay valid.\n\n{replace}"
        );
        Text { subject: "Your TrigRun password was changed", text }
    }

    fn page(&self, page: &str) -> Option<String> {
        let base = self.console.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{}{base}/{page}", self.origin.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trigrun_core::domain::access::TokenKind;

    fn links(console: Option<&str>) -> Links {
        let origin = Origin::try_from("https://trigrun.example.com".to_owned()).unwrap();
        Links { origin, console: console.map(|path| path.parse().unwrap()) }
    }

    #[test]
    fn links_lead_to_the_console_of_the_public_url() {
        let secret = TokenSecret::from_random(TokenKind::Verification, &[1; 128]).unwrap();
        for (console, link) in [
            (Some("/"), "https://trigrun.example.com/signup#trv_"),
            (Some("/console"), "https://trigrun.example.com/console/signup#trv_"),
            (None, "POST https://trigrun.example.com/v1/auth/signup:"),
        ] {
            let Text { text, .. } = links(console).verification(Purpose::SignUp, "ada@example.com", &secret);
            assert!(text.contains(link) && text.contains("ada@example.com"), "{text}");
            let secrets = text.matches(secret.reveal()).count();
            assert_eq!(secrets, if console.is_some() { 2 } else { 1 }, "{text}");
        }
    }

    #[test]
    fn what_is_sent_to_a_known_address_holds_no_secret() {
        for console in [Some("/"), None] {
            let text = links(console).has_account().text;
            assert!(!text.contains("trv_") && text.contains("already has an account"), "{text}");
            let text = links(console).password_changed("ada@example.com", DateTime::UNIX_EPOCH).text;
            assert!(text.contains("1970-01-01T00:00:00Z"), "{text}");
            let text = links(console).is_in_use().text;
            assert!(!text.contains("trv_") && text.contains("nothing was changed"), "{text}");
        }
    }
}
