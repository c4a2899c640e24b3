//! The egress module against scripted targets on loopback.

mod destinations;
mod heads;
mod hostile;
mod names;
mod policy;
mod resends;
mod responses;
mod reuse;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use http::{HeaderValue, Method};
use trigrun_core::domain::{
    address::EgressPolicy,
    attempt::{MAX_PREVIEW_BYTES, Outcome},
    id::{JobId, WorkspaceId},
    target::TargetUrl,
};
use trigrun_executor::{
    egress::{Call, Egress, Ready, Sent, Settings, Unprepared},
    owner::Owner,
};
use uuid::Uuid;

/// Ends a test that hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// A job of a workspace that is an account of its own.
fn owner(number: u128) -> Owner {
    let id = Uuid::from_u128(number);
    Owner::alone(WorkspaceId::from_uuid(id), JobId::from_uuid(id))
}

fn allowing(nets: &[&str]) -> EgressPolicy {
    EgressPolicy::new(nets.iter().map(|net| net.parse().unwrap()).collect())
}

fn loopback() -> Settings {
    Settings::new(allowing(&["127.0.0.0/8"]))
}

fn new_egress() -> Egress {
    Egress::new(loopback()).unwrap()
}

/// Parsed with a lenient policy, because these tests are about the check at the dial.
fn url(text: impl AsRef<str>) -> TargetUrl {
    TargetUrl::parse(text.as_ref(), &allowing(&["0.0.0.0/0", "::/0"])).unwrap()
}

fn post(body: &'static str) -> Call {
    Call {
        method: Method::POST,
        headers: vec![("Content-Type".into(), HeaderValue::from_static("application/json"))],
        body: Bytes::from_static(body.as_bytes()),
        at: DateTime::UNIX_EPOCH,
        timeout: DEADLINE,
        success_statuses: [200, 201, 202, 204].into(),
        max_preview_bytes: MAX_PREVIEW_BYTES,
    }
}

fn get() -> Call {
    Call { method: Method::GET, headers: Vec::new(), ..post("") }
}

/// The outcome of a preparation that failed.
fn failed(unprepared: Unprepared) -> Box<Outcome> {
    match unprepared {
        Unprepared::Failed(outcome) => outcome,
        Unprepared::NoCapacity => panic!("this process cannot open a connection"),
    }
}

async fn prepare(egress: &Egress, text: &str) -> Result<Ready, Box<Outcome>> {
    egress.prepare(&owner(1), &url(text), DEADLINE).await.map_err(failed)
}

/// Prepares and sends, and returns the outcome of either.
async fn exchange(egress: &Egress, text: impl AsRef<str>, call: Call) -> Sent {
    match egress.prepare(&owner(1), &url(text), call.timeout).await {
        Ok(ready) => ready.send(call).await.unwrap(),
        Err(unprepared) => Sent { sent_at: None, outcome: *failed(unprepared) },
    }
}
