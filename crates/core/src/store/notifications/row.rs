//! Rows of notifications, to the domain. Private to `notifications`.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    dsl::SqlTypeOf,
    sql_types::{Nullable, Timestamptz},
};
use uuid::Uuid;

use super::{ClaimedNotification, Subject};
use crate::{
    domain::{
        id::{ChannelId, ExecutionId, JobId, NotificationId, RuleId, WorkspaceId},
        notification::{Notification, NotificationAttempt, NotificationStatus},
        redact::urls::mask_urls,
    },
    store::{
        StoreError,
        columns::{duration, parse_enum},
        destination::SealedDestination,
        schema::{channels, executions, jobs, notification_attempts, notification_rules, notifications},
    },
};

#[derive(QueryableByName)]
#[diesel(table_name = notifications)]
pub struct Id {
    #[allow(dead_code, reason = "only the existence of the row matters")]
    id: Uuid,
}

/// An execution that ended, with a rule of its job.
#[derive(QueryableByName)]
#[diesel(table_name = notification_rules)]
pub struct EndedRow {
    #[diesel(sql_type = SqlTypeOf<notification_rules::id>)]
    pub rule_id: Uuid,
    pub event: String,
    pub after_failures: Option<i16>,
    pub failures: Option<i32>,
    pub channel_id: Uuid,
    #[diesel(sql_type = SqlTypeOf<executions::id>)]
    pub execution_id: Uuid,
    #[diesel(sql_type = SqlTypeOf<executions::workspace_id>)]
    pub workspace_id: Uuid,
    #[diesel(sql_type = SqlTypeOf<executions::job_id>)]
    pub job_id: Uuid,
    #[diesel(sql_type = SqlTypeOf<executions::status>)]
    pub status: String,
    // Not null: it has ended.
    #[diesel(sql_type = Timestamptz)]
    pub finished_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
#[diesel(table_name = notifications)]
pub struct NotificationRow {
    id: Uuid,
    channel_id: Uuid,
    rule_id: Option<Uuid>,
    job_id: Option<Uuid>,
    execution_id: Option<Uuid>,
    event: String,
    status: String,
    due_at: DateTime<Utc>,
    error_class: Option<String>,
    created_at: DateTime<Utc>,
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
            event: parse_enum("notifications.event", &self.event)?,
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
#[diesel(table_name = notification_attempts)]
pub struct AttemptRow {
    pub notification_id: Uuid,
    number: i16,
    status: String,
    status_code: Option<i16>,
    error_class: Option<String>,
    error: Option<String>,
    started_at: DateTime<Utc>,
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
#[diesel(table_name = notifications)]
pub struct ClaimedRow {
    id: Uuid,
    workspace_id: Uuid,
    channel_id: Uuid,
    #[diesel(sql_type = SqlTypeOf<channels::name>)]
    channel_name: String,
    #[diesel(sql_type = SqlTypeOf<channels::version>)]
    version: i32,
    #[diesel(sql_type = SqlTypeOf<channels::sealed>)]
    sealed: Vec<u8>,
    #[diesel(sql_type = SqlTypeOf<notifications::attempt_count>)]
    number: i16,
    event: String,
    failures: i32,
    created_at: DateTime<Utc>,
    #[diesel(embed)]
    subject: SubjectRow,
}

/// All of them are set, or none. `status_code` and `error` are those of its last attempt, which have the same names.
#[derive(QueryableByName)]
#[diesel(table_name = executions)]
struct SubjectRow {
    #[diesel(sql_type = Nullable<SqlTypeOf<jobs::id>>)]
    job_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlTypeOf<jobs::name>>)]
    job_name: Option<String>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::id>>)]
    execution_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::status>>)]
    status: Option<String>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::source>>)]
    source: Option<String>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::scheduled_for>>)]
    scheduled_for: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::finished_at>>)]
    finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::attempt_count>>)]
    attempt_count: Option<i16>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::depth>>)]
    depth: Option<i16>,
    error_class: Option<String>,
    status_code: Option<i16>,
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
            channel_name: mask_urls(&self.channel_name),
            destination: SealedDestination { channel, version: self.version, sealed: self.sealed },
            number: self.number.unsigned_abs(),
            event: parse_enum("notifications.event", &self.event)?,
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
            job_name: mask_urls(&job_name),
            execution: ExecutionId::from_uuid(execution),
            status: parse_enum("executions.status", &status)?,
            source: parse_enum("executions.source", &source)?,
            scheduled_for,
            started_at: self.started_at,
            finished_at: self.finished_at,
            attempt_count: self.attempt_count.unwrap_or_default().unsigned_abs(),
            depth: self.depth.unwrap_or_default(),
            error_class: self.error_class,
            status_code: self.status_code.map(i16::unsigned_abs),
            error: self.error,
            failures,
        }))
    }
}
