//! A workspace's own webhook: the notification as JSON, signed as Standard Webhooks specifies.

use chrono::{DateTime, SecondsFormat, Utc};
use http::HeaderValue;
use serde_json::{Value, json};
use trigrun_core::{
    crypto::sign::Signer,
    domain::{chain, notification::NotificationEvent},
    store::notifications::{ClaimedNotification, Subject},
};

use super::json as send;
use crate::egress::{Call, HeaderLines};

/// `None` when it cannot be signed.
pub fn call(delivery: &ClaimedNotification, signer: Option<&Signer>, at: DateTime<Utc>) -> Option<Call> {
    let (body, id, seconds) =
        (payload(delivery).to_string().into_bytes(), delivery.id.to_string(), at.timestamp());
    let own = [
        ("webhook-signature", signer?.sign(&id, seconds, &body)),
        (chain::DEPTH_HEADER, chain::next(delivery.subject.as_ref().map_or(0, |of| of.depth)).to_string()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-id", id),
    ];
    let mut headers = HeaderLines::new();
    for (name, value) in own {
        headers.push((name.into(), HeaderValue::try_from(value).ok()?));
    }
    Some(send(headers, body, at))
}

/// In the form that Standard Webhooks recommends: type, timestamp, data.
fn payload(delivery: &ClaimedNotification) -> Value {
    let kind = match delivery.event {
        NotificationEvent::Succeeded => "execution.succeeded",
        NotificationEvent::Failed => "execution.failed",
        NotificationEvent::Recovered => "execution.recovered",
        NotificationEvent::Test => "channel.test",
    };
    let mut data =
        json!({ "notification_id": delivery.id.to_string(), "channel_id": delivery.channel.to_string() });
    if let Some(subject) = &delivery.subject {
        data["job"] = json!({ "id": subject.job.to_string(), "name": subject.job_name });
        data["execution"] = execution(subject);
        data["failures_in_a_row"] = json!(subject.failures);
    }
    json!({ "type": kind, "timestamp": instant(delivery.created_at), "data": data })
}

fn execution(subject: &Subject) -> Value {
    json!({
        "id": subject.execution.to_string(),
        "status": subject.status.as_str(),
        "source": subject.source.as_str(),
        "scheduled_for": instant(subject.scheduled_for),
        "started_at": subject.started_at.map(instant),
        "finished_at": subject.finished_at.map(instant),
        "attempt_count": subject.attempt_count,
        "error_class": subject.error_class,
        "status_code": subject.status_code,
        "error": subject.error,
    })
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
