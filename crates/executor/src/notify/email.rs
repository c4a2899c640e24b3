//! E-mail, through the mail server of the operator's.

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use trigrun_core::domain::{
    attempt::{AttemptStatus, Outcome},
    id::NotificationId,
    notification::TIMEOUT,
};

use super::message::Message;

/// The section `[smtp]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    pub url: SecretString,
    pub from: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    #[error("smtp.url cannot be used, it must read like smtps://user:password@mail.example.com: {0}")]
    Url(#[source] smtp::Error),
    #[error("smtp.from must be an address like `TrigRun <noreply@example.com>` when smtp.url is set: {0}")]
    From(#[source] lettre::address::AddressError),
}

/// Cheap to clone; connections are kept for the next message.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// `None` when no mail server is set.
    pub fn new(settings: &SmtpSettings) -> Result<Option<Self>, SmtpError> {
        let url = settings.url.expose_secret();
        if url.is_empty() {
            return Ok(None);
        }
        let from = settings.from.parse().map_err(SmtpError::From)?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(SmtpError::Url)?;
        Ok(Some(Self { transport: transport.timeout(Some(TIMEOUT)).build(), from }))
    }

    pub async fn send(&self, id: NotificationId, to: &[String], message: &Message) -> Outcome {
        let Some(mail) = self.mail(id, to, message) else {
            return Outcome::failed(
                AttemptStatus::Blocked,
                "email_invalid",
                "No message can be written to these addresses; nothing was sent.",
            );
        };
        match tokio::time::timeout(TIMEOUT, self.transport.send(mail)).await {
            Ok(Ok(response)) => {
                Outcome { status_code: Some(response.code().into()), ..Outcome::of(AttemptStatus::Success) }
            }
            Ok(Err(error)) => failed(&error),
            Err(_) => too_slow(),
        }
    }

    /// The same `Message-ID` on every attempt, so that a mailbox can tell a repetition.
    fn mail(&self, id: NotificationId, to: &[String], message: &Message) -> Option<Mail> {
        let mut mail = Mail::builder()
            .from(self.from.clone())
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .subject(&message.title)
            .header(ContentType::TEXT_PLAIN);
        for address in to {
            mail = mail.to(Mailbox::new(None, address.parse().ok()?));
        }
        let mut mail = mail.body(message.text() + "\n").ok()?;
        // RFC 3834 §5: no out-of-office answers, please.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        mail.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
        Some(mail)
    }
}

fn too_slow() -> Outcome {
    Outcome::failed(
        AttemptStatus::Timeout,
        "smtp_timeout",
        "The mail server did not take the message in time.",
    )
}

/// RFC 5321 §4.2.1: 4yz may pass, 5yz will not.
fn failed(error: &smtp::Error) -> Outcome {
    let code = error.status().map(u16::from);
    let with_code =
        |text: &str| code.map_or_else(|| format!("{text}."), |code| format!("{text}: it answered {code}."));
    let (status, class, sentence) = if error.is_permanent() {
        (AttemptStatus::Blocked, "smtp_refused", with_code("The mail server refused the message"))
    } else if error.is_transient() {
        (
            AttemptStatus::ConnectionError,
            "smtp_busy",
            with_code("The mail server wants to be asked again later"),
        )
    } else if error.is_timeout() {
        return too_slow();
    } else {
        // The operator's own server: that is for their log.
        tracing::warn!(%error, "the mail server cannot be reached");
        (AttemptStatus::ConnectionError, "smtp_unreachable", "The mail server cannot be reached.".to_owned())
    };
    Outcome { status_code: code, ..Outcome::failed(status, class, sentence) }
}
