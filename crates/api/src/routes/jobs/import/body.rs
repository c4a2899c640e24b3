//! The body of an import.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    enums,
    extract::values::{each_once, integer, object},
    routes::{jobs::body::RetryBody, statuses::StatusBody},
};

/// A crontab in which each line is an expression and a URL, and the settings that its jobs share.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ImportInput)]
pub struct ImportBody {
    /// At most 1000 job lines; comments and blank lines do not count. `CRON_TZ=` sets the time zone of the lines after it.
    #[schema(
        required,
        example = "# reports\n0 9 * * MON-FRI https://example.com/report\n@daily https://example.com/cleanup"
    )]
    pub crontab: Option<String>,
    /// The URL of lines without one.
    #[schema(max_length = 2048)]
    pub default_url: Option<String>,
    /// The time zone of the lines before the first `CRON_TZ=`, an IANA name.
    #[schema(default = "UTC", example = "Europe/Berlin")]
    pub timezone: Option<String>,
    #[schema(value_type = Option<enums::WantedState>, default = "active")]
    pub state: Option<String>,
    #[serde(deserialize_with = "object")]
    pub request: Option<ImportRequestBody>,
    #[serde(deserialize_with = "object")]
    pub retry_policy: Option<RetryBody>,
    /// If any line is invalid, create nothing and return 422 with the errors at `/crontab/<line>`.
    #[schema(default = false)]
    pub atomic: Option<bool>,
    /// Create nothing, and return what would be created.
    #[schema(default = false)]
    pub dry_run: Option<bool>,
}

/// The request that each job sends to its URL, and the statuses that count as success.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ImportRequestInput)]
pub struct ImportRequestBody {
    /// Accepted only to explain where the URL belongs.
    #[schema(ignore)]
    pub url: Option<Box<RawValue>>,
    #[schema(value_type = Option<enums::Method>, default = "GET")]
    pub method: Option<String>,
    /// At most 64 headers, with at most 16 KiB in total.
    #[serde(deserialize_with = "each_once")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub headers: Option<IndexMap<String, String>>,
    /// At most 256 KiB. Headers and body of all jobs of the import together: at most 8 MiB.
    #[schema(value_type = Value)]
    pub body: Option<Box<RawValue>>,
    /// The timeout of one attempt in seconds.
    #[schema(minimum = 1, maximum = 300, default = 30)]
    #[serde(deserialize_with = "integer")]
    pub timeout_seconds: Option<i64>,
    /// Statuses, and ranges such as 2xx, that count as success.
    #[schema(inline, min_items = 1, max_items = 500, default = json!([200, 201, 202, 204]))]
    pub success_statuses: Option<Vec<StatusBody>>,
}
