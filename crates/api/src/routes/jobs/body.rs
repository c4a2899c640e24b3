//! A job in requests. Every field is optional here: `define` checks what is required and what is valid.

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use trigrun_core::domain::{
    job::{Definition, JobState},
    request::{Body, Request},
    retry::RetryPolicy,
    schedule::Schedule,
};
use utoipa::ToSchema;

use crate::{
    extract::values::{each_once, integer, integers, object},
    time::instant,
};

/// A saved request and its schedule.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JobInput)]
pub struct JobBody {
    /// 1 to 200 characters.
    #[schema(required, example = "nightly report")]
    pub name: Option<String>,
    /// recurring, cron, scheduled or one_time.
    #[schema(required, example = "cron")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "object")]
    pub schedule: Option<ScheduleBody>,
    #[serde(deserialize_with = "object")]
    #[schema(required)]
    pub request: Option<RequestBody>,
    #[serde(deserialize_with = "object")]
    pub retry_policy: Option<RetryBody>,
    /// The maximum number of concurrent executions of the job; null for no limit.
    #[serde(deserialize_with = "integer")]
    pub concurrency_limit: Option<i64>,
    /// What happens to a fire at the concurrency limit: `queue` (it waits) or `skip`.
    #[schema(default = "queue")]
    pub overlap_policy: Option<String>,
    /// What happens to fires that were missed by more than a minute: `fire_once` (one run for all), `skip`, or `catch_up` (one run for each).
    #[schema(default = "fire_once")]
    pub misfire_policy: Option<String>,
    /// The maximum number of missed fires that `catch_up` runs, 1 to 1000.
    #[schema(default = 10)]
    #[serde(deserialize_with = "integer")]
    pub catch_up_limit: Option<i64>,
    /// What happens when it is unknown whether the target received the request: `at_least_once` (retry) or `at_most_once` (do not retry). A
    /// request of which nothing was sent is retried in both cases.
    #[schema(default = "at_least_once")]
    pub delivery: Option<String>,
    /// active, paused or draft. `completed` is set by TrigRun when a job's only run has ended.
    #[schema(default = "active")]
    pub state: Option<String>,
    /// At most 20 tags.
    pub tags: Option<Vec<String>>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub id: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub version: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub next_run_at: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub schedule_error: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub last_execution: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub execution_id: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub warnings: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub created_at: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub updated_at: Option<Repeated>,
}

/// What a response has in addition, so that a client may send it back. A create ignores it; a change checks it: see `read_only`.
pub type Repeated = IgnoredAny;

/// When the job fires. The kind determines the fields; a `one_time` job has none.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Schedule)]
pub struct ScheduleBody {
    /// For recurring: the interval in minutes, 1 to 1440. Fires at created_at + k·N minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "integer")]
    pub every_n_minutes: Option<i64>,
    /// For cron: five fields, or @hourly, @daily, @weekly, @monthly, @yearly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "30 4 * * MON-FRI")]
    pub cron: Option<String>,
    /// For cron: the IANA name of a time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = "UTC", example = "Europe/Berlin")]
    pub timezone: Option<String>,
    /// For scheduled: an instant in the future, RFC 3339 with an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2027-01-01T00:00:00Z")]
    pub run_at: Option<String>,
}

/// The request, and which responses count as success.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Request)]
pub struct RequestBody {
    /// http or https, a public host, at most 2,048 characters.
    #[schema(required, example = "https://example.com/report")]
    pub url: Option<String>,
    /// GET, POST, PUT, PATCH or DELETE.
    #[schema(default = "GET")]
    pub method: Option<String>,
    /// At most 64 headers, with at most 16 KiB in total.
    #[serde(deserialize_with = "each_once")]
    pub headers: Option<BTreeMap<String, String>>,
    /// A string is sent as its characters, any other JSON value exactly as written. At most 256 KiB. Absent in lists.
    // Absent in lists; null if the job has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    pub body: Option<Option<Box<RawValue>>>,
    /// The timeout in seconds of one attempt, from connecting to the last byte, 1 to 300.
    #[schema(default = 30)]
    #[serde(deserialize_with = "integer")]
    pub timeout_seconds: Option<i64>,
    /// Statuses that count as success.
    #[schema(default = json!([200, 201, 202, 204]))]
    #[serde(deserialize_with = "integers")]
    pub success_statuses: Option<Vec<i64>>,
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RetryPolicy)]
pub struct RetryBody {
    /// The maximum number of attempts, including the first, 1 to 10.
    #[schema(default = 3)]
    #[serde(deserialize_with = "integer")]
    pub max_attempts: Option<i64>,
    /// Statuses after which an attempt is retried.
    #[schema(default = json!([429, 500, 502, 503, 504]))]
    #[serde(deserialize_with = "integers")]
    pub retry_on_statuses: Option<Vec<i64>>,
}

impl JobBody {
    /// The definition as a client could have sent it, with all defaults filled in.
    pub fn of(definition: &Definition, state: JobState) -> Self {
        Self {
            name: Some(definition.name.clone()),
            kind: Some(definition.schedule.kind().as_str().to_owned()),
            schedule: ScheduleBody::of(&definition.schedule),
            request: Some(RequestBody::of(&definition.request)),
            retry_policy: Some(RetryBody::of(&definition.retry_policy)),
            concurrency_limit: definition.concurrency_limit.map(i64::from),
            overlap_policy: Some(definition.overlap_policy.as_str().to_owned()),
            misfire_policy: Some(definition.misfire_policy.as_str().to_owned()),
            catch_up_limit: Some(definition.catch_up_limit.into()),
            delivery: Some(definition.delivery.as_str().to_owned()),
            state: Some(state.as_str().to_owned()),
            tags: Some(definition.tags.clone()),
            ..Self::default()
        }
    }
}

impl ScheduleBody {
    fn of(schedule: &Schedule) -> Option<Self> {
        Some(match schedule {
            Schedule::Recurring { every_seconds } => {
                Self { every_n_minutes: Some(i64::from(*every_seconds) / 60), ..Self::default() }
            }
            Schedule::Cron(cron) => Self {
                cron: Some(cron.expression().to_owned()),
                timezone: Some(cron.timezone().to_owned()),
                ..Self::default()
            },
            Schedule::Scheduled { run_at } => Self { run_at: Some(instant(*run_at)), ..Self::default() },
            Schedule::OneTime => return None,
        })
    }
}

impl RequestBody {
    fn of(request: &Request) -> Self {
        Self {
            url: Some(request.url.clone()),
            method: Some(request.method.as_str().to_owned()),
            headers: Some(
                request.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ),
            body: Some(request.body.as_ref().and_then(raw)),
            timeout_seconds: Some(request.timeout_seconds.into()),
            success_statuses: Some(
                request.success_statuses.iter().map(|status| i64::from(*status)).collect(),
            ),
        }
    }
}

fn raw(body: &Body) -> Option<Box<RawValue>> {
    match body {
        Body::Json(text) => RawValue::from_string(text.clone()).ok(),
        Body::Text(text) => serde_json::value::to_raw_value(text).ok(),
    }
}

impl RetryBody {
    fn of(policy: &RetryPolicy) -> Self {
        Self {
            max_attempts: Some(policy.max_attempts.into()),
            retry_on_statuses: Some(
                policy.retry_on_statuses.iter().map(|status| i64::from(*status)).collect(),
            ),
        }
    }
}
