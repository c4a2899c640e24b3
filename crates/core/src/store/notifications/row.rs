//! Rows of notifications, to the domain. Private to their store.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Binary, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::{ClaimedNotification, Subject};
use crate::{
    domain::{
        id::{ChannelId, ExecutionId, JobId, NotificationId, RuleId, WorkspaceId},
        notification::{Notification, NotificationAttempt, NotificationStatus},
    },
    store::{
        StoreError,
        channels::SealedDestination,
        columns::{duration, parse_enum},
    },
};

#[derive(QueryableByName)]
pub struct Id {
    #[diesel(sql_type = SqlUuid)]
    #[allow(dead_code, reason = "that there is a row is the answer")]
    id: Uuid,
}

/// An execution that ended, beside a rule of its job.
#[derive(QueryableByName)]
pub struct EndedRow {
    #[diesel(sql_type = SqlUuid)]
    pub rule_id: Uuid,
    #[diesel(sql_type = Text)]
    pub event: String,
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub after_failures: Option<i16>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub failures: Option<i32>,
    #[diesel(sql_type = SqlUuid)]
    pub channel_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub execution_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub workspace_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub job_id: Uuid,
    #[diesel(sql_type = Text)]
    pub status: String,
    #[diesel(sql_type = Timestamptz)]
    pub finished_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
pub struct NotificationRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    channel_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    rule_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    job_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    execution_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    event: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Timestamptz)]
    due_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    error_class: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    finished_at: Option<DateTime<Utc>>,
}

impl NotificationRow {
    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn into_notification(self) -> Result<Notification, StoreError> {
        let status: NotificationStatus = parse_enum("notifications.status", &self.status)?;
        let waits = matches!(status, NotificationStatus::Queued | NotificationStatus::Retrying);
        Ok(Notification {
            id: NotificationId::from_uuid(self.id),
            channel: ChannelId::from_uuid(self.channel_id),
            rule: self.rule_id.map(RuleId::from_uuid),
            job: self.job_id.map(JobId::from_uuid),
            execution: self.execution_id.map(ExecutionId::from_uuid),
            told: parse_enum("notifications.event", &self.event)?,
            status,
            error_class: self.error_class,
            created_at: self.created_at,
            finished_at: self.finished_at,
            next_attempt_at: waits.then_some(self.due_at),
            attempts: Vec::new(),
        })
    }
}

#[derive(QueryableByName)]
pub struct AttemptRow {
    #[diesel(sql_type = SqlUuid)]
    pub notification_id: Uuid,
    #[diesel(sql_type = SmallInt)]
    number: i16,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<SmallInt>)]
    status_code: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    error_class: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    started_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    total_us: i32,
}

impl AttemptRow {
    pub fn into_attempt(self) -> Result<NotificationAttempt, StoreError> {
        Ok(NotificationAttempt {
            number: self.number.unsigned_abs(),
            status: parse_enum("notification_attempts.status", &self.status)?,
            status_code: self.status_code.map(i16::unsigned_abs),
            error_class: self.error_class,
            error: self.error,
            started_at: self.started_at,
            total: duration(self.total_us),
        })
    }
}

#[derive(QueryableByName)]
pub struct ClaimedRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    workspace_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    channel_id: Uuid,
    #[diesel(sql_type = Text)]
    channel_name: String,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Binary)]
    sealed: Vec<u8>,
    #[diesel(sql_type = SmallInt)]
    number: i16,
    #[diesel(sql_type = Text)]
    event: String,
    #[diesel(sql_type = Integer)]
    failures: i32,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(embed)]
    subject: SubjectRow,
}

/// All of them are there, or none.
#[derive(QueryableByName)]
struct SubjectRow {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    job_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    job_name: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    execution_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    scheduled_for: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    started_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    attempt_count: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    error_class: Option<String>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    status_code: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
}

impl ClaimedRow {
    pub fn claim(&self) -> (NotificationId, u16) {
        (NotificationId::from_uuid(self.id), self.number.unsigned_abs())
    }

    pub fn into_claimed(self) -> Result<ClaimedNotification, StoreError> {
        let channel = ChannelId::from_uuid(self.channel_id);
        Ok(ClaimedNotification {
            id: NotificationId::from_uuid(self.id),
            workspace: WorkspaceId::from_uuid(self.workspace_id),
            channel,
            channel_name: self.channel_name,
            destination: SealedDestination { channel, version: self.version, sealed: self.sealed },
            number: self.number.unsigned_abs(),
            told: parse_enum("notifications.event", &self.event)?,
            created_at: self.created_at,
            subject: self.subject.into_subject(self.failures.unsigned_abs())?,
        })
    }
}

impl SubjectRow {
    fn into_subject(self, failures: u32) -> Result<Option<Subject>, StoreError> {
        let (Some(job), Some(job_name), Some(execution)) = (self.job_id, self.job_name, self.execution_id)
        else {
            return Ok(None);
        };
        let (Some(status), Some(source), Some(scheduled_for)) =
            (self.status, self.source, self.scheduled_for)
        else {
            return Ok(None);
        };
        Ok(Some(Subject {
            job: JobId::from_uuid(job),
            job_name,
            execution: ExecutionId::from_uuid(execution),
            status: parse_enum("executions.status", &status)?,
            source: parse_enum("executions.source", &source)?,
            scheduled_for,
            started_at: self.started_at,
            finished_at: self.finished_at,
            attempt_count: self.attempt_count.unwrap_or_default().unsigned_abs(),
            error_class: self.error_class,
            status_code: self.status_code.map(i16::unsigned_abs),
            error: self.error,
            failures,
        }))
    }
}
