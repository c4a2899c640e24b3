//! Delivers notifications, separately from executions: with its own capacity, and with claims that run out by themselves.
//!
//! A delivery is not an execution, so a failed notification cannot cause another one.

use backon::{ConstantBuilder, Retryable};
use chrono::{DateTime, Utc};
use http::{HeaderValue, Method};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trigrun_core::{
    crypto,
    domain::{
        address::EgressPolicy,
        attempt::{AttemptStatus, Disposition, EndedAttempt, Outcome},
        channel::Destination,
        id::WorkspaceId,
        notification::{CLAIM_TIMEOUT, NotificationEvent, TIMEOUT, decide},
        request::DEFAULT_SUCCESS_STATUSES,
        sent_request::AGENT,
        target::TargetUrl,
    },
    runtime::{
        clock::Clock,
        hold::HoldWatch,
        tasks::{every, spawn},
    },
    store::{
        Db, StoreError,
        notifications::{self, ClaimedNotification, Delivered, OpenWorkspace},
    },
    telemetry::metrics,
};

mod discord;
pub mod email;
mod message;
mod slack;
mod webhook;

use crate::{
    egress::{Call, Egress, HeaderLines, NoCapacity, Unprepared},
    owner::{Owner, Share, Shares},
    secrets::{SecretResolver, or_logged},
};
use email::Mailer;
use message::Message;

/// How often Postgres is polled without a wake-up.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How many notifications of a workspace are claimed at once; the end of a delivery claims the next.
const MAX_CLAIMS: usize = 8;
/// How many workspaces one look finds; another one continues after them.
const MAX_WORKSPACES: i64 = 1000;
/// How many notifications this process delivers at the same time, and how much of what is free one account may occupy.
pub const MAX_DELIVERIES: usize = 128;
pub const DELIVERIES_PERCENT: usize = 12;
/// A claim that is older may soon run out and pass to another executor, so its notification is not sent any more.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const RECORD_RETRY_INTERVAL: Duration = Duration::from_millis(500);
const MAX_RECORD_RETRIES: usize = 15;

const _: () = assert!(SEND_TIMEOUT.as_secs() + TIMEOUT.as_secs() < CLAIM_TIMEOUT.as_secs());

pub struct Notifier {
    pub db: Db,
    pub clock: Clock,
    pub hold: HoldWatch,
    pub secrets: Arc<SecretResolver>,
    pub egress: Egress,
    pub policy: EgressPolicy,
    /// None when the operator has configured no mail server.
    pub mailer: Option<Mailer>,
    /// Raised when this process has written a notification, or has capacity again.
    pub wake: Arc<Notify>,
    pub capacity: Shares,
    pub deliveries: TaskTracker,
}

impl Notifier {
    /// Delivers until `stop`, then finishes the deliveries in flight.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        every("notify", stop, POLL_INTERVAL, || self.wake.notified(), || self.clone().deliver_due()).await;
        self.deliveries.close();
        self.deliveries.wait().await;
    }

    async fn deliver_due(self: Arc<Self>) -> Result<(), StoreError> {
        if self.hold.is_active() {
            return Ok(());
        }
        let mut after = None;
        loop {
            let open =
                notifications::open_workspaces(&mut *self.db.conn().await?, after, MAX_WORKSPACES).await?;
            self.clone().deliver_of(&open).await?;
            if (open.len() as i64) < MAX_WORKSPACES {
                return Ok(());
            }
            after = open.last().map(|last| last.workspace);
        }
    }

    /// Claims what is due in these workspaces, as far as there is capacity for each, and starts to deliver it.
    async fn deliver_of(self: Arc<Self>, open: &[OpenWorkspace]) -> Result<(), StoreError> {
        let mut shares: HashMap<WorkspaceId, Vec<Share>> = HashMap::new();
        for OpenWorkspace { account, workspace, .. } in open.iter().filter(|open| open.is_due) {
            let owner = Owner::new(*account, *workspace, workspace.uuid());
            let taken = (0..MAX_CLAIMS).map_while(|_| self.capacity.try_take(owner, 1)).collect::<Vec<_>>();
            if !taken.is_empty() {
                shares.insert(*workspace, taken);
            }
        }
        if shares.is_empty() {
            return Ok(());
        }
        let wanted: Vec<(WorkspaceId, usize)> =
            shares.iter().map(|(workspace, taken)| (*workspace, taken.len())).collect();
        let claimed_at = Instant::now();
        let claimed = notifications::claim_due(&mut *self.db.conn().await?, &wanted).await?;
        for delivery in claimed {
            // There are never more than were wanted.
            let Some(share) = shares.get_mut(&delivery.workspace).and_then(Vec::pop) else { continue };
            let delivering = self.clone().deliver(delivery, claimed_at, share);
            spawn("deliver", self.deliveries.track_future(delivering));
        }
        Ok(())
    }

    async fn deliver(self: Arc<Self>, delivery: ClaimedNotification, claimed_at: Instant, share: Share) {
        let (started_at, started) = (self.clock.now(), Instant::now());
        match self.attempt(&delivery, claimed_at, &share).await {
            Ok(mut outcome) => {
                outcome.timing.total = started.elapsed();
                outcome = outcome.with_limit(TIMEOUT.as_secs() as u16, "fixed for notifications");
                let ended_at = self.clock.now().max(started_at);
                let ClaimedNotification { id, number, .. } = delivery;
                let disposition = decide(number, &outcome, ended_at, crypto::unit());
                let attempt = EndedAttempt { outcome, disposition, started_at, ended_at };
                self.record(&Delivered { id, number, attempt }).await;
            }
            Err(error) => {
                tracing::warn!(%error, notification = %delivery.id, "not sent; it is retried");
                self.release(&delivery).await;
            }
        }
        drop(share);
        self.wake.notify_one();
    }

    /// `Err` when nothing was sent, for a reason that is not the channel's: it is claimed again.
    async fn attempt(
        &self,
        delivery: &ClaimedNotification,
        claimed_at: Instant,
        share: &Share,
    ) -> Result<Outcome, StoreError> {
        let key = or_logged(self.secrets.data_key_of(&self.db, delivery.workspace).await)?;
        let destination = key.and_then(|key| or_logged(delivery.destination.open(&key)).ok().flatten());
        let Some(destination) = destination else {
            return Ok(refused(
                "channel_unreadable",
                "TrigRun cannot read the destination of this channel; nothing was sent. Contact your administrator.",
            ));
        };
        if delivery.subject.is_none() && delivery.event != NotificationEvent::Test {
            return Ok(refused(
                "execution_gone",
                "The execution of this notification was deleted; nothing was sent.",
            ));
        }
        let signer = match destination {
            Destination::Webhook { .. } => {
                or_logged(self.secrets.signer_of(&self.db, delivery.workspace).await)?
            }
            _ => None,
        };
        if claimed_at.elapsed() > SEND_TIMEOUT {
            return Err(StoreError::Unavailable("too late: the claim is about to run out".into()));
        }
        self.check_hold()?;
        let message = Message::new(delivery);
        Ok(match destination {
            Destination::Webhook { url } => {
                match webhook::call(delivery, signer.as_deref(), self.clock.now()) {
                    Some(call) => self.post(share.owner(), &url, call, claimed_at).await?,
                    None => refused(
                        "internal",
                        "TrigRun could not sign this message; nothing was sent. Contact your administrator.",
                    ),
                }
            }
            Destination::Slack { url } => {
                self.post(share.owner(), &url, slack::call(&message, self.clock.now()), claimed_at).await?
            }
            Destination::Discord { url } => {
                self.post(share.owner(), &url, discord::call(&message, self.clock.now()), claimed_at).await?
            }
            Destination::Email { to } => match &self.mailer {
                Some(mailer) => mailer.send(delivery, &to, &message).await.map_err(no_capacity)?,
                None => refused(
                    "email_not_set_up",
                    "This server sends no e-mail: its administrator must set smtp.url and smtp.from.",
                ),
            },
        })
    }

    /// `Err` when the destination had too many requests in flight, or this process no connection left, so that nothing was sent.
    async fn post(
        &self,
        owner: Owner,
        url: &str,
        call: Call,
        claimed_at: Instant,
    ) -> Result<Outcome, StoreError> {
        let target = match TargetUrl::parse(url, &self.policy) {
            Ok(target) => target,
            Err(invalid) => {
                return Ok(refused(invalid.code, &format!("{} Nothing was sent.", invalid.detail)));
            }
        };
        let left = SEND_TIMEOUT.saturating_sub(claimed_at.elapsed());
        let _permit = tokio::time::timeout(left, self.egress.permit(&owner, &target))
            .await
            .map_err(|_| StoreError::Unavailable("the destination has too many requests in flight".into()))?;
        self.check_hold()?;
        match self.egress.prepare(&owner, &target, call.timeout).await {
            Ok(ready) => ready.send(call).await.map(|sent| sent.outcome).map_err(no_capacity),
            Err(Unprepared::Failed(outcome)) => Ok(*outcome),
            Err(Unprepared::NoCapacity) => Err(no_capacity(NoCapacity)),
        }
    }

    /// A claim from before the hold is not used.
    fn check_hold(&self) -> Result<(), StoreError> {
        if self.hold.is_active() {
            return Err(StoreError::Unavailable("an operator holds the installation".into()));
        }
        Ok(())
    }

    /// If this fails, the claim runs out.
    async fn release(&self, delivery: &ClaimedNotification) {
        let release = || async {
            notifications::release(&mut *self.db.conn().await?, delivery.id, delivery.number).await
        };
        if let Err::<_, StoreError>(error) = release.retry(retries()).await {
            tracing::warn!(%error, notification = %delivery.id, "cannot release the claim; it runs out");
        }
    }

    /// Retried while the claim lasts. After that, the next executor that claims the notification records the attempt as interrupted.
    async fn record(&self, delivered: &Delivered) {
        let record = || async { notifications::record(&mut *self.db.conn().await?, delivered).await };
        match record.retry(retries()).await {
            Ok(true) => count(delivered),
            Ok(false) => {
                tracing::info!(notification = %delivered.id, "result discarded: the channel or job was deleted, or the claim ran out")
            }
            Err::<_, StoreError>(error) => {
                tracing::warn!(%error, notification = %delivered.id, "cannot record the delivery; it is repeated")
            }
        }
    }
}

fn no_capacity(_: NoCapacity) -> StoreError {
    StoreError::Unavailable("this process cannot open a connection".into())
}

fn retries() -> ConstantBuilder {
    ConstantBuilder::default()
        .with_delay(RECORD_RETRY_INTERVAL)
        .with_max_times(MAX_RECORD_RETRIES)
        .with_jitter()
}

fn count(delivered: &Delivered) {
    let EndedAttempt { outcome, disposition, .. } = &delivered.attempt;
    metrics::notification_attempt(outcome.status.as_str(), matches!(disposition, Disposition::Failed { .. }));
    tracing::debug!(
        notification = %delivered.id,
        number = delivered.number,
        status = outcome.status.as_str(),
        error = outcome.error.as_deref(),
        "recorded"
    );
}

/// Nothing was sent, and a retry would not help.
fn refused(class: &'static str, why: &str) -> Outcome {
    Outcome::failed(AttemptStatus::Blocked, class, why)
}

/// A POST of JSON, with these headers after the usual ones.
fn json(headers: HeaderLines, body: Vec<u8>, at: DateTime<Utc>) -> Call {
    let usual = [("User-Agent", AGENT), ("Content-Type", "application/json")];
    let usual = usual.into_iter().map(|(name, value)| (name.into(), HeaderValue::from_static(value)));
    Call {
        method: Method::POST,
        headers: usual.chain(headers).collect(),
        body: body.into(),
        at,
        timeout: TIMEOUT,
        success_statuses: DEFAULT_SUCCESS_STATUSES.into(),
        max_preview_bytes: 0,
    }
}
