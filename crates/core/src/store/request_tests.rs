//! Requests that are sent once, to try them. An executor claims a test and records its one attempt; a test whose executor stops is not
//! repeated.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName, sql_query,
    sql_types::{
        Array, BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
    },
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    Conn, StoreError,
    columns::{flatten, header_lines, micros, statuses_to_i16s, text},
    executions::AttemptRow,
    jobs::row::RequestRow,
    leases::Lease,
    schema::request_tests,
    sql::prepared,
};
use crate::domain::{
    attempt::EndedAttempt,
    chain::Depth,
    execution::Source,
    id::{ExecutionId, JobId, TestId, WorkspaceId},
    request::{Body, Request},
    request_test::{CLAIM_LIMIT, MAX_KEPT, RETENTION, RequestTest},
    retry::{DeliveryGuarantee, RetryPolicy},
    sent_request::SentAttempt,
};

pub struct NewTest<'a> {
    pub id: TestId,
    /// What the request names as its job; by default the test itself.
    pub job: Option<JobId>,
    pub created_at: DateTime<Utc>,
    pub depth: Depth,
    pub request: &'a Request,
}

/// Also deletes the tests of the workspace that are not among its newest [`MAX_KEPT`], except those that may still run.
pub async fn insert(conn: &mut Conn, workspace: WorkspaceId, new: &NewTest<'_>) -> Result<(), StoreError> {
    let NewTest { id, job, created_at, depth, request } = new;
    prepared(
        sql_query(
            "with deleted as (
                 delete from request_tests where (status is not null or created_at < $4 - interval '10 minutes') and id in (
                     select id from request_tests where workspace_id = $2 order by created_at desc offset $13 - 1))
             insert into request_tests (id, workspace_id, job_id, created_at, depth, url, method, headers, body, body_is_json,
                                        timeout_seconds, success_statuses)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(job.map_or(id.uuid(), JobId::uuid))
        .bind::<Timestamptz, _>(created_at)
        .bind::<SmallInt, _>(depth)
        .bind::<Text, _>(&request.url)
        .bind::<Text, _>(request.method.as_str())
        .bind::<Array<Text>, _>(flatten(request.headers.iter()))
        .bind::<Nullable<Text>, _>(request.body.as_ref().map(Body::as_str))
        .bind::<Bool, _>(matches!(request.body, Some(Body::Json(_))))
        .bind::<SmallInt, _>(request.timeout_seconds as i16)
        .bind::<Array<SmallInt>, _>(statuses_to_i16s(&request.success_statuses))
        .bind::<BigInt, _>(i64::from(MAX_KEPT)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
#[diesel(table_name = request_tests)]
struct TestRow {
    id: Uuid,
    workspace_id: Uuid,
    job_id: Uuid,
    created_at: DateTime<Utc>,
    depth: i16,
    claimed_at: Option<DateTime<Utc>>,
    #[diesel(embed)]
    request: RequestRow,
}

macro_rules! test_columns {
    () => {
        "t.id, t.workspace_id, t.job_id, t.created_at, t.depth, t.claimed_at, t.url, t.method, t.headers, t.body, t.body_is_json,
         t.timeout_seconds, t.success_statuses"
    };
}

/// [`StoreError::NotFound`] if the workspace has no such test, or if it has been purged.
pub async fn get(conn: &mut Conn, workspace: WorkspaceId, id: TestId) -> Result<RequestTest, StoreError> {
    let row: TestRow = prepared(
        sql_query(concat!(
            "select ",
            test_columns!(),
            " from request_tests t where t.id = $1 and t.workspace_id = $2"
        ))
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<SqlUuid, _>(workspace.uuid()),
    )
    .get_result(conn)
    .await?;
    let attempt: Option<AttemptRow> = prepared(
        sql_query(
            "select 1::smallint as number, status, status_code, error_class, error, started_at, dns_us, connect_us, tls_us, first_byte_us,
                    body_us, total_us, remote_address, http_version, response_headers, body_preview, body_truncated, response_bytes
             from request_tests where id = $1 and status is not null",
        )
        .bind::<SqlUuid, _>(id.uuid()),
    )
    .get_result(conn)
    .await
    .optional()?;
    let attempt = attempt.map(AttemptRow::into_attempt).transpose()?;
    Ok(RequestTest {
        id,
        created_at: row.created_at,
        claimed_at: row.claimed_at,
        sent: SentAttempt {
            execution: ExecutionId::from_uuid(row.id),
            job: JobId::from_uuid(row.job_id),
            scheduled_for: row.created_at,
            depth: row.depth,
            number: 1,
            http_version: attempt.as_ref().and_then(|attempt| attempt.http_version.clone()),
            request: row.request.into_request()?,
        },
        attempt,
    })
}

/// A test that waits for an executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, QueryableByName)]
#[diesel(table_name = request_tests)]
pub struct QueuedTest {
    id: Uuid,
    workspace_id: Uuid,
}

impl QueuedTest {
    pub const fn id(self) -> TestId {
        TestId::from_uuid(self.id)
    }

    pub const fn workspace(self) -> WorkspaceId {
        WorkspaceId::from_uuid(self.workspace_id)
    }
}

/// The statement of [`queued`], for the test of its plan.
pub const QUEUED: &str = "select distinct on (workspace_id) workspace_id, id
     from request_tests
     where created_at > now() - interval '30 s' and claimed_at is null
       and not exists (select from workspaces w where w.id = workspace_id and w.suspended_at is not null)
     order by workspace_id, created_at limit $1";
const _: () = assert!(CLAIM_LIMIT.num_seconds() == 30 && RETENTION.num_hours() == 1);

/// The oldest test of each workspace, of those that may still be claimed.
pub async fn queued(conn: &mut Conn, limit: i64) -> Result<Vec<QueuedTest>, StoreError> {
    Ok(prepared(sql_query(QUEUED).bind::<BigInt, _>(limit)).load(conn).await?)
}

/// The right to make the request of a test, once.
pub struct ClaimedTest {
    pub id: TestId,
    pub claimed_at: DateTime<Utc>,
    /// The request as an executor makes it. There is no execution: the lease is neither recorded nor released.
    pub lease: Lease,
}

/// Claims those of these tests that no other executor has claimed; none while there is a hold, or while their workspace is
/// suspended.
pub async fn claim(conn: &mut Conn, ids: &[TestId]) -> Result<Vec<ClaimedTest>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows: Vec<TestRow> = prepared(
        sql_query(concat!(
            "update request_tests t set claimed_at = clock_timestamp()
             where t.id = any($1) and t.claimed_at is null and not exists (select from holds where released_at is null)
               and not exists (select from workspaces w where w.id = t.workspace_id and w.suspended_at is not null)
             returning ",
            test_columns!()
        ))
        .bind::<Array<SqlUuid>, _>(ids),
    )
    .load(conn)
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let id = TestId::from_uuid(row.id);
        match row.into_claimed() {
            Ok(test) => claimed.push(test),
            Err(error) => tracing::error!(%error, test = %id, "cannot read a test"),
        }
    }
    Ok(claimed)
}

/// Releases a claim of which nothing was sent.
pub async fn release(conn: &mut Conn, id: TestId, claimed_at: DateTime<Utc>) -> Result<(), StoreError> {
    prepared(
        sql_query(
            "update request_tests set claimed_at = null where id = $1 and claimed_at = $2 and status is null",
        )
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<Timestamptz, _>(claimed_at),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records the attempt of a test. False if the test or its workspace was deleted.
pub async fn record(
    conn: &mut Conn,
    id: TestId,
    claimed_at: DateTime<Utc>,
    attempt: &EndedAttempt,
) -> Result<bool, StoreError> {
    let EndedAttempt { outcome, started_at, .. } = attempt;
    let timing = &outcome.timing;
    let recorded = prepared(
        sql_query(
            "update request_tests
             set status = $3, status_code = $4, error_class = $5, error = $6, started_at = $7, dns_us = $8, connect_us = $9, tls_us = $10,
                 first_byte_us = $11, body_us = $12, total_us = $13, remote_address = $14, http_version = $15, response_headers = $16,
                 body_preview = $17, body_truncated = $18, response_bytes = $19
             where id = $1 and claimed_at = $2 and status is null",
        )
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<Timestamptz, _>(claimed_at)
        .bind::<Text, _>(outcome.status.as_str())
        .bind::<Nullable<SmallInt>, _>(outcome.status_code.map(|code| code as i16))
        .bind::<Nullable<Text>, _>(outcome.error_class)
        .bind::<Nullable<Text>, _>(outcome.error.as_deref().map(text))
        .bind::<Timestamptz, _>(started_at)
        .bind::<Nullable<Integer>, _>(timing.dns.map(micros))
        .bind::<Nullable<Integer>, _>(timing.connect.map(micros))
        .bind::<Nullable<Integer>, _>(timing.tls.map(micros))
        .bind::<Nullable<Integer>, _>(timing.first_byte.map(micros))
        .bind::<Nullable<Integer>, _>(timing.body.map(micros))
        .bind::<Integer, _>(micros(timing.total))
        .bind::<Nullable<Text>, _>(outcome.remote_address.as_deref())
        .bind::<Nullable<Text>, _>(outcome.http_version)
        .bind::<Text, _>(header_lines(&outcome.response_headers))
        .bind::<Binary, _>(outcome.body_preview.as_slice())
        .bind::<Bool, _>(outcome.body_truncated)
        .bind::<BigInt, _>(i64::try_from(outcome.response_bytes).unwrap_or(i64::MAX)),
    )
    .execute(conn)
    .await?;
    Ok(recorded > 0)
}

/// Deletes up to `limit` tests that are no longer kept, and returns how many.
pub async fn purge(conn: &mut Conn, limit: i64) -> Result<usize, StoreError> {
    let statement = sql_query(
        "delete from request_tests where id in (
             select id from request_tests where created_at < now() - interval '1 hour' order by created_at limit $1)",
    )
    .bind::<BigInt, _>(limit);
    Ok(prepared(statement).execute(conn).await?)
}

impl TestRow {
    fn into_claimed(self) -> Result<ClaimedTest, StoreError> {
        let claimed_at = self.claimed_at.unwrap_or(self.created_at);
        Ok(ClaimedTest {
            id: TestId::from_uuid(self.id),
            claimed_at,
            lease: Lease {
                execution: ExecutionId::from_uuid(self.id),
                workspace: WorkspaceId::from_uuid(self.workspace_id),
                job: JobId::from_uuid(self.job_id),
                number: 1,
                source: Source::Manual,
                scheduled_for: self.created_at,
                due_at: self.created_at,
                traceparent: None,
                version: 1,
                replay_of: None,
                first_started_at: None,
                first_lateness_us: None,
                request: self.request.into_request()?,
                body_to_load: None,
                retry_policy: RetryPolicy { max_attempts: 1, ..RetryPolicy::default() },
                delivery: DeliveryGuarantee::AtMostOnce,
                holds_slot: false,
                ends_job: false,
                depth: self.depth,
                notifies: false,
            },
        })
    }
}
