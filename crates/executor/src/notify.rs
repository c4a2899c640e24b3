//! Delivers notifications, beside the executions and never in their way: with room of its own, and a claim that runs out by itself.
//!
//! What is sent here is no execution, and nothing looks at it but the log: a notification cannot cause another.

use backon::{ConstantBuilder, Retryable};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trigrun_core::{
    crypto,
    domain::{
        address::EgressPolicy,
        attempt::{AttemptStatus, Outcome},
        channel::Destination,
        execution::Disposition,
        id::WorkspaceId,
        notification::{LEASE, TIMEOUT, Told, judge},
        target::TargetUrl,
    },
    runtime::{
        clock::Clock,
        tasks::{every, spawn},
    },
    store::{
        Db, StoreError,
        notifications::{self, ClaimedNotification, Delivered},
    },
    telemetry::metrics,
};

mod capacity;
mod discord;
pub mod email;
mod message;
mod slack;
mod webhook;

use crate::{
    egress::{Call, Egress},
    secrets::{SecretResolver, passing},
};
pub use capacity::Room;
use capacity::{Open, Place};
use email::Mailer;
use message::Message;

/// How often Postgres is asked when nobody says that there is something.
const EVERY: Duration = Duration::from_millis(500);
/// One pass claims so often at the most; the next goes on.
const ROUNDS: usize = 100;
/// What was claimed longer ago than this may soon be somebody else's: it is not sent any more.
const SEND_WITHIN: Duration = Duration::from_secs(10);
const RECORD_AGAIN: Duration = Duration::from_millis(500);
const RECORD_TRIES: usize = 15;

const _: () = assert!(SEND_WITHIN.as_secs() + TIMEOUT.as_secs() < LEASE.as_secs());

pub struct Notifier {
    pub db: Db,
    pub clock: Clock,
    pub vault: Arc<SecretResolver>,
    pub egress: Egress,
    pub policy: EgressPolicy,
    /// None when the operator has set up no mail server.
    pub mailer: Option<Mailer>,
    /// Raised when this process has written a notification, or has room again.
    pub wake: Arc<Notify>,
    pub room: Room,
    pub deliveries: TaskTracker,
}

impl Notifier {
    /// Delivers until `stop`, then finishes what is on its way.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        every("notify", stop, EVERY, || self.wake.notified(), || self.clone().deliver_due()).await;
        self.deliveries.close();
        self.deliveries.wait().await;
    }

    async fn deliver_due(self: Arc<Self>) -> Result<(), StoreError> {
        for _ in 0..ROUNDS {
            let Open { shards, full } = self.room.open();
            if shards.is_empty() {
                return Ok(());
            }
            let claimed_at = Instant::now();
            let claimed = notifications::claim_due(&mut *self.db.conn().await?, &shards, &full).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            for delivery in claimed {
                let place = self.room.take(delivery.workspace);
                let delivering = self.clone().deliver(delivery, claimed_at, place);
                spawn("deliver", self.deliveries.track_future(delivering));
            }
        }
        self.wake.notify_one();
        Ok(())
    }

    async fn deliver(self: Arc<Self>, delivery: ClaimedNotification, claimed_at: Instant, place: Place) {
        let (started_at, started) = (self.clock.now(), Instant::now());
        match self.attempt(&delivery, claimed_at).await {
            Ok(mut outcome) => {
                outcome.timing.total = started.elapsed();
                let verdict = judge(delivery.number, &outcome, crypto::unit());
                let ended_at = self.clock.now().max(started_at);
                let ClaimedNotification { id, number, .. } = delivery;
                self.record(&Delivered { id, number, outcome, verdict, started_at, ended_at }).await;
            }
            Err(error) => {
                tracing::warn!(%error, notification = %delivery.id, "not sent; it is taken up again");
                self.release(&delivery).await;
            }
        }
        drop(place);
        self.wake.notify_one();
    }

    /// `Err` when Postgres is away: nothing was sent.
    async fn attempt(
        &self,
        delivery: &ClaimedNotification,
        claimed_at: Instant,
    ) -> Result<Outcome, StoreError> {
        let key = passing(self.vault.data_key_of(&self.db, delivery.workspace).await)?;
        let destination = key.and_then(|key| passing(delivery.destination.open(&key)).ok().flatten());
        let Some(destination) = destination else {
            return Ok(refused(
                "channel_unreadable",
                "TrigRun cannot read where this channel leads; nothing was sent. It is a matter for its operator.",
            ));
        };
        if delivery.subject.is_none() && delivery.told != Told::Test {
            return Ok(refused(
                "execution_gone",
                "The execution that this was about is gone; nothing was sent.",
            ));
        }
        let signer = match destination {
            Destination::Webhook { .. } => passing(self.vault.signer_of(&self.db, delivery.workspace).await)?,
            _ => None,
        };
        if claimed_at.elapsed() > SEND_WITHIN {
            return Err(StoreError::Unavailable("it took too long until it could be sent".into()));
        }
        let message = Message::new(delivery);
        Ok(match destination {
            Destination::Webhook { url } => {
                match webhook::call(delivery, signer.as_deref(), self.clock.now()) {
                    Some(call) => self.post(delivery.workspace, &url, call).await,
                    None => refused(
                        "internal",
                        "TrigRun could not sign this message; nothing was sent. It is a matter for its operator.",
                    ),
                }
            }
            Destination::Slack { url } => self.post(delivery.workspace, &url, slack::call(&message)).await,
            Destination::Discord { url } => {
                self.post(delivery.workspace, &url, discord::call(&message)).await
            }
            Destination::Email { to } => match &self.mailer {
                Some(mailer) => mailer.send(delivery, &to, &message).await,
                None => refused(
                    "email_not_set_up",
                    "This installation sends no e-mail: its operator has to set smtp.url and smtp.from.",
                ),
            },
        })
    }

    async fn post(&self, workspace: WorkspaceId, url: &str, call: Call) -> Outcome {
        let target = match TargetUrl::parse(url, &self.policy) {
            Ok(target) => target,
            Err(invalid) => return refused(invalid.code, &format!("{} Nothing was sent.", invalid.detail)),
        };
        match self.egress.prepare(workspace, &target, call.timeout).await {
            Ok(ready) => ready.send(call).await.outcome,
            Err(failed) => *failed,
        }
    }

    /// Where that fails, the claim runs out.
    async fn release(&self, delivery: &ClaimedNotification) {
        let give = || async {
            notifications::release(&mut *self.db.conn().await?, delivery.id, delivery.number).await
        };
        if let Err::<_, StoreError>(error) = give.retry(again()).await {
            tracing::warn!(%error, notification = %delivery.id, "could not be given back; its claim runs out");
        }
    }

    /// Tried while the claim lasts. What stays unrecorded is taken up by the next who looks, as interrupted.
    async fn record(&self, delivered: &Delivered) {
        let record = || async { notifications::record(&mut *self.db.conn().await?, delivered).await };
        match record.retry(again()).await {
            Ok(true) => note(delivered),
            Ok(false) => {
                tracing::info!(notification = %delivered.id, "its result is discarded: the channel or job was deleted, or its time ran out")
            }
            Err::<_, StoreError>(error) => {
                tracing::warn!(%error, notification = %delivered.id, "delivered, and not recorded; it is delivered again")
            }
        }
    }
}

fn again() -> ConstantBuilder {
    ConstantBuilder::default().with_delay(RECORD_AGAIN).with_max_times(RECORD_TRIES).with_jitter()
}

fn note(delivered: &Delivered) {
    let Delivered { outcome, verdict, .. } = delivered;
    metrics::notification_attempt(outcome.status.as_str(), matches!(verdict, Disposition::Failed { .. }));
    tracing::debug!(
        notification = %delivered.id,
        number = delivered.number,
        status = outcome.status.as_str(),
        error = outcome.error.as_deref(),
        "recorded"
    );
}

/// Nothing was sent, and never will be.
fn refused(class: &'static str, why: &str) -> Outcome {
    Outcome::failed(AttemptStatus::Blocked, class, why)
}

/// A message in JSON.
fn json(headers: http::HeaderMap, body: Vec<u8>) -> Call {
    let mut headers = headers;
    headers.insert(http::header::USER_AGENT, http::HeaderValue::from_static(crate::request::AGENT));
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Call {
        method: http::Method::POST,
        headers,
        body: body.into(),
        timeout: TIMEOUT,
        success_statuses: (200..300).collect(),
        keep: 0,
    }
}
