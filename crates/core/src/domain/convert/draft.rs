//! A converted job, in the shape of the body that creates a job.

use serde::{Serialize, Serializer};

/// The body of a job. It has only what the source says: everything else is left to the defaults of the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Draft {
    pub name: String,
    #[serde(flatten)]
    pub when: When,
    pub request: DraftRequest,
    pub retry_policy: DraftRetry,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misfire_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// The kind and the schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(tag = "kind", content = "schedule", rename_all = "snake_case")]
pub enum When {
    #[default]
    OneTime,
    Recurring {
        every_n_minutes: u32,
    },
    Cron {
        cron: String,
        timezone: String,
    },
    Scheduled {
        /// RFC 3339.
        run_at: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DraftRequest {
    pub url: String,
    pub method: String,
    /// In the order of the source; names are unique.
    #[serde(serialize_with = "as_map", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Always a string, so that its bytes are those of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    pub timeout_seconds: u16,
    pub success_statuses: Vec<Status>,
}

/// A status, or a range of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Status {
    Code(u16),
    Range(&'static str),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DraftRetry {
    pub max_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on_statuses: Option<Vec<Status>>,
}

pub(super) const MAX_TIMEOUT_SECONDS: u16 = crate::domain::request::MAX_TIMEOUT_SECONDS;

impl Default for DraftRequest {
    /// Most sources have no time limit, or a longer one than there can be here.
    fn default() -> Self {
        Self {
            url: String::new(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            timeout_seconds: MAX_TIMEOUT_SECONDS,
            success_statuses: vec![Status::Range("2xx")],
        }
    }
}

impl Default for DraftRetry {
    fn default() -> Self {
        Self { max_attempts: 1, retry_on_statuses: None }
    }
}

impl Draft {
    /// For a request that must not overlap with itself.
    pub(super) fn never_at_once(&mut self, overlap_policy: Option<&'static str>) {
        self.concurrency_limit = Some(1);
        self.overlap_policy = overlap_policy;
    }

    /// How many bytes the job has of what the source can make long.
    pub(super) fn bytes(&self) -> usize {
        let headers: usize = self.request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let body = self.request.body.as_ref().map_or(0, String::len);
        self.name.len() + self.request.url.len() + headers + body
    }
}

fn as_map<S: Serializer>(headers: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}
