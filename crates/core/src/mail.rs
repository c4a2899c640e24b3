//! Sends e-mail through the operator's mail server.

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{self, response::Response},
};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum MailSettingsError {
    // Without the cause, which may repeat a part of the URL.
    #[error("smtp.url cannot be used, it must read like smtps://user:password@mail.example.com")]
    Url,
    #[error("smtp.from must be an address like `TrigRun <noreply@example.com>` when smtp.url is set: {0}")]
    From(#[source] lettre::address::AddressError),
}

#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("no message can be written to this address")]
    Address,
    #[error(transparent)]
    Server(smtp::Error),
}

/// A message in plain text. Every attempt to send it has the same id, so that a mailbox can detect a repetition.
pub struct PlainMail<'a> {
    /// Unique, before the @ of its `Message-ID`.
    pub id: &'a str,
    pub to: &'a str,
    pub subject: &'a str,
    pub text: String,
}

/// Cheap to clone; connections are kept for the next message.
#[derive(Clone)]
pub struct MailServer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl MailServer {
    /// `None` without a URL. `timeout` limits each exchange with the server.
    pub fn new(url: &SecretString, from: &str, timeout: Duration) -> Result<Option<Self>, MailSettingsError> {
        let url = url.expose_secret();
        if url.is_empty() {
            return Ok(None);
        }
        let from = from.parse().map_err(MailSettingsError::From)?;
        let transport =
            AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| MailSettingsError::Url)?;
        Ok(Some(Self { transport: transport.timeout(Some(timeout)).build(), from }))
    }

    /// Whether the server accepts a connection and the log-in. Sends no message.
    pub async fn accepts(&self) -> Result<bool, smtp::Error> {
        self.transport.test_connection().await
    }

    /// The reply of the server that accepted the message.
    pub async fn send(&self, mail: PlainMail<'_>) -> Result<Response, MailError> {
        let message = self.message(mail).ok_or(MailError::Address)?;
        self.transport.send(message).await.map_err(MailError::Server)
    }

    fn message(&self, PlainMail { id, to, subject, text }: PlainMail<'_>) -> Option<Message> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.parse().ok()?))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN);
        let mut message = message.body(text).ok()?;
        // RFC 3834 §5: asks for no out-of-office replies.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
        Some(message)
    }
}
