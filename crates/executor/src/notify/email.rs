//! E-mail, through the operator's mail server.

use lettre::transport::smtp;
use secrecy::SecretString;
use serde::Deserialize;
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Outcome},
        id::NotificationId,
        notification::TIMEOUT,
    },
    mail::{MailError, MailServer, MailSettingsError, PlainMail},
    store::notifications::ClaimedNotification,
    stream::{
        RedisSettings, StreamError,
        limiter::{Limiter, Rate, RateDecision},
    },
    telemetry::metrics,
};

use super::message::Message;
use crate::egress::{self, NoCapacity};

/// The section `[smtp]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    pub url: SecretString,
    pub from: String,
    pub workspace_per_hour: NonZeroU32,
}

#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    #[error(transparent)]
    Settings(#[from] MailSettingsError),
    #[error(transparent)]
    Limiter(#[from] StreamError),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    server: MailServer,
    /// Limits the e-mail notifications of a workspace, over all executors: they use the operator's server and sender address.
    limiter: Arc<Limiter<1>>,
}

impl Mailer {
    /// `None` when no mail server is configured.
    pub fn new(settings: &SmtpSettings, redis: &RedisSettings) -> Result<Option<Self>, SmtpError> {
        let Some(server) = MailServer::new(&settings.url, &settings.from, TIMEOUT)? else { return Ok(None) };
        let rate = Rate {
            interval: Duration::from_secs(3600) / settings.workspace_per_hour.get(),
            burst: settings.workspace_per_hour,
        };
        Ok(Some(Self { server, limiter: Arc::new(Limiter::new(redis, [rate])?) }))
    }

    /// One mail per address. A mail that reached one address counts as delivered, because a retry would repeat it there. `Err` if this
    /// process could not open a connection, and no address was reached.
    pub async fn send(
        &self,
        delivery: &ClaimedNotification,
        to: &[String],
        message: &Message,
    ) -> Result<Outcome, NoCapacity> {
        // Before the mail counts against the limit of its workspace.
        if egress::lacks_capacity() {
            return Err(no_capacity());
        }
        if let Some(limited) = self.limited(delivery).await {
            return Ok(limited);
        }
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        let mut outcomes = Vec::with_capacity(to.len());
        for address in to {
            let sent = tokio::time::timeout_at(deadline, self.send_one(delivery.id, address, message)).await;
            outcomes.push(sent.unwrap_or_else(|_| Ok(timed_out())));
        }
        combine(outcomes)
    }

    async fn limited(&self, delivery: &ClaimedNotification) -> Option<Outcome> {
        let decision = self.limiter.check(&delivery.workspace.to_string(), ["mails"]).await;
        let RateDecision::Limited { wait } = decision else { return None };
        let why = "This workspace has reached its limit of e-mails per hour; this one waits.";
        let outcome = Outcome::failed(AttemptStatus::ConnectionError, "email_limited", why);
        Some(Outcome { retry_after: Some(wait), ..outcome })
    }

    async fn send_one(&self, id: NotificationId, to: &str, message: &Message) -> Result<Outcome, NoCapacity> {
        let id = id.to_string();
        let mail = PlainMail { id: &id, to, subject: &message.subject, text: message.mail_text() };
        match self.server.send(mail).await {
            Ok(response) => Ok(Outcome {
                status_code: Some(response.code().into()),
                ..Outcome::of(AttemptStatus::Success)
            }),
            Err(MailError::Address) => Ok(Outcome::failed(
                AttemptStatus::Blocked,
                "email_invalid",
                "No message can be written to this address; nothing was sent.",
            )),
            Err(MailError::Server(error)) => failed(&error),
        }
    }
}

/// The best outcome, and how many addresses failed. `Err` if none was reached, and for one of them this process had no connection.
fn combine(outcomes: Vec<Result<Outcome, NoCapacity>>) -> Result<Outcome, NoCapacity> {
    let all = outcomes.len();
    let unsent = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let (delivered, failed): (Vec<Outcome>, Vec<Outcome>) =
        outcomes.into_iter().flatten().partition(|outcome| outcome.status == AttemptStatus::Success);
    let count = failed.len() + unsent;
    // If nothing was delivered, one failure that may pass is enough for another attempt.
    let failed = failed.into_iter().min_by_key(|outcome| outcome.status == AttemptStatus::Blocked);
    let why = failed.as_ref().and_then(|failed| failed.error.as_deref());
    let why = why.unwrap_or("TrigRun cannot open a connection at the moment.");
    match delivered.into_iter().next() {
        Some(delivered) if count > 0 => {
            let note = format!("Not delivered to {count} of {all} addresses. {why}");
            Ok(Outcome { error: Some(note), ..delivered })
        }
        Some(delivered) => Ok(delivered),
        None if unsent > 0 => Err(no_capacity()),
        None => Ok(failed.unwrap_or_else(timed_out)),
    }
}

/// This process lacks file descriptors, ports or memory, which says nothing about the mail server.
fn no_capacity() -> NoCapacity {
    metrics::no_capacity();
    NoCapacity
}

fn timed_out() -> Outcome {
    Outcome::failed(
        AttemptStatus::Timeout,
        "smtp_timeout",
        "The mail server did not accept the message in time.",
    )
}

/// RFC 5321 §4.2.1: 4yz is transient, 5yz permanent. A failed login (RFC 4954 §6) needs the operator, and is retried. `Err` if no connection
/// could be opened for a reason that is not the server's.
fn failed(error: &smtp::Error) -> Result<Outcome, NoCapacity> {
    let code = error.status().map(u16::from);
    if matches!(code, Some(530 | 534 | 535 | 538)) {
        tracing::warn!(%error, "the mail server rejects the user and password of smtp.url");
        let why = "The mail server rejects TrigRun's login. Contact your administrator.";
        return Ok(Outcome {
            status_code: code,
            ..Outcome::failed(AttemptStatus::ConnectionError, "smtp_login", why)
        });
    }
    let with_code = |text: &str| {
        code.map_or_else(|| format!("{text}."), |code| format!("{text}: it responded with {code}."))
    };
    let (status, class, sentence) = if error.is_permanent() {
        (AttemptStatus::Blocked, "smtp_refused", with_code("The mail server refused the message"))
    } else if error.is_transient() {
        (
            AttemptStatus::ConnectionError,
            "smtp_busy",
            with_code("The mail server is temporarily unable to accept the message"),
        )
    } else if error.is_timeout() {
        return Ok(timed_out());
    } else if egress::is_caused_by_lack_of_capacity(error) || egress::lacks_capacity() {
        // A look-up of the server's name that lacks a file descriptor fails without saying so.
        return Err(NoCapacity);
    } else {
        // It is the operator's server, so the cause belongs in their log.
        tracing::warn!(%error, "cannot reach the mail server");
        (AttemptStatus::ConnectionError, "smtp_unreachable", "The mail server cannot be reached.".to_owned())
    };
    Ok(Outcome { status_code: code, ..Outcome::failed(status, class, sentence) })
}
