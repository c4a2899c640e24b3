//! A job in requests. Every field is optional here: `define` checks what is required and what is valid.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use trigrun_core::domain::{
    job::{DEFAULT_CATCH_UP_LIMIT, Definition, JobState, MisfirePolicy, OverlapPolicy},
    request::{Body, DEFAULT_SUCCESS_STATUSES, DEFAULT_TIMEOUT_SECONDS, Method, Request},
    retry::{DeliveryGuarantee, RetryPolicy},
    schedule::Schedule,
};
use utoipa::ToSchema;

use crate::routes::statuses::{RetryReasonBody, StatusBody};
use crate::{
    enums,
    extract::values::{each_once, integer, object},
    time::instant,
};

/// A tag.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 64)]
#[expect(dead_code)]
pub struct Tag(String);

/// A saved request and its schedule.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JobInput)]
pub struct JobBody {
    /// Your name for the job, unique in the workspace: 1 to 100 characters of a-z, 0-9, `.`, `_` and `-`. In a path, it can stand for the id.
    #[schema(max_length = 100, pattern = "^[a-z0-9][a-z0-9._-]*$", example = "nightly-report")]
    pub key: Option<String>,
    /// The set of jobs that this job is applied with: see POST /v1/jobs/apply.
    #[schema(max_length = 100, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    pub stack: Option<String>,
    #[schema(required, min_length = 1, max_length = 200, example = "nightly report")]
    pub name: Option<String>,
    /// May be left out where a field of `schedule` says it.
    #[schema(value_type = Option<enums::JobKind>, example = "cron")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "object")]
    pub schedule: Option<ScheduleBody>,
    #[serde(deserialize_with = "object")]
    #[schema(required)]
    pub request: Option<RequestBody>,
    #[serde(deserialize_with = "object")]
    pub retry_policy: Option<RetryBody>,
    /// The maximum number of concurrent executions of the job; null for no limit.
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(deserialize_with = "integer")]
    pub concurrency_limit: Option<i64>,
    /// What happens to a fire at the concurrency limit: `queue` (it waits) or `skip`.
    #[schema(value_type = Option<enums::OverlapPolicy>, default = "queue")]
    pub overlap_policy: Option<String>,
    /// What happens to fires that were missed by more than a minute: `fire_once` (one run for all), `skip`, or `catch_up` (one run for each).
    #[schema(value_type = Option<enums::MisfirePolicy>, default = "fire_once")]
    pub misfire_policy: Option<String>,
    /// The maximum number of missed fires that `catch_up` runs.
    #[schema(minimum = 1, maximum = 1000, default = 10)]
    #[serde(deserialize_with = "integer")]
    pub catch_up_limit: Option<i64>,
    /// What happens when it is unknown whether the target received the request: `at_least_once` (retry) or `at_most_once` (do not retry). A
    /// request of which nothing was sent is retried in both cases.
    #[schema(value_type = Option<enums::Delivery>, default = "at_least_once")]
    pub delivery: Option<String>,
    /// `completed` is set by TrigRun when a job's only run has ended.
    #[schema(value_type = Option<enums::WantedState>, default = "active")]
    pub state: Option<String>,
    /// Words to find jobs by.
    #[schema(inline, value_type = Option<Vec<Tag>>, max_items = 20, default = json!([]))]
    pub tags: Option<Vec<String>>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub id: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub version: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub host: Option<Repeated>,
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub schedule_in_words: Option<Repeated>,
    // An object: `"paused": true` would be a misunderstanding.
    #[serde(skip_serializing, deserialize_with = "object")]
    #[schema(ignore)]
    pub paused: Option<RepeatedObject>,
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
    pub health: Option<Repeated>,
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

/// An object of a response, likewise.
#[derive(Default, Deserialize)]
pub struct RepeatedObject {}

/// When the job fires. The kind determines the fields; a `one_time` job has none.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ScheduleInput)]
pub struct ScheduleBody {
    /// For recurring: the interval in minutes. Fires at created_at + k·N minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1440)]
    #[serde(deserialize_with = "integer")]
    pub every_n_minutes: Option<i64>,
    /// For cron: five fields, or @hourly, @daily, @weekly, @monthly, @yearly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "30 4 * * MON-FRI")]
    pub cron: Option<String>,
    /// For cron: the IANA name of a time zone. The other kinds do not depend on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = "UTC", example = "Europe/Berlin")]
    pub timezone: Option<String>,
    /// For scheduled: an instant in the future, RFC 3339 with an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, example = "2027-01-01T00:00:00Z")]
    pub run_at: Option<String>,
}

/// The request, and which responses count as success.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RequestInput)]
pub struct RequestBody {
    /// http or https, and a public host.
    #[schema(required, max_length = 2048, example = "https://example.com/report")]
    pub url: Option<String>,
    #[schema(value_type = Option<enums::Method>, default = "GET")]
    pub method: Option<String>,
    /// At most 64 headers, with at most 16 KiB in total.
    #[serde(deserialize_with = "each_once")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub headers: Option<IndexMap<String, String>>,
    /// A string is sent as its characters, any other JSON value exactly as written. At most 256 KiB. Absent in lists.
    // Absent in lists; null if the job has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    pub body: Option<Option<Box<RawValue>>>,
    /// The timeout in seconds of one attempt, from connecting to the last byte.
    #[schema(minimum = 1, maximum = 300, default = 30)]
    #[serde(deserialize_with = "integer")]
    pub timeout_seconds: Option<i64>,
    /// Statuses, and ranges such as 2xx, that count as success.
    #[schema(inline, min_items = 1, max_items = 500, default = json!([200, 201, 202, 204]))]
    pub success_statuses: Option<Vec<StatusBody>>,
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RetryPolicyInput)]
pub struct RetryBody {
    /// The maximum number of attempts, including the first.
    #[schema(minimum = 1, maximum = 10, default = 3)]
    #[serde(deserialize_with = "integer")]
    pub max_attempts: Option<i64>,
    /// Statuses, and ranges such as 5xx, after which an attempt is retried. Worth adding where they are known to be temporary: 408, 425, 507,
    /// and 520 to 530 of Cloudflare. protocol_error repeats a POST or PATCH whose response could not be read.
    #[schema(inline, max_items = 500, default = json!([429, 500, 502, 503, 504]))]
    pub retry_on_statuses: Option<Vec<RetryReasonBody>>,
}

impl JobBody {
    /// Prepares a job that a client has received and sends back for the creation of a copy.
    pub fn copy(&mut self) {
        // TrigRun has completed the original.
        if self.id.is_some() && self.state.as_deref() == Some(JobState::Completed.as_str()) {
            self.state = None;
        }
    }

    /// What a job with this schedule has if a client sends nothing else.
    pub fn defaults(schedule: &Schedule) -> Self {
        Self {
            name: None,
            schedule: match schedule {
                Schedule::Cron(_) => {
                    Some(ScheduleBody { timezone: Some("UTC".to_owned()), ..ScheduleBody::default() })
                }
                _ => None,
            },
            request: Some(RequestBody {
                url: None,
                method: Some(Method::default().as_str().to_owned()),
                headers: Some(IndexMap::new()),
                body: None,
                timeout_seconds: Some(DEFAULT_TIMEOUT_SECONDS.into()),
                success_statuses: Some(StatusBody::list(&DEFAULT_SUCCESS_STATUSES.into())),
            }),
            retry_policy: Some(RetryBody::of(&RetryPolicy::default())),
            overlap_policy: Some(OverlapPolicy::default().as_str().to_owned()),
            misfire_policy: Some(MisfirePolicy::default().as_str().to_owned()),
            catch_up_limit: Some(DEFAULT_CATCH_UP_LIMIT.into()),
            delivery: Some(DeliveryGuarantee::default().as_str().to_owned()),
            state: Some(JobState::default().as_str().to_owned()),
            tags: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// The definition as a client could have sent it, with all defaults filled in.
    pub fn of(definition: &Definition, state: JobState) -> Self {
        Self {
            key: definition.key.clone(),
            stack: definition.stack.clone(),
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
            success_statuses: Some(StatusBody::list(&request.success_statuses)),
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
            retry_on_statuses: Some(RetryReasonBody::list(policy)),
        }
    }
}
