//! The lists of statuses of a job in JSON: numbers, and ranges such as `5xx`.

use serde::{Deserialize, Serialize};
use trigrun_core::domain::{
    retry::RetryPolicy,
    statuses::{StatusItem, Statuses},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type},
};

use crate::extract::values::whole;

/// A status code of HTTP.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct StatusCode(#[serde(deserialize_with = "whole")] i64);

/// A status from 100 to 599, or a range of a hundred.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a status from 100 to 599, or a range such as 5xx")]
pub enum StatusBody {
    Status(StatusCode),
    Range(StatusRange),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum StatusRange {
    #[serde(rename = "1xx", alias = "1XX")]
    Informational,
    #[serde(rename = "2xx", alias = "2XX")]
    Successful,
    #[serde(rename = "3xx", alias = "3XX")]
    Redirection,
    #[serde(rename = "4xx", alias = "4XX")]
    ClientError,
    #[serde(rename = "5xx", alias = "5XX")]
    ServerError,
}

/// What a retry policy lists.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a status from 100 to 599, a range such as 5xx, or protocol_error")]
pub enum RetryReasonBody {
    Status(StatusBody),
    Error(RetriedError),
}

/// An error that is retried only where it is listed.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum RetriedError {
    /// A POST or PATCH whose response has a head that cannot be read: the server may have acted on the request.
    #[serde(rename = "protocol_error")]
    ProtocolError,
}

impl PartialSchema for StatusBody {
    fn schema() -> RefOr<Schema> {
        status_or("StatusRange")
    }
}

impl ToSchema for StatusBody {}

impl PartialSchema for RetryReasonBody {
    fn schema() -> RefOr<Schema> {
        status_or("RetryReason")
    }
}

impl ToSchema for RetryReasonBody {}

/// A status, or one of the names of an enum.
fn status_or(names: &str) -> RefOr<Schema> {
    let status = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(100)).maximum(Some(599));
    OneOfBuilder::new().item(status).item(Ref::from_schema_name(names)).into()
}

impl StatusBody {
    pub fn list(statuses: &Statuses) -> Vec<Self> {
        statuses.iter().filter_map(Self::of).collect()
    }

    fn of(item: StatusItem) -> Option<Self> {
        Some(match item {
            StatusItem::Status(status) => Self::Status(StatusCode(status.into())),
            StatusItem::Range(digit) => Self::Range(StatusRange::of(digit)?),
        })
    }
}

impl From<StatusBody> for StatusItem<i64> {
    fn from(body: StatusBody) -> Self {
        match body {
            StatusBody::Status(StatusCode(status)) => Self::Status(status),
            StatusBody::Range(range) => Self::Range(range.digit()),
        }
    }
}

impl StatusRange {
    const ALL: [Self; 5] =
        [Self::Informational, Self::Successful, Self::Redirection, Self::ClientError, Self::ServerError];

    fn of(digit: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.digit() == digit)
    }

    const fn digit(self) -> u8 {
        match self {
            Self::Informational => 1,
            Self::Successful => 2,
            Self::Redirection => 3,
            Self::ClientError => 4,
            Self::ServerError => 5,
        }
    }
}

impl RetryReasonBody {
    pub fn list(policy: &RetryPolicy) -> Vec<Self> {
        let statuses = StatusBody::list(&policy.retry_on_statuses).into_iter().map(Self::Status);
        let error = policy.retry_unreadable.then_some(Self::Error(RetriedError::ProtocolError));
        statuses.chain(error).collect()
    }

    /// The statuses of a list, and whether it names the error.
    pub fn split(list: Vec<Self>) -> (Vec<StatusItem<i64>>, bool) {
        let length = list.len();
        let statuses = list.into_iter().filter_map(|item| match item {
            Self::Status(status) => Some(status.into()),
            Self::Error(RetriedError::ProtocolError) => None,
        });
        let statuses: Vec<StatusItem<i64>> = statuses.collect();
        let names_error = statuses.len() < length;
        (statuses, names_error)
    }
}
