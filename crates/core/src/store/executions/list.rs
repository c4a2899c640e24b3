//! Lists of executions: one statement per way to filter, each of them bounded.
//!
//! A workspace may have millions of executions, a page has fifty. Each statement reads one index in order, and stops when the page is
//! full or when it has read `MAX_ROWS_SEARCHED` rows. The limit also separates the index scan from the filters. Otherwise Postgres would
//! assume that they match next to nothing, and would read and sort all rows.

use chrono::{DateTime, Utc};
use diesel::{
    sql_query,
    sql_types::{Array, BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    ID_MARGIN,
    row::{ExecutionRow, LastAttemptRow, authority, execution_columns, run_columns},
};
use crate::{
    domain::{
        execution::{Execution, Source, Status},
        id::{ExecutionId, JobId, WorkspaceId},
        page::{List, Page, Searched, max_rows_searched},
        statuses::StatusItem,
    },
    store::{Conn, StoreError, columns::SearchedRow, schema::jobs, sql::prepared},
};

/// Filters of a list. The default matches everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Any of these; any at all if there are none.
    pub statuses: Vec<Status>,
    pub source: Option<Source>,
    pub job: Option<JobId>,
    /// Of any of these jobs, at most [`MAX_NAMED_JOBS`]; of any at all if there are none.
    pub jobs: Vec<JobId>,
    /// A substring of the job's name, regardless of case.
    pub job_name: Option<String>,
    /// The job has this tag now.
    pub tag: Option<String>,
    /// Of the URL, as the version of the job has it that was run: with its port, or without.
    pub host: Option<String>,
    /// Of the attempt that ended the execution.
    pub status_code: Option<StatusItem>,
    /// It has had so many attempts or more.
    pub min_attempts: Option<u16>,
    pub error_class: Option<String>,
    /// `scheduled_for` is in `[from, to)`.
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// How many executions of each job are searched by a list that goes job by job: a full page may consist of the executions of one.
macro_rules! max_rows_of_job {
    () => {
        250
    };
}

/// The executions of one table in the index on `$key` and id with these values of the key, between two ids, at most `$max`, in the order
/// `$order`. The key and the id are compared and ordered together: `$key = … order by id` might read the index on the id, with the rows of
/// all workspaces. `$prune` leaves out partitions.
macro_rules! walk_table {
    ($columns:expr, $table:literal, $prune:literal, [$($key:literal)+], $value:literal, $and:literal, $max:expr, $order:literal) => {
        concat!(
            "select ", $columns, " from ", $table, " e
                  where (", $($key, ", ",)+ "e.id) < (", $value, ", $2) and (", $($key, ", ",)+ "e.id) >= (", $value, ", $3)", $prune, $and, " order by ", $($key, $order, ", ",)+ "e.id", $order, " limit ", $max
        )
    };
}

/// The rows of such a walk of the open executions, of those that ended, or of both, numbered. Postgres merges the two walks of both: each has
/// the order of its index, and is read as far as the page needs it.
macro_rules! walk {
    (open, $key:tt, $value:literal, $and:literal, $max:expr, $order:literal) => {
        concat!(
            "(select e.*, row_number() over () as number from (",
            walk_table!(run_columns!(), "runs", "", $key, $value, $and, $max, $order),
            ") e) e"
        )
    };
    (ended, $key:tt, $value:literal, $and:literal, $max:expr, $order:literal) => {
        concat!(
            "(select e.*, row_number() over () as number from (",
            walk_table!(execution_columns!(), "executions", " and e.id < $2", $key, $value, $and, $max, $order),
            ") e) e"
        )
    };
    (both, [$($key:literal)+], $value:literal, $and:literal, $max:expr, $order:literal) => {
        concat!(
            "(select e.*, row_number() over () as number from (select * from ((",
            walk_table!(run_columns!(), "runs", "", [$($key)+], $value, $and, $max, $order),
            ") union all (",
            walk_table!(execution_columns!(), "executions", " and e.id < $2", [$($key)+], $value, $and, $max, $order),
            ")) e order by ", $($key, $order, ", ",)+ "e.id", $order, " limit ", $max, ") e) e"
        )
    };
}

/// The matching rows of a walk, and the row `$last` at which it stopped, up to one more than a page. The name of a job is looked up only for
/// rows that match otherwise; it is null if the job does not exist, or lacks the tag or the host. Postgres does not estimate conditions inside a `case`. Otherwise it
/// would expect few rows, and would read and sort all of them.
macro_rules! wanted {
    ($walk:expr, $last:expr) => {
        concat!(
            "select * from (
                 select id, workspace_id, job_id, version, status, source, scheduled_for, due_at, waits_for_slot, waits_for_capacity,
                        started_at, finished_at, lateness_us, attempt_count, attempt_status, status_code, error, error_class, replay_of,
                        skip_reason, skip_count, skip_last, coalesce(job_name, '') as job_name, is_last,
                        fits and job_name is not null
                        and case when position(upper($7 collate \"und-x-icu\") in upper(job_name collate \"und-x-icu\")) > 0 then true else $7::text is null end as matches
                 from (
                     select e.*, ", $last, " as is_last,
                            case when fits then (
                                select j.name from jobs j
                                where j.id = e.job_id and j.workspace_id = $1
                                      and case when $14 = any(j.tags) then true else $14::text is null end
                                      and case when $15::text is null then true else (
                                          select authority = $15 or starts_with(authority, $15 || ':')
                                          from (select split_part(v.url, '/', 3) as authority from job_versions v
                                                where v.job_id = e.job_id and v.version = e.version) v) end) end as job_name
                     from (
                         select e.*, e.workspace_id = $1 and e.id < $2 and e.id >= $3
                                and case when status = any($4) then true else cardinality($4) = 0 end
                                and case when source = $5 then true else $5::text is null end
                                and case when job_id = $6 then true else $6::uuid is null end
                                and case when job_id = any($18::uuid[]) then true else cardinality($18::uuid[]) = 0 end
                                and case when status_code between $12 and $16 then true else $12::smallint is null end
                                and case when attempt_count >= $17 then true else $17::smallint is null end
                                and case when error_class = $13 then true else $13::text is null end
                                and case when scheduled_for >= $8 then true else $8::timestamptz is null end
                                and case when scheduled_for < $9 then true else $9::timestamptz is null end as fits
                         from ", $walk, ") e offset 0) e) e
             where matches or is_last"
        )
    };
}

/// A walk that stops after `$max` rows. The row at which it stopped becomes a cursor, so it is never one of another workspace; a job has
/// rows of one workspace only.
macro_rules! first {
    ($which:tt, $key:tt, $value:literal, $and:literal, $max:expr, $order:literal) => {
        concat!(
            wanted!(
                walk!($which, $key, $value, $and, $max, $order),
                concat!("e.number = ", $max, " and e.workspace_id = $1")
            ),
            " limit $10"
        )
    };
}

/// The rows of a list with the authority of the URL that their jobs had: looked up for the rows of the page only.
macro_rules! with_authority {
    ($rows:expr) => {
        concat!("select e.*, ", authority!(), " as authority from (", $rows, ") e")
    };
}

/// The statements in one order, at the places that [`Search`] names.
macro_rules! lists {
    ($order:literal) => {
        [
            with_authority!(first!(both, ["e.workspace_id"], "$1", "", max_rows_searched!(), $order)),
            with_authority!(first!(both, ["e.job_id"], "$6", "", max_rows_searched!(), $order)),
            with_authority!(first!(
                ended,
                ["e.workspace_id"],
                "$1",
                " and (e.error_class is not null or e.skip_reason is not null)",
                max_rows_searched!(),
                $order
            )),
            with_authority!(first!(open, ["e.workspace_id"], "$1", "", max_rows_searched!(), $order)),
            with_authority!(first!(
                both,
                ["e.workspace_id" "e.source"],
                "$1, $5",
                " and e.source <> 'schedule'",
                max_rows_searched!(),
                $order
            )),
            // A page of each of these jobs, and of those rows the first.
            with_authority!(concat!(
                "select e.* from unnest($11::uuid[]) as named(id) cross join lateral (",
                first!(both, ["e.job_id"], "named.id", "", max_rows_of_job!(), $order),
                ") e order by e.id",
                $order,
                " limit $10"
            )),
        ]
    };
}

/// The statements of [`list`], for the test of their plans.
pub const LISTS: [&str; 6] = lists!(" desc");
/// The statements of [`list_oldest_first`].
pub const LISTS_OLDEST_FIRST: [&str; 6] = lists!("");

/// What a statement searches.
#[derive(Clone, Copy)]
enum Search {
    All,
    OfJob,
    Unsuccessful,
    Open,
    AskedFor,
    OfJobs,
}

/// The search that reads the fewest rows in order.
fn search_for(filter: &Filter, named: Option<&[Uuid]>) -> Search {
    match filter {
        Filter { job: Some(_), .. } => Search::OfJob,
        Filter { jobs, .. } if !jobs.is_empty() => Search::OfJobs,
        Filter { statuses, .. } if all_are(statuses, |status| !status.is_terminal()) => Search::Open,
        // Only these have an error class.
        Filter { error_class: Some(_), .. } => Search::Unsuccessful,
        Filter { statuses, .. } if all_are(statuses, is_unsuccessful) => Search::Unsuccessful,
        _ if named.is_some() => Search::OfJobs,
        Filter { source: Some(Source::Manual | Source::OneTime | Source::Replay), .. } => Search::AskedFor,
        _ => Search::All,
    }
}

fn all_are(statuses: &[Status], of: fn(Status) -> bool) -> bool {
    !statuses.is_empty() && statuses.iter().all(|status| of(*status))
}

const fn is_unsuccessful(status: Status) -> bool {
    matches!(status, Status::Failed | Status::Cancelled | Status::Skipped)
}

/// Newest first by due time; without attempts. A page may be short, or even empty, and have a next one: see [`MAX_ROWS_SEARCHED`].
///
/// [`MAX_ROWS_SEARCHED`]: crate::domain::page::MAX_ROWS_SEARCHED
pub async fn list(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    page: Page,
) -> Result<List<Execution>, StoreError> {
    let (from, to) = bounds(filter);
    let to = page.before.map_or(to, |before| to.min(before));
    page_of(conn, workspace, filter, (&LISTS, page.limit), (from, to)).await
}

/// Likewise, oldest first: those that come after this id.
pub async fn list_oldest_first(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    limit: i64,
    after: Option<Uuid>,
) -> Result<List<Execution>, StoreError> {
    let (from, to) = bounds(filter);
    let next = |after: Uuid| Uuid::from_u128(after.as_u128().saturating_add(1));
    let from = after.map_or(from, |after| from.max(next(after)));
    page_of(conn, workspace, filter, (&LISTS_OLDEST_FIRST, limit), (from, to)).await
}

/// From (inclusive) and to (exclusive).
type Ids = (Uuid, Uuid);

fn bounds(filter: &Filter) -> Ids {
    let from = filter.from.map_or(Uuid::nil(), |from| ExecutionId::lower_bound(from - ID_MARGIN));
    let to = filter.to.map_or(Uuid::max(), |to| ExecutionId::lower_bound(to + ID_MARGIN));
    (from, to)
}

async fn page_of(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    (statements, limit): (&[&'static str; 6], i64),
    ids: Ids,
) -> Result<List<Execution>, StoreError> {
    let names_jobs = filter.job_name.is_some() || filter.tag.is_some();
    let named = match filter {
        Filter { job: Some(_), .. } => None,
        Filter { jobs, .. } if !jobs.is_empty() => Some(uuids(jobs)),
        _ if names_jobs => jobs_named(conn, workspace, filter).await?,
        _ => None,
    };
    let statement = statements[search_for(filter, named.as_deref()) as usize];
    let rows = search(conn, statement, workspace, filter, (ids, limit), named).await?;
    let mut list = List::from_search(rows, limit, ExecutionRow::id);
    add_earlier_attempts(conn, &mut list.data).await?;
    list.try_map(ExecutionRow::into_execution)
}

fn uuids(jobs: &[JobId]) -> Vec<Uuid> {
    jobs.iter().map(|job| job.uuid()).collect()
}

/// Adds the last attempts of executions that have them in `earlier_attempts`: those that are retried, and those that were cancelled or lost.
pub(super) async fn add_earlier_attempts(
    conn: &mut Conn,
    rows: &mut [ExecutionRow],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> =
        rows.iter().filter(|row| row.has_earlier_attempts_only()).map(ExecutionRow::id).collect();
    // With the first and the last id, few partitions are searched.
    let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) else { return Ok(()) };
    let found: Vec<LastAttemptRow> = prepared(
        sql_query(
            "select distinct on (execution_id) execution_id, status_code, error from earlier_attempts
             where execution_id = any($1) and execution_id between $2 and $3 order by execution_id, number desc",
        )
        .bind::<Array<SqlUuid>, _>(&ids)
        .bind::<SqlUuid, _>(first)
        .bind::<SqlUuid, _>(last),
    )
    .load(conn)
    .await?;
    for row in rows {
        if let Some(attempt) = found.iter().find(|attempt| attempt.execution_id == row.id()) {
            row.set_last_attempt(attempt);
        }
    }
    Ok(())
}

async fn search(
    conn: &mut Conn,
    statement: &'static str,
    workspace: WorkspaceId,
    filter: &Filter,
    ((from, to), limit): (Ids, i64),
    named: Option<Vec<Uuid>>,
) -> Result<Vec<Searched<ExecutionRow>>, StoreError> {
    let (first_status, last_status) = filter
        .status_code
        .map(StatusItem::bounds)
        .and_then(|(first, last)| Some((i16::try_from(first).ok()?, i16::try_from(last).ok()?)))
        .unzip();
    let rows: Vec<SearchedRow<ExecutionRow>> = prepared(
        sql_query(statement)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(to)
            .bind::<SqlUuid, _>(from)
            .bind::<Array<Text>, _>(filter.statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>())
            .bind::<Nullable<Text>, _>(filter.source.map(Source::as_str))
            .bind::<Nullable<SqlUuid>, _>(filter.job.map(JobId::uuid))
            .bind::<Nullable<Text>, _>(filter.job_name.as_deref())
            .bind::<Nullable<Timestamptz>, _>(filter.from)
            .bind::<Nullable<Timestamptz>, _>(filter.to)
            .bind::<BigInt, _>(limit + 1)
            .bind::<Array<SqlUuid>, _>(named.unwrap_or_default())
            .bind::<Nullable<SmallInt>, _>(first_status)
            .bind::<Nullable<Text>, _>(filter.error_class.as_deref())
            .bind::<Nullable<Text>, _>(filter.tag.as_deref())
            .bind::<Nullable<Text>, _>(filter.host.as_deref())
            .bind::<Nullable<SmallInt>, _>(last_status)
            .bind::<Nullable<SmallInt>, _>(filter.min_attempts.and_then(|count| i16::try_from(count).ok()))
            .bind::<Array<SqlUuid>, _>(uuids(&filter.jobs)),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// How many jobs are searched one by one. With more jobs that match, a scan of all executions soon finds some.
pub const MAX_NAMED_JOBS: usize = 20;

/// The jobs with the name and the tag of the filter; `None` if they are many, or if the workspace has too many jobs to compare.
async fn jobs_named(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
) -> Result<Option<Vec<Uuid>>, StoreError> {
    #[derive(diesel::QueryableByName)]
    #[diesel(table_name = jobs)]
    struct Named {
        id: Uuid,
    }
    let rows: Vec<SearchedRow<Named>> = prepared(
        sql_query(concat!(
            "select id, matches, is_last from (
                 select id, case when position(upper($2 collate \"und-x-icu\") in upper(name collate \"und-x-icu\")) > 0 then true else $2::text is null end
                        and case when $4 = any(tags) then true else $4::text is null end as matches, row_number() over () > ",
            max_rows_searched!(),
            " as is_last
                 from (select id, name, tags from jobs where workspace_id = $1 order by id desc limit ",
            max_rows_searched!(),
            " + 1) j) j
             where matches or is_last order by is_last desc limit $3"
        ))
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Nullable<Text>, _>(filter.job_name.as_deref())
        .bind::<BigInt, _>(MAX_NAMED_JOBS as i64 + 1)
        .bind::<Nullable<Text>, _>(filter.tag.as_deref()),
    )
    .load(conn)
    .await?;
    let are_many = rows.len() > MAX_NAMED_JOBS || matches!(&rows[..], [row, ..] if row.is_last);
    Ok((!are_many).then(|| rows.into_iter().map(|row| row.found.id).collect()))
}
